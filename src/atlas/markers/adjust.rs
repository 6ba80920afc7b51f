//! Correction for many tests.

/// Benjamini and Hochberg's: the share of false discoveries if everything up to a p-value were called one. Never below
/// the p-value, never above 1, in the order of the p-values.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let n = p_values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; n];
    let mut least: f64 = 1.0;
    for (rank, &at) in order.iter().enumerate().rev() {
        least = least.min(p_values[at] * n as f64 / (rank + 1) as f64);
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_a_worked_example() {
        // In order: .01 * 4, .02 * 2, .04 * 4/3, .5; the first takes the smaller second.
        let adjusted = benjamini_hochberg(&[0.04, 0.01, 0.5, 0.02]);
        for (found, expected) in adjusted.iter().zip([0.16 / 3.0, 0.04, 0.5, 0.04]) {
            assert!((found - expected).abs() < 1e-15, "{adjusted:?}");
        }
        assert_eq!(benjamini_hochberg(&[]), Vec::<f64>::new());
        assert_eq!(benjamini_hochberg(&[1.0, 1.0]), [1.0, 1.0]);
    }
}
