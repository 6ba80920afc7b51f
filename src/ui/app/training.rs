//! Training as the screen knows it: what a person chose, what is asked because of it, the run under way, the runs kept.
//!
//! What the engine says of it is taken in by `trained`.

use serde::{Deserialize, Serialize};
use spec::cell_jepa::{CellJepaConfig, CellJepaPreset};
use spec::labels::UNLABELLED;
use spec::message::Request;
use spec::run::{Glimpse, RunChange, RunExport, RunInfo, StartFrom, Steering, StorageReport, TrainingPlan};
use spec::train::cost::MemoryLimits;
use spec::train::preset::Preset;
use spec::train::report::{Gauges, History, StageEnd, TrainWarning, Validation};
use spec::train::{Baseline, HoldBack, Stage, StepReport, TrainConfig};

use super::{Job, Phase, Shared, State};

/// Seconds between two savings of a run.
pub const SAVE_EVERY_SECS: f64 = 15.0;
/// How often a run that died is resumed by itself without getting further.
pub const MAX_TRIES: u32 = 3;
/// Share of pairs of two controls, for a model whose changes are told from such pairs.
const CONTROL_SHARE: f64 = 0.5;

/// All that is known of training.
#[derive(Debug, Default)]
pub struct Training {
    /// What a person chose.
    pub setup: Setup,
    /// The last look at a run that could be started.
    pub plan: Option<Shared<Planned>>,
    /// The room there is, once a file was opened.
    pub limits: Option<MemoryLimits>,
    /// The run under way; none until it has begun.
    pub live: Option<Live>,
    /// What is wanted of the run under way.
    pub steering: Option<Steering>,
    /// The run that ended or was paused last, until dismissed.
    pub ended: Option<Shared<RunInfo>>,
    /// The runs that are kept, the latest first; none until they are known.
    pub runs: Option<Shared<Vec<RunInfo>>>,
    /// Where they are kept.
    pub storage: StorageReport,
    /// How often a run was resumed by itself; outlives the page.
    pub tries: Option<Tries>,
    /// The run that is resumed as soon as nothing else is to be done.
    pub(super) resume_next: Option<String>,
    /// Whether the next list of runs is looked through for one that died.
    pub(super) looks_for_died: bool,
}

/// What a person chose for a run. The cells and the genes are those that are prepared when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Setup {
    /// What it began with.
    pub preset: Preset,
    /// The same of a Cell-JEPA, which is trained where `config` says so.
    pub cell_preset: CellJepaPreset,
    /// What the run begins from.
    pub start: StartFrom,
    /// The settings.
    pub config: TrainConfig,
    /// Targets held out; none for those that the loaded model held out.
    pub held_out: Option<Vec<String>>,
    /// What the run is called; none for a name made of the cells and the preset.
    pub name: Option<String>,
}

impl Setup {
    /// The settings of a preset; what does not depend on size stays as it was chosen.
    pub fn with_preset(&self, preset: Preset) -> Self {
        let before = &self.config;
        let config = TrainConfig {
            seed: before.seed,
            mode: before.mode,
            batch_column: before.batch_column.clone(),
            validation_share: before.validation_share,
            hold_back: before.hold_back,
            patience: before.patience,
            train_encoder: before.train_encoder,
            ..preset.config()
        };
        Self { preset, config, ..self.clone() }
    }

    /// The settings of a Cell-JEPA's preset; what does not depend on size stays as it was chosen.
    pub fn with_cell_preset(&self, preset: CellJepaPreset) -> Self {
        let before = &self.config;
        let mut config = TrainConfig {
            seed: before.seed,
            validation_share: before.validation_share,
            hold_back: HoldBack::Cells,
            patience: before.patience,
            ..preset.config()
        };
        if let Some(recipe) = &mut config.cell_jepa {
            recipe.fine_tune = before.cell_jepa.as_ref().and_then(|before| before.fine_tune.clone());
        }
        Self { cell_preset: preset, config, ..self.clone() }
    }

    /// Whether a Cell-JEPA is trained.
    pub fn is_of_cells(&self) -> bool {
        self.config.cell_jepa.is_some()
    }

    /// The same choices for the other of the two models.
    pub fn of_cells(&self, is_of_cells: bool) -> Self {
        let start = StartFrom::Scratch;
        match is_of_cells {
            true => Self { start, ..self.with_cell_preset(self.cell_preset) },
            false => Self { start, ..self.with_preset(self.preset) },
        }
    }
}

impl Default for Setup {
    fn default() -> Self {
        let preset = Preset::Tiny;
        let cell_preset = CellJepaPreset::Tiny;
        let config = preset.config();
        Self { preset, cell_preset, start: StartFrom::Scratch, config, held_out: None, name: None }
    }
}

/// A plan, and what it is of.
#[derive(Debug)]
pub struct Planned {
    /// What was asked about.
    pub config: TrainConfig,
    /// What the run would begin from.
    pub start: StartFrom,
    /// What was seen.
    pub plan: TrainingPlan,
}

/// The run under way.
#[derive(Debug, Clone)]
pub struct Live {
    /// As it was when it began or went on.
    pub run: Shared<RunInfo>,
    /// What a person should know of it.
    pub warnings: Vec<String>,
    /// The last report.
    pub report: Option<StepReport>,
    /// Steps done, over all stages.
    pub steps_done: usize,
    /// Seconds left.
    pub remaining_secs: Option<f64>,
    /// Losses so far.
    pub history: Shared<History>,
    /// The last validation, with its stage and step.
    pub validation: Option<(Stage, usize, Validation)>,
    /// The last gauges, with their stage and step.
    pub gauges: Option<(Stage, usize, Gauges)>,
    /// What the reports give reason to say now.
    pub report_warnings: Vec<TrainWarning>,
    /// Stages that have ended in this sitting, and how.
    pub ends: Vec<(Stage, StageEnd)>,
    /// What the model says of one target now.
    pub glimpse: Option<Shared<Glimpse>>,
    /// Seconds that it stood still in this sitting.
    pub stood_still_secs: f64,
    /// The last saving: steps that are safe, and why it failed where it did.
    pub saved: Option<(usize, Option<String>)>,
}

/// How often a run was resumed by itself without getting further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// The run.
    pub run: String,
    /// Steps that were safe.
    pub steps_done: usize,
    /// How often.
    pub n: u32,
}

/// Whether a request is a run.
pub fn is_run(request: &Request) -> bool {
    matches!(request, Request::Train { .. } | Request::ResumeRun { .. })
}

impl State {
    /// Whether a run is under way or waits.
    pub fn is_training(&self) -> bool {
        self.has_job(is_run)
    }

    /// What is called the run under way or the one that waits; none where there is neither.
    pub fn run_name(&self) -> Option<String> {
        let running = self.running.as_ref().map(|running| &running.job);
        let job = running.into_iter().chain(&self.queue).find(|job| is_run(&job.request))?;
        match &job.request {
            Request::Train { name, .. } => Some(name.clone()),
            Request::ResumeRun { run, .. } => Some(self.run(run).map_or_else(|| run.clone(), |run| run.name.clone())),
            _ => None,
        }
    }

    /// A run that is kept.
    pub fn run(&self, id: &str) -> Option<&RunInfo> {
        self.training.runs.as_ref().and_then(|runs| runs.iter().find(|run| run.id == id))
    }

    /// Perturbations that can be learned from, with their cells.
    pub fn training_targets(&self) -> Vec<(String, usize)> {
        let Some(dataset) = &self.dataset else { return Vec::new() };
        let control = dataset.options.control_label.as_deref();
        let is_target = |(label, _): &&(String, usize)| label != UNLABELLED && Some(label.as_str()) != control;
        dataset.prepared.perturbations.iter().filter(is_target).cloned().collect()
    }

    /// Targets that are held out: as chosen, else those that the loaded model held out; of them, those the cells have.
    pub fn held_out(&self) -> Vec<String> {
        let of_model = || self.checkpoint.as_ref().map(|checkpoint| checkpoint.header.held_out.clone());
        let wanted = self.training.setup.held_out.clone().or_else(of_model).unwrap_or_default();
        let is_wanted = |(label, _): (String, usize)| wanted.contains(&label).then_some(label);
        self.training_targets().into_iter().filter_map(is_wanted).collect()
    }

    /// The configuration that would be run; none without cells and vectors.
    pub fn training_config(&self) -> Option<TrainConfig> {
        self.training_config_of(&self.training.setup)
    }

    /// The same of other choices.
    pub fn training_config_of(&self, setup: &Setup) -> Option<TrainConfig> {
        let dataset = self.dataset.as_ref()?;
        if let Some(recipe) = &setup.config.cell_jepa {
            return self.cell_config(setup, recipe);
        }
        let header = &self.checkpoint.as_ref().filter(|checkpoint| checkpoint.n_vectors > 0)?.header;
        let opened = self.opened.as_ref().filter(|file| file.files == dataset.files);
        let mut config = setup.config.clone();
        config.data = dataset.options.clone();
        config.join = opened.and_then(|file| file.opened.join).unwrap_or_default();
        config.held_out = self.held_out();
        match setup.start {
            StartFrom::Scratch => {
                config.model.n_genes = dataset.prepared.n_genes;
                config.model.composer.n_protein = header.model.composer.n_protein;
            }
            StartFrom::Checkpoint => {
                // What the model is and how it is asked stays as it is.
                config.model = header.model.clone();
                config.baseline = header.baseline;
                config.action.cells_per_example = header.cells_per_example;
                config.decoder.cells_per_example = header.cells_per_example;
                config.anchor = header.anchor.clone();
                config.vector_weight = header.shrinkage.as_ref().map_or(1.0, |shrinkage| shrinkage.weight);
                if config.baseline == Baseline::ControlAction {
                    config.control_share = CONTROL_SHARE;
                }
                if !config.train_encoder {
                    config.pretrain.n_steps = 0;
                    config.align.n_steps = 0;
                }
            }
        }
        Some(config)
    }

    /// The same of a Cell-JEPA, which needs no vectors; none where it is to begin from a model that is not loaded.
    fn cell_config(&self, setup: &Setup, recipe: &CellJepaConfig) -> Option<TrainConfig> {
        let dataset = self.dataset.as_ref()?;
        let opened = self.opened.as_ref().filter(|file| file.files == dataset.files);
        let mut config = setup.config.clone();
        config.data = dataset.options.clone();
        config.join = opened.and_then(|file| file.opened.join).unwrap_or_default();
        config.model.n_genes = dataset.prepared.n_genes;
        if setup.start == StartFrom::Checkpoint {
            let header = &self.checkpoint.as_ref()?.header;
            let model = header.cell_jepa.as_ref()?;
            config.model = header.model.clone();
            // Sizes are the model's, and so is what a visit reads; how it learns is what was chosen.
            config.cell_jepa = Some(CellJepaConfig {
                d_model: model.d_model,
                n_layers: model.n_layers,
                n_heads: model.n_heads,
                feed_forward: model.feed_forward,
                predictor_width: model.predictor_width,
                n_bins: model.n_bins,
                ..recipe.clone()
            });
        }
        Some(config)
    }

    /// Whether the loaded model can be what the chosen run begins from.
    pub fn can_begin_from_model(&self) -> bool {
        let is_of_cells = self.checkpoint.as_ref().map(|checkpoint| checkpoint.header.is_cell_jepa());
        is_of_cells == Some(self.training.setup.is_of_cells())
    }

    /// Columns that may tell batches: labels, but not those of what was done to the cells.
    pub fn batch_columns(&self) -> Vec<String> {
        let Some(dataset) = &self.dataset else { return Vec::new() };
        let perturbation = dataset.options.perturbation_column.as_deref();
        dataset.prepared.label_columns.iter().filter(|name| Some(name.as_str()) != perturbation).cloned().collect()
    }

    /// What a run is called where nobody says it: cells and size, with a number where there is such a run already.
    pub fn default_run_name(&self) -> String {
        let file = self.dataset.as_ref().map(|dataset| dataset.name.as_str()).unwrap_or_default();
        let stem = file.split_once('.').map_or(file, |(stem, _)| stem);
        let how = match self.training.setup.start {
            StartFrom::Scratch if self.training.setup.is_of_cells() => self.training.setup.cell_preset.label(),
            StartFrom::Scratch => self.training.setup.preset.label(),
            StartFrom::Checkpoint => "fine-tuned",
        };
        let what = if self.training.setup.is_of_cells() { "Cell-JEPA " } else { "" };
        let name = format!("{stem} {what}{how}");
        let is_taken = |name: &str| self.training.runs.iter().flat_map(|runs| runs.iter()).any(|run| run.name == name);
        let numbered = (2..).map(|n| format!("{name} {n}")).find(|name| !is_taken(name));
        if is_taken(&name) { numbered.unwrap_or(name) } else { name }
    }

    /// Why what is chosen cannot be run; none where it can be asked for.
    pub fn setup_problem(&self) -> Option<String> {
        let Some(config) = self.training_config() else {
            let needed = match (self.training.setup.is_of_cells(), self.training.setup.start) {
                (false, _) => "Cells and vectors are needed first.",
                (true, StartFrom::Scratch) => "Cells are needed first.",
                (true, StartFrom::Checkpoint) => "Load the Cell-JEPA to begin from first, or begin from random values.",
            };
            return Some(needed.into());
        };
        if let Err(problem) = config.validate() {
            return Some(problem);
        }
        (config.n_steps() == 0).then(|| "No stage has steps: give one some.".into())
    }

    /// The plan of what is chosen now; none where there is none, or it is of other choices.
    pub fn plan_in_force(&self) -> Option<&Shared<Planned>> {
        let config = self.training_config()?;
        let start = self.training.setup.start;
        self.training.plan.as_ref().filter(|planned| planned.config == config && planned.start == start)
    }

    /// Why no run can be started now; none where one can.
    pub fn start_problem(&self) -> Option<String> {
        if self.phase == Phase::Lost {
            return Some("The engine stopped: reload the page.".into());
        }
        if let Some(name) = self.run_name() {
            return Some(format!("One run at a time: {name} is under way. Pause or stop it first."));
        }
        if let Some(problem) = self.setup_problem() {
            return Some(problem);
        }
        let is_too_large = self.plan_in_force().is_some_and(|planned| !planned.plan.fits());
        is_too_large.then(|| "It does not fit into memory: take smaller batches or a smaller model.".into())
    }

    /// Looks at what is chosen without starting it; a look that still waits is replaced.
    pub fn plan_training(&mut self) {
        if self.setup_problem().is_some() {
            return;
        }
        let Some(config) = self.training_config() else { return };
        self.queue.retain(|job| !matches!(job.request, Request::PlanTraining { .. }));
        let start = self.training.setup.start;
        self.enqueue(Job::new(Request::PlanTraining { config: Box::new(config), start }));
    }

    /// Takes the batches that fit, and looks again.
    pub fn use_fitting(&mut self) {
        let Some(fitting) = self.training.plan.as_ref().and_then(|planned| planned.plan.fitting.clone()) else {
            return;
        };
        for stage in Stage::ALL {
            self.training.setup.config.stage_mut(stage).batch_size = fitting.stage(stage).batch_size;
        }
        self.plan_training();
    }

    /// Starts what is chosen.
    pub fn train(&mut self) {
        if self.start_problem().is_some() {
            return;
        }
        let Some(config) = self.training_config() else { return };
        let typed = self.training.setup.name.take().map(|name| name.trim().to_owned());
        let name = typed.filter(|name| !name.is_empty()).unwrap_or_else(|| self.default_run_name());
        let start = self.training.setup.start;
        self.begin(Request::Train { name, config: Box::new(config), start, save_every_secs: SAVE_EVERY_SECS });
    }

    /// Goes on with a run that is kept.
    pub fn resume_run(&mut self, run: String) {
        if !self.is_training() {
            self.begin(Request::ResumeRun { run, save_every_secs: SAVE_EVERY_SECS });
        }
    }

    fn begin(&mut self, request: Request) {
        self.training.resume_next = None;
        self.training.ended = None;
        self.failure = None;
        self.enqueue(Job::new(request));
    }

    /// Pauses or stops the run under way at its next step; one that still waits is not begun.
    pub fn steer(&mut self, how: Steering) {
        let Some(id) = self.running.as_ref().filter(|running| is_run(&running.job.request)).map(|running| running.id)
        else {
            return self.queue.retain(|job| !is_run(&job.request));
        };
        if self.training.steering.is_none() {
            self.training.steering = Some(how);
            self.urgent.push(Request::Steer { request: id, how });
        }
    }

    /// Ends the run under way and keeps nothing of it.
    pub fn discard(&mut self) {
        if self.running.as_ref().is_some_and(|running| is_run(&running.job.request)) {
            self.cancel();
        } else {
            self.queue.retain(|job| !is_run(&job.request));
        }
    }

    /// Where saving fails: pauses the run and takes its state away, before anything else.
    pub fn rescue_run(&mut self) {
        let Some(live) = &self.training.live else { return };
        let run = live.run.id.clone();
        self.steer(Steering::Pause);
        self.queue.push_front(Job::new(Request::ExportRun { run, part: RunExport::State }));
    }

    /// Asks the model of a run from now on.
    pub fn use_run(&mut self, run: String) {
        self.failure = None;
        self.queue.retain(|job| !matches!(job.request, Request::UseRun { .. }));
        self.enqueue(Job::new(Request::UseRun { run }));
    }

    /// Renames or deletes a run that is kept.
    pub fn change_run(&mut self, run: String, change: RunChange) {
        if change == RunChange::Delete {
            self.training.resume_next.take_if(|next| *next == run);
        }
        self.enqueue(Job::new(Request::ChangeRun { run, change }));
    }

    /// Asks which runs are kept, before anything that waits.
    pub(super) fn ask_for_runs(&mut self) {
        self.queue.retain(|job| job.request != Request::Runs);
        self.queue.push_front(Job::new(Request::Runs));
    }
}
