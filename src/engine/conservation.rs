//! How well an embedding keeps the kinds of cells apart: AvgBIO with its parts, by several ways of clustering (spec §2).
//!
//! The paper's way and scib's choose, among clusterings at many resolutions, the one that meets the labels best: the labels
//! help to choose what is then held against them, so that these numbers are optimistic. One clustering at a resolution that
//! nobody chose stands beside them.

use atlas::leiden::{Algorithm, ClusterConfig, ClusterError, clusters};
use atlas::neighbours::links::connectivities;
use atlas::neighbours::{NeighbourConfig, NeighbourError, neighbours};
use atlas::pca::{PcaError, pca};
use atlas::rows::{Rows, RowsError};
use atlas::scores::silhouette::{SilhouetteConfig, silhouette};
use atlas::scores::{AvgBio, ScoreError};
use cells::counts::Counts;

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConservationError {
    /// The embedding is no rows of numbers.
    #[error("the embedding: {0}")]
    Rows(#[from] RowsError),
    /// Its neighbours cannot be told.
    #[error("the embedding: {0}")]
    Neighbours(#[from] NeighbourError),
    /// It cannot be clustered.
    #[error(transparent)]
    Clusters(#[from] ClusterError),
    /// The labels cannot be held against it.
    #[error("the labels: {0}")]
    Labels(#[from] ScoreError),
    /// Principal components cannot be had.
    #[error(transparent)]
    Components(#[from] PcaError),
}

/// A way of clustering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Louvain at 0.1, 0.2 to 2.0, chosen by the labels: scGPT's, and so the paper's.
    LouvainTwenty,
    /// Leiden at 0.1, 0.2 to 2.0, chosen by the labels.
    LeidenTwenty,
    /// Leiden at 0.2, 0.4 to 2.0, chosen by the labels: scib 1.2's.
    LeidenTen,
    /// Leiden at 1, whatever the labels.
    LeidenOne,
}

impl Sweep {
    /// All, the paper's first.
    pub const ALL: [Sweep; 4] = [Sweep::LouvainTwenty, Sweep::LeidenTwenty, Sweep::LeidenTen, Sweep::LeidenOne];

    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            Sweep::LouvainTwenty => "Louvain, best of 20 by the labels",
            Sweep::LeidenTwenty => "Leiden, best of 20 by the labels",
            Sweep::LeidenTen => "Leiden, best of 10 by the labels",
            Sweep::LeidenOne => "Leiden at 1, not chosen",
        }
    }

    /// Whether the labels choose the clustering that is held against them.
    pub fn is_optimistic(self) -> bool {
        self != Sweep::LeidenOne
    }

    fn algorithm(self) -> Algorithm {
        match self {
            Sweep::LouvainTwenty => Algorithm::Louvain,
            Sweep::LeidenTwenty | Sweep::LeidenTen | Sweep::LeidenOne => Algorithm::Leiden,
        }
    }

    fn resolutions(self) -> Vec<f64> {
        match self {
            Sweep::LouvainTwenty | Sweep::LeidenTwenty => (1..=20).map(|step| f64::from(step) / 10.0).collect(),
            Sweep::LeidenTen => (1..=10).map(|step| f64::from(step) / 5.0).collect(),
            Sweep::LeidenOne => vec![1.0],
        }
    }
}

/// What one way of clustering says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conserved {
    /// Which.
    pub sweep: Sweep,
    /// AvgBIO with its parts.
    pub score: AvgBio,
    /// The resolution that was taken.
    pub resolution: f64,
    /// Clusters at it.
    pub n_clusters: usize,
}

/// Scores an embedding (row-major, `n_dims` a cell) by the cells' labels; neighbours are 15, Euclidean.
///
/// # Errors
/// Where the embedding is not finite or too small, or there are no two labels.
pub fn conserved(values: Vec<f32>, n_dims: usize, labels: &[u32]) -> Result<Vec<Conserved>, ConservationError> {
    let rows = Rows::new(values, n_dims)?;
    let apart = silhouette(&rows, labels, &SilhouetteConfig::default())?.mean;
    let graph = connectivities(&neighbours(&rows, &NeighbourConfig::default())?);
    let mut found = Vec::new();
    for sweep in Sweep::ALL {
        let resolutions = sweep.resolutions();
        let mut clusterings = Vec::with_capacity(resolutions.len());
        for &resolution in &resolutions {
            let config = ClusterConfig { resolution, algorithm: sweep.algorithm(), ..ClusterConfig::default() };
            clusterings.push(clusters(&graph, &config)?.labels);
        }
        let score = AvgBio::new(&clusterings, labels, apart)?;
        let n_clusters = clusterings[score.chosen].iter().max().map_or(0, |most| *most as usize + 1);
        found.push(Conserved { sweep, score, resolution: resolutions[score.chosen], n_clusters });
    }
    Ok(found)
}

/// The first principal components of cells, row-major, and how many they are: what an embedding is to be better than.
///
/// # Errors
/// Where there are fewer than two cells or genes, or a value is not finite.
pub fn components(expression: &Counts, n_most: usize) -> Result<(Vec<f32>, usize), ConservationError> {
    let fill = |row: usize, into: &mut [f64]| {
        into.fill(0.0);
        expression.row(row).for_each(|(gene, value)| into[gene as usize] = f64::from(value));
    };
    let found = pca(expression.n_cells(), expression.n_genes(), n_most, fill)?;
    let n_dims = found.scores.len();
    let rows = 0..expression.n_cells();
    Ok((rows.flat_map(|row| found.scores.iter().map(move |scores| scores[row])).collect(), n_dims))
}
