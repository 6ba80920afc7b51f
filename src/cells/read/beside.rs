//! What an AnnData holds beside its matrices and labels, so that it can be written back: embeddings of the cells
//! (`obsm`) and the unstructured rest (`uns`).
//!
//! Numbers of `uns` become float64 and those of `obsm` float32. What is of another kind (frames, sparse matrices,
//! records) is left out, and a warning names it.

use crate::read::array::Array;
use crate::read::error::{ReadError, listed};
use crate::read::rows::Rows;
use crate::read::tree::{Kind, Tree};
use crate::write::h5ad::{Embedding, UnsArray};

/// Entries of `uns` that are read, and how deep they may lie.
const MAX_ENTRIES: usize = 4096;
const MAX_DEPTH: usize = 16;
/// Values of one entry of `uns`, at most.
const MAX_VALUES: u64 = 1 << 20;

/// Embeddings and unstructured entries, as [`write_h5ad`](crate::write::h5ad::write_h5ad) takes them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Beside {
    /// Embeddings of the cells that are read.
    pub obsm: Vec<Embedding>,
    /// Text of `uns` by key, folders before a slash.
    pub uns: Vec<(String, String)>,
    /// Numbers and lists of text of `uns`.
    pub uns_arrays: Vec<(String, UnsArray)>,
    /// What was left out.
    pub warnings: Vec<String>,
}

/// Reads them from a tree of `n_cells` cells; `budget` bounds the bytes of the embeddings.
pub(crate) fn read(tree: &Tree, n_cells: usize, rows: &Rows, budget: u64) -> Result<Beside, ReadError> {
    let mut beside = Beside::default();
    let mut left_out = Vec::new();
    let mut held = 0u64;
    if tree.kind("obsm")? == Some(Kind::Group) {
        let (arrays, groups) = tree.children("obsm")?;
        left_out.extend(groups.into_iter().map(|name| format!("obsm/{name}")));
        for name in arrays {
            let path = format!("obsm/{name}");
            let array = tree.array(&path).ok().filter(|array| is_embedding(array, n_cells));
            let bytes = array.as_ref().map_or(0, |array| 4 * array.shape()[1] * (n_cells + rows.len()) as u64);
            match array.filter(|_| held.saturating_add(bytes) <= budget) {
                Some(array) => {
                    held += bytes;
                    beside.obsm.push(embedding(&array, name, rows)?);
                }
                None => left_out.push(path),
            }
        }
    }
    if tree.kind("uns")? == Some(Kind::Group) {
        read_folder(tree, "uns", 0, &mut beside, &mut left_out)?;
    }
    if !left_out.is_empty() {
        beside.warnings.push(format!("not kept, because of their kind or size: {}", listed(left_out, 8)));
    }
    Ok(beside)
}

fn is_embedding(array: &Array, n_cells: usize) -> bool {
    array.is_number() && matches!(*array.shape(), [n, n_dims] if n == n_cells as u64 && n_dims > 0)
}

fn embedding(array: &Array, name: String, rows: &Rows) -> Result<Embedding, ReadError> {
    let n_dims = array.shape()[1] as usize;
    let all = array.f32s(0, array.n_rows())?;
    let of_rows = rows.iter().map(|row| all.get(row * n_dims..(row + 1) * n_dims));
    let values = of_rows.collect::<Option<Vec<_>>>().ok_or_else(|| array.malformed("is cut off"))?.concat();
    Ok(Embedding { name, values, n_dims })
}

fn read_folder(
    tree: &Tree,
    path: &str,
    depth: usize,
    beside: &mut Beside,
    left_out: &mut Vec<String>,
) -> Result<(), ReadError> {
    let (arrays, groups) = tree.children(path)?;
    for name in arrays {
        let path = format!("{path}/{name}");
        let key = path.trim_start_matches("uns/").to_owned();
        if beside.uns.len() + beside.uns_arrays.len() >= MAX_ENTRIES || !entry(tree, &path, key, beside) {
            left_out.push(path);
        }
    }
    for name in groups {
        let path = format!("{path}/{name}");
        let attributes = tree.attributes(&path)?;
        let encoding = attributes.get("encoding-type").and_then(hdf5_pure::AttrValue::as_str);
        // Groups that are no dictionaries are frames, sparse matrices or masked arrays.
        if depth + 1 < MAX_DEPTH && matches!(encoding, None | Some("dict")) {
            read_folder(tree, &path, depth + 1, beside, left_out)?;
        } else {
            left_out.push(path);
        }
    }
    Ok(())
}

/// Reads an entry; false where it is of a kind that is not kept, or cannot be read.
fn entry(tree: &Tree, path: &str, key: String, beside: &mut Beside) -> bool {
    let Ok(array) = tree.array(path) else { return false };
    let n_values = array.shape().iter().try_fold(1u64, |n, extent| n.checked_mul(*extent));
    if n_values.is_none_or(|n_values| n_values > MAX_VALUES) {
        return false;
    }
    let shape: Vec<usize> = array.shape().iter().map(|extent| *extent as usize).collect();
    if array.is_text() {
        let Ok(mut texts) = array.strings() else { return false };
        match (shape.len(), texts.pop()) {
            (0, Some(text)) => beside.uns.push((key, text)),
            (1, last) => {
                texts.extend(last);
                beside.uns_arrays.push((key, UnsArray::Text(texts)));
            }
            _ => return false,
        }
        return true;
    }
    match array.f64s(0, array.n_rows()) {
        Ok(values) if values.len() as u64 == n_values.unwrap_or(0) => {
            beside.uns_arrays.push((key, UnsArray::Numbers { values, shape }));
            true
        }
        _ => false,
    }
}
