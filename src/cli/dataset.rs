//! A data file, read and prepared for the model: log1p of counts scaled to a target sum, genes in the model's order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, ensure};
use engine::cells::counts::Counts;
use engine::cells::data::{CellData, Labels};
use engine::cells::prepare::{Expressed, express};
use engine::cells::read::{OpenedFile, open_study};
use engine::jepa::eval::response::{GroupMean, Response, group_mean, response};
use engine::jepa::train::assemble::Material;
use indicatif::{ProgressBar, ProgressStyle};
use spec::checkpoint::CheckpointHeader;
use spec::dataset::{CellUnit, GeneJoin, GeneSelection, PrepareOptions};
use spec::prepare::CellFilter;

/// Library size that cells are scaled to where neither the options nor a checkpoint says (counts).
pub const DEFAULT_TARGET_SUM: f64 = 1e4;

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
    /// Which genes samples of a study share: union or intersection.
    #[arg(long, value_name = "JOIN", default_value = "union")]
    pub join: GeneJoin,
    /// Drop cells with fewer counts.
    #[arg(long, value_name = "COUNTS")]
    min_counts: Option<f64>,
    /// Drop cells with more counts.
    #[arg(long, value_name = "COUNTS")]
    max_counts: Option<f64>,
    /// Drop cells with fewer genes above 0.
    #[arg(long, value_name = "GENES")]
    min_genes: Option<u32>,
    /// Drop cells with more genes above 0.
    #[arg(long, value_name = "GENES")]
    max_genes: Option<u32>,
    /// Drop cells with more percent of their counts in mitochondrial genes.
    #[arg(long, value_name = "PERCENT")]
    max_pct_mt: Option<f64>,
}

impl Columns {
    /// As preparation takes it.
    pub fn options(&self) -> PrepareOptions {
        PrepareOptions {
            matrix: self.matrix.clone(),
            perturbation_column: self.perturbation.clone(),
            control_label: self.control.clone(),
            library_size_column: self.library_size.clone(),
            filter: CellFilter {
                min_counts: self.min_counts,
                max_counts: self.max_counts,
                min_genes: self.min_genes,
                max_genes: self.max_genes,
                max_pct_mitochondrial: self.max_pct_mt,
            },
            ..PrepareOptions::default()
        }
    }
}

/// Which genes of a file are kept, and which genes several files share.
#[derive(Debug, clap::Args)]
pub struct Genes {
    /// Genes that are kept, by symbol or id: names with commas between, or a file of names. Default: all.
    #[arg(long, value_name = "FILE|A,B,C")]
    genes: Option<String>,
    /// Which genes samples of a study share: union or intersection.
    #[arg(long, value_name = "JOIN", default_value = "union")]
    pub join: GeneJoin,
}

impl Genes {
    /// The genes that are kept.
    pub fn selection(&self) -> Result<Option<GeneSelection>> {
        let Some(genes) = &self.genes else { return Ok(None) };
        let path = Path::new(genes);
        let text = match path.is_file() {
            true => String::from_utf8(crate::file::read(path)?).with_context(|| format!("{genes} is no text"))?,
            false => genes.clone(),
        };
        let names = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|name| !name.is_empty());
        let selection = GeneSelection::new(names.map(str::to_owned).collect());
        selection.map(Some).map_err(|error| anyhow!("--genes {genes}: {error}"))
    }
}

/// Prepared cells.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// log1p expression, `[cells, genes]`.
    pub expression: Counts,
    /// Symbols of the columns.
    pub genes: Vec<String>,
    /// Their Ensembl ids, one each; empty where the file has none.
    pub gene_ids: Vec<String>,
    /// Genes of the checkpoint that the file lacks: columns of zeros.
    pub missing: Vec<usize>,
    /// Name of each cell.
    pub cell_names: Vec<String>,
    /// Which perturbation each cell received.
    pub labels: Option<Labels>,
    /// Cells each row stands for; none for single cells.
    pub weights: Option<Vec<f64>>,
    /// The batch of each cell, by code; none where no column was asked for.
    pub batches: Option<Vec<u32>>,
    /// Library size that cells were scaled to (counts).
    pub target_sum: f64,
}

/// The paths in words.
pub fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// Understands files: one matrix, or the samples of a study.
pub fn open(paths: &[PathBuf], join: GeneJoin) -> Result<OpenedFile> {
    open_study(crate::file::open(paths)?, join, crate::file::memory_available()).with_context(|| shown(paths))
}

/// The options, with the file's own suggestions where they say nothing.
pub fn completed(options: &PrepareOptions, suggested: &PrepareOptions) -> PrepareOptions {
    let mut options = options.clone();
    if options.perturbation_column.is_none() {
        options.perturbation_column.clone_from(&suggested.perturbation_column);
        options.control_label = options.control_label.or_else(|| suggested.control_label.clone());
    }
    options.matrix = options.matrix.or_else(|| suggested.matrix.clone());
    options.library_size_column = options.library_size_column.or_else(|| suggested.library_size_column.clone());
    options
}

/// Reads a matrix to its end, with the time left.
pub fn read(opened: &OpenedFile, options: &PrepareOptions) -> Result<CellData> {
    let mut reading = opened.begin(options)?;
    let bar = progress_bar(0, "reading", "cells");
    while let Some(progress) = reading.advance()? {
        bar.set_length(progress.cells_total as u64);
        bar.set_position(progress.cells_done as u64);
    }
    bar.finish_and_clear();
    Ok(reading.finish()?)
}

/// Reads and prepares `paths`. With a checkpoint's header, columns are put into the order of its genes and missing ones
/// read as 0.
pub fn load(
    paths: &[PathBuf],
    options: &PrepareOptions,
    join: GeneJoin,
    header: Option<&CheckpointHeader>,
    target_sum: f64,
) -> Result<Dataset> {
    load_with(paths, options, join, header, target_sum, MoreColumns::default())
}

/// Columns of `obs` that say more of the cells than what was done to them.
#[derive(Debug, Clone, Copy, Default)]
pub struct MoreColumns<'a> {
    /// The batch of each cell. Cells of which it says nothing are a batch of their own.
    pub batch: Option<&'a str>,
    /// `COLUMN=VALUE`: the cells with this value alone are kept; `COLUMN!=VALUE`: those with another.
    pub only: Option<&'a str>,
}

/// As [`load`], with what more columns say.
pub fn load_with(
    paths: &[PathBuf],
    options: &PrepareOptions,
    join: GeneJoin,
    header: Option<&CheckpointHeader>,
    target_sum: f64,
    more: MoreColumns<'_>,
) -> Result<Dataset> {
    let opened = open(paths, join)?;
    let options = completed(options, &opened.opened().suggested);
    let read = |column: &str| {
        let values = crate::split::column(&opened, &options, column);
        values.with_context(|| shown(paths))
    };
    let names = more.batch.map(read).transpose().context("batch_column")?;
    let only = more.only.map(|only| {
        let (column, value) = only.split_once('=').context("--only takes COLUMN=VALUE, such as cell_type=k562")?;
        let (column, is_wanted) = column.strip_suffix('!').map_or((column, true), |column| (column, false));
        Ok::<_, anyhow::Error>((read(column)?, column, value, is_wanted))
    });
    let only = only.transpose()?;
    let (mut dataset, mut kept) = prepare(paths, &opened, &options, header, target_sum)?;
    if let Some((values, column, value, is_wanted)) = only {
        let rows: Vec<usize> = (0..kept.len()).filter(|&row| (values[kept[row]] == value) == is_wanted).collect();
        let mut there: Vec<&str> = values.iter().map(String::as_str).collect();
        there.sort_unstable();
        there.dedup();
        there.truncate(20);
        ensure!(!rows.is_empty(), "no cell is left by the values of {column}; it has {}", there.join(", "));
        kept = rows.iter().map(|&row| kept[row]).collect();
        dataset = dataset.select(&rows);
    }
    dataset.batches = names.map(|names| {
        let mut codes = HashMap::new();
        let code = |&cell: &usize| {
            let next = codes.len() as u32;
            *codes.entry(names[cell].as_str()).or_insert(next)
        };
        kept.iter().map(code).collect()
    });
    Ok(dataset)
}

/// As [`load`] with a header, with a column of `obs` as text.
pub fn load_with_column(
    paths: &[PathBuf],
    options: &PrepareOptions,
    join: GeneJoin,
    header: &CheckpointHeader,
    column: Option<&str>,
) -> Result<(Dataset, Option<Vec<String>>)> {
    let opened = open(paths, join)?;
    let options = completed(options, &opened.opened().suggested);
    let texts = column.map(|column| crate::split::column(&opened, &options, column)).transpose();
    let texts = texts.with_context(|| shown(paths))?;
    let (dataset, kept) = prepare(paths, &opened, &options, Some(header), header.target_sum)?;
    Ok((dataset, texts.map(|texts| kept.iter().map(|&cell| texts[cell].clone()).collect())))
}

/// Reads and prepares an opened file; tells which of the cells that were read are kept.
fn prepare(
    paths: &[PathBuf],
    opened: &OpenedFile,
    options: &PrepareOptions,
    header: Option<&CheckpointHeader>,
    target_sum: f64,
) -> Result<(Dataset, Vec<usize>)> {
    let shown = shown(paths);
    let data = read(opened, options).with_context(|| shown.clone())?;
    let prepared = express(data, &opened.opened().matrices, options, target_sum, None);
    let (data, kept) = filtered(prepared.with_context(|| shown.clone())?, options)?;
    for warning in &data.warnings {
        eprintln!("note: {warning}");
    }

    // Library sizes are those of all genes of the file, so columns are dropped after scaling.
    let expression = data.counts;
    let (expression, genes, gene_ids, missing) = match header {
        None => (expression, data.genes.symbols, data.genes.ids.unwrap_or_default(), Vec::new()),
        Some(header) => {
            let wanted = &header.genes;
            let alignment = data.genes.align(wanted, &header.gene_ids).with_context(|| shown.clone())?;
            if !alignment.missing.is_empty() {
                let (n, total) = (alignment.missing.len(), wanted.len());
                eprintln!("note: {n} of the checkpoint's {total} genes are not in the file and are read as 0");
            }
            let missing = (0..wanted.len()).filter(|&gene| alignment.column_of[gene].is_none()).collect();
            (expression.select_columns(&alignment.column_of), wanted.clone(), header.gene_ids.clone(), missing)
        }
    };
    let weights = data.cell_weights.filter(|_| data.unit == CellUnit::Metacell);
    let labels = data.perturbations;
    let cell_names = data.barcodes;
    let batches = None;
    Ok((Dataset { expression, genes, gene_ids, missing, cell_names, labels, weights, batches, target_sum }, kept))
}

/// The cells within the bounds, and which they are.
fn filtered(prepared: Expressed, options: &PrepareOptions) -> Result<(CellData, Vec<usize>)> {
    let kept = prepared.kept(options);
    let n_read = prepared.data.counts.n_cells();
    ensure!(!kept.is_empty() || n_read == 0, "the filters drop all {n_read} cells: widen the bounds");
    if kept.len() == n_read {
        return Ok((prepared.data, kept));
    }
    eprintln!("note: the filters drop {} of {n_read} cells", n_read - kept.len());
    Ok((prepared.data.select(&kept), kept))
}

impl Dataset {
    /// The given rows, in the given order; labels that none of them carries are dropped, but for the control.
    fn select(self, rows: &[usize]) -> Self {
        let labels = self.labels.map(|labels| {
            let labels = labels.select(rows);
            let control = labels.control.map(|control| labels.names[control].clone());
            let of_cells = labels.codes.iter().map(|&code| labels.names[code as usize].clone()).collect();
            Labels::from_names(of_cells, control.as_deref())
        });
        let of = |weights: Vec<f64>| rows.iter().map(|&row| weights[row]).collect();
        Self { expression: self.expression.select_rows(rows), labels, weights: self.weights.map(of), ..self }
    }

    /// As training takes it.
    pub fn material(self) -> Material {
        Material {
            expression: self.expression,
            genes: self.genes,
            gene_ids: self.gene_ids,
            labels: self.labels,
            batches: self.batches,
            cells_per_row: self.weights,
            target_sum: self.target_sum,
        }
    }

    /// The rows of a label, by its index.
    pub fn rows_of(&self, label: usize) -> Vec<usize> {
        self.labels.as_ref().map_or_else(Vec::new, |labels| labels.cells_of(label))
    }

    /// The control rows: those of the control label, or all where there are no labels.
    pub fn control_rows(&self) -> Result<Vec<usize>> {
        let Some(labels) = &self.labels else {
            return Ok((0..self.expression.n_cells()).collect());
        };
        let control = labels.control.context("no control label: name it with --control")?;
        Ok(labels.cells_of(control))
    }

    /// The control rows, at most `n` of them, evenly spaced: the same ones every time.
    pub fn some_control_rows(&self, n: Option<usize>) -> Result<Vec<usize>> {
        let rows = self.control_rows()?;
        ensure!(!rows.is_empty(), "no control cell in the data: name their label with --control");
        Ok(match n {
            Some(n) if n < rows.len() => (0..n).map(|i| rows[i * rows.len() / n]).collect(),
            _ => rows,
        })
    }

    /// What some control rows are: `300 control cells`, or `60 control metacells (2386 cells)`.
    pub fn describe_controls(&self, rows: &[usize]) -> String {
        match &self.weights {
            None => format!("{} control cells", rows.len()),
            Some(weights) => {
                let n_cells: f64 = rows.iter().map(|&row| weights[row]).sum();
                format!("{} control metacells ({n_cells:.0} cells)", rows.len())
            }
        }
    }

    /// The measured response of every perturbation of the data.
    pub fn measured(&self) -> Result<Vec<Response>> {
        let labels = self.labels.as_ref().context("no perturbation labels: name the column with --perturbation")?;
        let control = self.mean_of(&self.control_rows()?).context("no control cell")?;
        let measured = |label: usize| {
            let perturbed = self.mean_of(&self.rows_of(label))?;
            Some(response(&labels.names[label], &perturbed, &control).without(self.missing.iter().copied()))
        };
        Ok((0..labels.names.len()).filter(|&label| labels.control != Some(label)).filter_map(measured).collect())
    }

    /// The mean of some rows with its error; none where there is no row.
    pub fn mean_of(&self, rows: &[usize]) -> Option<GroupMean> {
        let n_genes = self.expression.n_genes();
        group_mean(
            n_genes,
            rows.iter().map(|&row| {
                let mut dense = vec![0.0; n_genes];
                self.expression.add_row_to(row, &mut dense);
                (dense, self.weights.as_ref().map_or(1.0, |weights| weights[row]))
            }),
        )
    }
}

/// A bar with the time left; it draws on stderr, and not at all where that is no terminal.
pub fn progress_bar(total: u64, task: &str, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = format!("{task} {{bar:30}} {{pos}}/{{len}} {unit}, {{eta}} left {{msg}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
