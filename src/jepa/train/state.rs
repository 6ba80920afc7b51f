//! The two files that a run writes: its whole state, and the trained checkpoint.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use spec::checkpoint::CheckpointHeader;
use spec::train::{Stage, TrainConfig};

use super::{Position, Trainer, check, optimiser_config};
use crate::batch::TrainingCells;
use crate::checkpoint::{self, Checkpoint};
use crate::error::Error;
use crate::model::BioJepa;
use crate::model::decoder::Decoder;
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
}

impl Trainer {
    /// The whole state of the run; [`Trainer::resume`] goes on from it bit for bit on the CPU.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn state(&self) -> Result<Vec<u8>, Error> {
        let saved = Saved {
            config: self.config.clone(),
            header: self.header.clone(),
            stage: self.position.stage,
            step: self.position.step,
            cells: format!("{:016x}", self.fingerprint),
        };
        let mut tensors = self.tensors().await?;
        tensors.extend(under("optimiser", self.optimiser.state().await?));
        let json = serde_json::to_string(&saved).map_err(|e| unusable(e.to_string()))?;
        checkpoint::write_raw(&tensors, &[(KEY.to_owned(), json)].into())
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
        let json = metadata.get(KEY).ok_or_else(|| unusable("it holds no saved run".into()))?;
        let saved: Saved = serde_json::from_str(json).map_err(|e| unusable(e.to_string()))?;
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
        check(&config, &header, &cells)?;
        let position = Position { stage: saved.stage, step: saved.step };
        let optimiser = take(&mut tensors, "optimiser");
        let optimiser = AdamW::from_state(optimiser_config(&config, position), &optimiser, &device)?;
        let decoder = Decoder::init(config.model.d_model, config.seed, &device).load(&take(&mut tensors, "decoder"))?;
        let model = BioJepa::from_tensors(&config.model, &take(&mut tensors, "model"), &device)?;
        Ok(Self::at(config, header, cells, device, model, decoder, position, optimiser))
    }

    /// The checkpoint of the model as it stands.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn weights(&self) -> Result<Vec<u8>, Error> {
        let checkpoint = Checkpoint { header: self.header.clone(), tensors: self.tensors().await? };
        checkpoint::write(&checkpoint)
    }

    async fn tensors(&self) -> Result<TensorMap, Error> {
        let mut tensors = under("model", self.model.state().await?);
        tensors.extend(under("decoder", self.decoder.state().await?));
        Ok(tensors)
    }
}

/// The tensors with `path.` before each name.
fn under(path: &str, tensors: TensorMap) -> TensorMap {
    tensors.into_iter().map(|(name, tensor)| (format!("{path}.{name}"), tensor)).collect()
}

/// Takes out the tensors whose names begin with `path.`, which is cut off.
fn take(tensors: &mut TensorMap, path: &str) -> TensorMap {
    let start = format!("{path}.");
    let names: Vec<String> = tensors.keys().filter(|name| name.starts_with(&start)).cloned().collect();
    names.into_iter().filter_map(|name| Some((name[start.len()..].to_owned(), tensors.remove(&name)?))).collect()
}

fn unusable(problem: String) -> Error {
    Error::SavedRun { problem }
}
