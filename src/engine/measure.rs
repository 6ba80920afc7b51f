//! Responses measured in a population: what the answers of a model trained on it are held against.

use std::borrow::Cow;

use cells::counts::Counts;
use cells::data::UNLABELLED;
use jepa::batch::push_row;
use jepa::eval::response::{GroupMean, group_mean, response};
use jepa::measured::MeasuredTable;

use crate::failure::EngineError;
use crate::population::Population;

impl Population {
    /// Mean of some rows of `cells`, which has those of the population; none where no row weighs anything.
    pub fn mean_of(&self, cells: &Counts, rows: &[usize]) -> Option<GroupMean> {
        let dense = rows.iter().map(|&row| {
            let mut values = Vec::new();
            push_row(cells, row, &mut values);
            (values, self.weight(row))
        });
        group_mean(cells.n_genes(), dense)
    }

    /// The responses to every label, on the genes of the file or of the checkpoint; without controls the table is empty.
    ///
    /// # Errors
    /// Where the genes are neither the file's nor the checkpoint's.
    pub fn measured(&self, genes: &[String]) -> Result<MeasuredTable, EngineError> {
        let is_own = self.symbols == genes;
        let cells = if is_own { Cow::Borrowed(&self.expression) } else { Cow::Owned(self.aligned()?) };
        let missing = if is_own { Vec::new() } else { self.missing_genes() };
        let control = self.mean_of(&cells, &self.control_rows());
        let mut table = MeasuredTable {
            source: self.file.clone(),
            genes: genes.to_vec(),
            control_mean: control.as_ref().map_or_else(|| vec![0.0; genes.len()], |control| control.mean.clone()),
            n_control_cells: control.as_ref().map_or(0, |control| control.n_cells),
            responses: Vec::new(),
        };
        let (Some(labels), Some(control)) = (&self.perturbations, control) else { return Ok(table) };
        let targets = labels.names.iter().enumerate();
        for (code, name) in targets.filter(|(code, name)| labels.control != Some(*code) && *name != UNLABELLED) {
            if let Some(mean) = self.mean_of(&cells, &self.rows_of(labels, code)) {
                table.responses.push(response(name, &mean, &control).without(missing.iter().copied()));
            }
        }
        Ok(table)
    }
}
