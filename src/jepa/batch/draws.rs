//! Random draws that are pure functions of (seed, stage, step): ChaCha with one stream per purpose.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::train::Stage;

/// The random draws of one stage.
#[derive(Debug, Clone)]
pub struct Draws {
    seed: u64,
    stage: Stage,
    /// The shuffled order of the last epoch asked for.
    epoch: Option<(u64, Vec<u32>)>,
}

/// What a stream of draws is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Order = 1,
    Control = 2,
    Mask = 3,
    Pool = 4,
    HoldBack = 5,
    Tokens = 6,
    Dropout = 7,
}

impl Draws {
    /// The draws of `stage` under `seed`.
    pub fn new(seed: u64, stage: Stage) -> Self {
        Self { seed, stage, epoch: None }
    }

    /// Indices below `n` for one step: each epoch visits all once in a fresh order; a batch may span two epochs.
    pub fn order(&mut self, n: usize, batch_size: usize, step: usize) -> Vec<u32> {
        let first = step as u64 * batch_size as u64;
        (first..first + batch_size as u64)
            .map(|position| {
                let (epoch, within) = (position / n as u64, (position % n as u64) as usize);
                if self.epoch.as_ref().is_none_or(|(current, order)| *current != epoch || order.len() != n) {
                    self.epoch = Some((epoch, self.shuffled(n, epoch)));
                }
                self.epoch.as_ref().map_or(0, |(_, order)| order[within])
            })
            .collect()
    }

    /// The order of one step in which each index comes `set_size` times in a row, the last perhaps fewer.
    pub fn order_of_sets(&mut self, n: usize, batch_size: usize, set_size: usize, step: usize) -> Vec<u32> {
        let set_size = set_size.max(1);
        let sets = self.order(n, batch_size.div_ceil(set_size), step);
        sets.into_iter().flat_map(|index| std::iter::repeat_n(index, set_size)).take(batch_size).collect()
    }

    /// A mask of `n` genes in all: 1 where masked, each independently with probability `ratio`.
    pub fn mask(&self, n: usize, ratio: f64, step: usize) -> Vec<f32> {
        let mut rng = self.stream(Purpose::Mask, step as u64);
        (0..n).map(|_| if rng.random_bool(ratio) { 1.0 } else { 0.0 }).collect()
    }

    fn shuffled(&self, n: usize, epoch: u64) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        shuffle(&mut order, &mut self.stream(Purpose::Order, epoch));
        order
    }

    /// A generator for one purpose and step (or epoch, or group).
    pub(crate) fn stream(&self, purpose: Purpose, index: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((purpose as u64) << 60 | (self.stage as u64) << 56 | index);
        rng
    }
}

/// Puts values into a random order.
pub(super) fn shuffle(values: &mut [u32], rng: &mut ChaCha8Rng) {
    for i in (1..values.len()).rev() {
        values.swap(i, rng.random_range(0..=i as u32) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_visits_everything_once() {
        let mut draws = Draws::new(7, Stage::Pretrain);
        let mut seen: Vec<u32> = (0..5).flat_map(|step| draws.order(10, 4, step)).collect();
        let second = seen.split_off(10);
        assert_ne!(seen, second);
        for mut epoch in [seen, second] {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..10).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_step_draws_the_same_wherever_the_run_began() {
        let (mut whole, mut resumed) = (Draws::new(7, Stage::Action), Draws::new(7, Stage::Action));
        let orders: Vec<_> = (0..9).map(|step| whole.order(10, 4, step)).collect();
        assert_eq!(resumed.order(10, 4, 8), orders[8]);
        assert_eq!(resumed.mask(100, 0.6, 8), whole.mask(100, 0.6, 8));
        assert_ne!(resumed.mask(100, 0.6, 7), whole.mask(100, 0.6, 8));
        assert_ne!(Draws::new(8, Stage::Action).mask(100, 0.6, 8), whole.mask(100, 0.6, 8));
    }

    #[test]
    fn the_mask_covers_its_share() {
        let masked: f32 = Draws::new(7, Stage::Pretrain).mask(20_000, 0.6, 0).iter().sum();
        assert!((masked / 20_000.0 - 0.6).abs() < 0.02, "{masked}");
    }
}
