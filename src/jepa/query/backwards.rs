//! Which of many predicted changes meets a signature: scores, the best in twos, and what chance finds.
//!
//! What all predictions have in common (their mean) is taken off first: it is the same for every candidate and would
//! hide what tells them apart.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::eval::pairs::place;
use crate::eval::pearson;

/// The score of a change that does not vary: below every other.
pub const NO_SCORE: f64 = -2.0;

/// What every candidate would do, beside what all would.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Row-major `[candidates, genes]`.
    own: Vec<f32>,
    /// What all would do on average.
    mean: Vec<f64>,
    n_genes: usize,
}

impl Changes {
    /// `changes`: row-major `[candidates, genes]`, log1p units.
    pub fn new(mut changes: Vec<f32>, n_genes: usize) -> Self {
        let n_genes = n_genes.max(1);
        let n = (changes.len() / n_genes).max(1) as f64;
        let mut mean = vec![0.0f64; n_genes];
        for row in changes.chunks_exact(n_genes) {
            mean.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value) / n);
        }
        for row in changes.chunks_exact_mut(n_genes) {
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= *mean as f32);
        }
        Self { own: changes, mean, n_genes }
    }

    /// Candidates.
    pub fn len(&self) -> usize {
        self.own.len() / self.n_genes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What sets each candidate's change apart.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.own.chunks_exact(self.n_genes)
    }

    /// What sets a change that is none of the candidates' apart from the mean of theirs.
    pub fn apart(&self, change: &[f32]) -> Vec<f32> {
        change.iter().zip(&self.mean).map(|(value, mean)| value - *mean as f32).collect()
    }

    /// How each candidate meets a signature over all genes: Pearson correlation, [`NO_SCORE`] where either does not vary.
    pub fn scores(&self, signature: &[f32]) -> Vec<f64> {
        self.own.chunks_exact(self.n_genes).map(|row| pearson(row, signature).unwrap_or(NO_SCORE)).collect()
    }

    /// The same with one gene left out of the signature and of every change. What is left of a change may not vary: it
    /// says nothing, and scores 0.
    pub fn scores_without(&self, signature: &[f32], gene: Option<usize>) -> Vec<f64> {
        let left = |row: &[f32]| -> Vec<f32> {
            row.iter().enumerate().filter(|(at, _)| Some(*at) != gene).map(|(_, value)| *value).collect()
        };
        let wanted = left(signature);
        self.rows().map(|row| pearson(&left(row), &wanted).unwrap_or(0.0)).collect()
    }

    /// These candidates in twos, their changes added, and the score of each two; the best first.
    pub fn pairs(&self, of: &[usize], signature: &[f32]) -> Vec<([usize; 2], f64)> {
        let row = |at: usize| &self.own[at * self.n_genes..][..self.n_genes];
        let mut found = Vec::new();
        for (nth, &one) in of.iter().enumerate() {
            for &other in &of[nth + 1..] {
                let sum: Vec<f32> = row(one).iter().zip(row(other)).map(|(a, b)| a + b).collect();
                found.extend(pearson(&sum, signature).map(|score| ([one, other], score)));
            }
        }
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found
    }

    /// The best score of any candidate for the signature with its genes shuffled.
    pub fn best_of_shuffled(&self, signature: &[f32], seed: u64) -> f64 {
        let mut shuffled = signature.to_vec();
        shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        self.scores(&shuffled).into_iter().fold(NO_SCORE, f64::max)
    }
}

/// Share of the other candidates that score better than the one at `own`, equals by half: 0 is first, 0.5 chance. None for
/// fewer than two, or no such candidate.
pub fn share_better(scores: &[f64], own: usize) -> Option<f64> {
    let misfits: Vec<f64> = scores.iter().map(|score| -score).collect();
    let place = place(&misfits, own).ok()?;
    (scores.len() > 1).then(|| place / (scores.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    const N: usize = 120;

    /// Measured responses that have nothing in common, but that each lowers the transcript of its own gene; and the answers
    /// of a stub that knows of this alone.
    fn own_genes_alone() -> (Vec<Vec<f32>>, Changes) {
        let mut draws = ChaCha8Rng::seed_from_u64(11);
        let mut of = |own: usize, noise: f32| -> Vec<f32> {
            let row = (0..N).map(|gene| if gene == own { -1.0 } else { noise * (draws.random::<f32>() - 0.5) });
            row.collect()
        };
        let measured = (0..N).map(|own| of(own, 0.3)).collect();
        (measured, Changes::new((0..N).flat_map(|own| of(own, 0.0)).collect(), N))
    }

    #[test]
    fn knowing_the_own_transcript_alone_is_chance_once_it_is_left_out() {
        let (measured, changes) = own_genes_alone();
        let mean = |scores: &dyn Fn(usize) -> Vec<f64>| {
            (0..N).filter_map(|own| share_better(&scores(own), own)).sum::<f64>() / N as f64
        };
        let with = mean(&|own| changes.scores(&measured[own]));
        let without = mean(&|own| changes.scores_without(&measured[own], Some(own)));
        assert_eq!(with, 0.0, "the own transcript tells all");
        // The stub scores 0 for each, and half of the others are above that by chance, give or take 0.05 for one target.
        assert!((without - 0.5).abs() < 0.1, "{without}");
        assert_eq!(changes.scores_without(&measured[3], None), changes.scores(&measured[3]));
    }

    #[test]
    fn equals_share_their_places() {
        assert_eq!(share_better(&[0.0; 5], 2), Some(0.5));
        assert_eq!(share_better(&[0.1, 0.9, 0.5], 1), Some(0.0));
        assert_eq!(share_better(&[0.1, 0.9, 0.5], 0), Some(1.0));
        assert_eq!(share_better(&[0.1], 0), None);
        assert_eq!(share_better(&[0.1, 0.2], 2), None);
    }
}
