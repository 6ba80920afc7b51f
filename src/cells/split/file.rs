//! A split in a file: json, our own or the lists that GEARS' `custom` takes, and csv with two columns.
//!
//! What a file says of itself is checked here (each name once, parts that exist); whether it belongs to the data at hand
//! [`parts_of_cells`](crate::split::parts_of_cells) says.

use std::collections::HashSet;

use spec::split::{Members, Part, PartLists, Split, SplitKind};

use crate::split::{SplitError, twice};

/// Titles of the column of names: what it names is what the split parts.
const PERTURBATION_TITLES: [&str; 5] = ["perturbation", "condition", "target", "gene", "name"];
const CELL_TITLES: [&str; 4] = ["barcode", "cell", "cell_barcode", "cell_id"];
/// Titles of the column of parts.
const PART_TITLES: [&str; 4] = ["part", "split", "set", "subset"];
/// How a name that is in no part is written.
const LEFT_OUT: &str = "left_out";

/// What the lists of a json file name; nothing in them says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// Perturbations.
    Conditions,
    /// Barcodes.
    Cells,
}

/// A split as json, to be read again by [`from_json`].
///
/// # Errors
/// None that is known of: a split is plain data.
pub fn to_json(split: &Split) -> Result<String, SplitError> {
    serde_json::to_string_pretty(split).map_err(|error| refused(&error))
}

/// Reads a split, or lists of names (`{"train": […], "val": […], "test": […]}`, and `left_out`) of what `named` says.
///
/// # Errors
/// Where it is neither, with the line; where a name is there twice.
pub fn from_json(json: &[u8], named: Named) -> Result<Split, SplitError> {
    let value: serde_json::Value = serde_json::from_slice(json).map_err(|error| refused(&error))?;
    if !value.is_object() {
        let what = "is neither a split nor lists of names; write {\"train\": […], \"val\": […], \"test\": […]}";
        return Err(SplitError::File { format: "json", line: 1, what: what.into() });
    }
    let split = if value.get("members").is_some() {
        serde_json::from_slice(json).map_err(|error| refused(&error))?
    } else {
        let lists: PartLists = serde_json::from_slice(json).map_err(|error| refused(&error))?;
        let of = |names: Vec<String>, part: Part| names.into_iter().map(move |name| (name, part));
        let parts = of(lists.train, Part::Train).chain(of(lists.val, Part::Val)).chain(of(lists.test, Part::Test));
        custom(named, parts.collect(), lists.left_out)
    };
    check_names(&split.members)?;
    Ok(split)
}

/// A split as csv: `perturbation,part` or `barcode,part`.
///
/// # Errors
/// None that is known of: it is written to memory.
pub fn to_csv(split: &Split) -> Result<String, SplitError> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let mut write = |name: &str, part: &str| {
        csv.write_record([name, part]).map_err(|error| of_csv(0, format!("cannot be written: {error}")))
    };
    match &split.members {
        Members::Cells(parts) => {
            write(CELL_TITLES[0], PART_TITLES[0])?;
            parts.iter().try_for_each(|(name, part)| write(name, part.label()))?;
        }
        Members::Conditions { parts, left_out, .. } => {
            write(PERTURBATION_TITLES[0], PART_TITLES[0])?;
            parts.iter().try_for_each(|(name, part)| write(name, part.label()))?;
            left_out.iter().try_for_each(|name| write(name, LEFT_OUT))?;
        }
    }
    let bytes = csv.into_inner().map_err(|error| of_csv(0, format!("cannot be written: {error}")))?;
    String::from_utf8(bytes).map_err(|error| of_csv(0, format!("cannot be written: {error}")))
}

/// Reads two columns, whose titles say what is parted: `perturbation` (or `condition`, `target`, `gene`, `name`) or
/// `barcode` (or `cell`, …), and `part` (or `split`, `set`). Other columns are passed over.
///
/// # Errors
/// Where a column or a part is not there, with the line; where a name is there twice.
pub fn from_csv(csv: &[u8]) -> Result<Split, SplitError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(csv);
    let titles: Vec<String> = match reader.headers() {
        Ok(titles) => titles.iter().map(|title| title.trim_start_matches('\u{feff}').to_lowercase()).collect(),
        Err(error) => return Err(of_csv(1, error.to_string())),
    };
    let find = |wanted: &[&str]| wanted.iter().find_map(|wanted| titles.iter().position(|title| title == wanted));
    let (named, name_at) = match (find(&CELL_TITLES), find(&PERTURBATION_TITLES)) {
        (Some(at), _) => (Named::Cells, at),
        (None, Some(at)) => (Named::Conditions, at),
        (None, None) => {
            let what = "no column of names; call it perturbation, or barcode where cells are parted";
            return Err(of_csv(1, what.into()));
        }
    };
    let part_at = find(&PART_TITLES).ok_or_else(|| of_csv(1, "no column of parts; call it part".into()))?;
    let (mut parts, mut left_out) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            of_csv(line as usize, error.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line) as usize;
        let name = record.get(name_at).unwrap_or_default().to_owned();
        let part = record.get(part_at).unwrap_or_default();
        if name.is_empty() {
            return Err(of_csv(line, "the name is empty; give each line one".into()));
        }
        match part.to_lowercase().as_str() {
            "train" | "training" => parts.push((name, Part::Train)),
            "val" | "valid" | "validation" | "dev" => parts.push((name, Part::Val)),
            "test" | "testing" | "ood" => parts.push((name, Part::Test)),
            "" | LEFT_OUT | "nan" | "na" | "none" => left_out.push(name),
            _ => return Err(of_csv(line, format!("{part} is no part; write train, val, test or {LEFT_OUT}"))),
        }
    }
    let split = custom(named, parts, left_out);
    check_names(&split.members)?;
    Ok(split)
}

fn custom(named: Named, parts: Vec<(String, Part)>, left_out: Vec<String>) -> Split {
    let members = match named {
        Named::Cells => Members::Cells(parts),
        Named::Conditions => Members::Conditions { parts, left_out, subgroups: Vec::new() },
    };
    Split { kind: SplitKind::Custom, members }
}

fn check_names(members: &Members) -> Result<(), SplitError> {
    let (what, parts, left_out) = match members {
        Members::Cells(parts) => ("cell", parts, &[][..]),
        Members::Conditions { parts, left_out, .. } => ("perturbation", parts, left_out.as_slice()),
    };
    let mut seen = HashSet::new();
    match parts.iter().map(|(name, _)| name).chain(left_out).find(|name| !seen.insert(name.as_str())) {
        Some(name) => Err(twice(what, name, " in the split")),
        None => Ok(()),
    }
}

fn refused(error: &serde_json::Error) -> SplitError {
    SplitError::File { format: "json", line: error.line(), what: error.to_string() }
}

fn of_csv(line: usize, what: String) -> SplitError {
    SplitError::File { format: "csv", line, what }
}
