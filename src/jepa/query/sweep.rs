//! One cell under many perturbations: what asking backwards needs. The cell is read once.

use burn::tensor::Tensor;
use spec::model::{Modality, Mode};

use super::{CHUNK_VALUES, Predictor, cell_batch};
use crate::anchor::{AnchorBatch, Anchored};
use crate::batch::log_total;
use crate::error::Error;
use crate::model::decoder::Decoder;
use crate::model::encoder::CellBatch;
use crate::model::parameters::read_back;

/// A cell that has been read, to be asked about.
pub struct Sweep<'a> {
    predictor: &'a Predictor,
    decoder: &'a Decoder,
    cell: CellBatch,
    /// Its tokens.
    tokens: Tensor<3>,
    mode: Mode,
}

impl Predictor {
    /// Reads one cell (log1p, in the header's gene order; for a population, its mean), to be asked about perturbations of
    /// one mode.
    ///
    /// # Errors
    /// Where the checkpoint has no decoder, or the cell has another number of genes.
    pub fn sweep(&self, cell: &[f32], mode: Mode) -> Result<Sweep<'_>, Error> {
        let n_genes = self.header.model.n_genes;
        if cell.len() != n_genes {
            let problem = format!("the cell has {} genes, the model {n_genes}", cell.len());
            return Err(Error::TrainingCells { problem });
        }
        let decoder = self.decoder()?;
        let cell = cell_batch(cell.to_vec(), vec![log_total(cell)], n_genes, &self.device);
        Ok(Sweep { predictor: self, decoder, tokens: self.model.encode(&cell), cell, mode })
    }
}

impl Sweep<'_> {
    /// How many perturbations are asked at once at the most.
    pub fn capacity(&self) -> usize {
        let model = &self.predictor.header.model;
        let values_per_cell = 8usize.saturating_mul(model.n_genes).saturating_mul(model.d_model).max(1);
        (CHUNK_VALUES / values_per_cell).clamp(1, 64)
    }

    /// The predicted change under each perturbation (symbol and vector), row-major `[perturbations, genes]`, log1p units.
    ///
    /// # Errors
    /// Where a vector has another width than the model's, or the device fails to give the values back.
    pub async fn ask(&self, asked: &[(&str, Vec<f32>)]) -> Result<Vec<f32>, Error> {
        let Predictor { model, header, device, anchor, .. } = self.predictor;
        let n = asked.len();
        let Some(width) = asked.first().map(|(_, vector)| vector.len()) else { return Ok(Vec::new()) };
        let mut features = Vec::with_capacity(n * width);
        for (symbol, vector) in asked {
            if vector.len() != width || anchor.as_ref().is_some_and(|anchor| anchor.width() != width) {
                return Err(Error::Actions { problem: format!("the vector of {symbol} has {} numbers", vector.len()) });
            }
            features.extend(self.predictor.drawn_to_training(vector)?);
        }
        let genes: Vec<Option<usize>> =
            asked.iter().map(|(symbol, _)| header.genes.iter().position(|gene| gene == symbol)).collect();
        let (modalities, modes) = (vec![Modality::Protein; n], vec![self.mode; n]);
        let actions = model.composer.actions(features, width, modalities, modes, device)?;
        let actions = actions.with_genes(genes.iter().copied());
        let tokens = self.tokens.clone().repeat_dim(0, n);
        let mut change = model.change(self.decoder, tokens, &actions, header.baseline);
        if let Some(anchor) = anchor {
            let said: Vec<Anchored> =
                asked.iter().zip(&genes).map(|((_, vector), gene)| anchor.say(vector, *gene)).collect();
            let x = self.cell.x.clone().repeat_dim(0, n);
            change = AnchorBatch::new(&said.iter().collect::<Vec<_>>(), anchor.bound(), device).change(x, change);
        }
        read_back("the predicted changes", change).await
    }
}
