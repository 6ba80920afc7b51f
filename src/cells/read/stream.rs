//! A long column of numbers read forwards in blocks of whole chunks, so that no chunk is decoded twice. What is read
//! through is read in ever larger blocks, up to a window; where most is passed over, only the chunks that are touched.

use crate::read::array::{Array, WINDOW_VALUES};
use crate::read::error::ReadError;

type ReadRows<T> = fn(&Array, u64, u64) -> Result<Vec<T>, ReadError>;

/// A one-dimensional dataset with one block of it in memory.
pub(crate) struct Stream<T> {
    array: Array,
    read_rows: ReadRows<T>,
    /// Values of a chunk, and of the largest block.
    chunk_len: u64,
    most_len: u64,
    /// Values of the next block where it follows the one before.
    next_len: u64,
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
        let most_len = WINDOW_VALUES.div_ceil(chunk).saturating_mul(chunk);
        Ok(Self { array, read_rows, chunk_len: chunk, most_len, next_len: chunk, start: 0, block: Vec::new() })
    }

    /// Values in all.
    pub(crate) fn len(&self) -> u64 {
        self.array.n_rows()
    }

    /// The part of `start..end` that one block holds, from `start` on; never empty for a range within the column.
    pub(crate) fn piece(&mut self, start: u64, end: u64) -> Result<&[T], ReadError> {
        let in_block = start >= self.start && start < self.start + self.block.len() as u64;
        if !in_block {
            let block_start = start / self.chunk_len * self.chunk_len;
            let follows = block_start == self.start + self.block.len() as u64;
            let asked = (end.max(start + 1) - block_start).div_ceil(self.chunk_len).saturating_mul(self.chunk_len);
            let length = if follows { asked.max(self.next_len) } else { asked }.min(self.most_len);
            self.next_len = length.saturating_mul(2);
            // The memory of the block before is given back first.
            self.block = Vec::new();
            self.block = (self.read_rows)(&self.array, block_start, length)?;
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
