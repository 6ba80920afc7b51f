//! Scores of predicted mean responses on targets that training did not see.
//!
//! Everything is per target and on means over cells (pseudobulk), as change against the mean control cell, in log1p
//! units. Rules for the undefined: a Pearson correlation with a constant side is none, and the mean over targets leaves
//! it out (none where it is undefined for all); a mean squared error is always defined. The target's own gene is kept.
//! [`agreement`] is the short form that stands beside a prediction; [`table::table`] has every measure of every suite.

pub mod baselines;
pub mod biojepa;
pub mod cell_eval;
pub mod gears;
pub mod null;
pub mod pairs;
pub mod ranks;
pub mod response;
pub mod significance;
pub mod support;
pub mod table;

use spec::checkpoint::MethodScore;
pub use spec::metrics::Metric;

/// Pearson correlation; none where either side is constant, not finite, or shorter than two.
pub fn pearson(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 {
        return None;
    }
    let n = a.len() as f64;
    let mean = |values: &[f32]| values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (f64::from(x) - mean_a, f64::from(y) - mean_b);
        ab += x * y;
        aa += x * x;
        bb += y * y;
    }
    // A side that is constant up to f32 rounding has no direction to correlate.
    let is_flat = |sum: f64, mean: f64| sum <= n * (mean.abs() * 1e-7).powi(2) || sum <= 0.0;
    if is_flat(aa, mean_a) || is_flat(bb, mean_b) {
        return None;
    }
    let r = ab / (aa.sqrt() * bb.sqrt());
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

/// Mean squared difference; 0 for empty input.
pub fn mean_squared_error(a: &[f32], b: &[f32]) -> f64 {
    if a.is_empty() {
        return 0.0;
    }
    a.iter().zip(b).map(|(&x, &y)| (f64::from(x) - f64::from(y)).powi(2)).sum::<f64>() / a.len() as f64
}

/// Predicted and measured change of the genes that were measured: the others are NaN in `measured`.
fn of_measured(predicted: &[f32], measured: &[f32]) -> (Vec<f32>, Vec<f32>) {
    predicted.iter().zip(measured).filter(|(_, measured)| measured.is_finite()).unzip()
}

/// Agreement of one predicted change with one measured change, over the genes that were measured.
pub fn agreement(method: &str, predicted: &[f32], measured: &[f32]) -> MethodScore {
    let (predicted, measured) = &of_measured(predicted, measured);
    MethodScore {
        method: method.into(),
        delta_pearson: pearson(predicted, measured),
        mse: mean_squared_error(predicted, measured),
    }
}
