//! A checkpoint with its bank of vectors, as `predict` and `eval` take them from their arguments.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use engine::jepa::bank::Bank;
use engine::jepa::checkpoint::bare::Bare;
use engine::jepa::checkpoint::{self, Checkpoint, Weights, gene_list};
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use spec::model::Mode;

use crate::dataset::Dataset;

/// Which model answers, with which vectors, and on what it is computed.
#[derive(Debug, clap::Args)]
pub struct ModelArguments {
    /// The checkpoint (.safetensors), or the parameters alone as PyTorch saves them (.pt).
    #[arg(long)]
    checkpoint: PathBuf,
    #[command(flatten)]
    bare: BareArguments,
    /// Perturbation vectors by gene (.npz or .safetensors).
    #[arg(long)]
    bank: PathBuf,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// What a model's file may not say itself.
#[derive(Debug, clap::Args)]
pub struct BareArguments {
    /// For parameters alone: the model's genes in its order, one symbol per line.
    #[arg(long)]
    genes: Option<PathBuf>,
    /// For parameters alone: the decoder, where it has a file of its own.
    #[arg(long)]
    decoder: Option<PathBuf>,
    /// For parameters alone: the number of attention heads. Default: 4, or the next fewer that divides the width.
    #[arg(long)]
    heads: Option<usize>,
}

impl ModelArguments {
    /// Reads the bank.
    pub fn bank(&self) -> Result<Bank> {
        Ok(crate::vectors::load(&self.bank)?.bank)
    }

    /// Reads the checkpoint onto the device.
    pub fn predictor(&self) -> Result<Predictor> {
        self.bare.predictor(&self.checkpoint, self.cpu)
    }
}

impl BareArguments {
    /// Reads the checkpoint onto the device.
    pub fn predictor(&self, path: &Path, cpu: bool) -> Result<Predictor> {
        let checkpoint = match read(path)? {
            Weights::Described(checkpoint) => *checkpoint,
            Weights::Bare(bare) => self.described(path, bare)?,
        };
        let device = block_on(crate::train::open_device(cpu))?;
        Predictor::new(&checkpoint, &device).with_context(|| path.display().to_string())
    }

    /// A checkpoint of parameters alone; what is assumed of it is said.
    fn described(&self, path: &Path, mut bare: Bare) -> Result<Checkpoint> {
        let shown = || path.display().to_string();
        if let Some(decoder) = &self.decoder {
            let Weights::Bare(decoder) = read(decoder)? else {
                bail!("{}: a whole checkpoint, no decoder", decoder.display())
            };
            bare.join(decoder).with_context(shown)?;
        }
        let config = bare.config(self.heads).with_context(shown)?;
        let summary = config.summary();
        let list = self.genes.as_ref().with_context(|| {
            format!("{}: {summary}; the file does not name its genes: give them with --genes", shown())
        })?;
        let genes = gene_list::read(&crate::file::read(list)?, config.n_genes);
        let genes = genes.with_context(|| list.display().to_string())?;
        let (checkpoint, assumed) = bare.describe(genes, self.heads).with_context(shown)?;
        eprintln!("{}: {summary}", shown());
        for line in assumed {
            eprintln!("note: {line}");
        }
        Ok(checkpoint)
    }
}

fn read(path: &Path) -> Result<Weights> {
    checkpoint::read_any(&crate::file::read(path)?).with_context(|| path.display().to_string())
}

/// The mean response of some rows to the perturbation of a target with this vector, per gene (log1p units); `report` hears how many rows are done.
pub async fn mean_response(
    predictor: &Predictor,
    dataset: &Dataset,
    rows: &[usize],
    (target, vector): (&str, &[f32]),
    mode: Mode,
    mut report: impl FnMut(usize),
) -> Result<Vec<f32>> {
    let run = predictor.predict(&dataset.expression, rows, dataset.weights.as_deref(), vector, mode)?;
    let mut run = run.of_gene(target);
    while let Some(n_done) = run.advance().await? {
        report(n_done);
    }
    Ok(run.finish())
}
