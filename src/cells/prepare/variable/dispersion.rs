//! Dispersion (variance over mean) against genes of like mean: the flavours `seurat` and `cell_ranger`.

use spec::prepare::{VariableGenesConfig, VariableGenesFlavor};

use crate::prepare::moments::Moments;
use crate::prepare::quantile::{median, percentile};

/// What stands for a mean of 0, so that it can be divided by.
const NO_MEAN: f64 = 1e-12;

/// The upper quartile of the normal distribution: a median absolute deviation over it estimates a standard deviation.
const NORMAL_QUARTILE: f64 = 0.674_489_750_196_081_7;

/// Dispersion of each gene of one batch. Fields are scanpy's columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dispersions {
    pub(super) means: Vec<f64>,
    pub(super) dispersions: Vec<f64>,
    pub(super) dispersions_norm: Vec<f64>,
}

/// Of the genes for which `is_in` holds; the others have 0 throughout, as scanpy gives genes that a batch lacks.
pub(super) fn dispersions(moments: &Moments, config: &VariableGenesConfig, is_in: &[bool]) -> Dispersions {
    let is_seurat = config.flavor == VariableGenesFlavor::Seurat;
    let genes: Vec<usize> = (0..is_in.len()).filter(|&gene| is_in[gene]).collect();
    let (mut means, mut values) = (Vec::with_capacity(genes.len()), Vec::with_capacity(genes.len()));
    for &gene in &genes {
        let mean = if moments.means[gene] == 0.0 { NO_MEAN } else { moments.means[gene] };
        let dispersion = moments.variances[gene] / mean;
        if is_seurat {
            means.push(mean.ln_1p());
            values.push(if dispersion == 0.0 { f64::NAN } else { dispersion.ln() });
        } else {
            means.push(mean);
            values.push(dispersion);
        }
    }
    let bins = if is_seurat { equal_bins(&means, config.n_bins) } else { percentile_bins(&means) };
    let normal = normalized(&values, &bins, if is_seurat { mean_and_deviation } else { median_and_deviation });
    let spread = |of_genes: &[f64]| {
        let mut all = vec![0.0; is_in.len()];
        genes.iter().zip(of_genes).for_each(|(gene, value)| all[*gene] = *value);
        all
    };
    Dispersions { means: spread(&means), dispersions: spread(&values), dispersions_norm: spread(&normal) }
}

/// Each value minus the centre of its bin, over the spread of its bin.
fn normalized(values: &[f64], bins: &[usize], centre_and_spread: impl Fn(Vec<f64>) -> (f64, f64)) -> Vec<f64> {
    let n_bins = bins.iter().max().map_or(0, |last| last + 1);
    let mut of_bin: Vec<Vec<f64>> = vec![Vec::new(); n_bins];
    for (value, bin) in values.iter().zip(bins).filter(|(value, _)| !value.is_nan()) {
        of_bin[*bin].push(*value);
    }
    let stats: Vec<(f64, f64)> = of_bin.into_iter().map(centre_and_spread).collect();
    values.iter().zip(bins).map(|(value, bin)| (value - stats[*bin].0) / stats[*bin].1).collect()
}

/// Mean and standard deviation (ddof 1). A lone gene has centre 0 and its own value for a spread, so that it comes to 1.
fn mean_and_deviation(values: Vec<f64>) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() < 2 {
        return (0.0, mean);
    }
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

/// Median, and the median absolute deviation from it as an estimate of the standard deviation.
fn median_and_deviation(values: Vec<f64>) -> (f64, f64) {
    let centre = median(values.clone()).unwrap_or(f64::NAN);
    let away = values.into_iter().map(|value| (value - centre).abs()).collect();
    (centre, median(away).unwrap_or(f64::NAN) / NORMAL_QUARTILE)
}

/// The bin of each mean among bins of equal width, closed above (`pandas.cut`).
fn equal_bins(means: &[f64], n_bins: usize) -> Vec<usize> {
    let (mut low, mut high) =
        means.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(*mean), high.max(*mean)));
    if low == high {
        let by = if low == 0.0 { 0.001 } else { 0.001 * low.abs() };
        (low, high) = (low - by, high + by);
    }
    // As numpy's linspace: the step times its number, the last edge exact.
    let step = (high - low) / n_bins as f64;
    let upper: Vec<f64> = (1..=n_bins).map(|at| if at == n_bins { high } else { at as f64 * step + low }).collect();
    means.iter().map(|mean| upper.partition_point(|edge| edge < mean).min(n_bins - 1)).collect()
}

/// The bin of each mean among the percentiles 10, 15 … 100, closed above. Percentiles that coincide make one edge.
fn percentile_bins(means: &[f64]) -> Vec<usize> {
    let mut ascending = means.to_vec();
    ascending.sort_unstable_by(f64::total_cmp);
    let mut edges: Vec<f64> =
        (2..=20).filter_map(|twentieth| percentile(&ascending, f64::from(5 * twentieth))).collect();
    edges.dedup();
    means.iter().map(|mean| edges.partition_point(|edge| edge < mean)).collect()
}

/// Which genes are chosen by the cutoffs. NaN counts as 0, as in Seurat; infinity is above every cutoff but the upper.
pub(super) fn within_cutoffs(means: &[f64], dispersions_norm: &[f64], config: &VariableGenesConfig) -> Vec<bool> {
    means
        .iter()
        .zip(dispersions_norm)
        .map(|(mean, norm)| {
            let norm = if norm.is_nan() { 0.0 } else { norm.clamp(f64::MIN, f64::MAX) };
            *mean > config.min_mean
                && *mean < config.max_mean
                && norm > config.min_dispersion
                && norm < config.max_dispersion.unwrap_or(f64::INFINITY)
        })
        .collect()
}

/// A normalised dispersion as genes are ordered by it: to nine decimals. Of two genes alone in a bin one has the root of a
/// half, whichever bin it is, and rounding of the last bit shall not order them (in scanpy it does).
pub(super) fn ordered_by(dispersion_norm: f64) -> f64 {
    let rounded = (dispersion_norm * 1e9).round() / 1e9;
    if rounded.is_finite() { rounded } else { dispersion_norm }
}

/// The `n_top` genes of largest normalised dispersion, and all that equal the last of them. NaN is never chosen.
pub(super) fn largest(dispersions_norm: &[f64], n_top: usize) -> Vec<bool> {
    let keys: Vec<f64> = dispersions_norm.iter().map(|norm| ordered_by(*norm)).collect();
    let mut descending: Vec<f64> = keys.iter().copied().filter(|norm| !norm.is_nan()).collect();
    descending.sort_unstable_by(|a, b| b.total_cmp(a));
    match descending.get(n_top.min(descending.len()).wrapping_sub(1)) {
        Some(least) => keys.iter().map(|norm| norm >= least).collect(),
        None => vec![false; keys.len()],
    }
}
