//! What two columns of numbers have in common: correlations, distances, ranks. In f64, on plain slices.
//!
//! Every function says why it has no number ([`Undefined`]), and none panics: sides of different length, values that are
//! not finite, and sides that are the same everywhere are named.

use spec::metrics::Undefined;

/// A number, or why there is none.
pub type Score = Result<f64, Undefined>;

/// The numbers of a column in f64.
pub fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

/// `a - b`, number by number; as long as the shorter.
pub fn difference(a: &[f32], b: &[f32]) -> Vec<f64> {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect()
}

/// The numbers at `genes`; what lies outside is left out.
pub fn at(values: &[f64], genes: &[usize]) -> Vec<f64> {
    genes.iter().filter_map(|&gene| values.get(gene).copied()).collect()
}

/// Refuses sides that cannot be compared.
fn comparable(a: &[f64], b: &[f64], at_least: usize) -> Result<(), Undefined> {
    if a.len() != b.len() {
        return Err(Undefined::Length);
    }
    if a.len() < at_least {
        return Err(Undefined::TooFewGenes);
    }
    if a.iter().chain(b).any(|value| !value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    Ok(())
}

fn number(value: f64) -> Score {
    if value.is_finite() { Ok(value) } else { Err(Undefined::NotFinite) }
}

/// Arithmetic mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}

/// Pearson's correlation.
///
/// # Errors
/// Fewer than two numbers, or a side that is constant up to the rounding of f32.
pub fn pearson(a: &[f64], b: &[f64]) -> Score {
    comparable(a, b, 2)?;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    let is_flat = |sum: f64, mean: f64| sum <= a.len() as f64 * (mean.abs() * 1e-7).powi(2);
    if is_flat(aa, mean_a) || is_flat(bb, mean_b) {
        return Err(Undefined::Constant);
    }
    number((ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0))
}

/// Spearman's correlation: Pearson's of the ranks, equals sharing theirs. Infinite values have ranks; NaN has none.
///
/// # Errors
/// As [`pearson`].
pub fn spearman(a: &[f64], b: &[f64]) -> Score {
    if a.iter().chain(b).any(|value| value.is_nan()) {
        return Err(Undefined::NotFinite);
    }
    pearson(&ranks(a), &ranks(b))
}

/// Ranks from 1, equals sharing the mean of theirs.
pub fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        // `==` and not the order's own equality: -0 and 0 are the same number.
        let same = order[start..].iter().take_while(|&&i| values[i] == values[order[start]]).count().max(1);
        let shared = (2 * start + same + 1) as f64 / 2.0;
        for &i in &order[start..start + same] {
            ranks[i] = shared;
        }
        start += same;
    }
    ranks
}

/// Mean squared difference.
///
/// # Errors
/// No numbers.
pub fn mean_square(a: &[f64], b: &[f64]) -> Score {
    comparable(a, b, 1)?;
    number(a.iter().zip(b).map(|(x, y)| (x - y).powi(2)).sum::<f64>() / a.len() as f64)
}

/// Mean absolute difference.
///
/// # Errors
/// No numbers.
pub fn mean_absolute(a: &[f64], b: &[f64]) -> Score {
    comparable(a, b, 1)?;
    number(a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum::<f64>() / a.len() as f64)
}

/// Cosine of the angle.
///
/// # Errors
/// A side of length 0.
pub fn cosine(a: &[f64], b: &[f64]) -> Score {
    comparable(a, b, 1)?;
    let norm = dot(a, a).sqrt() * dot(b, b).sqrt();
    if norm > 0.0 { number(dot(a, b) / norm) } else { Err(Undefined::Constant) }
}

/// Share of the variance of `measured` that `predicted` explains, as scikit-learn's `r2_score(measured, predicted)`.
///
/// # Errors
/// A constant `measured`, where scikit-learn says 0 or 1.
pub fn explained(measured: &[f64], predicted: &[f64]) -> Score {
    weighted_explained(measured, predicted, &vec![1.0; measured.len()])
}

/// The same, each number counting by its weight.
///
/// # Errors
/// As [`explained`], weights that are negative or sum to 0.
pub fn weighted_explained(measured: &[f64], predicted: &[f64], weights: &[f64]) -> Score {
    comparable(measured, predicted, 2)?;
    let total = total_weight(weights, measured.len())?;
    let mean = dot(measured, weights) / total;
    let (mut left, mut all) = (0.0, 0.0);
    for ((&y, &p), &w) in measured.iter().zip(predicted).zip(weights) {
        left += w * (y - p).powi(2);
        all += w * (y - mean).powi(2);
    }
    if all <= total * (mean.abs() * 1e-7).powi(2) {
        return Err(Undefined::Constant);
    }
    number(1.0 - left / all)
}

/// Mean squared difference, each number counting by its weight.
///
/// # Errors
/// Weights that are negative or sum to 0.
pub fn weighted_mean_square(a: &[f64], b: &[f64], weights: &[f64]) -> Score {
    comparable(a, b, 1)?;
    let total = total_weight(weights, a.len())?;
    number(a.iter().zip(b).zip(weights).map(|((x, y), w)| w * (x - y).powi(2)).sum::<f64>() / total)
}

fn total_weight(weights: &[f64], n: usize) -> Score {
    if weights.len() != n {
        return Err(Undefined::Length);
    }
    if weights.iter().any(|&weight| !(weight.is_finite() && weight >= 0.0)) {
        return Err(Undefined::NotFinite);
    }
    let total = weights.iter().sum::<f64>();
    if total > 0.0 { Ok(total) } else { Err(Undefined::TooFewGenes) }
}

/// Sum of the products.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    summed(a, b, |x, y| x * y)
}

/// Sum of the absolute differences.
pub fn manhattan(a: &[f64], b: &[f64]) -> f64 {
    summed(a, b, |x, y| (x - y).abs())
}

/// Sum of the squared differences.
pub fn squares(a: &[f64], b: &[f64]) -> f64 {
    summed(a, b, |x, y| (x - y) * (x - y))
}

/// Length of the difference.
pub fn euclidean(a: &[f64], b: &[f64]) -> f64 {
    squares(a, b).sqrt()
}

/// Sums in eight lanes, so that no addition waits for the one before: comparing all with all is most of a table's time.
#[inline]
fn summed(a: &[f64], b: &[f64], of: impl Fn(f64, f64) -> f64) -> f64 {
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let mut lanes = [0.0; 8];
    for (a, b) in a.chunks_exact(8).zip(b.chunks_exact(8)) {
        for (lane, (&x, &y)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += of(x, y);
        }
    }
    let rest = n - n % 8;
    let left: f64 = a[rest..].iter().zip(&b[rest..]).map(|(&x, &y)| of(x, y)).sum();
    lanes.iter().sum::<f64>() + left
}

/// Indices by falling magnitude, equals by index; NaN last.
pub fn by_magnitude(values: &[f64]) -> Vec<usize> {
    let size = |i: usize| if values[i].is_nan() { -1.0 } else { values[i].abs() };
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
    order
}

/// Indices of the `n` of largest magnitude.
pub fn largest(values: &[f64], n: usize) -> Vec<usize> {
    let mut order = by_magnitude(values);
    order.truncate(n);
    order
}

/// The value below which a share `at` of sorted values lies, by linear interpolation, as `numpy.quantile` has it.
pub fn quantile(sorted: &[f64], at: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = at.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    low + (high - low) * (place - below as f64)
}

/// Places of a true answer in a list sorted by how well each entry fits, from 0; `fits[i]` below is better.
///
/// Entries that fit equally share their places, where the references put the first, or shuffle: a prediction that cannot
/// tell its candidates apart stands in their middle, not by luck in front.
pub fn place(fits: &[f64], answer: usize) -> Score {
    let own = *fits.get(answer).ok_or(Undefined::Length)?;
    if fits.iter().any(|fit| !fit.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let better = fits.iter().filter(|&&fit| fit < own).count();
    let equal = fits.iter().filter(|&&fit| fit == own).count() - 1;
    Ok(better as f64 + equal as f64 / 2.0)
}
