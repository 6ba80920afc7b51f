//! What the genes of a file are called, how variable they are, and which belong together.

use serde::{Deserialize, Serialize};

use crate::prepare::VariableGenesFlavor;

/// How many names of each kind are listed; the numbers say how many there are.
pub const N_NAMED: usize = 200;

/// The names of a file in the terms of a table of genes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct NamingReport {
    /// Genes of the file.
    pub n_genes: usize,
    /// Named by a current symbol.
    pub n_current: usize,
    /// Known by their Ensembl id.
    pub n_by_id: usize,
    /// Known by a former name or alias.
    pub n_renamed: usize,
    /// Of them: the name in the file and the current symbol, at most [`N_NAMED`].
    pub renamed: Vec<(String, String)>,
    /// Names that may mean several genes; they are left as they are.
    pub n_ambiguous: usize,
    /// Of them: the name and what it may mean, at most [`N_NAMED`].
    pub ambiguous: Vec<(String, Vec<String>)>,
    /// Names that the table does not have; they are left as they are.
    pub n_missing: usize,
    /// Of them, at most [`N_NAMED`].
    pub missing: Vec<String>,
    /// Symbols that several genes of the file mean; the one with most right to it has it.
    pub n_duplicates: usize,
    /// Of them: the symbol and the names in the file, at most [`N_NAMED`].
    pub duplicates: Vec<(String, Vec<String>)>,
}

/// How variable each gene is, and which were chosen; columns are in the order of the matrix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct VariableGenesTable {
    /// How it was measured.
    pub flavor: VariableGenesFlavor,
    /// Symbol of each gene.
    pub symbols: Vec<String>,
    /// Mean of each gene: `ln(1 + mean)` of scaled counts (seurat), of log1p values (cell_ranger), of counts (seurat_v3).
    #[serde(with = "crate::floats::f32s")]
    pub means: Vec<f32>,
    /// Normalised dispersion, or normalised variance (seurat_v3); NaN where there is none.
    #[serde(with = "crate::floats::f32s")]
    pub spread: Vec<f32>,
    /// The chosen genes, ascending.
    #[serde(with = "crate::floats::u32s")]
    pub chosen: Vec<u32>,
    /// Batches in which each gene is variable; empty without batches.
    #[serde(with = "crate::floats::u32s")]
    pub n_batches: Vec<u32>,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

impl VariableGenesTable {
    /// What `spread` is called, as scanpy names the column.
    pub fn spread_column(&self) -> &'static str {
        match self.flavor {
            VariableGenesFlavor::Seurat | VariableGenesFlavor::CellRanger => "dispersions_norm",
            VariableGenesFlavor::SeuratV3 | VariableGenesFlavor::SeuratV3Paper => "variances_norm",
        }
    }
}

/// Genes that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pathway {
    /// Its name.
    pub name: String,
    /// Symbols, each once.
    pub genes: Vec<String>,
}
