//! The matrix and the numbers of `tests/golden/scanpy_prepare.json`, made by `tests/golden/scanpy_prepare.py`.

use std::sync::LazyLock;

use cells::counts::Counts;
use cells::data::Labels;
use cells::genes::GeneNames;
use cells::prepare::{log1p, normalize_total};
use serde_json::Value;

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../golden/scanpy_prepare.json")).unwrap());

/// One part of the golden file.
pub fn golden(key: &str) -> &'static Value {
    let part = &GOLDEN[key];
    assert!(!part.is_null(), "the golden file has no {key}");
    part
}

/// The numbers of a list, and those that JSON has no word for.
pub fn numbers(list: &Value) -> Vec<f64> {
    let number = |value: &Value| match value.as_str() {
        Some(word) => word.parse().unwrap(),
        None => value.as_f64().unwrap(),
    };
    list.as_array().unwrap_or_else(|| panic!("{list} is no list")).iter().map(number).collect()
}

/// The places in a list.
pub fn places(list: &Value) -> Vec<usize> {
    numbers(list).into_iter().map(|place| place as usize).collect()
}

pub fn counts() -> Counts {
    let dense: Vec<f32> = numbers(golden("counts")).into_iter().map(|count| count as f32).collect();
    Counts::from_dense(&dense, golden("n_genes").as_u64().unwrap() as usize).unwrap()
}

/// Scaled to 10,000 and logged.
pub fn logged() -> Counts {
    let mut counts = counts();
    normalize_total(&mut counts, Some(1e4), None).unwrap();
    log1p(&mut counts);
    counts
}

fn words(key: &str) -> Vec<String> {
    golden(key).as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

pub fn names() -> GeneNames {
    GeneNames { symbols: words("names"), ids: None }
}

pub fn batches() -> Labels {
    Labels::from_perturbations(&words("batch"), None)
}

/// A row of a matrix, dense.
pub fn dense_row(counts: &Counts, cell: usize) -> Vec<f64> {
    let mut dense = vec![0.0; counts.n_genes()];
    counts.add_row_to(cell, &mut dense);
    dense.into_iter().map(f64::from).collect()
}

/// Equal to `tolerance`, relative above 1 and absolute below; NaN and infinity are themselves.
pub fn close(what: &str, found: &[f64], golden: &[f64], tolerance: f64) {
    assert_eq!(found.len(), golden.len(), "{what}");
    for (at, (found, golden)) in found.iter().zip(golden).enumerate() {
        let is_same = found == golden || (found.is_nan() && golden.is_nan());
        let is_close = (found - golden).abs() <= tolerance * golden.abs().max(1.0);
        assert!(is_same || is_close, "{what}[{at}]: {found} is not {golden}");
    }
}

/// Equal to `tolerance`, relative: for what is never cancelled.
pub fn near(what: &str, found: &[f64], golden: &[f64], tolerance: f64) {
    assert_eq!(found.len(), golden.len(), "{what}");
    for (at, (found, golden)) in found.iter().zip(golden).enumerate() {
        let is_near = found == golden || (found - golden).abs() <= tolerance * golden.abs();
        assert!(is_near, "{what}[{at}]: {found} is not {golden}");
    }
}

/// Values as f64.
pub fn wide<T: Copy + Into<f64>>(values: &[T]) -> Vec<f64> {
    values.iter().map(|value| (*value).into()).collect()
}
