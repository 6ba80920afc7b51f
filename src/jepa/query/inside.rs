//! What a model has inside: embeddings of genes, action vectors, and what it predicts of latent states with the variance
//! that it predicts for them. For evaluations of the model itself; answers to questions need none of it.

use cells::counts::Counts;
use spec::model::{Modality, Mode};

use super::{CHUNK_VALUES, Predictor, cell_batch};
use crate::batch::{log_total, push_row};
use crate::error::Error;
use crate::model::encoder::CellBatch;
use crate::model::parameters::read_back;

/// Predicted latent states of perturbed cells beside the teacher's.
#[derive(Debug, Clone, Default)]
pub struct LatentErrors {
    /// Per pair, the mean over genes and dimensions of the logarithm of the predicted variance.
    pub log_variance: Vec<f64>,
    /// Prediction less the teacher's state, of evenly spaced genes and dimensions.
    pub errors: Vec<f64>,
    /// The deviations predicted for these.
    pub deviations: Vec<f64>,
}

impl Predictor {
    /// The student's embedding of every gene, row-major `[genes, d_model]`.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn gene_embeddings(&self) -> Result<Vec<f32>, Error> {
        read_back("the gene embeddings", self.model.student.gene_embeddings()).await
    }

    /// The composer's vector of every perturbation, row-major `[perturbations, n_latent]`; none for none.
    ///
    /// # Errors
    /// Where a vector does not fit the composer, or the device fails.
    pub async fn action_vectors(&self, vectors: &[Vec<f32>], mode: Mode) -> Result<Vec<f32>, Error> {
        let Some(width) = vectors.first().map(Vec::len) else { return Ok(Vec::new()) };
        let n = vectors.len();
        let (modalities, modes) = (vec![Modality::Protein; n], vec![mode; n]);
        let actions = self.model.composer.actions(vectors.concat(), width, modalities, modes, &self.device)?;
        read_back("the action vectors", self.model.composer.forward(&actions)).await
    }

    /// Predicts the latent state of each pair's case (second) from its control (first), and reads the case by the teacher.
    /// Of errors about `n_values` are kept.
    ///
    /// # Errors
    /// Where a row is not there, the vector does not fit, or the device fails.
    pub async fn latent_errors(
        &self,
        cells: &Counts,
        pairs: &[(usize, usize)],
        (target, vector): (&str, &[f32]),
        mode: Mode,
        n_values: usize,
    ) -> Result<LatentErrors, Error> {
        let model = &self.header.model;
        let n_genes = model.n_genes;
        if cells.n_genes() != n_genes || pairs.iter().any(|pair| pair.0.max(pair.1) >= cells.n_cells()) {
            return Err(Error::TrainingCells { problem: "the pairs are not of cells on the model's genes".into() });
        }
        let gene = self.header.genes.iter().position(|gene| gene == target);
        let vector = self.drawn_to_training(vector)?;
        let per_pair = n_genes.saturating_mul(model.d_model).max(1);
        let stride = pairs.len().saturating_mul(per_pair).div_ceil(n_values.max(1)).max(1);
        let mut found = LatentErrors::default();
        for pairs in pairs.chunks((CHUNK_VALUES / per_pair.saturating_mul(8)).clamp(1, 64)) {
            let n = pairs.len();
            let batch = |of: fn(&(usize, usize)) -> usize| self.batch_of(cells, pairs.iter().map(of));
            let (modalities, modes) = (vec![Modality::Protein; n], vec![mode; n]);
            let actions =
                self.model.composer.actions(vector.repeat(n), vector.len(), modalities, modes, &self.device)?;
            let actions = actions.with_genes(std::iter::repeat_n(gene, n));
            let predicted = self.model.predict(self.model.encode(&batch(|pair| pair.0)), &actions);
            let states = self.model.teacher.forward(&batch(|pair| pair.1), None);
            let errors = read_back("the latent errors", predicted.mu - states).await?;
            let log_variances = read_back("the predicted variances", predicted.logvar).await?;
            for of_pair in log_variances.chunks_exact(per_pair) {
                found.log_variance.push(of_pair.iter().map(|&v| f64::from(v)).sum::<f64>() / per_pair as f64);
            }
            let taken = errors.iter().zip(&log_variances).step_by(stride);
            for (&error, &log_variance) in taken {
                found.errors.push(f64::from(error));
                found.deviations.push((f64::from(log_variance) / 2.0).exp());
            }
        }
        Ok(found)
    }

    fn batch_of(&self, cells: &Counts, rows: impl Iterator<Item = usize>) -> CellBatch {
        let (mut x, mut log_totals) = (Vec::new(), Vec::new());
        for row in rows {
            let start = x.len();
            push_row(cells, row, &mut x);
            log_totals.push(log_total(&x[start..]));
        }
        cell_batch(x, log_totals, cells.n_genes(), &self.device)
    }
}
