//! Parts of files as files of their own: a window of a source, and bytes that a decoder gives, which runs forwards only.

use std::io::{BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};

use crate::read::error::ReadError;
use crate::source::{NamedSource, Source, SourceError};

/// The beginning of what a decoder gives, kept: formats are told from it.
const FIRST_BYTES: usize = 1 << 16;
const BUFFER_BYTES: usize = 1 << 16;

/// Reads a window of a source from its beginning to its end.
pub(crate) struct Forwards {
    source: Arc<dyn Source>,
    at: u64,
    end: u64,
}

impl Forwards {
    pub(crate) fn new(source: Arc<dyn Source>, at: u64, length: u64) -> Self {
        let end = at.saturating_add(length).min(source.len());
        Self { source, at, end }
    }
}

impl Read for Forwards {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.end.saturating_sub(self.at);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_at(self.at, &mut buffer[..length]).map_err(std::io::Error::other)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// A part of a source.
pub(crate) struct Window {
    pub(crate) base: Arc<dyn Source>,
    pub(crate) start: u64,
    pub(crate) length: u64,
}

impl Source for Window {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        self.base.read_at(self.start + offset, buffer)
    }
}

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Deflate,
}

/// A decoder of a part of a source.
pub(crate) fn decoder(
    base: &Arc<dyn Source>,
    start: u64,
    length: u64,
    compression: Compression,
) -> Box<dyn Read + Send> {
    let forwards = BufReader::with_capacity(BUFFER_BYTES, Forwards::new(Arc::clone(base), start, length));
    match compression {
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(forwards)),
        Compression::Deflate => Box::new(flate2::bufread::DeflateDecoder::new(forwards)),
    }
}

/// A small deflated part that is read whole and seldom: every read decodes it from its beginning.
pub(crate) struct Deflated {
    pub(crate) base: Arc<dyn Source>,
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) len: u64,
}

impl Source for Deflated {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        let mut reader = decoder(&self.base, self.start, self.length, Compression::Deflate);
        let skipped = std::io::copy(&mut (&mut reader).take(offset), &mut std::io::sink());
        let read = skipped.and_then(|_| reader.read_exact(buffer));
        let failed = |error: std::io::Error| format!("the compressed data are damaged: {error}");
        read.map_err(|error| SourceError::Failed { offset, length, reason: failed(error) })
    }
}

/// Bytes that a decoder gives, as a source: reading on is cheap, going back begins again.
pub(crate) struct Inflated {
    base: Arc<dyn Source>,
    /// The compressed part of the base.
    start: u64,
    length: u64,
    compression: Compression,
    /// Where in the decoded bytes this source begins, and how long it is.
    skipped: u64,
    len: u64,
    state: Mutex<State>,
}

struct State {
    reader: Option<Box<dyn Read + Send>>,
    at: u64,
    first: Vec<u8>,
}

impl Inflated {
    pub(crate) fn new(
        base: Arc<dyn Source>,
        (start, length): (u64, u64),
        compression: Compression,
        (skipped, len): (u64, u64),
    ) -> Self {
        let state = Mutex::new(State { reader: None, at: 0, first: Vec::new() });
        Self { base, start, length, compression, skipped, len, state }
    }

    fn read(&self, state: &mut State, offset: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        if offset + buffer.len() as u64 <= state.first.len() as u64 {
            let start = offset as usize;
            buffer.copy_from_slice(&state.first[start..start + buffer.len()]);
            return Ok(());
        }
        let (target, mut scratch) = (self.skipped + offset, vec![0; BUFFER_BYTES]);
        if state.reader.is_none() || state.at > target {
            state.reader = Some(decoder(&self.base, self.start, self.length, self.compression));
            state.at = 0;
        }
        let Some(reader) = state.reader.as_mut() else { return Ok(()) };
        while state.at < target {
            let step = usize::try_from(target - state.at).unwrap_or(usize::MAX).min(BUFFER_BYTES);
            reader.read_exact(&mut scratch[..step])?;
            state.at += step as u64;
        }
        if offset == 0 && state.first.is_empty() {
            let mut first = vec![0; FIRST_BYTES.min(usize::try_from(self.len).unwrap_or(FIRST_BYTES))];
            reader.read_exact(&mut first)?;
            state.at += first.len() as u64;
            state.first = first;
            return self.read(state, offset, buffer);
        }
        reader.read_exact(buffer)?;
        state.at += buffer.len() as u64;
        Ok(())
    }
}

impl Source for Inflated {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.read(&mut state, offset, buffer).map_err(|error| {
            state.reader = None;
            let reason = match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "the compressed data are cut off".to_owned(),
                _ => format!("the compressed data are damaged: {error}"),
            };
            SourceError::Failed { offset, length, reason }
        })
    }
}

/// Unpacks the part of an archive into memory, at most half of `budget`, which leaves room for what is read from it.
pub(crate) fn into_memory(file: &NamedSource, budget: u64) -> Result<NamedSource, ReadError> {
    let len = file.source.len();
    let most = budget / 2;
    if len > most {
        return Err(refused(&file.name, len, most));
    }
    let mut whole = Vec::new();
    let mut block = vec![0; BUFFER_BYTES];
    while (whole.len() as u64) < len {
        let step = (len - whole.len() as u64).min(BUFFER_BYTES as u64) as usize;
        file.source.read_at(whole.len() as u64, &mut block[..step])?;
        whole.extend_from_slice(&block[..step]);
    }
    Ok(NamedSource::from_bytes(file.name.clone(), whole))
}

/// Unpacks a gzip file into memory, within the same bound.
pub(crate) fn gunzipped(file: NamedSource, budget: u64) -> Result<NamedSource, ReadError> {
    let NamedSource { name, source } = file;
    let base: Arc<dyn Source> = source.into();
    let most = budget / 2;
    let mut whole = Vec::new();
    let read = decoder(&base, 0, base.len(), Compression::Gzip).take(most.saturating_add(1)).read_to_end(&mut whole);
    match read {
        Ok(_) if whole.len() as u64 > most => Err(refused(&name, whole.len() as u64, most)),
        Ok(_) => Ok(NamedSource::from_bytes(name, whole)),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(ReadError::Truncated { object: name, detail: " within its compressed data".into() })
        }
        Err(error) => Err(ReadError::Malformed { object: name, what: format!("cannot be decompressed: {error}") }),
    }
}

fn refused(name: &str, needed: u64, available: u64) -> ReadError {
    let advice = "unpack it first and open what is in it, which is then read in place".into();
    ReadError::OverBudget { object: format!("unpacking {name}"), needed, available, advice }
}
