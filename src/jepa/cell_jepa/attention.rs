//! Softmax attention in which some tokens are read by no other, in little memory: no matrix of all tokens by all tokens
//! outlives a chunk of queries, and the backward pass computes its weights again.
//!
//! Per cell and head, query i reads every key that is not `unread`, and itself. With `s_ij = scale · q_i · k_j`:
//! `p_ij = exp(s_ij - l_i)` where key j is read, `p_i = exp(s_ii - l_i)` where query i itself is unread, `l_i` the
//! logarithm of their sum, `y_i = Σ p_ij v_j + p_i v_i`. Backward, with `D_i = dy_i · y_i`: `ds = p ∘ (dy vᵀ - D)`.
//! The mask is one number per key: a matrix per cell is nowhere needed.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Slice, Tensor};
#[cfg(feature = "webgpu")]
use burn_cubecl::CubeBackend;

/// Taken from what must not be read: its exponential is zero in f32, and the largest of a row keeps three digits beside it.
const UNREAD: f64 = 1e4;
/// Numbers that the weights of one chunk of queries may have (4 bytes each).
const CHUNK_VALUES: usize = 8 << 20;

/// Queries, keys and values `[B, H, N, Dh]`, `unread` `[B, N]` 1 where a token is read by itself alone, else 0; returns
/// `[B, H, N, Dh]`. At least one token of each cell must be read.
pub fn masked_attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, unread: &Tensor<2>, scale: f64) -> Tensor<4> {
    let unread = if q.is_autodiff() { unread.clone().autodiff() } else { unread.clone() };
    let (q, k, v, unread) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch(), unread.into_dispatch());
    Tensor::from_dispatch(<Dispatch as MaskedAttention>::masked_attention(q, k, v, unread, scale))
}

/// The operation, for the backends of this crate and for automatic differentiation over them.
#[backend_extension(Autodiff, Flex, Cube: cfg(feature = "webgpu"))]
pub trait MaskedAttention: Backend {
    /// See [`masked_attention`].
    fn masked_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        unread: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self>;
}

impl MaskedAttention for Flex {
    fn masked_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        unread: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        forward::<Self>(q, k, v, unread, scale).outputs
    }
}

#[cfg(feature = "webgpu")]
impl MaskedAttention for CubeBackend {
    fn masked_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        unread: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        forward::<Self>(q, k, v, unread, scale).outputs
    }
}

impl<B: Backend, C: CheckpointStrategy> MaskedAttention for Autodiff<B, C> {
    fn masked_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        unread: FloatTensor<Self>,
        scale: f64,
    ) -> FloatTensor<Self> {
        let (q, q_node) = q.into_parts();
        let (k, k_node) = k.into_parts();
        let (v, v_node) = v.into_parts();
        let (unread, _) = unread.into_parts();
        let saved = forward::<B>(q, k, v, unread, scale);
        let outputs = saved.outputs.clone();
        match MaskedAttentionBackward.prepare::<C>([q_node, k_node, v_node]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => prepared.finish(saved, outputs),
            OpsKind::UnTracked(prepared) => prepared.finish(outputs),
        }
    }
}

/// The step backward through [`masked_attention`].
#[derive(Debug)]
struct MaskedAttentionBackward;

impl<B: Backend> Backward<B, 3> for MaskedAttentionBackward {
    type State = Saved<B>;

    fn backward(self, ops: Ops<Saved<B>, 3>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let grad_outputs = grads.consume::<B>(&ops.node);
        for (node, grad) in ops.parents.into_iter().zip(backward::<B>(ops.state, grad_outputs)) {
            if let Some(node) = node {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

/// What a forward pass leaves for the backward pass.
#[derive(Debug, Clone)]
struct Saved<B: Backend> {
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    /// Added to a key's column: zero where it is read, `[B, 1, 1, N]`.
    key_bias: FloatTensor<B>,
    /// Added to a query's logit with itself: zero where it is not read by the others, `[B, 1, N, 1]`.
    own_bias: FloatTensor<B>,
    /// `[B, H, N, Dh]`.
    outputs: FloatTensor<B>,
    /// `l`, `[B, H, N, 1]`.
    log_sums: FloatTensor<B>,
    scale: f64,
}

fn forward<B: Backend>(
    q: FloatTensor<B>,
    k: FloatTensor<B>,
    v: FloatTensor<B>,
    unread: FloatTensor<B>,
    scale: f64,
) -> Saved<B> {
    let [n_cells, n_heads, n_tokens, _] = q.shape().dims();
    let key_bias = B::float_reshape(unread.clone(), Shape::new([n_cells, 1, 1, n_tokens]));
    let key_bias = B::float_mul_scalar(key_bias, (-UNREAD).into());
    let own_bias = B::float_reshape(unread, Shape::new([n_cells, 1, n_tokens, 1]));
    let own_bias = B::float_mul_scalar(B::float_sub_scalar(own_bias, 1.0.into()), UNREAD.into());

    let scaled = B::float_mul_scalar(q.clone(), scale.into());
    let own = own_logits::<B>(&scaled, &k, &own_bias);
    let turned = B::float_swap_dims(k.clone(), 2, 3);
    let (mut outputs, mut log_sums) = (Vec::new(), Vec::new());
    for (start, n) in chunks(n_tokens, n_cells * n_heads) {
        let rows = |tensor: &FloatTensor<B>| narrow::<B>(tensor, start, n);
        let logits = B::float_add(B::float_matmul(rows(&scaled), turned.clone()), key_bias.clone());
        let own = rows(&own);
        let above = B::float_sub(B::float_max_dim(logits.clone(), 3), own.clone());
        let top = B::float_add(own.clone(), B::float_clamp_min(above, 0.0.into()));
        let weights = B::float_exp(B::float_sub(logits, top.clone()));
        let own_weight = B::float_exp(B::float_sub(own, top.clone()));
        let sum = B::float_add(B::float_sum_dim(weights.clone(), 3), own_weight.clone());
        let read = B::float_matmul(weights, v.clone());
        let read = B::float_add(read, B::float_mul(rows(&v), own_weight));
        outputs.push(B::float_div(read, sum.clone()));
        log_sums.push(B::float_add(top, B::float_log(sum)));
    }
    let (outputs, log_sums) = (joined::<B>(outputs), joined::<B>(log_sums));
    Saved { q, k, v, key_bias, own_bias, outputs, log_sums, scale }
}

/// The gradients of `q`, `k` and `v` from that of the outputs.
fn backward<B: Backend>(saved: Saved<B>, grad: FloatTensor<B>) -> [FloatTensor<B>; 3] {
    let Saved { q, k, v, key_bias, own_bias, outputs, log_sums, scale } = saved;
    let [n_cells, n_heads, n_tokens, _] = q.shape().dims();
    let scaled = B::float_mul_scalar(q, scale.into());
    let turned_k = B::float_swap_dims(k.clone(), 2, 3);
    let turned_v = B::float_swap_dims(v.clone(), 2, 3);
    let mean = B::float_sum_dim(B::float_mul(grad.clone(), outputs), 3);

    // What each query reads of itself, all at once.
    let own = own_logits::<B>(&scaled, &k, &own_bias);
    let own_weight = B::float_exp(B::float_sub(own, log_sums.clone()));
    let of_own = B::float_sum_dim(B::float_mul(grad.clone(), v), 3);
    let grad_own = B::float_mul(own_weight.clone(), B::float_sub(of_own, mean.clone()));
    let mut grad_k = B::float_mul(scaled.clone(), grad_own.clone());
    let mut grad_v = B::float_mul(grad.clone(), own_weight);
    let grad_q_own = B::float_mul(k.clone(), grad_own);

    let mut grad_q = Vec::new();
    for (start, n) in chunks(n_tokens, n_cells * n_heads) {
        let rows = |tensor: &FloatTensor<B>| narrow::<B>(tensor, start, n);
        let (queries, grad) = (rows(&scaled), rows(&grad));
        let logits = B::float_add(B::float_matmul(queries.clone(), turned_k.clone()), key_bias.clone());
        let weights = B::float_exp(B::float_sub(logits, rows(&log_sums)));
        grad_v = B::float_add(grad_v, B::float_matmul(B::float_swap_dims(weights.clone(), 2, 3), grad.clone()));
        let of_keys = B::float_sub(B::float_matmul(grad, turned_v.clone()), rows(&mean));
        let grad_logits = B::float_mul(weights, of_keys);
        grad_q.push(B::float_matmul(grad_logits.clone(), k.clone()));
        grad_k = B::float_add(grad_k, B::float_matmul(B::float_swap_dims(grad_logits, 2, 3), queries));
    }
    let grad_q = B::float_mul_scalar(B::float_add(joined::<B>(grad_q), grad_q_own), scale.into());
    [grad_q, grad_k, grad_v]
}

/// `s_ii`, which stays where query i is read by no other, `[B, H, N, 1]`.
fn own_logits<B: Backend>(scaled: &FloatTensor<B>, k: &FloatTensor<B>, own_bias: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_add(B::float_sum_dim(B::float_mul(scaled.clone(), k.clone()), 3), own_bias.clone())
}

/// Starts and lengths of the chunks of queries.
fn chunks(n_tokens: usize, n_rows_each: usize) -> impl Iterator<Item = (usize, usize)> {
    let most = (CHUNK_VALUES / (n_rows_each * n_tokens).max(1)).clamp(1, n_tokens.max(1));
    (0..n_tokens).step_by(most).map(move |start| (start, most.min(n_tokens - start)))
}

/// Some queries of `[B, H, N, ..]`.
fn narrow<B: Backend>(tensor: &FloatTensor<B>, start: usize, n: usize) -> FloatTensor<B> {
    let [n_cells, n_heads, n_tokens, width] = tensor.shape().dims();
    if n == n_tokens {
        return tensor.clone();
    }
    let all = |length: usize| Slice::from(0..length);
    B::float_slice(tensor.clone(), &[all(n_cells), all(n_heads), Slice::from(start..start + n), all(width)])
}

fn joined<B: Backend>(mut chunks: Vec<FloatTensor<B>>) -> FloatTensor<B> {
    if chunks.len() == 1 { chunks.swap_remove(0) } else { B::float_cat(chunks, 2) }
}
