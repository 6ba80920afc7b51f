//! Starting from a checkpoint instead of from random values: its sizes, its genes, and what is trained of it.
//!
//! Encoder (student and teacher), composer, predictors and decoder are taken over. By default the encoder stays as it is
//! and the stages after alignment run; `train_encoder` leaves every stage to its number of steps. What the file says of the
//! model's sizes holds; a size that the configuration asks for and the file has not is an error that names both.

use burn::tensor::Device;
use cells::genes::GeneNames;
use spec::cell_jepa::CellJepaConfig;
use spec::checkpoint::CheckpointHeader;
use spec::model::ModelConfig;
use spec::train::TrainConfig;
use spec::train::preset::Preset;

use super::assemble::{AssemblyError, Material, listed};
use super::facts::Earlier;
use super::learned::Learned;
use super::{Run, Trainer};
use crate::bank::Bank;
use crate::batch::TrainingCells;
use crate::checkpoint::{self, Checkpoint};
use crate::error::Error;

/// The configuration of a run that starts from a checkpoint, whose file has these bytes.
///
/// # Errors
/// Names what of the configuration contradicts the checkpoint; and where no stage is left to run.
pub fn started_from(config: &TrainConfig, header: &CheckpointHeader, bytes: &[u8]) -> Result<TrainConfig, Error> {
    let mut config = config.clone();
    config.model = sizes(&config.model, &header.model)?;
    let of_cells = same_cell_jepa(config.cell_jepa.as_ref(), header.cell_jepa.as_ref())?;
    if let Some(target_sum) = config.data.target_sum.filter(|sum| *sum != header.target_sum) {
        return Err(bad(format!(
            "data.target_sum is {target_sum}, the checkpoint was trained on cells scaled to {}",
            header.target_sum
        )));
    }
    config.data.target_sum = Some(header.target_sum);
    // The decoder corrects an anchor or predicts by itself: what it was trained for holds. A checkpoint that has seen no
    // perturbation has no trained decoder: it begins anew, with an anchor where one is wanted.
    if header.anchor.is_some() || !header.seen.is_empty() {
        if config.anchor.is_some() && header.anchor.is_none() {
            return Err(bad("anchor is set, but the checkpoint was trained without one; leave it out".into()));
        }
        config.anchor = header.anchor.clone();
    }
    config.start_from = Some(checkpoint::fingerprint(bytes));
    if !config.train_encoder && !of_cells {
        config.pretrain.n_steps = 0;
        config.align.n_steps = 0;
    }
    if config.n_steps() == 0 {
        return Err(bad("no stage has steps: give the action or the decoder stage some, or set train_encoder".into()));
    }
    Ok(config)
}

/// Whether both are Cell-JEPAs, of the same sizes.
fn same_cell_jepa(ours: Option<&CellJepaConfig>, file: Option<&CellJepaConfig>) -> Result<bool, Error> {
    let (ours, file) = match (ours, file) {
        (None, None) => return Ok(false),
        (Some(ours), Some(file)) => (ours, file),
        (Some(_), None) => return Err(bad("the configuration is a Cell-JEPA's, the checkpoint a BioJEPA-AC".into())),
        (None, Some(_)) => return Err(bad("the checkpoint is a Cell-JEPA: give its sizes under [cell_jepa]".into())),
    };
    let listed = |model: &CellJepaConfig| {
        [
            ("d_model", model.d_model),
            ("n_layers", model.n_layers),
            ("n_heads", model.n_heads),
            ("feed_forward", model.feed_forward),
            ("predictor_width", model.predictor_width),
            ("n_bins", model.n_bins),
        ]
    };
    let differs = listed(ours).into_iter().zip(listed(file)).find(|(ours, file)| ours != file);
    match differs {
        Some(((name, ours), (_, file))) => Err(bad(format!("cell_jepa.{name} is {ours}, the checkpoint's is {file}"))),
        None => Ok(true),
    }
}

/// The file's sizes. Genes and vectors are left to data and bank, which are compared elsewhere.
fn sizes(ours: &ModelConfig, file: &ModelConfig) -> Result<ModelConfig, Error> {
    let default = ModelConfig::default();
    if ours.version != file.version && ours.version != default.version {
        return Err(bad(format!("model.version is {:?}, the checkpoint's is {:?}", ours.version, file.version)));
    }
    for (((name, ours), (_, file_has)), (_, default)) in
        listed_sizes(ours).into_iter().zip(listed_sizes(file)).zip(listed_sizes(&default))
    {
        // A size that nobody wrote is the default's.
        if ours != file_has && ours != default {
            let summary = file.summary();
            let way_out = match Preset::ALL.iter().find(|preset| has_sizes(&preset.config().model, file)) {
                Some(preset) => {
                    format!("or, where they are a preset's, choose the preset {}, which has them", preset.label())
                }
                None => {
                    "no preset has them, so that a configuration (TOML) without [model] is needed in its place".into()
                }
            };
            return Err(bad(format!(
                "model.{name} is {ours}, the checkpoint's is {file_has} ({summary}): leave the sizes out; {way_out}"
            )));
        }
    }
    Ok(file.clone())
}

/// The sizes that a configuration may ask for, by name.
fn listed_sizes(model: &ModelConfig) -> [(&'static str, String); 10] {
    let composer = &model.composer;
    [
        ("d_model", model.d_model.to_string()),
        ("n_heads", model.n_heads.to_string()),
        ("n_layers", model.n_layers.to_string()),
        ("n_pretrain_layers", model.n_pretrain_layers.to_string()),
        ("masked_identity", model.masked_identity.to_string()),
        ("action_tokens", model.action_tokens.to_string()),
        ("composer.n_chemical", composer.n_chemical.to_string()),
        ("composer.n_dna", composer.n_dna.to_string()),
        ("composer.n_latent", composer.n_latent.to_string()),
        ("composer.n_mode", composer.n_mode.to_string()),
    ]
}

fn has_sizes(model: &ModelConfig, file: &ModelConfig) -> bool {
    model.version == file.version && listed_sizes(model) == listed_sizes(file)
}

impl Trainer {
    /// A run that starts from a checkpoint. `config` is that of [`started_from`]; `header` and `cells` have the
    /// checkpoint's genes in its order.
    ///
    /// # Errors
    /// Where sizes or genes are not the checkpoint's, or as [`Trainer::new`].
    pub fn fine_tune(
        config: TrainConfig,
        header: CheckpointHeader,
        cells: TrainingCells,
        checkpoint: &Checkpoint,
        device: Device,
    ) -> Result<Self, Error> {
        require_same_genes(&header.genes, &checkpoint.header.genes)?;
        if config.model != checkpoint.header.model {
            let (ours, file) = (config.model.summary(), checkpoint.header.model.summary());
            return Err(bad(format!("the run is set up for another model ({ours}) than the checkpoint's ({file})")));
        }
        let run = Run::new(&config, Learned::of_checkpoint(&config, checkpoint, &device)?);
        let earlier = checkpoint.anchor()?.map(|anchor| Earlier { anchor, left_out: None });
        Self::at(config, header, cells, device, run, earlier)
    }
}

fn require_same_genes(ours: &[String], file: &[String]) -> Result<(), Error> {
    if ours.len() != file.len() {
        return Err(bad(format!("the cells have {} genes, the checkpoint {}", ours.len(), file.len())));
    }
    match ours.iter().zip(file).position(|(ours, file)| ours != file) {
        Some(at) => Err(bad(format!("gene {} is {} in the cells, {} in the checkpoint", at + 1, ours[at], file[at]))),
        None => Ok(()),
    }
}

/// The cells with the columns of a checkpoint, matched by name as a query does; genes that they lack are 0.
pub(super) fn with_genes_of(
    from: &CheckpointHeader,
    material: Material,
    bank: &Bank,
) -> Result<(Material, Vec<String>), AssemblyError> {
    let (bank, checkpoint) = (bank.width(), from.model.composer.n_protein);
    if bank != checkpoint {
        return Err(AssemblyError::VectorWidth { bank, checkpoint });
    }
    if material.genes == from.genes {
        return Ok((Material { gene_ids: from.gene_ids.clone(), ..material }, Vec::new()));
    }
    let ids = Some(material.gene_ids.clone()).filter(|ids| !ids.is_empty());
    let names = GeneNames { symbols: material.genes.clone(), ids };
    let alignment = names.align(&from.genes, &from.gene_ids);
    let (n_genes, n_found) = (from.genes.len(), alignment.as_ref().map_or(0, |found| found.n_found));
    let missing: Vec<&str> = match &alignment {
        Ok(found) => found.missing.iter().map(String::as_str).collect(),
        Err(_) => from.genes.iter().map(String::as_str).collect(),
    };
    let Some(found) = alignment.as_ref().ok().filter(|_| 2 * n_found >= n_genes) else {
        return Err(AssemblyError::Genes { n_found, n_genes, listed: listed(&missing) });
    };
    let mut warnings = Vec::new();
    if !missing.is_empty() {
        let (n, names) = (missing.len(), listed(&missing));
        warnings
            .push(format!("{n} of the checkpoint's {n_genes} genes are not in the data and are read as 0: {names}."));
    }
    let expression = material.expression.select_columns(&found.column_of);
    let (genes, gene_ids) = (from.genes.clone(), from.gene_ids.clone());
    Ok((Material { expression, genes, gene_ids, ..material }, warnings))
}

/// Writes into the header what the checkpoint that the run starts from had seen.
pub(super) fn add_history(header: &mut CheckpointHeader, from: &CheckpointHeader) -> Option<String> {
    let add = |to: &mut Vec<String>, names: &[String], but: &[String]| {
        let new: Vec<String> = names.iter().filter(|name| !to.contains(name) && !but.contains(name)).cloned().collect();
        to.extend(new);
    };
    let leaked: Vec<&str> =
        header.held_out.iter().filter(|name| from.seen.contains(name)).map(String::as_str).collect();
    let warning = (!leaked.is_empty()).then(|| {
        format!(
            "Held out, but seen by the checkpoint that the run starts from: {}. Scores on them say little.",
            listed(&leaked)
        )
    });
    header.held_out.retain(|name| !from.seen.contains(name));
    add(&mut header.seen, &from.seen, &[]);
    add(&mut header.held_out, &from.held_out, &header.seen);
    header.modes.extend(from.modes.iter().filter(|mode| !header.modes.contains(mode)).collect::<Vec<_>>());
    warning
}

fn bad(problem: String) -> Error {
    Error::Start { problem }
}
