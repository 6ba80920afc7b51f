//! cell-eval's measures beside cell-eval 0.8.1, its tests beside pdex 0.2.5.
//!
//! Two tolerances: 1e-6 where cell-eval has stored p and fold changes in f32 (7 digits), 1e-9 elsewhere.

use std::slice::from_ref;

use jepa::eval::cell_eval::differential::differential;
use jepa::eval::cell_eval::{
    Distance, Tests, adjusted_mutual_information, baseline_profile, clustering_agreement, count_correlation,
    direction_match, discrimination, energy_correlation, energy_distance, fold_change_order, over_baseline, overlap,
    pr_auc, precision, recall, roc_auc,
};
use jepa::eval::gears::Profile;
use jepa::eval::pairs::{Score, mean_absolute};
use serde_json::Value;
use spec::metrics::{Better, Undefined};

use super::golden::{Screen, check, check_all, check_within, number, numbers, rows};

/// What f32 holds of a number.
const STORED: f64 = 1e-6;

fn tests(screen: &Screen, groups: &[Vec<Vec<f32>>]) -> Vec<Tests> {
    let control = rows(&screen.control);
    groups.iter().map(|cells| differential(&rows(cells), &control).expect("cells of equal length")).collect()
}

#[test]
fn errors_of_means_are_those_of_cell_eval() {
    let screen = Screen::read();
    let said = &screen.said["cell_eval"]["metrics"];
    let (control, measured, predicted) = (screen.control_mean(), screen.measured_means(), screen.predicted_means());
    let of = |measure: &dyn Fn(&Profile) -> Score| -> Vec<Score> {
        measured.iter().zip(&predicted).map(|(m, p)| measure(&Profile::new(p, m, &control))).collect()
    };
    check_all("pearson_delta", &of(&Profile::pearson_delta), &said["pearson_delta"]);
    check_all("mse", &of(&Profile::mse), &said["mse"]);
    check_all("mse_delta", &of(&Profile::mse), &said["mse_delta"]);
    check_all("mae", &of(&|p| mean_absolute(&p.predicted, &p.measured)), &said["mae"]);
    let of_changes = |p: &Profile| {
        let (predicted, measured) = p.changes();
        mean_absolute(&predicted, &measured)
    };
    check_all("mae_delta", &of(&of_changes), &said["mae_delta"]);
}

#[test]
fn discrimination_is_that_of_cell_eval() {
    let screen = Screen::read();
    let said = &screen.said["cell_eval"]["metrics"];
    let control = screen.control_mean();
    let changes = |means: Vec<Vec<f32>>| -> Vec<Vec<f64>> {
        means.iter().map(|mean| Profile::new(mean, mean, &control).changes().0).collect()
    };
    let (measured, predicted) = (changes(screen.measured_means()), changes(screen.predicted_means()));
    // The perturbed gene of target i is gene i.
    let own: Vec<Option<usize>> = (0..measured.len()).map(Some).collect();
    for (distance, name) in [(Distance::L1, "l1"), (Distance::L2, "l2"), (Distance::Cosine, "cosine")] {
        let found = discrimination(&predicted, &measured, &own, distance);
        check_all(name, &found, &said[format!("discrimination_score_{name}")]);
        assert!(found.iter().any(|score| *score != Ok(1.0)), "{name}: the screen is not trivial");
    }
}

#[test]
fn a_perturbation_known_by_its_own_gene_alone_is_not_discriminated() {
    let measured = vec![vec![-3.0, 0.1, 0.0], vec![0.0, 0.1, 0.0]];
    let predicted = vec![vec![-3.0, 0.1, 0.0], vec![0.0, -3.0, 0.0]];
    let with = discrimination(&predicted, &measured, &[None, None], Distance::L1);
    let without = discrimination(&predicted, &measured, &[Some(0), None], Distance::L1);
    assert_eq!(with[0], Ok(1.0));
    // Without it the two are alike, and share the first two places.
    assert_eq!(without[0], Ok(0.75));
}

#[test]
fn differential_expression_is_that_of_pdex() {
    let screen = Screen::read();
    for (groups, name) in [(&screen.measured, "real"), (&screen.predicted, "pred")] {
        let said = &screen.said["cell_eval"]["tests"][name];
        let found = tests(&screen, groups);
        for (target, tests) in found.iter().enumerate() {
            let compare = |what: &str, found: &[f64], said: &Value| {
                for (gene, (&found, expected)) in found.iter().zip(numbers(said)).enumerate() {
                    check_within(&format!("{name} {what} {target} {gene}"), Ok(found), expected, STORED);
                }
            };
            compare("fdr", &tests.adjusted, &said["fdr"][target]);
            compare("log2 fold change", &tests.log_fold_changes, &said["log2_fold_change"][target]);
        }
    }
}

#[test]
fn agreement_of_tests_is_that_of_cell_eval() {
    let screen = Screen::read();
    let said = &screen.said["cell_eval"]["metrics"];
    let (measured, predicted) = (tests(&screen, &screen.measured), tests(&screen, &screen.predicted));
    let of = |measure: &dyn Fn(&Tests, &Tests) -> Score| -> Vec<Score> {
        measured.iter().zip(&predicted).map(|(m, p)| measure(m, p)).collect()
    };
    // cell-eval says 0 where nothing is significant.
    let or_zero = |scores: Vec<Score>| -> Vec<Score> { scores.into_iter().map(|s| Ok(s.unwrap_or(0.0))).collect() };
    let sizes =
        [("4", Some(4)), ("N", None), ("50", Some(50)), ("100", Some(100)), ("200", Some(200)), ("500", Some(500))];
    for (name, k) in sizes {
        check_all(name, &or_zero(of(&|m, p| overlap(m, p, k))), &said[format!("overlap_at_{name}")]);
        check_all(name, &or_zero(of(&|m, p| precision(m, p, k))), &said[format!("precision_at_{name}")]);
    }
    check_all("direction", &of(&direction_match), &said["de_direction_match"]);
    check_all("order", &of(&fold_change_order), &said["de_spearman_lfc_sig"]);
    check_all("recall", &of(&recall), &said["de_sig_genes_recall"]);
    check_all("pr", &of(&pr_auc), &said["pr_auc"]);
    check_all("roc", &of(&roc_auc), &said["roc_auc"]);
    check("counts", count_correlation(&measured, &predicted), number(&said["de_spearman_sig"]));
    for (target, counts) in said["de_nsig_counts"].as_array().expect("per target").iter().enumerate() {
        assert_eq!(measured[target].significant().len() as u64, counts["real"].as_u64().expect("a number"));
        assert_eq!(predicted[target].significant().len() as u64, counts["pred"].as_u64().expect("a number"));
    }
}

#[test]
fn energy_distance_baseline_and_score_are_those_of_cell_eval() {
    let screen = Screen::read();
    let said = &screen.said["cell_eval"];
    let control = rows(&screen.control);
    let distances = |groups: &[Vec<Vec<f32>>]| -> Vec<f64> {
        groups.iter().map(|cells| energy_distance(&rows(cells), &control).expect("cells")).collect()
    };
    let found = energy_correlation(&distances(&screen.measured), &distances(&screen.predicted));
    check("pearson_edistance", found, number(&said["metrics"]["pearson_edistance"]));

    let (mean, means) = (screen.control_mean(), screen.measured_means());
    let baseline = baseline_profile(&mean, &rows(&means), true);
    check_all("baseline", &baseline.into_iter().map(Ok).collect::<Vec<_>>(), &said["baseline"]);
    let of_perturbed = baseline_profile(&mean, &rows(&means), false);
    let delta: Vec<Score> = of_perturbed.iter().zip(&mean).map(|(b, &c)| Ok(b - f64::from(c))).collect();
    check_all("baseline of changes", &delta, &said["baseline_delta"]);

    let (user, base) = ([0.2, 0.7, 0.4], [0.5, 0.6, 0.3]);
    for (better, name) in [(Better::Lower, "lower"), (Better::Higher, "higher")] {
        let found: Vec<f64> = user.iter().zip(base).map(|(&u, b)| over_baseline(Ok(u), Ok(b), better)).collect();
        for (found, expected) in found.iter().zip(numbers(&said["score"][name])) {
            check(name, Ok(*found), expected.max(0.0));
        }
    }
    assert_eq!(over_baseline(Err(Undefined::Constant), Ok(0.5), Better::Higher), 0.0);
}

#[test]
fn agreement_of_clusters_is_that_of_scikit_learn() {
    let screen = Screen::read();
    let said = &screen.said["cell_eval"]["mutual_information"];
    let labels = |name: &str| -> Vec<u32> { numbers(&said[name]).into_iter().map(|v| v as u32).collect() };
    let (one, other) = (labels("one"), labels("other"));
    check("ami", adjusted_mutual_information(&one, &other), number(&said["ami"]));
    assert_eq!(clustering_agreement(&one, &[other.clone(), one.clone()]), adjusted_mutual_information(&one, &one));
    check("itself", adjusted_mutual_information(&one, &one), 1.0);
    assert_eq!(adjusted_mutual_information(&[1, 1], &[2, 2]), Ok(1.0));
    assert_eq!(clustering_agreement(&one, &[]), Err(Undefined::NotGiven));
    assert_eq!(adjusted_mutual_information(&one, &[1]), Err(Undefined::Length));
}

#[test]
fn what_tests_cannot_say_is_named() {
    let of = |adjusted: &[f64]| Tests { adjusted: adjusted.to_vec(), log_fold_changes: vec![1.0; adjusted.len()] };
    let (none, some, all) = (of(&[1.0, 1.0]), of(&[0.01, 1.0]), of(&[0.01, 0.01]));
    assert_eq!(overlap(&none, &some, None), Err(Undefined::TooFewGenes));
    assert_eq!(overlap(&some, &none, None), Ok(0.0));
    assert_eq!(precision(&some, &none, None), Err(Undefined::TooFewGenes));
    assert_eq!(direction_match(&none, &some), Err(Undefined::TooFewGenes));
    assert_eq!(recall(&none, &some), Err(Undefined::TooFewGenes));
    assert_eq!(roc_auc(&all, &some), Err(Undefined::OneClass));
    assert_eq!(pr_auc(&none, &some), Err(Undefined::OneClass));
    assert_eq!(fold_change_order(&some, &some), Err(Undefined::TooFewGenes));
    assert_eq!(fold_change_order(&all, &all), Err(Undefined::Constant));
    assert_eq!(overlap(&some, &of(&[0.01]), None), Err(Undefined::Length));
    assert_eq!(recall(&some, &of(&[f64::NAN, 1.0])), Err(Undefined::NotFinite));
    assert_eq!(count_correlation(from_ref(&none), from_ref(&none)), Ok(1.0));
    assert_eq!(count_correlation(from_ref(&some), from_ref(&some)), Err(Undefined::TooFewTargets));
    assert_eq!(differential(&[], &[&[1.0]]), Err(Undefined::TooFewCells));
    assert_eq!(differential(&[&[1.0]], &[]), Err(Undefined::TooFewCells));
    assert_eq!(differential(&[&[1.0]], &[&[1.0, 2.0]]), Err(Undefined::Length));
    assert_eq!(differential(&[&[f32::NAN]], &[&[1.0]]), Err(Undefined::NotFinite));
    // All values equal: no test, no change.
    let same = differential(&[&[1.0], &[1.0]], &[&[1.0]]).expect("cells");
    assert_eq!((same.adjusted[0], same.log_fold_changes[0]), (1.0, 0.0));
}
