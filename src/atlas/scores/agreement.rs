//! How far two labellings of the same cells agree, whatever the labels are called.

use std::collections::BTreeMap;

use crate::scores::{ScoreError, check_lengths, ranked};

/// Cells by pair of labels, and by each label.
struct Contingency {
    n: f64,
    cells: BTreeMap<(usize, usize), f64>,
    rows: Vec<f64>,
    columns: Vec<f64>,
}

impl Contingency {
    fn new(one: &[u32], other: &[u32]) -> Result<Self, ScoreError> {
        check_lengths(one.len(), other.len())?;
        let ((one, n_one), (other, n_other)) = (ranked(one), ranked(other));
        let (mut rows, mut columns) = (vec![0.0; n_one], vec![0.0; n_other]);
        // Ordered, so that sums do not depend on the machine.
        let mut cells = BTreeMap::new();
        for (&a, &b) in one.iter().zip(&other) {
            *cells.entry((a, b)).or_insert(0.0) += 1.0;
            rows[a] += 1.0;
            columns[b] += 1.0;
        }
        Ok(Self { n: one.len() as f64, cells, rows, columns })
    }
}

/// Mutual information over the mean of the two entropies, 0 to 1. Two labellings of one label each agree fully.
///
/// # Errors
/// Labellings of different length.
pub fn normalized_mutual_information(one: &[u32], other: &[u32]) -> Result<f64, ScoreError> {
    let table = Contingency::new(one, other)?;
    if table.rows.len() <= 1 && table.columns.len() <= 1 {
        return Ok(1.0);
    }
    let entropy = |sizes: &[f64]| -sizes.iter().map(|size| size / table.n * (size / table.n).ln()).sum::<f64>();
    let shared = |(&(a, b), &count): (&(usize, usize), &f64)| {
        count / table.n * (count * table.n / (table.rows[a] * table.columns[b])).ln()
    };
    let information: f64 = table.cells.iter().map(shared).sum();
    if information <= f64::EPSILON {
        return Ok(0.0);
    }
    Ok(information / f64::midpoint(entropy(&table.rows), entropy(&table.columns)))
}

/// Pairs of cells on which the two agree, beyond chance: 1 for the same parts, about 0 for random ones; not clipped.
///
/// # Errors
/// Labellings of different length.
pub fn adjusted_rand(one: &[u32], other: &[u32]) -> Result<f64, ScoreError> {
    let table = Contingency::new(one, other)?;
    let pairs = |count: &f64| count * (count - 1.0) / 2.0;
    let both: f64 = table.cells.values().map(pairs).sum();
    let of_one: f64 = table.rows.iter().map(pairs).sum();
    let of_other: f64 = table.columns.iter().map(pairs).sum();
    if both == of_one && both == of_other {
        return Ok(1.0);
    }
    let by_chance = of_one * of_other / pairs(&table.n);
    Ok((both - by_chance) / (f64::midpoint(of_one, of_other) - by_chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_defined() {
        for (one, other, nmi, ari) in [
            (vec![], vec![], 1.0, 1.0),
            (vec![3], vec![9], 1.0, 1.0),
            (vec![1, 1, 1], vec![0, 0, 0], 1.0, 1.0),
            (vec![1, 1, 1], vec![0, 1, 2], 0.0, 0.0),
            (vec![0, 1, 2], vec![5, 4, 9], 1.0, 1.0),
            (vec![0, 0, 1, 1], vec![0, 1, 0, 1], 0.0, -0.5),
        ] {
            let found = normalized_mutual_information(&one, &other).expect("equal lengths");
            assert!((found - nmi).abs() < 1e-12, "{one:?} {other:?}: {found}");
            let found = adjusted_rand(&one, &other).expect("equal lengths");
            assert!((found - ari).abs() < 1e-12, "{one:?} {other:?}: {found}");
        }
        assert!(adjusted_rand(&[0], &[0, 1]).is_err());
    }
}
