//! What a Cell-JEPA costs: its parameters, and the numbers that a step keeps alive. Attention keeps no matrix of weights, so
//! that all of it grows with tokens, not with their square; a batch reads at most `max_genes` of each cell.

use super::PartCounts;
use crate::cell_jepa::CellJepaConfig;
use crate::train::StageConfig;

/// Numbers per token and dimension that one block keeps for the gradient.
const PER_BLOCK: f64 = 20.0;
/// The same per number inside the feed-forward network.
const PER_INNER: f64 = 3.0;
/// Numbers per token and dimension beside the blocks: embedding, value network, value head, teacher's states.
const BESIDE: f64 = 20.0;
/// Numbers of the weights of attention of one chunk of queries, and copies of it that stand at once.
const PER_CHUNK: f64 = 4.0;

/// Numbers that each part learns.
pub(super) fn counts(config: &CellJepaConfig, n_genes: usize) -> PartCounts {
    let counts = config.counts(n_genes);
    PartCounts {
        encoder: counts.encoder as u64,
        predictor: counts.predictor as u64,
        composer: 0,
        masked_predictor: 0,
        decoder: (counts.value_head + counts.generator) as u64,
    }
}

/// Numbers alive at the peak of a step, and those of the largest tensor.
pub(super) fn step(config: &CellJepaConfig, stage: &StageConfig, n_parts: usize, n_genes: usize) -> (f64, u128) {
    let n_tokens = 1 + config.max_genes.min(n_genes);
    let _ = n_parts;
    let tokens = stage.batch_size as f64 * n_tokens as f64;
    let (d, inner, n_layers) = (config.d_model as f64, config.feed_forward as f64, config.n_layers as f64);
    let _ = PER_CHUNK;
    let kept = tokens * (BESIDE * d + n_layers * (PER_BLOCK * d + PER_INNER * inner));
    (kept, (tokens * (3.0 * d).max(inner)) as u128)
}
