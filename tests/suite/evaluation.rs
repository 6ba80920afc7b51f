//! Evaluation over folds: what it says of data without any effect, of perturbations with too few cells, of constant and
//! missing predictions, and of combinations.

mod reference;

use cells::counts::Counts;
use cells::data::Labels;
use engine::EngineError;
use engine::evaluate::{Contender, Subject, Watch, evaluate};
use futures_lite::future::block_on;
use jepa::bank::Bank;
use jepa::train::assemble::Material;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::device::BackendChoice;
use spec::evaluation::{CellTestsConfig, Evaluation, EvaluationConfig, Folds, MethodKind};
use spec::genes::Pathway;
use spec::metrics::{Metric, Undefined};
use spec::train::{StageConfig, TrainConfig};

/// Hears everything and stops nothing.
struct Deaf;

impl Watch for Deaf {
    async fn reached(&mut self, _: &str, _: &str, done: usize, total: usize) -> Result<(), EngineError> {
        assert!(done <= total);
        Ok(())
    }
}

/// Stops at once.
struct Stops;

impl Watch for Stops {
    async fn reached(&mut self, _: &str, _: &str, _: usize, _: usize) -> Result<(), EngineError> {
        Err(EngineError::Cancelled)
    }
}

fn material(rows: &[Vec<f32>], labels: &[&str]) -> Material {
    let n_genes = rows[0].len();
    let labels: Vec<String> = labels.iter().map(|&label| label.to_owned()).collect();
    Material {
        expression: Counts::from_dense(&rows.concat(), n_genes).expect("finite rows"),
        genes: (0..n_genes).map(|gene| format!("G{gene}")).collect(),
        gene_ids: Vec::new(),
        labels: Some(Labels::from_perturbations(&labels, Some("control"))),
        batches: None,
        cells_per_row: None,
        target_sum: 1e4,
    }
}

fn evaluated(
    material: &Material,
    bank: Option<&Bank>,
    contender: Option<&Contender<'_>>,
    config: &EvaluationConfig,
) -> Evaluation {
    let subject = Subject { name: "made here", material, missing: &[] };
    block_on(evaluate(&subject, bank, contender, config, &mut Deaf)).expect("an evaluation")
}

fn quick(folds: Folds) -> EvaluationConfig {
    EvaluationConfig { folds, n_draws: 100, n_halves: 2, n_pairs: 60, ..EvaluationConfig::default() }
}

/// Counts of cells without any effect (spec §4.2.10, `null_effect_simulation.py`): negative binomial around one profile,
/// scaled to the median and logged.
fn without_effect(n_cells: usize, n_genes: usize) -> Vec<Vec<f32>> {
    let mut draws = ChaCha8Rng::seed_from_u64(0);
    let mut uniform = move || draws.random::<f64>().max(1e-12);
    let mut normal = {
        let mut draws = ChaCha8Rng::seed_from_u64(1);
        move || {
            let (a, b): (f64, f64) = (draws.random::<f64>().max(1e-12), draws.random());
            (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
        }
    };
    let mut profile: Vec<f64> = (0..n_genes).map(|_| (-1.6 + 1.9 * normal()).exp()).collect();
    let total: f64 = profile.iter().sum();
    // 12,000 counts over 8,563 genes.
    profile.iter_mut().for_each(|mean| *mean *= 12_000.0 * n_genes as f64 / 8_563.0 / total);
    let mut counts = Vec::with_capacity(n_cells);
    for _ in 0..n_cells {
        let size = (0.35 * normal()).exp();
        let cell: Vec<f64> = profile
            .iter()
            .map(|mean| {
                // A gamma variable of shape 4 is the sum of four exponential ones.
                let spread = -(0..4).map(|_| uniform().ln()).sum::<f64>() / 4.0;
                let mean = mean * size * spread;
                if mean > 30.0 {
                    return (mean + mean.sqrt() * normal()).round().max(0.0);
                }
                let (mut n, mut left) = (0.0, uniform());
                while left > (-mean).exp() {
                    left *= uniform();
                    n += 1.0;
                }
                n
            })
            .collect();
        counts.push(cell);
    }
    let mut totals: Vec<f64> = counts.iter().map(|cell| cell.iter().sum()).collect();
    let own = totals.clone();
    totals.sort_by(f64::total_cmp);
    let median = totals[n_cells / 2];
    let scaled = |(cell, total): (Vec<f64>, f64)| cell.iter().map(|n| (n * median / total).ln_1p() as f32).collect();
    counts.into_iter().zip(own).map(scaled).collect()
}

#[test]
fn what_knows_nothing_scores_high_where_there_is_nothing_to_know() {
    let rows = without_effect(500, 2000);
    let labels: Vec<&str> = (0..500).map(|cell| ["control", "A", "B", "C", "D"][cell % 5]).collect();
    let config = EvaluationConfig { n_pairs: 400, ..quick(Folds::LeaveOneTargetOut) };
    let found = evaluated(&material(&rows, &labels), None, None, &config);
    let null = found.null.as_ref().expect("single cells");
    assert_eq!(null.n_pairs, 400);
    let row = |name: &str| null.rows.iter().find(|row| row.predictor == name).expect("it is scored");
    for name in ["the mean training cell", "the mean cell"] {
        let row = row(name);
        assert!(row.pearson20 > 0.9 && !row.knows, "{row:?}");
    }
    assert!(row("the mean cell").shuffled && !row("the mean training cell").shuffled);
    assert_eq!(row("no change").pearson20, 0.0);
    // By the measures of means there is no effect, and nothing is found.
    let ceiling = of_halves(&found);
    assert!(ceiling.abs() < 0.25, "halves of nothing correlate by {ceiling}");
    assert!(found.headline.starts_with("No model was judged."), "{}", found.headline);
}

/// Mean Pearson of change from the mean perturbed, of two halves.
fn of_halves(found: &Evaluation) -> f64 {
    let row = found.rows_of(MethodKind::Ceiling).next().expect("a ceiling");
    let column = found.table.metrics.iter().position(|metric| *metric == Metric::SystemaPearson);
    found.table.rows[row].cells[column.expect("a default measure")].mean.expect("defined")
}

/// Cells of five perturbations and control on eight genes: each raises a gene of its own, combinations both.
fn small(sizes: &[(&str, usize)]) -> Material {
    let mut draws = ChaCha8Rng::seed_from_u64(3);
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for (label, n) in sizes {
        for _ in 0..*n {
            let mut row: Vec<f32> = (0..8).map(|gene| 0.5 + 0.1 * gene as f32 + 0.2 * draws.random::<f32>()).collect();
            for part in label.split('+').filter(|part| *part != "control") {
                row[part.as_bytes()[0] as usize % 8] += 1.0;
            }
            rows.push(row);
            labels.push(*label);
        }
    }
    material(&rows, &labels)
}

fn bank() -> Bank {
    let symbols: Vec<String> = ["A", "B", "C", "D", "E"].iter().map(|name| (*name).to_owned()).collect();
    let vectors: Vec<f32> =
        (0..5).flat_map(|row| (0..4).map(move |at| if row % 4 == at { 1.0 } else { 0.1 * row as f32 })).collect();
    Bank::quantise(symbols, 4, &vectors, "made here").expect("a bank")
}

#[test]
fn too_few_cells_and_constant_predictions_are_named() {
    let material = small(&[("control", 40), ("A", 20), ("B", 20), ("C", 20), ("D", 9)]);
    let found = evaluated(&material, Some(&bank()), None, &quick(Folds::LeaveOneTargetOut));
    assert_eq!(found.table.targets, ["A", "B", "C"]);
    let left = &found.table.left_out[0];
    assert_eq!((left.target.as_str(), left.n_cells, left.reason), ("D", 9, Undefined::TooFewCells));
    assert!(found.problems.iter().any(|problem| problem.contains("D (9)")), "{:?}", found.problems);
    let row = found.table.rows.iter().find(|row| row.method == "no change").expect("always on");
    let cell = |metric| row.cells.iter().find(|cell| cell.metric == metric).expect("a default measure");
    // GEARS counts a constant side as 0, and says that it is one.
    let pearson = cell(Metric::GearsPearsonDelta);
    assert_eq!((pearson.mean, pearson.undefined[0].reason), (Some(0.0), Undefined::Constant));
    // Three perturbations promise no interval of 90 %.
    assert!(found.calibrations.iter().all(|calibration| calibration.problem.as_ref().is_some_and(|p| p.contains('9'))));
}

#[test]
fn a_training_that_fails_leaves_no_score_and_is_named() {
    let material = small(&[("control", 40), ("A", 20), ("B", 20), ("C", 20)]);
    let stage = |n_steps| StageConfig { n_steps, batch_size: 4, max_lr: 1e30, ..StageConfig::default() };
    let mut training = TrainConfig { action: stage(6), decoder: stage(6), report_every: 1, ..TrainConfig::default() };
    (training.model.d_model, training.model.n_heads, training.model.n_layers) = (4, 1, 1);
    let (device, _) = block_on(jepa::device::open(BackendChoice::Cpu)).expect("the CPU");
    let contender = Contender::Trained { name: "wild", config: &training, seeds: &[1], device: &device };
    let found = evaluated(&material, Some(&bank()), Some(&contender), &quick(Folds::LeaveOneTargetOut));
    assert!(found.problems.iter().any(|problem| problem.contains("wild, seed 1")), "{:?}", found.problems);
    let row = found.rows_of(MethodKind::Model).next().expect("its row");
    for cell in &found.table.rows[row].cells {
        assert_eq!(cell.mean, None, "{cell:?}");
    }
    assert!(found.headline.contains("has no score"), "{}", found.headline);
    let text = serde_json::to_string(&found).expect("JSON");
    let again: Evaluation = serde_json::from_str(&text).expect("the same");
    // Numbers come back to their last digit or so.
    assert_eq!((&again.headline, &again.problems, &again.folds), (&found.headline, &found.problems, &found.folds));
    for (row, same) in found.table.rows.iter().zip(&again.table.rows) {
        for (cell, same) in row.cells.iter().zip(&same.cells) {
            assert_eq!((&cell.undefined, cell.mean.is_some()), (&same.undefined, same.mean.is_some()));
            assert!((cell.mean.unwrap_or(0.0) - same.mean.unwrap_or(0.0)).abs() < 1e-12, "{cell:?} is not {same:?}");
        }
    }
}

#[test]
fn a_trained_model_is_judged_by_seeds_beside_its_controls() {
    let material = small(&[("control", 40), ("A", 20), ("B", 20), ("C", 20)]);
    let stage = |n_steps| StageConfig { n_steps, batch_size: 4, ..StageConfig::default() };
    let mut training = TrainConfig { action: stage(3), decoder: stage(3), ..TrainConfig::default() };
    (training.model.d_model, training.model.n_heads, training.model.n_layers) = (4, 1, 1);
    let (device, _) = block_on(jepa::device::open(BackendChoice::Cpu)).expect("the CPU");
    let contender = Contender::Trained { name: "model", config: &training, seeds: &[1, 2], device: &device };
    let found = evaluated(&material, Some(&bank()), Some(&contender), &quick(Folds::LeaveOneTargetOut));
    let names: Vec<&str> = found.table.rows.iter().map(|row| row.method.as_str()).collect();
    assert_eq!(
        &names[..5],
        ["model", "model, seed 1", "model, seed 2", "model, vectors exchanged", "model, no action"]
    );
    let notes: Vec<&str> = found.methods.iter().map(|method| method.name.as_str()).collect();
    assert_eq!(names, notes);
    for column in 0..found.table.metrics.len() {
        let mean = |row: usize| found.table.rows[row].cells[column].mean;
        if let (Some(all), Some(one), Some(two)) = (mean(0), mean(1), mean(2)) {
            assert!((all - f64::midpoint(one, two)).abs() < 1e-9, "{all} of {one} and {two}");
        }
    }
    let null = found.null.expect("single cells");
    assert!(null.rows[0].knows && null.rows[0].predictor == "model", "{:?}", null.rows);
}

#[test]
fn what_contains_the_tested_is_not_learnt_from() {
    let material = small(&[("control", 40), ("A", 20), ("B", 20), ("C", 20), ("A+B", 20)]);
    let found = evaluated(&material, Some(&bank()), None, &quick(Folds::LeaveOneTargetOut));
    let fold = |name: &str| found.folds.iter().find(|fold| fold.test == [name]).expect("its fold").n_train;
    // Without A goes A+B; without A+B the singles stay.
    assert_eq!((fold("A"), fold("C"), fold("A+B")), (2, 3, 3));
    let column = found.table.metrics.iter().position(|metric| *metric == Metric::GearsMse).expect("a default measure");
    let at = found.table.targets.iter().position(|target| target == "A+B").expect("it is tested");
    let value = |method: &str| {
        let row = found.table.rows.iter().find(|row| row.method == method).expect("always on");
        row.cells[column].values[at].expect("a number")
    };
    assert!(value("additive") < 0.2 * value("training mean"), "sums of effects that add are right");

    let pathway = |name: &str, genes: &[&str]| Pathway {
        name: name.into(),
        genes: genes.iter().map(|gene| (*gene).to_owned()).collect(),
    };
    let pathways = vec![pathway("two", &["B", "X"]), pathway("none", &["Y"])];
    let found = evaluated(&material, None, None, &quick(Folds::Pathways { pathways }));
    assert_eq!(found.folds[0].name, "two");
    assert_eq!(found.folds[0].test, ["A+B", "B"]);
    assert_eq!(found.table.targets.len(), 4);
}

#[test]
fn what_cannot_be_evaluated_says_why() {
    let check = |material: &Material, config: &EvaluationConfig, part: &str| {
        let subject = Subject { name: "made here", material, missing: &[] };
        let error = block_on(evaluate(&subject, None, None, config, &mut Deaf)).expect_err(part).to_string();
        assert!(error.contains(part), "{error} does not say {part}");
    };
    let usual = quick(Folds::LeaveOneTargetOut);
    let all = small(&[("control", 20), ("A", 20), ("B", 20)]);
    check(&Material { labels: None, ..all.clone() }, &usual, "choose the column");
    check(&small(&[("A", 20), ("B", 20)]), &usual, "controls");
    check(&small(&[("control", 20), ("A", 20), ("B", 5)]), &usual, "there must be others");
    check(&all, &EvaluationConfig { folds: Folds::Random { n_folds: 1 }, ..usual.clone() }, "at least 2");
    check(&all, &EvaluationConfig { coverage: 1.0, ..usual.clone() }, "coverage is 1");
    let subject = Subject { name: "made here", material: &all, missing: &[] };
    assert!(matches!(block_on(evaluate(&subject, None, None, &usual, &mut Stops)), Err(EngineError::Cancelled)));
}

/// Cells that express a gene in seven of ten, with noise: perturbations raise or silence some of twenty genes.
fn noisy(sizes: &[(&str, usize)]) -> Material {
    let mut draws = ChaCha8Rng::seed_from_u64(11);
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for (label, n) in sizes {
        for _ in 0..*n {
            let mut row: Vec<f32> =
                (0..20).map(|_| if draws.random::<f32>() < 0.7 { 0.5 + draws.random::<f32>() } else { 0.0 }).collect();
            // A gene that no control cell expresses.
            row[19] = if *label == "A" { 1.0 } else { 0.0 };
            if *label != "control" {
                let shift = label.as_bytes()[0] as usize % 3;
                (0..4).for_each(|gene| row[gene + shift] *= 1.8);
            }
            rows.push(row);
            labels.push(*label);
        }
    }
    material(&rows, &labels)
}

#[test]
fn tests_of_cells_are_of_cells_made_by_the_declared_rule() {
    let material = noisy(&[("control", 400), ("A", 90), ("B", 80), ("C", 80), ("D", 12)]);
    let config = EvaluationConfig { cell_tests: Some(CellTestsConfig::default()), ..quick(Folds::LeaveOneTargetOut) };
    let found = evaluated(&material, Some(&bank()), None, &config);
    let tests = found.cell_tests.as_ref().expect("it was asked for");
    assert_eq!(tests.table.metrics, Metric::OF_CELL_TESTS);
    assert_eq!(tests.table.targets, ["A", "B", "C", "D"]);
    assert_eq!(tests.methods.len(), tests.table.rows.len());
    let cell = |method: &str, metric: Metric| {
        let row = tests.table.rows.iter().find(|row| row.method == method).expect(method);
        row.cells.iter().find(|cell| cell.metric == metric).expect("a measure of tests").clone()
    };
    // Control cells against control cells: hardly a gene is significant, so none is found.
    let still = cell("no change", Metric::SignificantRecall).mean.expect("some genes are significant");
    assert!(still < 0.2, "no change finds {still} of the significant genes");
    // What all perturbations share is found by their mean; half of the cells finds most of it.
    let mean = cell("training mean", Metric::SignificantRecall).mean.expect("defined");
    let ceiling = cell("ceiling", Metric::OverlapAtN);
    assert!(mean > 0.3 && mean > still + 0.2, "the mean finds {mean}, no change {still}");
    let (still, ceiling_mean) = (cell("no change", Metric::OverlapAtN).mean, ceiling.mean.expect("defined"));
    assert!(ceiling_mean > 0.4 && ceiling_mean > still.expect("0 at least") + 0.2, "{ceiling:?}, no change {still:?}");
    // The truth itself, by the rule: a ceiling of made cells, with no score over the baseline, as its means are the measured.
    let by_rule = tests.methods.iter().find(|note| note.name == "measured mean, by the rule").expect("a row");
    assert_eq!(by_rule.kind, MethodKind::Ceiling);
    let truth = cell(&by_rule.name, Metric::OverlapAtN).mean.expect("defined");
    assert!(truth > 0.4 && truth >= cell("training mean", Metric::OverlapAtN).mean.expect("defined"), "{truth}");
    assert!(tests.over_baseline.iter().all(|of| of.method != by_rule.name));
    // Two halves of twelve cells have fewer than ten each.
    assert_eq!(ceiling.undefined.last().map(|counted| counted.n_targets), Some(1), "{:?}", ceiling.undefined);
    let row = tests.over_baseline.iter().find(|of| of.method == "mean of groups").expect("cell-eval's baseline");
    assert_eq!(row.score, 0.0, "nothing is better than itself");
    assert!(tests.over_baseline.iter().all(|of| of.score >= 0.0 && of.of_measures.len() == 3));
    let rule = tests.rule.join(" ");
    assert!(rule.contains("90 at most") || rule.contains("200 at most"), "{rule}");
    assert!(rule.contains("the same 200 other control cells"), "{rule}");

    // Without the option nothing is computed; the first table is the same.
    let without = evaluated(&material, Some(&bank()), None, &quick(Folds::LeaveOneTargetOut));
    assert!(without.cell_tests.is_none());
    assert_eq!(without.table, found.table);
}

#[test]
fn widths_are_set_beside_errors_in_bins_of_equal_number() {
    let sizes = [("control", 60), ("A", 20), ("B", 20), ("C", 20), ("D", 20), ("E", 20), ("F", 20)];
    let config = EvaluationConfig { coverage: 0.8, ..quick(Folds::LeaveOneTargetOut) };
    let found = evaluated(&noisy(&sizes), None, None, &config);
    let of = &found.calibrations[0];
    assert_eq!(of.by_width.iter().map(|bin| bin.n_values).sum::<usize>(), 6 * 20, "every gene of every perturbation");
    assert!(of.by_width.windows(2).all(|two| two[0].half_width <= two[1].half_width), "{:?}", of.by_width);
    let level = of.levels.iter().find(|level| level.promised == 0.8).expect("asked for");
    let inside: f64 = of.by_width.iter().map(|bin| bin.inside * bin.n_values as f64).sum::<f64>() / 120.0;
    assert!((inside - level.found).abs() < 1e-9, "{inside} inside, {} found", level.found);
    assert_eq!(of.width_level, Some(0.8));
    assert!(of.width_order.is_some_and(|order| order > 0.2), "{of:?}");
}

#[test]
fn widths_are_of_the_highest_level_that_can_be_promised() {
    let sizes = [("control", 60), ("A", 20), ("B", 20), ("C", 20), ("D", 20), ("E", 20), ("F", 20)];
    let found = evaluated(&noisy(&sizes), None, None, &quick(Folds::LeaveOneTargetOut));
    // Five others promise 80 %, not 90 %.
    let of = &found.calibrations[0];
    assert!(of.problem.is_some() && of.width_level == Some(0.8), "{of:?}");
    assert_eq!(of.by_width.len(), 10);
}

#[test]
fn tests_of_cells_that_cannot_be_made_say_why() {
    let config = EvaluationConfig { cell_tests: Some(CellTestsConfig::default()), ..quick(Folds::LeaveOneTargetOut) };
    let few = evaluated(&noisy(&[("control", 15), ("A", 20), ("B", 20)]), None, None, &config);
    assert!(few.cell_tests.is_none() && few.problems.iter().any(|p| p.contains("half of the 15 control cells")));
    let cells = noisy(&[("control", 40), ("A", 20), ("B", 20)]);
    let meta = Material { cells_per_row: Some(vec![3.0; 80]), ..cells.clone() };
    let found = evaluated(&meta, None, None, &config);
    assert!(found.cell_tests.is_none() && found.problems.iter().any(|p| p.contains("tests need single ones")));
    let none = CellTestsConfig { n_cells: 0, ..CellTestsConfig::default() };
    let config = EvaluationConfig { cell_tests: Some(none), ..config };
    let subject = Subject { name: "made here", material: &cells, missing: &[] };
    let error = block_on(evaluate(&subject, None, None, &config, &mut Deaf)).expect_err("no cells").to_string();
    assert!(error.contains("n_cells"), "{error}");
}
