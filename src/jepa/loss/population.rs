//! The distance of two populations: predicted cells of a perturbation against observed ones, unpaired.
//!
//! Energy distance, `2 E|x - y| - E|x - x'| - E|y - y'|`, the last two over different cells (so that its expectation over
//! samples is the distance itself, and a single sample's may be below 0), in Euclidean distance over the root of the width.

use burn::tensor::Tensor;

/// Keeps the square root differentiable where two cells are the same.
const DISTANCE_EPSILON: f64 = 1e-8;

/// Mean energy distance of the sets of `x` and `y`, `[sets, cells, width]` each, with at least two cells a set.
pub fn energy_distance(x: Tensor<3>, y: Tensor<3>) -> Tensor<1> {
    let [n_sets, n_cells, _] = x.dims();
    let n_pairs = (n_sets * n_cells * n_cells.saturating_sub(1)).max(1) as f64;
    let other = Tensor::<2>::eye(n_cells, &x.device()).neg() + 1.0;
    let other = other.unsqueeze::<3>();
    let within = |cells: &Tensor<3>| (distances(cells.clone(), cells.clone()) * other.clone()).sum() / n_pairs;
    let between = distances(x.clone(), y.clone()).mean();
    between * 2.0 - within(&x) - within(&y)
}

/// Every cell of `x` to every cell of `y` of its set: `[sets, cells, cells]`, over the root of the width.
fn distances(x: Tensor<3>, y: Tensor<3>) -> Tensor<3> {
    let [n_sets, n_x, width] = x.dims();
    let n_y = y.dims()[1];
    let difference = x.reshape([n_sets, n_x, 1, width]) - y.reshape([n_sets, 1, n_y, width]);
    let squares = difference.square().mean_dim(3).reshape([n_sets, n_x, n_y]);
    (squares + DISTANCE_EPSILON).sqrt()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    fn tensor(values: Vec<f32>, shape: [usize; 3]) -> Tensor<3> {
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    }

    fn value(x: &[f32], y: &[f32], shape: [usize; 3]) -> f32 {
        let distance = energy_distance(tensor(x.to_vec(), shape), tensor(y.to_vec(), shape));
        distance.into_data().try_into_vec::<f32>().expect("one f32")[0]
    }

    #[test]
    fn a_shift_of_points_is_twice_the_shift() {
        // All cells of a set the same: within is 0, between the distance.
        let found = value(&[1.0, 1.0, 1.0, 1.0], &[4.0, 4.0, 4.0, 4.0], [1, 2, 2]);
        assert!((found - 6.0).abs() < 1e-3, "{found}");
    }

    #[test]
    fn its_gradient_is_that_of_finite_differences() {
        let shape = [2, 3, 2];
        let x: Vec<f32> = (0..12).map(|at| (at * 5 % 7) as f32 / 3.0).collect();
        let y: Vec<f32> = (0..12).map(|at| (at * 3 % 11) as f32 / 4.0).collect();
        let tracked = tensor(x.clone(), shape).autodiff().require_grad();
        let mut recorded = energy_distance(tracked.clone(), tensor(y.clone(), shape)).backward();
        let gradient = tracked.grad_remove(&mut recorded).expect("it is tracked");
        let gradient = gradient.into_data().try_into_vec::<f32>().expect("f32s");
        let step = 1e-2;
        for at in 0..x.len() {
            let moved = |by: f32| {
                let mut x = x.clone();
                x[at] += by;
                value(&x, &y, shape)
            };
            let expected = (moved(step) - moved(-step)) / (2.0 * step);
            // Differences of f32 over so short a step are good to about 1e-4, their curvature to 1e-3.
            assert!((gradient[at] - expected).abs() < 2e-3, "{at}: {} for {expected}", gradient[at]);
        }
    }
}
