//! `waddington predict`: the mean response of a file's control cells to one perturbation, as csv or h5ad.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use engine::cells::write::h5ad::{Frame, H5ad, Matrix, Values, write_h5ad};
use engine::intervals::Known;
use engine::jepa::bank::Bank;
use engine::jepa::eval::baselines::means::additive;
use engine::jepa::eval::baselines::training_mean;
use engine::jepa::eval::response::{GroupMean, Response};
use futures_lite::future::block_on;
use spec::model::Mode;
use spec::prediction::{Query, Uncertainty};

use crate::dataset::{self, Columns, Dataset};
use crate::model::{ModelArguments, mean_response};

/// Arguments of `predict`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file with the control cells, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelArguments,
    /// Symbol of the perturbed gene, or of several that are perturbed together: `A+B`.
    #[arg(long)]
    target: String,
    /// How it is perturbed: crispri, crispra, overexpression, knockout, …. Default: the checkpoint's first mode.
    #[arg(long, value_parser = parse_mode)]
    mode: Option<Mode>,
    /// Where the prediction goes: .csv or .h5ad.
    #[arg(short, long)]
    out: PathBuf,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    columns: Columns,
    /// At most this many control cells, evenly spaced. Default: all.
    #[arg(long)]
    control_cells: Option<usize>,
}

/// How the prediction is written.
#[derive(Debug, Clone, Copy)]
enum Format {
    Csv,
    H5ad,
}

/// The answer; vectors hold one value per gene, in log1p units.
struct Table {
    control: GroupMean,
    predicted: Vec<f32>,
    /// Half widths of the intervals around it; none without enough held-out perturbations in the data.
    half_width: Option<Vec<f32>>,
    /// Cells that the prediction was averaged over.
    n_predicted: usize,
    training_mean: Option<Vec<f32>>,
    /// Of a combination, the sum of the changes measured for its genes alone; the training mean for those that were not.
    additive: Option<Vec<f32>>,
    measured: Option<Response>,
    /// All responses of the data.
    responses: Vec<Response>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let format = format_of(&arguments.out)?;
    crate::file::require_new(&arguments.out, arguments.force)?;
    let bank = arguments.model.bank()?;
    let predictor = arguments.model.predictor()?;
    let header = predictor.header().clone();
    let mode = arguments
        .mode
        .or(header.modes.first().copied())
        .context("the checkpoint has no record of how its perturbations acted: say it with --mode")?;
    if !header.modes.is_empty() && !header.modes.contains(&mode) {
        eprintln!("note: the checkpoint was not trained on {}; expect nothing of it", mode.label());
    }
    let query = question(&arguments.target, mode)?;
    let asked = vectors(&bank, &query)?;
    if asked.len() > 1 {
        eprintln!("note: the model reads one perturbation at a time: its answers to each gene alone are added");
    }
    let options = arguments.columns.options();
    let dataset = dataset::load(&arguments.data, &options, arguments.columns.join, Some(&header), header.target_sum)?;
    if dataset.labels.is_none() {
        eprintln!("note: the file names no perturbations: every cell is taken for a control cell");
    }
    let rows = dataset.some_control_rows(arguments.control_cells)?;
    let bar = dataset::progress_bar((rows.len() * asked.len()) as u64, "predicting", "cells");
    let mut predicted = vec![0.0; header.genes.len()];
    for (nth, (gene, vector)) in asked.iter().enumerate() {
        let report = |n_done| bar.set_position((nth * rows.len() + n_done) as u64);
        let alone = block_on(mean_response(&predictor, &dataset, &rows, (gene, vector), mode, report))?;
        predicted.iter_mut().zip(alone).for_each(|(sum, value)| *sum += value);
    }
    bar.finish_and_clear();
    let mut table = table(&dataset, &rows, predicted, &query, &header.seen)?;
    let known = Known {
        predictor: &predictor,
        bank: &bank,
        source: "the data",
        control_mean: &table.control.mean,
        responses: &table.responses,
    };
    match block_on(known.uncertainty(&query))? {
        Uncertainty::Intervals(intervals) => table.half_width = Some(intervals.half_width),
        Uncertainty::Unknown { reason } => eprintln!("note: {reason}"),
    }
    let bytes = match format {
        Format::Csv => as_csv(&header.genes, &table)?,
        Format::H5ad => as_h5ad(&header.genes, &table, &arguments.target, mode)?,
    };
    crate::file::write(&arguments.out, &bytes)?;
    let (controls, n_genes) = (dataset.describe_controls(&rows), header.genes.len());
    eprintln!("{controls}, {n_genes} genes: wrote {}", arguments.out.display());
    Ok(())
}

/// The genes of a target, parted by `+`.
fn question(target: &str, mode: Mode) -> Result<Query> {
    let mut genes: Vec<String> = target.split('+').map(|gene| gene.trim().to_owned()).collect();
    genes.sort();
    ensure!(genes.iter().all(|gene| !gene.is_empty()), "--target {target}: name a gene on both sides of each +");
    if let Some(twice) = genes.windows(2).find(|two| two[0] == two[1]) {
        bail!("--target {target}: {} is named twice; name each gene of a combination once", twice[0]);
    }
    let first = genes.remove(0);
    Ok(Query { with: genes, ..Query::of(first, mode) })
}

/// The genes of a question with their vectors.
fn vectors(bank: &Bank, query: &Query) -> Result<Vec<(String, Vec<f32>)>> {
    let vector = |gene: &str| {
        let found = bank.vector(gene).with_context(|| {
            format!("the bank has no vector of {gene}; check the symbol (HGNC, capitals for human genes)")
        });
        found.map(|vector| (gene.to_owned(), vector))
    };
    query.genes().map(vector).collect()
}

/// How `out` is written, by its ending; looked at before any work is done.
fn format_of(out: &Path) -> Result<Format> {
    crate::file::require_folder(out)?;
    match out.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(Format::Csv),
        Some("h5ad") => Ok(Format::H5ad),
        _ => bail!("{}: the prediction is written as .csv or .h5ad", out.display()),
    }
}

fn parse_mode(name: &str) -> Result<Mode, String> {
    let quoted = serde_json::Value::String(name.to_lowercase());
    serde_json::from_value(quoted).map_err(|_| {
        let known: Vec<String> = Mode::ALL.iter().map(|mode| mode.label().to_lowercase()).collect();
        format!("the modes are {}", known.join(", "))
    })
}

fn table(dataset: &Dataset, rows: &[usize], predicted: Vec<f32>, query: &Query, seen: &[String]) -> Result<Table> {
    // Change is against all control cells, as in the measured response, also where some were enough to predict from.
    let mut control = dataset.mean_of(&dataset.control_rows()?).context("no control cell with a weight")?;
    dataset.missing.iter().for_each(|&gene| control.mean[gene] = f32::NAN);
    let n_predicted = dataset.mean_of(rows).context("no control cell with a weight")?.n_cells;
    let has_perturbed =
        dataset.labels.as_ref().is_some_and(|labels| labels.control.is_some() && labels.names.len() > 1);
    let measured = if has_perturbed { dataset.measured()? } else { Vec::new() };
    let training: Vec<&[f32]> =
        measured.iter().filter(|response| seen.contains(&response.target)).map(|r| r.delta.as_slice()).collect();
    ensure!(predicted.len() == control.mean.len(), "the prediction has another number of genes than the control");
    let training_mean = training_mean(&training);
    let alone = |gene| measured.iter().find(|response| response.target == gene).map(|r| r.delta.as_slice());
    let parts: Vec<Option<&[f32]>> = query.genes().map(alone).collect();
    let can_add = parts.len() > 1 && parts.iter().any(Option::is_some);
    let fallback = training_mean.as_deref().filter(|_| can_add);
    Ok(Table {
        control,
        predicted,
        half_width: None,
        n_predicted,
        additive: fallback.and_then(|mean| additive(&parts, mean)).map(|(sum, _)| sum),
        training_mean,
        measured: measured.iter().find(|response| query.is_of(&response.target)).cloned(),
        responses: measured,
    })
}

impl Table {
    /// The columns of both formats, those of the app's csv: name and one value per gene, in log1p units.
    fn columns(&self) -> Vec<(&'static str, Option<&[f32]>)> {
        let mut columns = vec![
            ("control_mean_log1p", Some(self.control.mean.as_slice())),
            ("predicted_change_log1p", Some(self.predicted.as_slice())),
            ("interval_half_width_log1p", self.half_width.as_deref()),
            ("training_mean_change_log1p", self.training_mean.as_deref()),
            ("measured_change_log1p", self.measured.as_ref().map(|measured| measured.delta.as_slice())),
            ("measured_standard_error_log1p", self.measured.as_ref().map(|m| m.standard_error.as_slice())),
        ];
        columns.extend(self.additive.as_deref().map(|sum| ("additive_change_log1p", Some(sum))));
        columns
    }
}

fn as_csv(genes: &[String], table: &Table) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let columns = table.columns();
    writer.write_record(std::iter::once("gene").chain(columns.iter().map(|(name, _)| *name)))?;
    for (gene, symbol) in genes.iter().enumerate() {
        let values = columns.iter().map(|(_, values)| written(values.map(|values| values[gene])));
        writer.write_record(std::iter::once(symbol.clone()).chain(values))?;
    }
    Ok(writer.into_inner()?)
}

/// Empty where nothing was measured.
fn written(value: Option<f32>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(String::new, |value| value.to_string())
}

/// Rows `control` and `predicted`, and `measured` where there is one: mean log1p expression. The changes are columns of
/// `var`.
fn as_h5ad(genes: &[String], table: &Table, target: &str, mode: Mode) -> Result<Vec<u8>> {
    let plus = |delta: &[f32]| table.control.mean.iter().zip(delta).map(|(c, d)| c + d).collect::<Vec<f32>>();
    let mut rows = vec![
        ("control", "control", table.control.n_cells, table.control.mean.clone()),
        ("predicted", target, table.n_predicted, plus(&table.predicted)),
    ];
    if let Some(measured) = &table.measured {
        rows.push(("measured", target, measured.n_cells, plus(&measured.delta)));
    }
    let perturbation: Vec<&str> = rows.iter().map(|(_, perturbation, ..)| *perturbation).collect();
    let obs = vec![
        ("perturbation".to_owned(), Values::categorical(&perturbation)),
        ("n_cells_averaged".to_owned(), Values::I64(rows.iter().map(|(_, _, n_cells, _)| *n_cells as i64).collect())),
    ];
    let present = table.columns().into_iter().filter_map(|(name, values)| Some((name, values?)));
    let var = present.map(|(name, values)| (name.to_owned(), Values::F32(values.to_vec()))).collect();
    let text = |key: &str, value: &str| (format!("waddington/{key}"), value.to_owned());
    let file = H5ad {
        obs: Frame { index: rows.iter().map(|(name, ..)| (*name).to_owned()).collect(), columns: obs },
        var: Frame { index: genes.to_vec(), columns: var },
        layers: Vec::new(),
        obsm: Vec::new(),
        uns: vec![text("X", "mean of log1p expression"), text("target", target), text("mode", mode.label())],
        uns_arrays: Vec::new(),
        x: Matrix::Dense {
            n_obs: rows.len(),
            n_vars: genes.len(),
            values: rows.into_iter().flat_map(|(.., values)| values).collect(),
        },
    };
    Ok(write_h5ad(&file)?)
}
