//! `waddington embed`: the embedding that a Cell-JEPA makes of each cell, as csv or h5ad; with labels, how well it keeps
//! them apart, beside simpler embeddings.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use engine::cells::data::Labels;
use engine::cells::write::h5ad::{Embedding, Frame, H5ad, Matrix, Values, write_h5ad};
use engine::conservation::{Conserved, components, conserved};
use engine::jepa::cell_jepa::CellJepa;
use engine::jepa::cell_jepa::embed::Embedder;
use engine::jepa::checkpoint::{self, Checkpoint};
use engine::jepa::device::Device;
use futures_lite::future::block_on;
use serde_json::json;

use crate::dataset::{self, Columns, Dataset};

/// Components that the embeddings are held against.
const N_COMPONENTS: usize = 50;
/// Key of the embedding in `obsm`.
const KEY: &str = "X_cell_jepa";

/// Arguments of `embed`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The checkpoint of a Cell-JEPA (.safetensors).
    #[arg(long)]
    checkpoint: PathBuf,
    /// Where the embeddings go: .h5ad (obsm) or .csv.
    #[arg(short, long)]
    out: Option<PathBuf>,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
    /// Column of obs with the kinds of cells: print AvgBIO with its parts.
    #[arg(long, value_name = "COLUMN")]
    labels: Option<String>,
    /// Score principal components and so many untrained encoders of the same sizes as well.
    #[arg(long, value_name = "SEEDS", requires = "labels", num_args = 0..=1, default_missing_value = "3")]
    compare: Option<u64>,
    #[command(flatten)]
    columns: Columns,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// An embedding with its scores.
struct Scored {
    name: String,
    scores: Vec<Conserved>,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    ensure!(arguments.out.is_some() || arguments.labels.is_some(), "nothing to do: name --out, --labels, or both");
    if let Some(path) = &arguments.out {
        is_h5ad(path)?;
        crate::file::require_new(path, arguments.force)?;
    }
    let shown = || arguments.checkpoint.display().to_string();
    let checkpoint = checkpoint::read(&crate::file::read(&arguments.checkpoint)?).with_context(shown)?;
    let device = block_on(crate::train::open_device(arguments.cpu))?;
    let embedder = Embedder::new(&checkpoint, &device).with_context(shown)?;
    let (options, join, column) = (arguments.columns.options(), arguments.columns.join, arguments.labels.as_deref());
    let (dataset, labels) = dataset::load_with_column(&arguments.data, &options, join, embedder.header(), column)?;
    let values = embed(&embedder, &dataset)?;
    if let (Some(column), Some(texts)) = (column, &labels) {
        let mut scored = vec![Scored::new("Cell-JEPA", values.clone(), embedder.width(), texts)?];
        if let Some(n_seeds) = arguments.compare {
            scored.extend(others(&checkpoint, &dataset, &device, n_seeds, texts)?);
        }
        print(&scored, column, texts, arguments.json, out)?;
    }
    if let Some(path) = &arguments.out {
        let labels = column.zip(labels.as_deref());
        let bytes = match is_h5ad(path)? {
            true => as_h5ad(&dataset, values, embedder.width(), labels, &shown())?,
            false => as_csv(&dataset, &values, embedder.width())?,
        };
        crate::file::write(path, &bytes)?;
        eprintln!("{} cells: wrote {}", dataset.cell_names.len(), path.display());
    }
    Ok(())
}

fn is_h5ad(path: &Path) -> Result<bool> {
    crate::file::require_folder(path)?;
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok(false),
        Some("h5ad") => Ok(true),
        _ => bail!("{}: embeddings are written as .csv or .h5ad", path.display()),
    }
}

/// All cells, row-major.
fn embed(embedder: &Embedder, dataset: &Dataset) -> Result<Vec<f32>> {
    let rows: Vec<usize> = (0..dataset.expression.n_cells()).collect();
    let bar = dataset::progress_bar(rows.len() as u64, "embedding", "cells");
    let mut under_way = embedder.embed(&dataset.expression, &rows)?;
    while let Some(n_done) = block_on(under_way.advance())? {
        bar.set_position(n_done as u64);
    }
    bar.finish_and_clear();
    Ok(under_way.finish())
}

impl Scored {
    fn new(name: &str, values: Vec<f32>, n_dims: usize, texts: &[String]) -> Result<Self> {
        let labels = Labels::from_names(texts.to_vec(), None);
        let scores = conserved(values, n_dims, &labels.codes).with_context(|| name.to_owned())?;
        Ok(Self { name: name.to_owned(), scores })
    }
}

/// What a trained encoder is to be better than: principal components, and itself before training.
fn others(
    checkpoint: &Checkpoint,
    dataset: &Dataset,
    device: &Device,
    n_seeds: u64,
    texts: &[String],
) -> Result<Vec<Scored>> {
    let (values, n_dims) = components(&dataset.expression, N_COMPONENTS)?;
    let mut scored = vec![Scored::new(&format!("PCA, {n_dims} components"), values, n_dims, texts)?];
    let header = &checkpoint.header;
    let config = header.cell_jepa.as_ref().context("the checkpoint is no Cell-JEPA")?;
    for seed in 0..n_seeds {
        let model = CellJepa::init(config, header.genes.len(), seed, device)?;
        let embedder = Embedder::of(&model, header, device)?;
        let values = embed(&embedder, dataset)?;
        scored.push(Scored::new(&format!("untrained, seed {seed}"), values, embedder.width(), texts)?);
    }
    Ok(scored)
}

fn print(scored: &[Scored], column: &str, texts: &[String], as_json: bool, out: &mut dyn Write) -> Result<()> {
    let n_labels = Labels::from_names(texts.to_vec(), None).names.len();
    let rows = || scored.iter().flat_map(|one| one.scores.iter().map(move |found| (&one.name, found)));
    if as_json {
        let of = |(name, found): (&String, &Conserved)| {
            let Conserved { sweep, score, resolution, n_clusters } = found;
            json!({
                "embedding": name, "clustering": sweep.label(), "chosen_by_labels": sweep.is_optimistic(),
                "avg_bio": score.mean, "nmi": score.nmi, "ari": score.ari, "asw": score.asw,
                "resolution": resolution, "n_clusters": n_clusters,
            })
        };
        let all: Vec<_> = rows().map(of).collect();
        writeln!(out, "{}", serde_json::to_string_pretty(&json!({ "labels": column, "scores": all }))?)?;
        return Ok(());
    }
    writeln!(out, "{} cells, {n_labels} labels of {column}", texts.len())?;
    writeln!(
        out,
        "{:<22} {:<34} {:>7} {:>6} {:>6} {:>6} {:>6} {:>8}",
        "embedding", "clustering", "AvgBIO", "NMI", "ARI", "ASW", "at", "clusters"
    )?;
    for (name, Conserved { sweep, score, resolution, n_clusters }) in rows() {
        writeln!(
            out,
            "{name:<22} {:<34} {:>7.4} {:>6.4} {:>6.4} {:>6.4} {resolution:>6.1} {n_clusters:>8}",
            sweep.label(),
            score.mean,
            score.nmi,
            score.ari,
            score.asw
        )?;
    }
    writeln!(out, "Where the labels choose the resolution, the numbers are optimistic.")?;
    Ok(())
}

fn as_csv(dataset: &Dataset, values: &[f32], n_dims: usize) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let head = (1..=n_dims).map(|dim| format!("cell_jepa_{dim}"));
    writer.write_record(std::iter::once("cell".to_owned()).chain(head))?;
    for (name, row) in dataset.cell_names.iter().zip(values.chunks_exact(n_dims)) {
        writer.write_record(std::iter::once(name.clone()).chain(row.iter().map(f32::to_string)))?;
    }
    Ok(writer.into_inner()?)
}

/// The cells with log1p expression of the checkpoint's genes, and their embeddings.
fn as_h5ad(
    dataset: &Dataset,
    values: Vec<f32>,
    n_dims: usize,
    labels: Option<(&str, &[String])>,
    checkpoint: &str,
) -> Result<Vec<u8>> {
    let columns = labels.map(|(name, texts)| (name.to_owned(), Values::categorical(texts)));
    let name = Path::new(checkpoint).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = H5ad {
        x: Matrix::Csr(dataset.expression.clone()),
        layers: Vec::new(),
        obs: Frame { index: dataset.cell_names.clone(), columns: columns.into_iter().collect() },
        var: Frame { index: dataset.genes.clone(), columns: Vec::new() },
        obsm: vec![Embedding { name: KEY.to_owned(), values, n_dims }],
        uns: vec![
            ("waddington/X".to_owned(), "log1p expression".to_owned()),
            ("waddington/checkpoint".to_owned(), name),
        ],
        uns_arrays: Vec::new(),
    };
    Ok(write_h5ad(&file)?)
}
