//! An h5ad that AnnData 0.8 and later reads back: `X`, layers, `obs`, `var`, `obsm` and `uns`.
//!
//! Every element carries its `encoding-type` and `encoding-version`. Long arrays are chunked, shuffled and deflated.
//! Deliberately absent: raw, graphs (`obsp`), frames and sparse matrices in `obsm` and `uns`.

mod values;

use std::collections::BTreeMap;

use hdf5_pure::{AttrValue, DatasetBuilder, EnumTypeBuilder, FileBuilder, GroupBuilder};

use crate::counts::Counts;
pub use crate::write::h5ad::values::Values;

/// Elements per chunk, a sixteenth of which is the shortest array that is compressed. No side of a chunk may be 65,536 or
/// longer: hdf5-pure writes longer sides in four bytes where HDF5 2.0 reads three.
const CHUNK_ELEMENTS: u64 = 1 << 15;
const DEFLATE_LEVEL: u32 = 4;

/// Why an h5ad could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Parts of different lengths.
    #[error("{object} has {found} entries; {expected} are expected")]
    Length {
        /// Which part.
        object: String,
        /// Its length.
        found: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A label code without a name.
    #[error("{object} holds the code {code}; there are {n_names} names")]
    Code {
        /// Which column.
        object: String,
        /// The code.
        code: i32,
        /// Names there are.
        n_names: usize,
    },
    /// A name that HDF5 cannot hold, or one used twice.
    #[error("{object} cannot be named {name:?}: names are not empty, hold no slash and occur once")]
    Name {
        /// What is to be named.
        object: String,
        /// The name.
        name: String,
    },
    /// The HDF5 library refused.
    #[error("writing the h5ad failed: {0}")]
    Hdf5(String),
}

/// The matrix `X`.
#[derive(Debug, Clone, PartialEq)]
pub enum Matrix {
    /// Compressed sparse rows.
    Csr(Counts),
    /// Dense, row-major: `n_obs * n_vars` values.
    Dense {
        /// The values.
        values: Vec<f32>,
        /// Rows.
        n_obs: usize,
        /// Columns.
        n_vars: usize,
    },
}

impl Matrix {
    fn shape(&self) -> (usize, usize) {
        match self {
            Matrix::Csr(counts) => (counts.n_cells(), counts.n_genes()),
            Matrix::Dense { n_obs, n_vars, .. } => (*n_obs, *n_vars),
        }
    }
}

/// `obs` or `var`: a name per row, and columns in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    /// Name of each row.
    pub index: Vec<String>,
    /// Name and values of each column.
    pub columns: Vec<(String, Values)>,
}

/// An embedding of the cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// Its key in `obsm`, as scanpy names it: `X_pca`, `X_umap`.
    pub name: String,
    /// Row-major: `n_obs * n_dims` values.
    pub values: Vec<f32>,
    /// Dimensions.
    pub n_dims: usize,
}

/// Numbers or a list of text in `uns`.
#[derive(Debug, Clone, PartialEq)]
pub enum UnsArray {
    /// A list of text.
    Text(Vec<String>),
    /// Numbers, row-major; one number where the shape is empty.
    Numbers {
        /// The values.
        values: Vec<f64>,
        /// Extents; their product is the number of values.
        shape: Vec<usize>,
    },
}

/// An entry of `uns`.
#[derive(Clone, Copy)]
enum Entry<'a> {
    Text(&'a str),
    Array(&'a UnsArray),
}

/// What is written.
#[derive(Debug, Clone, PartialEq)]
pub struct H5ad {
    /// The matrix, cells by genes.
    pub x: Matrix,
    /// Further matrices of the same cells and genes, by name.
    pub layers: Vec<(String, Counts)>,
    /// The cells; as many as `x` has rows.
    pub obs: Frame,
    /// The genes; as many as `x` has columns.
    pub var: Frame,
    /// Embeddings of the cells.
    pub obsm: Vec<Embedding>,
    /// Text by key; a key may be a path (`waddington/unit`), whose folders become nested dictionaries.
    pub uns: Vec<(String, String)>,
    /// Numbers and lists of text, with keys of the same kind.
    pub uns_arrays: Vec<(String, UnsArray)>,
}

impl H5ad {
    /// A matrix with the names of its cells and genes.
    pub fn new(x: Matrix, cells: Vec<String>, genes: Vec<String>) -> Self {
        let frame = |index| Frame { index, columns: Vec::new() };
        let (obs, var) = (frame(cells), frame(genes));
        H5ad { x, layers: Vec::new(), obs, var, obsm: Vec::new(), uns: Vec::new(), uns_arrays: Vec::new() }
    }
}

/// The bytes of an h5ad.
///
/// # Errors
/// Where parts differ in length, a name cannot be, or the HDF5 library refuses.
pub fn write_h5ad(h5ad: &H5ad) -> Result<Vec<u8>, WriteError> {
    let (n_obs, n_vars) = h5ad.x.shape();
    let mut file = FileBuilder::new();
    file.set_attr("encoding-type", text("anndata"));
    file.set_attr("encoding-version", text("0.1.0"));
    write_matrix(&mut file, &h5ad.x)?;
    for (name, frame, n_rows) in [("obs", &h5ad.obs, n_obs), ("var", &h5ad.var, n_vars)] {
        let mut group = file.create_group(name);
        write_frame(&mut group, name, frame, n_rows)?;
        file.add_group(group.finish());
    }
    let mut obsm = dictionary(file.create_group("obsm"));
    for embedding in &h5ad.obsm {
        let object = format!("obsm/{}", embedding.name);
        check_name("obsm", &embedding.name)?;
        check_length(&object, embedding.values.len(), n_obs * embedding.n_dims)?;
        let dataset = obsm.create_dataset(&embedding.name);
        dataset.with_f32_data(&embedding.values);
        shape_rows(dataset, n_obs, embedding.n_dims);
        encode(dataset, "array", "0.2.0");
    }
    file.add_group(obsm.finish());
    let mut layers = dictionary(file.create_group("layers"));
    for (name, counts) in &h5ad.layers {
        check_name("layers", name)?;
        let object = format!("layers/{name}");
        check_length(&object, counts.n_cells(), n_obs)?;
        check_length(&object, counts.n_genes(), n_vars)?;
        let layer = write_csr(layers.create_group(name), counts);
        layers.add_group(layer.finish());
    }
    file.add_group(layers.finish());
    for name in ["obsp", "varm", "varp"] {
        let empty = dictionary(file.create_group(name));
        file.add_group(empty.finish());
    }
    let texts = h5ad.uns.iter().map(|(key, value)| (key.as_str(), Entry::Text(value)));
    let arrays = h5ad.uns_arrays.iter().map(|(key, array)| (key.as_str(), Entry::Array(array)));
    let entries: Vec<(&str, Entry<'_>)> = texts.chain(arrays).collect();
    let uns = write_dictionary(file.create_group("uns"), "uns", &entries)?;
    file.add_group(uns.finish());
    file.finish().map_err(|error| WriteError::Hdf5(error.to_string()))
}

fn write_matrix(file: &mut FileBuilder, x: &Matrix) -> Result<(), WriteError> {
    match x {
        Matrix::Csr(counts) => {
            let group = write_csr(file.create_group("X"), counts);
            file.add_group(group.finish());
        }
        Matrix::Dense { values, n_obs, n_vars } => {
            check_length("X", values.len(), n_obs * n_vars)?;
            let dataset = file.create_dataset("X");
            dataset.with_f32_data(values);
            shape_rows(dataset, *n_obs, *n_vars);
            encode(dataset, "array", "0.2.0");
        }
    }
    Ok(())
}

fn write_csr(mut group: GroupBuilder, counts: &Counts) -> GroupBuilder {
    group.set_attr("encoding-type", text("csr_matrix"));
    group.set_attr("encoding-version", text("0.1.0"));
    group.set_attr("shape", AttrValue::I64Array(vec![counts.n_cells() as i64, counts.n_genes() as i64]));
    let n = counts.n_nonzero();
    compress(group.create_dataset("data").with_f32_data(&counts.values().collect::<Vec<_>>()), n);
    // scipy wants row pointers and columns of one type, and 32 bits where they suffice.
    let narrow = counts.indptr().map(i32::try_from).collect::<Result<Vec<_>, _>>();
    if let (Ok(indptr), Ok(_)) = (narrow, i32::try_from(counts.n_genes())) {
        let indices: Vec<i32> = counts.genes().map(|gene| gene as i32).collect();
        compress(group.create_dataset("indices").with_i32_data(&indices), n);
        compress(group.create_dataset("indptr").with_i32_data(&indptr), indptr.len());
    } else {
        let indices: Vec<i64> = counts.genes().map(i64::from).collect();
        let indptr: Vec<i64> = counts.indptr().map(|at| at as i64).collect();
        compress(group.create_dataset("indices").with_i64_data(&indices), n);
        compress(group.create_dataset("indptr").with_i64_data(&indptr), indptr.len());
    }
    group
}

fn write_frame(group: &mut GroupBuilder, object: &str, frame: &Frame, n_rows: usize) -> Result<(), WriteError> {
    check_length(object, frame.index.len(), n_rows)?;
    group.set_attr("encoding-type", text("dataframe"));
    group.set_attr("encoding-version", text("0.2.0"));
    group.set_attr("_index", text("_index"));
    let names: Vec<String> = frame.columns.iter().map(|(name, _)| name.clone()).collect();
    // AnnData itself writes an empty order as floats.
    let order = if names.is_empty() { AttrValue::F64Array(Vec::new()) } else { AttrValue::VarLenStringArray(names) };
    group.set_attr("column-order", order);
    write_text(group, "_index", &frame.index);
    let mut seen = std::collections::HashSet::from(["_index"]);
    for (name, values) in &frame.columns {
        check_name(object, name)?;
        if !seen.insert(name) {
            return Err(WriteError::Name { object: object.into(), name: name.clone() });
        }
        let object = format!("{object}/{name}");
        check_length(&object, values.len(), n_rows)?;
        match values {
            Values::Categorical { codes, names } => {
                let column = write_categories(group.create_group(name), &object, codes, names)?;
                group.add_group(column.finish());
            }
            Values::Text(labels) => write_text(group, name, labels),
            Values::F32(values) => write_numbers(group.create_dataset(name).with_f32_data(values), values.len()),
            Values::F64(values) => write_numbers(group.create_dataset(name).with_f64_data(values), values.len()),
            Values::I64(values) => write_numbers(group.create_dataset(name).with_i64_data(values), values.len()),
            Values::Bool(values) => write_bools(group, name, values)?,
        }
    }
    Ok(())
}

fn write_categories(
    mut group: GroupBuilder,
    object: &str,
    codes: &[i32],
    names: &[String],
) -> Result<GroupBuilder, WriteError> {
    let n_names = names.len();
    if let Some(&code) = codes.iter().find(|code| **code < -1 || **code >= n_names as i32) {
        return Err(WriteError::Code { object: object.into(), code, n_names });
    }
    group.set_attr("encoding-type", text("categorical"));
    group.set_attr("encoding-version", text("0.2.0"));
    // AnnData takes its truth value.
    group.set_attr("ordered", AttrValue::U8(0));
    write_numbers(group.create_dataset("codes").with_i32_data(codes), codes.len());
    write_text(&mut group, "categories", names);
    Ok(group)
}

fn write_text(group: &mut GroupBuilder, name: &str, values: &[String]) {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let dataset = group.create_dataset(name);
    dataset.with_vlen_strings(&values);
    encode(dataset, "string-array", "0.2.0");
}

/// As h5py writes numpy's bool: an enumeration over one byte.
fn write_bools(group: &mut GroupBuilder, name: &str, values: &[bool]) -> Result<(), WriteError> {
    let truth = EnumTypeBuilder::u8_based().value("FALSE", 0).value("TRUE", 1).build();
    let truth = truth.map_err(|error| WriteError::Hdf5(error.to_string()))?;
    let bytes: Vec<u8> = values.iter().map(|value| u8::from(*value)).collect();
    write_numbers(group.create_dataset(name).with_enum_u8_data(truth, &bytes), values.len());
    Ok(())
}

fn write_numbers(dataset: &mut DatasetBuilder, n: usize) {
    compress(dataset, n);
    encode(dataset, "array", "0.2.0");
}

/// Entries as nested dictionaries: the first folder of a key names a dictionary of those that share it.
fn write_dictionary(
    group: GroupBuilder,
    object: &str,
    entries: &[(&str, Entry<'_>)],
) -> Result<GroupBuilder, WriteError> {
    let mut group = dictionary(group);
    let mut folders: BTreeMap<&str, Vec<(&str, Entry<'_>)>> = BTreeMap::new();
    let mut seen = std::collections::HashSet::new();
    for (key, value) in entries {
        match key.split_once('/') {
            Some((folder, rest)) => folders.entry(folder).or_default().push((rest, *value)),
            None => {
                check_name(object, key)?;
                if !seen.insert(*key) {
                    return Err(WriteError::Name { object: object.into(), name: (*key).into() });
                }
                match value {
                    Entry::Text(value) => {
                        let dataset = group.create_dataset(key);
                        dataset.with_vlen_strings(&[*value]).with_shape(&[]);
                        encode(dataset, "string", "0.2.0");
                    }
                    Entry::Array(UnsArray::Text(texts)) => write_text(&mut group, key, texts),
                    Entry::Array(UnsArray::Numbers { values, shape }) => {
                        check_length(&format!("{object}/{key}"), values.len(), shape.iter().product())?;
                        let shape: Vec<u64> = shape.iter().map(|extent| *extent as u64).collect();
                        let dataset = group.create_dataset(key);
                        dataset.with_f64_data(values).with_shape(&shape);
                        encode(dataset, if shape.is_empty() { "numeric-scalar" } else { "array" }, "0.2.0");
                    }
                }
            }
        }
    }
    for (folder, entries) in folders {
        check_name(object, folder)?;
        if !seen.insert(folder) {
            return Err(WriteError::Name { object: object.into(), name: folder.into() });
        }
        let nested = write_dictionary(group.create_group(folder), &format!("{object}/{folder}"), &entries)?;
        group.add_group(nested.finish());
    }
    Ok(group)
}

fn dictionary(mut group: GroupBuilder) -> GroupBuilder {
    group.set_attr("encoding-type", text("dict"));
    group.set_attr("encoding-version", text("0.1.0"));
    group
}

fn text(value: &str) -> AttrValue {
    AttrValue::VarLenString(value.to_owned())
}

fn encode(dataset: &mut DatasetBuilder, encoding: &str, version: &str) {
    dataset.set_attr("encoding-type", text(encoding));
    dataset.set_attr("encoding-version", text(version));
}

fn compress(dataset: &mut DatasetBuilder, n: usize) {
    if n as u64 >= CHUNK_ELEMENTS / 16 {
        dataset.with_chunks(&[CHUNK_ELEMENTS.min(n as u64)]).with_shuffle().with_deflate(DEFLATE_LEVEL);
    }
}

fn shape_rows(dataset: &mut DatasetBuilder, n_rows: usize, n_columns: usize) {
    let (n_rows, n_columns) = (n_rows as u64, n_columns as u64);
    dataset.with_shape(&[n_rows, n_columns]);
    if n_rows * n_columns >= CHUNK_ELEMENTS / 16 {
        let chunk_columns = n_columns.min(CHUNK_ELEMENTS);
        let chunk_rows = (CHUNK_ELEMENTS / chunk_columns).clamp(1, n_rows);
        dataset.with_chunks(&[chunk_rows, chunk_columns]).with_shuffle().with_deflate(DEFLATE_LEVEL);
    }
}

fn check_length(object: &str, found: usize, expected: usize) -> Result<(), WriteError> {
    if found == expected {
        return Ok(());
    }
    Err(WriteError::Length { object: object.to_owned(), found, expected })
}

fn check_name(object: &str, name: &str) -> Result<(), WriteError> {
    let is_name = !name.is_empty() && name != "." && !name.contains('/') && !name.contains('\0');
    if is_name { Ok(()) } else { Err(WriteError::Name { object: object.to_owned(), name: name.to_owned() }) }
}
