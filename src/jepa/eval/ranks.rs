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

    /// The same so that smaller is better; a constant side explains nothing.
    fn misfit(self, predicted: &[f64], measured: &[f64]) -> Score {
        let value = match self.of(predicted, measured) {
            Err(Undefined::Constant) => 0.0,
            other => other?,
        };
        Ok(if self == Self::R2 { -value } else { value })
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
    let n_genes = measured.first().map_or(0, Vec::len);
    let all = || predicted.iter().chain(measured);
    let refused = if all().any(|row| row.len() != n_genes) || predicted.len() != measured.len() {
        Some(Undefined::Length)
    } else if all().flatten().any(|value| !value.is_finite()) {
        Some(Undefined::NotFinite)
    } else {
        None
    };
    if let Some(reason) = refused {
        return vec![Err(reason); measured.len()];
    }
    // An angle is one product of directions, which are made once.
    let of_angles = matches!(likeness, Likeness::Cosine | Likeness::Pearson);
    let directions = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> {
        if of_angles {
            rows.iter().map(|row| direction(row, likeness == Likeness::Pearson)).collect()
        } else {
            Vec::new()
        }
    };
    let (towards, from) = (directions(predicted), directions(measured));
    let one = |target: usize| -> Score {
        let misfit = |other: usize| -> Score {
            if of_angles {
                return Ok(-pairs::dot(&towards[other], &from[target]));
            }
            likeness.misfit(&predicted[other], &measured[target])
        };
        let misfits = (0..predicted.len()).map(misfit).collect::<Result<Vec<f64>, _>>()?;
        Ok(pairs::place(&misfits, target)? / predicted.len() as f64)
    };
    (0..measured.len()).map(one).collect()
}

/// A row of length 1, its mean taken off before where it is asked; zeros for one that is constant.
fn direction(row: &[f64], centred: bool) -> Vec<f64> {
    let mean = if centred { pairs::mean(row) } else { 0.0 };
    let left: Vec<f64> = row.iter().map(|value| value - mean).collect();
    let square = pairs::dot(&left, &left);
    if square <= row.len() as f64 * (mean.abs() * 1e-7).powi(2) {
        return vec![0.0; row.len()];
    }
    left.into_iter().map(|value| value / square.sqrt()).collect()
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
