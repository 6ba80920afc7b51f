//! What a run costs before it is started: parameters, exactly, and bytes, by formula.
//!
//! Activations are counted in tokens: numbers of `batch × genes × width`, 4 bytes each, that are alive at the peak of a
//! step. How many of these per block was measured on the CPU backend with plain attention, where it is the same to 2 % for
//! widths of 8 to 128, 1 to 4 layers and batches of 8 to 64; the test `training_memory` holds the whole to a factor. A GPU's
//! allocator keeps freed buffers and may take more; fused attention takes less.

mod cell_jepa;

use serde::{Deserialize, Serialize};

use crate::model::{Mode, ModelConfig, ModelVersion};
use crate::train::{Stage, TrainConfig};

/// Bytes of one number.
const F32: u128 = 4;
/// Tokens that one block keeps for the gradient, its own peak included: of the encoder or a predictor, per token it reads.
const PER_BLOCK: f64 = 34.5;
/// Tokens beside the blocks in pretraining: embedding, heads, teacher's states and the loss.
const PRETRAIN_BESIDE: f64 = 12.3;
/// The same for what v0.5 adds to the value.
const FILM: f64 = 7.6;
/// Tokens of the action stage with one block: it keeps the queries alone, the heads and the loss are in it.
const ACTION_LAST: f64 = 54.0;
/// Tokens of the decoder stage, which records nothing of the model: the peak of one block, with one block and with more.
const DECODER: [f64; 2] = [12.1, 21.1];
/// Numbers per cell and gene beside the tokens: cells, masks, and what is made of them.
const PER_VALUE: f64 = 20.0;
/// Tokens of all parts of an accumulated batch together: those that stand from the first pass to the second, and those of
/// the loss between the two.
const ACCUMULATED: [f64; 2] = [2.2, 11.5];
/// The same for what an anchor says of a cell.
const ANCHORED: f64 = 3.0;
/// The same per cell of a set that a cell is compared with, where sets of expression are: `batch × set_size × genes` numbers,
/// so many times. They come after the tokens, of which only one stays.
const PER_PARTNER: f64 = 5.0;
/// Numbers per example and latent dimension of an alignment step.
const PER_ACTION: f64 = 40.0;
/// Largest batch that is ever proposed.
const MAX_BATCH: usize = 4096;

/// How many numbers each part learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// The student; the teacher has as many.
    pub encoder: u64,
    /// The action-conditioned predictor.
    pub predictor: u64,
    /// The action composer.
    pub composer: u64,
    /// The masked predictor, used in pretraining alone.
    pub masked_predictor: u64,
    /// The decoder.
    pub decoder: u64,
}

impl PartCounts {
    /// The numbers that a model of these sizes learns.
    pub fn of(model: &ModelConfig) -> Self {
        let [n_genes, d, n_layers, n_pretrain] =
            [model.n_genes, model.d_model, model.n_layers, model.n_pretrain_layers].map(|size| size as u128);
        let linear = |n_in: u128, n_out: u128| n_in * n_out + n_out;
        let norm = 2 * d;
        let attention = 4 * linear(d, d);
        let mlp = linear(d, 4 * d) + linear(4 * d, d);
        let block = 2 * norm + attention + mlp;
        let action_block = 3 * norm + 2 * attention + mlp;
        let film = match model.version {
            ModelVersion::V04 => 0,
            ModelVersion::V05 => 2 + linear(d, d) + linear(d, 2 * d),
        };
        let composer = &model.composer;
        let [latent, n_mode] = [composer.n_latent, composer.n_mode].map(|size| size as u128);
        let projectors = [composer.n_protein, composer.n_chemical, composer.n_dna];
        let adapter = linear(latent, d) + norm + linear(d, d);
        let tokens = if model.action_tokens { linear(n_mode, d) + linear(d, d) + d } else { 0 };
        let whole = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            encoder: whole(n_genes * d + film + d + linear(1, d) + n_layers * block + norm),
            predictor: whole(adapter + tokens + n_genes * d + n_layers * action_block + norm + 2 * linear(d, d)),
            composer: whole(
                projectors.iter().map(|&width| linear(width as u128, latent)).sum::<u128>()
                    + Mode::ALL.len() as u128 * n_mode
                    + 2 * linear(n_mode, latent),
            ),
            masked_predictor: whole(n_pretrain * block + norm + linear(d, d)),
            decoder: whole(linear(d, 1)),
        }
    }

    /// The same of a run, whichever model it trains. Of a Cell-JEPA the predictor is that of the cell's embedding, and what
    /// tells values stands where the other has its decoder.
    pub fn of_run(config: &TrainConfig) -> Self {
        match &config.cell_jepa {
            Some(recipe) => cell_jepa::counts(recipe, config.model.n_genes),
            None => Self::of(&config.model),
        }
    }

    /// All that is learned; the teacher, which follows the student, is not counted.
    pub fn total(&self) -> u64 {
        let parts = [self.encoder, self.predictor, self.composer, self.masked_predictor, self.decoder];
        parts.into_iter().fold(0, u64::saturating_add)
    }

    /// Those that a stage trains.
    pub fn trained(&self, stage: Stage) -> u64 {
        match stage {
            Stage::Pretrain => self.encoder.saturating_add(self.masked_predictor),
            Stage::Align => self.composer,
            Stage::Action => self.predictor.saturating_add(self.composer),
            Stage::Decoder => self.decoder,
        }
    }
}

/// Bytes that a stage takes at its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMemory {
    /// The stage.
    pub stage: Stage,
    /// Parameters, the teacher's and the decoder's too.
    pub weights: u64,
    /// Gradients of what is trained.
    pub gradients: u64,
    /// Both moments of the optimiser.
    pub optimiser: u64,
    /// Copies to go back to: the run before the last good step, and the best validation.
    pub kept: u64,
    /// What a step computes and keeps for the gradient; an estimate.
    pub activations: u64,
    /// The largest single buffer.
    pub largest_buffer: u64,
}

impl StageMemory {
    /// What `stage` of a run takes.
    pub fn of(config: &TrainConfig, stage: Stage) -> Self {
        let counts = PartCounts::of_run(config);
        let is_cell_jepa = config.cell_jepa.is_some();
        let trained = u128::from(if is_cell_jepa { counts.total() } else { counts.trained(stage) }) * F32;
        let teacher = u128::from(counts.encoder) * F32;
        let moved = trained + if stage == Stage::Pretrain { teacher } else { 0 };
        // Pretraining keeps its last values, but for a Cell-JEPA.
        let keeps_best = config.validation_share > 0.0 && (is_cell_jepa || stage != Stage::Pretrain);
        let best = if keeps_best { moved } else { 0 };
        let sizes = Sizes::of(config, stage);
        let (activations, largest) = match &config.cell_jepa {
            Some(recipe) => cell_jepa::step(recipe, &config.pretrain, config.model.n_genes),
            None => (sizes.activations(), sizes.largest()),
        };
        let bytes = |count: u128| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            stage,
            weights: bytes(u128::from(counts.total()) * F32 + teacher),
            gradients: bytes(trained),
            optimiser: bytes(2 * trained),
            // While a loss is looked at there are two earlier runs: the last good one, and the one in question.
            kept: bytes(2 * (moved + 2 * trained) + best),
            activations: (activations * F32 as f64) as u64,
            largest_buffer: bytes(largest * F32),
        }
    }

    /// The same with an anchor of so many targets beside the weights; nothing more for a run without one.
    pub fn with_anchor(self, config: &TrainConfig, n_targets: usize) -> Self {
        Self { weights: self.weights.saturating_add(anchor_bytes(config, n_targets)), ..self }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        [self.weights, self.gradients, self.optimiser, self.kept, self.activations]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

/// Bytes that the anchor of a run takes: with `t` targets, `g` genes and vectors of `w` numbers, `4 g (t + min(t, w))`, what
/// is said of each target and the weights. 0 without one. While it is fitted, before the first step, it takes about `28 g t`.
pub fn anchor_bytes(config: &TrainConfig, n_targets: usize) -> u64 {
    if config.anchor.is_none() {
        return 0;
    }
    let n_known = n_targets.min(config.model.composer.n_protein);
    let count = config.model.n_genes as u128 * (n_targets as u128 + n_known as u128);
    u64::try_from(count.saturating_mul(F32)).unwrap_or(u64::MAX)
}

/// The sizes of a step.
struct Sizes<'a> {
    model: &'a ModelConfig,
    stage: Stage,
    batch: u128,
    n_parts: u128,
    /// Cells of a set whose expression is compared with one another; 0 where none is.
    set_size: u128,
    has_anchor: bool,
}

impl<'a> Sizes<'a> {
    fn of(config: &'a TrainConfig, stage: Stage) -> Self {
        let settings = config.stage(stage);
        // The action stage compares mean states, which have no genes.
        let set_size = if settings.set_weight > 0.0 && stage == Stage::Decoder { settings.set_size as u128 } else { 0 };
        Self {
            model: &config.model,
            stage,
            batch: settings.batch_size as u128,
            n_parts: config.accumulate as u128,
            set_size,
            has_anchor: config.anchor.is_some() && stage == Stage::Decoder,
        }
    }

    fn values(&self) -> u128 {
        self.batch * self.model.n_genes as u128
    }

    fn tokens(&self) -> u128 {
        self.values() * self.model.d_model as u128
    }

    /// Numbers alive at the peak of a step.
    fn activations(&self) -> f64 {
        let model = self.model;
        let (n_layers, n_pretrain) = (model.n_layers as f64, model.n_pretrain_layers as f64);
        let film = if model.version == ModelVersion::V05 { FILM } else { 0.0 };
        let per_token = match self.stage {
            Stage::Pretrain => PRETRAIN_BESIDE + film + PER_BLOCK * (n_layers + n_pretrain),
            Stage::Align => {
                let n_examples = (self.batch * self.n_parts) as f64;
                return n_examples * (PER_ACTION * model.composer.n_latent as f64 + n_examples);
            }
            // All blocks but the last read and keep two tokens per gene.
            Stage::Action => ACTION_LAST + 2.0 * PER_BLOCK * (n_layers - 1.0).max(0.0),
            Stage::Decoder => DECODER[usize::from(model.n_layers > 1)],
        };
        let is_parted = self.n_parts > 1 && self.stage != Stage::Decoder;
        let n_parts = self.n_parts as f64;
        let per_token = match ACCUMULATED {
            [standing, of_loss] if is_parted => (per_token + standing * n_parts).max(of_loss * n_parts),
            _ => per_token,
        };
        let anchored = if self.has_anchor { ANCHORED } else { 0.0 };
        let (tokens, values) = (self.tokens() as f64, self.values() as f64);
        let of_sets = tokens + PER_PARTNER * self.set_size as f64 * values;
        (per_token * tokens).max(of_sets) + (PER_VALUE + anchored) * values
    }

    /// Numbers of the largest tensor: inside a feed-forward network, four times the width of what it reads; or all outputs
    /// of an accumulated batch; or the largest parameter.
    fn largest(&self) -> u128 {
        let model = self.model;
        let [n_genes, d, latent] = [model.n_genes, model.d_model, model.composer.n_latent].map(|size| size as u128);
        let widest = [model.composer.n_protein, model.composer.n_chemical, model.composer.n_dna];
        let widest = widest.into_iter().max().unwrap_or(0) as u128;
        let parameter = (n_genes * d).max(4 * d * d).max(widest * latent);
        let n_examples = self.batch * self.n_parts;
        let reads = if model.n_layers > 1 { 2 } else { 1 };
        let of_step = match self.stage {
            Stage::Pretrain => (4 * self.tokens()).max(self.tokens() * self.n_parts),
            Stage::Align => n_examples * n_examples.max(widest).max(latent),
            Stage::Action => (4 * reads * self.tokens()).max(self.tokens() * self.n_parts),
            Stage::Decoder => (4 * reads * self.tokens()).max(self.set_size.saturating_mul(self.values())),
        };
        parameter.max(of_step)
    }
}

/// The room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLimits {
    /// Bytes in all.
    pub total: u64,
    /// Bytes of a single buffer, which WebGPU bounds; none on the CPU.
    pub buffer: Option<u64>,
}

impl MemoryLimits {
    /// Whether a stage fits.
    pub fn hold(&self, memory: &StageMemory) -> bool {
        memory.total() <= self.total && self.buffer.is_none_or(|buffer| memory.largest_buffer <= buffer)
    }
}

/// The largest batch with which a stage fits; none where not even a single example does.
pub fn largest_batch(config: &TrainConfig, stage: Stage, limits: MemoryLimits) -> Option<usize> {
    let mut tried = config.clone();
    let mut fits = |batch_size: usize| {
        tried.stage_mut(stage).batch_size = batch_size;
        limits.hold(&StageMemory::of(&tried, stage))
    };
    if !fits(1) {
        return None;
    }
    let (mut fitting, mut too_large) = (1, MAX_BATCH + 1);
    while too_large - fitting > 1 {
        let middle = fitting + (too_large - fitting) / 2;
        if fits(middle) {
            fitting = middle;
        } else {
            too_large = middle;
        }
    }
    Some(fitting)
}

/// The configuration with the batches of each stage as they are where they fit, else as large as fits and as its other
/// settings allow: whole sets where sets are compared, and pairs of controls where they are needed. None where a stage does
/// not fit with a single example, or with a single set: then only a smaller model, fewer genes or smaller sets help.
pub fn propose(config: &TrainConfig, limits: MemoryLimits) -> Option<TrainConfig> {
    let mut proposed = config.clone();
    for stage in Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0) {
        let largest = largest_batch(config, stage, limits)?;
        if largest < config.stage(stage).batch_size {
            proposed.stage_mut(stage).batch_size = whole_batch(config, stage, largest)?;
        }
    }
    Some(proposed)
}

/// The largest batch up to `most` that a stage can be run with: of whole sets, else of one set and what is left.
fn whole_batch(config: &TrainConfig, stage: Stage, most: usize) -> Option<usize> {
    let mut tried = config.clone();
    let mut fallback = None;
    for batch_size in (1..=most).rev() {
        tried.stage_mut(stage).batch_size = batch_size;
        if tried.check_batch(stage).is_err() {
            continue;
        }
        let n_pairs = tried.n_examples(stage) - tried.n_control_pairs(stage);
        let settings = tried.stage(stage);
        if settings.set_weight == 0.0 || n_pairs.is_multiple_of(settings.set_size) {
            return Some(batch_size);
        }
        fallback = fallback.or(Some(batch_size));
    }
    fallback
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::preset::Preset;
    use crate::train::{Baseline, StageConfig};

    #[test]
    fn the_production_model_has_the_counts_of_the_reference() {
        let counts = PartCounts::of(&ModelConfig { version: ModelVersion::V04, ..ModelConfig::default() });
        assert_eq!((counts.encoder, counts.predictor, counts.composer), (6_019_840, 7_881_216, 882_880));
    }

    #[test]
    fn what_is_proposed_fits_and_one_more_does_not() {
        let stage = |batch_size| StageConfig { n_steps: 10, batch_size, ..StageConfig::default() };
        let config = TrainConfig {
            pretrain: stage(64),
            align: stage(64),
            action: stage(64),
            decoder: stage(2),
            ..TrainConfig::default()
        };
        let total = 8 << 30;
        for buffer in [None, Some(128 << 20)] {
            let limits = MemoryLimits { total, buffer };
            let proposed = propose(&config, limits).expect("single examples fit");
            for stage in Stage::ALL {
                assert!(limits.hold(&StageMemory::of(&proposed, stage)), "{stage:?}");
            }
            assert_eq!((proposed.align.batch_size, proposed.decoder.batch_size), (64, 2));
            let mut more = proposed.clone();
            assert!(more.pretrain.batch_size < 64);
            more.pretrain.batch_size += 1;
            assert!(!limits.hold(&StageMemory::of(&more, Stage::Pretrain)));
        }
        assert!(propose(&config, MemoryLimits { total: 100 << 20, buffer: None }).is_none());
    }

    #[test]
    fn what_is_proposed_can_be_run() {
        let with_controls = |config: TrainConfig| TrainConfig {
            baseline: Baseline::ControlAction,
            control_share: 0.1,
            anchor: None,
            ..config
        };
        let in_sets = |mut config: TrainConfig| {
            for stage in [Stage::Action, Stage::Decoder] {
                (config.stage_mut(stage).set_size, config.stage_mut(stage).set_weight) = (8, 1.0);
            }
            config
        };
        let in_parts = |config: TrainConfig| TrainConfig { accumulate: 3, ..config };
        let presets: Vec<TrainConfig> =
            Preset::ALL.into_iter().flat_map(|preset| [preset.config(), in_sets(preset.config())]).collect();
        let parted = presets.iter().filter(|config| config.action.set_weight == 0.0).cloned().map(in_parts);
        let of_controls = presets.iter().cloned().map(with_controls);
        let (mut n_smaller, mut n_none) = (0, 0);
        for config in presets.iter().cloned().chain(of_controls).chain(parted) {
            assert_eq!(config.validate(), Ok(()));
            for shift in 20..36 {
                for total in [1u64 << shift, 3 << (shift - 1)] {
                    for buffer in [None, Some(total / 16)] {
                        let limits = MemoryLimits { total, buffer };
                        let Some(proposed) = propose(&config, limits) else {
                            n_none += 1;
                            continue;
                        };
                        assert_eq!(proposed.validate(), Ok(()), "{limits:?}");
                        for stage in Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0) {
                            let (was, is) = (config.stage(stage).batch_size, proposed.stage(stage));
                            assert!(limits.hold(&StageMemory::of(&proposed, stage)) && is.batch_size <= was);
                            n_smaller += usize::from(is.batch_size < was);
                            if is.set_weight > 0.0 && config.control_share == 0.0 {
                                assert!(is.batch_size.is_multiple_of(is.set_size), "{}", is.batch_size);
                            }
                        }
                    }
                }
            }
        }
        assert!(n_smaller > 50 && n_none > 50, "the test shows nothing: {n_smaller} smaller, {n_none} none");
    }

    #[test]
    fn an_anchor_is_counted_where_there_is_one() {
        let mut config = Preset::Waddington.config();
        (config.model.n_genes, config.model.composer.n_protein) = (2000, 320);
        // 4 bytes × 2,000 genes × (2,000 said + 320 weights).
        assert_eq!(anchor_bytes(&config, 2000), 18_560_000);
        let memory = StageMemory::of(&config, Stage::Decoder);
        assert_eq!(memory.with_anchor(&config, 2000).total() - memory.total(), 18_560_000);
        config.anchor = None;
        assert_eq!(anchor_bytes(&config, 2000), 0);
    }

    #[test]
    fn absurd_sizes_give_large_numbers_and_no_panic() {
        let model = ModelConfig { n_genes: usize::MAX, d_model: 1 << 20, ..ModelConfig::default() };
        let config = TrainConfig { model, ..TrainConfig::default() };
        for stage in Stage::ALL {
            assert!(StageMemory::of(&config, stage).total() > 1 << 50);
        }
    }
}
