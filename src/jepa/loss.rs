//! The losses of the four stages, each with its formula. All are differentiable and return one value, `[1]`.
//!
//! B cells, N genes, d latent dimensions; a mask `[B, N]` is 1 where a gene counts and 0 elsewhere.

mod population;

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use spec::train::report::{LossTerm, TermValue};

use crate::error::Error;
use crate::model::parameters::read_back;
pub use population::energy_distance;

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

/// A loss and what it is the sum of, on the device.
#[derive(Debug, Clone)]
pub struct Losses {
    /// The loss, `[1]`.
    pub total: Tensor<1>,
    /// Its terms; the loss is the sum of weight times value.
    pub terms: Vec<Term>,
}

/// One term of a loss.
#[derive(Debug, Clone)]
pub struct Term {
    /// Which.
    pub term: LossTerm,
    /// What it is multiplied by.
    pub weight: f64,
    /// Without the weight, `[1]`.
    pub value: Tensor<1>,
}

impl Losses {
    /// A loss of one term.
    pub fn of_one(term: LossTerm, value: Tensor<1>) -> Self {
        Self { total: value.clone(), terms: vec![Term { term, weight: 1.0, value }] }
    }

    /// `25 prediction + VICReg(x, y)`, y being the teacher's.
    pub fn regularised(prediction: Tensor<1>, x: Tensor<3>, y: Tensor<3>) -> Self {
        let (x, y) = (Spread::of(x), Spread::of(y));
        let total = prediction.clone() * PREDICTION_WEIGHT + regulariser(&x, &y);
        let terms = [
            (LossTerm::Prediction, PREDICTION_WEIGHT, prediction),
            (LossTerm::Variance, HINGE_WEIGHT, x.hinge),
            (LossTerm::Covariance, COVARIANCE_WEIGHT, x.covariance),
            (LossTerm::TeacherVariance, HINGE_WEIGHT, y.hinge),
            (LossTerm::TeacherCovariance, COVARIANCE_WEIGHT, y.covariance),
        ];
        Self { total, terms: terms.map(|(term, weight, value)| Term { term, weight, value }).to_vec() }
    }

    /// The same loss with one term more.
    pub fn with(mut self, term: LossTerm, weight: f64, value: Tensor<1>) -> Self {
        self.total = self.total + value.clone() * weight;
        self.terms.push(Term { term, weight, value });
        self
    }

    /// The same values without what differentiation recorded.
    pub fn inner(self) -> Self {
        let terms = self.terms.into_iter().map(|term| Term { value: term.value.inner(), ..term }).collect();
        Self { total: self.total.inner(), terms }
    }

    /// The values, in one readback: the loss and its terms.
    ///
    /// # Errors
    /// Where the device fails to give them back.
    pub async fn read(self) -> Result<(f64, Vec<TermValue>), Error> {
        let kinds: Vec<(LossTerm, f64)> = self.terms.iter().map(|term| (term.term, term.weight)).collect();
        let values = std::iter::once(self.total).chain(self.terms.into_iter().map(|term| term.value)).collect();
        let values = read_back("the loss", Tensor::cat(values, 0)).await?;
        let mut values = values.into_iter().map(f64::from);
        let total = values.next().unwrap_or(f64::NAN);
        let terms = kinds.into_iter().zip(values).map(|((term, weight), value)| TermValue { term, value, weight });
        Ok((total, terms.collect()))
    }
}

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
    regulariser(&Spread::of(x), &Spread::of(y))
}

fn regulariser(x: &Spread, y: &Spread) -> Tensor<1> {
    let hinge = x.hinge.clone() + y.hinge.clone();
    let covariance = x.covariance.clone() + y.covariance.clone();
    hinge * HINGE_WEIGHT + covariance * COVARIANCE_WEIGHT
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

/// `1 - cos` of the rows of two matrices `[B, d]`, `[B, 1]`.
pub fn cosine_distances(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    (normalise(x) * normalise(y)).sum_dim(1).neg() + 1.0
}

/// Mean over cells of the cross-entropy of `softmax_j(cos(e_i, e_j) / τ)` to the cells of i's own kind, all alike, i itself
/// among them; embeddings `[B, d]`, a kind each. Zero where there are fewer than two cells.
pub fn kind_contrast(cells: Tensor<2>, kinds: &[u32], temperature: f64) -> Tensor<1> {
    let n = kinds.len();
    let rows = normalise(cells);
    let choice = log_softmax(rows.clone().matmul(rows.transpose()) / temperature, 1);
    let mut wanted = vec![0.0f32; n * n];
    for (row, own) in wanted.chunks_exact_mut(n.max(1)).zip(kinds) {
        let n_alike = kinds.iter().filter(|kind| *kind == own).count() as f32;
        row.iter_mut().zip(kinds).filter(|(_, kind)| *kind == own).for_each(|(share, _)| *share = 1.0 / n_alike);
    }
    let wanted = Tensor::<2>::from_data(TensorData::new(wanted, [n, n]), &choice.device().inner());
    (choice * wanted).sum().neg() / (n as f64).max(1.0)
}

/// Mean over the masked tokens and all latent dimensions; not a number where nothing is masked, as in the reference.
fn masked_mean(values: Tensor<3>, mask: &Tensor<2>) -> Tensor<1> {
    let [n_cells, n_genes, d_model] = values.dims();
    let sum = (values * mask.clone().reshape([n_cells, n_genes, 1])).sum();
    sum / (mask.clone().sum() * d_model as f64)
}

/// Rows of length 1.
pub(crate) fn normalise(rows: Tensor<2>) -> Tensor<2> {
    let norm = rows.clone().square().sum_dim(1).sqrt().clamp_min(NORM_EPSILON);
    rows / norm
}
