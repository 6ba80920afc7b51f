//! cell-eval's measures (spec §5.1): errors of mean profiles, discrimination between perturbations, agreement of
//! differential expression, E-distance, the score over a baseline.
//!
//! Predicted and measured side each have control cells of their own. Differential expression is pdex's ([`differential`]).
//! Caution: a predictor that gives one cell many times makes nearly every gene significant; [`made`] has the cells that
//! stand for a predicted mean.

pub mod differential;
pub mod made;
mod tests_of_genes;

pub use tests_of_genes::{
    Tests, count_correlation, direction_match, fold_change_order, overlap, pr_auc, precision, recall, roc, roc_auc,
};

use rand::Rng;
use spec::metrics::{Better, Interval, Undefined};

use super::pairs::{self, Score};
use super::significance::draws;

/// How far two responses are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distance {
    /// Sum of absolute differences.
    L1,
    /// Euclidean.
    L2,
    /// One minus the cosine.
    Cosine,
}

impl Distance {
    /// Between two changes, one column left out. A change of length 0 has cosine 0 with all, as in scikit-learn.
    pub fn between(self, a: &[f64], b: &[f64], left_out: Option<usize>) -> f64 {
        let n = a.len().min(b.len());
        let (end, start) = left_out.filter(|&gene| gene < n).map_or((n, n), |gene| (gene, gene + 1));
        let summed = |of: fn(&[f64], &[f64]) -> f64, a: &[f64], b: &[f64]| {
            of(&a[..end], &b[..end]) + of(&a[start..n], &b[start..n])
        };
        match self {
            Self::L1 => summed(pairs::manhattan, a, b),
            Self::L2 => summed(pairs::squares, a, b).sqrt(),
            Self::Cosine => {
                let norm = summed(pairs::dot, a, a).sqrt() * summed(pairs::dot, b, b).sqrt();
                if norm > 0.0 { 1.0 - summed(pairs::dot, a, b) / norm } else { 1.0 }
            }
        }
    }
}

/// Discrimination: per perturbation, one minus the share of measured changes that are closer to the predicted one than
/// its own. 1 is best, (n + 1) / 2n by chance.
///
/// `own_genes[p]` is the column of the perturbed gene, left out of all distances; none where it is not measured. Equal
/// distances share their places, where cell-eval takes whichever numpy's sort has first.
pub fn discrimination(
    predicted: &[Vec<f64>],
    measured: &[Vec<f64>],
    own_genes: &[Option<usize>],
    distance: Distance,
) -> Vec<Score> {
    let n = measured.len() as f64;
    let one = |(target, change): (usize, &Vec<f64>)| -> Score {
        let own = own_genes.get(target).copied().flatten();
        if measured.iter().any(|other| other.len() != change.len()) {
            return Err(Undefined::Length);
        }
        let distances: Vec<f64> = measured.iter().map(|other| distance.between(change, other, own)).collect();
        Ok(1.0 - pairs::place(&distances, target)? / n)
    };
    predicted.iter().enumerate().map(one).collect()
}

/// Energy distance of two groups of cells, each row with itself counted among the pairs.
///
/// # Errors
/// A group without cells, rows of different length.
pub fn energy_distance(one: &[&[f32]], other: &[&[f32]]) -> Score {
    if one.is_empty() || other.is_empty() {
        return Err(Undefined::TooFewCells);
    }
    let n_genes = one[0].len();
    if one.iter().chain(other).any(|row| row.len() != n_genes) {
        return Err(Undefined::Length);
    }
    let between = |a: &[&[f32]], b: &[&[f32]]| {
        let apart = |x: &[f32], y: &[f32]| {
            x.iter().zip(y).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>().sqrt()
        };
        let sum: f64 = a.iter().flat_map(|x| b.iter().map(move |y| apart(x, y))).sum();
        sum / (a.len() * b.len()) as f64
    };
    let distance = 2.0 * between(one, other) - between(one, one) - between(other, other);
    if distance.is_finite() { Ok(distance) } else { Err(Undefined::NotFinite) }
}

/// Correlation over perturbations of the measured and the predicted energy distance from control.
///
/// # Errors
/// Fewer than two perturbations, or distances that are all the same.
pub fn energy_correlation(measured: &[f64], predicted: &[f64]) -> Score {
    if measured.len() < 2 {
        return Err(Undefined::TooFewTargets);
    }
    pairs::pearson(measured, predicted)
}

/// cell-eval's baseline profile: the mean of the groups' means, **control counted among the groups**.
///
/// Without `with_control` it is the mean over perturbations alone, as every other suite has it.
pub fn baseline_profile(control: &[f32], means: &[&[f32]], with_control: bool) -> Vec<f64> {
    let groups: Vec<&[f32]> = means.iter().copied().chain(with_control.then_some(control)).collect();
    (0..control.len())
        .map(|gene| {
            let sum: f64 = groups.iter().filter_map(|group| group.get(gene)).map(|&value| f64::from(value)).sum();
            sum / groups.len().max(1) as f64
        })
        .collect()
}

/// The score of a value over a baseline's: 0 is no better than it, 1 is perfect; what is worse counts as 0.
pub fn over_baseline(value: Score, baseline: Score, better: Better) -> f64 {
    let (Ok(value), Ok(baseline)) = (value, baseline) else { return 0.0 };
    let score = match better {
        Better::Lower => 1.0 - value / baseline,
        Better::Higher => (value - baseline) / (1.0 - baseline),
    };
    // NaN counts as 0; infinity stays, as it does there.
    if score.is_nan() { 0.0 } else { score.max(0.0) }
}

/// One measure of a method and of its baseline: values by perturbation, and which way is better.
pub type BesideBaseline<'a> = (&'a [Option<f64>], &'a [Option<f64>], Better);

/// Interval of the mean of [`over_baseline`] over measures, by drawing perturbations again, the same for all of them.
///
/// # Errors
/// Fewer than two perturbations, no measures, no draws.
pub fn over_baseline_interval(
    measures: &[BesideBaseline<'_>],
    confidence: f64,
    n_draws: usize,
    seed: u64,
) -> Result<Interval, Undefined> {
    let n = measures.iter().map(|(own, theirs, _)| own.len().min(theirs.len())).min().unwrap_or(0);
    if n < 2 || n_draws == 0 {
        return Err(Undefined::TooFewTargets);
    }
    let mut draws = draws(seed);
    let mut drawn = vec![0usize; n];
    let mean = |values: &[Option<f64>], drawn: &[usize]| -> Score {
        let defined: Vec<f64> = drawn.iter().filter_map(|&at| values[at]).collect();
        if defined.is_empty() { Err(Undefined::TooFewTargets) } else { Ok(pairs::mean(&defined)) }
    };
    let mut scores = Vec::with_capacity(n_draws);
    for _ in 0..n_draws {
        drawn.iter_mut().for_each(|at| *at = draws.random_range(0..n));
        let sum: f64 = measures
            .iter()
            .map(|(own, theirs, better)| over_baseline(mean(own, &drawn), mean(theirs, &drawn), *better))
            .sum();
        scores.push(sum / measures.len() as f64);
    }
    if scores.iter().any(|score| !score.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    scores.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Ok(Interval { low: pairs::quantile(&scores, tail), high: pairs::quantile(&scores, 1.0 - tail) })
}

/// Agreement of clusters of measured and of predicted responses: adjusted mutual information, the best of several
/// predicted clusterings, not below 0. cell-eval clusters the means by Leiden at resolution 1 (measured) and at 0.2, 0.4,
/// 0.6, 0.8, 1, 1.5 and 2 (predicted) with 15 neighbours; the clusters are an input here.
///
/// # Errors
/// No clustering, or clusterings of different lengths.
pub fn clustering_agreement(measured: &[u32], predicted: &[Vec<u32>]) -> Score {
    let mut best = 0.0f64;
    if predicted.is_empty() || measured.is_empty() {
        return Err(Undefined::NotGiven);
    }
    for clusters in predicted {
        best = best.max(adjusted_mutual_information(measured, clusters)?);
    }
    Ok(best)
}

/// Mutual information of two partitions less what chance gives, over the mean of their entropies less the same.
///
/// # Errors
/// Partitions of different lengths, or of nothing.
pub fn adjusted_mutual_information(one: &[u32], other: &[u32]) -> Score {
    if one.len() != other.len() {
        return Err(Undefined::Length);
    }
    if one.is_empty() {
        return Err(Undefined::TooFewTargets);
    }
    let (one, sizes) = numbered(one);
    let (other, other_sizes) = numbered(other);
    // One cluster on both sides, or nothing but singletons on both: perfect agreement.
    if sizes.len() == other_sizes.len() && (sizes.len() == 1 || sizes.len() == one.len()) {
        return Ok(1.0);
    }
    let n = one.len() as f64;
    let mut counts = vec![0usize; sizes.len() * other_sizes.len()];
    for (&a, &b) in one.iter().zip(&other) {
        counts[a * other_sizes.len() + b] += 1;
    }
    let mut information = 0.0;
    for (a, &size) in sizes.iter().enumerate() {
        for (b, &other_size) in other_sizes.iter().enumerate() {
            let count = counts[a * other_sizes.len() + b] as f64;
            if count > 0.0 {
                information += count / n * (count * n / (size as f64 * other_size as f64)).ln();
            }
        }
    }
    let expected = expected_information(&sizes, &other_sizes, one.len());
    let entropy = |sizes: &[usize]| -> f64 { -sizes.iter().map(|&s| s as f64 / n * (s as f64 / n).ln()).sum::<f64>() };
    let room = f64::midpoint(entropy(&sizes), entropy(&other_sizes)) - expected;
    // As scikit-learn: a room of 0 is taken as the smallest step away from it.
    let room = if room < 0.0 { room.min(-f64::EPSILON) } else { room.max(f64::EPSILON) };
    Ok((information - expected) / room)
}

/// Clusters numbered from 0 by first appearance, and their sizes.
fn numbered(labels: &[u32]) -> (Vec<usize>, Vec<usize>) {
    let mut numbers = std::collections::HashMap::new();
    let mut sizes = Vec::new();
    let numbered = labels
        .iter()
        .map(|label| {
            let number = *numbers.entry(label).or_insert_with(|| {
                sizes.push(0);
                sizes.len() - 1
            });
            sizes[number] += 1;
            number
        })
        .collect();
    (numbered, sizes)
}

/// Mean mutual information over all partitions of the same sizes (the hypergeometric model).
fn expected_information(sizes: &[usize], other_sizes: &[usize], n: usize) -> f64 {
    let mut log_factorial = vec![0.0f64; n + 1];
    for i in 1..=n {
        log_factorial[i] = log_factorial[i - 1] + (i as f64).ln();
    }
    let f = |i: usize| log_factorial[i];
    let mut expected = 0.0;
    for &a in sizes {
        for &b in other_sizes {
            for count in (a + b).saturating_sub(n).max(1)..=a.min(b) {
                let log_chance = f(a) + f(b) + f(n - a) + f(n - b)
                    - f(n)
                    - f(count)
                    - f(a - count)
                    - f(b - count)
                    - f(n + count - a - b);
                let share = count as f64 / n as f64;
                expected += share * (n as f64 * count as f64 / (a as f64 * b as f64)).ln() * log_chance.exp();
            }
        }
    }
    expected
}
