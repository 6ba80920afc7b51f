//! What is scored against what: the table, its ceiling, and which method is best by an interval.

use jepa::eval::baselines::means::Weighting;
use jepa::eval::pairs::mean;
use jepa::eval::significance::bootstrap;
use jepa::eval::table::{Evidence, Method, TableConfig, Target, ceiling, over_seeds, table};
use spec::evaluation::{EvaluationConfig, MethodKind, MethodNote};
use spec::metrics::{Better, MethodRow, MetricTable};

use super::baselines::training_mean;
use super::folds::Fold;
use super::screen::Screen;
use super::{Answers, Watch};
use crate::failure::EngineError;
use crate::population::spread;

/// Values of cells that are laid out at once for the ceiling (4 bytes each).
const MOST_VALUES: usize = 32 << 20;
/// Rows of one half of a metacell screen.
const FEWEST_ROWS: usize = 2;

/// The table and what stands over it.
pub(super) struct Scored {
    pub table: MetricTable,
    pub ceiling: Option<MethodRow>,
    pub problems: Vec<String>,
}

pub(super) fn table_config(config: &EvaluationConfig) -> TableConfig {
    TableConfig {
        metrics: config.metrics.clone(),
        // Perturbations with fewer were left out before.
        min_cells: 0,
        n_draws: config.n_draws,
        confidence: 0.95,
        seed: config.seed,
    }
}

/// Scores what was tested, in the order of the screen.
pub(super) async fn scored<W: Watch>(
    screen: &Screen<'_>,
    folds: &[Fold],
    answers: &[Answers],
    config: &EvaluationConfig,
    watch: &mut W,
) -> Result<Scored, EngineError> {
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
    tested.sort_unstable();
    let (cells, mut problems) = cells(screen, &tested);
    let cells: Vec<Vec<&[f32]>> = cells.iter().map(|rows| rows.iter().map(Vec::as_slice).collect()).collect();
    let training = training_profiles(screen, folds);
    let control = control(screen);
    let target = |(place, &at): (usize, &usize)| {
        let target = &screen.targets[at];
        Target {
            name: &target.name,
            n_cells: target.response.n_cells,
            mean: &target.mean,
            own_gene: target.own_gene,
            ranking: Some(&target.ranking),
            scores: Some(&target.scores),
            cells: Some(&cells[place]),
            tested: None,
            training_mean: training[at].as_deref(),
        }
    };
    let targets: Vec<Target<'_>> = tested.iter().enumerate().map(target).collect();
    let evidence = Evidence { control: &control, control_cells: None, targets };
    let means: Vec<Vec<Vec<f32>>> = answers
        .iter()
        .map(|answer| tested.iter().map(|&at| profile(&screen.control.mean, answer.deltas[at].as_deref())).collect())
        .collect();
    let methods: Vec<Method<'_>> = answers
        .iter()
        .zip(&means)
        .map(|(answer, means)| Method {
            name: &answer.note.name,
            is_baseline: answer.note.kind == MethodKind::Baseline,
            means: means.iter().map(Vec::as_slice).collect(),
            ..Method::default()
        })
        .collect();
    // Laying out cells is for the ceiling, and for measures that look at them.
    let of_means = match config.metrics.iter().any(|metric| metric.reads_cells()) {
        true => evidence.clone(),
        false => {
            let mut bare = evidence.clone();
            bare.targets.iter_mut().for_each(|target| target.cells = None);
            bare
        }
    };
    watch.reached("Scoring", "tables", 0, 2).await?;
    let failed = |error: jepa::eval::table::TableError| EngineError::Evaluation(error.to_string());
    let mut table = table(&of_means, &methods, &table_config(config)).map_err(failed)?;
    table.left_out.clone_from(&screen.left_out);
    watch.reached("Scoring", "tables", 1, 2).await?;
    let halves = TableConfig {
        min_cells: if screen.has_single_cells() { config.min_cells } else { FEWEST_ROWS },
        ..table_config(config)
    };
    let ceiling = match config.n_halves {
        0 => None,
        n_halves => match ceiling(&evidence, n_halves, &halves) {
            Ok(row) => Some(row),
            Err(error) => {
                problems.push(format!("No ceiling: {error}."));
                None
            }
        },
    };
    watch.reached("Scoring", "tables", 2, 2).await?;
    Ok(Scored { table, ceiling, problems })
}

/// The control profile; NaN for genes that the file lacks.
pub(super) fn control(screen: &Screen<'_>) -> Vec<f32> {
    let mut control = screen.control.mean.clone();
    screen.subject.missing.iter().for_each(|&gene| control[gene] = f32::NAN);
    control
}

/// What a method says as a profile; what it did not say is no number.
pub(super) fn profile(control: &[f32], change: Option<&[f32]>) -> Vec<f32> {
    match change {
        Some(change) => control.iter().zip(change).map(|(control, change)| control + change).collect(),
        None => vec![f32::NAN; control.len()],
    }
}

/// Mean profile of the perturbations learnt from where each was held out.
pub(super) fn training_profiles(screen: &Screen<'_>, folds: &[Fold]) -> Vec<Option<Vec<f32>>> {
    let mut profiles = vec![None; screen.targets.len()];
    for fold in folds {
        let mean = profile(&screen.control.mean, Some(&training_mean(screen, fold, Weighting::Perturbations)));
        fold.test.iter().for_each(|&at| profiles[at] = Some(mean.clone()));
    }
    profiles
}

/// The cells of what is tested: all, or evenly spaced ones where that is too much to lay out.
fn cells(screen: &Screen<'_>, tested: &[usize]) -> (Vec<Vec<Vec<f32>>>, Vec<String>) {
    let n_all: usize = tested.iter().map(|&at| screen.targets[at].rows.len()).sum();
    let n_most = MOST_VALUES / screen.control.mean.len().max(1);
    let share = (n_most as f64 / n_all.max(1) as f64).min(1.0);
    let of = |&at: &usize| -> Vec<Vec<f32>> {
        let rows = &screen.targets[at].rows;
        let n = ((rows.len() as f64 * share) as usize).clamp(20.min(rows.len()), rows.len());
        spread(rows, n).into_iter().map(|row| screen.dense(row)).collect()
    };
    let problems = (share < 1.0).then(|| {
        format!(
            "The ceiling is of {:.0} % of the cells, as all would not fit into memory: it is too low.",
            100.0 * share
        )
    });
    (tested.iter().map(of).collect(), problems.into_iter().collect())
}

/// Puts the mean over seeds before them; the rows of `methods` follow.
pub(super) fn join_seeds(
    table: &mut MetricTable,
    methods: &mut Vec<MethodNote>,
    name: Option<&str>,
    config: &TableConfig,
) {
    let is_seed = |method: &&MethodNote| method.kind == MethodKind::Seed;
    let seeds: Vec<String> = methods.iter().filter(is_seed).map(|method| method.name.clone()).collect();
    let (Some(name), Some(place)) = (name, methods.iter().position(|method| method.kind == MethodKind::Seed)) else {
        return;
    };
    over_seeds(table, name, &seeds, config);
    let about = format!("Trained in every fold with {} seeds; scores are means over the seeds.", seeds.len());
    let n_fallback = methods[place].n_fallback;
    methods.insert(place, MethodNote { name: name.into(), kind: MethodKind::Model, about, n_fallback });
}

pub(super) fn ceiling_note(screen: &Screen<'_>) -> MethodNote {
    let cells = if screen.has_single_cells() { "cells" } else { "metacells" };
    MethodNote {
        name: "ceiling".into(),
        kind: MethodKind::Ceiling,
        about: format!(
            "One half of a perturbation's {cells} as the prediction for the other half. Both halves are noisier than all of \
             them: a mark to look up to, not a bound."
        ),
        n_fallback: 0,
    }
}

/// Per measure, the best of model and baselines if the interval of its lead over the next best leaves out 0.
pub(super) fn best(table: &MetricTable, methods: &[MethodNote], config: &EvaluationConfig) -> Vec<Option<usize>> {
    let compared: Vec<usize> = methods
        .iter()
        .enumerate()
        .filter(|(_, method)| matches!(method.kind, MethodKind::Model | MethodKind::Baseline))
        .map(|(row, _)| row)
        .collect();
    let of = |(column, metric): (usize, &spec::metrics::Metric)| {
        let sign = if metric.card().better == Better::Higher { 1.0 } else { -1.0 };
        let cell = |row: usize| &table.rows[row].cells[column];
        let mut order: Vec<(f64, usize)> =
            compared.iter().filter_map(|&row| Some((cell(row).mean? * sign, row))).collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (&(_, first), &(_, second)) = (order.first()?, order.get(1)?);
        let lead = cell(first).values.iter().zip(&cell(second).values);
        let lead: Vec<f64> = lead.filter_map(|(a, b)| Some(((*a)? - (*b)?) * sign)).collect();
        let interval = bootstrap(&lead, 0.95, config.n_draws, config.seed).ok()?;
        (mean(&lead) > 0.0 && interval.low > 0.0).then_some(first)
    };
    table.metrics.iter().enumerate().map(of).collect()
}
