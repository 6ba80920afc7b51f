//! Asking backwards: which perturbation would lead from the control cells towards a signature, or away from it?

use serde::{Deserialize, Serialize};

use crate::model::Mode;
use crate::prediction::Support;

/// What is looked for: genes that should rise or fall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// What it is called.
    pub name: String,
    /// Symbols, each once.
    pub genes: Vec<String>,
    /// One per gene: above 0 where it should rise, below 0 where it should fall; a log fold change, or 1 and -1.
    #[serde(with = "crate::floats::f32s")]
    pub weights: Vec<f32>,
}

/// Which genes are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidates {
    /// Those whose response was measured in the training screen, seen or held out.
    Measured,
    /// The genes of the model and those that were measured.
    #[default]
    OfModel,
    /// All with a vector.
    All,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backwards {
    /// What was looked for.
    pub signature: Signature,
    /// How the genes would be perturbed.
    pub mode: Mode,
    /// Genes of the signature that the model knows.
    pub n_known: usize,
    /// Those that it does not.
    pub unknown: Vec<String>,
    /// Perturbations that were asked about.
    pub n_candidates: usize,
    /// Those that match best, and those that match the reverse best, each with the best first.
    pub towards: Vec<Match>,
    /// The same, away from the signature.
    pub away: Vec<Match>,
    /// Pairs of the twenty best, their changes added: towards the signature.
    pub pairs: Vec<PairMatch>,
    /// The best match that 95 % of shuffled signatures stay below: what chance finds among as many candidates.
    pub chance: f64,
    /// How well the way back is found where it is known; none where nothing was measured.
    pub accuracy: Vec<Retrieval>,
}

/// How a perturbation meets the signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Its gene.
    pub target: String,
    /// What the checkpoint knows of it.
    pub support: Support,
    /// Pearson correlation of the signature with what sets the predicted change apart from the mean of all candidates'.
    pub score: f64,
}

/// How two perturbations together meet it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairMatch {
    /// Their genes.
    pub targets: [String; 2],
    /// As [`Match::score`], of the sum of their changes.
    pub score: f64,
}

/// Where the true perturbation is found when its own measured response is the signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// Of which perturbations.
    pub support: Support,
    /// How many.
    pub n: usize,
    /// Mean share of the other candidates that match better: 0 is best, 0.5 is chance.
    pub mean_rank: f64,
    /// How many are among the best tenth.
    pub n_in_best_tenth: usize,
}
