//! Chunks of a zarr array: the file of each, or its part of a shard, and the steps back to plain bytes.

use std::sync::{Arc, Mutex, PoisonError};

use crate::read::array::Values;
use crate::read::codec::{self, Decoded, blosc, lz4, shuffle};
use crate::read::error::ReadError;
use crate::read::grid::{Chunks, Grid};
use crate::read::zarr::Files;
use crate::read::zarr::crc32c::checked;
use crate::read::zarr::meta::{ArrayMeta, Shards, Step};
use crate::source::Source;

/// A chunk of text may decode to this many times its stored bytes.
const MAX_TEXT_RATIO: usize = 1032;
const TEXT_SLACK_BYTES: usize = 1 << 20;
/// In a shard's index, a chunk that was never written.
const UNWRITTEN: u64 = u64::MAX;

/// The index of a shard: where its chunks begin, and their lengths.
type ShardIndex = Arc<Vec<(u64, u64)>>;

pub(crate) struct ZarrChunks {
    path: String,
    files: Arc<Files>,
    meta: ArrayMeta,
    /// Bytes of a whole chunk; none where text has any length.
    chunk_bytes: Option<usize>,
    /// The index that was used last.
    last: Mutex<Option<(String, ShardIndex)>>,
}

impl ZarrChunks {
    pub(crate) fn new(path: &str, files: Arc<Files>, meta: ArrayMeta, chunk_bytes: Option<usize>) -> Self {
        Self { path: path.to_owned(), files, meta, chunk_bytes, last: Mutex::new(None) }
    }

    fn malformed(&self, what: String) -> ReadError {
        ReadError::Malformed { object: self.path.clone(), what }
    }

    fn file_of(&self, place: &[u64]) -> String {
        let meta = &self.meta;
        let mut name = format!("{}/{}", self.path, meta.prefix);
        for (at, number) in place.iter().enumerate() {
            if at > 0 || !meta.prefix.is_empty() {
                name.push(meta.separator);
            }
            name.push_str(&number.to_string());
        }
        // Version 2 calls the one chunk of a scalar 0.
        if place.is_empty() && meta.prefix.is_empty() {
            name.push('0');
        }
        name
    }

    /// The stored bytes of a chunk.
    fn stored(&self, place: &[u64]) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(shards) = self.meta.shards else {
            let Some(file) = self.files.get(&self.file_of(place)) else { return Ok(None) };
            return self.read(file.as_ref(), 0, file.len()).map(Some);
        };
        let per_file = self.meta.file_shape.iter().zip(&self.meta.chunk_shape).map(|(file, chunk)| file / chunk);
        let per_file: Vec<u64> = per_file.collect();
        let shard: Vec<u64> = place.iter().zip(&per_file).map(|(at, n)| at / n).collect();
        let name = self.file_of(&shard);
        let Some(file) = self.files.get(&name) else { return Ok(None) };
        let index = self.index(&name, file.as_ref(), shards, per_file.iter().product())?;
        let within = place.iter().zip(&per_file).fold(0, |so_far, (at, n)| so_far * n + at % n);
        match index.get(within as usize).copied() {
            None | Some((UNWRITTEN, _)) => Ok(None),
            Some((start, length)) => self.read(file.as_ref(), start, length).map(Some),
        }
    }

    fn read(&self, file: &dyn Source, start: u64, length: u64) -> Result<Vec<u8>, ReadError> {
        if start.checked_add(length).is_none_or(|end| end > file.len()) {
            return Err(self.malformed("has a shard whose index points past its end; it is damaged".into()));
        }
        // It lies in the file, so that it is no more than there is.
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_at(start, &mut bytes)?;
        Ok(bytes)
    }

    fn index(&self, name: &str, file: &dyn Source, shards: Shards, n_chunks: u64) -> Result<ShardIndex, ReadError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, index)) = last.as_ref().filter(|(of, _)| of == name) {
            return Ok(Arc::clone(index));
        }
        let length = n_chunks.saturating_mul(16).saturating_add(if shards.index_has_checksum { 4 } else { 0 });
        let start = if shards.index_is_first { Some(0) } else { file.len().checked_sub(length) };
        let short = || self.malformed("has a shard that is shorter than its index; it is cut off".into());
        let bytes = self.read(file, start.ok_or_else(short)?, length)?;
        let plain =
            if shards.index_has_checksum { checked(&bytes).map_err(|what| self.malformed(what))? } else { &bytes };
        let (numbers, _) = plain.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let index = Arc::new(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>());
        *last = Some((name.to_owned(), Arc::clone(&index)));
        Ok(index)
    }

    fn decoded(&self, mut bytes: Vec<u8>) -> Decoded {
        let most_text = bytes.len().saturating_mul(MAX_TEXT_RATIO).saturating_add(TEXT_SLACK_BYTES);
        let limit = self.chunk_bytes.unwrap_or(most_text);
        for step in &self.meta.steps {
            bytes = match step {
                Step::Blosc => blosc::decode(&bytes, limit)?,
                Step::Zstd => codec::zstd(&bytes, limit)?,
                Step::Zlib => codec::zlib(&bytes, limit)?,
                Step::Gzip => codec::gzip(&bytes, limit)?,
                Step::Lz4 => lz4::numcodecs(&bytes, limit)?,
                Step::Shuffle(element) => shuffle::unshuffle(&bytes, *element),
                Step::Crc32c => checked(&bytes)?.to_vec(),
            };
        }
        Ok(bytes)
    }
}

impl Chunks for ZarrChunks {
    fn chunk(&self, place: &[u64]) -> Result<Option<Vec<u8>>, ReadError> {
        let Some(stored) = self.stored(place)? else { return Ok(None) };
        self.decoded(stored).map(Some).map_err(|what| self.malformed(what))
    }
}

/// Text of any length: a chunk is the number of its texts, and each after its length.
pub(crate) struct ZarrText {
    grid: Grid,
    chunks: ZarrChunks,
}

impl ZarrText {
    pub(crate) fn new(grid: Grid, chunks: ZarrChunks) -> Self {
        Self { grid, chunks }
    }

    fn texts_of(&self, chunk: &[u8], n: usize) -> Result<Vec<String>, ReadError> {
        let damaged = || self.chunks.malformed("has a chunk of text that is damaged".into());
        let number = |at: usize| {
            let four = chunk.get(at..at.checked_add(4)?)?;
            Some(u32::from_le_bytes([four[0], four[1], four[2], four[3]]) as usize)
        };
        let n_stored = number(0).ok_or_else(damaged)?;
        if n_stored > n || n_stored > chunk.len() / 4 {
            return Err(damaged());
        }
        let mut texts = Vec::with_capacity(n_stored);
        let mut at = 4;
        for _ in 0..n_stored {
            let length = number(at).ok_or_else(damaged)?;
            let text = chunk.get(at + 4..(at + 4).saturating_add(length)).ok_or_else(damaged)?;
            texts.push(String::from_utf8_lossy(text).into_owned());
            at += 4 + length;
        }
        Ok(texts)
    }

    fn no_numbers<T>(&self) -> Result<Vec<T>, ReadError> {
        Err(self.chunks.malformed("holds text, no numbers".into()))
    }
}

impl Values for ZarrText {
    fn f32s(&self, _start: u64, _count: u64) -> Result<Vec<f32>, ReadError> {
        self.no_numbers()
    }

    fn f64s(&self, _start: u64, _count: u64) -> Result<Vec<f64>, ReadError> {
        self.no_numbers()
    }

    fn i64s(&self, _start: u64, _count: u64) -> Result<Vec<i64>, ReadError> {
        self.no_numbers()
    }

    fn strings(&self, start: u64, count: u64) -> Result<Vec<String>, ReadError> {
        let (n_rows, step) = match (self.grid.shape.as_slice(), self.grid.chunk_shape.as_slice()) {
            ([], []) => (1, 1),
            ([n_rows], [step]) => (*n_rows, *step),
            _ => return Err(self.chunks.malformed("holds text in several dimensions, which is not read".into())),
        };
        let end = start.saturating_add(count).min(n_rows);
        let mut texts = Vec::new();
        let mut at = start;
        while at < end {
            let (place, from) = (at / step, at % step);
            let n = (step - from).min(end - at) as usize;
            let named = if self.grid.shape.is_empty() { &[][..] } else { &[place][..] };
            let before = texts.len();
            if let Some(chunk) = self.chunks.chunk(named)? {
                let of_chunk = self.texts_of(&chunk, usize::try_from(step).unwrap_or(usize::MAX))?;
                texts.extend(of_chunk.into_iter().skip(from as usize).take(n));
            }
            // What was never written is empty.
            texts.resize(before + n, String::new());
            at += n as u64;
        }
        Ok(texts)
    }

    fn raw(&self, _start: u64, _count: u64) -> Result<Vec<u8>, ReadError> {
        self.no_numbers()
    }
}
