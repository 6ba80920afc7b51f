//! How much nearer cells lie to those of their own label than to those of the next one.

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;

use crate::rows::Rows;
use crate::scores::{ScoreError, check_lengths, ranked};

/// Distances that are taken between two pauses, about.
const PORTION: usize = 500_000;

/// What the silhouette is taken of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilhouetteConfig {
    /// All pairs are measured; of a larger population a random sample of this many cells is. Default: 10,000.
    pub max_cells: usize,
    /// Seed of the sample. Default: 0.
    pub seed: u64,
}

impl Default for SilhouetteConfig {
    fn default() -> Self {
        Self { max_cells: 10_000, seed: 0 }
    }
}

/// The silhouette of labelled cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Silhouette {
    /// Over the cells measured, -1 to 1.
    pub mean: f64,
    /// The cells measured, ascending: all, or the sample.
    pub cells: Vec<usize>,
    /// `(b - a) / max(a, b)` of each, where a is the mean distance to the cell's own label and b to the nearest other
    /// one. 0 for the only cell of a label.
    pub values: Vec<f64>,
}

impl Silhouette {
    /// The mean brought to 0..1, as scib reports it.
    pub fn scaled(&self) -> f64 {
        f64::midpoint(self.mean, 1.0)
    }
}

/// The silhouette of labelled cells by Euclidean distance, in one go: [`Work`] driven to its end.
///
/// # Errors
/// As [`Work::new`].
pub fn silhouette(rows: &Rows, labels: &[u32], config: &SilhouetteConfig) -> Result<Silhouette, ScoreError> {
    let mut work = Work::new(rows, labels, config)?;
    while work.advance().is_some() {}
    Ok(work.finish())
}

/// A silhouette under way.
pub struct Work<'a> {
    rows: &'a Rows,
    cells: Vec<usize>,
    /// Of the cells measured.
    labels: Vec<usize>,
    sizes: Vec<usize>,
    values: Vec<f64>,
}

impl<'a> Work<'a> {
    /// Begins.
    ///
    /// # Errors
    /// Labels of other cells; a single label, or one for each cell, in what is measured.
    pub fn new(rows: &'a Rows, labels: &[u32], config: &SilhouetteConfig) -> Result<Self, ScoreError> {
        let n_cells = rows.n_rows();
        check_lengths(n_cells, labels.len())?;
        let cells: Vec<usize> = if n_cells <= config.max_cells {
            (0..n_cells).collect()
        } else {
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            let mut drawn = index::sample(&mut rng, n_cells, config.max_cells).into_vec();
            drawn.sort_unstable();
            drawn
        };
        let measured: Vec<u32> = cells.iter().map(|&cell| labels[cell]).collect();
        let (labels, n_labels) = ranked(&measured);
        if n_labels < 2 || n_labels >= cells.len() {
            return Err(ScoreError::Labels { n_labels, n_cells: cells.len() });
        }
        let mut sizes = vec![0; n_labels];
        labels.iter().for_each(|&label| sizes[label] += 1);
        Ok(Self { rows, cells, labels, sizes, values: Vec::new() })
    }

    /// Cells to measure.
    pub fn total(&self) -> usize {
        self.cells.len()
    }

    /// Goes on by some cells; says how many are done, none when all are.
    pub fn advance(&mut self) -> Option<usize> {
        let begin = self.values.len();
        if begin == self.total() {
            return None;
        }
        let end = self.total().min(begin + (PORTION / self.total()).max(1));
        for at in begin..end {
            let value = self.value(at);
            self.values.push(value);
        }
        Some(end)
    }

    /// The silhouette, once [`Self::advance`] has said that nothing is left.
    pub fn finish(self) -> Silhouette {
        let mean = self.values.iter().sum::<f64>() / self.values.len().max(1) as f64;
        Silhouette { mean, cells: self.cells, values: self.values }
    }

    fn value(&self, at: usize) -> f64 {
        let own = self.labels[at];
        if self.sizes[own] == 1 {
            return 0.0;
        }
        let mut sums = vec![0.0; self.sizes.len()];
        for (&other, &label) in self.cells.iter().zip(&self.labels) {
            sums[label] += f64::from(self.rows.rough_square(self.cells[at], other)).sqrt();
        }
        let within = sums[own] / (self.sizes[own] - 1) as f64;
        let others = sums.iter().zip(&self.sizes).enumerate().filter(|&(label, _)| label != own);
        let beyond = others.map(|(_, (sum, &size))| sum / size as f64).fold(f64::INFINITY, f64::min);
        let value = (beyond - within) / within.max(beyond);
        // All cells at one place.
        if value.is_nan() { 0.0 } else { value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_at_one_place_and_apart_have_the_full_score() {
        let rows = Rows::new(vec![0.0, 0.0, 5.0, 5.0], 1).expect("four cells");
        let found = silhouette(&rows, &[7, 7, 2, 2], &SilhouetteConfig::default()).expect("two labels");
        assert_eq!((found.mean, found.scaled(), found.values), (1.0, 1.0, vec![1.0; 4]));
        let same = Rows::new(vec![1.0; 4], 1).expect("four cells");
        assert_eq!(silhouette(&same, &[0, 0, 1, 1], &SilhouetteConfig::default()).expect("two labels").mean, 0.0);
    }

    #[test]
    fn what_has_no_silhouette_is_named() {
        let rows = Rows::new(vec![0.0, 1.0, 2.0], 1).expect("three cells");
        for (labels, expected) in [
            (vec![0, 0, 0], "there are 1 for 3"),
            (vec![0, 1, 2], "there are 3 for 3"),
            (vec![0, 1], "3 cells and the other 2"),
        ] {
            let error = silhouette(&rows, &labels, &SilhouetteConfig::default()).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let none = Rows::new(vec![], 1).expect("no cells");
        assert!(silhouette(&none, &[], &SilhouetteConfig::default()).is_err());
        // The only cell of a label counts as 0.
        let found = silhouette(&rows, &[0, 0, 1], &SilhouetteConfig::default()).expect("two labels");
        assert_eq!(found.values, [0.5, 0.0, 0.0]);
    }

    #[test]
    fn a_sample_stands_for_the_whole() {
        let value = |cell: usize| (cell % 4 * 10) as f32 + (cell * 7919 % 1000) as f32 / 100.0;
        let rows = Rows::new((0..3000).map(value).collect(), 1).expect("finite values");
        let labels: Vec<u32> = (0..3000).map(|cell| cell % 4).collect();
        let whole = silhouette(&rows, &labels, &SilhouetteConfig::default()).expect("four labels");
        let config = SilhouetteConfig { max_cells: 600, seed: 3 };
        let sample = silhouette(&rows, &labels, &config).expect("four labels");
        assert_eq!(sample.cells.len(), 600);
        assert!((whole.mean - sample.mean).abs() < 0.03, "{} {}", whole.mean, sample.mean);
        assert_eq!(sample, silhouette(&rows, &labels, &config).expect("four labels"));
    }
}
