//! Which cells and genes are kept (`scanpy.pp.filter_cells`, `filter_genes`).
//!
//! scanpy takes one bound a call; here all bounds of a config hold at once, which keeps what the calls one after the
//! other would. A gene counts as present where its value is above 0. Filtering says what it would keep; `Counts` takes
//! the rows or columns.

use spec::prepare::{CellFilter, GeneFilter};

use crate::counts::Counts;

/// What a filter keeps, and the numbers it went by.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Whether each cell (or gene) is kept.
    pub is_kept: Vec<bool>,
    /// Sum of the counts of each cell (or gene).
    pub n_counts: Vec<f64>,
    /// Genes of each cell (or cells of each gene) with a value above 0.
    pub n_present: Vec<u32>,
}

impl Kept {
    /// The cells (or genes) that are kept, ascending.
    pub fn indices(&self) -> Vec<usize> {
        (0..self.is_kept.len()).filter(|&at| self.is_kept[at]).collect()
    }

    /// The genes that are kept, as [`Counts::select_columns`] takes them.
    pub fn columns(&self) -> Vec<Option<u32>> {
        self.indices().into_iter().map(|gene| Some(gene as u32)).collect()
    }

    /// How many are not kept.
    pub fn n_removed(&self) -> usize {
        self.is_kept.iter().filter(|is_kept| !**is_kept).count()
    }
}

/// Which cells meet all bounds. `pct_mitochondrial` has one value per cell; without it that bound is not looked at.
///
/// # Panics
/// Where `pct_mitochondrial` has fewer values than there are cells.
pub fn filter_cells(counts: &Counts, filter: &CellFilter, pct_mitochondrial: Option<&[f32]>) -> Kept {
    let mut n_counts = Vec::with_capacity(counts.n_cells());
    let mut n_present = Vec::with_capacity(counts.n_cells());
    for row in counts.rows() {
        let (sum, n) = row.fold((0.0, 0), |(sum, n), (_, value)| (sum + f64::from(value), n + u32::from(value > 0.0)));
        n_counts.push(sum);
        n_present.push(n);
    }
    let is_kept = (0..counts.n_cells())
        .map(|cell| {
            let pct = pct_mitochondrial.map(|pct| f64::from(pct[cell]));
            filter.admits(n_counts[cell], f64::from(n_present[cell]), pct)
        })
        .collect();
    Kept { is_kept, n_counts, n_present }
}

/// Which genes meet all bounds.
pub fn filter_genes(counts: &Counts, filter: &GeneFilter) -> Kept {
    let mut n_counts = vec![0.0; counts.n_genes()];
    let mut n_present = vec![0; counts.n_genes()];
    for row in counts.rows() {
        row.for_each(|(gene, value)| {
            n_counts[gene as usize] += f64::from(value);
            n_present[gene as usize] += u32::from(value > 0.0);
        });
    }
    let is_kept = (0..counts.n_genes())
        .map(|gene| {
            lies_within(n_counts[gene], filter.min_counts, filter.max_counts)
                && lies_within(n_present[gene], filter.min_cells, filter.max_cells)
        })
        .collect();
    Kept { is_kept, n_counts, n_present }
}

/// Bounds included.
fn lies_within<T: PartialOrd>(value: T, least: Option<T>, most: Option<T>) -> bool {
    least.is_none_or(|least| value >= least) && most.is_none_or(|most| value <= most)
}
