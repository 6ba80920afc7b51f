//! The two files that a run writes: its whole state, and the trained checkpoint.

use std::collections::BTreeMap;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use spec::checkpoint::CheckpointHeader;
use spec::train::report::History;
use spec::train::{Stage, TrainConfig};

use super::facts::Earlier;
use super::learned::Learned;
use super::validation::keeps_best;
use super::{Best, Position, Run, Trainer, optimiser_config};
use crate::anchor::Anchor;
use crate::batch::TrainingCells;
use crate::checkpoint::{self, Checkpoint, under};
use crate::error::Error;
use crate::optim::AdamW;
use crate::tensors::TensorMap;

/// Metadata key of the saved run.
const KEY: &str = "waddington_run";

/// What a saved run says of itself.
#[derive(Serialize, Deserialize)]
struct Saved {
    config: TrainConfig,
    header: CheckpointHeader,
    stage: Option<Stage>,
    step: usize,
    /// [`TrainingCells::fingerprint`], in hexadecimal: JSON knows no whole numbers of 64 bits.
    cells: String,
    /// The best validation of the stage; its values are the tensors under `best.`, as far as the stage trains them, where it
    /// keeps them.
    #[serde(default)]
    best: Option<SavedBest>,
    #[serde(default)]
    n_since_best: usize,
    #[serde(default)]
    history: History,
}

#[derive(Serialize, Deserialize)]
struct SavedBest {
    step: usize,
    loss: f32,
}

impl Trainer {
    /// The whole state of the run; [`Trainer::resume`] goes on from it bit for bit on the CPU. Where the last steps spoilt
    /// it and no loss has told so yet, that of the last good step.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn state(&self) -> Result<Vec<u8>, Error> {
        let (mut json, mut tensors) = self.saved(&self.run).await?;
        if !is_finite(&tensors) {
            (json, tensors) = self.saved(&self.last_good).await?;
        }
        checkpoint::write_raw(&tensors, &[(KEY.to_owned(), json)].into())
    }

    async fn saved(&self, run: &Run) -> Result<(String, TensorMap), Error> {
        let saved = Saved {
            config: self.config.clone(),
            header: self.header.clone(),
            stage: run.position.stage,
            step: run.position.step,
            cells: self.data_fingerprint(),
            best: run.best.as_ref().map(|best| SavedBest { step: best.step, loss: best.loss }),
            n_since_best: run.n_since_best,
            history: run.history.clone(),
        };
        let mut tensors = run.learned.tensors().await?;
        tensors.extend(under("optimiser", run.optimiser.state().await?));
        if let Some(anchor) = self.facts.anchor() {
            tensors.extend(under("anchor", anchor.to_tensors()));
            tensors.extend(under("left_out", self.facts.left_out(&self.cells)));
        }
        if let (Some(Best { learned: Some(best), .. }), Some(stage)) = (&run.best, run.position.stage) {
            let mut values = best.tensors().await?;
            values.retain(|name, _| best.changed_by(stage).iter().any(|start| name.starts_with(start)));
            tensors.extend(under("best", values));
        }
        Ok((serde_json::to_string(&saved).map_err(|e| unusable(e.to_string()))?, tensors))
    }

    /// The configuration and header of a saved run, to resume it with.
    ///
    /// # Errors
    /// Where the bytes are no saved run.
    pub fn saved_as(bytes: &[u8]) -> Result<(TrainConfig, CheckpointHeader), Error> {
        let (_, metadata) = checkpoint::read_raw(bytes)?;
        let Saved { config, header, .. } = saved(&metadata)?;
        Ok((config, header))
    }

    /// Goes on from a saved run, with the same configuration, header and cells.
    ///
    /// # Errors
    /// Where the bytes are no saved run, or were saved under another configuration, for another checkpoint or from other
    /// cells or vectors.
    pub fn resume(
        bytes: &[u8],
        config: TrainConfig,
        header: CheckpointHeader,
        cells: TrainingCells,
        device: Device,
    ) -> Result<Self, Error> {
        let (mut tensors, metadata) = checkpoint::read_raw(bytes)?;
        let saved = saved(&metadata)?;
        if saved.config != config {
            return Err(unusable("it was saved under another configuration; train anew, or use that one".into()));
        }
        if saved.header != header {
            return Err(unusable(
                "it was saved for other genes, targets or modes; use the same data and vectors".into(),
            ));
        }
        if saved.cells != format!("{:016x}", cells.fingerprint()) {
            return Err(unusable("it was saved from other cells or vectors; use the same files, or train anew".into()));
        }
        if let Some(stage) = saved.stage.filter(|stage| saved.step >= config.stage(*stage).n_steps) {
            let (step, n_steps) = (saved.step, config.stage(stage).n_steps);
            return Err(unusable(format!("it stands at step {step} of {}, which has {n_steps}", stage.label())));
        }
        let position = Position { stage: saved.stage, step: saved.step };
        let optimiser = take(&mut tensors, "optimiser");
        let optimiser = AdamW::from_state(optimiser_config(&config, position), &optimiser, &device)?;
        let best_values = take(&mut tensors, "best");
        let (anchor, left_out) = (take(&mut tensors, "anchor"), take(&mut tensors, "left_out"));
        let learned = Learned::from_tensors(&config, tensors.clone(), &device)?;
        let best = match saved.best {
            None => None,
            Some(SavedBest { step, loss }) => {
                tensors.extend(best_values);
                let is_kept = position.stage.is_some_and(|stage| keeps_best(&config, stage));
                let learned = is_kept.then(|| Learned::from_tensors(&config, tensors, &device)).transpose()?;
                Some(Best { step, loss, learned })
            }
        };
        let (n_since_best, history) = (saved.n_since_best, saved.history);
        let run = Run { learned, optimiser, position, best, n_since_best, history };
        let (n_genes, width) = (config.model.n_genes, config.model.composer.n_protein);
        // A state that was saved before the fit has no anchor, and one of an earlier version none left out: it is fitted again.
        let left_out = Some(left_out).filter(|tensors| !tensors.is_empty());
        let earlier = match anchor.is_empty() {
            true => None,
            false => Some(Earlier { anchor: Anchor::from_tensors(&anchor, n_genes, width)?, left_out }),
        };
        Self::at(config, header, cells, device, run, earlier)
    }

    /// The checkpoint of the model as it stands: at the end of a stage what validated best, where anything was held back.
    /// As [`Trainer::state`] of the last good step where the last ones spoilt it.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn weights(&self) -> Result<Vec<u8>, Error> {
        let mut tensors = self.run.learned.tensors().await?;
        if !is_finite(&tensors) {
            tensors = self.last_good.learned.tensors().await?;
        }
        // It is no part of what is learned, and does not change as the run goes.
        tensors.extend(under("anchor", self.facts.tensors(&self.cells)?));
        checkpoint::write(&Checkpoint { header: self.header.clone(), tensors })
    }
}

fn saved(metadata: &BTreeMap<String, String>) -> Result<Saved, Error> {
    let json = metadata.get(KEY).ok_or_else(|| unusable("it holds no saved run".into()))?;
    serde_json::from_str(json).map_err(|e| unusable(e.to_string()))
}

fn is_finite(tensors: &TensorMap) -> bool {
    tensors.values().all(|tensor| tensor.values.iter().all(|value| value.is_finite()))
}

/// Takes out the tensors whose names begin with `path.`, which is cut off.
pub(super) fn take(tensors: &mut TensorMap, path: &str) -> TensorMap {
    let start = format!("{path}.");
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(&start)).cloned().collect();
    names.into_iter().filter_map(|name| Some((name[start.len()..].to_owned(), tensors.remove(&name)?))).collect()
}

fn unusable(problem: String) -> Error {
    Error::SavedRun { problem }
}
