//! The small screen of tests/golden/metrics.json (by metrics.py beside it), and how its numbers are compared.
//!
//! Cells are multiples of 1/16 in groups of a power of two, so means are exact in f32 and what is left is the order of
//! f64 sums: 1e-9 of the larger of the value and 1. The golden itself has 12 digits.

use jepa::eval::pairs::Score;
use serde_json::Value;

/// What f64 sums in another order, and 12 written digits, may differ by.
pub const TOLERANCE: f64 = 1e-9;

/// The screen, and everything the references say of it.
pub struct Screen {
    pub said: Value,
    pub control: Vec<Vec<f32>>,
    pub measured: Vec<Vec<Vec<f32>>>,
    pub predicted: Vec<Vec<Vec<f32>>>,
}

impl Screen {
    pub fn read() -> Self {
        let said: Value = serde_json::from_str(include_str!("../../golden/metrics.json")).expect("the golden is JSON");
        let cells = |value: &Value| -> Vec<Vec<f32>> {
            let rows = value.as_array().expect("rows");
            rows.iter().map(|row| numbers(row).into_iter().map(|v| (v / 16.0) as f32).collect()).collect()
        };
        let groups = |name: &str| said[name].as_array().expect("groups").iter().map(cells).collect();
        Self {
            control: cells(&said["control"]),
            measured: groups("measured"),
            predicted: groups("predicted"),
            said: said.clone(),
        }
    }

    pub fn control_mean(&self) -> Vec<f32> {
        mean_of(&self.control)
    }

    pub fn measured_means(&self) -> Vec<Vec<f32>> {
        self.measured.iter().map(|cells| mean_of(cells)).collect()
    }

    pub fn predicted_means(&self) -> Vec<Vec<f32>> {
        self.predicted.iter().map(|cells| mean_of(cells)).collect()
    }

    /// GEARS' ranking of the genes, per perturbation.
    pub fn rankings(&self) -> Vec<Vec<usize>> {
        let rankings = self.said["gears"]["ranking"].as_array().expect("rankings");
        rankings.iter().map(|ranking| numbers(ranking).into_iter().map(|gene| gene as usize).collect()).collect()
    }
}

/// Rows as slices.
pub fn rows(cells: &[Vec<f32>]) -> Vec<&[f32]> {
    cells.iter().map(Vec::as_slice).collect()
}

pub fn mean_of(cells: &[Vec<f32>]) -> Vec<f32> {
    (0..cells[0].len())
        .map(|gene| (cells.iter().map(|cell| f64::from(cell[gene])).sum::<f64>() / cells.len() as f64) as f32)
        .collect()
}

/// Numbers of a JSON list; null is NaN, and infinities are written out.
pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(number).collect()
}

pub fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        _ => value.as_f64().unwrap_or(f64::NAN),
    }
}

/// Whether a number is the expected one; an expected NaN wants no number.
pub fn check(what: &str, found: Score, expected: f64) {
    check_within(what, found, expected, TOLERANCE);
}

pub fn check_within(what: &str, found: Score, expected: f64, tolerance: f64) {
    match found {
        Ok(found) if expected.is_infinite() => assert_eq!(found, expected, "{what}"),
        Ok(found) => assert!(
            (found - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{what}: {found} where the reference says {expected}"
        ),
        Err(reason) => assert!(expected.is_nan(), "{what}: {} where the reference says {expected}", reason.label()),
    }
}

/// The same for a list.
pub fn check_all(what: &str, found: &[Score], expected: &Value) {
    let expected = numbers(expected);
    assert_eq!(found.len(), expected.len(), "{what}: a number for each");
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        check(&format!("{what} [{index}]"), *found, expected);
    }
}
