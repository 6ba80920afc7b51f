//! `waddington inspect`: what a file holds, without preparing it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;
use spec::dataset::{ColumnKind, Opened, PrepareOptions};

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file, or the files that make one matrix (matrix.mtx, barcodes, features).
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The values of the default matrix.
struct Values {
    n_nonzero: usize,
    sum: f64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let shown = arguments.files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    let opened = engine::cells::read::open(crate::file::open(&arguments.files)?, crate::file::memory_available())
        .with_context(|| shown.clone())?;
    let mut reading = opened.begin(&PrepareOptions::default()).with_context(|| shown.clone())?;
    let bar = crate::dataset::progress_bar(0, "reading", "cells");
    while let Some(progress) = reading.advance().with_context(|| shown.clone())? {
        bar.set_length(progress.cells_total as u64);
        bar.set_position(progress.cells_done as u64);
    }
    bar.finish_and_clear();
    let data = reading.finish().with_context(|| shown.clone())?;
    let values = Values { n_nonzero: data.counts.n_nonzero(), sum: data.counts.sum() };
    let warnings: Vec<&String> = opened.opened().warnings.iter().chain(&data.warnings).collect();
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&as_json(opened.opened(), &values, &warnings))?);
    } else {
        print(opened.opened(), &values, &warnings);
    }
    Ok(())
}

fn as_json(opened: &Opened, values: &Values, warnings: &[&String]) -> serde_json::Value {
    let matrix = &opened.matrices[0];
    json!({
        "name": opened.name,
        "format": opened.format,
        "format_label": opened.format.label(),
        "n_bytes": opened.n_bytes,
        "matrix": matrix.name,
        "n_cells": matrix.n_cells,
        "n_genes": matrix.n_genes,
        "n_nonzero": values.n_nonzero,
        "sum": values.sum,
        "matrices": opened.matrices,
        "columns": opened.columns,
        "first_genes": opened.first_genes,
        "suggested": opened.suggested,
        "bytes_needed": opened.bytes_needed,
        "bytes_available": opened.bytes_available,
        "warnings": warnings,
    })
}

fn print(opened: &Opened, values: &Values, warnings: &[&String]) {
    let matrix = &opened.matrices[0];
    println!("{}: {}, {}", opened.name, opened.format.label(), bytes(opened.n_bytes));
    println!("cells      {}", matrix.n_cells);
    println!("genes      {} ({}, …)", matrix.n_genes, opened.first_genes.join(", "));
    println!("non-zeros  {}", values.n_nonzero);
    println!("sum        {} ({})", values.sum, matrix.name);
    println!("memory     {} needed, {} available", bytes(opened.bytes_needed), bytes(opened.bytes_available));
    println!("matrices");
    for matrix in &opened.matrices {
        let (encoding, shape) = (format!("{:?}", matrix.encoding), (matrix.n_cells, matrix.n_genes));
        println!("  {}: {} x {}, {}, {}", matrix.name, shape.0, shape.1, encoding.to_lowercase(), matrix.dtype);
    }
    println!("columns of obs");
    for column in &opened.columns {
        match &column.kind {
            ColumnKind::Labels { n_distinct, values } => {
                let first: Vec<String> = values.iter().take(4).map(|(value, n)| format!("{value} ({n})")).collect();
                let more = if *n_distinct > first.len() { ", …" } else { "" };
                println!("  {}: {n_distinct} labels: {}{more}", column.name, first.join(", "));
            }
            ColumnKind::Numbers { min: Some(min), max: Some(max) } => println!("  {}: {min} to {max}", column.name),
            ColumnKind::Numbers { .. } => println!("  {}: no finite number", column.name),
        }
    }
    for warning in warnings {
        println!("note: {warning}");
    }
}

fn bytes(n: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (n as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{n} bytes") } else { format!("{value:.1} {}", units[unit]) }
}
