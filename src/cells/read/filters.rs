//! Filters of HDF5 that the library does not reverse: szip, zstd, blosc, lz4, bitshuffle, alone or with those that it does.
//!
//! The library gives the table of chunks; each is read and its pipeline undone from the last filter to the first, with
//! the bytes of a whole chunk as the bound of every step.

use std::collections::HashMap;
use std::sync::Arc;

use crate::read::codec::{self, Decoded, bitshuffle, blosc, lz4, shuffle, szip};
use crate::read::error::ReadError;
use crate::read::grid::Chunks;
use crate::source::Source;

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER32: u16 = 3;
const SZIP: u16 = 4;
const BLOSC: u16 = 32001;
const LZ4: u16 = 32004;
const BITSHUFFLE: u16 = 32008;
const ZSTD: u16 = 32015;

/// What a step may add to a chunk: headers of the filters outside it.
const OVERHEAD_BYTES: usize = 1 << 16;

/// Whether a filter is reversed here and not by the library.
pub(crate) fn is_own(id: u16) -> bool {
    matches!(id, SZIP | BLOSC | LZ4 | BITSHUFFLE | ZSTD)
}

/// Whether a filter can be reversed here, whoever else does.
pub(crate) fn is_known(id: u16) -> bool {
    is_own(id) || matches!(id, DEFLATE | SHUFFLE | FLETCHER32)
}

/// The name of a filter that is not read; none where it is.
pub(crate) fn unread(id: u16) -> Option<String> {
    Some(match id {
        DEFLATE | SHUFFLE | FLETCHER32 | SZIP | 6 | 32000 | BLOSC | LZ4 | BITSHUFFLE | ZSTD => return None,
        5 => "nbit (5)".into(),
        307 => "bzip2 (307)".into(),
        32013 => "zfp (32013)".into(),
        32026 => "blosc2 (32026)".into(),
        id => format!("HDF5 filter {id}"),
    })
}

/// The chunks of a dataset behind such filters.
pub(crate) struct FilteredChunks {
    path: String,
    source: Arc<dyn Source>,
    /// Where each chunk lies, its length, and which filters it skips.
    places: HashMap<Vec<u64>, (u64, u64, u32)>,
    pipeline: Vec<hdf5_pure::Filter>,
    chunk_bytes: usize,
}

impl FilteredChunks {
    /// The chunks lie in the file; `chunk_bytes` are those of a whole chunk.
    pub(crate) fn new(
        path: &str,
        source: Arc<dyn Source>,
        chunks: Vec<hdf5_pure::Chunk>,
        pipeline: Vec<hdf5_pure::Filter>,
        chunk_shape: &[u64],
        chunk_bytes: usize,
    ) -> Self {
        let place =
            |chunk: &hdf5_pure::Chunk| chunk.offset.iter().zip(chunk_shape).map(|(at, of)| at / of.max(&1)).collect();
        let places = chunks
            .into_iter()
            .map(|chunk| (place(&chunk), (chunk.address, chunk.storage_size, chunk.filter_mask)))
            .collect();
        Self { path: path.to_owned(), source, places, pipeline, chunk_bytes }
    }

    /// Reverses one filter; `limit` is the most it may give.
    fn reversed(&self, filter: &hdf5_pure::Filter, bytes: Vec<u8>, limit: usize) -> Decoded {
        let setting = |at: usize| filter.client_data.get(at).copied().unwrap_or(0) as usize;
        match filter.id {
            DEFLATE => codec::zlib(&bytes, limit),
            SHUFFLE => Ok(shuffle::unshuffle(&bytes, setting(0))),
            FLETCHER32 => without_checksum(bytes),
            SZIP => szip::decode(&bytes, [0, 1, 2, 3].map(setting), limit),
            BLOSC => blosc::decode(&bytes, limit),
            LZ4 => lz4::hdf5(&bytes, limit),
            ZSTD => codec::zstd(&bytes, limit),
            // Its settings begin with its version.
            BITSHUFFLE => {
                let inner = match setting(4) {
                    0 => bitshuffle::Inner::None,
                    2 => bitshuffle::Inner::Lz4,
                    3 => bitshuffle::Inner::Zstd,
                    other => return Err(format!("is bit-shuffled with compression {other}, which is not read")),
                };
                bitshuffle::decode(&bytes, setting(2), setting(3), inner, limit)
            }
            other => Err(format!("lies behind the filters {other} and another that is read in another way")),
        }
    }
}

impl Chunks for FilteredChunks {
    fn chunk(&self, place: &[u64]) -> Result<Option<Vec<u8>>, ReadError> {
        let Some((address, length, mask)) = self.places.get(place).copied() else { return Ok(None) };
        let damaged = |what: String| ReadError::Malformed { object: self.path.clone(), what };
        // The library bounds it by the file.
        let length = usize::try_from(length).map_err(|_| damaged("has a chunk beyond this machine's memory".into()))?;
        let mut bytes = vec![0; length];
        self.source.read_at(address, &mut bytes)?;
        let is_applied = |at: usize| mask.checked_shr(at as u32).is_none_or(|bits| bits & 1 == 0);
        for (at, filter) in self.pipeline.iter().enumerate().rev().filter(|(at, _)| is_applied(*at)) {
            // What lies under another filter may carry that filter's header.
            let limit = if at == 0 { self.chunk_bytes } else { self.chunk_bytes.saturating_add(OVERHEAD_BYTES) };
            bytes = self.reversed(filter, bytes, limit).map_err(&damaged)?;
        }
        Ok(Some(bytes))
    }
}

/// Takes off and compares the checksum of Fletcher over 16-bit words.
fn without_checksum(mut bytes: Vec<u8>) -> Decoded {
    let Some(length) = bytes.len().checked_sub(4) else { return Err("is too short for its checksum".into()) };
    let stored = bytes.split_off(length);
    let stored = u32::from_le_bytes([stored[0], stored[1], stored[2], stored[3]]);
    let (mut first, mut second) = (0u32, 0u32);
    for word in bytes.chunks(2) {
        let low = word.get(1).copied().unwrap_or(0);
        first = (first + u32::from(u16::from_be_bytes([word[0], low]))) % 65_535;
        second = (second + first) % 65_535;
    }
    // 0 and 65,535 are the same sum.
    let folded = |half: u32| half % 65_535;
    if (folded(stored >> 16), folded(stored & 0xffff)) == (second, first) {
        Ok(bytes)
    } else {
        Err("does not have its checksum; the file is damaged".into())
    }
}
