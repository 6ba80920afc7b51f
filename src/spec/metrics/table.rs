//! A table of methods by measures: the mean with its interval, every perturbation's value or the reason why there is
//! none, and what stands beside the best baseline.

use serde::{Deserialize, Serialize};

use super::{Metric, Undefined};

/// An interval of a mean.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How many perturbations have no value, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Why.
    pub reason: Undefined,
    /// How many.
    pub n_targets: usize,
}

/// One method beside the best baseline, by one measure, over the perturbations that both have a value for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// The baseline that is best by this measure.
    pub baseline: String,
    /// Perturbations compared.
    pub n_targets: usize,
    /// Mean of method minus baseline; positive is better, whichever way the measure goes.
    pub gain: f64,
    /// 95 % interval of that mean by drawing perturbations again; none for fewer than two.
    pub interval: Option<Interval>,
    /// Two-sided p of a test that flips the signs of the differences; none for fewer than two perturbations.
    pub p_value: Option<f64>,
}

/// What one measure says of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The measure.
    pub metric: Metric,
    /// Mean over perturbations by the reference's rule ([`super::Card::undefined_as`]); none where there is none.
    pub mean: Option<f64>,
    /// 95 % interval of that mean by drawing perturbations again; none for fewer than two.
    pub interval: Option<Interval>,
    /// Per perturbation, in the table's order; empty for a measure of all perturbations together.
    pub values: Vec<Option<f64>>,
    /// Why values are missing, each reason once.
    pub undefined: Vec<Counted>,
    /// Beside the best baseline; none for a baseline, or where no baseline has a value.
    pub against: Option<Paired>,
}

/// What all measures say of one method.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodRow {
    /// Name of the method.
    pub method: String,
    /// Whether others are compared with it.
    pub is_baseline: bool,
    /// One entry per measure, in the table's order.
    pub cells: Vec<Cell>,
}

/// A perturbation that was not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its name.
    pub target: String,
    /// Its cells.
    pub n_cells: usize,
    /// Why.
    pub reason: Undefined,
}

/// Methods by measures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricTable {
    /// The measures, in order of the columns.
    pub metrics: Vec<Metric>,
    /// The perturbations, in order of the values.
    pub targets: Vec<String>,
    /// Perturbations that were not evaluated.
    pub left_out: Vec<LeftOut>,
    /// Genes compared: those measured in every perturbation and in control.
    pub n_genes: usize,
    /// Seed of the intervals and tests.
    pub seed: u64,
    /// The methods.
    pub rows: Vec<MethodRow>,
}
