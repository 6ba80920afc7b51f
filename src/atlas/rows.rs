//! Rows of numbers, one per cell: what neighbours, scores and layouts are found in. Finite by construction, so that no
//! distance has to be doubted later.

use thiserror::Error;

/// Why a list of numbers is no table of rows.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowsError {
    /// The list does not divide into rows.
    #[error("{n_values} values do not make whole rows of {n_columns} columns; give as many for every cell")]
    Shape {
        /// Values there are.
        n_values: usize,
        /// Columns asked for.
        n_columns: usize,
    },
    /// More rows than an index can name.
    #[error("{n_rows} cells are more than an index holds; take a sample of them")]
    TooMany {
        /// Rows there are.
        n_rows: usize,
    },
    /// NaN or infinity.
    #[error("cell {row}, column {column} is not a finite number; drop the cell or mend the value")]
    NotFinite {
        /// Row of the first such value.
        row: usize,
        /// Its column.
        column: usize,
    },
}

/// A table `[n_rows, n_columns]` of finite numbers, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    values: Vec<f32>,
    n_columns: usize,
}

impl Rows {
    /// Takes a table row by row.
    ///
    /// # Errors
    /// No columns, a last row that is not whole, or a value that is not finite.
    pub fn new(values: Vec<f32>, n_columns: usize) -> Result<Self, RowsError> {
        if n_columns == 0 || !values.len().is_multiple_of(n_columns) {
            return Err(RowsError::Shape { n_values: values.len(), n_columns });
        }
        let n_rows = values.len() / n_columns;
        if u32::try_from(n_rows).is_err() {
            return Err(RowsError::TooMany { n_rows });
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(RowsError::NotFinite { row: at / n_columns, column: at % n_columns });
        }
        Ok(Self { values, n_columns })
    }

    /// Takes a table column by column, as principal components come.
    ///
    /// # Errors
    /// As [`Self::new`], and columns of different lengths.
    pub fn from_columns(columns: &[Vec<f32>]) -> Result<Self, RowsError> {
        let n_rows = columns.first().map_or(0, Vec::len);
        if let Some(other) = columns.iter().find(|column| column.len() != n_rows) {
            return Err(RowsError::Shape { n_values: other.len(), n_columns: columns.len() });
        }
        let values = (0..n_rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect();
        Self::new(values, columns.len())
    }

    /// Rows.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.n_columns
    }

    /// Numbers in a row.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.n_columns..(row + 1) * self.n_columns]
    }

    /// Squared Euclidean distance in f32: for choosing among many.
    pub(crate) fn rough_square(&self, a: usize, b: usize) -> f32 {
        let (a, b) = (self.row(a), self.row(b));
        // Eight sums side by side, which one vector register holds.
        let mut sums = [0.0f32; 8];
        let (a_whole, a_rest) = a.as_chunks::<8>();
        let (b_whole, b_rest) = b.as_chunks::<8>();
        for (a, b) in a_whole.iter().zip(b_whole) {
            for lane in 0..8 {
                let gap = a[lane] - b[lane];
                sums[lane] += gap * gap;
            }
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
        sums.iter().sum::<f32>() + rest
    }

    /// Euclidean distance in f64: for what is kept.
    pub(crate) fn distance(&self, a: usize, b: usize) -> f64 {
        let gap = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        self.row(a).iter().zip(self.row(b)).map(gap).sum::<f64>().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_orders_make_the_same_table() {
        let rows = Rows::new(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2).expect("three rows");
        assert_eq!(rows, Rows::from_columns(&[vec![1.0, 3.0, 5.0], vec![2.0, 4.0, 6.0]]).expect("two columns"));
        assert_eq!((rows.n_rows(), rows.n_columns(), rows.row(1)), (3, 2, &[3.0, 4.0][..]));
    }

    #[test]
    fn the_two_distances_agree() {
        let values = (0..42).map(|i| ((i * 37) % 11) as f32).collect();
        let rows = Rows::new(values, 21).expect("two rows");
        assert_eq!(f64::from(rows.rough_square(0, 1)), rows.distance(0, 1).powi(2).round());
    }

    #[test]
    fn what_is_no_table_is_named() {
        for (values, n_columns, expected) in [
            (vec![1.0; 5], 2, "5 values do not make whole rows of 2"),
            (vec![], 0, "rows of 0 columns"),
            (vec![0.0, 1.0, 2.0, f32::NAN], 2, "cell 1, column 1"),
            (vec![f32::INFINITY, 1.0], 2, "cell 0, column 0"),
        ] {
            let error = Rows::new(values, n_columns).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(Rows::from_columns(&[vec![1.0], vec![]]).is_err());
        assert_eq!(Rows::new(vec![], 3).expect("no cells").n_rows(), 0);
    }
}
