//! The training run: four stages in order, step by step, so that the browser and the command line drive the same loop.
//!
//! A step reads nothing back; every `report_every` steps the loss is, and a loss that is not finite ends the run with
//! its stage and step named, so that the last checkpoint stands. The state of a run is the model, the decoder, the
//! optimiser of the current stage and the position: random draws are functions of seed and step (see [`crate::batch`]).
//!
//! Alignment needs two views of a target. With one vector per target, as here, the anchor is that vector under the mode
//! `control` and the positive the same vector under the mode of the data: the composer learns to keep targets apart
//! across modes. It starts as the identity for every mode, so there is little to gain; the demo leaves the stage out.

use burn::tensor::{Device, Tensor, TensorData};
use spec::checkpoint::CheckpointHeader;
use spec::model::{Modality, Mode};
use spec::train::{Stage, StageConfig, StepReport, TrainConfig};

use crate::batch::{DenseCells, Draws, Sampling, TrainingCells};
use crate::error::Error;
use crate::model::BioJepa;
use crate::model::composer::Actions;
use crate::model::decoder::Decoder;
use crate::model::encoder::CellBatch;
use crate::model::parameters::read_back;
use crate::optim::{AdamW, AdamWConfig};
use crate::platform::now_secs;
use crate::query::cell_batch;
use crate::schedule::OneCycle;
use crate::step::{self, PairBatch, StepSettings};

pub mod assemble;
mod state;

/// Keeps the decoder's first values apart from the model's, which are drawn from the seed itself.
const DECODER_SEED_OFFSET: u64 = 1;

/// A training run under way.
pub struct Trainer {
    config: TrainConfig,
    header: CheckpointHeader,
    cells: TrainingCells,
    /// [`TrainingCells::fingerprint`] of them.
    fingerprint: u64,
    device: Device,
    model: BioJepa,
    decoder: Decoder,
    position: Position,
    optimiser: AdamW,
    draws: Draws,
    last_report: LastReport,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The stage being run; none at the end.
    stage: Option<Stage>,
    /// Steps done in it.
    step: usize,
}

struct LastReport {
    at_secs: f64,
    n_steps: usize,
}

impl Trainer {
    /// A run from the beginning. `header` describes the checkpoint that the run will make.
    ///
    /// # Errors
    /// Where the configuration contradicts itself or the cells, or a stage has no cells to draw from.
    pub fn new(
        config: TrainConfig,
        header: CheckpointHeader,
        cells: TrainingCells,
        device: Device,
    ) -> Result<Self, Error> {
        check(&config, &header, &cells)?;
        let mut model = BioJepa::init(&config.model, config.seed, &device)?;
        if config.silent_actions {
            model.predictor.silence_actions();
        }
        let decoder_seed = config.seed.wrapping_add(DECODER_SEED_OFFSET);
        let decoder = Decoder::init(config.model.d_model, decoder_seed, &device);
        let position = Position { stage: next_stage(&config, None), step: 0 };
        let optimiser = fresh_optimiser(&config, position);
        Ok(Self::at(config, header, cells, device, model, decoder, position, optimiser))
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where the parts of a run come together")]
    fn at(
        config: TrainConfig,
        header: CheckpointHeader,
        cells: TrainingCells,
        device: Device,
        mut model: BioJepa,
        decoder: Decoder,
        position: Position,
        optimiser: AdamW,
    ) -> Self {
        model.set_attention(config.attention);
        let draws = Draws::new(config.seed, position.stage.unwrap_or(Stage::Decoder));
        let last_report = LastReport { at_secs: now_secs(), n_steps: 0 };
        let fingerprint = cells.fingerprint();
        Self { config, header, cells, fingerprint, device, model, decoder, position, optimiser, draws, last_report }
    }

    /// Whether all stages are done.
    pub fn is_done(&self) -> bool {
        self.position.stage.is_none()
    }

    /// Steps of all stages.
    pub fn n_steps(&self) -> usize {
        Stage::ALL.iter().map(|stage| self.config.stage(*stage).n_steps).sum()
    }

    /// Steps done, over all stages.
    pub fn steps_done(&self) -> usize {
        let before = |stage: &&Stage| self.position.stage.is_none_or(|current| **stage < current);
        let earlier: usize = Stage::ALL.iter().filter(before).map(|stage| self.config.stage(*stage).n_steps).sum();
        earlier + self.position.step
    }

    /// Whether `checkpoint_every` steps of a stage, or a whole stage, have been done since the last time.
    pub fn is_checkpoint_due(&self) -> bool {
        self.position.step.is_multiple_of(self.config.checkpoint_every)
    }

    /// The model as it stands.
    pub fn model(&self) -> &BioJepa {
        &self.model
    }

    /// The decoder as it stands.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Does one step. Reports every `report_every` steps and at the end of a stage; none else and where all is done.
    ///
    /// # Errors
    /// Where the loss is not finite (looked at when reported and when a checkpoint is due), or the device fails.
    pub async fn step(&mut self) -> Result<Option<StepReport>, Error> {
        let Position { stage: Some(stage), step } = self.position else { return Ok(None) };
        let settings = self.config.stage(stage).clone();
        let schedule =
            |max_lr: f64| OneCycle { max_lr, n_steps: settings.n_steps, warmup_share: self.config.warmup_share };
        let cycle = schedule(settings.max_lr);
        let now = StepSettings { lr: cycle.lr(step), beta1: cycle.beta1(step), clip_norm: settings.clip_norm };
        let sampling = sampling(&settings);
        let n_controls = self.config.n_control_pairs(stage);
        let n_ordered = settings.batch_size - n_controls;
        let order = self.draws.order(self.cells.n_examples(stage, sampling), n_ordered, step);
        let mask_ratio = settings.mask_ratio.unwrap_or(self.config.mask_ratio);
        let loss = match stage {
            Stage::Pretrain => {
                let cells = self.cells.cells(&order, sampling, &self.draws, step);
                let mask = self.mask(order.len(), mask_ratio, step);
                let cells = self.on_device(cells);
                let decay = self.config.ema_decay;
                step::pretrain_step(&mut self.model, &mut self.optimiser, &cells, &mask, now, decay)
            }
            Stage::Align => {
                let targets: Vec<Option<u32>> = self.cells.aligned(&order).into_iter().map(Some).collect();
                let anchors = self.actions(&targets, Mode::Control)?;
                let positives = self.actions(&targets, self.config.mode)?;
                step::align_step(&mut self.model, &mut self.optimiser, &anchors, &positives, now)
            }
            Stage::Action => {
                let pairs = self.pairs(&order, n_controls, sampling, step)?;
                let mask = (mask_ratio > 0.0).then(|| self.mask(order.len() + n_controls, mask_ratio, step));
                let composer_lr = schedule(settings.composer_max_lr.unwrap_or(settings.max_lr / 10.0)).lr(step);
                step::action_step(&mut self.model, &mut self.optimiser, &pairs, mask.as_ref(), now, composer_lr)
            }
            Stage::Decoder => {
                let pairs = self.pairs(&order, n_controls, sampling, step)?;
                let baseline = self.config.baseline;
                step::decoder_step(&self.model, &mut self.decoder, &mut self.optimiser, &pairs, baseline, now)
            }
        };
        self.after_step(stage, step, now.lr, loss).await
    }

    /// Looks at the loss where it is time to, and moves on.
    async fn after_step(
        &mut self,
        stage: Stage,
        step: usize,
        lr: f64,
        loss: Tensor<1>,
    ) -> Result<Option<StepReport>, Error> {
        let n_steps = self.config.stage(stage).n_steps;
        let done = step + 1;
        self.last_report.n_steps += 1;
        let is_last = done == n_steps;
        let reports = is_last || done.is_multiple_of(self.config.report_every);
        let saves = done.is_multiple_of(self.config.checkpoint_every);
        let loss = if reports || saves { Some(first(read_back("the loss", loss).await?)) } else { None };
        if let Some(value) = loss.filter(|value| !value.is_finite()) {
            return Err(Error::Training { stage: stage.label(), step: done, problem: format!("the loss is {value}") });
        }
        self.position.step = done;
        if is_last {
            self.position = Position { stage: next_stage(&self.config, Some(stage)), step: 0 };
            self.optimiser = fresh_optimiser(&self.config, self.position);
            if let Some(next) = self.position.stage {
                self.draws = Draws::new(self.config.seed, next);
            }
        }
        let Some(loss) = loss.filter(|_| reports) else { return Ok(None) };
        let now = now_secs();
        let step_secs = (now - self.last_report.at_secs) / self.last_report.n_steps as f64;
        self.last_report = LastReport { at_secs: now, n_steps: 0 };
        Ok(Some(StepReport {
            stage,
            step: done,
            n_steps,
            loss,
            lr,
            step_secs,
            terms: Vec::new(),
            validation: None,
            gauges: None,
            warnings: Vec::new(),
            end: None,
        }))
    }

    fn mask(&self, n_cells: usize, ratio: f64, step: usize) -> Tensor<2> {
        let n_genes = self.cells.n_genes();
        let values = self.draws.mask(n_cells * n_genes, ratio, step);
        Tensor::from_data(TensorData::new(values, [n_cells, n_genes]), &self.device)
    }

    fn on_device(&self, cells: DenseCells) -> CellBatch {
        cell_batch(cells.x, cells.log_total, self.cells.n_genes(), &self.device)
    }

    fn pairs(&self, order: &[u32], n_controls: usize, sampling: Sampling, step: usize) -> Result<PairBatch, Error> {
        let pairs = self.cells.pairs(order, n_controls, sampling, &self.draws, step);
        let actions = self.actions(&pairs.target, self.config.mode)?;
        Ok(PairBatch { control: self.on_device(pairs.control), case: self.on_device(pairs.case), actions })
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
        self.model.composer.actions(features, width, vec![Modality::Protein; modes.len()], modes, &self.device)
    }
}

fn check(config: &TrainConfig, header: &CheckpointHeader, cells: &TrainingCells) -> Result<(), Error> {
    config.validate().map_err(|problem| Error::Config { problem })?;
    let (n_genes, n_header) = (cells.n_genes(), header.genes.len());
    if config.model.n_genes != n_genes || n_header != n_genes || header.model != config.model {
        let n_model = config.model.n_genes;
        let problem = format!("cells have {n_genes} genes, the configuration {n_model}, the header {n_header}");
        return Err(Error::TrainingCells { problem });
    }
    if let Some(stage) = Stage::ALL
        .iter()
        .find(|s| config.stage(**s).n_steps > 0 && cells.n_examples(**s, sampling(config.stage(**s))) == 0)
    {
        let problem = match stage {
            Stage::Pretrain => "no cells",
            Stage::Align => "no target with a vector",
            Stage::Action | Stage::Decoder => "no control cells, or no perturbed cells of a target with a vector",
        };
        return Err(Error::TrainingCells { problem: format!("{}: {problem}", stage.label()) });
    }
    Ok(())
}

fn sampling(stage: &StageConfig) -> Sampling {
    Sampling { cells_per_example: stage.cells_per_example, balance_targets: stage.balance_targets }
}

/// The first stage with steps after `current`.
fn next_stage(config: &TrainConfig, current: Option<Stage>) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| current.is_none_or(|c| *stage > c) && config.stage(*stage).n_steps > 0)
}

fn fresh_optimiser(config: &TrainConfig, position: Position) -> AdamW {
    AdamW::new(optimiser_config(config, position))
}

fn optimiser_config(config: &TrainConfig, position: Position) -> AdamWConfig {
    let weight_decay = config.stage(position.stage.unwrap_or(Stage::Decoder)).weight_decay;
    AdamWConfig { weight_decay, ..AdamWConfig::default() }
}

fn first(values: Vec<f32>) -> f64 {
    values.first().map_or(f64::NAN, |value| f64::from(*value))
}
