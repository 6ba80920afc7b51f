//! Lines of a text file, gzipped or not, streamed from a source.

use std::io::{BufRead, BufReader, Read};

use crate::read::error::ReadError;
use crate::source::{NamedSource, Source};

/// No line of a 10x file comes near this; tables have longer ones.
const MAX_LINE_BYTES: usize = 1 << 20;
/// What Windows puts before UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER_BYTES: usize = 1 << 16;

/// Reads a source from its beginning.
struct Forwards<'a> {
    source: &'a dyn Source,
    at: u64,
}

impl Read for Forwards<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.source.len().saturating_sub(self.at);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_at(self.at, &mut buffer[..length]).map_err(std::io::Error::other)?;
        self.at += length as u64;
        Ok(length)
    }
}

/// Whether bytes begin like gzip.
pub(crate) fn is_gzip(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

/// The lines of a file.
pub(crate) struct Lines<'a> {
    name: &'a str,
    reader: Box<dyn BufRead + 'a>,
    line: Vec<u8>,
    number: u64,
    max_line_bytes: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn open(file: &'a NamedSource) -> Result<Lines<'a>, ReadError> {
        Self::open_long(file, MAX_LINE_BYTES)
    }

    /// The same with lines of up to `max_line_bytes`.
    pub(crate) fn open_long(file: &'a NamedSource, max_line_bytes: usize) -> Result<Lines<'a>, ReadError> {
        let source = file.source.as_ref();
        let head = crate::source::head(source, 2)?;
        let forwards = BufReader::with_capacity(BUFFER_BYTES, Forwards { source, at: 0 });
        let reader: Box<dyn BufRead + 'a> = if is_gzip(&head) {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(forwards)))
        } else {
            Box::new(forwards)
        };
        Ok(Lines { name: &file.name, reader, line: Vec::new(), number: 0, max_line_bytes })
    }

    /// The next line without its end; none at the end of the file.
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, ReadError> {
        self.line.clear();
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(self.name, &error)),
            };
            if buffer.is_empty() {
                if self.line.is_empty() {
                    return Ok(None);
                }
                break;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(buffer.len());
            self.line.extend_from_slice(&buffer[..taken]);
            self.reader.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                break;
            }
            if self.line.len() > self.max_line_bytes {
                self.number += 1;
                let what = format!("is longer than {} bytes; this is not a text table", self.max_line_bytes);
                return Err(self.wrong(&what));
            }
        }
        self.number += 1;
        if self.number == 1 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(Some(&self.line))
    }

    /// The last line given.
    pub(crate) fn line(&self) -> &[u8] {
        &self.line
    }

    /// The first `n` bytes of text.
    pub(crate) fn peek(&mut self) -> Result<&[u8], ReadError> {
        self.reader.fill_buf().map_err(|error| unreadable(self.name, &error))
    }

    /// Number of the last line given, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// An error about the last line given.
    pub(crate) fn wrong(&self, what: &str) -> ReadError {
        ReadError::Text { file: self.name.to_owned(), line: self.number, what: what.to_owned() }
    }
}

fn unreadable(name: &str, error: &std::io::Error) -> ReadError {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            ReadError::Truncated { object: name.to_owned(), detail: " within its compressed data".into() }
        }
        _ => ReadError::Malformed { object: name.to_owned(), what: format!("cannot be decompressed: {error}") },
    }
}
