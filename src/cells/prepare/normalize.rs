//! Scaling each cell to the same library size (`scanpy.pp.normalize_total`).
//!
//! The default target is scanpy's as documented and as computed for dense data. For CSR data scanpy 1.11 also counts
//! empty cells into the median; this does not.

use spec::prepare::NormalizeConfig;

use crate::counts::Counts;
use crate::prepare::quantile::median;

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
    /// A share that is none.
    #[error("max_fraction is {0}; it must lie in 0 to 1")]
    MaxFraction(f64),
    /// A library size that is no number of counts.
    #[error("the library size of cell {cell} is {size}; it must be 0 or above")]
    Size {
        /// Which cell.
        cell: usize,
        /// Its library size.
        size: f64,
    },
}

/// How cells were scaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Normalized {
    /// The library size that cells were scaled to (counts per cell).
    pub target_sum: f64,
    /// Genes that were left out of the library sizes, ascending; they are scaled as all others are.
    pub highly_expressed: Vec<u32>,
}

/// Scales each cell by `target_sum / library size` and returns the target that was used (counts per cell).
///
/// See [`normalize_total_by`], of which this is the part without options.
///
/// # Errors
/// See [`NormalizeError`].
pub fn normalize_total(
    counts: &mut Counts,
    target_sum: Option<f64>,
    library_sizes: Option<&[f64]>,
) -> Result<f64, NormalizeError> {
    let config = NormalizeConfig { target_sum, ..NormalizeConfig::default() };
    normalize_total_by(counts, &config, library_sizes).map(|normalized| normalized.target_sum)
}

/// Scales each cell by `target_sum / library size`.
///
/// The library size is the cell's own sum, or `library_sizes` where given (a panel's cells are scaled by their counts
/// over the whole genome). Without a `target_sum` the target is the median library size of the cells above 0. A cell
/// with library size 0 stays as it is. Factors are f64, scaled values are rounded to f32.
///
/// With `exclude_highly_expressed`, genes that take more than `max_fraction` of the library of at least one cell are
/// taken off every library size.
///
/// # Errors
/// See [`NormalizeError`].
pub fn normalize_total_by(
    counts: &mut Counts,
    config: &NormalizeConfig,
    library_sizes: Option<&[f64]>,
) -> Result<Normalized, NormalizeError> {
    let n_cells = counts.n_cells();
    if let Some(target) = config.target_sum.filter(|target| !(target.is_finite() && *target > 0.0)) {
        return Err(NormalizeError::Target(target));
    }
    if !(0.0..=1.0).contains(&config.max_fraction) {
        return Err(NormalizeError::MaxFraction(config.max_fraction));
    }
    let mut sizes = match library_sizes {
        Some(sizes) if sizes.len() != n_cells => {
            return Err(NormalizeError::Lengths { n_sizes: sizes.len(), n_cells });
        }
        Some(sizes) => sizes.to_vec(),
        None => counts.row_sums(),
    };
    if let Some((cell, &size)) = sizes.iter().enumerate().find(|(_, size)| !(size.is_finite() && **size >= 0.0)) {
        return Err(NormalizeError::Size { cell, size });
    }
    let highly_expressed = if config.exclude_highly_expressed {
        take_off_largest(counts, config.max_fraction, &mut sizes)
    } else {
        vec![]
    };
    let above: Vec<f64> = sizes.iter().copied().filter(|size| *size > 0.0).collect();
    let target_sum = config.target_sum.or_else(|| median(above)).unwrap_or(1.0);
    counts.scale_rows(sizes.into_iter().map(|size| if size > 0.0 { target_sum / size } else { 1.0 }).collect());
    Ok(Normalized { target_sum, highly_expressed })
}

/// Takes the genes that exceed `max_fraction` of any cell's library off all of them, and returns these genes.
fn take_off_largest(counts: &Counts, max_fraction: f64, sizes: &mut [f64]) -> Vec<u32> {
    let mut is_largest = vec![false; counts.n_genes()];
    for (row, size) in counts.rows().zip(sizes.iter()) {
        let most = max_fraction * size;
        row.for_each(|(gene, value)| is_largest[gene as usize] |= f64::from(value) > most);
    }
    for (row, size) in counts.rows().zip(sizes.iter_mut()) {
        let taken: f64 = row.filter(|(gene, _)| is_largest[*gene as usize]).map(|(_, value)| f64::from(value)).sum();
        // Sums of fractions may differ in their last digits from what they are the sum of.
        *size = if taken >= *size * (1.0 - 1e-12) { 0.0 } else { *size - taken };
    }
    (0u32..).zip(is_largest).filter(|(_, is_largest)| *is_largest).map(|(gene, _)| gene).collect()
}
