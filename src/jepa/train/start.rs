//! Starting from a checkpoint instead of from random values: its sizes, its genes, and what is trained of it.
//!
//! Encoder (student and teacher), composer, predictors and decoder are taken over. By default the encoder stays as it is
//! and the stages after alignment run; `train_encoder` leaves every stage to its number of steps. What the file says of the
//! model's sizes holds; a size that the configuration asks for and the file has not is an error that names both.

use burn::tensor::Device;
use spec::checkpoint::CheckpointHeader;
use spec::model::ModelConfig;
use spec::train::TrainConfig;

use super::{Run, Trainer, fresh_decoder};
use crate::batch::TrainingCells;
use crate::checkpoint::{self, Checkpoint};
use crate::error::Error;

/// The configuration of a run that starts from a checkpoint, whose file has these bytes.
///
/// # Errors
/// Names what of the configuration contradicts the checkpoint; and where no stage is left to run.
pub fn started_from(config: &TrainConfig, header: &CheckpointHeader, bytes: &[u8]) -> Result<TrainConfig, Error> {
    let mut config = config.clone();
    config.model = sizes(&config.model, &header.model)?;
    if let Some(target_sum) = config.data.target_sum.filter(|sum| *sum != header.target_sum) {
        return Err(bad(format!(
            "data.target_sum is {target_sum}, the checkpoint was trained on cells scaled to {}",
            header.target_sum
        )));
    }
    config.data.target_sum = Some(header.target_sum);
    config.start_from = Some(checkpoint::fingerprint(bytes));
    if !config.train_encoder {
        config.pretrain.n_steps = 0;
        config.align.n_steps = 0;
    }
    if config.n_steps() == 0 {
        return Err(bad("no stage has steps: give the action or the decoder stage some, or set train_encoder".into()));
    }
    Ok(config)
}

/// The file's sizes. Genes and vectors are left to data and bank, which are compared elsewhere.
fn sizes(ours: &ModelConfig, file: &ModelConfig) -> Result<ModelConfig, Error> {
    let default = ModelConfig::default();
    if ours.version != file.version && ours.version != default.version {
        return Err(bad(format!("model.version is {:?}, the checkpoint's is {:?}", ours.version, file.version)));
    }
    let listed = |model: &ModelConfig| {
        let composer = &model.composer;
        [
            ("d_model", model.d_model),
            ("n_heads", model.n_heads),
            ("n_layers", model.n_layers),
            ("n_pretrain_layers", model.n_pretrain_layers),
            ("composer.n_chemical", composer.n_chemical),
            ("composer.n_dna", composer.n_dna),
            ("composer.n_latent", composer.n_latent),
            ("composer.n_mode", composer.n_mode),
        ]
    };
    for (((name, ours), (_, file)), (_, default)) in listed(ours).into_iter().zip(listed(file)).zip(listed(&default)) {
        // A size that nobody wrote is the default's.
        if ours != file && ours != default {
            return Err(bad(format!("model.{name} is {ours}, the checkpoint's is {file}; leave it out")));
        }
    }
    Ok(file.clone())
}

impl Trainer {
    /// A run that starts from a checkpoint. `config` is that of [`started_from`]; `header` and `cells` have the
    /// checkpoint's genes in its order.
    ///
    /// # Errors
    /// Where sizes or genes are not the checkpoint's, or as [`Trainer::new`].
    pub fn fine_tune(
        config: TrainConfig,
        header: CheckpointHeader,
        cells: TrainingCells,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> Result<Self, Error> {
        require_same_genes(&header.genes, &checkpoint.header.genes)?;
        if config.model != checkpoint.header.model {
            let (ours, file) = (config.model.summary(), checkpoint.header.model.summary());
            return Err(bad(format!("the run is set up for another model ({ours}) than the checkpoint's ({file})")));
        }
        let (model, decoder) = checkpoint.build(&device)?;
        let decoder = decoder.unwrap_or_else(|| fresh_decoder(&config, &device));
        let run = Run::new(&config, model, decoder);
        Self::at(config, header, cells, device, run)
    }
}

fn require_same_genes(ours: &[String], file: &[String]) -> Result<(), Error> {
    if ours.len() != file.len() {
        return Err(bad(format!("the cells have {} genes, the checkpoint {}", ours.len(), file.len())));
    }
    match ours.iter().zip(file).position(|(ours, file)| ours != file) {
        Some(at) => Err(bad(format!("gene {} is {} in the cells, {} in the checkpoint", at + 1, ours[at], file[at]))),
        None => Ok(()),
    }
}

fn bad(problem: String) -> Error {
    Error::Start { problem }
}
