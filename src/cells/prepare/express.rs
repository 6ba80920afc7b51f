//! From cells as read to expression: the road that every file takes, in the browser and on the command line.
//!
//! Names are brought to those of a gene table, where there is one; values to the scale of counts; then quality, scaling
//! to a library size, log1p. Nothing is dropped here: which cells are kept is decided on the quality that comes out.

use spec::dataset::{CellQuality, MatrixInfo, PrepareOptions};
use spec::genes::NamingReport;
use spec::reading::ValueReading;

use crate::check::NotCounts;
use crate::data::CellData;
use crate::genes::table::GeneTable;
use crate::prepare::{NormalizeError, log1p, normalize_total, to_linear};

/// Cells whose counts have become expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expressed {
    /// The cells; `counts` are log1p of counts scaled to the target sum, and warnings those of reading and of this.
    pub data: CellData,
    /// Quality of each cell, of its counts before scaling.
    pub quality: CellQuality,
    /// What the values were taken for, and why; none where rows are metacells.
    pub reading: Option<ValueReading>,
    /// What became of the names; none without a gene table.
    pub naming: Option<NamingReport>,
}

/// Why values have not become expression.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ExpressError {
    /// Values that are not what they are taken for.
    #[error(transparent)]
    Values(#[from] NotCounts),
    /// Cells that cannot be scaled.
    #[error(transparent)]
    Normalize(#[from] NormalizeError),
}

/// Prepares cells, scaled to `target_sum` counts. `matrices` are those of the file; of `options` count which matrix was
/// read and what its values are.
///
/// # Errors
/// See [`ExpressError`].
pub fn express(
    mut data: CellData,
    matrices: &[MatrixInfo],
    options: &PrepareOptions,
    target_sum: f64,
    table: Option<&GeneTable>,
) -> Result<Expressed, ExpressError> {
    let naming = table.map(|table| {
        let translation = table.translate(&data.genes);
        let report = translation.report(&data.genes);
        data.genes.symbols = translation.symbols;
        report
    });
    let linear = to_linear(&mut data, matrices, options.matrix.as_deref(), options.values)?;
    data.warnings.extend(linear.warnings);
    let quality = data.quality();
    if linear.may_scale {
        normalize_total(&mut data.counts, Some(target_sum), data.library_sizes.as_deref())?;
    }
    log1p(&mut data.counts);
    Ok(Expressed { data, quality, reading: linear.reading, naming })
}

impl Expressed {
    /// The cells that `options.filter` keeps, ascending.
    pub fn kept(&self, options: &PrepareOptions) -> Vec<usize> {
        (0..self.data.counts.n_cells()).filter(|&cell| options.filter.keeps(&self.quality, cell)).collect()
    }
}

impl CellData {
    /// The given cells, in the given order, with all that is known of each.
    ///
    /// # Panics
    /// Where there is no such cell.
    #[must_use]
    pub fn select(self, cells: &[usize]) -> CellData {
        let pick = |values: Vec<f64>| cells.iter().map(|&cell| values[cell]).collect();
        CellData {
            counts: self.counts.select_rows(cells),
            barcodes: cells.iter().map(|&cell| self.barcodes[cell].clone()).collect(),
            perturbations: self.perturbations.map(|labels| labels.select(cells)),
            library_sizes: self.library_sizes.map(pick),
            totals: self.totals.map(|totals| totals.select(cells)),
            cell_weights: self.cell_weights.map(pick),
            ..self
        }
    }
}
