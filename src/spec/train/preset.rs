//! Configurations to begin with, from a demonstration of minutes to the sizes of the reference.
//!
//! Losses, rates and masks are the reference's; the numbers of steps are not (its production run takes 175,500 steps of
//! pretraining). Alignment is left out: with one vector per target there is next to nothing to align. A tenth of the cells
//! is held back, so that curves of validation show; no stage ends early. What of our own preset departs from the reference,
//! and what each departure was worth, is told in `docs/ablations.md`.

use serde::{Deserialize, Serialize};

use crate::model::{ComposerConfig, ModelConfig, ModelVersion};
use crate::train::anchor::AnchorConfig;
use crate::train::{HoldBack, StageConfig, TrainConfig};

/// Cells of one condition that our own preset averages into one example: single cells of a weak response are nearly all
/// noise.
const CELLS_PER_EXAMPLE: usize = 40;

/// A configuration to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The size that the reference's authors run on a laptop: width 8, 2 layers.
    Tiny,
    /// Our own: width 32, 2 layers, and a closed-form anchor that the network corrects within bounds.
    Waddington,
    /// Width 64, 4 layers.
    Small,
    /// The sizes of the reference's production model: width 256, 6 layers.
    Production,
}

impl Preset {
    /// All, smallest first.
    pub const ALL: [Preset; 4] = [Preset::Tiny, Preset::Waddington, Preset::Small, Preset::Production];

    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            Preset::Tiny => "tiny",
            Preset::Waddington => "waddington",
            Preset::Small => "small",
            Preset::Production => "production",
        }
    }

    /// What it is for, in one sentence.
    pub fn purpose(self) -> &'static str {
        match self {
            Preset::Tiny => "To see training work: minutes on a laptop, and no more than a sketch of a model.",
            Preset::Waddington => {
                "Our own: begins as a closed form of the measured responses, and corrects it within bounds."
            }
            Preset::Small => "A model to look at: hours on a CPU, less on a GPU.",
            Preset::Production => "The sizes of the reference: for a real GPU and a long while.",
        }
    }

    /// The configuration; `n_genes` and the width of the vectors come from data and bank.
    pub fn config(self) -> TrainConfig {
        let [pretrain, action, decoder] = self.n_steps();
        let (max_lr, batch_size) = match self {
            Preset::Tiny | Preset::Waddington | Preset::Small => (1e-3, [32, 32]),
            Preset::Production => (1e-4, [64, 32]),
        };
        let stage = |n_steps: usize, batch_size: usize| StageConfig {
            n_steps,
            batch_size,
            max_lr,
            weight_decay: 0.05,
            clip_norm: Some(1.0),
            cells_per_example: if self == Preset::Waddington { CELLS_PER_EXAMPLE } else { 1 },
            ..StageConfig::default()
        };
        let decoder = StageConfig {
            max_lr: if self == Preset::Production { 1e-3 } else { 1e-2 },
            weight_decay: 0.01,
            clip_norm: None,
            ..stage(decoder, batch_size[1])
        };
        let anchor = (self == Preset::Waddington).then(AnchorConfig::default);
        TrainConfig {
            anchor,
            model: self.model(),
            validation_share: 0.1,
            hold_back: HoldBack::Cells,
            pretrain: stage(pretrain, batch_size[0]),
            action: stage(action, batch_size[1]),
            decoder,
            ..TrainConfig::default()
        }
    }

    /// Steps of pretraining, action and decoder. The production model stands on a plateau for its first 3,600.
    fn n_steps(self) -> [usize; 3] {
        match self {
            Preset::Tiny => [1000, 600, 300],
            Preset::Waddington => [400, 400, 300],
            Preset::Small => [3000, 2000, 500],
            Preset::Production => [10_000, 5000, 1000],
        }
    }

    fn model(self) -> ModelConfig {
        let sized = |d_model, n_heads, n_layers| ModelConfig {
            version: ModelVersion::V05,
            d_model,
            n_heads,
            n_layers,
            n_pretrain_layers: n_layers,
            // Compounds and guides' sequences have no vectors here.
            composer: ComposerConfig { n_chemical: 8, n_dna: 8, n_latent: 64, n_mode: 16, ..ComposerConfig::default() },
            ..ModelConfig::default()
        };
        match self {
            Preset::Tiny => sized(8, 2, 2),
            Preset::Waddington => sized(32, 4, 2),
            Preset::Small => sized(64, 4, 4),
            Preset::Production => ModelConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_larger_than_the_one_before() {
        let sizes = Preset::ALL.map(|preset| {
            let config = preset.config();
            config.validate().unwrap_or_else(|problem| panic!("{preset:?}: {problem}"));
            (config.model.d_model, config.n_steps())
        });
        assert!(sizes.is_sorted());
    }
}
