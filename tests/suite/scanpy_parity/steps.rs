//! The 23 checks of preparation.

use cells::counts::Counts;
use cells::genes::GeneNames;
use cells::prepare::variable::Variability;
use cells::prepare::{Scaled, highly_variable_genes, log1p, normalize_total, qc_metrics};
use spec::prepare::{QcConfig, ScaleConfig, Species, VariableGenesConfig, VariableGenesFlavor};

use super::{Passed, golden};
use crate::prepare::golden::{dense_row, numbers, places, wide};

fn n_genes() -> usize {
    golden("n_genes").as_u64().unwrap() as usize
}

fn counts() -> Counts {
    let dense: Vec<f32> = numbers(golden("counts")).into_iter().map(|count| count as f32).collect();
    Counts::from_dense(&dense, n_genes()).unwrap()
}

/// The cells that the golden file keeps of a long matrix.
fn some_rows(counts: &Counts) -> Vec<f64> {
    let every = golden("every").as_u64().unwrap() as usize;
    (0..counts.n_cells()).step_by(every).flat_map(|cell| dense_row(counts, cell)).collect()
}

pub fn check(passed: &mut Passed) {
    let counts = counts();
    check_quality(&counts, passed);
    let mut scaled = counts.clone();
    normalize_total(&mut scaled, Some(1e4), None).unwrap();
    passed.check("norm.1e4", &some_rows(&scaled), 1e-6);
    let mut logged = counts.clone();
    normalize_total(&mut logged, None, None).unwrap();
    passed.check("norm.median", &some_rows(&logged), 1e-6);
    log1p(&mut logged);
    let all: Vec<f64> = (0..logged.n_cells()).flat_map(|cell| dense_row(&logged, cell)).collect();
    passed.check("log1p", &all, 1e-6);
    for (name, flavor) in [("seurat", VariableGenesFlavor::Seurat), ("cell_ranger", VariableGenesFlavor::CellRanger)] {
        for (top, n_top_genes) in [("20", Some(20)), ("None", None)] {
            let config = VariableGenesConfig { flavor, n_top_genes, ..VariableGenesConfig::default() };
            check_variable(&format!("hvg.{name}.{top}"), &logged, &config, passed);
        }
    }
    let v3 = VariableGenesFlavor::SeuratV3;
    let config = VariableGenesConfig { flavor: v3, n_top_genes: Some(20), ..VariableGenesConfig::default() };
    check_variable("hvg.v3", &counts, &config, passed);
    check_scale(&logged, passed);
}

fn check_quality(counts: &Counts, passed: &mut Passed) {
    let name = |gene: usize| if gene < 4 { format!("MT-{gene}") } else { format!("G{gene}") };
    let genes = GeneNames { symbols: (0..n_genes()).map(name).collect(), ids: None };
    let config = QcConfig { percent_top: vec![20, 50], species: Some(Species::Human) };
    let found = qc_metrics(counts, &genes, &config);
    passed.check("qc.n_genes", &wide(&found.cells.n_genes_by_counts), 0.0);
    passed.check("qc.total", &found.cells.total_counts, 0.0);
    let (top, percent) = &found.cells.pct_counts_in_top[0];
    assert_eq!(*top, 20);
    passed.check("qc.pct_top20", &wide(percent), 1e-6);
    let mitochondrial = found.cells.sets.iter().find(|set| set.set.name() == "mt").unwrap();
    passed.check("qc.pct_mt", &wide(&mitochondrial.pct_counts), 1e-6);
    passed.check("qc.dropout", &wide(&found.genes.pct_dropout_by_counts), 1e-6);
}

fn check_variable(name: &str, values: &Counts, config: &VariableGenesConfig, passed: &mut Passed) {
    let found = highly_variable_genes(values, config, None).unwrap();
    match &found.variability {
        Variability::Dispersion { dispersions_norm, .. } => {
            passed.check(&format!("{name}.means"), &found.means, 1e-5);
            passed.check(&format!("{name}.dispnorm"), dispersions_norm, 1e-5);
        }
        Variability::Variance { variances_norm, .. } => {
            passed.check(&format!("{name}.varnorm"), variances_norm, 1e-5);
        }
    }
    let chosen: Vec<usize> = found.indices().into_iter().map(|gene| gene as usize).collect();
    assert_eq!(chosen, places(golden(&format!("{name}.sel"))), "{name}.sel");
    passed.pass(&format!("{name}.sel"));
}

fn check_scale(logged: &Counts, passed: &mut Passed) {
    let genes: Vec<u32> = (0..n_genes() as u32).collect();
    let config = ScaleConfig { max_value: Some(2.0), ..ScaleConfig::default() };
    let scaled = Scaled::fit(logged, &genes, config).unwrap();
    let every = golden("every").as_u64().unwrap() as usize;
    let mut rows = Vec::new();
    for cell in (0..logged.n_cells()).step_by(every) {
        let mut row = vec![0.0f64; n_genes()];
        scaled.write_row(logged, cell, &mut row);
        rows.extend(row);
    }
    passed.check("scale", &rows, 1e-5);
}
