//! The smallest parts: linear layer, layer normalisation, the block's feed-forward network and the two GELUs.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use burn::tensor::module::{layer_norm, linear};
use burn::tensor::{Tensor, activation};

use crate::model::init::Init;
use crate::model::parameters::parameters;

/// PyTorch's default.
const LAYER_NORM_EPSILON: f64 = 1e-5;
/// Width of the feed-forward network over width of a token.
const MLP_RATIO: usize = 4;

/// `y = x Wᵀ + b`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `[out, in]`, as PyTorch stores it.
    pub weight: Tensor<2>,
    /// `[out]`.
    pub bias: Tensor<1>,
}

parameters!(Linear { weight: "weight", bias: "bias" } keep {});

impl Linear {
    /// Truncated normal weight, zero bias.
    pub fn init(n_in: usize, n_out: usize, init: &mut Init) -> Self {
        Self { weight: init.truncated_normal([n_out, n_in], n_in), bias: init.constant([n_out], 0.0) }
    }

    /// Uniform weight and bias, as PyTorch does by itself.
    pub fn uniform(n_in: usize, n_out: usize, init: &mut Init) -> Self {
        Self { weight: init.uniform([n_out, n_in], n_in), bias: init.uniform([n_out], n_in) }
    }

    /// Zero weight and bias.
    pub fn zeros(n_in: usize, n_out: usize, init: &mut Init) -> Self {
        Self { weight: init.constant([n_out, n_in], 0.0), bias: init.constant([n_out], 0.0) }
    }

    /// `[.., in]` to `[.., out]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        linear(x, self.weight.clone().transpose(), Some(self.bias.clone()))
    }
}

/// Normalises the last axis, then scales and shifts it.
#[derive(Debug, Clone)]
pub struct LayerNorm {
    /// Scale, `[d]`.
    pub weight: Tensor<1>,
    /// Shift, `[d]`.
    pub bias: Tensor<1>,
}

parameters!(LayerNorm { weight: "weight", bias: "bias" } keep {});

impl LayerNorm {
    /// The identity scale and shift.
    pub fn init(width: usize, init: &mut Init) -> Self {
        Self { weight: init.constant([width], 1.0), bias: init.constant([width], 0.0) }
    }

    /// `[.., d]` to `[.., d]`.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        layer_norm(x, self.weight.clone(), Some(self.bias.clone()), LAYER_NORM_EPSILON)
    }
}

/// The feed-forward network of a block: four times as wide inside, tanh-GELU.
#[derive(Debug, Clone)]
pub struct Mlp {
    c_fc: Linear,
    c_proj: Linear,
}

parameters!(Mlp { c_fc: "c_fc", c_proj: "c_proj" } keep {});

impl Mlp {
    /// A network for tokens of this width.
    pub fn init(width: usize, init: &mut Init) -> Self {
        let hidden = MLP_RATIO * width;
        Self { c_fc: Linear::init(width, hidden, init), c_proj: Linear::init(hidden, width, init) }
    }

    /// `[B, N, d]` to `[B, N, d]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.c_proj.forward(gelu_tanh(self.c_fc.forward(x)))
    }
}

/// `x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))`, written as `x σ(2u)`, which is the same and one operation less.
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let scale = 2.0 * (2.0 / PI).sqrt();
    let inner = (x.clone().square() * (0.044715 * scale) + scale) * x.clone();
    x * activation::sigmoid(inner)
}

/// `x/2 (1 + erf(x / sqrt 2))`; written out because not every backend's own gradient is that of the exact form.
pub fn gelu_erf<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let gate = ((x.clone() * FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
    x * gate
}
