//! The map of a population: neighbours, clusters and a layout of its cells, what tells groups of them apart, and how well
//! clusters meet labels. Configurations, and the tables that come back.
//!
//! Defaults are scanpy 1.11's, so that an empty config means what the same calls without arguments mean there.

use serde::{Deserialize, Serialize};

use crate::message::EmbeddingMap;
use crate::prediction::Query;

/// Components of expression that are computed; as many as scanpy's default.
pub const N_COMPONENTS: usize = 50;

/// The cluster of a row that has none: it was dropped, or not drawn.
pub const NO_CLUSTER: u32 = u32::MAX;

/// The numbers in which cells are near each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Representation {
    /// Principal components of expression.
    Expression,
    /// The model's latent states.
    Latent,
}

impl Representation {
    /// Both.
    pub const ALL: [Representation; 2] = [Self::Expression, Self::Latent];

    /// In plain words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Expression => "expression",
            Self::Latent => "latent states",
        }
    }

    /// Name of its clusters as a column of `obs`: scanpy's, and ours.
    pub fn cluster_column(self) -> &'static str {
        match self {
            Self::Expression => "leiden",
            Self::Latent => "leiden_latent",
        }
    }

    /// Name of its layout in `obsm`.
    pub fn layout_key(self) -> &'static str {
        match self {
            Self::Expression => "X_umap",
            Self::Latent => "X_umap_latent",
        }
    }
}

/// How neighbours, clusters and the layout are made (`scanpy.pp.neighbors`, `tl.leiden`, `tl.umap`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PopulationConfig {
    /// Components of expression in which neighbours are sought, of the [`N_COMPONENTS`] there are; latent states are
    /// taken whole. Default: 50.
    pub n_pcs: usize,
    /// Neighbours of a cell, itself counted. Default: 15.
    pub n_neighbours: usize,
    /// The higher, the more clusters. Default: 1.
    pub resolution: f64,
    /// How near cells may come in the layout, in its units. Default: 0.5.
    pub min_dist: f64,
    /// Times that the strongest links are used. Default: 500 for up to 10,000 cells, else 200.
    pub n_epochs: Option<usize>,
    /// Seed of all draws. Default: 0.
    pub seed: u64,
}

impl Default for PopulationConfig {
    fn default() -> Self {
        Self { n_pcs: N_COMPONENTS, n_neighbours: 15, resolution: 1.0, min_dist: 0.5, n_epochs: None, seed: 0 }
    }
}

impl PopulationConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.n_pcs == 0 || self.n_pcs > N_COMPONENTS {
            return Err(format!("n_pcs is {}; it must lie in 1 to {N_COMPONENTS}", self.n_pcs));
        }
        if !(2..=200).contains(&self.n_neighbours) {
            return Err(format!("n_neighbours is {}; it must lie in 2 to 200", self.n_neighbours));
        }
        if !(self.resolution.is_finite() && (0.0..=100.0).contains(&self.resolution)) {
            return Err(format!("resolution is {}; it must lie in 0 to 100", self.resolution));
        }
        if !(self.min_dist.is_finite() && (0.0..=1.0).contains(&self.min_dist)) {
            return Err(format!("min_dist is {}; it must lie in 0 to 1", self.min_dist));
        }
        if self.n_epochs.is_some_and(|n| n == 0 || n > 10_000) {
            return Err("n_epochs must lie in 1 to 10,000".into());
        }
        Ok(())
    }
}

/// A step of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapStep {
    /// Neighbours and the graph of them.
    Neighbours,
    /// Clusters of the graph.
    Clusters,
    /// Its layout.
    Layout,
}

/// The map of one representation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapped {
    /// Of what.
    pub representation: Representation,
    /// How.
    pub config: PopulationConfig,
    /// The layout; NaN for rows that were dropped or not drawn.
    pub map: EmbeddingMap,
    /// The cluster of each row, 0 the largest; [`NO_CLUSTER`] for rows that were dropped or not drawn.
    #[serde(with = "crate::floats::u32s")]
    pub clusters: Vec<u32>,
    /// Cells of each cluster.
    pub sizes: Vec<usize>,
    /// Modularity of the clusters at the resolution asked for.
    pub modularity: f64,
    /// Neighbours that each cell has, itself counted.
    pub n_neighbours: usize,
    /// The steps that were computed for this answer; the others were there already.
    pub computed: Vec<MapStep>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// Groups of cells to compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Grouping {
    /// The clusters of a map.
    Clusters {
        /// Of which.
        representation: Representation,
    },
    /// The labels of a column.
    Column {
        /// Its name.
        name: String,
    },
    /// What the labels of the perturbation column were understood to mean.
    Perturbation,
    /// Chosen cells against the others.
    Selection {
        /// Rows, as they were read.
        #[serde(with = "crate::floats::u32s")]
        rows: Vec<u32>,
    },
}

impl Grouping {
    /// In plain words.
    pub fn label(&self) -> String {
        match self {
            Self::Clusters { representation } => format!("clusters of {}", representation.label()),
            Self::Column { name } => name.clone(),
            Self::Perturbation => "perturbation".into(),
            Self::Selection { .. } => "selection".into(),
        }
    }
}

/// A test of two groups of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum MarkerTest {
    /// Welch's t-test: scanpy's `t-test`.
    #[default]
    Welch,
    /// The rank sum: scanpy's `wilcoxon`.
    Wilcoxon,
    /// The rank sum, its variance corrected for equal values: `wilcoxon` with `tie_correct`.
    WilcoxonTies,
}

impl MarkerTest {
    /// In plain words.
    pub fn label(self) -> &'static str {
        match self {
            Self::Welch => "Welch’s t-test",
            Self::Wilcoxon => "Wilcoxon rank sum",
            Self::WilcoxonTies => "Wilcoxon rank sum, corrected for ties",
        }
    }
}

/// How markers are sought (`scanpy.tl.rank_genes_groups`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarkerOptions {
    /// Default: Welch's t-test.
    pub test: MarkerTest,
    /// The group that all others are compared with. Default: each with all other cells.
    pub reference: Option<String>,
    /// Genes told of each group, the best first; what is saved has all. Default: 100.
    pub n_told: usize,
}

impl Default for MarkerOptions {
    fn default() -> Self {
        Self { test: MarkerTest::default(), reference: None, n_told: 100 }
    }
}

/// What was found of one gene in one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Marker {
    /// Symbol.
    pub gene: String,
    /// t, or z of the rank sum: positive where the group is higher.
    pub score: f64,
    /// Of the means, base 2.
    pub log2_fold_change: f64,
    /// Two-sided.
    pub p: f64,
    /// After Benjamini and Hochberg, over all genes of the group.
    pub p_adjusted: f64,
    /// Share of the group's cells in which the gene is not 0.
    pub fraction: f64,
    /// The same for the cells that it is compared with.
    pub fraction_rest: f64,
}

/// The markers of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupMarkers {
    /// The group.
    pub name: String,
    /// Its cells.
    pub n_cells: usize,
    /// Genes by score, the best first.
    pub markers: Vec<Marker>,
}

/// Markers of groups.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarkerTable {
    /// Of which groups.
    pub grouping: Grouping,
    /// How.
    pub options: MarkerOptions,
    /// Genes that were tested.
    pub n_genes: usize,
    /// Each group that could be compared.
    pub groups: Vec<GroupMarkers>,
    /// What a person should know: groups that were too small.
    pub warnings: Vec<String>,
}

/// How well clusters of one representation meet labels, and how far the labels lie apart in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RepresentationScores {
    /// Of what: `PCA of expression (50 components)`, `latent states (64 numbers)`.
    pub name: String,
    /// Which.
    pub representation: Representation,
    /// Cells that were clustered.
    pub n_cells: usize,
    /// Of them, those with a label.
    pub n_labelled: usize,
    /// Clusters at resolution 1, which knows nothing of the labels.
    pub n_clusters: usize,
    /// Normalised mutual information of those clusters and the labels, 0 to 1.
    pub nmi: f64,
    /// Adjusted Rand index of the same; 0 by chance.
    pub ari: f64,
    /// Silhouette of the labels, brought to 0..1; none where it is not defined.
    pub asw: Option<f64>,
    /// `(NMI + ARI + ASW) / 3` of those clusters.
    pub avg_bio: Option<f64>,
    /// The same with the clustering that meets the labels best, of 20 resolutions 0.1 to 2.0: optimistic.
    pub tuned: Option<TunedScores>,
    /// The same by Louvain clusters, as scGPT and the paper of Cell-JEPA have it: optimistic too.
    #[serde(default)]
    pub tuned_louvain: Option<TunedScores>,
    /// The mean of the best of the 10 resolutions 0.2, 0.4, … 2.0.
    pub tuned_of_10: Option<f64>,
}

/// AvgBIO with a clustering that was chosen by the labels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TunedScores {
    /// The resolution that was chosen.
    pub resolution: f64,
    /// Of that clustering and the labels.
    pub nmi: f64,
    /// The same.
    pub ari: f64,
    /// `(NMI + ARI + ASW) / 3`.
    pub avg_bio: f64,
}

/// Scores of the representations there are, on the same cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreTable {
    /// Name of the labels.
    pub column: String,
    /// Different labels.
    pub n_labels: usize,
    /// One a representation.
    pub scores: Vec<RepresentationScores>,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// One thing that is known of every cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum CellQuantity {
    /// The expression of a gene, log1p.
    Gene {
        /// Its symbol.
        symbol: String,
    },
    /// A column of the file: labels or numbers.
    Column {
        /// Its name.
        name: String,
    },
    /// A principal component of expression.
    Component {
        /// From 0.
        index: usize,
    },
    /// A number of the latent states.
    Latent {
        /// From 0.
        index: usize,
    },
    /// How far each cell lies along a predicted change, from the mean of all.
    Shift {
        /// The prediction.
        query: Query,
    },
}

/// A column with an entry for every row that was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "as")]
pub enum CellColumn {
    /// A number; NaN where there is none.
    Numbers {
        /// By row.
        #[serde(with = "crate::floats::f32s")]
        values: Vec<f32>,
        /// Their unit.
        unit: String,
    },
    /// A label.
    Labels {
        /// By row, into `names`; `u32::MAX` where there is none.
        #[serde(with = "crate::floats::u32s")]
        codes: Vec<u32>,
        /// The labels.
        names: Vec<String>,
    },
}

#[cfg(test)]
mod tests {
    use super::PopulationConfig;

    #[test]
    fn what_makes_no_sense_is_named() {
        let config = PopulationConfig::default();
        assert_eq!(config.validate(), Ok(()));
        for (wrong, expected) in [
            (PopulationConfig { n_pcs: 0, ..config.clone() }, "n_pcs is 0"),
            (PopulationConfig { n_pcs: 51, ..config.clone() }, "1 to 50"),
            (PopulationConfig { n_neighbours: 1, ..config.clone() }, "n_neighbours is 1"),
            (PopulationConfig { resolution: f64::NAN, ..config.clone() }, "resolution is NaN"),
            (PopulationConfig { min_dist: 1.5, ..config.clone() }, "min_dist is 1.5"),
            (PopulationConfig { n_epochs: Some(0), ..config.clone() }, "n_epochs"),
        ] {
            assert!(wrong.validate().is_err_and(|error| error.contains(expected)), "{wrong:?}");
        }
    }
}
