//! Mean and variance of each gene, per batch, in one pass over the stored values and memory for the genes alone.

use crate::counts::CellView;

/// Sums of one gene in one batch.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    sum: f64,
    squares: f64,
    n_present: u32,
}

/// Moments of the genes in one batch of cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Cells of the batch.
    pub n_cells: usize,
    /// Mean of each gene over them.
    pub means: Vec<f64>,
    /// Variance of each gene (ddof 1; 0 where there is one cell).
    pub variances: Vec<f64>,
    /// Cells in which each gene is above 0.
    pub n_present: Vec<u32>,
}

/// Below this share of the mean square, a variance is what is left of rounding: f64 sums over millions of cells err by
/// less, and no gene of real cells is so constant.
const ROUNDING: f64 = 1e-12;

/// Moments per batch of `change(value)`, which must keep zero. `batch_of` has a batch below `n_batches` for each cell;
/// without it all cells are one batch.
///
/// # Panics
/// Where `batch_of` has fewer values than there are cells, or names a batch that is not there.
pub fn moments(
    cells: CellView<'_>,
    batch_of: Option<&[u32]>,
    n_batches: usize,
    change: impl Fn(f32) -> f64,
) -> Vec<Moments> {
    let n_genes = cells.n_genes();
    let mut sums = vec![vec![Sums::default(); n_genes]; n_batches];
    let mut n_cells = vec![0usize; n_batches];
    for (cell, row) in cells.rows().enumerate() {
        let batch = batch_of.map_or(0, |batch_of| batch_of[cell] as usize);
        n_cells[batch] += 1;
        let sums = &mut sums[batch];
        row.for_each(|(gene, value)| {
            let changed = change(value);
            let sums = &mut sums[gene as usize];
            sums.sum += changed;
            sums.squares += changed * changed;
            sums.n_present += u32::from(value > 0.0);
        });
    }
    sums.into_iter().zip(n_cells).map(|(sums, n_cells)| Moments::new(&sums, n_cells)).collect()
}

impl Moments {
    fn new(sums: &[Sums], n_cells: usize) -> Self {
        let n = n_cells.max(1) as f64;
        let variance = |gene: &Sums| {
            let mean = gene.sum / n;
            let mean_square = gene.squares / n;
            let variance = mean_square - mean * mean;
            if n_cells < 2 || variance <= ROUNDING * mean_square { 0.0 } else { variance * (n / (n - 1.0)) }
        };
        Self {
            n_cells,
            means: sums.iter().map(|gene| gene.sum / n).collect(),
            variances: sums.iter().map(variance).collect(),
            n_present: sums.iter().map(|gene| gene.n_present).collect(),
        }
    }
}
