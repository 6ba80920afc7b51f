//! Losses of pretraining and one optimiser step: the value of what is hidden, and the embedding of the whole cell.
//!
//! Both losses are sums over cells, divided by what the whole batch has, so that a batch computed in parts gives the
//! gradients of one.

use burn::tensor::Tensor;
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
struct Learning {
    student: Encoder,
    predictor: CellPredictor,
    value_head: ValueHead,
}

/// `w_v Σ (r(h_i) - v_i)² / hidden + w_e Σ (1 - cos(p(ê), e)) / cells`: the student reads cells with hidden values, the
/// teacher whole ones. Nothing is recorded.
pub fn pretrain_loss(model: &CellJepa, cells: &TokenBatch, config: &CellJepaConfig, dropout: &mut Dropout) -> Losses {
    let CellJepa { student, predictor, value_head, .. } = model.clone();
    let learning = Learning { student, predictor, value_head };
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
    let predicted = learning.predictor.forward(cell_of(tokens.clone()), dropout);
    let missed = (learning.value_head.forward(tokens) - cells.values.clone()) * cells.hidden.clone();
    let value = missed.square().sum() / totals.n_hidden;
    let embedding = loss::cosine_distances(predicted, target).sum() / totals.n_cells;
    let weighted = [
        (LossTerm::HiddenValues, config.value_weight, value),
        (LossTerm::CellEmbedding, config.embedding_weight, embedding),
    ];
    summed(weighted.map(|(term, weight, value)| Term { term, weight, value }).to_vec())
}

fn summed(terms: Vec<Term>) -> Losses {
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
    model.teacher = moving_average(model.teacher.clone(), &model.student, config.ema_decay);
    if !config.average_embeddings {
        model.teacher.share_embeddings(&model.student);
    }
    losses
}
