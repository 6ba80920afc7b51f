//! BioJEPA-AC's evaluations beside their formulas by numpy, scipy and scikit-learn (no package has them), and the flaws
//! that the corrected forms mend.

use jepa::eval::biojepa::pathways::{
    alike_as_published, alike_corrected, neighbours_as_published, neighbours_corrected,
};
use jepa::eval::biojepa::probe::{CLASS_STEPS, NUMBER_STEPS, Probe, accuracy, essential, majority};
use jepa::eval::biojepa::retrieval::{rank_as_published, rank_corrected, summary};
use jepa::eval::biojepa::uncertainty;
use jepa::eval::biojepa::{
    direction_as_published, direction_corrected, errors_by_size, ndcg_at, pearson20_corrected, precision_at,
    r2_of_largest, sample_as_published, severity, share_unchanged,
};
use jepa::eval::pairs::{Score, explained, mean_square, widen};
use serde_json::Value;
use spec::metrics::Undefined;

use super::golden::{Screen, check, check_all, check_within, number, numbers, rows};

/// Profiles and changes of the screen, measured and predicted.
struct Means {
    said: Value,
    measured: Vec<Vec<f64>>,
    predicted: Vec<Vec<f64>>,
    measured_changes: Vec<Vec<f64>>,
    predicted_changes: Vec<Vec<f64>>,
}

impl Means {
    fn read() -> Self {
        let screen = Screen::read();
        let control = widen(&screen.control_mean());
        let wide = |means: Vec<Vec<f32>>| -> Vec<Vec<f64>> { means.iter().map(|mean| widen(mean)).collect() };
        let (measured, predicted) = (wide(screen.measured_means()), wide(screen.predicted_means()));
        let changes = |means: &[Vec<f64>]| -> Vec<Vec<f64>> {
            means.iter().map(|mean| mean.iter().zip(&control).map(|(m, c)| m - c).collect()).collect()
        };
        Self {
            said: screen.said["biojepa"].clone(),
            measured_changes: changes(&measured),
            predicted_changes: changes(&predicted),
            measured,
            predicted,
        }
    }

    /// A measure of every perturbation's changes, predicted first.
    fn of(&self, measure: impl Fn(&[f64], &[f64]) -> Score) -> Vec<Score> {
        self.predicted_changes.iter().zip(&self.measured_changes).map(|(p, m)| measure(p, m)).collect()
    }
}

/// Changes of cells against control cells, as the golden pairs them.
fn cells(groups: &[Vec<Vec<f32>>], control: &[Vec<f32>]) -> Vec<Vec<f32>> {
    let change = |cell: &[f32], still: &[f32]| cell.iter().zip(still).map(|(a, b)| a - b).collect();
    groups.iter().flat_map(|group| group.iter().enumerate().map(|(i, cell)| change(cell, &control[2 * i]))).collect()
}

#[test]
fn expression_is_scored_as_published() {
    let means = Means::read();
    let said = &means.said;
    let n = means.measured.len();
    let r2: Vec<Score> = (0..n).map(|t| explained(&means.measured[t], &means.predicted[t])).collect();
    check_all("r2", &r2, &said["r2"]);
    let r2_top: Vec<Score> = (0..n)
        .map(|t| r2_of_largest(&means.predicted[t], &means.measured[t], &means.measured_changes[t], 30))
        .collect();
    check_all("r2 of 30", &r2_top, &said["r2_top30"]);
    check_all("mse", &means.of(mean_square), &said["mse"]);
    check_all("pearson20", &means.of(pearson20_corrected), &said["pearson20"]);
    let (pearson, spearman) = severity(&means.predicted_changes, &means.measured_changes);
    let expected = numbers(&said["severity"]);
    check("severity", pearson, expected[0]);
    check("severity, ranks", spearman, expected[1]);
    let found = errors_by_size(&means.predicted_changes, &means.measured_changes);
    for (found, expected) in found.into_iter().zip(numbers(&said["mae_bins"])) {
        check("errors by size", found.ok_or(Undefined::TooFewGenes), expected);
    }
    let screen = Screen::read();
    let (predicted, measured) = (cells(&screen.predicted, &screen.control), cells(&screen.measured, &screen.control));
    let found = sample_as_published(&rows(&predicted), &rows(&measured)).expect("cells");
    check("sample mse", Ok(found.mse), number(&said["sample_mse"]));
    check("sample pearson", Ok(found.pearson20), number(&said["sample_pearson20"]));
    assert_eq!(sample_as_published(&[], &[]), Err(Undefined::TooFewCells));
    assert_eq!(sample_as_published(&[&[f32::NAN, 1.0]], &[&[1.0, 1.0]]), Err(Undefined::NotFinite));
}

#[test]
fn the_mean_control_cell_knows_nothing_and_scores_high_by_cells_alone() {
    // No effect at all: "perturbed" and control cells are draws of the same mean.
    let screen = Screen::read();
    let mean = screen.control_mean();
    let (perturbed, control) = screen.control.split_at(16);
    let change = |cell: &[f32], still: &[f32]| -> Vec<f32> { cell.iter().zip(still).map(|(a, b)| a - b).collect() };
    let measured: Vec<Vec<f32>> = perturbed.iter().zip(control).map(|(p, c)| change(p, c)).collect();
    let predicted: Vec<Vec<f32>> = control.iter().map(|c| change(&mean, c)).collect();
    let found = sample_as_published(&rows(&predicted), &rows(&measured)).expect("cells");
    assert!(found.pearson20 > 0.6, "a predictor that knows nothing gets {}", found.pearson20);
}

#[test]
fn genes_are_scored_as_published() {
    let means = Means::read();
    let said = &means.said;
    check_all("direction", &means.of(direction_as_published), &said["direction"]);
    check_all("balanced", &means.of(direction_corrected), &said["balanced"]);
    check_all("precision", &means.of(|p, m| precision_at(p, m, 10)), &said["precision10"]);
    check_all("ndcg", &means.of(|p, m| ndcg_at(p, m, 10)), &said["ndcg10"]);
    // Answering none: published it is the share of genes that stay, corrected one of the classes.
    let measured = [0.0, 0.1, 0.0, 1.0, -1.0, 0.2];
    assert_eq!(share_unchanged(&measured), Ok(4.0 / 6.0));
    assert_eq!(direction_corrected(&[0.0; 6], &measured), Ok(1.0 / 3.0));
    assert_eq!(precision_at(&[0.0; 6], &measured, 2), Err(Undefined::Constant));
    assert_eq!(precision_at(&measured, &measured, 7), Err(Undefined::TooFewGenes));
}

#[test]
fn retrieval_ranks_as_published_and_among_what_training_did_not_see() {
    let means = Means::read();
    let said = &means.said["retrieval"];
    let ranks: Vec<Score> =
        (0..12).map(|t| rank_as_published(&means.measured_changes[t], &means.predicted_changes, t)).collect();
    check_all("ranks", &ranks, &said["ranks"]);
    let ranks: Vec<f64> = ranks.into_iter().map(|rank| rank.expect("finite")).collect();
    let found = summary(&ranks, 12).expect("twelve");
    check("mrr", Ok(found.mean_reciprocal_rank), number(&said["mrr"]));
    check("median", Ok(found.median_rank), number(&said["median"]));
    assert_eq!(found.chance_median_rank, 6.5);
    // Alike rows: published they are all first, corrected in the middle.
    let alike = vec![vec![1.0, 2.0]; 5];
    assert_eq!(rank_as_published(&[1.0, 0.0], &alike, 3), Ok(1.0));
    assert_eq!(rank_corrected(&[1.0, 0.0], &alike, (3, None), &[0, 1, 2, 3, 4]), Ok(3.0));
    assert_eq!(rank_corrected(&[1.0, 0.0], &alike, (3, None), &[1, 3]), Ok(1.5));
    assert_eq!(rank_corrected(&[1.0, 0.0], &alike, (3, None), &[1, 2]), Err(Undefined::NotGiven));
    // Rows that only know that the own transcript falls: published they are all first, corrected at chance.
    let alone = |own: usize| (0..80).map(|gene| if gene == own { -1.0 } else { 0.0 }).collect::<Vec<f64>>();
    let (bank, all): (Vec<Vec<f64>>, Vec<usize>) = ((0..80).map(alone).collect(), (0..80).collect());
    let noise = |own: usize, gene: usize| ((own * 37 + gene * gene * 11 + own * gene * 5) % 23) as f64 / 23.0 - 0.478;
    let of = |own: usize| (0..80).map(|gene| if gene == own { -9.0 } else { noise(own, gene) }).collect::<Vec<f64>>();
    assert!((0..80).all(|own| rank_as_published(&of(own), &bank, own) == Ok(1.0)));
    let places = (0..80).map(|own| rank_corrected(&of(own), &bank, (own, Some(own)), &all).expect("finite"));
    let mean = places.sum::<f64>() / 80.0;
    assert!((mean - 40.5).abs() < 6.0, "{mean} of 80");
    assert_eq!(rank_as_published(&[1.0], &alike, 3), Err(Undefined::Length));
    assert_eq!(rank_as_published(&[1.0, 0.0], &alike, 9), Err(Undefined::Length));
    assert_eq!(summary(&[], 5), Err(Undefined::TooFewTargets));
}

#[test]
fn uncertainty_is_scored_as_published_and_in_its_own_unit() {
    let screen = Screen::read();
    let said = &screen.said["biojepa"]["uncertainty"];
    let (predicted, measured) = (cells(&screen.predicted, &screen.control), cells(&screen.measured, &screen.control));
    let errors: Vec<f64> =
        predicted.iter().zip(&measured).map(|(p, m)| mean_square(&widen(p), &widen(m)).expect("genes")).collect();
    let found = uncertainty::as_published(&numbers(&said["unsure"]), &errors);
    check("pearson", found.pearson, number(&said["pearson"]));
    check("spearman", found.spearman, number(&said["spearman"]));
    check("ece", found.calibration_error, number(&said["ece"]));
    check("monotone", found.monotone, number(&said["monotone"]));
    // Ten times the variance: published the same, corrected not.
    let wide: Vec<f64> = numbers(&said["unsure"]).iter().map(|u| 10.0 * u).collect();
    check("ece, scaled", uncertainty::as_published(&wide, &errors).calibration_error, number(&said["ece"]));
    let right = uncertainty::corrected(&[1.0, -1.0, 2.0, -2.0], &[1.0, 1.0, 2.0, 2.0]).expect("four");
    let timid = uncertainty::corrected(&[1.0, -1.0, 2.0, -2.0], &[10.0, 10.0, 20.0, 20.0]).expect("four");
    assert_eq!((right.within_one, right.mean_square, right.order), (1.0, 1.0, Ok(1.0)));
    assert!((timid.mean_square - 0.01).abs() < 1e-12 && timid.order == Ok(1.0));
    assert_eq!(uncertainty::corrected(&[1.0], &[0.0]), Err(Undefined::NotFinite));
    let few = uncertainty::as_published(&[1.0, 2.0], &[1.0, 2.0]);
    assert_eq!(few.monotone, Err(Undefined::TooFewCells));
}

#[test]
fn pathways_are_scored_as_published_and_without_knowing_themselves() {
    let means = Means::read();
    let said = &means.said["pathways"];
    let labels: Vec<u32> = numbers(&said["labels"]).into_iter().map(|v| v as u32).collect();
    check("neighbours", neighbours_as_published(&means.predicted_changes, &labels, 5), number(&said["neighbours"]));
    let found = alike_as_published(&means.predicted_changes, &labels).expect("pathways");
    check("within", Ok(found.within), number(&said["within"]));
    check("between", Ok(found.between), number(&said["between"]));
    check("p", Ok(found.p_value), number(&said["p"]));
    assert!((found.ratio() - found.within / found.between).abs() < 1e-12);
    // One neighbour: published each point finds itself.
    let points: Vec<Vec<f64>> = (0..6).map(|i| vec![f64::from(i).cos(), f64::from(i).sin()]).collect();
    assert_eq!(neighbours_as_published(&points, &[0, 1, 2, 3, 4, 5], 1), Ok(1.0));
    assert_eq!(neighbours_corrected(&points, &[0, 1, 2, 3, 4, 5], 1), Ok(0.0));
    // Two pathways with directions of their own on top of what all share.
    let change = |i: usize| vec![10.0, if i < 6 { 1.0 } else { -1.0 }, 0.1 * (i as f64).sin()];
    let changes: Vec<Vec<f64>> = (0..12).map(change).collect();
    let pathways: Vec<u32> = (0..12).map(|i| u32::from(i >= 6)).collect();
    let shared = alike_as_published(&changes, &pathways).expect("pathways");
    assert!(shared.between > 0.9, "what all share hides the difference: {}", shared.between);
    let own = alike_corrected(&changes, &pathways, 500, 1).expect("pathways");
    assert!(own.within > 0.9 && own.between < -0.7 && own.p_value < 0.02, "{own:?}");
    assert_eq!(alike_as_published(&changes, &[0; 12]), Err(Undefined::OneClass));
    assert_eq!(neighbours_corrected(&points, &[0; 6], 6), Err(Undefined::TooFewTargets));
}

#[test]
fn probes_take_the_steps_of_adam() {
    let screen = Screen::read();
    let (control, said) = (screen.control_mean(), &screen.said["biojepa"]);
    let changes: Vec<Vec<f32>> =
        screen.predicted_means().iter().map(|mean| mean.iter().zip(&control).map(|(m, c)| m - c).collect()).collect();
    let inputs = rows(&changes);
    let labels: Vec<usize> = numbers(&said["pathways"]["labels"]).into_iter().map(|v| v as usize).collect();
    let classes = Probe::of_classes(&inputs, &labels, 3, CLASS_STEPS).expect("three classes");
    let wanted = numbers(&said["probe"]["wanted"]);
    let one = Probe::of_number(&inputs, &wanted, NUMBER_STEPS).expect("numbers");
    for (at, row) in inputs.iter().enumerate() {
        // 500 steps of division by small roots: rounding grows to 1e-8.
        for (found, expected) in classes.outputs(row).iter().zip(numbers(&said["probe"]["classes"][at])) {
            check_within("class", Ok(*found), expected, 1e-7);
        }
        check_within("number", Ok(one.outputs(row)[0]), number(&said["probe"]["number"][at]), 1e-7);
    }
    let found = accuracy(&classes, &inputs, &labels).expect("twelve");
    assert!(found > majority(&labels, &labels).expect("twelve"), "fitted rows are told apart: {found}");
    assert_eq!(majority(&[1, 1, 0], &[1, 0, 0, 0]), Ok(0.25));
    assert_eq!(Probe::of_classes(&inputs, &labels, 2, CLASS_STEPS), Err(Undefined::Length));
    assert_eq!(Probe::of_number(&[], &[], NUMBER_STEPS), Err(Undefined::TooFewCells));
    let found = essential(&[-1.0, -0.4, 0.0, 0.1], &[-0.9, -0.6, -0.1, 0.2]);
    assert_eq!(found.roc_auc, Ok(1.0));
    assert_eq!(essential(&[1.0, 2.0], &[0.0, 0.1]).roc_auc, Err(Undefined::OneClass));
}
