//! Comparison over many optimiser steps: the four stages one after the other on one model, as the reference ran them.

use burn::tensor::{Device, Tensor};
use spec::train::Baseline;

use crate::error::Error;
use crate::model::BioJepa;
use crate::model::decoder::Decoder;
use crate::model::parameters::{join, read_back};
use crate::optim::{AdamW, AdamWConfig};
use crate::parity::golden::{Golden, problem};
use crate::parity::{Class, ParityReport};
use crate::step::{self, PairBatch, StepSettings};

/// The stages with the names of the file, their weight decay and their clip.
const STAGES: [(&str, f64, Option<f64>); 4] =
    [("pretrain", 0.05, Some(1.0)), ("align", 0.01, None), ("action", 0.05, Some(1.0)), ("decoder", 0.01, None)];
/// The composer's learning rate over the predictor's in the action stage.
const COMPOSER_RATE: f64 = 0.1;
const EMA_DECAY: f64 = 0.996;
/// Codes of the alignment's anchors: a protein vector under the mode "control".
const ANCHOR: (usize, usize) = (0, 8);
/// Code of the modality of guides.
const DNA: usize = 2;

/// Compares the losses of the first `n_steps` steps of each stage, and where these are all, what each stage changed.
///
/// # Errors
/// Where the file is not one of reference training steps, or the device fails.
pub async fn check_training(bytes: &[u8], device: &Device, n_steps: usize) -> Result<ParityReport, Error> {
    let golden = Golden::read(bytes, "init.")?;
    let mut tensors = golden.under("init.");
    tensors.retain(|name, _| !name.starts_with("decoder."));
    let mut run = Run {
        model: BioJepa::from_tensors(&golden.config, &tensors, device)?,
        decoder: Decoder::init(golden.config.d_model, 0, device).load(&golden.under("init.decoder."))?,
        device,
        golden: &golden,
    };
    let mut report = ParityReport::default();
    for (stage, weight_decay, clip_norm) in STAGES {
        let n_given = golden.values(&format!("{stage}.losses"))?.len();
        run.stage(&mut report, stage, weight_decay, clip_norm, n_steps.min(n_given)).await?;
        if n_steps < n_given {
            // The next stage starts from what all steps of this one made.
            run.take_over(stage).await?;
        }
    }
    Ok(report)
}

struct Run<'a> {
    model: BioJepa,
    decoder: Decoder,
    device: &'a Device,
    golden: &'a Golden,
}

impl Run<'_> {
    async fn stage(
        &mut self,
        report: &mut ParityReport,
        stage: &str,
        weight_decay: f64,
        clip_norm: Option<f64>,
        n_steps: usize,
    ) -> Result<(), Error> {
        let golden = self.golden;
        let mut optimiser = AdamW::new(AdamWConfig { weight_decay, ..AdamWConfig::default() });
        let (lrs, beta1s) = (golden.values(&format!("{stage}.lr"))?, golden.values(&format!("{stage}.beta1"))?);
        let references = golden.values(&format!("{stage}.losses"))?;
        let mut losses = Vec::with_capacity(n_steps);
        for (index, (&lr, &beta1)) in lrs.iter().zip(beta1s).take(n_steps).enumerate() {
            let settings = StepSettings { lr: f64::from(lr), beta1: f64::from(beta1), clip_norm, n_parts: 1 };
            let loss = self.step(stage, index, &mut optimiser, settings)?;
            losses.extend(read_back(&format!("{stage}.losses"), loss).await?);
        }
        let compared = references.get(..n_steps).unwrap_or_default();
        report.compare_each(Class::StepLoss, &format!("{stage}.losses"), &losses, compared);
        if n_steps == references.len() {
            let mut found = self.model.state().await?;
            let decoder = self.decoder.state().await?;
            found.extend(decoder.into_iter().map(|(name, tensor)| (join("decoder", &name), tensor)));
            let reach = lrs.iter().map(|&lr| f64::from(lr)).sum();
            super::after(report, &found, golden, &format!("{stage}.after."), reach);
        }
        Ok(())
    }

    /// One step of a stage on the rows and mask the file gives for it; returns the loss.
    fn step(
        &mut self,
        stage: &str,
        index: usize,
        optimiser: &mut AdamW,
        settings: StepSettings,
    ) -> Result<Tensor<1>, Error> {
        let (golden, device) = (self.golden, self.device);
        let all_rows = golden.integers("in.batch_rows")?;
        let n_batch = all_rows.len() / golden.values("pretrain.losses")?.len().max(1);
        let rows = all_rows.get(index * n_batch..(index + 1) * n_batch);
        let rows = rows.ok_or_else(|| problem(format!("in.batch_rows has no step {index}")))?;
        let x = golden.cells("in.x", "in.x_total", rows, device)?;
        let mask = golden.mask("in.masks", index * n_batch, n_batch, device)?;
        let all_modes = golden.integers("in.mode")?;
        let modes: Vec<usize> = rows.iter().filter_map(|&row| all_modes.get(row).copied()).collect();
        let composer = &self.model.composer;
        let guides = golden.actions(composer, "in.dna", rows, &vec![DNA; n_batch], &modes, device)?;
        let model = &mut self.model;
        if stage == "pretrain" {
            return Ok(step::pretrain_step(model, optimiser, &x, &mask, settings, EMA_DECAY).total);
        }
        if stage == "align" {
            let (modality, mode) = (vec![ANCHOR.0; n_batch], vec![ANCHOR.1; n_batch]);
            let anchors = golden.actions(&model.composer, "in.protein", rows, &modality, &mode, device)?;
            return Ok(step::align_step(model, optimiser, &anchors, &guides, settings).total);
        }
        let case = golden.cells("in.y", "in.y_total", rows, device)?;
        let pairs = PairBatch::new(x, case, guides);
        let losses = match stage {
            "action" => step::action_step(model, optimiser, &pairs, Some(&mask), settings, settings.lr * COMPOSER_RATE),
            _ => step::decoder_step(model, &mut self.decoder, optimiser, &pairs, Baseline::ControlState, settings),
        };
        Ok(losses.total)
    }

    /// Replaces what a stage changed by what the reference had after all its steps.
    async fn take_over(&mut self, stage: &str) -> Result<(), Error> {
        let mut tensors = self.model.state().await?;
        tensors.extend(self.golden.under(&format!("{stage}.after.")));
        tensors.retain(|name, _| !name.starts_with("decoder."));
        self.model = self.model.clone().load(&tensors)?;
        Ok(())
    }
}
