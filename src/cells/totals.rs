//! What all genes of a file say of each cell, where some of them alone were read: library sizes and quality must not
//! change because genes were left out.
//!
//! Values may have been logged before, which is told only once they are read. So where they are not whole numbers, sums
//! are held for every logarithm that is known, and [`CellTotals::undo`] keeps the right one.

use spec::dataset::CellQuality;
use spec::reading::Undo;

use crate::counts::{Counts, CountsBuilder, CountsError};

/// Per cell that was read, in row order, over all genes of its file.
#[derive(Debug, Clone, PartialEq)]
pub struct CellTotals {
    /// Of the values as they are, and of each way to undo them that was thought of.
    pub(crate) sums: Vec<Sums>,
    /// Genes whose value is not 0.
    pub(crate) n_genes: Vec<u32>,
    /// All values of some cells, spread evenly: what they are is told from them.
    pub(crate) looked_at: Vec<Vec<f32>>,
}

/// Sums of values once something is undone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sums {
    pub(crate) undo: Undo,
    /// Of all genes.
    pub(crate) total: Vec<f64>,
    /// Of mitochondrial genes.
    pub(crate) mitochondrial: Vec<f64>,
}

impl CellTotals {
    /// Cells.
    pub fn n_cells(&self) -> usize {
        self.n_genes.len()
    }

    /// Sum of each cell.
    pub fn total_counts(&self) -> &[f64] {
        self.sums.first().map_or(&[], |sums| &sums.total)
    }

    /// Genes of each cell whose value is not 0.
    pub fn n_genes(&self) -> &[u32] {
        &self.n_genes
    }

    /// Quality of each cell, as [`calculate_qc_metrics`](crate::prepare::calculate_qc_metrics) has it of all genes.
    pub fn quality(&self) -> CellQuality {
        let Some(sums) = self.sums.first() else { return CellQuality::default() };
        let percent = |(part, total): (&f64, &f64)| if *total > 0.0 { (100.0 * part / total) as f32 } else { 0.0 };
        CellQuality {
            total_counts: sums.total.iter().map(|total| *total as f32).collect(),
            n_genes_by_counts: self.n_genes.iter().map(|n| *n as f32).collect(),
            pct_counts_mt: sums.mitochondrial.iter().zip(&sums.total).map(percent).collect(),
        }
    }

    /// Keeps the sums of values from which `undo` is undone, rounded where these are whole numbers; false where they were
    /// not held, so that all stays as it was.
    pub(crate) fn undo(&mut self, undo: Undo, is_rounded: bool) -> bool {
        let Some(at) = self.sums.iter().position(|sums| sums.undo == undo) else { return false };
        let mut sums = self.sums.swap_remove(at);
        if is_rounded {
            sums.total.iter_mut().chain(&mut sums.mitochondrial).for_each(|sum| *sum = sum.round());
        }
        sums.undo = Undo::Nothing;
        self.sums = vec![sums];
        true
    }

    /// The cells that are looked at, their values in no gene's column.
    pub(crate) fn looked_at(&self) -> Result<Counts, CountsError> {
        let n_columns = self.looked_at.iter().map(Vec::len).max().unwrap_or(0).max(1);
        let mut counts = CountsBuilder::new(n_columns, self.looked_at.len())?;
        for row in &self.looked_at {
            (0u32..).zip(row).for_each(|(column, value)| counts.push(column, *value));
            counts.end_row()?;
        }
        counts.finish()
    }

    /// Those of some cells, in the given order.
    ///
    /// # Panics
    /// Where there is no such cell.
    pub fn select(&self, cells: &[usize]) -> CellTotals {
        let pick = |values: &[f64]| cells.iter().map(|&cell| values[cell]).collect();
        let of =
            |sums: &Sums| Sums { undo: sums.undo, total: pick(&sums.total), mitochondrial: pick(&sums.mitochondrial) };
        CellTotals {
            sums: self.sums.iter().map(of).collect(),
            n_genes: cells.iter().map(|&cell| self.n_genes[cell]).collect(),
            looked_at: self.looked_at.clone(),
        }
    }

    /// Adds the cells of another sample behind these.
    pub(crate) fn append(&mut self, other: CellTotals) {
        // What one sample does not hold, the study cannot.
        self.sums.retain(|sums| other.sums.iter().any(|others| others.undo == sums.undo));
        for sums in &mut self.sums {
            for others in other.sums.iter().filter(|others| others.undo == sums.undo) {
                sums.total.extend_from_slice(&others.total);
                sums.mitochondrial.extend_from_slice(&others.mitochondrial);
            }
        }
        self.n_genes.extend(other.n_genes);
        self.looked_at.extend(other.looked_at);
    }
}
