//! A perturbation query and its answer, the baselines and the measured response beside it.

use serde::{Deserialize, Serialize};

use crate::model::Mode;

/// What does perturbing `target` do to the control cells of the prepared data?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Symbol of the perturbed gene.
    pub target: String,
    /// How it is perturbed.
    pub mode: Mode,
}

/// What the checkpoint knows of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// Its response was in the training data: the prediction is a recollection.
    Seen,
    /// Measured, but held out of training: the prediction can be checked.
    HeldOut,
    /// Never measured; it has a vector, so it can be asked for.
    NeverMeasured,
}

/// How far a target is from those of training, by their vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// The training target whose vector is most alike.
    pub target: String,
    /// Cosine of the two.
    pub cosine: f64,
    /// The cosine that nineteen of twenty training targets reach with their own nearest.
    pub usual: f64,
    /// Whether this one is farther than that: outside of what was learnt from.
    pub is_outside: bool,
}

/// What can be said of the error of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertainty {
    /// Intervals, made of the errors on perturbations that were held out.
    Intervals(Intervals),
    /// Nothing, and why.
    Unknown {
        /// In plain words.
        reason: String,
    },
}

impl Uncertainty {
    /// The intervals, where there are some.
    pub fn intervals(&self) -> Option<&Intervals> {
        match self {
            Self::Intervals(intervals) => Some(intervals),
            Self::Unknown { .. } => None,
        }
    }
}

/// Intervals around a prediction: split conformal, per gene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Share of measured changes that are to lie inside, for perturbations like those held out.
    pub promised: f64,
    /// Share that did, each held-out perturbation looked at with widths from the others; none where they are too few.
    pub found: Option<f64>,
    /// Held-out perturbations whose errors make the widths.
    pub n_targets: usize,
    /// Where they were measured.
    pub source: String,
    /// Half width per gene (log1p units); NaN for the target's own gene, whose change is unlike that of others, and for
    /// genes that were not measured.
    #[serde(with = "crate::floats::f32s")]
    pub half_width: Vec<f32>,
}

/// A measured mean response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Where it was measured: the prepared file, or the demo's own table.
    pub source: String,
    /// Perturbed cells.
    pub n_cells: usize,
    /// Control cells.
    pub n_control_cells: usize,
    /// Mean change per gene against control (log1p units); NaN for genes that were not measured.
    #[serde(with = "crate::floats::f32s")]
    pub delta: Vec<f32>,
    /// Standard error of that change (log1p units).
    #[serde(with = "crate::floats::f32s")]
    pub standard_error: Vec<f32>,
}

/// The answer to a [`Query`]. All vectors have one entry per gene of `genes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What was asked.
    pub query: Query,
    /// What the checkpoint knows of the target.
    pub support: Support,
    /// The training target that is most alike; none for one of training itself, or without vectors of these.
    #[serde(default)]
    pub nearest: Option<Nearest>,
    /// Symbols, in the checkpoint's order.
    pub genes: Vec<String>,
    /// Mean of the control cells (log1p units); NaN for genes that the cells' file lacks.
    #[serde(with = "crate::floats::f32s")]
    pub control_mean: Vec<f32>,
    /// Predicted mean change against control (log1p units).
    #[serde(with = "crate::floats::f32s")]
    pub delta: Vec<f32>,
    /// How far it may be off.
    pub uncertainty: Uncertainty,
    /// Baseline: mean change over the training perturbations, each target weighing the same (log1p units); none
    /// where the checkpoint ships no table.
    pub training_mean: Option<Vec<f32>>,
    /// The measured response, where there is one.
    pub measured: Option<Measured>,
    /// Agreement with the measured response per method, the model first; empty where nothing was measured.
    pub agreement: Vec<crate::checkpoint::MethodScore>,
    /// What stands between this prediction and belief in it, in plain words.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Control cells the prediction was averaged over.
    pub n_control_cells: usize,
    /// Rows of the prepared data that hold them: as many, or fewer where a row is a metacell.
    pub n_control_rows: usize,
    /// Wall time in seconds.
    pub elapsed_secs: f64,
}

/// A gene that can be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Symbol.
    pub symbol: String,
    /// What the checkpoint knows of it.
    pub support: Support,
}
