//! The cells that a question is about: of the control cells those that a person chose, and of the perturbed ones those that
//! are chosen likewise, so that a prediction and what it is held against are of the same cells.

use cells::data::Labels;
use spec::map::Grouping;
use spec::prediction::{CellChoice, Measured};

use crate::failure::EngineError;
use crate::look::Looked;
use crate::markers::groups;
use crate::population::Population;

/// Fewer control cells than this, and their mean says little.
const FEW: f64 = 10.0;

/// A choice, looked up.
pub struct Chosen<'a> {
    population: &'a Population,
    choice: &'a CellChoice,
    /// By row; none where all are chosen.
    is_chosen: Option<Vec<bool>>,
    /// Rows of the chosen control cells, ascending; at least one.
    pub controls: Vec<usize>,
}

impl<'a> Chosen<'a> {
    /// Looks the choice up.
    ///
    /// # Errors
    /// Where there are no such clusters or labels, or none of the chosen cells is a control cell.
    pub fn of(population: &'a Population, looked: &Looked, choice: &'a CellChoice) -> Result<Self, EngineError> {
        let all = population.control_rows();
        if all.is_empty() {
            return Err(EngineError::Query(
                "no control cells are marked, so there is nothing to perturb: choose the control label under Load"
                    .into(),
            ));
        }
        let is_chosen = is_chosen(population, looked, choice)?;
        let mut chosen = Self { population, choice, is_chosen, controls: Vec::new() };
        let n_all = all.len();
        chosen.controls = chosen.among(all);
        if chosen.controls.is_empty() {
            let n = chosen.is_chosen.iter().flatten().filter(|&&is_chosen| is_chosen).count();
            let what = choice.label();
            return Err(EngineError::Cells(match n {
                0 => format!("there are no cells in {what}; there are {n_all} control cells in all"),
                _ => format!(
                    "none of the {n} cells in {what} is one of the {n_all} control cells, which are predicted from"
                ),
            }));
        }
        Ok(chosen)
    }

    /// The chosen of some rows.
    pub fn among(&self, mut rows: Vec<usize>) -> Vec<usize> {
        if let Some(is_chosen) = &self.is_chosen {
            rows.retain(|&row| is_chosen[row]);
        }
        rows
    }

    /// The chosen rows of a label.
    pub fn rows_of(&self, labels: &Labels, code: usize) -> Vec<usize> {
        self.among(self.population.rows_of(labels, code))
    }

    /// Whether no choice was made.
    pub fn is_all(&self) -> bool {
        self.is_chosen.is_none()
    }

    /// What the cells are called where a response was measured in them.
    pub fn source(&self) -> String {
        match self.choice {
            CellChoice::All => "these cells".into(),
            some => format!("these cells, in {}", some.label()),
        }
    }

    /// What is to be known of the choice, and of what was measured beside it.
    pub fn warnings(&self, measured: Option<&Measured>) -> Vec<String> {
        let mut warnings = Vec::new();
        let n: f64 = self.controls.iter().map(|&row| self.population.weight(row)).sum();
        if n < FEW && self.is_chosen.is_some() {
            let cells = if n > 1.5 { format!("{n:.0} control cells") } else { "one control cell".into() };
            warnings.push(format!(
                "There is no more than {cells} in {}: what is predicted of them is that of few.",
                self.choice.label()
            ));
        }
        let is_elsewhere = measured.is_some_and(|measured| !measured.is_of_these_cells);
        if is_elsewhere && !self.is_all() {
            warnings.push(format!(
                "The measured change is of all cells of the screen that came with the model, not of those in {}.",
                self.choice.label()
            ));
        }
        if measured.is_some_and(|measured| measured.is_of_these_cells) && self.choice.is_by_expression() {
            warnings.push(
                "The cells were chosen by their expression, on which the perturbation acts: perturbed cells that it moved \
                 elsewhere are not among them, so the measured change is understated."
                    .into(),
            );
        }
        warnings
    }
}

/// Which rows are chosen; none where all are.
fn is_chosen(population: &Population, looked: &Looked, choice: &CellChoice) -> Result<Option<Vec<bool>>, EngineError> {
    let (grouping, group) = match choice {
        CellChoice::All => return Ok(None),
        CellChoice::Group { grouping, group } => (grouping.clone(), group.as_str()),
        CellChoice::Selection { rows } => (Grouping::Selection { rows: rows.clone() }, "selection"),
    };
    let groups = groups(population, looked, &grouping)?;
    let wanted = groups.names.iter().position(|name| name == group).ok_or_else(|| {
        let known = groups.names.iter().take(12).cloned().collect::<Vec<_>>().join(", ");
        EngineError::Cells(format!("{group} is no group of {}; there are: {known}", grouping.label()))
    })?;
    let mut is_chosen = vec![false; population.expression.n_cells()];
    for (&row, of_cell) in population.kept_rows().iter().zip(&groups.of_cell) {
        is_chosen[row] = *of_cell == Some(wanted);
    }
    Ok(Some(is_chosen))
}
