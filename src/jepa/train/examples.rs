//! What one step computes on, drawn and put on the device; and the losses of a stage on it.

use burn::tensor::{Device, Tensor, TensorData};
use spec::model::{Modality, Mode};
use spec::train::{Stage, StageConfig, TrainConfig};

use super::facts::TargetFacts;
use super::learned::Learned;
use crate::batch::{DenseCells, Draws, Sampling, TrainingCells};
use crate::cell_jepa;
use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::tokens::TokenBatch;
use crate::error::Error;
use crate::loss::Losses;
use crate::model::composer::{ActionComposer, Actions};
use crate::model::encoder::CellBatch;
use crate::query::cell_batch;
use crate::step::{self, PairBatch, Sets};

/// The examples of one step.
#[allow(clippy::large_enum_variant, reason = "one is made a step, and taken apart at once")]
pub(super) enum Examples {
    /// Cells and what is hidden of them (pretraining).
    Cells { cells: CellBatch, mask: Tensor<2> },
    /// Two views of the same targets (alignment).
    Views { anchors: Actions, positives: Actions },
    /// Perturbed cells with their controls; of these some may be hidden (action; without a mask, decoder).
    Pairs { pairs: Box<PairBatch>, mask: Option<Tensor<2>> },
    /// Visits of cells (Cell-JEPA).
    Visits(TokenBatch),
}

/// Draws examples of some cells.
pub(super) struct Source<'a> {
    pub config: &'a TrainConfig,
    pub cells: &'a TrainingCells,
    pub facts: &'a TargetFacts,
    pub composer: &'a ActionComposer,
    pub device: &'a Device,
}

impl Source<'_> {
    /// `n_examples` examples of a step of a stage.
    pub fn examples(&self, stage: Stage, n_examples: usize, draws: &mut Draws, step: usize) -> Result<Examples, Error> {
        let settings = self.config.stage(stage);
        let sampling = sampling(settings);
        let n_controls = self.config.n_control_pairs_of(stage, n_examples);
        let n_perturbed = n_examples - n_controls;
        let set_size = match stage {
            Stage::Pretrain | Stage::Align => 1,
            Stage::Action | Stage::Decoder => sampling.set_size,
        };
        let order = draws.order_of_sets(self.cells.n_examples(stage, sampling), n_perturbed, set_size, step);
        let mask_ratio = settings.mask_ratio.unwrap_or(self.config.mask_ratio);
        Ok(match stage {
            Stage::Pretrain => {
                let cells = self.on_device(self.cells.cells(&order, sampling, draws, step));
                Examples::Cells { cells, mask: self.mask(draws, n_examples, mask_ratio, step) }
            }
            Stage::Align => {
                let targets: Vec<Option<u32>> = self.cells.aligned(&order).into_iter().map(Some).collect();
                let anchors = self.actions(&targets, Mode::Control)?;
                Examples::Views { anchors, positives: self.actions(&targets, self.config.mode)? }
            }
            Stage::Action | Stage::Decoder => {
                let pairs = self.cells.pairs(&order, n_controls, sampling, draws, step);
                let actions = self.actions(&pairs.target, self.config.mode)?;
                let (control, case) = (self.on_device(pairs.control), self.on_device(pairs.case));
                let is_masked = stage == Stage::Action && mask_ratio > 0.0;
                let mask = is_masked.then(|| self.mask(draws, n_examples, mask_ratio, step));
                let actions = actions.with_genes(self.facts.own_genes(&pairs.target));
                let anchor = (stage == Stage::Decoder).then(|| self.facts.anchored(&pairs.target, self.device));
                let n_sets = n_perturbed / set_size.max(1);
                let sets = (settings.set_weight > 0.0 && n_sets > 0 && set_size > 1).then_some(Sets {
                    n: n_sets,
                    size: set_size,
                    weight: settings.set_weight,
                });
                let pairs = PairBatch { control, case, actions, anchor: anchor.flatten(), sets };
                Examples::Pairs { pairs: Box::new(pairs), mask }
            }
        })
    }

    fn mask(&self, draws: &Draws, n_cells: usize, ratio: f64, step: usize) -> Tensor<2> {
        let n_genes = self.cells.n_genes();
        let values = draws.mask(n_cells * n_genes, ratio, step);
        Tensor::from_data(TensorData::new(values, [n_cells, n_genes]), self.device)
    }

    fn on_device(&self, cells: DenseCells) -> CellBatch {
        cell_batch(cells.x, cells.log_total, self.cells.n_genes(), self.device)
    }

    /// One action per target under `mode`; none is no perturbation.
    fn actions(&self, targets: &[Option<u32>], mode: Mode) -> Result<Actions, Error> {
        let width = self.config.model.composer.n_protein;
        let mut features = Vec::with_capacity(targets.len() * width);
        let mut modes = Vec::with_capacity(targets.len());
        for target in targets {
            match target {
                Some(target) => features.extend_from_slice(&self.cells.targets()[*target as usize].vector),
                None => features.resize(features.len() + width, 0.0),
            }
            modes.push(if target.is_some() { mode } else { Mode::Control });
        }
        self.composer.actions(features, width, vec![Modality::Protein; modes.len()], modes, self.device)
    }
}

impl Examples {
    /// The losses of `stage` on these, nothing recorded.
    pub fn losses(&self, stage: Stage, config: &TrainConfig, learned: &Learned) -> Result<Losses, Error> {
        let (model, decoder) = match (learned, self) {
            (Learned::CellJepa { model, recipe }, Examples::Visits(cells)) => {
                return Ok(cell_jepa::step::pretrain_loss(model, cells, recipe, &mut Dropout::none()));
            }
            (Learned::BioJepa { model, decoder }, _) => (model, decoder),
            (Learned::CellJepa { .. }, _) => return Err(other_model()),
        };
        Ok(match self {
            Examples::Visits(_) => return Err(other_model()),
            Examples::Cells { cells, mask } => {
                step::pretrain_loss(&model.student, &model.masked_predictor, &model.teacher, cells, mask)
            }
            Examples::Views { anchors, positives } => step::align_loss(&model.composer, anchors, positives),
            Examples::Pairs { pairs, mask } if stage == Stage::Action => {
                step::action_loss(model, &model.predictor, &model.composer, pairs, mask.as_ref())
            }
            Examples::Pairs { pairs, .. } => step::decoder_loss(model, decoder, pairs, config.baseline),
        })
    }
}

pub(super) fn other_model() -> Error {
    Error::TrainingCells { problem: "the examples are those of another kind of model".into() }
}

pub(super) fn sampling(stage: &StageConfig) -> Sampling {
    let StageConfig { cells_per_example, balance_targets, set_size, .. } = *stage;
    Sampling { cells_per_example, balance_targets, set_size }
}
