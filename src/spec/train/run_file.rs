//! What repeats a run: its configuration, what it was trained on, and what came of it, to be compared.

use serde::{Deserialize, Serialize};

use crate::train::report::{CurvePoint, History};
use crate::train::{Stage, TrainConfig};

/// A finished run, as a file beside its checkpoint. With the same files it gives the same losses: to the bit on the CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunFile {
    /// Format of this file; 1 today.
    pub format: u32,
    /// Version of the program.
    pub version: String,
    /// What the run was trained on.
    pub data: RunData,
    /// Fingerprint of the checkpoint that came of it.
    pub checkpoint: String,
    /// The last loss of each stage, and of its last validation.
    pub losses: Vec<CurvePoint>,
    /// The same of validation; empty where nothing was held back.
    pub validation: Vec<CurvePoint>,
    /// The configuration, with all seeds, what was held out and, where the run started from a checkpoint, its fingerprint.
    pub config: TrainConfig,
}

/// What a run was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunData {
    /// Names of the data files, without folders.
    pub files: Vec<String>,
    /// Name of the file of vectors, without folders.
    pub bank: String,
    /// Tells cells, their parts and vectors from others.
    pub fingerprint: String,
    /// Genes.
    pub n_genes: usize,
}

impl RunFile {
    /// Format that this code writes and reads.
    pub const FORMAT: u32 = 1;

    /// The file of a run with this history.
    pub fn new(config: &TrainConfig, data: RunData, checkpoint: String, version: &str, history: &History) -> Self {
        let last = |curve: &crate::train::report::Curve| {
            Stage::ALL.iter().filter_map(|stage| curve.last_of(*stage).copied()).collect()
        };
        Self {
            format: Self::FORMAT,
            version: version.to_owned(),
            data,
            checkpoint,
            losses: last(&history.losses),
            validation: last(&history.validation),
            config: config.clone(),
        }
    }

    /// How far a repetition came out from this: none where the checkpoint is the same, else in plain words.
    pub fn difference(&self, again: &RunFile) -> Option<String> {
        if self.checkpoint == again.checkpoint {
            return None;
        }
        let of = |point: &CurvePoint| again.losses.iter().find(|other| other.stage == point.stage).map(|o| o.loss);
        let lines = self.losses.iter().map(|point| {
            let found = of(point).map_or_else(|| "none".to_owned(), |loss| loss.to_string());
            format!("{}: {} then, {found} now", point.stage.label(), point.loss)
        });
        Some(format!("another checkpoint than the run file's; last losses: {}", lines.collect::<Vec<_>>().join("; ")))
    }
}
