//! A whole table: methods by measures, per perturbation and as a mean with its interval, beside the best baseline.
//!
//! Rules: a perturbation with fewer than `min_cells` cells is left out and named. Genes that are NaN in control, in a
//! mean of training or in a measured profile are compared for no perturbation. A value that a constant side or a lack of
//! genes leaves undefined counts as the reference counts it ([`spec::metrics::Card::undefined_as`]), or is left out of the
//! mean and counted. A prediction that is not finite leaves its method without a mean: left out, it would flatter.

mod ceiling;
mod prepared;
mod seeds;
mod values;

pub use ceiling::{Half, ceiling, ceiling_of_tests};
pub use seeds::over_seeds;

use spec::metrics::{Better, Card, Cell, Counted, MethodRow, Metric, MetricTable, Paired, Undefined};
use thiserror::Error;

use super::cell_eval::{Tests, differential::differential, energy_distance};
use super::pairs::{self, Score};
use super::significance::{bootstrap, paired::sign_flips};
use prepared::{Prepared, Side};

/// One perturbation as it was measured.
#[derive(Debug, Clone, Default)]
pub struct Target<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its cells.
    pub n_cells: usize,
    /// Mean profile (log1p units); NaN where a gene was not measured.
    pub mean: &'a [f32],
    /// Column of the perturbed gene, where it is one of the genes.
    pub own_gene: Option<usize>,
    /// Genes by how surely they change (`atlas::markers`, t-test, by |t|); for the measures of the top.
    pub ranking: Option<&'a [usize]>,
    /// |t| per gene; for the weighted measures.
    pub scores: Option<&'a [f64]>,
    /// Its cells; for ranges, tests and E-distance.
    pub cells: Option<&'a [&'a [f32]]>,
    /// What tests of its cells say, in place of the cells.
    pub tested: Option<&'a Tested>,
    /// Mean of the profiles of those perturbations that were trained on where this one was held out, each counting the
    /// same; for Systema's and the weighted R².
    pub training_mean: Option<&'a [f32]>,
}

/// What was measured.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// Mean control cell.
    pub control: &'a [f32],
    /// Control cells; for tests and E-distance.
    pub control_cells: Option<&'a [&'a [f32]]>,
    /// The perturbations.
    pub targets: Vec<Target<'a>>,
}

/// What one method predicts.
#[derive(Debug, Clone, Default)]
pub struct Method<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether others are compared with it.
    pub is_baseline: bool,
    /// Mean profile per perturbation, in the order of the evidence.
    pub means: Vec<&'a [f32]>,
    /// Cells per perturbation; for tests and E-distance. The control cells are the measured ones.
    pub cells: Option<Vec<&'a [&'a [f32]]>>,
    /// What tests of them say, in place of the cells.
    pub tested: Option<Vec<Tested>>,
}

/// What tests of the cells of one perturbation say, on the genes that are compared: computed beforehand where cells of all
/// perturbations and methods would not fit into memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Tested {
    /// Every gene against the reference cells.
    pub tests: Result<Tests, Undefined>,
    /// Energy distance from them.
    pub energy: Score,
}

impl Tested {
    /// Of cells against reference cells; the energy distance of the first `n_energy` of each side.
    pub fn of(cells: &[&[f32]], reference: &[&[f32]], n_energy: usize) -> Self {
        let first = |rows: &[&'_ [f32]]| rows.len().min(n_energy);
        Self {
            tests: differential(cells, reference),
            energy: energy_distance(&cells[..first(cells)], &reference[..first(reference)]),
        }
    }

    /// Where there is nothing to test.
    pub fn none(reason: Undefined) -> Self {
        Self { tests: Err(reason), energy: Err(reason) }
    }
}

/// What to compute.
#[derive(Debug, Clone)]
pub struct TableConfig {
    /// Default: [`Metric::REPORTED`].
    pub metrics: Vec<Metric>,
    /// Fewest cells of a perturbation. Default: 10.
    pub min_cells: usize,
    /// Draws of an interval. Default: 2000.
    pub n_draws: usize,
    /// Share an interval holds. Default: 0.95.
    pub confidence: f64,
    /// Default: 0.
    pub seed: u64,
}

impl Default for TableConfig {
    fn default() -> Self {
        Self { metrics: Metric::REPORTED.to_vec(), min_cells: 10, n_draws: 2000, confidence: 0.95, seed: 0 }
    }
}

/// Why there is no table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TableError {
    /// A profile is of another length than control.
    #[error("{what} has {found} genes, control has {expected}; give both on the same genes")]
    Genes {
        /// Whose it is.
        what: String,
        /// Its genes.
        found: usize,
        /// Genes of control.
        expected: usize,
    },
    /// A method has not one prediction per perturbation.
    #[error(
        "{method} predicts {found} perturbations of {expected}; give one prediction for each, or a baseline's in its place"
    )]
    Predictions {
        /// The method.
        method: String,
        /// Its predictions.
        found: usize,
        /// Perturbations measured.
        expected: usize,
    },
    /// No perturbation is left.
    #[error("no perturbation has {min_cells} cells; ask for fewer, or evaluate on more cells")]
    NoTargets {
        /// Cells a perturbation needs.
        min_cells: usize,
    },
    /// No gene is left.
    #[error("no gene was measured in control and in every perturbation; evaluate on a gene list that all share")]
    NoGenes,
}

/// Scores every method by every measure.
///
/// # Errors
/// Shapes that do not fit together; nothing left to compare.
pub fn table(evidence: &Evidence<'_>, methods: &[Method<'_>], config: &TableConfig) -> Result<MetricTable, TableError> {
    let prepared = Prepared::new(evidence, config.min_cells)?;
    let sides = methods.iter().map(|method| Side::new(method, evidence, &prepared)).collect::<Result<Vec<_>, _>>()?;
    let mut rows: Vec<MethodRow> = methods
        .iter()
        .map(|method| MethodRow { method: method.name.into(), is_baseline: method.is_baseline, cells: Vec::new() })
        .collect();
    for &metric in &config.metrics {
        let mut column: Vec<Cell> =
            sides.iter().map(|side| summarised(metric, values::of(metric, &prepared, side), config)).collect();
        let named: Vec<(&str, bool)> = methods.iter().map(|method| (method.name, method.is_baseline)).collect();
        compare(&mut column, &named, metric, config);
        for (row, cell) in rows.iter_mut().zip(column) {
            row.cells.push(cell);
        }
    }
    Ok(MetricTable {
        metrics: config.metrics.clone(),
        targets: prepared.targets.iter().map(|target| target.name.clone()).collect(),
        left_out: prepared.left_out,
        n_genes: prepared.control.len(),
        seed: config.seed,
        rows,
    })
}

/// Values by the reference's rule, their mean and interval.
fn summarised(metric: Metric, scores: Vec<Score>, config: &TableConfig) -> Cell {
    let card = metric.card();
    let mut undefined: Vec<Counted> = Vec::new();
    for reason in scores.iter().filter_map(|score| score.err()) {
        match undefined.iter_mut().find(|counted| counted.reason == reason) {
            Some(counted) => counted.n_targets += 1,
            None => undefined.push(Counted { reason, n_targets: 1 }),
        }
    }
    let spoilt = scores.contains(&Err(Undefined::NotFinite));
    let values: Vec<Option<f64>> = scores.into_iter().map(|score| counted(score, &card)).collect();
    let defined: Vec<f64> = values.iter().flatten().copied().collect();
    let has_mean = !defined.is_empty() && !spoilt;
    let whole = metric.is_of_all_targets();
    Cell {
        metric,
        mean: has_mean.then(|| pairs::mean(&defined)),
        interval: (has_mean && !whole)
            .then(|| bootstrap(&defined, config.confidence, config.n_draws, config.seed).ok())
            .flatten(),
        values: if whole { Vec::new() } else { values },
        undefined,
        against: None,
    }
}

/// What a value counts as in a mean.
fn counted(score: Score, card: &Card) -> Option<f64> {
    match score {
        Ok(value) => Some(value),
        Err(Undefined::Constant | Undefined::TooFewGenes) => card.undefined_as,
        Err(_) => None,
    }
}

/// Sets every method but the baselines beside the baseline that is best by this measure.
fn compare(column: &mut [Cell], methods: &[(&str, bool)], metric: Metric, config: &TableConfig) {
    let sign = if metric.card().better == Better::Higher { 1.0 } else { -1.0 };
    let best = column
        .iter()
        .zip(methods)
        .filter(|(_, (_, is_baseline))| *is_baseline)
        .filter_map(|(cell, (name, _))| Some((cell.mean? * sign, *name, cell.values.clone())))
        .reduce(|best, other| if other.0 > best.0 { other } else { best });
    let Some((_, baseline, theirs)) = best else { return };
    for (cell, _) in column.iter_mut().zip(methods).filter(|(_, (_, is_baseline))| !is_baseline) {
        if cell.mean.is_none() || metric.is_of_all_targets() {
            continue;
        }
        let gains: Vec<f64> =
            cell.values.iter().zip(&theirs).filter_map(|(own, their)| Some(((*own)? - (*their)?) * sign)).collect();
        if !gains.is_empty() {
            cell.against = Some(Paired {
                baseline: baseline.into(),
                n_targets: gains.len(),
                gain: pairs::mean(&gains),
                interval: bootstrap(&gains, config.confidence, config.n_draws, config.seed).ok(),
                p_value: sign_flips(&gains, config.seed).ok(),
            });
        }
    }
}
