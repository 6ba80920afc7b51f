//! The whole table: every measure beside the references through it, its rules, and what must hold of every measure.

use jepa::eval::gears::QUANTILES;
use jepa::eval::table::{Evidence, Method, TableConfig, TableError, Target, ceiling, table};
use jepa::eval::{Metric, pairs};
use proptest::prelude::{ProptestConfig, any, proptest};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use spec::metrics::{Better, Cell, MetricTable, Reference, Undefined, Unit};

use super::golden::{Screen, check, mean_of, number, rows};

/// A screen that owns its numbers, so that genes and perturbations can be put in another order.
#[derive(Clone)]
struct Owned {
    names: Vec<String>,
    control_cells: Vec<Vec<f32>>,
    measured: Vec<Vec<Vec<f32>>>,
    predicted: Vec<Vec<Vec<f32>>>,
    own_genes: Vec<usize>,
    rankings: Vec<Vec<usize>>,
    scores: Vec<Vec<f64>>,
    /// Mean of the training perturbations' profiles.
    training_mean: Vec<f32>,
}

impl Owned {
    fn golden() -> Self {
        let screen = Screen::read();
        let scores = screen.said["mejia"]["scores"].as_array().expect("scores");
        let n = screen.measured.len();
        Self {
            names: (0..n).map(|t| format!("G{t:02}")).collect(),
            training_mean: mean_of(&screen.measured_means()[..6]),
            own_genes: (0..n).collect(),
            rankings: screen.rankings(),
            scores: scores.iter().map(super::golden::numbers).collect(),
            control_cells: screen.control,
            measured: screen.measured,
            predicted: screen.predicted,
        }
    }

    /// Continuous values, so that nothing is equal by chance.
    fn drawn(seed: u64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let (n_targets, n_genes) = (8, 60);
        let mut cells = |shift: &[f32], n: usize| -> Vec<Vec<f32>> {
            (0..n).map(|_| shift.iter().map(|s| 1.0 + s + draws.random::<f32>()).collect()).collect()
        };
        let control_cells = cells(&vec![0.0; n_genes], 20);
        let mut draws = ChaCha8Rng::seed_from_u64(seed ^ 1);
        let mut shift = || -> Vec<f32> { (0..n_genes).map(|_| 1.5 * (draws.random::<f32>() - 0.4)).collect() };
        let shifts: Vec<(Vec<f32>, Vec<f32>)> = (0..n_targets).map(|_| (shift(), shift())).collect();
        let measured: Vec<Vec<Vec<f32>>> = shifts.iter().map(|(own, _)| cells(own, 12)).collect();
        let predicted = shifts
            .iter()
            .map(|(own, other)| cells(&own.iter().zip(other).map(|(a, b)| 0.5 * a + 0.5 * b).collect::<Vec<_>>(), 12))
            .collect();
        let control = mean_of(&control_cells);
        let scores: Vec<Vec<f64>> = measured
            .iter()
            .map(|cells| mean_of(cells).iter().zip(&control).map(|(m, c)| f64::from(m - c)).collect())
            .collect();
        Self {
            names: (0..n_targets).map(|t| format!("target {t}")).collect(),
            rankings: scores.iter().map(|scores| pairs::by_magnitude(scores)).collect(),
            training_mean: shift().iter().map(|s| 2.0 + s).collect(),
            own_genes: (0..n_targets).collect(),
            control_cells,
            measured,
            predicted,
            scores,
        }
    }

    /// Its table, with the means of `predicted` and the cells themselves.
    fn table(&self, metrics: &[Metric]) -> MetricTable {
        self.table_of(&self.predicted, metrics)
    }

    fn table_of(&self, predicted: &[Vec<Vec<f32>>], metrics: &[Metric]) -> MetricTable {
        let control = mean_of(&self.control_cells);
        let control_cells = rows(&self.control_cells);
        let means: Vec<Vec<f32>> = self.measured.iter().map(|cells| mean_of(cells)).collect();
        let cells: Vec<Vec<&[f32]>> = self.measured.iter().map(|cells| rows(cells)).collect();
        let targets = (0..self.names.len()).map(|t| Target {
            name: &self.names[t],
            n_cells: cells[t].len(),
            mean: &means[t],
            own_gene: Some(self.own_genes[t]),
            ranking: Some(&self.rankings[t]),
            scores: Some(&self.scores[t]),
            cells: Some(&cells[t]),
            tested: None,
            training_mean: Some(&self.training_mean),
        });
        let evidence = Evidence { control: &control, control_cells: Some(&control_cells), targets: targets.collect() };
        let predicted_means: Vec<Vec<f32>> = predicted.iter().map(|cells| mean_of(cells)).collect();
        let predicted_cells: Vec<Vec<&[f32]>> = predicted.iter().map(|cells| rows(cells)).collect();
        let model = Method {
            name: "model",
            is_baseline: false,
            means: rows(&predicted_means),
            cells: Some(predicted_cells.iter().map(Vec::as_slice).collect()),
            tested: None,
        };
        let means = vec![&control[..]; means.len()];
        let still = Method { name: "no change", is_baseline: true, means, ..Method::default() };
        let config = TableConfig { metrics: metrics.to_vec(), n_draws: 200, ..TableConfig::default() };
        table(&evidence, &[model, still], &config).expect("a table")
    }

    /// The same with genes and perturbations in another order.
    fn reordered(&self, seed: u64) -> (Self, Vec<usize>) {
        let mut draws = ChaCha8Rng::seed_from_u64(seed);
        let mut order = |n: usize| -> Vec<usize> {
            let mut order: Vec<usize> = (0..n).collect();
            (1..n).rev().for_each(|i| order.swap(i, draws.random_range(0..=i)));
            order
        };
        let (genes, targets) = (order(self.training_mean.len()), order(self.names.len()));
        let mut place = vec![0; genes.len()];
        genes.iter().enumerate().for_each(|(to, &from)| place[from] = to);
        let row = |row: &Vec<f32>| -> Vec<f32> { genes.iter().map(|&gene| row[gene]).collect() };
        let cells = |cells: &[Vec<f32>]| -> Vec<Vec<f32>> { cells.iter().map(row).collect() };
        let other = Self {
            names: targets.iter().map(|&t| self.names[t].clone()).collect(),
            control_cells: cells(&self.control_cells),
            measured: targets.iter().map(|&t| cells(&self.measured[t])).collect(),
            predicted: targets.iter().map(|&t| cells(&self.predicted[t])).collect(),
            own_genes: targets.iter().map(|&t| place[self.own_genes[t]]).collect(),
            rankings: targets.iter().map(|&t| self.rankings[t].iter().map(|&gene| place[gene]).collect()).collect(),
            scores: targets.iter().map(|&t| genes.iter().map(|&gene| self.scores[t][gene]).collect()).collect(),
            training_mean: row(&self.training_mean),
        };
        (other, targets)
    }
}

fn cell<'a>(table: &'a MetricTable, method: &str, metric: Metric) -> &'a Cell {
    let row = table.rows.iter().find(|row| row.method == method).expect("the method is there");
    row.cells.iter().find(|cell| cell.metric == metric).expect("the measure is there")
}

/// What GEARS or cell-eval say by the name that a measure has there; none where they do not.
fn said(screen: &Value, metric: Metric, target: usize) -> Option<f64> {
    let card = metric.card();
    let value = match card.reference {
        Reference::Gears => &screen["gears"]["targets"][target][card.name],
        Reference::CellEval => &screen["cell_eval"]["metrics"][card.name][target],
        _ => return None,
    };
    value.is_number().then(|| number(value))
}

#[test]
fn every_measure_reaches_the_table_as_the_references_have_it() {
    let owned = Owned::golden();
    let found = owned.table(Metric::ALL);
    let screen = Screen::read().said;
    let mut n_checked = 0;
    for &metric in Metric::ALL {
        let cell = cell(&found, "model", metric);
        for (target, value) in cell.values.iter().enumerate() {
            if let Some(expected) = said(&screen, metric, target) {
                check(metric.card().name, value.ok_or(Undefined::NotGiven), expected);
                n_checked += 1;
            }
        }
    }
    assert!(n_checked > 40 * 12, "{n_checked} values were compared");
    let of = |metric: Metric, expected: &Value| {
        let values = &cell(&found, "model", metric).values;
        for (value, expected) in values.iter().zip(super::golden::numbers(expected)) {
            check(metric.card().name, value.ok_or(Undefined::NotGiven), expected);
        }
    };
    of(Metric::RankRmse, &screen["perturbench"]["rank_rmse"]);
    of(Metric::RankCosineLfc, &screen["perturbench"]["rank_cosine_lfc"]);
    of(Metric::CosineLfc, &screen["perturbench"]["cosine_lfc"]);
    of(Metric::RmseAverage, &screen["perturbench"]["rmse"]);
    of(Metric::CentroidAccuracy, &screen["systema"]["accuracy"]);
    of(Metric::WeightedMse, &screen["mejia"]["wmse"]);
    of(Metric::BioJepaR2, &screen["biojepa"]["r2"]);
    of(Metric::BioJepaDirection, &screen["biojepa"]["direction"]);
    of(Metric::BioJepaPrecision10, &screen["biojepa"]["precision10"]);
    of(Metric::DirectionBalanced, &screen["biojepa"]["balanced"]);
    let one = |metric: Metric| cell(&found, "model", metric).mean.ok_or(Undefined::NotGiven);
    check("counts", one(Metric::SpearmanCounts), number(&screen["cell_eval"]["metrics"]["de_spearman_sig"]));
    check("energy", one(Metric::PearsonEDistance), number(&screen["cell_eval"]["metrics"]["pearson_edistance"]));
    check("mean", one(Metric::GearsMse), number(&screen["gears"]["mean"]["mse"]));
}

#[test]
fn the_table_says_what_is_missing_and_what_it_is_compared_with() {
    let found = Owned::golden().table(Metric::ALL);
    let model = cell(&found, "model", Metric::GearsMse);
    let interval = model.interval.expect("twelve perturbations");
    assert!(interval.low < model.mean.expect("defined") && model.mean.expect("defined") < interval.high);
    let against = model.against.as_ref().expect("there is a baseline");
    let still = cell(&found, "no change", Metric::GearsMse);
    assert_eq!((against.baseline.as_str(), against.n_targets), ("no change", 12));
    // An error is better where it is smaller, and a gain is positive where the method is better.
    let difference = still.mean.expect("defined") - model.mean.expect("defined");
    check("gain", Ok(against.gain), difference);
    assert!(against.p_value.is_some_and(|p| (0.0..=1.0).contains(&p)));
    assert_eq!(still.against, None);
    // No change has no correlation: GEARS counts 0, cell-eval leaves it out.
    let gears = cell(&found, "no change", Metric::GearsPearsonDelta);
    assert_eq!(
        (gears.mean, gears.undefined[0].reason, gears.undefined[0].n_targets),
        (Some(0.0), Undefined::Constant, 12)
    );
    let cell_eval = cell(&found, "no change", Metric::CellEvalPearsonDelta);
    assert_eq!((cell_eval.mean, cell_eval.values[0], cell_eval.interval), (None, None, None));
    // It gave no cells, so there are no tests; and nothing here makes clusters.
    for &metric in Metric::ALL.iter().filter(|metric| metric.needs_predicted_cells()) {
        let cell = cell(&found, "no change", metric);
        assert_eq!((cell.mean, cell.undefined[0].reason), (None, Undefined::NotGiven), "{metric:?}");
    }
    assert_eq!(cell(&found, "model", Metric::ClusteringAgreement).undefined[0].reason, Undefined::NotGiven);
    let written = serde_json::to_string(&found).expect("plain data");
    let read: MetricTable = serde_json::from_str(&written).expect("what was written");
    assert_eq!((&read.metrics, &read.targets, read.rows.len()), (&found.metrics, &found.targets, 2));
    for (one, other) in read.rows.iter().flat_map(|row| &row.cells).zip(found.rows.iter().flat_map(|row| &row.cells)) {
        assert_eq!(one.undefined, other.undefined);
        // serde_json reads the last digit as it pleases.
        assert!(one.mean.zip(other.mean).is_none_or(|(a, b)| (a - b).abs() <= 1e-12 * b.abs()));
    }
}

#[test]
fn few_cells_lost_genes_and_lost_predictions_are_named() {
    let control = vec![1.0f32; 4];
    let measured = [vec![2.0, 1.0, f32::NAN, 0.5], vec![1.0, 3.0, 1.0, 1.0], vec![9.0; 4]];
    let n_cells = [20, 10, 9];
    let names = ["A", "B", "few"];
    let evidence = Evidence {
        control: &control,
        targets: (0..3)
            .map(|t| Target { name: names[t], n_cells: n_cells[t], mean: &measured[t], ..Target::default() })
            .collect(),
        ..Evidence::default()
    };
    let method = |name, means: &'static [[f32; 4]; 3]| Method {
        name,
        is_baseline: false,
        means: means.iter().map(|mean| &mean[..]).collect(),
        ..Method::default()
    };
    let good = method("good", &[[2.0, 1.0, 7.0, 0.5], [1.0, 3.0, 7.0, 1.0], [0.0; 4]]);
    let lost = method("lost", &[[2.0, f32::NAN, 7.0, 0.5], [1.0, 3.0, 7.0, 1.0], [0.0; 4]]);
    let config = TableConfig { metrics: vec![Metric::GearsMse, Metric::GearsMseDe], ..TableConfig::default() };
    let found = table(&evidence, &[good.clone(), lost], &config).expect("two perturbations");
    assert_eq!(found.n_genes, 3, "the gene that A did not measure is compared for none");
    assert_eq!(found.targets, ["A", "B"]);
    assert_eq!((found.left_out[0].target.as_str(), found.left_out[0].n_cells), ("few", 9));
    assert_eq!(cell(&found, "good", Metric::GearsMse).mean, Some(0.0));
    assert_eq!(cell(&found, "good", Metric::GearsMseDe).undefined[0].reason, Undefined::NotGiven);
    let lost = cell(&found, "lost", Metric::GearsMse);
    assert_eq!((lost.mean, lost.values[1], lost.undefined[0].reason), (None, Some(0.0), Undefined::NotFinite));

    let none = TableConfig { min_cells: 100, ..config.clone() };
    assert_eq!(table(&evidence, &[], &none), Err(TableError::NoTargets { min_cells: 100 }));
    let short = Method { means: good.means[..2].to_vec(), ..good.clone() };
    assert!(matches!(table(&evidence, &[short], &config), Err(TableError::Predictions { found: 2, expected: 3, .. })));
    let narrow = Method { means: vec![&control[..2]; 3], ..good };
    assert!(matches!(table(&evidence, &[narrow], &config), Err(TableError::Genes { found: 2, expected: 4, .. })));
    let nowhere = [f32::NAN; 4];
    let lost = Evidence { control: &nowhere, ..evidence };
    assert_eq!(table(&lost, &[], &config), Err(TableError::NoGenes));
}

/// The best a measure can be.
fn best(metric: Metric) -> f64 {
    match (metric.card().better, metric.card().unit) {
        (Better::Lower, _) => 0.0,
        (Better::Higher, Unit::Share | Unit::Correlation | Unit::Explained) => 1.0,
        (Better::Higher, unit) => panic!("{metric:?} in {unit:?} has no best"),
    }
}

/// Of these a perfect mean need not be the best: the mean of skewed cells may lie outside their middle.
const OF_MIDDLES: [Metric; 3] = [Metric::GearsIn45To55, Metric::GearsIn40To60, Metric::GearsIn25To75];
/// GEARS divides by the genes it asked for, which are more than there are.
const OF_MORE_GENES: [Metric; 2] = [Metric::GearsDirection100, Metric::GearsDirection200];

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn a_perfect_prediction_is_the_best_by_every_measure(seed in any::<u64>()) {
        let owned = Owned::drawn(seed);
        let found = owned.table_of(&owned.measured, Metric::ALL);
        let mut n_defined = 0;
        for &metric in Metric::ALL.iter().filter(|m| !OF_MIDDLES.contains(m) && !OF_MORE_GENES.contains(m)) {
            let cell = cell(&found, "model", metric);
            if let Some(mean) = cell.mean {
                n_defined += 1;
                assert!((mean - best(metric)).abs() < 1e-9, "{metric:?}: {mean}");
                let still = super::table::cell(&found, "no change", metric).mean;
                let sign = if metric.card().better == Better::Higher { 1.0 } else { -1.0 };
                assert!(still.is_none_or(|still| sign * still <= sign * mean + 1e-12), "{metric:?} prefers no change");
            }
        }
        assert!(n_defined > 50, "{n_defined} measures have a value");
    }

    #[test]
    fn the_order_of_genes_and_perturbations_changes_nothing(seed in any::<u64>()) {
        let owned = Owned::drawn(seed);
        let (other, targets) = owned.reordered(seed ^ 7);
        let (found, reordered) = (owned.table(Metric::ALL), other.table(Metric::ALL));
        for &metric in Metric::ALL {
            let (one, two) = (cell(&found, "model", metric), cell(&reordered, "model", metric));
            // Sums in another order: 1e-9 of values near 1; energies cancel to about 1e-6 of theirs.
            let same = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(1.0),
                (a, b) => a == b,
            };
            assert!(same(one.mean, two.mean), "{metric:?}: {:?} and {:?}", one.mean, two.mean);
            for (value, &from) in two.values.iter().zip(&targets) {
                assert!(same(one.values[from], *value), "{metric:?} of {from}: {:?} and {value:?}", one.values[from]);
            }
        }
    }
}

#[test]
fn halves_of_the_cells_say_how_good_a_prediction_can_be() {
    let screen = Screen::read();
    let control = screen.control_mean();
    let means = screen.measured_means();
    let cells: Vec<Vec<&[f32]>> = screen.measured.iter().map(|cells| rows(cells)).collect();
    let names: Vec<String> = (0..means.len()).map(|t| format!("G{t:02}")).collect();
    // The last one has too few cells for two halves, but enough for the table.
    let given = |t: usize| if t == 11 { &cells[t][..9] } else { &cells[t][..] };
    let evidence = Evidence {
        control: &control,
        targets: (0..means.len())
            .map(|t| Target {
                name: &names[t],
                n_cells: given(t).len(),
                mean: &means[t],
                cells: Some(given(t)),
                ..Target::default()
            })
            .collect(),
        ..Evidence::default()
    };
    let metrics = vec![Metric::GearsPearsonDelta, Metric::CentroidAccuracy, Metric::GearsMse];
    let config = TableConfig { metrics, min_cells: 8, n_draws: 100, ..TableConfig::default() };
    let found = ceiling(&evidence, 5, &config).expect("sixteen cells");
    let [pearson, centroid, mse] = &found.cells[..] else { panic!("three measures") };
    // The model of the golden has 0.44, 0.7 and 0.23.
    assert!(pearson.mean.is_some_and(|mean| (0.75..1.0).contains(&mean)), "{:?}", pearson.mean);
    assert!(centroid.mean.is_some_and(|mean| mean > 0.95), "{:?}", centroid.mean);
    assert!(mse.mean.is_some_and(|mean| mean > 0.0 && mean < 0.2), "{:?}", mse.mean);
    assert_eq!((pearson.values.len(), pearson.values[11]), (12, None));
    assert_eq!(pearson.undefined[0].reason, Undefined::TooFewCells);
    assert_eq!(ceiling(&evidence, 5, &config).expect("the same"), found);
    let more = TableConfig { min_cells: 9, ..config };
    assert_eq!(ceiling(&evidence, 5, &more), Err(TableError::NoTargets { min_cells: 18 }));
}

#[test]
fn every_measure_has_a_card_that_can_be_told_from_the_others() {
    let mut seen = std::collections::HashSet::new();
    for &metric in Metric::ALL {
        let card = metric.card();
        assert!(seen.insert((card.reference, card.name)), "{} twice", card.name);
        assert!(card.meaning.ends_with('.') && !card.label.is_empty(), "{metric:?}");
        let written = serde_json::to_string(&metric).expect("a name");
        assert_eq!(serde_json::from_str::<Metric>(&written).expect("the same name"), metric);
    }
    assert!(Metric::REPORTED.iter().all(|metric| !metric.is_of_all_targets()));
    assert!(QUANTILES.windows(2).all(|pair| pair[0] < pair[1]));
}
