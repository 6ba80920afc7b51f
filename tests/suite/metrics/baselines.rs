//! Baselines: ridge beside scikit-learn, the bilinear model beside its formula, means and controls by hand.

use jepa::eval::baselines::bilinear::Bilinear;
use jepa::eval::baselines::controls::{exchanged, exchanged_vectors, scrambled_vectors};
use jepa::eval::baselines::means::{Weighting, additive, matching_mean, nearest_mean, weighted_mean};
use jepa::eval::baselines::ridge::{Known, Ridge, chosen, unit};
use jepa::eval::baselines::{RIDGE_PENALTIES, training_mean};

use super::golden::{Screen, check_within, numbers, rows};

/// Responses are handed on in f32: 7 digits of values up to 3.
const SINGLE: f64 = 2e-6;

struct Known2 {
    vectors: Vec<Vec<f32>>,
    deltas: Vec<Vec<f32>>,
}

fn known() -> Known2 {
    let screen = Screen::read();
    let control = screen.control_mean();
    let vectors = screen.said["baselines"]["vectors"].as_array().expect("vectors");
    Known2 {
        vectors: vectors
            .iter()
            .map(|v| unit(&numbers(v).into_iter().map(|v| v as f32).collect::<Vec<f32>>()))
            .collect(),
        deltas: screen
            .measured_means()
            .iter()
            .map(|mean| mean.iter().zip(&control).map(|(m, c)| m - c).collect())
            .collect(),
    }
}

#[test]
fn ridge_is_that_of_scikit_learn() {
    let said = &Screen::read().said["baselines"];
    let all = known();
    let (vectors, deltas) = (rows(&all.vectors), rows(&all.deltas));
    for (penalty, name) in RIDGE_PENALTIES.into_iter().zip(["0.1", "1.0", "10.0"]) {
        let ridge = Ridge::fit(&vectors[..8], &deltas[..8], penalty).expect("eight targets");
        for (target, expected) in [(10, &said["ridge"][name][0]), (11, &said["ridge"][name][1])] {
            let found = ridge.predict(vectors[target]).expect("five features");
            for (found, expected) in found.iter().zip(numbers(expected)) {
                check_within(name, Ok(f64::from(*found)), expected, SINGLE);
            }
        }
    }
    let of = |range: std::ops::Range<usize>| Known { vectors: &vectors[range.clone()], deltas: &deltas[range] };
    let (ridge, errors) = chosen(of(0..8), of(8..10)).expect("ten targets");
    for (error, name) in errors.iter().zip(["0.1", "1.0", "10.0"]) {
        check_within(name, Ok(*error), said["errors"][name].as_f64().expect("an error"), SINGLE);
    }
    let least = errors.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(errors[RIDGE_PENALTIES.iter().position(|&p| p == ridge.penalty).expect("one of them")], least);
}

#[test]
fn ridge_looks_at_validation_alone() {
    let all = known();
    let (vectors, deltas) = (rows(&all.vectors), rows(&all.deltas));
    let training = Known { vectors: &vectors[..8], deltas: &deltas[..8] };
    // Validation that the widest fit explains wholly chooses that fit.
    for penalty in RIDGE_PENALTIES {
        let ridge = Ridge::fit(training.vectors, training.deltas, penalty).expect("a fit");
        let answers: Vec<Vec<f32>> = vectors[8..10].iter().map(|v| ridge.predict(v).expect("five")).collect();
        let answers = rows(&answers);
        let (found, _) = chosen(training, Known { vectors: &vectors[8..10], deltas: &answers }).expect("a choice");
        assert_eq!(found.penalty, penalty);
    }
    assert!(chosen(training, Known { vectors: &[], deltas: &[] }).is_none());
    assert!(Ridge::fit(&vectors[..8], &deltas[..8], 0.0).is_none());
    assert!(Ridge::fit(&vectors[..8], &deltas[..7], 1.0).is_none());
    assert!(Ridge::fit(&[], &[], 1.0).is_none());
    let ridge = Ridge::fit(&vectors[..8], &deltas[..8], 1.0).expect("a fit");
    assert!(ridge.predict(&[1.0]).is_none());
}

#[test]
fn the_bilinear_model_is_its_formula() {
    let screen = Screen::read();
    let (control, means) = (screen.control_mean(), screen.measured_means());
    let means = rows(&means);
    let perturbed: Vec<Option<usize>> = (0..10).map(Some).collect();
    let model = Bilinear::fit(&control, &means[..10], &perturbed, 4, 0.1).expect("ten perturbations");
    for (index, gene) in [10, 11].into_iter().enumerate() {
        let found = model.predict_gene(gene).expect("a measured gene");
        let expected = numbers(&screen.said["baselines"]["bilinear"][index]);
        for ((found, control), expected) in found.iter().zip(&control).zip(expected) {
            check_within("bilinear", Ok(f64::from(*found) + f64::from(*control)), expected, SINGLE);
        }
    }
    assert!(model.predict_gene(40).is_none());
    assert!(Bilinear::fit(&control, &means[..10], &[None; 10], 4, 0.1).is_none());
    assert!(Bilinear::fit(&control, &means[..10], &perturbed[..9], 4, 0.1).is_none());
    assert!(Bilinear::fit(&[f32::NAN; 40], &means[..10], &perturbed, 4, 0.1).is_none());
    // Perturbations embedded by vectors in place of genes: an embedding of nothing predicts the mean, control included.
    let none = vec![[0.0f32; 3].as_slice(); 10];
    let model = Bilinear::fit_vectors(&control, &means[..10], &none, 4, 0.1).expect("ten perturbations");
    let found = model.predict_vector(&[1.0, 2.0, 3.0]).expect("three features");
    let deltas = known().deltas;
    let mean = training_mean(&rows(&deltas)[..10]).expect("ten");
    for (found, mean) in found.iter().zip(mean) {
        check_within("mean", Ok(f64::from(*found)), f64::from(mean) * 10.0 / 11.0, SINGLE);
    }
}

#[test]
fn means_weigh_as_they_say_and_sums_add() {
    let deltas: [&[f32]; 2] = [&[1.0, f32::NAN], &[4.0, 2.0]];
    assert_eq!(weighted_mean(&deltas, &[30, 10], Weighting::Perturbations), Some(vec![2.5, 2.0]));
    assert_eq!(weighted_mean(&deltas, &[30, 10], Weighting::Cells), Some(vec![1.75, 2.0]));
    assert_eq!(weighted_mean(&deltas, &[0, 0], Weighting::Cells), None);
    assert_eq!(weighted_mean(&deltas, &[1], Weighting::Cells), None);
    let mean: &[f32] = &[0.5, 0.5];
    assert_eq!(additive(&[Some(&[1.0, 0.0]), Some(&[2.0, 1.0])], mean), Some((vec![3.0, 1.0], 0)));
    assert_eq!(additive(&[Some(&[1.0, 0.0]), None], mean), Some((vec![1.5, 0.5], 1)));
    assert_eq!(matching_mean(&[Some(&[1.0, 0.0]), Some(&[2.0, 1.0])], mean), Some((vec![1.5, 0.5], 0)));
    assert_eq!(additive(&[], mean), None);
    assert_eq!(additive(&[Some(&[1.0])], mean), None);
    let vectors: [&[f32]; 3] = [&[1.0, 0.0], &[0.9, 0.1], &[0.0, 1.0]];
    let deltas: [&[f32]; 3] = [&[2.0], &[4.0], &[9.0]];
    assert_eq!(nearest_mean(&vectors, &deltas, &[5.0, 0.0], 1), Some(vec![2.0]));
    assert_eq!(nearest_mean(&vectors, &deltas, &[5.0, 0.0], 2), Some(vec![3.0]));
    assert_eq!(nearest_mean(&vectors, &deltas, &[5.0, 0.0], 9), Some(vec![5.0]));
    assert_eq!(nearest_mean(&vectors, &deltas, &[5.0, 0.0], 0), None);
}

#[test]
fn controls_keep_the_values_and_lose_the_meaning() {
    let order = exchanged(50, 3).expect("fifty targets");
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    assert!(order.iter().enumerate().all(|(target, &other)| target != other));
    assert_eq!(exchanged(50, 3), exchanged(50, 3));
    assert_eq!(exchanged(1, 3), None);
    let vectors: Vec<Vec<f32>> = (0..50).map(|i| vec![i as f32, 100.0 + i as f32]).collect();
    let vectors = rows(&vectors);
    let found = exchanged_vectors(&vectors, 3).expect("fifty");
    assert!(found.iter().zip(&vectors).all(|(found, own)| found != own && found[0] + 100.0 == found[1]));
    let found = scrambled_vectors(&vectors, 3).expect("fifty");
    assert!(found.iter().filter(|vector| vector[0] + 100.0 == vector[1]).count() < 10);
    let mut first: Vec<f32> = found.iter().map(|vector| vector[0]).collect();
    first.sort_by(f32::total_cmp);
    assert_eq!(first, (0..50).map(|i| i as f32).collect::<Vec<_>>());
}
