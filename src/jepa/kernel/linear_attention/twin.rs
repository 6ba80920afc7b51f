//! The same passes in plain Rust, one loop per formula: what the shaders are held against, and the operation's form on
//! the CPU backend.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::TensorData;

use super::{LinearAttention, Passes, Saved, Sizes};
use crate::model::attention::EPSILON;

/// Results of a forward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Forward {
    /// `S`, `[B * H, Dh, Dh + 1]`.
    pub summary: Vec<f32>,
    /// `y`, `[B, Nq, H * Dh]`.
    pub outputs: Vec<f32>,
    /// `d + 1e-6`, `[B * H, Nq]`.
    pub normalisers: Vec<f32>,
}

/// Gradients of a backward pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients {
    /// `[B, Nq, H * Dh]`.
    pub q: Vec<f32>,
    /// `[B, N, H * Dh]`.
    pub k: Vec<f32>,
    /// `[B, N, H * Dh]`.
    pub v: Vec<f32>,
}

/// Queries `[B, Nq, H * Dh]` read keys and values `[B, N, H * Dh]`.
pub fn forward(q: &[f32], k: &[f32], v: &[f32], sizes: Sizes) -> Forward {
    let Sizes { n_cells, n_queries, n_keys, n_heads, head_width } = sizes;
    let columns = head_width + 1;
    let mut summary = vec![0.0; n_cells * n_heads * head_width * columns];
    let mut outputs = vec![0.0; q.len()];
    let mut normalisers = vec![0.0; n_cells * n_heads * n_queries];
    for (index, summary) in summary.chunks_exact_mut(head_width * columns).enumerate() {
        let (cell, head) = (index / n_heads, index % n_heads);
        for token in 0..n_keys {
            let at = sizes.head_of(cell, n_keys, token, head);
            add_outer(summary, &k[at.clone()], &v[at], 1.0, 1.0);
        }
        let mut read = vec![0.0; columns];
        for token in 0..n_queries {
            let at = sizes.head_of(cell, n_queries, token, head);
            read.fill(0.0);
            for (&query, row) in q[at.clone()].iter().zip(summary.chunks_exact(columns)) {
                add_scaled(&mut read, row, feature_map(query));
            }
            let normaliser = read[head_width] + EPSILON as f32;
            outputs[at].iter_mut().zip(&read).for_each(|(y, n)| *y = n / normaliser);
            normalisers[index * n_queries + token] = normaliser;
        }
    }
    Forward { summary, outputs, normalisers }
}

/// Gradients from `grad_outputs` `[B, Nq, H * Dh]` and the results of the forward pass.
pub fn backward(
    [q, k, v]: [&[f32]; 3],
    [summary, outputs, normalisers]: [&[f32]; 3],
    grad_outputs: &[f32],
    sizes: Sizes,
) -> Gradients {
    let Sizes { n_queries, n_keys, n_heads, head_width, .. } = sizes;
    let columns = head_width + 1;
    let mut grads = Gradients { q: vec![0.0; q.len()], k: vec![0.0; k.len()], v: vec![0.0; v.len()] };
    let mut grad_summary = vec![0.0; head_width * columns];
    for (index, summary) in summary.chunks_exact(head_width * columns).enumerate() {
        let (cell, head) = (index / n_heads, index % n_heads);
        grad_summary.fill(0.0);
        for token in 0..n_queries {
            let at = sizes.head_of(cell, n_queries, token, head);
            let per_normaliser = 1.0 / normalisers[index * n_queries + token];
            let (grad, output) = (&grad_outputs[at.clone()], &outputs[at.clone()]);
            let grad_normaliser = -dot(grad, output) * per_normaliser;
            add_outer(&mut grad_summary, &q[at.clone()], grad, per_normaliser, grad_normaliser);
            let rows = summary.chunks_exact(columns);
            for ((grad_query, &query), row) in grads.q[at.clone()].iter_mut().zip(&q[at]).zip(rows) {
                let read = dot(&row[..head_width], grad) * per_normaliser + row[head_width] * grad_normaliser;
                *grad_query = feature_slope(query) * read;
            }
        }
        for token in 0..n_keys {
            let at = sizes.head_of(cell, n_keys, token, head);
            for (offset, row) in grad_summary.chunks_exact(columns).enumerate() {
                let (key, value) = (k[at.start + offset], &v[at.clone()]);
                grads.k[at.start + offset] = feature_slope(key) * (dot(&row[..head_width], value) + row[head_width]);
                add_scaled(&mut grads.v[at.clone()], &row[..head_width], feature_map(key));
            }
        }
    }
    grads
}

/// Adds `φ(a) [scale b | last]` to a matrix of as many rows as `a` and one column more than `b`.
fn add_outer(matrix: &mut [f32], a: &[f32], b: &[f32], scale: f32, last: f32) {
    for (row, &a) in matrix.chunks_exact_mut(b.len() + 1).zip(a) {
        let feature = feature_map(a);
        add_scaled(row, b, feature * scale);
        row[b.len()] += feature * last;
    }
}

/// Adds `scale b` to as many numbers of `a`.
fn add_scaled(a: &mut [f32], b: &[f32], scale: f32) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += scale * b);
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// `φ(u) = elu(u) + 1`.
fn feature_map(u: f32) -> f32 {
    u.max(0.0) + u.min(0.0).exp()
}

/// `φ'(u)`.
fn feature_slope(u: f32) -> f32 {
    if u > 0.0 { 1.0 } else { u.exp() }
}

impl Sizes {
    /// Where the numbers of one head of one token lie in `[B, n_tokens, H * Dh]`.
    fn head_of(&self, cell: usize, n_tokens: usize, token: usize, head: usize) -> std::ops::Range<usize> {
        let start = ((cell * n_tokens + token) * self.n_heads + head) * self.head_width;
        start..start + self.head_width
    }
}

impl LinearAttention for Flex {
    fn linear_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        n_heads: usize,
    ) -> FloatTensor<Self> {
        Self::forward(q, k, v, n_heads).outputs
    }
}

impl Passes for Flex {
    fn forward(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>, n_heads: usize) -> Saved<Self> {
        let sizes = Sizes::of_tensors::<Self>(&q, &k, n_heads);
        let (q, k, v) = (q.to_contiguous(), k.to_contiguous(), v.to_contiguous());
        let found = forward(q.storage(), k.storage(), v.storage(), sizes);
        Saved {
            n_heads,
            summary: tensor(found.summary, sizes.summary_shape()),
            outputs: tensor(found.outputs, q.shape().dims::<3>()),
            normalisers: tensor(found.normalisers, sizes.normalisers_shape()),
            q,
            k,
            v,
        }
    }

    fn backward(saved: Saved<Self>, grad_outputs: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let Saved { n_heads, q, k, v, summary, outputs, normalisers } = saved;
        let sizes = Sizes::of_tensors::<Self>(&q, &k, n_heads);
        let grad_outputs = grad_outputs.to_contiguous();
        let results = [summary.storage(), outputs.storage(), normalisers.storage()];
        let grads = backward([q.storage(), k.storage(), v.storage()], results, grad_outputs.storage(), sizes);
        let shape = |like: &FloatTensor<Self>| like.shape().dims::<3>();
        [tensor(grads.q, shape(&q)), tensor(grads.k, shape(&k)), tensor(grads.v, shape(&v))]
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> FloatTensor<Flex> {
    FloatTensor::<Flex>::from_data(TensorData::new(values, shape))
}
