//! Suggested bounds on the quality of cells: so many median absolute deviations from the median
//! (sc-best-practices.org: 5 below for counts and genes on the log1p scale, 3 above for mitochondrial counts).
//!
//! The deviation is not rescaled to a standard deviation, as scipy's `median_abs_deviation` is not. Nothing is removed.

use spec::dataset::CellQuality;
use spec::prepare::{CellMetric, OutlierConfig, SuggestedFilter, SuggestedThreshold};

use crate::prepare::quantile::median;

/// The bounds that the spread of the cells suggests, each with the number of cells it would remove.
///
/// No mitochondrial bound is suggested where no cell has mitochondrial counts.
pub fn suggest_filter(quality: &CellQuality, config: &OutlierConfig) -> SuggestedFilter {
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<f64>>();
    // Rounded to f32, as scanpy's columns are.
    let log1p = |value: &f32| f64::from(f64::from(*value).ln_1p() as f32);
    let logged = |values: &[f32]| values.iter().map(log1p).collect::<Vec<f64>>();
    let n_cells = quality.total_counts.len();
    let mut is_removed = vec![false; n_cells];
    let low = [
        (CellMetric::TotalCounts, logged(&quality.total_counts)),
        (CellMetric::NGenes, logged(&quality.n_genes_by_counts)),
    ];
    let mut thresholds: Vec<SuggestedThreshold> =
        low.into_iter().map(|(metric, values)| suggest(metric, &values, -config.n_mads_low, &mut is_removed)).collect();
    if quality.pct_counts_mt.iter().any(|percent| *percent > 0.0) {
        let metric = CellMetric::PctMitochondrial;
        thresholds.push(suggest(metric, &wide(&quality.pct_counts_mt), config.n_mads_mitochondrial, &mut is_removed));
    }
    let n_removed = is_removed.iter().filter(|is_removed| **is_removed).count();
    SuggestedFilter { thresholds, n_cells, n_removed }
}

/// A bound `n_mads` deviations above the median, or below where that is negative; marks the cells it would remove.
fn suggest(metric: CellMetric, values: &[f64], n_mads: f64, is_removed: &mut [bool]) -> SuggestedThreshold {
    let is_lower = n_mads < 0.0;
    let middle = median(values.to_vec()).unwrap_or(0.0);
    let mad = median(values.iter().map(|value| (value - middle).abs()).collect()).unwrap_or(0.0);
    let bound = middle + n_mads * mad;
    let mut suggested =
        SuggestedThreshold { metric, is_lower, value: None, median: middle, mad, n_mads: n_mads.abs(), n_removed: 0 };
    // A deviation of 0 says that half of the cells share one value: a bound there would remove all others.
    if mad <= 0.0 || !bound.is_finite() || bound < 0.0 {
        return suggested;
    }
    for (is_removed, value) in is_removed.iter_mut().zip(values) {
        if if is_lower { *value < bound } else { *value > bound } {
            *is_removed = true;
            suggested.n_removed += 1;
        }
    }
    suggested.value = Some(match metric {
        CellMetric::TotalCounts | CellMetric::NGenes => bound.exp_m1(),
        CellMetric::PctMitochondrial => bound,
    });
    suggested
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::counts::Counts;
    use crate::genes::GeneNames;
    use crate::prepare::qc::calculate_qc_metrics;

    fn metrics(dense: &[f32], symbols: &[&str]) -> CellQuality {
        let counts = Counts::from_dense(dense, symbols.len()).unwrap();
        let symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
        calculate_qc_metrics(&counts, &GeneNames { symbols, ids: None })
    }

    #[test]
    fn a_bound_is_so_many_deviations_from_the_median() {
        // log1p totals: the median is of 99, each deviation follows by hand.
        let totals = [80.0, 90.0, 99.0, 110.0, 120.0, 3.0, 99.0];
        let cells = metrics(&totals, &["STAT1"]);
        let suggested = suggest_filter(&cells, &OutlierConfig::default());
        assert_eq!(suggested.thresholds.len(), 2, "no mitochondrial genes, no bound on them");
        let counts = &suggested.thresholds[0];
        let logs = totals.map(|total| f64::from(total).ln_1p());
        let mut deviations = logs.map(|log| (log - 100f64.ln()).abs());
        deviations.sort_by(f64::total_cmp);
        assert!((counts.mad - deviations[3]).abs() < 1e-6);
        assert!((counts.value.unwrap() - (100f64.ln() - 5.0 * deviations[3]).exp_m1()).abs() < 1e-3);
        assert_eq!((counts.n_removed, suggested.n_removed, suggested.n_cells), (1, 1, 7));
        // Every cell has one gene: the deviation is 0.
        assert_eq!((suggested.thresholds[1].value, suggested.thresholds[1].n_removed), (None, 0));
    }

    #[test]
    fn nothing_is_suggested_where_most_cells_have_no_mitochondrial_counts() {
        let cells = metrics(&[5.0, 0.0, 6.0, 0.0, 7.0, 0.0, 8.0, 4.0], &["STAT1", "MT-CO1"]);
        let suggested = suggest_filter(&cells, &OutlierConfig::default());
        let mt = suggested.thresholds.last().unwrap();
        assert_eq!((mt.metric, mt.value, mt.n_removed), (CellMetric::PctMitochondrial, None, 0));
        assert_eq!(suggest_filter(&CellQuality::default(), &OutlierConfig::default()).n_removed, 0);
    }
}
