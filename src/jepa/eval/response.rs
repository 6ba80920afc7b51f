//! Measured mean responses: per target, the mean change against control with its standard error.
//!
//! A row weighs as many cells as it stands for (1, or the cells of a metacell). With weights `w` and row means `m_i`,
//! the variance of one cell is estimated by `Σ w_i (m_i - m)² / (k - 1)` and the error of the mean by that over `Σ w_i`;
//! with all weights 1 these are the usual formulas.

/// The measured response to one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The target, as the file labels it.
    pub target: String,
    /// Perturbed cells.
    pub n_cells: usize,
    /// Mean change per gene against control (log1p units).
    pub delta: Vec<f32>,
    /// Standard error of that change (log1p units); 0 where a side has a single row.
    pub standard_error: Vec<f32>,
}

/// Mean and squared error of the mean of one group of rows.
#[derive(Debug, Clone)]
pub struct GroupMean {
    /// Cells the rows stand for.
    pub n_cells: usize,
    /// Mean per gene (log1p units).
    pub mean: Vec<f32>,
    /// Squared standard error of that mean per gene.
    pub squared_error: Vec<f64>,
}

/// The mean of the rows that `rows` yields as (dense values, weight in cells).
///
/// None where there is no row, or no row with a weight above 0.
pub fn group_mean(n_genes: usize, rows: impl Iterator<Item = (Vec<f32>, f64)>) -> Option<GroupMean> {
    // West's incremental update: one pass, no cancellation.
    let mut mean = vec![0.0f64; n_genes];
    let mut scatter = vec![0.0f64; n_genes];
    let (mut total, mut n_rows) = (0.0f64, 0usize);
    for (values, weight) in rows {
        if !(weight > 0.0 && weight.is_finite()) {
            continue;
        }
        total += weight;
        n_rows += 1;
        for ((mean, scatter), value) in mean.iter_mut().zip(&mut scatter).zip(values) {
            let step = f64::from(value) - *mean;
            *mean += step * weight / total;
            *scatter += weight * step * (f64::from(value) - *mean);
        }
    }
    if n_rows == 0 {
        return None;
    }
    let divisor = (n_rows.max(2) - 1) as f64 * total;
    Some(GroupMean {
        n_cells: total.round() as usize,
        mean: mean.into_iter().map(|v| v as f32).collect(),
        squared_error: scatter.into_iter().map(|v| v / divisor).collect(),
    })
}

impl Response {
    /// Says of genes that they were not measured: their change and error become NaN.
    pub fn without(mut self, genes: impl IntoIterator<Item = usize>) -> Self {
        for gene in genes {
            self.delta[gene] = f32::NAN;
            self.standard_error[gene] = f32::NAN;
        }
        self
    }
}

/// The response of `perturbed` against `control`.
pub fn response(target: &str, perturbed: &GroupMean, control: &GroupMean) -> Response {
    Response {
        target: target.into(),
        n_cells: perturbed.n_cells,
        delta: perturbed.mean.iter().zip(&control.mean).map(|(p, c)| p - c).collect(),
        standard_error: perturbed
            .squared_error
            .iter()
            .zip(&control.squared_error)
            .map(|(p, c)| (p + c).sqrt() as f32)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_one_give_the_textbook_error() {
        let rows = [[1.0f32], [2.0], [4.0], [9.0]];
        let group = group_mean(1, rows.iter().map(|r| (r.to_vec(), 1.0))).expect("four rows");
        assert_eq!(group.n_cells, 4);
        assert!((group.mean[0] - 4.0).abs() < 1e-6);
        // var (ddof 1) = (9 + 4 + 0 + 25) / 3; error² = var / 4.
        assert!((group.squared_error[0] - 38.0 / 12.0).abs() < 1e-9);
    }

    #[test]
    fn a_metacell_weighs_its_cells() {
        let group = group_mean(1, [(vec![1.0], 30.0), (vec![4.0], 10.0)].into_iter()).expect("two rows");
        assert_eq!(group.n_cells, 40);
        assert!((group.mean[0] - 1.75).abs() < 1e-6);
    }

    #[test]
    fn no_rows_no_mean() {
        assert!(group_mean(3, std::iter::empty()).is_none());
        assert!(group_mean(1, [(vec![1.0], 0.0)].into_iter()).is_none());
    }
}
