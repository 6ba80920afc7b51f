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
use crate::read::selection::Columns;
use crate::read::stream::Stream;
use crate::totals::CellTotals;

/// Reads a matrix window by window.
pub(crate) trait MatrixReader {
    /// Reads one window; none when all is read. Gives the share of the work that is done, in cells.
    fn advance(&mut self) -> Result<Option<usize>, ReadError>;

    /// What was read.
    fn finish(self: Box<Self>) -> Result<Taken, ReadError>;
}

/// What was read of a matrix.
pub(crate) struct Taken {
    pub(crate) counts: Counts,
    /// What all genes say of each cell; none where all are read.
    pub(crate) totals: Option<CellTotals>,
    pub(crate) warnings: Vec<String>,
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
    out: RowBuilder,
}

impl CsrReader {
    pub(crate) fn new(
        arrays: SparseArrays,
        indptr: Vec<u64>,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Self, ReadError> {
        let n_values: u64 = rows.iter().map(|row| indptr[row + 1] - indptr[row]).sum();
        let out = RowBuilder::new(&arrays.name, columns, rows.len(), n_values)?;
        Ok(Self {
            indptr,
            rows,
            next: 0,
            indices: Stream::of_indices(arrays.indices)?,
            values: Stream::of_values(arrays.values)?,
            row_indices: Vec::new(),
            row_values: Vec::new(),
            budget,
            out,
        })
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
            self.out.check_row_length(row, end - start)?;
            self.indices.copy_to(start, end, &mut self.row_indices)?;
            self.values.copy_to(start, end, &mut self.row_values)?;
            self.out.push(start, &self.row_indices, &self.row_values)?;
            // An empty row is work too.
            n_values += 1 + end - start;
            self.next += 1;
        }
        self.out.check_budget(self.budget)?;
        Ok(Some(self.next))
    }

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
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
    columns: Columns,
    scatter: Scatter,
}

impl CscReader {
    pub(crate) fn new(
        arrays: SparseArrays,
        indptr: Vec<u64>,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            indices: Stream::of_indices(arrays.indices)?,
            values: Stream::of_values(arrays.values)?,
            at: 0,
            column: 0,
            window: Vec::new(),
            n_rows: rows.n_all(),
            scatter: Scatter::new(&arrays.name, rows, columns.clone(), budget),
            columns,
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
            while self.indptr[self.column + 1] <= self.at {
                self.column += 1;
            }
            let end = end.min(self.indptr[self.column + 1]);
            if !self.columns.are_all() && self.columns.fate(self.column).new.is_none() {
                self.at = end;
                continue;
            }
            let piece = self.indices.piece(self.at, end)?.to_vec();
            for (position, index) in (self.at..).zip(&piece) {
                let row = self.check_row(*index, position)?;
                self.scatter.count(row, self.column as u32);
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
                // The first pass has passed over columns that are not read.
                let row = self.check_row(*index, position)?;
                self.scatter.place(row, self.column as u32, *value);
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
                (self.at, self.column) = (0, 0);
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

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
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
    pub(crate) fn new(array: Array, rows: Rows, columns: Columns, budget: u64) -> Result<Self, ReadError> {
        let n_genes = columns.n_all();
        let row_bytes = array.row_bytes().max(1);
        let most = (DENSE_WINDOW_BYTES / row_bytes).max(1);
        let chunk = array.chunk_rows().unwrap_or(1);
        let target = (WINDOW_VALUES / n_genes.max(1) as u64).max(1);
        let window_rows = target.div_ceil(chunk).saturating_mul(chunk).min(most);
        let out = RowBuilder::new(array.path(), columns, rows.len(), 0)?;
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

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
        self.out.finish()
    }
}

fn share(n_rows: usize, done: u64, total: u64) -> usize {
    if total == 0 { n_rows } else { (n_rows as u128 * u128::from(done) / u128::from(total)) as usize }
}
