//! Matrices of an HDF5 file read into rows, a window of bounded size per call.
//!
//! CSR is copied through in order. CSC is transposed in two passes over its indices: the first counts the values of
//! each cell, the second puts each value in its place, so that nothing but the result is ever held. Dense rows keep
//! their values other than zero.

use crate::counts::Counts;
use crate::read::array::{Array, WINDOW_VALUES};
use crate::read::error::ReadError;
use crate::read::rows::{RowBuilder, Rows, checked_indptr};
use crate::read::scatter::Scatter;
use crate::read::stream::Stream;

/// Reads a matrix window by window.
pub(crate) trait MatrixReader {
    /// Reads one window; none when all is read. Gives the share of the work that is done, in cells.
    fn advance(&mut self) -> Result<Option<usize>, ReadError>;

    /// What was read, and warnings.
    fn finish(self: Box<Self>) -> Result<(Counts, Vec<String>), ReadError>;
}

/// The three datasets of a sparse matrix.
pub(crate) struct SparseArrays {
    pub(crate) name: String,
    pub(crate) indptr: Array,
    pub(crate) indices: Array,
    pub(crate) values: Array,
}

impl SparseArrays {
    /// The row (or column) pointers, checked: 0 to the number of values, never decreasing, `n_lines + 1` of them.
    pub(crate) fn read_indptr(&self, n_lines: usize) -> Result<Vec<u64>, ReadError> {
        if self.indices.n_rows() != self.values.n_rows() {
            return Err(ReadError::Malformed {
                object: self.name.clone(),
                what: format!("has {} indices for {} values", self.indices.n_rows(), self.values.n_rows()),
            });
        }
        let pointers = self.indptr.i64s(0, self.indptr.n_rows())?;
        checked_indptr(&self.name, pointers, n_lines, self.values.n_rows())
    }
}

/// Compressed sparse rows.
pub(crate) struct CsrReader {
    indptr: Vec<u64>,
    rows: Rows,
    next: usize,
    indices: Stream<i64>,
    values: Stream<f32>,
    row_indices: Vec<i64>,
    row_values: Vec<f32>,
    budget: u64,
    /// Of each column of the file its column among those read; empty where all are.
    new_of: Vec<Option<u32>>,
    out: RowBuilder,
}

impl CsrReader {
    pub(crate) fn new(
        arrays: SparseArrays,
        indptr: Vec<u64>,
        rows: Rows,
        n_genes: usize,
        budget: u64,
    ) -> Result<Self, ReadError> {
        let n_values: u64 = rows.iter().map(|row| indptr[row + 1] - indptr[row]).sum();
        let out = RowBuilder::new(&arrays.name, n_genes, rows.len(), n_values)?;
        Ok(Self {
            indptr,
            rows,
            next: 0,
            indices: Stream::of_indices(arrays.indices)?,
            values: Stream::of_values(arrays.values)?,
            row_indices: Vec::new(),
            row_values: Vec::new(),
            budget,
            new_of: Vec::new(),
            out,
        })
    }

    /// Reads some columns alone, ascending.
    pub(crate) fn of_columns(mut self, columns: &[u32], n_genes: usize) -> Result<Self, ReadError> {
        self.new_of = vec![None; self.out.n_genes()];
        for (new, column) in (0..).zip(columns) {
            if let Some(place) = self.new_of.get_mut(*column as usize) {
                *place = Some(new);
            }
        }
        self.out = RowBuilder::new(self.out.matrix(), n_genes, self.rows.len(), 0)?;
        Ok(self)
    }

    /// Keeps the columns that are read, under their new numbers.
    fn renumber(&mut self, start: u64) -> Result<(), ReadError> {
        let mut kept = 0;
        for at in 0..self.row_indices.len() {
            let index = self.row_indices[at];
            let place = usize::try_from(index).ok().and_then(|index| self.new_of.get(index)).ok_or_else(|| {
                let (matrix, limit) = (self.out.matrix().to_owned(), self.new_of.len());
                ReadError::IndexOutOfRange { matrix, index, position: start + at as u64, limit }
            })?;
            if let Some(new) = place {
                self.row_indices[kept] = i64::from(*new);
                self.row_values[kept] = self.row_values[at];
                kept += 1;
            }
        }
        self.row_indices.truncate(kept);
        self.row_values.truncate(kept);
        Ok(())
    }
}

impl MatrixReader for CsrReader {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        if self.next == self.rows.len() {
            return Ok(None);
        }
        let mut n_values = 0;
        while self.next < self.rows.len() && n_values < WINDOW_VALUES {
            let row = self.rows.get(self.next);
            let (start, end) = (self.indptr[row], self.indptr[row + 1]);
            self.out.check_row_length(row, end - start, self.new_of.len())?;
            self.indices.copy_to(start, end, &mut self.row_indices)?;
            self.values.copy_to(start, end, &mut self.row_values)?;
            if !self.new_of.is_empty() {
                self.renumber(start)?;
            }
            self.out.push(start, &self.row_indices, &self.row_values)?;
            // An empty row is work too.
            n_values += 1 + end - start;
            self.next += 1;
        }
        self.out.check_budget(self.budget)?;
        Ok(Some(self.next))
    }

    fn finish(self: Box<Self>) -> Result<(Counts, Vec<String>), ReadError> {
        self.out.finish()
    }
}

/// Compressed sparse columns: one column per gene.
pub(crate) struct CscReader {
    name: String,
    indptr: Vec<u64>,
    n_rows: usize,
    indices: Stream<i64>,
    values: Stream<f32>,
    at: u64,
    column: usize,
    window: Vec<f32>,
    scatter: Scatter,
}

impl CscReader {
    pub(crate) fn new(
        arrays: SparseArrays,
        indptr: Vec<u64>,
        rows: Rows,
        n_genes: usize,
        budget: u64,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            indices: Stream::of_indices(arrays.indices)?,
            values: Stream::of_values(arrays.values)?,
            at: 0,
            column: 0,
            window: Vec::new(),
            n_rows: rows.n_all(),
            scatter: Scatter::new(&arrays.name, rows, n_genes, budget),
            name: arrays.name,
            indptr,
        })
    }

    fn check_row(&self, index: i64, position: u64) -> Result<usize, ReadError> {
        usize::try_from(index).ok().filter(|row| *row < self.n_rows).ok_or_else(|| ReadError::IndexOutOfRange {
            matrix: self.name.clone(),
            index,
            position,
            limit: self.n_rows,
        })
    }

    fn count_window(&mut self, end: u64) -> Result<(), ReadError> {
        while self.at < end {
            let piece = self.indices.piece(self.at, end)?.to_vec();
            for (position, index) in (self.at..).zip(&piece) {
                let row = self.check_row(*index, position)?;
                self.scatter.count(row);
            }
            self.at += piece.len() as u64;
        }
        Ok(())
    }

    fn place_window(&mut self, end: u64) -> Result<(), ReadError> {
        while self.at < end {
            let piece = self.indices.piece(self.at, end)?.to_vec();
            self.values.copy_to(self.at, self.at + piece.len() as u64, &mut self.window)?;
            for ((position, index), value) in (self.at..).zip(&piece).zip(&self.window) {
                while self.indptr[self.column + 1] <= position {
                    self.column += 1;
                }
                // The first pass has checked this index.
                self.scatter.place(*index as usize, self.column as u32, *value);
            }
            self.at += piece.len() as u64;
        }
        Ok(())
    }
}

impl MatrixReader for CscReader {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        let total = self.indices.len();
        let end = (self.at + WINDOW_VALUES).min(total);
        if !self.scatter.is_placing() {
            self.count_window(end)?;
            if self.at == total {
                self.scatter.begin_placing()?;
                self.at = 0;
            }
            return Ok(Some(share(self.scatter.n_rows(), self.at, total) / 2));
        }
        if self.at == total {
            return Ok(None);
        }
        self.place_window(end)?;
        self.scatter.check_budget()?;
        let half = self.scatter.n_rows().div_ceil(2);
        Ok(Some(if self.at == total { self.scatter.n_rows() } else { half + share(half, self.at, total) / 2 }))
    }

    fn finish(self: Box<Self>) -> Result<(Counts, Vec<String>), ReadError> {
        self.scatter.finish()
    }
}

/// Dense rows.
pub(crate) struct DenseReader {
    array: Array,
    n_genes: usize,
    rows: Rows,
    next: usize,
    window_rows: u64,
    budget: u64,
    out: RowBuilder,
}

/// A window of dense rows may take this much; chunks taller than that are decoded more than once.
pub(crate) const DENSE_WINDOW_BYTES: u64 = 64 << 20;

impl DenseReader {
    pub(crate) fn new(array: Array, n_genes: usize, rows: Rows, budget: u64) -> Result<Self, ReadError> {
        let row_bytes = array.row_bytes().max(1);
        let most = (DENSE_WINDOW_BYTES / row_bytes).max(1);
        let chunk = array.chunk_rows().unwrap_or(1);
        let target = (WINDOW_VALUES / n_genes.max(1) as u64).max(1);
        let window_rows = target.div_ceil(chunk).saturating_mul(chunk).min(most);
        let out = RowBuilder::new(array.path(), n_genes, rows.len(), 0)?;
        Ok(Self { array, n_genes, rows, next: 0, window_rows, budget, out })
    }
}

impl MatrixReader for DenseReader {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        if self.next == self.rows.len() {
            return Ok(None);
        }
        let first = self.rows.get(self.next) as u64;
        let start = first / self.window_rows * self.window_rows;
        let values = self.array.f32s(start, self.window_rows)?;
        let end = start + self.window_rows;
        while self.next < self.rows.len() && (self.rows.get(self.next) as u64) < end {
            let from = (self.rows.get(self.next) as u64 - start) as usize * self.n_genes;
            let row = values.get(from..from + self.n_genes).ok_or_else(|| self.array.malformed("is cut off"))?;
            self.out.push_dense(row)?;
            self.next += 1;
        }
        self.out.check_budget(self.budget)?;
        Ok(Some(self.next))
    }

    fn finish(self: Box<Self>) -> Result<(Counts, Vec<String>), ReadError> {
        self.out.finish()
    }
}

fn share(n_rows: usize, done: u64, total: u64) -> usize {
    if total == 0 { n_rows } else { (n_rows as u128 * u128::from(done) / u128::from(total)) as usize }
}
