//! The simple predictors that every model has to beat: they see the training responses and the target vectors alone.
//!
//! Training mean: the mean response, each target weighing the same. Nearest neighbour: the response of the training
//! target whose vector has the largest cosine. Kernel ridge: linear kernel on the vectors, centred on the training mean,
//! its penalty chosen among 0.1, 1 and 10 by leaving out one training target at a time. The submodules have the others of
//! spec §7: means by cells and sums for doubles, ridge chosen on validation targets, the bilinear model, controls.

pub mod bilinear;
pub mod controls;
pub mod means;
pub mod ridge;

/// Penalties that [`kernel_ridge`] chooses from.
pub const RIDGE_PENALTIES: [f64; 3] = [0.1, 1.0, 10.0];

/// Mean response per gene over the training targets, each weighing the same; none without targets.
pub fn training_mean(deltas: &[&[f32]]) -> Option<Vec<f32>> {
    let first = deltas.first()?;
    let mut sum = vec![0.0f64; first.len()];
    for delta in deltas {
        for (sum, &value) in sum.iter_mut().zip(*delta) {
            *sum += f64::from(value);
        }
    }
    Some(sum.into_iter().map(|v| (v / deltas.len() as f64) as f32).collect())
}

/// Response of the training target with the vector most like `query` (cosine); the first of equals; none without targets.
pub fn nearest_neighbour(vectors: &[&[f32]], deltas: &[&[f32]], query: &[f32]) -> Option<Vec<f32>> {
    let mut best: Option<(f64, usize)> = None;
    for (index, vector) in vectors.iter().enumerate() {
        let similarity = cosine(vector, query);
        if best.is_none_or(|(highest, _)| similarity > highest) {
            best = Some((similarity, index));
        }
    }
    best.map(|(_, index)| deltas[index].to_vec())
}

/// Kernel ridge prediction of the response to `query`; none without targets.
pub fn kernel_ridge(vectors: &[&[f32]], deltas: &[&[f32]], query: &[f32]) -> Option<Vec<f32>> {
    let mut best = (f64::INFINITY, RIDGE_PENALTIES[0]);
    for penalty in RIDGE_PENALTIES {
        let error: f64 = (0..vectors.len())
            .filter_map(|left_out| {
                let others = |all: &[&[f32]]| -> Vec<Vec<f32>> {
                    all.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, v)| v.to_vec()).collect()
                };
                let (v, d) = (others(vectors), others(deltas));
                let (v, d): (Vec<_>, Vec<_>) =
                    (v.iter().map(Vec::as_slice).collect(), d.iter().map(Vec::as_slice).collect());
                let predicted = ridge_with_penalty(&v, &d, vectors[left_out], penalty)?;
                Some(super::mean_squared_error(&predicted, deltas[left_out]))
            })
            .sum();
        if error < best.0 {
            best = (error, penalty);
        }
    }
    ridge_with_penalty(vectors, deltas, query, best.1)
}

fn ridge_with_penalty(vectors: &[&[f32]], deltas: &[&[f32]], query: &[f32], penalty: f64) -> Option<Vec<f32>> {
    let mean = training_mean(deltas)?;
    let n = vectors.len();
    let mut kernel = vec![0.0f64; n * n];
    for i in 0..n {
        for j in 0..n {
            kernel[i * n + j] = dot(vectors[i], vectors[j]) + if i == j { penalty } else { 0.0 };
        }
    }
    // The kernel is symmetric: the prediction is a weighted sum of the centred responses with weights K⁻¹ k(query).
    let similarity: Vec<f64> = vectors.iter().map(|v| dot(v, query)).collect();
    let weights = solve_positive_definite(kernel, similarity)?;
    let mut predicted: Vec<f64> = mean.iter().map(|&v| f64::from(v)).collect();
    for (weight, delta) in weights.iter().zip(deltas) {
        for ((predicted, &value), &mean) in predicted.iter_mut().zip(*delta).zip(&mean) {
            *predicted += weight * (f64::from(value) - f64::from(mean));
        }
    }
    Some(predicted.into_iter().map(|v| v as f32).collect())
}

/// Solves `a x = b` by Cholesky for a symmetric positive definite `a` (row-major); none where it is not.
fn solve_positive_definite(mut a: Vec<f64>, mut b: Vec<f64>) -> Option<Vec<f64>> {
    let n = b.len();
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| a[i * n + k] * a[j * n + k]).sum();
            let rest = a[i * n + j] - sum;
            if i == j {
                if rest.is_nan() || rest <= 0.0 {
                    return None;
                }
                a[i * n + i] = rest.sqrt();
            } else {
                a[i * n + j] = rest / a[j * n + j];
            }
        }
    }
    for i in 0..n {
        let sum: f64 = (0..i).map(|k| a[i * n + k] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i * n + i];
    }
    for i in (0..n).rev() {
        let sum: f64 = (i + 1..n).map(|k| a[k * n + i] * b[k]).sum();
        b[i] = (b[i] - sum) / a[i * n + i];
    }
    Some(b)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ridge_without_similarity_is_the_mean() {
        let vectors: [&[f32]; 2] = [&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]];
        let deltas: [&[f32]; 2] = [&[1.0, 3.0], &[3.0, 1.0]];
        let predicted = kernel_ridge(&vectors, &deltas, &[0.0, 0.0, 1.0]).expect("two targets");
        assert!((predicted[0] - 2.0).abs() < 1e-6 && (predicted[1] - 2.0).abs() < 1e-6);
    }

    #[test]
    fn ridge_matches_the_closed_form() {
        // One feature, two targets at ±1, penalty p: K = [[1+p, -1], [-1, 1+p]], slope = 2 / (2 + p).
        let vectors: [&[f32]; 2] = [&[1.0], &[-1.0]];
        let deltas: [&[f32]; 2] = [&[1.0], &[-1.0]];
        let predicted = ridge_with_penalty(&vectors, &deltas, &[1.0], 1.0).expect("solvable");
        assert!((f64::from(predicted[0]) - 2.0 / 3.0).abs() < 1e-6);
    }

    #[test]
    fn the_nearest_target_lends_its_response() {
        let vectors: [&[f32]; 2] = [&[1.0, 0.1], &[0.0, 1.0]];
        let deltas: [&[f32]; 2] = [&[5.0], &[7.0]];
        assert_eq!(nearest_neighbour(&vectors, &deltas, &[0.2, 3.0]), Some(vec![7.0]));
        assert_eq!(nearest_neighbour(&[], &[], &[1.0]), None);
    }
}
