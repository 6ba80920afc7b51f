//! The model in use, whichever of the two systems it is: told by its file, and asked by what both can do.

use cells::source::NamedSource;
use jepa::cell_jepa::embed::Embedder;
use jepa::checkpoint::Checkpoint as File;
use jepa::device::Device;
use jepa::train::start::started_from;
use spec::checkpoint::CheckpointHeader;
use spec::message::Event;
use spec::train::TrainConfig;

use crate::checkpoint::{Beside, Checkpoint, OfRun};
use crate::failure::EngineError;
use crate::task::Task;

/// The model in use.
pub enum Loaded {
    /// A BioJEPA-AC with what belongs to it: predicts responses.
    Responses(Box<Checkpoint>),
    /// A Cell-JEPA: embeds cells.
    Cells(Box<CellEncoder>),
}

/// A Cell-JEPA in use.
pub struct CellEncoder {
    /// The model.
    pub embedder: Embedder,
    warnings: Vec<String>,
}

impl CellEncoder {
    /// Puts the model of a file on a device and embeds one cell, so that what is slow the first time is behind.
    pub async fn new(file: &File, object: &str, device: &Device, warnings: Vec<String>) -> Result<Self, EngineError> {
        let failed = |error: jepa::Error| EngineError::Checkpoint { object: object.into(), reason: error.to_string() };
        let embedder = Embedder::new(file, device).map_err(failed)?;
        let n_genes = embedder.header().genes.len();
        let one = cells::counts::Counts::from_dense(&vec![1.0; n_genes], n_genes)?;
        let mut embedding = embedder.embed(&one, &[0])?;
        while embedding.advance().await?.is_some() {}
        Ok(Self { embedder, warnings })
    }
}

impl Loaded {
    /// Loads the files of a checkpoint.
    pub async fn load(
        task: &mut Task,
        files: &[NamedSource],
        beside: Beside<'_>,
        device: &Device,
    ) -> Result<Self, EngineError> {
        Checkpoint::load(task, files, beside, device).await
    }

    /// Takes the model that came of a run.
    pub async fn of_run(
        task: &mut Task,
        of_run: OfRun<'_>,
        attention: spec::device::AttentionPath,
        backend: spec::device::Backend,
        device: &Device,
    ) -> Result<Self, EngineError> {
        if of_run.info.config.cell_jepa.is_none() {
            let checkpoint = Checkpoint::of_run(task, of_run, attention, backend, device).await?;
            return Ok(Self::Responses(Box::new(checkpoint)));
        }
        let (info, file) = (of_run.info, jepa::checkpoint::read(of_run.model)?);
        let warnings = vec![format!(
            "Trained in this browser: {} ({} of {} steps). Nobody has checked it: see how its map does against known labels.",
            info.name, info.steps_done, info.n_steps
        )];
        Ok(Self::Cells(Box::new(CellEncoder::new(&file, &info.name, device, warnings).await?)))
    }

    /// What the checkpoint says of itself.
    pub fn header(&self) -> &CheckpointHeader {
        match self {
            Self::Responses(checkpoint) => checkpoint.header(),
            Self::Cells(encoder) => encoder.embedder.header(),
        }
    }

    /// The model that predicts responses; none where it is the other one.
    pub fn responses(&self) -> Option<&Checkpoint> {
        match self {
            Self::Responses(checkpoint) => Some(checkpoint),
            Self::Cells(_) => None,
        }
    }

    /// The model that predicts responses, to be asked.
    ///
    /// # Errors
    /// Where it is the other one.
    pub fn asked(&self) -> Result<&Checkpoint, EngineError> {
        self.responses().ok_or(EngineError::PredictsNothing)
    }

    /// Where the data it was trained on come from, where that is known.
    pub fn data_source(&self) -> Option<&str> {
        self.responses().and_then(Checkpoint::data_source)
    }

    /// The event that tells of it.
    pub fn told(&self) -> Event {
        match self {
            Self::Responses(checkpoint) => checkpoint.loaded(),
            Self::Cells(encoder) => Event::CheckpointLoaded {
                header: Box::new(self.header().clone()),
                card: None,
                targets: Vec::new(),
                n_parameters: encoder.embedder.n_parameters(),
                n_vectors: 0,
                heads_unknown: false,
                warnings: encoder.warnings.clone(),
            },
        }
    }

    /// The configuration of a run that begins from it, and the checkpoint that it is.
    pub async fn start_of(&self, config: &TrainConfig) -> Result<(TrainConfig, File), EngineError> {
        let file = match self {
            Self::Responses(checkpoint) => checkpoint.predictor.checkpoint().await?,
            Self::Cells(encoder) => encoder.embedder.checkpoint().await?,
        };
        let config = started_from(config, &file.header, &jepa::checkpoint::write(&file)?)?;
        Ok((config, file))
    }
}
