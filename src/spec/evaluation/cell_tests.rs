//! Measures of tests of cells: how they are asked for, and what came of it.
//!
//! No method predicts cells, so cells are made of predicted means by a rule ([`CellTests::rule`]); what it gives a method
//! that predicts nothing stands in the row of that method.

use serde::{Deserialize, Serialize};

use super::MethodNote;
use crate::metrics::{Interval, Metric, MetricTable};

/// How tests of cells are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CellTestsConfig {
    /// Most cells of a perturbation, on either side. Default: 400.
    pub n_cells: usize,
    /// Most control cells that both sides are tested against. Default: 1000.
    pub n_reference: usize,
    /// Most cells of a side in an energy distance. Default: 100.
    pub n_energy: usize,
    /// Splits into halves that the ceiling is the mean of. Default: 3.
    pub n_halves: usize,
}

impl Default for CellTestsConfig {
    fn default() -> Self {
        Self { n_cells: 400, n_reference: 1000, n_energy: 100, n_halves: 3 }
    }
}

/// What tests of cells say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellTests {
    /// How predicted cells were made, what was left out, and how far to trust it; a sentence or more each.
    pub rule: Vec<String>,
    /// What the rows of the table are, in its order.
    pub methods: Vec<MethodNote>,
    /// Methods by measures.
    pub table: MetricTable,
    /// Per measure, the row that is best of model and baselines, where the interval of its lead over the next one says so.
    pub best: Vec<Option<usize>>,
    /// Per method in the table's order, the score over cell-eval's baseline; empty where it has none.
    pub over_baseline: Vec<OverBaseline>,
    /// Seconds it took.
    pub elapsed_secs: f64,
}

/// cell-eval's score of a method: 0 is no better than its baseline, 1 is perfect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverBaseline {
    /// The method.
    pub method: String,
    /// Mean over the measures.
    pub score: f64,
    /// 95 % interval by drawing perturbations again; none for fewer than two.
    pub interval: Option<Interval>,
    /// Of each measure: what is worse than the baseline, or has no number, counts as 0.
    pub of_measures: Vec<(Metric, f64)>,
}
