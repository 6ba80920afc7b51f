//! 10x Genomics HDF5. Version 3 keeps one matrix in `matrix` with `features`; version 2 keeps one group per genome with
//! `genes` and `gene_names`. Both store genes by cells in compressed columns, which is cells by genes in compressed rows.

use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::genes::GeneNames;
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::frame::Column;
use crate::read::matrix::{CsrReader, MatrixReader, SparseArrays};
use crate::read::rows::Rows;
use crate::read::tree::{Kind, Tree};

/// Types of feature or genomes that are told apart, at most.
const MAX_VIEWS: usize = 16;

/// An open 10x HDF5 file.
pub(crate) struct TenxH5File {
    h5: Tree,
    format: FileFormat,
    matrices: Vec<MatrixInfo>,
    /// The group of each matrix.
    groups: Vec<String>,
    /// Of each matrix the features of its group that it has; none where it has all.
    views: Vec<Option<Vec<u32>>>,
    warnings: Vec<String>,
}

/// Ends the name of the matrix of genes alone, in a file that has other features too.
pub(crate) const GENES_ALONE: &str = ": Gene Expression";

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
        let views = vec![None; names.len()];
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
        // Features without a genome, as antibodies are, are no genome of their own.
        let named: Vec<usize> = (0..names.len()).filter(|code| !names[*code].is_empty()).collect();
        if codes.len() != self.matrices[0].n_genes || !(2..=MAX_VIEWS).contains(&named.len()) {
            return Ok(());
        }
        for code in named {
            let features = codes.iter().zip(0..).filter(|(of, _)| **of == Some(code as u32));
            let features: Vec<u32> = features.map(|(_, feature)| feature).collect();
            let name = format!("{}: {}", self.groups[0], names[code]);
            self.matrices.push(MatrixInfo { name, n_genes: features.len(), ..self.matrices[0].clone() });
            self.groups.push(self.groups[0].clone());
            self.views.push(Some(features));
        }
        Ok(())
    }

    /// Of names of all features those of a matrix.
    fn viewed(&self, matrix: usize, names: Vec<String>) -> Vec<String> {
        match &self.views[matrix] {
            Some(features) => features.iter().filter_map(|feature| names.get(*feature as usize).cloned()).collect(),
            None => names,
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

/// A warning about features that are not genes, if there are any.
pub(crate) fn other_features(codes: &[Option<u32>], names: &[String]) -> Option<String> {
    let others: Vec<String> = names
        .iter()
        .enumerate()
        .filter(|(_, name)| *name != "Gene Expression" && !name.is_empty())
        .map(|(code, name)| {
            let n = codes.iter().filter(|of_feature| **of_feature == Some(code as u32)).count();
            format!("{n} of type {name}")
        })
        .collect();
    (!others.is_empty()).then(|| {
        format!("not all features are genes: {} are read along, unless another matrix is chosen", listed(&others, 5))
    })
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

    fn n_values(&self, matrix: usize, rows: &Rows) -> Result<u64, ReadError> {
        let Rows::Some { .. } = rows else { return Ok(self.matrices[matrix].n_stored) };
        let indptr = self.sparse(matrix)?.read_indptr(self.matrices[matrix].n_cells)?;
        Ok(rows.iter().map(|row| indptr[row + 1] - indptr[row]).sum())
    }

    fn sample(&self, matrix: usize) -> Option<Vec<f32>> {
        self.h5.array(&format!("{}/data", self.groups[matrix])).ok()?.sample()
    }

    fn reader(&self, matrix: usize, rows: Rows, budget: u64) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let info = &self.matrices[matrix];
        let arrays = self.sparse(matrix)?;
        let indptr = arrays.read_indptr(info.n_cells)?;
        // Views are of the one group there is.
        let n_features = if self.views[matrix].is_some() { self.matrices[0].n_genes } else { info.n_genes };
        let reader = CsrReader::new(arrays, indptr, rows, n_features, budget)?;
        Ok(Box::new(match &self.views[matrix] {
            Some(features) => reader.of_columns(features, info.n_genes)?,
            None => reader,
        }))
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
