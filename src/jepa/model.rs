//! BioJEPA-AC: student and teacher encoders, masked predictor, action composer and action-conditioned predictor.
//!
//! One set of parts serves v0.4 and v0.5; the configuration decides. Parameter names and layouts are the reference's.

pub mod attention;
pub mod block;
pub mod composer;
pub mod decoder;
pub mod encoder;
pub mod init;
pub mod layers;
pub mod parameters;
pub mod predictor;

use burn::tensor::{Device, Tensor};
use spec::device::AttentionPath;
use spec::model::ModelConfig;
use spec::train::Baseline;

use crate::error::{Error, LoadError};
use crate::model::block::ActionReading;
use crate::model::composer::{ActionComposer, Actions};
use crate::model::decoder::Decoder;
use crate::model::encoder::{CellBatch, Encoder};
use crate::model::init::Init;
use crate::model::parameters::{Parameters, parameters};
use crate::model::predictor::{AcPredictor, MaskedPredictor, Predicted};
use crate::tensors::TensorMap;

/// The whole model but for the decoder, which the reference keeps apart.
#[derive(Debug, Clone)]
pub struct BioJepa {
    /// The encoder that learns; reads control cells.
    pub student: Encoder,
    /// Its moving average, never trained by gradients; reads the targets.
    pub teacher: Encoder,
    /// Makes action vectors of perturbations.
    pub composer: ActionComposer,
    /// Predicts the perturbed state.
    pub predictor: AcPredictor,
    /// Predicts hidden tokens in pretraining.
    pub masked_predictor: MaskedPredictor,
}

parameters!(BioJepa {
    student: "student",
    teacher: "teacher",
    composer: "composer",
    predictor: "predictor",
    masked_predictor: "masked_predictor",
} keep {});

/// How many numbers each part learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCounts {
    /// The student; the teacher has as many.
    pub encoder: usize,
    /// The action-conditioned predictor.
    pub predictor: usize,
    /// The action composer.
    pub composer: usize,
    /// The masked predictor.
    pub masked_predictor: usize,
}

impl BioJepa {
    /// A model with initial values drawn from `seed`, the same on every device; the teacher starts as the student.
    ///
    /// # Errors
    /// Where the configuration contradicts itself.
    pub fn init(config: &ModelConfig, seed: u64, device: &Device) -> Result<Self, Error> {
        Self::build(config, &mut Init::seeded(seed, device))
    }

    /// A model of these sizes with the values of `tensors`; see [`BioJepa::load`].
    ///
    /// # Errors
    /// Where the configuration contradicts itself or the tensors do not fit it.
    pub fn from_tensors(config: &ModelConfig, tensors: &TensorMap, device: &Device) -> Result<Self, Error> {
        Ok(Self::build(config, &mut Init::zeros(device))?.load(tensors)?)
    }

    fn build(config: &ModelConfig, init: &mut Init) -> Result<Self, Error> {
        config.validate().map_err(|problem| Error::Config { problem })?;
        let student = Encoder::init(config, init);
        Ok(Self {
            teacher: student.clone(),
            student,
            composer: ActionComposer::init(&config.composer, init),
            predictor: AcPredictor::init(config, init),
            masked_predictor: MaskedPredictor::init(config, init),
        })
    }

    /// The model with the values of `tensors`, under PyTorch's names without a leading `model.`.
    ///
    /// # Errors
    /// Lists every tensor that is missing, surplus, wrong-shaped or not finite.
    pub fn load(self, tensors: &TensorMap) -> Result<Self, LoadError> {
        parameters::load(self, "the model", tensors)
    }

    /// All values, under PyTorch's names and in its layouts.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn state(&self) -> Result<TensorMap, Error> {
        parameters::state(self).await
    }

    /// Chooses how the predictor's tokens read the action.
    pub fn set_action_reading(&mut self, reading: ActionReading) {
        self.predictor.set_reading(reading);
    }

    /// Chooses how attention is computed, in every part.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.student.set_attention(path);
        self.teacher.set_attention(path);
        self.predictor.set_attention(path);
        self.masked_predictor.set_attention(path);
    }

    /// The student's tokens of whole cells, `[B, N, d]`.
    pub fn encode(&self, cells: &CellBatch) -> Tensor<3> {
        self.student.forward(cells, None)
    }

    /// The perturbed state of control cells with tokens `context` `[B, N, d]`, one action per cell.
    pub fn predict(&self, context: Tensor<3>, actions: &Actions) -> Predicted {
        self.predictor.forward(context, self.composer.compose(actions))
    }

    /// The predicted change of expression `[B, N]` of control cells with tokens `context`, one action per cell.
    pub fn change(&self, decoder: &Decoder, context: Tensor<3>, actions: &Actions, baseline: Baseline) -> Tensor<2> {
        let state = decoder.forward(self.predict(context.clone(), actions).mu);
        let unchanged = match baseline {
            Baseline::ControlState => context,
            Baseline::ControlAction => self.predict(context, &actions.none_instead()).mu,
        };
        state - decoder.forward(unchanged)
    }

    /// How many numbers each part learns.
    pub fn n_parameters_by_part(&self) -> ParameterCounts {
        ParameterCounts {
            encoder: self.student.n_parameters(),
            predictor: self.predictor.n_parameters(),
            composer: self.composer.n_parameters(),
            masked_predictor: self.masked_predictor.n_parameters(),
        }
    }
}
