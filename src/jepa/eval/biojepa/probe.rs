//! Evaluations 5 (batch and perturbation from an embedding) and 8 (essential genes from gene embeddings): linear maps
//! fitted by full-batch Adam, and what to compare them with.
//!
//! Differences from the published: weights start from 0, not drawn, so that a probe repeats; scores are of examples that
//! neither fitted the map nor chose when to stop. Evaluation 5 embeds *control* cells and asks for the guide of the cell
//! they were paired with, of which they know nothing: use embeddings of the perturbed cells, and read accuracies beside
//! [`majority`].

use spec::metrics::Undefined;

use crate::eval::cell_eval::roc;
use crate::eval::pairs::{self, Score};

const DECAYS: (f64, f64) = (0.9, 0.999);
const SMALL: f64 = 1e-8;

/// A linear map with an intercept: inputs × outputs, the intercept last.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    n_inputs: usize,
    n_outputs: usize,
    weights: Vec<f64>,
}

/// How a probe is fitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    /// Full-batch steps.
    pub n: usize,
    /// Adam's rate.
    pub rate: f64,
    /// Gradients are shortened to this length; none leaves them.
    pub clip: Option<f64>,
}

/// Evaluation 5's steps.
pub const CLASS_STEPS: Steps = Steps { n: 100, rate: 1e-3, clip: None };
/// Evaluation 8's steps.
pub const NUMBER_STEPS: Steps = Steps { n: 500, rate: 1e-3, clip: Some(1.0) };

impl Probe {
    /// For classes numbered from 0: softmax and cross-entropy.
    ///
    /// # Errors
    /// No rows, rows of different length, a class that is not below `n_classes`, a value that is not finite.
    pub fn of_classes(rows: &[&[f32]], classes: &[usize], n_classes: usize, steps: Steps) -> Result<Self, Undefined> {
        if classes.len() != rows.len() || classes.iter().any(|&class| class >= n_classes) {
            return Err(Undefined::Length);
        }
        Self::fit(rows, n_classes, steps, |example, outputs| {
            let highest = outputs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = outputs.iter().map(|output| (output - highest).exp()).sum();
            for (class, output) in outputs.iter_mut().enumerate() {
                *output = (*output - highest).exp() / total - f64::from(u8::from(classes[example] == class));
            }
        })
    }

    /// For one number: squared error.
    ///
    /// # Errors
    /// As [`Probe::of_classes`].
    pub fn of_number(rows: &[&[f32]], wanted: &[f64], steps: Steps) -> Result<Self, Undefined> {
        if wanted.len() != rows.len() {
            return Err(Undefined::Length);
        }
        if wanted.iter().any(|value| !value.is_finite()) {
            return Err(Undefined::NotFinite);
        }
        Self::fit(rows, 1, steps, |example, outputs| outputs[0] = 2.0 * (outputs[0] - wanted[example]))
    }

    /// `slope` turns an example's outputs into the loss's slope by them.
    fn fit(
        rows: &[&[f32]],
        n_outputs: usize,
        steps: Steps,
        slope: impl Fn(usize, &mut [f64]),
    ) -> Result<Self, Undefined> {
        let n_inputs = rows.first().ok_or(Undefined::TooFewCells)?.len();
        if rows.iter().any(|row| row.len() != n_inputs) {
            return Err(Undefined::Length);
        }
        if rows.iter().any(|row| row.iter().any(|value| !value.is_finite())) {
            return Err(Undefined::NotFinite);
        }
        let n_weights = (n_inputs + 1) * n_outputs;
        let mut probe = Self { n_inputs, n_outputs, weights: vec![0.0; n_weights] };
        let (mut first, mut second) = (vec![0.0; n_weights], vec![0.0; n_weights]);
        for step in 1..=steps.n {
            let gradient = probe.gradient(rows, steps.clip, &slope);
            let (left_first, left_second) = (1.0 - DECAYS.0.powi(step as i32), 1.0 - DECAYS.1.powi(step as i32));
            for (at, g) in gradient.into_iter().enumerate() {
                first[at] = DECAYS.0 * first[at] + (1.0 - DECAYS.0) * g;
                second[at] = DECAYS.1 * second[at] + (1.0 - DECAYS.1) * g * g;
                let step = (first[at] / left_first) / ((second[at] / left_second).sqrt() + SMALL);
                probe.weights[at] -= steps.rate * step;
            }
        }
        Ok(probe)
    }

    fn gradient(&self, rows: &[&[f32]], clip: Option<f64>, slope: &impl Fn(usize, &mut [f64])) -> Vec<f64> {
        let mut gradient = vec![0.0; self.weights.len()];
        for (example, row) in rows.iter().enumerate() {
            let mut outputs = self.outputs(row);
            slope(example, &mut outputs);
            let inputs = row.iter().map(|&value| f64::from(value)).chain(std::iter::once(1.0));
            for (input, sums) in inputs.zip(gradient.chunks_mut(self.n_outputs)) {
                for (sum, output) in sums.iter_mut().zip(&outputs) {
                    *sum += input * output / rows.len() as f64;
                }
            }
        }
        if let Some(most) = clip {
            // As torch's clip_grad_norm_ has it.
            let shortened = (most / (pairs::dot(&gradient, &gradient).sqrt() + 1e-6)).min(1.0);
            gradient.iter_mut().for_each(|g| *g *= shortened);
        }
        gradient
    }

    /// Outputs for a row: scores of the classes, or one number. What a row has beyond the inputs is not looked at.
    pub fn outputs(&self, row: &[f32]) -> Vec<f64> {
        let mut outputs = self.weights[self.n_inputs * self.n_outputs..].to_vec();
        for (&value, weights) in row.iter().take(self.n_inputs).zip(self.weights.chunks(self.n_outputs)) {
            for (output, weight) in outputs.iter_mut().zip(weights) {
                *output += f64::from(value) * weight;
            }
        }
        outputs
    }

    /// The class of the highest score, the first of equals.
    pub fn class(&self, row: &[f32]) -> usize {
        let outputs = self.outputs(row);
        let better = |best: usize, class: usize| if outputs[class] > outputs[best] { class } else { best };
        (0..self.n_outputs).fold(0, better)
    }
}

/// Share of examples put into their class.
///
/// # Errors
/// No examples, or lengths that differ.
pub fn accuracy(probe: &Probe, rows: &[&[f32]], classes: &[usize]) -> Score {
    if rows.len() != classes.len() {
        return Err(Undefined::Length);
    }
    if rows.is_empty() {
        return Err(Undefined::TooFewCells);
    }
    let right = rows.iter().zip(classes).filter(|(row, class)| probe.class(row) == **class).count();
    Ok(right as f64 / rows.len() as f64)
}

/// What one gets who always answers the most frequent class of training.
///
/// # Errors
/// No examples.
pub fn majority(training: &[usize], test: &[usize]) -> Score {
    let mut counts = std::collections::BTreeMap::new();
    for class in training {
        *counts.entry(*class).or_insert(0usize) += 1;
    }
    let most = counts.iter().rev().max_by_key(|(_, n)| **n).map(|(class, _)| *class).ok_or(Undefined::TooFewCells)?;
    if test.is_empty() {
        return Err(Undefined::TooFewCells);
    }
    Ok(test.iter().filter(|&&class| class == most).count() as f64 / test.len() as f64)
}

/// Evaluation 8's scores of a number predicted for genes, and of anything that stands beside it: the mean expression of
/// the gene alone has to be tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Essential {
    /// Pearson of predicted and measured effect.
    pub pearson: Score,
    /// Spearman.
    pub spearman: Score,
    /// Chance that an essential gene (effect below -0.5) has a lower prediction than another.
    pub roc_auc: Score,
}

/// Of effects predicted and measured per gene.
pub fn essential(predicted: &[f64], effects: &[f64]) -> Essential {
    let labels: Vec<bool> = effects.iter().map(|&effect| effect < -0.5).collect();
    let scores: Vec<f64> = predicted.iter().map(|value| -value).collect();
    Essential {
        pearson: pairs::pearson(predicted, effects),
        spearman: pairs::spearman(predicted, effects),
        roc_auc: roc(&labels, &scores),
    }
}
