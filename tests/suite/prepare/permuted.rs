//! Properties: the order of cells and of genes does not matter, to rounding of sums; and no matrix makes a step panic.

use cells::counts::Counts;
use cells::data::Labels;
use cells::genes::GeneNames;
use cells::prepare::variable::{Variability, VariableGenes};
use cells::prepare::{
    Scaled, filter_genes, highly_variable_genes, log1p, normalize_total, qc_metrics, read_values, suggest_filter,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use spec::prepare::{GeneFilter, OutlierConfig, QcConfig, ScaleConfig, VariableGenesConfig, VariableGenesFlavor};
use spec::reading::ReadingConfig;

use super::golden::close;

const FLAVORS: [VariableGenesFlavor; 4] = [
    VariableGenesFlavor::Seurat,
    VariableGenesFlavor::CellRanger,
    VariableGenesFlavor::SeuratV3,
    VariableGenesFlavor::SeuratV3Paper,
];

fn values(counts: &Counts, flavor: VariableGenesFlavor) -> Counts {
    let mut values = counts.clone();
    if !super::variable::wants_counts(flavor) {
        normalize_total(&mut values, Some(1e4), None).unwrap();
        log1p(&mut values);
    }
    values
}

fn scores(found: &VariableGenes) -> &[f64] {
    match &found.variability {
        Variability::Dispersion { dispersions_norm, .. } => dispersions_norm,
        Variability::Variance { variances_norm, .. } => variances_norm,
    }
}

fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.shuffle(&mut rand_chacha::ChaCha8Rng::seed_from_u64(seed));
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn order_of_cells_and_genes_does_not_matter(
        draws in proptest::collection::vec((0u32..40, 0u32..60), 40 * 60..40 * 60 + 1),
        seed in any::<u64>(),
        flavor in 0usize..4,
        has_batches in any::<bool>(),
    ) {
        // Genes of rising mean, so that there is something to fit; every value is drawn anew.
        let dense: Vec<f32> =
            draws.iter().enumerate().map(|(at, (a, b))| if b % 60 < (at % 60) as u32 { (a + 1) as f32 } else { 0.0 }).collect();
        let counts = Counts::from_dense(&dense, 60).unwrap();
        let flavor = FLAVORS[flavor];
        let labels = Labels {
            names: vec!["a".into(), "b".into()],
            codes: (0..40).map(|cell| cell % 2).collect(),
            control: None,
        };
        let config = VariableGenesConfig { flavor, n_top_genes: Some(12), ..VariableGenesConfig::default() };
        let of = |counts: &Counts, labels: &Labels| {
            highly_variable_genes(&values(counts, flavor), &config, has_batches.then_some(labels)).unwrap()
        };
        let here = of(&counts, &labels);
        let cells = shuffled(40, seed);
        let moved = of(&counts.select_rows(&cells), &labels.select(&cells));
        close("cells moved: scores", scores(&moved), scores(&here), 1e-9);
        if super::variable::wants_counts(flavor) {
            // Sums of counts are exact.
            prop_assert_eq!(&moved, &here);
        } else {
            prop_assert_eq!(moved.indices(), here.indices());
        }
        let genes = shuffled(60, seed ^ 1);
        let columns: Vec<Option<u32>> = genes.iter().map(|gene| Some(*gene as u32)).collect();
        let moved = of(&counts.select_columns(&columns), &labels);
        let back: Vec<f64> = genes.iter().map(|gene| scores(&here)[*gene]).collect();
        close("genes moved: scores", scores(&moved), &back, 1e-9);
    }

    #[test]
    fn any_matrix_is_prepared_or_refused(
        values in proptest::collection::vec(
            prop_oneof![Just(0.0f32), Just(1.0f32), any::<f32>(), -3.0f32..9.0, Just(f32::NAN)], 0..300),
        n_genes in 1usize..40,
        names in proptest::collection::vec("[A-Za-z-]{0,6}", 40),
        n_batches in 0u32..4,
    ) {
        let n_cells = values.len() / n_genes;
        let counts = Counts::from_dense(&values[..n_cells * n_genes], n_genes).unwrap();
        let genes = GeneNames { symbols: names[..n_genes].to_vec(), ids: None };
        let reading = read_values(&counts, &ReadingConfig { max_cells: 5 });
        prop_assert!(reading.evidence.iter().all(|evidence| !evidence.sentence().is_empty()));
        let quality = qc_metrics(&counts, &genes, &QcConfig::default());
        let suggested = suggest_filter(&quality.cells.quality(), &OutlierConfig::default());
        prop_assert!(suggested.n_removed <= n_cells);
        prop_assert_eq!(filter_genes(&counts, &GeneFilter::default()).n_removed(), 0);
        let labels = Labels {
            names: (0..n_batches).map(|batch| batch.to_string()).collect(),
            codes: (0..n_cells as u32).map(|cell| cell % n_batches.max(1)).collect(),
            control: None,
        };
        for flavor in FLAVORS {
            let config = VariableGenesConfig { flavor, n_top_genes: Some(3), ..VariableGenesConfig::default() };
            if let Ok(found) = highly_variable_genes(&counts, &config, (n_batches > 0).then_some(&labels)) {
                prop_assert_eq!(found.is_variable.len(), n_genes);
            }
        }
        let chosen: Vec<u32> = (0..n_genes as u32).rev().collect();
        if let Ok(scaled) = Scaled::fit(&counts, &chosen, ScaleConfig { max_value: Some(2.0), ..ScaleConfig::default() }) {
            prop_assert!(scaled.dense(&counts).iter().all(|value| value.abs() <= 2.0));
        }
    }
}
