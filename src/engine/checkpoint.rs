//! A checkpoint in use: the model on its device, the vectors of what can be asked, and the tables beside it.

use cells::counts::Counts;
use cells::source::NamedSource;
use jepa::bank::Bank;
use jepa::device::Device;
use jepa::eval::baselines;
use jepa::measured::MeasuredTable;
use jepa::query::Predictor;
use spec::checkpoint::{Card, CheckpointHeader};
use spec::device::AttentionPath;
use spec::message::Event;
use spec::model::Mode;
use spec::prediction::{Support, TargetInfo};

use crate::failure::EngineError;
use crate::task::Task;

/// Largest file of a checkpoint that is read at once, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// A checkpoint in use.
pub struct Checkpoint {
    /// The model.
    pub predictor: Predictor,
    /// Vectors of the genes that can be asked for.
    pub bank: Bank,
    /// Measured responses of the training screen, on the model's genes.
    pub measured: Option<MeasuredTable>,
    card: Option<Card>,
}

impl Checkpoint {
    /// Loads `model.safetensors`, `bank.safetensors` and, where they are there,
    /// `measured.safetensors` and `card.json`; then runs the model once, so that the first question is not slow.
    pub async fn load(
        task: &mut Task,
        files: &[NamedSource],
        device: &Device,
        attention: AttentionPath,
    ) -> Result<Self, EngineError> {
        let mut stretch = task.begin("Loading the model", "files", files.len() + 1).await?;
        let mut parts = Parts::default();
        for (done, file) in files.iter().enumerate() {
            parts.take(file)?;
            stretch.reached(done + 1).await?;
        }
        let read = parts.model.ok_or_else(|| missing("model.safetensors"))?;
        let bank = parts.bank.ok_or_else(|| missing("bank.safetensors"))?;
        let mut predictor = Predictor::new(&read, device)?;
        predictor.set_attention(attention);
        let checkpoint = Self { predictor, bank, measured: parts.measured, card: parts.card };
        checkpoint.check()?;
        checkpoint.warm_up().await?;
        stretch.reached(files.len() + 1).await?;
        Ok(checkpoint)
    }

    /// What the checkpoint says of itself.
    pub fn header(&self) -> &CheckpointHeader {
        self.predictor.header()
    }

    /// The event that tells of it.
    pub fn loaded(&self) -> Event {
        Event::CheckpointLoaded {
            header: self.header().clone(),
            card: self.card.clone(),
            targets: self
                .bank
                .symbols()
                .iter()
                .map(|symbol| TargetInfo { symbol: symbol.clone(), support: self.support(symbol) })
                .collect(),
            n_parameters: self.predictor.n_parameters(),
        }
    }

    /// What the checkpoint knows of a target.
    pub fn support(&self, target: &str) -> Support {
        let is_in = |names: &[String]| names.iter().any(|name| name == target);
        if is_in(&self.header().seen) {
            Support::Seen
        } else if is_in(&self.header().held_out) {
            Support::HeldOut
        } else {
            Support::NeverMeasured
        }
    }

    /// The simple predictors' answers for a target whose vector is `vector`, by name; empty without a table. The two
    /// that look the vector up are left out for a target of the training screen: they would find the answer itself.
    pub fn baselines(&self, target: &str, vector: &[f32]) -> Vec<(&'static str, Vec<f32>)> {
        let Some(table) = &self.measured else { return Vec::new() };
        let seen = table.responses.iter().filter(|response| self.support(&response.target) == Support::Seen);
        let known: Vec<(&[f32], Vec<f32>)> = seen
            .filter_map(|response| Some((response.delta.as_slice(), self.bank.vector(&response.target)?)))
            .collect();
        let deltas: Vec<&[f32]> = known.iter().map(|(delta, _)| *delta).collect();
        let vectors: Vec<&[f32]> = known.iter().map(|(_, vector)| vector.as_slice()).collect();
        let mut answers: Vec<(&'static str, Vec<f32>)> = Vec::new();
        answers.extend(baselines::training_mean(&deltas).map(|delta| (TRAINING_MEAN, delta)));
        if self.support(target) != Support::Seen {
            answers.extend(
                baselines::nearest_neighbour(&vectors, &deltas, vector).map(|delta| ("nearest neighbour", delta)),
            );
            answers.extend(baselines::kernel_ridge(&vectors, &deltas, vector).map(|delta| ("kernel ridge", delta)));
        }
        answers
    }

    fn check(&self) -> Result<(), EngineError> {
        let header = self.header();
        let n_protein = header.model.composer.n_protein;
        if self.bank.width() != n_protein {
            return Err(EngineError::Checkpoint {
                object: "bank.safetensors".into(),
                reason: format!("its vectors have {} numbers; the model reads {n_protein}", self.bank.width()),
            });
        }
        if let Some(table) = self.measured.as_ref().filter(|table| table.genes != header.genes) {
            return Err(EngineError::Checkpoint {
                object: "measured.safetensors".into(),
                reason: format!(
                    "its {} genes are not the model's {}, in the same order",
                    table.genes.len(),
                    header.genes.len()
                ),
            });
        }
        Ok(())
    }

    /// One cell through the whole model: on a GPU this is where shaders are compiled.
    async fn warm_up(&self) -> Result<(), EngineError> {
        let n_genes = self.header().model.n_genes;
        let one = Counts::from_dense(&vec![1.0; n_genes], n_genes)?;
        let vector = vec![0.0; self.bank.width()];
        let mut response = self.predictor.predict(&one, &[0], None, &vector, Mode::Control)?;
        while response.advance().await?.is_some() {}
        Ok(())
    }
}

/// Name of the baseline that the screen draws beside the model.
pub const TRAINING_MEAN: &str = "training mean";

#[derive(Default)]
struct Parts {
    model: Option<jepa::checkpoint::Checkpoint>,
    bank: Option<Bank>,
    measured: Option<MeasuredTable>,
    card: Option<Card>,
}

impl Parts {
    fn take(&mut self, file: &NamedSource) -> Result<(), EngineError> {
        let bytes = read_whole(file)?;
        let failed = |reason: String| EngineError::Checkpoint { object: file.name.clone(), reason };
        match file.name.as_str() {
            "bank.safetensors" => {
                self.bank = Some(Bank::from_bytes(&bytes).map_err(|error| failed(error.to_string()))?)
            }
            "measured.safetensors" => {
                self.measured = Some(MeasuredTable::from_bytes(&bytes).map_err(|error| failed(error.to_string()))?);
            }
            "card.json" => {
                self.card = Some(serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?);
            }
            name if name.ends_with(".safetensors") => {
                let read = jepa::checkpoint::read(&bytes).map_err(|error| failed(error.to_string()))?;
                self.model = Some(read);
            }
            _ => {
                return Err(failed(
                    "not a part of a checkpoint; expected are model.safetensors, bank.safetensors, measured.safetensors \
                     and card.json"
                        .into(),
                ));
            }
        }
        Ok(())
    }
}

fn read_whole(file: &NamedSource) -> Result<Vec<u8>, EngineError> {
    let failed = |reason: String| EngineError::Checkpoint { object: file.name.clone(), reason };
    let n_bytes = file.source.len();
    if n_bytes > MAX_FILE_BYTES {
        return Err(failed(format!("it has {n_bytes} bytes; at most {MAX_FILE_BYTES} are read")));
    }
    let mut bytes = vec![0; n_bytes as usize];
    file.source.read_at(0, &mut bytes).map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}

fn missing(name: &str) -> EngineError {
    EngineError::Checkpoint { object: name.into(), reason: "the file is missing".into() }
}
