//! `waddington respond`: the perturbation task of a Cell-JEPA (the paper's §2.4): its encoder learns from pairs of control
//! and perturbed cells, and is scored on perturbations that were held out, beside no change and the mean of the others.
//!
//! What comes of it is scores; no checkpoint is left, as nothing else here can ask one.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use engine::jepa::cell_jepa::CellJepa;
use engine::jepa::cell_jepa::dropout::Dropout;
use engine::jepa::cell_jepa::perturbation::{self, PerturbedPairs, Perturber};
use engine::jepa::checkpoint;
use engine::jepa::device::Device;
use engine::jepa::eval::response::Response;
use engine::jepa::eval::{agreement, pearson};
use engine::jepa::model::parameters::read_back;
use engine::jepa::optim::{AdamW, AdamWConfig};
use engine::jepa::step::StepSettings;
use futures_lite::future::block_on;
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use spec::cell_jepa::{PerturbationTuning, ToldAs};

use crate::dataset::{self, Columns, Dataset};

/// First decay of AdamW, PyTorch's default.
const BETA1: f64 = 0.9;
/// Control cells that a prediction is averaged over, and how many are read at once.
const N_CONTROLS: usize = 64;
const N_AT_ONCE: usize = 8;

/// Arguments of `respond`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The checkpoint of the Cell-JEPA to begin from (.safetensors).
    #[arg(long)]
    checkpoint: PathBuf,
    /// Perturbations that are not learned from, with commas between; all that contain one of their genes are held out with it.
    #[arg(long, value_name = "A,B", value_delimiter = ',', required_unless_present = "split")]
    held_out: Vec<String>,
    /// A split of perturbations (.json or .csv), whose test perturbations are held out.
    #[arg(long, conflicts_with = "held_out")]
    split: Option<PathBuf>,
    /// Let the model tell the change instead of the perturbed value.
    #[arg(long)]
    delta: bool,
    /// Optimiser steps.
    #[arg(long, default_value_t = 500)]
    steps: usize,
    /// Pairs of a step.
    #[arg(long, default_value_t = 64)]
    batch: usize,
    /// Rate of learning.
    #[arg(long, default_value_t = 1e-4)]
    rate: f64,
    /// Genes that a step reads at most, drawn anew each time.
    #[arg(long, default_value_t = 600)]
    genes: usize,
    /// Seed of every draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    columns: Columns,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// A perturbation of the data.
struct Target {
    name: String,
    /// Its genes among the model's.
    genes: Vec<u32>,
    rows: Vec<usize>,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    ensure!(
        arguments.steps > 0 && arguments.batch > 0 && arguments.genes > 0,
        "--steps, --batch and --genes must be above 0"
    );
    ensure!(arguments.rate.is_finite() && arguments.rate > 0.0, "--rate must be above 0");
    let held_out = match &arguments.split {
        Some(split) => crate::split::held_out(split)?,
        None => arguments.held_out.clone(),
    };
    let shown = || arguments.checkpoint.display().to_string();
    let checkpoint = checkpoint::read(&crate::file::read(&arguments.checkpoint)?).with_context(shown)?;
    let device = block_on(crate::train::open_device(arguments.cpu))?;
    let (model, config) = checkpoint.build_cell_jepa(&device).with_context(shown)?;
    let header = &checkpoint.header;
    let (options, join) = (arguments.columns.options(), arguments.columns.join);
    let dataset = dataset::load(&arguments.data, &options, join, Some(header), header.target_sum)?;
    let (learned, tested) = parted(&dataset, &held_out)?;
    let told_as = if arguments.delta { ToldAs::Delta } else { ToldAs::Absolute };
    let tuning = PerturbationTuning { told_as, ..PerturbationTuning::default() };
    let task = Task { arguments, dataset: &dataset, learned: &learned, tuning: &tuning, device: &device };
    let perturber = task.trained(model, config.d_model, config.ema_decay)?;
    let scores = task.scores(&perturber, &tested)?;
    print(&scores, arguments, &learned, out)
}

/// The perturbations to learn from, and those that are held out.
fn parted(dataset: &Dataset, held_out: &[String]) -> Result<(Vec<Target>, Vec<Target>)> {
    let labels = dataset.labels.as_ref().context("no perturbation labels: name the column with --perturbation")?;
    if let Some(name) = held_out.iter().find(|name| !labels.names.contains(name)) {
        anyhow::bail!("{name} is no perturbation of the data; it has {}", labels.names.join(", "));
    }
    let parts = |name: &str| -> Vec<String> { name.split('+').map(|part| part.trim().to_owned()).collect() };
    let away: Vec<String> = held_out.iter().flat_map(|name| parts(name)).collect();
    let (mut learned, mut tested, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for (index, name) in labels.names.iter().enumerate().filter(|(index, _)| labels.control != Some(*index)) {
        let place = |part: &String| dataset.genes.iter().position(|gene| gene == part).map(|at| at as u32);
        let Some(genes) = parts(name).iter().map(place).collect::<Option<Vec<u32>>>() else {
            without.push(name.as_str());
            continue;
        };
        let target = Target { name: name.clone(), genes, rows: dataset.rows_of(index) };
        if held_out.contains(name) {
            tested.push(target);
        } else if !target.rows.is_empty() && !parts(name).iter().any(|part| away.contains(part)) {
            learned.push(target);
        }
    }
    if !without.is_empty() {
        eprintln!("note: no gene of the model, left out: {}", without.join(", "));
    }
    ensure!(!learned.is_empty(), "no perturbation is left to learn from");
    ensure!(!tested.is_empty(), "none of the perturbations that are held out is among the genes of the model");
    Ok((learned, tested))
}

/// What is trained and scored, and with what.
struct Task<'a> {
    arguments: &'a Arguments,
    dataset: &'a Dataset,
    learned: &'a [Target],
    tuning: &'a PerturbationTuning,
    device: &'a Device,
}

/// One held-out perturbation: by method, Pearson of values, and of changes.
struct Score {
    target: String,
    methods: Vec<(&'static str, Option<f64>, Option<f64>)>,
}

impl Task<'_> {
    fn trained(&self, model: CellJepa, d_model: usize, ema_decay: f64) -> Result<Perturber> {
        let Arguments { steps, batch, rate, genes: most, seed, .. } = *self.arguments;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut perturber = Perturber::init(model, d_model, seed, self.device);
        // As the paper: Adam, so without weight decay.
        let mut optimiser = AdamW::new(AdamWConfig { weight_decay: 0.0, ..AdamWConfig::default() });
        let settings = StepSettings { lr: rate, beta1: BETA1, clip_norm: Some(1.0), n_parts: 1 };
        let controls = self.dataset.control_rows()?;
        ensure!(!controls.is_empty(), "no control cell in the data: name their label with --control");
        let n_genes = self.dataset.genes.len();
        let bar = dataset::progress_bar(steps as u64, "learning", "steps");
        for step in 0..steps {
            let mut genes: Vec<u32> =
                sample(&mut rng, n_genes, most.min(n_genes)).into_iter().map(|gene| gene as u32).collect();
            let drawn: Vec<&Target> =
                (0..batch).map(|_| &self.learned[rng.random_range(0..self.learned.len())]).collect();
            // What is perturbed is always read.
            genes.extend(drawn.iter().flat_map(|target| target.genes.iter().copied()));
            genes.sort_unstable();
            genes.dedup();
            let before: Vec<usize> = (0..batch).map(|_| controls[rng.random_range(0..controls.len())]).collect();
            let after: Vec<usize> =
                drawn.iter().map(|target| target.rows[rng.random_range(0..target.rows.len())]).collect();
            let targets: Vec<Vec<u32>> = drawn.iter().map(|target| target.genes.clone()).collect();
            let pairs = self.pairs(&genes, [&before, &after], &targets)?;
            let how = (settings, ema_decay);
            let dropout = &mut Dropout::none();
            let losses = perturbation::step(&mut perturber, &mut optimiser, &pairs, self.tuning, how, dropout);
            if step % 20 == 0 || step + 1 == steps {
                let (loss, _) = block_on(losses.read())?;
                ensure!(loss.is_finite(), "the loss of step {} is not finite: lower --rate", step + 1);
                bar.println(format!("step {}/{steps}, loss {loss:.4}", step + 1));
                bar.set_position(step as u64 + 1);
            }
        }
        bar.finish_and_clear();
        Ok(perturber)
    }

    /// Pairs of these rows on these genes.
    fn pairs(&self, genes: &[u32], rows: [&[usize]; 2], targets: &[Vec<u32>]) -> Result<PerturbedPairs> {
        let expression = &self.dataset.expression;
        let values = rows.map(|rows| {
            let of_row = |row: &usize| {
                let mut dense = vec![0.0f32; expression.n_genes()];
                expression.add_row_to(*row, &mut dense);
                genes.iter().map(|gene| dense[*gene as usize]).collect::<Vec<f32>>()
            };
            rows.iter().flat_map(of_row).collect::<Vec<f32>>()
        });
        let [before, after] = &values;
        Ok(PerturbedPairs::new(genes, expression.n_genes(), [before, after], targets, self.device)?)
    }

    fn scores(&self, perturber: &Perturber, tested: &[Target]) -> Result<Vec<Score>> {
        let measured = self.dataset.measured()?;
        let of = |name: &str| measured.iter().find(|response| response.target == name);
        let others: Vec<&Response> = self.learned.iter().filter_map(|target| of(&target.name)).collect();
        let n_genes = self.dataset.genes.len();
        let mean: Vec<f32> = (0..n_genes)
            .map(|gene| others.iter().map(|response| response.delta[gene]).sum::<f32>() / others.len().max(1) as f32)
            .collect();
        let rows = self.dataset.some_control_rows(Some(N_CONTROLS))?;
        let control = self.dataset.mean_of(&self.dataset.control_rows()?).context("no control cell")?.mean;
        let genes: Vec<u32> = (0..n_genes as u32).collect();
        let mut scores = Vec::new();
        for target in tested {
            let Some(found) = of(&target.name) else { continue };
            let mut told = vec![0.0f32; n_genes];
            for rows in rows.chunks(N_AT_ONCE) {
                let targets = vec![target.genes.clone(); rows.len()];
                let pairs = self.pairs(&genes, [rows, rows], &targets)?;
                let values = block_on(read_back("the told values", perturber.predict(&pairs, self.tuning)))?;
                for row in values.chunks_exact(n_genes) {
                    told.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                }
            }
            told.iter_mut().for_each(|sum| *sum /= rows.len() as f32);
            // The change of the cells that were asked, so that which controls were drawn does not matter.
            let asked = self.dataset.mean_of(&rows).context("no control cell")?.mean;
            let change: Vec<f32> = told.iter().zip(&asked).map(|(told, control)| told - control).collect();
            let value = |delta: &[f32]| -> Vec<f32> { delta.iter().zip(&control).map(|(d, c)| d + c).collect() };
            let truth = value(&found.delta);
            let none = vec![0.0; n_genes];
            let methods = [("Cell-JEPA", &change), ("training mean", &mean), ("no change", &none)]
                .map(|(name, delta)| {
                    (name, pearson(&value(delta), &truth), agreement(name, delta, &found.delta).delta_pearson)
                })
                .to_vec();
            scores.push(Score { target: target.name.clone(), methods });
        }
        Ok(scores)
    }
}

fn print(scores: &[Score], arguments: &Arguments, learned: &[Target], out: &mut dyn Write) -> Result<()> {
    if arguments.json {
        let of = |score: &Score| {
            let methods: Vec<_> = score
                .methods
                .iter()
                .map(|(name, value, delta)| json!({ "method": name, "pearson": value, "delta_pearson": delta }))
                .collect();
            json!({ "target": score.target, "methods": methods })
        };
        let all: Vec<_> = scores.iter().map(of).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "n_learned": learned.len(), "scores": all }))?)?;
        return Ok(());
    }
    let number = |value: &Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.4}"));
    writeln!(out, "learned from {} perturbations, {} steps", learned.len(), arguments.steps)?;
    writeln!(out, "{:<20} {:<16} {:>18} {:>18}", "held out", "method", "Pearson of values", "Pearson of change")?;
    for score in scores {
        for (name, value, delta) in &score.methods {
            writeln!(out, "{:<20} {name:<16} {:>18} {:>18}", score.target, number(value), number(delta))?;
        }
    }
    writeln!(
        out,
        "Values are alike in all cells of a kind, so that no change scores high on them: look at the change."
    )?;
    Ok(())
}
