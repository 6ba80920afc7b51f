//! What is asked of the engine, from waiting to posted.

use spec::message::Request;
use spec::run::{RunChange, RunExport};

/// Names files that the link holds: those of the n-th drop.
pub type FileSet = u32;

/// A request that waits or runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// What is asked.
    pub request: Request,
    /// The files that go with it.
    pub files: Option<FileSet>,
    /// Whether an opened file is prepared at once, as its labels suggest.
    pub prepare_at_once: bool,
}

impl Job {
    /// A request without files.
    pub fn new(request: Request) -> Self {
        Self { request, files: None, prepare_at_once: false }
    }

    /// A request with files.
    pub fn with_files(request: Request, files: FileSet) -> Self {
        Self { request, files: Some(files), prepare_at_once: false }
    }

    /// What it does, in plain words.
    pub fn label(&self) -> String {
        match &self.request {
            Request::Start { .. } => "Starting the engine".into(),
            Request::LoadCheckpoint { .. } => "Loading the model".into(),
            Request::Open { .. } => "Opening the file".into(),
            Request::ReadLabels { column, .. } => format!("Reading the labels of {column}"),
            Request::Prepare { .. } => "Preparing the cells".into(),
            Request::Filter { .. } => "Filtering the cells".into(),
            Request::GeneTable => "Reading the table of genes".into(),
            Request::Pathways => "Reading the gene sets".into(),
            Request::Enrich { asked, .. } => format!("Looking for gene sets in the {}", asked.name),
            Request::Embed { .. } => "Mapping the cells".into(),
            Request::Map { representation, .. } => format!("Mapping the {}", representation.label()),
            Request::Markers { grouping, .. } => format!("Finding the markers of {}", grouping.label()),
            Request::Score { column, .. } => format!("Scoring clusters against {column}"),
            Request::CellValues { .. } => "Reading the colours".into(),
            Request::GeneSymbols => "Listing the genes".into(),
            Request::Predict { query } => format!("Predicting {}", query.label()),
            Request::Shifts { query } => format!("Moving cells by {}", query.label()),
            Request::AskBackwards { signature, .. } => format!("Asking backwards from {}", signature.name),
            Request::Evaluate { .. } => "Evaluating".into(),
            Request::Export { kind } => format!("Writing {}", kind.label()),
            Request::PlanTraining { .. } => "Estimating the run".into(),
            Request::Train { name, .. } => format!("Training {name}"),
            Request::ResumeRun { .. } => "Going on with the run".into(),
            Request::Runs => "Listing the runs".into(),
            Request::ChangeRun { change: RunChange::Rename { .. }, .. } => "Renaming the run".into(),
            Request::ChangeRun { change: RunChange::Delete, .. } => "Deleting the run".into(),
            Request::ExportRun { part, .. } => format!("Writing {}", part_name(*part)),
            Request::UseRun { .. } => "Loading the model of the run".into(),
            Request::Steer { .. } => "Steering the run".into(),
            Request::Cancel { .. } => "Cancelling".into(),
        }
    }
}

/// What is taken away of a run, in words.
fn part_name(part: RunExport) -> &'static str {
    match part {
        RunExport::Model => "the model",
        RunExport::RunFile => "the run file",
        RunExport::Curves => "the curves",
        RunExport::State => "the state of the run",
    }
}

/// The job that the engine works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    /// Its id.
    pub id: u32,
    /// What it is.
    pub job: Job,
    /// Whether a person asked to stop it.
    pub cancelling: bool,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// What is being done.
    pub task: String,
    /// Units done.
    pub done: f64,
    /// Units in all.
    pub total: Option<f64>,
    /// The unit.
    pub unit: String,
    /// Seconds left.
    pub remaining_secs: Option<f64>,
}

/// A request on its way to the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Post {
    /// Its id.
    pub id: u32,
    /// What is asked.
    pub request: Request,
    /// The files that go with it.
    pub files: Option<FileSet>,
}
