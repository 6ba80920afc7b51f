//! Some cells of a matrix, or all, without a copy of their values.

use crate::counts::Counts;
use crate::counts::block::Row;

/// Cells of a matrix as a step of preparation reads them. A whole matrix is one too: [`From<&Counts>`].
#[derive(Debug, Clone, Copy)]
pub struct CellView<'a> {
    counts: &'a Counts,
    /// Rows of the matrix, in their order here; none for all.
    cells: Option<&'a [usize]>,
    is_unscaled: bool,
}

impl<'a> CellView<'a> {
    /// These rows of the matrix, in this order.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn of(counts: &'a Counts, cells: &'a [usize]) -> Self {
        assert!(cells.iter().all(|cell| *cell < counts.n_cells()), "rows of the matrix");
        Self { counts, cells: Some(cells), is_unscaled: false }
    }

    /// The same without scaling and logarithm, as [`Counts::unscaled`].
    pub fn unscaled(self) -> Self {
        Self { is_unscaled: true, ..self }
    }

    /// Cells that are seen.
    pub fn n_cells(&self) -> usize {
        self.cells.map_or(self.counts.n_cells(), <[usize]>::len)
    }

    /// Genes of the matrix.
    pub fn n_genes(&self) -> usize {
        self.counts.n_genes()
    }

    /// Genes, ascending, and values of a cell, by its place here.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn row(&self, at: usize) -> Row<'a> {
        let cell = self.cells.map_or(at, |cells| cells[at]);
        if self.is_unscaled { self.counts.stored_row(cell) } else { self.counts.row(cell) }
    }

    /// The rows in order.
    pub fn rows(self) -> impl ExactSizeIterator<Item = Row<'a>> {
        (0..self.n_cells()).map(move |at| self.row(at))
    }

    /// All stored values, row by row.
    pub fn values(self) -> impl Iterator<Item = f32> {
        self.rows().flatten().map(|(_, value)| value)
    }
}

impl<'a> From<&'a Counts> for CellView<'a> {
    fn from(counts: &'a Counts) -> Self {
        Self { counts, cells: None, is_unscaled: false }
    }
}
