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
    /// Prediction less the teacher's state, of the numbers that were kept.
    pub errors: Vec<f64>,
    /// The deviations predicted for these.
    pub deviations: Vec<f64>,
}

/// Which of many latent numbers are kept: every so manieth, counted on over chunks and targets. The stride shares no factor
/// with genes or dimensions, or it would meet a few of them again and again.
#[derive(Debug, Clone)]
pub struct Evenly {
    stride: usize,
    /// Numbers to go by before the next one is kept.
    to_skip: usize,
}

impl Evenly {
    /// About `n_kept` of `n_cells` times `per_cell` numbers.
    pub fn of(n_cells: usize, per_cell: usize, n_kept: usize) -> Self {
        let gcd = |mut a: usize, mut b: usize| {
            while b > 0 {
                (a, b) = (b, a % b);
            }
            a
        };
        let mut stride = n_cells.saturating_mul(per_cell).div_ceil(n_kept.max(1)).max(1);
        while gcd(stride, per_cell.max(1)) > 1 {
            stride += 1;
        }
        Self { stride, to_skip: 0 }
    }

    /// Places to keep of the next `n` numbers.
    pub fn next(&mut self, n: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.to_skip;
        let n_kept = n.saturating_sub(first).div_ceil(self.stride);
        self.to_skip = first + n_kept * self.stride - n;
        (first..n).step_by(self.stride)
    }
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
    /// Of errors those are kept that `kept` says.
    ///
    /// # Errors
    /// Where a row is not there, the vector does not fit, or the device fails.
    pub async fn latent_errors(
        &self,
        cells: &Counts,
        pairs: &[(usize, usize)],
        (target, vector): (&str, &[f32]),
        mode: Mode,
        kept: &mut Evenly,
    ) -> Result<LatentErrors, Error> {
        let model = &self.header.model;
        let n_genes = model.n_genes;
        if cells.n_genes() != n_genes || pairs.iter().any(|pair| pair.0.max(pair.1) >= cells.n_cells()) {
            return Err(Error::TrainingCells { problem: "the pairs are not of cells on the model's genes".into() });
        }
        let gene = self.header.genes.iter().position(|gene| gene == target);
        let vector = self.drawn_to_training(vector)?;
        let per_pair = n_genes.saturating_mul(model.d_model).max(1);
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
            for at in kept.next(errors.len().min(log_variances.len())) {
                found.errors.push(f64::from(errors[at]));
                found.deviations.push((f64::from(log_variances[at]) / 2.0).exp());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Places within a cell that are kept over chunks of these many cells.
    fn kept(per_cell: usize, n_kept: usize, chunks: &[usize]) -> Vec<usize> {
        let mut evenly = Evenly::of(chunks.iter().sum(), per_cell, n_kept);
        let (mut places, mut start) = (Vec::new(), 0);
        for n in chunks {
            places.extend(evenly.next(n * per_cell).map(|at| start + at));
            start += n * per_cell;
        }
        places
    }

    #[test]
    fn every_dimension_and_every_gene_is_looked_at() {
        // 299 genes of 32 dimensions, 1,000 cells, 200,000 numbers: a stride of 48 would meet two dimensions alone.
        for (d_model, n_genes, n_kept) in [(32, 299, 200_000), (64, 300, 50_000), (4, 30, 500), (1, 7, 3)] {
            let chunks = [64, 64, 1, 250, 0, 621];
            let places = kept(d_model * n_genes, n_kept, &chunks);
            let wanted = (n_kept * 19 / 20).min(n_genes * d_model * 1000 * 19 / 20);
            assert!((wanted..=n_kept).contains(&places.len()), "{} of {n_kept}", places.len());
            let mut counts = vec![0usize; d_model];
            let mut genes = vec![0usize; n_genes];
            places.iter().for_each(|at| counts[at % d_model] += 1);
            places.iter().for_each(|at| genes[at / d_model % n_genes] += 1);
            let even = places.len() / d_model;
            assert!(counts.iter().all(|n| n.abs_diff(even) <= 1 + even / 20), "{counts:?}");
            assert!(n_kept < 2 * n_genes || genes.iter().all(|n| *n > 0), "{genes:?}");
            // Where a chunk ends changes nothing.
            assert_eq!(places, kept(d_model * n_genes, n_kept, &[1000]));
            assert!(places.windows(2).all(|two| two[1] - two[0] == places[1] - places[0]));
        }
    }
}
