//! Embeddings of cells by a trained model, without labels ("zero-shot"): all expressed genes up to a number, nothing hidden,
//! the student's token `<cls>`, brought to length 1 (A9 in `spec::cell_jepa`).
//!
//! Chunk by chunk, as every query: `advance` until none, then `finish`.

use burn::tensor::{Device, Tensor};
use cells::counts::Counts;
use spec::cell_jepa::CellJepaConfig;
use spec::checkpoint::CheckpointHeader;

use crate::cell_jepa::CellJepa;
use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::encoder::View;
use crate::cell_jepa::tokens::{CellTokens, TokenBatch};
use crate::checkpoint::{self, Checkpoint};
use crate::error::Error;
use crate::loss::normalise;
use crate::model::parameters::read_back;

/// Numbers that the widest intermediate of one chunk may hold (4 bytes each).
const CHUNK_VALUES: usize = 16 << 20;

/// A trained model with what is needed to ask it.
#[derive(Debug, Clone)]
pub struct Embedder {
    model: CellJepa,
    config: CellJepaConfig,
    header: CheckpointHeader,
    device: Device,
}

impl Embedder {
    /// Puts a checkpoint's model on a device.
    ///
    /// # Errors
    /// Where the checkpoint is of another kind of model, or its tensors do not fit its header.
    pub fn new(checkpoint: &Checkpoint, device: &Device) -> Result<Self, Error> {
        let (model, config) = checkpoint.build_cell_jepa(device)?;
        Ok(Self { model, config, header: checkpoint.header.clone(), device: device.clone() })
    }

    /// A model that is described by a header. Parameters are shared, not copied.
    ///
    /// # Errors
    /// Where the header is another kind of model's.
    pub fn of(model: &CellJepa, header: &CheckpointHeader, device: &Device) -> Result<Self, Error> {
        let problem = || Error::Checkpoint { problem: "its header is that of a BioJEPA-AC, not of a Cell-JEPA".into() };
        let config = header.cell_jepa.clone().ok_or_else(problem)?;
        Ok(Self { model: model.clone(), config, header: header.clone(), device: device.clone() })
    }

    /// What the checkpoint says of itself.
    pub fn header(&self) -> &CheckpointHeader {
        &self.header
    }

    /// Numbers that it learned; its teacher, which followed, is not counted.
    pub fn n_parameters(&self) -> usize {
        let counts = self.config.counts(self.header.genes.len());
        counts.encoder + counts.predictor + counts.value_head + counts.generator
    }

    /// The checkpoint that this model is.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let tensors = checkpoint::under("model", self.model.state().await?);
        Ok(Checkpoint { header: self.header.clone(), tensors })
    }

    /// Numbers of an embedding.
    pub fn width(&self) -> usize {
        self.config.d_model
    }

    /// Begins the embeddings of `rows` of `cells` (values above zero, columns in the header's gene order).
    ///
    /// # Errors
    /// Where the cells have another number of genes, or a row is not there.
    pub fn embed<'a>(&'a self, cells: &'a Counts, rows: &'a [usize]) -> Result<Embeddings<'a>, Error> {
        let problem = |problem: String| Err(Error::TrainingCells { problem });
        let n_genes = self.header.genes.len();
        if cells.n_genes() != n_genes {
            return problem(format!("the cells have {} genes, the model {n_genes}", cells.n_genes()));
        }
        if let Some(row) = rows.iter().find(|&&row| row >= cells.n_cells()) {
            return problem(format!("row {row} of {} cells", cells.n_cells()));
        }
        let widest = (3 * self.config.d_model).max(self.config.feed_forward);
        let n_tokens = 1 + self.config.n_embedded_genes().min(n_genes);
        let n_per_chunk = (CHUNK_VALUES / (widest * n_tokens).max(1)).clamp(1, 64);
        Ok(Embeddings { embedder: self, cells, rows, n_done: 0, n_per_chunk, values: Vec::new() })
    }
}

/// Embeddings being computed.
pub struct Embeddings<'a> {
    embedder: &'a Embedder,
    cells: &'a Counts,
    rows: &'a [usize],
    n_done: usize,
    n_per_chunk: usize,
    values: Vec<f32>,
}

impl Embeddings<'_> {
    /// Does the next chunk; returns the cells done so far, or none where all were done before.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn advance(&mut self) -> Result<Option<usize>, Error> {
        let rows = &self.rows[self.n_done..self.rows.len().min(self.n_done + self.n_per_chunk)];
        if rows.is_empty() {
            return Ok(None);
        }
        let Embedder { model, config, header, device } = self.embedder;
        let tokens: Vec<CellTokens> = rows.iter().map(|&row| CellTokens::whole(self.cells, row, config)).collect();
        let batch = TokenBatch::new(&tokens, header.genes.len(), config, device);
        let embedded: Tensor<2> = model.student.embed(&batch, View::Whole, &mut Dropout::none());
        let embedded = if config.embed_normalised { normalise(embedded) } else { embedded };
        self.values.extend(read_back("the embeddings", embedded).await?);
        self.n_done += rows.len();
        Ok(Some(self.n_done))
    }

    /// Row-major `[cells done, d_model]`.
    pub fn finish(self) -> Vec<f32> {
        self.values
    }
}
