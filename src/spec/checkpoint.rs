//! What a checkpoint says of itself: the header of its safetensors file and the demo's card.

use serde::{Deserialize, Serialize};

use crate::cell_jepa::CellJepaConfig;
use crate::model::{Mode, ModelConfig};
use crate::train::Baseline;
use crate::train::anchor::AnchorConfig;

/// The header of a checkpoint, stored as JSON in the safetensors metadata under `waddington`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointHeader {
    /// Format of this header; 1 today.
    pub format: u32,
    /// Sizes of the model.
    pub model: ModelConfig,
    /// Set where the model is a Cell-JEPA, of whose `model` only `n_genes` counts. Default: none, a BioJEPA-AC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell_jepa: Option<CellJepaConfig>,
    /// Gene symbols in token order; `model.n_genes` of them.
    pub genes: Vec<String>,
    /// Their Ensembl ids, without version, by which files without symbols are matched; empty where they are not known,
    /// an empty text where one is not. Default: none known.
    #[serde(default)]
    pub gene_ids: Vec<String>,
    /// Library size that cells are scaled to before log1p (counts per cell).
    pub target_sum: f64,
    /// Modes that the training data held; empty where there is no record of them.
    pub modes: Vec<Mode>,
    /// Targets seen in training.
    pub seen: Vec<String>,
    /// Targets measured but held out of training.
    pub held_out: Vec<String>,
    /// What a predicted state is compared with. Default: the control state.
    #[serde(default)]
    pub baseline: Baseline,
    /// Cells that were averaged into one example in training; a query averages as many. Default: 1.
    #[serde(default = "one")]
    pub cells_per_example: usize,
    /// How far a query draws a perturbation's vector towards those of training. Default: not at all.
    #[serde(default)]
    pub shrinkage: Option<VectorShrinkage>,
    /// The anchor that the network corrects; its values are the tensors under `anchor.`. Default: none.
    #[serde(default)]
    pub anchor: Option<AnchorConfig>,
}

impl CheckpointHeader {
    /// Whether it embeds cells and predicts no responses.
    pub fn is_cell_jepa(&self) -> bool {
        self.cell_jepa.is_some()
    }

    /// Name and sizes in one line.
    pub fn summary(&self) -> String {
        match &self.cell_jepa {
            Some(model) => model.summary(self.genes.len()),
            None => self.model.summary(),
        }
    }

    /// Numbers of a cell's state.
    pub fn width(&self) -> usize {
        self.cell_jepa.as_ref().map_or(self.model.d_model, |model| model.d_model)
    }

    /// What the states of cells are called.
    pub fn states(&self) -> &'static str {
        if self.is_cell_jepa() { "Cell-JEPA embedding" } else { "latent states" }
    }
}

/// A query asks with `mean + weight (vector - mean)`: a model that saw few targets overrates what sets one apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorShrinkage {
    /// Mean vector of the targets seen in training.
    pub mean: Vec<f32>,
    /// What is left of the difference from it, 0 to 1.
    pub weight: f32,
}

fn one() -> usize {
    1
}

/// How well one method does on held-out targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodScore {
    /// Name of the method: `model`, `no change`, `training mean`, ….
    pub method: String,
    /// Mean over targets of the Pearson correlation of predicted and measured change; none where undefined.
    pub delta_pearson: Option<f64>,
    /// Mean over targets of the mean squared error (log1p units squared).
    pub mse: f64,
}

/// Scores of one held-out target, per method in the order of [`Card::scores`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetScore {
    /// The target.
    pub target: String,
    /// Its cells.
    pub n_cells: usize,
    /// Delta Pearson per method.
    pub delta_pearson: Vec<Option<f64>>,
    /// Mean squared error per method (log1p units squared).
    pub mse: Vec<f64>,
}

/// The card of a shipped checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// What the model is, in one line.
    pub title: String,
    /// Where the data come from.
    pub data_source: String,
    /// Under which terms derived tables are shared.
    pub data_licence: String,
    /// How the cells were split.
    pub split: String,
    /// Scores on held-out targets, the model first.
    pub scores: Vec<MethodScore>,
    /// The same per target.
    pub targets: Vec<TargetScore>,
    /// What it cannot do, most important first.
    pub limitations: Vec<String>,
    /// The command that made it.
    pub command: String,
}
