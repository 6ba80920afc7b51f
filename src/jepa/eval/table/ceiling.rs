//! The row that the data set themselves: one half of every perturbation's cells as the prediction for the other half.
//!
//! Both sides have half the cells, so what a measure loses to noise it loses here twice; a method is compared with all
//! cells, and may stand above this row.

use spec::metrics::{MethodRow, Undefined};

use super::{Evidence, Method, TableConfig, TableError, Target, Tested, table};
use crate::eval::significance::{draws, halves, mean_profile};

/// Means over `n_repeats` splits of the table of halves, as one row by the name `ceiling`; its values per perturbation
/// are means over the splits that define them. Rankings, scores and the mean of training are those of the evidence.
///
/// Perturbations need twice `min_cells` cells, so that each half has enough; others have no value
/// ([`Undefined::TooFewCells`], counted) and stay in the order of the evidence.
///
/// # Errors
/// As [`table`]; no perturbation with cells.
pub fn ceiling(evidence: &Evidence<'_>, n_repeats: usize, config: &TableConfig) -> Result<MethodRow, TableError> {
    let has_cells = |target: &&Target<'_>| target.cells.is_some_and(|cells| cells.len() >= 2 * config.min_cells.max(1));
    let kept: Vec<&Target<'_>> = evidence.targets.iter().filter(has_cells).collect();
    if kept.is_empty() {
        return Err(TableError::NoTargets { min_cells: 2 * config.min_cells.max(1) });
    }
    // Halves are laid out again only for measures that look at cells.
    let with_cells = config.metrics.iter().any(|metric| metric.reads_cells());
    let mut draws = draws(config.seed);
    let mut rows: Vec<MethodRow> = Vec::with_capacity(n_repeats);
    for _ in 0..n_repeats.max(1) {
        let split = kept.iter().map(|target| {
            let cells = target.cells.unwrap_or_default();
            // There are at least two cells.
            let (one, other) = halves(cells.len(), &mut draws).unwrap_or_default();
            let of = |half: &[usize]| -> Vec<&[f32]> { half.iter().map(|&cell| cells[cell]).collect() };
            (mean_profile(cells, &one), of(&one), mean_profile(cells, &other), of(&other))
        });
        let split: Vec<_> = split.collect();
        let targets = kept.iter().zip(&split).map(|(target, (_, _, mean, cells))| Target {
            n_cells: cells.len(),
            mean,
            cells: with_cells.then_some(cells),
            ..(*target).clone()
        });
        let halved = Evidence { targets: targets.collect(), ..evidence.clone() };
        let method = Method {
            name: "ceiling",
            is_baseline: false,
            means: split.iter().map(|(mean, ..)| mean.as_slice()).collect(),
            cells: with_cells.then(|| split.iter().map(|(_, cells, ..)| cells.as_slice()).collect()),
            tested: None,
        };
        rows.extend(table(&halved, &[method], config)?.rows);
    }
    Ok(averaged(rows, evidence, &kept, config))
}

/// One half of a perturbation's cells: its mean profile, and what tests of its cells say.
pub type Half = (Vec<f32>, Tested);

/// The same row of halves that were tested beforehand: per perturbation of the evidence and split, the half that stands
/// for the prediction and the half that it is compared with; no splits for what has too few cells.
///
/// # Errors
/// As [`table`]; no perturbation with halves.
pub fn ceiling_of_tests(
    evidence: &Evidence<'_>,
    splits: &[Vec<(Half, Half)>],
    config: &TableConfig,
) -> Result<MethodRow, TableError> {
    let halved: Vec<(&Target<'_>, &Vec<(Half, Half)>)> =
        evidence.targets.iter().zip(splits).filter(|(_, splits)| !splits.is_empty()).collect();
    let n_splits = halved.iter().map(|(_, splits)| splits.len()).min();
    let n_splits = n_splits.ok_or(TableError::NoTargets { min_cells: 2 * config.min_cells.max(1) })?;
    let mut rows: Vec<MethodRow> = Vec::with_capacity(n_splits);
    for split in 0..n_splits {
        let here: Vec<(&Target<'_>, &(Half, Half))> =
            halved.iter().map(|&(target, splits)| (target, &splits[split])).collect();
        let targets = here.iter().map(|(target, (_, (mean, tested)))| Target {
            mean,
            tested: Some(tested),
            cells: None,
            ..(*target).clone()
        });
        let method = Method {
            name: "ceiling",
            is_baseline: false,
            means: here.iter().map(|(_, ((mean, _), _))| mean.as_slice()).collect(),
            cells: None,
            tested: Some(here.iter().map(|(_, ((_, tested), _))| tested.clone()).collect()),
        };
        let halves = Evidence { targets: targets.collect(), ..evidence.clone() };
        rows.extend(table(&halves, &[method], config)?.rows);
    }
    let kept: Vec<&Target<'_>> = halved.iter().map(|(target, _)| *target).collect();
    Ok(averaged(rows, evidence, &kept, config))
}

/// One row of many, its values at the places that the perturbations have in the whole table.
fn averaged(rows: Vec<MethodRow>, evidence: &Evidence<'_>, kept: &[&Target<'_>], config: &TableConfig) -> MethodRow {
    let mut whole = rows[0].clone();
    for (column, cell) in whole.cells.iter_mut().enumerate() {
        let all = || rows.iter().map(|row| &row.cells[column]);
        let mean_of = |values: Vec<f64>| (!values.is_empty()).then(|| crate::eval::pairs::mean(&values));
        cell.mean = mean_of(all().filter_map(|cell| cell.mean).collect());
        let of_kept = |at: usize| mean_of(all().filter_map(|cell| cell.values.get(at).copied().flatten()).collect());
        if cell.values.is_empty() {
            continue;
        }
        let in_table = evidence.targets.iter().filter(|target| target.n_cells >= config.min_cells);
        let place = |target: &Target<'_>| kept.iter().position(|kept| kept.name == target.name);
        cell.values = in_table.map(|target| place(target).and_then(of_kept)).collect();
        let defined: Vec<f64> = cell.values.iter().flatten().copied().collect();
        cell.interval =
            crate::eval::significance::bootstrap(&defined, config.confidence, config.n_draws, config.seed).ok();
        let n_few = cell.values.len().saturating_sub(kept.len());
        if n_few > 0 {
            cell.undefined.push(spec::metrics::Counted { reason: Undefined::TooFewCells, n_targets: n_few });
        }
    }
    whole
}
