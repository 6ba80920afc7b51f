//! Is a prediction closest to its own perturbation? PerturBench's ranks (spec §5.2), Systema's references and centroid
//! accuracy (§5.3), and errors weighted by what changes (§5.4).
//!
//! Mind the directions: a PerturBench rank ranks *predictions* for a measured profile, 0 best; discrimination
//! (`cell_eval`) and centroid accuracy rank *measured* profiles for a prediction, 1 best.

use spec::metrics::Undefined;

use super::pairs::{self, Score};

/// Added to averages before their logarithm is taken.
const PSEUDO_COUNT: f64 = 0.1;

/// By what predictions and measured profiles are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// Pearson's correlation.
    Pearson,
    /// scikit-learn's R², the prediction in the place of the truth, as PerturBench calls it.
    R2,
    /// Cosine.
    Cosine,
    /// Mean squared error.
    Mse,
    /// Its root.
    Rmse,
    /// Mean absolute error.
    Mae,
}

impl Likeness {
    /// Of a prediction and a measured profile, in its own sense.
    ///
    /// # Errors
    /// As the functions of [`pairs`].
    pub fn of(self, predicted: &[f64], measured: &[f64]) -> Score {
        match self {
            Self::Pearson => pairs::pearson(predicted, measured),
            Self::R2 => pairs::explained(predicted, measured),
            Self::Cosine => pairs::cosine(predicted, measured),
            Self::Mse => pairs::mean_square(predicted, measured),
            Self::Rmse => pairs::mean_square(predicted, measured).map(f64::sqrt),
            Self::Mae => pairs::mean_absolute(predicted, measured),
        }
    }

    /// The same so that smaller is better; what has no number is worst, as a correlation of 0 would be among likenesses.
    fn misfit(self, predicted: &[f64], measured: &[f64]) -> Score {
        let value = match self.of(predicted, measured) {
            Err(Undefined::Constant) => 0.0,
            other => other?,
        };
        Ok(if matches!(self, Self::Pearson | Self::R2 | Self::Cosine) { -value } else { value })
    }
}

/// Log fold changes (base 2) of averages against control's, with a pseudo-count of 0.1; infinite ones count as 0.
pub fn log_fold_change(average: &[f64], control: &[f64]) -> Vec<f64> {
    let log = |value: f64| (value + PSEUDO_COUNT).log2();
    average
        .iter()
        .zip(control)
        .map(|(&average, &control)| log(average) - log(control))
        .map(|change| if change.is_infinite() { 0.0 } else { change })
        .collect()
}

/// PerturBench's rank of each perturbation: the share of predictions that fit its measured profile better than its own.
///
/// Predictions that fit equally share their places; PerturBench shuffles them, so that theirs has this mean.
pub fn perturbench(predicted: &[Vec<f64>], measured: &[Vec<f64>], likeness: Likeness) -> Vec<Score> {
    let n = predicted.len() as f64;
    measured
        .iter()
        .enumerate()
        .map(|(target, own)| {
            let misfits: Vec<f64> =
                predicted.iter().map(|other| likeness.misfit(other, own)).collect::<Result<_, _>>()?;
            Ok(pairs::place(&misfits, target)? / n)
        })
        .collect()
}

/// Systema's Pearson of change: against the mean of the training perturbations' profiles in place of control, so that a
/// shift that all perturbations share counts for nothing.
///
/// # Errors
/// A constant side: the mean of training predicts no change at all.
pub fn systema_pearson(predicted: &[f64], measured: &[f64], reference: &[f64]) -> Score {
    let from = |side: &[f64]| -> Vec<f64> { side.iter().zip(reference).map(|(value, mean)| value - mean).collect() };
    if reference.len() != predicted.len() || reference.len() != measured.len() {
        return Err(Undefined::Length);
    }
    pairs::pearson(&from(predicted), &from(measured))
}

/// The same over some genes; Systema's are the 20 of largest measured change against control.
///
/// # Errors
/// As [`systema_pearson`].
pub fn systema_pearson_of(predicted: &[f64], measured: &[f64], reference: &[f64], genes: &[usize]) -> Score {
    systema_pearson(&pairs::at(predicted, genes), &pairs::at(measured, genes), &pairs::at(reference, genes))
}

/// Centroid accuracy: per perturbation, the share of the other measured profiles that are farther from the prediction
/// than its own. 1 is best, 0.5 chance; an equal distance is not farther.
pub fn centroid_accuracy(predicted: &[Vec<f64>], measured: &[Vec<f64>]) -> Vec<Score> {
    let one = |(target, prediction): (usize, &Vec<f64>)| -> Score {
        if measured.len() < 2 {
            return Err(Undefined::TooFewTargets);
        }
        if measured.get(target).is_none() || measured.iter().any(|other| other.len() != prediction.len()) {
            return Err(Undefined::Length);
        }
        let distances: Vec<f64> = measured.iter().map(|other| pairs::euclidean(prediction, other)).collect();
        if distances.iter().any(|distance| !distance.is_finite()) {
            return Err(Undefined::NotFinite);
        }
        let farther = distances.iter().filter(|&&distance| distance > distances[target]).count();
        Ok(farther as f64 / (measured.len() - 1) as f64)
    };
    predicted.iter().enumerate().map(one).collect()
}

/// Weights of genes by how surely one perturbation changes them: |t| scaled to 0..1, squared, of sum 1.
///
/// # Errors
/// A score that is not finite, or scores that are all the same.
pub fn weights(scores: &[f64]) -> Result<Vec<f64>, Undefined> {
    if scores.iter().any(|score| !score.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    let sizes = || scores.iter().map(|score| score.abs());
    let (low, high) = (sizes().fold(f64::INFINITY, f64::min), sizes().fold(0.0, f64::max));
    if high <= low {
        return Err(Undefined::Constant);
    }
    let squared: Vec<f64> = sizes().map(|size| ((size - low) / (high - low)).powi(2)).collect();
    let total: f64 = squared.iter().sum();
    Ok(squared.into_iter().map(|weight| weight / total).collect())
}

/// Mean squared error of profiles, genes by their weights.
///
/// # Errors
/// As [`pairs::weighted_mean_square`].
pub fn weighted_mse(predicted: &[f64], measured: &[f64], weights: &[f64]) -> Score {
    pairs::weighted_mean_square(predicted, measured, weights)
}

/// R² of the change against the mean of all perturbations, genes by their weights.
///
/// # Errors
/// A measured change that is constant.
pub fn weighted_r2(predicted: &[f64], measured: &[f64], reference: &[f64], weights: &[f64]) -> Score {
    if reference.len() != predicted.len() || reference.len() != measured.len() {
        return Err(Undefined::Length);
    }
    let from = |side: &[f64]| -> Vec<f64> { side.iter().zip(reference).map(|(value, mean)| value - mean).collect() };
    pairs::weighted_explained(&from(measured), &from(predicted), weights)
}
