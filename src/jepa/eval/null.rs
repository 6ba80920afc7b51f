//! What a predictor that knows nothing scores by the measure of single cells (spec §4.2.10), on the data at hand.
//!
//! The measure looks, for each pair of a perturbed and a random control cell, at the 20 genes that differ most between the
//! two: genes where one of them is zero, whose difference the control cell alone foretells. So the mean cell, which is the
//! same for every perturbation, comes out high, with labels that mean something and with labels that mean nothing.

use rand::Rng;
use spec::metrics::Undefined;

use super::biojepa::{SampleScore, sample_as_published};
use super::significance::draws;

/// `n` draws, with replacement, of indices below `n_choices`; none where there is nothing to choose from.
pub fn drawn(n_choices: usize, n: usize, seed: u64) -> Vec<usize> {
    let mut draws = draws(seed);
    if n_choices == 0 { Vec::new() } else { (0..n).map(|_| draws.random_range(0..n_choices)).collect() }
}

/// The score of one profile as the prediction for every perturbed cell: of its difference from the control cells.
///
/// # Errors
/// No cells, rows of different length, a value that is not finite.
pub fn of_one_profile(profile: &[f32], cases: &[&[f32]], controls: &[&[f32]]) -> Result<SampleScore, Undefined> {
    of_profiles(&vec![profile; cases.len()], cases, controls)
}

/// The same with a profile for each perturbed cell.
///
/// # Errors
/// As [`of_one_profile`].
pub fn of_profiles(profiles: &[&[f32]], cases: &[&[f32]], controls: &[&[f32]]) -> Result<SampleScore, Undefined> {
    let changes =
        |rows: &[&[f32]]| -> Vec<Vec<f32>> { rows.iter().zip(controls).map(|(row, c)| less(row, c)).collect() };
    of_changes(&as_rows(&changes(profiles)), cases, controls)
}

/// The same of predicted changes, one row a pair.
///
/// # Errors
/// As [`of_one_profile`].
pub fn of_changes(changes: &[&[f32]], cases: &[&[f32]], controls: &[&[f32]]) -> Result<SampleScore, Undefined> {
    if cases.len() != controls.len() || cases.len() != changes.len() {
        return Err(Undefined::Length);
    }
    let measured: Vec<Vec<f32>> = cases.iter().zip(controls).map(|(case, control)| less(case, control)).collect();
    sample_as_published(changes, &as_rows(&measured))
}

fn less(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn as_rows(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}
