//! What the parts of a split share, and so what a score on the test does not show.
//!
//! Counts are looked at once, row by row; what is kept is a few numbers per cell. Equal profiles are found by a hash of
//! 64 bits and then compared value by value, so that a finding is never chance of the hash.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use spec::split::{Finding, FindingKind, GearsKind, Leakage, Part, Severity, SplitKind};

use crate::counts::Counts;
use crate::data::{Labels, UNLABELLED};
use crate::split::{Condition, SplitError, check_length};

/// Examples of each finding.
const MAX_EXAMPLES: usize = 5;
/// Genes that a profile must have for its equal to mean anything: two cells with three counts each are often the same.
const MIN_GENES: usize = 10;

/// What is looked at. All columns have one entry a cell, in the same order.
#[derive(Debug, Clone, Copy)]
pub struct Parted<'a> {
    /// How the split was made: it says what the test promises.
    pub kind: &'a SplitKind,
    /// The part of each cell; none where it is in none.
    pub parts: &'a [Option<Part>],
    /// Names of the cells.
    pub barcodes: &'a [String],
    /// Perturbation of each cell.
    pub labels: Option<&'a Labels>,
    /// Guide of each cell, as the file writes it; empty where it has none.
    pub guides: Option<&'a [String]>,
    /// Counts of the cells.
    pub counts: Option<&'a Counts>,
}

/// Looks for all of it.
///
/// # Errors
/// Where the columns have not the same length.
pub fn check(cells: &Parted<'_>) -> Result<Leakage, SplitError> {
    let n_cells = cells.parts.len();
    check_length("barcodes", cells.barcodes.len(), n_cells)?;
    cells.labels.map_or(Ok(()), |labels| check_length("labels", labels.codes.len(), n_cells))?;
    cells.guides.map_or(Ok(()), |guides| check_length("guides", guides.len(), n_cells))?;
    cells.counts.map_or(Ok(()), |counts| check_length("rows of counts", counts.n_cells(), n_cells))?;
    let mut findings = vec![shared_cells(cells)];
    if let Some(labels) = cells.labels {
        findings.push(shared_perturbations(cells, labels));
        findings.push(shared_targets(cells, labels));
    }
    findings.extend(cells.guides.map(|guides| shared_guides(cells, guides)));
    findings.extend(cells.counts.map(|counts| duplicated_profiles(cells, counts)));
    findings.extend(cells.labels.and_then(|labels| shared_controls(cells, labels)));
    findings.sort_by_key(|finding| finding.severity);
    Ok(Leakage { findings })
}

/// A finding that is a note where there is nothing to find.
fn finding(
    kind: FindingKind,
    severity: Severity,
    count: usize,
    message: String,
    examples: impl IntoIterator<Item = String>,
) -> Finding {
    let severity = if count == 0 { Severity::Note } else { severity };
    Finding { kind, severity, count, message, examples: examples.into_iter().take(MAX_EXAMPLES).collect() }
}

fn shared_cells(cells: &Parted<'_>) -> Finding {
    let mut parts_of: HashMap<&str, BTreeSet<Part>> = HashMap::new();
    for (barcode, part) in cells.barcodes.iter().zip(cells.parts) {
        if let Some(part) = part {
            parts_of.entry(barcode).or_default().insert(*part);
        }
    }
    let shared: BTreeMap<&str, &BTreeSet<Part>> =
        parts_of.iter().filter(|(_, parts)| parts.len() > 1).map(|(barcode, parts)| (*barcode, parts)).collect();
    let message = match shared.len() {
        0 => "no cell is in two parts".to_owned(),
        n => format!(
            "{n} barcodes are in more than one part: the test has cells that were learnt from, or names them alike"
        ),
    };
    let examples = shared.iter().map(|(barcode, parts)| format!("{barcode} ({})", of_parts(parts)));
    finding(FindingKind::SharedCells, Severity::Error, shared.len(), message, examples)
}

fn of_parts(parts: &BTreeSet<Part>) -> String {
    parts.iter().map(|part| part.label()).collect::<Vec<_>>().join(" and ")
}

/// Whether the split says that no target of the test is known from training.
fn promises_new_targets(kind: &SplitKind) -> bool {
    match kind {
        SplitKind::LeaveTargetOut { .. } => true,
        SplitKind::Gears { kind, .. } => matches!(
            kind,
            GearsKind::SimulationSingle | GearsKind::ComboSeen0 | GearsKind::Single | GearsKind::SingleOnly
        ),
        SplitKind::ByColumn { .. } | SplitKind::Fold { .. } | SplitKind::Custom => false,
    }
}

fn severity(kind: &SplitKind) -> Severity {
    if promises_new_targets(kind) { Severity::Error } else { Severity::Warning }
}

/// Cells of each perturbation (its place in `labels.names`) in training and in the test; the control is not one.
fn sizes(cells: &Parted<'_>, labels: &Labels) -> BTreeMap<usize, (usize, usize)> {
    let mut sizes = BTreeMap::new();
    for (&code, part) in labels.codes.iter().zip(cells.parts) {
        let code = code as usize;
        if Some(code) == labels.control || labels.names[code] == UNLABELLED {
            continue;
        }
        let (train, test) = sizes.entry(code).or_insert((0, 0));
        *train += usize::from(*part == Some(Part::Train));
        *test += usize::from(*part == Some(Part::Test));
    }
    sizes
}

fn shared_perturbations(cells: &Parted<'_>, labels: &Labels) -> Finding {
    let sizes = sizes(cells, labels);
    let shared: Vec<(usize, (usize, usize))> =
        sizes.into_iter().filter(|(_, (train, test))| *train > 0 && *test > 0).collect();
    let message = match shared.len() {
        0 => "no perturbation is in training and in the test".to_owned(),
        n => format!(
            "{n} perturbations are in training and in the test: a score says how well new cells of known perturbations \
             are predicted, nothing of new perturbations"
        ),
    };
    let examples = shared.iter().map(|(code, (train, test))| {
        format!("{} ({train} cells in training, {test} in the test)", labels.names[*code])
    });
    finding(FindingKind::SharedPerturbations, severity(cells.kind), shared.len(), message, examples)
}

fn shared_targets(cells: &Parted<'_>, labels: &Labels) -> Finding {
    // The perturbations with each target: in training, in the test.
    let mut with: BTreeMap<String, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (code, (train, test)) in sizes(cells, labels) {
        for target in Condition::named(&labels.names[code]).targets {
            let (in_train, in_test) = with.entry(target).or_default();
            in_train.extend((train > 0).then_some(code));
            in_test.extend((test > 0).then_some(code));
        }
    }
    // The same perturbation on both sides is another finding.
    let crosses = |train: &[usize], test: &[usize]| test.iter().any(|code| train.iter().any(|other| other != code));
    let shared: Vec<_> = with.iter().filter(|(_, (train, test))| crosses(train, test)).collect();
    let message = match shared.len() {
        0 => "no target of the test is in training inside another perturbation".to_owned(),
        n => format!(
            "{n} targets of the test are in training inside another perturbation: their effect is not new to the model"
        ),
    };
    let names = |codes: &[usize]| {
        let names: Vec<&str> = codes.iter().take(3).map(|code| labels.names[*code].as_str()).collect();
        let more = codes.len().saturating_sub(names.len());
        if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
    };
    let examples = shared
        .iter()
        .map(|(target, (train, test))| format!("{target} (training: {}; test: {})", names(train), names(test)));
    finding(FindingKind::SharedTargets, severity(cells.kind), shared.len(), message, examples)
}

fn shared_guides(cells: &Parted<'_>, guides: &[String]) -> Finding {
    let mut sizes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (cell, part) in cells.parts.iter().enumerate() {
        // Guides without a target are a matter of controls.
        let is_control = |labels: &Labels| Some(labels.codes[cell] as usize) == labels.control;
        if part.is_none() || cells.labels.is_some_and(is_control) {
            continue;
        }
        for guide in guides[cell].split(['|', ';', ',']).map(str::trim).filter(|guide| !guide.is_empty()) {
            let (train, test) = sizes.entry(guide).or_insert((0, 0));
            *train += usize::from(*part == Some(Part::Train));
            *test += usize::from(*part == Some(Part::Test));
        }
    }
    let shared: Vec<_> = sizes.into_iter().filter(|(_, (train, test))| *train > 0 && *test > 0).collect();
    let message = match shared.len() {
        0 => "no guide is in training and in the test".to_owned(),
        n => format!(
            "{n} guides are in training and in the test, alone or beside others: their effect is not new to the model"
        ),
    };
    let examples =
        shared.iter().map(|(guide, (train, test))| format!("{guide} ({train} cells in training, {test} in the test)"));
    finding(FindingKind::SharedGuides, severity(cells.kind), shared.len(), message, examples)
}

fn duplicated_profiles(cells: &Parted<'_>, counts: &Counts) -> Finding {
    // The first cell with each profile, and that of each cell; only cells that are in a part and have genes enough.
    let mut first_of: HashMap<u64, Vec<u32>> = HashMap::new();
    let mut first: Vec<Option<u32>> = vec![None; cells.parts.len()];
    let mut n_poor = 0usize;
    for (cell, row) in counts.rows().enumerate().filter(|(cell, _)| cells.parts[*cell].is_some()) {
        if row.len() < MIN_GENES {
            n_poor += 1;
            continue;
        }
        let mut hasher = DefaultHasher::new();
        row.for_each(|(gene, value)| (gene, value.to_bits()).hash(&mut hasher));
        let same = |other: &&u32| counts.row(**other as usize).eq(counts.row(cell));
        match first_of.entry(hasher.finish()) {
            Entry::Vacant(entry) => {
                entry.insert(vec![cell as u32]);
                first[cell] = Some(cell as u32);
            }
            Entry::Occupied(mut entry) => match entry.get().iter().find(same) {
                Some(other) => first[cell] = Some(*other),
                None => {
                    entry.get_mut().push(cell as u32);
                    first[cell] = Some(cell as u32);
                }
            },
        }
    }
    drop(first_of);
    // The first cell of a profile in each part: a profile is shared where there are two.
    let mut of_profile: HashMap<u32, [Option<u32>; 3]> = HashMap::new();
    for (cell, (first, part)) in first.iter().zip(cells.parts).enumerate() {
        if let (Some(first), Some(part)) = (first, part) {
            of_profile.entry(*first).or_default()[*part as usize].get_or_insert(cell as u32);
        }
    }
    of_profile.retain(|_, cells| cells.iter().flatten().count() > 1);
    let count = first.iter().flatten().filter(|first| of_profile.contains_key(first)).count();
    let poor = match n_poor {
        0 => String::new(),
        n => format!("; {n} cells with fewer than {MIN_GENES} genes are not compared, as they are equal by chance"),
    };
    let message = match count {
        0 => format!("no profile is in two parts{poor}"),
        n => format!("{n} cells have the same counts as a cell of another part: the test was learnt from{poor}"),
    };
    let shared: BTreeMap<u32, [Option<u32>; 3]> = of_profile.into_iter().collect();
    let examples = shared.values().map(|of_parts| {
        let named = Part::ALL.iter().zip(of_parts).filter_map(|(part, cell)| {
            cell.map(|cell| format!("{} ({})", cells.barcodes[cell as usize], part.label()))
        });
        named.collect::<Vec<_>>().join(" = ")
    });
    finding(FindingKind::DuplicatedProfiles, Severity::Error, count, message, examples)
}

fn shared_controls(cells: &Parted<'_>, labels: &Labels) -> Option<Finding> {
    let control = labels.control?;
    let mut n = [0usize; 3];
    for (_, part) in labels.codes.iter().zip(cells.parts).filter(|(code, _)| **code as usize == control) {
        if let Some(part) = part {
            n[*part as usize] += 1;
        }
    }
    let of = |part: Part| n[part as usize];
    let (train, val, test) = (of(Part::Train), of(Part::Val), of(Part::Test));
    let message = if test > 0 && train > 0 {
        "each part has controls of its own; the test is compared with those it holds".to_owned()
    } else if train > 0 {
        format!("all {train} controls are in training, and the test is compared with them: as GEARS does, no error")
    } else {
        format!("no control is in training; the test has {test}")
    };
    let examples = [(train, "training"), (val, "validation"), (test, "the test")];
    let examples = examples.iter().filter(|(n, _)| *n > 0).map(|(n, part)| format!("{n} in {part}"));
    Some(finding(FindingKind::SharedControls, Severity::Note, train + val + test, message, examples))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    const TRAIN: Option<Part> = Some(Part::Train);
    const VAL: Option<Part> = Some(Part::Val);
    const TEST: Option<Part> = Some(Part::Test);

    fn found(leakage: &Leakage, kind: FindingKind) -> &Finding {
        leakage.findings.iter().find(|finding| finding.kind == kind).expect("each kind is looked for")
    }

    /// Twelve genes, of which each cell has eleven or, where `n` is 3, three.
    fn row(seed: usize, n: usize) -> Vec<f32> {
        (0..12)
            .map(|gene| if gene < n { ((seed * 31 + gene * gene * (seed + 3) + gene) % 97 + 1) as f32 } else { 0.0 })
            .collect()
    }

    #[test]
    fn what_is_shared_is_counted_with_examples() {
        let labels = Labels::from_perturbations(
            &texts(&["A", "A", "A+B", "C", "control", "control", "C", "D"]),
            Some("control"),
        );
        let rows = [row(1, 11), row(1, 11), row(2, 11), row(3, 3), row(4, 11), row(5, 11), row(3, 3), row(4, 11)];
        let counts = Counts::from_dense(&rows.concat(), 12).unwrap();
        let guides = texts(&["Ag1", "Ag2", "Ag1|Bg1", "Cg1", "NTg1", "NTg1", "Cg1", ""]);
        let kind = SplitKind::Custom;
        let cells = Parted {
            kind: &kind,
            parts: &[TRAIN, TRAIN, TEST, TRAIN, TRAIN, TEST, VAL, None],
            barcodes: &texts(&["a", "b", "a", "d", "e", "f", "g", "e"]),
            labels: Some(&labels),
            guides: Some(&guides),
            counts: Some(&counts),
        };
        let leakage = check(&cells).unwrap();
        let check = |kind, severity, count, examples: &[&str]| {
            let finding = found(&leakage, kind);
            assert_eq!((finding.severity, finding.count), (severity, count), "{finding:?}");
            assert_eq!(finding.examples, examples, "{finding:?}");
        };
        check(FindingKind::SharedCells, Severity::Error, 1, &["a (train and test)"]);
        check(FindingKind::SharedPerturbations, Severity::Note, 0, &[]);
        check(FindingKind::SharedTargets, Severity::Warning, 1, &["A (training: A; test: A+B)"]);
        check(FindingKind::SharedGuides, Severity::Warning, 1, &["Ag1 (1 cells in training, 1 in the test)"]);
        check(FindingKind::DuplicatedProfiles, Severity::Note, 0, &[]);
        assert!(found(&leakage, FindingKind::DuplicatedProfiles).message.contains("2 cells with fewer than 10 genes"));
        check(FindingKind::SharedControls, Severity::Note, 2, &["1 in training", "1 in the test"]);
        assert!(leakage.findings.is_sorted_by_key(|finding| finding.severity), "errors first");
    }

    #[test]
    fn a_split_that_promises_new_targets_is_held_to_it() {
        let labels = Labels::from_perturbations(&texts(&["A", "A", "control"]), Some("control"));
        for (kind, severity) in [
            (SplitKind::LeaveTargetOut { target: "A".into() }, Severity::Error),
            (SplitKind::Fold { n_folds: 2, fold: 0, seed: 0 }, Severity::Warning),
        ] {
            let parts = [TRAIN, TEST, TRAIN];
            let barcodes = texts(&["a", "b", "c"]);
            let cells = Parted {
                kind: &kind,
                parts: &parts,
                barcodes: &barcodes,
                labels: Some(&labels),
                guides: None,
                counts: None,
            };
            let leakage = check(&cells).unwrap();
            let shared = found(&leakage, FindingKind::SharedPerturbations);
            assert_eq!((shared.severity, shared.count), (severity, 1));
            assert!(shared.examples[0].contains("A (1 cells in training, 1 in the test)"), "{shared:?}");
            // One perturbation on both sides is not counted again as a target.
            assert_eq!(found(&leakage, FindingKind::SharedTargets).count, 0);
            assert!(found(&leakage, FindingKind::SharedControls).message.contains("all 1 controls are in training"));
        }
    }

    #[test]
    fn equal_profiles_are_found_across_parts_alone() {
        let n = 40;
        // Cells 0 and 20, 1 and 21, … are equal; 5 and 6 within one part as well.
        let rows: Vec<Vec<f32>> = (0..n).map(|cell| row(if cell == 6 { 5 } else { cell % 20 }, 11)).collect();
        let counts = Counts::from_dense(&rows.concat(), 12).unwrap();
        let parts: Vec<Option<Part>> = (0..n).map(|cell| if cell < 20 { TRAIN } else { TEST }).collect();
        let barcodes: Vec<String> = (0..n).map(|cell| format!("cell{cell}")).collect();
        let kind = SplitKind::Custom;
        let cells = Parted {
            kind: &kind,
            parts: &parts,
            barcodes: &barcodes,
            labels: None,
            guides: None,
            counts: Some(&counts),
        };
        let mut expected = 0;
        for cell in 0..n {
            expected += usize::from((0..n).any(|other| parts[cell] != parts[other] && rows[cell] == rows[other]));
        }
        let leakage = check(&cells).unwrap();
        let finding = found(&leakage, FindingKind::DuplicatedProfiles);
        assert_eq!((finding.severity, finding.count, finding.examples.len()), (Severity::Error, expected, 5));
        assert_eq!(finding.examples[0], "cell0 (train) = cell20 (test)");
        assert!((30..n).contains(&expected), "{expected}");
        // Within one part they are no leak.
        let one = vec![TRAIN; n];
        let leakage = check(&Parted { parts: &one, ..cells }).unwrap();
        assert_eq!(found(&leakage, FindingKind::DuplicatedProfiles).count, 0);
    }

    #[test]
    fn columns_of_other_lengths_are_refused() {
        let kind = SplitKind::Custom;
        let guides = texts(&["g"]);
        let barcodes = texts(&["a", "b"]);
        let cells = Parted {
            kind: &kind,
            parts: &[TRAIN, TEST],
            barcodes: &barcodes,
            labels: None,
            guides: Some(&guides),
            counts: None,
        };
        let error = check(&cells).unwrap_err().to_string();
        assert!(error.contains("1 guides for 2 cells"), "{error}");
    }
}
