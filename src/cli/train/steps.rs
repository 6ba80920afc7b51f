//! The steps of a training on the command line: progress, notes, Ctrl-C, and the state on disk.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use engine::jepa::train::Trainer;
use indicatif::{HumanDuration, ProgressBar};
use spec::train::StepReport;

use crate::dataset;

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

/// Trains until all steps are done or `at_most` are; where steps remain, the state is written.
pub async fn run_steps(trainer: &mut Trainer, at_most: Option<usize>, state_path: &Path) -> Result<()> {
    listen_for_interrupt()?;
    let n_steps = trainer.n_steps();
    fit_anchor(trainer)?;
    let bar = dataset::progress_bar(n_steps as u64, "training", "steps");
    bar.set_position(trainer.steps_done() as u64);
    bar.reset_eta();
    let mut n_left = at_most.unwrap_or(usize::MAX);
    let mut said = Vec::new();
    while !trainer.is_done() && n_left > 0 {
        if INTERRUPTED.load(Ordering::Relaxed) {
            crate::file::write(state_path, &trainer.state().await?)?;
            return Err(Interrupted { steps_done: trainer.steps_done(), n_steps }.into());
        }
        match trainer.step().await {
            Ok(Some(report)) => say(&bar, &report, n_steps - trainer.steps_done(), &mut said),
            Ok(None) => {}
            Err(error) => {
                crate::file::write(state_path, &trainer.state().await?)?;
                let stands = trainer.steps_done();
                let kept = format!("{} holds the run after step {stands}", state_path.display());
                return Err(anyhow!(error).context(kept));
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

/// Fits the anchor where there is one and it is not fitted yet.
fn fit_anchor(trainer: &mut Trainer) -> Result<()> {
    let Some((_, n_parts)) = trainer.prepare()? else { return Ok(()) };
    let bar = dataset::progress_bar(n_parts as u64, "fitting the anchor", "parts");
    while let Some((n_done, _)) = trainer.prepare()? {
        bar.set_position(n_done as u64);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Says where the run stands; each kind of warning once a stage.
fn say(bar: &ProgressBar, report: &StepReport, n_steps_left: usize, said: &mut Vec<String>) {
    let (stage, step, n) = (report.stage.label(), report.step, report.n_steps);
    let mut line = format!("{stage} {step}/{n}, loss {:.4}", report.loss);
    if let Some(validation) = &report.validation {
        let best = if validation.is_best { " (lowest so far)" } else { "" };
        line += &format!(", on what was held back {:.4}{best}", validation.loss);
    }
    if let Some(gauges) = &report.gauges {
        line += &format!(", std {:.2}, rank {:.1} of {}", gauges.std_mean, gauges.effective_rank, gauges.n_dims);
    }
    line += &format!(", {:.3} s a step", report.step_secs);
    bar.set_message(line.clone());
    let note = |text: String| bar.suspend(|| eprintln!("{text}"));
    if bar.is_hidden() {
        let left_secs = report.step_secs * n_steps_left as f64;
        let left = HumanDuration(Duration::try_from_secs_f64(left_secs).unwrap_or_default());
        note(format!("{line}, {left} left at this pace"));
    }
    for warning in &report.warnings {
        let kind = format!("{stage} {:?}", std::mem::discriminant(warning));
        if !said.contains(&kind) {
            said.push(kind);
            note(format!("note: {}", warning.text()));
        }
    }
    if let Some(end) = report.end {
        let early = if end.stopped_early { "ended early" } else { "is done" };
        match end.kept() {
            Some(kept) => note(format!("{stage} {early}; {kept}")),
            None if end.stopped_early => note(format!("{stage} {early}; its last values are kept")),
            None => {}
        }
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
