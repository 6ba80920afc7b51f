//! What can go wrong in a session, said so that a person can act on it: what was wrong and where, and what to do.

use cells::counts::CountsError;
use cells::genes::NoGeneInCommon;
use cells::prepare::ExpressError;
use cells::prepare::scale::ScaleError;
use cells::prepare::variable::VariableGenesError;
use cells::read::ReadError;
use thiserror::Error;

use crate::store::StoreError;

/// Why a request has no answer.
#[derive(Debug, Error)]
pub enum EngineError {
    /// Somebody asked for the request to stop.
    #[error("stopped")]
    Cancelled,
    /// The request needs something that is not there yet.
    #[error("{what} before {needed}")]
    OutOfOrder {
        /// What was asked.
        what: &'static str,
        /// What must come first.
        needed: &'static str,
    },
    /// A file could not be understood or read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The values cannot become expression.
    #[error(transparent)]
    Express(#[from] ExpressError),
    /// A matrix that does not hold together.
    #[error(transparent)]
    Counts(#[from] CountsError),
    /// No choice of variable genes.
    #[error(transparent)]
    VariableGenes(#[from] VariableGenesError),
    /// Too few genes were chosen.
    #[error("this choice of variable genes takes {n_chosen} of {n_genes}; a map needs at least 2")]
    FewGenes {
        /// Genes that were chosen.
        n_chosen: usize,
        /// Genes of the file.
        n_genes: usize,
    },
    /// The genes cannot be scaled.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// No cell is left.
    #[error("the filters drop all {n_read} cells")]
    Filters {
        /// Cells that were read.
        n_read: usize,
    },
    /// The file and the checkpoint share no gene.
    #[error("the genes of this file and of the checkpoint: {0}")]
    Genes(#[from] NoGeneInCommon),
    /// The checkpoint or one of its tables could not be loaded.
    #[error("{object}: {reason}")]
    Checkpoint {
        /// The file of the checkpoint.
        object: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The model could not run.
    #[error(transparent)]
    Model(#[from] jepa::Error),
    /// A run is not there, or not as it should be.
    #[error("{0}")]
    Run(String),
    /// A run could not be kept or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The map could not be made.
    #[error(transparent)]
    Map(#[from] atlas::pca::PcaError),
    /// Numbers of cells that make no table.
    #[error(transparent)]
    Rows(#[from] atlas::rows::RowsError),
    /// There are no neighbours.
    #[error(transparent)]
    Neighbours(#[from] atlas::neighbours::NeighbourError),
    /// There are no clusters.
    #[error(transparent)]
    Clusters(#[from] atlas::leiden::ClusterError),
    /// There is no layout.
    #[error(transparent)]
    Layout(#[from] atlas::umap::UmapError),
    /// There are no markers.
    #[error(transparent)]
    Markers(#[from] atlas::markers::MarkerError),
    /// Expression that cannot be read by gene.
    #[error(transparent)]
    Columns(#[from] atlas::markers::columns::ColumnsError),
    /// There are no scores.
    #[error(transparent)]
    Scores(#[from] atlas::scores::ScoreError),
    /// Settings that make no sense.
    #[error("{0}")]
    Settings(String),
    /// Groups of cells that cannot be compared.
    #[error("{0}")]
    Groups(String),
    /// What was found could not be written.
    #[error("{0}")]
    Export(String),
    /// The device could not be opened.
    #[error("no device to compute on: {0}")]
    Device(String),
    /// There is nothing to evaluate, or not like that.
    #[error("{0}")]
    Evaluation(String),
    /// There are no cells to predict from.
    #[error("{0}")]
    Cells(String),
    /// The loaded model is one that embeds cells.
    #[error("the loaded model is a Cell-JEPA: it embeds cells and predicts no perturbations")]
    PredictsNothing,
    /// The question has no answer with this checkpoint.
    #[error("{0}")]
    Query(String),
}

impl EngineError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Cancelled => "What was there before is still there.",
            Self::OutOfOrder { .. } => "Do that first, then ask again.",
            Self::Read(_) | Self::Express(_) | Self::Counts(_) => {
                "What was loaded before is still there. Mend the file as the message says, or choose another."
            }
            Self::Filters { .. } => "The cells are as they were: widen the bounds.",
            Self::Genes(_) => {
                "Choose a file of the same species with gene symbols or Ensembl ids, or a checkpoint of these genes."
            }
            Self::Checkpoint { .. } => "Add what the message asks for, or choose another checkpoint; if this was the built-in one, reload the page.",
            Self::Model(_) => {
                "Try again with fewer cells; if it stays, the checkpoint does not fit these cells or this device."
            }
            Self::VariableGenes(_) | Self::FewGenes { .. } | Self::Scale(_) => "Choose another way to pick the genes of the map, or all genes.",
            Self::Run(_) => "Choose another run, or start a new one.",
            Self::Store(_) => "Free some of the browser's storage for this site, or delete old runs; what was not kept stays in memory while this page is open: save it as a file.",
            Self::Map(_) => "A map needs at least two cells and two genes with finite values.",
            Self::Rows(_) | Self::Neighbours(_) | Self::Clusters(_) | Self::Layout(_) => {
                "Keep more cells, or change the settings of the map as the message says."
            }
            Self::Settings(_) => "Change the setting that the message names.",
            Self::Markers(_) | Self::Columns(_) | Self::Groups(_) => {
                "Compare groups of at least two cells each, with at least two cells outside."
            }
            Self::Scores(_) => "Choose a column with at least two labels, and fewer labels than cells.",
            Self::Export(_) => "Keep fewer cells (bounds on the histograms, or fewer cells to read), then save again.",
            Self::Device(_) => "Update the browser or its graphics driver; without a GPU the page computes on the CPU.",
            Self::Evaluation(_) => "Choose the labels under Load, other held-out perturbations, or a model of these cells.",
            Self::Cells(_) => "Choose other cells: all control cells, another group, or a lasso around some of them.",
            Self::PredictsNothing => {
                "Look at its map and scores in step 2, or load a BioJEPA-AC (the built-in example is one) to predict."
            }
            Self::Query(_) => "Choose another gene or another mode.",
        }
        .into()
    }
}
