//! The perturbation task (the paper's §2.4, spec §1.6): the student reads a control cell with a flag on each perturbed gene,
//! the teacher the values of a perturbed cell; nothing is hidden, and every gene that is read is told.
//!
//! `w_v mean (told - perturbed)² + w_e Σ (1 - cos(p(ê), e)) / cells + w_c contrast(ê by perturbation)`, where what is told is
//! the value head's output itself, or its sum with the control's value. Values are log1p expression, not bins. Flags are the
//! student's alone; that the teacher has none, and that the contrast is of perturbations, is assumed: the paper does not say.

use burn::tensor::{Device, Int, Tensor, TensorData};
use spec::cell_jepa::{PerturbationTuning, ToldAs};
use spec::train::report::LossTerm;

use super::step::{Learning, summed};
use super::tokens::TokenBatch;
use crate::cell_jepa::CellJepa;
use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::encoder::{Encoder, View, cell_of};
use crate::error::Error;
use crate::loss::{self, Losses, Term};
use crate::model::init::Init;
use crate::model::parameters::{Parameters, parameters};
use crate::optim::{AdamW, NamedGradients, moving_average};
use crate::step::StepSettings;

/// A Cell-JEPA with an embedding of flags.
#[derive(Debug, Clone)]
pub struct Perturber {
    /// The model.
    pub model: CellJepa,
    /// `[2, d]`: of a gene that is not perturbed, and of one that is.
    pub flags: Tensor<2>,
}

parameters!(Perturber { model: "model", flags: "pert_encoder.weight" } keep {});

/// Pairs of a control and a perturbed cell, on the genes that are read.
#[derive(Debug, Clone)]
pub struct PerturbedPairs {
    /// The control cells; all genes of a batch have a value, be it zero.
    pub control: TokenBatch,
    /// The perturbed cells on the same tokens, `[B, N]`.
    pub perturbed: Tensor<2>,
    /// 1 where a token's gene is perturbed, `[B, N]`.
    pub flags: Tensor<2, Int>,
    /// Which perturbation each pair has.
    pub kinds: Vec<u32>,
}

impl PerturbedPairs {
    /// Pairs of `n_cells` cells, row-major on the same `genes` of a vocabulary of `n_genes`; `targets` are the perturbed
    /// genes of each pair.
    ///
    /// # Errors
    /// Where lengths disagree or a gene is not in the vocabulary.
    pub fn new(
        genes: &[u32],
        n_genes: usize,
        [control, perturbed]: [&[f32]; 2],
        targets: &[Vec<u32>],
        device: &Device,
    ) -> Result<Self, Error> {
        let problem = |problem: String| Err(Error::TrainingCells { problem });
        let (n_cells, n) = (targets.len(), genes.len());
        if [control.len(), perturbed.len()] != [n_cells * n; 2] || n_cells == 0 || n == 0 {
            let (a, b) = (control.len(), perturbed.len());
            return problem(format!("{n_cells} pairs of {n} genes have {a} control and {b} perturbed values"));
        }
        if let Some(gene) = genes.iter().chain(targets.iter().flatten()).find(|gene| **gene as usize >= n_genes) {
            return problem(format!("gene {gene} of a vocabulary of {n_genes}"));
        }
        let shape = [n_cells, n + 1];
        let with_cls = |values: &[f32], cls: f32| -> Tensor<2> {
            let values = values.chunks_exact(n).flat_map(|row| std::iter::once(cls).chain(row.iter().copied()));
            Tensor::from_data(TensorData::new(values.collect::<Vec<_>>(), shape), device)
        };
        let cls = n_genes as i32;
        let tokens: Vec<i32> = std::iter::once(cls).chain(genes.iter().map(|gene| *gene as i32)).collect();
        let flagged = |row: &Vec<u32>| genes.iter().map(|gene| i32::from(row.contains(gene))).collect::<Vec<_>>();
        let flags = targets.iter().flat_map(|row| std::iter::once(0).chain(flagged(row)));
        let flags = Tensor::from_data(TensorData::new(flags.collect::<Vec<i32>>(), shape), device);
        let mut known: Vec<&Vec<u32>> = targets.iter().collect();
        known.sort_unstable();
        known.dedup();
        let kind = |row: &Vec<u32>| known.iter().position(|known| *known == row).unwrap_or(0) as u32;
        let control = TokenBatch {
            genes: Tensor::from_data(TensorData::new(tokens.repeat(n_cells), shape), device),
            values: with_cls(control, 0.0),
            has_value: with_cls(&vec![1.0; n_cells * n], 0.0),
            hidden: Tensor::zeros(shape, device),
            padding: Tensor::zeros(shape, device),
            n_hidden: vec![0; n_cells],
            kinds: vec![None; n_cells],
        };
        Ok(Self { control, perturbed: with_cls(perturbed, 0.0), flags, kinds: targets.iter().map(kind).collect() })
    }
}

impl Perturber {
    /// A model with flags that are drawn from `seed`.
    pub fn init(model: CellJepa, d_model: usize, seed: u64, device: &Device) -> Self {
        Self { model, flags: Init::seeded(seed, device).uniform([2, d_model], d_model) }
    }

    /// The perturbed values of the genes, `[B, N]` without `<cls>`, as they are told of the control cells.
    pub fn predict(&self, pairs: &PerturbedPairs, tuning: &PerturbationTuning) -> Tensor<2> {
        let none = &mut Dropout::none();
        let tokens = flagged(&self.model.student, &self.flags, pairs, none);
        of_genes(told(self.model.value_head.forward(tokens), pairs, tuning))
    }
}

fn flagged(student: &Encoder, flags: &Tensor<2>, pairs: &PerturbedPairs, dropout: &mut Dropout) -> Tensor<3> {
    let [n_cells, n_tokens] = pairs.flags.dims();
    let d_model = flags.dims()[1];
    let rows = flags.clone().select(0, pairs.flags.clone().reshape([n_cells * n_tokens]));
    // `<cls>` is no gene and has no flag.
    let is_gene = pairs.control.has_value.clone().reshape([n_cells, n_tokens, 1]);
    let rows = rows.reshape([n_cells, n_tokens, d_model]) * is_gene;
    student.forward_with(&pairs.control, View::Whole, Some(rows), dropout)
}

fn told(head: Tensor<2>, pairs: &PerturbedPairs, tuning: &PerturbationTuning) -> Tensor<2> {
    match tuning.told_as {
        ToldAs::Absolute => head,
        ToldAs::Delta => head + pairs.control.values.clone(),
    }
}

/// Without `<cls>`.
fn of_genes(values: Tensor<2>) -> Tensor<2> {
    let n_tokens = values.dims()[1];
    values.narrow(1, 1, n_tokens - 1)
}

/// Loss and gradients of pairs, under the names of a [`Perturber`].
pub fn gradients(
    perturber: &Perturber,
    pairs: &PerturbedPairs,
    tuning: &PerturbationTuning,
    dropout: &mut Dropout,
) -> (Losses, NamedGradients) {
    let model = &perturber.model;
    let learning = Learning {
        student: model.student.tracked(),
        predictor: model.predictor.tracked(),
        value_head: model.value_head.tracked(),
        generator: None,
    };
    let flags = perturber.flags.tracked();
    let whole = TokenBatch { values: pairs.perturbed.clone(), ..pairs.control.clone() };
    let target = model.teacher.embed(&whole, View::Whole, &mut Dropout::none());
    let tokens = flagged(&learning.student, &flags, pairs, dropout);
    let cell = cell_of(tokens.clone());
    let predicted = learning.predictor.forward(cell.clone(), dropout);
    let missed = of_genes(told(learning.value_head.forward(tokens), pairs, tuning) - pairs.perturbed.clone());
    let term = |term, weight, value| Term { term, weight, value };
    let losses = summed(vec![
        term(LossTerm::Change, tuning.value_weight, missed.square().mean()),
        term(LossTerm::CellEmbedding, tuning.embedding_weight, loss::cosine_distances(predicted, target).mean()),
        term(
            LossTerm::TypeContrast,
            tuning.contrast_weight,
            loss::kind_contrast(cell, &pairs.kinds, tuning.contrast_temperature),
        ),
    ]);
    let mut found = NamedGradients::default();
    let mut recorded = losses.total.backward();
    found.add("model.student", &learning.student, &mut recorded);
    found.add("model.predictor", &learning.predictor, &mut recorded);
    found.add("model.value_head", &learning.value_head, &mut recorded);
    found.add("pert_encoder.weight", &flags, &mut recorded);
    (losses.inner(), found)
}

/// One step; the teacher follows the student. Returns the loss before the step.
pub fn step(
    perturber: &mut Perturber,
    optimiser: &mut AdamW,
    pairs: &PerturbedPairs,
    tuning: &PerturbationTuning,
    (settings, ema_decay): (StepSettings, f64),
    dropout: &mut Dropout,
) -> Losses {
    let (losses, mut found) = gradients(perturber, pairs, tuning, dropout);
    let StepSettings { lr, beta1, clip_norm, .. } = settings;
    if let Some(max_norm) = clip_norm {
        found.clip(max_norm);
    }
    let model = &mut perturber.model;
    model.student = optimiser.step("model.student", model.student.clone(), &found, lr, beta1);
    model.predictor = optimiser.step("model.predictor", model.predictor.clone(), &found, lr, beta1);
    model.value_head = optimiser.step("model.value_head", model.value_head.clone(), &found, lr, beta1);
    perturber.flags = optimiser.step("pert_encoder.weight", perturber.flags.clone(), &found, lr, beta1);
    model.teacher = moving_average(model.teacher.clone(), &model.student, ema_decay);
    losses
}
