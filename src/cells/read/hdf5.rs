//! A thin layer over the HDF5 library: objects by path, ranges of rows as numbers or text, errors that name the object.
//!
//! It bounds what the library may allocate: a dataset that claims more than the file could hold, even compressed as
//! hard as deflate can, is refused before it is read.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use hdf5_pure::{AttrValue, ChunkCacheConfig, Datatype, DatatypeByteOrder, FileAccessProperties, FormatError};
use hdf5_pure::{MetadataCacheConfig, VlenStringReadOptions};

use crate::read::dtype::{element_size, f32_of_half, number_label, numeric};
use crate::read::error::{ReadError, human_bytes};
use crate::read::heap::Heap;
use crate::read::plan::{SAMPLE_BYTES, SAMPLE_VALUES};
use crate::source::{Source, SourceError};

/// Deflate's best ratio is 1,032 to 1; a claim beyond it is a lie.
const MAX_RATIO: u64 = 1032;
/// Small objects (fill values, empty chunks) may claim this much whatever the file's size.
const SLACK_BYTES: u64 = 1 << 20;
/// Values per window that a reader asks for at once.
pub(crate) const WINDOW_VALUES: u64 = 1 << 18;

/// Lets the HDF5 library read a [`Source`].
struct Adapter(Arc<dyn Source>);

impl hdf5_pure::Source for Adapter {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        self.0.read_at(offset, buffer).map_err(|error| match error {
            SourceError::PastEnd { offset, length, available } => FormatError::UnexpectedEof {
                expected: usize::try_from(offset.saturating_add(length)).unwrap_or(usize::MAX),
                available: usize::try_from(available).unwrap_or(usize::MAX),
            },
            SourceError::Failed { .. } => FormatError::Source(error.to_string()),
        })
    }
}

/// An open HDF5 file.
pub(crate) struct H5 {
    file: hdf5_pure::File,
    heap: Heap,
    n_bytes: u64,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Dataset,
    Group,
}

impl H5 {
    /// Reads the superblock and nothing more.
    pub(crate) fn open(source: Box<dyn Source>) -> Result<H5, ReadError> {
        let n_bytes = source.len();
        let source: Arc<dyn Source> = source.into();
        let access = FileAccessProperties::new()
            .with_metadata_cache(MetadataCacheConfig::new(8 << 20).with_max_entry_bytes(64 << 10))
            .with_chunk_cache(ChunkCacheConfig::from_h5p_cache(521, 8 << 20));
        let file = hdf5_pure::File::from_source_with_options(Adapter(Arc::clone(&source)), access)
            .map_err(|error| failed("the HDF5 header", &error))?;
        let header = file.superblock();
        let heap = Heap {
            source,
            base: header.base_address.get(),
            offset_bytes: usize::from(header.offset_size),
            length_bytes: usize::from(header.length_size),
        };
        let h5 = H5 { file, heap, n_bytes };
        let claimed = h5.file.superblock().eof_address;
        if claimed != u64::MAX && claimed > n_bytes {
            let detail = format!(": it says it is {claimed} bytes, but there are {n_bytes}");
            return Err(ReadError::Truncated { object: "the HDF5 file".into(), detail });
        }
        Ok(h5)
    }

    /// What lies at a path, if anything.
    pub(crate) fn kind(&self, path: &str) -> Result<Option<Kind>, ReadError> {
        match self.file.dataset(path) {
            Ok(_) => Ok(Some(Kind::Dataset)),
            Err(hdf5_pure::Error::NotADataset(_)) => Ok(self.file.group(path).is_ok().then_some(Kind::Group)),
            Err(hdf5_pure::Error::Format(FormatError::PathNotFound(_)) | hdf5_pure::Error::NotAGroup(_)) => Ok(None),
            Err(error) => Err(failed(path, &error)),
        }
    }

    /// Whether there is something at a path.
    pub(crate) fn has(&self, path: &str) -> Result<bool, ReadError> {
        Ok(self.kind(path)?.is_some())
    }

    /// Names of the datasets and groups in a group, in the file's order.
    pub(crate) fn children(&self, path: &str) -> Result<(Vec<String>, Vec<String>), ReadError> {
        let group = if path == "/" { self.file.root() } else { self.group(path)? };
        let datasets = group.datasets().map_err(|error| failed(path, &error))?;
        let groups = group.groups().map_err(|error| failed(path, &error))?;
        Ok((datasets, groups))
    }

    /// Attributes of the dataset or group at a path.
    pub(crate) fn attributes(&self, path: &str) -> Result<HashMap<String, AttrValue>, ReadError> {
        let attributes = match self.kind(path)? {
            Some(Kind::Dataset) => self.file.dataset(path).and_then(|dataset| dataset.attrs()),
            _ if path == "/" => self.file.root().attrs(),
            _ => self.file.group(path).and_then(|group| group.attrs()),
        };
        attributes.map_err(|error| failed(path, &error))
    }

    /// A dataset.
    pub(crate) fn array(&self, path: &str) -> Result<Array, ReadError> {
        let fail = |error: hdf5_pure::Error| match error {
            hdf5_pure::Error::Format(FormatError::PathNotFound(_)) => {
                ReadError::Malformed { object: path.into(), what: "is missing; the file is incomplete".into() }
            }
            hdf5_pure::Error::NotADataset(_) => {
                ReadError::Malformed { object: path.into(), what: "is a group where a dataset is expected".into() }
            }
            error => failed(path, &error),
        };
        let dataset = self.file.dataset(path).map_err(fail)?;
        let shape = dataset.shape().map_err(fail)?;
        let datatype = dataset.datatype().map_err(fail)?;
        let (heap, n_file_bytes) = (self.heap.clone(), self.n_bytes);
        let array = Array {
            dataset,
            path: path.to_owned(),
            shape,
            datatype,
            heap,
            n_file_bytes,
            has_checked_chunks: Cell::new(false),
        };
        array.check_claims()?;
        Ok(array)
    }

    /// A number of cells or genes that an object claims: they are numbered with 32 bits, and a file cannot hold more
    /// than its size allows.
    pub(crate) fn extent(&self, object: &str, extent: u64) -> Result<usize, ReadError> {
        let most = self.n_bytes.saturating_mul(MAX_RATIO).min(u64::from(u32::MAX) - 1);
        if extent <= most {
            return Ok(extent as usize);
        }
        let what =
            format!("claims {extent} rows or columns, more than a file of {} can hold", human_bytes(self.n_bytes));
        Err(ReadError::Malformed { object: object.to_owned(), what })
    }

    fn group(&self, path: &str) -> Result<hdf5_pure::Group, ReadError> {
        self.file.group(path).map_err(|error| failed(path, &error))
    }
}

/// A dataset whose claims were found possible.
pub(crate) struct Array {
    dataset: hdf5_pure::Dataset,
    path: String,
    shape: Vec<u64>,
    datatype: Datatype,
    heap: Heap,
    n_file_bytes: u64,
    has_checked_chunks: Cell<bool>,
}

impl Array {
    /// Where text of variable length inside records lies.
    pub(crate) fn heap(&self) -> Heap {
        self.heap.clone()
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn shape(&self) -> &[u64] {
        &self.shape
    }

    pub(crate) fn datatype(&self) -> &Datatype {
        &self.datatype
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
        self.dataset.chunk_shape().ok().flatten().and_then(|shape| shape.first().copied()).filter(|rows| *rows > 0)
    }

    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> u64 {
        let per_row: u64 = self.shape.iter().skip(1).product();
        per_row.saturating_mul(u64::from(element_size(&self.datatype)))
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.datatype, Datatype::String { .. } | Datatype::VariableLength { is_string: true, .. })
    }

    pub(crate) fn is_number(&self) -> bool {
        numeric(&self.datatype).is_some()
    }

    /// Whether these are numpy booleans: an enumeration of FALSE and TRUE.
    pub(crate) fn is_boolean(&self) -> bool {
        matches!(&self.datatype, Datatype::Enumeration { members, .. } if members.len() == 2
            && members.iter().any(|member| member.name.eq_ignore_ascii_case("true")))
    }

    /// Number type as numpy names it.
    pub(crate) fn dtype(&self) -> String {
        match &self.datatype {
            Datatype::Enumeration { .. } if self.is_boolean() => "bool".into(),
            datatype => match numeric(datatype) {
                Some(Datatype::FloatingPoint { size, .. }) => format!("float{}", u64::from(*size) * 8),
                Some(Datatype::FixedPoint { size, layout, .. }) => {
                    format!("{}int{}", if layout.signed { "" } else { "u" }, u64::from(*size) * 8)
                }
                _ if self.is_text() => "str".into(),
                _ => "other".into(),
            },
        }
    }

    /// Values of a range of rows as f32; half floats and every integer width included.
    pub(crate) fn f32s(&self, start: u64, count: u64) -> Result<Vec<f32>, ReadError> {
        if let Some(halves) = self.halves(start, count)? {
            return Ok(halves);
        }
        self.check_number()?;
        self.check_chunks()?;
        self.dataset.read_f32_rows(start, count).map_err(|error| failed(&self.path, &error))
    }

    /// The first values as f32; none where they cannot be had without decoding much.
    pub(crate) fn sample(&self) -> Option<Vec<f32>> {
        let per_row: u64 = self.shape.iter().skip(1).product();
        let n_rows = (SAMPLE_VALUES / per_row.max(1)).max(1).min(self.n_rows());
        let decoded = self.chunk_rows().unwrap_or(1).max(n_rows).saturating_mul(self.row_bytes());
        if decoded > SAMPLE_BYTES { None } else { self.f32s(0, n_rows).ok() }
    }

    /// Values of a range of rows as f64.
    pub(crate) fn f64s(&self, start: u64, count: u64) -> Result<Vec<f64>, ReadError> {
        if let Some(halves) = self.halves(start, count)? {
            return Ok(halves.into_iter().map(f64::from).collect());
        }
        self.check_number()?;
        self.check_chunks()?;
        self.dataset.read_f64_rows(start, count).map_err(|error| failed(&self.path, &error))
    }

    /// Values of a range of rows as i64; only for integers.
    pub(crate) fn i64s(&self, start: u64, count: u64) -> Result<Vec<i64>, ReadError> {
        match numeric(&self.datatype) {
            Some(Datatype::FixedPoint { .. }) => {
                self.check_chunks()?;
                self.dataset.read_i64_rows(start, count).map_err(|error| failed(&self.path, &error))
            }
            _ => Err(self.malformed(&format!("holds {}; integers are expected", self.dtype()))),
        }
    }

    /// All values as text, row-major.
    pub(crate) fn strings(&self) -> Result<Vec<String>, ReadError> {
        if !self.is_text() {
            return Err(self.malformed(&format!("holds {}; text is expected", self.dtype())));
        }
        self.check_chunks()?;
        let read = match self.datatype {
            Datatype::VariableLength { .. } => {
                // Strings may share their bytes in the file; beyond this they were made to.
                let limit = usize::try_from(self.n_file_bytes.saturating_mul(8)).unwrap_or(usize::MAX);
                self.dataset.read_vlen_strings(VlenStringReadOptions::new().with_max_payload_bytes(limit))
            }
            _ => self.dataset.read_string(),
        };
        read.map_err(|error| failed(&self.path, &error))
    }

    /// The first values as text, at most `count`.
    pub(crate) fn first_strings(&self, count: u64) -> Result<Vec<String>, ReadError> {
        if !self.is_text() {
            return Err(self.malformed(&format!("holds {}; text is expected", self.dtype())));
        }
        self.check_chunks()?;
        self.dataset.read_string_rows(0, count).map_err(|error| failed(&self.path, &error))
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
        self.check_chunks()?;
        self.dataset.read_raw_rows(start, count).map_err(|error| failed(&self.path, &error))
    }

    /// Refuses a filter that is not read, by name, before a byte is decoded.
    pub(crate) fn check_filters(&self) -> Result<(), ReadError> {
        match self.dataset.filters().into_iter().find_map(unread_filter) {
            Some(filter) => Err(ReadError::Filter { object: self.path.clone(), filter }),
            None => Ok(()),
        }
    }

    pub(crate) fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed { object: self.path.clone(), what: what.to_owned() }
    }

    fn check_number(&self) -> Result<(), ReadError> {
        if self.is_number() {
            return Ok(());
        }
        Err(self.malformed(&format!("holds {}; numbers are expected", self.dtype())))
    }

    fn halves(&self, start: u64, count: u64) -> Result<Option<Vec<f32>>, ReadError> {
        let Some(Datatype::FloatingPoint { size: 2, byte_order, .. }) = numeric(&self.datatype) else {
            return Ok(None);
        };
        let big = *byte_order == DatatypeByteOrder::BigEndian;
        let raw = self.raw(start, count)?;
        let bits =
            |two: &[u8]| if big { u16::from_be_bytes([two[0], two[1]]) } else { u16::from_le_bytes([two[0], two[1]]) };
        Ok(Some(raw.chunks_exact(2).map(|two| f32_of_half(bits(two))).collect()))
    }

    /// Refuses chunks that lie outside the file, before the library makes room for them.
    fn check_chunks(&self) -> Result<(), ReadError> {
        if self.has_checked_chunks.get() || !self.dataset.is_chunked() {
            return Ok(());
        }
        let chunks = self.dataset.chunks().map_err(|error| failed(&self.path, &error))?;
        let is_outside = |chunk: &hdf5_pure::Chunk| {
            chunk.address.checked_add(chunk.storage_size).is_none_or(|end| end > self.n_file_bytes)
        };
        if chunks.iter().any(is_outside) {
            let detail = " or damaged: a chunk lies past its end".into();
            return Err(ReadError::Truncated { object: self.path.clone(), detail });
        }
        self.has_checked_chunks.set(true);
        Ok(())
    }

    fn check_claims(&self) -> Result<(), ReadError> {
        let limit = self.n_file_bytes.saturating_mul(MAX_RATIO).saturating_add(SLACK_BYTES);
        let element = u64::from(element_size(&self.datatype));
        let bytes = |shape: &[u64]| shape.iter().try_fold(element, |bytes, extent| bytes.checked_mul(*extent));
        let chunk = self.dataset.chunk_shape().ok().flatten().unwrap_or_default();
        for shape in [self.shape.as_slice(), &chunk] {
            if bytes(shape).is_none_or(|bytes| bytes > limit) {
                let what = format!("claims the shape {shape:?}, more than a file of {} can hold", {
                    human_bytes(self.n_file_bytes)
                });
                return Err(self.malformed(&what));
            }
        }
        self.check_filters()
    }
}

fn unread_filter(id: u16) -> Option<String> {
    Some(match id {
        1 | 2 | 3 | 6 | 32000 => return None,
        4 => "szip (4)".into(),
        5 => "nbit (5)".into(),
        307 => "bzip2 (307)".into(),
        32001 => "blosc (32001)".into(),
        32004 => "lz4 (32004)".into(),
        32008 => "bitshuffle (32008)".into(),
        32013 => "zfp (32013)".into(),
        32015 => "zstd (32015)".into(),
        32026 => "blosc2 (32026)".into(),
        id => format!("HDF5 filter {id}"),
    })
}

/// An error of the library about an object.
pub(crate) fn failed(object: &str, error: &hdf5_pure::Error) -> ReadError {
    match error {
        hdf5_pure::Error::Format(FormatError::UnexpectedEof { expected, available }) => ReadError::Truncated {
            object: object.to_owned(),
            detail: format!(" or damaged (needed {expected} bytes, found {available})"),
        },
        error => ReadError::Hdf5 { object: object.to_owned(), reason: error.to_string() },
    }
}
