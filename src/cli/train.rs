//! `waddington train`: the four stages from a TOML configuration, a preset or a run file, resumable.
//!
//! Beside `--out` lies `<out>.state`, the whole state of the run, replaced every `checkpoint_every` steps. Ctrl-C writes
//! it once more and stops; `--resume` goes on from it and reaches the losses that an uninterrupted run would have had. A
//! finished run leaves `<out>.run.json`, from which `--run` repeats it.

mod steps;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use engine::jepa::bank::Bank;
use engine::jepa::cell_jepa::vocabulary;
use engine::jepa::checkpoint::{self, Checkpoint};
use engine::jepa::device::Device;
use engine::jepa::train::Trainer;
use engine::jepa::train::assemble::{Assembled, assemble};
use engine::jepa::train::start::started_from;
use engine::jepa::train::visits::assemble_cells;
use futures_lite::future::block_on;
use indicatif::HumanBytes;
use spec::cell_jepa::CellJepaPreset;
use spec::device::BackendChoice;
use spec::train::cost::{MemoryLimits, PartCounts, StageMemory, anchor_bytes, propose};
use spec::train::preset::Preset;
use spec::train::run_file::{RunData, RunFile};
use spec::train::{Stage, TrainConfig};

use crate::dataset::{self, MoreColumns};

pub use steps::Interrupted;

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration (TOML), then the data file or the files that make one matrix. With --run or --preset there is no
    /// configuration.
    #[arg(required = true, value_names = ["CONFIG", "DATA"])]
    files: Vec<PathBuf>,
    /// Perturbation vectors by gene: .npz with `symbols` and `embedding`, or a .safetensors bank. Cell-JEPA needs none.
    #[arg(long)]
    bank: Option<PathBuf>,
    /// Where the trained checkpoint goes (.safetensors).
    #[arg(long)]
    out: PathBuf,
    /// Repeat the run of this file (`<out>.run.json`) on the same data.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["split", "preset"])]
    run: Option<PathBuf>,
    /// Train with a configuration of this size: tiny, waddington, small, production.
    #[arg(long, value_parser = parse_preset)]
    preset: Option<Preset>,
    /// Train a Cell-JEPA, which embeds cells, with a configuration of this size: tiny, small, production.
    #[arg(long, value_name = "SIZE", value_parser = parse_cell_jepa, conflicts_with_all = ["run", "preset", "split"])]
    cell_jepa: Option<CellJepaPreset>,
    /// For Cell-JEPA: the genes that have tokens, as scGPT's vocabulary (.json). Default: those of the data.
    #[arg(long, value_name = "JSON")]
    vocabulary: Option<PathBuf>,
    /// Steps of the first stage that has some, whatever configuration or preset say.
    #[arg(long, value_name = "STEPS", conflicts_with = "run")]
    steps: Option<usize>,
    /// Seed of every draw, whatever configuration or preset say.
    #[arg(long, conflicts_with = "run")]
    seed: Option<u64>,
    /// Start from this checkpoint (.safetensors) instead of from random values: its genes and sizes hold, and its encoder
    /// stays as it is unless the configuration says `train_encoder = true`.
    #[arg(long, value_name = "CHECKPOINT")]
    from: Option<PathBuf>,
    /// A split of perturbations (.json or .csv): its test perturbations are held out, whatever the configuration says.
    #[arg(long)]
    split: Option<PathBuf>,
    /// Go on from `<out>.state`.
    #[arg(long)]
    resume: bool,
    /// Overwrite a checkpoint, or the state of an unfinished run, that is there already.
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    /// Stop after this many steps, as Ctrl-C would; `--resume` goes on.
    #[arg(long, value_name = "STEPS")]
    at_most: Option<usize>,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// Which steps of the run are done now.
#[derive(Debug, Clone, Copy, Default)]
pub struct Steps {
    /// Go on from the state that an earlier run left.
    pub resume: bool,
    /// Stop after so many; none for all.
    pub at_most: Option<usize>,
}

/// What is trained, from what, and on what.
pub struct Plan<'a> {
    /// The configuration.
    pub config: TrainConfig,
    /// The data files.
    pub data: &'a [PathBuf],
    /// The vectors; Cell-JEPA needs none.
    pub bank: Option<&'a Bank>,
    /// The genes that a Cell-JEPA has tokens for; none for those of the data.
    pub vocabulary: Option<Vec<String>>,
    /// The checkpoint that the run starts from.
    pub from: Option<Start>,
    /// The data that a repeated run must have.
    pub repeats: Option<RunData>,
    /// Compute on the CPU even where there is a GPU.
    pub cpu: bool,
}

/// The checkpoint that a run starts from.
pub struct Start {
    checkpoint: Checkpoint,
    bytes: Vec<u8>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let repeated = arguments.run.as_deref().map(read_run).transpose()?;
    let (mut config, data) = match (&repeated, arguments.preset) {
        (Some(run), _) => (run.config.clone(), &arguments.files[..]),
        (None, Some(preset)) => (preset.config(), &arguments.files[..]),
        (None, None) if let Some(size) = arguments.cell_jepa => (size.config(), &arguments.files[..]),
        (None, None) => (read_config(&arguments.files[0])?, &arguments.files[1..]),
    };
    ensure!(!data.is_empty(), "name the data file after the configuration");
    check_output(arguments)?;
    if let Some(split) = &arguments.split {
        config.held_out = crate::split::held_out(split)?;
    }
    let from = arguments.from.as_deref().map(|path| Start::read(path, repeated.as_ref())).transpose()?;
    let needs_start = repeated.as_ref().is_some_and(|run| run.config.start_from.is_some());
    ensure!(from.is_some() || !needs_start, "the run started from a checkpoint: give it with --from");
    let bank =
        arguments.bank.as_deref().map(|path| Ok::<_, anyhow::Error>(crate::vectors::load(path)?.bank)).transpose()?;
    let vocabulary = arguments.vocabulary.as_deref().map(read_vocabulary).transpose()?;
    ensure!(vocabulary.is_none() || config.cell_jepa.is_some(), "--vocabulary is for Cell-JEPA alone");
    let steps = Steps { resume: arguments.resume, at_most: arguments.at_most };
    let repeats = repeated.as_ref().map(|run| run.data.clone());
    let plan = Plan { config, data, bank: bank.as_ref(), vocabulary, from, repeats, cpu: arguments.cpu };
    let Some(trainer) = train(&plan, &arguments.out, &steps)? else { return Ok(()) };

    let fingerprint = checkpoint::fingerprint(&crate::file::read(&arguments.out)?);
    let names = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let data = RunData {
        files: data.iter().map(names).collect(),
        bank: arguments.bank.as_ref().map(names).unwrap_or_default(),
        fingerprint: trainer.data_fingerprint(),
        n_genes: trainer.config().model.n_genes,
    };
    let done = RunFile::new(trainer.config(), data, fingerprint, env!("CARGO_PKG_VERSION"), trainer.history());
    crate::file::write(&beside(&arguments.out, ".run.json"), serde_json::to_string_pretty(&done)?.as_bytes())?;
    if let Some(run) = repeated {
        eprintln!("{}", run.difference(&done).unwrap_or_else(|| "the same checkpoint as the run file's".into()));
    }
    Ok(())
}

impl Start {
    /// Reads a checkpoint; where a run is repeated, it must be the one that it started from.
    fn read(path: &Path, repeated: Option<&RunFile>) -> Result<Self> {
        let bytes = crate::file::read(path)?;
        let checkpoint = checkpoint::read(&bytes).with_context(|| path.display().to_string())?;
        if let Some(run) = repeated {
            let (wanted, found) = (run.config.start_from.as_deref(), checkpoint::fingerprint(&bytes));
            ensure!(wanted == Some(found.as_str()), "{} is not what the run started from", path.display());
        }
        Ok(Self { checkpoint, bytes })
    }
}

fn read_run(path: &Path) -> Result<RunFile> {
    let bytes = crate::file::read(path)?;
    let run: RunFile = serde_json::from_slice(&bytes).with_context(|| format!("{}: no run file", path.display()))?;
    ensure!(run.format == RunFile::FORMAT, "{}: format {} is not known", path.display(), run.format);
    if run.version != env!("CARGO_PKG_VERSION") {
        eprintln!("note: the run was made by version {}, this is {}", run.version, env!("CARGO_PKG_VERSION"));
    }
    Ok(run)
}

fn parse_cell_jepa(name: &str) -> Result<CellJepaPreset, String> {
    let known = || CellJepaPreset::ALL.map(CellJepaPreset::label).join(", ");
    CellJepaPreset::ALL
        .into_iter()
        .find(|size| size.label() == name)
        .ok_or_else(|| format!("the sizes are {}", known()))
}

fn read_vocabulary(path: &Path) -> Result<Vec<String>> {
    vocabulary::from_scgpt(&crate::file::read(path)?).with_context(|| path.display().to_string())
}

pub fn parse_preset(name: &str) -> Result<Preset, String> {
    let known = || Preset::ALL.map(Preset::label).join(", ");
    Preset::ALL.into_iter().find(|preset| preset.label() == name).ok_or_else(|| format!("the presets are {}", known()))
}

/// Looks, before hours of work, whether the result can be written and would overwrite nothing.
fn check_output(arguments: &Arguments) -> Result<()> {
    let (out, state) = (&arguments.out, beside(&arguments.out, ".state"));
    crate::file::require_folder(out)?;
    let state_shown = state.display();
    if arguments.resume {
        ensure!(state.exists(), "there is no unfinished run at {state_shown}; leave out --resume to start one");
    } else if !arguments.force {
        ensure!(!state.exists(), "{state_shown} is an unfinished run: go on with --resume, or start anew with --force");
        crate::file::require_new(out, arguments.force)?;
    }
    Ok(())
}

/// Reads and checks a training configuration.
pub fn read_config(path: &Path) -> Result<TrainConfig> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    let config: TrainConfig = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        anyhow!("{shown}, line {line}: {}", error.message())
    })?;
    // A setting that is spelt wrong would otherwise train something else than was meant.
    let (written, known) = (text.parse::<toml::Table>()?, toml::Table::try_from(&config)?);
    if let Some(name) = first_unknown(&written, &known) {
        bail!("{shown}: there is no setting {name}");
    }
    Ok(config)
}

/// The first key of `written` that is not in `known`, with the tables it lies in.
fn first_unknown(written: &toml::Table, known: &toml::Table) -> Option<String> {
    written.iter().find_map(|(key, value)| match (value, known.get(key)) {
        (_, None) => Some(key.clone()),
        (toml::Value::Table(written), Some(toml::Value::Table(known))) => {
            first_unknown(written, known).map(|inner| format!("{key}.{inner}"))
        }
        _ => None,
    })
}

/// Trains and writes the checkpoint to `out`; none where steps remain.
pub fn train(plan: &Plan<'_>, out: &Path, steps: &Steps) -> Result<Option<Trainer>> {
    let from = plan.from.as_ref();
    let config = match from {
        Some(from) => started_from(&plan.config, &from.checkpoint.header, &from.bytes)?,
        None => plan.config.clone(),
    };
    let target_sum = config.data.target_sum.unwrap_or(dataset::DEFAULT_TARGET_SUM);
    let tuning = config.cell_jepa.as_ref().and_then(|recipe| recipe.fine_tune.as_ref());
    let batch = tuning.map(|tuning| tuning.column.as_str()).or(config.batch_column.as_deref());
    let more = MoreColumns { batch, only: None };
    let dataset = dataset::load_with(plan.data, &config.data, config.join, None, target_sum, more)?;
    let header = from.map(|from| &from.checkpoint.header);
    let material = dataset.material();
    let Assembled { config, header, cells, warnings } = if config.cell_jepa.is_some() {
        let vocabulary = header.map(|header| header.genes.clone()).or_else(|| plan.vocabulary.clone());
        assemble_cells(&config, material, vocabulary)?
    } else {
        let bank = plan.bank.context("training needs perturbation vectors: name their file with --bank")?;
        assemble(&config, material, bank, header)?
    };
    for warning in warnings {
        eprintln!("note: {warning}");
    }
    if let Some(wanted) = &plan.repeats {
        let (found, n_genes) = (format!("{:016x}", cells.fingerprint()), config.model.n_genes);
        ensure!(
            found == wanted.fingerprint,
            "the cells or vectors are not those of the run file ({} with {}, {} genes; here {n_genes}): {found} for {}",
            wanted.files.join(", "),
            wanted.bank,
            wanted.n_genes,
            wanted.fingerprint
        );
    }
    say_costs(&config, cells.targets().len());
    let device = block_on(open_device(plan.cpu))?;
    let state_path = beside(out, ".state");
    let mut trainer = if steps.resume {
        let state = crate::file::read(&state_path)?;
        Trainer::resume(&state, config, header, cells, device).with_context(|| state_path.display().to_string())?
    } else if let Some(from) = from {
        Trainer::fine_tune(config, header, cells, &from.checkpoint, device)?
    } else {
        Trainer::new(config, header, cells, device)?
    };
    block_on(steps::run_steps(&mut trainer, steps.at_most, &state_path))?;
    if !trainer.is_done() {
        return Ok(None);
    }
    crate::file::write(out, &block_on(trainer.weights())?)?;
    std::fs::remove_file(&state_path).ok();
    eprintln!("wrote {}", out.display());
    Ok(Some(trainer))
}

/// Says what the run will take, and what would fit where that is more than there is.
fn say_costs(config: &TrainConfig, n_targets: usize) {
    if let Some(model) = &config.cell_jepa {
        eprintln!("{}", model.summary(config.model.n_genes));
    }
    let stages = Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0);
    let memory = stages.map(|stage| StageMemory::of(config, stage).with_anchor(config, n_targets));
    let Some(most) = memory.max_by_key(StageMemory::total) else { return };
    let n_parameters = PartCounts::of_run(config).total();
    let (bytes, stage) = (HumanBytes(most.total()), most.stage.label());
    eprintln!("{n_parameters} parameters; about {bytes} of memory at the most, in the {stage} stage");
    let limits = MemoryLimits { total: crate::file::memory_available(), buffer: None };
    if most.total() > limits.total {
        let total = limits.total.saturating_sub(anchor_bytes(config, n_targets));
        let fits = propose(config, MemoryLimits { total, ..limits }).map_or_else(
            || "not even the smallest batches fit: choose a smaller model or fewer genes".to_owned(),
            |fits| format!("what fits is {}", batches(&fits)),
        );
        eprintln!("note: there are {}; {fits}", HumanBytes(limits.total));
    }
}

fn batches(config: &TrainConfig) -> String {
    let stages = Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0);
    let each = stages.map(|stage| format!("a batch_size of {} ({})", config.stage(stage).batch_size, stage.label()));
    each.collect::<Vec<_>>().join(", ")
}

/// Opens the device that was asked for and says which it is.
pub async fn open_device(cpu: bool) -> Result<Device> {
    let choice = if cpu { BackendChoice::Cpu } else { BackendChoice::Auto };
    let (device, report) = engine::jepa::device::open(choice).await?;
    eprintln!(
        "computing on {}{}",
        report.adapter,
        report.notice.as_deref().map_or_else(String::new, |n| format!(" ({n})"))
    );
    Ok(device)
}

/// The path with an ending more.
fn beside(out: &Path, ending: &str) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(ending);
    path.into()
}
