//! The four training stages and how each is run (spec §4.1).
//!
//! Beside the configuration: [`preset`] (configurations to begin with), [`anchor`] (what the network may correct), [`cost`]
//! (parameters and bytes, before anything is started), [`report`] (what a run says as it goes) and [`run_file`] (what
//! repeats it).

pub mod anchor;
pub mod cost;
pub mod preset;
pub mod report;
pub mod run_file;

use serde::{Deserialize, Serialize};

use crate::cell_jepa::CellJepaConfig;
use crate::dataset::{GeneJoin, PrepareOptions};
use crate::device::AttentionPath;
use crate::model::{Mode, ModelConfig};
use crate::train::anchor::AnchorConfig;

pub use report::StepReport;

/// The stages, in the order they are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Masked latent prediction of the student against the EMA teacher.
    Pretrain,
    /// Contrastive alignment of two views of the same target in the composer.
    Align,
    /// The action-conditioned predictor, encoders frozen.
    Action,
    /// The linear decoder from latent to expression, all else frozen.
    Decoder,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Stage; 4] = [Stage::Pretrain, Stage::Align, Stage::Action, Stage::Decoder];

    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            Stage::Pretrain => "pretraining",
            Stage::Align => "alignment",
            Stage::Action => "action",
            Stage::Decoder => "decoder",
        }
    }
}

/// Optimiser and length of one stage. A stage with `n_steps` 0 is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageConfig {
    /// Optimiser steps. Default: 0.
    pub n_steps: usize,
    /// Cells (or pairs) that are computed at once; a step has `accumulate` times as many. Default: 32.
    pub batch_size: usize,
    /// Peak learning rate of the one-cycle schedule. Default: 1e-3.
    pub max_lr: f64,
    /// Peak learning rate of the composer in the action stage. Default: a tenth of `max_lr`.
    pub composer_max_lr: Option<f64>,
    /// Decoupled weight decay. Default: 0.05.
    pub weight_decay: f64,
    /// Global-norm clip; none where absent. Default: none.
    pub clip_norm: Option<f64>,
    /// Cells of one condition that are averaged into one example; of rows that stand for several cells (metacells) as many
    /// rows as make about so many cells. Default: 1, as the reference.
    pub cells_per_example: usize,
    /// Whether each target is drawn as often as every other, in the action and decoder stages. Default: no, each cell
    /// is, as the reference.
    pub balance_targets: bool,
    /// Share of genes masked in this stage. Default: the run's `mask_ratio`. With 0 the action stage hides nothing and
    /// is scored on all genes, as the model is asked later.
    pub mask_ratio: Option<f64>,
    /// Pairs of one target that are drawn together, in the action and decoder stages; they make a set. Default: 1.
    pub set_size: usize,
    /// Weight of the energy distance between the predicted and the observed cells of a set (of their mean states in the
    /// action stage, of their expression in the decoder stage). Default: 0, pairs alone, as the reference.
    pub set_weight: f64,
}

impl Default for StageConfig {
    fn default() -> Self {
        Self {
            n_steps: 0,
            batch_size: 32,
            max_lr: 1e-3,
            composer_max_lr: None,
            weight_decay: 0.05,
            clip_norm: None,
            cells_per_example: 1,
            balance_targets: false,
            mask_ratio: None,
            set_size: 1,
            set_weight: 0.0,
        }
    }
}

impl StageConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if self.batch_size == 0 {
            return Err("batch_size is 0; it must be at least 1".into());
        }
        if self.cells_per_example == 0 {
            return Err("cells_per_example is 0; it must be at least 1".into());
        }
        if self.set_size == 0 {
            return Err("set_size is 0; it must be at least 1".into());
        }
        if !(self.set_weight.is_finite() && self.set_weight >= 0.0) {
            return Err(format!("set_weight is {}; it must be 0 or more", self.set_weight));
        }
        if self.set_weight > 0.0 && self.set_size < 2 {
            return Err("set_weight is set; a set needs at least 2 pairs: set set_size".into());
        }
        if let Some(ratio) = self.mask_ratio.filter(|ratio| !(0.0..1.0).contains(ratio)) {
            return Err(format!("mask_ratio is {ratio}; it must lie in 0 to 1, 1 excluded"));
        }
        let rates =
            [("max_lr", Some(self.max_lr)), ("composer_max_lr", self.composer_max_lr), ("clip_norm", self.clip_norm)];
        for (field, value) in rates {
            if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                return Err(format!("{field} is {value}; it must be above 0"));
            }
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(format!("weight_decay is {}; it must be 0 or more", self.weight_decay));
        }
        Ok(())
    }
}

/// What a predicted state is compared with, to make a predicted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Baseline {
    /// The state of the control cell that the encoder gives, as the reference.
    #[default]
    ControlState,
    /// The state that the predictor gives for the same cell without a perturbation (mode `control`, a vector of zeros),
    /// so that what it gets wrong whatever the perturbation cancels. It must be trained on such pairs: `control_share`.
    ControlAction,
}

/// What is held back for validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldBack {
    /// Whole targets, with a share of the control and unlabelled cells: tells how the model does on targets it has not
    /// seen.
    #[default]
    Targets,
    /// A share of the cells of each target, of the controls and of the unlabelled cells. Alignment, which knows no cells,
    /// is then validated on what it was trained on.
    Cells,
}

/// A whole training run, as written in a TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of every random draw. Default: 1337.
    pub seed: u64,
    /// Sizes; `n_genes` is taken from the data. Default: see [`ModelConfig`].
    pub model: ModelConfig,
    /// Trains a Cell-JEPA of these sizes instead, of whose `model` only `n_genes` counts; it needs no bank. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_jepa: Option<CellJepaConfig>,
    /// How attention is computed; the result is the same to rounding. Default: plain.
    pub attention: AttentionPath,
    /// Which genes samples share, where the data are several of one study. Default: union.
    pub join: GeneJoin,
    /// How the file is read and prepared.
    pub data: PrepareOptions,
    /// Column of `obs` that names each cell's batch: a perturbed cell is then paired with a control of its own batch, where
    /// it has one, as the reference. Default: none, with any control.
    pub batch_column: Option<String>,
    /// How the perturbations act. Default: knockout.
    pub mode: Mode,
    /// Targets held out of every stage, whole.
    pub held_out: Vec<String>,
    /// Fingerprint of the checkpoint that the run starts from; set by what starts the run. Default: none, from random
    /// values.
    pub start_from: Option<String>,
    /// Whether a run that starts from a checkpoint trains the encoder and the composer's alignment too, instead of leaving
    /// these stages out. Default: no.
    pub train_encoder: bool,
    /// Share of the training targets or cells that is held back for validation. A stage then keeps the values that did best
    /// on them, those it began with included where the decoder corrects an anchor or a checkpoint; but pretraining keeps its
    /// last, as its teacher moves and losses far apart cannot be compared. Default: 0, none, as the reference.
    pub validation_share: f64,
    /// What is held back. Default: whole targets.
    pub hold_back: HoldBack,
    /// Steps between two validations, and between two readings of the gauges. Default: 100.
    pub validate_every: usize,
    /// Batches that a validation computes, the same ones every time. Default: 4.
    pub validation_batches: usize,
    /// A stage ends after so many validations in a row without a new best one; pretraining too, though it keeps its last
    /// values. Default: none, all steps are done.
    pub patience: Option<usize>,
    /// Batches whose gradients make one step, computed one after the other: as one batch of so many times the size, with
    /// the memory of one and a second forward pass. Default: 1.
    pub accumulate: usize,
    /// Share of genes masked in pretraining and in the action stage. Default: 0.6.
    pub mask_ratio: f64,
    /// Decay of the teacher's moving average. Default: 0.996.
    pub ema_decay: f64,
    /// What a predicted state is compared with, by the decoder's loss and by every query. Default: the control state.
    pub baseline: Baseline,
    /// Share of the pairs of the action and decoder stages that are two controls without a perturbation. Default: 0.
    pub control_share: f64,
    /// Whether actions start without effect, so that what a target does is learned and not drawn. Default: no, as the
    /// reference.
    pub silent_actions: bool,
    /// In queries, what is left of a vector's difference from the mean vector of training. Default: 1, all of it.
    pub vector_weight: f32,
    /// The anchor that the decoder corrects; fitted where the decoder stage has steps. Default: none, as the reference.
    pub anchor: Option<AnchorConfig>,
    /// Share of the steps that warm up. Default: 0.05.
    pub warmup_share: f64,
    /// Steps between two checkpoints. Default: 200.
    pub checkpoint_every: usize,
    /// Steps between two reports of the loss. Default: 20.
    pub report_every: usize,
    /// Masked latent prediction.
    pub pretrain: StageConfig,
    /// Contrastive alignment.
    pub align: StageConfig,
    /// Action-conditioned prediction.
    pub action: StageConfig,
    /// Linear decoder.
    pub decoder: StageConfig,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 1337,
            model: ModelConfig::default(),
            cell_jepa: None,
            attention: AttentionPath::default(),
            join: GeneJoin::Union,
            data: PrepareOptions::default(),
            batch_column: None,
            mode: Mode::Knockout,
            held_out: Vec::new(),
            start_from: None,
            train_encoder: false,
            validation_share: 0.0,
            hold_back: HoldBack::default(),
            validate_every: 100,
            validation_batches: 4,
            patience: None,
            accumulate: 1,
            mask_ratio: 0.6,
            ema_decay: 0.996,
            baseline: Baseline::ControlState,
            control_share: 0.0,
            silent_actions: false,
            vector_weight: 1.0,
            anchor: None,
            warmup_share: 0.05,
            checkpoint_every: 200,
            report_every: 20,
            pretrain: StageConfig::default(),
            align: StageConfig::default(),
            action: StageConfig::default(),
            decoder: StageConfig::default(),
        }
    }
}

impl TrainConfig {
    /// The settings of one stage.
    pub fn stage(&self, stage: Stage) -> &StageConfig {
        match stage {
            Stage::Pretrain => &self.pretrain,
            Stage::Align => &self.align,
            Stage::Action => &self.action,
            Stage::Decoder => &self.decoder,
        }
    }

    /// The same, to be changed.
    pub fn stage_mut(&mut self, stage: Stage) -> &mut StageConfig {
        match stage {
            Stage::Pretrain => &mut self.pretrain,
            Stage::Align => &mut self.align,
            Stage::Action => &mut self.action,
            Stage::Decoder => &mut self.decoder,
        }
    }

    /// Steps of all stages.
    pub fn n_steps(&self) -> usize {
        Stage::ALL.iter().map(|stage| self.stage(*stage).n_steps).sum()
    }

    /// Cells (or pairs) of one step, over all the batches that make it.
    pub fn n_examples(&self, stage: Stage) -> usize {
        self.stage(stage).batch_size.saturating_mul(self.accumulate)
    }

    /// Of the pairs of a step, those of two controls; at least one pair is left to the perturbations.
    pub fn n_control_pairs(&self, stage: Stage) -> usize {
        self.n_control_pairs_of(stage, self.n_examples(stage))
    }

    /// The same of `n_examples` pairs.
    pub fn n_control_pairs_of(&self, stage: Stage, n_examples: usize) -> usize {
        match stage {
            Stage::Pretrain | Stage::Align => 0,
            Stage::Action | Stage::Decoder => {
                ((self.control_share * n_examples as f64).round() as usize).min(n_examples.saturating_sub(1))
            }
        }
    }

    /// Whether a step of a stage has the pairs that its other settings need: a set, where sets are compared, and pairs of
    /// controls, where a change is told from them.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn check_batch(&self, stage: Stage) -> Result<(), String> {
        let StageConfig { n_steps, set_size, set_weight, .. } = *self.stage(stage);
        let (label, n_controls) = (stage.label(), self.n_control_pairs(stage));
        if n_steps == 0 || matches!(stage, Stage::Pretrain | Stage::Align) {
            return Ok(());
        }
        if set_weight > 0.0 {
            let n_pairs = self.n_examples(stage) - n_controls;
            if n_pairs < set_size {
                return Err(format!(
                    "{label}: set_size is {set_size}, but a step has {n_pairs} perturbed pairs; raise batch_size"
                ));
            }
            if self.accumulate > 1 {
                return Err(format!("{label}: set_weight needs the whole batch at once; set accumulate to 1"));
            }
        }
        if self.baseline == Baseline::ControlAction && stage == Stage::Action && n_controls == 0 {
            return Err(match self.control_share {
                0.0 => "baseline is control_action; set control_share, so that the action stage sees such pairs".into(),
                share => format!(
                    "baseline is control_action, but control_share {share} of a step's pairs is none; raise it or batch_size"
                ),
            });
        }
        Ok(())
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        self.model.validate()?;
        if let Some(cell_jepa) = &self.cell_jepa {
            cell_jepa.validate_run(self)?;
        }
        self.anchor.as_ref().map_or(Ok(()), AnchorConfig::validate)?;
        for (name, value) in [
            ("mask_ratio", self.mask_ratio),
            ("ema_decay", self.ema_decay),
            ("warmup_share", self.warmup_share),
            ("control_share", self.control_share),
            ("validation_share", self.validation_share),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{name} is {value}; it must lie in 0 to 1, 1 excluded"));
            }
        }
        if !(0.0..=1.0).contains(&self.vector_weight) {
            return Err(format!("vector_weight is {}; it must lie in 0 to 1", self.vector_weight));
        }
        for stage in Stage::ALL {
            self.stage(stage).validate().map_err(|problem| format!("{}: {problem}", stage.label()))?;
        }
        Stage::ALL.into_iter().try_for_each(|stage| self.check_batch(stage))?;
        if self.pretrain.n_steps > 0 && self.pretrain.mask_ratio == Some(0.0) {
            return Err("pretraining: mask_ratio is 0; nothing would be left to predict".into());
        }
        for (name, value) in [
            ("checkpoint_every", self.checkpoint_every),
            ("report_every", self.report_every),
            ("validate_every", self.validate_every),
            ("validation_batches", self.validation_batches),
            ("accumulate", self.accumulate),
            ("patience", self.patience.unwrap_or(1)),
        ] {
            if value == 0 {
                return Err(format!("{name} is 0; it must be at least 1"));
            }
        }
        if self.patience.is_some() && self.validation_share == 0.0 {
            return Err("patience is set; set validation_share too, so that there is something to judge by".into());
        }
        Ok(())
    }
}
