//! Dropout whose choice is drawn on the host, so that it is the same on every device and when a run is resumed.

use burn::tensor::{Tensor, TensorData};
use rand::RngCore;
use rand_chacha::ChaCha8Rng;

/// Values that one byte tells apart; the share is rounded to one of so many parts.
const PARTS: f64 = 256.0;

/// Sets a share of numbers to zero and makes up for it, while training.
#[derive(Debug)]
pub struct Dropout {
    rng: Option<ChaCha8Rng>,
    /// A number is dropped where its byte is below this.
    bound: u8,
}

impl Dropout {
    /// None: for queries, validation, and the teacher.
    pub fn none() -> Self {
        Self { rng: None, bound: 0 }
    }

    /// Drops a `share` (0 to 1, 1 excluded) by draws of `rng`.
    pub fn drawn(share: f64, rng: ChaCha8Rng) -> Self {
        let bound = (share * PARTS).round().clamp(0.0, PARTS - 1.0) as u8;
        Self { rng: Some(rng).filter(|_| bound > 0), bound }
    }

    /// `x` with its share dropped and the rest scaled up; `x` itself where nothing is dropped.
    pub fn apply<const D: usize>(&mut self, x: Tensor<D>) -> Tensor<D> {
        let Some(rng) = &mut self.rng else { return x };
        let shape = x.dims();
        let mut bytes = vec![0; shape.iter().product()];
        rng.fill_bytes(&mut bytes);
        let kept = (PARTS / (PARTS - f64::from(self.bound))) as f32;
        let factors: Vec<f32> = bytes.into_iter().map(|byte| if byte < self.bound { 0.0 } else { kept }).collect();
        let factors = Tensor::from_data(TensorData::new(factors, shape), &x.device().inner());
        x * factors
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_share_is_dropped_and_the_mean_kept() {
        let ones = Tensor::<2>::ones([100, 200], &Device::flex());
        let mut dropout = Dropout::drawn(0.2, ChaCha8Rng::seed_from_u64(1));
        let values = dropout.apply(ones.clone()).into_data().try_into_vec::<f32>().expect("floats");
        let dropped = values.iter().filter(|value| **value == 0.0).count() as f64 / values.len() as f64;
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        assert!((dropped - 0.2).abs() < 0.01 && (mean - 1.0).abs() < 0.01, "{dropped} {mean}");
        for mut none in [Dropout::none(), Dropout::drawn(0.0, ChaCha8Rng::seed_from_u64(1))] {
            assert!(
                none.apply(ones.clone()).into_data().try_into_vec::<f32>().is_ok_and(|v| v.iter().all(|x| *x == 1.0))
            );
        }
    }
}
