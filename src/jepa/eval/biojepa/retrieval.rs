//! Evaluation 3: of all perturbations in a bank, which one's predicted change is most like a measured change?
//!
//! Published: MRR .0099 and median rank 648.5 of 1,250, where chance is 625. The bank was read with the wrong modality and
//! most candidates were training guides. What is corrected here is the ranking: candidates are perturbations that training
//! did not see, the perturbed gene's own transcript is left out on both sides (that a knockout lowers it is no knowledge of
//! a response, and finds nearly every target), equals share their places, and chance stands beside it.

use spec::metrics::Undefined;

use crate::eval::pairs::{self, Score};

/// Added to the lengths of both sides.
const SMALL: f64 = 1e-8;

/// Ranks of many perturbations in one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retrieval {
    /// Mean of one over the rank.
    pub mean_reciprocal_rank: f64,
    /// Median rank, from 1.
    pub median_rank: f64,
    /// What the first would be by chance.
    pub chance_reciprocal_rank: f64,
    /// What the second would be by chance.
    pub chance_median_rank: f64,
}

/// Rank from 1 of the true row `own` of a bank of predicted changes: one more than the rows more like `measured`.
///
/// # Errors
/// No such row, rows of another length, a value that is not finite.
pub fn rank_as_published(measured: &[f64], bank: &[Vec<f64>], own: usize) -> Score {
    let likeness = likenesses(measured, bank)?;
    let own = *likeness.get(own).ok_or(Undefined::Length)?;
    Ok(1.0 + likeness.iter().filter(|&&other| other > own).count() as f64)
}

/// The same among `candidates` alone (perturbations that training did not see, `own` among them), equals sharing places, the
/// column of the true target's own gene left out of all rows.
///
/// # Errors
/// As above, or `own` is no candidate.
pub fn rank_corrected(
    measured: &[f64],
    bank: &[Vec<f64>],
    (own, own_gene): (usize, Option<usize>),
    candidates: &[usize],
) -> Score {
    let at = candidates.iter().position(|&candidate| candidate == own).ok_or(Undefined::NotGiven)?;
    let left = |row: &[f64]| -> Vec<f64> {
        row.iter().enumerate().filter(|(gene, _)| Some(*gene) != own_gene).map(|(_, value)| *value).collect()
    };
    let rows: Vec<Vec<f64>> =
        candidates.iter().filter_map(|&candidate| bank.get(candidate)).map(|row| left(row)).collect();
    if rows.len() != candidates.len() {
        return Err(Undefined::Length);
    }
    let misfits: Vec<f64> = likenesses(&left(measured), &rows)?.into_iter().map(|likeness| -likeness).collect();
    Ok(pairs::place(&misfits, at)? + 1.0)
}

fn likenesses(measured: &[f64], bank: &[Vec<f64>]) -> Result<Vec<f64>, Undefined> {
    let norm = |row: &[f64]| pairs::dot(row, row).sqrt() + SMALL;
    bank.iter()
        .map(|row| {
            if row.len() != measured.len() {
                return Err(Undefined::Length);
            }
            let likeness = pairs::dot(row, measured) / (norm(row) * norm(measured));
            if likeness.is_finite() { Ok(likeness) } else { Err(Undefined::NotFinite) }
        })
        .collect()
}

/// Ranks among `n_candidates` in one.
///
/// # Errors
/// No ranks or candidates.
pub fn summary(ranks: &[f64], n_candidates: usize) -> Result<Retrieval, Undefined> {
    if ranks.is_empty() || n_candidates == 0 {
        return Err(Undefined::TooFewTargets);
    }
    let mut sorted = ranks.to_vec();
    sorted.sort_by(f64::total_cmp);
    let harmonic: f64 = (1..=n_candidates).map(|rank| 1.0 / rank as f64).sum();
    Ok(Retrieval {
        mean_reciprocal_rank: ranks.iter().map(|rank| 1.0 / rank).sum::<f64>() / ranks.len() as f64,
        median_rank: pairs::quantile(&sorted, 0.5),
        chance_reciprocal_rank: harmonic / n_candidates as f64,
        chance_median_rank: (n_candidates as f64 + 1.0) / 2.0,
    })
}
