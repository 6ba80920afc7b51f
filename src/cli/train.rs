//! `waddington train`: the four stages from a TOML configuration, resumable.
//!
//! Beside `--out` lies `<out>.state`, the whole state of the run, replaced every `checkpoint_every` steps. Ctrl-C writes
//! it once more and stops; `--resume` goes on from it and reaches the losses that an uninterrupted run would have had.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use engine::jepa::bank::Bank;
use engine::jepa::batch::{Role, Target, TrainingCells};
use engine::jepa::device::Device;
use engine::jepa::train::Trainer;
use futures_lite::future::block_on;
use spec::checkpoint::CheckpointHeader;
use spec::device::BackendChoice;
use spec::train::{Stage, TrainConfig};

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
    /// Go on from `<out>.state`.
    #[arg(long)]
    resume: bool,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let config = read_config(&arguments.config)?;
    let bank = crate::vectors::load(&arguments.bank)?.bank;
    train(&config, &arguments.data, &bank, &arguments.out, arguments.resume, arguments.cpu)
}

/// Reads and checks a training configuration.
pub fn read_config(path: &Path) -> Result<TrainConfig> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {shown}"))?;
    toml::from_str(&text).with_context(|| format!("{shown}"))
}

/// Trains from `data` and writes the checkpoint to `out`.
pub fn train(config: &TrainConfig, data: &[PathBuf], bank: &Bank, out: &Path, resume: bool, cpu: bool) -> Result<()> {
    let target_sum = config.data.target_sum.unwrap_or(dataset::DEFAULT_TARGET_SUM);
    let dataset = dataset::load(data, &config.data, None, target_sum)?;
    let mut config = config.clone();
    config.model.n_genes = dataset.genes.len();
    config.model.composer.n_protein = bank.width();
    config.validate().map_err(anyhow::Error::msg)?;
    let (cells, header) = assemble(&config, dataset, bank)?;
    let device = block_on(open_device(cpu))?;
    let state_path = state_path(out);
    let trainer = if resume {
        let state = crate::file::read(&state_path)?;
        Trainer::resume(&state, config, cells, device.clone()).with_context(|| state_path.display().to_string())?
    } else {
        Trainer::new(config, header, cells, device.clone())?
    };
    let trainer = block_on(run_to_end(trainer, &state_path))?;
    crate::file::write(out, &block_on(trainer.weights())?)?;
    std::fs::remove_file(&state_path).ok();
    eprintln!("wrote {}", out.display());
    Ok(())
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

async fn run_to_end(mut trainer: Trainer, state_path: &Path) -> Result<Trainer> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = stopped.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("listening for Ctrl-C")?;
    let bar = dataset::progress_bar(trainer.n_steps() as u64, "training", "steps");
    bar.set_position(trainer.steps_done() as u64);
    bar.reset_eta();
    while !trainer.is_done() {
        if stopped.load(Ordering::Relaxed) {
            crate::file::write(state_path, &trainer.state().await?)?;
            bail!("stopped after {} steps; go on with --resume", trainer.steps_done());
        }
        if let Some(report) = trainer.step().await? {
            let (stage, step, n) = (report.stage.label(), report.step, report.n_steps);
            let line = format!("{stage} {step}/{n}, loss {:.4}, {:.3} s a step", report.loss, report.step_secs);
            bar.set_message(line.clone());
            if bar.is_hidden() {
                let left = report.step_secs * (trainer.n_steps() - trainer.steps_done()) as f64;
                eprintln!("{line}, {left:.0} s left at this pace");
            }
        }
        bar.set_position(trainer.steps_done() as u64);
        if trainer.is_checkpoint_due() {
            crate::file::write(state_path, &trainer.state().await?)?;
        }
    }
    bar.finish_and_clear();
    Ok(trainer)
}

/// Gives each cell its part in training, and writes down who was seen.
fn assemble(config: &TrainConfig, dataset: Dataset, bank: &Bank) -> Result<(TrainingCells, CheckpointHeader)> {
    let needs_labels = [Stage::Align, Stage::Action, Stage::Decoder].iter().any(|s| config.stage(*s).n_steps > 0);
    ensure!(dataset.labels.is_some() || !needs_labels, "no perturbation labels: set data.perturbation_column");
    let held_out: HashSet<&str> = config.held_out.iter().map(String::as_str).collect();
    let mut targets: Vec<Target> = Vec::new();
    let mut role_of_label = Vec::new();
    if let Some(labels) = &dataset.labels {
        if let Some(name) = config.held_out.iter().find(|name| !labels.names.contains(name)) {
            bail!("held_out names {name}, which is no perturbation of the data");
        }
        let mut without_vector = Vec::new();
        for (index, name) in labels.names.iter().enumerate() {
            role_of_label.push(if labels.control == Some(index) {
                Role::Control
            } else if held_out.contains(name.as_str()) {
                Role::HeldOut
            } else if let Some(vector) = bank.vector(name) {
                targets.push(Target { name: name.clone(), vector });
                Role::Perturbed(targets.len() as u32 - 1)
            } else {
                without_vector.push(name.as_str());
                Role::Unlabelled
            });
        }
        if !without_vector.is_empty() {
            eprintln!("note: no vector in the bank, seen in pretraining alone: {}", without_vector.join(", "));
        }
    }
    let roles: Vec<Role> = match &dataset.labels {
        Some(labels) => labels.codes.iter().map(|&code| role_of_label[code as usize]).collect(),
        None => vec![Role::Unlabelled; dataset.expression.n_cells()],
    };
    let header = CheckpointHeader {
        format: 1,
        model: config.model.clone(),
        genes: dataset.genes,
        target_sum: dataset.target_sum,
        modes: vec![config.mode],
        seen: targets.iter().map(|target| target.name.clone()).collect(),
        held_out: config.held_out.clone(),
    };
    Ok((TrainingCells::new(dataset.expression, &roles, None, targets)?, header))
}

fn state_path(out: &Path) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(".state");
    path.into()
}
