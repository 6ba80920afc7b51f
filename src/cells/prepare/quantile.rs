//! Medians and percentiles as numpy's, to the same bits.

/// The median: the mean of the two middle values where their number is even. None where there are none.
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 0 => Some((values[middle - 1] + values[middle]) / 2.0),
        _ => Some(values[middle]),
    }
}

/// A percentile of ascending values, 0 to 100, interpolated linearly in numpy's order of operations: a value that lies
/// on it lies on the same side of it there. None where there are no values.
pub fn percentile(ascending: &[f64], percent: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let at = (percent / 100.0 * last as f64).clamp(0.0, last as f64);
    let below = at.floor() as usize;
    let share = at - below as f64;
    let (low, high) = (ascending[below], ascending[(below + 1).min(last)]);
    let difference = high - low;
    Some(if share >= 0.5 { high - difference * (1.0 - share) } else { low + difference * share })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_numpys() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
        // numpy.percentile([1, 2, 4, 8], [0, 10, 50, 90, 100])
        let found: Vec<_> =
            [0.0, 10.0, 50.0, 90.0, 100.0].iter().map(|p| percentile(&[1.0, 2.0, 4.0, 8.0], *p).unwrap()).collect();
        assert_eq!(found, [1.0, 1.3, 3.0, 6.800000000000001, 8.0]);
        assert_eq!(percentile(&[7.0], 35.0), Some(7.0));
        assert_eq!(percentile(&[], 35.0), None);
    }
}
