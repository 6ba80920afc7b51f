//! A long column of numbers read forwards in blocks of whole chunks, so that no chunk is decoded twice.

use crate::read::array::{Array, WINDOW_VALUES};
use crate::read::error::ReadError;

type ReadRows<T> = fn(&Array, u64, u64) -> Result<Vec<T>, ReadError>;

/// A one-dimensional dataset with one block of it in memory.
pub(crate) struct Stream<T> {
    array: Array,
    read_rows: ReadRows<T>,
    block_len: u64,
    start: u64,
    block: Vec<T>,
}

impl Stream<f32> {
    pub(crate) fn of_values(array: Array) -> Result<Self, ReadError> {
        Self::new(array, Array::f32s)
    }
}

impl Stream<i64> {
    pub(crate) fn of_indices(array: Array) -> Result<Self, ReadError> {
        Self::new(array, Array::i64s)
    }
}

impl<T: Copy> Stream<T> {
    fn new(array: Array, read_rows: ReadRows<T>) -> Result<Self, ReadError> {
        if array.shape().len() != 1 {
            return Err(array.malformed(&format!("has the shape {:?}; one dimension is expected", array.shape())));
        }
        let chunk = array.chunk_rows().unwrap_or(1);
        let block_len = WINDOW_VALUES.div_ceil(chunk).saturating_mul(chunk);
        Ok(Self { array, read_rows, block_len, start: 0, block: Vec::new() })
    }

    /// Values in all.
    pub(crate) fn len(&self) -> u64 {
        self.array.n_rows()
    }

    /// The part of `start..end` that one block holds, from `start` on; never empty for a range within the column.
    pub(crate) fn piece(&mut self, start: u64, end: u64) -> Result<&[T], ReadError> {
        let in_block = start >= self.start && start < self.start + self.block.len() as u64;
        if !in_block {
            let block_start = start / self.block_len * self.block_len;
            self.block.clear();
            self.block = (self.read_rows)(&self.array, block_start, self.block_len)?;
            self.start = block_start;
        }
        let from = (start - self.start) as usize;
        let to = self.block.len().min((end.saturating_sub(self.start)) as usize);
        if from >= to {
            return Err(self.array.malformed(&format!("ends before position {start}")));
        }
        Ok(&self.block[from..to])
    }

    /// Replaces `out` with the values of `start..end`.
    pub(crate) fn copy_to(&mut self, start: u64, end: u64, out: &mut Vec<T>) -> Result<(), ReadError> {
        out.clear();
        let mut at = start;
        while at < end {
            let piece = self.piece(at, end)?;
            at += piece.len() as u64;
            out.extend_from_slice(piece);
        }
        Ok(())
    }
}
