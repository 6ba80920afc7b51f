//! `waddington bench`: how long the parts of the model take on this machine, as JSON.
//!
//! The counterpart of `benches/compare.py`, which times PyTorch on the same sizes, and of `benches/prepare.py`, which
//! times scanpy on the same file.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use engine::cells::prepare::{highly_variable_genes, log1p, normalize_total, qc_metrics};
use engine::jepa::timing::time_parts;
use futures_lite::future::block_on;
use serde_json::json;
use spec::dataset::PrepareOptions;
use spec::device::AttentionPath;
use spec::model::ModelConfig;
use spec::prepare::{QcConfig, VariableGenesConfig};

/// Arguments of `bench`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Genes.
    #[arg(long, default_value_t = 299)]
    n_genes: usize,
    /// Width of a token.
    #[arg(long, default_value_t = 64)]
    d_model: usize,
    /// Attention heads.
    #[arg(long, default_value_t = 4)]
    n_heads: usize,
    /// Blocks of encoder and predictor.
    #[arg(long, default_value_t = 4)]
    n_layers: usize,
    /// Blocks of the masked predictor.
    #[arg(long, default_value_t = 2)]
    n_pretrain_layers: usize,
    /// Cells per batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Timed repeats of each part; the median is reported.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Compute attention with the kernel written for it.
    #[arg(long)]
    fused: bool,
    /// Compute on the GPU where there is one.
    #[arg(long)]
    gpu: bool,
    /// Time the preparation of this file instead of the model.
    #[arg(long)]
    prepare: Option<PathBuf>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(path) = &arguments.prepare {
        println!("{}", time_preparation(path)?);
        return Ok(());
    }
    let config = ModelConfig {
        n_genes: arguments.n_genes,
        d_model: arguments.d_model,
        n_heads: arguments.n_heads,
        n_layers: arguments.n_layers,
        n_pretrain_layers: arguments.n_pretrain_layers,
        ..ModelConfig::default()
    };
    let times = block_on(async {
        let device = crate::train::open_device(!arguments.gpu).await?;
        let attention = if arguments.fused { AttentionPath::Fused } else { AttentionPath::Plain };
        anyhow::Ok(time_parts(&config, attention, arguments.batch, arguments.repeats, &device).await?)
    })?;
    let report = json!({
        "encoder": times.encoder,
        "predictor": times.predictor,
        "pretrain_step": times.pretrain_step,
        "n_encoder": times.n_encoder,
        "n_predictor": times.n_predictor,
    });
    println!("{report}");
    Ok(())
}

/// Seconds of each step from the file to its variable genes, and the most memory that the process held.
fn time_preparation(path: &Path) -> Result<serde_json::Value> {
    let mut at = Instant::now();
    let mut lap = || std::mem::replace(&mut at, Instant::now()).elapsed().as_secs_f64();
    let files = crate::file::open(&[path.to_owned()])?;
    let opened = engine::cells::read::open(files, crate::file::memory_available())?;
    let mut reading = opened.begin(&PrepareOptions::default())?;
    while reading.advance()?.is_some() {}
    let data = reading.finish()?;
    let read = lap();
    let quality = qc_metrics(&data.counts, &data.genes, &QcConfig::default());
    let qc = lap();
    let mut expression = data.counts;
    normalize_total(&mut expression, Some(1e4), None)?;
    log1p(&mut expression);
    let normalise = lap();
    let config = VariableGenesConfig { n_top_genes: Some(2000), ..VariableGenesConfig::default() };
    let variable = highly_variable_genes(&expression, &config, None)?;
    let variable_genes = lap();
    let names: Vec<&String> = variable.indices().iter().map(|&gene| &data.genes.symbols[gene as usize]).collect();
    Ok(json!({
        "seconds": { "read": read, "quality": qc, "normalise": normalise, "variable_genes": variable_genes },
        "peak_mib": peak_mib(),
        "n_cells": quality.cells.total_counts.len(),
        "n_variable": names.len(),
        "variable": names,
    }))
}

/// Peak of resident memory in MiB, where the system says it.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
