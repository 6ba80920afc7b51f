//! A run of Cell-JEPA: which cells it is made of, what each step reads of them, and one step.

use burn::tensor::{Device, Tensor};
use cells::genes::GeneNames;
use spec::cell_jepa::CellJepaConfig;
use spec::checkpoint::CheckpointHeader;
use spec::train::report::Gauges;
use spec::train::{Stage, TrainConfig};

use super::assemble::{Assembled, AssemblyError, Material, check_lengths, listed};
use super::examples::sampling;
use super::gauges::gauges;
use crate::batch::{Draws, Purpose, Role, Target, TrainingCells};
use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::encoder::{Encoder, View};
use crate::cell_jepa::tokens::{CellTokens, TokenBatch};
use crate::cell_jepa::{CellJepa, step};
use crate::error::Error;
use crate::loss::Losses;
use crate::optim::AdamW;
use crate::schedule::EpochDecay;
use crate::step::StepSettings;

/// First decay of AdamW, PyTorch's default.
const BETA1: f64 = 0.9;

/// Makes a run of cells. Labels say nothing to it, but for fine-tuning, to which `batches` are the cells' types. Its genes are those of the data, or of `vocabulary` where one is
/// given: the genes that a later run or query may bring as well.
///
/// # Errors
/// See [`AssemblyError`]; and where the configuration contradicts itself.
pub fn assemble_cells(
    config: &TrainConfig,
    material: Material,
    vocabulary: Option<Vec<String>>,
) -> Result<Assembled, Error> {
    check_lengths(&material)?;
    if let Some(name) = config.held_out.first() {
        return Err(AssemblyError::HeldOutCells { name: name.clone() }.into());
    }
    let (material, warnings) = match vocabulary {
        Some(genes) if genes != material.genes => with_genes(genes, material)?,
        _ => (material, Vec::new()),
    };
    let mut config = config.clone();
    config.model.n_genes = material.genes.len();
    config.validate().map_err(|problem| Error::Config { problem })?;
    let (roles, kinds) = kinds(&config, &material)?;
    let header = CheckpointHeader {
        format: 1,
        model: config.model.clone(),
        cell_jepa: config.cell_jepa.clone(),
        genes: material.genes,
        gene_ids: material.gene_ids,
        target_sum: material.target_sum,
        modes: Vec::new(),
        seen: Vec::new(),
        held_out: Vec::new(),
        baseline: config.baseline,
        cells_per_example: 1,
        shrinkage: None,
        anchor: None,
    };
    let cells = TrainingCells::new(material.expression, &roles, None, kinds)?;
    Ok(Assembled { config, header, cells, warnings })
}

/// The types of the cells, which stand where the other model has targets; without fine-tuning there are none.
fn kinds(config: &TrainConfig, material: &Material) -> Result<(Vec<Role>, Vec<Target>), AssemblyError> {
    let Some(tuning) = config.cell_jepa.as_ref().and_then(|recipe| recipe.fine_tune.as_ref()) else {
        return Ok((vec![Role::Unlabelled; material.expression.n_cells()], Vec::new()));
    };
    let column = || AssemblyError::NoKinds { column: tuning.column.clone() };
    let codes = material.batches.as_ref().ok_or_else(column)?;
    let n_kinds = codes.iter().max().map_or(0, |most| *most as usize + 1);
    if n_kinds < 2 {
        return Err(column());
    }
    let target = |code: usize| Target { name: format!("type {code}"), vector: Vec::new() };
    Ok((codes.iter().map(|&code| Role::Perturbed(code)).collect(), (0..n_kinds).map(target).collect()))
}

/// The cells with the columns of a vocabulary; genes that they lack are 0, and so are no tokens.
fn with_genes(genes: Vec<String>, material: Material) -> Result<(Material, Vec<String>), AssemblyError> {
    let ids = Some(material.gene_ids.clone()).filter(|ids| !ids.is_empty());
    let names = GeneNames { symbols: material.genes.clone(), ids };
    let n_genes = genes.len();
    let Ok(found) = names.align(&genes, &[]) else {
        let some: Vec<&str> = genes.iter().map(String::as_str).collect();
        return Err(AssemblyError::Genes { n_found: 0, n_genes, listed: listed(&some) });
    };
    let mut warnings = Vec::new();
    let n_own = material.genes.len();
    if found.n_found < n_own {
        let n_lost = n_own - found.n_found;
        warnings.push(format!("{n_lost} of the {n_own} genes are not in the vocabulary and are left out."));
    }
    let expression = material.expression.select_columns(&found.column_of);
    Ok((Material { expression, genes, gene_ids: Vec::new(), ..material }, warnings))
}

/// The cells of a step, each visited anew.
pub(super) fn visits(
    config: &TrainConfig,
    recipe: &CellJepaConfig,
    cells: &TrainingCells,
    n_examples: usize,
    draws: &mut Draws,
    step: usize,
    device: &Device,
) -> TokenBatch {
    let n_cells = cells.n_examples(Stage::Pretrain, sampling(&config.pretrain));
    let order = draws.order(n_cells, n_examples, step);
    let mut rng = draws.stream(Purpose::Tokens, step as u64);
    let visit =
        |row| CellTokens { kind: cells.target_of(row), ..CellTokens::visit(cells.rows(), row, recipe, &mut rng) };
    let tokens: Vec<CellTokens> = cells.visited(&order).into_iter().map(visit).collect();
    TokenBatch::new(&tokens, cells.n_genes(), recipe, device)
}

/// The rate of a step of pretraining.
pub(super) fn rates(config: &TrainConfig, recipe: &CellJepaConfig, cells: &TrainingCells) -> EpochDecay {
    EpochDecay {
        lr: recipe.lr,
        decay: recipe.lr_decay,
        n_examples: cells.n_cells(),
        n_per_step: config.n_examples(Stage::Pretrain),
    }
}

/// One optimiser step.
#[allow(clippy::too_many_arguments, reason = "what a step reads, and what it changes")]
pub(super) fn advance(
    config: &TrainConfig,
    cells: &TrainingCells,
    device: &Device,
    model: &mut CellJepa,
    recipe: &CellJepaConfig,
    optimiser: &mut AdamW,
    draws: &mut Draws,
    step: usize,
) -> Losses {
    let batch = visits(config, recipe, cells, config.n_examples(Stage::Pretrain), draws, step, device);
    let settings = StepSettings {
        lr: rates(config, recipe, cells).lr(step),
        beta1: BETA1,
        clip_norm: Some(recipe.clip_norm).filter(|norm| *norm > 0.0),
        n_parts: config.accumulate,
    };
    let mut dropout = Dropout::drawn(recipe.dropout, draws.stream(Purpose::Dropout, step as u64));
    step::pretrain_step(model, optimiser, &batch, recipe, settings, &mut dropout)
}

/// The spread of the cells' embeddings, and their distance from the teacher's.
pub(super) async fn spread(model: &CellJepa, cells: &TokenBatch) -> Result<Option<Gauges>, Error> {
    let embedded =
        |encoder: &Encoder| -> Tensor<3> { encoder.embed(cells, View::Whole, &mut Dropout::none()).unsqueeze_dim(1) };
    gauges(embedded(&model.student), Some(embedded(&model.teacher))).await
}
