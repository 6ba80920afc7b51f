//! Text of variable length inside records: references into the file's global heap, which the HDF5 library follows only
//! for datasets that are text as a whole.

use std::collections::HashMap;
use std::sync::Arc;

use crate::read::error::ReadError;
use crate::source::Source;

/// A collection larger than this was not written by a text column: libraries split at 4 kB to some MB.
const MAX_COLLECTION_BYTES: u64 = 256 << 20;

/// Where the heap of a file lies and how wide its addresses and lengths are.
#[derive(Clone)]
pub(crate) struct Heap {
    pub(crate) source: Arc<dyn Source>,
    pub(crate) base: u64,
    pub(crate) offset_bytes: usize,
    pub(crate) length_bytes: usize,
}

/// Follows references of one object, with the collection that was used last in memory.
pub(crate) struct HeapReader {
    heap: Heap,
    object: String,
    address: u64,
    bytes: Vec<u8>,
    /// Bytes of text that may still be given. Texts may share their bytes in the file; beyond this they were made to.
    left: u64,
    ranges: HashMap<u16, std::ops::Range<usize>>,
}

impl HeapReader {
    pub(crate) fn new(heap: Heap, object: &str) -> Self {
        let left = heap.source.len().saturating_mul(8);
        Self { heap, object: object.to_owned(), address: u64::MAX, bytes: Vec::new(), left, ranges: HashMap::new() }
    }

    /// Bytes of a reference: length, address of the collection, number of the object in it.
    pub(crate) fn reference_bytes(&self) -> usize {
        8 + self.heap.offset_bytes
    }

    /// The text that a reference names; an unset reference is empty text.
    pub(crate) fn text(&mut self, reference: &[u8]) -> Result<String, ReadError> {
        let length = little_endian(&reference[..4]) as usize;
        let address = little_endian(&reference[4..4 + self.heap.offset_bytes]);
        let number = little_endian(&reference[4 + self.heap.offset_bytes..8 + self.heap.offset_bytes]) as u16;
        if length == 0 || address == 0 {
            return Ok(String::new());
        }
        if address != self.address {
            self.load(address)?;
        }
        let stored = self.ranges.get(&number).and_then(|range| self.bytes.get(range.clone()));
        let text = stored.and_then(|bytes| bytes.get(..length)).ok_or_else(|| self.damaged())?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| self.damaged())?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        Ok(String::from_utf8_lossy(&text[..end]).into_owned())
    }

    fn load(&mut self, address: u64) -> Result<(), ReadError> {
        let start = self.heap.base.checked_add(address).ok_or_else(|| self.damaged())?;
        let wide = self.heap.length_bytes;
        let mut head = vec![0; 8 + wide];
        self.heap.source.read_at(start, &mut head)?;
        let n_bytes = little_endian(&head[8..]);
        let left = self.heap.source.len().saturating_sub(start);
        if !head.starts_with(b"GCOL") || n_bytes > left.min(MAX_COLLECTION_BYTES) {
            return Err(self.damaged());
        }
        self.bytes = vec![0; n_bytes as usize];
        self.heap.source.read_at(start, &mut self.bytes)?;
        self.address = address;
        self.ranges.clear();
        // Objects: number, references to it, four bytes of nothing, length, then the bytes padded to eight.
        let mut at = 8 + wide;
        while let Some(object) = self.bytes.get(at..at + 8 + wide) {
            let number = little_endian(&object[..2]) as u16;
            if number == 0 {
                break;
            }
            let length = little_endian(&object[8..]);
            let from = at + 8 + wide;
            let Some(end) = usize::try_from(length).ok().and_then(|length| from.checked_add(length)) else { break };
            if end > self.bytes.len() {
                break;
            }
            self.ranges.insert(number, from..end);
            at = end.next_multiple_of(8);
        }
        Ok(())
    }

    fn damaged(&self) -> ReadError {
        ReadError::Malformed { object: self.object.clone(), what: "refers to text that is not in the file".into() }
    }
}

/// At most eight bytes as a number.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}
