//! How cells are prepared: one config a step, and what the steps say about the data before anything is changed.
//!
//! Defaults are scanpy 1.11's, so that an empty config means what the same call without arguments means there.

use serde::{Deserialize, Serialize};

use crate::dataset::CellQuality;

/// Whose genes they are; decides how gene sets are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Species {
    /// Symbols in capitals: `MT-CO1`, `RPS3`.
    Human,
    /// Symbols with one capital: `mt-Co1`, `Rps3`.
    Mouse,
}

/// Quality metrics of cells and genes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QcConfig {
    /// Whose genes they are. Default: told from the names.
    pub species: Option<Species>,
    /// Share of counts in this many of a cell's largest genes, one column each; those above the number of genes are
    /// left out. Default: 50, 100, 200, 500.
    pub percent_top: Vec<usize>,
}

impl Default for QcConfig {
    fn default() -> Self {
        Self { species: None, percent_top: vec![50, 100, 200, 500] }
    }
}

/// Which cells are kept; bounds are inclusive, and a cell has to meet all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct CellFilter {
    /// Least sum of counts. Default: none.
    pub min_counts: Option<f64>,
    /// Largest sum of counts. Default: none.
    pub max_counts: Option<f64>,
    /// Fewest genes with a count above 0. Default: none.
    pub min_genes: Option<u32>,
    /// Most genes with a count above 0. Default: none.
    pub max_genes: Option<u32>,
    /// Largest percentage of mitochondrial counts, 0 to 100. Default: none.
    pub max_pct_mitochondrial: Option<f64>,
}

impl CellFilter {
    /// Whether a cell of this quality is kept.
    pub fn keeps(&self, quality: &CellQuality, cell: usize) -> bool {
        let of = |values: &[f32]| values.get(cell).map_or(0.0, |value| f64::from(*value));
        self.admits(of(&quality.total_counts), of(&quality.n_genes_by_counts), Some(of(&quality.pct_counts_mt)))
    }

    /// Whether a cell with so many counts, genes and percent of mitochondrial counts is kept; without the last, its bound
    /// is not looked at.
    pub fn admits(&self, n_counts: f64, n_genes: f64, pct_mitochondrial: Option<f64>) -> bool {
        let lies_within = |value: f64, least: Option<f64>, most: Option<f64>| {
            // Qualities are kept in f32: a bound that was typed is the f32 nearest to it, or none could ever equal it.
            let value = value as f32;
            least.is_none_or(|least| value >= least as f32) && most.is_none_or(|most| value <= most as f32)
        };
        lies_within(n_counts, self.min_counts, self.max_counts)
            && lies_within(n_genes, self.min_genes.map(f64::from), self.max_genes.map(f64::from))
            && pct_mitochondrial.is_none_or(|pct| lies_within(pct, None, self.max_pct_mitochondrial))
    }
}

/// Which genes are kept; bounds are inclusive, and a gene has to meet all of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
pub struct GeneFilter {
    /// Least sum of counts. Default: none.
    pub min_counts: Option<f64>,
    /// Largest sum of counts. Default: none.
    pub max_counts: Option<f64>,
    /// Fewest cells with a count above 0. Default: none.
    pub min_cells: Option<u32>,
    /// Most cells with a count above 0. Default: none.
    pub max_cells: Option<u32>,
}

/// How far from the median a cell may lie before it is suggested for removal.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutlierConfig {
    /// Median absolute deviations below the median, of log1p counts and log1p genes. Default: 5.
    pub n_mads_low: f64,
    /// Median absolute deviations above the median, of the mitochondrial percentage. Default: 3.
    pub n_mads_mitochondrial: f64,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self { n_mads_low: 5.0, n_mads_mitochondrial: 3.0 }
    }
}

/// A number of each cell that a threshold can be put on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellMetric {
    /// Sum of counts; judged as log1p.
    TotalCounts,
    /// Genes with a count; judged as log1p.
    NGenes,
    /// Percentage of mitochondrial counts.
    PctMitochondrial,
}

/// A bound that the spread of the cells suggests. Nothing is removed by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuggestedThreshold {
    /// What is bounded.
    pub metric: CellMetric,
    /// Whether cells below it would go (else those above).
    pub is_lower: bool,
    /// The bound, in counts, genes or percent; none where the cells are too alike for one (half of them share a value),
    /// or the bound would lie below 0.
    pub value: Option<f64>,
    /// Median, in the scale it is judged in.
    pub median: f64,
    /// Median absolute deviation, not rescaled, in the scale it is judged in.
    pub mad: f64,
    /// Deviations from the median.
    pub n_mads: f64,
    /// Cells that this bound alone would remove.
    pub n_removed: usize,
}

/// The suggested bounds, and what they would remove together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct SuggestedFilter {
    /// One a metric.
    pub thresholds: Vec<SuggestedThreshold>,
    /// Cells in all.
    pub n_cells: usize,
    /// Cells that at least one bound would remove.
    pub n_removed: usize,
}

impl SuggestedFilter {
    /// The suggested bounds as a filter: whole counts and genes, tenths of a percent, each to the side that keeps more.
    pub fn filter(&self) -> CellFilter {
        let mut filter = CellFilter::default();
        for SuggestedThreshold { metric, value, .. } in &self.thresholds {
            match metric {
                CellMetric::TotalCounts => filter.min_counts = value.map(f64::floor),
                CellMetric::NGenes => filter.min_genes = value.map(|value| value as u32),
                CellMetric::PctMitochondrial => {
                    filter.max_pct_mitochondrial = value.map(|value| (10.0 * value).ceil() / 10.0);
                }
            }
        }
        filter
    }
}

/// Scaling of each cell to the same library size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeConfig {
    /// Counts per cell afterwards. Default: the median library size of the cells above 0.
    pub target_sum: Option<f64>,
    /// Whether genes that take more than `max_fraction` of any one cell are left out of every library size.
    /// Default: no.
    pub exclude_highly_expressed: bool,
    /// Share of a cell's counts, 0 to 1. Default: 0.05.
    pub max_fraction: f64,
}

impl Default for NormalizeConfig {
    fn default() -> Self {
        Self { target_sum: None, exclude_highly_expressed: false, max_fraction: 0.05 }
    }
}

/// Four ways to say which genes vary more than their mean explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum VariableGenesFlavor {
    /// Logarithm of the dispersion, standardised among genes of like mean. Wants log1p values.
    #[default]
    Seurat,
    /// Dispersion against the median of genes of like mean. Wants log1p values.
    CellRanger,
    /// Variance after standardising by a smooth fit; with batches the median rank decides, then their number. Wants
    /// counts.
    SeuratV3,
    /// As `SeuratV3`, but the number of batches decides, then the median rank.
    SeuratV3Paper,
}

/// Choice of the genes that vary most (`scanpy.pp.highly_variable_genes`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VariableGenesConfig {
    /// How variability is measured. Default: seurat.
    pub flavor: VariableGenesFlavor,
    /// Genes to choose; the cutoffs below are then ignored. Default: by the cutoffs (seurat, cell_ranger), 2,000
    /// (seurat_v3).
    pub n_top_genes: Option<usize>,
    /// Mean above which a gene can be chosen. Default: 0.0125.
    pub min_mean: f64,
    /// Mean below which a gene can be chosen. Default: 3.
    pub max_mean: f64,
    /// Normalised dispersion above which a gene is chosen. Default: 0.5.
    pub min_dispersion: f64,
    /// Normalised dispersion below which a gene is chosen. Default: none.
    pub max_dispersion: Option<f64>,
    /// Bins of the mean, of equal width (seurat). Default: 20.
    pub n_bins: usize,
    /// Share of the genes that each local fit sees (seurat_v3). Default: 0.3.
    pub span: f64,
    /// Base of the logarithm that the values are in (seurat). Default: e.
    pub log_base: Option<f64>,
}

impl Default for VariableGenesConfig {
    fn default() -> Self {
        Self {
            flavor: VariableGenesFlavor::default(),
            n_top_genes: None,
            min_mean: 0.0125,
            max_mean: 3.0,
            min_dispersion: 0.5,
            max_dispersion: None,
            n_bins: 20,
            span: 0.3,
            log_base: None,
        }
    }
}

impl VariableGenesConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.n_top_genes == Some(0) {
            return Err("n_top_genes is 0; it must be at least 1".into());
        }
        if self.n_bins == 0 || self.n_bins > 10_000 {
            return Err(format!("n_bins is {}; it must lie in 1 to 10,000", self.n_bins));
        }
        if !(self.span > 0.0 && self.span <= 1.0) {
            return Err(format!("span is {}; it must lie above 0 and up to 1", self.span));
        }
        if let Some(base) = self.log_base.filter(|base| !(base.is_finite() && *base > 1.0)) {
            return Err(format!("log_base is {base}; it must be above 1"));
        }
        for (name, value) in
            [("min_mean", self.min_mean), ("max_mean", self.max_mean), ("min_dispersion", self.min_dispersion)]
        {
            if value.is_nan() {
                return Err(format!("{name} is no number"));
            }
        }
        Ok(())
    }
}

/// How the map of the expression is made: of which genes, and whether each counts alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MapConfig {
    /// Which genes; none for all. Default: the 1,000 that vary most by the flavour of Seurat.
    pub genes: Option<VariableGenesConfig>,
    /// Column of `obs` whose labels are batches: variability is measured in each. Default: none.
    pub batch_column: Option<String>,
    /// Whether each gene is scaled to unit variance first. Default: no.
    pub scale: Option<ScaleConfig>,
}

impl Default for MapConfig {
    fn default() -> Self {
        let genes = VariableGenesConfig { n_top_genes: Some(1000), ..VariableGenesConfig::default() };
        Self { genes: Some(genes), batch_column: None, scale: None }
    }
}

/// Scaling of each gene to unit variance (`scanpy.pp.scale`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleConfig {
    /// Whether the mean is subtracted. Default: yes.
    pub zero_center: bool,
    /// Scaled values are cut off here, and with `zero_center` at minus this too. Default: none.
    pub max_value: Option<f64>,
}

impl Default for ScaleConfig {
    fn default() -> Self {
        Self { zero_center: true, max_value: None }
    }
}
