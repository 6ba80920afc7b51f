//! What was understood of a dropped file, how to prepare it, and what came out.

use serde::{Deserialize, Serialize};

use crate::genes::NamingReport;
use crate::labels::Reading;
use crate::prepare::{CellFilter, SuggestedFilter};
use crate::reading::{ValueReading, ValueScale};

/// A file format this project reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// AnnData in HDF5.
    H5ad,
    /// 10x Genomics HDF5, version 2 (one group per genome).
    TenxH5V2,
    /// 10x Genomics HDF5, version 3 (`matrix/features`).
    TenxH5V3,
    /// 10x Genomics Matrix Market with barcodes and genes or features.
    TenxMtx,
    /// Loom: genes by cells in HDF5.
    Loom,
    /// AnnData in zarr, version 2 or 3.
    Zarr,
    /// A table in text (csv, tsv, txt), of either orientation.
    Table,
}

impl FileFormat {
    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            FileFormat::H5ad => "AnnData h5ad",
            FileFormat::TenxH5V2 => "10x HDF5 v2",
            FileFormat::TenxH5V3 => "10x HDF5 v3",
            FileFormat::TenxMtx => "10x Matrix Market",
            FileFormat::Loom => "loom",
            FileFormat::Zarr => "AnnData zarr",
            FileFormat::Table => "text table",
        }
    }
}

/// How a matrix lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatrixEncoding {
    /// Compressed sparse rows: cells are contiguous.
    Csr,
    /// Compressed sparse columns: genes are contiguous.
    Csc,
    /// Dense, row-major.
    Dense,
    /// Coordinate triplets in text.
    Coordinate,
}

/// One matrix that can be read as counts: `X`, `raw` or a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatrixInfo {
    /// `X`, `raw/X`, `layers/<name>`, or the name of the 10x group.
    pub name: String,
    /// How it lies in the file.
    pub encoding: MatrixEncoding,
    /// Cells.
    pub n_cells: usize,
    /// Genes.
    pub n_genes: usize,
    /// Stored values; all of them where dense, those other than 0 where a text table.
    pub n_stored: u64,
    /// Number type in the file, as numpy names it (`float32`, `int64`).
    pub dtype: String,
}

/// A column of `obs` that can label cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnInfo {
    /// Name of the column.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
}

/// What a column of `obs` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnKind {
    /// Text or categories: the distinct values with their cell counts, most frequent first, at most 500.
    Labels {
        /// Distinct values in all.
        n_distinct: usize,
        /// Values and their number of cells.
        values: Vec<(String, usize)>,
    },
    /// Numbers.
    Numbers {
        /// Smallest finite value; none where there is none.
        min: Option<f64>,
        /// Largest finite value; none where there is none.
        max: Option<f64>,
    },
}

/// What was understood of a file before any value of its matrix was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// Name of the file (or of the first, where several make one matrix).
    pub name: String,
    /// Size of all its files in bytes.
    pub n_bytes: u64,
    /// What it is.
    pub format: FileFormat,
    /// What one row is.
    pub unit: CellUnit,
    /// Which genes its samples share; none where it is one matrix.
    pub join: Option<GeneJoin>,
    /// The matrices that can be read as counts; the first is the default. Never empty.
    pub matrices: Vec<MatrixInfo>,
    /// Columns of `obs`, in the file's order.
    pub columns: Vec<ColumnInfo>,
    /// The first five genes as the file names them.
    pub first_genes: Vec<String>,
    /// What the file's labels suggest.
    pub suggested: PrepareOptions,
    /// Bytes of memory that reading the default matrix takes.
    pub bytes_needed: u64,
    /// Of them, those that do not grow with the cells that are read.
    pub bytes_fixed: u64,
    /// Bytes of memory available to it.
    pub bytes_available: u64,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

/// How to read and prepare an opened file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct PrepareOptions {
    /// Which matrix, by [`MatrixInfo::name`]. Default: the first.
    pub matrix: Option<String>,
    /// Column of `obs` that names each cell's perturbation. Default: none (all cells are controls).
    pub perturbation_column: Option<String>,
    /// Value of that column that marks a control cell. Default: none.
    pub control_label: Option<String>,
    /// Column of `obs` with each cell's library size in counts. Default: the cell's own sum.
    pub library_size_column: Option<String>,
    /// Library size that cells are scaled to (counts). Default: the checkpoint's, else 10,000.
    pub target_sum: Option<f64>,
    /// Read at most this many cells, drawn evenly by seed. Default: all.
    pub max_cells: Option<usize>,
    /// Seed of the subsample. Default: 0.
    pub seed: u64,
    /// Column of `obs` whose labels keep their shares in the subsample; each keeps at least one cell where there is room
    /// for it. Default: none, every cell is as likely.
    pub stratify_by: Option<String>,
    /// Which genes are kept. Library sizes and quality are of all genes all the same. Default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub genes: Option<GeneSelection>,
    /// Which cells are kept, by their quality. Default: all.
    pub filter: CellFilter,
    /// What the values are. Default: told from the values.
    pub values: Option<ValueScale>,
    /// What labels of the perturbation column mean where they do not mean what they say; labels that the column has not
    /// are refused. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corrections: Vec<(String, Reading)>,
}

/// Which genes the samples of a study share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GeneJoin {
    /// All genes of any sample; a sample has zeros for those it lacks.
    #[default]
    Union,
    /// The genes of every sample.
    Intersection,
}

impl std::str::FromStr for GeneJoin {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "union" => Ok(Self::Union),
            "intersection" => Ok(Self::Intersection),
            other => Err(format!("join is {other}; it must be union or intersection")),
        }
    }
}

/// Genes by symbol or stable id, as they are matched everywhere; the order of the file is kept. Written as a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct GeneSelection(Vec<String>);

impl GeneSelection {
    /// Some names, without white space around them.
    ///
    /// # Errors
    /// Where there is none, or one is empty.
    pub fn new(names: Vec<String>) -> Result<Self, String> {
        let names: Vec<String> = names.into_iter().map(|name| name.trim().to_owned()).collect();
        match names.iter().position(String::is_empty) {
            _ if names.is_empty() => Err("genes names no gene; name at least one, or leave it out to keep all".into()),
            Some(at) => Err(format!("genes has an empty name at position {at}; give a symbol or an id")),
            None => Ok(Self(names)),
        }
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }
}

impl TryFrom<Vec<String>> for GeneSelection {
    type Error = String;

    fn try_from(names: Vec<String>) -> Result<Self, String> {
        Self::new(names)
    }
}

impl From<GeneSelection> for Vec<String> {
    fn from(selection: GeneSelection) -> Self {
        selection.0
    }
}

/// Quality of each cell; one value per cell that was read, dropped ones included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct CellQuality {
    /// Sum of the counts of a cell.
    #[serde(with = "crate::floats::f32s")]
    pub total_counts: Vec<f32>,
    /// Genes with a count above 0.
    #[serde(with = "crate::floats::f32s")]
    pub n_genes_by_counts: Vec<f32>,
    /// Percent of counts in mitochondrial genes (`MT-`, `mt-`).
    #[serde(with = "crate::floats::f32s")]
    pub pct_counts_mt: Vec<f32>,
}

/// How the genes of a file meet those of the checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct GeneCoverage {
    /// Genes of the checkpoint.
    pub n_checkpoint: usize,
    /// Of them, found in the file.
    pub n_found: usize,
    /// The checkpoint's genes that the file lacks (read as 0), at most 500.
    pub missing: Vec<String>,
}

impl GeneCoverage {
    /// Whether more of the checkpoint's genes are missing than there: what it says of such cells means next to nothing.
    pub fn is_poor(&self) -> bool {
        2 * self.n_found < self.n_checkpoint
    }
}

/// What preparation made of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepared {
    /// Cells kept.
    pub n_cells: usize,
    /// Rows that the filters drop, ascending. Columns of one value per cell have all rows that were read.
    #[serde(with = "crate::floats::u32s")]
    pub dropped: Vec<u32>,
    /// Genes kept.
    pub n_genes: usize,
    /// Stored values of all rows that were read.
    pub n_nonzero: u64,
    /// What one row is: single cells, or means of several.
    pub unit: CellUnit,
    /// Quality of each cell, in row order.
    pub quality: CellQuality,
    /// Distinct perturbation labels with their number of cells kept, control first; empty without a label column.
    pub perturbations: Vec<(String, usize)>,
    /// Index into `perturbations` for each cell, in row order; empty without a label column.
    #[serde(with = "crate::floats::u32s")]
    pub perturbation_of_cell: Vec<u32>,
    /// Bounds that the spread of the quality suggests.
    pub suggested: SuggestedFilter,
    /// What the values were taken for, and why; none where rows are metacells.
    pub reading: Option<ValueReading>,
    /// What became of the names of the genes; none without a table of genes.
    pub naming: Option<NamingReport>,
    /// Columns of `obs` with at most 500 labels, which can part the cells into batches.
    pub label_columns: Vec<String>,
    /// How the genes meet the checkpoint's; none where no checkpoint is loaded.
    pub coverage: Option<GeneCoverage>,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

/// What one row of a matrix stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum CellUnit {
    /// One cell.
    #[default]
    Cell,
    /// The mean of several cells.
    Metacell,
}

impl CellUnit {
    /// One row, in words.
    pub fn singular(self) -> &'static str {
        match self {
            Self::Cell => "cell",
            Self::Metacell => "metacell",
        }
    }

    /// Several rows, in words.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Cell => "cells",
            Self::Metacell => "metacells",
        }
    }
}
