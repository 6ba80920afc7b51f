//! What the model under training says of one target, beside what was measured: the live picture of a run.
//!
//! The target with most cells among those held back, else among those learned from; controls are real and the same every
//! time.

use spec::run::Glimpse;

use super::Trainer;
use super::learned::Learned;
use crate::batch::{TrainingCells, push_row};
use crate::error::Error;
use crate::eval::pearson;
use crate::eval::response::{GroupMean, group_mean, response};
use crate::query::Predictor;

/// Control cells (or means of several) that the model is asked about.
const N_ASKED: usize = 16;

impl Trainer {
    /// The model as it stands, to be asked; none where it predicts no responses. Parameters are shared, not copied.
    pub fn predictor(&self) -> Option<Predictor> {
        let Learned::BioJepa { model, decoder } = &self.run.learned else { return None };
        Some(Predictor::of(model, decoder, self.facts.anchor(), &self.header, &self.device))
    }

    /// The glimpse; none where no stage is under way, the model predicts no responses, or there are no controls or perturbed cells.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn glimpse(&self) -> Result<Option<Glimpse>, Error> {
        let Some(stage) = self.run.position.stage else { return Ok(None) };
        let Some(predictor) = self.predictor() else { return Ok(None) };
        let of_validation = self.validation.as_ref().and_then(|cells| Some((cells, cells.most_frequent()?)));
        let Some((cells, target)) = of_validation.or_else(|| Some((&self.cells, self.cells.most_frequent()?))) else {
            return Ok(None);
        };
        let (control, case) = (mean_of(cells, cells.control_rows()), mean_of(cells, cells.rows_of(target)));
        let (Some(control), Some(case)) = (control, case) else { return Ok(None) };
        let known = &cells.targets()[target as usize];
        let measured = response(&known.name, &case, &control).delta;

        let controls: Vec<usize> = cells.control_rows().map(|row| row as usize).collect();
        let n_asked = N_ASKED.saturating_mul(self.header.cells_per_example).min(controls.len());
        let rows: Vec<usize> = (0..n_asked).map(|at| controls[at * controls.len() / n_asked]).collect();
        let weights: Vec<f64> = (0..cells.rows().n_cells()).map(|row| cells.cells_of_row(row)).collect();
        let asked = predictor.predict(cells.rows(), &rows, Some(&weights), &known.vector, self.config.mode)?;
        let mut asked = asked.of_gene(&known.name);
        while asked.advance().await?.is_some() {}
        let predicted = asked.finish();
        let delta_pearson = pearson(&predicted, &measured);
        let (target, is_seen) = (known.name.clone(), self.header.seen.contains(&known.name));
        let step = self.run.position.step;
        Ok(Some(Glimpse { target, is_seen, stage, step, predicted, measured, delta_pearson }))
    }
}

fn mean_of(cells: &TrainingCells, rows: impl Iterator<Item = u32>) -> Option<GroupMean> {
    group_mean(
        cells.n_genes(),
        rows.map(|row| {
            let mut values = Vec::new();
            push_row(cells.rows(), row as usize, &mut values);
            (values, cells.cells_of_row(row as usize))
        }),
    )
}
