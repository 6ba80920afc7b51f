//! The four training stages and how each is run (spec §4.1).

use serde::{Deserialize, Serialize};

use crate::dataset::PrepareOptions;
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
}

impl Default for StageConfig {
    fn default() -> Self {
        Self { n_steps: 0, batch_size: 32, max_lr: 1e-3, composer_max_lr: None, weight_decay: 0.05, clip_norm: None }
    }
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
            data: PrepareOptions::default(),
            mode: Mode::Knockout,
            held_out: Vec::new(),
            mask_ratio: 0.6,
            ema_decay: 0.996,
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

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        self.model.validate()?;
        for (name, value) in
            [("mask_ratio", self.mask_ratio), ("ema_decay", self.ema_decay), ("warmup_share", self.warmup_share)]
        {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{name} is {value}; it must lie in 0 to 1, 1 excluded"));
            }
        }
        for stage in Stage::ALL {
            let config = self.stage(stage);
            let name = stage.label();
            if config.batch_size == 0 {
                return Err(format!("{name}: batch_size is 0; it must be at least 1"));
            }
            if !(config.max_lr.is_finite() && config.max_lr > 0.0) {
                return Err(format!("{name}: max_lr is {}; it must be above 0", config.max_lr));
            }
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
