//! A checkpoint with its bank of vectors, as `predict` and `eval` take them from their arguments.

use std::path::PathBuf;

use anyhow::{Context, Result};
use engine::jepa::bank::Bank;
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use spec::model::Mode;

use crate::dataset::Dataset;

/// Which model answers, and on what it is computed.
#[derive(Debug, clap::Args)]
pub struct ModelArguments {
    /// The checkpoint (.safetensors).
    #[arg(long)]
    checkpoint: PathBuf,
    /// Perturbation vectors by gene (.npz or .safetensors).
    #[arg(long)]
    bank: PathBuf,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

impl ModelArguments {
    /// Reads the bank.
    pub fn bank(&self) -> Result<Bank> {
        Ok(crate::vectors::load(&self.bank)?.bank)
    }

    /// Reads the checkpoint onto the device.
    pub fn predictor(&self) -> Result<Predictor> {
        let bytes = crate::file::read(&self.checkpoint)?;
        let device = block_on(crate::train::open_device(self.cpu))?;
        Predictor::from_bytes(&bytes, &device).with_context(|| self.checkpoint.display().to_string())
    }
}

/// The mean response of some rows to a perturbation, per gene (log1p units); `report` hears how many rows are done.
pub async fn mean_response(
    predictor: &Predictor,
    dataset: &Dataset,
    rows: &[usize],
    vector: &[f32],
    mode: Mode,
    mut report: impl FnMut(usize),
) -> Result<Vec<f32>> {
    let mut run = predictor.predict(&dataset.expression, rows, dataset.weights.as_deref(), vector, mode)?;
    while let Some(n_done) = run.advance().await? {
        report(n_done);
    }
    Ok(run.finish())
}
