//! The losses of the four stages, each with its formula. All are differentiable and return one value, `[1]`.
//!
//! B cells, N genes, d latent dimensions; a mask `[B, N]` is 1 where a gene counts and 0 elsewhere.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};

/// Weight of the prediction term in pretraining and in the action stage.
pub const PREDICTION_WEIGHT: f64 = 25.0;
/// Weight of the variance hinge.
pub const HINGE_WEIGHT: f64 = 25.0;
/// Weight of the covariance term.
pub const COVARIANCE_WEIGHT: f64 = 1.0;
/// Temperature of the contrastive loss.
pub const TEMPERATURE: f64 = 0.07;

/// Keeps the square root of the variance differentiable at zero.
const VARIANCE_EPSILON: f64 = 1e-4;
/// Smallest norm a vector is divided by.
const NORM_EPSILON: f64 = 1e-12;

/// `Σ m |p − t| / (d Σ m)`: mean absolute difference over the masked tokens of `[B, N, d]`.
pub fn masked_l1(predicted: Tensor<3>, target: Tensor<3>, mask: &Tensor<2>) -> Tensor<1> {
    masked_mean((predicted - target).abs(), mask)
}

/// Mean over the masked tokens of `½ (log σ² + (y − μ)² / σ²)`, without the constant; `[B, N, d]` each.
///
/// The reference floors σ² at 1e-6, which a log-variance of at least -10 never reaches.
pub fn masked_gaussian_nll(mu: Tensor<3>, logvar: Tensor<3>, target: Tensor<3>, mask: &Tensor<2>) -> Tensor<1> {
    let scaled = (target - mu).square() * logvar.clone().neg().exp();
    masked_mean((logvar + scaled) * 0.5, mask)
}

/// `25 (hinge(x) + hinge(y)) + (cov(x) + cov(y))` over all tokens of `[B, N, d]`, masked or not; see [`Spread`].
pub fn vicreg(x: Tensor<3>, y: Tensor<3>) -> Tensor<1> {
    let (x, y) = (Spread::of(x), Spread::of(y));
    (x.hinge + y.hinge) * HINGE_WEIGHT + (x.covariance + y.covariance) * COVARIANCE_WEIGHT
}

/// How far tokens are from a collapse, over the (B N) × d matrix of all tokens.
///
/// A collapsed network (every token the same) has hinge 0.99 in each argument, so [`vicreg`] is 49.5.
#[derive(Debug, Clone)]
pub struct Spread {
    /// `mean_d max(0, 1 − sqrt(var_d + 1e-4))`, variance with n − 1.
    pub hinge: Tensor<1>,
    /// `Σ_{i≠j} C_ij² / d`, covariance with n − 1.
    pub covariance: Tensor<1>,
}

impl Spread {
    /// The spread of tokens `[B, N, d]`.
    pub fn of(tokens: Tensor<3>) -> Self {
        let [n_cells, n_genes, d_model] = tokens.dims();
        let n_rows = n_cells * n_genes;
        let rows = tokens.reshape([n_rows, d_model]);
        let centred = rows.clone() - rows.mean_dim(0);
        let divisor = 1.0 / (n_rows as f64 - 1.0).max(1.0);
        let variance = centred.clone().square().sum_dim(0) * divisor;
        let deviation = (variance + VARIANCE_EPSILON).sqrt();
        let hinge = (deviation.neg() + 1.0).clamp_min(0.0).mean();
        let product = centred.clone().transpose().matmul(centred) * divisor;
        let off_diagonal = Tensor::<2>::eye(d_model, &product.device()).neg() + 1.0;
        let covariance = (product * off_diagonal).square().sum() / d_model as f64;
        Self { hinge, covariance }
    }
}

/// Cross-entropy of `a_i · p_j / τ` with the diagonal as target; rows `[B, n_latent]` are normalised first.
///
/// In one direction: anchors choose among the positives of the batch.
pub fn info_nce(anchors: Tensor<2>, positives: Tensor<2>) -> Tensor<1> {
    let n_rows = anchors.dims()[0];
    let logits = normalise(anchors).matmul(normalise(positives).transpose()) / TEMPERATURE;
    let diagonal = Tensor::<1, Int>::arange(0..n_rows as i64, &logits.device()).reshape([n_rows, 1]);
    log_softmax(logits, 1).gather(1, diagonal).mean().neg()
}

/// Mean of `(x − y)²` over `[B, N]`.
pub fn mean_squared_error(x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    (x - y).square().mean()
}

/// Mean over the masked tokens and all latent dimensions; not a number where nothing is masked, as in the reference.
fn masked_mean(values: Tensor<3>, mask: &Tensor<2>) -> Tensor<1> {
    let [n_cells, n_genes, d_model] = values.dims();
    let sum = (values * mask.clone().reshape([n_cells, n_genes, 1])).sum();
    sum / (mask.clone().sum() * d_model as f64)
}

/// Rows of length 1.
fn normalise(rows: Tensor<2>) -> Tensor<2> {
    let norm = rows.clone().square().sum_dim(1).sqrt().clamp_min(NORM_EPSILON);
    rows / norm
}
