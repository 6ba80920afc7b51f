//! Initial values: drawn on the host from a seeded generator, so that every backend starts from the same numbers.
//!
//! The distributions are the reference's; the stream of numbers is ours.

use std::f64::consts::PI;

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws initial values and puts them on a device.
pub struct Init {
    /// None: everything is zero, for a model whose values are loaded next.
    rng: Option<ChaCha8Rng>,
    device: Device,
}

impl Init {
    /// Values drawn from `seed`.
    pub fn seeded(seed: u64, device: &Device) -> Self {
        Self { rng: Some(ChaCha8Rng::seed_from_u64(seed)), device: device.clone() }
    }

    /// Zeros, to be replaced by loaded values.
    pub fn zeros(device: &Device) -> Self {
        Self { rng: None, device: device.clone() }
    }

    /// Every value the same.
    pub fn constant<const D: usize>(&mut self, shape: [usize; D], value: f32) -> Tensor<D> {
        Tensor::full(shape, value, &self.device)
    }

    /// Normal with mean 0.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f64) -> Tensor<D> {
        self.draw(shape, |rng| std * normal(rng))
    }

    /// Normal with mean 0 and standard deviation `1 / sqrt(fan_in)`, cut at two standard deviations.
    pub fn truncated_normal<const D: usize>(&mut self, shape: [usize; D], fan_in: usize) -> Tensor<D> {
        let std = 1.0 / (fan_in as f64).sqrt();
        self.draw(shape, |rng| {
            loop {
                let value = normal(rng);
                if value.abs() <= 2.0 {
                    return std * value;
                }
            }
        })
    }

    /// Uniform in `-1/sqrt(fan_in) .. 1/sqrt(fan_in)`, PyTorch's default for a linear layer and its bias.
    pub fn uniform<const D: usize>(&mut self, shape: [usize; D], fan_in: usize) -> Tensor<D> {
        self.uniform_within(shape, 1.0 / (fan_in as f64).sqrt())
    }

    /// Uniform in `-bound .. bound`.
    pub fn uniform_within<const D: usize>(&mut self, shape: [usize; D], bound: f64) -> Tensor<D> {
        self.draw(shape, |rng| bound * (2.0 * rng.random::<f64>() - 1.0))
    }

    fn draw<const D: usize>(&mut self, shape: [usize; D], mut value: impl FnMut(&mut ChaCha8Rng) -> f64) -> Tensor<D> {
        let Some(rng) = &mut self.rng else {
            return Tensor::zeros(shape, &self.device);
        };
        let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|_| value(rng) as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }
}

/// A standard normal number (Box and Muller).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    // 1 - u lies in (0, 1]: its logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (2.0 * PI * rng.random::<f64>()).cos()
}
