//! Baselines that know no vector of the perturbation asked about: means of training, each perturbation or each cell
//! counting the same, and sums of single perturbations for a double.

/// What the mean of training counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weighting {
    /// Each perturbation the same: the mean of pseudobulks.
    Perturbations,
    /// Each cell the same: Systema's non-control mean.
    Cells,
}

/// Mean response per gene over the training targets; none without targets, without cells, or with rows of different
/// length. A gene not measured in a target (NaN) is the mean of the others.
pub fn weighted_mean(deltas: &[&[f32]], n_cells: &[usize], weighting: Weighting) -> Option<Vec<f32>> {
    let n_genes = deltas.first()?.len();
    if deltas.len() != n_cells.len() || deltas.iter().any(|delta| delta.len() != n_genes) {
        return None;
    }
    let weight = |cells: usize| match weighting {
        Weighting::Perturbations => 1.0,
        Weighting::Cells => cells as f64,
    };
    if n_cells.iter().map(|&cells| weight(cells)).sum::<f64>() <= 0.0 {
        return None;
    }
    let mut sums = vec![(0.0f64, 0.0f64); n_genes];
    for (delta, &cells) in deltas.iter().zip(n_cells) {
        for ((sum, total), &value) in sums.iter_mut().zip(*delta).filter(|(_, value)| value.is_finite()) {
            *sum += weight(cells) * f64::from(value);
            *total += weight(cells);
        }
    }
    Some(sums.into_iter().map(|(sum, total)| (sum / total) as f32).collect())
}

/// Additive response to several perturbations at once: the sum of the single responses. One that training did not see
/// counts as the mean of the singles (`fallback`); says how many did. As changes this is `y_A + y_B - y_0` less `y_0`.
///
/// None without parts, or where lengths differ.
pub fn additive(parts: &[Option<&[f32]>], fallback: &[f32]) -> Option<(Vec<f32>, usize)> {
    let n_unseen = parts.iter().filter(|part| part.is_none()).count();
    if parts.is_empty() || parts.iter().flatten().any(|part| part.len() != fallback.len()) {
        return None;
    }
    let sum = |gene: usize| parts.iter().map(|part| f64::from(part.unwrap_or(fallback)[gene])).sum::<f64>() as f32;
    Some(((0..fallback.len()).map(sum).collect(), n_unseen))
}

/// Systema's matching mean for several perturbations at once: the mean of their responses in place of the sum.
///
/// As [`additive`].
pub fn matching_mean(parts: &[Option<&[f32]>], fallback: &[f32]) -> Option<(Vec<f32>, usize)> {
    let (sum, n_unseen) = additive(parts, fallback)?;
    Some((sum.into_iter().map(|value| value / parts.len() as f32).collect(), n_unseen))
}

/// Mean response of the `n` training targets whose vectors are most like `query` (cosine), the first of equals.
///
/// None without targets, or for `n` of 0.
pub fn nearest_mean(vectors: &[&[f32]], deltas: &[&[f32]], query: &[f32], n: usize) -> Option<Vec<f32>> {
    if vectors.len() != deltas.len() || n == 0 {
        return None;
    }
    let mut order: Vec<(f64, usize)> =
        vectors.iter().enumerate().map(|(index, vector)| (super::cosine(vector, query), index)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    let nearest: Vec<&[f32]> = order.iter().take(n).map(|&(_, index)| deltas[index]).collect();
    super::training_mean(&nearest)
}
