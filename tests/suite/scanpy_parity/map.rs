//! The 69 checks of the map: components, neighbours, markers. Their input is scanpy's own logged matrix, so that a
//! difference is that of the step itself.

use atlas::markers::columns::Columns;
use atlas::markers::{MarkerConfig, Markers, Reference, Test, markers};
use atlas::neighbours::links::connectivities;
use atlas::neighbours::{NeighbourConfig, neighbours};
use atlas::pca::pca;
use atlas::rows::Rows;

use super::{Passed, golden};
use crate::prepare::golden::{close, near, numbers, places, wide};

const N_COMPONENTS: usize = 10;
const GROUPS: [&str; 3] = ["ctrl", "A", "B"];
const CELLS_OF_GROUP: usize = 40;

/// scanpy's logged matrix: f32, as there.
fn logged() -> (usize, Vec<f64>) {
    (golden("n_genes").as_u64().unwrap() as usize, numbers(golden("log1p")))
}

pub fn check_components(passed: &mut Passed) {
    let (n_genes, values) = logged();
    let fill = |cell: usize, row: &mut [f64]| row.copy_from_slice(&values[cell * n_genes..][..n_genes]);
    let found = pca(values.len() / n_genes, n_genes, N_COMPONENTS, fill).unwrap();
    // The generator compares magnitudes to 1e-3; here the signs are held too. scanpy's solver stops at a tolerance of
    // its own, and its coordinates are f32.
    passed.check("pca.abs", &wide(&by_cell(&found.scores)), 1e-5);
    passed.check("pca.var", &found.variance, 1e-5);
    passed.check("pca.ratio", &found.variance_ratio, 1e-5);
}

fn by_cell(columns: &[Vec<f32>]) -> Vec<f32> {
    (0..columns[0].len()).flat_map(|cell| columns.iter().map(move |column| column[cell])).collect()
}

pub fn check_neighbours(passed: &mut Passed) {
    let components = numbers(golden("pca.abs")).into_iter().map(|value| value as f32).collect();
    let rows = Rows::new(components, N_COMPONENTS).unwrap();
    let found = neighbours(&rows, &NeighbourConfig::default()).unwrap();
    let n_others = |cell: usize| found.distances_of(cell).iter().filter(|&&distance| distance > 0.0).count() as f64;
    passed.check("neighbors.nnz", &(0..found.n_cells()).map(n_others).collect::<Vec<_>>(), 0.0);
    let (links, golden) = (connectivities(&found), golden("neighbors.connect"));
    assert_eq!(links.starts(), places(&golden["starts"]), "neighbors.connect");
    assert_eq!(wide(links.others()), numbers(&golden["columns"]), "neighbors.connect");
    near("neighbors.connect", &wide(links.weights()), &numbers(&golden["weights"]), 1e-5);
    passed.pass("neighbors.connect");
}

fn config_of(test: &str, reference: &str) -> MarkerConfig {
    let test = match test {
        "t-test" => Test::Welch,
        "t-test_overestim_var" => Test::WelchOverestimated,
        "wilcoxon" => Test::Wilcoxon { tie_correct: false },
        "wilcoxon_tie" => Test::Wilcoxon { tie_correct: true },
        other => panic!("there is no test {other}"),
    };
    let reference = if reference == "rest" { Reference::Rest } else { Reference::Group(0) };
    MarkerConfig { test, reference, rank_by_magnitude: true, ..MarkerConfig::default() }
}

pub fn check_markers(test: &str, reference: &str, passed: &mut Passed) {
    let (n_genes, values) = logged();
    let row = |cell: usize| {
        let value = move |(gene, value): (usize, &f64)| (gene as u32, *value as f32);
        values[cell * n_genes..][..n_genes].iter().enumerate().map(value).filter(|&(_, value)| value != 0.0)
    };
    let columns = Columns::from_rows(values.len() / n_genes, n_genes, row).unwrap();
    let groups: Vec<Option<usize>> = (0..columns.n_cells()).map(|cell| Some(cell / CELLS_OF_GROUP)).collect();
    let found = markers(columns, &groups, GROUPS.len(), &config_of(test, reference)).unwrap();
    assert_eq!(found.len(), if reference == "rest" { 3 } else { 2 }, "a reference has no markers");
    for found in found.iter().filter(|found| found.group > 0) {
        check_group(&format!("rgg.{test}.{reference}.{}", GROUPS[found.group]), found, passed);
    }
}

fn check_group(name: &str, found: &Markers, passed: &mut Passed) {
    passed.check(&format!("{name}.score"), &found.scores, 1e-6);
    near(name, &found.p_values, &numbers(golden(&format!("{name}.p"))), 1e-7);
    passed.check_relative(&format!("{name}.padj"), &found.p_adjusted, 1e-7);
    passed.check(&format!("{name}.lfc"), &found.log_fold_changes, 1e-6);
    // Where scores are equal scanpy's order is that of its sort; the scores have to be in the same order.
    let magnitudes = |order: &[usize]| order.iter().map(|&gene| found.scores[gene].abs()).collect::<Vec<f64>>();
    let theirs = places(golden(&format!("{name}.order")));
    close(&format!("{name}.order"), &magnitudes(&found.order), &magnitudes(&theirs), 1e-6);
    assert!(magnitudes(&found.order).is_sorted_by(|a, b| a >= b), "{name}.order");
    passed.pass(&format!("{name}.order"));
}
