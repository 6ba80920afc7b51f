//! Arrays that lie in a grid of chunks which we decode ourselves: a range of rows is put together from the chunks it
//! touches, one of them in memory at a time.

use crate::read::array::Values;
use crate::read::dtype::{Number, OfNumber};
use crate::read::error::ReadError;
use crate::read::heap::{Heap, HeapReader};

/// Gives the decoded bytes of a chunk by its place in the grid; none where it was never written.
pub(crate) trait Chunks: Send + Sync {
    fn chunk(&self, place: &[u64]) -> Result<Option<Vec<u8>>, ReadError>;
}

/// How text lies in elements of equal size.
pub(crate) enum Text {
    /// UTF-8, filled up with zeros.
    Bytes,
    /// Four bytes a character, filled up with zeros.
    Utf32 { is_big: bool },
    /// References into the heap of an HDF5 file.
    Heap(Heap),
}

/// What an element is.
pub(crate) enum Element {
    Number(Number),
    Text(Text),
    Other,
}

/// Shapes of an array and of its chunks, and of an element its bytes and what stands where nothing was written.
pub(crate) struct Grid {
    pub(crate) path: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) chunk_shape: Vec<u64>,
    pub(crate) fill: Vec<u8>,
}

impl Grid {
    /// Bytes of a whole chunk; none where there are more than can be.
    pub(crate) fn chunk_bytes(&self) -> Option<usize> {
        let bytes =
            self.chunk_shape.iter().try_fold(self.fill.len() as u64, |bytes, extent| bytes.checked_mul(*extent));
        bytes.and_then(|bytes| usize::try_from(bytes).ok())
    }

    /// The bytes of rows `start..start + count`, as far as there are such rows.
    fn rows(&self, chunks: &dyn Chunks, start: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        let element = self.fill.len();
        let n_rows = self.shape.first().copied().unwrap_or(1);
        let end = start.saturating_add(count).min(n_rows);
        if start >= end {
            return Ok(Vec::new());
        }
        // A scalar is an array of one row.
        let mut shape = if self.shape.is_empty() { vec![1] } else { self.shape.clone() };
        let chunk_shape = if self.chunk_shape.is_empty() { vec![1] } else { self.chunk_shape.clone() };
        shape[0] = end - start;
        let n_bytes = shape.iter().try_fold(element as u64, |bytes, extent| bytes.checked_mul(*extent));
        let n_bytes = n_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let n_bytes = n_bytes.ok_or_else(|| self.malformed("has more values than this machine can address"))?;
        let mut whole = self.filled(n_bytes);
        let first = start / chunk_shape[0];
        let mut counts: Vec<u64> = shape.iter().zip(&chunk_shape).map(|(all, of)| all.div_ceil(*of)).collect();
        counts[0] = end.div_ceil(chunk_shape[0]) - first;
        let mut place = vec![0; shape.len()];
        if n_bytes == 0 {
            return Ok(whole);
        }
        loop {
            let mut at = place.clone();
            at[0] += first;
            // A scalar has a place of no dimensions.
            let named = if self.shape.is_empty() { &at[..0] } else { &at[..] };
            if let Some(chunk) = chunks.chunk(named)? {
                if Some(chunk.len()) != self.chunk_bytes() {
                    return Err(self.malformed(&format!("has a chunk of {} bytes; it is damaged", chunk.len())));
                }
                let origin: Vec<u64> = at.iter().zip(&chunk_shape).map(|(at, of)| at * of).collect();
                paste(&mut whole, &shape, start, &chunk, &chunk_shape, &origin, element);
            }
            // The next place, the last dimension fastest.
            let Some(dimension) = (0..place.len()).rev().find(|dimension| place[*dimension] + 1 < counts[*dimension])
            else {
                return Ok(whole);
            };
            place[dimension] += 1;
            place[dimension + 1..].fill(0);
        }
    }

    fn filled(&self, n_bytes: usize) -> Vec<u8> {
        if self.fill.iter().all(|byte| *byte == 0) {
            return vec![0; n_bytes];
        }
        self.fill.iter().copied().cycle().take(n_bytes).collect()
    }

    fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed { object: self.path.clone(), what: what.to_owned() }
    }
}

/// Copies the part of a chunk at `origin` that lies in the window of rows from `start` on, whose shape is `shape`.
fn paste(
    whole: &mut [u8],
    shape: &[u64],
    start: u64,
    chunk: &[u8],
    chunk_shape: &[u64],
    origin: &[u64],
    element: usize,
) {
    let last = shape.len() - 1;
    // Of each dimension where the common part begins in the array, and where it ends.
    let from = |dimension: usize| origin[dimension].max(if dimension == 0 { start } else { 0 });
    let to = |dimension: usize| {
        let end = shape[dimension] + if dimension == 0 { start } else { 0 };
        end.min(origin[dimension] + chunk_shape[dimension])
    };
    if (0..=last).any(|dimension| from(dimension) >= to(dimension)) {
        return;
    }
    let run = (to(last) - from(last)) as usize * element;
    let mut at: Vec<u64> = (0..=last).map(from).collect();
    loop {
        let (mut source, mut target) = (0, 0);
        for dimension in 0..=last {
            source = source * chunk_shape[dimension] + at[dimension] - origin[dimension];
            target = target * shape[dimension] + at[dimension] - if dimension == 0 { start } else { 0 };
        }
        let (source, target) = (source as usize * element, target as usize * element);
        whole[target..target + run].copy_from_slice(&chunk[source..source + run]);
        let Some(dimension) = (0..last).rev().find(|dimension| at[*dimension] + 1 < to(*dimension)) else { return };
        at[dimension] += 1;
        for (later, at) in at.iter_mut().enumerate().take(last).skip(dimension + 1) {
            *at = from(later);
        }
    }
}

/// An array in a grid of chunks.
pub(crate) struct Chunked {
    pub(crate) grid: Grid,
    pub(crate) element: Element,
    pub(crate) chunks: Box<dyn Chunks>,
}

impl Chunked {
    fn numbers<T: OfNumber>(&self, start: u64, count: u64) -> Result<Vec<T>, ReadError> {
        match &self.element {
            Element::Number(number) => Ok(number.all(&self.raw(start, count)?)),
            _ => Err(self.grid.malformed("holds no numbers of a kind that is read")),
        }
    }
}

impl Values for Chunked {
    fn f32s(&self, start: u64, count: u64) -> Result<Vec<f32>, ReadError> {
        self.numbers(start, count)
    }

    fn f64s(&self, start: u64, count: u64) -> Result<Vec<f64>, ReadError> {
        self.numbers(start, count)
    }

    fn i64s(&self, start: u64, count: u64) -> Result<Vec<i64>, ReadError> {
        self.numbers(start, count)
    }

    fn strings(&self, start: u64, count: u64) -> Result<Vec<String>, ReadError> {
        let Element::Text(text) = &self.element else { return Err(self.grid.malformed("holds no text")) };
        let raw = self.raw(start, count)?;
        let elements = raw.chunks_exact(self.grid.fill.len().max(1));
        match text {
            Text::Bytes => Ok(elements.map(text_of_bytes).collect()),
            Text::Utf32 { is_big } => Ok(elements.map(|bytes| text_of_utf32(bytes, *is_big)).collect()),
            Text::Heap(heap) => {
                let mut reader = HeapReader::new(heap.clone(), &self.grid.path);
                if reader.reference_bytes() > self.grid.fill.len() {
                    return Err(self.grid.malformed("holds references that are too short"));
                }
                elements.map(|reference| reader.text(reference)).collect()
            }
        }
    }

    fn raw(&self, start: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        self.grid.rows(self.chunks.as_ref(), start, count)
    }
}

fn text_of_bytes(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn text_of_utf32(bytes: &[u8], is_big: bool) -> String {
    let (characters, _) = bytes.as_chunks::<4>();
    let codes =
        characters.iter().map(|four| if is_big { u32::from_be_bytes(*four) } else { u32::from_le_bytes(*four) });
    codes.take_while(|code| *code != 0).map(|code| char::from_u32(code).unwrap_or('\u{fffd}')).collect()
}

#[cfg(test)]
mod tests {
    use super::{Chunks, Grid, text_of_bytes, text_of_utf32};
    use crate::read::error::ReadError;

    /// Chunks of an array whose element at `[i, j]` is `10 * i + j`; the chunk at `[1, 1]` was never written.
    struct Tens;

    impl Chunks for Tens {
        fn chunk(&self, place: &[u64]) -> Result<Option<Vec<u8>>, ReadError> {
            if place == [1, 1] {
                return Ok(None);
            }
            let cell = |at: u64| (10 * (place[0] * 2 + at / 3) + place[1] * 3 + at % 3) as u8;
            Ok(Some((0..6).map(cell).collect()))
        }
    }

    #[test]
    fn rows_are_put_together_from_chunks() {
        let grid = Grid { path: "a".into(), shape: vec![5, 4], chunk_shape: vec![2, 3], fill: vec![99] };
        let expected = |row: u64, column: u64| {
            if (2..4).contains(&row) && column == 3 { 99 } else { (10 * row + column) as u8 }
        };
        for start in 0..6 {
            for count in 0..7 {
                let rows = (start..5.min(start + count)).flat_map(|row| (0..4).map(move |column| (row, column)));
                let rows: Vec<u8> = rows.map(|(row, column)| expected(row, column)).collect();
                assert_eq!(grid.rows(&Tens, start, count).unwrap(), rows, "{count} rows from {start}");
            }
        }
    }

    #[test]
    fn text_ends_at_its_first_zero() {
        assert_eq!(text_of_bytes(b"gr\xc3\xbcn\0\0"), "grün");
        assert_eq!(text_of_utf32(&[b'a', 0, 0, 0, 0xfc, 0, 0, 0, 0, 0, 0, 0], false), "aü");
        assert_eq!(text_of_utf32(&[0, 0, 0, b'a'], true), "a");
    }
}
