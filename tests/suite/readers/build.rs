//! HDF5 files in the dresses that other tools write, each around the same small matrix.

use cells::read::{OpenedFile, ReadError};
use cells::source::NamedSource;
use hdf5_pure::{AttrValue, DatasetBuilder, FileBuilder, GroupBuilder};
use spec::dataset::PrepareOptions;

/// Memory that no test comes near.
pub const PLENTY: u64 = 1 << 32;

/// Cells of the matrix that every builder stores.
pub const CELLS: usize = 7;
/// Its genes.
pub const GENES: usize = 5;

/// The matrix, row-major: whole numbers, an empty cell (the fourth) and an empty gene (the third).
pub fn dense() -> Vec<f32> {
    let value = |cell: usize, gene: usize| match (cell, gene) {
        (3, _) | (_, 2) => 0.0,
        _ if (cell + 2 * gene).is_multiple_of(3) => 0.0,
        _ => (1 + (cell * 7 + gene * 3) % 11) as f32,
    };
    (0..CELLS).flat_map(|cell| (0..GENES).map(move |gene| value(cell, gene))).collect()
}

/// How the numbers are stored.
#[derive(Debug, Clone, Copy)]
pub enum Dtype {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
}

/// All of them.
pub const DTYPES: [Dtype; 10] = [
    Dtype::I8,
    Dtype::U8,
    Dtype::I16,
    Dtype::U16,
    Dtype::I32,
    Dtype::U32,
    Dtype::I64,
    Dtype::U64,
    Dtype::F32,
    Dtype::F64,
];

/// Stores numbers in a type.
pub fn store(dataset: &mut DatasetBuilder, values: &[f32], dtype: Dtype) {
    let values = values.iter().copied();
    match dtype {
        Dtype::I8 => dataset.with_i8_data(&values.map(|value| value as i8).collect::<Vec<_>>()),
        Dtype::U8 => dataset.with_u8_data(&values.map(|value| value as u8).collect::<Vec<_>>()),
        Dtype::I16 => dataset.with_i16_data(&values.map(|value| value as i16).collect::<Vec<_>>()),
        Dtype::U16 => dataset.with_u16_data(&values.map(|value| value as u16).collect::<Vec<_>>()),
        Dtype::I32 => dataset.with_i32_data(&values.map(|value| value as i32).collect::<Vec<_>>()),
        Dtype::U32 => dataset.with_u32_data(&values.map(|value| value as u32).collect::<Vec<_>>()),
        Dtype::I64 => dataset.with_i64_data(&values.map(|value| value as i64).collect::<Vec<_>>()),
        Dtype::U64 => dataset.with_u64_data(&values.map(|value| value as u64).collect::<Vec<_>>()),
        Dtype::F32 => dataset.with_f32_data(&values.collect::<Vec<_>>()),
        Dtype::F64 => dataset.with_f64_data(&values.map(f64::from).collect::<Vec<_>>()),
    };
}

/// The three arrays of a sparse matrix with `n_lines` lines of `n_across` values.
pub struct Sparse {
    pub indptr: Vec<i64>,
    pub indices: Vec<i64>,
    pub values: Vec<f32>,
}

/// Compressed rows of the matrix, or columns.
pub fn sparse(by_rows: bool) -> Sparse {
    let dense = dense();
    let (n_lines, n_across) = if by_rows { (CELLS, GENES) } else { (GENES, CELLS) };
    let at = |line: usize, across: usize| {
        let (cell, gene) = if by_rows { (line, across) } else { (across, line) };
        dense[cell * GENES + gene]
    };
    let mut sparse = Sparse { indptr: vec![0], indices: Vec::new(), values: Vec::new() };
    for line in 0..n_lines {
        for across in 0..n_across {
            if at(line, across) != 0.0 {
                sparse.indices.push(across as i64);
                sparse.values.push(at(line, across));
            }
        }
        sparse.indptr.push(sparse.values.len() as i64);
    }
    sparse
}

pub fn text(value: &str) -> AttrValue {
    AttrValue::VarLenString(value.into())
}

pub fn encode_group(group: &mut GroupBuilder, encoding: &str) {
    group.set_attr("encoding-type", text(encoding));
    group.set_attr("encoding-version", text("0.2.0"));
}

/// A sparse matrix as AnnData 0.7 and later lays it out.
pub fn sparse_group(mut group: GroupBuilder, sparse: &Sparse, encoding: &str, dtype: Dtype) -> GroupBuilder {
    encode_group(&mut group, encoding);
    group.set_attr("shape", AttrValue::I64Array(vec![CELLS as i64, GENES as i64]));
    group.create_dataset("indptr").with_i64_data(&sparse.indptr);
    group.create_dataset("indices").with_i64_data(&sparse.indices);
    store(group.create_dataset("data"), &sparse.values, dtype);
    group
}

pub fn cell_names() -> Vec<String> {
    (0..CELLS).map(|cell| format!("cell{cell}")).collect()
}

pub fn gene_names() -> Vec<String> {
    ["STAT1", "JAK2", "MT-CO1", "IFNGR1", "GAPDH"].map(String::from).to_vec()
}

pub fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

/// `obs` or `var` of today with its index alone.
pub fn frame(mut group: GroupBuilder, index: &[String]) -> GroupBuilder {
    encode_group(&mut group, "dataframe");
    group.set_attr("_index", text("_index"));
    group.set_attr("column-order", AttrValue::VarLenStringArray(vec!["none of these".into()]));
    group.create_dataset("_index").with_vlen_strings(&refs(index));
    group
}

/// A whole h5ad around a matrix that `matrix` adds.
pub fn h5ad(matrix: impl FnOnce(&mut FileBuilder)) -> Vec<u8> {
    h5ad_with(matrix, |_| {}, |_| {})
}

/// The same with more columns.
pub fn h5ad_with(
    matrix: impl FnOnce(&mut FileBuilder),
    obs: impl FnOnce(&mut GroupBuilder),
    var: impl FnOnce(&mut GroupBuilder),
) -> Vec<u8> {
    let mut file = FileBuilder::new();
    matrix(&mut file);
    let mut group = frame(file.create_group("obs"), &cell_names());
    obs(&mut group);
    file.add_group(group.finish());
    let mut group = frame(file.create_group("var"), &gene_names());
    var(&mut group);
    file.add_group(group.finish());
    file.finish().expect("the builder holds a valid file")
}

/// An h5ad with the matrix in compressed rows.
pub fn plain_h5ad() -> Vec<u8> {
    h5ad(|file| {
        let group = sparse_group(file.create_group("X"), &sparse(true), "csr_matrix", Dtype::F32);
        file.add_group(group.finish());
    })
}

/// Opens bytes.
pub fn open(name: &str, bytes: Vec<u8>) -> Result<OpenedFile, ReadError> {
    cells::read::open(vec![NamedSource::from_bytes(name, bytes)], PLENTY)
}

/// Reads bytes to the end.
pub fn read_all(files: Vec<NamedSource>, options: &PrepareOptions) -> Result<cells::data::CellData, ReadError> {
    let opened = cells::read::open(files, PLENTY)?;
    read_opened(&opened, options)
}

/// Reads an open file to the end.
pub fn read_opened(opened: &OpenedFile, options: &PrepareOptions) -> Result<cells::data::CellData, ReadError> {
    let mut reading = opened.begin(options)?;
    let mut last = 0;
    while let Some(progress) = reading.advance()? {
        assert!(progress.cells_done >= last || progress.cells_done == 0, "progress runs backwards");
        assert!(progress.cells_done <= progress.cells_total);
        last = progress.cells_done;
    }
    reading.finish()
}

/// Reads one file with default options.
pub fn read(name: &str, bytes: Vec<u8>) -> Result<cells::data::CellData, ReadError> {
    read_all(vec![NamedSource::from_bytes(name, bytes)], &PrepareOptions::default())
}

/// The counts as a dense row-major matrix.
pub fn to_dense(counts: &cells::counts::Counts) -> Vec<f32> {
    let mut dense = vec![0.0; counts.n_cells() * counts.n_genes()];
    for (cell, row) in dense.chunks_exact_mut(counts.n_genes()).enumerate() {
        counts.add_row_to(cell, row);
    }
    dense
}
