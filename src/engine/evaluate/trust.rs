//! How far to trust a prediction: intervals and whether they hold what they promise, the distance from what was learnt,
//! and every perturbation as it was predicted and measured.

use jepa::eval::mean_squared_error;
use jepa::eval::pairs::{quantile, spearman};
use jepa::eval::significance::conformal::Intervals;
use jepa::eval::support::{support as stand, usual};
use spec::evaluation::{Calibration, EvaluationConfig, MethodKind, MethodNote, Profile, TargetSupport, WidthBin};
use spec::metrics::{Better, Metric, MetricTable, Undefined};

use super::Answers;
use super::folds::Fold;
use super::screen::Screen;
use crate::checkpoint::TRAINING_MEAN;
use crate::intervals::Sides;

/// Levels whose coverage is looked at, beside the one asked for.
const LEVELS: [f64; 6] = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
/// Up to so many genes a profile has all of them; beyond, the surest.
const MOST_GENES: usize = 2000;
/// Bins of the widths of intervals.
const N_WIDTHS: usize = 10;
const N_SUREST: usize = 500;

/// The measure by which methods are ranked where there must be one: Pearson of change, else the table's first.
pub(super) fn lead(table: &MetricTable) -> usize {
    table.metrics.iter().position(|metric| *metric == Metric::GearsPearsonDelta).unwrap_or(0)
}

/// What is drawn: the model (its first seed), the best baseline by the leading measure, and the mean of training.
pub(super) fn shown<'a>(answers: &'a [Answers], table: &MetricTable, methods: &[MethodNote]) -> Vec<&'a Answers> {
    let column = lead(table);
    let sign = if table.metrics[column].card().better == Better::Higher { 1.0 } else { -1.0 };
    let means = table.rows.iter().zip(methods).filter(|(_, method)| method.kind == MethodKind::Baseline);
    let best = means
        .filter_map(|(row, _)| Some((row.cells[column].mean? * sign, row.method.as_str())))
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, name)| name);
    let model = answers.iter().find(|answer| matches!(answer.note.kind, MethodKind::Model | MethodKind::Seed));
    let named = |name: &str| answers.iter().find(|answer| answer.note.name == name);
    let mut shown: Vec<&Answers> = model.into_iter().chain(best.and_then(named)).collect();
    if best != Some(TRAINING_MEAN) {
        shown.extend(named(TRAINING_MEAN));
    }
    shown
}

/// Perturbations of the table by their place in the screen.
fn places(screen: &Screen<'_>, table: &MetricTable) -> Vec<usize> {
    table.targets.iter().filter_map(|name| screen.find(name)).collect()
}

/// Measured change; NaN for genes that the file lacks.
fn measured(screen: &Screen<'_>, at: usize) -> Vec<f32> {
    screen.targets[at].response.clone().without(screen.subject.missing.iter().copied()).delta
}

/// Every perturbation with what was said of it.
pub(super) fn profiles(screen: &Screen<'_>, table: &MetricTable, shown: &[&Answers]) -> Vec<Profile> {
    let missing = screen.subject.missing;
    let of = |at: usize| {
        let target = &screen.targets[at];
        let mut genes: Vec<usize> = target.ranking.iter().copied().filter(|gene| !missing.contains(gene)).collect();
        if genes.len() > MOST_GENES {
            genes.truncate(N_SUREST);
        }
        genes.sort_unstable();
        let at_genes = |values: &[f32]| -> Vec<f32> { genes.iter().map(|&gene| values[gene]).collect() };
        // JSON has no NaN: what a method failed to say is not drawn.
        let predicted = shown.iter().filter_map(|answer| {
            let values = at_genes(answer.deltas[at].as_deref()?);
            values.iter().all(|value| value.is_finite()).then(|| (answer.note.name.clone(), values))
        });
        Profile {
            target: target.name.clone(),
            n_cells: target.response.n_cells,
            measured: at_genes(&target.response.delta),
            standard_error: at_genes(&target.response.standard_error),
            predicted: predicted.collect(),
            genes: genes.iter().map(|&gene| gene as u32).collect(),
        }
    };
    places(screen, table).into_iter().map(of).collect()
}

/// Intervals around a method's predictions: each perturbation is looked at with widths from others.
pub(super) fn calibration(
    screen: &Screen<'_>,
    table: &MetricTable,
    answer: &Answers,
    config: &EvaluationConfig,
) -> Calibration {
    let places = places(screen, table);
    let measured: Vec<Vec<f32>> = places.iter().map(|&at| measured(screen, at)).collect();
    let predicted: Vec<&[f32]> = places.iter().map(|&at| answer.deltas[at].as_deref().unwrap_or_default()).collect();
    let measured: Vec<&[f32]> = measured.iter().map(Vec::as_slice).collect();
    let sides = Sides { predicted, measured };
    let mut calibration = Calibration {
        method: answer.note.name.clone(),
        n_targets: places.len(),
        levels: Vec::new(),
        by_target: Vec::new(),
        half_widths: Vec::new(),
        width_level: None,
        by_width: Vec::new(),
        width_order: None,
        problem: None,
    };
    let mut levels: Vec<f64> = LEVELS.into_iter().chain([config.coverage]).collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    for &promised in &levels {
        match sides.looked_at(promised) {
            Ok((level, by_target)) => {
                calibration.levels.push(level);
                if promised == config.coverage {
                    calibration.by_target = by_target;
                }
            }
            Err(reason) if promised == config.coverage => calibration.problem = Some(problem(reason, promised)),
            Err(_) => {}
        }
    }
    if let Ok(widths) = Intervals::calibrate(&sides.predicted, &sides.measured, config.coverage) {
        let width = |width: &f64| Some(*width).filter(|width| width.is_finite());
        calibration.half_widths = widths.half_widths.iter().map(width).collect();
    }
    let below = levels.into_iter().rev().filter(|level| *level <= config.coverage);
    let widths_at = |level: f64| Some((level, sides.widths_and_errors(level).ok()?));
    if let Some((level, mut both)) = below.into_iter().find_map(widths_at) {
        calibration.width_level = Some(level);
        let (widths, errors): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
        calibration.width_order = spearman(&widths, &errors).ok();
        calibration.by_width = by_width(&mut both);
    }
    calibration
}

/// Values in bins of equal number, by falling trust in them.
fn by_width(both: &mut [(f64, f64)]) -> Vec<WidthBin> {
    both.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n_bins = N_WIDTHS.min(both.len());
    let of = |bin: usize| {
        let values = &both[bin * both.len() / n_bins..(bin + 1) * both.len() / n_bins];
        let mut errors: Vec<f64> = values.iter().map(|(_, error)| *error).collect();
        errors.sort_by(f64::total_cmp);
        let widths: Vec<f64> = values.iter().map(|(width, _)| *width).collect();
        WidthBin {
            n_values: values.len(),
            half_width: quantile(&widths, 0.5),
            error: quantile(&errors, 0.5),
            inside: values.iter().filter(|(width, error)| error <= width).count() as f64 / values.len() as f64,
        }
    };
    (0..n_bins).map(of).collect()
}

fn problem(reason: Undefined, promised: f64) -> String {
    let share = 100.0 * promised;
    match reason {
        Undefined::TooFewTargets => format!(
            "An interval of {share:.0} % needs {} perturbations held out beside the one it is made for.",
            jepa::eval::significance::conformal::fewest(promised)
        ),
        other => format!("No interval of {share:.0} %: {}.", other.label()),
    }
}

/// How far each perturbation is from those learnt from; empty without vectors.
pub(super) fn support(
    screen: &Screen<'_>,
    folds: &[Fold],
    table: &MetricTable,
    judged: Option<&Answers>,
) -> Vec<TargetSupport> {
    if screen.bank.is_none() {
        return Vec::new();
    }
    let mut found: Vec<Option<TargetSupport>> = vec![None; screen.targets.len()];
    for fold in folds {
        let with = |&at: &usize| Some((at, screen.targets[at].vector.as_deref()?));
        let training: Vec<(usize, &[f32])> = fold.train.iter().filter_map(with).collect();
        let vectors: Vec<&[f32]> = training.iter().map(|(_, vector)| *vector).collect();
        let usual = usual(&vectors);
        for &at in &fold.test {
            let target = &screen.targets[at];
            let here = target.vector.as_deref().zip(usual).and_then(|(vector, usual)| stand(vector, &vectors, usual));
            let change = judged.and_then(|answer| answer.deltas[at].as_deref());
            let error = change.map(|change| mean_squared_error(change, &target.response.delta).sqrt());
            found[at] = Some(TargetSupport {
                target: target.name.clone(),
                nearest: here.map(|here| screen.targets[training[here.nearest].0].name.clone()),
                cosine: here.map(|here| here.cosine),
                is_outside: here.is_none_or(|here| here.is_outside()),
                error: error.filter(|error| error.is_finite()),
            });
        }
    }
    places(screen, table).into_iter().filter_map(|at| found[at].take()).collect()
}
