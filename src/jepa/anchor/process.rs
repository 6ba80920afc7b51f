//! A Gaussian process over vectors of length 1: their dot product is the covariance, the mean is constant and unknown.
//!
//! Prediction at `v`: `m + k(v) (K + noise I)⁻¹ (U - m)`, with `m` by generalised least squares. Where there are more
//! vectors than each has numbers, the system has one row per number instead of one per vector (Woodbury's identity), so
//! that thousands of vectors cost no more than their products: `m + v (VᵀV + noise I)⁻¹ Vᵀ (U - m)`.
//!
//! Every matrix holds one vector, or what was measured under it, per column.

use faer::linalg::solvers::{Llt, Solve};
use faer::{Col, Mat, Side};

/// The training vectors and their products.
pub(super) struct Process {
    /// `[width, vectors]`.
    vectors: Mat<f64>,
    /// Whether the system has one row per vector.
    is_by_vector: bool,
    /// The system's matrix, without the noise.
    products: Mat<f64>,
    /// What a constant of 1 is to the system.
    of_one: Col<f64>,
}

/// Measured values with their products with the vectors.
pub(super) struct Values {
    /// `[values, vectors]`.
    measured: Mat<f64>,
    /// `[values, rows of the system]`; none where they are the same.
    products: Option<Mat<f64>>,
}

/// The process under one noise, of some values.
pub(super) struct Fitted<'a> {
    process: &'a Process,
    factor: Llt<f64>,
    values: &'a Values,
    /// Value far from every vector.
    pub mean: Col<f64>,
}

impl Process {
    /// The process of these training vectors.
    pub(super) fn new(vectors: Mat<f64>) -> Self {
        let (width, n) = (vectors.nrows(), vectors.ncols());
        let is_by_vector = n <= width;
        let products = if is_by_vector { vectors.transpose() * &vectors } else { &vectors * vectors.transpose() };
        let ones = Col::from_fn(n, |_| 1.0);
        let of_one = if is_by_vector { ones } else { &vectors * ones };
        Self { vectors, is_by_vector, products, of_one }
    }

    /// Takes up what was measured, one column per vector.
    pub(super) fn values(&self, measured: Mat<f64>) -> Values {
        let products = (!self.is_by_vector).then(|| &measured * self.vectors.transpose());
        Values { measured, products }
    }

    /// Fits the values; none where numbers are not finite.
    pub(super) fn fit<'a>(&'a self, values: &'a Values, noise: f64) -> Option<Fitted<'a>> {
        let n_rows = self.products.nrows();
        let added = Mat::from_fn(n_rows, n_rows, |i, j| self.products[(i, j)] + if i == j { noise } else { 0.0 });
        let factor = added.llt(Side::Lower).ok()?;
        // The row sums of the inverse of `K + noise I` weigh the vectors: those that are much alike do not count as many.
        let solved = factor.solve(&self.of_one);
        let weights = if self.is_by_vector {
            solved
        } else {
            let explained = self.vectors.transpose() * solved;
            Col::from_fn(explained.nrows(), |at| (1.0 - explained[at]) / noise)
        };
        let total: f64 = weights.iter().sum();
        let mean = &values.measured * weights;
        let mean = Col::from_fn(mean.nrows(), |at| mean[at] / total);
        Some(Fitted { process: self, factor, values, mean })
    }

    /// What [`Fitted::weights`] are the weights of, one per column: the vectors, or the axes where there are fewer.
    pub(super) fn known(&self) -> Mat<f64> {
        let width = self.vectors.nrows();
        if self.is_by_vector { self.vectors.clone() } else { Mat::identity(width, width) }
    }
}

impl Values {
    fn products(&self) -> &Mat<f64> {
        self.products.as_ref().unwrap_or(&self.measured)
    }
}

impl Fitted<'_> {
    /// `[known, values]`: a prediction is the mean and, of each column of [`Process::known`], its dot product with the vector
    /// times its weights.
    pub(super) fn weights(&self) -> Mat<f64> {
        let (products, of_one) = (self.values.products(), &self.process.of_one);
        let centred = Mat::from_fn(of_one.nrows(), self.mean.nrows(), |row, value| {
            products[(value, row)] - self.mean[value] * of_one[row]
        });
        self.factor.solve(centred)
    }

    /// Predictions at some vectors, `[values, asked]`.
    pub(super) fn say(&self, asked: &Mat<f64>) -> Mat<f64> {
        let Process { vectors, is_by_vector, of_one, .. } = self.process;
        let solved =
            if *is_by_vector { self.factor.solve(vectors.transpose() * asked) } else { self.factor.solve(asked) };
        let mut said = self.values.products() * &solved;
        for (at, share) in (of_one.transpose() * &solved).iter().enumerate() {
            said.col_mut(at).iter_mut().zip(self.mean.iter()).for_each(|(said, mean)| *said += (1.0 - share) * mean);
        }
        said
    }
}

/// The vectors with length 1, one per column; zeros stay zeros, and then resemble nothing.
pub(super) fn units<'a>(vectors: impl ExactSizeIterator<Item = &'a [f32]>, width: usize) -> Mat<f64> {
    let mut units = Mat::zeros(width, vectors.len());
    for (at, vector) in vectors.enumerate() {
        units.col_mut(at).iter_mut().zip(unit(vector)).for_each(|(to, value)| *to = value);
    }
    units
}

/// The vector with length 1; zeros stay zeros.
pub(super) fn unit(vector: &[f32]) -> Vec<f64> {
    let length = vector.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let factor = if length > 0.0 { length.recip() } else { 0.0 };
    vector.iter().map(|&value| f64::from(value) * factor).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first column of `vectors` has length 1, and so on.
    fn process(width: usize, n: usize) -> (Process, Mat<f64>, Vec<Vec<f32>>) {
        let vectors: Vec<Vec<f32>> =
            (0..n).map(|at| (0..width).map(|i| ((at * 7 + i * 5) % 11) as f32 - 4.0).collect()).collect();
        let measured = Mat::from_fn(3, n, |value, at| ((at * 3 + value * 2) % 7) as f64 - 2.0);
        (Process::new(units(vectors.iter().map(Vec::as_slice), width)), measured, vectors)
    }

    #[test]
    fn what_it_says_solves_the_system() {
        // By vector, by number of the vector, and at the border.
        for (width, n) in [(6, 4), (3, 9), (5, 5)] {
            let (process, measured, vectors) = process(width, n);
            let values = process.values(measured.clone());
            let fitted = process.fit(&values, 0.3).expect("finite");
            // By definition: K + noise I, its inverse by an eigendecomposition of another hand.
            let unit_vectors = units(vectors.iter().map(Vec::as_slice), width);
            let covariance = unit_vectors.transpose() * &unit_vectors;
            let whole = Mat::from_fn(n, n, |i, j| covariance[(i, j)] + if i == j { 0.3 } else { 0.0 });
            let inverse = whole.self_adjoint_eigen(Side::Lower).expect("symmetric").pseudoinverse();
            let sums = &inverse * Col::from_fn(n, |_| 1.0);
            let total: f64 = sums.iter().sum();
            let asked = unit_vectors.subcols(1, 2).to_owned();
            let (said, weights, known) = (fitted.say(&asked), fitted.weights(), process.known());
            for value in 0..3 {
                let mean: f64 = (0..n).map(|at| sums[at] * measured[(value, at)]).sum::<f64>() / total;
                assert!((fitted.mean[value] - mean).abs() < 1e-12);
                for at in 0..2 {
                    let of = |i: usize| -> f64 {
                        (0..n).map(|j| inverse[(i, j)] * (measured[(value, j)] - mean)).sum::<f64>()
                    };
                    let expected = mean + (0..n).map(|i| covariance[(i, 1 + at)] * of(i)).sum::<f64>();
                    assert!((said[(value, at)] - expected).abs() < 1e-12, "{width} {n}");
                    let stored: f64 = (0..known.ncols())
                        .map(|i| (0..width).map(|w| known[(w, i)] * asked[(w, at)]).sum::<f64>() * weights[(i, value)])
                        .sum();
                    assert!((mean + stored - expected).abs() < 1e-12, "{width} {n}");
                }
            }
        }
    }

    #[test]
    fn targets_that_are_one_count_once() {
        // Two vectors that are the same weigh, with little noise, as much together as the third alone.
        let vectors: [&[f32]; 3] = [&[1.0, 0.0], &[1.0, 0.0], &[0.0, 1.0]];
        let process = Process::new(units(vectors.into_iter(), 2));
        let values = process.values(Mat::from_fn(1, 3, |_, at| [1.0, 1.0, 0.0][at]));
        let mean = process.fit(&values, 1e-6).expect("finite").mean[0];
        assert!((mean - 0.5).abs() < 1e-5, "{mean}");
    }
}
