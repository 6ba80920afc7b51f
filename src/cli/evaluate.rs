//! `waddington eval`: a checkpoint on its held-out targets, beside every simple baseline.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use engine::jepa::bank::Bank;
use engine::jepa::eval::baselines::{kernel_ridge, nearest_neighbour, training_mean};
use engine::jepa::eval::response::{Response, response};
use engine::jepa::eval::{MethodPredictions, score};
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use serde_json::json;
use spec::checkpoint::{MethodScore, TargetScore};
use spec::dataset::PrepareOptions;
use spec::model::Mode;

use crate::dataset::{self, Dataset};

/// Arguments of `eval`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The checkpoint (.safetensors).
    #[arg(long)]
    checkpoint: PathBuf,
    /// Perturbation vectors by gene (.npz or .safetensors).
    #[arg(long)]
    bank: PathBuf,
    #[command(flatten)]
    columns: Columns,
    /// Control cells that the model's prediction is averaged over, evenly spaced.
    #[arg(long, default_value_t = 300)]
    control_cells: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// Which columns of `obs` mean what; what is not said is taken from the file's own suggestion.
#[derive(Debug, clap::Args)]
pub struct Columns {
    /// Column of obs that names each cell's perturbation.
    #[arg(long)]
    perturbation: Option<String>,
    /// Value of that column that marks a control cell.
    #[arg(long)]
    control: Option<String>,
    /// Column of obs with each cell's library size in counts.
    #[arg(long)]
    library_size: Option<String>,
    /// Which matrix: X, raw/X, layers/<name>.
    #[arg(long)]
    matrix: Option<String>,
}

impl Columns {
    /// As preparation takes it.
    pub fn options(&self) -> PrepareOptions {
        PrepareOptions {
            matrix: self.matrix.clone(),
            perturbation_column: self.perturbation.clone(),
            control_label: self.control.clone(),
            library_size_column: self.library_size.clone(),
            ..PrepareOptions::default()
        }
    }
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

pub fn run(arguments: &Arguments) -> Result<()> {
    let bank = crate::vectors::load(&arguments.bank)?.bank;
    let device = block_on(crate::train::open_device(arguments.cpu))?;
    let predictor = Predictor::from_bytes(&crate::file::read(&arguments.checkpoint)?, &device)
        .with_context(|| arguments.checkpoint.display().to_string())?;
    let header = predictor.header();
    let options = arguments.columns.options();
    let dataset = dataset::load(&arguments.data, &options, Some(&header.genes), header.target_sum)?;
    let measured = measured(&dataset)?;
    let evaluation = block_on(evaluate(&predictor, &bank, &dataset, &measured, arguments.control_cells))?;
    if arguments.json {
        let report = json!({
            "scores": evaluation.scores, "targets": evaluation.targets, "left_out": evaluation.left_out,
        });
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&evaluation);
    }
    Ok(())
}

/// The measured response of every perturbation of the data.
pub fn measured(dataset: &Dataset) -> Result<Vec<Response>> {
    let labels = dataset.labels.as_ref().context("no perturbation labels: name the column with --perturbation")?;
    let control = dataset.mean_of(&dataset.control_rows()?).context("no control cell")?;
    Ok((0..labels.names.len())
        .filter(|&label| labels.control != Some(label))
        .filter_map(|label| Some(response(&labels.names[label], &dataset.mean_of(&dataset.rows_of(label))?, &control)))
        .collect())
}

/// Scores the model and the baselines on the targets that the checkpoint's header says were held out.
pub async fn evaluate(
    predictor: &Predictor,
    bank: &Bank,
    dataset: &Dataset,
    measured: &[Response],
    n_control_cells: usize,
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

    let rows = evenly(&dataset.control_rows()?, n_control_cells);
    let mode = header.modes.first().copied().unwrap_or(Mode::Unknown);
    let bar = dataset::progress_bar(asked.len() as u64, "predicting", "targets");
    let mut model = Vec::new();
    for (_, vector) in &asked {
        let weights = dataset.weights.as_deref();
        let mut run = predictor.predict(&dataset.expression, &rows, weights, vector, mode)?;
        while run.advance().await?.is_some() {}
        model.push(run.finish());
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

/// At most `n` of `rows`, evenly spaced: the same ones every time.
pub fn evenly(rows: &[usize], n: usize) -> Vec<usize> {
    if n == 0 || rows.len() <= n {
        return rows.to_vec();
    }
    (0..n).map(|i| rows[i * rows.len() / n]).collect()
}

fn print(evaluation: &Evaluation) {
    let pearson = |value: Option<f64>| value.map_or_else(|| "      –".into(), |value| format!("{value:7.3}"));
    println!(
        "held-out targets, change of the mean cell against control (log1p units); Pearson, then mean squared error"
    );
    for score in &evaluation.scores {
        println!("{:<18} {}  {:.5}", score.method, pearson(score.delta_pearson), score.mse);
    }
    println!();
    let names: Vec<&str> = evaluation.scores.iter().map(|score| score.method.as_str()).collect();
    println!("Pearson per target: {}", names.join(", "));
    for target in &evaluation.targets {
        let row: Vec<String> = target.delta_pearson.iter().map(|value| pearson(*value)).collect();
        println!("{:<12} {:>6} cells  {}", target.target, target.n_cells, row.join(" "));
    }
    for reason in &evaluation.left_out {
        println!("not scored: {reason}");
    }
}
