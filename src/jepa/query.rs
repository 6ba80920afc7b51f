//! Asking a trained model: latent states of cells, and the mean response of control cells to a perturbation.
//!
//! Both run chunk by chunk (`advance` until none, then `finish`), so that memory stays bounded whatever the number of
//! cells, and progress, cancelling and the event loop get their turn between two chunks. Nothing is masked.
//! The response is `decoder(mu) - decoder(baseline)`, averaged over the control cells. The baseline is what the
//! checkpoint was trained with: the control's own tokens, as the reference, or the predicted tokens without a
//! perturbation. With an anchor that difference only corrects what the anchor says. Where training averaged cells into
//! one example, a query averages as many before the model reads them. [`sweep`] asks one cell about many perturbations,
//! [`backwards`] which of them meets a signature, [`inside`] what a model has within.

pub mod backwards;
pub mod inside;
pub mod inverse;
pub mod sweep;

use burn::tensor::{Device, Tensor, TensorData};
use cells::counts::Counts;
use spec::checkpoint::{CheckpointHeader, VectorShrinkage};
use spec::device::AttentionPath;
use spec::model::{Modality, Mode};

use crate::anchor::{Anchor, AnchorBatch, Anchored};
use crate::batch::log_total;
use crate::checkpoint;
use crate::error::Error;
use crate::model::BioJepa;
use crate::model::composer::Actions;
use crate::model::decoder::Decoder;
use crate::model::encoder::CellBatch;
use crate::model::parameters::{Parameters, read_back};

/// Numbers that the widest intermediate of one chunk may hold (4 bytes each): the predictor's feed-forward layer, four
/// times the width for two tokens per gene.
const CHUNK_VALUES: usize = 16 << 20;

/// A trained model with what is needed to ask it.
#[derive(Debug, Clone)]
pub struct Predictor {
    model: BioJepa,
    /// None where the checkpoint has none: then there are latent states, but no expression.
    decoder: Option<Decoder>,
    /// What the network corrects; none where it predicts by itself.
    anchor: Option<Anchor>,
    header: CheckpointHeader,
    device: Device,
}

impl Predictor {
    /// Puts a checkpoint's model on a device.
    ///
    /// # Errors
    /// Where the tensors do not fit the header, or the header contradicts itself.
    pub fn new(checkpoint: &checkpoint::Checkpoint, device: &Device) -> Result<Self, Error> {
        let header = checkpoint.header.clone();
        let (model, decoder) = checkpoint.build(device)?;
        Ok(Self { model, decoder, anchor: checkpoint.anchor()?, header, device: device.clone() })
    }

    /// What its anchor alone says, without the network: mean change of cells with this mean (log1p units). None where it
    /// has no anchor.
    pub fn anchor_alone(&self, control_mean: &[f32], target: &str, vector: &[f32]) -> Option<Vec<f32>> {
        let gene = self.header.genes.iter().position(|gene| gene == target);
        Some(self.anchor.as_ref()?.say(vector, gene).change(control_mean))
    }

    /// The model of a run, as it stands. Parameters are shared, not copied.
    pub fn of(
        model: &BioJepa,
        decoder: &Decoder,
        anchor: Option<&Anchor>,
        header: &CheckpointHeader,
        device: &Device,
    ) -> Self {
        let (model, decoder) = (model.clone(), Some(decoder.clone()));
        Self { model, decoder, anchor: anchor.cloned(), header: header.clone(), device: device.clone() }
    }

    /// As [`Predictor::new`], from the bytes of the checkpoint's file.
    ///
    /// # Errors
    /// Where the file is no checkpoint, or as [`Predictor::new`].
    pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Self, Error> {
        Self::new(&checkpoint::read(bytes)?, device)
    }

    /// The checkpoint that this model is.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn checkpoint(&self) -> Result<checkpoint::Checkpoint, Error> {
        let mut tensors = checkpoint::under("model", self.model.state().await?);
        if let Some(decoder) = &self.decoder {
            tensors.extend(checkpoint::under("decoder", decoder.state().await?));
        }
        if let Some(anchor) = &self.anchor {
            tensors.extend(checkpoint::under("anchor", anchor.to_tensors()));
        }
        Ok(checkpoint::Checkpoint { header: self.header.clone(), tensors })
    }

    /// Chooses how attention is computed.
    pub fn set_attention(&mut self, path: AttentionPath) {
        self.model.set_attention(path);
    }

    /// What the checkpoint says of itself.
    pub fn header(&self) -> &CheckpointHeader {
        &self.header
    }

    /// Whether there is a decoder, without which nothing can be predicted.
    pub fn has_decoder(&self) -> bool {
        self.decoder.is_some()
    }

    /// Numbers learned by encoder, composer, predictors and decoder.
    pub fn n_parameters(&self) -> usize {
        let by_part = self.model.n_parameters_by_part();
        let decoder = self.decoder.as_ref().map_or(0, Decoder::n_parameters);
        by_part.encoder + by_part.predictor + by_part.composer + by_part.masked_predictor + decoder
    }

    /// Begins the response of `rows` of `cells` (log1p, columns in the header's gene order) to the perturbation with
    /// this vector; `weights` are the cells that each row of `cells` stands for, 1 where none.
    ///
    /// # Errors
    /// Where the checkpoint has no decoder, the cells have another number of genes, a row is not there, or the vector is
    /// too narrow.
    pub fn predict<'a>(
        &'a self,
        cells: &'a Counts,
        rows: &'a [usize],
        weights: Option<&'a [f64]>,
        vector: &[f32],
        mode: Mode,
    ) -> Result<Response<'a>, Error> {
        if weights.is_some_and(|weights| weights.len() != cells.n_cells()) {
            return Err(Error::TrainingCells { problem: "there must be one weight per cell".into() });
        }
        let decoder = self.decoder()?;
        let cursor = Cursor::new(self, cells, rows, weights, self.header.cells_per_example)?;
        if let Some(anchor) = self.anchor.as_ref().filter(|anchor| anchor.width() != vector.len()) {
            let (n, n_anchor) = (vector.len(), anchor.width());
            let problem = format!("the vector has {n} numbers, those of the checkpoint's anchor {n_anchor}");
            return Err(Error::Actions { problem });
        }
        // Without a perturbation there is nothing to draw.
        let drawn = if mode == Mode::Control { vector.to_vec() } else { self.drawn_to_training(vector)? };
        let (asked, vector) = (vector.to_vec(), drawn);
        let width = vector.len();
        let action = |n: usize| -> Result<Actions, Error> {
            let (modalities, modes) = (vec![Modality::Protein; n], vec![mode; n]);
            self.model.composer.actions(vector.repeat(n), width, modalities, modes, &self.device)
        };
        action(1)?;
        let n_genes = cells.n_genes();
        let sum = vec![0.0; n_genes];
        Ok(Response { cursor, decoder, asked, vector, mode, gene: None, sum, total_weight: 0.0, each: None })
    }

    /// As [`Predictor::predict`], of each row by itself: [`Response::finish_each`] has the change of every row, for scores
    /// of single cells. Where training averaged cells the model is asked for what it did not learn.
    ///
    /// # Errors
    /// As [`Predictor::predict`].
    pub fn predict_each<'a>(
        &'a self,
        cells: &'a Counts,
        rows: &'a [usize],
        vector: &[f32],
        mode: Mode,
    ) -> Result<Response<'a>, Error> {
        let mut response = self.predict(cells, rows, None, vector, mode)?;
        response.cursor = Cursor::new(self, cells, rows, None, 1)?;
        response.each = Some(Vec::new());
        Ok(response)
    }

    fn decoder(&self) -> Result<&Decoder, Error> {
        self.decoder.as_ref().ok_or_else(|| Error::Checkpoint {
            problem: "it has no decoder, so that it gives latent states but no expression".into(),
        })
    }

    /// The vector as the checkpoint wants it asked.
    fn drawn_to_training(&self, vector: &[f32]) -> Result<Vec<f32>, Error> {
        let Some(VectorShrinkage { mean, weight }) = &self.header.shrinkage else { return Ok(vector.to_vec()) };
        if mean.len() != vector.len() {
            let (n, n_mean) = (vector.len(), mean.len());
            return Err(Error::Actions {
                problem: format!("the vector has {n} numbers, the checkpoint's mean {n_mean}"),
            });
        }
        Ok(mean.iter().zip(vector).map(|(mean, value)| mean + weight * (value - mean)).collect())
    }

    /// Begins the latent states of `rows` of `cells`.
    ///
    /// # Errors
    /// Where the cells have another number of genes, or a row is not there.
    pub fn embed<'a>(&'a self, cells: &'a Counts, rows: &'a [usize]) -> Result<Embedding<'a>, Error> {
        Ok(Embedding { cursor: Cursor::new(self, cells, rows, None, 1)?, latent: Vec::new() })
    }
}

/// The rows still to be done, in groups of which the model reads the mean.
struct Cursor<'a> {
    predictor: &'a Predictor,
    cells: &'a Counts,
    rows: &'a [usize],
    weights: Option<&'a [f64]>,
    n_groups: usize,
    /// Groups done.
    n_done: usize,
    n_per_chunk: usize,
}

/// Some groups on the device.
struct Chunk {
    batch: CellBatch,
    /// Cells that each group stands for.
    weights: Vec<f64>,
    /// Rows done with these.
    n_rows_done: usize,
}

impl<'a> Cursor<'a> {
    fn new(
        predictor: &'a Predictor,
        cells: &'a Counts,
        rows: &'a [usize],
        weights: Option<&'a [f64]>,
        cells_per_group: usize,
    ) -> Result<Self, Error> {
        let model = &predictor.header.model;
        let problem = |problem: String| Err(Error::TrainingCells { problem });
        if cells.n_genes() != model.n_genes {
            return problem(format!("the cells have {} genes, the model {}", cells.n_genes(), model.n_genes));
        }
        if let Some(row) = rows.iter().find(|&&row| row >= cells.n_cells()) {
            return problem(format!("row {row} of {} cells", cells.n_cells()));
        }
        let total: f64 = rows.iter().map(|&row| weights.map_or(1.0, |weights| weights[row])).sum();
        // A row is never split: metacells that stand for enough cells are groups of one.
        let n_groups = ((total / cells_per_group.max(1) as f64).round() as usize).max(1).min(rows.len());
        let values_per_cell = 8usize.saturating_mul(model.n_genes).saturating_mul(model.d_model).max(1);
        let n_per_chunk = (CHUNK_VALUES / values_per_cell).clamp(1, 64);
        Ok(Self { predictor, cells, rows, weights, n_groups, n_done: 0, n_per_chunk })
    }

    /// The next groups; none where all are done. Rows are dealt out in turn, so that every group spans the file.
    fn next(&mut self) -> Option<Chunk> {
        let groups = self.n_done..self.n_groups.min(self.n_done + self.n_per_chunk);
        if groups.is_empty() {
            return None;
        }
        let n_genes = self.cells.n_genes();
        let mut x = Vec::with_capacity(groups.len() * n_genes);
        let (mut log_totals, mut weights) = (Vec::new(), Vec::new());
        for group in groups.clone() {
            let start = x.len();
            x.resize(start + n_genes, 0.0);
            weights.push(self.add_mean(group, &mut x[start..]));
            log_totals.push(log_total(&x[start..]));
        }
        self.n_done = groups.end;
        // Of n rows dealt into k groups, the first g groups hold all rows of the whole rounds, and part of the last.
        let n_rows_done = (0..groups.end).map(|group| self.rows_of(group).count()).sum();
        let batch = cell_batch(x, log_totals, n_genes, &self.predictor.device);
        Some(Chunk { batch, weights, n_rows_done })
    }

    fn rows_of(&self, group: usize) -> impl Iterator<Item = usize> + use<'a> {
        self.rows.iter().copied().skip(group).step_by(self.n_groups.max(1))
    }

    /// Puts the weighted mean of a group into `mean`, which holds zeros; returns the group's weight.
    fn add_mean(&self, group: usize, mean: &mut [f32]) -> f64 {
        let weight_of = |row: usize| self.weights.map_or(1.0, |weights| weights[row]);
        let total: f64 = self.rows_of(group).map(weight_of).sum();
        let n = self.rows_of(group).count() as f64;
        for row in self.rows_of(group) {
            // A group that weighs nothing still needs values: its plain mean.
            let share = if total > 0.0 { weight_of(row) / total } else { 1.0 / n };
            for (gene, value) in self.cells.row(row) {
                mean[gene as usize] += (share * f64::from(value)) as f32;
            }
        }
        total
    }
}

/// Dense rows on a device.
pub(crate) fn cell_batch(x: Vec<f32>, log_totals: Vec<f32>, n_genes: usize, device: &Device) -> CellBatch {
    let n = log_totals.len();
    CellBatch {
        x: Tensor::from_data(TensorData::new(x, [n, n_genes]), device),
        log_total: Tensor::from_data(TensorData::new(log_totals, [n]), device),
    }
}

/// A response being computed.
pub struct Response<'a> {
    cursor: Cursor<'a>,
    decoder: &'a Decoder,
    /// The vector as it was asked, which the anchor reads.
    asked: Vec<f32>,
    /// The vector as the network reads it.
    vector: Vec<f32>,
    mode: Mode,
    /// The target's own gene, by column.
    gene: Option<usize>,
    sum: Vec<f64>,
    total_weight: f64,
    /// The change of each group; none where the mean is enough.
    each: Option<Vec<f32>>,
}

impl Response<'_> {
    /// The same, knowing the target's symbol: where it is one of the model's genes, anchor and network know which.
    pub fn of_gene(mut self, symbol: &str) -> Self {
        self.gene = self.cursor.predictor.header.genes.iter().position(|gene| gene == symbol);
        self
    }

    /// Does the next chunk; returns the cells done so far, or none where all were done before.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn advance(&mut self) -> Result<Option<usize>, Error> {
        let Some(chunk) = self.cursor.next() else { return Ok(None) };
        let Predictor { model, header, device, anchor, .. } = self.cursor.predictor;
        let n = chunk.weights.len();
        let (modalities, modes) = (vec![Modality::Protein; n], vec![self.mode; n]);
        let (features, width) = (self.vector.repeat(n), self.vector.len());
        let actions = model.composer.actions(features, width, modalities, modes, device)?;
        let actions = actions.with_genes(std::iter::repeat_n(self.gene, n));
        let mut delta = model.change(self.decoder, model.encode(&chunk.batch), &actions, header.baseline);
        if let Some(anchor) = anchor {
            let said = match self.mode {
                Mode::Control => Anchored::none(self.sum.len()),
                _ => anchor.say(&self.asked, self.gene),
            };
            delta = AnchorBatch::new(&vec![&said; n], anchor.bound(), device).change(chunk.batch.x.clone(), delta);
        }
        let delta = read_back("the predicted change", delta).await?;
        for (weight, delta) in chunk.weights.iter().zip(delta.chunks_exact(self.sum.len().max(1))) {
            self.total_weight += weight;
            for (sum, &value) in self.sum.iter_mut().zip(delta) {
                *sum += weight * f64::from(value);
            }
        }
        if let Some(each) = &mut self.each {
            each.extend(delta);
        }
        Ok(Some(chunk.n_rows_done))
    }

    /// The predicted change of each row done (log1p units), row-major `[rows, genes]`; empty where the mean was asked for.
    pub fn finish_each(self) -> Vec<f32> {
        self.each.unwrap_or_default()
    }

    /// The mean predicted change per gene (log1p units) over the cells done; zero without any.
    pub fn finish(self) -> Vec<f32> {
        let divisor = if self.total_weight > 0.0 { self.total_weight } else { 1.0 };
        self.sum.into_iter().map(|sum| (sum / divisor) as f32).collect()
    }
}

/// Latent states being computed.
pub struct Embedding<'a> {
    cursor: Cursor<'a>,
    latent: Vec<f32>,
}

impl Embedding<'_> {
    /// Does the next chunk; returns the cells done so far, or none where all were done before.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn advance(&mut self) -> Result<Option<usize>, Error> {
        let Some(chunk) = self.cursor.next() else { return Ok(None) };
        let tokens = self.cursor.predictor.model.encode(&chunk.batch);
        let [n, _, d_model] = tokens.dims();
        let mean = tokens.mean_dim(1).reshape([n, d_model]);
        self.latent.extend(read_back("the latent states", mean).await?);
        Ok(Some(chunk.n_rows_done))
    }

    /// Mean over genes of the encoder's tokens, row-major `[cells done, d_model]`.
    pub fn finish(self) -> Vec<f32> {
        self.latent
    }
}
