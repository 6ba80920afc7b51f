//! Scores of predicted responses: what they say of perfect, empty and constant predictions, and the table of a screen.
//! The modules hold each family of measures beside its reference.

mod baselines;
mod biojepa;
mod cell_eval;
mod gears;
mod golden;
mod ranks;
mod significance;
mod table;

use jepa::eval::response::Response;
use jepa::eval::{MethodPredictions, agreement, mean_squared_error, pearson, score};

fn response(target: &str, delta: &[f32]) -> Response {
    Response { target: target.into(), n_cells: 50, delta: delta.to_vec(), standard_error: vec![0.1; delta.len()] }
}

#[test]
fn a_perfect_prediction_scores_one_and_zero() {
    let delta = [0.5, -1.0, 0.25, 0.0];
    let score = agreement("model", &delta, &delta);
    assert!((score.delta_pearson.expect("defined") - 1.0).abs() < 1e-12);
    assert_eq!(score.mse, 0.0);
}

#[test]
fn pearson_follows_its_definition_and_its_rules() {
    let check = |a: &[f32], b: &[f32], expected: Option<f64>| match (pearson(a, b), expected) {
        (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-9, "{found} for {expected}"),
        (found, expected) => assert_eq!(found, expected),
    };
    check(&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], Some(1.0));
    check(&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], Some(-1.0));
    // numpy.corrcoef([1, 2, 3, 4], [1, 3, 2, 5])
    check(&[1.0, 2.0, 3.0, 4.0], &[1.0, 3.0, 2.0, 5.0], Some(0.831_521_840_877_776_5));
    check(&[0.0, 0.0, 0.0], &[1.0, 2.0, 3.0], None);
    check(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0], None);
    check(&[f32::NAN, 1.0, 2.0], &[1.0, 2.0, 3.0], None);
    check(&[1.0], &[1.0], None);
    check(&[], &[], None);
}

#[test]
fn no_change_has_no_correlation_but_an_error() {
    let measured = [response("A", &[1.0, -1.0]), response("B", &[0.0, 2.0])];
    let measured: Vec<&Response> = measured.iter().collect();
    let methods = [
        MethodPredictions { method: "model".into(), deltas: vec![vec![1.0, -1.0], vec![0.0, 0.0]] },
        MethodPredictions { method: "no change".into(), deltas: vec![vec![0.0, 0.0], vec![0.0, 0.0]] },
    ];
    let (scores, targets) = score(&methods, &measured);
    assert_eq!(scores[1].delta_pearson, None);
    assert!((scores[1].mse - 1.5).abs() < 1e-12);
    // The model's second prediction is constant: its correlation is left out of the mean, its error is not.
    assert!((scores[0].delta_pearson.expect("one target is defined") - 1.0).abs() < 1e-12);
    assert!((scores[0].mse - 1.0).abs() < 1e-12);
    assert_eq!(targets[1].delta_pearson, [None, None]);
    assert_eq!(targets[1].target, "B");
    assert_eq!(mean_squared_error(&[], &[]), 0.0);
}
