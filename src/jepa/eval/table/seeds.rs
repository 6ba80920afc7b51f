//! One row of several: the same method trained with several seeds, its values per perturbation averaged over them.
//!
//! The interval is over perturbations, of means over seeds; how far the seeds lie apart is for their own rows to say.

use spec::metrics::{Cell, MethodRow, MetricTable};

use super::{TableConfig, compare};
use crate::eval::pairs;
use crate::eval::significance::bootstrap;

/// Puts the mean of the rows with these names before the first of them, by the name `method`, and sets it beside the best
/// baseline. A perturbation that one seed has no value for has none; rows that are not there count for nothing.
pub fn over_seeds(table: &mut MetricTable, method: &str, seeds: &[String], config: &TableConfig) {
    let rows: Vec<&MethodRow> = table.rows.iter().filter(|row| seeds.contains(&row.method)).collect();
    let Some(place) = table.rows.iter().position(|row| seeds.contains(&row.method)) else { return };
    let cells = (0..table.metrics.len()).map(|column| {
        let of: Vec<&Cell> = rows.iter().map(|row| &row.cells[column]).collect();
        averaged(&of, config)
    });
    let mut cells: Vec<Cell> = cells.collect();
    let named: Vec<(&str, bool)> = table
        .rows
        .iter()
        .map(|row| (row.method.as_str(), row.is_baseline))
        .chain(std::iter::once((method, false)))
        .collect();
    for (at, cell) in cells.iter_mut().enumerate() {
        let mut column: Vec<Cell> = table.rows.iter().map(|row| row.cells[at].clone()).collect();
        column.push(cell.clone());
        compare(&mut column, &named, table.metrics[at], config);
        *cell = column.swap_remove(column.len() - 1);
    }
    table.rows.insert(place, MethodRow { method: method.into(), is_baseline: false, cells });
}

fn averaged(of: &[&Cell], config: &TableConfig) -> Cell {
    let mut whole = of[0].clone();
    let n = of.len() as f64;
    // A seed without a mean (a prediction that is not finite) leaves none: left out, it would flatter.
    let means: Option<Vec<f64>> = of.iter().map(|cell| cell.mean).collect();
    whole.mean = means.map(|means| pairs::mean(&means));
    whole.values = (0..whole.values.len())
        .map(|at| of.iter().map(|cell| cell.values[at]).sum::<Option<f64>>().map(|sum| sum / n))
        .collect();
    let defined: Vec<f64> = whole.values.iter().flatten().copied().collect();
    whole.interval = whole
        .mean
        .filter(|_| !defined.is_empty())
        .and_then(|_| bootstrap(&defined, config.confidence, config.n_draws, config.seed).ok());
    whole
}
