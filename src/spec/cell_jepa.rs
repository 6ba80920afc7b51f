//! What a Cell-JEPA model is made of: sizes, how a cell becomes tokens, and how it is trained (arXiv 2602.02093).
//!
//! The paper leaves much open and there is no public code. What it does not say is assumed here in the open: each such
//! field says "assumed; the paper does not say", with its number in the project's own list (A1 to A9); scGPT's published
//! rules fill the gap where there are any.

mod perturbation;

use serde::{Deserialize, Serialize};

use crate::train::{HoldBack, Stage, StageConfig, TrainConfig};

pub use perturbation::{PerturbationTuning, ToldAs};

/// How many genes are hidden of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskDraw {
    /// Each gene by itself, with the ratio as its probability, as scGPT.
    #[default]
    Independent,
    /// Exactly the ratio's share of the cell's genes, rounded.
    Exact,
}

/// Fine-tuning by the types of the cells, which adds two losses (the paper's GEPC and ECS).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CellTypeTuning {
    /// Column of `obs` that names each cell's type; cells of which it says nothing are a type of their own. Default:
    /// `cell_type`.
    pub column: String,
    /// Weight of the squared error of hidden values as they are told from the gene and the cell's embedding. Default: 1.
    pub generated_weight: f64,
    /// Weight of the cross-entropy of finding the cells of the same type among those of the batch. Default: 1.
    pub contrast_weight: f64,
    /// Temperature of that choice. A8, assumed; the paper does not say. Default: 0.1.
    pub contrast_temperature: f64,
}

impl Default for CellTypeTuning {
    fn default() -> Self {
        Self { column: "cell_type".into(), generated_weight: 1.0, contrast_weight: 1.0, contrast_temperature: 0.1 }
    }
}

/// Sizes and recipe of a Cell-JEPA. The default is the paper's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CellJepaConfig {
    /// Width of a token. Default: 512.
    pub d_model: usize,
    /// Blocks of the encoder. Default: 12.
    pub n_layers: usize,
    /// Attention heads; divides `d_model`. Default: 8.
    pub n_heads: usize,
    /// Width inside a block's feed-forward network. Default: 512.
    pub feed_forward: usize,
    /// Share of numbers set to zero behind the value network, inside and behind the feed-forward network, behind
    /// attention, and in the predictor. Not on the attention weights, of which there is no matrix. Default: 0.2.
    pub dropout: f64,
    /// Bins of a cell's values above zero. Default: 50.
    pub n_bins: usize,
    /// Expressed genes that one visit of a cell reads at most; of more a fresh random choice. Default: 600.
    pub max_genes: usize,
    /// Whether a value that meets edges of bins is put into one of them at random, as scGPT, else into the highest.
    /// Default: yes. Queries never draw.
    pub random_ties: bool,
    /// Whether `<cls>` gets a value vector (of scGPT's -2) besides its embedding. A1, assumed; the paper does not say
    /// (its equation has none). Default: no.
    pub value_at_cls: bool,
    /// Share of a cell's values that the student does not see in pretraining. Default: 0.15.
    pub mask_ratio: f64,
    /// How that share is drawn. A2, assumed; the paper does not say. Default: each gene by itself.
    pub mask_draw: MaskDraw,
    /// Whether attention is scaled by the root of a head's width, else by that of the token's. A3, assumed; the paper does
    /// not say clearly (it writes the token's). Default: yes.
    pub scale_by_head: bool,
    /// Decay of the teacher's moving average. A4, assumed; the paper does not say. Default: 0.996.
    pub ema_decay: f64,
    /// Whether the average covers the table of genes and the value network, which the teacher else shares with the student.
    /// A5, assumed; the paper does not say. Default: yes.
    pub average_embeddings: bool,
    /// Width inside the predictor of the cell's embedding. A6, assumed; the paper does not say. Default: 512.
    pub predictor_width: usize,
    /// Bound of the gradients' common norm; 0 leaves them as they are. A7, assumed; the paper does not say. Default: 1.
    pub clip_norm: f64,
    /// Expressed genes that a query reads of a cell at most; of more a choice by the cell's place. A9, assumed; the paper
    /// does not say. Default: none, as many as `max_genes`.
    pub embed_max_genes: Option<usize>,
    /// Whether a query's embeddings have length 1. A9, assumed; the paper does not say. Default: yes, as scGPT's.
    pub embed_normalised: bool,
    /// Weight of the squared error of hidden values, in bins. Default: 1.
    pub value_weight: f64,
    /// Weight of `1 - cos` of predicted and teacher's embedding. Default: 1000.
    pub embedding_weight: f64,
    /// Learning rate of the first epoch. Default: 1e-4.
    pub lr: f64,
    /// What the rate is multiplied by after each epoch. Default: 0.9.
    pub lr_decay: f64,
    /// Decoupled weight decay. Default: 2e-4.
    pub weight_decay: f64,
    /// Learns from the cells' types as well. Default: none, pretraining.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fine_tune: Option<CellTypeTuning>,
}

impl Default for CellJepaConfig {
    fn default() -> Self {
        Self {
            d_model: 512,
            n_layers: 12,
            n_heads: 8,
            feed_forward: 512,
            dropout: 0.2,
            n_bins: 50,
            max_genes: 600,
            random_ties: true,
            value_at_cls: false,
            mask_ratio: 0.15,
            mask_draw: MaskDraw::Independent,
            scale_by_head: true,
            ema_decay: 0.996,
            average_embeddings: true,
            predictor_width: 512,
            clip_norm: 1.0,
            embed_max_genes: None,
            embed_normalised: true,
            value_weight: 1.0,
            embedding_weight: 1000.0,
            lr: 1e-4,
            lr_decay: 0.9,
            weight_decay: 2e-4,
            fine_tune: None,
        }
    }
}

/// Numbers that a Cell-JEPA learns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellJepaCounts {
    /// One block of the encoder.
    pub block: usize,
    /// The table of genes, with `<cls>` and `<pad>`.
    pub table: usize,
    /// The student; the teacher has as many.
    pub encoder: usize,
    /// The predictor of the cell's embedding.
    pub predictor: usize,
    /// The head that tells hidden values.
    pub value_head: usize,
    /// What tells values from the cell's embedding; 0 without fine-tuning.
    pub generator: usize,
}

impl CellJepaConfig {
    /// Tokens that are no genes: `<cls>` and `<pad>`.
    pub const N_SPECIAL: usize = 2;

    /// Sizes in one line.
    pub fn summary(&self, n_genes: usize) -> String {
        let plural = if self.n_layers == 1 { "" } else { "s" };
        format!("Cell-JEPA, width {}, {} layer{plural}, {n_genes} genes", self.d_model, self.n_layers)
    }

    /// Expressed genes that a query reads of a cell at most.
    pub fn n_embedded_genes(&self) -> usize {
        self.embed_max_genes.unwrap_or(self.max_genes)
    }

    /// How many numbers a model of `n_genes` learns.
    pub fn counts(&self, n_genes: usize) -> CellJepaCounts {
        let d = self.d_model;
        let linear = |n_in: usize, n_out: usize| n_in * n_out + n_out;
        let norm = 2 * d;
        let block = linear(d, 3 * d) + linear(d, d) + linear(d, self.feed_forward) + linear(self.feed_forward, d);
        let block = block + 2 * norm;
        let table = (n_genes + Self::N_SPECIAL) * d;
        let value_encoder = linear(1, d) + linear(d, d) + norm;
        CellJepaCounts {
            block,
            table,
            encoder: table + norm + value_encoder + self.n_layers * block,
            predictor: linear(d, self.predictor_width) + linear(self.predictor_width, d),
            value_head: 2 * linear(d, d) + linear(d, 1),
            generator: if self.fine_tune.is_some() { d * d } else { 0 },
        }
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        let sizes = [
            ("d_model", self.d_model),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("feed_forward", self.feed_forward),
            ("predictor_width", self.predictor_width),
            ("max_genes", self.max_genes),
            ("embed_max_genes", self.n_embedded_genes()),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("cell_jepa.{name} is 0; it must be at least 1"));
        }
        let tuning = self.fine_tune.clone().unwrap_or_default();
        if self.n_bins < 2 {
            return Err(format!("cell_jepa.n_bins is {}; it must be at least 2", self.n_bins));
        }
        if !self.d_model.is_multiple_of(self.n_heads) {
            return Err(format!("cell_jepa.n_heads {} does not divide d_model {}", self.n_heads, self.d_model));
        }
        for (name, value) in [("dropout", self.dropout), ("mask_ratio", self.mask_ratio), ("ema_decay", self.ema_decay)]
        {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("cell_jepa.{name} is {value}; it must lie in 0 to 1, 1 excluded"));
            }
        }
        for (name, value) in [
            ("lr", self.lr),
            ("lr_decay", self.lr_decay),
            ("fine_tune.contrast_temperature", tuning.contrast_temperature),
        ] {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("cell_jepa.{name} is {value}; it must be above 0"));
            }
        }
        for (name, value) in [
            ("weight_decay", self.weight_decay),
            ("clip_norm", self.clip_norm),
            ("value_weight", self.value_weight),
            ("embedding_weight", self.embedding_weight),
            ("fine_tune.generated_weight", tuning.generated_weight),
            ("fine_tune.contrast_weight", tuning.contrast_weight),
        ] {
            if !(value.is_finite() && value >= 0.0) {
                return Err(format!("cell_jepa.{name} is {value}; it must be 0 or more"));
            }
        }
        Ok(())
    }

    /// Checks it with the rest of a run: what it says itself is not to be said of the stage as well, and there is one
    /// stage.
    ///
    /// # Errors
    /// Names the setting and where it belongs.
    pub fn validate_run(&self, run: &TrainConfig) -> Result<(), String> {
        self.validate()?;
        if let Some(stage) = Stage::ALL[1..].iter().find(|stage| run.stage(**stage).n_steps > 0) {
            return Err(format!("the {} stage has steps; Cell-JEPA has pretraining alone", stage.label()));
        }
        if self.fine_tune.is_some() && run.accumulate > 1 {
            return Err(
                "accumulate is set; fine-tuning by types contrasts the cells of a whole batch: leave it at 1".into()
            );
        }
        if self.fine_tune.is_some() && run.validation_share > 0.0 && run.hold_back == HoldBack::Targets {
            return Err("hold_back would hold back whole types of cells; set hold_back = \"cells\"".into());
        }
        let plain =
            StageConfig { n_steps: run.pretrain.n_steps, batch_size: run.pretrain.batch_size, ..Default::default() };
        if run.pretrain != plain {
            return Err(
                "of pretraining, n_steps and batch_size alone are said in [pretrain]; rate, decay, clip and mask \
                        of a Cell-JEPA are settings of [cell_jepa]"
                    .into(),
            );
        }
        Ok(())
    }
}

/// Sizes to begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellJepaPreset {
    /// Width 64, 2 layers, 256 genes a visit: minutes on a laptop for a thousand cells.
    Tiny,
    /// Width 128, 4 layers.
    Small,
    /// The paper's.
    Production,
}

impl CellJepaPreset {
    /// All, smallest first.
    pub const ALL: [Self; 3] = [Self::Tiny, Self::Small, Self::Production];

    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Production => "production",
        }
    }

    /// What it is for, in one sentence.
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Tiny => "To see it learn: no more than a sketch of a model.",
            Self::Small => "A model to look at: for some thousand cells and some patience.",
            Self::Production => "The sizes of the paper: for a real GPU, many cells and a long while.",
        }
    }

    /// The sizes. Smaller models learn at ten times the paper's rate, which is that of a far larger one.
    pub fn model(self) -> CellJepaConfig {
        let sized = |width: usize, n_layers: usize| CellJepaConfig {
            d_model: width,
            n_layers,
            n_heads: 4,
            feed_forward: width,
            predictor_width: width,
            dropout: 0.1,
            lr: 1e-3,
            ..CellJepaConfig::default()
        };
        match self {
            Self::Tiny => CellJepaConfig { max_genes: 256, ..sized(64, 2) },
            Self::Small => sized(128, 4),
            Self::Production => CellJepaConfig::default(),
        }
    }

    /// The run; genes come from the data.
    pub fn config(self) -> TrainConfig {
        let n_steps = match self {
            Self::Tiny => 1000,
            Self::Small => 4000,
            // The paper's four epochs of 800,000 cells in batches of 32.
            Self::Production => 100_000,
        };
        TrainConfig {
            cell_jepa: Some(self.model()),
            pretrain: StageConfig { n_steps, batch_size: 32, ..StageConfig::default() },
            validation_share: 0.1,
            hold_back: HoldBack::Cells,
            ..TrainConfig::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_production_model_has_the_paper_s_size() {
        // About 28 million for one network with some 17,000 genes; a block is 1,577,984.
        let counts = CellJepaConfig::default().counts(17_000);
        assert_eq!(counts.block, 1_577_984);
        assert_eq!(counts.encoder, 12 * 1_577_984 + 17_002 * 512 + 1024 + (1024 + 262_656 + 1024));
        assert!((27.5e6..28.5e6).contains(&(counts.encoder as f64)), "{counts:?}");
    }

    #[test]
    fn presets_hold_together_and_what_contradicts_itself_is_named() {
        for preset in CellJepaPreset::ALL {
            preset.config().validate().expect("a preset holds together");
        }
        let refused = |change: &dyn Fn(&mut TrainConfig)| {
            let mut config = CellJepaPreset::Tiny.config();
            change(&mut config);
            config.validate().expect_err("it contradicts itself")
        };
        let of = |change: fn(&mut CellJepaConfig)| refused(&|config| config.cell_jepa.iter_mut().for_each(change));
        assert!(of(|model| model.n_heads = 3).contains("n_heads"));
        assert!(of(|model| model.mask_ratio = 1.0).contains("mask_ratio"));
        assert!(of(|model| model.lr = 0.0).contains("cell_jepa.lr"));
        assert!(refused(&|config| config.action.n_steps = 1).contains("action"));
        assert!(refused(&|config| config.pretrain.max_lr = 1e-5).contains("[cell_jepa]"));
    }
}
