//! Linear attention: each token reads one summary of all tokens, so cost grows with their number, not its square.
//!
//! `φ(u) = elu(u) + 1`; per head `y = φ(q) (φ(K)ᵀ V) / (φ(q) · Σ φ(k) + 1e-6)`. There are two ways to compute it: the
//! [plain](plain_linear_attention) one of burn's operations, and the [fused](crate::kernel::linear_attention) one.

use burn::tensor::Tensor;
use spec::device::AttentionPath;

use crate::kernel::linear_attention::{Sizes, fused_linear_attention};
use crate::model::init::Init;
use crate::model::layers::Linear;
use crate::model::parameters::parameters;

/// Keeps the division away from zero, as the reference.
pub const EPSILON: f64 = 1e-6;

/// `φ(u) = elu(u) + 1`, always positive.
///
/// Written as `max(u, 0) + exp(min(u, 0))`: the gradient of `elu` itself can be 0 · ∞ for large `u`.
pub fn feature_map<const D: usize>(u: Tensor<D>) -> Tensor<D> {
    u.clone().clamp_min(0.0) + u.clamp_max(0.0).exp()
}

/// Every token of `q` `[B, Nq, d]` reads the tokens `k`, `v` `[B, N, d]`, before the feature map; returns `[B, Nq, d]`.
pub fn plain_linear_attention(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>, n_heads: usize) -> Tensor<3> {
    let shape = q.dims();
    let q = feature_map(heads(q, n_heads));
    let k = feature_map(heads(k, n_heads));
    let summary = k.clone().swap_dims(2, 3).matmul(heads(v, n_heads));
    let k_sum = k.sum_dim(2).swap_dims(2, 3);
    let normaliser = (q.clone().matmul(k_sum) + EPSILON).recip();
    (q.matmul(summary) * normaliser).swap_dims(1, 2).reshape(shape)
}

/// `[B, N, d]` to `[B, H, N, d / H]`.
fn heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [n_cells, n_tokens, d_model] = x.dims();
    x.reshape([n_cells, n_tokens, n_heads, d_model / n_heads]).swap_dims(1, 2)
}

/// Multi-head linear attention with its four projections.
#[derive(Debug, Clone)]
pub struct Attention {
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    c_proj: Linear,
    n_heads: usize,
    path: AttentionPath,
}

parameters!(Attention { q_proj: "q_proj", k_proj: "k_proj", v_proj: "v_proj", c_proj: "c_proj" } keep { n_heads, path });

impl Attention {
    /// Attention over tokens of width `d_model`, which `n_heads` divides.
    pub fn init(d_model: usize, n_heads: usize, init: &mut Init) -> Self {
        Self {
            q_proj: Linear::init(d_model, d_model, init),
            k_proj: Linear::init(d_model, d_model, init),
            v_proj: Linear::init(d_model, d_model, init),
            c_proj: Linear::init(d_model, d_model, init),
            n_heads,
            path: AttentionPath::default(),
        }
    }

    /// Chooses how it is computed.
    pub fn set_path(&mut self, path: AttentionPath) {
        self.path = path;
    }

    /// Tokens `x` `[B, Nq, d]` read tokens `kv` `[B, N, d]`; returns `[B, Nq, d]`.
    pub fn forward(&self, x: Tensor<3>, kv: Tensor<3>) -> Tensor<3> {
        let q = self.q_proj.forward(x);
        let k = self.k_proj.forward(kv.clone());
        let v = self.v_proj.forward(kv);
        let fits = || Sizes::of(q.dims(), k.dims(), self.n_heads).fit_a_grid();
        let y = match self.path {
            AttentionPath::Fused if fits() => fused_linear_attention(q, k, v, self.n_heads),
            AttentionPath::Fused | AttentionPath::Plain => plain_linear_attention(q, k, v, self.n_heads),
        };
        self.c_proj.forward(y)
    }

    /// What every token reads from a single one, `[B, 1, d]` to `[B, 1, d]`.
    ///
    /// With one key the weights cancel: `v (φ(q)·φ(k)) / (φ(q)·φ(k) + 1e-6)` is `v` to one part in 10⁶, whatever the
    /// query. So queries and keys are not computed, and their parameters get no gradient where the reference gives them
    /// rounding noise.
    pub fn read_single(&self, token: Tensor<3>) -> Tensor<3> {
        self.c_proj.forward(self.v_proj.forward(token))
    }
}
