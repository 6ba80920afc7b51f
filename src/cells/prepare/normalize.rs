//! Scaling each cell to the same library size (`scanpy.pp.normalize_total`, `exclude_highly_expressed=False`).
//!
//! The default target is scanpy's as documented and as computed for dense data. For CSR data scanpy 1.11 also counts
//! empty cells into the median; this does not.

use crate::counts::Counts;

/// Why cells cannot be scaled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NormalizeError {
    /// Library sizes that do not belong to these cells.
    #[error("{n_sizes} library sizes for {n_cells} cells; there must be one for each")]
    Lengths {
        /// Library sizes given.
        n_sizes: usize,
        /// Cells.
        n_cells: usize,
    },
    /// A target that is no library size.
    #[error("target_sum is {0}; it must be above 0")]
    Target(f64),
    /// A library size that is no number of counts.
    #[error("the library size of cell {cell} is {size}; it must be 0 or above")]
    Size {
        /// Which cell.
        cell: usize,
        /// Its library size.
        size: f64,
    },
}

/// Scales each cell by `target_sum / library size` and returns the target that was used (counts per cell).
///
/// The library size is the cell's own sum, or `library_sizes` where given (a panel's cells are scaled by their counts
/// over the whole genome). Without a `target_sum` the target is the median library size of the cells above 0. A cell
/// with library size 0 stays as it is. Factors are f64, scaled values are rounded to f32.
///
/// # Errors
/// See [`NormalizeError`].
pub fn normalize_total(
    counts: &mut Counts,
    target_sum: Option<f64>,
    library_sizes: Option<&[f64]>,
) -> Result<f64, NormalizeError> {
    let n_cells = counts.n_cells();
    let sizes = match library_sizes {
        Some(sizes) if sizes.len() != n_cells => {
            return Err(NormalizeError::Lengths { n_sizes: sizes.len(), n_cells });
        }
        Some(sizes) => sizes.to_vec(),
        None => counts.row_sums(),
    };
    if let Some((cell, &size)) = sizes.iter().enumerate().find(|(_, size)| !(size.is_finite() && **size >= 0.0)) {
        return Err(NormalizeError::Size { cell, size });
    }
    let target = match target_sum {
        Some(target) if !(target.is_finite() && target > 0.0) => return Err(NormalizeError::Target(target)),
        Some(target) => target,
        None => median_above_zero(&sizes).unwrap_or(1.0),
    };
    counts.scale_rows(sizes.into_iter().map(|size| if size > 0.0 { target / size } else { 1.0 }).collect());
    Ok(target)
}

/// The median as numpy's: the mean of the two middle values where their number is even.
fn median_above_zero(sizes: &[f64]) -> Option<f64> {
    let mut above: Vec<f64> = sizes.iter().copied().filter(|size| *size > 0.0).collect();
    above.sort_by(f64::total_cmp);
    let middle = above.len() / 2;
    match above.len() {
        0 => None,
        n if n % 2 == 0 => Some((above[middle - 1] + above[middle]) / 2.0),
        _ => Some(above[middle]),
    }
}
