//! A training run in the session: looked at, started, resumed, steered, saved as it goes.
//!
//! The loop is jepa's; here it gives way to messages between two steps, says how it goes, and keeps the run, so that the
//! death of the page at any moment loses the steps since the last saving and nothing else.

use std::any::Any;

use jepa::bank::Bank;
use jepa::batch::TrainingCells;
use jepa::checkpoint;
use jepa::device::Device;
use jepa::platform::{now_secs, unix_secs};
use jepa::train::Trainer;
use jepa::train::assemble::{Assembled, assemble};
use jepa::train::visits::assemble_cells;
use spec::device::DeviceReport;
use spec::message::Event;
use spec::run::{RunInfo, RunStatus, StartFrom, Steering, TrainingPlan};
use spec::train::cost::{MemoryLimits, PartCounts, StageMemory, anchor_bytes, propose};
use spec::train::run_file::RunData;
use spec::train::{Stage, StepReport, TrainConfig};

use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;
use crate::loaded::Loaded;
use crate::pace::{Moment, Pace};
use crate::population::Population;
use crate::runs::{Part, Runs};
use crate::task::Task;

/// Steps that tell the pace of a stage where they are quick, and the seconds that this may take.
const PROBE_STEPS: usize = 10;
const PROBE_SECS: f64 = 10.0;

/// What a run is made of, before it has values.
pub struct Start<'a> {
    /// The cells.
    pub population: &'a Population,
    /// The model in use: gives the vectors where they are needed, and is what the run may begin from.
    pub model: Option<&'a Loaded>,
    /// Where it is computed.
    pub device: &'a Device,
    /// What that is.
    pub report: &'a DeviceReport,
    /// Bytes there are for it.
    pub bytes_available: u64,
}

/// A run that can begin.
struct Ready {
    assembled: Assembled,
    /// The checkpoint it begins from.
    from: Option<checkpoint::Checkpoint>,
}

impl Start<'_> {
    /// Looks at a run without starting it: what it is made of, what it takes, and how long a step lasts.
    pub async fn plan(&self, task: &mut Task, config: TrainConfig, from: StartFrom) -> Result<Event, EngineError> {
        let Ready { assembled, from } = self.ready(config, from).await?;
        let Assembled { config, header, cells, warnings } = assembled;
        let n_targets = cells.targets().len();
        let (memory, limits) = self.room(&config, n_targets);
        let mut plan = TrainingPlan {
            n_cells: cells.n_cells(),
            seen: header.seen.clone(),
            warnings,
            parameters: PartCounts::of_run(&config),
            memory,
            limits,
            fitting: None,
            probe: None,
            config,
        };
        if plan.fits() {
            let mut stretch = task.begin("Timing some steps", "stages", plan.memory.len()).await?;
            let trainer =
                self.trainer(Assembled { config: plan.config.clone(), header, cells, warnings: Vec::new() }, from)?;
            let quick = trainer.probe(1).await?;
            let expected: f64 = quick.stages.iter().map(|stage| stage.step_secs * PROBE_STEPS as f64).sum();
            stretch.reached(0).await?;
            plan.probe = Some(if expected < PROBE_SECS { trainer.probe(PROBE_STEPS).await? } else { quick });
            stretch.reached(plan.memory.len()).await?;
        } else {
            let total = limits.total.saturating_sub(anchor_bytes(&plan.config, n_targets));
            plan.fitting = propose(&plan.config, MemoryLimits { total, ..limits }).map(Box::new);
        }
        Ok(Event::TrainingPlanned { plan: Box::new(plan) })
    }

    /// What the stages of a run take, and what there is.
    fn room(&self, config: &TrainConfig, n_targets: usize) -> (Vec<StageMemory>, MemoryLimits) {
        let stages = Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0);
        let memory = stages.map(|stage| StageMemory::of(config, stage).with_anchor(config, n_targets)).collect();
        (memory, MemoryLimits { total: self.bytes_available, buffer: self.report.max_buffer_bytes })
    }

    /// Refuses a run that would take more memory than there is, before it takes any.
    fn require_room(&self, config: &TrainConfig, n_targets: usize) -> Result<(), EngineError> {
        let (memory, limits) = self.room(config, n_targets);
        let Some(too_large) = memory.iter().find(|memory| !limits.hold(memory)) else { return Ok(()) };
        let megabytes = |bytes: u64| bytes.div_ceil(1 << 20);
        let total = limits.total.saturating_sub(anchor_bytes(config, n_targets));
        let advice = match propose(config, MemoryLimits { total, ..limits }) {
            Some(fitting) => format!(
                "a batch of {} would fit: estimate the run, and take the batches that it offers",
                fitting.stage(too_large.stage).batch_size
            ),
            None => "no batch fits: take a smaller model or fewer genes".into(),
        };
        Err(EngineError::Run(format!(
            "{} would take {} MiB at its peak, {} MiB of them in one piece, and there are {} MiB here, in pieces of {} at most; \
             {advice}",
            too_large.stage.label(),
            megabytes(too_large.total()),
            megabytes(too_large.largest_buffer),
            megabytes(limits.total),
            limits.buffer.map_or_else(|| "any size".into(), |bytes| format!("{} MiB", megabytes(bytes)))
        )))
    }

    /// Starts a run and drives it until it is done, or somebody wants something else.
    pub async fn train(
        &self,
        task: &mut Task,
        runs: &Runs,
        name: String,
        config: TrainConfig,
        from: StartFrom,
        save_every_secs: f64,
    ) -> Result<Event, EngineError> {
        let Ready { mut assembled, from } = self.ready(config, from).await?;
        self.require_room(&assembled.config, assembled.cells.targets().len())?;
        let warnings = std::mem::take(&mut assembled.warnings);
        let cells = assembled.cells.to_bytes()?;
        let n_cells = assembled.cells.n_cells();
        // A Cell-JEPA is asked about no response.
        let measured = match assembled.config.cell_jepa {
            None => Some(self.population.measured(&assembled.header.genes)?.to_bytes()?),
            Some(_) => None,
        };
        let mut trainer = self.trainer(assembled, from)?;
        prepare(task, &mut trainer).await?;
        let started_secs = unix_secs();
        let info = RunInfo {
            id: format!("run-{:.0}", 1000.0 * started_secs),
            name,
            started_secs,
            status: RunStatus::Running,
            config: trainer.config().clone(),
            data: RunData {
                files: vec![self.population.file.clone()],
                bank: self.vectors().map(|bank| bank.source().to_owned()).unwrap_or_default(),
                fingerprint: trainer.data_fingerprint(),
                n_genes: trainer.config().model.n_genes,
            },
            n_cells,
            seen: trainer.header().seen.clone(),
            steps_done: 0,
            n_steps: trainer.n_steps(),
            trained_secs: 0.0,
            history: trainer.history().clone(),
            checkpoint: None,
        };
        let held = runs.hold(&info.id).await?;
        let mut under_way = UnderWay::new(trainer, info, runs, save_every_secs);
        for (part, bytes) in std::iter::once((Part::Cells, cells)).chain(measured.map(|bytes| (Part::Measured, bytes)))
        {
            // What is refused stays in memory, is tried again at every saving, and said there.
            let _ = runs.save(&under_way.info.id, part, &bytes).await;
        }
        task.emit(Event::TrainingStarted { run: Box::new(under_way.info.clone()), warnings });
        under_way.save(task).await?;
        under_way.drive_held(task, held).await
    }

    async fn ready(&self, config: TrainConfig, from: StartFrom) -> Result<Ready, EngineError> {
        let (mut config, from) = match from {
            StartFrom::Scratch => (config, None),
            StartFrom::Checkpoint => {
                let model = self.model.ok_or_else(|| EngineError::Run("no model is loaded to begin from".into()))?;
                let (config, checkpoint) = model.start_of(&config).await?;
                (config, Some(checkpoint))
            }
        };
        config.data = self.population.options.clone();
        config.data.target_sum = Some(self.population.target_sum);
        config.join = self.population.join.unwrap_or_default();
        let header = from.as_ref().map(|checkpoint| &checkpoint.header);
        let assembled = if let Some(recipe) = &config.cell_jepa {
            let column = recipe.fine_tune.as_ref().map(|tuning| tuning.column.as_str());
            assemble_cells(&config, self.population.material(column)?, header.map(|header| header.genes.clone()))?
        } else {
            let material = self.population.material(config.batch_column.as_deref())?;
            assemble(&config, material, self.bank()?, header)?
        };
        Ok(Ready { assembled, from })
    }

    fn vectors(&self) -> Option<&Bank> {
        self.model.and_then(Loaded::responses).and_then(|model: &Checkpoint| model.bank.as_ref())
    }

    fn bank(&self) -> Result<&Bank, EngineError> {
        self.vectors().ok_or_else(|| {
            EngineError::Run(
                "there are no perturbation vectors, which training needs: load a model together with its bank.safetensors, \
                 or load the built-in example"
                    .into(),
            )
        })
    }

    fn trainer(&self, assembled: Assembled, from: Option<checkpoint::Checkpoint>) -> Result<Box<Trainer>, EngineError> {
        let Assembled { config, header, cells, .. } = assembled;
        let device = self.device.clone();
        Ok(Box::new(match from {
            None => Trainer::new(config, header, cells, device)?,
            Some(from) => Trainer::fine_tune(config, header, cells, &from, device)?,
        }))
    }
}

/// Goes on with a run that is kept.
pub async fn resume(
    task: &mut Task,
    runs: &Runs,
    run: &str,
    device: &Device,
    save_every_secs: f64,
) -> Result<Event, EngineError> {
    let mut info = runs.info(run).await?;
    let held = runs.hold(run).await?;
    let state = runs.state(&info).await?;
    let (config, header) = Trainer::saved_as(&state)?;
    let cells = TrainingCells::from_bytes(&runs.load(run, Part::Cells).await?)?;
    let mut trainer = Box::new(Trainer::resume(&state, config, header, cells, device.clone())?);
    prepare(task, &mut trainer).await?;
    info.status = RunStatus::Running;
    let mut under_way = UnderWay::new(trainer, info, runs, save_every_secs);
    under_way.note();
    task.emit(Event::TrainingStarted { run: Box::new(under_way.info.clone()), warnings: Vec::new() });
    task.emit(Event::RunSaved { steps_done: under_way.info.steps_done, problem: None });
    under_way.drive_held(task, held).await
}

/// Does what comes before the first step, and lets messages in between its parts.
async fn prepare(task: &mut Task, trainer: &mut Trainer) -> Result<(), EngineError> {
    let Some((_, n_parts)) = trainer.prepare()? else { return Ok(()) };
    let mut stretch = task.begin("Fitting the anchor", "parts", n_parts).await?;
    while let Some((n_done, _)) = trainer.prepare()? {
        stretch.reached(n_done).await?;
    }
    Ok(())
}

/// A run under way.
struct UnderWay<'a> {
    trainer: Box<Trainer>,
    info: RunInfo,
    runs: &'a Runs,
    save_every_secs: f64,
    /// When it was saved last.
    saved_secs: f64,
    pace: Pace,
    since_report: Stretch,
}

/// The steps since the last report.
#[derive(Clone, Copy)]
struct Stretch {
    began: Moment,
    n_steps: usize,
    /// Seconds that the run had been trained before it.
    trained_secs: f64,
}

impl<'a> UnderWay<'a> {
    fn new(trainer: Box<Trainer>, info: RunInfo, runs: &'a Runs, save_every_secs: f64) -> Self {
        let since_report = Stretch { began: Moment::now(), n_steps: 0, trained_secs: info.trained_secs };
        Self { trainer, info, runs, save_every_secs, saved_secs: now_secs(), pace: Pace::default(), since_report }
    }

    /// Drives the run while this page holds it. One that is cancelled is discarded, with all that was kept of it.
    async fn drive_held(&mut self, task: &mut Task, held: Box<dyn Any>) -> Result<Event, EngineError> {
        let outcome = self.drive(task).await;
        // A file that is held cannot be removed.
        drop(held);
        if matches!(outcome, Err(EngineError::Cancelled)) {
            self.runs.remove(&self.info.id).await?;
        }
        outcome
    }

    async fn drive(&mut self, task: &mut Task) -> Result<Event, EngineError> {
        self.begin_stretch();
        while !self.trainer.is_done() {
            task.pause().await?;
            match task.steering() {
                Some(Steering::Pause) => {
                    self.info.status = RunStatus::Paused;
                    self.save(task).await?;
                    return Ok(self.ended());
                }
                Some(Steering::Stop) => return self.end(task, RunStatus::Stopped).await,
                None => {}
            }
            // Between two reports the loss is looked at for it, so that what is saved is known to be good.
            let saves = self.is_saving_due();
            if saves {
                self.trainer.look_next();
            }
            let begun_secs = now_secs();
            let report = self.trainer.step().await;
            self.info.trained_secs += now_secs() - begun_secs;
            self.since_report.n_steps += 1;
            match report {
                Ok(None) if saves => self.save(task).await?,
                Ok(None) => {}
                Ok(Some(report)) => self.reported(task, report).await?,
                Err(error) => return self.end(task, RunStatus::Failed { message: error.to_string() }).await,
            }
        }
        self.end(task, RunStatus::Done).await
    }

    async fn reported(&mut self, task: &mut Task, mut report: StepReport) -> Result<(), EngineError> {
        let Stretch { began, n_steps, trained_secs } = self.since_report;
        let told = self.pace.took(report.stage, n_steps, began.elapsed_secs());
        report.step_secs = told.step_secs;
        if told.stood_still_secs.is_some() {
            self.info.trained_secs = trained_secs + told.step_secs * n_steps as f64;
        }
        self.note();
        let was_looked_at = report.validation.is_some() || report.gauges.is_some();
        let shows = match report.stage {
            Stage::Decoder => true,
            // Before the decoder has learned, it says nothing of genes.
            Stage::Action => self.trainer.config().start_from.is_some() && was_looked_at,
            Stage::Pretrain | Stage::Align => false,
        };
        let (steps_done, remaining_secs) = (self.info.steps_done, self.remaining_secs());
        let stood_still_secs = told.stood_still_secs;
        task.emit(Event::Step { report: Box::new(report), steps_done, remaining_secs, stood_still_secs });
        if shows && let Some(glimpse) = self.trainer.glimpse().await? {
            task.emit(Event::Glimpsed { glimpse });
        }
        if self.is_saving_due() {
            self.save(task).await?;
        }
        self.begin_stretch();
        Ok(())
    }

    fn begin_stretch(&mut self) {
        self.since_report = Stretch { began: Moment::now(), n_steps: 0, trained_secs: self.info.trained_secs };
    }

    /// Writes down where the run stands.
    fn note(&mut self) {
        self.info.steps_done = self.trainer.steps_done();
        self.info.history = self.trainer.history().clone();
    }

    /// Seconds left at the pace of each stage.
    fn remaining_secs(&self) -> Option<f64> {
        self.trainer.steps_left().map(|(stage, n)| Some(n as f64 * self.pace.of(stage)?)).sum()
    }

    fn is_saving_due(&self) -> bool {
        now_secs() - self.saved_secs >= self.save_every_secs
    }

    /// Saves the run, and says so, or what of it could not be kept.
    async fn save(&mut self, task: &Task) -> Result<(), EngineError> {
        self.note();
        let (runs, id) = (self.runs, &self.info.id);
        let state = self.trainer.state().await?;
        let kept = [
            runs.retry(id, Part::Cells).await,
            runs.retry(id, Part::Measured).await,
            runs.save(id, Part::State, &state).await,
            runs.save_info(&self.info).await,
        ];
        self.saved_secs = now_secs();
        let problem = kept.into_iter().find_map(|outcome| outcome.err().map(|error| error.to_string()));
        task.emit(Event::RunSaved { steps_done: self.info.steps_done, problem });
        Ok(())
    }

    async fn end(&mut self, task: &Task, status: RunStatus) -> Result<Event, EngineError> {
        self.note();
        let model = self.trainer.weights().await?;
        let problem = self.runs.end(&mut self.info, status, &model).await.err().map(|error| error.to_string());
        task.emit(Event::RunSaved { steps_done: self.info.steps_done, problem });
        Ok(self.ended())
    }

    fn ended(&self) -> Event {
        Event::Trained { run: Box::new(self.info.clone()) }
    }
}
