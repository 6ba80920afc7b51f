//! How well a model does, asked and answered: over which perturbations, beside which methods, and how far to trust it.
//!
//! The engine computes an [`Evaluation`] (`engine::evaluate`); the screen draws it, the command line prints it, and both
//! write it as JSON. Nothing in it is NaN: what has no number is none.

mod cell_tests;
mod reference;
mod report;

pub use cell_tests::{CellTests, CellTestsConfig, OverBaseline};
pub use reference::{Form, ReferenceConfig, ReferenceEvaluation, ReferenceRow};
pub use report::{
    Audit, Calibration, DataSummary, Evaluation, FoldReport, Level, MethodKind, MethodNote, NullRow, Profile,
    SampleNull, TargetSupport, WidthBin,
};

use serde::{Deserialize, Serialize};

use crate::genes::Pathway;
use crate::metrics::Metric;
use crate::prediction::FEWEST_CELLS;

/// Which perturbations are held out, and what is learnt from then.
///
/// Where a perturbation is held out, so is every combination that contains it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folds {
    /// Those that the checkpoint held out, against those that it saw. Without a checkpoint, or where the cells have none
    /// of these, each in turn.
    #[default]
    HeldOut,
    /// Each perturbation in turn, all others learnt from.
    LeaveOneTargetOut,
    /// Parts of equal size, drawn by seed.
    Random {
        /// How many, at least 2.
        n_folds: usize,
    },
    /// All perturbations of a pathway together: the pathway with most of them first, each perturbation once. Those that
    /// are in no pathway with another are held out alone.
    Pathways {
        /// The pathways. In a session, none stand for those of the collection that was read.
        pathways: Vec<Pathway>,
    },
}

/// How an evaluation is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Which perturbations are held out. Default: those of the checkpoint.
    pub folds: Folds,
    /// Measures of the table. Default: [`Metric::REPORTED`].
    pub metrics: Vec<Metric>,
    /// Fewest cells of a perturbation. Default: 10.
    pub min_cells: usize,
    /// Draws of an interval. Default: 2000.
    pub n_draws: usize,
    /// Splits into halves that the ceiling is the mean of. Default: 20.
    pub n_halves: usize,
    /// Pairs of cells for the measure of single cells. Default: 1000.
    pub n_pairs: usize,
    /// Share of measured changes that the conformal intervals are to hold. Default: 0.9.
    pub coverage: f64,
    /// Measures of tests of cells, in a table of their own, of cells made of the predictions. Default: none, as they take
    /// long.
    pub cell_tests: Option<CellTestsConfig>,
    /// BioJEPA-AC's evaluations 1 to 8 of the model. Default: none.
    pub reference: Option<ReferenceConfig>,
    /// Column of `obs` with the batch of each cell, for the audit. Default: none.
    pub batch_column: Option<String>,
    /// Seed of every draw. Default: 0.
    pub seed: u64,
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            folds: Folds::default(),
            metrics: Metric::REPORTED.to_vec(),
            min_cells: FEWEST_CELLS,
            n_draws: 2000,
            n_halves: 20,
            n_pairs: 1000,
            coverage: 0.9,
            cell_tests: None,
            reference: None,
            batch_column: None,
            seed: 0,
        }
    }
}

impl EvaluationConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if let Folds::Random { n_folds } = self.folds
            && n_folds < 2
        {
            return Err(format!("{n_folds} folds; there must be at least 2, so that something is left to learn from"));
        }
        if let Folds::Pathways { pathways } = &self.folds
            && pathways.is_empty()
        {
            return Err("the list of pathways is empty".into());
        }
        if !(self.coverage > 0.0 && self.coverage < 1.0) {
            return Err(format!("coverage is {}; it must lie between 0 and 1", self.coverage));
        }
        if self.metrics.is_empty() {
            return Err("no measure is chosen; choose at least one".into());
        }
        let of_tests = self.cell_tests.unwrap_or_default();
        for (name, value) in [
            ("min_cells", self.min_cells),
            ("n_draws", self.n_draws),
            ("n_cells of the tests of cells", of_tests.n_cells),
            ("n_reference of the tests of cells", of_tests.n_reference),
            ("n_energy of the tests of cells", of_tests.n_energy),
        ] {
            if value == 0 {
                return Err(format!("{name} is 0; it must be at least 1"));
            }
        }
        Ok(())
    }
}
