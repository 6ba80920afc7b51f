//! Zarr stores, version 2 and 3: a folder or an archive of small files, each a node's metadata or one chunk.
//!
//! All metadata are read at opening, from the nodes' own files and, where those are missing, from the consolidated ones
//! at the root; chunks are read one at a time when rows are asked for. Deliberately absent: Fortran order, filters other
//! than shuffle, structured and date types.

mod chunks;
mod crc32c;
mod meta;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use hdf5_pure::AttrValue;
use serde_json::Value;

use crate::read::array::{Array, ElementKind};
use crate::read::error::{ReadError, human_bytes};
use crate::read::grid::{Chunked, Grid};
use crate::read::tree::Kind;
use crate::read::zarr::chunks::{ZarrChunks, ZarrText};
use crate::read::zarr::meta::{ArrayMeta, ValueType};
use crate::source::Source;

/// Names of the files that hold metadata.
const META_NAMES: [&str; 5] = ["zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"];
/// A metadata file, at most.
const MAX_META_BYTES: u64 = 64 << 20;
/// Compressors of chunks reach deflate's best ratio and hardly more on anything but zeros.
const MAX_RATIO: u64 = 1032;
const SLACK_BYTES: u64 = 1 << 20;

/// Whether a path names metadata of a zarr store.
pub(crate) fn is_meta(path: &str) -> bool {
    META_NAMES.contains(&path.rsplit('/').next().unwrap_or(path))
}

/// Files by their place in the store.
type Files = HashMap<String, Arc<dyn Source>>;

struct Node {
    attributes: serde_json::Map<String, Value>,
    /// The metadata of an array; none for a group.
    array: Option<Value>,
}

/// An open store.
pub(crate) struct Zarr {
    files: Arc<Files>,
    nodes: BTreeMap<String, Node>,
    n_bytes: u64,
}

impl Zarr {
    /// Opens the store among some files, each with its whole path; files outside it are passed over.
    pub(crate) fn open(files: Vec<(String, Arc<dyn Source>)>) -> Result<Zarr, ReadError> {
        let metas = files.iter().filter(|(path, _)| is_meta(path));
        let root = metas.map(|(path, _)| folder(path)).min_by_key(|folder| (folder.split('/').count(), folder.len()));
        let root = root.unwrap_or_default().to_owned();
        let n_bytes = files.iter().map(|(path, source)| source.len().saturating_add(path.len() as u64)).sum();
        let inside = |(path, source): (String, Arc<dyn Source>)| Some((path.strip_prefix(&root)?.to_owned(), source));
        let files: Files = files.into_iter().filter_map(inside).collect();
        let nodes = nodes(&files)?;
        let zarr = Zarr { files: Arc::new(files), nodes, n_bytes };
        Ok(zarr.at_anndata())
    }

    /// The same store with the AnnData in it as root, where that lies deeper: SpatialData keeps one as a table.
    fn at_anndata(mut self) -> Zarr {
        if self.nodes.contains_key("obs") && self.nodes.contains_key("var") {
            return self;
        }
        let is_anndata = |node: &Node| node.attributes.get("encoding-type").and_then(Value::as_str) == Some("anndata");
        let mut inner = self.nodes.iter().filter(|(_, node)| is_anndata(node)).map(|(path, _)| format!("{path}/"));
        if let (Some(prefix), None) = (inner.next(), inner.next()) {
            let files = self.files.iter();
            let files =
                files.filter_map(|(path, file)| Some((path.strip_prefix(&prefix)?.to_owned(), Arc::clone(file))));
            self.files = Arc::new(files.collect());
            let nodes = std::mem::take(&mut self.nodes).into_iter();
            self.nodes =
                nodes.filter_map(|(path, node)| Some((path.strip_prefix(&prefix)?.to_owned(), node))).collect();
        }
        self
    }

    pub(crate) fn kind(&self, path: &str) -> Option<Kind> {
        self.nodes.get(path).map(|node| if node.array.is_some() { Kind::Dataset } else { Kind::Group })
    }

    pub(crate) fn children(&self, path: &str) -> (Vec<String>, Vec<String>) {
        let prefix = if path == "/" { String::new() } else { format!("{path}/") };
        let (mut datasets, mut groups) = (Vec::new(), Vec::new());
        for (name, node) in
            self.nodes.range(prefix.clone()..).map_while(|(at, node)| Some((at.strip_prefix(&prefix)?, node)))
        {
            if !name.is_empty() && !name.contains('/') {
                if node.array.is_some() { &mut datasets } else { &mut groups }.push(name.to_owned());
            }
        }
        (datasets, groups)
    }

    pub(crate) fn attributes(&self, path: &str) -> HashMap<String, AttrValue> {
        let path = path.trim_start_matches('/');
        let Some(node) = self.nodes.get(path) else { return HashMap::new() };
        node.attributes.iter().filter_map(|(key, value)| Some((key.clone(), attribute(value)?))).collect()
    }

    pub(crate) fn array(&self, path: &str) -> Result<Array, ReadError> {
        let malformed = |what: String| ReadError::Malformed { object: path.to_owned(), what };
        let node = self.nodes.get(path).ok_or_else(|| malformed("is missing; the store is incomplete".into()))?;
        let Some(array) = &node.array else { return Err(malformed("is a group where an array is expected".into())) };
        let meta = ArrayMeta::parse(array).map_err(&malformed)?;
        self.check_claims(path, &meta)?;
        let (kind, dtype, element_bytes) = match &meta.value {
            ValueType::Number { number, is_boolean: true } => (ElementKind::Boolean, "bool".into(), number.size),
            ValueType::Number { number, .. } if number.is_float() => (ElementKind::Float, number.label(), number.size),
            ValueType::Number { number, .. } => (ElementKind::Integer, number.label(), number.size),
            ValueType::FixedText { size, .. } => (ElementKind::Text, "str".into(), *size),
            ValueType::Text => (ElementKind::Text, "str".into(), 16),
        };
        let (shape, chunk_shape) = (meta.shape.clone(), meta.chunk_shape.clone());
        let chunk_rows = chunk_shape.first().copied();
        let grid = Grid { path: path.to_owned(), shape: shape.clone(), chunk_shape, fill: meta.fill.clone() };
        let element = meta.value.element();
        let bytes = grid.chunk_bytes().ok_or_else(|| malformed("has chunks that are too large".into()))?;
        let chunks = ZarrChunks::new(path, Arc::clone(&self.files), meta, element.is_some().then_some(bytes));
        let values: Box<dyn crate::read::array::Values> = match element {
            Some(element) => Box::new(Chunked { grid, element, chunks: Box::new(chunks) }),
            None => Box::new(ZarrText::new(grid, chunks)),
        };
        let element_bytes = element_bytes as u64;
        Ok(Array { path: path.to_owned(), shape, kind, dtype, element_bytes, chunk_rows, values, records: None })
    }

    pub(crate) fn extent(&self, object: &str, extent: u64) -> Result<usize, ReadError> {
        let most = self.n_bytes.saturating_mul(MAX_RATIO).min(u64::from(u32::MAX) - 1);
        if extent <= most {
            return Ok(extent as usize);
        }
        let what =
            format!("claims {extent} rows or columns, more than a store of {} can hold", human_bytes(self.n_bytes));
        Err(ReadError::Malformed { object: object.to_owned(), what })
    }

    fn check_claims(&self, path: &str, meta: &ArrayMeta) -> Result<(), ReadError> {
        let limit = self.n_bytes.saturating_mul(MAX_RATIO).saturating_add(SLACK_BYTES);
        for shape in [&meta.shape, &meta.chunk_shape, &meta.file_shape] {
            let bytes =
                shape.iter().try_fold(meta.fill.len().max(1) as u64, |bytes, extent| bytes.checked_mul(*extent));
            if bytes.is_none_or(|bytes| bytes > limit) {
                let size = human_bytes(self.n_bytes);
                let what = format!("claims the shape {shape:?}, more than a store of {size} can hold");
                return Err(ReadError::Malformed { object: path.to_owned(), what });
            }
        }
        Ok(())
    }
}

/// The folder of a path, with its slash; empty at the top.
fn folder(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..=at])
}

fn nodes(files: &Files) -> Result<BTreeMap<String, Node>, ReadError> {
    // Of each node by file name; the consolidated ones first, so that a node's own file has the last word.
    let mut metas: BTreeMap<String, BTreeMap<&str, Value>> = BTreeMap::new();
    if files.contains_key(".zmetadata")
        && let Value::Object(mut whole) = json(files, ".zmetadata")?
        && let Some(Value::Object(entries)) = whole.remove("metadata")
    {
        for (path, value) in entries {
            put(&mut metas, &path, value);
        }
    }
    if files.contains_key("zarr.json")
        && let Value::Object(mut root) = json(files, "zarr.json")?
        && let Some(Value::Object(mut consolidated)) = root.remove("consolidated_metadata")
        && let Some(Value::Object(entries)) = consolidated.remove("metadata")
    {
        for (path, value) in entries {
            put(&mut metas, &format!("{path}/zarr.json"), value);
        }
    }
    for path in files.keys().filter(|path| is_meta(path)) {
        put(&mut metas, path, json(files, path)?);
    }
    let node = |(path, mut files): (String, BTreeMap<&str, Value>)| {
        let object = |value: Option<Value>| match value {
            Some(Value::Object(object)) => object,
            _ => serde_json::Map::new(),
        };
        if let Some(mut whole) = files.remove("zarr.json") {
            let attributes = object(whole.get_mut("attributes").map(Value::take));
            let is_array = whole.get("node_type").and_then(Value::as_str) == Some("array");
            return (path, Node { attributes, array: is_array.then_some(whole) });
        }
        let attributes = object(files.remove(".zattrs"));
        (path, Node { attributes, array: files.remove(".zarray") })
    };
    Ok(metas.into_iter().map(node).collect())
}

fn put(metas: &mut BTreeMap<String, BTreeMap<&'static str, Value>>, path: &str, value: Value) {
    let name = META_NAMES.into_iter().find(|name| path.rsplit('/').next() == Some(name));
    if let Some(name) = name.filter(|name| *name != ".zmetadata") {
        metas.entry(folder(path).trim_end_matches('/').to_owned()).or_default().insert(name, value);
    }
}

fn json(files: &Files, path: &str) -> Result<Value, ReadError> {
    let malformed = |what: String| ReadError::Malformed { object: path.to_owned(), what };
    let Some(source) = files.get(path) else { return Err(malformed("is missing".into())) };
    if source.len() > MAX_META_BYTES {
        return Err(malformed(format!("is {} of metadata; it cannot be that much", human_bytes(source.len()))));
    }
    let mut bytes = vec![0; source.len() as usize];
    source.read_at(0, &mut bytes)?;
    // Python writes NaN bare, which is no JSON.
    let parsed = serde_json::from_slice(&bytes).or_else(|error| {
        let text = String::from_utf8_lossy(&bytes);
        serde_json::from_str(&text.replace(": NaN", ": \"NaN\"")).map_err(|_| error)
    });
    parsed.map_err(|error| malformed(format!("is no JSON: {error}; copy or download the store again")))
}

/// A value of JSON as an attribute; none for what no reader asks for.
fn attribute(value: &Value) -> Option<AttrValue> {
    match value {
        Value::String(text) => Some(AttrValue::VarLenString(text.clone())),
        Value::Number(number) => number.as_i64().map(|number| AttrValue::I64Array(vec![number])),
        Value::Array(values) => {
            if let Some(numbers) = values.iter().map(Value::as_i64).collect::<Option<Vec<i64>>>() {
                return Some(AttrValue::I64Array(numbers));
            }
            let texts = values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>();
            texts.map(AttrValue::VarLenStringArray)
        }
        _ => None,
    }
}
