//! Loom: a dense matrix of genes by cells in `matrix`, more of its shape in `layers`, names and labels in `row_attrs`
//! and `col_attrs`. Rows of genes are turned into rows of cells in two passes ([`TransposedReader`]).

use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::genes::{GeneNames, is_ensembl};
use crate::read::array::{Array, WINDOW_VALUES};
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::frame::{Column, Frame};
use crate::read::matrix::{DENSE_WINDOW_BYTES, MatrixReader, Taken};
use crate::read::plan::proportional;
use crate::read::rows::Rows;
use crate::read::scatter::Scatter;
use crate::read::selection::Columns;
use crate::read::tree::{Kind, Tree};

/// Attributes of cells that name them, the likeliest first.
const CELL_NAMES: [&str; 9] =
    ["CellID", "Cell", "cell_id", "cell_ID", "obs_names", "barcode", "Barcode", "barcodes", "cell_names"];
/// Attributes of genes that hold symbols.
const SYMBOLS: [&str; 10] = [
    "Gene",
    "gene",
    "GeneName",
    "gene_name",
    "gene_names",
    "gene_symbol",
    "gene_symbols",
    "Symbol",
    "var_names",
    "feature_name",
];
/// Attributes of genes that hold stable ids.
const IDS: [&str; 9] = [
    "Accession",
    "accession",
    "gene_id",
    "gene_ids",
    "ensembl_id",
    "ensembl_ids",
    "ensembl",
    "EnsemblID",
    "ensembl_gene_id",
];

/// An open loom file.
pub(crate) struct LoomFile {
    h5: Tree,
    matrices: Vec<MatrixInfo>,
    cells: Frame,
    /// The attribute that names the cells.
    cell_names: Option<String>,
    columns: Vec<String>,
    symbols: Option<String>,
    ids: Option<String>,
    warnings: Vec<String>,
}

impl LoomFile {
    pub(crate) fn open(h5: Tree) -> Result<Self, ReadError> {
        let matrix = matrix_info(&h5, "matrix")?;
        let shape = (matrix.n_cells, matrix.n_genes);
        let (mut matrices, mut warnings) = (vec![matrix], Vec::new());
        let layers = if h5.kind("layers")? == Some(Kind::Group) { h5.children("layers")?.0 } else { Vec::new() };
        for layer in layers {
            // A file is worth opening without one of its layers.
            match matrix_info(&h5, &format!("layers/{layer}")) {
                Ok(info) if (info.n_cells, info.n_genes) == shape => matrices.push(info),
                Ok(_) => warnings.push(format!("layers/{layer} has another shape than the matrix; it is left out")),
                Err(error) => warnings.push(format!("layers/{layer} cannot be read: {error}")),
            }
        }
        let (cells, genes) = (Frame::open(&h5, "col_attrs")?, Frame::open(&h5, "row_attrs")?);
        let first = |frame: &Frame, names: &[&str]| {
            names.iter().find(|name| frame.columns().iter().any(|column| column == *name)).map(|name| name.to_string())
        };
        let (cell_names, symbols, ids) = (first(&cells, &CELL_NAMES), first(&genes, &SYMBOLS), first(&genes, &IDS));
        if cell_names.is_none() {
            warnings.push("col_attrs has no CellID; cells are numbered from 0".into());
        }
        if symbols.is_none() && ids.is_none() {
            let found = listed(genes.columns(), 8);
            return Err(ReadError::Malformed {
                object: "row_attrs".into(),
                what: format!("names no genes: it has neither Gene nor Accession but {found}"),
            });
        }
        let columns = cells.columns().iter().filter(|name| Some(*name) != cell_names.as_ref()).cloned().collect();
        Ok(Self { h5, matrices, cells, cell_names, columns, symbols, ids, warnings })
    }

    fn gene_attribute(&self, name: Option<&str>) -> Result<Option<Vec<String>>, ReadError> {
        let Some(name) = name else { return Ok(None) };
        let path = format!("row_attrs/{name}");
        let names = self.h5.array(&path)?.strings_of_any()?;
        let n_genes = self.matrices[0].n_genes;
        if names.len() != n_genes {
            let what = format!("has {} entries for {n_genes} genes", names.len());
            return Err(ReadError::Malformed { object: path, what });
        }
        Ok(Some(names))
    }
}

impl Container for LoomFile {
    fn format(&self) -> FileFormat {
        FileFormat::Loom
    }

    fn matrices(&self) -> &[MatrixInfo] {
        &self.matrices
    }

    fn genes(&self, _matrix: usize) -> Result<GeneNames, ReadError> {
        let symbols = self.gene_attribute(self.symbols.as_deref())?;
        let ids = self.gene_attribute(self.ids.as_deref())?;
        Ok(match (symbols, ids) {
            (Some(symbols), None) if symbols.first().is_some_and(|name| is_ensembl(name)) => {
                GeneNames { ids: Some(symbols.clone()), symbols }
            }
            (Some(symbols), ids) => GeneNames { symbols, ids },
            (None, ids) => GeneNames { symbols: ids.clone().unwrap_or_default(), ids },
        })
    }

    fn first_genes(&self, _matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        let name = self.symbols.as_deref().or(self.ids.as_deref()).unwrap_or_default();
        let array = self.h5.array(&format!("row_attrs/{name}"))?;
        let mut names = if array.is_text() { array.first_strings(count as u64)? } else { array.strings_of_any()? };
        names.truncate(count);
        Ok(names)
    }

    fn barcodes(&self, _matrix: usize) -> Result<Vec<String>, ReadError> {
        let n_cells = self.matrices[0].n_cells;
        let Some(name) = &self.cell_names else { return Ok((0..n_cells).map(|cell| cell.to_string()).collect()) };
        let path = format!("col_attrs/{name}");
        let names = self.h5.array(&path)?.strings_of_any()?;
        if names.len() != n_cells {
            let what = format!("has {} entries for {n_cells} cells", names.len());
            return Err(ReadError::Malformed { object: path, what });
        }
        Ok(names)
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        self.cells.read_column(&self.h5, name)
    }

    fn unit(&self) -> CellUnit {
        CellUnit::Cell
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        Ok(proportional(self.matrices[matrix].n_stored, rows).min(columns.most_values(rows)))
    }

    fn sample(&self, matrix: usize) -> Option<Vec<f32>> {
        self.h5.array(&self.matrices[matrix].name).ok()?.sample()
    }

    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let info = &self.matrices[matrix];
        let array = self.h5.array(&info.name)?;
        Ok(Box::new(TransposedReader::new(array, info, rows, columns, budget)))
    }
}

fn matrix_info(h5: &Tree, path: &str) -> Result<MatrixInfo, ReadError> {
    let array = h5.array(path)?;
    if !array.is_number() {
        return Err(array.malformed(&format!("holds {}; numbers are expected", array.dtype())));
    }
    let [n_genes, n_cells] = *array.shape() else {
        return Err(array.malformed(&format!("has the shape {:?}; genes by cells is expected", array.shape())));
    };
    let (n_cells, n_genes) = (h5.extent(path, n_cells)?, h5.extent(path, n_genes)?);
    Ok(MatrixInfo {
        name: path.to_owned(),
        encoding: MatrixEncoding::Dense,
        n_cells,
        n_genes,
        n_stored: n_cells as u64 * n_genes as u64,
        dtype: array.dtype(),
    })
}

/// Dense rows of genes, read into rows of cells: the first pass counts what each cell holds, the second places it.
struct TransposedReader {
    array: Array,
    n_cells: usize,
    n_genes: u64,
    next: u64,
    window_rows: u64,
    scatter: Scatter,
}

impl TransposedReader {
    fn new(array: Array, info: &MatrixInfo, rows: Rows, columns: Columns, budget: u64) -> Self {
        let most = (DENSE_WINDOW_BYTES / array.row_bytes().max(1)).max(1);
        let chunk = array.chunk_rows().unwrap_or(1);
        let target = (WINDOW_VALUES / info.n_cells.max(1) as u64).max(1);
        let window_rows = target.div_ceil(chunk).saturating_mul(chunk).min(most);
        let scatter = Scatter::new(array.path(), rows, columns, budget);
        Self { array, n_cells: info.n_cells, n_genes: info.n_genes as u64, next: 0, window_rows, scatter }
    }

    fn read_window(&mut self) -> Result<(), ReadError> {
        let count = self.window_rows.min(self.n_genes - self.next);
        let values = self.array.f32s(self.next, count)?;
        if values.len() as u64 != count * self.n_cells as u64 {
            return Err(self.array.malformed("is cut off"));
        }
        for (gene, row) in (self.next..).zip(values.chunks_exact(self.n_cells.max(1))) {
            for (cell, &value) in row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                if self.scatter.is_placing() {
                    self.scatter.place(cell, gene as u32, value);
                } else {
                    self.scatter.count(cell, gene as u32);
                }
            }
        }
        self.next += count;
        Ok(())
    }
}

impl MatrixReader for TransposedReader {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        let (n, half) = (self.scatter.n_rows(), self.scatter.n_rows() / 2);
        if self.next == self.n_genes {
            if self.scatter.is_placing() {
                return Ok(None);
            }
            self.scatter.begin_placing()?;
            self.next = 0;
            return Ok(Some(half));
        }
        self.read_window()?;
        self.scatter.check_budget()?;
        let share = |of: usize| (of as u128 * u128::from(self.next) / u128::from(self.n_genes.max(1))) as usize;
        Ok(Some(if self.scatter.is_placing() { half + share(n - half) } else { share(half) }))
    }

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
        self.scatter.finish()
    }
}
