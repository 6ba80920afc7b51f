//! Principal components of the rows of a matrix, as `scanpy.pp.pca` has them (spec §6): centred, not scaled, the sign of
//! each component such that its loading of largest magnitude is positive.
//!
//! The covariance matrix is formed in f64 and decomposed exactly. To keep that affordable in a browser tab, at most
//! [`MAX_COLUMNS`] columns enter, those of largest variance; the caller is told how many did.

use std::ops::Range;

use faer::{Mat, Side};
use thiserror::Error;

/// Columns that may enter the covariance matrix; decomposing it costs their number cubed.
pub const MAX_COLUMNS: usize = 1000;

/// Why there are no principal components.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PcaError {
    /// One row has no variance.
    #[error("principal components need at least 2 cells; there {} {n_rows}", if *.n_rows == 1 { "is" } else { "are" })]
    TooFewRows {
        /// The rows there are.
        n_rows: usize,
    },
    /// The same, for columns.
    #[error("principal components need at least 2 columns; there {} {n_columns}", if *.n_columns == 1 { "is" } else { "are" })]
    TooFewColumns {
        /// The columns there are.
        n_columns: usize,
    },
    /// A value is not finite, or the decomposition did not converge.
    #[error("the covariance matrix could not be decomposed: {reason}")]
    Decomposition {
        /// What went wrong.
        reason: String,
    },
}

/// Principal components of a matrix.
#[derive(Debug, Clone, Default)]
pub struct Pca {
    /// Coordinates of the rows: one vector of `n_rows` per component, in the unit of the input.
    pub scores: Vec<Vec<f32>>,
    /// Unit vectors over `columns`, one per component.
    pub loadings: Vec<Vec<f64>>,
    /// Variance along each component (ddof 1).
    pub variance: Vec<f64>,
    /// That variance as a share of the variance of all columns that entered, 0 to 1.
    pub variance_ratio: Vec<f64>,
    /// Columns that entered, ascending.
    pub columns: Vec<usize>,
}

/// The first `n_components` principal components of a matrix, in one go: [`Work`] driven to its end.
///
/// # Errors
/// As [`Work::new`] and [`Work::advance`].
pub fn pca(
    n_rows: usize,
    n_columns: usize,
    n_components: usize,
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<Pca, PcaError> {
    let mut work = Work::new(n_rows, n_columns, n_components, fill)?;
    while work.advance()?.is_some() {}
    Ok(work.finish())
}

/// Rows that are read between two pauses, and multiplied as one block.
const BLOCK: usize = 256;

/// Principal components under way: three passes over the rows (moments, covariance, scores), a block at a time.
pub struct Work<F> {
    n_rows: usize,
    n_components: usize,
    fill: F,
    /// One row, all columns.
    row: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    pass: Pass,
    /// Rows of this pass that are done.
    at: usize,
    result: Pca,
}

enum Pass {
    Moments,
    Covariance(Mat<f64>),
    Scores,
    Done,
}

impl<F: FnMut(usize, &mut [f64])> Work<F> {
    /// Begins with a matrix `[n_rows, n_columns]` read row by row: `fill(i, row)` writes row `i` into a zeroed buffer of
    /// `n_columns`. Each row is read three times.
    ///
    /// # Errors
    /// Fewer than two rows or columns.
    pub fn new(n_rows: usize, n_columns: usize, n_components: usize, fill: F) -> Result<Self, PcaError> {
        if n_rows < 2 {
            return Err(PcaError::TooFewRows { n_rows });
        }
        if n_columns < 2 {
            return Err(PcaError::TooFewColumns { n_columns });
        }
        Ok(Self {
            n_rows,
            n_components,
            fill,
            row: vec![0.0; n_columns],
            mean: vec![0.0; n_columns],
            variance: vec![0.0; n_columns],
            pass: Pass::Moments,
            at: 0,
            result: Pca::default(),
        })
    }

    /// Rows to go through in all, each pass counted.
    pub fn total(&self) -> usize {
        3 * self.n_rows
    }

    /// Goes through the next block of rows; says how many are done, none when all are.
    ///
    /// # Errors
    /// A value that is not finite.
    pub fn advance(&mut self) -> Result<Option<usize>, PcaError> {
        let rows = self.at..self.n_rows.min(self.at + BLOCK);
        self.at = rows.end;
        let n_before = match std::mem::replace(&mut self.pass, Pass::Done) {
            Pass::Moments => {
                self.add_moments(rows);
                self.pass = Pass::Moments;
                0
            }
            Pass::Covariance(mut sum) => {
                self.add_products(rows, &mut sum);
                self.pass = Pass::Covariance(sum);
                self.n_rows
            }
            Pass::Scores => {
                self.add_scores(rows);
                self.pass = Pass::Scores;
                2 * self.n_rows
            }
            Pass::Done => return Ok(None),
        };
        let n_done = n_before + self.at;
        if self.at == self.n_rows {
            self.end_pass()?;
        }
        Ok(Some(n_done))
    }

    /// The components, once [`Self::advance`] has said that nothing is left.
    pub fn finish(self) -> Pca {
        self.result
    }

    fn end_pass(&mut self) -> Result<(), PcaError> {
        self.at = 0;
        self.pass = match std::mem::replace(&mut self.pass, Pass::Done) {
            Pass::Moments => {
                self.variance.iter_mut().for_each(|square| *square /= (self.n_rows - 1) as f64);
                self.result.columns = most_variable(&self.variance, MAX_COLUMNS);
                let n = self.result.columns.len();
                Pass::Covariance(Mat::zeros(n, n))
            }
            Pass::Covariance(sum) => {
                let covariance = sum * faer::Scale(1.0 / (self.n_rows - 1) as f64);
                let (values, vectors) = decompose(&covariance, self.n_components)?;
                let total: f64 = self.result.columns.iter().map(|&column| self.variance[column]).sum();
                let share = |value: &f64| if total > 0.0 { value / total } else { 0.0 };
                self.result.variance_ratio = values.iter().map(share).collect();
                self.result.variance = values;
                self.result.scores = vec![Vec::with_capacity(self.n_rows); vectors.len()];
                self.result.loadings = vectors;
                Pass::Scores
            }
            Pass::Scores | Pass::Done => Pass::Done,
        };
        Ok(())
    }

    fn read(&mut self, row: usize) {
        self.row.fill(0.0);
        (self.fill)(row, &mut self.row);
    }

    /// Mean, and sum of squares about it, of each column.
    fn add_moments(&mut self, rows: Range<usize>) {
        for i in rows {
            self.read(i);
            // Welford's update: expression values are far from zero mean, so the naive sum of squares would cancel.
            let seen = (i + 1) as f64;
            for ((value, mean), squares) in self.row.iter().zip(&mut self.mean).zip(&mut self.variance) {
                let before = value - *mean;
                *mean += before / seen;
                *squares += before * (value - *mean);
            }
        }
    }

    /// Products of the chosen columns, as one multiplication of matrices.
    fn add_products(&mut self, rows: Range<usize>, sum: &mut Mat<f64>) {
        let mut block = Mat::<f64>::zeros(rows.len(), self.result.columns.len());
        for (at, i) in rows.enumerate() {
            self.read(i);
            for (j, &column) in self.result.columns.iter().enumerate() {
                block[(at, j)] = self.row[column] - self.mean[column];
            }
        }
        *sum += block.transpose() * &block;
    }

    fn add_scores(&mut self, rows: Range<usize>) {
        for i in rows {
            self.read(i);
            let Pca { scores, loadings, columns, .. } = &mut self.result;
            for (score, vector) in scores.iter_mut().zip(&*loadings) {
                let loaded = columns.iter().zip(vector);
                let along: f64 = loaded.map(|(&column, load)| (self.row[column] - self.mean[column]) * load).sum();
                score.push(along as f32);
            }
        }
    }
}

/// The `limit` columns of largest variance, ascending by index; ties go to the lower index.
fn most_variable(variance: &[f64], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..variance.len()).collect();
    order.sort_by(|&a, &b| variance[b].total_cmp(&variance[a]));
    order.truncate(limit);
    order.sort_unstable();
    order
}

/// Largest eigenvalues, descending, with their eigenvectors in the sign convention of the module.
fn decompose(covariance: &Mat<f64>, n_components: usize) -> Result<(Vec<f64>, Vec<Vec<f64>>), PcaError> {
    let n = covariance.nrows();
    if (0..n).any(|j| (j..n).any(|i| !covariance[(i, j)].is_finite())) {
        return Err(PcaError::Decomposition { reason: "a value is not a finite number".into() });
    }
    let eigen = covariance
        .self_adjoint_eigen(Side::Lower)
        .map_err(|error| PcaError::Decomposition { reason: format!("{error:?}") })?;
    let kept = n_components.min(n);
    let values = (0..kept).map(|k| eigen.S()[n - 1 - k].max(0.0)).collect();
    let vectors = (0..kept)
        .map(|k| {
            let vector: Vec<f64> = (0..n).map(|i| eigen.U()[(i, n - 1 - k)]).collect();
            let largest =
                vector.iter().copied().fold(0.0, |best: f64, load| if load.abs() > best.abs() { load } else { best });
            if largest < 0.0 { vector.iter().map(|load| -load).collect() } else { vector }
        })
        .collect();
    Ok((values, vectors))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked by hand: the rows differ along one direction alone.
    #[test]
    fn equals_a_worked_example() {
        let rows: [[f64; 3]; 4] = [[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [4.0, -2.0, 1.0], [-2.0, 4.0, 1.0]];
        let pca = pca(4, 3, 2, |i, row| row.copy_from_slice(&rows[i])).expect("four finite rows");
        // All variance lies along (1, -1, 0)/sqrt(2): variance 2 * 20/3 = 40/3.
        assert!((pca.variance[0] - 40.0 / 3.0).abs() < 1e-12);
        assert!((pca.variance_ratio[0] - 1.0).abs() < 1e-12);
        assert!(pca.variance[1].abs() < 1e-12);
        let expected = [2f64.sqrt(), -(2f64.sqrt()), 3.0 * 2f64.sqrt(), -3.0 * 2f64.sqrt()];
        let sign = pca.scores[0][0].signum();
        for (score, expected) in pca.scores[0].iter().zip(expected) {
            assert!((f64::from(sign * score) - expected).abs() < 1e-6);
        }
    }

    /// Blocks are cut so that none is lost or counted twice: 600 rows are two whole ones and a part.
    #[test]
    fn the_rows_of_every_pass_are_counted_and_blocks_change_nothing() {
        let fill = |i: usize, row: &mut [f64]| {
            for (j, value) in row.iter_mut().enumerate() {
                *value = ((i * 7 + j * 13) % 31) as f64;
            }
        };
        let mut work = Work::new(600, 4, 2, fill).expect("600 rows");
        let mut reached = Vec::new();
        while let Some(done) = work.advance().expect("finite values") {
            reached.push(done);
        }
        assert_eq!(reached, [256, 512, 600, 856, 1112, 1200, 1456, 1712, 1800]);
        assert_eq!(work.total(), 1800);
        let pca = work.finish();
        assert!(pca.scores.iter().all(|scores| scores.len() == 600));
        for (scores, variance) in pca.scores.iter().zip(&pca.variance) {
            let of_scores: f64 = scores.iter().map(|&score| f64::from(score).powi(2)).sum::<f64>() / 599.0;
            assert!((of_scores - variance).abs() < 1e-4 * variance, "{of_scores} {variance}");
        }
    }

    #[test]
    fn constant_columns_give_no_variance_and_no_nan() {
        let pca = pca(5, 3, 2, |_, row| row.fill(1.5)).expect("five finite rows");
        assert_eq!(pca.variance_ratio, vec![0.0, 0.0]);
        assert!(pca.scores.iter().flatten().all(|score| *score == 0.0));
    }

    #[test]
    fn too_few_rows_and_values_that_are_not_finite_are_named() {
        assert_eq!(pca(1, 3, 2, |_, _| ()).unwrap_err(), PcaError::TooFewRows { n_rows: 1 });
        let error = pca(3, 3, 2, |i, row| row[0] = if i == 1 { f64::NAN } else { 0.0 }).unwrap_err();
        assert!(error.to_string().contains("not a finite number"), "{error}");
    }

    #[test]
    fn more_columns_than_the_limit_keep_the_most_variable() {
        let n_columns = MAX_COLUMNS + 50;
        let pca = pca(3, n_columns, 2, |i, row| {
            for (j, value) in row.iter_mut().enumerate() {
                *value = (i * (n_columns - j)) as f64;
            }
        })
        .expect("three finite rows");
        assert_eq!(pca.columns, (0..MAX_COLUMNS).collect::<Vec<_>>());
    }
}
