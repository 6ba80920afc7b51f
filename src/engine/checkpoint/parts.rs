//! The files of a checkpoint, each taken for what it is, and the model they make.

use cells::source::NamedSource;
use jepa::bank::Bank;
use jepa::checkpoint::bare::Bare;
use jepa::checkpoint::{Weights, gene_list};
use jepa::measured::MeasuredTable;
use spec::checkpoint::Card;
use spec::device::{AttentionPath, Backend};

use crate::failure::EngineError;

/// Largest file of a checkpoint that is read at once, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// What is known beside the files: how to compute, and what a model's file may not say.
pub struct Beside<'a> {
    /// What the model runs on.
    pub backend: Backend,
    /// How its attention is computed.
    pub attention: AttentionPath,
    /// Attention heads, where a person said how many.
    pub n_heads: Option<usize>,
    /// Symbols of the genes of the cells that are prepared.
    pub symbols: Option<&'a [String]>,
}

/// A model that says of itself what it is.
pub struct Model {
    /// Its header and tensors.
    pub checkpoint: jepa::checkpoint::Checkpoint,
    /// Whether the number of heads is not in its file.
    pub heads_unknown: bool,
    /// What was assumed of it.
    pub warnings: Vec<String>,
}

/// The files, read.
#[derive(Default)]
pub struct Parts {
    weights: Option<(String, Weights)>,
    genes: Option<(String, Vec<u8>)>,
    /// Perturbation vectors.
    pub bank: Option<Bank>,
    /// Measured responses.
    pub measured: Option<MeasuredTable>,
    /// The card.
    pub card: Option<Card>,
}

impl Parts {
    /// Reads one file. Tables are told by their names, models by their first bytes.
    pub fn take(&mut self, file: &NamedSource) -> Result<(), EngineError> {
        let bytes = read_whole(file)?;
        let failed = |reason: String| EngineError::Checkpoint { object: file.name.clone(), reason };
        let name = file.name.to_lowercase();
        if name.ends_with("bank.safetensors") {
            self.bank = Some(Bank::from_bytes(&bytes).map_err(|error| failed(error.to_string()))?);
        } else if name.ends_with("measured.safetensors") {
            self.measured = Some(MeasuredTable::from_bytes(&bytes).map_err(|error| failed(error.to_string()))?);
        } else if name.ends_with(".json") {
            self.card = Some(serde_json::from_slice(&bytes).map_err(|error| failed(error.to_string()))?);
        } else if [".txt", ".csv", ".tsv"].iter().any(|ending| name.ends_with(ending)) {
            if let Some((other, _)) = &self.genes {
                return Err(failed(format!("{other} is taken for the gene list already; there can be one")));
            }
            self.genes = Some((file.name.clone(), bytes));
        } else {
            let weights = jepa::checkpoint::read_any(&bytes).map_err(|error| failed(error.to_string()))?;
            self.add(file.name.clone(), weights)?;
        }
        Ok(())
    }

    /// A model may come in two files without headers, one of them its decoder.
    fn add(&mut self, name: String, weights: Weights) -> Result<(), EngineError> {
        match (&mut self.weights, weights) {
            (None, weights) => self.weights = Some((name, weights)),
            (Some((_, Weights::Bare(first))), Weights::Bare(more)) => {
                first.join(more).map_err(|error| EngineError::Checkpoint { object: name, reason: error.to_string() })?
            }
            (Some((first, _)), _) => {
                let reason = format!("{first} is a model already; load one at a time");
                return Err(EngineError::Checkpoint { object: name, reason });
            }
        }
        Ok(())
    }

    /// What a Cell-JEPA has no use for, in words; none where nothing of the kind came with it.
    pub fn unused_by_cell_jepa(&self) -> Option<String> {
        let there = [
            ("perturbation vectors", self.bank.is_some()),
            ("measured responses", self.measured.is_some()),
            ("the card", self.card.is_some()),
        ];
        let names: Vec<&str> = there.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
        (!names.is_empty()).then(|| format!("Not used: {}. A Cell-JEPA embeds cells alone.", names.join(", ")))
    }

    /// The model of these files and the name of its file.
    pub fn model(&mut self, beside: &Beside<'_>) -> Result<(Model, String), EngineError> {
        let (name, weights) = self.weights.take().ok_or_else(|| EngineError::Checkpoint {
            object: "model".into(),
            reason:
                "none of these files holds a model: wanted is model.safetensors, or a state dict as .safetensors or \
                     .pt"
                .into(),
        })?;
        let genes = self.genes.take();
        let model = match weights {
            Weights::Bare(bare) => self::described(&name, bare, genes, beside)?,
            Weights::Described(checkpoint) => {
                let unused = |(list, _)| format!("{list} was not used: the checkpoint names its genes itself.");
                Model {
                    checkpoint: *checkpoint,
                    heads_unknown: false,
                    warnings: genes.map(unused).into_iter().collect(),
                }
            }
        };
        Ok((model, name))
    }
}

/// A model of a state dict with the genes of a list or, where there is none, of the prepared cells if as many.
fn described(
    name: &str,
    bare: Bare,
    genes: Option<(String, Vec<u8>)>,
    beside: &Beside<'_>,
) -> Result<Model, EngineError> {
    let failed = |reason: String| EngineError::Checkpoint { object: name.to_owned(), reason };
    let config = bare.config(beside.n_heads).map_err(|error| failed(error.to_string()))?;
    let n_genes = config.n_genes;
    let mut warnings = Vec::new();
    let symbols = match (genes, beside.symbols) {
        (Some((list, bytes)), _) => gene_list::read(&bytes, n_genes)
            .map_err(|error| EngineError::Checkpoint { object: list, reason: error.to_string() })?,
        (None, Some(symbols)) if symbols.len() == n_genes => {
            warnings.push(format!(
                "Assumed: the model's {n_genes} genes are those of the cells that are open, which are as many, in the same \
                 order. If they are not, every answer is wrong: load the model together with its gene list."
            ));
            symbols.to_vec()
        }
        (None, symbols) => {
            let open = symbols.map_or_else(String::new, |symbols| {
                format!(" (the cells that are open have {} genes and cannot stand in)", symbols.len())
            });
            return Err(failed(format!(
                "{}; the file does not name its genes{open}: load it together with a text file of its {n_genes} gene \
                 symbols, one per line, in the model's order",
                config.summary()
            )));
        }
    };
    let (checkpoint, assumed) = bare.describe(symbols, beside.n_heads).map_err(|error| failed(error.to_string()))?;
    warnings.extend(assumed);
    Ok(Model { checkpoint, heads_unknown: true, warnings })
}

fn read_whole(file: &NamedSource) -> Result<Vec<u8>, EngineError> {
    let failed = |reason: String| EngineError::Checkpoint { object: file.name.clone(), reason };
    let n_bytes = file.source.len();
    if n_bytes > MAX_FILE_BYTES {
        return Err(failed(format!("it has {n_bytes} bytes; at most {MAX_FILE_BYTES} are read")));
    }
    let mut bytes = vec![0; n_bytes as usize];
    file.source.read_at(0, &mut bytes).map_err(|error| failed(error.to_string()))?;
    Ok(bytes)
}
