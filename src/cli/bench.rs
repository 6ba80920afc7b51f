//! `waddington bench`: how long the parts of the model take on this machine, as JSON.
//!
//! The counterpart of `benches/compare.py`, which times PyTorch on the same sizes.

use anyhow::Result;
use engine::jepa::timing::time_parts;
use futures_lite::future::block_on;
use serde_json::json;
use spec::device::AttentionPath;
use spec::model::ModelConfig;

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
}

pub fn run(arguments: &Arguments) -> Result<()> {
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
