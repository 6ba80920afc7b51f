//! How cells were prepared, written down so that it can be done again: by the same screen, or by `waddington prepare`.

use serde::{Deserialize, Serialize};

use crate::dataset::{GeneJoin, PrepareOptions};
use crate::prepare::MapConfig;

/// Version of this layout.
pub const RECIPE_FORMAT: u32 = 1;

/// A preparation, to be repeated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Version of this layout: [`RECIPE_FORMAT`].
    pub format: u32,
    /// Version of the program that wrote it.
    pub waddington: String,
    /// Name of the file, or of the samples.
    pub file: String,
    /// Bytes of its files.
    pub n_bytes: u64,
    /// Which genes its samples share; none where it is one matrix.
    pub join: Option<GeneJoin>,
    /// How it was read and prepared.
    pub options: PrepareOptions,
    /// Name of the table that named the genes; none where the file did.
    pub gene_table: Option<String>,
    /// How the map of expression was made; none where none was.
    pub map: Option<MapConfig>,
    /// What came out: cells kept, genes, and stored values, to tell whether a repetition is one.
    pub shape: [u64; 3],
}

impl Recipe {
    /// What differs where a preparation was to be repeated; none where nothing does.
    pub fn difference(&self, shape: [u64; 3]) -> Option<String> {
        let words = |[cells, genes, values]: [u64; 3]| format!("{cells} cells, {genes} genes, {values} values");
        (shape != self.shape).then(|| format!("{} came out, where there were {}", words(shape), words(self.shape)))
    }
}
