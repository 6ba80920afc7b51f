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
    /// The vector that would meet it best; none where no vector leads anywhere.
    pub optimised: Option<Optimised>,
    /// Measured responses that are like it; none where nothing was measured.
    pub mechanism: Option<Mechanism>,
    /// Candidates that were not measured, those worth measuring next first; empty without vectors of training.
    pub priorities: Vec<Priority>,
}

/// The action vector that would meet a signature best, and the genes whose vectors are like it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Optimised {
    /// As [`Match::score`], of the model asked with that vector.
    pub score: f64,
    /// Genes by the cosine of their vector with it (about the mean of all candidates), which is their score.
    pub nearest: Vec<Match>,
    /// How well genes are found this way where they are known.
    pub accuracy: Vec<Retrieval>,
}

/// Measured perturbations whose responses are like a signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mechanism {
    /// Where the responses were measured.
    pub source: String,
    /// Responses compared.
    pub n: usize,
    /// Best first; the score is Pearson's with what sets a measured response apart from the mean of all.
    pub nearest: Vec<Match>,
    /// The best score that 95 % of shuffled signatures stay below.
    pub chance: f64,
}

/// How much would be learnt from measuring a perturbation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Priority {
    /// Its gene.
    pub target: String,
    /// What the checkpoint knows of it.
    pub support: Support,
    /// One less the cosine of its vector with the nearest of training: how unsure the model must be.
    pub distance: f64,
    /// One less the highest correlation of its predicted change with that of a training perturbation: how unlike the known.
    pub distinct: f64,
    /// Length of its predicted change from control (log1p units).
    pub strength: f64,
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

/// Where the true perturbation is found when its own measured response is the signature, the perturbed gene left out of it
/// and of every predicted change.
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
