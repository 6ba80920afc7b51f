//! The perturbations of an opened file: which columns may hold them, what the labels of one mean, and the labels of the
//! cells that are read.

use std::collections::{BTreeSet, HashMap};

use spec::dataset::{ColumnKind, PrepareOptions};
use spec::labels::{ColumnSuggestion, LabelOptions, LabelTable, Reading};

use crate::data::{Labels, UNLABELLED, target_of};
use crate::labels::{self, LabelColumn, LabelError};
use crate::read::error::{ReadError, listed};
use crate::read::frame::Column;
use crate::read::rows::Rows;
use crate::read::suggest;
use crate::read::{OpenedFile, summary};

impl OpenedFile {
    /// The columns that may hold perturbations, the likeliest first, by their names, their labels, and the genes of the
    /// matrix that is suggested. Empty where none looks like it.
    ///
    /// # Errors
    /// Where the names of the genes cannot be read.
    pub fn suggest_columns(&self) -> Result<Vec<ColumnSuggestion>, ReadError> {
        let matrix = self.matrix(self.opened.suggested.matrix.as_deref())?;
        let genes = self.container.genes(matrix)?;
        Ok(suggest::suggest_columns(&self.opened.columns, &genes, self.opened.matrices[matrix].n_cells))
    }

    /// What the labels of a column of `obs` mean, over all cells of the file.
    ///
    /// # Errors
    /// Where there is no such column, or the names of the genes cannot be read.
    pub fn label_table(&self, column: &str, options: &LabelOptions) -> Result<LabelTable, ReadError> {
        let matrix = self.matrix(self.opened.suggested.matrix.as_deref())?;
        let (genes, n_cells) = (self.container.genes(matrix)?, self.opened.matrices[matrix].n_cells);
        let text = |name: &String| self.column(name, n_cells).map(|column| column.to_text(""));
        let labels = self.column(column, n_cells)?.to_text(UNLABELLED);
        let amounts = options.dose_column.as_ref().map(text).transpose()?;
        let units = options.dose_unit_column.as_ref().map(text).transpose()?;
        let of_cells =
            LabelColumn { name: column, labels: &labels, amounts: amounts.as_deref(), units: units.as_deref() };
        Ok(labels::read_labels(&of_cells, &genes, options)?)
    }

    pub(super) fn perturbations(
        &self,
        options: &PrepareOptions,
        rows: &Rows,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Labels>, ReadError> {
        let Some(name) = &options.perturbation_column else {
            return match &options.control_label {
                None if !options.corrections.is_empty() => {
                    Err(ReadError::Option("labels are corrected, but no perturbation_column is chosen".into()))
                }
                None => Ok(None),
                Some(label) => {
                    Err(ReadError::Option(format!("control_label is {label}, but no perturbation_column is chosen")))
                }
            };
        };
        let column = self.column(name, rows.n_all())?;
        let n_missing = match &column {
            Column::Labels { codes, .. } => codes.iter().filter(|code| code.is_none()).count(),
            Column::Numbers(values) => values.iter().filter(|value| value.is_nan()).count(),
        };
        if n_missing > 0 {
            warnings.push(format!("{n_missing} cells have no label in {name}; they are called {UNLABELLED}"));
        }
        let labels = column.to_text(UNLABELLED);
        if let Some(control) = &options.control_label
            && !labels.contains(control)
        {
            let ColumnKind::Labels { values, .. } = summary(&Column::from_text(labels)) else {
                return Err(ReadError::Option(format!("obs column {name} holds no labels")));
            };
            return Err(ReadError::NoSuchControl {
                label: control.clone(),
                column: name.clone(),
                available: listed(values.iter().map(|(label, _)| label), 10),
            });
        }
        let labels = if options.corrections.is_empty() {
            Labels::from_perturbations(&rows.pick(labels), options.control_label.as_deref())
        } else {
            corrected(name, labels, rows, options)?
        };
        Ok(Some(labels))
    }
}

/// Labels as they are read without corrections, but for those that a person set.
fn corrected(column: &str, labels: Vec<String>, rows: &Rows, options: &PrepareOptions) -> Result<Labels, ReadError> {
    let corrections = &options.corrections;
    let chosen = options.control_label.as_deref();
    let is_needed = corrections.iter().any(|(_, reading)| *reading == Reading::Control);
    let control = chosen.or(is_needed.then_some(labels::CONTROL));
    labels::check_corrections(corrections, control.unwrap_or(labels::CONTROL))?;
    let reading_of: HashMap<&str, &Reading> =
        corrections.iter().map(|(label, reading)| (label.as_str(), reading)).collect();
    let there: BTreeSet<&str> = labels.iter().map(String::as_str).collect();
    if let Some((label, _)) = corrections.iter().find(|(label, _)| !there.contains(label.as_str())) {
        let available = listed(there, 10);
        return Err(LabelError::NoSuchLabel { label: label.clone(), column: column.into(), available }.into());
    }
    let name = |label: &String| match reading_of.get(label.as_str()) {
        Some(reading) => labels::name(label, reading, control.unwrap_or(labels::CONTROL)),
        None => target_of(label, chosen),
    };
    let names: Vec<String> = rows.pick(labels.iter().map(name).collect());
    Ok(Labels::from_names(names, control))
}
