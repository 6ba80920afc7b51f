//! The logarithm of one plus each value (`scanpy.pp.log1p`, natural base).

use crate::counts::Counts;

/// Replaces each value `x` by `ln(1 + x)`; zeros stay zero, so sparsity is kept.
///
/// Values below -1 give NaN, as numpy's: refuse them before (`crate::check`).
pub fn log1p(counts: &mut Counts) {
    counts.log1p();
}
