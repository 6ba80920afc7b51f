//! Training runs as the screen knows them: what would be run, where a run stands, what is kept of it.

use serde::{Deserialize, Serialize};

use crate::train::cost::{MemoryLimits, PartCounts, StageMemory};
use crate::train::report::{History, Probe};
use crate::train::run_file::RunData;
use crate::train::{Stage, TrainConfig};

/// What a run begins from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartFrom {
    /// Random values; the vectors are those of the loaded checkpoint.
    #[default]
    Scratch,
    /// The loaded checkpoint.
    Checkpoint,
}

/// What a person wants of a run under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steering {
    /// Save it and let go of it; it can be resumed.
    Pause,
    /// End it here and keep the model as it stands.
    Stop,
}

/// A run that could be started, looked at before it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingPlan {
    /// The configuration with the sizes that data and vectors give.
    pub config: TrainConfig,
    /// Cells (rows) that would be used.
    pub n_cells: usize,
    /// Targets that would be learned from.
    pub seen: Vec<String>,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
    /// Numbers that would be learned.
    pub parameters: PartCounts,
    /// Bytes of each stage that has steps, at its peak.
    pub memory: Vec<StageMemory>,
    /// The room there is.
    pub limits: MemoryLimits,
    /// The configuration with batches that fit; none where this one fits, or nothing does.
    pub fitting: Option<Box<TrainConfig>>,
    /// How long a step takes here; none where the run does not fit.
    pub probe: Option<Probe>,
}

impl TrainingPlan {
    /// Whether every stage fits.
    pub fn fits(&self) -> bool {
        self.memory.iter().all(|memory| self.limits.hold(memory))
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum RunStatus {
    /// It is under way, or its page was closed while it was.
    Running,
    /// It was paused.
    Paused,
    /// All steps were done.
    Done,
    /// It was ended before its last step; the model is kept as it stood.
    Stopped,
    /// It cannot go on; the model is kept as it stood when all was well.
    Failed {
        /// What was wrong and where.
        message: String,
    },
}

impl RunStatus {
    /// Whether it can be resumed.
    pub fn can_resume(&self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// In plain words.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Running => "under way",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Stopped => "stopped early",
            Self::Failed { .. } => "failed",
        }
    }
}

/// A run and what came of it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Names it among the runs of this browser.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// When it was started, in seconds since 1970.
    pub started_secs: f64,
    /// Where it stands.
    pub status: RunStatus,
    /// How it is run.
    pub config: TrainConfig,
    /// What it is trained on.
    pub data: RunData,
    /// Cells (rows) it is trained on.
    pub n_cells: usize,
    /// Targets it learns from.
    pub seen: Vec<String>,
    /// Steps done, over all stages.
    pub steps_done: usize,
    /// Steps in all.
    pub n_steps: usize,
    /// Seconds spent on steps, over all its sittings.
    pub trained_secs: f64,
    /// Losses so far.
    pub history: History,
    /// Fingerprint of the model; none until it is done or stopped.
    pub checkpoint: Option<String>,
}

/// Where runs are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct StorageReport {
    /// Why nothing outlives the page; none where runs are kept.
    pub problem: Option<String>,
    /// Bytes that this site takes of the browser's storage; none where it does not say.
    pub n_bytes_used: Option<u64>,
    /// Bytes that it may take.
    pub n_bytes_allowed: Option<u64>,
}

/// What is done with a run that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "how")]
pub enum RunChange {
    /// Another name.
    Rename {
        /// Which.
        name: String,
    },
    /// Gone, with its model.
    Delete,
}

/// What a person takes away of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunExport {
    /// The model as it stands: safetensors, under the reference's names.
    Model,
    /// What repeats it on the command line, as json.
    RunFile,
    /// Losses by step, as csv.
    Curves,
    /// The whole state, to be resumed by `waddington train --resume`.
    State,
}

/// What the model says of one target now, beside what was measured. One value per gene, in log1p units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Glimpse {
    /// The target.
    pub target: String,
    /// Whether it is learned from.
    pub is_seen: bool,
    /// The stage.
    pub stage: Stage,
    /// Steps done in it.
    pub step: usize,
    /// Predicted change.
    #[serde(with = "crate::floats::f32s")]
    pub predicted: Vec<f32>,
    /// Measured change.
    #[serde(with = "crate::floats::f32s")]
    pub measured: Vec<f32>,
    /// Pearson correlation of the two; none where one of them is constant.
    pub delta_pearson: Option<f64>,
}
