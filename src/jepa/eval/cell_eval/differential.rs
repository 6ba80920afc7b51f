//! Differential expression as pdex has it, mode `ref`: two-sided Mann-Whitney of a group's cells against control by the
//! normal approximation, corrected for ties and for continuity; Benjamini and Hochberg over the genes; fold changes of
//! means of logged values.
//!
//! scanpy's rank sum (`atlas::markers`) has no correction for continuity, so the two differ.

use spec::metrics::Undefined;
use statrs::function::erf::erfc;

use super::Tests;

/// Tests every gene of `group` against `control`; rows are cells in log1p units.
///
/// # Errors
/// A group without cells, rows of different length, a value that is not finite.
pub fn differential(group: &[&[f32]], control: &[&[f32]]) -> Result<Tests, Undefined> {
    let n_genes = group.first().ok_or(Undefined::TooFewCells)?.len();
    if control.is_empty() {
        return Err(Undefined::TooFewCells);
    }
    if group.iter().chain(control).any(|row| row.len() != n_genes) {
        return Err(Undefined::Length);
    }
    if group.iter().chain(control).any(|row| row.iter().any(|value| !value.is_finite())) {
        return Err(Undefined::NotFinite);
    }
    let mut pooled = Vec::with_capacity(group.len() + control.len());
    let (mut p_values, mut fold_changes) = (Vec::with_capacity(n_genes), Vec::with_capacity(n_genes));
    for gene in 0..n_genes {
        pooled.clear();
        pooled.extend(group.iter().map(|row| (row[gene], true)));
        pooled.extend(control.iter().map(|row| (row[gene], false)));
        p_values.push(mann_whitney(&mut pooled, group.len()));
        let mean = |rows: &[&[f32]]| rows.iter().map(|row| f64::from(row[gene])).sum::<f64>() / rows.len() as f64;
        let fold = (mean(group).exp_m1() / mean(control).exp_m1()).log2();
        // Expressed on neither side: no change. On one side alone: infinite, and so first in every ranking.
        fold_changes.push(if fold.is_nan() { 0.0 } else { fold });
    }
    Ok(Tests { adjusted: adjust(&p_values), log_fold_changes: fold_changes })
}

/// Two-sided p of the rank sum of the `n_own` values marked true; 1 where all values are equal.
fn mann_whitney(pooled: &mut [(f32, bool)], n_own: usize) -> f64 {
    // Equals share their ranks, so their order does not matter.
    pooled.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let n = pooled.len() as f64;
    let (mut rank_sum, mut ties) = (0.0, 0.0);
    let mut start = 0;
    while start < pooled.len() {
        let same = pooled[start..].iter().take_while(|(value, _)| *value == pooled[start].0).count().max(1);
        let rank = (2 * start + same + 1) as f64 / 2.0;
        rank_sum += rank * pooled[start..start + same].iter().filter(|(_, own)| *own).count() as f64;
        ties += (same as f64).powi(3) - same as f64;
        start += same;
    }
    let (own, other) = (n_own as f64, n - n_own as f64);
    let u = rank_sum - own * (own + 1.0) / 2.0;
    let larger = u.max(own * other - u);
    let deviation = (own * other / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    if deviation.is_nan() || deviation <= 0.0 {
        return 1.0;
    }
    let z = (larger - own * other / 2.0 - 0.5) / deviation;
    erfc(z / std::f64::consts::SQRT_2).clamp(0.0, 1.0)
}

/// Benjamini and Hochberg's correction.
fn adjust(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let n = p_values.len() as f64;
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0f64;
    for (place, &gene) in order.iter().enumerate() {
        least = least.min(p_values[gene] * n / (n - place as f64));
        adjusted[gene] = least;
    }
    adjusted
}
