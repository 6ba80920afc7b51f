//! The state of the screen and how events change it: plain data, no browser.
//!
//! One request runs at a time; the rest wait in a queue, so that there is one progress bar and one thing to cancel.
//! [`State::apply`] is the only place where an event changes the state, [`State::take_posts`] the only place where a
//! request leaves it. Files are named by a [`FileSet`] here and held by the link, because a `File` is no plain data.

mod address;
mod aliases;
mod answered;
mod asked;
mod backwards;
mod job;
mod pathways;
mod perturb;
mod population;
mod shared;
mod trained;
mod training;

use std::collections::VecDeque;

use spec::checkpoint::{Card, CheckpointHeader};
use spec::dataset::{CellQuality, GeneJoin, Opened, PrepareOptions, Prepared};
use spec::device::{AttentionPath, Backend, BackendChoice, DeviceReport};
use spec::evaluation::{Evaluation, EvaluationConfig};
use spec::genes::VariableGenesTable;
use spec::labels::LabelTable;
use spec::message::{EmbeddingMap, Event, Request};
use spec::model::Mode;
use spec::prediction::{Prediction, Support, TargetInfo};
use spec::prepare::{CellFilter, MapConfig};
use spec::recipe::Recipe;

pub use address::{Address, Layout, Looks};
pub use aliases::Aliases;
pub use job::{FileSet, Job, Post, Progress, Running};
pub use pathways::Side;
pub use population::{Population, Unfolding};
pub use shared::Shared;
pub use training::{Live, Planned, Setup, Tries, is_run};

use backwards::AskingBackwards;
use pathways::Pathways;
use perturb::Asking;
use training::Training;

/// Requests that the browser counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// To this site.
    pub here: usize,
    /// To anywhere else.
    pub elsewhere: usize,
}

impl std::ops::Add for Requests {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { here: self.here + other.here, elsewhere: self.elsewhere + other.elsewhere }
    }
}

/// The five steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Screen {
    /// Choose a file and say what its labels mean.
    #[default]
    Load,
    /// See the cells.
    Look,
    /// Ask for a response.
    Perturb,
    /// Make a model of the cells.
    Train,
    /// See how well a model does.
    Evaluate,
}

/// Where the engine stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It is being downloaded, or chooses its device.
    #[default]
    Starting,
    /// It answers.
    Ready,
    /// It stopped and could not be started again.
    Lost,
}

/// A loaded checkpoint.
#[derive(Debug)]
pub struct Checkpoint {
    /// What it says of itself.
    pub header: CheckpointHeader,
    /// Its card, where it has one.
    pub card: Option<Card>,
    /// The genes that can be asked for, by symbol.
    pub targets: Vec<TargetInfo>,
    /// Parameters.
    pub n_parameters: usize,
    /// Perturbation vectors that came with it.
    pub n_vectors: usize,
    /// Whether its file does not say the number of heads.
    pub heads_unknown: bool,
    /// What is missing and what was assumed.
    pub warnings: Vec<String>,
    /// The number of heads that a person chose.
    pub chosen_heads: Option<usize>,
}

impl Checkpoint {
    /// What is known of a target; none where it cannot be asked for.
    pub fn support(&self, symbol: &str) -> Option<Support> {
        self.targets.iter().find(|target| target.symbol == symbol).map(|target| target.support)
    }
}

/// Where the loaded checkpoint came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// Files that were handed over.
    Files(FileSet),
    /// A run of this browser.
    Run(String),
}

/// A file that was understood, not yet prepared.
#[derive(Debug)]
pub struct OpenedFile {
    /// Its handles.
    pub files: FileSet,
    /// What was understood.
    pub opened: Opened,
}

/// The prepared cells that maps and predictions are about.
#[derive(Debug)]
pub struct Dataset {
    /// The handles it was read from.
    pub files: FileSet,
    /// Name of the file.
    pub name: String,
    /// Which genes its samples share; none where it is one matrix.
    pub join: Option<GeneJoin>,
    /// How it was prepared.
    pub options: PrepareOptions,
    /// What came out, but for the quality.
    pub prepared: Prepared,
    /// Quality of each cell that was read; the same one whatever is dropped.
    pub quality: Shared<CellQuality>,
}

/// A table that names genes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneTable {
    /// Its handle.
    pub files: FileSet,
    /// Name of the file.
    pub name: String,
    /// Symbols it has.
    pub n_symbols: usize,
}

/// Something went wrong; what was there before is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What was being done.
    pub task: String,
    /// What was wrong and where.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// Everything the screen shows.
#[derive(Debug, Default)]
pub struct State {
    /// The step on screen.
    pub screen: Screen,
    /// Where the engine stands.
    pub phase: Phase,
    /// The device it computes on.
    pub device: Option<DeviceReport>,
    /// The loaded checkpoint.
    pub checkpoint: Option<Shared<Checkpoint>>,
    /// The file whose preparation is being decided.
    pub opened: Option<Shared<OpenedFile>>,
    /// What the person chose for it.
    pub options: PrepareOptions,
    /// What the next file, or the one that is open, is to be prepared by.
    pub recipe: Option<Recipe>,
    /// What the labels of the chosen column were understood to mean.
    pub labels: Option<Shared<LabelTable>>,
    /// The prepared cells; stay until others are prepared.
    pub dataset: Option<Shared<Dataset>>,
    /// Filters that were in force before, the last of them last.
    pub filter_history: Vec<CellFilter>,
    /// The table that names the genes; none where they are called as files call them.
    pub gene_table: Option<GeneTable>,
    /// How the map of expression is made.
    pub map_config: MapConfig,
    /// How variable the genes of that map are; none where it is of all.
    pub variable_genes: Option<Shared<VariableGenesTable>>,
    /// Maps of the prepared cells.
    pub maps: Option<Shared<Vec<EmbeddingMap>>>,
    /// What is shown of them.
    pub looks: Looks,
    /// Layouts, clusters, markers and scores of them.
    pub population: Population,
    /// The gene that was picked.
    pub target: String,
    /// The mode that was picked.
    pub mode: Option<Mode>,
    /// Former names and aliases of genes; none until they are fetched.
    pub aliases: Option<Shared<Aliases>>,
    /// What else a question has, and what was answered.
    pub asking: Asking,
    /// The last answer.
    pub prediction: Option<Shared<Prediction>>,
    /// How an evaluation is made.
    pub evaluation_config: EvaluationConfig,
    /// The last evaluation.
    pub evaluation: Option<Shared<Evaluation>>,
    /// The sets of genes that it falls into.
    pub pathways: Pathways,
    /// The question the other way round.
    pub backwards: AskingBackwards,
    /// The job at work.
    pub running: Option<Running>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// How far the download of the built-in example is.
    pub fetching: Option<Progress>,
    /// What waits.
    pub queue: VecDeque<Job>,
    /// The last failure, until dismissed.
    pub failure: Option<Failure>,
    /// What a person should know, until dismissed.
    pub notices: Vec<String>,
    /// What the engine's worker asked of the network; the page counts its own.
    pub worker_requests: Requests,
    /// What is known of training.
    pub training: Training,
    /// Where the loaded checkpoint came from.
    pub model_from: Option<ModelSource>,
    /// The view that a link asks for, until there are cells and a model.
    visiting: Option<Address>,
    /// What does not wait its turn.
    urgent: Vec<Request>,
    last_id: u32,
    failed_starts: u32,
}

impl State {
    /// Adds a job to the end of the queue.
    pub fn enqueue(&mut self, job: Job) {
        self.queue.push_back(job);
    }

    /// Asks to stop what runs and forgets what waits for it.
    pub fn cancel(&mut self) {
        if let Some(running) = &mut self.running
            && !running.cancelling
        {
            running.cancelling = true;
            self.urgent.push(Request::Cancel { request: running.id });
        }
    }

    /// The requests to post now: those that stop or steer at once, the next job when none runs.
    pub fn take_posts(&mut self) -> Vec<Post> {
        let mut posts = Vec::new();
        for request in std::mem::take(&mut self.urgent) {
            posts.push(Post { id: self.next_id(), request, files: None });
        }
        if self.running.is_none()
            && self.phase != Phase::Lost
            && let Some(job) = self.queue.pop_front().or_else(|| self.job_when_idle())
        {
            let id = self.next_id();
            // Preparation reads what is already open: its files are remembered, not sent again.
            let files = if matches!(job.request, Request::Prepare { .. }) { None } else { job.files };
            posts.push(Post { id, request: job.request.clone(), files });
            self.progress = None;
            self.running = Some(Running { id, job, cancelling: false });
        }
        posts
    }

    /// Takes in what the engine says of request `id`. Id 0 is the engine's own download.
    pub fn apply(&mut self, id: u32, event: Event) {
        if let Event::Progress { task, done, total, unit, remaining_secs } = event {
            let is_current = id == 0 || self.running.as_ref().is_some_and(|running| running.id == id);
            if is_current {
                self.progress = Some(Progress { task, done, total, unit, remaining_secs });
            }
            return;
        }
        if self.running.as_ref().is_none_or(|running| running.id != id) {
            return;
        }
        if let Event::Unfolding { representation, map, n_done, n_epochs } = event {
            let map = Shared::new(map);
            self.population.unfolding = Some(Unfolding { representation, map, n_done, n_epochs });
            return;
        }
        let Some(event) = self.run_goes_on(event) else { return };
        let Some(Running { job, .. }) = self.running.take() else { return };
        self.progress = None;
        match event {
            Event::Failed { message, hint } => self.fail(&job, message, hint),
            Event::Cancelled => self.drop_dependents(&job),
            answer => self.accept(job, answer),
        }
        self.arrive();
    }

    /// Takes in the end of the engine itself and lines up what brings back what was there.
    pub fn restart(&mut self, message: String) {
        let was_started = self.phase == Phase::Ready;
        let job = self.running.take().map(|running| running.job);
        self.progress = None;
        self.urgent.clear();
        self.queue.clear();
        self.training.live = None;
        self.training.steering = None;
        self.failed_starts += 1;
        self.failure = Some(Failure {
            task: job.as_ref().map_or_else(|| "Running the engine".into(), Job::label),
            message,
            hint: restarted(job.as_ref()).into(),
        });
        if !was_started || self.failed_starts > 2 {
            self.phase = Phase::Lost;
            if let Some(failure) = &mut self.failure {
                failure.hint = "Reload the page to start again; your files are untouched.".into();
            }
            return;
        }
        self.phase = Phase::Starting;
        let on_gpu = self.device.as_ref().is_some_and(|device| device.backend == Backend::Webgpu);
        let backend = if on_gpu && self.failed_starts > 1 { BackendChoice::Cpu } else { BackendChoice::Auto };
        self.enqueue(Job::new(Request::Start { backend, attention: AttentionPath::default() }));
        match self.model_from.clone() {
            Some(ModelSource::Files(files)) => {
                let n_heads = self.checkpoint.as_ref().and_then(|checkpoint| checkpoint.chosen_heads);
                self.enqueue(Job::with_files(Request::LoadCheckpoint { n_heads }, files));
            }
            Some(ModelSource::Run(run)) => self.enqueue(Job::new(Request::UseRun { run })),
            None => {}
        }
        if let Some(table) = &self.gene_table {
            let files = table.files;
            self.enqueue(Job::with_files(Request::GeneTable, files));
        }
        if let Some((files, _)) = self.pathways.collection {
            self.enqueue(Job::with_files(Request::Pathways, files));
        }
        if let Some(dataset) = self.dataset.clone() {
            self.options = dataset.options.clone();
            let join = dataset.join.unwrap_or_default();
            self.enqueue(Job::with_files(Request::Open { join }, dataset.files));
            self.enqueue(Job::with_files(Request::Prepare { options: dataset.options.clone() }, dataset.files));
        } else if let Some(opened) = &self.opened {
            let files = opened.files;
            self.enqueue(Job::with_files(Request::OPEN, files));
        }
    }

    /// Whether a job of a kind runs or waits.
    pub fn has_job(&self, is_kind: impl Fn(&Request) -> bool) -> bool {
        self.running.as_ref().is_some_and(|running| is_kind(&running.job.request))
            || self.queue.iter().any(|job| is_kind(&job.request))
    }

    /// Whether the files of a set may still be asked for.
    pub fn holds(&self, set: FileSet) -> bool {
        let shown = [
            self.model_files(),
            self.opened.as_ref().map(|file| file.files),
            self.dataset.as_ref().map(|dataset| dataset.files),
            self.gene_table.as_ref().map(|table| table.files),
            self.pathways.collection.as_ref().map(|(files, _)| *files),
            self.running.as_ref().and_then(|running| running.job.files),
        ];
        shown.contains(&Some(set)) || self.queue.iter().any(|job| job.files == Some(set))
    }

    /// Files of the loaded checkpoint; none where a run made it.
    fn model_files(&self) -> Option<FileSet> {
        match self.model_from {
            Some(ModelSource::Files(files)) => Some(files),
            Some(ModelSource::Run(_)) | None => None,
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last_id += 1;
        self.last_id
    }
}

/// What to know once the engine was started again.
fn restarted(job: Option<&Job>) -> &'static str {
    match job {
        Some(job) if is_run(&job.request) => {
            "The engine was started again with the model and the file you had open; the run goes on from what was saved."
        }
        _ => "The engine was started again with the model and the file you had open.",
    }
}

#[cfg(test)]
mod tests;
