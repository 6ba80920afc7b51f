//! Random access to the bytes of a file, wherever they lie.
//!
//! Readers ask for ranges; nothing here knows a path or a browser. The worker implements [`Source`] over
//! `File.slice`, the command line over a file, tests over memory.

use std::sync::Arc;

/// Why bytes could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// A read past the end.
    #[error("reading {length} bytes at {offset} runs past the end: there are {available} bytes")]
    PastEnd {
        /// Where the read began.
        offset: u64,
        /// How many bytes it asked for.
        length: u64,
        /// How many bytes there are.
        available: u64,
    },
    /// The place the bytes lie in refused.
    #[error("reading {length} bytes at {offset} failed: {reason}")]
    Failed {
        /// Where the read began.
        offset: u64,
        /// How many bytes it asked for.
        length: u64,
        /// In that place's own words.
        reason: String,
    },
}

/// Bytes with random access.
///
/// `Send + Sync` because the HDF5 library asks for it; a JavaScript handle satisfies it on wasm without threads, and a
/// file on disk behind a mutex or with positioned reads does natively.
pub trait Source: Send + Sync {
    /// Bytes in all. Must be true and must not change: allocations are bounded by it.
    fn len(&self) -> u64;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Checks that a read of `length` bytes stays within; implementations call it before they read.
    ///
    /// # Errors
    /// Where it runs past the end.
    fn check_range(&self, offset: u64, length: u64) -> Result<(), SourceError> {
        match offset.checked_add(length) {
            Some(end) if end <= self.len() => Ok(()),
            _ => Err(SourceError::PastEnd { offset, length, available: self.len() }),
        }
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Where the range runs past the end, or the bytes cannot be had. A short read is an error.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError>;
}

/// Bytes in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemorySource(Arc<[u8]>);

impl MemorySource {
    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<Vec<u8>> for MemorySource {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl Source for MemorySource {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let past_end = || SourceError::PastEnd { offset, length: buffer.len() as u64, available: self.0.len() as u64 };
        let start = usize::try_from(offset).map_err(|_| past_end())?;
        let end = start.checked_add(buffer.len()).filter(|end| *end <= self.0.len()).ok_or_else(past_end)?;
        buffer.copy_from_slice(&self.0[start..end]);
        Ok(())
    }
}

/// A source and the name a person knows it by.
pub struct NamedSource {
    /// Name of the file, without folders where they are known to be such.
    pub name: String,
    /// Its bytes.
    pub source: Box<dyn Source>,
}

impl NamedSource {
    /// Names a source.
    pub fn new(name: impl Into<String>, source: impl Source + 'static) -> Self {
        Self { name: name.into(), source: Box::new(source) }
    }

    /// Names bytes in memory.
    pub fn from_bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self::new(name, MemorySource::new(bytes))
    }
}

impl std::fmt::Debug for NamedSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedSource").field("name", &self.name).field("len", &self.source.len()).finish()
    }
}

/// The first bytes of a source, at most `length` of them.
pub(crate) fn head(source: &dyn Source, length: usize) -> Result<Vec<u8>, SourceError> {
    let length = usize::try_from(source.len()).unwrap_or(usize::MAX).min(length);
    let mut bytes = vec![0; length];
    source.read_at(0, &mut bytes)?;
    Ok(bytes)
}
