//! What can go wrong in this crate; each variant names the operation and the object.

use crate::train::assemble::AssemblyError;

/// An error of the learning crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration of a model is not usable.
    #[error("model configuration: {problem}")]
    Config {
        /// The field, its value and what it must be.
        problem: String,
    },
    /// Parameters do not fit the model.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Perturbation vectors, modalities and modes do not fit the composer.
    #[error("perturbation vectors: {problem}")]
    Actions {
        /// What was found and what is needed.
        problem: String,
    },
    /// Values could not be read back from the device.
    #[error("reading {name} back from the device: {problem}")]
    Readback {
        /// The tensor.
        name: String,
        /// The device's own words.
        problem: String,
    },
    /// A file of reference tensors is not usable.
    #[error("reference tensors: {problem}")]
    Golden {
        /// The tensor or header field, and what is wrong with it.
        problem: String,
    },
    /// Cells for training do not fit together.
    #[error("training cells: {problem}")]
    TrainingCells {
        /// What disagrees with what.
        problem: String,
    },
    /// Prepared cells make no training run.
    #[error("training: {0}")]
    Assembly(#[from] AssemblyError),
    /// A vocabulary of genes is not usable.
    #[error("vocabulary of genes: {problem}")]
    Vocabulary {
        /// What is wrong with it.
        problem: String,
    },
    /// A bank of perturbation vectors is not usable.
    #[error("bank of perturbation vectors: {problem}")]
    Bank {
        /// What is wrong with it.
        problem: String,
    },
    /// A training run had to stop; it stands again where all was well.
    #[error(
        "training: stopped at step {step} of {stage}: {problem}; the values before it are kept: lower max_lr, or set clip_norm"
    )]
    Training {
        /// The stage, as shown.
        stage: &'static str,
        /// The step, from 1.
        step: usize,
        /// What happened, with the terms of the loss that are not finite.
        problem: String,
    },
    /// A run cannot start from this checkpoint.
    #[error("starting from a checkpoint: {problem}")]
    Start {
        /// What of the checkpoint contradicts what of the run.
        problem: String,
    },
    /// A saved training run is not usable.
    #[error("saved training run: {problem}")]
    SavedRun {
        /// What is wrong with it.
        problem: String,
    },
    /// A checkpoint is not usable.
    #[error("checkpoint: {problem}")]
    Checkpoint {
        /// What is wrong with it.
        problem: String,
    },
    /// A table of measured responses is not usable.
    #[error("measured responses: {problem}")]
    Measured {
        /// What is wrong with it.
        problem: String,
    },
}

/// Parameters that do not fit the model they are loaded into.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameters of {what} do not fit: {} in all; {}{}", problems.len(), problems[..problems.len().min(5)].join("; "), if problems.len() > 5 { "; …" } else { "" })]
pub struct LoadError {
    /// Whose parameters, for example "the model".
    pub what: String,
    /// One line for each missing, surplus, wrong-shaped or non-finite tensor, in the order of their names.
    pub problems: Vec<String>,
}
