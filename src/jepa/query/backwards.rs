//! Which of many predicted changes meets a signature: scores, the best in twos, and what chance finds.
//!
//! What all predictions have in common (their mean) is taken off first: it is the same for every candidate and would
//! hide what tells them apart.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

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
