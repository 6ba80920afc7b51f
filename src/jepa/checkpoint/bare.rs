//! Parameters without a header, as the reference's own files hold them, and what must be said beside them.
//!
//! The sizes of a model can be read from the shapes of its tensors. Not so the number of heads, the genes, the library
//! size and what it was trained on: each is asked for or assumed, and every assumption is said.

use spec::checkpoint::CheckpointHeader;
use spec::model::{ComposerConfig, ModelConfig, ModelVersion};
use spec::train::Baseline;

use super::{Checkpoint, FORMAT};
use crate::error::Error;
use crate::tensors::TensorMap;

/// What wrappers put before the name of each parameter.
const WRAPPERS: [&str; 2] = ["_orig_mod.", "module."];
/// The parameters of a decoder, as a file of its own names them.
const DECODER: [&str; 2] = ["head.weight", "head.bias"];
/// Library size that is assumed, in counts per cell.
const TARGET_SUM: f64 = 1e4;

/// Parameters by the reference's names, without a header.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bare {
    model: TensorMap,
    decoder: TensorMap,
}

impl Bare {
    /// Sorts tensors into those of the model (`model.*`, or no prefix) and of its decoder (`decoder.*`, or a file of
    /// `head.weight` and `head.bias`).
    ///
    /// # Errors
    /// Where two tensors have the same name once the prefixes of wrappers are taken away.
    pub fn new(tensors: TensorMap) -> Result<Self, Error> {
        let mut bare = Self::default();
        for (name, tensor) in tensors {
            let inner = unwrapped(&name);
            let (part, inner) = match inner.strip_prefix("decoder.") {
                Some(inner) => (&mut bare.decoder, inner),
                None if DECODER.contains(&inner) => (&mut bare.decoder, inner),
                None => (&mut bare.model, unwrapped(inner.strip_prefix("model.").unwrap_or(inner))),
            };
            if part.insert(inner.to_owned(), tensor).is_some() {
                return Err(bad(format!("the parameter `{inner}` comes twice, once as `{name}`")));
            }
        }
        Ok(bare)
    }

    /// Adds the parameters of another file: the decoder to its model, or the other way round.
    ///
    /// # Errors
    /// Where both hold the same part.
    pub fn join(&mut self, other: Self) -> Result<(), Error> {
        for (part, mine, more) in
            [("model", &mut self.model, other.model), ("decoder", &mut self.decoder, other.decoder)]
        {
            if !mine.is_empty() && !more.is_empty() {
                return Err(bad(format!("a second {part}; load one at a time")));
            }
            mine.extend(more);
        }
        Ok(())
    }

    /// The sizes of the model. Heads leave no trace in the shapes: `n_heads`, or what [`assumed_n_heads`] says.
    ///
    /// # Errors
    /// Names the parameter that is missing or has no such shape, or the size that contradicts itself.
    pub fn config(&self, n_heads: Option<usize>) -> Result<ModelConfig, Error> {
        let [n_genes, d_model] = self.shape("student.gene_embeddings")?;
        // Sizes that no weight bears out would make a model of any size.
        let square = self.shape("student.blocks.0.attn.q_proj.weight")?;
        if square != [d_model, d_model] {
            return Err(bad(format!(
                "`student.blocks.0.attn.q_proj.weight` is {square:?}; the tokens have width {d_model}"
            )));
        }
        let [n_latent, n_protein] = self.shape("composer.projectors.0.weight")?;
        let is_v05 = self.model.contains_key("student.fourier_projection.B");
        let config = ModelConfig {
            version: if is_v05 { ModelVersion::V05 } else { ModelVersion::V04 },
            n_genes,
            d_model,
            n_heads: n_heads.unwrap_or_else(|| assumed_n_heads(d_model)),
            n_layers: self.n_blocks("student"),
            n_pretrain_layers: self.n_blocks("masked_predictor"),
            composer: ComposerConfig {
                n_protein,
                n_chemical: self.shape("composer.projectors.1.weight")?[1],
                n_dna: self.shape("composer.projectors.2.weight")?[1],
                n_latent,
                n_mode: self.shape("composer.mode_embedding.weight")?[1],
            },
            // Only our own checkpoints have these, and they describe themselves.
            masked_identity: false,
            action_tokens: false,
        };
        config.validate().map_err(bad)?;
        Ok(config)
    }

    /// Whether it holds a decoder, without which there are latent states but no expression.
    pub fn has_decoder(&self) -> bool {
        !self.decoder.is_empty()
    }

    /// A checkpoint of these parameters and `genes`, in the order of the tokens, with what was assumed of it in words.
    ///
    /// # Errors
    /// As [`Self::config`], and where there is another number of genes.
    pub fn describe(self, genes: Vec<String>, n_heads: Option<usize>) -> Result<(Checkpoint, Vec<String>), Error> {
        let model = self.config(n_heads)?;
        if genes.len() != model.n_genes {
            return Err(bad(format!("{} genes are named; the model has {}", genes.len(), model.n_genes)));
        }
        let mut assumed = vec![format!(
            "The file has parameters alone. Assumed: cells scaled to {TARGET_SUM} counts and logged once, as the model was \
             trained; no record of which perturbations it saw."
        )];
        if n_heads.is_none() {
            assumed.push(format!(
                "Assumed: {} attention heads, which leave no trace in the parameters. With another number than in training \
                 the answers are wrong.",
                model.n_heads
            ));
        }
        let header = CheckpointHeader {
            format: FORMAT,
            model,
            cell_jepa: None,
            genes,
            gene_ids: Vec::new(),
            target_sum: TARGET_SUM,
            modes: Vec::new(),
            seen: Vec::new(),
            held_out: Vec::new(),
            baseline: Baseline::ControlState,
            cells_per_example: 1,
            shrinkage: None,
            anchor: None,
        };
        let named = |part: &str, tensors: TensorMap| -> TensorMap {
            tensors.into_iter().map(|(name, tensor)| (format!("{part}.{name}"), tensor)).collect()
        };
        let mut tensors = named("model", self.model);
        tensors.extend(named("decoder", self.decoder));
        Ok((Checkpoint { header, tensors }, assumed))
    }

    fn shape(&self, name: &str) -> Result<[usize; 2], Error> {
        let Some(tensor) = self.model.get(name) else {
            let first: Vec<&str> = self.model.keys().chain(self.decoder.keys()).take(3).map(String::as_str).collect();
            let n = self.model.len() + self.decoder.len();
            return Err(bad(format!(
                "the parameter `{name}` is missing, which every BioJEPA-AC model has; the file has {n}, the first are {}",
                first.join(", ")
            )));
        };
        let shape = tensor.shape.as_slice().try_into();
        shape.map_err(|_| bad(format!("`{name}` has the shape {:?}; it must have two axes", tensor.shape)))
    }

    fn n_blocks(&self, part: &str) -> usize {
        (0..).take_while(|block| self.model.contains_key(&format!("{part}.blocks.{block}.ln_1.weight"))).count()
    }
}

/// Heads that are assumed where nobody says: the production model's, else the next fewer that divide the width.
pub fn assumed_n_heads(d_model: usize) -> usize {
    let usual = ModelConfig::default().n_heads;
    (1..=usual).rev().find(|n| d_model.is_multiple_of(*n)).unwrap_or(1)
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name
}

fn bad(problem: String) -> Error {
    Error::Checkpoint { problem }
}
