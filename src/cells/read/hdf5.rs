//! A thin layer over the HDF5 library: objects by path, arrays, errors that name the object.
//!
//! It bounds what the library may allocate: a dataset that claims more than the file could hold, even compressed as
//! hard as deflate can, is refused before it is read. Chunks behind filters that the library lacks are decoded in
//! [`crate::read::filters`].

mod many_chunks;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use hdf5_pure::{AttrValue, ChunkCacheConfig, Datatype, DatatypeByteOrder, FileAccessProperties, FormatError};
use hdf5_pure::{MetadataCacheConfig, VlenStringReadOptions};

use crate::read::array::{Array, ElementKind, Values};
use crate::read::dtype::{Number, element_size, f32_of_half, numeric};
use crate::read::error::{ReadError, human_bytes};
use crate::read::filters::{self, FilteredChunks};
use crate::read::grid::{Chunked, Element, Grid, Text};
use crate::read::hdf5::many_chunks::{MANY_CHUNKS, ManyChunks, n_chunks};
use crate::read::heap::Heap;
use crate::read::tree::Kind;
use crate::source::{Source, SourceError};

/// Deflate's best ratio is 1,032 to 1; a claim beyond it is a lie.
const MAX_RATIO: u64 = 1032;
/// Small objects (fill values, empty chunks) may claim this much whatever the file's size.
const SLACK_BYTES: u64 = 1 << 20;

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
        let dataset = Dataset {
            dataset,
            path: path.to_owned(),
            datatype,
            n_file_bytes: self.n_bytes,
            chunks_checked: AtomicBool::new(false),
        };
        dataset.check_claims(&shape)?;
        self.array_of(dataset, shape)
    }

    fn array_of(&self, dataset: Dataset, shape: Vec<u64>) -> Result<Array, ReadError> {
        let (kind, dtype) = kind_of(&dataset.datatype);
        let records = matches!(dataset.datatype, Datatype::Compound { .. });
        Ok(Array {
            path: dataset.path.clone(),
            kind,
            dtype,
            element_bytes: u64::from(element_size(&dataset.datatype)),
            chunk_rows: dataset.chunk_shape()?.first().copied(),
            records: records.then(|| (dataset.datatype.clone(), self.heap.clone())),
            values: if dataset.needs_own_filters() {
                Box::new(chunked(&dataset, &shape, &self.heap)?)
            } else if dataset.has_many_chunks(&shape)? {
                let (heap, own) = (self.heap.clone(), OnceLock::new());
                Box::new(ManyChunks { dataset, shape: shape.clone(), heap, own })
            } else {
                Box::new(dataset)
            },
            shape,
        })
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

/// A dataset whose chunks we decode ourselves.
fn chunked(dataset: &Dataset, shape: &[u64], heap: &Heap) -> Result<Chunked, ReadError> {
    let chunk_shape = dataset.chunk_shape()?;
    let element = match &dataset.datatype {
        Datatype::String { .. } => Element::Text(Text::Bytes),
        Datatype::VariableLength { is_string: true, .. } => Element::Text(Text::Heap(heap.clone())),
        datatype => Number::of(datatype).map_or(Element::Other, Element::Number),
    };
    let fill = vec![0; element_size(&dataset.datatype) as usize];
    let grid = Grid { path: dataset.path.clone(), shape: shape.to_vec(), chunk_shape, fill };
    let Some(chunk_bytes) = grid.chunk_bytes().filter(|_| grid.chunk_shape.len() == shape.len()) else {
        return Err(dataset.malformed("has chunks of another shape than its own"));
    };
    let chunks = dataset.chunks()?;
    let pipeline = dataset.dataset.filter_pipeline();
    let filtered =
        FilteredChunks::new(&dataset.path, Arc::clone(&heap.source), chunks, pipeline, &grid.chunk_shape, chunk_bytes);
    Ok(Chunked { grid, element, chunks: Box::new(filtered) })
}

/// What the elements of a type are, and their name in numpy.
fn kind_of(datatype: &Datatype) -> (ElementKind, String) {
    if is_boolean(datatype) {
        return (ElementKind::Boolean, "bool".into());
    }
    if matches!(datatype, Datatype::String { .. } | Datatype::VariableLength { is_string: true, .. }) {
        return (ElementKind::Text, "str".into());
    }
    match numeric(datatype) {
        Some(Datatype::FloatingPoint { size, .. }) => (ElementKind::Float, format!("float{}", u64::from(*size) * 8)),
        Some(Datatype::FixedPoint { size, layout, .. }) => {
            let sign = if layout.signed { "" } else { "u" };
            (ElementKind::Integer, format!("{sign}int{}", u64::from(*size) * 8))
        }
        _ => (ElementKind::Other, "other".into()),
    }
}

/// Whether these are numpy booleans: an enumeration of FALSE and TRUE.
fn is_boolean(datatype: &Datatype) -> bool {
    matches!(datatype, Datatype::Enumeration { members, .. } if members.len() == 2
        && members.iter().any(|member| member.name.eq_ignore_ascii_case("true")))
}

/// A dataset that the library decodes.
struct Dataset {
    dataset: hdf5_pure::Dataset,
    path: String,
    datatype: Datatype,
    n_file_bytes: u64,
    /// Whether its chunks were found to lie in the file.
    chunks_checked: AtomicBool,
}

impl Values for Dataset {
    fn f32s(&self, start: u64, count: u64) -> Result<Vec<f32>, ReadError> {
        if let Some(halves) = self.halves(start, count)? {
            return Ok(halves);
        }
        self.check_chunks()?;
        self.dataset.read_f32_rows(start, count).map_err(|error| failed(&self.path, &error))
    }

    fn f64s(&self, start: u64, count: u64) -> Result<Vec<f64>, ReadError> {
        if let Some(halves) = self.halves(start, count)? {
            return Ok(halves.into_iter().map(f64::from).collect());
        }
        self.check_chunks()?;
        self.dataset.read_f64_rows(start, count).map_err(|error| failed(&self.path, &error))
    }

    fn i64s(&self, start: u64, count: u64) -> Result<Vec<i64>, ReadError> {
        self.check_chunks()?;
        self.dataset.read_i64_rows(start, count).map_err(|error| failed(&self.path, &error))
    }

    fn strings(&self, start: u64, count: u64) -> Result<Vec<String>, ReadError> {
        self.check_chunks()?;
        let read = match self.datatype {
            _ if start > 0 || count < u64::MAX => self.dataset.read_string_rows(start, count),
            Datatype::VariableLength { .. } => {
                // Strings may share their bytes in the file; beyond this they were made to.
                let limit = usize::try_from(self.n_file_bytes.saturating_mul(8)).unwrap_or(usize::MAX);
                self.dataset.read_vlen_strings(VlenStringReadOptions::new().with_max_payload_bytes(limit))
            }
            _ => self.dataset.read_string(),
        };
        read.map_err(|error| failed(&self.path, &error))
    }

    fn raw(&self, start: u64, count: u64) -> Result<Vec<u8>, ReadError> {
        self.check_chunks()?;
        self.dataset.read_raw_rows(start, count).map_err(|error| failed(&self.path, &error))
    }
}

impl Dataset {
    fn malformed(&self, what: &str) -> ReadError {
        ReadError::Malformed { object: self.path.clone(), what: what.to_owned() }
    }

    /// Empty where the data are not chunked.
    fn chunk_shape(&self) -> Result<Vec<u64>, ReadError> {
        let shape = self.dataset.chunk_shape().map_err(|error| failed(&self.path, &error))?;
        Ok(shape.unwrap_or_default())
    }

    /// Whether a filter lies before its chunks that the library does not reverse, and we do.
    fn needs_own_filters(&self) -> bool {
        self.dataset.filters().into_iter().any(filters::is_own)
    }

    /// Whether it has so many chunks that the library, which looks through all of them for each range of rows, takes long.
    fn has_many_chunks(&self, shape: &[u64]) -> Result<bool, ReadError> {
        let is_known = self.dataset.filters().into_iter().all(filters::is_known);
        Ok(is_known && Number::of(&self.datatype).is_some() && n_chunks(shape, &self.chunk_shape()?) >= MANY_CHUNKS)
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

    /// Where its chunks lie; those that lie outside the file are refused.
    fn chunks(&self) -> Result<Vec<hdf5_pure::Chunk>, ReadError> {
        let chunks = self.dataset.chunks().map_err(|error| failed(&self.path, &error))?;
        let is_outside = |chunk: &hdf5_pure::Chunk| {
            chunk.address.checked_add(chunk.storage_size).is_none_or(|end| end > self.n_file_bytes)
        };
        if chunks.iter().any(is_outside) {
            let detail = " or damaged: a chunk lies past its end".into();
            return Err(ReadError::Truncated { object: self.path.clone(), detail });
        }
        Ok(chunks)
    }

    /// Refuses chunks that lie outside the file, before the library makes room for them.
    fn check_chunks(&self) -> Result<(), ReadError> {
        if !self.dataset.is_chunked() || self.chunks_checked.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.chunks()?;
        self.chunks_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn check_claims(&self, shape: &[u64]) -> Result<(), ReadError> {
        let limit = self.n_file_bytes.saturating_mul(MAX_RATIO).saturating_add(SLACK_BYTES);
        let element = u64::from(element_size(&self.datatype));
        let bytes = |shape: &[u64]| shape.iter().try_fold(element, |bytes, extent| bytes.checked_mul(*extent));
        for shape in [shape, &self.chunk_shape()?] {
            if bytes(shape).is_none_or(|bytes| bytes > limit) {
                let what = format!("claims the shape {shape:?}, more than a file of {} can hold", {
                    human_bytes(self.n_file_bytes)
                });
                return Err(self.malformed(&what));
            }
        }
        // By name, before a byte is decoded.
        match self.dataset.filters().into_iter().find_map(filters::unread) {
            Some(filter) => Err(ReadError::Filter { object: self.path.clone(), filter }),
            None => Ok(()),
        }
    }
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
