//! Markers: the far tails against scipy, a public file against scanpy, and edges.

use atlas::markers::columns::Columns;
use atlas::markers::{MarkerConfig, MarkerError, Reference, Test, markers, welch, wilcoxon};
use cells::prepare::log1p;

use super::golden;
use crate::prepare::golden::{close, near, numbers, places};
use crate::prepare::public_file;

const TESTS: [Test; 4] = [
    Test::Welch,
    Test::WelchOverestimated,
    Test::Wilcoxon { tie_correct: false },
    Test::Wilcoxon { tie_correct: true },
];

#[test]
fn tails_are_scipys_as_far_as_numbers_go() {
    let of = &golden("tails");
    let pairs = of["t"].as_array().unwrap().iter().map(numbers);
    let found: Vec<f64> = pairs.map(|pair| welch::two_sided(pair[0], pair[1])).collect();
    // scipy's own last digits are fewer for many degrees of freedom.
    near("t", &found, &numbers(&of["t_p"]), 1e-7);
    assert!(found.iter().any(|&p| p > 0.0 && p < 1e-295), "the tail is far: {found:?}");
    let found: Vec<f64> = numbers(&of["z"]).into_iter().map(wilcoxon::two_sided).collect();
    near("z", &found, &numbers(&of["z_p"]), 1e-10);
    assert!(found.last().is_some_and(|&p| p > 0.0 && p < 1e-300), "{found:?}");
}

#[test]
fn markers_of_a_public_file_are_scanpys() {
    let of = golden("kang");
    let name = "cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad";
    let Some(data) = public_file::read(name, "X", of["column"].as_str()) else { return };
    let labels = data.perturbations.as_ref().unwrap();
    let names: Vec<&str> = of["groups"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    // Ours order and shorten names in another way; the first group is the same.
    assert_eq!((labels.names.len(), labels.names[0].as_str()), (names.len(), names[0]));
    let groups: Vec<Option<usize>> = labels.codes.iter().map(|&code| Some(code as usize)).collect();
    let mut logged = data.counts.clone();
    log1p(&mut logged);
    let columns = Columns::from_rows(logged.n_cells(), logged.n_genes(), |cell| logged.row(cell)).unwrap();
    let every = of["every"].as_u64().unwrap() as usize;
    for case in of["found"].as_array().unwrap() {
        let test = match case["test"].as_str().unwrap() {
            "t-test" => Test::Welch,
            test => Test::Wilcoxon { tie_correct: test.ends_with("tie") },
        };
        let config = MarkerConfig { test, ..MarkerConfig::default() };
        let found = &markers(columns.clone(), &groups, names.len(), &config).unwrap()[0];
        let some = |values: &[f64]| values.iter().copied().step_by(every).collect::<Vec<f64>>();
        assert_eq!(found.order[..20], places(&case["first"]), "{test:?}");
        close("scores", &some(&found.scores), &numbers(&case["scores"]), 1e-5);
        // A score of 37 that differs by 1e-8 of itself changes its p by 1e-5 of that.
        near("p", &some(&found.p_values), &numbers(&case["p"]), 1e-5);
        near("adjusted p", &some(&found.p_adjusted), &numbers(&case["p_adjusted"]), 1e-5);
        close("fold changes", &some(&found.log_fold_changes), &numbers(&case["log_fold_changes"]), 1e-5);
        let least = found.p_values.iter().copied().fold(1.0, f64::min);
        // scipy says 0 where a number is below what f64 holds at full precision.
        let least = if least < f64::MIN_POSITIVE { 0.0 } else { least };
        near("least p", &[least], &[case["least_p"].as_f64().unwrap()], 1e-5);
    }
}

/// Five cells by four genes: without counts, constant, equal within the groups, ordinary.
fn small() -> Columns<'static> {
    let rows =
        [[0.0, 2.1, 1.0, 0.5], [0.0, 2.1, 1.0, 0.0], [0.0, 2.1, 3.0, 2.0], [0.0, 2.1, 3.0, 1.5], [0.0, 2.1, 3.0, 0.0]];
    let row = |cell: usize| {
        let row: [f32; 4] = rows[cell];
        row.into_iter().enumerate().map(|(gene, value)| (gene as u32, value))
    };
    Columns::from_rows(5, 4, row).unwrap()
}

#[test]
fn genes_that_do_not_vary_say_nothing() {
    let groups = [Some(0), Some(0), Some(1), Some(1), Some(1)];
    for test in TESTS {
        for reference in [Reference::Rest, Reference::Group(0)] {
            let config = MarkerConfig { test, reference, ..MarkerConfig::default() };
            let found = markers(small(), &groups, 2, &config).unwrap();
            let found = found.last().unwrap();
            assert_eq!(found.group, 1);
            assert_eq!(found.scores[..2], [0.0, 0.0], "{test:?}");
            assert_eq!(found.p_values[..2], [1.0, 1.0], "{test:?}");
            assert_eq!(found.log_fold_changes[..2], [0.0, 0.0], "{test:?}");
            assert!(found.scores[2] > 0.0 && found.order[0] == 2, "{test:?}: {found:?}");
            let infinite = matches!(test, Test::Welch | Test::WelchOverestimated);
            assert_eq!(found.scores[2].is_infinite(), infinite, "equal within both groups: {test:?}");
            assert!(
                found.p_adjusted.iter().zip(&found.p_values).all(|(adjusted, p)| adjusted >= p && *adjusted <= 1.0)
            );
            assert_eq!(
                (&found.fraction[..], &found.fraction_rest[..]),
                (&[0.0, 1.0, 1.0, 2.0 / 3.0][..], &[0.0, 1.0, 1.0, 0.5][..])
            );
        }
    }
}

#[test]
fn cells_of_no_group_are_part_of_the_rest_alone() {
    let groups = [Some(0), Some(0), Some(1), Some(1), None];
    let config = MarkerConfig::default();
    let found = markers(small(), &groups, 2, &config).unwrap();
    assert_eq!(found[0].fraction_rest[3], 2.0 / 3.0);
    let config = MarkerConfig { reference: Reference::Group(1), ..config };
    assert_eq!(markers(small(), &groups, 2, &config).unwrap()[0].fraction_rest[3], 1.0);
}

#[test]
fn groups_that_cannot_be_compared_are_named() {
    let refused = |groups: &[Option<usize>], n_groups, config: &MarkerConfig| {
        markers(small(), groups, n_groups, config).unwrap_err()
    };
    let config = MarkerConfig::default();
    let one = [Some(0); 5];
    assert_eq!(refused(&one, 1, &config), MarkerError::TooFewOthers { group: 0, n_cells: 0 });
    let single = [Some(0), Some(1), Some(1), Some(1), Some(1)];
    assert_eq!(refused(&single, 2, &config), MarkerError::TooFewCells { group: 0, n_cells: 1 });
    assert_eq!(refused(&single, 3, &config), MarkerError::TooFewCells { group: 0, n_cells: 1 });
    assert_eq!(refused(&single, usize::MAX, &config), MarkerError::TooFewCells { group: 2, n_cells: 0 });
    assert_eq!(refused(&single, 1, &config), MarkerError::NoSuchGroup { group: 1, n_groups: 1 });
    assert_eq!(refused(&single[1..], 2, &config), MarkerError::Length { n_labels: 4, n_cells: 5 });
    let reference = MarkerConfig { reference: Reference::Group(7), ..config.clone() };
    assert_eq!(refused(&one, 1, &reference), MarkerError::NoSuchGroup { group: 7, n_groups: 1 });
    for base in [0.0, 1.0, -2.0, f64::NAN] {
        let config = MarkerConfig { log_base: base, ..config.clone() };
        assert!(refused(&one, 1, &config).to_string().contains("to the base"));
    }
    // No cells and no groups: nothing to say, and nothing wrong.
    let none = Columns::new(0, &[0, 0], &[], &[]).unwrap();
    assert_eq!(markers(none, &[], 0, &config), Ok(vec![]));
}
