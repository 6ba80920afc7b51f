//! Eigenvalues of small symmetric matrices on the host, in f64: Householder's tridiagonal form, then bisection on Sturm's
//! count. For a covariance of 256 dimensions some tens of milliseconds.

/// Halvings of the interval that holds all eigenvalues: to 2⁻⁶⁰ of it.
const HALVINGS: usize = 60;

/// All eigenvalues, ascending, of a symmetric row-major `n` × `n` matrix; none where a value is not finite.
pub(crate) fn symmetric_eigenvalues(matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    if n == 0 || matrix.len() != n * n || matrix.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let (diagonal, beside) = tridiagonal(matrix, n);
    let reach = |i: usize| {
        let left = if i > 0 { beside[i - 1].abs() } else { 0.0 };
        left + beside.get(i).map_or(0.0, |value| value.abs())
    };
    let low = (0..n).map(|i| diagonal[i] - reach(i)).fold(f64::INFINITY, f64::min);
    let high = (0..n).map(|i| diagonal[i] + reach(i)).fold(f64::NEG_INFINITY, f64::max);
    let nth = |index: usize| {
        let (mut low, mut high) = (low, high);
        for _ in 0..HALVINGS {
            let middle = low + (high - low) / 2.0;
            if n_below(&diagonal, &beside, middle) > index {
                high = middle;
            } else {
                low = middle;
            }
        }
        low + (high - low) / 2.0
    };
    Some((0..n).map(nth).collect())
}

/// Diagonal and what lies beside it of a similar tridiagonal matrix.
fn tridiagonal(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut beside = vec![0.0; n - 1];
    for k in 0..n.saturating_sub(2) {
        // The reflection that leaves of column k only what lies next to the diagonal.
        let mut v: Vec<f64> = (k + 1..n).map(|row| a[row * n + k]).collect();
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        let kept = if v[0] > 0.0 { -length } else { length };
        v[0] -= kept;
        let square = v.iter().map(|x| x * x).sum::<f64>();
        beside[k] = kept;
        if square == 0.0 {
            continue;
        }
        let m = n - k - 1;
        let at = |row: usize, column: usize| (row + k + 1) * n + column + k + 1;
        let mut p: Vec<f64> =
            (0..m).map(|row| 2.0 / square * (0..m).map(|column| a[at(row, column)] * v[column]).sum::<f64>()).collect();
        let along = p.iter().zip(&v).map(|(p, v)| p * v).sum::<f64>() / square;
        p.iter_mut().zip(&v).for_each(|(p, v)| *p -= along * v);
        for row in 0..m {
            for column in 0..m {
                a[at(row, column)] -= v[row] * p[column] + p[row] * v[column];
            }
        }
    }
    if n > 1 {
        beside[n - 2] = a[(n - 1) * n + n - 2];
    }
    ((0..n).map(|i| a[i * n + i]).collect(), beside)
}

/// Eigenvalues below `x`: the negative pivots of the matrix minus `x`.
fn n_below(diagonal: &[f64], beside: &[f64], x: f64) -> usize {
    let (mut n, mut pivot) = (0, 1.0f64);
    for (i, value) in diagonal.iter().enumerate() {
        let square = if i > 0 { beside[i - 1] * beside[i - 1] } else { 0.0 };
        pivot = value - x - if square > 0.0 { square / pivot } else { 0.0 };
        if pivot == 0.0 {
            pivot = -f64::MIN_POSITIVE.sqrt();
        }
        n += usize::from(pivot < 0.0);
    }
    n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(matrix: &[f64], n: usize, expected: &[f64]) {
        let found = symmetric_eigenvalues(matrix.to_vec(), n).expect("finite");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} for {expected}");
        }
    }

    #[test]
    fn known_matrices_have_their_eigenvalues() {
        check(&[3.0], 1, &[3.0]);
        check(&[2.0, 1.0, 1.0, 2.0], 2, &[1.0, 3.0]);
        check(&[0.0; 9], 3, &[0.0; 3]);
        check(&[2.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 4.0, 9.0], 3, &[1.0, 2.0, 11.0]);
        // All ones: one eigenvalue n, the others 0.
        check(&[1.0; 36], 6, &[0.0, 0.0, 0.0, 0.0, 0.0, 6.0]);
        assert!(symmetric_eigenvalues(vec![f64::NAN], 1).is_none());
    }

    #[test]
    fn sum_and_sum_of_squares_are_trace_and_norm() {
        let n = 40;
        let value = |i: usize, j: usize| ((i * j + 3 * (i + j)) % 17) as f64 - 8.0;
        let matrix: Vec<f64> = (0..n * n).map(|at| value(at / n, at % n)).collect();
        let found = symmetric_eigenvalues(matrix.clone(), n).expect("finite");
        let trace: f64 = (0..n).map(|i| matrix[i * n + i]).sum();
        let squares: f64 = matrix.iter().map(|x| x * x).sum();
        assert!((found.iter().sum::<f64>() - trace).abs() < 1e-8);
        assert!((found.iter().map(|x| x * x).sum::<f64>() / squares - 1.0).abs() < 1e-10);
    }
}
