//! The hand-written kernels: against the plain path, and their gradients against finite differences.
//!
//! Here they run as their CPU twins; the same comparison runs the shaders in the browser tests.

use futures_lite::future::block_on;
use jepa::device;
use jepa::kernel::linear_attention::{Sizes, twin};
use jepa::kernel::{TOLERANCE, compare};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::device::BackendChoice;

#[test]
fn kernels_equal_the_plain_path_on_the_cpu() {
    let (device, _) = block_on(device::open(BackendChoice::Cpu)).expect("the CPU is always there");
    let found = block_on(compare(&device)).expect("values read back");
    let worst = found.iter().max_by(|a, b| a.relative_error.total_cmp(&b.relative_error)).expect("a comparison");
    println!("{} comparisons, the largest error {:.1e} at {}", found.len(), worst.relative_error, worst.name);
    assert!(worst.relative_error <= TOLERANCE, "{} differs by {:.2e}", worst.name, worst.relative_error);
}

/// The gradient of linear attention written by hand, against central differences of the forward pass.
#[test]
fn gradients_of_linear_attention_equal_finite_differences() {
    let sizes = Sizes { n_cells: 2, n_queries: 3, n_keys: 4, n_heads: 2, head_width: 3 };
    let width = sizes.n_heads * sizes.head_width;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut random = |n_tokens: usize| -> Vec<f32> {
        (0..sizes.n_cells * n_tokens * width).map(|_| rng.random_range(-1.5..1.5)).collect()
    };
    let inputs = [random(sizes.n_queries), random(sizes.n_keys), random(sizes.n_keys)];
    let weights = random(sizes.n_queries);
    let loss = |[q, k, v]: &[Vec<f32>; 3]| -> f64 {
        let outputs = twin::forward(q, k, v, sizes).outputs;
        outputs.iter().zip(&weights).map(|(y, w)| f64::from(*y) * f64::from(*w)).sum()
    };
    let [q, k, v] = &inputs;
    let found = twin::forward(q, k, v, sizes);
    let results = [&found.summary[..], &found.outputs, &found.normalisers];
    let grads = twin::backward([q, k, v], results, &weights, sizes);
    // f32 sums of a few numbers near 1 are exact to 1e-6; over a step of 2e-2 that leaves 1e-4 of a gradient near 1,
    // and the third derivative as much.
    let step = 1e-2f32;
    for (which, grad) in [&grads.q, &grads.k, &grads.v].into_iter().enumerate() {
        let largest = grad.iter().map(|g| g.abs()).fold(0.0, f32::max);
        for (at, &found) in grad.iter().enumerate() {
            let moved = |by: f32| {
                let mut inputs = inputs.clone();
                inputs[which][at] += by;
                loss(&inputs)
            };
            let expected = (moved(step) - moved(-step)) / f64::from(2.0 * step);
            let difference = (f64::from(found) - expected).abs() / f64::from(largest);
            assert!(difference < 2e-3, "input {which}, number {at}: {found} but {expected} by differences");
        }
    }
}
