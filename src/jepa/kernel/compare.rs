//! Holds each kernel against the plain path on a device, over sizes that do and do not fill its tiles.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::linear_attention::{Sizes, fused_linear_attention};
use crate::error::Error;
use crate::model::attention::plain_linear_attention;
use crate::model::parameters::read_back;

/// The largest difference, relative to the largest magnitude, that counts as equal: f32 sums in another order differ
/// by about 1e-6 of it.
pub const TOLERANCE: f64 = 1e-5;

/// Seed of the values that are compared.
const SEED: u64 = 7;

/// How far a kernel is from the plain path at some sizes.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelComparison {
    /// The kernel, what was compared, and the sizes.
    pub name: String,
    /// Largest difference over the largest magnitude; infinite where values are missing or not finite.
    pub relative_error: f64,
}

/// Compares outputs and gradients of every kernel with the plain path on this device.
///
/// # Errors
/// Where the device fails to give values back.
pub async fn compare(device: &Device) -> Result<Vec<KernelComparison>, Error> {
    let sizes = [
        // Hardly anything to sum (over one key, or in one dimension, gradients cancel), one short of a tile, a tile, one
        // more, two tiles and a bit; queries unlike keys; many heads.
        (1, 1, 2, 1, 2),
        (2, 15, 17, 2, 3),
        (1, 16, 16, 1, 16),
        (2, 33, 40, 4, 17),
        (3, 7, 120, 2, 8),
        (1, 64, 64, 2, 64),
    ];
    let mut found = Vec::new();
    for (n_cells, n_queries, n_keys, n_heads, head_width) in sizes {
        let sizes = Sizes { n_cells, n_queries, n_keys, n_heads, head_width };
        found.extend(compare_linear_attention(sizes, device).await?);
    }
    Ok(found)
}

async fn compare_linear_attention(sizes: Sizes, device: &Device) -> Result<Vec<KernelComparison>, Error> {
    let Sizes { n_cells, n_queries, n_keys, n_heads, head_width } = sizes;
    let d_model = n_heads * head_width;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut random = |n_tokens: usize| {
        let values: Vec<f32> = (0..n_cells * n_tokens * d_model).map(|_| rng.random_range(-2.5..2.5)).collect();
        Tensor::<3>::from_data(TensorData::new(values, [n_cells, n_tokens, d_model]), &device.clone().autodiff())
    };
    let inputs = [random(n_queries), random(n_keys), random(n_keys)];
    let weights = random(n_queries).inner();
    let plain = outputs_and_gradients(&inputs, &weights, |q, k, v| plain_linear_attention(q, k, v, n_heads)).await?;
    let fused = outputs_and_gradients(&inputs, &weights, |q, k, v| fused_linear_attention(q, k, v, n_heads)).await?;
    let names = ["outputs", "queries' gradient", "keys' gradient", "values' gradient"];
    let sizes = format!("{n_cells} cells, {n_queries} queries, {n_keys} keys, {n_heads} heads of {head_width}");
    let compared = names.iter().zip(plain.iter().zip(&fused)).map(|(name, (plain, fused))| KernelComparison {
        name: format!("linear attention, {name}, {sizes}"),
        relative_error: relative_error(fused, plain),
    });
    Ok(compared.collect())
}

/// The outputs, and the gradients of `Σ weights · outputs`.
async fn outputs_and_gradients(
    inputs: &[Tensor<3>; 3],
    weights: &Tensor<3>,
    attention: impl Fn(Tensor<3>, Tensor<3>, Tensor<3>) -> Tensor<3>,
) -> Result<[Vec<f32>; 4], Error> {
    let [q, k, v] = inputs.clone().map(|input| input.detach().require_grad());
    let outputs = attention(q.clone(), k.clone(), v.clone());
    let weighted = outputs.clone() * Tensor::from_inner(weights.clone());
    let mut recorded = weighted.sum().backward();
    let mut found = [read_back("the outputs", outputs.inner()).await?, Vec::new(), Vec::new(), Vec::new()];
    for (found, input) in found[1..].iter_mut().zip([q, k, v]) {
        // An operation that passes no gradient on is caught as one of the wrong length.
        if let Some(grad) = input.grad_remove(&mut recorded) {
            *found = read_back("a gradient", grad).await?;
        }
    }
    Ok(found)
}

fn relative_error(found: &[f32], reference: &[f32]) -> f64 {
    let largest = reference.iter().map(|value| f64::from(value.abs())).fold(f64::MIN_POSITIVE, f64::max);
    let differences = found.iter().zip(reference).map(|(a, b)| f64::from(a - b).abs());
    let largest_difference = differences.map(|d| if d.is_finite() { d } else { f64::INFINITY }).fold(0.0, f64::max);
    if found.len() == reference.len() { largest_difference / largest } else { f64::INFINITY }
}
