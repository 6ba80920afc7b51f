//! AnnData in HDF5 (from 0.5 to today) or zarr: `X`, `raw/X` and `layers`, each CSR, CSC or dense.

use hdf5_pure::AttrValue;
use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::genes::{GeneNames, is_ensembl};
use crate::read::beside::{self, Beside};
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::frame::{Column, Frame};
use crate::read::matrix::{CscReader, CsrReader, DenseReader, MatrixReader, SparseArrays};
use crate::read::plan::{csr_values, gene_share, proportional};
use crate::read::rows::Rows;
use crate::read::selection::Columns;
use crate::read::tree::{Kind, Tree};

/// Columns of `var` that hold symbols, where the index holds ids.
const SYMBOL_COLUMNS: [&str; 12] = [
    "gene_symbols",
    "gene_symbol",
    "feature_name",
    "gene_name",
    "gene_names",
    "symbol",
    "symbols",
    "Symbol",
    "gene_short_name",
    "hgnc_symbol",
    "name",
    "GeneSymbol",
];
/// Columns of `var` that hold stable ids, where the index holds symbols.
const ID_COLUMNS: [&str; 11] = [
    "gene_ids",
    "gene_id",
    "ensembl_id",
    "ensembl_ids",
    "ensembl",
    "feature_id",
    "feature_ids",
    "ensembl_gene_id",
    "Accession",
    "ENSEMBL",
    "id",
];

/// An open h5ad.
pub(crate) struct H5adFile {
    h5: Tree,
    matrices: Vec<MatrixInfo>,
    /// Path of each matrix and of its `var`.
    paths: Vec<(String, String)>,
    obs: Frame,
    unit: CellUnit,
    warnings: Vec<String>,
}

impl H5adFile {
    pub(crate) fn open(h5: Tree) -> Result<Self, ReadError> {
        let layers = match h5.kind("layers")? {
            Some(Kind::Group) => {
                let (datasets, groups) = h5.children("layers")?;
                datasets.into_iter().chain(groups).collect()
            }
            _ => Vec::new(),
        };
        if !h5.has("X")? {
            return Err(ReadError::NoX { hint: no_x_hint(&layers) });
        }
        let obs = Frame::open(&h5, "obs")?;
        let mut file =
            H5adFile { unit: unit(&h5)?, h5, matrices: Vec::new(), paths: Vec::new(), obs, warnings: Vec::new() };
        if !file.h5.has("var")? {
            let what = "has no var, so that its genes have no names; write it again from an AnnData object";
            return Err(ReadError::Malformed { object: "the h5ad".into(), what: what.into() });
        }
        file.add_matrix("X", "X", "var")?;
        let raw = if file.h5.has("raw/X")? { Some(("raw/X", "raw/var")) } else { None };
        let raw = if raw.is_none() && file.h5.has("raw.X")? { Some(("raw.X", "raw.var")) } else { raw };
        let optional = raw.map(|(path, var)| ("raw/X".to_owned(), path.to_owned(), var)).into_iter();
        let layers = layers.into_iter().map(|name| (format!("layers/{name}"), format!("layers/{name}"), "var"));
        for (name, path, var) in optional.chain(layers) {
            // A file is worth opening for its X alone.
            if let Err(error) = file.add_matrix(&name, &path, var) {
                file.warnings.push(format!("{name} cannot be read: {error}"));
            }
        }
        Ok(file)
    }

    fn add_matrix(&mut self, name: &str, path: &str, var: &str) -> Result<(), ReadError> {
        let info = matrix_info(&self.h5, name, path, self.obs.n_rows())?;
        if let Some(n_cells) = self.obs.n_rows().filter(|n_cells| *n_cells != info.n_cells) {
            let what = format!("has {} rows for the {n_cells} cells of obs", info.n_cells);
            return Err(ReadError::Malformed { object: name.into(), what });
        }
        let frame = Frame::open(&self.h5, var)?;
        if let Some(n_genes) = frame.n_rows().filter(|n_genes| *n_genes != info.n_genes) {
            let what = format!("has {} columns for the {n_genes} genes of {var}", info.n_genes);
            return Err(ReadError::Malformed { object: name.into(), what });
        }
        self.matrices.push(info);
        self.paths.push((path.into(), var.into()));
        Ok(())
    }

    fn sparse(&self, matrix: usize) -> Result<SparseArrays, ReadError> {
        let path = &self.paths[matrix].0;
        Ok(SparseArrays {
            name: self.matrices[matrix].name.clone(),
            indptr: self.h5.array(&format!("{path}/indptr"))?,
            indices: self.h5.array(&format!("{path}/indices"))?,
            values: self.h5.array(&format!("{path}/data"))?,
        })
    }

    /// The first of some columns of `var` that is there, as text.
    fn text_column(&self, var: &Frame, names: &[&str]) -> Result<Option<Vec<String>>, ReadError> {
        for name in names {
            if var.columns().iter().any(|column| column == name)
                && let Some(column @ Column::Labels { .. }) = var.read_column(&self.h5, name)?
            {
                return Ok(Some(column.to_text("")));
            }
        }
        Ok(None)
    }
}

impl Container for H5adFile {
    fn format(&self) -> FileFormat {
        match self.h5 {
            Tree::Hdf5(_) => FileFormat::H5ad,
            Tree::Zarr(_) => FileFormat::Zarr,
        }
    }

    fn matrices(&self) -> &[MatrixInfo] {
        &self.matrices
    }

    fn genes(&self, matrix: usize) -> Result<GeneNames, ReadError> {
        let var = Frame::open(&self.h5, &self.paths[matrix].1)?;
        let n_genes = self.matrices[matrix].n_genes;
        let index = match var.read_index(&self.h5)? {
            Some(index) => index,
            None => (0..n_genes).map(|gene| gene.to_string()).collect(),
        };
        let is_ids = index.iter().take(50).filter(|name| is_ensembl(name)).count() * 2 > index.len().min(50);
        let names = if is_ids {
            match self.text_column(&var, &SYMBOL_COLUMNS)? {
                Some(symbols) => {
                    // A gene without a symbol goes by its id.
                    let symbols = symbols.into_iter().zip(&index);
                    let symbols = symbols.map(|(symbol, id)| if symbol.is_empty() { id.clone() } else { symbol });
                    GeneNames { symbols: symbols.collect(), ids: Some(index) }
                }
                None => GeneNames { symbols: index.clone(), ids: Some(index) },
            }
        } else {
            let ids = self.text_column(&var, &ID_COLUMNS)?;
            GeneNames { symbols: index, ids: ids.filter(|ids| ids.iter().any(|id| is_ensembl(id))) }
        };
        if names.len() != n_genes {
            let what = format!("names {} genes; {} has {n_genes}", names.len(), self.matrices[matrix].name);
            return Err(ReadError::Malformed { object: self.paths[matrix].1.clone(), what });
        }
        Ok(names)
    }

    fn var(&self, matrix: usize) -> Result<Vec<(String, Column)>, ReadError> {
        let var = Frame::open(&self.h5, &self.paths[matrix].1)?;
        let n_genes = self.matrices[matrix].n_genes;
        let read =
            |name: &String| var.read_column(&self.h5, name).ok().flatten().filter(|column| column.len() == n_genes);
        Ok(var.columns().iter().filter_map(|name| Some((name.clone(), read(name)?))).collect())
    }

    fn first_genes(&self, matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        Frame::open(&self.h5, &self.paths[matrix].1)?.first_of_index(&self.h5, count)
    }

    fn barcodes(&self, matrix: usize) -> Result<Vec<String>, ReadError> {
        let n_cells = self.matrices[matrix].n_cells;
        match self.obs.read_index(&self.h5)? {
            Some(index) if index.len() == n_cells => Ok(index),
            Some(index) => {
                let what = format!("names {} cells; there are {n_cells}", index.len());
                Err(ReadError::Malformed { object: "obs".into(), what })
            }
            None => Ok((0..n_cells).map(|cell| cell.to_string()).collect()),
        }
    }

    fn columns(&self) -> &[String] {
        self.obs.columns()
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        self.obs.read_column(&self.h5, name)
    }

    fn unit(&self) -> CellUnit {
        self.unit
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        let info = &self.matrices[matrix];
        Ok(match info.encoding {
            _ if rows.are_all() && columns.are_all() => info.n_stored,
            MatrixEncoding::Csr => {
                let arrays = self.sparse(matrix)?;
                let share = gene_share(arrays.indices.sample_indices(), columns);
                csr_values(&arrays.read_indptr(info.n_cells)?, rows, columns, share)
            }
            MatrixEncoding::Csc => {
                let indptr = self.sparse(matrix)?.read_indptr(info.n_genes)?;
                let read = (0..info.n_genes).filter(|column| columns.fate(*column).new.is_some());
                proportional(read.map(|column| indptr[column + 1] - indptr[column]).sum(), rows)
            }
            MatrixEncoding::Dense | MatrixEncoding::Coordinate => {
                proportional(info.n_stored, rows).min(columns.most_values(rows))
            }
        })
    }

    fn sample(&self, matrix: usize) -> Option<Vec<f32>> {
        let path = &self.paths[matrix].0;
        let is_dense = self.matrices[matrix].encoding == MatrixEncoding::Dense;
        let values = if is_dense { path.clone() } else { format!("{path}/data") };
        self.h5.array(&values).ok()?.sample()
    }

    fn beside(&self, rows: &Rows, budget: u64) -> Result<Beside, ReadError> {
        beside::read(&self.h5, self.matrices[0].n_cells, rows, budget)
    }

    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let info = &self.matrices[matrix];
        Ok(match info.encoding {
            MatrixEncoding::Csr => {
                let arrays = self.sparse(matrix)?;
                let indptr = arrays.read_indptr(info.n_cells)?;
                Box::new(CsrReader::new(arrays, indptr, rows, columns, budget)?)
            }
            MatrixEncoding::Csc => {
                let arrays = self.sparse(matrix)?;
                let indptr = arrays.read_indptr(info.n_genes)?;
                Box::new(CscReader::new(arrays, indptr, rows, columns, budget)?)
            }
            MatrixEncoding::Dense | MatrixEncoding::Coordinate => {
                let array = self.h5.array(&self.paths[matrix].0)?;
                Box::new(DenseReader::new(array, rows, columns, budget)?)
            }
        })
    }
}

fn no_x_hint(layers: &[String]) -> String {
    match layers.first() {
        None => "nor has it layers: write it again from an AnnData object that holds counts".into(),
        Some(first) => format!(
            "its layers are {}: set one as X (adata.X = adata.layers[\"{first}\"]) and write it again",
            listed(layers, 10)
        ),
    }
}

fn unit(h5: &Tree) -> Result<CellUnit, ReadError> {
    if h5.kind("uns/waddington/unit")? != Some(Kind::Dataset) {
        return Ok(CellUnit::Cell);
    }
    let unit = h5.array("uns/waddington/unit")?;
    let is_metacell = unit.is_text() && unit.first_strings(1)?.first().is_some_and(|unit| unit == "metacell");
    Ok(if is_metacell { CellUnit::Metacell } else { CellUnit::Cell })
}

fn matrix_info(h5: &Tree, name: &str, path: &str, n_obs: Option<usize>) -> Result<MatrixInfo, ReadError> {
    if h5.kind(path)? == Some(Kind::Dataset) {
        let array = h5.array(path)?;
        if !array.is_number() {
            return Err(array.malformed(&format!("holds {}; numbers are expected", array.dtype())));
        }
        let (n_cells, n_genes) = match *array.shape() {
            [n_cells, n_genes] => (n_cells, n_genes),
            // AnnData before 0.7 dropped the dimension of a single gene or a single cell.
            [n] if n_obs == Some(1) => (1, n),
            [n] => (n, 1),
            _ => return Err(array.malformed(&format!("has the shape {:?}; cells by genes is expected", array.shape()))),
        };
        let (n_cells, n_genes) = (h5.extent(name, n_cells)?, h5.extent(name, n_genes)?);
        let n_stored = n_cells as u64 * n_genes as u64;
        let (name, dtype) = (name.to_owned(), array.dtype());
        return Ok(MatrixInfo { name, encoding: MatrixEncoding::Dense, n_cells, n_genes, n_stored, dtype });
    }
    let attributes = h5.attributes(path)?;
    let text = |key: &str| attributes.get(key).and_then(AttrValue::as_str);
    let encoding = text("encoding-type").or_else(|| text("h5sparse_format")).unwrap_or("");
    let encoding = match encoding.trim_end_matches("_matrix") {
        "csr" => MatrixEncoding::Csr,
        "csc" => MatrixEncoding::Csc,
        other => {
            let what = format!("is a group of encoding-type {other:?}; csr_matrix or csc_matrix is expected");
            return Err(ReadError::Malformed { object: name.into(), what });
        }
    };
    let shape = ["shape", "h5sparse_shape"].iter().find_map(|key| attributes.get(*key)?.to_u64s());
    let Some([n_cells, n_genes]) = shape.as_deref() else {
        return Err(ReadError::Malformed { object: name.into(), what: "has no attribute shape of two numbers".into() });
    };
    let values = h5.array(&format!("{path}/data"))?;
    if !values.is_number() {
        return Err(values.malformed(&format!("holds {}; numbers are expected", values.dtype())));
    }
    Ok(MatrixInfo {
        name: name.to_owned(),
        encoding,
        n_cells: h5.extent(name, *n_cells)?,
        n_genes: h5.extent(name, *n_genes)?,
        n_stored: values.n_rows(),
        dtype: values.dtype(),
    })
}
