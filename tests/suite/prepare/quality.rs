//! Quality metrics, filters and suggested bounds against scanpy (and sc-best-practices' formula).

use cells::prepare::qc::{CellMetrics, GeneMetrics, QcMetrics};
use cells::prepare::{filter_cells, filter_genes, qc_metrics, suggest_filter};
use serde_json::Value;
use spec::prepare::{CellFilter, CellMetric, GeneFilter, OutlierConfig, QcConfig, Species, SuggestedFilter};

use super::golden::{counts, golden, names, near, numbers, places, wide};

/// scanpy keeps sums and shares of f32 counts in f32: a few of its roundings.
const TOLERANCE: f64 = 2e-6;

/// Each column of scanpy's table of cells, of every `every`th cell.
pub fn check_cells(cells: &CellMetrics, golden: &Value, every: usize) {
    let mut columns: Vec<(String, Vec<f64>)> = vec![
        ("n_genes_by_counts".into(), wide(&cells.n_genes_by_counts)),
        ("log1p_n_genes_by_counts".into(), wide(&cells.log1p_n_genes_by_counts)),
        ("total_counts".into(), cells.total_counts.clone()),
        ("log1p_total_counts".into(), wide(&cells.log1p_total_counts)),
    ];
    for (top, percent) in &cells.pct_counts_in_top {
        columns.push((format!("pct_counts_in_top_{top}_genes"), wide(percent)));
    }
    for set in &cells.sets {
        let name = set.set.name();
        columns.push((format!("total_counts_{name}"), set.total_counts.clone()));
        columns.push((format!("log1p_total_counts_{name}"), wide(&set.log1p_total_counts)));
        columns.push((format!("pct_counts_{name}"), wide(&set.pct_counts)));
    }
    check_columns(columns, golden, every);
}

/// Each column of scanpy's table of genes, of every `every`th gene.
pub fn check_genes(genes: &GeneMetrics, golden: &Value, every: usize) {
    let columns = vec![
        ("n_cells_by_counts".into(), wide(&genes.n_cells_by_counts)),
        ("mean_counts".into(), genes.mean_counts.clone()),
        ("log1p_mean_counts".into(), genes.log1p_mean_counts.clone()),
        ("pct_dropout_by_counts".into(), genes.pct_dropout_by_counts.clone()),
        ("total_counts".into(), genes.total_counts.clone()),
        ("log1p_total_counts".into(), genes.log1p_total_counts.clone()),
    ];
    check_columns(columns, golden, every);
}

fn check_columns(columns: Vec<(String, Vec<f64>)>, golden: &Value, every: usize) {
    assert_eq!(columns.len(), golden.as_object().unwrap().len(), "as many columns as scanpy's");
    for (name, found) in columns {
        let found: Vec<f64> = found.into_iter().step_by(every).collect();
        near(&name, &found, &numbers(&golden[&name]), TOLERANCE);
    }
}

/// Medians, deviations, bounds and what they remove.
pub fn check_outliers(suggested: &SuggestedFilter, golden: &Value) {
    for (metric, name) in [
        (CellMetric::TotalCounts, "log1p_total_counts"),
        (CellMetric::NGenes, "log1p_n_genes_by_counts"),
        (CellMetric::PctMitochondrial, "pct_counts_mt"),
    ] {
        let golden = &golden[name];
        let of = |field: &str| golden[field].as_f64().unwrap();
        let Some(found) = suggested.thresholds.iter().find(|one| one.metric == metric) else {
            assert_eq!((of("median"), of("mad")), (0.0, 0.0), "{name}: nothing to suggest without such genes");
            continue;
        };
        near(name, &[found.median, found.mad], &[of("median"), of("mad")], TOLERANCE);
        let bound = if metric == CellMetric::PctMitochondrial { of("bound") } else { of("bound").exp_m1() };
        match found.value {
            Some(value) => {
                near(name, &[value], &[bound], 1e-5);
                assert_eq!(found.n_removed as u64, golden["n_removed"].as_u64().unwrap(), "{name}");
            }
            None => assert!(found.mad == 0.0 || bound < 0.0, "{name}: a bound of {bound} is not suggested"),
        }
    }
    if suggested.thresholds.iter().all(|one| one.value.is_some()) {
        assert_eq!(suggested.n_removed as u64, golden["n_removed"].as_u64().unwrap());
    }
}

fn metrics() -> QcMetrics {
    qc_metrics(&counts(), &names(), &QcConfig { percent_top: vec![100, 20, 50, 20, 0, 500], ..QcConfig::default() })
}

#[test]
fn every_metric_is_scanpys() {
    let found = metrics();
    assert_eq!(found.species, Some(Species::Human));
    // 500 genes are more than there are, 0 are none: left out.
    assert_eq!(found.cells.pct_counts_in_top.iter().map(|(top, _)| *top).collect::<Vec<_>>(), [20, 50, 100]);
    check_cells(&found.cells, golden("obs"), 1);
    check_genes(&found.genes, golden("var"), 1);
    assert_eq!(found.cells.sets.iter().map(|set| set.n_genes).collect::<Vec<_>>(), [4, 3, 2]);
    assert_eq!(QcConfig::default().percent_top, [50, 100, 200, 500]);
}

#[test]
fn suggested_bounds_are_those_of_the_median_absolute_deviation() {
    let suggested = suggest_filter(&metrics().cells.quality(), &OutlierConfig::default());
    check_outliers(&suggested, golden("outliers"));
    // The cell with five counts.
    assert!(suggested.n_removed >= 1, "{suggested:?}");
    assert_eq!(OutlierConfig::default(), OutlierConfig { n_mads_low: 5.0, n_mads_mitochondrial: 3.0 });
}

#[test]
fn filters_keep_what_scanpy_keeps() {
    let counts = counts();
    for case in golden("filter_cells").as_array().unwrap() {
        let filter: CellFilter = serde_json::from_value(case["bounds"].clone()).unwrap();
        let kept = filter_cells(&counts, &filter, None);
        assert_eq!(kept.indices(), places(&case["kept"]), "{filter:?}");
        assert_eq!(kept.n_removed() + kept.indices().len(), counts.n_cells());
    }
    for case in golden("filter_genes").as_array().unwrap() {
        let filter: GeneFilter = serde_json::from_value(case["bounds"].clone()).unwrap();
        let kept = filter_genes(&counts, &filter);
        assert_eq!(kept.indices(), places(&case["kept"]), "{filter:?}");
        let selected = counts.select_columns(&kept.columns());
        assert_eq!(filter_genes(&selected, &filter).n_removed(), 0, "what is kept is kept again");
    }
}

#[test]
fn bounds_hold_at_once_and_none_keeps_all() {
    let counts = counts();
    let all = filter_cells(&counts, &CellFilter::default(), None);
    assert_eq!(all.n_removed(), 0);
    let low = CellFilter { min_counts: Some(400.0), ..CellFilter::default() };
    let high = CellFilter { max_genes: Some(100), ..CellFilter::default() };
    let both = CellFilter { max_genes: Some(100), ..low };
    let kept = |filter| filter_cells(&counts, &filter, None).is_kept;
    let expected: Vec<bool> = kept(low).into_iter().zip(kept(high)).map(|(low, high)| low && high).collect();
    assert_eq!(kept(both), expected);
    // The bounds themselves are kept.
    let exact = CellFilter { min_counts: Some(5.0), max_counts: Some(5.0), ..CellFilter::default() };
    assert_eq!(filter_cells(&counts, &exact, None).indices(), [7]);
    let pct = wide(&metrics().cells.sets[0].pct_counts);
    let narrow: Vec<f32> = pct.iter().map(|pct| *pct as f32).collect();
    let mt = CellFilter { max_pct_mitochondrial: Some(10.0), ..CellFilter::default() };
    let kept = filter_cells(&counts, &mt, Some(&narrow));
    assert_eq!(kept.indices(), (0..pct.len()).filter(|&cell| pct[cell] <= 10.0).collect::<Vec<_>>());
    assert!(kept.n_removed() > 0, "the bound bites");
}

/// 0.2 % is no f32, and qualities are: a cell at the bound that a person typed is kept all the same.
#[test]
fn bounds_include_what_they_name() {
    let filter = CellFilter { min_counts: Some(0.1), max_pct_mitochondrial: Some(0.2), ..CellFilter::default() };
    let at = |counts: f32, percent: f32| filter.admits(f64::from(counts), 5.0, Some(f64::from(percent)));
    assert!(at(0.1, 0.2) && at(0.3, 0.1));
    assert!(!at(0.1, 0.200_001) && !at(0.099_999, 0.2));
}
