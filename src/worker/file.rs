//! A dropped file as a source of bytes: ranges are read synchronously, as only a worker may.
//!
//! Readers of HDF5 make many small reads close together, and each one across the JavaScript boundary costs as much as
//! some hundred kilobytes: small reads are served from a few pages kept in memory, large ones go straight through.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use engine::cells::source::SourceError;
use engine::{NamedSource, Source};
use js_sys::Uint8Array;
use web_sys::{File, FileReaderSync};

use crate::queue::words;

/// Bytes of a page.
const PAGE: u64 = 256 * 1024;
/// Pages kept per file.
const N_PAGES: usize = 8;

/// Names a dropped file: by its path in the folder it came in, where the page says so.
pub fn named(file: File, path: Option<String>) -> NamedSource {
    let name = path.unwrap_or_else(|| file.name());
    NamedSource::new(name, FileSource::new(file))
}

struct FileSource {
    file: File,
    length: u64,
    pages: Mutex<VecDeque<Page>>,
}

struct Page {
    index: u64,
    bytes: Vec<u8>,
}

impl FileSource {
    fn new(file: File) -> Self {
        // A size is a whole number below 2^53.
        let length = file.size() as u64;
        Self { file, length, pages: Mutex::default() }
    }

    /// Reads a range that lies within the file.
    fn read_through(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        let failed = |reason: String| SourceError::Failed { offset, length, reason };
        let refused = |error| failed(words(&error));
        let blob = self.file.slice_with_f64_and_f64(offset as f64, (offset + length) as f64).map_err(refused)?;
        let bytes = FileReaderSync::new().and_then(|reader| reader.read_as_array_buffer(&blob)).map_err(refused)?;
        let bytes = Uint8Array::new(&bytes);
        if u64::from(bytes.length()) != length {
            return Err(failed(format!("the browser gave {} bytes; did the file change?", bytes.length())));
        }
        bytes.copy_to(buffer);
        Ok(())
    }

    /// Fills `buffer` from the page that holds `offset`, as far as the page goes; returns how many bytes that was.
    fn read_page(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, SourceError> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let index = offset / PAGE;
        let page = match pages.iter().position(|page| page.index == index).and_then(|at| pages.remove(at)) {
            Some(page) => page,
            None => {
                let start = index * PAGE;
                let mut bytes = match pages.len() < N_PAGES {
                    true => Vec::new(),
                    false => pages.pop_front().map(|oldest| oldest.bytes).unwrap_or_default(),
                };
                bytes.resize(PAGE.min(self.length - start) as usize, 0);
                self.read_through(start, &mut bytes)?;
                Page { index, bytes }
            }
        };
        let start = (offset - index * PAGE) as usize;
        let n_bytes = buffer.len().min(page.bytes.len() - start);
        buffer[..n_bytes].copy_from_slice(&page.bytes[start..start + n_bytes]);
        pages.push_back(page);
        Ok(n_bytes)
    }
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        if length >= PAGE {
            return self.read_through(offset, buffer);
        }
        let mut done = 0;
        while done < buffer.len() {
            done += self.read_page(offset + done as u64, &mut buffer[done..])?;
        }
        Ok(())
    }
}
