//! The `waddington` command: the same engine as the browser's, over files and arguments.
//!
//! A library, so that tests can run it; `main.rs` is the program. Reading order: the arguments below, then one file per
//! command. What several commands need lies in `file` (bytes on disk), `vectors` (a bank of perturbation vectors),
//! `dataset` (a file read, prepared and sorted for the model), `asked` (a session) and `model` (a checkpoint with its bank).
//! Results go to `out` or to the file that `--out` names; progress and notes go to stderr.

mod asked;
mod bench;
mod convert;
mod dataset;
mod demo;
mod embed;
mod evaluate;
mod file;
mod inspect;
mod map;
mod model;
mod predict;
mod prepare;
mod respond;
mod split;
mod train;
mod vectors;

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

pub use clap::Parser;
pub use train::Interrupted;

/// A cell world model: look into count matrices, train, predict responses to perturbations, evaluate.
#[derive(Debug, Parser)]
#[command(name = "waddington", version)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what a file holds: format, cells, genes, matrices, labels, memory needed.
    Inspect(inspect::Arguments),
    /// Write any file that is read as an h5ad.
    Convert(convert::Arguments),
    /// Prepare cells as the screen does: quality, scaling, log1p, variable genes, a map; written as an h5ad.
    Prepare(prepare::Arguments),
    /// Map cells as the screen does: neighbours, clusters, UMAP, markers, and scores against known labels.
    Map(map::Arguments),
    /// Train a model from a TOML configuration.
    Train(train::Arguments),
    /// Predict the mean response of the control cells to a perturbation.
    Predict(predict::Arguments),
    /// Embed cells by a Cell-JEPA, and score how well that keeps kinds of cells apart.
    Embed(embed::Arguments),
    /// Let a Cell-JEPA learn responses from pairs of cells, and score it on perturbations that were held out.
    Respond(respond::Arguments),
    /// Score a model, or the simple methods alone, on perturbations that they did not learn from.
    Eval(evaluate::Arguments),
    /// Part the perturbations or cells of a file into training, validation and test, and say what the parts share.
    Split(split::Arguments),
    /// Make a bank of perturbation vectors from what a language model of proteins or DNA left behind.
    Vectors(vectors::Arguments),
    /// Make the demo that ships with the site from a data file.
    Demo(demo::Arguments),
    /// Time the model on this machine; used by `benches/compare.py`.
    #[command(hide = true)]
    Bench(bench::Arguments),
}

/// Runs a command; its results are written to `out`.
///
/// # Errors
/// Says what could not be done, with which file, and what to do. [`Interrupted`] where Ctrl-C stopped a training.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    match &arguments.command {
        Command::Inspect(arguments) => inspect::run(arguments, out),
        Command::Convert(arguments) => convert::run(arguments),
        Command::Prepare(arguments) => prepare::run(arguments),
        Command::Map(arguments) => map::run(arguments, out),
        Command::Train(arguments) => train::run(arguments),
        Command::Predict(arguments) => predict::run(arguments),
        Command::Embed(arguments) => embed::run(arguments, out),
        Command::Respond(arguments) => respond::run(arguments, out),
        Command::Eval(arguments) => evaluate::run(arguments, out),
        Command::Split(arguments) => split::run(arguments, out),
        Command::Vectors(arguments) => vectors::run(arguments, out),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
    }
}
