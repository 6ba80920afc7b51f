//! A Gaussian process over vectors of length 1: their dot product is the covariance, the mean is constant and unknown.
//!
//! Prediction at `v`: `m + k(v) (K + noise I)⁻¹ (U - m)`, with `m` by generalised least squares. Fitted values are kept as
//! one row of weights per training vector, so that a prediction is a sum.

/// A process with its training vectors.
pub(super) struct Process {
    /// `(K + noise I)⁻¹`, row-major.
    inverse: Vec<f64>,
    n: usize,
}

/// What is needed to predict: `mean + Σ dot(v, v_i) weights_i`.
pub(super) struct Fitted {
    pub mean: Vec<f64>,
    pub weights: Vec<Vec<f64>>,
}

impl Process {
    /// The process of these training vectors.
    pub(super) fn new(vectors: &[Vec<f64>], noise: f64) -> Self {
        let n = vectors.len();
        let mut covariance = vec![0.0; n * n];
        for (i, a) in vectors.iter().enumerate() {
            for (j, b) in vectors.iter().enumerate() {
                let dot: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                covariance[i * n + j] = dot + if i == j { noise } else { 0.0 };
            }
        }
        Self { inverse: inverse(covariance, n), n }
    }

    /// Fits the values of the training vectors, one row each.
    pub(super) fn fit(&self, values: &[Vec<f64>]) -> Fitted {
        let n = self.n;
        let row_sums: Vec<f64> = self.inverse.chunks_exact(n.max(1)).map(|row| row.iter().sum()).collect();
        let total: f64 = row_sums.iter().sum();
        let width = values.first().map_or(0, Vec::len);
        let mut mean = vec![0.0; width];
        for (weight, row) in row_sums.iter().zip(values) {
            mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += weight / total * value);
        }
        let weights = self.inverse.chunks_exact(n.max(1)).map(|row| {
            let mut sum = vec![0.0; width];
            for (factor, value) in row.iter().zip(values) {
                sum.iter_mut()
                    .zip(value.iter().zip(&mean))
                    .for_each(|(sum, (value, mean))| *sum += factor * (value - mean));
            }
            sum
        });
        let weights = weights.collect();
        Fitted { mean, weights }
    }
}

/// The vector with length 1; zeros stay zeros, and then resemble nothing.
pub(super) fn unit(vector: &[f32]) -> Vec<f64> {
    let length = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let factor = if length > 0.0 { length.recip() } else { 0.0 };
    vector.iter().map(|&value| f64::from(value) * factor).collect()
}

/// The inverse of a symmetric positive definite matrix by Gauss and Jordan; it needs no pivots.
fn inverse(mut a: Vec<f64>, n: usize) -> Vec<f64> {
    let mut inverse = vec![0.0; n * n];
    (0..n).for_each(|i| inverse[i * n + i] = 1.0);
    for column in 0..n {
        let pivot = a[column * n + column];
        for matrix in [&mut a, &mut inverse] {
            matrix[column * n..(column + 1) * n].iter_mut().for_each(|value| *value /= pivot);
        }
        for row in (0..n).filter(|row| *row != column) {
            let factor = a[row * n + column];
            for matrix in [&mut a, &mut inverse] {
                for at in 0..n {
                    matrix[row * n + at] -= factor * matrix[column * n + at];
                }
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inverse_times_its_matrix_is_the_identity() {
        let a = vec![2.0, 0.5, 0.25, 0.5, 1.5, -0.5, 0.25, -0.5, 3.0];
        let b = inverse(a.clone(), 3);
        for i in 0..3 {
            for j in 0..3 {
                let product: f64 = (0..3).map(|k| a[i * 3 + k] * b[k * 3 + j]).sum();
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn targets_that_are_one_count_once() {
        // Two vectors that are the same weigh, with little noise, as much together as the third alone.
        let process = Process::new(&[vec![1.0, 0.0], vec![1.0, 0.0], vec![0.0, 1.0]], 1e-6);
        let mean = process.fit(&[vec![1.0], vec![1.0], vec![0.0]]).mean[0];
        assert!((mean - 0.5).abs() < 1e-5, "{mean}");
    }
}
