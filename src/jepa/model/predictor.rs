//! The two predictors: of hidden tokens in pretraining, and of the perturbed state under an action.

use burn::tensor::{Tensor, TensorData};
use spec::device::AttentionPath;
use spec::model::ModelConfig;

use crate::model::block::{ActionBlock, ActionReading, CellBlock};
use crate::model::composer::Composed;
use crate::model::init::Init;
use crate::model::layers::{LayerNorm, Linear, gelu_erf};
use crate::model::parameters::parameters;

/// Bounds of the predicted log-variance.
const LOGVAR_RANGE: (f64, f64) = (-10.0, 2.0);

/// Predicts the teacher's tokens from the student's; used in pretraining alone.
#[derive(Debug, Clone)]
pub struct MaskedPredictor {
    blocks: Vec<CellBlock>,
    norm: LayerNorm,
    pred_head: Linear,
}

parameters!(MaskedPredictor { blocks: "blocks", norm: "norm", pred_head: "pred_head" } keep {});

impl MaskedPredictor {
    /// A predictor of the given sizes.
    pub fn init(config: &ModelConfig, init: &mut Init) -> Self {
        let d_model = config.d_model;
        Self {
            blocks: (0..config.n_pretrain_layers).map(|_| CellBlock::init(d_model, config.n_heads, init)).collect(),
            norm: LayerNorm::init(d_model, init),
            pred_head: Linear::init(d_model, d_model, init),
        }
    }

    /// Chooses how attention is computed.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.blocks.iter_mut().for_each(|block| block.set_attention(path));
    }

    /// `[B, N, d]` to `[B, N, d]`.
    pub fn forward(&self, tokens: Tensor<3>) -> Tensor<3> {
        let tokens = self.blocks.iter().fold(tokens, |tokens, block| block.forward(tokens));
        self.pred_head.forward(self.norm.forward(tokens))
    }
}

/// From the action's width to the token's.
#[derive(Debug, Clone)]
struct Adapter {
    first: Linear,
    norm: LayerNorm,
    last: Linear,
}

parameters!(Adapter { first: "0", norm: "1", last: "3" } keep {});

/// The tokens of a perturbation beside that of its vector: how it acts, and on which gene.
#[derive(Debug, Clone)]
struct ActionTokens {
    mode: Linear,
    own_gene: Linear,
    /// Stands for a target that is not among the genes.
    outside: Tensor<2>,
}

parameters!(ActionTokens { mode: "mode", own_gene: "own_gene", outside: "outside" } keep {});

impl ActionTokens {
    fn init(config: &ModelConfig, init: &mut Init) -> Self {
        let d_model = config.d_model;
        Self {
            mode: Linear::init(config.composer.n_mode, d_model, init),
            own_gene: Linear::init(d_model, d_model, init),
            outside: init.truncated_normal([1, d_model], d_model),
        }
    }

    fn silenced(self) -> Self {
        let silent = |layer: Linear| Linear { weight: layer.weight.zeros_like(), bias: layer.bias.zeros_like() };
        Self { mode: silent(self.mode), own_gene: silent(self.own_gene), outside: self.outside.zeros_like() }
    }

    /// Mode `[B, n_mode]` and own genes, whose embeddings are among `genes` `[N, d]`, to two tokens `[B, 2, d]`.
    fn forward(&self, mode: Tensor<2>, own: &[Option<usize>], genes: Tensor<2>) -> Tensor<3> {
        let ([n_genes, _], n_rows, device) = (genes.dims(), own.len(), genes.device());
        let mut chosen = vec![0.0f32; n_rows * n_genes];
        for (row, gene) in chosen.chunks_exact_mut(n_genes).zip(own) {
            gene.and_then(|gene| row.get_mut(gene)).into_iter().for_each(|value| *value = 1.0);
        }
        let is_outside = own.iter().map(|gene| f32::from(gene.is_none_or(|gene| gene >= n_genes))).collect::<Vec<_>>();
        // By products, whose gradients are the same on every run and backend.
        let chosen = Tensor::<2>::from_data(TensorData::new(chosen, [n_rows, n_genes]), &device);
        let is_outside = Tensor::<2>::from_data(TensorData::new(is_outside, [n_rows, 1]), &device);
        let own = self.own_gene.forward(chosen.matmul(genes)) + is_outside.matmul(self.outside.clone());
        Tensor::cat(vec![self.mode.forward(mode).unsqueeze_dim::<3>(1), own.unsqueeze_dim::<3>(1)], 1)
    }
}

/// A prediction of the perturbed state, per gene and latent dimension.
#[derive(Debug, Clone)]
pub struct Predicted {
    /// Mean, `[B, N, d]`.
    pub mu: Tensor<3>,
    /// Logarithm of the variance, within -10 and 2, `[B, N, d]`.
    pub logvar: Tensor<3>,
}

/// Predicts the tokens of the perturbed cell from those of the control cell and an action.
#[derive(Debug, Clone)]
pub struct AcPredictor {
    adapter: Adapter,
    /// None for the reference's single token.
    tokens: Option<ActionTokens>,
    queries: Tensor<2>,
    blocks: Vec<ActionBlock>,
    final_norm: LayerNorm,
    head_mu: Linear,
    head_logvar: Linear,
}

parameters!(AcPredictor {
    adapter: "adapter",
    tokens: "action_tokens",
    queries: "mask_queries.weight",
    blocks: "blocks",
    final_norm: "final_norm",
    head_mu: "head_mu",
    head_logvar: "head_logvar",
} keep {});

impl AcPredictor {
    /// A predictor of the given sizes.
    pub fn init(config: &ModelConfig, init: &mut Init) -> Self {
        let d_model = config.d_model;
        Self {
            adapter: Adapter {
                first: Linear::init(config.composer.n_latent, d_model, init),
                norm: LayerNorm::init(d_model, init),
                last: Linear::init(d_model, d_model, init),
            },
            tokens: config.action_tokens.then(|| ActionTokens::init(config, init)),
            queries: init.truncated_normal([config.n_genes, d_model], d_model),
            blocks: (0..config.n_layers).map(|_| ActionBlock::init(d_model, config.n_heads, init)).collect(),
            final_norm: LayerNorm::init(d_model, init),
            head_mu: Linear::init(d_model, d_model, init),
            head_logvar: Linear::init(d_model, d_model, init),
        }
    }

    /// Sets what the tokens read of an action to zero: every action predicts the same until it has learned otherwise.
    pub fn silence_actions(&mut self) {
        let last = &mut self.adapter.last;
        *last = Linear { weight: last.weight.zeros_like(), bias: last.bias.zeros_like() };
        self.tokens = self.tokens.take().map(ActionTokens::silenced);
    }

    /// Chooses how the tokens read the action.
    pub fn set_reading(&mut self, reading: ActionReading) {
        self.blocks.iter_mut().for_each(|block| block.set_reading(reading));
    }

    /// Chooses how attention is computed.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.blocks.iter_mut().for_each(|block| block.set_attention(path));
    }

    /// The state of cells with tokens `context` `[B, N, d]` under one action each.
    pub fn forward(&self, context: Tensor<3>, actions: Composed) -> Predicted {
        let [n_cells, n_genes, d_model] = context.dims();
        let Composed { action, mode, genes } = actions;
        let action = self.adapter.first.forward(action);
        let action = gelu_erf(self.adapter.norm.forward(action));
        let action = self.adapter.last.forward(action).unsqueeze_dim::<3>(1);
        let action = match &self.tokens {
            None => action,
            Some(tokens) => Tensor::cat(vec![action, tokens.forward(mode, &genes, self.queries.clone())], 1),
        };
        let queries = self.queries.clone().unsqueeze::<3>().expand([n_cells, n_genes, d_model]);
        let mut tokens = Tensor::cat(vec![context, queries], 1);
        for (index, block) in self.blocks.iter().enumerate() {
            // Only the queries are read after the last block.
            let n_kept = if index + 1 == self.blocks.len() { n_genes } else { 2 * n_genes };
            tokens = block.forward(tokens, action.clone(), n_kept);
        }
        let tokens = self.final_norm.forward(tokens);
        let logvar = self.head_logvar.forward(tokens.clone());
        Predicted { mu: self.head_mu.forward(tokens), logvar: logvar.clamp(LOGVAR_RANGE.0, LOGVAR_RANGE.1) }
    }
}
