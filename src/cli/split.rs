//! `waddington split`: what a model learns from and what it is tested on, as GEARS parts it or otherwise, and what the
//! parts share that they should not.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::cells::data::CellData;
use engine::cells::read::OpenedFile;
use engine::cells::split::file::{Named, from_csv, from_json, to_csv, to_json};
use engine::cells::split::leakage::{Parted, check};
use engine::cells::split::{by_column, conditions_of, fold, gears, leave_target_out, parts_of_cells};
use spec::dataset::PrepareOptions;
use spec::split::{GearsKind, GearsOptions, Leakage, Part, Severity, Split};

use crate::dataset::{self, Columns};

/// Arguments of `split`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The data file, or the files that make one matrix.
    #[arg(required = true)]
    data: Vec<PathBuf>,
    #[command(flatten)]
    how: How,
    /// Seed of the draw.
    #[arg(long, default_value_t = 1)]
    seed: u32,
    /// Column of obs with the guide of each cell, to be looked for in both training and test.
    #[arg(long)]
    guides: Option<String>,
    /// Where the split goes: .json or .csv.
    #[arg(short, long)]
    out: Option<PathBuf>,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    columns: Columns,
}

/// How cells or perturbations are parted.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct How {
    /// As GEARS does: simulation, simulation_single, combo_seen0, combo_seen1, combo_seen2, single, single_only, no_test,
    /// no_split.
    #[arg(long, value_parser = parse_kind)]
    gears: Option<GearsKind>,
    /// This target, alone and in combinations, is the test.
    #[arg(long, value_name = "TARGET")]
    leave_out: Option<String>,
    /// The cells with this value in a column of obs are the test.
    #[arg(long, value_name = "COLUMN=VALUE")]
    test: Option<String>,
    /// The k-th of n folds of cells is the test, from 1.
    #[arg(long, value_name = "K/N")]
    fold: Option<String>,
    /// A split that is there already (.json or .csv): say what its parts share.
    #[arg(long)]
    check: Option<PathBuf>,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    if let Some(path) = &arguments.out {
        written_as(path)?;
        crate::file::require_folder(path)?;
        crate::file::require_new(path, arguments.force)?;
    }
    let opened = dataset::open(&arguments.data, arguments.columns.join)?;
    let options = dataset::completed(&arguments.columns.options(), &opened.opened().suggested);
    let data = dataset::read(&opened, &options).with_context(|| dataset::shown(&arguments.data))?;
    let split = split(arguments, &opened, &options, &data)?;
    let parts = parts_of_cells(&split, &data.barcodes, data.perturbations.as_ref())?;
    let guides = arguments.guides.as_ref().map(|name| column(&opened, &options, name)).transpose()?;
    let leakage = check(&Parted {
        kind: &split.kind,
        parts: &parts,
        barcodes: &data.barcodes,
        labels: data.perturbations.as_ref(),
        guides: guides.as_deref(),
        counts: Some(&data.counts),
    })?;
    print(&parts, &leakage, out)?;
    if let Some(path) = &arguments.out {
        let text = if written_as(path)? == "csv" { to_csv(&split)? } else { to_json(&split)? };
        crate::file::write(path, text.as_bytes())?;
        eprintln!("wrote {}", path.display());
    }
    Ok(())
}

/// The targets that a split tests, to be held out of training.
pub fn held_out(path: &Path) -> Result<Vec<String>> {
    let spec::split::Members::Conditions { parts, .. } = read(path)?.members else {
        bail!("{} parts cells; training holds out whole perturbations", path.display());
    };
    Ok(parts.into_iter().filter(|(_, part)| *part == Part::Test).map(|(name, _)| name).collect())
}

fn split(arguments: &Arguments, opened: &OpenedFile, options: &PrepareOptions, data: &CellData) -> Result<Split> {
    let how = &arguments.how;
    let labels = || data.perturbations.as_ref().context("no perturbation labels: name the column with --perturbation");
    let control = |labels: &engine::cells::data::Labels| labels.control.map(|control| labels.names[control].clone());
    if let Some(kind) = how.gears {
        let options = GearsOptions { seed: arguments.seed, ..GearsOptions::default() };
        return Ok(gears(kind, &conditions_of(labels()?), control(labels()?).as_deref(), &options)?);
    }
    if let Some(target) = &how.leave_out {
        return Ok(leave_target_out(&conditions_of(labels()?), control(labels()?).as_deref(), target)?);
    }
    if let Some(test) = &how.test {
        let (name, value) = test.split_once('=').context("--test takes COLUMN=VALUE, such as batch=2")?;
        return Ok(by_column(&data.barcodes, name, &column(opened, options, name)?, value)?);
    }
    if let Some(text) = &how.fold {
        let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse::<usize>().ok()?, n.parse().ok()?)));
        let (k, n) = numbers.filter(|(k, _)| *k > 0).context("--fold takes K/N, such as 1/5")?;
        return Ok(fold(&data.barcodes, n, k - 1, arguments.seed)?);
    }
    read(how.check.as_deref().context("say how to split")?)
}

fn read(path: &Path) -> Result<Split> {
    let bytes = crate::file::read(path)?;
    let split = if written_as(path)? == "csv" { from_csv(&bytes) } else { from_json(&bytes, Named::Conditions) };
    split.with_context(|| path.display().to_string())
}

fn written_as(path: &Path) -> Result<&'static str> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") => Ok("csv"),
        Some("json") => Ok("json"),
        _ => bail!("{}: a split ends in .json or .csv", path.display()),
    }
}

/// A column of obs as text, one per cell that is read.
pub fn column(opened: &OpenedFile, options: &PrepareOptions, name: &str) -> Result<Vec<String>> {
    let columns = opened.obs(options)?;
    let values = columns.into_iter().find(|(column, _)| column == name);
    let (_, values) = values.with_context(|| format!("obs has no column {name}"))?;
    Ok((0..values.len()).map(|row| values.text(row)).collect())
}

fn print(parts: &[Option<Part>], leakage: &Leakage, out: &mut dyn Write) -> std::io::Result<()> {
    for part in Part::ALL {
        let n = parts.iter().filter(|one| **one == Some(part)).count();
        writeln!(out, "{:<6} {n} cells", part.label())?;
    }
    writeln!(out, "in none {} cells", parts.iter().filter(|part| part.is_none()).count())?;
    for finding in &leakage.findings {
        let severity = match finding.severity {
            Severity::Error => "ERROR",
            Severity::Warning => "warning",
            Severity::Note => "note",
        };
        let examples =
            if finding.examples.is_empty() { String::new() } else { format!(" ({})", finding.examples.join(", ")) };
        writeln!(out, "{severity}: {}{examples}", finding.message)?;
    }
    Ok(())
}

fn parse_kind(name: &str) -> Result<GearsKind, String> {
    let quoted = serde_json::Value::String(name.to_lowercase());
    serde_json::from_value(quoted).map_err(|error| error.to_string())
}
