//! Cell-JEPA: an encoder of a cell's expressed genes that learns by predicting, from a view of the cell with some values
//! hidden, the embedding that a moving average of itself makes of the whole cell (arXiv 2602.02093; spec §1).
//!
//! `tokens` makes tokens of cells, `encoder` reads them, `attention` is its memory-frugal core, `step` has losses and one
//! optimiser step, `embed` asks a trained model, `perturbation` is the paper's task of responses. Layers, initial values, optimiser and moving average are those of the other
//! model; parameters have scGPT's names. `train` drives it as any other run.

pub mod attention;
pub mod dropout;
pub mod embed;
pub mod encoder;
pub mod perturbation;
pub mod step;
pub mod tokens;
pub mod vocabulary;

use burn::tensor::{Device, Tensor};
use spec::cell_jepa::CellJepaConfig;

use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::encoder::Encoder;
use crate::error::{Error, LoadError};
use crate::model::init::Init;
use crate::model::layers::{Linear, gelu_erf};
use crate::model::parameters::{self, parameters};
use crate::tensors::TensorMap;

/// Slope of the value head's rectifiers below zero, PyTorch's default.
const LEAKY_SLOPE: f64 = 0.01;

/// The whole model.
#[derive(Debug, Clone)]
pub struct CellJepa {
    /// The encoder that learns; reads cells with hidden values.
    pub student: Encoder,
    /// Its moving average; reads whole cells.
    pub teacher: Encoder,
    /// From the student's embedding of a cell to the teacher's.
    pub predictor: CellPredictor,
    /// From a token to the bin of its value.
    pub value_head: ValueHead,
    /// From the embedding of a cell to what its genes are asked with; fine-tuning alone has it, `[d, d]`.
    pub generator: Option<Tensor<2>>,
}

parameters!(CellJepa {
    student: "student", teacher: "teacher", predictor: "predictor", value_head: "value_head", generator: "generator.weight"
} keep {});

impl CellJepa {
    /// A model of `n_genes` with initial values drawn from `seed`; the teacher starts as the student.
    ///
    /// # Errors
    /// Where the configuration contradicts itself.
    pub fn init(config: &CellJepaConfig, n_genes: usize, seed: u64, device: &Device) -> Result<Self, Error> {
        Self::build(config, n_genes, &mut Init::seeded(seed, device))
    }

    /// A model of these sizes with the values of `tensors`, under scGPT's names.
    ///
    /// # Errors
    /// Where the configuration contradicts itself or the tensors do not fit it.
    pub fn from_tensors(
        config: &CellJepaConfig,
        n_genes: usize,
        tensors: &TensorMap,
        device: &Device,
    ) -> Result<Self, Error> {
        Ok(Self::build(config, n_genes, &mut Init::zeros(device))?.load(tensors)?)
    }

    fn build(config: &CellJepaConfig, n_genes: usize, init: &mut Init) -> Result<Self, Error> {
        config.validate().map_err(|problem| Error::Config { problem })?;
        let student = Encoder::init(config, n_genes, init);
        let d_model = config.d_model;
        Ok(Self {
            teacher: student.clone(),
            student,
            predictor: CellPredictor {
                first: Linear::uniform(d_model, config.predictor_width, init),
                last: Linear::uniform(config.predictor_width, d_model, init),
            },
            value_head: ValueHead {
                first: Linear::uniform(d_model, d_model, init),
                second: Linear::uniform(d_model, d_model, init),
                last: Linear::uniform(d_model, 1, init),
            },
            generator: config.fine_tune.is_some().then(|| init.uniform([d_model, d_model], d_model)),
        })
    }

    /// The model for a run with this configuration: fine-tuning begins with a generator drawn from `seed` where it has none.
    #[must_use]
    pub fn prepared_for(mut self, config: &CellJepaConfig, seed: u64, device: &Device) -> Self {
        let d_model = config.d_model;
        self.generator = match config.fine_tune {
            None => None,
            Some(_) => {
                Some(self.generator.unwrap_or_else(|| Init::seeded(seed, device).uniform([d_model, d_model], d_model)))
            }
        };
        self
    }

    /// The model with the values of `tensors`.
    ///
    /// # Errors
    /// Lists every tensor that is missing, surplus, wrong-shaped or not finite.
    pub fn load(self, tensors: &TensorMap) -> Result<Self, LoadError> {
        parameters::load(self, "the Cell-JEPA", tensors)
    }

    /// All values, under scGPT's names and in PyTorch's layouts.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn state(&self) -> Result<TensorMap, Error> {
        parameters::state(self).await
    }
}

/// Two layers with a GELU between.
#[derive(Debug, Clone)]
pub struct CellPredictor {
    first: Linear,
    last: Linear,
}

parameters!(CellPredictor { first: "0", last: "2" } keep {});

impl CellPredictor {
    /// `[B, d]` to `[B, d]`.
    pub fn forward(&self, cell: Tensor<2>, dropout: &mut Dropout) -> Tensor<2> {
        self.last.forward(dropout.apply(gelu_erf(self.first.forward(cell))))
    }
}

/// scGPT's head: three layers with leaky rectifiers between.
#[derive(Debug, Clone)]
pub struct ValueHead {
    first: Linear,
    second: Linear,
    last: Linear,
}

parameters!(ValueHead { first: "fc.0", second: "fc.2", last: "fc.4" } keep {});

impl ValueHead {
    /// `[B, N, d]` to the bins `[B, N]`.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        let [n_cells, n_tokens, _] = tokens.dims();
        let inner = leaky(self.second.forward(leaky(self.first.forward(tokens))));
        self.last.forward(inner).reshape([n_cells, n_tokens])
    }
}

fn leaky(x: Tensor<3>) -> Tensor<3> {
    x.clone().clamp_min(0.0) + x.clamp_max(0.0) * LEAKY_SLOPE
}
