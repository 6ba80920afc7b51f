//! Losses of pretraining and one optimiser step: the value of what is hidden, and the embedding of the whole cell.
//!
//! Both losses are sums over cells, divided by what the whole batch has, so that a batch computed in parts gives the
//! gradients of one.

use burn::tensor::{Int, Tensor, TensorData};
use spec::cell_jepa::CellJepaConfig;
use spec::train::report::LossTerm;

use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::encoder::{Encoder, View, cell_of};
use crate::cell_jepa::tokens::TokenBatch;
use crate::cell_jepa::{CellJepa, CellPredictor, ValueHead};
use crate::loss::{self, Losses, Term};
use crate::model::parameters::Parameters;
use crate::optim::{AdamW, NamedGradients, moving_average};
use crate::step::StepSettings;
use crate::step::parts::ranges;

/// What a loss is divided by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    n_cells: f64,
    n_hidden: f64,
}

impl Totals {
    /// Those of a batch; where nothing is hidden there is nothing to divide, and the sum is zero.
    pub fn of(cells: &TokenBatch) -> Self {
        let n_hidden = cells.n_hidden.iter().sum::<usize>().max(1);
        Self { n_cells: cells.n_cells().max(1) as f64, n_hidden: n_hidden as f64 }
    }
}

/// The parts that gradients train.
#[derive(Debug, Clone)]
pub(super) struct Learning {
    pub(super) student: Encoder,
    pub(super) predictor: CellPredictor,
    pub(super) value_head: ValueHead,
    pub(super) generator: Option<Tensor<2>>,
}

/// `w_v Σ (r(h_i) - v_i)² / hidden + w_e Σ (1 - cos(p(ê), e)) / cells`: the student reads cells with hidden values, the
/// teacher whole ones. Fine-tuning adds `Σ (f(y_i)ᵀ W ê - v_i)² / hidden` and the [contrast](loss::kind_contrast) of ê.
/// Nothing is recorded.
pub fn pretrain_loss(model: &CellJepa, cells: &TokenBatch, config: &CellJepaConfig, dropout: &mut Dropout) -> Losses {
    let CellJepa { student, predictor, value_head, generator, .. } = model.clone();
    let learning = Learning { student, predictor, value_head, generator };
    losses(&learning, &model.teacher, cells, Totals::of(cells), config, dropout)
}

fn losses(
    learning: &Learning,
    teacher: &Encoder,
    cells: &TokenBatch,
    totals: Totals,
    config: &CellJepaConfig,
    dropout: &mut Dropout,
) -> Losses {
    let target = teacher.embed(cells, View::Whole, &mut Dropout::none());
    let tokens = learning.student.forward(cells, View::Masked, dropout);
    let cell = cell_of(tokens.clone());
    let predicted = learning.predictor.forward(cell.clone(), dropout);
    let error = |told: Tensor<2>| {
        let missed = (told - cells.values.clone()) * cells.hidden.clone();
        missed.square().sum() / totals.n_hidden
    };
    let value = error(learning.value_head.forward(tokens));
    let embedding = loss::cosine_distances(predicted, target).sum() / totals.n_cells;
    let weighted = [
        (LossTerm::HiddenValues, config.value_weight, value),
        (LossTerm::CellEmbedding, config.embedding_weight, embedding),
    ];
    let mut terms = weighted.map(|(term, weight, value)| Term { term, weight, value }).to_vec();
    if let (Some(generator), Some(tuning)) = (&learning.generator, &config.fine_tune) {
        let told = generated(&learning.student, generator, cells, cell.clone());
        let (term, weight) = (LossTerm::GeneratedValues, tuning.generated_weight);
        terms.push(Term { term, weight, value: error(told) });
        let value = contrast(cell, &cells.kinds, tuning.contrast_temperature);
        terms.push(Term { term: LossTerm::TypeContrast, weight: tuning.contrast_weight, value });
    }
    summed(terms)
}

/// The values of all genes as the cell's embedding `[B, d]` tells them, `[B, N]`.
fn generated(student: &Encoder, generator: &Tensor<2>, cells: &TokenBatch, cell: Tensor<2>) -> Tensor<2> {
    let [n_cells, n_tokens] = cells.values.dims();
    let asked = cell.matmul(generator.clone().transpose()).unsqueeze_dim::<3>(2);
    student.genes_of(cells).matmul(asked).reshape([n_cells, n_tokens])
}

/// The contrast of the cells whose kind is known.
fn contrast(cell: Tensor<2>, kinds: &[Option<u32>], temperature: f64) -> Tensor<1> {
    let (places, kinds): (Vec<i32>, Vec<u32>) =
        (0..).zip(kinds).filter_map(|(place, kind)| Some((place, (*kind)?))).unzip();
    if kinds.is_empty() {
        return (cell * 0.0).sum();
    }
    let n = places.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &cell.device().inner());
    loss::kind_contrast(cell.select(0, places), &kinds, temperature)
}

/// Their weighted sum.
pub(super) fn summed(terms: Vec<Term>) -> Losses {
    let weighted = terms.iter().map(|term| term.value.clone() * term.weight).collect();
    Losses { total: Tensor::cat(weighted, 0).sum(), terms }
}

/// Loss and gradients of a batch, computed in `n_parts`.
pub fn pretrain_gradients(
    model: &CellJepa,
    cells: &TokenBatch,
    config: &CellJepaConfig,
    n_parts: usize,
    dropout: &mut Dropout,
) -> (Losses, NamedGradients) {
    let learning = Learning {
        student: model.student.tracked(),
        predictor: model.predictor.tracked(),
        value_head: model.value_head.tracked(),
        generator: model.generator.tracked(),
    };
    let totals = Totals::of(cells);
    let mut gradients = NamedGradients::default();
    let mut sum: Option<Vec<Term>> = None;
    for range in ranges(cells.n_cells(), n_parts) {
        let found = losses(&learning, &model.teacher, &cells.part(range), totals, config, dropout);
        let mut recorded = found.total.backward();
        gradients.add("student", &learning.student, &mut recorded);
        gradients.add("predictor", &learning.predictor, &mut recorded);
        gradients.add("value_head", &learning.value_head, &mut recorded);
        gradients.add("generator.weight", &learning.generator, &mut recorded);
        let found = found.inner().terms;
        sum = Some(match sum {
            None => found,
            Some(sum) => sum.into_iter().zip(found).map(|(a, b)| Term { value: a.value + b.value, ..a }).collect(),
        });
    }
    (summed(sum.unwrap_or_default()), gradients)
}

/// One step of pretraining; the teacher follows the student. Returns the loss before the step.
pub fn pretrain_step(
    model: &mut CellJepa,
    optimiser: &mut AdamW,
    cells: &TokenBatch,
    config: &CellJepaConfig,
    settings: StepSettings,
    dropout: &mut Dropout,
) -> Losses {
    let (losses, mut gradients) = pretrain_gradients(model, cells, config, settings.n_parts, dropout);
    if let Some(max_norm) = settings.clip_norm {
        gradients.clip(max_norm);
    }
    let StepSettings { lr, beta1, .. } = settings;
    model.student = optimiser.step("student", model.student.clone(), &gradients, lr, beta1);
    model.predictor = optimiser.step("predictor", model.predictor.clone(), &gradients, lr, beta1);
    model.value_head = optimiser.step("value_head", model.value_head.clone(), &gradients, lr, beta1);
    model.generator = optimiser.step("generator.weight", model.generator.clone(), &gradients, lr, beta1);
    model.teacher = moving_average(model.teacher.clone(), &model.student, config.ema_decay);
    if !config.average_embeddings {
        model.teacher.share_embeddings(&model.student);
    }
    losses
}
