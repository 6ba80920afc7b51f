//! Training runs that are kept: one folder each, with what the run is, its cells, its state, and the model that came of it.

use std::any::Any;

use jepa::checkpoint::fingerprint;
use jepa::platform::{Clock, yield_now};
use spec::run::{RunChange, RunExport, RunInfo, RunStatus, StorageReport};
use spec::train::run_file::RunFile;

use crate::failure::EngineError;
use crate::store::Files;

/// How long a run that is held is waited for.
const LOCK_SECS: f64 = 5.0;

/// A part of a run.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// What it is and where it stands.
    Info,
    /// What it is trained on.
    Cells,
    /// Everything it needs to go on; empty once it is over.
    State,
    /// The model that came of it.
    Model,
    /// Responses measured in its cells.
    Measured,
}

impl Part {
    fn of(self, run: &str) -> String {
        let name = match self {
            Part::Info => "info.json",
            Part::Cells => "cells.safetensors",
            Part::State => "state.safetensors",
            Part::Model => "model.safetensors",
            Part::Measured => "measured.safetensors",
        };
        format!("{run}/{name}")
    }
}

/// The runs of this browser.
pub struct Runs {
    files: Files,
}

impl Runs {
    /// The runs in these files.
    pub fn new(files: Files) -> Self {
        Self { files }
    }

    /// All runs, the latest first, and where they are kept. What is no whole run is left out.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn all(&self) -> Result<(Vec<RunInfo>, StorageReport), EngineError> {
        let mut runs = Vec::new();
        for id in self.files.folders().await? {
            let waited = Clock::start();
            let run = loop {
                match self.info(&id).await {
                    Ok(run) => break Some(run),
                    // A page that is just dying may still hold the file.
                    Err(EngineError::Store(_)) if waited.elapsed_secs() < LOCK_SECS => yield_now().await,
                    Err(_) => break None,
                }
            };
            runs.extend(run);
        }
        runs.sort_by(|a: &RunInfo, b| b.started_secs.total_cmp(&a.started_secs).then_with(|| b.id.cmp(&a.id)));
        Ok((runs, self.files.report().await))
    }

    /// A run.
    ///
    /// # Errors
    /// Where there is none of this id.
    pub async fn info(&self, run: &str) -> Result<RunInfo, EngineError> {
        let bytes = self.load(run, Part::Info).await?;
        serde_json::from_slice(&bytes).map_err(|error| EngineError::Run(format!("the run {run} is damaged: {error}")))
    }

    /// Writes down where a run stands.
    ///
    /// # Errors
    /// Where the store refuses; it is kept in memory then.
    pub async fn save_info(&self, run: &RunInfo) -> Result<(), EngineError> {
        let json = serde_json::to_vec(run).map_err(|error| EngineError::Run(error.to_string()))?;
        self.save(&run.id, Part::Info, &json).await
    }

    /// A part of a run.
    ///
    /// # Errors
    /// Where it is not there.
    pub async fn load(&self, run: &str, part: Part) -> Result<Vec<u8>, EngineError> {
        let bytes = self.files.load(&part.of(run)).await?;
        bytes.ok_or_else(|| EngineError::Run(format!("the run {run} has no {}", part.of("").trim_start_matches('/'))))
    }

    /// Keeps a part of a run.
    ///
    /// # Errors
    /// Where the store refuses; it is kept in memory then.
    pub async fn save(&self, run: &str, part: Part, bytes: &[u8]) -> Result<(), EngineError> {
        Ok(self.files.save(&part.of(run), bytes).await?)
    }

    /// Tries once more to keep a part that the store refused.
    ///
    /// # Errors
    /// Where the store refuses again; it stays in memory.
    pub async fn retry(&self, run: &str, part: Part) -> Result<(), EngineError> {
        Ok(self.files.retry(&part.of(run)).await?)
    }

    /// Holds a run as long as the answer lives, so that no other page drives it. A page that died lets go of it within
    /// moments, which are waited for.
    ///
    /// # Errors
    /// Where another page holds it.
    pub async fn hold(&self, run: &str) -> Result<Box<dyn Any>, EngineError> {
        let waited = Clock::start();
        loop {
            if let Some(lock) = self.files.lock(&format!("{run}/lock")).await? {
                return Ok(lock);
            }
            if waited.elapsed_secs() > LOCK_SECS {
                return Err(EngineError::Run(
                    "this run is under way in another tab of this browser; go on there".into(),
                ));
            }
            yield_now().await;
        }
    }

    /// Removes a run.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn remove(&self, run: &str) -> Result<(), EngineError> {
        Ok(self.files.remove(run).await?)
    }

    /// Renames or deletes a run.
    ///
    /// # Errors
    /// Where there is no such run, another page drives it, or the store fails.
    pub async fn change(&self, run: &str, change: RunChange) -> Result<(), EngineError> {
        let held = self.hold(run).await?;
        match change {
            RunChange::Delete => {
                // A file that is held cannot be removed.
                drop(held);
                self.remove(run).await
            }
            RunChange::Rename { name } => {
                let name = name.trim().to_owned();
                if name.is_empty() {
                    return Err(EngineError::Run("a run needs a name".into()));
                }
                let info = self.info(run).await?;
                self.save_info(&RunInfo { name, ..info }).await
            }
        }
    }

    /// A part of a run as a file, with what it may be called.
    ///
    /// # Errors
    /// Where it is not there.
    pub async fn export(&self, run: &str, part: RunExport) -> Result<(String, Vec<u8>), EngineError> {
        let info = self.info(run).await?;
        let stem: String = info.name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        Ok(match part {
            RunExport::Model => (format!("{stem}.safetensors"), self.load(run, Part::Model).await?),
            RunExport::State => (format!("{stem}.safetensors.state"), self.state(&info).await?),
            RunExport::Curves => (format!("{stem}_losses.csv"), curves(&info).into_bytes()),
            RunExport::RunFile => {
                let checkpoint = info.checkpoint.clone().unwrap_or_default();
                let version = env!("CARGO_PKG_VERSION");
                let file = RunFile::new(&info.config, info.data.clone(), checkpoint, version, &info.history);
                let json = serde_json::to_vec_pretty(&file).map_err(|error| EngineError::Run(error.to_string()))?;
                (format!("{stem}.run.json"), json)
            }
        })
    }

    /// The state of a run that can be resumed.
    ///
    /// # Errors
    /// Where it is over.
    pub async fn state(&self, info: &RunInfo) -> Result<Vec<u8>, EngineError> {
        let state = self.load(&info.id, Part::State).await?;
        if state.is_empty() {
            return Err(EngineError::Run(format!(
                "{} is {}; there is nothing to resume",
                info.name,
                info.status.label()
            )));
        }
        Ok(state)
    }

    /// Ends a run: keeps its model, lets go of its state. Where the store has no room for the model, what it keeps stays as
    /// it is, so that another page can go on from there.
    ///
    /// # Errors
    /// Where the store refuses; what is to be kept is in memory then.
    pub async fn end(&self, info: &mut RunInfo, status: RunStatus, model: &[u8]) -> Result<(), EngineError> {
        info.status = status;
        info.checkpoint = Some(fingerprint(model));
        let of_model = self.save(&info.id, Part::Model, model).await;
        let is_resumable = !self.files.is_refused(&Part::State.of(&info.id));
        if of_model.is_err() && is_resumable {
            let json = serde_json::to_vec(info).map_err(|error| EngineError::Run(error.to_string()))?;
            self.files.hold(&Part::Info.of(&info.id), &json).await?;
            return of_model;
        }
        let rest = [self.save_info(info).await, self.save(&info.id, Part::State, &[]).await];
        rest.into_iter().fold(of_model, Result::and)
    }
}

/// One line a point: which curve, stage, step, loss.
fn curves(info: &RunInfo) -> String {
    let mut csv = String::from("curve,stage,step,loss\n");
    for (curve, points) in [("training", &info.history.losses), ("validation", &info.history.validation)] {
        for point in &points.points {
            csv.push_str(&format!("{curve},{},{},{}\n", point.stage.label(), point.step, point.loss));
        }
    }
    csv
}
