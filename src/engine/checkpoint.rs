//! A checkpoint in use: the model on its device, the vectors of what can be asked, and the tables beside it.

mod parts;

use cells::counts::Counts;
use cells::source::NamedSource;
use jepa::bank::Bank;
use jepa::device::Device;
use jepa::eval::baselines;
use jepa::eval::support::{support, usual};
use jepa::measured::MeasuredTable;
use jepa::query::Predictor;
use spec::checkpoint::{Card, CheckpointHeader};
use spec::device::{AttentionPath, Backend};
use spec::message::Event;
use spec::model::Mode;
use spec::prediction::{Nearest, Query, Support, TargetInfo};
use spec::run::RunInfo;

use crate::failure::EngineError;
use crate::loaded::{CellEncoder, Loaded};
use crate::task::Task;
pub use parts::Beside;
use parts::Parts;

/// What came of a run.
pub struct OfRun<'a> {
    /// The run.
    pub info: &'a RunInfo,
    /// Its model.
    pub model: &'a [u8],
    /// Responses measured in its cells.
    pub measured: &'a [u8],
    /// Vectors to ask with.
    pub bank: Option<Bank>,
}

/// A checkpoint in use.
pub struct Checkpoint {
    /// The model.
    pub predictor: Predictor,
    /// Vectors of the genes that can be asked for; none where the checkpoint came without.
    pub bank: Option<Bank>,
    /// Measured responses of the training screen, on the model's genes.
    pub measured: Option<MeasuredTable>,
    card: Option<Card>,
    heads_unknown: bool,
    warnings: Vec<String>,
}

impl Checkpoint {
    /// Loads the model and, where they are there, its vectors, tables and card; then runs the model once, so that the
    /// first question is not slow. A Cell-JEPA is told by its header; vectors and tables are nothing to it.
    pub async fn load(
        task: &mut Task,
        files: &[NamedSource],
        beside: Beside<'_>,
        device: &Device,
    ) -> Result<Loaded, EngineError> {
        let mut stretch = task.begin("Loading the model", "files", files.len() + 1).await?;
        let mut parts = Parts::default();
        for (done, file) in files.iter().enumerate() {
            parts.take(file)?;
            stretch.reached(done + 1).await?;
        }
        let (model, name) = parts.model(&beside)?;
        if model.checkpoint.header.is_cell_jepa() {
            let mut warnings = model.warnings;
            warnings.extend(parts.unused_by_cell_jepa());
            let encoder = CellEncoder::new(&model.checkpoint, &name, device, warnings).await?;
            stretch.reached(files.len() + 1).await?;
            return Ok(Loaded::Cells(Box::new(encoder)));
        }
        let failed = |error: jepa::Error| EngineError::Checkpoint { object: name, reason: error.to_string() };
        let mut predictor = Predictor::new(&model.checkpoint, device).map_err(failed)?;
        predictor.set_attention(beside.attention);
        let Parts { bank, measured, card, .. } = parts;
        let (heads_unknown, warnings) = (model.heads_unknown, model.warnings);
        let mut checkpoint = Self { predictor, bank, measured, card, heads_unknown, warnings };
        checkpoint.warn_of_gaps();
        checkpoint.check()?;
        stretch.reached(files.len() + 1).await?;
        checkpoint.warmed_up(task, beside.backend).await?;
        Ok(Loaded::Responses(Box::new(checkpoint)))
    }

    /// Takes the model that came of a run; it is asked with the vectors of the model before it.
    pub async fn of_run(
        task: &mut Task,
        of_run: OfRun<'_>,
        attention: AttentionPath,
        backend: Backend,
        device: &Device,
    ) -> Result<Self, EngineError> {
        let OfRun { info, model, measured, bank } = of_run;
        let mut predictor = Predictor::from_bytes(model, device)?;
        predictor.set_attention(attention);
        let measured = Some(MeasuredTable::from_bytes(measured)?);
        let warnings = vec![format!(
            "Trained in this browser: {} ({} of {} steps). Nobody has checked it: see how it does on what it has not seen.",
            info.name, info.steps_done, info.n_steps
        )];
        let mut checkpoint = Self { predictor, bank, measured, card: None, heads_unknown: false, warnings };
        checkpoint.warn_of_gaps();
        checkpoint.check()?;
        checkpoint.warmed_up(task, backend).await?;
        Ok(checkpoint)
    }

    /// What the checkpoint says of itself.
    pub fn header(&self) -> &CheckpointHeader {
        self.predictor.header()
    }

    /// Where the data it was trained on come from, where its card or table says so.
    pub fn data_source(&self) -> Option<&str> {
        let of_table = self.measured.as_ref().map(|table| table.source.as_str());
        self.card.as_ref().map(|card| card.data_source.as_str()).or(of_table)
    }

    /// The event that tells of it.
    pub fn loaded(&self) -> Event {
        Event::CheckpointLoaded {
            header: Box::new(self.header().clone()),
            card: self.card.clone(),
            targets: self.targets(),
            n_parameters: self.predictor.n_parameters(),
            n_vectors: self.bank.as_ref().map_or(0, |bank| bank.symbols().len()),
            heads_unknown: self.heads_unknown,
            warnings: self.warnings.clone(),
        }
    }

    fn targets(&self) -> Vec<TargetInfo> {
        let bank = self.bank.as_ref().filter(|_| self.predictor.has_decoder());
        let symbols = bank.map_or(&[][..], Bank::symbols);
        symbols.iter().map(|symbol| TargetInfo { symbol: symbol.clone(), support: self.support(symbol) }).collect()
    }

    /// What the checkpoint knows of a target.
    pub fn support(&self, target: &str) -> Support {
        self.support_where(|name| name == target)
    }

    /// What the checkpoint knows of a target, alone or a combination.
    pub fn support_of(&self, query: &Query) -> Support {
        self.support_where(|name| query.is_of(name))
    }

    fn support_where(&self, is_meant: impl Fn(&str) -> bool) -> Support {
        let is_in = |names: &[String]| names.iter().any(|name| is_meant(name));
        if is_in(&self.header().seen) {
            Support::Seen
        } else if is_in(&self.header().held_out) {
            Support::HeldOut
        } else {
            Support::NeverMeasured
        }
    }

    /// Combinations that it learnt from.
    pub fn n_combinations_seen(&self) -> usize {
        self.header().seen.iter().filter(|name| name.contains('+')).count()
    }

    /// The simple predictors' answers for a target whose vector is `vector`, by name; empty without a table. The two
    /// that look the vector up are left out for a combination, which has none, and for a target of the training screen:
    /// they would find the answer itself.
    pub fn baselines(&self, target: &str, vector: Option<&[f32]>) -> Vec<(&'static str, Vec<f32>)> {
        let (Some(table), Some(bank)) = (&self.measured, &self.bank) else { return Vec::new() };
        let seen = table.responses.iter().filter(|response| self.support(&response.target) == Support::Seen);
        let known: Vec<(&[f32], Vec<f32>)> =
            seen.filter_map(|response| Some((response.delta.as_slice(), bank.vector(&response.target)?))).collect();
        let deltas: Vec<&[f32]> = known.iter().map(|(delta, _)| *delta).collect();
        let vectors: Vec<&[f32]> = known.iter().map(|(_, vector)| vector.as_slice()).collect();
        let mut answers: Vec<(&'static str, Vec<f32>)> = Vec::new();
        answers.extend(baselines::training_mean(&deltas).map(|delta| (TRAINING_MEAN, delta)));
        if let Some(vector) = vector.filter(|_| self.support(target) != Support::Seen) {
            answers.extend(
                baselines::nearest_neighbour(&vectors, &deltas, vector).map(|delta| ("nearest neighbour", delta)),
            );
            answers.extend(baselines::kernel_ridge(&vectors, &deltas, vector).map(|delta| ("kernel ridge", delta)));
        }
        answers
    }

    /// The training target whose vector is most like `vector`, and whether it is far; none for a training target itself.
    pub fn nearest(&self, target: &str, vector: &[f32]) -> Option<Nearest> {
        let bank = self.bank.as_ref().filter(|_| self.support(target) != Support::Seen)?;
        let seen = self.header().seen.iter();
        let known: Vec<(&String, Vec<f32>)> = seen.filter_map(|name| Some((name, bank.vector(name)?))).collect();
        let vectors: Vec<&[f32]> = known.iter().map(|(_, vector)| vector.as_slice()).collect();
        let here = support(vector, &vectors, usual(&vectors)?)?;
        let (target, is_outside) = (known[here.nearest].0.clone(), here.is_outside());
        let mut left: Vec<usize> = (0..known.len()).filter(|&at| at != here.nearest).collect();
        let mut others = Vec::new();
        while others.len() < N_ALIKE {
            let vectors: Vec<&[f32]> = left.iter().map(|&at| vectors[at]).collect();
            let Some(next) = support(vector, &vectors, here.usual) else { break };
            others.push((known[left.remove(next.nearest)].0.clone(), next.cosine));
        }
        Some(Nearest { target, cosine: here.cosine, usual: here.usual, is_outside, others })
    }

    fn warn_of_gaps(&mut self) {
        if self.bank.is_none() {
            self.warnings.push(
                "No perturbation vectors: cells can be mapped, but no gene can be asked for. Load the model together with \
                 its bank.safetensors."
                    .into(),
            );
        }
        if !self.predictor.has_decoder() {
            self.warnings.push(
                "No decoder: cells can be mapped, but changes of expression cannot be predicted. Load the model together \
                 with its decoder (head.weight, head.bias)."
                    .into(),
            );
        }
    }

    fn check(&self) -> Result<(), EngineError> {
        let header = self.header();
        let n_protein = header.model.composer.n_protein;
        if let Some(bank) = self.bank.as_ref().filter(|bank| bank.width() != n_protein) {
            return Err(EngineError::Checkpoint {
                object: "bank.safetensors".into(),
                reason: format!("its vectors have {} numbers; the model reads {n_protein}", bank.width()),
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

    async fn warmed_up(&self, task: &mut Task, backend: Backend) -> Result<(), EngineError> {
        let name = match backend {
            Backend::Webgpu => "Compiling the shaders",
            Backend::Cpu => "Trying the model",
        };
        let mut stretch = task.begin(name, "cells", 1).await?;
        self.warm_up().await?;
        stretch.reached(1).await
    }

    /// One cell through the whole model: on a GPU this is where shaders are compiled.
    async fn warm_up(&self) -> Result<(), EngineError> {
        let n_genes = self.header().model.n_genes;
        let one = Counts::from_dense(&vec![1.0; n_genes], n_genes)?;
        if !self.predictor.has_decoder() {
            let mut states = self.predictor.embed(&one, &[0])?;
            while states.advance().await?.is_some() {}
            return Ok(());
        }
        let vector = vec![0.0; self.header().model.composer.n_protein];
        let mut response = self.predictor.predict(&one, &[0], None, &vector, Mode::Control)?;
        while response.advance().await?.is_some() {}
        Ok(())
    }
}

/// Training targets that are named after the most similar one.
const N_ALIKE: usize = 2;

/// Name of the baseline that the screen draws beside the model.
pub const TRAINING_MEAN: &str = "training mean";
