//! Whatever was done to counts before, preparation ends with the same numbers, or says that it cannot.

use cells::check::NotCounts;
use cells::counts::Counts;
use cells::data::CellData;
use cells::genes::GeneNames;
use cells::prepare::{Linear, log1p, normalize_total, to_linear};
use spec::dataset::CellUnit;
use spec::reading::ValueScale;

use super::golden::counts;

const E: f64 = std::f64::consts::E;

fn data(counts: Counts) -> CellData {
    let names = |what: &str, n: usize| (0..n).map(|at| format!("{what}{at}")).collect::<Vec<String>>();
    CellData {
        genes: GeneNames { symbols: names("gene", counts.n_genes()), ids: None },
        barcodes: names("cell", counts.n_cells()),
        counts,
        perturbations: None,
        totals: None,
        library_sizes: None,
        unit: CellUnit::Cell,
        cell_weights: None,
        warnings: Vec::new(),
    }
}

/// As a session prepares: brought back, scaled to 5,000 where that may be, logged.
fn prepared(counts: Counts, wanted: Option<ValueScale>) -> Result<(Counts, Linear), NotCounts> {
    let mut data = data(counts);
    let linear = to_linear(&mut data, &[], None, wanted)?;
    if linear.may_scale {
        normalize_total(&mut data.counts, Some(5e3), None).expect("sums above 0");
    }
    log1p(&mut data.counts);
    Ok((data.counts, linear))
}

fn scaled(target_sum: f64) -> Counts {
    let mut scaled = counts();
    normalize_total(&mut scaled, Some(target_sum), None).expect("sums above 0");
    scaled
}

fn logged(mut of: Counts, base: f64) -> Counts {
    of.map_values(|value| (f64::from(value).ln_1p() / base.ln()) as f32);
    of
}

#[test]
fn whatever_was_done_to_counts_the_same_comes_out() {
    let (expected, linear) = prepared(counts(), None).expect("counts");
    assert!(linear.warnings.is_empty() && linear.reading.expect("looked at").scale == ValueScale::Counts);
    let dresses = [
        ("scaled", scaled(1e4)),
        ("log1p", logged(scaled(1e4), E)),
        ("log2", logged(scaled(1e6), 2.0)),
        ("log10", logged(scaled(1e4), 10.0)),
        ("log1p of counts", logged(counts(), E)),
    ];
    for (name, dress) in dresses {
        let (found, linear) = prepared(dress, None).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(linear.may_scale && linear.warnings.len() == 1, "{name}: {:?}", linear.warnings);
        for (cell, (found, expected)) in found.rows().zip(expected.rows()).enumerate() {
            for (found, expected) in found.zip(expected) {
                // f32 of a logarithm, raised and logged again: the error of the first is multiplied by ln(10,000).
                let is_close = found.0 == expected.0 && (found.1 - expected.1).abs() <= 1e-5 * expected.1.max(1.0);
                assert!(is_close, "{name}, cell {cell}: {found:?} is not {expected:?}");
            }
        }
    }
}

#[test]
fn values_without_all_genes_are_used_as_they_are() {
    let some: Vec<Option<u32>> = (0..40).map(Some).collect();
    let dress = logged(scaled(1e4), E).select_columns(&some);
    let (found, linear) = prepared(dress.clone(), None).expect("log1p");
    assert!(!linear.may_scale && linear.warnings[0].contains("taken out"), "{:?}", linear.warnings);
    for (found, expected) in found.values().zip(dress.values()) {
        assert!((found - expected).abs() <= 1e-5 * expected.max(1.0), "{found} is not {expected}");
    }
}

#[test]
fn what_cannot_be_brought_back_is_refused_and_what_is_said_wrongly_too() {
    let mut centred = counts();
    centred.map_values(|value| value - 3.5);
    let said = |counts: Counts, wanted| prepared(counts, wanted).expect_err("refused").to_string();
    assert!(said(centred.clone(), None).contains("negative"));
    assert!(said(centred, Some(ValueScale::Logged { base: E })).contains("negative"));
    assert!(said(logged(scaled(1e4), E), Some(ValueScale::Counts)).contains("fraction"));
}
