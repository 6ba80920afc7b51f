//! A matrix being read, window by window, and the cells that come of it.

use crate::data::{CellData, Labels};
use crate::genes::GeneNames;
use crate::read::OpenedFile;
use crate::read::error::{ReadError, listed};
use crate::read::matrix::{MatrixReader, Taken};
use crate::read::rows::Rows;
use crate::read::selection::Columns;

/// How far a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadProgress {
    /// Cells read; where cells come in no order, the share of the work in cells.
    pub cells_done: usize,
    /// Cells to read.
    pub cells_total: usize,
}

/// A matrix being read.
pub struct Reading<'a> {
    pub(super) file: &'a OpenedFile,
    pub(super) matrix: usize,
    pub(super) rows: Rows,
    pub(super) columns: Columns,
    pub(super) reader: Box<dyn MatrixReader + 'a>,
    pub(super) n_done: Option<usize>,
    pub(super) is_done: bool,
    pub(super) perturbations: Option<Labels>,
    pub(super) library_sizes: Option<Vec<f64>>,
    pub(super) cell_weights: Option<Vec<f64>>,
    pub(super) warnings: Vec<String>,
}

impl std::fmt::Debug for Reading<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").field("matrix", &self.matrix).field("n_done", &self.n_done).finish_non_exhaustive()
    }
}

impl Reading<'_> {
    /// Reads one window of some hundred thousand values; none when all is read.
    ///
    /// # Errors
    /// Where the values cannot be read or cannot be; the reading is then over.
    pub fn advance(&mut self) -> Result<Option<ReadProgress>, ReadError> {
        let Some(cells_done) = self.reader.advance()? else {
            self.is_done = true;
            return Ok(None);
        };
        self.n_done = Some(cells_done);
        Ok(Some(ReadProgress { cells_done, cells_total: self.rows.len() }))
    }

    /// The cells, with names and labels.
    ///
    /// # Errors
    /// Before `advance` gave none; where names cannot be read.
    pub fn finish(self) -> Result<CellData, ReadError> {
        if !self.is_done {
            return Err(ReadError::Unfinished { done: self.n_done.unwrap_or(0), total: self.rows.len() });
        }
        let container = &self.file.container;
        let mut warnings = self.file.opened.warnings.clone();
        warnings.extend(self.warnings);
        let Taken { counts, totals, warnings: of_reading } = self.reader.finish()?;
        warnings.extend(of_reading);
        let n_empty = match &totals {
            Some(totals) => totals.n_genes().iter().filter(|n_genes| **n_genes == 0).count(),
            None => counts.rows().filter(|row| row.len() == 0).count(),
        };
        if n_empty > 0 {
            warnings.push(format!("{n_empty} of {} cells have no counts; they are kept", counts.n_cells()));
        }
        let genes = container.genes(self.matrix)?;
        let ids = genes.ids.map(|ids| self.columns.pick(ids));
        let genes = GeneNames { symbols: self.columns.pick(genes.symbols), ids };
        warnings.extend(repeated("gene", &genes.symbols));
        let barcodes = self.rows.pick(container.barcodes(self.matrix)?);
        warnings.extend(repeated("cell", &barcodes));
        Ok(CellData {
            counts,
            genes,
            barcodes,
            perturbations: self.perturbations,
            totals,
            library_sizes: self.library_sizes,
            unit: container.unit(),
            cell_weights: self.cell_weights,
            warnings,
        })
    }
}

fn repeated(what: &str, names: &[String]) -> Option<String> {
    let mut seen = std::collections::HashSet::new();
    let mut repeated: Vec<&String> = names.iter().filter(|name| !seen.insert(name.as_str())).collect();
    let n_repeated = repeated.len();
    repeated.dedup();
    let used = if what == "gene" { "the first of each is used" } else { "each is a cell of its own" };
    (n_repeated > 0).then(|| format!("{n_repeated} {what} names are repeated ({}); {used}", listed(repeated, 5)))
}
