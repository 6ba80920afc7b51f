//! Preparation against scanpy's numbers, and its edges. Here the first steps, on the few numbers of
//! `tests/golden/prepare.json` (made by `tests/golden/prepare.py`); the modules hold the others.

pub mod golden;
mod linear;
mod loess;
mod names;
mod permuted;
pub mod public_file;
mod quality;
mod scaled;
mod values;
mod variable;

use cells::counts::Counts;
use cells::genes::GeneNames;
use cells::prepare::{calculate_qc_metrics, log1p, normalize_total};

const CELLS: usize = 7;
const GENES: usize = 6;
const SIZES: [f64; CELLS] = [100.0, 250.0, 75.5, 10.0, 1000.0, 33.0, 60.0];

/// The matrix of `prepare.py`; cell 3 is empty.
fn counts() -> Counts {
    let value = |cell: usize, gene: usize| match cell {
        3 => 0,
        _ if (cell + 2 * gene).is_multiple_of(3) => 0,
        _ => (cell * cell * 5 + gene * 7) % 23 + 1,
    };
    let dense: Vec<f32> = (0..CELLS).flat_map(|cell| (0..GENES).map(move |gene| value(cell, gene) as f32)).collect();
    Counts::from_dense(&dense, GENES).unwrap()
}

fn golden(key: &str) -> Vec<f64> {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/prepare.json")).unwrap();
    // scanpy's percentage of an empty cell is NaN, which JSON has not; ours is 0.
    golden[key].as_array().unwrap().iter().map(|number| number.as_f64().unwrap_or(0.0)).collect()
}

fn dense(counts: &Counts) -> Vec<f32> {
    let mut dense = vec![0.0; counts.n_cells() * counts.n_genes()];
    for (cell, row) in dense.chunks_exact_mut(counts.n_genes()).enumerate() {
        counts.add_row_to(cell, row);
    }
    dense
}

/// Equal to a few roundings of f32.
fn check(key: &str, found: &[f32]) {
    let golden = golden(key);
    assert_eq!(found.len(), golden.len(), "{key}");
    for (at, (found, golden)) in found.iter().zip(&golden).enumerate() {
        let difference = (f64::from(*found) - golden).abs();
        assert!(difference <= 5e-7 * golden.abs(), "{key}[{at}]: {found} is not {golden}");
    }
}

#[test]
fn quality_is_scanpys() {
    let symbols = ["STAT1", "MT-CO1", "JAK2", "mt-Nd1", "MTOR", "GAPDH"].map(String::from).to_vec();
    let quality = calculate_qc_metrics(&counts(), &GeneNames { symbols, ids: None });
    check("total_counts", &quality.total_counts);
    check("n_genes_by_counts", &quality.n_genes_by_counts);
    check("pct_counts_mt", &quality.pct_counts_mt);
}

#[test]
fn normalisation_and_logarithm_are_scanpys() {
    for (key, target) in [("median", None), ("ten_thousand", Some(1e4))] {
        let mut cells = counts();
        let used = normalize_total(&mut cells, target, None).unwrap();
        assert!(target.is_none_or(|target| target == used));
        check(&format!("normalize_total_{key}"), &dense(&cells));
        log1p(&mut cells);
        check(&format!("log1p_{key}"), &dense(&cells));
    }
}

#[test]
fn given_library_sizes_replace_the_sums() {
    let mut cells = counts();
    normalize_total(&mut cells, Some(1e4), Some(&SIZES)).unwrap();
    check("by_library_size", &dense(&cells));
    // The median of an odd number of sizes is the middle one.
    let mut cells = counts();
    assert_eq!(normalize_total(&mut cells, None, Some(&SIZES)).unwrap(), 75.5);
}

#[test]
fn an_empty_cell_stays_empty_and_bad_sizes_are_refused() {
    let mut cells = counts();
    normalize_total(&mut cells, None, None).unwrap();
    assert!(cells.row(3).len() == 0);
    let refused = |target: Option<f64>, sizes: &[f64]| {
        normalize_total(&mut counts(), target, Some(sizes)).unwrap_err().to_string()
    };
    assert_eq!(refused(None, &SIZES[..3]), "3 library sizes for 7 cells; there must be one for each");
    assert_eq!(refused(Some(0.0), &SIZES), "target_sum is 0; it must be above 0");
    assert!(refused(None, &[f64::NAN; CELLS]).starts_with("the library size of cell 0 is NaN"));
    let mut none = Counts::from_dense(&[0.0; GENES], GENES).unwrap();
    assert_eq!(normalize_total(&mut none, None, None).unwrap(), 1.0);
}

#[test]
fn rows_and_columns_are_selected_in_order() {
    let cells = counts();
    let picked = cells.select_rows(&[5, 0, 5]);
    for (new, old) in [5, 0, 5].into_iter().enumerate() {
        assert!(picked.row(new).eq(cells.row(old)));
    }
    let moved = cells.select_columns(&[Some(4), None, Some(0), Some(4)]);
    for (row, old) in dense(&moved).chunks_exact(4).zip(dense(&cells).chunks_exact(GENES)) {
        assert_eq!(row, [old[4], 0.0, old[0], old[4]]);
    }
}
