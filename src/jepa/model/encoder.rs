//! The encoder: from a cell's expression to one latent token per gene. Student and teacher are two of these.
//!
//! A token is the gene's embedding scaled by its expression (v0.4), or moreover modulated by Fourier features of it
//! (v0.5). A masked token is one shared vector: the reference keeps no gene identity in it, `masked_identity` adds the
//! gene's embedding. No positions.

use std::f64::consts::TAU;
use std::ops::Range;

use burn::tensor::Tensor;
use spec::device::AttentionPath;
use spec::model::{ModelConfig, ModelVersion};

use crate::model::block::CellBlock;
use crate::model::init::Init;
use crate::model::layers::{LayerNorm, Linear, gelu_erf};
use crate::model::parameters::{Constant, parameters};

/// Standard deviation of the gene embeddings and the mask token at the start.
const EMBEDDING_STD: f64 = 0.02;
/// Standard deviation of the Fourier frequencies.
const FREQUENCY_STD: f64 = 2.0;
/// The learned factor before the gene embedding at the start.
const LINEAR_SCALE: f32 = 0.75;
/// The learned factor before the Fourier features at the start.
const FOURIER_SCALE: f32 = 0.1;

/// Cells as the encoder reads them.
#[derive(Debug, Clone)]
pub struct CellBatch {
    /// log1p expression, `[B, N]`.
    pub x: Tensor<2>,
    /// `ln(1 + Σ x)` per cell, `[B]`.
    pub log_total: Tensor<1>,
}

impl CellBatch {
    /// Some of the cells.
    pub fn part(&self, cells: Range<usize>) -> Self {
        let (start, n) = (cells.start, cells.len());
        Self { x: self.x.clone().narrow(0, start, n), log_total: self.log_total.clone().narrow(0, start, n) }
    }
}

/// Encoder of a cell's state.
#[derive(Debug, Clone)]
pub struct Encoder {
    gene_embeddings: Tensor<2>,
    film: Option<ExpressionFilm>,
    mask_token: Tensor<3>,
    total_count_proj: Linear,
    blocks: Vec<CellBlock>,
    ln_f: LayerNorm,
    masked_identity: bool,
}

parameters!(Encoder {
    gene_embeddings: "gene_embeddings",
    film: "",
    mask_token: "mask_token",
    total_count_proj: "total_count_proj",
    blocks: "blocks",
    ln_f: "ln_f",
} keep { masked_identity });

impl Encoder {
    /// An encoder of the given sizes and version.
    pub fn init(config: &ModelConfig, init: &mut Init) -> Self {
        let d_model = config.d_model;
        Self {
            gene_embeddings: init.normal([config.n_genes, d_model], EMBEDDING_STD),
            film: (config.version == ModelVersion::V05).then(|| ExpressionFilm::init(d_model, init)),
            mask_token: init.normal([1, 1, d_model], EMBEDDING_STD),
            total_count_proj: Linear::init(1, d_model, init),
            blocks: (0..config.n_layers).map(|_| CellBlock::init(d_model, config.n_heads, init)).collect(),
            ln_f: LayerNorm::init(d_model, init),
            masked_identity: config.masked_identity,
        }
    }

    /// Chooses how attention is computed.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.blocks.iter_mut().for_each(|block| block.set_attention(path));
    }

    /// The learned embedding of each gene, `[N, d]`.
    pub fn gene_embeddings(&self) -> Tensor<2> {
        self.gene_embeddings.clone()
    }

    /// Latent tokens `[B, N, d]` of the cells; `mask` `[B, N]` is 1 where a gene is hidden, else 0.
    pub fn forward(&self, cells: &CellBatch, mask: Option<&Tensor<2>>) -> Tensor<3> {
        let [n_cells, n_genes] = cells.x.dims();
        let mask = mask.map(|mask| mask.clone().reshape([n_cells, n_genes, 1]));
        let x = cells.x.clone().reshape([n_cells, n_genes, 1]);
        // A hidden value is set to zero, so that nothing of it reaches the token.
        let keep = mask.as_ref().map(|mask| mask.clone().neg() + 1.0);
        let x = match &keep {
            Some(keep) => x * keep.clone(),
            None => x,
        };
        let genes = self.gene_embeddings.clone().unsqueeze::<3>();
        let tokens = match (&self.film, keep) {
            (None, _) => x * genes.clone(),
            (Some(film), None) => film.forward(x, genes.clone()),
            (Some(film), Some(keep)) => film.forward(x, genes.clone()) * keep,
        };
        let tokens = match mask {
            Some(mask) if self.masked_identity => tokens + mask * (genes + self.mask_token.clone()),
            Some(mask) => tokens + mask * self.mask_token.clone(),
            None => tokens,
        };
        let total = self.total_count_proj.forward(cells.log_total.clone().reshape([n_cells, 1, 1]));
        let tokens = self.blocks.iter().fold(tokens + total, |tokens, block| block.forward(tokens));
        self.ln_f.forward(tokens)
    }
}

/// What v0.5 adds to the value: a learned scale, and a FiLM from Fourier features of the expression.
#[derive(Debug, Clone)]
struct ExpressionFilm {
    linear_scaler: Tensor<2>,
    fourier_input_scaler: Tensor<2>,
    frequencies: Constant<2>,
    film_in: Linear,
    film_out: Linear,
}

parameters!(ExpressionFilm {
    linear_scaler: "linear_scaler.weight",
    fourier_input_scaler: "fourier_input_scaler.weight",
    frequencies: "fourier_projection.B",
    film_in: "film_generator.0",
    film_out: "film_generator.2",
} keep {});

impl ExpressionFilm {
    /// Starts as the identity: the last layer is zero.
    fn init(d_model: usize, init: &mut Init) -> Self {
        Self {
            linear_scaler: init.constant([1, 1], LINEAR_SCALE),
            fourier_input_scaler: init.constant([1, 1], FOURIER_SCALE),
            frequencies: Constant(init.normal([1, d_model / 2], FREQUENCY_STD)),
            film_in: Linear::init(d_model, d_model, init),
            film_out: Linear::zeros(d_model, 2 * d_model, init),
        }
    }

    /// `x` `[B, N, 1]` and gene embeddings `[1, N, d]` to tokens `[B, N, d]`: `a x E (1 + γ) + β`.
    fn forward(&self, x: Tensor<3>, genes: Tensor<3>) -> Tensor<3> {
        let scaled = x.clone() * self.linear_scaler.clone().unsqueeze::<3>() * genes;
        let turns =
            x * self.fourier_input_scaler.clone().unsqueeze::<3>() * self.frequencies.0.clone().unsqueeze::<3>();
        // Whole turns are taken off: WebGPU promises the accuracy of sine and cosine between -π and π only.
        let angle = (turns.clone() - turns.detach().round()) * TAU;
        let features = Tensor::cat(vec![angle.clone().sin(), angle.cos()], 2);
        let film = self.film_out.forward(gelu_erf(self.film_in.forward(features)));
        let d_model = film.dims()[2] / 2;
        let gamma = film.clone().narrow(2, 0, d_model);
        let beta = film.narrow(2, d_model, d_model);
        scaled * (gamma + 1.0) + beta
    }
}
