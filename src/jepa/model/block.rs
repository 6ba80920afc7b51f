//! The two kinds of transformer block, both normalising before each step (pre-LN).

use burn::tensor::Tensor;
use spec::device::AttentionPath;

use crate::model::attention::Attention;
use crate::model::init::Init;
use crate::model::layers::{LayerNorm, Mlp};
use crate::model::parameters::parameters;

/// Self-attention and feed-forward: the block of the encoders and of the masked predictor.
#[derive(Debug, Clone)]
pub struct CellBlock {
    ln_1: LayerNorm,
    attn: Attention,
    ln_2: LayerNorm,
    mlp: Mlp,
}

parameters!(CellBlock { ln_1: "ln_1", attn: "attn", ln_2: "ln_2", mlp: "mlp" } keep {});

impl CellBlock {
    /// A block for tokens of width `d_model`.
    pub fn init(d_model: usize, n_heads: usize, init: &mut Init) -> Self {
        Self {
            ln_1: LayerNorm::init(d_model, init),
            attn: Attention::init(d_model, n_heads, init),
            ln_2: LayerNorm::init(d_model, init),
            mlp: Mlp::init(d_model, init),
        }
    }

    /// Chooses how attention is computed.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.attn.set_path(path);
    }

    /// `[B, N, d]` to `[B, N, d]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.ln_1.forward(x.clone());
        let x = x + self.attn.forward(normed.clone(), normed);
        let normed = self.ln_2.forward(x.clone());
        x + self.mlp.forward(normed)
    }
}

/// How the tokens of the action-conditioned predictor read the single action token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActionReading {
    /// The value itself, which linear attention over one token returns; see [`Attention::read_single`].
    #[default]
    Identity,
    /// The reference's way, through queries and keys that cancel.
    Long,
}

/// Reading the action, self-attention and feed-forward: the block of the action-conditioned predictor.
#[derive(Debug, Clone)]
pub struct ActionBlock {
    ln_1: LayerNorm,
    action_attn: Attention,
    ln_2: LayerNorm,
    self_attn: Attention,
    ln_3: LayerNorm,
    mlp: Mlp,
    reading: ActionReading,
}

parameters!(ActionBlock {
    ln_1: "ln_1", action_attn: "action_attn", ln_2: "ln_2", self_attn: "self_attn", ln_3: "ln_3", mlp: "mlp"
} keep { reading });

impl ActionBlock {
    /// A block for tokens of width `d_model`.
    pub fn init(d_model: usize, n_heads: usize, init: &mut Init) -> Self {
        Self {
            ln_1: LayerNorm::init(d_model, init),
            action_attn: Attention::init(d_model, n_heads, init),
            ln_2: LayerNorm::init(d_model, init),
            self_attn: Attention::init(d_model, n_heads, init),
            ln_3: LayerNorm::init(d_model, init),
            mlp: Mlp::init(d_model, init),
            reading: ActionReading::default(),
        }
    }

    /// Chooses how the action is read.
    pub fn set_reading(&mut self, reading: ActionReading) {
        self.reading = reading;
    }

    /// Chooses how attention is computed.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.action_attn.set_path(path);
        self.self_attn.set_path(path);
    }

    /// Tokens `x` `[B, N, d]` under `action` `[B, A, d]`, of which the last `n_kept` are returned: `[B, n_kept, d]`.
    /// More than one action token is always read through queries and keys.
    ///
    /// The tokens that are dropped are still read by those that are kept.
    pub fn forward(&self, x: Tensor<3>, action: Tensor<3>, n_kept: usize) -> Tensor<3> {
        let x = match self.reading {
            ActionReading::Identity if action.dims()[1] == 1 => x + self.action_attn.read_single(action),
            ActionReading::Identity | ActionReading::Long => {
                let normed = self.ln_1.forward(x.clone());
                x + self.action_attn.forward(normed, action)
            }
        };
        let normed = self.ln_2.forward(x.clone());
        let x = last(x, n_kept) + self.self_attn.forward(last(normed.clone(), n_kept), normed);
        let normed = self.ln_3.forward(x.clone());
        x + self.mlp.forward(normed)
    }
}

/// The last `n_kept` tokens of `[B, N, d]`.
fn last(x: Tensor<3>, n_kept: usize) -> Tensor<3> {
    let n_tokens = x.dims()[1];
    if n_kept == n_tokens { x } else { x.narrow(1, n_tokens - n_kept, n_kept) }
}
