//! Which gene sets a response falls into: what is asked, and the answer.

use serde::{Deserialize, Serialize};

/// A collection of gene sets that is there to be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collection {
    /// Name of its file.
    pub name: String,
    /// Sets in it.
    pub n_sets: usize,
}

/// How sets are looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnrichmentConfig {
    /// Fewest genes of a set among those of the response. Default: 5.
    pub min_size: usize,
    /// Most of them. Default: 500.
    pub max_size: usize,
    /// Genes that count as changed for Fisher's test: those with the largest change, whatever its sign. Default: 0, a
    /// tenth of the genes.
    pub n_changed: usize,
    /// Random sets that a ranked score is held against. Default: 1000.
    pub n_random: usize,
    /// Default: 0.
    pub seed: u64,
}

impl Default for EnrichmentConfig {
    fn default() -> Self {
        Self { min_size: 5, max_size: 500, n_changed: 0, n_random: 1000, seed: 0 }
    }
}

/// Values of genes, such as a response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneValues {
    /// What they are, for example `predicted response to STAT1 knockout`.
    pub name: String,
    /// Symbols, each once.
    pub genes: Vec<String>,
    /// One per gene; NaN where there is none, and the gene is then left out.
    #[serde(with = "crate::floats::f32s")]
    pub values: Vec<f32>,
}

/// What was found of all sets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrichment {
    /// What was looked at.
    pub name: String,
    /// The collection.
    pub collection: Collection,
    /// How.
    pub config: EnrichmentConfig,
    /// Genes with a value: the background.
    pub n_genes: usize,
    /// Of them, those that counted as changed.
    pub n_changed: usize,
    /// The sets with enough genes and not too many, by the p-value of the ranked score; there may be none.
    pub sets: Vec<EnrichedSet>,
}

/// What was found of a set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnrichedSet {
    /// Its name.
    pub name: String,
    /// Its genes in the background.
    pub n_genes: usize,
    /// Enrichment score, -1 to 1: above 0 where the set goes up.
    pub score: f64,
    /// The score over that of random sets of the size and sign; NaN where there was none of that sign.
    pub normalised: f64,
    /// Share of random sets that score as far out.
    pub p_value: f64,
    /// The same, corrected for the number of sets (Benjamini and Hochberg).
    pub p_adjusted: f64,
    /// Genes that make the score, the furthest out first.
    pub leading: Vec<String>,
    /// Its genes among the changed ones.
    pub changed: Vec<String>,
    /// How many more changed genes it has than chance would put there; NaN where chance would put none.
    pub fold: f64,
    /// Fisher's p, one-sided.
    pub fisher_p: f64,
    /// The same, corrected.
    pub fisher_p_adjusted: f64,
}
