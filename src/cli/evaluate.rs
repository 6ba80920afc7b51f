//! `waddington eval`: a checkpoint on its held-out targets, beside every simple baseline.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use engine::jepa::bank::Bank;
use engine::jepa::eval::baselines::{kernel_ridge, nearest_neighbour, training_mean};
use engine::jepa::eval::response::Response;
use engine::jepa::eval::{MethodPredictions, score};
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use serde_json::json;
use spec::checkpoint::{MethodScore, TargetScore};
use spec::model::Mode;

use crate::dataset::{self, Columns, Dataset};
use crate::model::{ModelArguments, mean_response};

/// Examples that the model's prediction is averaged over where the person does not say.
const N_EXAMPLES: usize = 300;

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArguments,
    #[command(flatten)]
    columns: Columns,
    /// At most this many control cells that the model's prediction is averaged over, evenly spaced. Default: 300 times
    /// the cells that the checkpoint averages into one example.
    #[arg(long)]
    control_cells: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What an evaluation found.
pub struct Evaluation {
    /// Per method, the model first.
    pub scores: Vec<MethodScore>,
    /// Per held-out target.
    pub targets: Vec<TargetScore>,
    /// Held-out targets that could not be scored, with the reason.
    pub left_out: Vec<String>,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let bank = arguments.model.bank()?;
    let predictor = arguments.model.predictor()?;
    let header = predictor.header();
    let options = arguments.columns.options();
    let dataset = dataset::load(&arguments.data, &options, arguments.columns.join, Some(header), header.target_sum)?;
    let measured = dataset.measured()?;
    let evaluation = block_on(evaluate(&predictor, &bank, &dataset, &measured, arguments.control_cells))?;
    if arguments.json {
        let report = json!({
            "scores": evaluation.scores, "targets": evaluation.targets, "left_out": evaluation.left_out,
        });
        writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        return Ok(());
    }
    Ok(print(&evaluation, out)?)
}

/// Scores the model and the baselines on the targets that the checkpoint's header says were held out.
pub async fn evaluate(
    predictor: &Predictor,
    bank: &Bank,
    dataset: &Dataset,
    measured: &[Response],
    n_control_cells: Option<usize>,
) -> Result<Evaluation> {
    let header = predictor.header();
    let find = |name: &String| measured.iter().find(|response| &response.target == name);
    let seen: Vec<(&Response, Vec<f32>)> =
        header.seen.iter().filter_map(|name| Some((find(name)?, bank.vector(name)?))).collect();
    let (mut asked, mut left_out): (Vec<(&Response, Vec<f32>)>, Vec<String>) = (Vec::new(), Vec::new());
    for name in &header.held_out {
        match (find(name), bank.vector(name)) {
            (Some(response), Some(vector)) => asked.push((response, vector)),
            (None, _) => left_out.push(format!("{name}: not in the data")),
            (_, None) => left_out.push(format!("{name}: no vector in the bank")),
        }
    }
    ensure!(!asked.is_empty(), "none of the checkpoint's held-out targets is in the data and in the bank");
    ensure!(!seen.is_empty(), "none of the checkpoint's training targets is in the data; the baselines need them");

    let n_control_cells = n_control_cells.unwrap_or_else(|| N_EXAMPLES.saturating_mul(header.cells_per_example));
    let rows = dataset.some_control_rows(Some(n_control_cells))?;
    eprintln!("{} targets, each predicted for {}", asked.len(), dataset.describe_controls(&rows));
    let mode = header.modes.first().copied().unwrap_or(Mode::Unknown);
    let bar = dataset::progress_bar(asked.len() as u64, "predicting", "targets");
    let mut model = Vec::new();
    for (response, vector) in &asked {
        model.push(mean_response(predictor, dataset, &rows, (&response.target, vector), mode, |_| {}).await?);
        bar.inc(1);
    }
    bar.finish_and_clear();

    let deltas: Vec<&[f32]> = seen.iter().map(|(response, _)| response.delta.as_slice()).collect();
    let vectors: Vec<&[f32]> = seen.iter().map(|(_, vector)| vector.as_slice()).collect();
    let baseline = |method: &str, predict: &dyn Fn(&[f32]) -> Option<Vec<f32>>| -> Result<MethodPredictions> {
        let deltas = asked.iter().map(|(_, vector)| predict(vector)).collect::<Option<Vec<_>>>();
        Ok(MethodPredictions { method: method.into(), deltas: deltas.with_context(|| format!("{method}: no answer"))? })
    };
    let methods = [
        MethodPredictions { method: "model".into(), deltas: model },
        baseline("no change", &|_| Some(vec![0.0; header.genes.len()]))?,
        baseline("training mean", &|_| training_mean(&deltas))?,
        baseline("nearest neighbour", &|query| nearest_neighbour(&vectors, &deltas, query))?,
        baseline("kernel ridge", &|query| kernel_ridge(&vectors, &deltas, query))?,
    ];
    let responses: Vec<&Response> = asked.iter().map(|(response, _)| *response).collect();
    let (scores, targets) = score(&methods, &responses);
    Ok(Evaluation { scores, targets, left_out })
}

fn print(evaluation: &Evaluation, out: &mut dyn Write) -> std::io::Result<()> {
    let pearson = |value: Option<f64>| value.map_or_else(|| "–".into(), |value| format!("{value:.3}"));
    writeln!(out, "Held-out targets: change of the mean cell against control, in log1p units\n")?;
    writeln!(out, "{:<18} {:>13} {:>10}", "", "delta Pearson", "MSE")?;
    for score in &evaluation.scores {
        writeln!(out, "{:<18} {:>13} {:>10.5}", score.method, pearson(score.delta_pearson), score.mse)?;
    }
    let names: Vec<&str> = evaluation.scores.iter().map(|score| score.method.as_str()).collect();
    let width = |name: &str| name.len().max(7);
    let titles: Vec<String> = names.iter().map(|name| format!("{name:>0$}", width(name))).collect();
    writeln!(out, "\n{:<12} {:>6}  {}", "Pearson of", "cells", titles.join("  "))?;
    for target in &evaluation.targets {
        let values = target.delta_pearson.iter().zip(&names);
        let row: Vec<String> = values.map(|(value, name)| format!("{:>1$}", pearson(*value), width(name))).collect();
        writeln!(out, "{:<12} {:>6}  {}", target.target, target.n_cells, row.join("  "))?;
    }
    for reason in &evaluation.left_out {
        writeln!(out, "not scored: {reason}")?;
    }
    Ok(())
}
