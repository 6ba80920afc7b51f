//! Gene sets in a ranking, against gseapy and scipy: `tests/golden/enrichment.json`, made by `tests/golden/enrichment.py`.

use std::sync::LazyLock;

use atlas::enrichment::fisher::overlaps;
use atlas::enrichment::ranked::{RankedConfig, Work};
use atlas::enrichment::{Members, within};
use serde_json::Value;

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../golden/enrichment.json")).unwrap());

fn genes_of(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|gene| gene.as_str().unwrap().to_owned()).collect()
}

fn values() -> Vec<f64> {
    GOLDEN["values"].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

fn background() -> Vec<String> {
    (0..values().len()).map(|gene| format!("G{gene}")).collect()
}

fn golden_sets() -> (&'static [Value], Vec<Members>) {
    let sets = GOLDEN["sets"].as_array().unwrap();
    let genes: Vec<Vec<String>> = sets.iter().map(|set| genes_of(&set["genes"])).collect();
    (sets, within(&background(), genes.iter().map(Vec::as_slice), 1, usize::MAX))
}

#[test]
fn ranked_sets_have_gseapys_scores() {
    let (golden, sets) = golden_sets();
    let values = values();
    let mut work = Work::new(&values, &sets, RankedConfig { n_random: 20_000, seed: 0 });
    let mut n_done = 0;
    while let Some(done) = work.advance() {
        assert_eq!(done, n_done + 1);
        n_done = done;
    }
    let found = work.finish();
    assert_eq!(found.len(), golden.len());
    for (found, golden) in found.iter().zip(golden) {
        let name = golden["name"].as_str().unwrap();
        let number = |key: &str| golden[key].as_f64().unwrap();
        assert!((found.score - number("score")).abs() < 1e-9, "{name}: score {} of {}", found.score, number("score"));
        let mut leading: Vec<String> = found.leading.iter().map(|gene| format!("G{gene}")).collect();
        leading.sort();
        assert_eq!(leading, genes_of(&golden["leading"]), "{name}");
        // Two draws of 20,000 random sets: the mean of thousands of scores is known to 1 %, a share to .01.
        let normalised = number("normalised");
        assert!((found.normalised - normalised).abs() < 0.03 * normalised.abs(), "{name}: {}", found.normalised);
        assert!((found.p_value - number("p_value")).abs() < 0.015, "{name}: p {}", found.p_value);
        assert!(found.p_value > 0.0 && found.p_adjusted >= found.p_value, "{name}");
    }
}

#[test]
fn overlaps_have_scipys_p() {
    let (golden, sets) = golden_sets();
    let threshold = GOLDEN["threshold"].as_f64().unwrap();
    let changed: Vec<bool> = values().iter().map(|value| value.abs() > threshold).collect();
    for (found, golden) in overlaps(&changed, &sets).iter().zip(golden) {
        let name = golden["name"].as_str().unwrap();
        assert_eq!(found.changed.len() as u64, golden["n_changed"].as_u64().unwrap(), "{name}");
        // Logarithms of factorials of 120 are exact to 1e-13.
        let close = |found: f64, key: &str| (found - golden[key].as_f64().unwrap()).abs() < 1e-10;
        assert!(close(found.p_value, "fisher_p"), "{name}: p {}", found.p_value);
        assert!(close(found.p_adjusted, "fisher_p_adjusted"), "{name}: adjusted {}", found.p_adjusted);
    }
}

#[test]
fn a_ranking_the_other_way_round_has_the_same_scores_with_the_other_sign() {
    let (_, sets) = golden_sets();
    let scores = |values: &[f64]| {
        let mut work = Work::new(values, &sets, RankedConfig { n_random: 10, seed: 0 });
        while work.advance().is_some() {}
        work.finish().into_iter().map(|one| (one.score, one.leading)).collect::<Vec<_>>()
    };
    let turned: Vec<f64> = values().iter().map(|value| -value).collect();
    for (one, other) in scores(&values()).into_iter().zip(scores(&turned)) {
        assert!((one.0 + other.0).abs() < 1e-12, "{} and {}", one.0, other.0);
        assert_eq!(one.1, other.1);
    }
}

#[test]
fn what_says_nothing_scores_nothing() {
    let all = Members { set: 0, genes: (0..4).collect() };
    let some = Members { set: 1, genes: vec![1, 3] };
    let sets = [all, some];
    for values in [vec![0.0; 4], vec![f64::NAN; 4]] {
        let mut work = Work::new(&values, &sets, RankedConfig::default());
        while work.advance().is_some() {}
        for one in work.finish() {
            assert_eq!((one.score, one.p_value, one.leading.len()), (0.0, 1.0, 0));
        }
    }
    let none = overlaps(&[false; 4], &sets);
    assert!(none.iter().all(|one| one.p_value == 1.0 && one.fold.is_nan()));
    assert_eq!(overlaps(&[true; 4], &sets)[1].p_value, 1.0);
    assert_eq!(within(&background(), [["G1".to_owned(), "G1".to_owned(), "none".to_owned()].as_slice()], 2, 9), []);
}
