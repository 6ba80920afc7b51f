//! What a Cell-JEPA costs: its parameters, and the numbers that a step keeps alive. No matrix of attention weights outlives a
//! chunk of queries, so that all but the chunk grows with tokens, not with their square. Counted is the longest batch that
//! there may be: a cell is read with at most `max_genes` of its genes.

use super::PartCounts;
use crate::cell_jepa::CellJepaConfig;
use crate::train::StageConfig;

/// Numbers per token and dimension that one block keeps for the gradient, but for its feed-forward network.
const PER_BLOCK: f64 = 12.5;
/// The same per number inside the feed-forward network.
const PER_INNER: f64 = 3.5;
/// Numbers per token and dimension beside the blocks.
const BESIDE: f64 = 2.0;
/// The same for what fine-tuning by types adds.
const TUNED: f64 = 4.0;
/// Numbers of the attention weights of one chunk of queries at most, as `jepa::cell_jepa::attention` has them, and how many
/// such tensors stand at once on the way back: three or four, as it happens.
const CHUNK: u128 = 8 << 20;
const CHUNKS_AT_ONCE: f64 = 4.0;

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
pub(super) fn step(config: &CellJepaConfig, stage: &StageConfig, n_genes: usize) -> (f64, u128) {
    let n_tokens = 1 + config.max_genes.min(n_genes) as u128;
    let tokens = (stage.batch_size as u128).saturating_mul(n_tokens);
    let [d, inner, n_heads] = [config.d_model, config.feed_forward, config.n_heads].map(|size| size as u128);
    let chunk = tokens.saturating_mul(n_heads).saturating_mul(n_tokens).min(CHUNK);
    let tuned = if config.fine_tune.is_some() { TUNED } else { 0.0 };
    let n_layers = config.n_layers as f64;
    let per_token = d as f64 * (BESIDE + tuned + PER_BLOCK * n_layers) + inner as f64 * PER_INNER * n_layers;
    let table = (n_genes + CellJepaConfig::N_SPECIAL) as u128 * d;
    let largest = tokens.saturating_mul((3 * d).max(inner)).max(chunk).max(table);
    (CHUNKS_AT_ONCE * chunk as f64 + per_token * tokens as f64, largest)
}

#[cfg(test)]
mod tests {
    use crate::cell_jepa::CellJepaPreset;
    use crate::train::Stage;
    use crate::train::cost::{MemoryLimits, PartCounts, StageMemory, propose};

    #[test]
    fn the_paper_s_batch_fits_buffers_of_128_mib_and_smaller_memory_gets_smaller_batches() {
        let mut config = CellJepaPreset::Production.config();
        config.model.n_genes = 17_000;
        let memory = StageMemory::of(&config, Stage::Pretrain);
        // Queries, keys and values of 32 cells of 601 tokens: 118 MB, of a limit of 1 GiB and of the least that there is.
        assert_eq!(memory.largest_buffer, 4 * 32 * 601 * 3 * 512);
        assert!(memory.largest_buffer < 128 << 20);
        let counts = config.cell_jepa.as_ref().expect("a Cell-JEPA").counts(17_000);
        let n_learned = counts.encoder + counts.predictor + counts.value_head;
        assert_eq!(PartCounts::of_run(&config).total(), n_learned as u64);
        assert_eq!(memory.gradients, 4 * n_learned as u64);

        let limits = MemoryLimits { total: 4 << 30, buffer: Some(128 << 20) };
        assert!(!limits.hold(&memory));
        let fits = propose(&config, limits).expect("a single cell fits");
        assert!((1..32).contains(&fits.pretrain.batch_size) && fits.validate().is_ok());
        assert!(limits.hold(&StageMemory::of(&fits, Stage::Pretrain)));
        assert!(propose(&config, MemoryLimits { total: 100 << 20, buffer: None }).is_none());
    }
}
