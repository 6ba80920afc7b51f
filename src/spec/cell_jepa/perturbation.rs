//! The perturbation task of a Cell-JEPA: what is told, and what its losses weigh.

use serde::{Deserialize, Serialize};

/// What the value head's output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldAs {
    /// The perturbed value itself, as the paper.
    #[default]
    Absolute,
    /// Its difference from the control's.
    Delta,
}

/// The losses of the task. Values are log1p expression; nothing is masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PerturbationTuning {
    /// What is told. Default: the value itself.
    pub told_as: ToldAs,
    /// Weight of the squared error over all genes. Default: 1.
    pub value_weight: f64,
    /// Weight of `1 - cos` of predicted and teacher's embedding. Default: 1000.
    pub embedding_weight: f64,
    /// Weight of the contrast of perturbations. Default: 0.8.
    pub contrast_weight: f64,
    /// Temperature of that choice. A8, assumed; the paper does not say. Default: 0.1.
    pub contrast_temperature: f64,
}

impl Default for PerturbationTuning {
    fn default() -> Self {
        Self {
            told_as: ToldAs::default(),
            value_weight: 1.0,
            embedding_weight: 1000.0,
            contrast_weight: 0.8,
            contrast_temperature: 0.1,
        }
    }
}
