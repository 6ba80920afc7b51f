//! `waddington train`: the four stages from a TOML configuration, resumable.
//!
//! Beside `--out` lies `<out>.state`, the whole state of the run, replaced every `checkpoint_every` steps. Ctrl-C writes
//! it once more and stops; `--resume` goes on from it and reaches the losses that an uninterrupted run would have had.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use engine::jepa::bank::Bank;
use engine::jepa::checkpoint::{self, Checkpoint};
use engine::jepa::device::Device;
use engine::jepa::train::Trainer;
use engine::jepa::train::assemble::{Assembled, Material, assemble};
use engine::jepa::train::start::started_from;
use futures_lite::future::block_on;
use indicatif::{HumanDuration, ProgressBar};
use spec::device::BackendChoice;
use spec::train::{StepReport, TrainConfig};

use crate::dataset::{self, Dataset};

/// Arguments of `train`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration (TOML).
    config: PathBuf,
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// Perturbation vectors by gene: .npz with `symbols` and `embedding`, or a .safetensors bank.
    #[arg(long)]
    bank: PathBuf,
    /// Where the trained checkpoint goes (.safetensors).
    #[arg(long)]
    out: PathBuf,
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

/// Ctrl-C stopped the run; its state is written.
#[derive(Debug)]
pub struct Interrupted {
    steps_done: usize,
    n_steps: usize,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped after {} of {} steps; go on with --resume", self.steps_done, self.n_steps)
    }
}

impl std::error::Error for Interrupted {}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut config = read_config(&arguments.config)?;
    check_output(arguments)?;
    if let Some(split) = &arguments.split {
        config.held_out = crate::split::held_out(split)?;
    }
    let bank = crate::vectors::load(&arguments.bank)?.bank;
    let steps = Steps { resume: arguments.resume, at_most: arguments.at_most };
    let from = arguments.from.as_deref().map(Start::read).transpose()?;
    train(&config, &arguments.data, &bank, &arguments.out, &steps, from.as_ref(), arguments.cpu)
}

/// The checkpoint that a run starts from.
pub struct Start {
    checkpoint: Checkpoint,
    bytes: Vec<u8>,
}

impl Start {
    fn read(path: &Path) -> Result<Self> {
        let bytes = crate::file::read(path)?;
        let checkpoint = checkpoint::read(&bytes).with_context(|| path.display().to_string())?;
        Ok(Self { checkpoint, bytes })
    }
}

/// Looks, before hours of work, whether the result can be written and would overwrite nothing.
fn check_output(arguments: &Arguments) -> Result<()> {
    let (out, state) = (&arguments.out, state_path(&arguments.out));
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

/// Trains from `data` and writes the checkpoint to `out`.
pub fn train(
    config: &TrainConfig,
    data: &[PathBuf],
    bank: &Bank,
    out: &Path,
    steps: &Steps,
    from: Option<&Start>,
    cpu: bool,
) -> Result<()> {
    let config = &match from {
        Some(from) => started_from(config, &from.checkpoint.header, &from.bytes)?,
        None => config.clone(),
    };
    let target_sum = config.data.target_sum.unwrap_or(dataset::DEFAULT_TARGET_SUM);
    let dataset = dataset::load_with_batches(data, &config.data, target_sum, config.batch_column.as_deref())?;
    let Assembled { config, header, cells, warnings } =
        assemble(config, material(dataset), bank, from.map(|from| &from.checkpoint.header))?;
    for warning in warnings {
        eprintln!("note: {warning}");
    }
    let device = block_on(open_device(cpu))?;
    let state_path = state_path(out);
    let mut trainer = if steps.resume {
        let state = crate::file::read(&state_path)?;
        Trainer::resume(&state, config, header, cells, device).with_context(|| state_path.display().to_string())?
    } else if let Some(from) = from {
        Trainer::fine_tune(config, header, cells, &from.checkpoint, device)?
    } else {
        Trainer::new(config, header, cells, device)?
    };
    block_on(run_steps(&mut trainer, steps.at_most, &state_path))?;
    if trainer.is_done() {
        crate::file::write(out, &block_on(trainer.weights())?)?;
        std::fs::remove_file(&state_path).ok();
        eprintln!("wrote {}", out.display());
    }
    Ok(())
}

/// What a run is made of.
fn material(dataset: Dataset) -> Material {
    Material {
        expression: dataset.expression,
        genes: dataset.genes,
        gene_ids: dataset.gene_ids,
        labels: dataset.labels,
        batches: dataset.batches,
        cells_per_row: dataset.weights,
        target_sum: dataset.target_sum,
    }
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

/// Trains until all steps are done or `at_most` are; where steps remain, the state is written.
async fn run_steps(trainer: &mut Trainer, at_most: Option<usize>, state_path: &Path) -> Result<()> {
    listen_for_interrupt()?;
    let n_steps = trainer.n_steps();
    let bar = dataset::progress_bar(n_steps as u64, "training", "steps");
    bar.set_position(trainer.steps_done() as u64);
    bar.reset_eta();
    let mut n_left = at_most.unwrap_or(usize::MAX);
    while !trainer.is_done() && n_left > 0 {
        if INTERRUPTED.load(Ordering::Relaxed) {
            crate::file::write(state_path, &trainer.state().await?)?;
            return Err(Interrupted { steps_done: trainer.steps_done(), n_steps }.into());
        }
        match trainer.step().await {
            Ok(Some(report)) => say(&bar, &report, n_steps - trainer.steps_done()),
            Ok(None) => {}
            Err(error) => {
                crate::file::write(state_path, &trainer.state().await?)?;
                let stands = trainer.steps_done();
                return Err(
                    anyhow!(error).context(format!("{} holds the run after step {stands}", state_path.display()))
                );
            }
        }
        n_left -= 1;
        bar.set_position(trainer.steps_done() as u64);
        if trainer.is_checkpoint_due() {
            crate::file::write(state_path, &trainer.state().await?)?;
        }
    }
    bar.finish_and_clear();
    if !trainer.is_done() {
        crate::file::write(state_path, &trainer.state().await?)?;
        eprintln!("stopped after {} of {n_steps} steps; go on with --resume", trainer.steps_done());
    }
    Ok(())
}

/// Says where the run stands.
fn say(bar: &ProgressBar, report: &StepReport, n_steps_left: usize) {
    let (stage, step, n) = (report.stage.label(), report.step, report.n_steps);
    let mut line = format!("{stage} {step}/{n}, loss {:.4}", report.loss);
    if let Some(validation) = &report.validation {
        let best = if validation.is_best { " (best)" } else { "" };
        line += &format!(", on what was held back {:.4}{best}", validation.loss);
    }
    if let Some(gauges) = &report.gauges {
        line += &format!(", std {:.2}, rank {:.1} of {}", gauges.std_mean, gauges.effective_rank, gauges.n_dims);
    }
    line += &format!(", {:.3} s a step", report.step_secs);
    bar.set_message(line.clone());
    if bar.is_hidden() {
        let left_secs = report.step_secs * n_steps_left as f64;
        let left = HumanDuration(Duration::try_from_secs_f64(left_secs).unwrap_or_default());
        eprintln!("{line}, {left} left at this pace");
    }
    for warning in &report.warnings {
        bar.suspend(|| eprintln!("note: {}", warning.text()));
    }
    if let Some((end, kept)) = report.end.and_then(|end| Some((end, end.kept_step?))) {
        let early = if end.stopped_early { " ended early" } else { " is done" };
        bar.suspend(|| {
            eprintln!("{stage}{early}; the values of step {kept} are kept, which did best on what was held back")
        });
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C ends the run at its next step; a process can listen only once.
fn listen_for_interrupt() -> Result<()> {
    static LISTENING: AtomicBool = AtomicBool::new(false);
    if !LISTENING.swap(true, Ordering::Relaxed) {
        ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed)).context("listening for Ctrl-C")?;
    }
    Ok(())
}

fn state_path(out: &Path) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".state");
    path.into()
}
