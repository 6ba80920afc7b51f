//! Preparation of a public file (1,556 cells by 1,267 genes, 4 samples) against scanpy's numbers of the same file:
//! `tests/golden/scanpy_prepare_kang.json`, made by `tests/golden/scanpy_prepare.py`. Skipped where the file is absent.

use std::path::Path;

use cells::data::CellData;
use cells::prepare::{highly_variable_genes, log1p, normalize_total, qc_metrics, read_values, suggest_filter};
use cells::source::NamedSource;
use serde_json::Value;
use spec::dataset::PrepareOptions;
use spec::prepare::{OutlierConfig, QcConfig, Species};
use spec::reading::{ReadingConfig, ValueScale};

use super::{quality, variable};

/// A file of the public data with a chosen matrix; none, and said so, where the data are absent.
pub fn read(name: &str, matrix: &str, label_column: Option<&str>) -> Option<CellData> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.is_dir() {
        crate::say_skipped(&format!("../shared/data is absent, {name} is not prepared"));
        return None;
    }
    let bytes = std::fs::read(data.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let source = NamedSource::from_bytes(name.rsplit('/').next().unwrap_or(name), bytes);
    let opened = cells::read::open(vec![source], 1 << 32).unwrap();
    let options = PrepareOptions {
        matrix: Some(matrix.into()),
        perturbation_column: label_column.map(String::from),
        ..PrepareOptions::default()
    };
    let mut reading = opened.begin(&options).unwrap();
    while reading.advance().unwrap().is_some() {}
    Some(reading.finish().unwrap())
}

#[test]
fn a_public_file_is_prepared_as_scanpy_prepares_it() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/scanpy_prepare_kang.json")).unwrap();
    let every = golden["every"].as_u64().unwrap() as usize;
    let name = "cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad";
    let Some(data) = read(name, "X", golden["batch_column"].as_str()) else { return };
    assert_eq!(read_values(&data.counts, &ReadingConfig::default()).scale, ValueScale::Counts);
    let found = qc_metrics(&data.counts, &data.genes, &QcConfig::default());
    assert_eq!(found.species, Some(Species::Human));
    quality::check_cells(&found.cells, &golden["obs"], every);
    quality::check_genes(&found.genes, &golden["var"], every);
    quality::check_outliers(&suggest_filter(&found.cells.quality(), &OutlierConfig::default()), &golden["outliers"]);
    let mut logged = data.counts.clone();
    normalize_total(&mut logged, Some(1e4), None).unwrap();
    log1p(&mut logged);
    for case in golden["variable"].as_array().unwrap() {
        let config = variable::config_of(&case["config"]);
        let batches = data.perturbations.as_ref().filter(|_| case["batches"].as_bool().unwrap());
        let values = if variable::wants_counts(config.flavor) { &data.counts } else { &logged };
        let found = highly_variable_genes(values, &config, batches).unwrap();
        // scanpy takes exp(x) - 1 of f32 values in f32, and a dispersion is a difference of its logarithms.
        variable::check(&found, case, every, 1e-5);
    }
}

#[test]
fn public_matrices_are_taken_for_what_they_are() {
    let e = std::f64::consts::E;
    for (name, matrix, scale) in [
        ("cells/pbmc68k_reduced.h5ad", "X", ValueScale::Scaled),
        ("cells/pbmc68k_reduced.h5ad", "raw/X", ValueScale::Logged { base: e }),
        ("cells/celltypist_sample_559cells_32786genes_counts.h5ad", "X", ValueScale::Counts),
        ("perturbseq/perturbench_devel_norman19_mcfaline23_500hvg_lognorm.h5ad", "X", ValueScale::Logged { base: e }),
        ("perturbseq/papalexi2021_thp1_eccite_299genes_counts.h5ad", "X", ValueScale::Counts),
        ("formats/generated/h5ad_lognorm_X_counts_layer_raw.h5ad", "X", ValueScale::Logged { base: e }),
        ("formats/generated/h5ad_lognorm_X_counts_layer_raw.h5ad", "layers/counts", ValueScale::Counts),
    ] {
        let Some(data) = read(name, matrix, None) else { return };
        let found = read_values(&data.counts, &ReadingConfig::default());
        let sentences: Vec<String> = found.evidence.iter().map(spec::reading::Evidence::sentence).collect();
        assert_eq!(found.scale, scale, "{name} {matrix}: {sentences:#?}");
    }
}
