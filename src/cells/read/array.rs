//! An array of a file, whatever it is stored in: its shape and type, and ranges of its rows as numbers or text.

use hdf5_pure::Datatype;

use crate::read::dtype::number_label;
use crate::read::error::ReadError;
use crate::read::heap::Heap;
use crate::read::plan::{SAMPLE_BYTES, SAMPLE_VALUES};

/// Values per window that a reader asks for at once.
pub(crate) const WINDOW_VALUES: u64 = 1 << 18;

/// What the elements of an array are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ElementKind {
    Integer,
    Float,
    Boolean,
    Text,
    Other,
}

/// Gives ranges of rows, row-major; a range that runs past the end gives what there is.
pub(crate) trait Values: Send + Sync {
    fn f32s(&self, start: u64, count: u64) -> Result<Vec<f32>, ReadError>;
    fn f64s(&self, start: u64, count: u64) -> Result<Vec<f64>, ReadError>;
    fn i64s(&self, start: u64, count: u64) -> Result<Vec<i64>, ReadError>;
    fn strings(&self, start: u64, count: u64) -> Result<Vec<String>, ReadError>;

    /// The bytes as stored.
    fn raw(&self, start: u64, count: u64) -> Result<Vec<u8>, ReadError>;
}

/// An array whose claims were found possible.
pub(crate) struct Array {
    pub(crate) path: String,
    pub(crate) shape: Vec<u64>,
    pub(crate) kind: ElementKind,
    /// Number type as numpy names it.
    pub(crate) dtype: String,
    /// Bytes of an element.
    pub(crate) element_bytes: u64,
    /// Rows per chunk; none where the data are not chunked.
    pub(crate) chunk_rows: Option<u64>,
    pub(crate) values: Box<dyn Values>,
    /// The type of records, and where their text lies.
    pub(crate) records: Option<(Datatype, Heap)>,
}

impl Array {
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// The type of its records, where they are records of HDF5.
    pub(crate) fn datatype(&self) -> Option<&Datatype> {
        self.records.as_ref().map(|(datatype, _)| datatype)
    }

    /// Where text of variable length inside records lies.
    pub(crate) fn heap(&self) -> Result<Heap, ReadError> {
        let heap = self.records.as_ref().map(|(_, heap)| heap.clone());
        heap.ok_or_else(|| self.malformed("holds no records"))
    }

    /// Rows, that is the first dimension; 1 for a scalar.
    pub(crate) fn n_rows(&self) -> u64 {
        self.shape.first().copied().unwrap_or(1)
    }

    /// Rows as usize.
    pub(crate) fn len(&self) -> Result<usize, ReadError> {
        usize::try_from(self.n_rows()).map_err(|_| self.malformed("has more rows than this machine can address"))
    }

    /// Rows per chunk; none where the data are not chunked.
    pub(crate) fn chunk_rows(&self) -> Option<u64> {
        self.chunk_rows.filter(|rows| *rows > 0)
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> u64 {
        self.shape.iter().skip(1).fold(self.element_bytes, |bytes, extent| bytes.saturating_mul(*extent))
    }

    pub(crate) fn is_text(&self) -> bool {
        self.kind == ElementKind::Text
    }

    pub(crate) fn is_number(&self) -> bool {
        matches!(self.kind, ElementKind::Integer | ElementKind::Float | ElementKind::Boolean)
    }

    /// Whether these are numpy booleans.
    pub(crate) fn is_boolean(&self) -> bool {
        self.kind == ElementKind::Boolean
    }

    /// Number type as numpy names it.
    pub(crate) fn dtype(&self) -> String {
        self.dtype.clone()
    }

    /// Values of a range of rows as f32; half floats and every integer width included.
    pub(crate) fn f32s(&self, start: u64, count: u64) -> Result<Vec<f32>, ReadError> {
        self.check_number()?;
        self.values.f32s(start, count)
    }

    /// The first values as f32; none where they cannot be had without decoding much.
    pub(crate) fn sample(&self) -> Option<Vec<f32>> {
        self.f32s(0, self.sample_rows()?).ok()
    }

    /// The same as i64.
    pub(crate) fn sample_indices(&self) -> Option<Vec<i64>> {
        self.i64s(0, self.sample_rows()?).ok()
    }

    fn sample_rows(&self) -> Option<u64> {
        let per_row = self.shape.iter().skip(1).fold(1u64, |n, extent| n.saturating_mul(*extent));
        let n_rows = (SAMPLE_VALUES / per_row.max(1)).max(1).min(self.n_rows());
        let decoded = self.chunk_rows().unwrap_or(1).max(n_rows).saturating_mul(self.row_bytes());
        (decoded <= SAMPLE_BYTES).then_some(n_rows)
    }

    /// Values of a range of rows as f64.
    pub(crate) fn f64s(&self, start: u64, count: u64) -> Result<Vec<f64>, ReadError> {
        self.check_number()?;
        self.values.f64s(start, count)
    }

    /// Values of a range of rows as i64; only for integers.
    pub(crate) fn i64s(&self, start: u64, count: u64) -> Result<Vec<i64>, ReadError> {
        if matches!(self.kind, ElementKind::Integer | ElementKind::Boolean) {
            return self.values.i64s(start, count);
        }
        Err(self.malformed(&format!("holds {}; integers are expected", self.dtype)))
    }

    /// All values as text, row-major.
    pub(crate) fn strings(&self) -> Result<Vec<String>, ReadError> {
        self.first_strings(u64::MAX)
    }

    /// The first values as text, at most `count` rows of them.
    pub(crate) fn first_strings(&self, count: u64) -> Result<Vec<String>, ReadError> {
        if !self.is_text() {
            return Err(self.malformed(&format!("holds {}; text is expected", self.dtype)));
        }
        self.values.strings(0, count)
    }

    /// Values as text whatever their type: numbers are written out.
    pub(crate) fn strings_of_any(&self) -> Result<Vec<String>, ReadError> {
        if self.is_text() {
            return self.strings();
        }
        Ok(self.f64s(0, self.n_rows())?.into_iter().map(|value| number_label(value, self.is_boolean())).collect())
    }

    /// Raw bytes of a range of rows, as stored.
    pub(crate) fn raw(&self, start: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        self.values.raw(start, count)
    }

    pub(crate) fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed { object: self.path.clone(), what: what.to_owned() }
    }

    fn check_number(&self) -> Result<(), ReadError> {
        if self.is_number() {
            return Ok(());
        }
        Err(self.malformed(&format!("holds {}; numbers are expected", self.dtype)))
    }
}
