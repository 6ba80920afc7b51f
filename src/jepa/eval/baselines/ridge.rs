//! Ridge from a perturbation's vector to its response, with an intercept, its penalty chosen on validation targets
//! alone (spec §7.6): GenePert with any vectors. Test responses enter nowhere.
//!
//! Vectors are brought to length 1 first. Solved by the kernel of the centred vectors, so that thousands of genes cost
//! one product each. [`super::KernelRidge`] penalises the mean direction too.

use faer::Mat;

use super::{RIDGE_PENALTIES, dot, weights};

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
        let (n_features, n_genes) = (vectors.first()?.len(), deltas.first()?.len());
        let differs = |rows: &[&[f32]], n: usize| rows.iter().any(|row| row.len() != n);
        let is_penalty = penalty.is_finite() && penalty > 0.0;
        if !is_penalty || vectors.len() != deltas.len() || differs(vectors, n_features) || differs(deltas, n_genes) {
            return None;
        }
        // The mean in f64: rounding it to f32 would show in the slopes.
        let (mean_vector, intercept) = (mean_of(vectors), mean_of(deltas));
        let centred = |rows: &[&[f32]], mean: &[f64]| {
            Mat::from_fn(rows.len(), mean.len(), |row, column| f64::from(rows[row][column]) - mean[column])
        };
        let vectors = centred(vectors, &mean_vector);
        // Slopes are Xᵀ (XXᵀ + α)⁻¹ Y.
        let weights = weights(&(&vectors * vectors.transpose()), &centred(deltas, &intercept), penalty)?;
        let slopes = vectors.transpose() * &weights;
        let slopes = (0..slopes.nrows()).map(|feature| slopes.row(feature).iter().copied().collect()).collect();
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

    /// The way back: the step from the mean vector whose response is nearest to `change` by least squares, long steps
    /// penalised by `share` of what a feature does on average. None for a change of another length, or where no vector
    /// changes anything. The gene `left_out` is as if it were not there.
    pub fn towards(&self, change: &[f32], share: f64, left_out: Option<usize>) -> Option<Vec<f64>> {
        let n_genes = self.intercept.len();
        if change.len() != n_genes || self.slopes.is_empty() {
            return None;
        }
        let slope = |feature: usize, gene: usize| if left_out == Some(gene) { 0.0 } else { self.slopes[feature][gene] };
        let slopes = Mat::from_fn(self.slopes.len(), n_genes, slope);
        let kernel = &slopes * slopes.transpose();
        let mean = (0..kernel.nrows()).map(|at| kernel[(at, at)]).sum::<f64>() / kernel.nrows() as f64;
        let right = &slopes * Mat::from_fn(n_genes, 1, |gene, _| f64::from(change[gene]));
        let step = weights(&kernel, &right, (share * mean).max(f64::MIN_POSITIVE))?;
        let step: Vec<f64> = (0..step.nrows()).map(|at| step[(at, 0)]).collect();
        (step.iter().all(|value| value.is_finite()) && step.iter().any(|value| *value != 0.0)).then_some(step)
    }

    /// The mean of the vectors that it was fitted to.
    pub fn mean_vector(&self) -> &[f64] {
        &self.mean_vector
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

/// Chooses the penalty by holding back part of the training targets, in turn so that each is held back once, and fits
/// all of them with it. At most `n_folds` parts; each target its own where there are as few.
///
/// One target alone is fitted with the smallest penalty. None as [`Ridge::fit`].
pub fn chosen_within(training: Known<'_>, n_folds: usize) -> Option<Ridge> {
    let fit = |part: Known<'_>, penalty| Ridge::fit(part.vectors, part.deltas, penalty);
    let predict = |ridge: &Ridge, vector: &[f32]| ridge.predict(vector);
    let penalty = best_penalty(training, n_folds, fit, predict).unwrap_or(RIDGE_PENALTIES[0]);
    Ridge::fit(training.vectors, training.deltas, penalty)
}

/// The penalty with the smallest mean squared error over targets held back, the first of equals.
pub(super) fn best_penalty<F>(
    training: Known<'_>,
    n_folds: usize,
    fit: impl Fn(Known<'_>, f64) -> Option<F>,
    predict: impl Fn(&F, &[f32]) -> Option<Vec<f32>>,
) -> Option<f64> {
    let n = training.vectors.len();
    let n_folds = n_folds.min(n);
    if n < 2 || n_folds < 2 || training.deltas.len() != n {
        return None;
    }
    let mut best: Option<(f64, f64)> = None;
    for penalty in RIDGE_PENALTIES {
        let mut error = 0.0;
        for fold in 0..n_folds {
            let (held_back, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|row| row % n_folds == fold);
            let vectors: Vec<&[f32]> = kept.iter().map(|&row| training.vectors[row]).collect();
            let deltas: Vec<&[f32]> = kept.iter().map(|&row| training.deltas[row]).collect();
            let fitted = fit(Known { vectors: &vectors, deltas: &deltas }, penalty)?;
            for row in held_back {
                let predicted = predict(&fitted, training.vectors[row])?;
                error += crate::eval::mean_squared_error(&predicted, training.deltas[row]);
            }
        }
        if best.is_none_or(|(least, _)| error < least) {
            best = Some((error, penalty));
        }
    }
    best.map(|(_, penalty)| penalty)
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
