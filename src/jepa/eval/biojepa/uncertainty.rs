//! Evaluation 4: does a predicted variance say how wrong a prediction is?
//!
//! As published both sides are scaled to 0..1 by their smallest and largest value, so that the error of calibration has no
//! unit and one outlier sets it. Corrected: errors over predicted deviations, which are about 1 if the variance is one.

use spec::metrics::Undefined;

use crate::eval::pairs::{self, Score};

const N_BINS: usize = 10;

/// What is published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AsPublished {
    /// Correlation of uncertainty and error.
    pub pearson: Score,
    /// The same of the ranks.
    pub spearman: Score,
    /// Mean distance of scaled uncertainty and scaled error over ten bins of equal width of the uncertainty.
    pub calibration_error: Score,
    /// Share of rises between the mean errors of ten bins of equal number.
    pub monotone: Score,
}

/// Of uncertainties and errors, one per cell.
pub fn as_published(unsure: &[f64], errors: &[f64]) -> AsPublished {
    AsPublished {
        pearson: pairs::pearson(unsure, errors),
        spearman: pairs::spearman(unsure, errors),
        calibration_error: calibration_error(unsure, errors),
        monotone: monotone(unsure, errors),
    }
}

fn calibration_error(unsure: &[f64], errors: &[f64]) -> Score {
    pairs::mean_square(unsure, errors)?;
    let (unsure, errors) = (scaled(unsure)?, scaled(errors)?);
    let mut bins = [(0usize, 0.0, 0.0); N_BINS];
    for (&unsure, &error) in unsure.iter().zip(&errors) {
        // The largest value belongs to the last bin.
        let (n, sum, sum_errors) = &mut bins[((unsure * N_BINS as f64) as usize).min(N_BINS - 1)];
        *n += 1;
        *sum += unsure;
        *sum_errors += error;
    }
    // Each bin by its share: n / all × |sum / n - sum_errors / n|.
    Ok(bins.iter().map(|(_, sum, sum_errors)| (sum - sum_errors).abs()).sum::<f64>() / unsure.len() as f64)
}

fn scaled(values: &[f64]) -> Result<Vec<f64>, Undefined> {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if high <= low {
        return Err(Undefined::Constant);
    }
    Ok(values.iter().map(|value| (value - low) / (high - low)).collect())
}

fn monotone(unsure: &[f64], errors: &[f64]) -> Score {
    pairs::mean_square(unsure, errors)?;
    if unsure.len() < N_BINS {
        return Err(Undefined::TooFewCells);
    }
    let mut order: Vec<usize> = (0..unsure.len()).collect();
    order.sort_by(|&a, &b| unsure[a].total_cmp(&unsure[b]));
    // Bins of equal number, the first ones larger by one where it does not come out even.
    let (small, n_large) = (order.len() / N_BINS, order.len() % N_BINS);
    let mut means = Vec::with_capacity(N_BINS);
    let mut start = 0;
    for bin in 0..N_BINS {
        let end = start + small + usize::from(bin < n_large);
        means.push(order[start..end].iter().map(|&cell| errors[cell]).sum::<f64>() / (end - start) as f64);
        start = end;
    }
    Ok(means.windows(2).filter(|pair| pair[1] > pair[0]).count() as f64 / (N_BINS - 1) as f64)
}

/// What a variance says in its own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Corrected {
    /// Share of values within one predicted deviation: .683 for a normal that is right.
    pub within_one: f64,
    /// Within two: .954.
    pub within_two: f64,
    /// Mean squared error over predicted variance: 1.
    pub mean_square: f64,
    /// Rank correlation of predicted deviation and size of the error.
    pub order: Score,
}

/// Of errors (prediction less measurement) and the deviations predicted for them, in one unit.
///
/// # Errors
/// No values, sides of different length, deviations that are not above 0.
pub fn corrected(errors: &[f64], deviations: &[f64]) -> Result<Corrected, Undefined> {
    pairs::mean_square(errors, deviations)?;
    if deviations.iter().any(|&deviation| deviation <= 0.0) {
        return Err(Undefined::NotFinite);
    }
    let ratios: Vec<f64> = errors.iter().zip(deviations).map(|(error, deviation)| (error / deviation).abs()).collect();
    let within = |bound: f64| ratios.iter().filter(|&&z| z <= bound).count() as f64 / ratios.len() as f64;
    let sizes: Vec<f64> = errors.iter().map(|error| error.abs()).collect();
    Ok(Corrected {
        within_one: within(1.0),
        within_two: within(2.0),
        mean_square: pairs::mean(&ratios.iter().map(|z| z * z).collect::<Vec<_>>()),
        order: pairs::spearman(deviations, &sizes),
    })
}
