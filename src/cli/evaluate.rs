//! `waddington eval`: how well a model, or the simple methods alone, predict perturbations that they did not learn from.
//!
//! A checkpoint is judged on what it held out. With `--train` a configuration is trained in every fold, by the loop of
//! `waddington train`. The table goes to `out`, all that was found to `--json`.

mod effects;
mod print;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use engine::EngineError;
use engine::evaluate::{Contender, Subject, Watch, evaluate, usual_folds};
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use indicatif::ProgressBar;
use spec::evaluation::{CellTestsConfig, EvaluationConfig, Folds, ReferenceConfig};
use spec::genes::Pathway;
use spec::metrics::Metric;
use spec::train::TrainConfig;

use crate::dataset::{self, Columns, Dataset, MoreColumns};
use crate::model::BareArguments;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The checkpoint (.safetensors), or the parameters alone as PyTorch saves them (.pt), judged on what it held out.
    #[arg(long, requires = "bank")]
    checkpoint: Option<PathBuf>,
    #[command(flatten)]
    bare: BareArguments,
    /// Train this configuration (TOML, or the name of a preset) in every fold, and judge it.
    #[arg(long, value_name = "CONFIG", conflicts_with = "checkpoint", requires = "bank")]
    train: Option<PathBuf>,
    /// Seeds to train with, with commas between. Default: that of the configuration.
    #[arg(long, value_name = "A,B,C", requires = "train", value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Perturbation vectors by gene (.npz or .safetensors). Without them no model and no method that goes by vectors.
    #[arg(long)]
    bank: Option<PathBuf>,
    /// What is held out: held-out (by the checkpoint), leave-one-target-out, or a number of parts. Default: what the
    /// checkpoint held out; without one, each perturbation in turn, or tenths of more than 60.
    #[arg(long, value_parser = parse_folds)]
    folds: Option<Folds>,
    /// Hold out pathway by pathway (.gmt).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folds", "checkpoint"])]
    pathways: Option<PathBuf>,
    /// Evaluate on the cells with this value in a column of obs alone; with `!=`, on those with another.
    #[arg(long, value_name = "COLUMN=VALUE")]
    only: Option<String>,
    /// Column of obs with the batch of each cell: what batches alone would predict stands beside the methods.
    #[arg(long, value_name = "COLUMN")]
    batches: Option<String>,
    /// Fewest cells of a perturbation.
    #[arg(long, value_name = "CELLS", default_value_t = 10)]
    min_cells: usize,
    /// Which measures: reported, or all that can be told from means of cells.
    #[arg(long, default_value = "reported", value_parser = parse_metrics)]
    metrics: MetricList,
    /// Add the measures of tests of cells (DES and the like), of cells made of the predictions. Takes long.
    #[arg(long)]
    cell_tests: bool,
    /// Add BioJEPA-AC's evaluations 1 to 8 of the model, as published and corrected.
    #[arg(long)]
    reference_evaluations: bool,
    /// Gene sets (.gmt) for the evaluations of pathways and of mechanisms of action.
    #[arg(long, value_name = "FILE", requires = "reference_evaluations")]
    gene_sets: Option<PathBuf>,
    /// Effects of losing genes (csv with columns gene and effect, as DepMap has them) for that of essential genes.
    #[arg(long, value_name = "FILE", requires = "reference_evaluations")]
    gene_effect: Option<PathBuf>,
    /// Seed of folds, intervals and tests.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// At most this many control cells that a checkpoint's predictions are averaged over, evenly spaced. Default: 300
    /// times the cells that the checkpoint averages into one example.
    #[arg(long)]
    control_cells: Option<usize>,
    /// Write all that was found as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
    #[command(flatten)]
    columns: Columns,
}

/// Measures of a table.
#[derive(Debug, Clone)]
pub struct MetricList(Vec<Metric>);

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    if let Some(path) = &arguments.json {
        crate::file::require_folder(path)?;
        crate::file::require_new(path, arguments.force)?;
    }
    let bank = arguments.bank.as_deref().map(crate::vectors::load).transpose()?.map(|loaded| loaded.bank);
    let predictor = arguments.checkpoint.as_deref().map(|path| arguments.bare.predictor(path, arguments.cpu));
    let predictor = predictor.transpose()?;
    let training = arguments.train.as_deref().map(training).transpose()?;
    let dataset = load(arguments, predictor.as_ref(), training.as_ref())?;
    let n_targets = dataset.labels.as_ref().map_or(0, |labels| labels.names.len().saturating_sub(1));
    let config = EvaluationConfig {
        folds: folds(arguments)?.unwrap_or_else(|| usual_folds(n_targets, predictor.is_some())),
        metrics: arguments.metrics.0.clone(),
        min_cells: arguments.min_cells,
        batch_column: arguments.batches.clone(),
        cell_tests: arguments.cell_tests.then(CellTestsConfig::default),
        reference: arguments.reference_evaluations.then(|| reference(arguments)).transpose()?,
        seed: arguments.seed,
        ..EvaluationConfig::default()
    };
    let seeds = match (&training, &arguments.seeds[..]) {
        (Some(training), []) => vec![training.seed],
        (_, seeds) => seeds.to_vec(),
    };
    let device = training.is_some().then(|| block_on(crate::train::open_device(arguments.cpu))).transpose()?;
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let name = arguments.checkpoint.as_deref().or(arguments.train.as_deref()).map(stem).unwrap_or_default();
    let contender = match (&predictor, &training, &device) {
        (Some(predictor), ..) => {
            Some(Contender::Checkpoint { name: &name, predictor, n_control_cells: arguments.control_cells })
        }
        (None, Some(config), Some(device)) => Some(Contender::Trained { name: &name, config, seeds: &seeds, device }),
        _ => None,
    };
    let files = arguments.data.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy());
    let files = files.collect::<Vec<_>>().join(", ");
    let missing = dataset.missing.clone();
    let material = dataset.material();
    let subject = Subject { name: &files, material: &material, missing: &missing };
    let found = block_on(evaluate(&subject, bank.as_ref(), contender.as_ref(), &config, &mut Progress::default()))?;
    print::print(&found, out)?;
    if let Some(path) = &arguments.json {
        crate::file::write(path, serde_json::to_string_pretty(&found)?.as_bytes())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// The configuration to be trained: a file, or a preset.
fn training(path: &Path) -> Result<TrainConfig> {
    match path.to_str().filter(|_| !path.exists()).map(crate::train::parse_preset) {
        Some(Ok(preset)) => Ok(preset.config()),
        _ => crate::train::read_config(path),
    }
}

/// The cells. What the arguments do not say of columns a configuration says, then the file itself.
fn load(arguments: &Arguments, model: Option<&Predictor>, training: Option<&TrainConfig>) -> Result<Dataset> {
    let mut options = arguments.columns.options();
    let (mut join, mut batch) = (arguments.columns.join, arguments.batches.as_deref());
    let mut target_sum = dataset::DEFAULT_TARGET_SUM;
    if let Some(config) = training {
        options = dataset::completed(&options, &config.data);
        options.corrections.clone_from(&config.data.corrections);
        join = config.join;
        target_sum = config.data.target_sum.unwrap_or(target_sum);
        batch = batch.or(config.batch_column.as_deref());
    }
    let header = model.map(Predictor::header);
    target_sum = header.map_or(target_sum, |header| header.target_sum);
    let more = MoreColumns { batch, only: arguments.only.as_deref() };
    dataset::load_with(&arguments.data, &options, join, header, target_sum, more)
}

fn folds(arguments: &Arguments) -> Result<Option<Folds>> {
    let Some(path) = &arguments.pathways else { return Ok(arguments.folds.clone()) };
    Ok(Some(Folds::Pathways { pathways: gene_sets(path)? }))
}

fn gene_sets(path: &Path) -> Result<Vec<Pathway>> {
    let file = crate::file::open(&[path.to_owned()])?.remove(0);
    Ok(engine::cells::genes::pathways::read(&file)?)
}

/// What the reference's evaluations need.
fn reference(arguments: &Arguments) -> Result<ReferenceConfig> {
    Ok(ReferenceConfig {
        pathways: arguments.gene_sets.as_deref().map(gene_sets).transpose()?.unwrap_or_default(),
        gene_effects: arguments.gene_effect.as_deref().map(effects::read).transpose()?.unwrap_or_default(),
        ..ReferenceConfig::default()
    })
}

fn parse_folds(text: &str) -> Result<Folds, String> {
    match text {
        "held-out" => Ok(Folds::HeldOut),
        "leave-one-target-out" => Ok(Folds::LeaveOneTargetOut),
        number => match number.parse() {
            Ok(n_folds) if n_folds >= 2 => Ok(Folds::Random { n_folds }),
            _ => Err("it is held-out, leave-one-target-out, or a number of parts from 2".into()),
        },
    }
}

fn parse_metrics(text: &str) -> Result<MetricList, String> {
    match text {
        "reported" => Ok(MetricList(Metric::REPORTED.to_vec())),
        "all" => Ok(MetricList(Metric::of_means())),
        _ => Err("it is reported or all".into()),
    }
}

/// Says on stderr how far an evaluation is.
#[derive(Debug, Default)]
pub struct Progress {
    shown: Option<(String, ProgressBar, Instant)>,
}

impl Watch for Progress {
    async fn reached(&mut self, work: &str, unit: &str, done: usize, total: usize) -> Result<(), EngineError> {
        if self.shown.as_ref().is_none_or(|(known, ..)| known != work) {
            if let Some((_, bar, _)) = self.shown.take() {
                bar.finish_and_clear();
            }
            let bar = dataset::progress_bar(total as u64, work, unit);
            if bar.is_hidden() {
                eprintln!("{work}");
            }
            self.shown = Some((work.to_owned(), bar, Instant::now()));
        }
        if let Some((_, bar, _)) = &self.shown {
            bar.set_position(done as u64);
            if done >= total {
                bar.finish_and_clear();
            }
        }
        Ok(())
    }
}
