//! Variable genes against scanpy: all flavours, with and without batches, by number and by cutoffs.

use cells::counts::Counts;
use cells::data::Labels;
use cells::prepare::highly_variable_genes;
use cells::prepare::variable::{Variability, VariableGenes};
use serde_json::Value;
use spec::prepare::{VariableGenesConfig, VariableGenesFlavor};

use super::golden::{batches, close, counts, golden, logged, numbers, places, wide};

/// scanpy's arguments as a config; they differ in two names.
pub fn config_of(arguments: &Value) -> VariableGenesConfig {
    let text = arguments.to_string().replace("min_disp", "min_dispersion").replace("max_disp", "max_dispersion");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Whether a flavour wants raw counts.
pub fn wants_counts(flavor: VariableGenesFlavor) -> bool {
    matches!(flavor, VariableGenesFlavor::SeuratV3 | VariableGenesFlavor::SeuratV3Paper)
}

/// Every column of scanpy's table (of every `every`th gene), and the choice.
pub fn check(found: &VariableGenes, case: &Value, every: usize, tolerance: f64) {
    let what = format!("{} {}", case["config"], case["batches"]);
    let column = |name: &str, found: &[f64]| {
        let found: Vec<f64> = found.iter().copied().step_by(every).collect();
        close(&format!("{what}: {name}"), &found, &numbers(&case[name]), tolerance);
    };
    column("means", &found.means);
    match &found.variability {
        Variability::Dispersion { dispersions, dispersions_norm } => {
            column("dispersions", dispersions);
            column("dispersions_norm", dispersions_norm);
        }
        Variability::Variance { variances, variances_norm, ranks } => {
            column("variances", variances);
            column("variances_norm", variances_norm);
            column("highly_variable_rank", &ranks.iter().map(|rank| rank.unwrap_or(f64::NAN)).collect::<Vec<_>>());
        }
    }
    assert_eq!(found.n_batches.is_some(), case["batches"].as_bool().unwrap(), "{what}");
    if let Some(n_batches) = &found.n_batches {
        column("highly_variable_nbatches", &wide(n_batches));
    }
    let chosen: Vec<usize> = found.indices().into_iter().map(|gene| gene as usize).collect();
    assert_eq!(chosen, places(&case["highly_variable"]), "{what}: the choice");
}

#[test]
fn every_flavour_is_scanpys() {
    let (counts, logged, batches) = (counts(), logged(), batches());
    let cases = golden("variable").as_array().unwrap();
    for case in cases {
        let config = config_of(&case["config"]);
        let values = if wants_counts(config.flavor) { &counts } else { &logged };
        let batches = case["batches"].as_bool().unwrap().then_some(&batches);
        let found = highly_variable_genes(values, &config, batches).unwrap();
        check(&found, case, 1, 1e-5);
    }
    assert_eq!(cases.len(), 22);
}

#[test]
fn another_base_of_the_logarithm_is_undone() {
    let mut base_2 = logged();
    base_2.scale_rows(vec![std::f64::consts::LOG2_E; base_2.n_cells()]);
    let config = VariableGenesConfig { n_top_genes: Some(25), log_base: Some(2.0), ..VariableGenesConfig::default() };
    let found = highly_variable_genes(&base_2, &config, None).unwrap();
    // Rounded to f32 once more than scanpy's.
    check(&found, golden("variable_base_2"), 1, 1e-5);
}

#[test]
fn defaults_are_scanpys() {
    let config = VariableGenesConfig::default();
    assert_eq!((config.min_mean, config.max_mean, config.min_dispersion), (0.0125, 3.0, 0.5));
    assert_eq!((config.n_bins, config.span, config.n_top_genes), (20, 0.3, None));
    assert_eq!(config.flavor, VariableGenesFlavor::Seurat);
}

#[test]
fn what_cannot_be_chosen_from_is_refused() {
    let refused = |counts: &Counts, config: VariableGenesConfig, batches: Option<&Labels>| {
        highly_variable_genes(counts, &config, batches).unwrap_err().to_string()
    };
    let v3 = VariableGenesConfig { flavor: VariableGenesFlavor::SeuratV3, ..VariableGenesConfig::default() };
    let one = counts().select_rows(&[0]);
    assert!(refused(&one, v3.clone(), None).contains("1 cells"));
    let alone = Labels { names: vec!["a".into(), "b".into()], codes: vec![0; 89], control: None };
    assert!(refused(&counts(), v3.clone(), Some(&alone)).contains("89 batch labels for 90 cells"));
    let mut codes = vec![0; 90];
    codes[4] = 1;
    let alone = Labels { codes, ..alone };
    assert!(refused(&counts(), v3.clone(), Some(&alone)).contains("batch b has 1 cells"));
    // Every gene alike: no neighbourhood has a width.
    let flat = Counts::from_dense(&[[1.0, 0.0].repeat(20), [0.0, 1.0].repeat(20)].concat(), 40).unwrap();
    assert!(refused(&flat, v3.clone(), None).contains("make span larger"));
    let few = Counts::from_dense(&[1.0, 2.0, 3.0, 4.0], 2).unwrap();
    assert!(refused(&few, v3.clone(), None).contains("at least 4"));
    let negative = Counts::from_dense(&[-5.0, -2.0, 3.0, 4.0], 2).unwrap();
    assert!(refused(&negative, v3.clone(), None).contains("negative values in column 0"));
    let broken = Counts::from_dense(&[f32::NAN, 2.0, 3.0, 4.0], 2).unwrap();
    assert!(refused(&broken, v3.clone(), None).contains("NaN or infinite values in column 0"));
    assert!(
        refused(&few, VariableGenesConfig { n_top_genes: Some(0), ..v3.clone() }, None).contains("n_top_genes is 0")
    );
    assert!(refused(&few, VariableGenesConfig { span: 0.0, ..v3.clone() }, None).contains("span is 0"));
    assert!(refused(&few, VariableGenesConfig { n_bins: 0, ..v3 }, None).contains("n_bins is 0"));
}

#[test]
fn empty_batches_do_not_count_and_fractions_are_said() {
    let v3 = VariableGenesConfig {
        flavor: VariableGenesFlavor::SeuratV3,
        n_top_genes: Some(30),
        ..VariableGenesConfig::default()
    };
    let batches = batches();
    let mut with_empty = batches.clone();
    with_empty.names.insert(0, "empty".into());
    with_empty.codes.iter_mut().for_each(|code| *code += 1);
    let of = |batches: &Labels| highly_variable_genes(&counts(), &v3, Some(batches)).unwrap();
    assert_eq!(of(&with_empty), of(&batches));
    let warnings = highly_variable_genes(&logged(), &v3, None).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("raw counts")), "{warnings:?}");
    assert!(of(&batches).warnings.is_empty());
}
