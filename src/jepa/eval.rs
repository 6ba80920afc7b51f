//! Scores of predicted mean responses on targets that training did not see.
//!
//! Everything is per target and on means over cells (pseudobulk), as change against the mean control cell, in log1p
//! units. Rules for the undefined: a Pearson correlation with a constant side is none, and the mean over targets leaves
//! it out (none where it is undefined for all); a mean squared error is always defined. The target's own gene is kept.
//! [`score`] is the short form that a checkpoint's card holds; [`table::table`] has every measure of every suite.

pub mod baselines;
pub mod biojepa;
pub mod cell_eval;
pub mod gears;
pub mod pairs;
pub mod ranks;
pub mod response;
pub mod significance;
pub mod table;

use spec::checkpoint::{MethodScore, TargetScore};
pub use spec::metrics::Metric;

/// Predicted changes of one method, one entry per evaluated target.
#[derive(Debug, Clone)]
pub struct MethodPredictions {
    /// Name of the method, as shown.
    pub method: String,
    /// Per target, the predicted change per gene (log1p units).
    pub deltas: Vec<Vec<f32>>,
}

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

/// Scores every method on every target: the mean per method, and the table per target.
///
/// `measured` holds one [`response::Response`] per target, in the order of the methods' `deltas`.
pub fn score(methods: &[MethodPredictions], measured: &[&response::Response]) -> (Vec<MethodScore>, Vec<TargetScore>) {
    let of = |method: &MethodPredictions, index: usize, response: &response::Response| {
        agreement(&method.method, &method.deltas[index], &response.delta)
    };
    let targets: Vec<TargetScore> = measured
        .iter()
        .enumerate()
        .map(|(index, response)| TargetScore {
            target: response.target.clone(),
            n_cells: response.n_cells,
            delta_pearson: methods.iter().map(|m| of(m, index, response).delta_pearson).collect(),
            mse: methods.iter().map(|m| of(m, index, response).mse).collect(),
        })
        .collect();
    let scores = methods
        .iter()
        .enumerate()
        .map(|(index, method)| MethodScore {
            method: method.method.clone(),
            delta_pearson: mean(targets.iter().filter_map(|t| t.delta_pearson[index])),
            mse: mean(targets.iter().map(|t| t.mse[index])).unwrap_or(0.0),
        })
        .collect();
    (scores, targets)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0usize), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / n as f64)
}
