//! What a BioJEPA-AC model is made of: sizes, version and the ways a perturbation can act.

use serde::{Deserialize, Serialize};

/// Which of the two reference encoders reads the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ModelVersion {
    /// A token is the expression value times its gene's embedding.
    V04,
    /// Adds a learned scale and a Fourier-feature FiLM of the value.
    #[default]
    V05,
}

/// What kind of vector describes the perturbed target; selects the composer's projector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// A vector of the target's protein or gene function.
    Protein,
    /// A vector of a compound.
    Chemical,
    /// A vector of a guide's DNA sequence.
    Dna,
}

impl Modality {
    /// The reference's integer code: protein 0, chemical 1, DNA 2.
    pub fn code(self) -> usize {
        self as usize
    }
}

/// How a perturbation acts; the order is the reference's table of ten modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// CRISPR interference.
    Crispri,
    /// CRISPR activation.
    Crispra,
    /// Overexpression.
    Overexpression,
    /// Knockout.
    Knockout,
    /// Inhibiting compound.
    Inhibitor,
    /// Activating compound.
    Agonist,
    /// Degrading compound.
    Degrader,
    /// Binding compound of unknown direction.
    Binder,
    /// No perturbation.
    Control,
    /// Unknown.
    Unknown,
}

impl Mode {
    /// All modes, in the order of their integer codes 0 to 9.
    pub const ALL: [Mode; 10] = [
        Mode::Crispri,
        Mode::Crispra,
        Mode::Overexpression,
        Mode::Knockout,
        Mode::Inhibitor,
        Mode::Agonist,
        Mode::Degrader,
        Mode::Binder,
        Mode::Control,
        Mode::Unknown,
    ];

    /// The reference's integer code, 0 to 9.
    pub fn code(self) -> usize {
        self as usize
    }

    /// The name a biologist writes.
    pub fn label(self) -> &'static str {
        match self {
            Mode::Crispri => "CRISPRi",
            Mode::Crispra => "CRISPRa",
            Mode::Overexpression => "overexpression",
            Mode::Knockout => "knockout",
            Mode::Inhibitor => "inhibitor",
            Mode::Agonist => "agonist",
            Mode::Degrader => "degrader",
            Mode::Binder => "binder",
            Mode::Control => "control",
            Mode::Unknown => "unknown",
        }
    }
}

/// Sizes of the action composer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComposerConfig {
    /// Width of a protein vector. Default: 320.
    pub n_protein: usize,
    /// Width of a compound vector. Default: 768.
    pub n_chemical: usize,
    /// Width of a DNA vector. Default: 1536.
    pub n_dna: usize,
    /// Width of the action. Default: 320.
    pub n_latent: usize,
    /// Width of the mode embedding. Default: 64.
    pub n_mode: usize,
}

impl Default for ComposerConfig {
    fn default() -> Self {
        Self { n_protein: 320, n_chemical: 768, n_dna: 1536, n_latent: 320, n_mode: 64 }
    }
}

/// Sizes of a BioJEPA-AC model. The default is the production model of the reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelConfig {
    /// Which reference encoder. Default: v0.5.
    pub version: ModelVersion,
    /// Number of genes, one token each. Default: 5000.
    pub n_genes: usize,
    /// Width of a token. Default: 256.
    pub d_model: usize,
    /// Attention heads; divides `d_model`. Default: 4.
    pub n_heads: usize,
    /// Blocks of the encoder and of the action-conditioned predictor. Default: 6.
    pub n_layers: usize,
    /// Blocks of the masked predictor, used in pretraining alone. Default: 6.
    pub n_pretrain_layers: usize,
    /// The action composer. Default: the reference's production sizes.
    pub composer: ComposerConfig,
    /// Whether the token of a hidden gene keeps the gene's embedding, so that the masked predictor knows which gene it is
    /// to guess. Default: no, as the reference.
    pub masked_identity: bool,
    /// Whether the predictor reads a perturbation as three tokens (its vector, its mode, the target's own gene) instead of
    /// one. Default: no, as the reference.
    pub action_tokens: bool,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            version: ModelVersion::V05,
            n_genes: 5000,
            d_model: 256,
            n_heads: 4,
            n_layers: 6,
            n_pretrain_layers: 6,
            composer: ComposerConfig::default(),
            masked_identity: false,
            action_tokens: false,
        }
    }
}

impl ModelConfig {
    /// Version and sizes in one line.
    pub fn summary(&self) -> String {
        let version = match self.version {
            ModelVersion::V04 => "v0.4",
            ModelVersion::V05 => "v0.5",
        };
        let plural = if self.n_layers == 1 { "" } else { "s" };
        format!("BioJEPA-AC {version}, width {}, {} layer{plural}, {} genes", self.d_model, self.n_layers, self.n_genes)
    }

    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        let sizes = [
            ("n_genes", self.n_genes),
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("n_layers", self.n_layers),
            ("n_pretrain_layers", self.n_pretrain_layers),
            ("composer.n_protein", self.composer.n_protein),
            ("composer.n_chemical", self.composer.n_chemical),
            ("composer.n_dna", self.composer.n_dna),
            ("composer.n_latent", self.composer.n_latent),
            ("composer.n_mode", self.composer.n_mode),
        ];
        if let Some((name, _)) = sizes.iter().find(|(_, size)| *size == 0) {
            return Err(format!("{name} is 0; it must be at least 1"));
        }
        if !self.d_model.is_multiple_of(self.n_heads) {
            return Err(format!("n_heads {} does not divide d_model {}", self.n_heads, self.d_model));
        }
        if self.version == ModelVersion::V05 && !self.d_model.is_multiple_of(2) {
            return Err(format!(
                "d_model {} is odd; the v0.5 encoder pairs sine with cosine and needs it even",
                self.d_model
            ));
        }
        Ok(())
    }
}
