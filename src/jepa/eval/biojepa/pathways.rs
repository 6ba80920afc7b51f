//! Evaluations 6 (are embeddings of one pathway neighbours?) and 7 (are responses to one pathway alike?).
//!
//! Published 6 fits and scores its neighbours on the same points, so that each is its own neighbour; its silhouette is
//! `atlas::scores`. Published 7 compares pairs, which are not independent (each perturbation is in many), and predicted
//! changes alone: unrelated pathways have a cosine of .76 there. Corrected: a point is not its own neighbour; labels are
//! exchanged between perturbations; run it on the measured changes too, and with what all share taken off.

use spec::metrics::Undefined;
use statrs::function::erf::erfc;

use crate::eval::pairs::{self, Score};
use crate::eval::significance::draws;
use rand::Rng;

/// Share of points whose `n` nearest (cosine) have their label in the majority, the smallest label of equals; each point
/// its own nearest, as published.
///
/// # Errors
/// Fewer points than `n`, lengths that differ.
pub fn neighbours_as_published(points: &[Vec<f64>], labels: &[u32], n: usize) -> Score {
    neighbours(points, labels, n, true)
}

/// The same, a point not its own neighbour.
///
/// # Errors
/// As above, with one point more.
pub fn neighbours_corrected(points: &[Vec<f64>], labels: &[u32], n: usize) -> Score {
    neighbours(points, labels, n, false)
}

fn neighbours(points: &[Vec<f64>], labels: &[u32], n: usize, with_itself: bool) -> Score {
    if points.len() != labels.len() {
        return Err(Undefined::Length);
    }
    if n == 0 || points.len() < n + usize::from(!with_itself) {
        return Err(Undefined::TooFewTargets);
    }
    let mut right = 0;
    for (at, point) in points.iter().enumerate() {
        let mut near: Vec<(f64, u32)> = Vec::with_capacity(points.len());
        for (other, candidate) in points.iter().enumerate().filter(|(other, _)| with_itself || *other != at) {
            let likeness = match pairs::cosine(point, candidate) {
                Err(Undefined::Constant) => 0.0,
                likeness => likeness?,
            };
            // A point is nearest to itself whatever rounding says.
            near.push((if other == at { f64::INFINITY } else { likeness }, labels[other]));
        }
        near.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut votes = std::collections::BTreeMap::new();
        for (_, label) in near.iter().take(n) {
            *votes.entry(*label).or_insert(0usize) += 1;
        }
        let winner = votes.iter().rev().max_by_key(|(_, votes)| **votes).map(|(label, _)| *label);
        right += usize::from(winner == Some(labels[at]));
    }
    Ok(right as f64 / points.len() as f64)
}

/// How alike responses are within and between pathways.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Likeness {
    /// Mean cosine of pairs within a pathway.
    pub within: f64,
    /// Mean cosine of the other pairs.
    pub between: f64,
    /// One-sided p that the first are larger.
    pub p_value: f64,
}

impl Likeness {
    /// The published ratio; says nothing where both are near 1 or a side is negative.
    pub fn ratio(&self) -> f64 {
        self.within / self.between
    }
}

/// Evaluation 7 as published: p by Mann and Whitney of the pairs.
///
/// # Errors
/// No pair of one kind, a change of length 0 or of another length.
pub fn alike_as_published(changes: &[Vec<f64>], pathways: &[u32]) -> Result<Likeness, Undefined> {
    let (within, between) = pairs_of(&cosines(changes)?, pathways)?;
    let pooled: Vec<f64> = within.iter().chain(&between).copied().collect();
    let ranks = pairs::ranks(&pooled);
    let (n, m) = (within.len() as f64, between.len() as f64);
    let all = n + m;
    let u = ranks[..within.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let mut sorted = pooled;
    sorted.sort_by(f64::total_cmp);
    let ties: f64 = sorted.chunk_by(|a, b| a == b).map(|g| (g.len() as f64).powi(3) - g.len() as f64).sum();
    let deviation = (n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)))).sqrt();
    let p_value =
        if deviation > 0.0 { erfc((u - n * m / 2.0 - 0.5) / deviation / std::f64::consts::SQRT_2) / 2.0 } else { 1.0 };
    Ok(Likeness { within: pairs::mean(&within), between: pairs::mean(&between), p_value })
}

/// The same with what all responses share taken off, and p by exchanging pathways between perturbations `n_draws` times.
///
/// # Errors
/// As above.
pub fn alike_corrected(
    changes: &[Vec<f64>],
    pathways: &[u32],
    n_draws: usize,
    seed: u64,
) -> Result<Likeness, Undefined> {
    let n_genes = changes.first().ok_or(Undefined::TooFewTargets)?.len();
    if changes.iter().any(|change| change.len() != n_genes) {
        return Err(Undefined::Length);
    }
    let shared: Vec<f64> =
        (0..n_genes).map(|gene| changes.iter().map(|c| c[gene]).sum::<f64>() / changes.len() as f64).collect();
    let own: Vec<Vec<f64>> =
        changes.iter().map(|change| change.iter().zip(&shared).map(|(value, mean)| value - mean).collect()).collect();
    let cosines = cosines(&own)?;
    let (within, between) = pairs_of(&cosines, pathways)?;
    let (within, between) = (pairs::mean(&within), pairs::mean(&between));
    let mut draws = draws(seed);
    let mut exchanged = pathways.to_vec();
    let mut reached = 1usize;
    for _ in 0..n_draws {
        for i in (1..exchanged.len()).rev() {
            exchanged.swap(i, draws.random_range(0..=i));
        }
        let (a, b) = pairs_of(&cosines, &exchanged)?;
        reached += usize::from(pairs::mean(&a) - pairs::mean(&b) >= within - between - 1e-12);
    }
    Ok(Likeness { within, between, p_value: reached as f64 / (n_draws + 1) as f64 })
}

fn cosines(changes: &[Vec<f64>]) -> Result<Vec<Vec<f64>>, Undefined> {
    changes.iter().map(|one| changes.iter().map(|other| pairs::cosine(one, other)).collect()).collect()
}

/// Cosines of pairs of one pathway, and of the others.
fn pairs_of(cosines: &[Vec<f64>], pathways: &[u32]) -> Result<(Vec<f64>, Vec<f64>), Undefined> {
    if cosines.len() != pathways.len() {
        return Err(Undefined::Length);
    }
    let (mut within, mut between) = (Vec::new(), Vec::new());
    for (i, row) in cosines.iter().enumerate() {
        for (j, &cosine) in row.iter().enumerate().skip(i + 1) {
            if pathways[i] == pathways[j] { within.push(cosine) } else { between.push(cosine) }
        }
    }
    if within.is_empty() || between.is_empty() { Err(Undefined::OneClass) } else { Ok((within, between)) }
}
