//! `waddington inspect`: what a file holds, without preparing it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::json;
use spec::dataset::{CellUnit, ColumnKind, Opened, PrepareOptions};
use spec::labels::ColumnSuggestion;

use crate::dataset;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file, or the files that make one matrix (matrix.mtx, barcodes, features); a table beside them holds labels.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    genes: dataset::Genes,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The values of the default matrix.
struct Values {
    n_nonzero: usize,
    sum: f64,
    unit: CellUnit,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let opened = dataset::open(&arguments.files, arguments.genes.join)?;
    let suggestions = opened.suggest_columns().with_context(|| dataset::shown(&arguments.files))?;
    if !arguments.json {
        // What is known from the metadata is said before the values are read, which may take long.
        print_plan(opened.opened(), out)?;
        print_suggestions(&suggestions, out)?;
        out.flush()?;
    }
    let options = PrepareOptions { genes: arguments.genes.selection()?, ..PrepareOptions::default() };
    let data = dataset::read(&opened, &options).with_context(|| dataset::shown(&arguments.files))?;
    let values = Values { n_nonzero: data.counts.n_nonzero(), sum: data.counts.sum(), unit: data.unit };
    let warnings: Vec<&String> = data.warnings.iter().collect();
    if arguments.json {
        writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&as_json(opened.opened(), &suggestions, &values, &warnings))?
        )?;
    } else {
        print_values(opened.opened(), &values, &warnings, out)?;
    }
    Ok(())
}

fn as_json(
    opened: &Opened,
    suggestions: &[ColumnSuggestion],
    values: &Values,
    warnings: &[&String],
) -> serde_json::Value {
    let matrix = &opened.matrices[0];
    json!({
        "name": opened.name,
        "format": opened.format,
        "format_label": opened.format.label(),
        "n_bytes": opened.n_bytes,
        "matrix": matrix.name,
        "unit": values.unit,
        "n_cells": matrix.n_cells,
        "n_genes": matrix.n_genes,
        "n_nonzero": values.n_nonzero,
        "sum": values.sum,
        "matrices": opened.matrices,
        "columns": opened.columns,
        "first_genes": opened.first_genes,
        "suggested": opened.suggested,
        "perturbation_columns": suggestions,
        "bytes_needed": opened.bytes_needed,
        "bytes_available": opened.bytes_available,
        "warnings": warnings,
    })
}

fn print_plan(opened: &Opened, out: &mut dyn Write) -> std::io::Result<()> {
    let matrix = &opened.matrices[0];
    writeln!(out, "{}: {}, {}", opened.name, opened.format.label(), bytes(opened.n_bytes))?;
    let unit = match opened.unit {
        CellUnit::Cell => "",
        CellUnit::Metacell => " metacells, each the mean of several cells",
    };
    writeln!(out, "cells      {}{unit}", matrix.n_cells)?;
    writeln!(out, "genes      {} ({}, …)", matrix.n_genes, opened.first_genes.join(", "))?;
    writeln!(out, "memory     {} needed, {} available", bytes(opened.bytes_needed), bytes(opened.bytes_available))?;
    writeln!(out, "matrices")?;
    for matrix in &opened.matrices {
        let (encoding, shape) = (format!("{:?}", matrix.encoding), (matrix.n_cells, matrix.n_genes));
        writeln!(out, "  {}: {} x {}, {}, {}", matrix.name, shape.0, shape.1, encoding.to_lowercase(), matrix.dtype)?;
    }
    writeln!(out, "columns of obs")?;
    for column in &opened.columns {
        match &column.kind {
            ColumnKind::Labels { n_distinct, values } => {
                let first: Vec<String> = values.iter().take(4).map(|(value, n)| format!("{value} ({n})")).collect();
                let more = if *n_distinct > first.len() { ", …" } else { "" };
                writeln!(out, "  {}: {n_distinct} labels: {}{more}", column.name, first.join(", "))?;
            }
            ColumnKind::Numbers { min: Some(min), max: Some(max) } => {
                writeln!(out, "  {}: {min} to {max}", column.name)?
            }
            ColumnKind::Numbers { .. } => writeln!(out, "  {}: no finite number", column.name)?,
        }
    }
    Ok(())
}

/// The columns that may hold the perturbations, with what speaks for each.
fn print_suggestions(suggestions: &[ColumnSuggestion], out: &mut dyn Write) -> std::io::Result<()> {
    let likely: Vec<&ColumnSuggestion> = suggestions.iter().filter(|column| column.score >= 0.5).collect();
    if !likely.is_empty() {
        writeln!(out, "columns that look like perturbations")?;
    }
    for ColumnSuggestion { column, score, reasons, controls } in likely {
        let control = controls.first().map_or_else(String::new, |control| format!("; control {}", control.label));
        writeln!(out, "  {column} ({score:.2}): {}{control}", reasons.join(", "))?;
    }
    Ok(())
}

fn print_values(opened: &Opened, values: &Values, warnings: &[&String], out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(out, "values of {}", opened.matrices[0].name)?;
    writeln!(out, "  non-zeros {}", values.n_nonzero)?;
    writeln!(out, "  sum       {}", values.sum)?;
    for warning in warnings {
        writeln!(out, "note: {warning}")?;
    }
    Ok(())
}

fn bytes(n: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let (mut value, mut unit) = (n as f64, 0);
    while value >= 1024.0 && unit + 1 < units.len() {
        (value, unit) = (value / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{n} bytes") } else { format!("{value:.1} {}", units[unit]) }
}
