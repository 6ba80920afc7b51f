//! Scaling each gene to unit variance (`scanpy.pp.scale`), row by row and for chosen genes only.
//!
//! Centred values are dense, and all genes of many cells do not fit into memory: so the scaled matrix is not made, but
//! its rows are written where they are wanted. Arithmetic is in f64 and rounded once to f32.

use spec::prepare::ScaleConfig;

use crate::counts::{CellView, Counts};
use crate::prepare::moments::moments;

/// Why genes cannot be scaled.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ScaleError {
    /// A gene that is not there.
    #[error("scale: gene {gene} is out of range for {n_genes} genes")]
    Gene {
        /// Which.
        gene: u32,
        /// Genes of the matrix.
        n_genes: usize,
    },
    /// A gene that is named twice.
    #[error("scale: gene {0} is named twice; name each gene once")]
    Twice(u32),
    /// A bound that is none.
    #[error("scale: max_value is {0}; it must be above 0")]
    MaxValue(f64),
    /// A gene without mean or variance.
    #[error("scale: gene {0} has NaN or infinite values; prepare from a matrix without them")]
    Values(u32),
}

/// Mean and deviation of the chosen genes.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaled {
    /// Mean of each chosen gene.
    pub means: Vec<f64>,
    /// Standard deviation (ddof 1) of each; 1 for a gene that does not vary.
    pub deviations: Vec<f64>,
    config: ScaleConfig,
    /// For each gene of the matrix, its place among the chosen.
    place_of: Vec<Option<u32>>,
    /// What a value of 0 becomes, per chosen gene.
    zeros: Vec<f32>,
}

impl Scaled {
    /// Measures the chosen genes over all cells. Columns of the output are in the order of `genes`.
    ///
    /// # Errors
    /// See [`ScaleError`].
    pub fn fit<'a>(cells: impl Into<CellView<'a>>, genes: &[u32], config: ScaleConfig) -> Result<Scaled, ScaleError> {
        let cells = cells.into();
        if let Some(most) = config.max_value.filter(|most| most.is_nan() || *most <= 0.0) {
            return Err(ScaleError::MaxValue(most));
        }
        let n_genes = cells.n_genes();
        let mut place_of = vec![None; n_genes];
        for (place, &gene) in (0u32..).zip(genes) {
            let of_gene = place_of.get_mut(gene as usize).ok_or(ScaleError::Gene { gene, n_genes })?;
            if of_gene.replace(place).is_some() {
                return Err(ScaleError::Twice(gene));
            }
        }
        let all = moments(cells, None, 1, f64::from).swap_remove(0);
        let means: Vec<f64> = genes.iter().map(|gene| all.means[*gene as usize]).collect();
        let deviations: Vec<f64> = genes
            .iter()
            .map(|gene| all.variances[*gene as usize].sqrt())
            .map(|deviation| if deviation == 0.0 { 1.0 } else { deviation })
            .collect();
        let broken = means.iter().zip(&deviations).position(|(mean, deviation)| !(mean + deviation).is_finite());
        if let Some(place) = broken {
            return Err(ScaleError::Values(genes[place]));
        }
        let mut scaled = Scaled { means, deviations, config, place_of, zeros: Vec::new() };
        scaled.zeros = (0..genes.len()).map(|place| scaled.value(place, 0.0)).collect();
        Ok(scaled)
    }

    /// Chosen genes: the length of a row.
    pub fn n_genes(&self) -> usize {
        self.zeros.len()
    }

    /// Writes the scaled values of a cell of the same matrix.
    ///
    /// # Panics
    /// Where there is no such cell, or `row` is not as long as genes were chosen.
    pub fn write_row<T: From<f32>>(&self, counts: &Counts, cell: usize, row: &mut [T]) {
        assert_eq!(row.len(), self.n_genes(), "a place for each chosen gene");
        row.iter_mut().zip(&self.zeros).for_each(|(to, zero)| *to = T::from(*zero));
        counts.row(cell).for_each(|(gene, value)| {
            if let Some(place) = self.place_of[gene as usize] {
                row[place as usize] = T::from(self.value(place as usize, f64::from(value)));
            }
        });
    }

    /// All cells by the chosen genes, row-major: `n_cells * n_genes` values.
    pub fn dense(&self, counts: &Counts) -> Vec<f32> {
        let mut dense = vec![0.0; counts.n_cells() * self.n_genes()];
        if self.n_genes() > 0 {
            let rows = dense.chunks_exact_mut(self.n_genes());
            rows.enumerate().for_each(|(cell, row)| self.write_row(counts, cell, row));
        }
        dense
    }

    fn value(&self, place: usize, value: f64) -> f32 {
        let centred = if self.config.zero_center { value - self.means[place] } else { value };
        let scaled = centred / self.deviations[place];
        match self.config.max_value {
            Some(most) if self.config.zero_center => scaled.clamp(-most, most) as f32,
            Some(most) => scaled.min(most) as f32,
            None => scaled as f32,
        }
    }
}
