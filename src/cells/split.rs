//! Which perturbations or cells are learnt from, and which are held back: as GEARS parts them, target by target, by a
//! column of `obs` (cell type, batch, donor), or at random.
//!
//! A split is plain data ([`spec::split`]): [`gears()`], [`leave_target_out`], [`by_column`] and [`fold()`] make one,
//! [`file`](mod@file) reads and writes one, [`parts_of_cells`] says what it means for the cells at hand, and [`leakage`]
//! what its parts share.

pub mod file;
mod gears;
pub mod leakage;
mod legacy;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};

use spec::split::{Members, Part, Split, SplitKind};

pub use crate::split::gears::gears;

use crate::data::{Labels, UNLABELLED};
use crate::read::listed;
use crate::split::legacy::LegacyRandom;

/// What GEARS calls the control.
const GEARS_CONTROL: &str = "ctrl";

/// Why cells or perturbations cannot be parted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SplitError {
    /// A share that is none.
    #[error("{name} is {share}; it must be a share from 0 to 1")]
    Share {
        /// Which option.
        name: &'static str,
        /// Its value.
        share: f64,
    },
    /// A perturbation that a rule of GEARS does not know.
    #[error(
        "{name} has {n} targets; this split is for perturbations of at most {most}. Leave it out, or choose another split"
    )]
    TooManyTargets {
        /// The perturbation.
        name: String,
        /// Its targets.
        n: usize,
        /// The most there may be.
        most: usize,
    },
    /// A perturbation without a target.
    #[error("{0} has no target; leave it out of the perturbations that are parted")]
    NoTarget(String),
    /// More genes are held out than can be replaced in training.
    #[error(
        "{n} genes are held out; {n_replaced} of them were drawn for training, and only {n_left} others can take their place. Hold out fewer, train on a smaller share, or keep from training these alone (only_held_out)"
    )]
    HeldOut {
        /// Genes held out.
        n: usize,
        /// Genes that are neither held out nor drawn.
        n_left: usize,
        /// Genes that have to be replaced.
        n_replaced: usize,
    },
    /// A kind that draws no test.
    #[error("no_test and no_split hold nothing out; leave held_out empty, or choose another split")]
    NothingHeldOut,
    /// A name that is there twice.
    #[error("{name} is named twice{place}; each {what} is in one part")]
    Twice {
        /// `perturbation` or `cell`.
        what: &'static str,
        /// The name.
        name: String,
        /// Where, beginning with a blank; empty where there is but one place.
        place: String,
    },
    /// Names of the split that the data have not.
    #[error(
        "the split names {n} {what}s that the data have not ({examples}); it belongs to other data, or names them otherwise"
    )]
    NotInData {
        /// `perturbation` or `cell`.
        what: &'static str,
        /// How many.
        n: usize,
        /// Five of them.
        examples: String,
    },
    /// Names of the data that the split has not.
    #[error("{n} {what}s of the data are in no part ({examples}); add them, or list them as left out")]
    NotInSplit {
        /// `perturbation` or `cell`.
        what: &'static str,
        /// How many.
        n: usize,
        /// Five of them.
        examples: String,
    },
    /// A target, or a value of a column, that is not there.
    #[error("{wanted} is not among {what}: {available}")]
    NoSuch {
        /// What was searched.
        what: String,
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// Folds that cannot be.
    #[error(
        "fold {fold} of {n_folds} over {n_cells} cells: there must be at least 2 folds, none of them empty, counted from 0"
    )]
    Folds {
        /// Which fold is the test.
        fold: usize,
        /// Folds.
        n_folds: usize,
        /// Cells.
        n_cells: usize,
    },
    /// More than 4,294,967,295 of something.
    #[error("{0} are too many to draw from")]
    TooMany(usize),
    /// Columns that do not belong together.
    #[error("{n_values} {what} for {n_cells} cells; there must be one for each")]
    Lengths {
        /// What there is one of per cell.
        what: &'static str,
        /// How many there are.
        n_values: usize,
        /// Cells.
        n_cells: usize,
    },
    /// A file that is no split.
    #[error("{format} line {line}: {what}")]
    File {
        /// `json` or `csv`.
        format: &'static str,
        /// Line, from 1.
        line: usize,
        /// What is wrong, and what is expected.
        what: String,
    },
}

/// A perturbation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Its name in the file, or in [`Labels`].
    pub name: String,
    /// What it perturbs, one or more.
    pub targets: Vec<String>,
}

impl Condition {
    /// A perturbation that is named by its targets: `A+B`.
    pub fn named(name: &str) -> Condition {
        let targets = name.split('+').map(|target| target.trim().to_owned()).filter(|target| !target.is_empty());
        Condition { name: name.to_owned(), targets: targets.collect() }
    }
}

/// The perturbations of labelled cells, in order of first appearance; the control and cells without a label are not
/// among them.
pub fn conditions_of(labels: &Labels) -> Vec<Condition> {
    let mut is_new = vec![true; labels.names.len()];
    let mut conditions = Vec::new();
    for &code in &labels.codes {
        let code = code as usize;
        if is_new[code] && Some(code) != labels.control && labels.names[code] != UNLABELLED {
            conditions.push(Condition::named(&labels.names[code]));
        }
        is_new[code] = false;
    }
    conditions
}

/// All perturbations with `target` are the test, all others are trained on, the control too.
///
/// # Errors
/// Where no perturbation has that target.
pub fn leave_target_out(conditions: &[Condition], control: Option<&str>, target: &str) -> Result<Split, SplitError> {
    check_conditions(conditions, control)?;
    let has = |condition: &Condition| condition.targets.iter().any(|one| one == target);
    if !conditions.iter().any(has) {
        let available = listed(targets_of(conditions), 20);
        return Err(SplitError::NoSuch { what: "the targets".into(), wanted: target.into(), available });
    }
    let part = |condition: &Condition| if has(condition) { Part::Test } else { Part::Train };
    let control = control.map(|control| (control.to_owned(), Part::Train));
    let parts = control.into_iter().chain(conditions.iter().map(|one| (one.name.clone(), part(one)))).collect();
    let members = Members::Conditions { parts, left_out: Vec::new(), subgroups: Vec::new() };
    Ok(Split { kind: SplitKind::LeaveTargetOut { target: target.to_owned() }, members })
}

/// What the perturbations act on, sorted: each may be left out by [`leave_target_out`].
pub fn targets_of(conditions: &[Condition]) -> Vec<&str> {
    let all = conditions.iter().flat_map(|condition| condition.targets.iter().map(String::as_str));
    all.collect::<BTreeSet<&str>>().into_iter().collect()
}

/// The cells with `test` in a column of `obs` are the test, all others are trained on. `values` has one entry a cell.
///
/// # Errors
/// Where no cell has that value, and where a barcode is there twice.
pub fn by_column(barcodes: &[String], column: &str, values: &[String], test: &str) -> Result<Split, SplitError> {
    check_length("values of the column", values.len(), barcodes.len())?;
    check_barcodes(barcodes)?;
    if !values.iter().any(|value| value == test) {
        let there: BTreeSet<&str> = values.iter().map(String::as_str).collect();
        let what = format!("the values of {column}");
        return Err(SplitError::NoSuch { what, wanted: test.into(), available: listed(there, 20) });
    }
    let part = |value: &String| if value == test { Part::Test } else { Part::Train };
    let members = barcodes.iter().zip(values).map(|(barcode, value)| (barcode.clone(), part(value))).collect();
    let kind = SplitKind::ByColumn { column: column.to_owned(), test: test.to_owned() };
    Ok(Split { kind, members: Members::Cells(members) })
}

/// Fold `fold` of `n_folds` is the test; drawn as scikit-learn's `KFold(n_folds, shuffle=True, random_state=seed)` does.
///
/// # Errors
/// Where there are no such folds, and where a barcode is there twice.
pub fn fold(barcodes: &[String], n_folds: usize, fold: usize, seed: u32) -> Result<Split, SplitError> {
    let n_cells = barcodes.len();
    if n_folds < 2 || fold >= n_folds || n_folds > n_cells {
        return Err(SplitError::Folds { fold, n_folds, n_cells });
    }
    check_barcodes(barcodes)?;
    let order = LegacyRandom::new(seed).permutation(number(n_cells)?);
    let start = |fold: usize| fold * (n_cells / n_folds) + fold.min(n_cells % n_folds);
    let mut parts = vec![Part::Train; n_cells];
    for &cell in &order[start(fold)..start(fold + 1)] {
        parts[cell as usize] = Part::Test;
    }
    let members = Members::Cells(barcodes.iter().cloned().zip(parts).collect());
    Ok(Split { kind: SplitKind::Fold { n_folds, fold, seed }, members })
}

/// The part of each cell; none where it is left out or has no label.
///
/// # Errors
/// Where the split and the data do not name the same perturbations or cells; a split of perturbations without labels.
pub fn parts_of_cells(
    split: &Split,
    barcodes: &[String],
    labels: Option<&Labels>,
) -> Result<Vec<Option<Part>>, SplitError> {
    match &split.members {
        Members::Cells(parts) => {
            check_barcodes(barcodes)?;
            let at: HashMap<&str, usize> =
                barcodes.iter().enumerate().map(|(cell, barcode)| (barcode.as_str(), cell)).collect();
            let mut of_cells = vec![None; barcodes.len()];
            let mut unknown = Vec::new();
            for (barcode, part) in parts {
                match at.get(barcode.as_str()) {
                    Some(&cell) if of_cells[cell].is_some() => return Err(twice("cell", barcode, "")),
                    Some(&cell) => of_cells[cell] = Some(*part),
                    None => unknown.push(barcode.as_str()),
                }
            }
            refuse_unknown("cell", &unknown)?;
            Ok(of_cells)
        }
        Members::Conditions { parts, left_out, .. } => {
            let labels = labels.ok_or(SplitError::Lengths {
                what: "perturbation labels",
                n_values: 0,
                n_cells: barcodes.len(),
            })?;
            check_length("perturbation labels", labels.codes.len(), barcodes.len())?;
            let part_of = parts_of_labels(parts, left_out, labels)?;
            Ok(labels.codes.iter().map(|code| part_of[*code as usize]).collect())
        }
    }
}

/// The part of each name of `labels`.
fn parts_of_labels(
    parts: &[(String, Part)],
    left_out: &[String],
    labels: &Labels,
) -> Result<Vec<Option<Part>>, SplitError> {
    let at: HashMap<&str, usize> = labels.names.iter().enumerate().map(|(at, name)| (name.as_str(), at)).collect();
    let mut part_of: Vec<Option<Option<Part>>> = vec![None; labels.names.len()];
    let mut unknown = Vec::new();
    let named = parts.iter().map(|(name, part)| (name, Some(*part))).chain(left_out.iter().map(|name| (name, None)));
    for (name, part) in named {
        let found = at.get(name.as_str()).copied().or_else(|| without_control(name, &at, labels.control));
        match found {
            Some(at) if part_of[at].is_some() => return Err(twice("perturbation", name, "")),
            Some(at) => part_of[at] = Some(part),
            None => unknown.push(name.as_str()),
        }
    }
    refuse_unknown("perturbation", &unknown)?;
    let sizes = labels.sizes();
    let missing = |at: &usize| part_of[*at].is_none() && sizes[*at] > 0 && labels.names[*at] != UNLABELLED;
    let missing: Vec<&str> = (0..part_of.len()).filter(missing).map(|at| labels.names[at].as_str()).collect();
    if !missing.is_empty() {
        let (n, examples) = (missing.len(), listed(missing, 5));
        return Err(SplitError::NotInSplit { what: "perturbation", n, examples });
    }
    Ok(part_of.into_iter().map(Option::flatten).collect())
}

/// Which of the names GEARS writes otherwise: `A+ctrl` and `ctrl+A` are `A`, and `ctrl` is the control.
fn without_control(name: &str, at: &HashMap<&str, usize>, control: Option<usize>) -> Option<usize> {
    if name == GEARS_CONTROL {
        return control;
    }
    let (a, b) = name.split_once('+')?;
    let target = if b == GEARS_CONTROL { a } else { b };
    (a == GEARS_CONTROL || b == GEARS_CONTROL).then(|| at.get(target).copied()).flatten()
}

fn refuse_unknown(what: &'static str, unknown: &[&str]) -> Result<(), SplitError> {
    if unknown.is_empty() {
        return Ok(());
    }
    Err(SplitError::NotInData { what, n: unknown.len(), examples: listed(unknown, 5) })
}

fn check_conditions(conditions: &[Condition], control: Option<&str>) -> Result<(), SplitError> {
    let mut seen: HashSet<&str> = control.into_iter().collect();
    for condition in conditions {
        if condition.targets.is_empty() {
            return Err(SplitError::NoTarget(condition.name.clone()));
        }
        if !seen.insert(&condition.name) {
            let place = if control == Some(condition.name.as_str()) { " (it is the control)" } else { "" };
            return Err(twice("perturbation", &condition.name, place));
        }
    }
    Ok(())
}

fn check_barcodes(barcodes: &[String]) -> Result<(), SplitError> {
    let mut seen = HashSet::with_capacity(barcodes.len());
    match barcodes.iter().find(|barcode| !seen.insert(barcode.as_str())) {
        Some(barcode) => Err(twice("cell", barcode, " in the data")),
        None => Ok(()),
    }
}

fn check_length(what: &'static str, n_values: usize, n_cells: usize) -> Result<(), SplitError> {
    if n_values == n_cells { Ok(()) } else { Err(SplitError::Lengths { what, n_values, n_cells }) }
}

fn twice(what: &'static str, name: &str, place: &str) -> SplitError {
    SplitError::Twice { what, name: name.to_owned(), place: place.to_owned() }
}

fn number(n: usize) -> Result<u32, SplitError> {
    u32::try_from(n).map_err(|_| SplitError::TooMany(n))
}
