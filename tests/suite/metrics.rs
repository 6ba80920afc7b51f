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

use jepa::eval::{agreement, mean_squared_error, pearson};

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
    let score = agreement("no change", &[0.0, 0.0], &[1.0, -1.0]);
    assert_eq!((score.delta_pearson, score.mse), (None, 1.0));
    // A gene that was not measured is compared with nothing.
    assert_eq!(agreement("no change", &[0.0, 0.0, 5.0], &[1.0, -1.0, f32::NAN]).mse, 1.0);
    assert_eq!(mean_squared_error(&[], &[]), 0.0);
}
