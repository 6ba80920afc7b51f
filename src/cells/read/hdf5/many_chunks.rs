//! Datasets of many chunks: the library looks through all of them for each range of rows, so we keep an index of our own.

use std::sync::OnceLock;

use crate::read::array::Values;
use crate::read::error::ReadError;
use crate::read::grid::Chunked;
use crate::read::hdf5::{Dataset, chunked};
use crate::read::heap::Heap;

/// Chunks of a dataset from which on we keep an index of them.
pub(super) const MANY_CHUNKS: u64 = 256;

/// Chunks of an array; 0 where it has none.
pub(super) fn n_chunks(shape: &[u64], chunk_shape: &[u64]) -> u64 {
    if chunk_shape.is_empty() || chunk_shape.contains(&0) {
        return 0;
    }
    shape.iter().zip(chunk_shape).fold(1, |n, (all, of)| n.saturating_mul(all.div_ceil(*of)))
}

/// Numbers in many chunks, each of which we find by its place.
pub(super) struct ManyChunks {
    pub(super) dataset: Dataset,
    pub(super) shape: Vec<u64>,
    pub(super) heap: Heap,
    /// Made when values are first read; none where chunks were never written, whose fill values the library knows.
    pub(super) own: OnceLock<Option<Chunked>>,
}

impl ManyChunks {
    fn values(&self) -> Result<&dyn Values, ReadError> {
        let own = match self.own.get() {
            Some(own) => own,
            None => {
                let is_whole =
                    self.dataset.chunks()?.len() as u64 == n_chunks(&self.shape, &self.dataset.chunk_shape()?);
                let own = is_whole.then(|| chunked(&self.dataset, &self.shape, &self.heap)).transpose()?;
                self.own.get_or_init(|| own)
            }
        };
        Ok(own.as_ref().map_or(&self.dataset, |own| own as &dyn Values))
    }
}

impl Values for ManyChunks {
    fn f32s(&self, start: u64, count: u64) -> Result<Vec<f32>, ReadError> {
        self.values()?.f32s(start, count)
    }

    fn f64s(&self, start: u64, count: u64) -> Result<Vec<f64>, ReadError> {
        self.values()?.f64s(start, count)
    }

    fn i64s(&self, start: u64, count: u64) -> Result<Vec<i64>, ReadError> {
        self.values()?.i64s(start, count)
    }

    fn strings(&self, start: u64, count: u64) -> Result<Vec<String>, ReadError> {
        self.dataset.strings(start, count)
    }

    fn raw(&self, start: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        self.values()?.raw(start, count)
    }
}
