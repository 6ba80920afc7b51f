//! Looking at a run from outside: losses and gauges on what was held back, the same batches and masks every time.

use spec::train::report::{CurvePoint, Gauges, TermValue, Validation};
use spec::train::{Stage, TrainConfig};

use super::examples::{Examples, Source, sampling};
use super::gauges::gauges;
use super::learned::Learned;
use super::{Best, LastReport, Trainer, visits};
use crate::batch::{Draws, TrainingCells};
use crate::error::Error;
use crate::platform::now_secs;

/// Keeps the draws of validation apart from those of training.
const VALIDATION_SEED_OFFSET: u64 = 0x5eed_0000;

/// Fewest examples that a loss can be told of: alignment chooses among those of its batch.
pub(super) fn min_examples(stage: Stage) -> usize {
    if stage == Stage::Align { 2 } else { 1 }
}

/// Whether a stage keeps what validated best. Pretraining of BioJEPA-AC keeps its last values: it is judged by a teacher that
/// moves, so that a low loss early says nothing of the values. (Cell-JEPA is judged by the cells' own values.)
pub(super) fn keeps_best(config: &TrainConfig, stage: Stage) -> bool {
    stage != Stage::Pretrain || config.cell_jepa.is_some()
}

impl Trainer {
    /// Looks at what was held back before the first step of the decoder, where it begins as something that a step may spoil: an
    /// anchor that nothing corrects, or a checkpoint.
    pub(super) async fn look_before(&mut self, stage: Stage) -> Result<(), Error> {
        let begins_well = self.config.anchor.is_some() || self.config.start_from.is_some();
        if stage != Stage::Decoder || !begins_well || self.run.best.is_some() {
            return Ok(());
        }
        if let Some(validation) = self.validate(stage, 0).await? {
            self.run.history.validation.push(CurvePoint { stage, step: 0, loss: validation.loss as f32 });
            self.last_report = LastReport { at_secs: now_secs(), n_steps: 0 };
        }
        Ok(())
    }

    /// The loss of the stage on what was held back, and where it is the best so far, what led to it is kept, where the stage
    /// keeps that. None where nothing was held back, or too little of it.
    pub(super) async fn validate(&mut self, stage: Stage, step: usize) -> Result<Option<Validation>, Error> {
        let Some(cells) = self.validation.as_ref() else { return Ok(None) };
        let n_available = cells.n_examples(stage, sampling(self.config.stage(stage)));
        if n_available < min_examples(stage) {
            return Ok(None);
        }
        let n_batches = n_available.div_ceil(self.n_per_batch(cells, stage)).min(self.config.validation_batches);
        let mut terms: Vec<TermValue> = Vec::new();
        let mut loss = 0.0;
        for batch in 0..n_batches {
            let losses = self.examples_of(cells, stage, batch)?.losses(stage, &self.config, &self.run.learned)?;
            let (value, of_batch) = losses.read().await?;
            super::require_finite(stage, step, "the validation", value, &of_batch)?;
            let share = 1.0 / n_batches as f64;
            loss += share * value;
            if terms.is_empty() {
                terms = of_batch.iter().map(|term| TermValue { value: 0.0, ..*term }).collect();
            }
            terms.iter_mut().zip(of_batch).for_each(|(sum, term)| sum.value += share * term.value);
        }
        // In f32, which survives being saved as text: a run that is resumed judges by the same number.
        let is_best = self.run.best.as_ref().is_none_or(|best| (loss as f32) < best.loss);
        if is_best {
            let learned = keeps_best(&self.config, stage).then(|| self.run.learned.clone());
            self.run.best = Some(Best { step, loss: loss as f32, learned });
        }
        self.run.n_since_best = if is_best { 0 } else { self.run.n_since_best + 1 };
        Ok(Some(Validation { loss, terms, is_best, n_since_best: self.run.n_since_best }))
    }

    /// The spread of the states that the stage trains, on the first batch of validation, or where nothing is held back, on
    /// a fixed batch of training cells. None for the stages that leave latent states as they are.
    pub(super) async fn gauges(&self, stage: Stage) -> Result<Option<Gauges>, Error> {
        if !matches!(stage, Stage::Pretrain | Stage::Action) {
            return Ok(None);
        }
        let has_some =
            |cells: &&TrainingCells| cells.n_examples(stage, sampling(self.config.stage(stage))) >= min_examples(stage);
        let cells = self.validation.as_ref().filter(has_some).unwrap_or(&self.cells);
        let (model, examples) = match (&self.run.learned, self.examples_of(cells, stage, 0)?) {
            (Learned::CellJepa { model, .. }, Examples::Visits(cells)) => return visits::spread(model, &cells).await,
            (Learned::CellJepa { .. }, _) => return Ok(None),
            (Learned::BioJepa { model, .. }, examples) => (model, examples),
        };
        match examples {
            Examples::Cells { cells, .. } => {
                gauges(model.encode(&cells), Some(model.teacher.forward(&cells, None))).await
            }
            Examples::Pairs { pairs, .. } => {
                gauges(model.predict(model.encode(&pairs.control), &pairs.actions).mu, None).await
            }
            Examples::Views { .. } | Examples::Visits(_) => Ok(None),
        }
    }

    /// One of the fixed batches.
    fn examples_of(&self, cells: &TrainingCells, stage: Stage, batch: usize) -> Result<Examples, Error> {
        let mut draws = Draws::new(self.config.seed.wrapping_add(VALIDATION_SEED_OFFSET), stage);
        let n = self.n_per_batch(cells, stage);
        let composer = match &self.run.learned {
            Learned::BioJepa { model, .. } => &model.composer,
            Learned::CellJepa { recipe, .. } => {
                let batch = visits::visits(&self.config, recipe, cells, n, &mut draws, batch, &self.device);
                return Ok(Examples::Visits(batch));
            }
        };
        let source = Source { config: &self.config, cells, facts: &self.facts, composer, device: &self.device };
        source.examples(stage, n, &mut draws, batch)
    }

    /// Examples of a fixed batch: as many as are computed at once in training, but none twice where there are fewer.
    fn n_per_batch(&self, cells: &TrainingCells, stage: Stage) -> usize {
        let settings = self.config.stage(stage);
        settings.batch_size.min(cells.n_examples(stage, sampling(settings))).max(1)
    }
}
