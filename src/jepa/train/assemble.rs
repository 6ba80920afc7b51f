//! From prepared cells to a run: who plays which part, what the checkpoint will say of itself, and what to know of it.
//!
//! The command line and the browser come here with the same plain inputs. Warnings are data; what makes a run impossible
//! is an error that names what is missing.

use std::collections::HashSet;

use cells::counts::Counts;
use cells::data::{Labels, UNLABELLED};
use spec::checkpoint::{CheckpointHeader, VectorShrinkage};
use spec::train::{Stage, TrainConfig};

use super::settle::settle_anchor;
use super::start::{add_history, with_genes_of};
use super::visits::assemble_cells;
use crate::bank::Bank;
use crate::batch::{Role, Target, TrainingCells};
use crate::error::Error;

/// Cells below which a target is not trained on: one cell has no mean.
const MIN_CELLS: f64 = 2.0;
/// Names that a message lists at most.
const MAX_LISTED: usize = 20;

/// Prepared cells with their names and labels.
#[derive(Debug, Clone)]
pub struct Material {
    /// log1p expression.
    pub expression: Counts,
    /// Symbols of its columns.
    pub genes: Vec<String>,
    /// Their Ensembl ids; empty where they are not known.
    pub gene_ids: Vec<String>,
    /// Which perturbation each row received.
    pub labels: Option<Labels>,
    /// The batch of each row, by code.
    pub batches: Option<Vec<u32>>,
    /// Cells that each row stands for; none where each is one.
    pub cells_per_row: Option<Vec<f64>>,
    /// Library size that cells were scaled to (counts).
    pub target_sum: f64,
}

/// A run that can begin.
#[derive(Debug, Clone)]
pub struct Assembled {
    /// The configuration with the sizes that data and vectors give.
    pub config: TrainConfig,
    /// What the checkpoint will say of itself.
    pub header: CheckpointHeader,
    /// The cells with their parts.
    pub cells: TrainingCells,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

/// Why prepared cells make no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssemblyError {
    /// A stage needs labels and there are none.
    #[error(
        "the {stage} stage needs to know what was done to each cell: choose a perturbation column (data.perturbation_column)"
    )]
    NoLabels {
        /// The first such stage.
        stage: &'static str,
    },
    /// A stage compares with controls and there are none.
    #[error("the {stage} stage needs control cells, and {reason}: name their label (data.control_label)")]
    NoControls {
        /// The first such stage.
        stage: &'static str,
        /// No label was chosen, or no cell carries it.
        reason: String,
    },
    /// A stage needs targets with vectors and there are none.
    #[error(
        "the {stage} stage needs perturbed cells whose target has a vector in the bank; of {n_labels} labels ({listed}) none is left: {reasons}"
    )]
    NoTargets {
        /// The first such stage.
        stage: &'static str,
        /// Labels other than the control.
        n_labels: usize,
        /// Some of them.
        listed: String,
        /// Why, in plain words.
        reasons: String,
    },
    /// A target to be held out is not in the data.
    #[error("held_out names {name}, which is no perturbation of the data; it has {listed}")]
    UnknownHeldOut {
        /// The name.
        name: String,
        /// Some of the labels that there are.
        listed: String,
    },
    /// The control cannot be held out.
    #[error("held_out names {name}, which is the control: training needs it")]
    ControlHeldOut {
        /// The control.
        name: String,
    },
    /// Cell-JEPA knows no targets that could be held out.
    #[error("held_out names {name}; Cell-JEPA learns from all cells: leave it out, or split the file before")]
    HeldOutCells {
        /// The name.
        name: String,
    },
    /// Fine-tuning needs types of cells.
    #[error(
        "fine-tuning needs two types of cells or more: obs has none of them in the column {column} (fine_tune.column)"
    )]
    NoKinds {
        /// The column.
        column: String,
    },
    /// An anchor is fitted to several targets.
    #[error(
        "the anchor is fitted to the cells of at least 2 targets with vectors, these have {n_found} ({listed}): bring cells of more targets{way_out}, or leave the anchor out (choose another preset than waddington)"
    )]
    AnchorTargets {
        /// Targets that there are.
        n_found: usize,
        /// Their names.
        listed: String,
        /// What else helps.
        way_out: &'static str,
    },
    /// Pairing by batch was asked for without a column.
    #[error("batch_column is {column}, but the batch of each cell was not given")]
    NoBatches {
        /// The column.
        column: String,
    },
    /// The vectors of the bank are not those of the checkpoint that the run starts from.
    #[error(
        "the bank's vectors have {bank} numbers, those of the checkpoint {checkpoint}: use the bank it was trained with"
    )]
    VectorWidth {
        /// Of the bank.
        bank: usize,
        /// Of the checkpoint.
        checkpoint: usize,
    },
    /// The cells have too few of the genes of the checkpoint that the run starts from.
    #[error(
        "the cells have {n_found} of the checkpoint's {n_genes} genes (missing are {listed}); at least half are needed"
    )]
    Genes {
        /// Found.
        n_found: usize,
        /// Of the checkpoint.
        n_genes: usize,
        /// Some that are missing.
        listed: String,
    },
    /// Parts that should be as long as the matrix are not.
    #[error("{what}: {found} for {expected} {of}")]
    Lengths {
        /// What.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many there should be.
        expected: usize,
        /// Of what.
        of: &'static str,
    },
}

/// Gives each cell its part, fits the configuration to data and vectors, and writes down who is seen. `from` is the
/// checkpoint that the run starts from, to whose genes the cells are brought; `config` is then that of
/// [`started_from`](super::start::started_from).
///
/// # Errors
/// See [`AssemblyError`]; and where the configuration contradicts itself.
pub fn assemble(
    config: &TrainConfig,
    material: Material,
    bank: &Bank,
    from: Option<&CheckpointHeader>,
) -> Result<Assembled, Error> {
    if config.cell_jepa.is_some() {
        return assemble_cells(config, material, from.map(|from| from.genes.clone()));
    }
    check_lengths(&material)?;
    let (material, of_start) = match from {
        Some(from) => with_genes_of(from, material, bank)?,
        None => (material, Vec::new()),
    };
    let mut config = config.clone();
    config.model.n_genes = material.genes.len();
    config.model.composer.n_protein = bank.width();
    config.validate().map_err(|problem| Error::Config { problem })?;
    if let (Some(column), None) = (&config.batch_column, &material.batches) {
        return Err(AssemblyError::NoBatches { column: column.clone() }.into());
    }
    let parts = parts(&config, &material, bank)?;
    let mut warnings = of_start;
    warnings.extend(parts.warnings);
    let batches = material.batches.filter(|_| config.batch_column.is_some());
    if let Some((first, rest)) = batches.as_ref().and_then(|batches| batches.split_first())
        && rest.iter().all(|batch| batch == first)
    {
        warnings.push("All cells are of one batch: pairing within batches is pairing at random.".into());
    }
    let (genes, gene_ids, target_sum) = (material.genes, material.gene_ids, material.target_sum);
    let cells = TrainingCells::new(material.expression, &parts.roles, batches, parts.targets)?
        .standing_for(material.cells_per_row.as_deref())?;
    let held_back = cells.held_back_targets(&config)?;
    let is_seen = |index: u32| !held_back.contains(&index);
    let seen: Vec<&Target> =
        (0u32..).zip(cells.targets()).filter(|(index, _)| is_seen(*index)).map(|(_, target)| target).collect();
    let fitted: Vec<&str> = cells
        .inhabited()
        .iter()
        .filter(|index| is_seen(**index))
        .map(|&index| cells.targets()[index as usize].name.as_str())
        .collect();
    warnings.extend(settle_anchor(&mut config, from, &fitted, !held_back.is_empty())?);
    if !held_back.is_empty() {
        let names: Vec<&str> = held_back.iter().map(|&index| cells.targets()[index as usize].name.as_str()).collect();
        warnings.push(format!("Held back for validation, not learned from: {}.", listed(&names)));
    }
    let mut header = CheckpointHeader {
        format: 1,
        model: config.model.clone(),
        cell_jepa: None,
        genes,
        gene_ids,
        target_sum,
        modes: vec![config.mode],
        seen: seen.iter().map(|target| target.name.clone()).collect(),
        held_out: config.held_out.clone(),
        baseline: config.baseline,
        cells_per_example: config.action.cells_per_example,
        shrinkage: (config.vector_weight < 1.0 && !seen.is_empty())
            .then(|| VectorShrinkage { mean: mean_vector(&seen), weight: config.vector_weight }),
        anchor: config.anchor.clone(),
    };
    if let Some(from) = from {
        warnings.extend(add_history(&mut header, from));
    }
    Ok(Assembled { config, header, cells, warnings })
}

/// What each row is for.
struct Parts {
    roles: Vec<Role>,
    targets: Vec<Target>,
    warnings: Vec<String>,
}

fn parts(config: &TrainConfig, material: &Material, bank: &Bank) -> Result<Parts, AssemblyError> {
    let first_of = |stages: &[Stage]| stages.iter().find(|stage| config.stage(**stage).n_steps > 0).copied();
    let needs_labels = first_of(&[Stage::Align, Stage::Action, Stage::Decoder]);
    let Some(labels) = &material.labels else {
        if let Some(stage) = needs_labels {
            return Err(AssemblyError::NoLabels { stage: stage.label() });
        }
        if let Some(name) = config.held_out.first() {
            return Err(AssemblyError::UnknownHeldOut { name: name.clone(), listed: "no labels".into() });
        }
        let roles = vec![Role::Unlabelled; material.expression.n_cells()];
        return Ok(Parts { roles, targets: Vec::new(), warnings: Vec::new() });
    };
    check_held_out(config, labels)?;
    let sizes = sizes(labels, material.cells_per_row.as_deref());
    if let Some(stage) = first_of(&[Stage::Action, Stage::Decoder]) {
        let reason = match labels.control {
            None => Some("no label is known to be theirs".to_owned()),
            Some(control) if sizes[control] == 0.0 => Some(format!("no cell is labelled {}", labels.names[control])),
            Some(_) => None,
        };
        if let Some(reason) = reason {
            return Err(AssemblyError::NoControls { stage: stage.label(), reason });
        }
    }
    let sorted = Sorted::new(config, labels, &sizes, bank);
    if let (Some(stage), true) = (needs_labels, sorted.targets.is_empty()) {
        let names: Vec<&str> = others(labels).collect();
        let reasons = if sorted.warnings.is_empty() { "all are held out".into() } else { sorted.warnings.join(" ") };
        let (n_labels, listed) = (names.len(), listed(&names));
        return Err(AssemblyError::NoTargets { stage: stage.label(), n_labels, listed, reasons });
    }
    let roles = labels.codes.iter().map(|&code| sorted.role_of_label[code as usize]).collect();
    Ok(Parts { roles, targets: sorted.targets, warnings: sorted.warnings })
}

/// The labels by what is to be done with their cells.
struct Sorted {
    role_of_label: Vec<Role>,
    targets: Vec<Target>,
    warnings: Vec<String>,
}

impl Sorted {
    fn new(config: &TrainConfig, labels: &Labels, sizes: &[f64], bank: &Bank) -> Self {
        let held_out: HashSet<&str> = config.held_out.iter().map(String::as_str).collect();
        let (mut targets, mut role_of_label) = (Vec::new(), Vec::new());
        let (mut without_vector, mut too_few) = (Vec::new(), Vec::new());
        for (index, name) in labels.names.iter().enumerate() {
            let has_cells = sizes[index] > 0.0;
            role_of_label.push(if labels.control == Some(index) {
                Role::Control
            } else if held_out.contains(name.as_str()) {
                Role::HeldOut
            } else if let Some(vector) = bank.vector(name).filter(|_| sizes[index] >= MIN_CELLS || !has_cells) {
                targets.push(Target { name: name.clone(), vector });
                Role::Perturbed(targets.len() as u32 - 1)
            } else {
                if has_cells && bank.contains(name) {
                    too_few.push(name.as_str());
                } else if has_cells && name != UNLABELLED {
                    without_vector.push(name.as_str());
                }
                Role::Unlabelled
            });
        }
        let mut warnings = Vec::new();
        if !without_vector.is_empty() {
            warnings.push(format!("No vector in the bank, seen in pretraining alone: {}.", listed(&without_vector)));
        }
        if !too_few.is_empty() {
            let names = listed(&too_few);
            warnings.push(format!("Fewer than {MIN_CELLS} cells, seen in pretraining alone: {names}."));
        }
        Self { role_of_label, targets, warnings }
    }
}

pub(super) fn check_lengths(material: &Material) -> Result<(), AssemblyError> {
    let (n_cells, n_genes) = (material.expression.n_cells(), material.expression.n_genes());
    let cells = [
        ("labels", material.labels.as_ref().map(|labels| labels.codes.len())),
        ("batches", material.batches.as_ref().map(Vec::len)),
        ("cells per row", material.cells_per_row.as_ref().map(Vec::len)),
    ];
    for (what, found) in cells {
        if let Some(found) = found.filter(|found| *found != n_cells) {
            return Err(AssemblyError::Lengths { what, found, expected: n_cells, of: "cells" });
        }
    }
    let ids = Some(material.gene_ids.len()).filter(|n_ids| *n_ids > 0).unwrap_or(n_genes);
    for (what, found) in [("gene names", material.genes.len()), ("gene ids", ids)] {
        if found != n_genes {
            return Err(AssemblyError::Lengths { what, found, expected: n_genes, of: "genes" });
        }
    }
    if let Some(labels) = &material.labels {
        let most = labels.codes.iter().map(|&code| code as usize + 1).chain(labels.control.map(|c| c + 1)).max();
        if let Some(found) = most.filter(|most| *most > labels.names.len()) {
            return Err(AssemblyError::Lengths {
                what: "label codes",
                found,
                expected: labels.names.len(),
                of: "names",
            });
        }
    }
    Ok(())
}

fn check_held_out(config: &TrainConfig, labels: &Labels) -> Result<(), AssemblyError> {
    for name in &config.held_out {
        match labels.names.iter().position(|label| label == name) {
            None => {
                let names: Vec<&str> = others(labels).collect();
                return Err(AssemblyError::UnknownHeldOut { name: name.clone(), listed: listed(&names) });
            }
            Some(index) if labels.control == Some(index) => {
                return Err(AssemblyError::ControlHeldOut { name: name.clone() });
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Cells of each label.
fn sizes(labels: &Labels, cells_per_row: Option<&[f64]>) -> Vec<f64> {
    let mut sizes = vec![0.0; labels.names.len()];
    for (row, &code) in labels.codes.iter().enumerate() {
        sizes[code as usize] += cells_per_row.map_or(1.0, |cells| cells[row]);
    }
    sizes
}

/// The labels but for the control.
fn others(labels: &Labels) -> impl Iterator<Item = &str> {
    let names = labels.names.iter().enumerate();
    names.filter(|(index, _)| labels.control != Some(*index)).map(|(_, name)| name.as_str())
}

pub(super) fn listed(names: &[&str]) -> String {
    let shown = names[..names.len().min(MAX_LISTED)].join(", ");
    if names.len() > MAX_LISTED { format!("{shown}, and {} more", names.len() - MAX_LISTED) } else { shown }
}

fn mean_vector(targets: &[&Target]) -> Vec<f32> {
    let mut mean = vec![0.0; targets.first().map_or(0, |target| target.vector.len())];
    for target in targets {
        mean.iter_mut().zip(&target.vector).for_each(|(mean, value)| *mean += value / targets.len() as f32);
    }
    mean
}
