//! `waddington`: the command line over the same engine as the browser.
//!
//! Reading order: the arguments below, then one file per command. What several commands need lies in `file` (bytes on
//! disk), `vectors` (a bank of perturbation vectors) and `dataset` (a file read, prepared and sorted for the model).
//! Errors are one line on stderr and a non-zero exit; results go to stdout or to the file that `--out` names.

mod bench;
mod dataset;
mod demo;
mod evaluate;
mod file;
mod inspect;
mod predict;
mod train;
mod vectors;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A cell world model: look into count matrices, train, predict responses to perturbations, evaluate.
#[derive(Debug, Parser)]
#[command(name = "waddington", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a file holds: format, cells, genes, matrices, labels, memory needed.
    Inspect(inspect::Arguments),
    /// Train a model from a TOML configuration.
    Train(train::Arguments),
    /// Predict the mean response of the control cells to a perturbation.
    Predict(predict::Arguments),
    /// Score a checkpoint on its held-out targets, beside simple baselines.
    Eval(evaluate::Arguments),
    /// Make the demo that ships with the site from a data file.
    Demo(demo::Arguments),
    /// Time the model on this machine; used by `benches/compare.py`.
    #[command(hide = true)]
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Train(arguments) => train::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
        Command::Eval(arguments) => evaluate::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}
