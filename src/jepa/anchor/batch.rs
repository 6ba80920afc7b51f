//! The anchor on a device, one perturbation per cell, and the network's correction of it, which is bounded.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use super::Anchored;

/// A bound of zero is divided by this instead.
const SMALLEST_BOUND: f64 = 1e-6;

/// What the anchor says of the perturbations of a batch.
#[derive(Debug, Clone)]
pub struct AnchorBatch {
    /// `[B, N]`.
    base: Tensor<2>,
    /// Share of a control cell's expression that its change is: of the own gene, else 0; `[B, N]`.
    own: Tensor<2>,
    /// `[1, N]`.
    bound: Tensor<2>,
}

impl AnchorBatch {
    /// One perturbation per cell; `bound` per gene.
    pub fn new(said: &[&Anchored], bound: &[f32], device: &Device) -> Self {
        let (n_rows, n_genes) = (said.len(), bound.len());
        let base: Vec<f32> = said.iter().flat_map(|said| said.base.iter().copied()).collect();
        let mut own = vec![0.0f32; n_rows * n_genes];
        for (row, said) in own.chunks_exact_mut(n_genes.max(1)).zip(said) {
            if let Some((gene, share)) = said.own {
                row[gene] = share;
            }
        }
        let rows = |values: Vec<f32>, n: usize| Tensor::from_data(TensorData::new(values, [n, n_genes]), device);
        Self { base: rows(base, n_rows), own: rows(own, n_rows), bound: rows(bound.to_vec(), 1) }
    }

    /// Some of the perturbations.
    pub fn part(&self, rows: Range<usize>) -> Self {
        let of = |tensor: &Tensor<2>| tensor.clone().narrow(0, rows.start, rows.len());
        Self { base: of(&self.base), own: of(&self.own), bound: self.bound.clone() }
    }

    /// The change of control cells `[B, N]` with this correction `[B, N]`, which a hyperbolic tangent bounds.
    pub fn change(&self, control: Tensor<2>, correction: Tensor<2>) -> Tensor<2> {
        let correction = (correction / self.bound.clone().clamp_min(SMALLEST_BOUND)).tanh() * self.bound.clone();
        self.base.clone() + self.own.clone() * control + correction
    }
}
