//! The rank sum of a group among some cells. Only values that are not 0 are sorted: the zeros are one long tie, whose
//! place is known from how many values lie below it.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::markers::columns::Column;

/// Ranks of one gene, summed by group.
pub struct Ranks {
    /// Stored values with their group, ascending once sorted.
    sorted: Vec<(f64, Option<usize>)>,
    sums: Vec<f64>,
    n_stored: Vec<usize>,
    /// Sum of t³ - t over ties of t cells.
    ties: f64,
    n_ranked: usize,
    /// Rank of every cell without a stored value.
    rank_of_zero: f64,
}

impl Ranks {
    pub(super) fn new(n_groups: usize) -> Self {
        Self {
            sorted: Vec::new(),
            sums: vec![0.0; n_groups],
            n_stored: vec![0; n_groups],
            ties: 0.0,
            n_ranked: 0,
            rank_of_zero: 0.0,
        }
    }

    /// Ranks the `n_ranked` cells whose group `is_in`; equal values share the mean of their ranks.
    pub(super) fn rank(
        &mut self,
        values: Column<'_>,
        groups: &[Option<usize>],
        is_in: impl Fn(Option<usize>) -> bool,
        n_ranked: usize,
    ) {
        self.sorted.clear();
        self.sorted.extend(values.iter().map(|(cell, value)| (value, groups[cell])).filter(|&(_, group)| is_in(group)));
        self.sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        self.sums.fill(0.0);
        self.n_stored.fill(0);
        self.n_ranked = n_ranked;
        let n_zeros = n_ranked - self.sorted.len();
        let n_below = self.sorted.partition_point(|&(value, _)| value < 0.0);
        self.rank_of_zero = n_below as f64 + (n_zeros as f64 + 1.0) / 2.0;
        self.ties = tie(n_zeros);
        let mut at = 0;
        for equal in self.sorted.chunk_by(|a, b| a.0 == b.0) {
            let before = at + if at >= n_below { n_zeros } else { 0 };
            let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
            for group in equal.iter().filter_map(|&(_, group)| group) {
                self.sums[group] += rank;
                self.n_stored[group] += 1;
            }
            self.ties += tie(equal.len());
            at += equal.len();
        }
    }

    /// z of the rank sum of a group of `n_own` cells among those ranked, and its two-sided p.
    pub(super) fn test(&self, group: usize, n_own: usize, tie_correct: bool) -> (f64, f64) {
        let n = self.n_ranked as f64;
        let (n_own, n_zeros) = (n_own as f64, (n_own - self.n_stored[group]) as f64);
        let sum = self.sums[group] + n_zeros * self.rank_of_zero;
        let distinct = if tie_correct { 1.0 - self.ties / (n * n * n - n) } else { 1.0 };
        let deviation = (distinct * n_own * (n - n_own) * (n + 1.0) / 12.0).sqrt();
        let z = (sum - n_own * (n + 1.0) / 2.0) / deviation;
        // All cells equal: no rank says anything.
        if z.is_finite() { (z, two_sided(z)) } else { (0.0, 1.0) }
    }
}

fn tie(n_equal: usize) -> f64 {
    let n = n_equal as f64;
    n * n * n - n
}

/// The share of a normal distribution that is at least as far out as `z`.
pub fn two_sided(z: f64) -> f64 {
    (2.0 * Normal::standard().sf(z.abs())).min(1.0)
}
