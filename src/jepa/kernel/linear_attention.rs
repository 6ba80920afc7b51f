//! Linear attention in one operation, with its gradient: no `[B, H, N, Dh]` copies, feature maps or products of them in
//! memory, and the heads read in place from `[B, N, H Dh]`.
//!
//! Per cell and head, with the summary `S = φ(K)ᵀ [V | 1]` (its last column is `Σ φ(k)`):
//! `[n | d] = φ(q) S`, `y = n / (d + 1e-6)`. Backward, with `dn = dy / d` and `dd = -(dy · y) / d`:
//! `dS = φ(Q)ᵀ [dn | dd]`, `dq = φ'(q) S [dn | dd]ᵀ`, `dk = φ'(k) dS [v | 1]ᵀ`, `dv = φ(k) dS`.

#[cfg(feature = "webgpu")]
mod gpu;
pub mod twin;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::Tensor;

/// Sizes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Cells, `B`.
    pub n_cells: usize,
    /// Tokens that read, `Nq`.
    pub n_queries: usize,
    /// Tokens that are read, `N`.
    pub n_keys: usize,
    /// Heads, `H`.
    pub n_heads: usize,
    /// Width of a head, `Dh`.
    pub head_width: usize,
}

impl Sizes {
    /// Sizes of queries `[B, Nq, d]` that read keys `[B, N, d]` with `n_heads` heads, which divide `d`.
    pub fn of(queries: [usize; 3], keys: [usize; 3], n_heads: usize) -> Self {
        let [n_cells, n_queries, d_model] = queries;
        Self { n_cells, n_queries, n_keys: keys[1], n_heads, head_width: d_model / n_heads }
    }

    fn of_tensors<B: Backend>(queries: &FloatTensor<B>, keys: &FloatTensor<B>, n_heads: usize) -> Self {
        Self::of(queries.shape().dims(), keys.shape().dims(), n_heads)
    }

    fn summary_shape(&self) -> [usize; 3] {
        [self.n_cells * self.n_heads, self.head_width, self.head_width + 1]
    }

    fn normalisers_shape(&self) -> [usize; 2] {
        [self.n_cells * self.n_heads, self.n_queries]
    }

    /// Whether the grid of workgroups stays within what every WebGPU device allows.
    pub fn fit_a_grid(&self) -> bool {
        const MOST_WORKGROUPS: usize = 65_535;
        let n_tiles = self.n_queries.max(self.n_keys).max(self.head_width + 1).div_ceil(16);
        n_tiles <= MOST_WORKGROUPS && self.n_cells * self.n_heads <= MOST_WORKGROUPS
    }
}

/// Every token of `q` `[B, Nq, d]` reads the tokens `k`, `v` `[B, N, d]`, before the feature map; returns `[B, Nq, d]`.
///
/// The heads lie side by side in a token. The sizes must [fit a grid](Sizes::fit_a_grid).
pub fn fused_linear_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, n_heads: usize) -> Tensor<3> {
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::from_dispatch(<Dispatch as LinearAttention>::linear_attention(q, k, v, n_heads))
}

/// The operation, for the backends of this crate and for automatic differentiation over them.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "webgpu"))]
pub trait LinearAttention: Backend {
    /// See [`fused_linear_attention`].
    fn linear_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        n_heads: usize,
    ) -> FloatTensor<Self>;
}

/// The two passes that a backend writes; none of them is differentiated by machine.
pub trait Passes: Backend {
    /// The results and what the backward pass needs of them.
    fn forward(q: FloatTensor<Self>, k: FloatTensor<Self>, v: FloatTensor<Self>, n_heads: usize) -> Saved<Self>;

    /// The gradients of `q`, `k` and `v` from that of the outputs.
    fn backward(saved: Saved<Self>, grad_outputs: FloatTensor<Self>) -> [FloatTensor<Self>; 3];
}

/// What a forward pass leaves for the backward pass; all contiguous.
#[derive(Debug, Clone)]
pub struct Saved<B: Backend> {
    n_heads: usize,
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    /// `S`, `[B * H, Dh, Dh + 1]`.
    summary: FloatTensor<B>,
    /// `y`, `[B, Nq, d]`.
    outputs: FloatTensor<B>,
    /// `d + 1e-6`, `[B * H, Nq]`.
    normalisers: FloatTensor<B>,
}

impl<B: Passes, C: CheckpointStrategy> LinearAttention for Autodiff<B, C> {
    fn linear_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        n_heads: usize,
    ) -> FloatTensor<Self> {
        let (q, q_node) = q.into_parts();
        let (k, k_node) = k.into_parts();
        let (v, v_node) = v.into_parts();
        let saved = B::forward(q, k, v, n_heads);
        let outputs = saved.outputs.clone();
        match LinearAttentionBackward.prepare::<C>([q_node, k_node, v_node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(saved, outputs),
            OpsKind::UnTracked(prepared) => prepared.finish(outputs),
        }
    }
}

/// The step backward through [`fused_linear_attention`].
#[derive(Debug)]
struct LinearAttentionBackward;

impl<B: Passes> Backward<B, 3> for LinearAttentionBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Saved<B>, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad_outputs = grads.consume::<B>(&ops.node);
        for (node, grad) in ops.parents.into_iter().zip(B::backward(ops.state, grad_outputs)) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}
