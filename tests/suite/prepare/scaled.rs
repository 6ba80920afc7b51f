//! Scaling of cells (options of `normalize_total`) and of genes (`scale`) against scanpy.

use cells::prepare::normalize::NormalizeError;
use cells::prepare::{Scaled, normalize_total_by};
use spec::prepare::{NormalizeConfig, ScaleConfig};

use super::golden::{close, counts, dense_row, golden, logged, near, numbers};

#[test]
fn library_sizes_with_and_without_the_largest_genes_are_scanpys() {
    for case in golden("normalize").as_array().unwrap() {
        let config: NormalizeConfig = serde_json::from_value(case["config"].clone()).unwrap();
        let mut cells = counts();
        let normalized = normalize_total_by(&mut cells, &config, None).unwrap();
        assert_eq!(normalized.highly_expressed.is_empty(), !config.exclude_highly_expressed, "{config:?}");
        // scanpy divides in f32: three roundings.
        near(&format!("{config:?}"), &dense_row(&cells, 5), &numbers(&case["row_5"]), 5e-7);
        near(&format!("{config:?}"), &dense_row(&cells, 7), &numbers(&case["row_7"]), 5e-7);
    }
    near("log1p", &dense_row(&logged(), 5), &numbers(golden("log1p_row_5")), 5e-7);
}

#[test]
fn a_cell_of_nothing_but_large_genes_stays_as_it_is() {
    let config = NormalizeConfig { exclude_highly_expressed: true, max_fraction: 0.0, ..NormalizeConfig::default() };
    let mut cells = counts();
    let normalized = normalize_total_by(&mut cells, &config, None).unwrap();
    assert_eq!(normalized.target_sum, 1.0, "no library is left to have a median");
    assert_eq!(dense_row(&cells, 5), dense_row(&counts(), 5));
    let outside = NormalizeConfig { max_fraction: 1.5, ..config };
    assert_eq!(normalize_total_by(&mut cells, &outside, None), Err(NormalizeError::MaxFraction(1.5)));
    assert_eq!(NormalizeConfig::default().max_fraction, 0.05);
}

#[test]
fn genes_are_scaled_as_scanpy_scales_them() {
    let logged = logged();
    for case in golden("scale").as_array().unwrap() {
        let config: ScaleConfig = serde_json::from_value(case["config"].clone()).unwrap();
        let genes: Vec<u32> = numbers(&case["genes"]).into_iter().map(|gene| gene as u32).collect();
        let scaled = Scaled::fit(&logged, &genes, config).unwrap();
        let found: Vec<f64> = scaled.dense(&logged).into_iter().map(f64::from).collect();
        close(&format!("{config:?}"), &found, &numbers(&case["values"]), 1e-5);
        let mut row = vec![7.0f64; genes.len()];
        scaled.write_row(&logged, 11, &mut row);
        assert_eq!(row, found[11 * genes.len()..][..genes.len()], "a row is a row of the whole");
    }
    assert_eq!(ScaleConfig::default(), ScaleConfig { zero_center: true, max_value: None });
}

#[test]
fn what_cannot_be_scaled_is_refused() {
    let logged = logged();
    let refused = |genes: &[u32], config| Scaled::fit(&logged, genes, config).unwrap_err().to_string();
    assert!(refused(&[160], ScaleConfig::default()).contains("gene 160 is out of range for 160 genes"));
    assert!(refused(&[3, 3], ScaleConfig::default()).contains("gene 3 is named twice"));
    let config = ScaleConfig { max_value: Some(f64::NAN), ..ScaleConfig::default() };
    assert!(refused(&[3], config).contains("max_value is NaN"));
    let none = Scaled::fit(&logged, &[], ScaleConfig::default()).unwrap();
    assert!(none.dense(&logged).is_empty());
}
