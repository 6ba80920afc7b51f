//! Two methods on the same perturbations: is the mean of their differences more than chance?
//!
//! The table uses [`sign_flips`]: it asks about the mean, which is what is shown, and assumes no more than that neither
//! method is favoured. [`signed_rank`] (Wilcoxon) asks about the ranks, and one perturbation cannot decide it.

use rand::Rng;
use spec::metrics::Undefined;
use statrs::function::erf::erfc;

use super::draws;
use crate::eval::pairs::{self, Score};

/// Up to so many differences all flips are counted: 2¹⁶ of them.
pub const MOST_EXACT: usize = 16;
/// Beyond it so many are drawn.
pub const N_FLIPS: usize = 20_000;
/// Up to so many differences, none 0 and none equal in size, the ranks' distribution is counted.
const MOST_RANKED: usize = 50;

/// Two-sided p of the mean difference, if each difference were as likely to have the other sign: exact up to 16
/// differences, else from 20 000 draws (the drawn p counts itself, so it is never 0).
///
/// # Errors
/// Fewer than two differences, or one that is not finite.
pub fn sign_flips(differences: &[f64], seed: u64) -> Score {
    if differences.len() < 2 {
        return Err(Undefined::TooFewTargets);
    }
    if differences.iter().any(|difference| !difference.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let sum: f64 = differences.iter().sum();
    // Sums of the same numbers in other orders differ by rounding; those count as reaching the observed one.
    let reached = sum.abs() - 1e-12 * differences.iter().map(|d| d.abs()).sum::<f64>();
    if differences.len() <= MOST_EXACT {
        let n_all = 1u32 << differences.len();
        let extreme = (0..n_all).filter(|&flips| flipped(differences, u64::from(flips)).abs() >= reached).count();
        return Ok(extreme as f64 / f64::from(n_all));
    }
    let mut draws = draws(seed);
    let mut extreme = 1;
    for _ in 0..N_FLIPS {
        let mut sum = 0.0;
        for part in differences.chunks(64) {
            sum += flipped(part, draws.random());
        }
        extreme += usize::from(sum.abs() >= reached);
    }
    Ok(extreme as f64 / (N_FLIPS + 1) as f64)
}

/// Sum with the signs of the set bits turned; of at most 64 numbers.
fn flipped(differences: &[f64], flips: u64) -> f64 {
    differences.iter().enumerate().map(|(bit, &d)| if flips >> bit & 1 == 1 { -d } else { d }).sum()
}

/// Wilcoxon's signed rank test, two-sided. Differences of 0 are left out. Exact for at most 50 differences of distinct
/// sizes, else by the normal approximation, corrected for ties and not for continuity (scipy's `wilcoxon`,
/// `correction=False`).
///
/// # Errors
/// No difference but 0, or one that is not finite.
pub fn signed_rank(differences: &[f64]) -> Score {
    if differences.iter().any(|difference| !difference.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let kept: Vec<f64> = differences.iter().copied().filter(|&difference| difference != 0.0).collect();
    if kept.is_empty() {
        return Err(Undefined::TooFewTargets);
    }
    let sizes: Vec<f64> = kept.iter().map(|difference| difference.abs()).collect();
    let ranks = pairs::ranks(&sizes);
    let above: f64 = ranks.iter().zip(&kept).filter(|(_, d)| **d > 0.0).map(|(rank, _)| rank).sum();
    let n = kept.len();
    let all = (n * (n + 1) / 2) as f64;
    let mut sorted = sizes;
    sorted.sort_by(f64::total_cmp);
    let is_tied = sorted.windows(2).any(|pair| pair[0] == pair[1]);
    if n <= MOST_RANKED && !is_tied && n == differences.len() {
        return Ok(exact_rank(above.min(all - above).round() as usize, n));
    }
    let mut variance = (n * (n + 1) * (2 * n + 1)) as f64 / 24.0;
    for group in sorted.chunk_by(|a, b| a == b) {
        let size = group.len() as f64;
        variance -= (size.powi(3) - size) / 48.0;
    }
    if variance <= 0.0 {
        return Err(Undefined::Constant);
    }
    let z = (above - all / 2.0) / variance.sqrt();
    Ok(erfc(z.abs() / std::f64::consts::SQRT_2).min(1.0))
}

/// Twice the chance that ranks 1..=n with random signs sum, on one side, to at most `smaller`.
fn exact_rank(smaller: usize, n: usize) -> f64 {
    let mut ways = vec![0.0f64; n * (n + 1) / 2 + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..ways.len()).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let tail: f64 = ways.iter().take(smaller + 1).sum();
    (2.0 * tail / 2.0f64.powi(n as i32)).min(1.0)
}
