//! The 92 checks of the specification's generator (spec §6), by its names: ours against what scanpy 1.11.5 makes of the
//! same matrix, `tests/golden/scanpy_parity.json`, made by `tests/golden/scanpy_parity.py`. 23 are of preparation
//! (other matrices and more options are in `prepare`), 69 of the map. A test counts them.

mod map;
mod steps;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

use crate::prepare::golden::{close, near, numbers};

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../golden/scanpy_parity.json")).unwrap());

/// scanpy's side of one check, or an input.
fn golden(key: &str) -> &'static Value {
    let part = &GOLDEN[key];
    assert!(!part.is_null(), "the golden file has no {key}");
    part
}

/// The checks that have passed, each once.
#[derive(Default)]
struct Passed(BTreeSet<String>);

impl Passed {
    fn check(&mut self, name: &str, found: &[f64], tolerance: f64) {
        close(name, found, &numbers(golden(name)), tolerance);
        self.pass(name);
    }

    /// For p-values: however small, they have to be right by themselves.
    fn check_relative(&mut self, name: &str, found: &[f64], tolerance: f64) {
        near(name, found, &numbers(golden(name)), tolerance);
        self.pass(name);
    }

    fn pass(&mut self, name: &str) {
        assert!(self.0.insert(name.to_owned()), "{name} is counted once");
    }
}

#[test]
fn all_92_checks_of_the_specification_are_scanpys() {
    let mut prepared = Passed::default();
    steps::check(&mut prepared);
    assert_eq!(prepared.0.len(), 23, "{:?}", prepared.0);
    let mut mapped = Passed::default();
    map::check_components(&mut mapped);
    map::check_neighbours(&mut mapped);
    assert_eq!(mapped.0.len(), 5, "{:?}", mapped.0);
    for test in ["t-test", "t-test_overestim_var", "wilcoxon", "wilcoxon_tie"] {
        for reference in ["ctrl", "rest"] {
            map::check_markers(test, reference, &mut mapped);
        }
    }
    assert_eq!(mapped.0.len(), 69, "{:?}", mapped.0);
    let all: BTreeSet<String> = prepared.0.into_iter().chain(mapped.0).collect();
    assert_eq!(all.len(), 92);
    // Nothing that scanpy's side holds is left unchecked: 92 checks, p-values before correction, and the inputs.
    let inputs = ["versions", "every", "n_genes", "counts"];
    for key in GOLDEN.as_object().unwrap().keys() {
        assert!(all.contains(key) || inputs.contains(&key.as_str()) || key.ends_with(".p"), "{key} is not checked");
    }
}
