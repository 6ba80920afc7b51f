//! Ranks, references and weights beside the formulas of PerturBench, Systema and Mejia and others, which are no packages:
//! the golden computes them with numpy, scipy and scikit-learn.

use jepa::eval::pairs::{Score, largest, widen};
use jepa::eval::ranks::{
    Likeness, centroid_accuracy, log_fold_change, perturbench, systema_pearson, systema_pearson_of, weighted_mse,
    weighted_r2, weights,
};
use spec::metrics::Undefined;

use super::golden::{Screen, check, check_all, numbers};

fn wide(means: &[Vec<f32>]) -> Vec<Vec<f64>> {
    means.iter().map(|mean| widen(mean)).collect()
}

/// Mean of the first six measured profiles, which stand for training.
fn reference(measured: &[Vec<f64>]) -> Vec<f64> {
    (0..measured[0].len()).map(|gene| measured[..6].iter().map(|profile| profile[gene]).sum::<f64>() / 6.0).collect()
}

#[test]
fn ranks_are_those_of_perturbench() {
    let screen = Screen::read();
    let said = &screen.said["perturbench"];
    let control = widen(&screen.control_mean());
    let (measured, predicted) = (wide(&screen.measured_means()), wide(&screen.predicted_means()));
    let likenesses = [
        (Likeness::Rmse, "rank_rmse"),
        (Likeness::Mae, "rank_mae"),
        (Likeness::Pearson, "rank_pearson"),
        (Likeness::R2, "rank_r2"),
    ];
    for (likeness, name) in likenesses {
        check_all(name, &perturbench(&predicted, &measured, likeness), &said[name]);
    }
    assert_eq!(
        perturbench(&predicted, &measured, Likeness::Mse),
        perturbench(&predicted, &measured, Likeness::Rmse),
        "a root keeps the order"
    );
    let changes =
        |means: &[Vec<f32>]| -> Vec<Vec<f64>> { wide(means).iter().map(|m| log_fold_change(m, &control)).collect() };
    let (measured_changes, predicted_changes) = (changes(&screen.measured_means()), changes(&screen.predicted_means()));
    let found = perturbench(&predicted_changes, &measured_changes, Likeness::Cosine);
    check_all("cosine", &found, &said["rank_cosine_lfc"]);
    assert!(found.iter().any(|score| *score != Ok(0.0)), "the screen is not trivial");
    let own = |likeness: Likeness, p: &[Vec<f64>], m: &[Vec<f64>]| -> Vec<Score> {
        p.iter().zip(m).map(|(p, m)| likeness.of(p, m)).collect()
    };
    check_all("cosine_lfc", &own(Likeness::Cosine, &predicted_changes, &measured_changes), &said["cosine_lfc"]);
    check_all("rmse", &own(Likeness::Rmse, &predicted, &measured), &said["rmse"]);
}

#[test]
fn references_are_those_of_systema() {
    let screen = Screen::read();
    let said = &screen.said["systema"];
    let control = widen(&screen.control_mean());
    let (measured, predicted) = (wide(&screen.measured_means()), wide(&screen.predicted_means()));
    let reference = reference(&measured);
    let of = |measure: &dyn Fn(&[f64], &[f64]) -> Score| -> Vec<Score> {
        predicted.iter().zip(&measured).map(|(p, m)| measure(p, m)).collect()
    };
    check_all("all genes", &of(&|p, m| systema_pearson(p, m, &reference)), &said["pearson"]);
    let top = |p: &[f64], m: &[f64]| {
        let change: Vec<f64> = m.iter().zip(&control).map(|(m, c)| m - c).collect();
        systema_pearson_of(p, m, &reference, &largest(&change, 20))
    };
    check_all("top 20", &of(&top), &said["pearson20"]);
    check_all("centroids", &centroid_accuracy(&predicted, &measured), &said["accuracy"]);
    // The mean of training has nothing to say by this measure.
    assert_eq!(systema_pearson(&reference, &measured[7], &reference), Err(Undefined::Constant));
}

#[test]
fn weights_are_those_of_the_formula() {
    let screen = Screen::read();
    let said = &screen.said["mejia"];
    let (measured, predicted) = (wide(&screen.measured_means()), wide(&screen.predicted_means()));
    let reference = reference(&measured);
    let of_target = |t: usize| weights(&numbers(&said["scores"][t])).expect("scores differ");
    let found: Vec<Score> = (0..12).map(|t| weighted_mse(&predicted[t], &measured[t], &of_target(t))).collect();
    check_all("wmse", &found, &said["wmse"]);
    let found: Vec<Score> =
        (0..12).map(|t| weighted_r2(&predicted[t], &measured[t], &reference, &of_target(t))).collect();
    check_all("r2", &found, &said["r2"]);
    check("sum of weights", Ok(of_target(0).iter().sum()), 1.0);
    assert_eq!(weights(&[2.0, -2.0]), Err(Undefined::Constant));
    assert_eq!(weights(&[2.0, f64::NAN]), Err(Undefined::NotFinite));
}

#[test]
fn one_answer_for_all_stands_in_the_middle() {
    let measured: Vec<Vec<f64>> = (0..5).map(|i| vec![f64::from(i), 1.0, 0.0]).collect();
    let constant = vec![vec![2.0, 1.0, 0.5]; 5];
    for rank in perturbench(&constant, &measured, Likeness::Rmse) {
        assert_eq!(rank, Ok(0.4), "two of the four others before it, on average");
    }
    // Predictions without a direction are as unlike as can be told: no change is nowhere first.
    for rank in perturbench(&vec![vec![0.0; 3]; 5], &measured, Likeness::Cosine) {
        assert_eq!(rank, Ok(0.4));
    }
    assert_eq!(centroid_accuracy(&[vec![1.0]], &[vec![1.0]]), [Err(Undefined::TooFewTargets)]);
    assert_eq!(
        perturbench(&[vec![f64::NAN], vec![1.0]], &[vec![1.0], vec![2.0]], Likeness::Mse)[1],
        Err(Undefined::NotFinite),
        "one prediction that is no number spoils the ranks of all"
    );
}
