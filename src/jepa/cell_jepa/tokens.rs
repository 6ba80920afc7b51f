//! A cell as tokens: `<cls>`, then its expressed genes, each with the bin of its value among the cell's own values.
//!
//! Bins are scGPT's: edges are quantiles of the values above zero, and a value that meets edges falls into one of the bins
//! they part, drawn or the highest. At most so many genes are read, of more a uniform choice at each visit. Cells of a batch
//! are as long as its longest, filled up with `<pad>`.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use cells::counts::Counts;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::cell_jepa::{CellJepaConfig, MaskDraw};

/// Value of `<cls>` where it has one: scGPT's for what is no gene.
const CLS_VALUE: f32 = -2.0;

/// One visit of a cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CellTokens {
    /// Genes, by index.
    pub genes: Vec<u32>,
    /// The bin of each, from 1.
    pub bins: Vec<u32>,
    /// Whether the student does not see its value.
    pub hidden: Vec<bool>,
    /// The type of the cell, by code; none where it is not asked for.
    pub kind: Option<u32>,
}

impl CellTokens {
    /// A row's genes for training: bins, choice and mask by draws of `rng`.
    pub fn visit(rows: &Counts, row: usize, config: &CellJepaConfig, rng: &mut ChaCha8Rng) -> Self {
        let mut tokens = if config.random_ties {
            Self::read(rows, row, config.n_bins, || rng.random::<f64>())
        } else {
            Self::read(rows, row, config.n_bins, || 0.0)
        };
        tokens.keep_some(config.max_genes, rng);
        let n = tokens.genes.len();
        tokens.hidden = match config.mask_draw {
            MaskDraw::Independent => (0..n).map(|_| rng.random_bool(config.mask_ratio)).collect(),
            MaskDraw::Exact => {
                let mut hidden = vec![false; n];
                let n_hidden = (config.mask_ratio * n as f64).round() as usize;
                some_of(n, n_hidden, rng).into_iter().for_each(|at| hidden[at] = true);
                hidden
            }
        };
        tokens
    }

    /// A row's genes for a query: the highest of tied bins, nothing hidden, and of too many genes a choice by the row's
    /// number alone.
    pub fn whole(rows: &Counts, row: usize, config: &CellJepaConfig) -> Self {
        let mut tokens = Self::read(rows, row, config.n_bins, || 0.0);
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        rng.set_stream(row as u64);
        tokens.keep_some(config.n_embedded_genes(), &mut rng);
        tokens
    }

    fn read(rows: &Counts, row: usize, n_bins: usize, draw: impl FnMut() -> f64) -> Self {
        let (genes, values): (Vec<u32>, Vec<f32>) = rows.row(row).filter(|(_, value)| *value > 0.0).unzip();
        let hidden = vec![false; genes.len()];
        Self { bins: bins(&values, n_bins, draw), genes, hidden, kind: None }
    }

    fn keep_some(&mut self, n_most: usize, rng: &mut ChaCha8Rng) {
        if self.genes.len() > n_most {
            let kept = some_of(self.genes.len(), n_most, rng);
            self.genes = kept.iter().map(|&at| self.genes[at]).collect();
            self.bins = kept.iter().map(|&at| self.bins[at]).collect();
            self.hidden.truncate(n_most);
        }
    }
}

/// `n_some` of the numbers below `n`, ascending, each choice as likely as every other.
fn some_of(n: usize, n_some: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut all: Vec<usize> = (0..n).collect();
    for at in 0..n_some.min(n) {
        all.swap(at, rng.random_range(at..n));
    }
    all.truncate(n_some);
    all.sort_unstable();
    all
}

/// The bin (1 to `n_bins`) of each of a cell's values above zero. With `a` edges at or below a value and `b` below it, its
/// bin is `ceil(a - u (a - b))`, u drawn from 0 to 1 for each value in turn; u = 0 gives the highest.
pub fn bins(values: &[f32], n_bins: usize, mut draw: impl FnMut() -> f64) -> Vec<u32> {
    let edges = edges(values, n_bins);
    let bin = |value: &f32| {
        let value = f64::from(*value);
        let up_to = edges.partition_point(|edge| *edge <= value);
        let below = edges.partition_point(|edge| *edge < value);
        let bin = (up_to as f64 - draw() * (up_to - below) as f64).ceil();
        (bin as u32).clamp(1, n_bins as u32)
    };
    values.iter().map(bin).collect()
}

/// `n_bins` quantiles of the values, between neighbours linearly, in numpy's order of operations.
fn edges(values: &[f32], n_bins: usize) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return Vec::new() };
    let step = 1.0 / (n_bins as f64 - 1.0);
    let quantile = |at: usize| {
        let share = if at + 1 == n_bins { 1.0 } else { at as f64 * step };
        let place = last as f64 * share;
        let before = (place.floor() as usize).min(last);
        let (low, high) = (sorted[before], sorted[(before + 1).min(last)]);
        let between = place - place.floor();
        if between < 0.5 { low + (high - low) * between } else { high - (high - low) * (1.0 - between) }
    };
    (0..n_bins).map(quantile).collect()
}

/// Cells on a device.
#[derive(Debug, Clone)]
pub struct TokenBatch {
    /// `[B, N]`, by index; the two after the last gene are `<cls>` and `<pad>`.
    pub genes: Tensor<2, Int>,
    /// Bins, `[B, N]`; 0 where there is no gene.
    pub values: Tensor<2>,
    /// 1 where a value belongs to the token, `[B, N]`.
    pub has_value: Tensor<2>,
    /// 1 where the student does not see it, `[B, N]`.
    pub hidden: Tensor<2>,
    /// 1 where there is no token, `[B, N]`.
    pub padding: Tensor<2>,
    /// Hidden values of each cell.
    pub n_hidden: Vec<usize>,
    /// The type of each cell, where it is known.
    pub kinds: Vec<Option<u32>>,
}

impl TokenBatch {
    /// Puts cells of a vocabulary of `n_genes` on a device.
    pub fn new(cells: &[CellTokens], n_genes: usize, config: &CellJepaConfig, device: &Device) -> Self {
        let n_tokens = 1 + cells.iter().map(|cell| cell.genes.len()).max().unwrap_or(0);
        let (cls, pad) = (n_genes as i32, n_genes as i32 + 1);
        let mut genes = vec![pad; cells.len() * n_tokens];
        let [mut values, mut has_value, mut hidden] = [(); 3].map(|()| vec![0.0f32; genes.len()]);
        let mut padding = vec![1.0f32; genes.len()];
        for (cell, start) in cells.iter().zip((0..).step_by(n_tokens)) {
            genes[start] = cls;
            padding[start] = 0.0;
            if config.value_at_cls {
                (values[start], has_value[start]) = (CLS_VALUE, 1.0);
            }
            for (at, ((&gene, &bin), &is_hidden)) in cell.genes.iter().zip(&cell.bins).zip(&cell.hidden).enumerate() {
                let at = start + 1 + at;
                (genes[at], values[at], has_value[at], padding[at]) = (gene as i32, bin as f32, 1.0, 0.0);
                hidden[at] = if is_hidden { 1.0 } else { 0.0 };
            }
        }
        let shape = [cells.len(), n_tokens];
        let floats = |values: Vec<f32>| Tensor::from_data(TensorData::new(values, shape), device);
        Self {
            genes: Tensor::from_data(TensorData::new(genes, shape), device),
            values: floats(values),
            has_value: floats(has_value),
            hidden: floats(hidden),
            padding: floats(padding),
            kinds: cells.iter().map(|cell| cell.kind).collect(),
            n_hidden: cells.iter().map(|cell| cell.hidden.iter().filter(|is_hidden| **is_hidden).count()).collect(),
        }
    }

    /// How many cells.
    pub fn n_cells(&self) -> usize {
        self.n_hidden.len()
    }

    /// Some of the cells.
    pub fn part(&self, cells: Range<usize>) -> Self {
        let (start, n) = (cells.start, cells.len());
        let rows = |tensor: &Tensor<2>| tensor.clone().narrow(0, start, n);
        Self {
            genes: self.genes.clone().narrow(0, start, n),
            values: rows(&self.values),
            has_value: rows(&self.has_value),
            hidden: rows(&self.hidden),
            padding: rows(&self.padding),
            n_hidden: self.n_hidden[cells.clone()].to_vec(),
            kinds: self.kinds[cells].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell() -> Counts {
        let values: Vec<f32> = (0..400).map(|gene| if gene % 2 == 0 { 0.0 } else { (gene % 9) as f32 / 4.0 }).collect();
        Counts::from_dense(&values, 400).expect("rows are whole")
    }

    #[test]
    fn zeros_are_no_tokens_and_bins_keep_the_order_of_values() {
        let tokens = CellTokens::whole(&cell(), 0, &CellJepaConfig::default());
        assert!(tokens.genes.iter().all(|gene| gene % 2 == 1 && gene % 9 != 0));
        let value = |gene: u32| (gene % 9) as f32 / 4.0;
        for (one, of_one) in tokens.genes.iter().zip(&tokens.bins) {
            for (other, of_other) in tokens.genes.iter().zip(&tokens.bins) {
                assert!(value(*one) > value(*other) || of_one <= of_other, "{one} {other}");
            }
        }
        assert_eq!(tokens.bins.iter().max(), Some(&50));
        assert!(tokens.bins.iter().min() >= Some(&1));
        let none = Counts::from_dense(&[0.0, 0.0], 2).expect("rows are whole");
        assert_eq!(CellTokens::whole(&none, 0, &CellJepaConfig::default()), CellTokens::default());
    }

    #[test]
    fn each_visit_chooses_anew_and_a_query_never() {
        let config = CellJepaConfig { max_genes: 20, ..CellJepaConfig::default() };
        let visit = |seed| CellTokens::visit(&cell(), 0, &config, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(visit(1), visit(1));
        assert_ne!(visit(1).genes, visit(2).genes);
        assert_eq!(visit(1).genes.len(), 20);
        assert_eq!(CellTokens::whole(&cell(), 0, &config), CellTokens::whole(&cell(), 0, &config));
        // Each expressed gene is as likely as every other.
        let mut counts = [0usize; 400];
        (0..2000).for_each(|seed| visit(seed).genes.iter().for_each(|gene| counts[*gene as usize] += 1));
        let n_expressed = counts.iter().filter(|count| **count > 0).count();
        let expected = 2000.0 * 20.0 / n_expressed as f64;
        assert!(counts.iter().filter(|c| **c > 0).all(|c| (*c as f64 / expected - 1.0).abs() < 0.4), "{expected}");
    }

    #[test]
    fn the_mask_has_its_share_and_the_exact_one_exactly() {
        let share = |mask_draw| {
            let config = CellJepaConfig { mask_ratio: 0.25, mask_draw, ..CellJepaConfig::default() };
            let visit = |seed| CellTokens::visit(&cell(), 0, &config, &mut ChaCha8Rng::seed_from_u64(seed));
            let of = |tokens: CellTokens| {
                tokens.hidden.iter().filter(|hidden| **hidden).count() as f64 / tokens.hidden.len() as f64
            };
            (0..200).map(|seed| of(visit(seed))).collect::<Vec<_>>()
        };
        let independent = share(MaskDraw::Independent);
        assert!((independent.iter().sum::<f64>() / 200.0 - 0.25).abs() < 0.01);
        assert!(independent.iter().any(|share| (share - 0.25).abs() > 0.02));
        assert!(share(MaskDraw::Exact).iter().all(|share| (share - 0.25).abs() < 0.01));
    }
}
