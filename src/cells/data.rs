//! What a reader hands on: counts with the names of their genes and cells, and the labels that matter.

use std::collections::{HashMap, HashSet};

use spec::dataset::{CellQuality, CellUnit};
pub use spec::labels::UNLABELLED;

use crate::counts::Counts;
use crate::genes::GeneNames;
use crate::prepare::calculate_qc_metrics;
use crate::totals::CellTotals;

/// Cells as read, before any preparation. All per-cell columns are in row order.
#[derive(Debug, Clone, PartialEq)]
pub struct CellData {
    /// Counts, cells by genes.
    pub counts: Counts,
    /// Names of the genes, in column order.
    pub genes: GeneNames,
    /// Name of each cell.
    pub barcodes: Vec<String>,
    /// Which perturbation each cell received; none where no column was chosen.
    pub perturbations: Option<Labels>,
    /// Library size of each cell (counts), from the chosen column; none where no column was chosen, until
    /// [`to_linear`](crate::prepare::to_linear) takes them from `totals`.
    pub library_sizes: Option<Vec<f64>>,
    /// What all genes of the file say of each cell; none where all are in `counts`, which say it themselves.
    pub totals: Option<CellTotals>,
    /// What one row is.
    pub unit: CellUnit,
    /// Cells that each metacell is the mean of; none for single cells.
    pub cell_weights: Option<Vec<f64>>,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

impl CellData {
    /// Quality of each cell over all genes of its file, whichever of them were read.
    pub fn quality(&self) -> CellQuality {
        self.totals.as_ref().map_or_else(|| calculate_qc_metrics(&self.counts, &self.genes), CellTotals::quality)
    }
}

/// A label per cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Distinct labels: the control first where there is one, then by name.
    pub names: Vec<String>,
    /// Index into `names` for each cell.
    pub codes: Vec<u32>,
    /// Index of the control in `names`: 0, or none where no control label was chosen.
    pub control: Option<usize>,
}

impl Labels {
    /// Reads perturbation labels, one per cell.
    ///
    /// A combination is written `A+B`. Parts that mean control (`control_label`, `ctrl`, `control`) are dropped from
    /// it, so that `STAT1+ctrl` and `ctrl+STAT1` are both `STAT1`, and a label that is all control is the control.
    pub fn from_perturbations(labels: &[String], control_label: Option<&str>) -> Labels {
        Labels::from_names(labels.iter().map(|label| target_of(label, control_label)).collect(), control_label)
    }

    /// Groups cells by name, one a cell.
    pub fn from_names(of_cells: Vec<String>, control_label: Option<&str>) -> Labels {
        let mut names: Vec<String> = of_cells.iter().collect::<HashSet<_>>().into_iter().cloned().collect();
        names.sort_unstable();
        let control = control_label.and_then(|control| names.iter().position(|name| name == control));
        if let Some(at) = control {
            let control = names.remove(at);
            names.insert(0, control);
        }
        let code_of: HashMap<&str, u32> =
            names.iter().enumerate().map(|(code, name)| (name.as_str(), code as u32)).collect();
        let codes = of_cells.iter().map(|name| code_of[name.as_str()]).collect();
        Labels { names, codes, control: control.map(|_| 0) }
    }

    /// Cells of each label, in the order of `names`.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.names.len()];
        for &code in &self.codes {
            sizes[code as usize] += 1;
        }
        sizes
    }

    /// The cells of a label, ascending.
    pub fn cells_of(&self, code: usize) -> Vec<usize> {
        (0..self.codes.len()).filter(|&cell| self.codes[cell] as usize == code).collect()
    }

    /// The labels of the given cells, in the given order. Labels that no cell carries any more are kept in `names`.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn select(&self, cells: &[usize]) -> Labels {
        Labels {
            names: self.names.clone(),
            codes: cells.iter().map(|&cell| self.codes[cell]).collect(),
            control: self.control,
        }
    }
}

/// The name of a perturbation: a combination without its parts that mean control.
pub(crate) fn target_of(label: &str, control_label: Option<&str>) -> String {
    let is_control = |part: &str| Some(part) == control_label || part.eq_ignore_ascii_case("ctrl") || part == "control";
    if Some(label) == control_label || !label.contains('+') {
        return label.to_owned();
    }
    let targets: Vec<&str> = label.split('+').map(str::trim).filter(|part| !is_control(part)).collect();
    match (targets.is_empty(), control_label) {
        (true, Some(control)) => control.to_owned(),
        (true, None) => label.to_owned(),
        (false, _) => targets.join("+"),
    }
}
