//! What a run learns: the parts of one of the two models, as tensors by name and back.

use burn::tensor::Device;
use spec::cell_jepa::CellJepaConfig;
use spec::device::AttentionPath;
use spec::train::{Stage, TrainConfig};

use super::fresh_decoder;
use super::state::take;
use crate::cell_jepa::CellJepa;
use crate::checkpoint::{Checkpoint, under};
use crate::error::Error;
use crate::model::BioJepa;
use crate::model::decoder::Decoder;
use crate::tensors::TensorMap;

/// One of the models. Clones share the values.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "a run holds three of them, and their tensors are elsewhere")]
pub(super) enum Learned {
    /// BioJEPA-AC with its decoder.
    BioJepa { model: BioJepa, decoder: Decoder },
    /// Cell-JEPA with its sizes and recipe.
    CellJepa { model: CellJepa, recipe: CellJepaConfig },
}

impl Learned {
    /// Initial values, drawn from the run's seed.
    pub fn init(config: &TrainConfig, device: &Device) -> Result<Self, Error> {
        if let Some(recipe) = config.cell_jepa.clone() {
            let model = CellJepa::init(&recipe, config.model.n_genes, config.seed, device)?;
            return Ok(Self::CellJepa { model, recipe });
        }
        let mut model = BioJepa::init(&config.model, config.seed, device)?;
        if config.silent_actions {
            model.predictor.silence_actions();
        }
        Ok(Self::BioJepa { model, decoder: fresh_decoder(config, device) })
    }

    /// What a checkpoint holds; a decoder that it lacks is a fresh one, and so is one for an anchor that it lacks.
    pub fn of_checkpoint(config: &TrainConfig, checkpoint: &Checkpoint, device: &Device) -> Result<Self, Error> {
        if let Some(recipe) = config.cell_jepa.clone() {
            let (model, _) = checkpoint.build_cell_jepa(device)?;
            let model = model.prepared_for(&recipe, config.seed, device);
            return Ok(Self::CellJepa { model, recipe });
        }
        let (model, decoder) = checkpoint.build(device)?;
        // A decoder that predicts by itself corrects nothing.
        let decoder = decoder.filter(|_| config.anchor.is_none() || checkpoint.header.anchor.is_some());
        Ok(Self::BioJepa { model, decoder: decoder.unwrap_or_else(|| fresh_decoder(config, device)) })
    }

    /// All values: `model.*`, and `decoder.*` where there is one.
    pub async fn tensors(&self) -> Result<TensorMap, Error> {
        match self {
            Self::BioJepa { model, decoder } => {
                let mut tensors = under("model", model.state().await?);
                tensors.extend(under("decoder", decoder.state().await?));
                Ok(tensors)
            }
            Self::CellJepa { model, .. } => Ok(under("model", model.state().await?)),
        }
    }

    /// The other way round.
    pub fn from_tensors(config: &TrainConfig, mut tensors: TensorMap, device: &Device) -> Result<Self, Error> {
        let of_model = take(&mut tensors, "model");
        if let Some(recipe) = config.cell_jepa.clone() {
            let model = CellJepa::from_tensors(&recipe, config.model.n_genes, &of_model, device)?;
            return Ok(Self::CellJepa { model, recipe });
        }
        let decoder = Decoder::init(config.model.d_model, 0, device).load(&take(&mut tensors, "decoder"))?;
        Ok(Self::BioJepa { model: BioJepa::from_tensors(&config.model, &of_model, device)?, decoder })
    }

    /// Where the names of the tensors begin that a stage changes.
    pub fn changed_by(&self, stage: Stage) -> &'static [&'static str] {
        match (self, stage) {
            (Self::CellJepa { .. }, _) => &["model."],
            (_, Stage::Pretrain) => &["model.student.", "model.teacher.", "model.masked_predictor."],
            (_, Stage::Align) => &["model.composer."],
            (_, Stage::Action) => &["model.predictor.", "model.composer."],
            (_, Stage::Decoder) => &["decoder."],
        }
    }

    /// Chooses how linear attention is computed; Cell-JEPA has none.
    pub fn set_attention(&mut self, path: AttentionPath) {
        if let Self::BioJepa { model, .. } = self {
            model.set_attention(path);
        }
    }
}
