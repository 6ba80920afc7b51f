//! A matrix of counts, cells by genes, in compressed sparse rows of about 3 bytes a value.
//!
//! Genes ascend within a row and no stored value is zero: [`Counts::from_parts`] checks it, so that every later step
//! may rely on it. Values are read as f32, which holds counts exactly up to 16,777,216, and kept as narrow as they are
//! (`block`). Scaling and logarithm are not stored: they are applied as a row is asked for, in the same operations
//! and so with the same bits as if they were, and counts stay 3 bytes where normalised values would take 6.

mod block;
mod builder;
#[cfg(test)]
mod tests;
mod view;

pub use crate::counts::block::Row;
pub(crate) use crate::counts::block::{BLOCK_ROWS, Genes, code_u8, gene_bytes, n_wide, reserved, value_bytes};
use crate::counts::block::{Block, Change};
pub(crate) use crate::counts::builder::CountsBuilder;
pub use crate::counts::view::CellView;

/// Why parts do not make a matrix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountsError {
    /// Row pointers that do not start at 0, decrease, or do not end at the number of stored values.
    #[error("row pointers: {0}")]
    Indptr(String),
    /// Column indices and values differ in number.
    #[error("{n_indices} column indices for {n_values} values; there must be one for each")]
    Lengths {
        /// Column indices.
        n_indices: usize,
        /// Values.
        n_values: usize,
    },
    /// A column that is no gene, or columns of a row that do not ascend.
    #[error("row {row}: column {column} is out of range for {n_genes} genes, or not above the column before it")]
    Column {
        /// Which row.
        row: usize,
        /// The column it names.
        column: u32,
        /// Genes of the matrix.
        n_genes: usize,
    },
    /// The system gave no memory.
    #[error("the memory for {n_bytes} bytes of counts was refused; read fewer cells (max_cells)")]
    Memory {
        /// Bytes asked for at once.
        n_bytes: u64,
    },
}

/// Counts of `n_cells` cells (rows) by `n_genes` genes (columns).
#[derive(Debug, Clone)]
pub struct Counts {
    /// All of [`BLOCK_ROWS`] rows, but for the last.
    blocks: Vec<Block>,
    n_cells: usize,
    n_genes: usize,
    n_nonzero: usize,
    /// What each row is multiplied by, one a cell.
    factors: Option<Vec<f64>>,
    /// Whether `x` then becomes `ln(1 + x)`.
    is_logged: bool,
}

/// Equal where all rows are, however they are kept.
impl PartialEq for Counts {
    fn eq(&self, other: &Self) -> bool {
        (self.n_cells, self.n_genes, self.n_nonzero) == (other.n_cells, other.n_genes, other.n_nonzero)
            && self.rows().zip(other.rows()).all(|(row, other)| row.eq(other))
    }
}

impl Counts {
    /// Checks and takes the three arrays of a CSR matrix; stored zeros are dropped.
    ///
    /// # Errors
    /// See [`CountsError`].
    pub fn from_parts(
        indptr: Vec<usize>,
        indices: Vec<u32>,
        values: Vec<f32>,
        n_genes: usize,
    ) -> Result<Self, CountsError> {
        if indices.len() != values.len() {
            return Err(CountsError::Lengths { n_indices: indices.len(), n_values: values.len() });
        }
        if indptr.first() != Some(&0) {
            return Err(CountsError::Indptr("they must start at 0".into()));
        }
        if indptr.last() != Some(&values.len()) {
            return Err(CountsError::Indptr(format!("they must end at {}, the number of values", values.len())));
        }
        let mut builder = CountsBuilder::new(n_genes, indptr.len() - 1)?;
        for (row, pair) in indptr.windows(2).enumerate() {
            if pair[0] > pair[1] || pair[1] > indices.len() {
                return Err(CountsError::Indptr(format!("row {row} runs from {} to {}", pair[0], pair[1])));
            }
            let mut least = 0;
            for (&column, &value) in indices[pair[0]..pair[1]].iter().zip(&values[pair[0]..pair[1]]) {
                if (column as usize) < least || column as usize >= n_genes {
                    return Err(CountsError::Column { row, column, n_genes });
                }
                least = column as usize + 1;
                builder.push(column, value);
            }
            builder.end_row()?;
        }
        builder.finish()
    }

    /// A matrix from dense rows, row-major.
    ///
    /// # Errors
    /// Where the number of values is no multiple of `n_genes`.
    pub fn from_dense(dense: &[f32], n_genes: usize) -> Result<Self, CountsError> {
        if n_genes == 0 || !dense.len().is_multiple_of(n_genes) {
            return Err(CountsError::Lengths { n_indices: n_genes, n_values: dense.len() });
        }
        let mut builder = CountsBuilder::new(n_genes, dense.len() / n_genes)?;
        for row in dense.chunks_exact(n_genes) {
            (0u32..).zip(row).for_each(|(gene, value)| builder.push(gene, *value));
            builder.end_row()?;
        }
        builder.finish()
    }

    /// Cells (rows).
    pub fn n_cells(&self) -> usize {
        self.n_cells
    }

    /// Genes (columns).
    pub fn n_genes(&self) -> usize {
        self.n_genes
    }

    /// Stored values, none of them zero.
    pub fn n_nonzero(&self) -> usize {
        self.n_nonzero
    }

    /// Bytes of memory that the matrix takes.
    pub fn n_bytes(&self) -> u64 {
        let unused = (self.blocks.capacity() - self.blocks.len()) * size_of::<Block>();
        let factors = self.factors.as_ref().map_or(0, |factors| 8 * factors.capacity());
        self.blocks.iter().map(Block::n_bytes).sum::<u64>() + (size_of::<Self>() + unused + factors) as u64
    }

    /// Genes, ascending, and values of a cell.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn row(&self, cell: usize) -> Row<'_> {
        self.blocks[cell / BLOCK_ROWS].row(cell % BLOCK_ROWS, self.change(cell))
    }

    /// The rows in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = Row<'_>> {
        (0..self.n_cells).map(|cell| self.row(cell))
    }

    /// All stored values, row by row.
    pub fn values(&self) -> impl Iterator<Item = f32> {
        self.rows().flatten().map(|(_, value)| value)
    }

    /// The gene of each stored value, row by row.
    pub fn genes(&self) -> impl Iterator<Item = u32> {
        self.rows().flatten().map(|(gene, _)| gene)
    }

    /// Row pointers: `n_cells + 1` of them, from 0 to `n_nonzero`.
    pub fn indptr(&self) -> impl Iterator<Item = usize> {
        let mut end = 0;
        let ends = self.rows().map(move |row| {
            end += row.len();
            end
        });
        std::iter::once(0).chain(ends)
    }

    /// Multiplies each row by its factor, in f64 and rounded to f32; one factor a cell.
    ///
    /// A value that becomes zero stays stored.
    ///
    /// # Panics
    /// Where there are not as many factors as cells.
    pub fn scale_rows(&mut self, factors: Vec<f64>) {
        assert_eq!(factors.len(), self.n_cells, "one factor a cell");
        self.settle();
        self.factors = Some(factors);
    }

    /// Replaces each value `x` by `ln(1 + x)`.
    pub fn log1p(&mut self) {
        if self.is_logged {
            self.settle();
        }
        self.is_logged = true;
    }

    /// Replaces each value by what `map` makes of it, scaling and logarithm being done first; one that becomes zero stays
    /// stored.
    pub fn map_values(&mut self, map: impl Fn(f32) -> f32) {
        self.rebuild(map);
    }

    /// The same without scaling and logarithm, as far as they were not stored ([`Self::settle`]).
    pub fn unscaled(&self) -> Counts {
        Counts { factors: None, is_logged: false, ..self.clone() }
    }

    /// Sum of each cell, in f64.
    pub fn row_sums(&self) -> Vec<f64> {
        self.rows().map(|row| row.values().map(f64::from).sum()).collect()
    }

    /// Sum of all values, in f64.
    pub fn sum(&self) -> f64 {
        self.values().map(f64::from).sum()
    }

    /// The given cells, in the given order; a cell may be named twice.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn select_rows(&self, cells: &[usize]) -> Counts {
        let mut selected = granted(Self::built(self.n_genes, cells.len(), |builder| {
            cells.iter().try_for_each(|&cell| builder.push_row(self.stored_row(cell)))
        }));
        selected.factors = self.factors.as_ref().map(|factors| cells.iter().map(|&cell| factors[cell]).collect());
        selected.is_logged = self.is_logged;
        selected
    }

    /// Rearranges the genes: column `i` of the result is column `column_of[i]` of this matrix, or zero where that is
    /// none. Columns that are not named are dropped.
    pub fn select_columns(&self, column_of: &[Option<u32>]) -> Counts {
        let mut new_of = vec![Vec::new(); self.n_genes];
        for (new, old) in column_of.iter().enumerate() {
            if let Some(columns) = old.and_then(|old| new_of.get_mut(old as usize)) {
                columns.push(new as u32);
            }
        }
        let mut row: Vec<(u32, f32)> = Vec::new();
        let mut selected = granted(Self::built(column_of.len(), self.n_cells, |builder| {
            (0..self.n_cells).try_for_each(|cell| {
                row.clear();
                for (gene, value) in self.stored_row(cell) {
                    row.extend(new_of[gene as usize].iter().map(|&new| (new, value)));
                }
                row.sort_unstable_by_key(|(column, _)| *column);
                builder.push_row(row.iter().copied())
            })
        }));
        selected.factors.clone_from(&self.factors);
        selected.is_logged = self.is_logged;
        selected
    }

    /// Adds the values of a cell to a dense row of `n_genes` values.
    ///
    /// # Panics
    /// Where there is no such cell, or `dense` is shorter than `n_genes`.
    pub fn add_row_to(&self, cell: usize, dense: &mut [f32]) {
        self.row(cell).for_each(|(gene, value)| dense[gene as usize] += value);
    }

    fn change(&self, cell: usize) -> Change {
        Change { factor: self.factors.as_ref().map(|factors| factors[cell]), is_logged: self.is_logged }
    }

    /// A row without scaling and logarithm.
    fn stored_row(&self, cell: usize) -> Row<'_> {
        self.blocks[cell / BLOCK_ROWS].row(cell % BLOCK_ROWS, Change::NONE)
    }

    fn built(
        n_genes: usize,
        n_rows: usize,
        mut push: impl FnMut(&mut CountsBuilder) -> Result<(), CountsError>,
    ) -> Result<Counts, CountsError> {
        let mut builder = CountsBuilder::new(n_genes, n_rows)?;
        push(&mut builder)?;
        builder.finish()
    }

    /// Stores the values as scaling and logarithm make them, block by block: 6 bytes each, and quick to ask for. For
    /// those who visit each row many times.
    pub fn settle(&mut self) {
        if self.factors.is_some() || self.is_logged {
            self.rebuild(|value| value);
        }
    }

    fn rebuild(&mut self, map: impl Fn(f32) -> f32) {
        let mut builder = granted(CountsBuilder::new(self.n_genes, self.n_cells));
        let mut cell = 0;
        for block in std::mem::take(&mut self.blocks) {
            for row in 0..block.n_rows() {
                let values = block.row(row, self.change(cell));
                granted(builder.push_row(values.map(|(gene, value)| (gene, map(value)))));
                cell += 1;
            }
        }
        *self = granted(builder.finish());
    }
}

/// What was made; where the memory for it was refused, ends as any refused allocation does.
fn granted<T>(made: Result<T, CountsError>) -> T {
    made.unwrap_or_else(|_| std::alloc::handle_alloc_error(std::alloc::Layout::new::<T>()))
}
