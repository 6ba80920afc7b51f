//! A data file, read and prepared for the model: log1p of counts scaled to a target sum, genes in the model's order.

use std::path::PathBuf;

use anyhow::{Context, Result};
use engine::cells::check::require_counts;
use engine::cells::counts::Counts;
use engine::cells::data::Labels;
use engine::cells::prepare::{log1p, normalize_total};
use engine::jepa::eval::response::{GroupMean, group_mean};
use indicatif::{ProgressBar, ProgressStyle};
use spec::dataset::{CellUnit, PrepareOptions};

/// Library size that cells are scaled to where neither the options nor a checkpoint says (counts).
pub const DEFAULT_TARGET_SUM: f64 = 1e4;

/// Prepared cells.
pub struct Dataset {
    /// log1p expression, `[cells, genes]`.
    pub expression: Counts,
    /// Symbols of the columns.
    pub genes: Vec<String>,
    /// Which perturbation each cell received.
    pub labels: Option<Labels>,
    /// Cells each row stands for; none for single cells.
    pub weights: Option<Vec<f64>>,
    /// Library size that cells were scaled to (counts).
    pub target_sum: f64,
}

/// Reads and prepares `paths`. With `genes`, columns are put into that order and missing ones read as 0.
pub fn load(paths: &[PathBuf], options: &PrepareOptions, genes: Option<&[String]>, target_sum: f64) -> Result<Dataset> {
    let shown = paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let opened = engine::cells::read::open(crate::file::open(paths)?, crate::file::memory_available())
        .with_context(|| shown.clone())?;
    let mut options = options.clone();
    let suggested = &opened.opened().suggested;
    if options.perturbation_column.is_none() {
        options.perturbation_column.clone_from(&suggested.perturbation_column);
        options.control_label = options.control_label.or_else(|| suggested.control_label.clone());
    }
    options.library_size_column = options.library_size_column.or_else(|| suggested.library_size_column.clone());

    let mut reading = opened.begin(&options).with_context(|| shown.clone())?;
    let bar = progress_bar(0, "reading", "cells");
    while let Some(progress) = reading.advance().with_context(|| shown.clone())? {
        bar.set_length(progress.cells_total as u64);
        bar.set_position(progress.cells_done as u64);
    }
    bar.finish_and_clear();
    let data = reading.finish().with_context(|| shown.clone())?;
    for warning in opened.opened().warnings.iter().chain(&data.warnings) {
        eprintln!("note: {warning}");
    }
    require_counts(&data, &opened.opened().matrices).with_context(|| shown.clone())?;

    // Library sizes are those of all genes of the file, so scaling comes before columns are dropped.
    let mut expression = data.counts;
    normalize_total(&mut expression, Some(target_sum), data.library_sizes.as_deref())?;
    log1p(&mut expression);
    let (expression, genes) = match genes {
        None => (expression, data.genes.symbols),
        Some(wanted) => {
            let alignment = data.genes.align(wanted).with_context(|| shown.clone())?;
            if !alignment.missing.is_empty() {
                let (n, total) = (alignment.missing.len(), wanted.len());
                eprintln!("note: {n} of the checkpoint's {total} genes are not in the file and are read as 0");
            }
            (expression.select_columns(&alignment.column_of), wanted.to_vec())
        }
    };
    let weights = data.cell_weights.filter(|_| data.unit == CellUnit::Metacell);
    Ok(Dataset { expression, genes, labels: data.perturbations, weights, target_sum })
}

impl Dataset {
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
