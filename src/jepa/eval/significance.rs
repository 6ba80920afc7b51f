//! How sure a difference is: intervals over perturbations, the ceiling that the data set themselves.
//!
//! [`paired`] compares two methods perturbation by perturbation; [`conformal`] gives predictions intervals that hold what
//! they promise. Draws come from one seeded ChaCha stream, so a table repeats exactly.

pub mod conformal;
pub mod paired;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use spec::metrics::{Interval, Undefined};

use super::pairs::{self, Score};

/// The generator of a seed.
pub fn draws(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// Interval of the mean that holds a share `confidence`, by drawing perturbations again `n_draws` times (percentiles).
///
/// Perturbations are drawn, not cells: what is asked is how the mean would be for other perturbations.
///
/// # Errors
/// Fewer than two values, a value that is not finite, no draws.
pub fn bootstrap(values: &[f64], confidence: f64, n_draws: usize, seed: u64) -> Result<Interval, Undefined> {
    if values.len() < 2 || n_draws == 0 {
        return Err(Undefined::TooFewTargets);
    }
    if values.iter().any(|value| !value.is_finite()) || !(0.0..1.0).contains(&confidence) {
        return Err(Undefined::NotFinite);
    }
    let mut draws = draws(seed);
    let n = values.len();
    let mut means: Vec<f64> =
        (0..n_draws).map(|_| (0..n).map(|_| values[draws.random_range(0..n)]).sum::<f64>() / n as f64).collect();
    means.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Ok(Interval { low: pairs::quantile(&means, tail), high: pairs::quantile(&means, 1.0 - tail) })
}

/// Two halves of the cells of one perturbation, drawn without replacement; of an odd number one is left over.
///
/// # Errors
/// Fewer than two cells.
pub fn halves(n_cells: usize, draws: &mut ChaCha8Rng) -> Result<(Vec<usize>, Vec<usize>), Undefined> {
    let half = n_cells / 2;
    if half == 0 {
        return Err(Undefined::TooFewCells);
    }
    let mut order: Vec<usize> = (0..n_cells).collect();
    for i in (1..n_cells).rev() {
        order.swap(i, draws.random_range(0..=i));
    }
    let other = order[half..2 * half].to_vec();
    order.truncate(half);
    Ok((order, other))
}

/// cell-eval's ceiling draws: `n` cells with replacement as the measured side, then `n` more as the predicted one.
/// Its generator is numpy's, so that its numbers are not repeated, only its scheme.
///
/// # Errors
/// No cells.
pub fn resampled(n_cells: usize, draws: &mut ChaCha8Rng) -> Result<(Vec<usize>, Vec<usize>), Undefined> {
    if n_cells == 0 {
        return Err(Undefined::TooFewCells);
    }
    let mut side = || (0..n_cells).map(|_| draws.random_range(0..n_cells)).collect();
    Ok((side(), side()))
}

/// The best a measure can be on these cells: the mean over `n_repeats` of `measure` between the mean profiles of two
/// halves, one as the prediction and one as the truth.
///
/// Half the cells are noisier than all of them, so a prediction without error may score higher; it is a mark to look up
/// to, not a bound.
///
/// # Errors
/// Fewer than two cells, rows of different length, or what `measure` says.
pub fn ceiling(
    rows: &[&[f32]],
    n_repeats: usize,
    seed: u64,
    mut measure: impl FnMut(&[f32], &[f32]) -> Score,
) -> Score {
    let n_genes = rows.first().ok_or(Undefined::TooFewCells)?.len();
    if rows.iter().any(|row| row.len() != n_genes) {
        return Err(Undefined::Length);
    }
    let mut draws = draws(seed);
    let mut scores = Vec::with_capacity(n_repeats);
    for _ in 0..n_repeats.max(1) {
        let (one, other) = halves(rows.len(), &mut draws)?;
        scores.push(measure(&mean_profile(rows, &one), &mean_profile(rows, &other))?);
    }
    Ok(pairs::mean(&scores))
}

/// What a correlation of halves would be of the whole (Spearman and Brown).
pub fn of_the_whole(of_halves: f64) -> f64 {
    2.0 * of_halves / (1.0 + of_halves)
}

/// Mean of the chosen rows; a row shorter than the first counts for its genes alone.
pub fn mean_profile(rows: &[&[f32]], chosen: &[usize]) -> Vec<f32> {
    let mut sum = vec![0.0f64; rows.first().map_or(0, |row| row.len())];
    for row in chosen.iter().filter_map(|&row| rows.get(row)) {
        for (sum, &value) in sum.iter_mut().zip(*row) {
            *sum += f64::from(value);
        }
    }
    sum.into_iter().map(|value| (value / chosen.len().max(1) as f64) as f32).collect()
}
