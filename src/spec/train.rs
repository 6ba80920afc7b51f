//! The four training stages and how each is run (spec §4.1).

use serde::{Deserialize, Serialize};

use crate::dataset::{GeneJoin, PrepareOptions};
use crate::device::AttentionPath;
use crate::model::{Mode, ModelConfig};

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
    /// Cells (or pairs) per step. Default: 32.
    pub batch_size: usize,
    /// Peak learning rate of the one-cycle schedule. Default: 1e-3.
    pub max_lr: f64,
    /// Peak learning rate of the composer in the action stage. Default: a tenth of `max_lr`.
    pub composer_max_lr: Option<f64>,
    /// Decoupled weight decay. Default: 0.05.
    pub weight_decay: f64,
    /// Global-norm clip; none where absent. Default: none.
    pub clip_norm: Option<f64>,
    /// Cells of one condition that are averaged into one example. Default: 1, as the reference.
    pub cells_per_example: usize,
    /// Whether each target is drawn as often as every other, in the action and decoder stages. Default: no, each cell
    /// is, as the reference.
    pub balance_targets: bool,
    /// Share of genes masked in this stage. Default: the run's `mask_ratio`. With 0 the action stage hides nothing and
    /// is scored on all genes, as the model is asked later.
    pub mask_ratio: Option<f64>,
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
        }
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

/// A whole training run, as written in a TOML file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Seed of every random draw. Default: 1337.
    pub seed: u64,
    /// Sizes; `n_genes` is taken from the data. Default: see [`ModelConfig`].
    pub model: ModelConfig,
    /// How attention is computed; the result is the same to rounding. Default: plain.
    pub attention: AttentionPath,
    /// Which genes samples share, where the data are several of one study. Default: union.
    pub join: GeneJoin,
    /// How the file is read and prepared.
    pub data: PrepareOptions,
    /// How the perturbations act. Default: knockout.
    pub mode: Mode,
    /// Targets held out of every stage, whole.
    pub held_out: Vec<String>,
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
            attention: AttentionPath::default(),
            join: GeneJoin::Union,
            data: PrepareOptions::default(),
            mode: Mode::Knockout,
            held_out: Vec::new(),
            mask_ratio: 0.6,
            ema_decay: 0.996,
            baseline: Baseline::ControlState,
            control_share: 0.0,
            silent_actions: false,
            vector_weight: 1.0,
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

    /// Of the pairs of a step, those of two controls; at least one pair is left to the perturbations.
    pub fn n_control_pairs(&self, stage: Stage) -> usize {
        let batch_size = self.stage(stage).batch_size;
        match stage {
            Stage::Pretrain | Stage::Align => 0,
            Stage::Action | Stage::Decoder => {
                ((self.control_share * batch_size as f64).round() as usize).min(batch_size.saturating_sub(1))
            }
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        self.model.validate()?;
        for (name, value) in [
            ("mask_ratio", self.mask_ratio),
            ("ema_decay", self.ema_decay),
            ("warmup_share", self.warmup_share),
            ("control_share", self.control_share),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{name} is {value}; it must lie in 0 to 1, 1 excluded"));
            }
        }
        if !(0.0..=1.0).contains(&self.vector_weight) {
            return Err(format!("vector_weight is {}; it must lie in 0 to 1", self.vector_weight));
        }
        for stage in Stage::ALL {
            let config = self.stage(stage);
            let name = stage.label();
            if config.batch_size == 0 {
                return Err(format!("{name}: batch_size is 0; it must be at least 1"));
            }
            if config.cells_per_example == 0 {
                return Err(format!("{name}: cells_per_example is 0; it must be at least 1"));
            }
            if let Some(ratio) = config.mask_ratio.filter(|ratio| !(0.0..1.0).contains(ratio)) {
                return Err(format!("{name}: mask_ratio is {ratio}; it must lie in 0 to 1, 1 excluded"));
            }
            if !(config.max_lr.is_finite() && config.max_lr > 0.0) {
                return Err(format!("{name}: max_lr is {}; it must be above 0", config.max_lr));
            }
            for (field, value) in [("composer_max_lr", config.composer_max_lr), ("clip_norm", config.clip_norm)] {
                if let Some(value) = value.filter(|value| !(value.is_finite() && *value > 0.0)) {
                    return Err(format!("{name}: {field} is {value}; it must be above 0"));
                }
            }
            if !(config.weight_decay.is_finite() && config.weight_decay >= 0.0) {
                return Err(format!("{name}: weight_decay is {}; it must be 0 or more", config.weight_decay));
            }
        }
        if self.pretrain.n_steps > 0 && self.pretrain.mask_ratio == Some(0.0) {
            return Err("pretraining: mask_ratio is 0; nothing would be left to predict".into());
        }
        if self.baseline == Baseline::ControlAction
            && self.action.n_steps > 0
            && self.n_control_pairs(Stage::Action) == 0
        {
            return Err(
                "baseline is control_action; set control_share, so that the action stage sees such pairs".into()
            );
        }
        if self.checkpoint_every == 0 || self.report_every == 0 {
            return Err("checkpoint_every and report_every must be at least 1".into());
        }
        Ok(())
    }
}

/// Where a run stands; sent every `report_every` steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The stage being run.
    pub stage: Stage,
    /// Steps done in this stage.
    pub step: usize,
    /// Steps of this stage in all.
    pub n_steps: usize,
    /// Loss of the last step.
    pub loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean wall time of a step since the last report, in seconds.
    pub step_secs: f64,
}
