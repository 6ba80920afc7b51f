//! The training run: four stages in order, step by step, so that the browser and the command line drive the same loop.
//!
//! A step reads nothing back; every so many, the loss with its terms is (`report_every`), validation and gauges are
//! (`validate_every`). A loss that is not finite ends the run, which then stands where all was well. What a run is made of
//! comes from [`assemble`]; [`start`] begins from a checkpoint; `state` saves and resumes, bit for bit on the CPU: random
//! draws are functions of seed and step (see [`crate::batch`]).
//!
//! Alignment needs two views of a target. With one vector per target, as here, the anchor is that vector under the mode
//! `control` and the positive the same vector under the mode of the data. There is little to gain; the demo leaves it out.

pub mod assemble;
mod examples;
mod facts;
mod gauges;
mod glimpse;
mod learned;
mod probe;
mod settle;
pub mod start;
mod state;
mod validation;
pub mod visits;

use burn::tensor::Device;
use spec::checkpoint::CheckpointHeader;
use spec::train::report::{CurvePoint, History, LossTerm, StageEnd, TermValue, TrainWarning};
use spec::train::{Stage, StepReport, TrainConfig};

use crate::batch::{Draws, TrainingCells};
use crate::error::Error;
use crate::loss::Losses;
use crate::model::decoder::Decoder;
use crate::optim::{AdamW, AdamWConfig};
use crate::platform::{now_secs, yield_now};
use crate::schedule::OneCycle;
use crate::step::{self, StepSettings};
use crate::tensors::TensorMap;
use examples::{Examples, Source, sampling};
use facts::{Earlier, TargetFacts};
use learned::Learned;

/// Keeps the decoder's first values apart from the model's, which are drawn from the seed itself.
const DECODER_SEED_OFFSET: u64 = 1;

/// A training run under way.
pub struct Trainer {
    config: TrainConfig,
    header: CheckpointHeader,
    /// Those that are trained on.
    cells: TrainingCells,
    /// Those held back; none where all are trained on.
    validation: Option<TrainingCells>,
    /// [`TrainingCells::fingerprint`] of both together.
    fingerprint: u64,
    facts: TargetFacts,
    device: Device,
    run: Run,
    /// The run before the last step whose loss was looked at and found good.
    last_good: Run,
    draws: Draws,
    last_report: LastReport,
    /// Whether the next step's loss is looked at, whatever is due.
    looks_next: bool,
}

/// What steps change. Clones share the values.
#[derive(Clone)]
struct Run {
    learned: Learned,
    optimiser: AdamW,
    position: Position,
    /// The best validation of the stage so far.
    best: Option<Best>,
    n_since_best: usize,
    history: History,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    /// The stage being run; none at the end.
    stage: Option<Stage>,
    /// Steps done in it.
    step: usize,
}

/// What had the lowest loss on what was held back.
#[derive(Clone)]
struct Best {
    /// Steps done in the stage.
    step: usize,
    loss: f32,
    /// The values; none where the stage keeps its last ones.
    learned: Option<Learned>,
}

struct LastReport {
    at_secs: f64,
    n_steps: usize,
}

/// What is to be done after a step besides going on.
#[derive(Debug, Clone, Copy)]
struct Due {
    reports: bool,
    saves: bool,
    validates: bool,
    ends: bool,
}

impl Run {
    fn new(config: &TrainConfig, learned: Learned) -> Self {
        let position = Position { stage: next_stage(config, None), step: 0 };
        let optimiser = fresh_optimiser(config, position);
        Self { learned, optimiser, position, best: None, n_since_best: 0, history: History::default() }
    }
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
        config.validate().map_err(|problem| Error::Config { problem })?;
        let run = Run::new(&config, Learned::init(&config, &device)?);
        Self::at(config, header, cells, device, run, None)
    }

    /// The one place where the parts of a run come together.
    fn at(
        config: TrainConfig,
        header: CheckpointHeader,
        cells: TrainingCells,
        device: Device,
        mut run: Run,
        earlier: Option<Earlier>,
    ) -> Result<Self, Error> {
        config.validate().map_err(|problem| Error::Config { problem })?;
        let fingerprint = cells.fingerprint();
        let (cells, validation) = cells.held_back(&config)?;
        check(&config, &header, &cells, validation.as_ref())?;
        let facts = TargetFacts::new(&config, &cells, &header.genes, earlier)?;
        run.learned.set_attention(config.attention);
        let draws = draws(&config, run.position);
        let last_report = LastReport { at_secs: now_secs(), n_steps: 0 };
        let last_good = run.clone();
        Ok(Self {
            config,
            header,
            cells,
            validation,
            fingerprint,
            facts,
            device,
            run,
            last_good,
            draws,
            last_report,
            looks_next: false,
        })
    }

    /// Whether all stages are done.
    pub fn is_done(&self) -> bool {
        self.run.position.stage.is_none()
    }

    /// Steps of all stages.
    pub fn n_steps(&self) -> usize {
        self.config.n_steps()
    }

    /// Steps done, over all stages; those that a stage that ended early left out count as done.
    pub fn steps_done(&self) -> usize {
        let Position { stage: current, step } = self.run.position;
        let before = |stage: &&Stage| current.is_none_or(|current| **stage < current);
        let earlier: usize = Stage::ALL.iter().filter(before).map(|stage| self.config.stage(*stage).n_steps).sum();
        earlier + step
    }

    /// Whether `checkpoint_every` steps of a stage, or a whole stage, have been done since the last time.
    pub fn is_checkpoint_due(&self) -> bool {
        self.run.position.step.is_multiple_of(self.config.checkpoint_every)
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// What the checkpoint will say of itself.
    pub fn header(&self) -> &CheckpointHeader {
        &self.header
    }

    /// Steps that are left, by stage.
    pub fn steps_left(&self) -> impl Iterator<Item = (Stage, usize)> + '_ {
        let Position { stage: current, step } = self.run.position;
        Stage::ALL.into_iter().filter_map(move |stage| {
            let n_steps = self.config.stage(stage).n_steps;
            match current {
                Some(current) if stage == current => Some((stage, n_steps - step)),
                Some(current) if stage > current => Some((stage, n_steps)),
                _ => None,
            }
        })
    }

    /// A number that tells the cells, their parts and vectors from others, in hexadecimal.
    pub fn data_fingerprint(&self) -> String {
        format!("{:016x}", self.fingerprint)
    }

    /// The values as they stand, under the names of a checkpoint.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn tensors(&self) -> Result<TensorMap, Error> {
        self.run.learned.tensors().await
    }

    /// The losses so far, those before a resumption too.
    pub fn history(&self) -> &History {
        &self.run.history
    }

    /// Does the next part of what has to be done before the first step (the anchor is fitted); the parts done and all of them,
    /// or none where nothing is left. A step does what is left of it.
    ///
    /// # Errors
    /// Where vectors or responses are not finite.
    pub fn prepare(&mut self) -> Result<Option<(usize, usize)>, Error> {
        self.facts.prepare(&self.cells)
    }

    /// Has the next step's loss looked at, so that what stands after it is known to be good. Nothing else is changed by it.
    pub fn look_next(&mut self) {
        self.looks_next = true;
    }

    /// Does one step. Reports every `report_every` steps, at every validation and at the end of a stage; none else and
    /// where all is done.
    ///
    /// # Errors
    /// Where a loss is not finite (looked at when reported and when a checkpoint is due), or the device fails. The run then
    /// stands before the last step whose loss was found good: its state can be saved, its weights are usable.
    pub async fn step(&mut self) -> Result<Option<StepReport>, Error> {
        let Position { stage: Some(stage), step } = self.run.position else { return Ok(None) };
        while self.prepare()?.is_some() {
            yield_now().await;
        }
        if step == 0 {
            self.look_before(stage).await?;
        }
        let due = self.due(stage, step + 1);
        let looks = std::mem::take(&mut self.looks_next) || due.reports || due.saves || due.validates || due.ends;
        let before = looks.then(|| self.run.clone());
        let Self { config, cells, facts, device, run, draws: drawn, .. } = self;
        let losses = advance(Given { config, cells, facts, device }, run, drawn)?;
        self.run.position.step = step + 1;
        self.last_report.n_steps += 1;
        let Some(before) = before else { return Ok(None) };
        let report = self.after_step(stage, due, losses).await;
        match report {
            Ok(_) => self.last_good = before,
            Err(_) => {
                self.run = self.last_good.clone();
                self.draws = draws(&self.config, self.run.position);
            }
        }
        report
    }

    fn given(&self) -> Given<'_> {
        let Self { config, cells, facts, device, .. } = self;
        Given { config, cells, facts, device }
    }

    fn due(&self, stage: Stage, done: usize) -> Due {
        let ends = done == self.config.stage(stage).n_steps;
        // Without anything held back there are still the gauges of the stages that change latent states.
        let has_look = self.validation.is_some() || matches!(stage, Stage::Pretrain | Stage::Action);
        Due {
            reports: ends || done.is_multiple_of(self.config.report_every),
            saves: done.is_multiple_of(self.config.checkpoint_every),
            validates: has_look && (ends || done.is_multiple_of(self.config.validate_every)),
            ends,
        }
    }

    /// Looks at the loss, and at what was held back where that is due; ends the stage where it is over.
    async fn after_step(&mut self, stage: Stage, due: Due, losses: Losses) -> Result<Option<StepReport>, Error> {
        let (done, n_steps) = (self.run.position.step, self.config.stage(stage).n_steps);
        let (loss, terms) = losses.read().await?;
        require_finite(stage, done, "the loss", loss, &terms)?;
        let (mut validation, mut gauges) = (None, None);
        if due.validates {
            validation = self.validate(stage, done).await?;
            gauges = self.gauges(stage).await?;
        }
        if !(due.reports || due.validates) {
            return Ok(None);
        }
        let point = |loss: f64| CurvePoint { stage, step: done, loss: loss as f32 };
        self.run.history.losses.push(point(loss));
        if let Some(validation) = &validation {
            self.run.history.validation.push(point(validation.loss));
        }
        let warnings = TrainWarning::of(stage, done, n_steps, &terms, gauges.as_ref());
        // On the plateau nothing gets better for a while, and that is no reason to give up.
        let may_stop = !due.ends && !warnings.iter().any(|warning| matches!(warning, TrainWarning::Plateau { .. }));
        let is_over = |patience: usize| validation.is_some() && self.run.n_since_best >= patience;
        let stopped_early = may_stop && self.config.patience.is_some_and(is_over);
        let end = (due.ends || stopped_early).then(|| self.end_stage(stage, stopped_early));
        let begun_at = |at: &&CurvePoint| at.stage == stage && at.step == 0;
        let validated_before = self.run.history.validation.points.iter().find(begun_at).map(|at| f64::from(at.loss));
        let now = now_secs();
        let step_secs = (now - self.last_report.at_secs) / self.last_report.n_steps as f64;
        self.last_report = LastReport { at_secs: now, n_steps: 0 };
        let lr = match &self.run.learned {
            Learned::BioJepa { .. } => cycle(&self.config, stage, self.config.stage(stage).max_lr).lr(done - 1),
            Learned::CellJepa { recipe, .. } => visits::rates(&self.config, recipe, &self.cells).lr(done - 1),
        };
        Ok(Some(StepReport {
            stage,
            step: done,
            n_steps,
            loss,
            lr,
            step_secs,
            terms,
            validation,
            validated_before,
            gauges,
            warnings,
            end,
        }))
    }

    /// Keeps what validated best, where the stage keeps that, and goes on to the next stage.
    fn end_stage(&mut self, stage: Stage, stopped_early: bool) -> StageEnd {
        let best = self.run.best.take().and_then(|best| Some((best.step, best.learned?)));
        let kept_step = best.as_ref().map(|(step, _)| *step);
        if let Some((_, learned)) = best {
            self.run.learned = learned;
        }
        self.run.n_since_best = 0;
        self.run.position = Position { stage: next_stage(&self.config, Some(stage)), step: 0 };
        self.run.optimiser = fresh_optimiser(&self.config, self.run.position);
        self.draws = draws(&self.config, self.run.position);
        StageEnd { stopped_early, kept_step }
    }
}

/// What a step computes with and leaves as it is.
#[derive(Clone, Copy)]
struct Given<'a> {
    config: &'a TrainConfig,
    cells: &'a TrainingCells,
    facts: &'a TargetFacts,
    device: &'a Device,
}

/// One optimiser step of the stage at which `run` stands; its position is the caller's to move.
fn advance(given: Given<'_>, run: &mut Run, draws: &mut Draws) -> Result<Losses, Error> {
    let Given { config, cells, facts, device } = given;
    let Position { stage, step } = run.position;
    let stage = stage.unwrap_or(Stage::Decoder);
    let settings = config.stage(stage);
    let Run { learned, optimiser, .. } = run;
    let (model, decoder) = match learned {
        Learned::BioJepa { model, decoder } => (model, decoder),
        Learned::CellJepa { model, recipe } => {
            return Ok(visits::advance(config, cells, device, model, recipe, optimiser, draws, step));
        }
    };
    let source = Source { config, cells, facts, composer: &model.composer, device };
    let examples = source.examples(stage, config.n_examples(stage), draws, step)?;
    let main = cycle(config, stage, settings.max_lr);
    let (lr, beta1) = (main.lr(step), main.beta1(step));
    let now = StepSettings { lr, beta1, clip_norm: settings.clip_norm, n_parts: config.accumulate };
    Ok(match examples {
        Examples::Cells { cells, mask } => step::pretrain_step(model, optimiser, &cells, &mask, now, config.ema_decay),
        Examples::Views { anchors, positives } => step::align_step(model, optimiser, &anchors, &positives, now),
        Examples::Pairs { pairs, mask } if stage == Stage::Action => {
            let composer_lr = cycle(config, stage, settings.composer_max_lr.unwrap_or(settings.max_lr / 10.0)).lr(step);
            step::action_step(model, optimiser, &pairs, mask.as_ref(), now, composer_lr)
        }
        Examples::Pairs { pairs, .. } => step::decoder_step(model, decoder, optimiser, &pairs, config.baseline, now),
        Examples::Visits(_) => return Err(examples::other_model()),
    })
}

fn cycle(config: &TrainConfig, stage: Stage, max_lr: f64) -> OneCycle {
    OneCycle { max_lr, n_steps: config.stage(stage).n_steps, warmup_share: config.warmup_share }
}

/// Refuses a loss that is not finite, and says which of its terms are not.
fn require_finite(stage: Stage, step: usize, what: &str, loss: f64, terms: &[TermValue]) -> Result<(), Error> {
    let is_bad = |term: &&TermValue| !term.value.is_finite();
    let bad: Vec<(LossTerm, f64)> = terms.iter().filter(is_bad).map(|term| (term.term, term.value)).collect();
    if loss.is_finite() && bad.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = bad.iter().map(|(term, value)| format!("{} is {value}", term.label())).collect();
    let named = if named.is_empty() { "each term is finite, their sum is not".to_owned() } else { named.join(", ") };
    Err(Error::Training { stage: stage.label(), step, problem: format!("{what} is {loss} ({named})") })
}

fn check(
    config: &TrainConfig,
    header: &CheckpointHeader,
    cells: &TrainingCells,
    validation: Option<&TrainingCells>,
) -> Result<(), Error> {
    let (n_genes, n_header) = (cells.n_genes(), header.genes.len());
    if config.model.n_genes != n_genes || n_header != n_genes || header.model != config.model {
        let n_model = config.model.n_genes;
        let problem = format!("cells have {n_genes} genes, the configuration {n_model}, the header {n_header}");
        return Err(Error::TrainingCells { problem });
    }
    if header.anchor != config.anchor {
        let problem = "the header and the configuration speak of different anchors".into();
        return Err(Error::TrainingCells { problem });
    }
    for stage in Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0) {
        let n_examples = |cells: &TrainingCells| cells.n_examples(stage, sampling(config.stage(stage)));
        let missing = match stage {
            Stage::Pretrain => "no cells",
            Stage::Align => "no target with a vector",
            Stage::Action | Stage::Decoder => "no control cells, or no perturbed cells of a target with a vector",
        };
        let problem = if n_examples(cells) == 0 {
            format!("{}: {missing}", stage.label())
        } else if stage != Stage::Align && validation.is_some_and(|cells| n_examples(cells) == 0) {
            format!("{}: {missing} held back for validation; raise validation_share or set hold_back", stage.label())
        } else {
            continue;
        };
        return Err(Error::TrainingCells { problem });
    }
    Ok(())
}

/// The first stage with steps after `current`.
fn next_stage(config: &TrainConfig, current: Option<Stage>) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| current.is_none_or(|c| *stage > c) && config.stage(*stage).n_steps > 0)
}

fn draws(config: &TrainConfig, position: Position) -> Draws {
    Draws::new(config.seed, position.stage.unwrap_or(Stage::Decoder))
}

fn fresh_decoder(config: &TrainConfig, device: &Device) -> Decoder {
    let decoder = Decoder::init(config.model.d_model, config.seed.wrapping_add(DECODER_SEED_OFFSET), device);
    // With an anchor the network begins by correcting nothing.
    if config.anchor.is_some() { decoder.silenced() } else { decoder }
}

fn fresh_optimiser(config: &TrainConfig, position: Position) -> AdamW {
    AdamW::new(optimiser_config(config, position))
}

fn optimiser_config(config: &TrainConfig, position: Position) -> AdamWConfig {
    let of_stage = config.stage(position.stage.unwrap_or(Stage::Decoder)).weight_decay;
    let weight_decay = config.cell_jepa.as_ref().map_or(of_stage, |recipe| recipe.weight_decay);
    AdamWConfig { weight_decay, ..AdamWConfig::default() }
}
