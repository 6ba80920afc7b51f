//! Ridge from a perturbation's vector to its response, with an intercept, its penalty chosen on validation targets
//! alone (spec §7.6): GenePert with any vectors. Test responses enter nowhere.
//!
//! Vectors are brought to length 1 first. Solved by the kernel of the centred vectors, so that thousands of genes cost
//! one product each. The older [`super::kernel_ridge`] penalises the mean direction too and chooses by leaving one out.

use super::{RIDGE_PENALTIES, dot, solve_positive_definite, training_mean};

/// A fitted ridge.
#[derive(Debug, Clone)]
pub struct Ridge {
    /// Its penalty.
    pub penalty: f64,
    mean_vector: Vec<f64>,
    intercept: Vec<f64>,
    /// Per feature, the change of every gene.
    slopes: Vec<Vec<f64>>,
}

/// A vector of length 1; one of length 0 stays.
pub fn unit(vector: &[f32]) -> Vec<f32> {
    let norm = dot(vector, vector).sqrt();
    vector.iter().map(|&value| if norm > 0.0 { (f64::from(value) / norm) as f32 } else { value }).collect()
}

impl Ridge {
    /// Fits `deltas` (targets × genes) to `vectors` (targets × features, taken as they are).
    ///
    /// None without targets, where lengths differ, or for a penalty that is not above 0.
    pub fn fit(vectors: &[&[f32]], deltas: &[&[f32]], penalty: f64) -> Option<Self> {
        let (mean_vector, mean) = (training_mean(vectors)?, training_mean(deltas)?);
        let differs = |rows: &[&[f32]], n: usize| rows.iter().any(|row| row.len() != n);
        let is_penalty = penalty.is_finite() && penalty > 0.0;
        if !is_penalty
            || vectors.len() != deltas.len()
            || differs(vectors, mean_vector.len())
            || differs(deltas, mean.len())
        {
            return None;
        }
        let n = vectors.len();
        // The mean in f64: rounding it to f32 would show in the slopes.
        let mean_vector = mean_of(vectors);
        let centred: Vec<Vec<f64>> = vectors
            .iter()
            .map(|vector| vector.iter().zip(&mean_vector).map(|(&value, mean)| f64::from(value) - mean).collect())
            .collect();
        let mut kernel = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let product: f64 = centred[i].iter().zip(&centred[j]).map(|(a, b)| a * b).sum();
                kernel[i * n + j] = product + if i == j { penalty } else { 0.0 };
            }
        }
        let intercept = mean_of(deltas);
        let mut slopes = Vec::with_capacity(mean_vector.len());
        for feature in 0..mean_vector.len() {
            let column: Vec<f64> = centred.iter().map(|row| row[feature]).collect();
            // Slopes are Xᵀ (XXᵀ + α)⁻¹ Y: the solution for a column of X is a weighting of the targets.
            let weights = solve_positive_definite(kernel.clone(), column)?;
            let mut slope = vec![0.0; intercept.len()];
            for (weight, delta) in weights.iter().zip(deltas) {
                for ((slope, &value), mean) in slope.iter_mut().zip(*delta).zip(&intercept) {
                    *slope += weight * (f64::from(value) - mean);
                }
            }
            slopes.push(slope);
        }
        Some(Self { penalty, mean_vector, intercept, slopes })
    }

    /// The response to a vector; none for one of another length.
    pub fn predict(&self, vector: &[f32]) -> Option<Vec<f32>> {
        if vector.len() != self.mean_vector.len() {
            return None;
        }
        let mut response = self.intercept.clone();
        for ((&value, mean), slope) in vector.iter().zip(&self.mean_vector).zip(&self.slopes) {
            let step = f64::from(value) - mean;
            for (response, slope) in response.iter_mut().zip(slope) {
                *response += step * slope;
            }
        }
        Some(response.into_iter().map(|value| value as f32).collect())
    }
}

/// Targets with vectors and responses.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Vectors, one a target.
    pub vectors: &'a [&'a [f32]],
    /// Responses in the same order.
    pub deltas: &'a [&'a [f32]],
}

/// Fits each penalty to `training` and keeps the one with the smallest mean squared error on `validation`, the first of
/// equals. Says all the errors, in the order of [`RIDGE_PENALTIES`].
///
/// None where a fit or a prediction is none, or validation is empty.
pub fn chosen(training: Known<'_>, validation: Known<'_>) -> Option<(Ridge, Vec<f64>)> {
    if validation.vectors.is_empty() || validation.vectors.len() != validation.deltas.len() {
        return None;
    }
    let mut errors = Vec::new();
    let mut best: Option<(f64, Ridge)> = None;
    for penalty in RIDGE_PENALTIES {
        let ridge = Ridge::fit(training.vectors, training.deltas, penalty)?;
        let mut sum = 0.0;
        for (vector, delta) in validation.vectors.iter().zip(validation.deltas) {
            sum += crate::eval::mean_squared_error(&ridge.predict(vector)?, delta);
        }
        let error = sum / validation.vectors.len() as f64;
        errors.push(error);
        if best.as_ref().is_none_or(|(least, _)| error < *least) {
            best = Some((error, ridge));
        }
    }
    best.map(|(_, ridge)| (ridge, errors))
}

fn mean_of(rows: &[&[f32]]) -> Vec<f64> {
    let mut sum = vec![0.0; rows.first().map_or(0, |row| row.len())];
    for row in rows {
        for (sum, &value) in sum.iter_mut().zip(*row) {
            *sum += f64::from(value);
        }
    }
    sum.into_iter().map(|value| value / rows.len() as f64).collect()
}
