//! The encoder: tokens of genes with their values, through blocks that normalise after each step (post-LN), as scGPT's.
//!
//! A hidden value is the sentinel -1. A token whose value is hidden, and padding, is read by no other, so that the cell's
//! embedding (the token `<cls>`, at place 0) depends on what is seen alone.

use burn::tensor::{Tensor, activation};
use spec::cell_jepa::CellJepaConfig;

use crate::cell_jepa::attention::masked_attention;
use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::tokens::TokenBatch;
use crate::model::init::Init;
use crate::model::layers::{LayerNorm, Linear};
use crate::model::parameters::parameters;

/// Value of a token whose own is hidden.
const SENTINEL: f64 = -1.0;
/// Largest value that the value network reads, as scGPT's.
const MAX_VALUE: f64 = 512.0;
/// Largest magnitude of the gene table at the start, as scGPT's.
const TABLE_BOUND: f64 = 0.1;

/// What of a cell the encoder sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// All its values.
    Whole,
    /// Those that the batch does not hide.
    Masked,
}

/// Encoder of a cell's expressed genes.
#[derive(Debug, Clone)]
pub struct Encoder {
    genes: GeneEncoder,
    values: ValueEncoder,
    blocks: Vec<Block>,
}

parameters!(Encoder {
    genes: "encoder", values: "value_encoder", blocks: "transformer_encoder.layers"
} keep {});

impl Encoder {
    /// An encoder of `n_genes`.
    pub fn init(config: &CellJepaConfig, n_genes: usize, init: &mut Init) -> Self {
        let d_model = config.d_model;
        Self {
            genes: GeneEncoder {
                embedding: init.uniform_within([n_genes + CellJepaConfig::N_SPECIAL, d_model], TABLE_BOUND),
                norm: LayerNorm::init(d_model, init),
            },
            values: ValueEncoder {
                first: Linear::uniform(1, d_model, init),
                last: Linear::uniform(d_model, d_model, init),
                norm: LayerNorm::init(d_model, init),
            },
            blocks: (0..config.n_layers).map(|_| Block::init(config, init)).collect(),
        }
    }

    /// Tokens `[B, N, d]` of cells.
    pub fn forward(&self, cells: &TokenBatch, view: View, dropout: &mut Dropout) -> Tensor<3> {
        self.forward_with(cells, view, None, dropout)
    }

    /// The same with something more `[B, N, d]` added to each token.
    pub fn forward_with(
        &self,
        cells: &TokenBatch,
        view: View,
        more: Option<Tensor<3>>,
        dropout: &mut Dropout,
    ) -> Tensor<3> {
        let (values, unread) = match view {
            View::Whole => (cells.values.clone(), cells.padding.clone()),
            View::Masked => {
                let seen = cells.hidden.clone().neg() + 1.0;
                // What is hidden is set to zero first, so that nothing of it is left.
                let values = cells.values.clone() * seen + cells.hidden.clone() * SENTINEL;
                (values, cells.padding.clone() + cells.hidden.clone())
            }
        };
        let [n_cells, n_tokens] = values.dims();
        let has_value = cells.has_value.clone().reshape([n_cells, n_tokens, 1]);
        let values = dropout.apply(self.values.forward(values));
        let tokens = self.genes.forward(cells) + values * has_value;
        let tokens = match more {
            Some(more) => tokens + more,
            None => tokens,
        };
        self.blocks.iter().fold(tokens, |tokens, block| block.forward(tokens, &unread, dropout))
    }

    /// Takes the table of genes and the value network of another.
    pub fn share_embeddings(&mut self, other: &Self) {
        (self.genes, self.values) = (other.genes.clone(), other.values.clone());
    }

    /// The normalised table's rows of the cells' tokens, `[B, N, d]`.
    pub fn genes_of(&self, cells: &TokenBatch) -> Tensor<3> {
        self.genes.forward(cells)
    }

    /// The cells' embeddings `[B, d]`.
    pub fn embed(&self, cells: &TokenBatch, view: View, dropout: &mut Dropout) -> Tensor<2> {
        cell_of(self.forward(cells, view, dropout))
    }
}

/// The token `<cls>` of each cell, `[B, d]`.
pub fn cell_of(tokens: Tensor<3>) -> Tensor<2> {
    let [n_cells, _, d_model] = tokens.dims();
    tokens.narrow(1, 0, 1).reshape([n_cells, d_model])
}

/// The table of genes, normalised.
#[derive(Debug, Clone)]
pub struct GeneEncoder {
    /// `[genes + 2, d]`; the last two are `<cls>` and `<pad>`.
    embedding: Tensor<2>,
    norm: LayerNorm,
}

parameters!(GeneEncoder { embedding: "embedding.weight", norm: "enc_norm" } keep {});

impl GeneEncoder {
    /// `[B, N, d]`.
    pub fn forward(&self, cells: &TokenBatch) -> Tensor<3> {
        let [n_cells, n_tokens] = cells.genes.dims();
        let d_model = self.embedding.dims()[1];
        let rows = self.embedding.clone().select(0, cells.genes.clone().reshape([n_cells * n_tokens]));
        self.norm.forward(rows.reshape([n_cells, n_tokens, d_model]))
    }
}

/// A small network of one number.
#[derive(Debug, Clone)]
pub struct ValueEncoder {
    first: Linear,
    last: Linear,
    norm: LayerNorm,
}

parameters!(ValueEncoder { first: "linear1", last: "linear2", norm: "norm" } keep {});

impl ValueEncoder {
    /// `[B, N]` to `[B, N, d]`.
    fn forward(&self, values: Tensor<2>) -> Tensor<3> {
        let [n_cells, n_tokens] = values.dims();
        let values = values.clamp_max(MAX_VALUE).reshape([n_cells, n_tokens, 1]);
        self.norm.forward(self.last.forward(activation::relu(self.first.forward(values))))
    }
}

/// Attention with one matrix for queries, keys and values, as PyTorch keeps it.
#[derive(Debug, Clone)]
struct SelfAttention {
    /// `[3 d, d]`.
    in_weight: Tensor<2>,
    in_bias: Tensor<1>,
    out: Linear,
    n_heads: usize,
    scale: f64,
}

parameters!(SelfAttention {
    in_weight: "in_proj_weight", in_bias: "in_proj_bias", out: "out_proj"
} keep { n_heads, scale });

impl SelfAttention {
    fn init(config: &CellJepaConfig, init: &mut Init) -> Self {
        let d_model = config.d_model;
        let bound = (6.0 / (4 * d_model) as f64).sqrt();
        let width = if config.scale_by_head { d_model / config.n_heads } else { d_model };
        Self {
            in_weight: init.uniform_within([3 * d_model, d_model], bound),
            in_bias: init.constant([3 * d_model], 0.0),
            out: Linear { bias: init.constant([d_model], 0.0), ..Linear::uniform(d_model, d_model, init) },
            n_heads: config.n_heads,
            scale: 1.0 / (width as f64).sqrt(),
        }
    }

    /// `[B, N, d]` to `[B, N, d]`; what is `unread` `[B, N]` is read by itself alone.
    fn forward(&self, x: Tensor<3>, unread: &Tensor<2>) -> Tensor<3> {
        let [n_cells, n_tokens, d_model] = x.dims();
        let projected = Linear { weight: self.in_weight.clone(), bias: self.in_bias.clone() }.forward(x);
        let shape = [n_cells, n_tokens, self.n_heads, d_model / self.n_heads];
        let heads = |at: usize| projected.clone().narrow(2, at * d_model, d_model).reshape(shape).swap_dims(1, 2);
        let read = masked_attention(heads(0), heads(1), heads(2), unread, self.scale);
        self.out.forward(read.swap_dims(1, 2).reshape([n_cells, n_tokens, d_model]))
    }
}

/// Attention and feed-forward, each added to its input and then normalised.
#[derive(Debug, Clone)]
struct Block {
    attention: SelfAttention,
    linear1: Linear,
    linear2: Linear,
    norm1: LayerNorm,
    norm2: LayerNorm,
}

parameters!(Block {
    attention: "self_attn", linear1: "linear1", linear2: "linear2", norm1: "norm1", norm2: "norm2"
} keep {});

impl Block {
    fn init(config: &CellJepaConfig, init: &mut Init) -> Self {
        let (d_model, hidden) = (config.d_model, config.feed_forward);
        Self {
            attention: SelfAttention::init(config, init),
            linear1: Linear::uniform(d_model, hidden, init),
            linear2: Linear::uniform(hidden, d_model, init),
            norm1: LayerNorm::init(d_model, init),
            norm2: LayerNorm::init(d_model, init),
        }
    }

    fn forward(&self, x: Tensor<3>, unread: &Tensor<2>, dropout: &mut Dropout) -> Tensor<3> {
        let read = dropout.apply(self.attention.forward(x.clone(), unread));
        let x = self.norm1.forward(x + read);
        let inner = dropout.apply(activation::relu(self.linear1.forward(x.clone())));
        let inner = dropout.apply(self.linear2.forward(inner));
        self.norm2.forward(x + inner)
    }
}
