//! What the perturbation labels of a file mean: control, targets, or not assigned, with the rule that said so.
//!
//! A session asks for the [`LabelTable`] of the column that is chosen; the screen shows it, most cells first, with the
//! rule beside each reading, and takes a person's corrections. `Prepare` gets the pairs of [`LabelTable::corrections`] as
//! `PrepareOptions::corrections`. Without them, as in a run file that has none, labels mean what they say but for `+ctrl`.

mod dose;
mod guide;
mod reader;
mod separate;
mod symbols;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeSet, HashMap, HashSet};

use spec::labels::{Dose, LabelOptions, LabelRow, LabelTable, Reading};

use crate::data::{Labels, UNLABELLED};
use crate::genes::GeneNames;
use crate::labels::reader::Reader;
use crate::labels::symbols::Symbols;
use crate::read::listed;

/// What the control is called where several labels mark it.
pub const CONTROL: &str = "control";
/// Doses with their number of cells.
type Doses = Vec<(Dose, usize)>;

/// Doses that are told apart for one label.
const MAX_DOSES: usize = 100;

/// Why labels cannot be read as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// A correction of a label that the column has not.
    #[error("{label} is corrected, but {column} has no such label: {available}")]
    NoSuchLabel {
        /// The label.
        label: String,
        /// The column.
        column: String,
        /// What there is.
        available: String,
    },
    /// A label that is corrected twice.
    #[error("{0} is corrected twice; give each label one reading")]
    Twice(String),
    /// Targets that cannot be.
    #[error("{label} is said to target {what}")]
    Targets {
        /// The label.
        label: String,
        /// What is wrong with its targets, and what to do.
        what: String,
    },
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
    /// A cell whose label is not in the table.
    #[error("cell {cell} has the label {label}, which is not in the table of {column}; read the table of these cells")]
    NotInTable {
        /// Which cell.
        cell: usize,
        /// Its label.
        label: String,
        /// The column of the table.
        column: String,
    },
}

/// What is read: a column of `obs`, one entry a cell.
#[derive(Debug, Clone, Copy)]
pub struct LabelColumn<'a> {
    /// Its name.
    pub name: &'a str,
    /// The label of each cell; empty, or [`UNLABELLED`], where it has none.
    pub labels: &'a [String],
    /// The amount given to each cell, as written; none without such a column.
    pub amounts: Option<&'a [String]>,
    /// The unit of each amount; none without such a column.
    pub units: Option<&'a [String]>,
}

/// Reads the labels of a column by the names of the file's genes.
///
/// # Errors
/// Where the columns have not the same length.
pub fn read_labels(
    column: &LabelColumn<'_>,
    genes: &GeneNames,
    options: &LabelOptions,
) -> Result<LabelTable, LabelError> {
    let n_cells = column.labels.len();
    for (what, values) in [("doses", column.amounts), ("units of doses", column.units)] {
        if let Some(values) = values
            && values.len() != n_cells
        {
            return Err(LabelError::Lengths { what, n_values: values.len(), n_cells });
        }
    }
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    column.labels.iter().for_each(|label| *sizes.entry(label).or_insert(0) += 1);
    let mut distinct: Vec<(&str, usize)> = sizes.into_iter().collect();
    distinct.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
    let distinct: Vec<(String, usize)> = distinct.into_iter().map(|(label, n)| (label.to_owned(), n)).collect();
    let mut rows = read_values(column.name, &distinct, genes, options);
    let (mut doses, are_marks) = doses_of(column);
    for row in rows.iter_mut().filter(|row| row.doses.is_empty()) {
        row.doses = doses.remove(row.label.as_str()).unwrap_or_default();
    }
    let mut warnings = join_orders(&mut rows);
    if are_marks {
        warnings
            .push("the dose column holds 1 and 1+1, GEARS' marks for the number of targets; they are no doses".into());
    }
    let control_name = control_name(&rows, options);
    Ok(LabelTable { column: column.name.to_owned(), control_name, rows, warnings })
}

/// Reads distinct labels with their number of cells.
pub(crate) fn read_values(
    column: &str,
    values: &[(String, usize)],
    genes: &GeneNames,
    options: &LabelOptions,
) -> Vec<LabelRow> {
    let names: Vec<&str> = values.iter().map(|(label, _)| label.as_str()).collect();
    let symbols = Symbols::new(genes);
    let reader = Reader::new(column, &names, &symbols, options);
    let row = |(label, n_cells): &(String, usize)| {
        let read = reader.read(label);
        LabelRow {
            label: label.clone(),
            n_cells: *n_cells,
            reading: read.reading,
            guides: read.guides,
            doses: read.dose.map(|dose| (dose, *n_cells)).into_iter().collect(),
            rule: read.rule,
            is_small: *n_cells < options.min_cells,
            is_corrected: false,
        }
    };
    values.iter().map(row).collect()
}

/// The chosen control, else the one label that marks it, else [`CONTROL`].
fn control_name(rows: &[LabelRow], options: &LabelOptions) -> String {
    let mut controls = rows.iter().filter(|row| row.reading == Reading::Control);
    match (&options.control_label, controls.next(), controls.next()) {
        (Some(chosen), ..) => chosen.clone(),
        (None, Some(only), None) => only.label.clone(),
        _ => CONTROL.to_owned(),
    }
}

/// The doses of each label, and whether the column holds GEARS' marks (`1`, `1+1`) instead.
fn doses_of<'a>(column: &LabelColumn<'a>) -> (HashMap<&'a str, Doses>, bool) {
    let mut of_labels: HashMap<&str, Doses> = HashMap::new();
    let Some(amounts) = column.amounts else { return (of_labels, false) };
    let is_mark = |amount: &String| matches!(amount.trim(), "1" | "1+1" | "1.0" | "");
    if column.units.is_none() && amounts.iter().all(is_mark) {
        return (of_labels, amounts.iter().any(|amount| amount.trim() == "1+1"));
    }
    for (cell, label) in column.labels.iter().enumerate() {
        let unit = column.units.map_or("", |units| units[cell].as_str());
        let Some(dose) = dose::in_columns(&amounts[cell], unit) else { continue };
        let doses = of_labels.entry(label).or_default();
        match doses.iter().position(|(other, _)| *other == dose) {
            Some(at) => doses[at].1 += 1,
            None if doses.len() < MAX_DOSES => doses.push((dose, 1)),
            None => {}
        }
    }
    of_labels.values_mut().for_each(|doses| doses.sort_by(|a, b| a.0.amount.total_cmp(&b.0.amount)));
    (of_labels, false)
}

/// `B+A` is `A+B` where both are there: the order of the label with more cells.
fn join_orders(rows: &mut [LabelRow]) -> Vec<String> {
    let mut order_of: HashMap<BTreeSet<String>, Vec<String>> = HashMap::new();
    let mut warnings = Vec::new();
    for row in rows {
        let Reading::Targets(targets) = &mut row.reading else { continue };
        let order = order_of.entry(targets.iter().cloned().collect()).or_insert_with(|| targets.clone());
        if order != targets {
            warnings.push(format!("{} and {} are one combination", targets.join("+"), order.join("+")));
            targets.clone_from(order);
        }
    }
    warnings
}

/// Puts a person's readings into the table.
///
/// # Errors
/// Where a label is not there or is corrected twice; where targets are empty, contain `+`, or are called as the control.
/// The table is then as it was.
pub fn correct(table: &mut LabelTable, corrections: &[(String, Reading)]) -> Result<(), LabelError> {
    check_corrections(corrections, &table.control_name)?;
    let at: HashMap<&str, usize> = table.rows.iter().enumerate().map(|(at, row)| (row.label.as_str(), at)).collect();
    let mut places = Vec::with_capacity(corrections.len());
    for (label, _) in corrections {
        places.push(*at.get(label.as_str()).ok_or_else(|| LabelError::NoSuchLabel {
            label: label.clone(),
            column: table.column.clone(),
            available: listed(table.rows.iter().map(|row| &row.label), 10),
        })?);
    }
    for (at, (_, reading)) in places.into_iter().zip(corrections) {
        let row = &mut table.rows[at];
        row.reading = reading.clone();
        row.rule = "set by a person".into();
        row.is_corrected = true;
    }
    Ok(())
}

/// What cannot be corrected so, whatever the column holds.
pub(crate) fn check_corrections(corrections: &[(String, Reading)], control_name: &str) -> Result<(), LabelError> {
    let mut seen = HashSet::new();
    for (label, reading) in corrections {
        if !seen.insert(label.as_str()) {
            return Err(LabelError::Twice(label.clone()));
        }
        let Reading::Targets(targets) = reading else { continue };
        let wrong = |what: String| Err(LabelError::Targets { label: label.clone(), what });
        if targets.is_empty() {
            return wrong("nothing; name a target, or read it as control".into());
        }
        for (at, target) in targets.iter().enumerate() {
            if target.trim().is_empty() || target.contains('+') {
                return wrong(format!("{target:?}; give each target a name of its own, without +"));
            }
            if target == control_name || target == UNLABELLED {
                return wrong(format!(
                    "{target}, the name of cells without a target; read it as control or not assigned"
                ));
            }
            if targets[..at].contains(target) {
                return wrong(format!("{target} twice"));
            }
        }
    }
    Ok(())
}

/// The labels of cells by the table: targets joined by `+`, the control under the table's name for it, and
/// [`UNLABELLED`] where not assigned. What was not understood keeps its label.
///
/// # Errors
/// Where a cell's label is not in the table.
pub fn labels_of(table: &LabelTable, cells: &[String]) -> Result<Labels, LabelError> {
    let name_of: HashMap<&str, String> = table
        .rows
        .iter()
        .map(|row| (row.label.as_str(), name(&row.label, &row.reading, &table.control_name)))
        .collect();
    let mut names = Vec::with_capacity(cells.len());
    for (cell, label) in cells.iter().enumerate() {
        names.push(name_of.get(label.as_str()).cloned().ok_or_else(|| LabelError::NotInTable {
            cell,
            label: label.clone(),
            column: table.column.clone(),
        })?);
    }
    Ok(Labels::from_names(names, Some(&table.control_name)))
}

/// What the cells of a label are called.
pub(crate) fn name(label: &str, reading: &Reading, control_name: &str) -> String {
    match reading {
        Reading::Control => control_name.to_owned(),
        Reading::Targets(targets) => targets.join("+"),
        Reading::NotAssigned => UNLABELLED.to_owned(),
        Reading::Unknown => label.to_owned(),
    }
}
