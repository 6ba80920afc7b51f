//! Expression by gene: a sparse matrix column by column, borrowed or turned from rows. Values that are 0 may be stored;
//! they count as 0. Finite by construction.

use std::borrow::Cow;

use thiserror::Error;

/// Why numbers are no matrix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ColumnsError {
    /// The three lists do not describe one matrix.
    #[error("the matrix is not whole: {reason}; write its columns again")]
    Shape {
        /// What does not fit.
        reason: &'static str,
    },
    /// A row that is no cell, or rows that do not ascend.
    #[error("gene {gene} names cell {cell} out of order or beyond the {n_cells} cells; sort the cells of each gene")]
    Cell {
        /// The column.
        gene: usize,
        /// The row that it names.
        cell: u32,
        /// Rows of the matrix.
        n_cells: usize,
    },
    /// NaN or infinity.
    #[error("gene {gene} of cell {cell} is not a finite number; drop the cell or mend the value")]
    NotFinite {
        /// The column.
        gene: usize,
        /// The row.
        cell: u32,
    },
}

/// A matrix `[n_cells, n_genes]` by column (CSC).
#[derive(Debug, Clone, PartialEq)]
pub struct Columns<'a> {
    n_cells: usize,
    starts: Cow<'a, [usize]>,
    cells: Cow<'a, [u32]>,
    values: Cow<'a, [f32]>,
}

/// One column: cells, ascending, and their values.
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    cells: &'a [u32],
    values: &'a [f32],
}

impl Column<'_> {
    /// Stored values.
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Cells and values that are not 0.
    pub fn iter(&self) -> impl Iterator<Item = (usize, f64)> {
        let stored = self.cells.iter().zip(self.values);
        stored.filter(|&(_, &value)| value != 0.0).map(|(&cell, &value)| (cell as usize, f64::from(value)))
    }
}

impl<'a> Columns<'a> {
    /// Borrows a matrix: where each column begins and the last one ends, the cells of each column, ascending, and their
    /// values.
    ///
    /// # Errors
    /// Lists that do not describe one matrix, a value that is not finite.
    pub fn new(n_cells: usize, starts: &'a [usize], cells: &'a [u32], values: &'a [f32]) -> Result<Self, ColumnsError> {
        let shape = |reason| Err(ColumnsError::Shape { reason });
        if cells.len() != values.len() {
            return shape("there are not as many cells as values");
        }
        if starts.first() != Some(&0) || starts.last() != Some(&values.len()) || !starts.is_sorted() {
            return shape("its columns do not begin at 0, ascend, and end at the last value");
        }
        for (gene, bounds) in starts.windows(2).enumerate() {
            let mut least = 0;
            for at in bounds[0]..bounds[1] {
                let cell = cells[at];
                if cell < least || cell as usize >= n_cells {
                    return Err(ColumnsError::Cell { gene, cell, n_cells });
                }
                if !values[at].is_finite() {
                    return Err(ColumnsError::NotFinite { gene, cell });
                }
                least = cell + 1;
            }
        }
        Ok(Self { n_cells, starts: starts.into(), cells: cells.into(), values: values.into() })
    }

    /// Turns rows into columns: one iterator of `(gene, value)` per cell, gone through twice, so that nothing is held
    /// but the result. A gene that a cell names twice is refused.
    ///
    /// # Errors
    /// A gene that does not exist or is named twice, a value that is not finite.
    pub fn from_rows<R: IntoIterator<Item = (u32, f32)>>(
        n_cells: usize,
        n_genes: usize,
        row: impl Fn(usize) -> R,
    ) -> Result<Columns<'static>, ColumnsError> {
        let mut starts = vec![0; n_genes + 1];
        for cell in 0..n_cells {
            for (gene, _) in row(cell) {
                let Some(count) = starts.get_mut(gene as usize + 1) else {
                    return Err(ColumnsError::Shape { reason: "a cell names a gene beyond the last" });
                };
                *count += 1;
            }
        }
        for gene in 0..n_genes {
            starts[gene + 1] += starts[gene];
        }
        let (mut cells, mut values) = (vec![0; starts[n_genes]], vec![0.0; starts[n_genes]]);
        let mut ends = starts.clone();
        for cell in 0..n_cells {
            for (gene, value) in row(cell) {
                let end = &mut ends[gene as usize];
                let (Some(to_cell), Some(to_value)) = (cells.get_mut(*end), values.get_mut(*end)) else {
                    return Err(ColumnsError::Shape { reason: "its rows are not the same when they are read again" });
                };
                (*to_cell, *to_value) = (cell as u32, value);
                *end += 1;
            }
        }
        Columns::new(n_cells, &starts, &cells, &values)?;
        Ok(Columns { n_cells, starts: starts.into(), cells: cells.into(), values: values.into() })
    }

    /// Rows.
    pub fn n_cells(&self) -> usize {
        self.n_cells
    }

    /// Columns.
    pub fn n_genes(&self) -> usize {
        self.starts.len() - 1
    }

    /// One column.
    pub fn column(&self, gene: usize) -> Column<'_> {
        let places = self.starts[gene]..self.starts[gene + 1];
        Column { cells: &self.cells[places.clone()], values: &self.values[places] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let rows = [vec![(0, 1.0), (2, 2.0)], vec![], vec![(2, 3.0), (1, 0.0)]];
        let turned = Columns::from_rows(3, 3, |cell| rows[cell].clone()).expect("three cells");
        assert_eq!(turned, Columns::new(3, &[0, 1, 2, 4], &[0, 2, 0, 2], &[1.0, 0.0, 2.0, 3.0]).expect("a matrix"));
        assert_eq!(turned.column(2).iter().collect::<Vec<_>>(), [(0, 2.0), (2, 3.0)]);
        assert_eq!((turned.column(1).len(), turned.column(1).iter().count()), (1, 0));
    }

    #[test]
    fn what_is_no_matrix_is_named() {
        let matrix = |starts: &[usize], cells: &[u32], values: &[f32]| {
            Columns::new(3, starts, cells, values).map(|_| ()).unwrap_err().to_string()
        };
        for (found, expected) in [
            (matrix(&[0, 1], &[0], &[]), "as many cells as values"),
            (matrix(&[], &[], &[]), "begin at 0"),
            (matrix(&[0, 2], &[0], &[1.0]), "end at the last"),
            (matrix(&[0, 2, 1], &[0], &[1.0]), "ascend"),
            (matrix(&[0, 1], &[3], &[1.0]), "gene 0 names cell 3"),
            (matrix(&[0, 2], &[1, 1], &[1.0, 1.0]), "gene 0 names cell 1"),
            (matrix(&[0, 0, 1], &[2], &[f32::NAN]), "gene 1 of cell 2"),
        ] {
            assert!(found.contains(expected), "{found}");
        }
        let twice = Columns::from_rows(1, 2, |_| [(1, 1.0), (1, 1.0)]).unwrap_err().to_string();
        assert!(twice.contains("gene 1 names cell 0"), "{twice}");
        assert!(Columns::from_rows(1, 2, |_| [(2, 1.0)]).unwrap_err().to_string().contains("beyond the last"));
        assert_eq!(Columns::new(0, &[0], &[], &[]).expect("an empty matrix").n_genes(), 0);
    }
}
