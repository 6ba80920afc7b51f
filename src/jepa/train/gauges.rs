//! How far latent states spread over one batch: the numbers that show a collapse before the losses do.

use burn::tensor::Tensor;
use spec::train::report::Gauges;

use crate::eigen::symmetric_eigenvalues;
use crate::error::Error;
use crate::model::parameters::read_back;

/// Gauges of `states` `[B, N, d]`, and their distance from the teacher's; one readback. None where a value is not finite.
pub(super) async fn gauges(states: Tensor<3>, teacher: Option<Tensor<3>>) -> Result<Option<Gauges>, Error> {
    let [n_cells, n_genes, n_dims] = states.dims();
    let n_rows = n_cells * n_genes;
    let rows = states.clone().reshape([n_rows, n_dims]);
    let centred = rows.clone() - rows.mean_dim(0);
    let covariance = centred.clone().transpose().matmul(centred.clone()) / (n_rows as f64 - 1.0).max(1.0);
    let within = (states.clone() - states.clone().mean_dim(0)).square().sum();
    let mut numbers = vec![covariance.reshape([n_dims * n_dims]), centred.square().sum(), within];
    let has_teacher = teacher.is_some();
    if let Some(teacher) = teacher {
        numbers.extend([(states - teacher.clone()).square().sum(), teacher.square().sum()]);
    }
    let numbers = read_back("the latent states' spread", Tensor::cat(numbers, 0)).await?;
    let mut numbers: Vec<f64> = numbers.into_iter().map(f64::from).collect();
    if numbers.iter().any(|number| !number.is_finite()) {
        return Ok(None);
    }
    let sums = numbers.split_off(n_dims * n_dims);
    let deviations: Vec<f64> = (0..n_dims).map(|dim| numbers[dim * n_dims + dim].max(0.0).sqrt()).collect();
    let Some(eigenvalues) = symmetric_eigenvalues(numbers, n_dims) else { return Ok(None) };
    Ok(Some(Gauges {
        std_min: deviations.iter().copied().fold(f64::INFINITY, f64::min),
        std_mean: deviations.iter().sum::<f64>() / n_dims as f64,
        effective_rank: effective_rank(&eigenvalues),
        n_dims,
        between_cells: if sums[0] > 0.0 { sums[1] / sums[0] } else { 0.0 },
        teacher_distance: (has_teacher && sums[3] > 0.0).then(|| (sums[2] / sums[3]).sqrt()),
    }))
}

/// The exponential of the entropy of the eigenvalues' shares.
fn effective_rank(eigenvalues: &[f64]) -> f64 {
    let total: f64 = eigenvalues.iter().filter(|value| **value > 0.0).sum();
    if total <= 0.0 {
        return 0.0;
    }
    let shares = eigenvalues.iter().map(|value| value / total).filter(|share| *share > 0.0);
    (-shares.map(|share| share * share.ln()).sum::<f64>()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_rank_counts_directions() {
        assert_eq!(effective_rank(&[0.0, 0.0]), 0.0);
        assert!((effective_rank(&[0.0, 5.0]) - 1.0).abs() < 1e-12);
        assert!((effective_rank(&[2.0; 7]) - 7.0).abs() < 1e-12);
        assert!((effective_rank(&[1.0, 1.0, 1e-9]) - 2.0).abs() < 1e-6);
    }
}
