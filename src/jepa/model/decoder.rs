//! The decoder: one linear map from a gene's latent token to its expression, shared by all genes.

use burn::tensor::{Device, Tensor};

use crate::error::{Error, LoadError};
use crate::model::init::Init;
use crate::model::layers::Linear;
use crate::model::parameters::{self, parameters};
use crate::tensors::TensorMap;

/// Linear decoder from latent to log1p expression.
#[derive(Debug, Clone)]
pub struct Decoder {
    head: Linear,
}

parameters!(Decoder { head: "head" } keep {});

impl Decoder {
    /// A decoder of tokens of width `d_model`, drawn from `seed`.
    pub fn init(d_model: usize, seed: u64, device: &Device) -> Self {
        Self { head: Linear::uniform(d_model, 1, &mut Init::seeded(seed, device)) }
    }

    /// The decoder that gives zeros.
    pub fn silenced(self) -> Self {
        let Linear { weight, bias } = self.head;
        Self { head: Linear { weight: weight.zeros_like(), bias: bias.zeros_like() } }
    }

    /// The decoder with the values of `tensors` (`head.weight`, `head.bias`).
    ///
    /// # Errors
    /// Lists every tensor that is missing, surplus, wrong-shaped or not finite.
    pub fn load(self, tensors: &TensorMap) -> Result<Self, LoadError> {
        parameters::load(self, "the decoder", tensors)
    }

    /// All values, under PyTorch's names.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn state(&self) -> Result<TensorMap, Error> {
        parameters::state(self).await
    }

    /// `[B, N, d]` to `[B, N]`.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<2> {
        let [n_cells, n_genes, _] = tokens.dims();
        self.head.forward(tokens).reshape([n_cells, n_genes])
    }
}
