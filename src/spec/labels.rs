//! What the perturbation labels of a file were understood to mean: a table for a person to check and correct.

use serde::{Deserialize, Serialize};

/// The label of cells whose label is missing in the file, or says nothing of a perturbation.
pub const UNLABELLED: &str = "NA";

/// What a label says was done to its cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Nothing that acts on the cells: not perturbed, a guide without a target, a vehicle.
    Control,
    /// These were perturbed, in the label's order, none twice; never empty.
    Targets(Vec<String>),
    /// The cells could not be given to one perturbation.
    NotAssigned,
    /// The label was not understood; its cells stay a group of their own, named by the label.
    Unknown,
}

/// How much of a compound was given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dose {
    /// How much, in `unit`.
    pub amount: f64,
    /// As the file writes it (`nM`, `ug/ml`); empty where it names none.
    pub unit: String,
}

/// One distinct label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelRow {
    /// As it is in the file; `NA` where the file has none.
    pub label: String,
    /// Cells that carry it.
    pub n_cells: usize,
    /// What it means.
    pub reading: Reading,
    /// The ids of guides in it, as they are written; empty where it names none.
    pub guides: Vec<String>,
    /// The doses its cells received, with their number of cells; empty where none is named.
    pub doses: Vec<(Dose, usize)>,
    /// How the reading was reached, in plain words.
    pub rule: String,
    /// Whether it has fewer than [`LabelOptions::min_cells`] cells.
    pub is_small: bool,
    /// Whether a person set the reading.
    pub is_corrected: bool,
}

/// The distinct labels of a column, most cells first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelTable {
    /// The column.
    pub column: String,
    /// Name that the control takes.
    pub control_name: String,
    /// The labels.
    pub rows: Vec<LabelRow>,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

impl LabelTable {
    /// Every reading, as [`crate::dataset::PrepareOptions::corrections`] takes them.
    pub fn corrections(&self) -> Vec<(String, Reading)> {
        self.rows.iter().map(|row| (row.label.clone(), row.reading.clone())).collect()
    }
}

/// How labels are read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelOptions {
    /// A label that marks controls, beside those that are recognised. Default: none.
    pub control_label: Option<String>,
    /// Column of `obs` with the dose of each cell. Default: none; doses in the labels are read all the same.
    pub dose_column: Option<String>,
    /// Column of `obs` with the unit of each dose. Default: none.
    pub dose_unit_column: Option<String>,
    /// Cells below which a label is marked as small. Default: 20.
    pub min_cells: usize,
}

impl Default for LabelOptions {
    fn default() -> Self {
        LabelOptions { control_label: None, dose_column: None, dose_unit_column: None, min_cells: 20 }
    }
}

/// A column that may hold the perturbations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnSuggestion {
    /// Name of the column.
    pub column: String,
    /// From 0 (not a perturbation column) to 1 (all speaks for it).
    pub score: f64,
    /// What speaks for and against it, in plain words.
    pub reasons: Vec<String>,
    /// Labels that may mark the control, the likeliest first.
    pub controls: Vec<ControlSuggestion>,
}

/// A label that may mark the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ControlSuggestion {
    /// The label.
    pub label: String,
    /// Cells that carry it.
    pub n_cells: usize,
    /// From 0 to 1.
    pub score: f64,
    /// Why, in plain words.
    pub reason: String,
}
