//! Agreement of predicted and measured differential expression: overlap and precision at N, direction, order, recall,
//! areas under curves.
//!
//! A gene is significant below 0.05 after correction. cell-eval stores the numbers in f32, and so are they compared here.

use spec::metrics::Undefined;

use super::super::pairs::{self, Score};

/// Below this a gene is significant.
const SIGNIFICANT: f32 = 0.05;
/// No predicted significance counts for more than this.
const SMALLEST: f32 = 1e-10;

/// What tests say of every gene of one perturbation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tests {
    /// p after correction for many genes.
    pub adjusted: Vec<f64>,
    /// Base 2; infinite where one side does not express the gene.
    pub log_fold_changes: Vec<f64>,
}

impl Tests {
    /// Genes below 0.05.
    pub fn significant(&self) -> Vec<usize> {
        (0..self.adjusted.len()).filter(|&gene| (self.adjusted[gene] as f32) < SIGNIFICANT).collect()
    }

    /// Those by falling size of their fold change.
    fn ranked(&self) -> Vec<usize> {
        let size = |gene: usize| (self.log_fold_changes[gene] as f32).abs();
        let mut genes = self.significant();
        genes.sort_by(|&a, &b| size(b).total_cmp(&size(a)));
        genes
    }

    fn comparable(&self, other: &Self) -> Result<(), Undefined> {
        let n = self.adjusted.len();
        let same = [self.log_fold_changes.len(), other.adjusted.len(), other.log_fold_changes.len()];
        if same.iter().any(|&length| length != n) {
            return Err(Undefined::Length);
        }
        let is_nan = |tests: &Self| tests.adjusted.iter().chain(&tests.log_fold_changes).any(|value| value.is_nan());
        if is_nan(self) || is_nan(other) { Err(Undefined::NotFinite) } else { Ok(()) }
    }
}

/// Genes among the first `k` of both rankings, over the `k` there are on the measured side; all of them without `k`
/// (cell-eval's `overlap_at_N`, the differential expression score of the Virtual Cell Challenge).
///
/// # Errors
/// No gene is significant as measured: cell-eval says 0.
pub fn overlap(measured: &Tests, predicted: &Tests, k: Option<usize>) -> Score {
    measured.comparable(predicted)?;
    let (measured, predicted) = (measured.ranked(), predicted.ranked());
    shared(&measured, &predicted, k.unwrap_or(usize::MAX).min(measured.len()))
}

/// The same over the `k` there are on the predicted side.
///
/// # Errors
/// No gene is predicted significant: cell-eval says 0.
pub fn precision(measured: &Tests, predicted: &Tests, k: Option<usize>) -> Score {
    measured.comparable(predicted)?;
    let (measured, predicted) = (measured.ranked(), predicted.ranked());
    shared(&measured, &predicted, k.unwrap_or(usize::MAX).min(predicted.len()))
}

fn shared(measured: &[usize], predicted: &[usize], k: usize) -> Score {
    if k == 0 {
        return Err(Undefined::TooFewGenes);
    }
    let first = |genes: &[usize]| -> std::collections::HashSet<usize> { genes.iter().copied().take(k).collect() };
    Ok(first(measured).intersection(&first(predicted)).count() as f64 / k as f64)
}

/// Share of the significant genes whose fold changes have the same sign.
///
/// # Errors
/// No gene is significant.
pub fn direction_match(measured: &Tests, predicted: &Tests) -> Score {
    measured.comparable(predicted)?;
    let genes = measured.significant();
    let sign = |value: f64| if value == 0.0 { 0.0 } else { value.signum() };
    let same = |gene: &&usize| sign(measured.log_fold_changes[**gene]) == sign(predicted.log_fold_changes[**gene]);
    share(genes.iter().filter(same).count(), genes.len())
}

/// Rank correlation of the fold changes of the significant genes.
///
/// # Errors
/// Fewer than two, or all the same.
pub fn fold_change_order(measured: &Tests, predicted: &Tests) -> Score {
    measured.comparable(predicted)?;
    let genes = measured.significant();
    // Infinite fold changes have ranks.
    pairs::spearman(&pairs::at(&measured.log_fold_changes, &genes), &pairs::at(&predicted.log_fold_changes, &genes))
}

/// Share of the significant genes that are predicted significant.
///
/// # Errors
/// No gene is significant.
pub fn recall(measured: &Tests, predicted: &Tests) -> Score {
    measured.comparable(predicted)?;
    let genes = measured.significant();
    let found = genes.iter().filter(|&&gene| (predicted.adjusted[gene] as f32) < SIGNIFICANT).count();
    share(found, genes.len())
}

fn share(n: usize, of: usize) -> Score {
    if of == 0 { Err(Undefined::TooFewGenes) } else { Ok(n as f64 / of as f64) }
}

/// Rank correlation over perturbations of the numbers of significant genes; of those alone that have one as measured.
/// 1 where none has.
///
/// # Errors
/// A single perturbation, or numbers that are all the same.
pub fn count_correlation(measured: &[Tests], predicted: &[Tests]) -> Score {
    let counts: Vec<(f64, f64)> = measured
        .iter()
        .zip(predicted)
        .map(|(measured, predicted)| (measured.significant().len() as f64, predicted.significant().len() as f64))
        .filter(|(measured, _)| *measured > 0.0)
        .collect();
    match counts.len() {
        0 => Ok(1.0),
        1 => Err(Undefined::TooFewTargets),
        _ => {
            let (measured, predicted): (Vec<f64>, Vec<f64>) = counts.into_iter().unzip();
            pairs::spearman(&measured, &predicted)
        }
    }
}

/// Area under the ROC curve: significant genes as measured, told by predicted significance.
///
/// # Errors
/// All genes are significant, or none.
pub fn roc_auc(measured: &Tests, predicted: &Tests) -> Score {
    let (labels, scores) = labelled(measured, predicted)?;
    roc(&labels, &scores)
}

/// Mean precision over the recalls (scikit-learn's `average_precision_score`).
///
/// # Errors
/// As [`roc_auc`].
pub fn pr_auc(measured: &Tests, predicted: &Tests) -> Score {
    let (labels, scores) = labelled(measured, predicted)?;
    let n_positive = labels.iter().filter(|&&label| label).count();
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let (mut hits, mut seen, mut area) = (0usize, 0usize, 0.0);
    while seen < order.len() {
        let same = order[seen..].iter().take_while(|&&gene| scores[gene] == scores[order[seen]]).count().max(1);
        let new = order[seen..seen + same].iter().filter(|&&gene| labels[gene]).count();
        hits += new;
        seen += same;
        area += new as f64 / n_positive as f64 * hits as f64 / seen as f64;
    }
    Ok(area)
}

/// Whether genes are significant as measured, and how significant as predicted: -log10, at most 10.
fn labelled(measured: &Tests, predicted: &Tests) -> Result<(Vec<bool>, Vec<f64>), Undefined> {
    measured.comparable(predicted)?;
    let labels: Vec<bool> = measured.adjusted.iter().map(|&p| (p as f32) < SIGNIFICANT).collect();
    if labels.iter().all(|&label| label) || !labels.contains(&true) {
        return Err(Undefined::OneClass);
    }
    let scores = predicted.adjusted.iter().map(|&p| f64::from(-(p as f32).clamp(SMALLEST, 1.0).log10())).collect();
    Ok((labels, scores))
}

/// Chance that a positive scores above a negative, equals counting half.
///
/// # Errors
/// Positives or negatives alone.
pub fn roc(labels: &[bool], scores: &[f64]) -> Score {
    if labels.len() != scores.len() {
        return Err(Undefined::Length);
    }
    let n_positive = labels.iter().filter(|&&label| label).count();
    let n_negative = labels.len() - n_positive;
    if n_positive == 0 || n_negative == 0 {
        return Err(Undefined::OneClass);
    }
    let ranks = pairs::ranks(scores);
    let sum: f64 = ranks.iter().zip(labels).filter(|(_, label)| **label).map(|(rank, _)| rank).sum();
    let positive = n_positive as f64;
    Ok((sum - positive * (positive + 1.0) / 2.0) / (positive * n_negative as f64))
}
