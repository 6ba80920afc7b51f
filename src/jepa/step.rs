//! One optimiser step of each training stage: forward, loss, backward, clip, update, average.
//!
//! The training loop and the parity tests run this same code. The loss stays on the device: reading it back is the
//! caller's choice, every so many steps. A step whose batch is too large for the memory is computed in [`parts`].

pub mod parts;

use std::ops::Range;

use burn::tensor::Tensor;
use spec::train::Baseline;
use spec::train::report::LossTerm;

use crate::anchor::AnchorBatch;
use crate::loss::{self, Losses};
use crate::model::BioJepa;
use crate::model::composer::{ActionComposer, Actions};
use crate::model::decoder::Decoder;
use crate::model::encoder::{CellBatch, Encoder};
use crate::model::parameters::Parameters;
use crate::model::predictor::{AcPredictor, MaskedPredictor};
use crate::optim::{AdamW, NamedGradients, moving_average};

/// What changes from step to step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepSettings {
    /// Learning rate.
    pub lr: f64,
    /// First decay of AdamW.
    pub beta1: f64,
    /// Bound of the gradients' common norm; none leaves them as they are.
    pub clip_norm: Option<f64>,
    /// Parts that the batch is computed in, one after the other, with the result of one.
    pub n_parts: usize,
}

/// Control cells, the perturbed cells paired with them, and what was done to each.
#[derive(Debug, Clone)]
pub struct PairBatch {
    /// The control cells.
    pub control: CellBatch,
    /// The perturbed cells.
    pub case: CellBatch,
    /// One perturbation per pair.
    pub actions: Actions,
    /// What the anchor says of these; none without an anchor.
    pub anchor: Option<AnchorBatch>,
    /// Which of the pairs are compared as populations; none where no weight is on it.
    pub sets: Option<Sets>,
}

/// The first `n` times `size` pairs: sets of one target each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sets {
    /// How many sets.
    pub n: usize,
    /// Pairs of each.
    pub size: usize,
    /// Weight of their energy distance in the loss.
    pub weight: f64,
}

impl Sets {
    /// The loss with the distance of the populations in it; rows `[B, width]`, of which the first are in sets.
    fn add_to(self, losses: Losses, predicted: Tensor<2>, observed: Tensor<2>) -> Losses {
        let of_sets = |rows: Tensor<2>| {
            let width = rows.dims()[1];
            rows.narrow(0, 0, self.n * self.size).reshape([self.n, self.size, width])
        };
        let distance = loss::energy_distance(of_sets(predicted), of_sets(observed));
        losses.with(LossTerm::Population, self.weight, distance)
    }
}

impl PairBatch {
    /// Pairs without an anchor and without sets.
    pub fn new(control: CellBatch, case: CellBatch, actions: Actions) -> Self {
        Self { control, case, actions, anchor: None, sets: None }
    }

    /// Some of the pairs; sets are compared whole, so that a part has none.
    pub fn part(&self, pairs: Range<usize>) -> Self {
        Self {
            control: self.control.part(pairs.clone()),
            case: self.case.part(pairs.clone()),
            actions: self.actions.part(pairs.clone()),
            anchor: self.anchor.as_ref().map(|anchor| anchor.part(pairs)),
            sets: None,
        }
    }
}

/// Loss of pretraining: the student reads `cells` where `mask` `[B, N]` is 0, the masked predictor guesses the
/// teacher's tokens of whole cells where it is 1. `25 · masked L1 + VICReg(student, teacher)`.
pub fn pretrain_loss(
    student: &Encoder,
    masked_predictor: &MaskedPredictor,
    teacher: &Encoder,
    cells: &CellBatch,
    mask: &Tensor<2>,
) -> Losses {
    let target = teacher.forward(cells, None);
    let context = student.forward(cells, Some(mask));
    let predicted = masked_predictor.forward(context.clone());
    Losses::regularised(loss::masked_l1(predicted, target.clone(), mask), context, target)
}

/// Loss of alignment: each anchor chooses its own positive among those of the batch.
pub fn align_loss(composer: &ActionComposer, anchors: &Actions, positives: &Actions) -> Losses {
    let contrast = loss::info_nce(composer.forward(anchors), composer.forward(positives));
    Losses::of_one(LossTerm::Contrast, contrast)
}

/// Loss of the action stage: from the student's tokens of masked control cells and the action, the teacher's tokens of
/// the perturbed cells. `25 · masked Gaussian NLL + VICReg(mean, teacher)`. Both encoders are frozen. Without a mask the
/// student reads whole cells, and all genes are scored.
pub fn action_loss(
    model: &BioJepa,
    predictor: &AcPredictor,
    composer: &ActionComposer,
    pairs: &PairBatch,
    mask: Option<&Tensor<2>>,
) -> Losses {
    let target = model.teacher.forward(&pairs.case, None);
    let context = model.student.forward(&pairs.control, mask);
    let predicted = predictor.forward(context, composer.compose(&pairs.actions));
    let scored = mask.cloned().unwrap_or_else(|| pairs.case.x.ones_like());
    let nll = loss::masked_gaussian_nll(predicted.mu.clone(), predicted.logvar, target.clone(), &scored);
    let losses = Losses::regularised(nll, predicted.mu.clone(), target.clone());
    match pairs.sets {
        None => losses,
        Some(sets) => sets.add_to(losses, cell_states(predicted.mu), cell_states(target)),
    }
}

/// Mean over genes of the tokens `[B, N, d]`: `[B, d]`.
fn cell_states(tokens: Tensor<3>) -> Tensor<2> {
    let [n_cells, _, d_model] = tokens.dims();
    tokens.mean_dim(1).reshape([n_cells, d_model])
}

/// Loss of the decoder: its difference between predicted state and `baseline` against the measured difference. With an
/// anchor that difference is a correction of what the anchor says.
pub fn decoder_loss(model: &BioJepa, decoder: &Decoder, pairs: &PairBatch, baseline: Baseline) -> Losses {
    let change = model.change(decoder, model.encode(&pairs.control), &pairs.actions, baseline);
    let change = match &pairs.anchor {
        None => change,
        Some(anchor) => anchor.change(pairs.control.x.clone(), change),
    };
    let error = loss::mean_squared_error(change.clone(), pairs.case.x.clone() - pairs.control.x.clone());
    let losses = Losses::of_one(LossTerm::Change, error);
    match pairs.sets {
        None => losses,
        Some(sets) => sets.add_to(losses, pairs.control.x.clone() + change, pairs.case.x.clone()),
    }
}

/// One step of pretraining; the teacher follows the student by `ema_decay`. Returns the loss before the step.
pub fn pretrain_step(
    model: &mut BioJepa,
    optimiser: &mut AdamW,
    cells: &CellBatch,
    mask: &Tensor<2>,
    settings: StepSettings,
    ema_decay: f64,
) -> Losses {
    let (student, masked_predictor) = (model.student.tracked(), model.masked_predictor.tracked());
    let (losses, mut gradients) = if settings.n_parts > 1 {
        parts::pretrain(model, &student, &masked_predictor, cells, mask, settings.n_parts)
    } else {
        let losses = pretrain_loss(&student, &masked_predictor, &model.teacher, cells, mask);
        let mut recorded = losses.total.backward();
        let mut gradients = NamedGradients::default();
        gradients.collect("student", &student, &mut recorded);
        gradients.collect("masked_predictor", &masked_predictor, &mut recorded);
        (losses, gradients)
    };
    clip(&mut gradients, settings);
    let StepSettings { lr, beta1, .. } = settings;
    model.student = optimiser.step("student", model.student.clone(), &gradients, lr, beta1);
    model.masked_predictor = optimiser.step("masked_predictor", model.masked_predictor.clone(), &gradients, lr, beta1);
    model.teacher = moving_average(model.teacher.clone(), &model.student, ema_decay);
    losses.inner()
}

/// One step of alignment, which trains the composer; always in one part, which is small. Returns the loss before the step.
pub fn align_step(
    model: &mut BioJepa,
    optimiser: &mut AdamW,
    anchors: &Actions,
    positives: &Actions,
    settings: StepSettings,
) -> Losses {
    let composer = model.composer.tracked();
    let losses = align_loss(&composer, anchors, positives);
    let mut gradients = NamedGradients::default();
    gradients.collect("composer", &composer, &mut losses.total.backward());
    clip(&mut gradients, settings);
    model.composer = optimiser.step("composer", model.composer.clone(), &gradients, settings.lr, settings.beta1);
    losses.inner()
}

/// One step of the action stage, which trains the predictor at the settings' rate and the composer at `composer_lr`.
/// Returns the loss before the step.
pub fn action_step(
    model: &mut BioJepa,
    optimiser: &mut AdamW,
    pairs: &PairBatch,
    mask: Option<&Tensor<2>>,
    settings: StepSettings,
    composer_lr: f64,
) -> Losses {
    let (predictor, composer) = (model.predictor.tracked(), model.composer.tracked());
    let (losses, mut gradients) = if settings.n_parts > 1 {
        parts::action(model, &predictor, &composer, pairs, mask, settings.n_parts)
    } else {
        let losses = action_loss(model, &predictor, &composer, pairs, mask);
        let mut recorded = losses.total.backward();
        let mut gradients = NamedGradients::default();
        gradients.collect("predictor", &predictor, &mut recorded);
        gradients.collect("composer", &composer, &mut recorded);
        (losses, gradients)
    };
    clip(&mut gradients, settings);
    let StepSettings { lr, beta1, .. } = settings;
    model.predictor = optimiser.step("predictor", model.predictor.clone(), &gradients, lr, beta1);
    model.composer = optimiser.step("composer", model.composer.clone(), &gradients, composer_lr, beta1);
    losses.inner()
}

/// One step of the decoder, all else frozen. Returns the loss before the step.
pub fn decoder_step(
    model: &BioJepa,
    decoder: &mut Decoder,
    optimiser: &mut AdamW,
    pairs: &PairBatch,
    baseline: Baseline,
    settings: StepSettings,
) -> Losses {
    let tracked = decoder.tracked();
    let (losses, mut gradients) = if settings.n_parts > 1 {
        parts::decoder(model, &tracked, pairs, baseline, settings.n_parts)
    } else {
        let losses = decoder_loss(model, &tracked, pairs, baseline);
        let mut gradients = NamedGradients::default();
        gradients.collect("decoder", &tracked, &mut losses.total.backward());
        (losses, gradients)
    };
    clip(&mut gradients, settings);
    *decoder = optimiser.step("decoder", decoder.clone(), &gradients, settings.lr, settings.beta1);
    losses.inner()
}

fn clip(gradients: &mut NamedGradients, settings: StepSettings) {
    if let Some(max_norm) = settings.clip_norm {
        gradients.clip(max_norm);
    }
}
