//! Variance after standardising by a smooth fit of variance over mean: the flavours `seurat_v3` and `seurat_v3_paper`.

use spec::prepare::VariableGenesFlavor;

use crate::counts::CellView;
use crate::prepare::moments::Moments;
use crate::prepare::quantile::median;
use crate::prepare::variable::loess::{Loess, LoessError};

/// What standardises the values of one batch.
pub(super) struct Standard<'a> {
    moments: &'a Moments,
    /// Standard deviation that the fit expects of each gene.
    deviations: Vec<f64>,
    /// Value at which each gene is cut off.
    most: Vec<f64>,
    /// Borders at which the fit was not determined.
    pub(super) n_singular: usize,
}

impl<'a> Standard<'a> {
    /// Fits log10 variance over log10 mean of the genes that vary; one that does not is expected to deviate by 1.
    pub(super) fn fit(moments: &'a Moments, span: f64) -> Result<Self, LoessError> {
        let varies: Vec<usize> = (0..moments.means.len()).filter(|&gene| moments.variances[gene] > 0.0).collect();
        let x: Vec<f64> = varies.iter().map(|&gene| moments.means[gene].log10()).collect();
        let y: Vec<f64> = varies.iter().map(|&gene| moments.variances[gene].log10()).collect();
        let curve = Loess::fit(&x, &y, span)?;
        let mut deviations = vec![1.0; moments.means.len()];
        varies.iter().zip(&x).for_each(|(&gene, x)| deviations[gene] = 10f64.powf(curve.at(*x)).sqrt());
        let root = (moments.n_cells as f64).sqrt();
        let most = deviations.iter().zip(&moments.means).map(|(deviation, mean)| deviation * root + mean).collect();
        Ok(Self { moments, deviations, most, n_singular: curve.n_singular })
    }

    /// Variance of the standardised values.
    fn variances(&self, sums: &[CutSums]) -> Vec<f64> {
        let n = self.moments.n_cells as f64;
        let of_gene = |(gene, sums): (usize, &CutSums)| {
            let (mean, deviation, most) = (self.moments.means[gene], self.deviations[gene], self.most[gene]);
            let sum = sums.sum + sums.n_cut * most;
            let squares = sums.squares + sums.n_cut * most * most;
            (n * mean * mean + squares - 2.0 * sum * mean) / ((n - 1.0) * deviation * deviation)
        };
        sums.iter().enumerate().map(of_gene).collect()
    }
}

/// Sums of one gene in one batch. What is cut off is counted, not summed: so sums of counts are whole and exact, equal
/// genes tie, and the order of the cells does not matter.
#[derive(Debug, Clone, Copy, Default)]
struct CutSums {
    sum: f64,
    squares: f64,
    n_cut: f64,
}

/// Variance of each gene in each batch after standardising and cutting off; one more pass over the counts.
pub(super) fn normalized(cells: CellView<'_>, batch_of: Option<&[u32]>, standards: &[Standard<'_>]) -> Vec<Vec<f64>> {
    let mut sums = vec![vec![CutSums::default(); cells.n_genes()]; standards.len()];
    for (cell, row) in cells.rows().enumerate() {
        let batch = batch_of.map_or(0, |batch_of| batch_of[cell] as usize);
        let (sums, most) = (&mut sums[batch], &standards[batch].most);
        row.for_each(|(gene, value)| {
            let (value, sums) = (f64::from(value), &mut sums[gene as usize]);
            if value > most[gene as usize] {
                sums.n_cut += 1.0;
            } else {
                sums.sum += value;
                sums.squares += value * value;
            }
        });
    }
    sums.iter().zip(standards).map(|(sums, standard)| standard.variances(sums)).collect()
}

/// How genes rank over the batches.
pub(super) struct Ranks {
    /// Median over the batches of the rank of each gene, from 0, where it is among the first `n_top`; none where it is
    /// so in no batch.
    pub(super) median: Vec<Option<f64>>,
    /// Batches in which it is.
    pub(super) n_batches: Vec<u32>,
    /// Whether the gene is chosen.
    pub(super) is_variable: Vec<bool>,
}

/// Chooses `n_top` genes. Equal variances rank in the order of the columns (scanpy: in no order that holds).
pub(super) fn rank(normalized: &[Vec<f64>], n_top: usize, flavor: VariableGenesFlavor) -> Ranks {
    let n_genes = normalized.first().map_or(0, Vec::len);
    let mut ranks: Vec<Vec<f64>> = vec![Vec::new(); n_genes];
    for of_batch in normalized {
        let mut order: Vec<usize> = (0..n_genes).collect();
        // NaN last.
        let key = |gene: &usize| if of_batch[*gene].is_nan() { f64::NEG_INFINITY } else { of_batch[*gene] };
        order.sort_by(|a, b| key(b).total_cmp(&key(a)));
        order.iter().take(n_top).enumerate().for_each(|(rank, gene)| ranks[*gene].push(rank as f64));
    }
    let n_batches: Vec<u32> = ranks.iter().map(|ranks| ranks.len() as u32).collect();
    let median: Vec<Option<f64>> = ranks.into_iter().map(median).collect();
    let mut order: Vec<usize> = (0..n_genes).collect();
    let by_rank = |a: usize, b: usize| {
        let rank = |gene: usize| median[gene].unwrap_or(f64::INFINITY);
        rank(a).total_cmp(&rank(b))
    };
    let by_number = |a: usize, b: usize| n_batches[b].cmp(&n_batches[a]);
    order.sort_by(|&a, &b| match flavor {
        VariableGenesFlavor::SeuratV3Paper => by_number(a, b).then_with(|| by_rank(a, b)),
        _ => by_rank(a, b).then_with(|| by_number(a, b)),
    });
    let mut is_variable = vec![false; n_genes];
    order.into_iter().take(n_top).for_each(|gene| is_variable[gene] = true);
    Ranks { median, n_batches, is_variable }
}
