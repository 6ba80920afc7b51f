//! The simple predictors that every model has to beat: they see the training responses and the target vectors alone.
//!
//! Training mean: the mean response, each target weighing the same. Nearest neighbour: the response of the training
//! target whose vector has the largest cosine. Kernel ridge: linear kernel on the vectors, centred on the training mean,
//! its penalty chosen among 0.1, 1 and 10 by leaving out training targets. The submodules have the others of
//! spec §7: means by cells and sums for doubles, ridge chosen on validation targets, the bilinear model, controls.

pub mod bilinear;
pub mod controls;
pub mod means;
pub mod ridge;

use faer::linalg::solvers::Solve;
use faer::{Mat, Side};

use ridge::Known;

/// Penalties that [`kernel_ridge`] chooses from.
pub const RIDGE_PENALTIES: [f64; 3] = [0.1, 1.0, 10.0];
/// Up to so many targets are left out one at a time to choose a penalty.
const MOST_LEFT_OUT: usize = 60;

/// Mean response per gene over the training targets, each weighing the same; none without targets.
pub fn training_mean(deltas: &[&[f32]]) -> Option<Vec<f32>> {
    let first = deltas.first()?;
    let mut sum = vec![0.0f64; first.len()];
    for delta in deltas {
        for (sum, &value) in sum.iter_mut().zip(*delta) {
            *sum += f64::from(value);
        }
    }
    Some(sum.into_iter().map(|v| (v / deltas.len() as f64) as f32).collect())
}

/// Response of the training target with the vector most like `query` (cosine); the first of equals; none without targets.
pub fn nearest_neighbour(vectors: &[&[f32]], deltas: &[&[f32]], query: &[f32]) -> Option<Vec<f32>> {
    let mut best: Option<(f64, usize)> = None;
    for (index, vector) in vectors.iter().enumerate() {
        let similarity = cosine(vector, query);
        if best.is_none_or(|(highest, _)| similarity > highest) {
            best = Some((similarity, index));
        }
    }
    best.map(|(_, index)| deltas[index].to_vec())
}

/// Kernel ridge prediction of the response to `query`; none without targets.
pub fn kernel_ridge(vectors: &[&[f32]], deltas: &[&[f32]], query: &[f32]) -> Option<Vec<f32>> {
    KernelRidge::chosen(Known { vectors, deltas })?.predict(query)
}

/// A fitted kernel ridge.
#[derive(Debug, Clone)]
pub struct KernelRidge {
    /// Its penalty.
    pub penalty: f64,
    vectors: Vec<Vec<f32>>,
    mean: Vec<f32>,
    /// Weights of the targets for each gene.
    weights: Mat<f64>,
}

impl KernelRidge {
    /// Fits `deltas` to `vectors` with the penalty that predicts best what is left out of them: one target at a time, or
    /// tenths where there are many. One target alone is fitted with the smallest.
    ///
    /// None without targets, or where lengths differ.
    pub fn chosen(training: Known<'_>) -> Option<Self> {
        let n_folds = if training.vectors.len() <= MOST_LEFT_OUT { training.vectors.len() } else { 10 };
        let penalty = ridge::best_penalty(training, n_folds, Self::fit, Self::predict).unwrap_or(RIDGE_PENALTIES[0]);
        Self::fit(training, penalty)
    }

    fn fit(training: Known<'_>, penalty: f64) -> Option<Self> {
        let Known { vectors, deltas } = training;
        let mean = training_mean(deltas)?;
        let n = vectors.len();
        let differs = |rows: &[&[f32]]| rows.iter().any(|row| row.len() != rows[0].len());
        if n != deltas.len() || differs(vectors) || differs(deltas) {
            return None;
        }
        let kernel = Mat::from_fn(n, n, |i, j| dot(vectors[i], vectors[j]));
        let centred = Mat::from_fn(n, mean.len(), |row, gene| f64::from(deltas[row][gene]) - f64::from(mean[gene]));
        let weights = weights(&kernel, &centred, penalty)?;
        Some(Self { penalty, vectors: vectors.iter().map(|vector| vector.to_vec()).collect(), mean, weights })
    }

    /// The response to a vector; none for one of another length.
    pub fn predict(&self, vector: &[f32]) -> Option<Vec<f32>> {
        if self.vectors.iter().any(|known| known.len() != vector.len()) {
            return None;
        }
        let similarity: Vec<f64> = self.vectors.iter().map(|known| dot(known, vector)).collect();
        let step =
            |gene: usize| similarity.iter().enumerate().map(|(row, s)| s * self.weights[(row, gene)]).sum::<f64>();
        Some(self.mean.iter().enumerate().map(|(gene, &mean)| (f64::from(mean) + step(gene)) as f32).collect())
    }
}

/// `(kernel + penalty)⁻¹ right`; none where that is not positive definite.
fn weights(kernel: &Mat<f64>, right: &Mat<f64>, penalty: f64) -> Option<Mat<f64>> {
    let n = kernel.nrows();
    let added = Mat::from_fn(n, n, |i, j| kernel[(i, j)] + if i == j { penalty } else { 0.0 });
    Some(added.llt(Side::Lower).ok()?.solve(right))
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ridge_without_similarity_is_the_mean() {
        let vectors: [&[f32]; 2] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]];
        let deltas: [&[f32]; 2] = [&[1.0, 3.0], &[3.0, 1.0]];
        let predicted = kernel_ridge(&vectors, &deltas, &[0.0, 0.0, 1.0]).expect("two targets");
        assert!((predicted[0] - 2.0).abs() < 1e-6 && (predicted[1] - 2.0).abs() < 1e-6);
    }

    #[test]
    fn ridge_matches_the_closed_form() {
        // One feature, two targets at ±1, penalty p: K = [[1+p, -1], [-1, 1+p]], slope = 2 / (2 + p).
        let vectors: [&[f32]; 2] = [&[1.0], &[-1.0]];
        let deltas: [&[f32]; 2] = [&[1.0], &[-1.0]];
        let known = Known { vectors: &vectors, deltas: &deltas };
        let predicted = KernelRidge::fit(known, 1.0).and_then(|ridge| ridge.predict(&[1.0])).expect("solvable");
        assert!((f64::from(predicted[0]) - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_nearest_target_lends_its_response() {
        let vectors: [&[f32]; 2] = [&[1.0, 0.1], &[0.0, 1.0]];
        let deltas: [&[f32]; 2] = [&[5.0], &[7.0]];
        assert_eq!(nearest_neighbour(&vectors, &deltas, &[0.2, 3.0]), Some(vec![7.0]));
        assert_eq!(nearest_neighbour(&[], &[], &[1.0]), None);
    }
}
