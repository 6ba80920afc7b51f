//! Principal components of the rows of a matrix, as `scanpy.pp.pca` has them (spec §6): centred, not scaled, the sign of
//! each component such that its loading of largest magnitude is positive.
//!
//! The covariance matrix is formed in f64 and decomposed exactly. To keep that affordable in a browser tab, at most
//! [`MAX_COLUMNS`] columns enter, those of largest variance; the caller is told how many did.

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
#[derive(Debug, Clone)]
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

/// The first `n_components` principal components of a matrix `[n_rows, n_columns]` read row by row: `fill(i, row)` writes
/// row `i` into a zeroed buffer of `n_columns`. Each row is read three times.
///
/// # Errors
/// Fewer than two rows or columns; a value that is not finite.
pub fn pca(
    n_rows: usize,
    n_columns: usize,
    n_components: usize,
    mut fill: impl FnMut(usize, &mut [f64]),
) -> Result<Pca, PcaError> {
    if n_rows < 2 {
        return Err(PcaError::TooFewRows { n_rows });
    }
    if n_columns < 2 {
        return Err(PcaError::TooFewColumns { n_columns });
    }
    let mut row = vec![0.0; n_columns];
    let mut for_each_row = |visit: &mut dyn FnMut(usize, &[f64])| {
        for i in 0..n_rows {
            row.fill(0.0);
            fill(i, &mut row);
            visit(i, &row);
        }
    };

    let (mean, variance) = moments(n_rows, n_columns, &mut for_each_row);
    let columns = most_variable(&variance, MAX_COLUMNS);
    let covariance = covariance(n_rows, &columns, &mean, &mut for_each_row);
    let (values, vectors) = decompose(&covariance, n_components)?;

    let mut scores = vec![Vec::with_capacity(n_rows); vectors.len()];
    for_each_row(&mut |_, row| {
        for (score, vector) in scores.iter_mut().zip(&vectors) {
            let along: f64 =
                columns.iter().zip(vector).map(|(&column, load)| (row[column] - mean[column]) * load).sum();
            score.push(along as f32);
        }
    });
    let total: f64 = columns.iter().map(|&column| variance[column]).sum();
    let variance_ratio = values.iter().map(|value| if total > 0.0 { value / total } else { 0.0 }).collect();
    Ok(Pca { scores, loadings: vectors, variance: values, variance_ratio, columns })
}

type Rows<'a> = dyn FnMut(&mut dyn FnMut(usize, &[f64])) + 'a;

/// Mean and variance (ddof 1) of each column.
fn moments(n_rows: usize, n_columns: usize, for_each_row: &mut Rows<'_>) -> (Vec<f64>, Vec<f64>) {
    // Welford's update: expression values are far from zero mean, so the naive sum of squares would cancel.
    let mut mean = vec![0.0; n_columns];
    let mut squares = vec![0.0; n_columns];
    for_each_row(&mut |i, row| {
        let seen = (i + 1) as f64;
        for ((value, mean), squares) in row.iter().zip(&mut mean).zip(&mut squares) {
            let before = value - *mean;
            *mean += before / seen;
            *squares += before * (value - *mean);
        }
    });
    squares.iter_mut().for_each(|square| *square /= (n_rows - 1) as f64);
    (mean, squares)
}

/// The `limit` columns of largest variance, ascending by index; ties go to the lower index.
fn most_variable(variance: &[f64], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..variance.len()).collect();
    order.sort_by(|&a, &b| variance[b].total_cmp(&variance[a]));
    order.truncate(limit);
    order.sort_unstable();
    order
}

/// Covariance (ddof 1) of the chosen columns; the lower triangle alone is filled.
fn covariance(n_rows: usize, columns: &[usize], mean: &[f64], for_each_row: &mut Rows<'_>) -> Mat<f64> {
    let n = columns.len();
    // Rows are gathered into blocks, so that the products run as matrix multiplications.
    const BLOCK: usize = 256;
    let mut sum = Mat::<f64>::zeros(n, n);
    let mut block = Mat::<f64>::zeros(BLOCK, n);
    for_each_row(&mut |i, row| {
        let at = i % BLOCK;
        for (j, &column) in columns.iter().enumerate() {
            block[(at, j)] = row[column] - mean[column];
        }
        if at + 1 == BLOCK || i + 1 == n_rows {
            let filled = block.subrows(0, at + 1);
            sum += filled.transpose() * filled;
        }
    });
    sum * faer::Scale(1.0 / (n_rows - 1) as f64)
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
