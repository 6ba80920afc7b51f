//! 10x Genomics HDF5. Version 3 keeps one matrix in `matrix` with `features`; version 2 keeps one group per genome with
//! `genes` and `gene_names`. Both store genes by cells in compressed columns, which is cells by genes in compressed rows.

use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::genes::GeneNames;
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::features::{View, other_features};
use crate::read::frame::Column;
use crate::read::matrix::{CsrReader, MatrixReader, SparseArrays};
use crate::read::plan::{csr_values, gene_share};
use crate::read::rows::Rows;
use crate::read::selection::Columns;
use crate::read::tree::{Kind, Tree};

/// An open 10x HDF5 file.
pub(crate) struct TenxH5File {
    h5: Tree,
    format: FileFormat,
    matrices: Vec<MatrixInfo>,
    /// The group of each matrix.
    groups: Vec<String>,
    /// Of each matrix the view of its group that it is; none where it is the whole.
    views: Vec<Option<View>>,
    warnings: Vec<String>,
}

impl TenxH5File {
    /// Opens the groups that look like 10x matrices; none where there is no such group.
    pub(crate) fn open(h5: Tree) -> Result<Result<Self, Tree>, ReadError> {
        let is_v3 = h5.kind("matrix")? == Some(Kind::Group) && h5.has("matrix/features")?;
        let groups = if is_v3 { vec!["matrix".to_owned()] } else { h5.children("/")?.1 };
        let mut names = Vec::new();
        for group in groups {
            // Not every writer names the cells: R's TENxMatrix does not.
            if h5.has(&format!("{group}/indptr"))? && h5.has(&format!("{group}/shape"))? {
                names.push(group);
            }
        }
        if names.is_empty() {
            return Ok(Err(h5));
        }
        let format = if is_v3 { FileFormat::TenxH5V3 } else { FileFormat::TenxH5V2 };
        let matrices = names.iter().map(|name| matrix_info(&h5, name)).collect::<Result<Vec<_>, _>>()?;
        let views = names.iter().map(|_| None).collect();
        let mut file = TenxH5File { h5, format, matrices, groups: names.clone(), views, warnings: Vec::new() };
        if names.len() > 1 {
            file.warnings
                .push(format!("the file has one matrix per genome ({}); the first is read", listed(&names, 5)));
        }
        if file.path(0, &["barcodes"])?.is_none() {
            file.warnings.push("the file names no barcodes; cells are numbered from 0".into());
        }
        file.add_views("feature_type")?;
        file.add_views("genome")?;
        Ok(Ok(file))
    }

    /// A matrix for each type of feature, or each genome, where there are several.
    fn add_views(&mut self, by: &str) -> Result<(), ReadError> {
        let path = format!("matrix/features/{by}");
        if self.format != FileFormat::TenxH5V3 || self.h5.kind(&path)? != Some(Kind::Dataset) {
            return Ok(());
        }
        let Column::Labels { codes, names } = Column::from_text(self.h5.array(&path)?.strings()?) else {
            return Ok(());
        };
        if by == "feature_type" {
            self.warnings.extend(other_features(&codes, &names));
        }
        for view in View::of_each(&self.matrices[0], &codes, &names) {
            self.matrices.push(view.info.clone());
            self.groups.push(self.groups[0].clone());
            self.views.push(Some(view));
        }
        Ok(())
    }

    /// Of names of all features those of a matrix.
    fn viewed(&self, matrix: usize, names: Vec<String>) -> Vec<String> {
        match &self.views[matrix] {
            Some(view) => view.pick(&names),
            None => names,
        }
    }

    /// The columns of a matrix as those of its group: views are of the one group there is.
    fn in_group(&self, matrix: usize, columns: &Columns) -> Columns {
        match &self.views[matrix] {
            Some(view) => view.in_whole(columns),
            None => columns.clone(),
        }
    }

    fn path(&self, matrix: usize, names: &[&str]) -> Result<Option<String>, ReadError> {
        for name in names {
            let path = format!("{}/{name}", self.groups[matrix]);
            if self.h5.kind(&path)? == Some(Kind::Dataset) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn required(&self, matrix: usize, names: &[&str]) -> Result<String, ReadError> {
        self.path(matrix, names)?.ok_or_else(|| ReadError::Malformed {
            object: self.matrices[matrix].name.clone(),
            what: format!("lacks {}; it is no complete 10x matrix", names[0]),
        })
    }

    fn sparse(&self, matrix: usize) -> Result<SparseArrays, ReadError> {
        let name = &self.groups[matrix];
        Ok(SparseArrays {
            name: name.clone(),
            indptr: self.h5.array(&format!("{name}/indptr"))?,
            indices: self.h5.array(&format!("{name}/indices"))?,
            values: self.h5.array(&format!("{name}/data"))?,
        })
    }
}

impl Container for TenxH5File {
    fn format(&self) -> FileFormat {
        self.format
    }

    fn matrices(&self) -> &[MatrixInfo] {
        &self.matrices
    }

    fn genes(&self, matrix: usize) -> Result<GeneNames, ReadError> {
        let symbols = self.required(matrix, &["features/name", "gene_names", "genes", "features/id"])?;
        let symbols = self.viewed(matrix, self.h5.array(&symbols)?.strings()?);
        let ids = match self.path(matrix, &["features/id", "genes"])? {
            Some(path) => Some(self.viewed(matrix, self.h5.array(&path)?.strings()?)),
            None => None,
        };
        let n_genes = self.matrices[matrix].n_genes;
        if symbols.len() != n_genes || ids.as_ref().is_some_and(|ids| ids.len() != n_genes) {
            let what = format!("names {} features; its shape says {n_genes}", symbols.len());
            return Err(ReadError::Malformed { object: self.matrices[matrix].name.clone(), what });
        }
        Ok(GeneNames { symbols, ids })
    }

    fn first_genes(&self, matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        if self.views[matrix].is_some() {
            return Ok(self.genes(matrix)?.symbols.into_iter().take(count).collect());
        }
        let symbols = self.required(matrix, &["features/name", "gene_names", "genes", "features/id"])?;
        self.h5.array(&symbols)?.first_strings(count as u64)
    }

    fn barcodes(&self, matrix: usize) -> Result<Vec<String>, ReadError> {
        let n_cells = self.matrices[matrix].n_cells;
        let Some(path) = self.path(matrix, &["barcodes"])? else {
            return Ok((0..n_cells).map(|cell| cell.to_string()).collect());
        };
        let barcodes = self.h5.array(&path)?.strings()?;
        if barcodes.len() != n_cells {
            let what = format!("names {} barcodes; its shape says {n_cells}", barcodes.len());
            return Err(ReadError::Malformed { object: self.matrices[matrix].name.clone(), what });
        }
        Ok(barcodes)
    }

    fn columns(&self) -> &[String] {
        &[]
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        Err(ReadError::NoSuchColumn { wanted: name.into(), available: "none: a 10x file carries no labels".into() })
    }

    fn unit(&self) -> CellUnit {
        CellUnit::Cell
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        if rows.are_all() && columns.are_all() {
            return Ok(self.matrices[matrix].n_stored);
        }
        let (arrays, columns) = (self.sparse(matrix)?, self.in_group(matrix, columns));
        let indptr = arrays.read_indptr(self.matrices[matrix].n_cells)?;
        Ok(csr_values(&indptr, rows, &columns, gene_share(arrays.indices.sample_indices(), &columns)))
    }

    fn sample(&self, matrix: usize) -> Option<Vec<f32>> {
        self.h5.array(&format!("{}/data", self.groups[matrix])).ok()?.sample()
    }

    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let info = &self.matrices[matrix];
        let arrays = self.sparse(matrix)?;
        let indptr = arrays.read_indptr(info.n_cells)?;
        Ok(Box::new(CsrReader::new(arrays, indptr, rows, self.in_group(matrix, &columns), budget)?))
    }
}

fn matrix_info(h5: &Tree, name: &str) -> Result<MatrixInfo, ReadError> {
    let shape = h5.array(&format!("{name}/shape"))?;
    if shape.n_rows() != 2 {
        return Err(shape.malformed(&format!("has {} numbers; 2 are expected, genes and cells", shape.n_rows())));
    }
    let shape = shape.i64s(0, 2)?;
    let [n_genes, n_cells] = shape.as_slice() else {
        return Err(ReadError::Malformed { object: format!("{name}/shape"), what: "is cut off".into() });
    };
    let extent = |extent: i64| h5.extent(name, u64::try_from(extent).unwrap_or(u64::MAX));
    let values = h5.array(&format!("{name}/data"))?;
    Ok(MatrixInfo {
        name: name.to_owned(),
        encoding: MatrixEncoding::Csr,
        n_cells: extent(*n_cells)?,
        n_genes: extent(*n_genes)?,
        n_stored: values.n_rows(),
        dtype: values.dtype(),
    })
}
