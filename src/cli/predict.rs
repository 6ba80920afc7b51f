//! `waddington predict`: the mean response of a file's control cells to one perturbation, as csv or h5ad.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use engine::cells::write::h5ad::{Frame, H5ad, Matrix, Values, write_h5ad};
use engine::jepa::eval::baselines::training_mean;
use engine::jepa::eval::response::{GroupMean, Response};
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use spec::model::Mode;

use crate::dataset::{self, Dataset};
use crate::evaluate::{Columns, evenly};

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file with the control cells, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The checkpoint (.safetensors).
    #[arg(long)]
    checkpoint: PathBuf,
    /// Perturbation vectors by gene (.npz or .safetensors).
    #[arg(long)]
    bank: PathBuf,
    /// Symbol of the perturbed gene.
    #[arg(long)]
    target: String,
    /// How it is perturbed: crispri, crispra, overexpression, knockout, …. Default: the checkpoint's first mode.
    #[arg(long)]
    mode: Option<String>,
    /// Where the prediction goes: .csv or .h5ad.
    #[arg(short, long)]
    out: PathBuf,
    #[command(flatten)]
    columns: Columns,
    /// At most this many control cells, evenly spaced. Default: all.
    #[arg(long, default_value_t = 0)]
    control_cells: usize,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// One column per gene; all in log1p units.
struct Table {
    control: GroupMean,
    predicted: Vec<f32>,
    training_mean: Option<Vec<f32>>,
    measured: Option<Response>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let bank = crate::vectors::load(&arguments.bank)?.bank;
    let vector = bank.vector(&arguments.target).with_context(|| {
        format!("the bank has no vector of {}; check the symbol (HGNC, capitals for human genes)", arguments.target)
    })?;
    let device = block_on(crate::train::open_device(arguments.cpu))?;
    let predictor = Predictor::from_bytes(&crate::file::read(&arguments.checkpoint)?, &device)
        .with_context(|| arguments.checkpoint.display().to_string())?;
    let header = predictor.header().clone();
    let mode = match &arguments.mode {
        Some(name) => parse_mode(name)?,
        None => header.modes.first().copied().unwrap_or(Mode::Unknown),
    };
    if !header.modes.contains(&mode) {
        eprintln!("note: the checkpoint was not trained on {}; expect nothing of it", mode.label());
    }
    let options = arguments.columns.options();
    let dataset = dataset::load(&arguments.data, &options, Some(&header.genes), header.target_sum)?;
    let rows = evenly(&dataset.control_rows()?, arguments.control_cells);
    ensure!(!rows.is_empty(), "no control cell in the data");
    let predicted = block_on(predict(&predictor, &dataset, &rows, &vector, mode))?;
    let table = table(&dataset, &rows, predicted, &arguments.target, &header.seen)?;
    match arguments.out.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => crate::file::write(&arguments.out, &as_csv(&header.genes, &table)?)?,
        Some("h5ad") => crate::file::write(&arguments.out, &as_h5ad(&header.genes, &table, arguments)?)?,
        _ => bail!("{}: the prediction is written as .csv or .h5ad", arguments.out.display()),
    }
    eprintln!("{} control cells, {} genes: wrote {}", rows.len(), header.genes.len(), shown(&arguments.out));
    Ok(())
}

fn parse_mode(name: &str) -> Result<Mode> {
    let quoted = serde_json::Value::String(name.to_lowercase());
    serde_json::from_value(quoted).map_err(|_| {
        let known: Vec<String> = Mode::ALL.iter().map(|mode| mode.label().to_lowercase()).collect();
        anyhow::anyhow!("{name} is no mode; the modes are {}", known.join(", "))
    })
}

async fn predict(
    predictor: &Predictor,
    dataset: &Dataset,
    rows: &[usize],
    vector: &[f32],
    mode: Mode,
) -> Result<Vec<f32>> {
    let bar = dataset::progress_bar(rows.len() as u64, "predicting", "cells");
    let mut run = predictor.predict(&dataset.expression, rows, dataset.weights.as_deref(), vector, mode)?;
    while let Some(n_done) = run.advance().await? {
        bar.set_position(n_done as u64);
    }
    bar.finish_and_clear();
    Ok(run.finish())
}

fn table(dataset: &Dataset, rows: &[usize], predicted: Vec<f32>, target: &str, seen: &[String]) -> Result<Table> {
    let control = dataset.mean_of(rows).context("no control cell with a weight")?;
    let has_perturbed =
        dataset.labels.as_ref().is_some_and(|labels| labels.control.is_some() && labels.names.len() > 1);
    let measured = if has_perturbed { crate::evaluate::measured(dataset)? } else { Vec::new() };
    let training: Vec<&[f32]> =
        measured.iter().filter(|response| seen.contains(&response.target)).map(|r| r.delta.as_slice()).collect();
    Ok(Table {
        control,
        predicted,
        training_mean: training_mean(&training),
        measured: measured.iter().find(|response| response.target == target).cloned(),
    })
}

fn as_csv(genes: &[String], table: &Table) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = ["gene", "control_mean", "predicted_delta", "training_mean_delta", "measured_delta", "standard_error"];
    writer.write_record(header)?;
    let optional = |values: Option<&Vec<f32>>, gene: usize| values.map_or_else(String::new, |v| v[gene].to_string());
    for (gene, symbol) in genes.iter().enumerate() {
        writer.write_record([
            symbol.clone(),
            table.control.mean[gene].to_string(),
            table.predicted[gene].to_string(),
            optional(table.training_mean.as_ref(), gene),
            optional(table.measured.as_ref().map(|r| &r.delta), gene),
            optional(table.measured.as_ref().map(|r| &r.standard_error), gene),
        ])?;
    }
    Ok(writer.into_inner()?)
}

/// Rows `control` and `predicted`, and `measured` where there is one: mean log1p expression.
fn as_h5ad(genes: &[String], table: &Table, arguments: &Arguments) -> Result<Vec<u8>> {
    let plus = |delta: &[f32]| table.control.mean.iter().zip(delta).map(|(c, d)| c + d).collect::<Vec<f32>>();
    let mut rows = vec![("control", table.control.mean.clone()), ("predicted", plus(&table.predicted))];
    if let Some(measured) = &table.measured {
        rows.push(("measured", plus(&measured.delta)));
    }
    let names: Vec<String> = rows.iter().map(|(name, _)| (*name).to_owned()).collect();
    let target =
        names.iter().map(|n| if n == "control" { n.clone() } else { arguments.target.clone() }).collect::<Vec<_>>();
    let file = H5ad {
        x: Matrix::Dense {
            n_obs: rows.len(),
            n_vars: genes.len(),
            values: rows.into_iter().flat_map(|(_, values)| values).collect(),
        },
        obs: Frame { index: names, columns: vec![("perturbation".into(), Values::categorical(&target))] },
        var: Frame { index: genes.to_vec(), columns: Vec::new() },
        obsm: Vec::new(),
        uns: vec![("waddington/X".to_owned(), "mean of log1p expression".to_owned())],
    };
    Ok(write_h5ad(&file)?)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
