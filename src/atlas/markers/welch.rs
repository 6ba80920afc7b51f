//! Welch's t-test of two groups of unequal variance.

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::markers::Moments;

/// t and its two-sided p. `n_rest` takes the place of the other side's number of cells. Where neither side varies and
/// the means are equal, nothing can be said: 0 and 1, as scanpy has it.
pub fn test(own: &Moments, rest: &Moments, n_rest: usize) -> (f64, f64) {
    let (n_own, n_rest) = (own.n as f64, n_rest as f64);
    let (own_share, rest_share) = (own.variance / n_own, rest.variance / n_rest);
    let t = (own.mean - rest.mean) / (own_share + rest_share).sqrt();
    if t.is_nan() {
        return (0.0, 1.0);
    }
    if t.is_infinite() {
        return (t, 0.0);
    }
    // Welch and Satterthwaite, over the larger share, so that no square vanishes.
    let larger = own_share.max(rest_share);
    let (own_share, rest_share) = (own_share / larger, rest_share / larger);
    let freedom =
        (own_share + rest_share).powi(2) / (own_share.powi(2) / (n_own - 1.0) + rest_share.powi(2) / (n_rest - 1.0));
    (t, two_sided(t, freedom))
}

/// The share of a t distribution that is at least as far out as `t`.
pub fn two_sided(t: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |distribution| (2.0 * distribution.sf(t.abs())).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_vary_says_nothing_or_everything() {
        let constant = |mean| Moments { n: 5, n_nonzero: 5, mean, variance: 0.0 };
        assert_eq!(test(&constant(1.0), &constant(1.0), 5), (0.0, 1.0));
        assert_eq!(test(&constant(2.0), &constant(1.0), 5), (f64::INFINITY, 0.0));
        assert_eq!(test(&constant(0.0), &constant(1.0), 5), (f64::NEG_INFINITY, 0.0));
    }

    /// Variances so small that their squares are 0 in f64.
    #[test]
    fn tiny_variances_keep_their_degrees_of_freedom() {
        let tiny = |mean| Moments { n: 5, n_nonzero: 5, mean, variance: 1e-200 };
        let plain = |mean| Moments { n: 5, n_nonzero: 5, mean, variance: 1.0 };
        let (t, p) = test(&tiny(1e-100), &tiny(0.0), 5);
        let (expected, p_expected) = test(&plain(1.0), &plain(0.0), 5);
        assert!((t - expected).abs() < 1e-9 && (p - p_expected).abs() < 1e-9, "{t} {p}");
    }
}
