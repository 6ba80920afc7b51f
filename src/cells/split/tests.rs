//! Splits against GEARS' own code, NumPy and scikit-learn (`tests/golden/splits.json`, made by
//! `tests/golden/splits.py`) and the indices of the specification; files and what they are refused for.

use serde_json::{Value, json};
use spec::split::{GearsKind, GearsOptions, Members, Part, Split, SplitKind};

use super::file::{Named, from_csv, from_json, to_csv, to_json};
use super::legacy::LegacyRandom;
use super::{
    Condition, SplitError, by_column, conditions_of, fold, gears, leave_target_out, parts_of_cells, targets_of,
};
use crate::data::Labels;

fn golden() -> Value {
    serde_json::from_str(include_str!("../../../tests/golden/splits.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as u32).collect()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort_unstable();
    names
}

#[test]
fn draws_are_numpys() {
    for draw in golden()["draws"].as_array().unwrap() {
        let at = |key: &str| draw[key].as_u64().unwrap();
        let mut random = LegacyRandom::new(at("seed") as u32);
        assert_eq!(random.choose(at("n") as u32, at("k") as usize), numbers(&draw["without"]), "{draw}");
        assert_eq!(random.choose_with_replacement(at("n") as u32, at("k") as usize), numbers(&draw["with"]), "{draw}");
    }
}

/// Seed, genes, first indices of `choice(replace=False)` (spec §3.3 and `gears_choice.json`).
#[test]
fn draws_are_those_of_the_specification() {
    const DRAWS: [(u32, u32, &[u32]); 4] = [
        (1, 1087, &[875, 80, 535, 329, 244, 120, 430, 677, 919, 108, 980, 154]),
        (1, 815, &[354, 473, 372, 576, 8, 799, 579, 247, 265, 493, 765, 85]),
        (1, 10, &[2, 9, 6, 4, 0]),
        (2, 1087, &[273, 998, 596, 223, 464, 682, 645, 551, 68, 568, 700, 993]),
    ];
    for (seed, n, first) in DRAWS {
        assert_eq!(LegacyRandom::new(seed).choose(n, first.len()), first, "seed {seed}, {n} genes");
    }
}

/// The perturbations of a golden set: GEARS' control is a part of its names.
fn conditions(names: &[String]) -> Vec<Condition> {
    let condition = |name: &String| {
        let targets = name.split('+').filter(|part| *part != "ctrl").map(str::to_owned).collect();
        Condition { name: name.clone(), targets }
    };
    names.iter().filter(|name| *name != "ctrl").map(condition).collect()
}

fn of_part(members: &Members, wanted: Part) -> Vec<String> {
    let Members::Conditions { parts, .. } = members else { panic!("perturbations are parted") };
    sorted(parts.iter().filter(|(_, part)| *part == wanted).map(|(name, _)| name.clone()).collect())
}

#[test]
fn splits_are_those_of_gears() {
    let golden = golden();
    for expected in golden["splits"].as_array().unwrap() {
        let names = texts(&golden["sets"][expected["set"].as_str().unwrap()]);
        let mut options = serde_json::to_value(GearsOptions::default()).unwrap();
        options["seed"] = expected["seed"].clone();
        for (name, value) in expected["asked"].as_object().unwrap() {
            let name = match name.as_str() {
                "test_perts" | "test_pert_genes" => "held_out",
                "only_test_set_perts" => "only_held_out",
                name => name,
            };
            options[name] = value.clone();
        }
        let options: GearsOptions = serde_json::from_value(options).unwrap();
        let kind: GearsKind = serde_json::from_value(expected["kind"].clone()).unwrap();
        let found = gears(kind, &conditions(&names), Some("ctrl"), &options).unwrap();
        let context = format!("{kind:?} of {} with {options:?}", expected["set"]);
        assert_eq!(of_part(&found.members, Part::Val), sorted(texts(&expected["val"])), "validation, {context}");
        assert_eq!(of_part(&found.members, Part::Test), sorted(texts(&expected["test"])), "test, {context}");
        let Members::Conditions { parts, left_out, subgroups } = &found.members else { panic!("{context}") };
        assert_eq!(sorted(left_out.clone()), sorted(texts(&expected["left_out"])), "left out, {context}");
        assert_eq!(parts.len() + left_out.len(), names.len(), "{context}");
        let groups = expected["subgroups"].as_object().unwrap();
        assert_eq!(subgroups.len(), groups.len(), "{context}");
        for (name, group) in subgroups {
            assert_eq!(sorted(group.clone()), sorted(texts(&groups[name])), "{name}, {context}");
        }
    }
}

/// K562 essential of the specification: 1,087 genes are 733 to train, 82 for validation and 272 to test.
#[test]
fn a_thousand_genes_part_as_the_reference_counts_them() {
    let all: Vec<Condition> = (0..1087).map(|gene| Condition::named(&format!("GENE{gene:04}"))).collect();
    let split = gears(GearsKind::Simulation, &all, Some("ctrl"), &GearsOptions::default()).unwrap();
    let n = |part| of_part(&split.members, part).len();
    // The control is trained on.
    assert_eq!((n(Part::Train), n(Part::Val), n(Part::Test)), (733 + 1, 82, 272));
    assert!(!of_part(&split.members, Part::Test).contains(&"GENE0875".to_owned()), "the first gene drawn");
}

#[test]
fn what_gears_does_not_know_is_refused() {
    let named = |names: &[&str]| names.iter().map(|name| Condition::named(name)).collect::<Vec<_>>();
    let ask = |kind, names: &[&str], options: &GearsOptions| gears(kind, &named(names), Some("ctrl"), options);
    let usual = GearsOptions::default();
    let says = |error: SplitError, words: &str| assert!(error.to_string().contains(words), "{error}");
    says(ask(GearsKind::Simulation, &["A+B+C", "A"], &usual).unwrap_err(), "A+B+C has 3 targets");
    says(ask(GearsKind::SimulationSingle, &["A+B"], &usual).unwrap_err(), "at most 1");
    says(ask(GearsKind::Single, &["A", "A"], &usual).unwrap_err(), "A is named twice");
    says(ask(GearsKind::Single, &["A", "ctrl"], &usual).unwrap_err(), "it is the control");
    says(ask(GearsKind::Single, &["+"], &usual).unwrap_err(), "no target");
    for share in [f64::NAN, -0.1, 1.5] {
        let options = GearsOptions { test_size: share, ..usual.clone() };
        says(ask(GearsKind::Single, &["A"], &options).unwrap_err(), "test_size");
    }
    let held_out = |names: &[&str]| GearsOptions {
        held_out: names.iter().map(|name| (*name).to_owned()).collect(),
        ..usual.clone()
    };
    says(ask(GearsKind::Single, &["A", "B"], &held_out(&["C"])).unwrap_err(), "C is not among the targets: A, B");
    says(ask(GearsKind::ComboSeen2, &["A+B"], &held_out(&["A"])).unwrap_err(), "A is not among the perturbations: A+B");
    says(ask(GearsKind::NoTest, &["A+B"], &held_out(&["A+B"])).unwrap_err(), "hold nothing out");
    let all = ["A", "B", "C", "D"];
    says(ask(GearsKind::Simulation, &all, &held_out(&["A", "B", "C"])).unwrap_err(), "only_held_out");
    // Nothing to draw from is no reason to fail.
    for kind in [GearsKind::Simulation, GearsKind::Single, GearsKind::ComboSeen2, GearsKind::NoTest] {
        let split = ask(kind, &[], &usual).unwrap();
        assert_eq!(of_part(&split.members, Part::Train), ["ctrl"]);
    }
}

fn labels() -> Labels {
    let of_cells = ["STAT1", "control", "JAK2", "STAT1+JAK2", "NA", "STAT1", "control"].map(String::from);
    Labels::from_perturbations(&of_cells, Some("control"))
}

fn barcodes(n: usize) -> Vec<String> {
    (0..n).map(|cell| format!("cell{cell}")).collect()
}

#[test]
fn a_target_is_left_out_with_its_combinations() {
    let labels = labels();
    let conditions = conditions_of(&labels);
    let names: Vec<&str> = conditions.iter().map(|condition| condition.name.as_str()).collect();
    assert_eq!(names, ["STAT1", "JAK2", "STAT1+JAK2"], "in order of appearance, without control and unlabelled");
    assert_eq!(targets_of(&conditions), ["JAK2", "STAT1"]);
    let split = leave_target_out(&conditions, Some("control"), "STAT1").unwrap();
    let parts = parts_of_cells(&split, &barcodes(7), Some(&labels)).unwrap();
    let (train, test) = (Some(Part::Train), Some(Part::Test));
    assert_eq!(parts, [test, train, train, test, None, test, train]);
    let error = leave_target_out(&conditions, Some("control"), "MYC").unwrap_err().to_string();
    assert!(error.contains("MYC") && error.contains("JAK2, STAT1"), "{error}");
}

#[test]
fn cells_are_parted_by_a_column() {
    let values = ["a", "b", "a", "c"].map(String::from);
    let split = by_column(&barcodes(4), "batch", &values, "a").unwrap();
    let parts = parts_of_cells(&split, &barcodes(4), None).unwrap();
    let (train, test) = (Some(Part::Train), Some(Part::Test));
    assert_eq!(parts, [test, train, test, train]);
    let error = by_column(&barcodes(4), "batch", &values, "d").unwrap_err().to_string();
    assert!(error.contains("d is not among the values of batch: a, b, c"), "{error}");
    let error = by_column(&barcodes(3), "batch", &values, "a").unwrap_err().to_string();
    assert!(error.contains("4 values of the column for 3 cells"), "{error}");
    let error = by_column(&["x".into(), "x".into()], "batch", &values[..2], "a").unwrap_err().to_string();
    assert!(error.contains("x is named twice in the data"), "{error}");
}

#[test]
fn folds_are_scikit_learns() {
    for expected in golden()["folds"].as_array().unwrap() {
        let at = |key: &str| expected[key].as_u64().unwrap();
        let (n_cells, n_folds) = (at("n_cells") as usize, at("n_folds") as usize);
        for (number, cells) in expected["folds"].as_array().unwrap().iter().enumerate() {
            let split = fold(&barcodes(n_cells), n_folds, number, at("seed") as u32).unwrap();
            let parts = parts_of_cells(&split, &barcodes(n_cells), None).unwrap();
            let test: Vec<u32> = (0..n_cells as u32).filter(|&cell| parts[cell as usize] == Some(Part::Test)).collect();
            let mut wanted = numbers(cells);
            wanted.sort_unstable();
            assert_eq!(test, wanted, "fold {number} of {n_folds}");
        }
    }
    for (n_cells, n_folds, number) in [(10, 1, 0), (10, 3, 3), (2, 3, 0), (0, 0, 0)] {
        assert!(matches!(fold(&barcodes(n_cells), n_folds, number, 0), Err(SplitError::Folds { .. })));
    }
}

#[test]
fn files_give_back_what_was_written() {
    let conditions = conditions_of(&labels());
    let named = gears(GearsKind::SingleOnly, &conditions, Some("control"), &GearsOptions::default()).unwrap();
    let of_cells = fold(&barcodes(9), 3, 1, 4).unwrap();
    let quoted = Split {
        kind: SplitKind::Custom,
        members: Members::Conditions {
            parts: vec![("drug, \"new\"".into(), Part::Test), ("STAT1".into(), Part::Val)],
            left_out: vec!["MYC".into()],
            subgroups: Vec::new(),
        },
    };
    for split in [named, of_cells, quoted] {
        assert_eq!(from_json(to_json(&split).unwrap().as_bytes(), Named::Conditions).unwrap(), split);
        let read = from_csv(to_csv(&split).unwrap().as_bytes()).unwrap();
        assert_eq!(read.members, split.members, "a table says what is parted, not how");
    }
}

#[test]
fn lists_of_gears_are_read_with_its_names() {
    let lists = json!({ "train": ["ctrl", "JAK2+ctrl"], "val": ["STAT1+JAK2"], "test": ["ctrl+STAT1"] }).to_string();
    let split = from_json(lists.as_bytes(), Named::Conditions).unwrap();
    let parts = parts_of_cells(&split, &barcodes(7), Some(&labels())).unwrap();
    let (train, val, test) = (Some(Part::Train), Some(Part::Val), Some(Part::Test));
    assert_eq!(parts, [test, train, train, val, None, test, train]);
    let cells = json!({ "train": ["cell0"], "test": ["cell2"] }).to_string();
    let split = from_json(cells.as_bytes(), Named::Cells).unwrap();
    assert_eq!(parts_of_cells(&split, &barcodes(3), None).unwrap(), [train, None, test]);
}

#[test]
fn files_are_refused_with_the_line_and_the_reason() {
    let json = |text: &str| from_json(text.as_bytes(), Named::Conditions).unwrap_err().to_string();
    let csv = |text: &str| from_csv(text.as_bytes()).unwrap_err().to_string();
    let check = |error: String, words: &[&str]| {
        words.iter().for_each(|word| assert!(error.contains(word), "{error} does not say {word}"));
    };
    check(json("{\n\"train\": [\"A\",]\n}"), &["json line 2"]);
    check(json("{\"training\": [\"A\"]}"), &["training", "train"]);
    check(json("{\"train\": [\"A\"], \"train\": [\"B\"]}"), &["duplicate"]);
    check(json("{\"train\": [\"A\"], \"test\": [\"A\"]}"), &["A is named twice in the split"]);
    check(json("[]"), &["json"]);
    check(csv("perturbation,part\nA,train\nB,learn\n"), &["line 3", "learn is no part"]);
    check(csv("perturbation,part\nA,train\nA,test\n"), &["A is named twice"]);
    check(csv("perturbation,part\n,test\n"), &["line 2", "empty"]);
    check(csv("what,part\nA,train\n"), &["no column of names"]);
    check(csv("barcode,why\nA,train\n"), &["no column of parts"]);
    check(csv("perturbation,part\nA,train,more\n"), &["line 2"]);
}

#[test]
fn a_split_of_other_data_is_refused() {
    let labels = labels();
    let refused = |csv: &str| {
        let split = from_csv(csv.as_bytes()).unwrap();
        parts_of_cells(&split, &barcodes(7), Some(&labels)).unwrap_err().to_string()
    };
    let error = refused("perturbation,part\ncontrol,train\nSTAT1,test\nMYC,train\n");
    assert!(error.contains("1 perturbations that the data have not (MYC)"), "{error}");
    let error = refused("perturbation,part\ncontrol,train\nSTAT1,test\n");
    assert!(error.contains("2 perturbations of the data are in no part (JAK2, STAT1+JAK2)"), "{error}");
    let error = refused("perturbation,part\ncontrol,train\nctrl,test\nSTAT1,test\n");
    assert!(error.contains("ctrl is named twice"), "{error}");
    let error = refused("barcode,part\ncell9,test\n");
    assert!(error.contains("cells that the data have not (cell9)"), "{error}");
    let split = from_csv(b"perturbation,part\nSTAT1,test\n").unwrap();
    assert!(parts_of_cells(&split, &barcodes(7), None).is_err(), "perturbations without labels");
}
