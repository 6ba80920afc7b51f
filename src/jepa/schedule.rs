//! The one-cycle schedule of PyTorch: the learning rate warms up and anneals, AdamW's first decay does the opposite.
//!
//! Two cosine phases, as `torch.optim.lr_scheduler.OneCycleLR` with its defaults: the rate starts at a 25th of the peak
//! and ends at a 250,000th; the first decay cycles 0.95, 0.85, 0.95. A pure function of the step: nothing to save.

use std::f64::consts::PI;

const START_DIVISOR: f64 = 25.0;
const END_DIVISOR: f64 = 1e4;
const BETA1_LOW: f64 = 0.85;
const BETA1_HIGH: f64 = 0.95;

/// One cycle over a known number of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OneCycle {
    /// Peak learning rate.
    pub max_lr: f64,
    /// Optimiser steps in all.
    pub n_steps: usize,
    /// Share of the steps that warm up.
    pub warmup_share: f64,
}

impl OneCycle {
    /// Learning rate of the step with this index, counted from 0.
    pub fn lr(&self, step: usize) -> f64 {
        let start = self.max_lr / START_DIVISOR;
        self.at(step, [start, self.max_lr, start / END_DIVISOR])
    }

    /// First decay of AdamW at the step with this index, counted from 0.
    pub fn beta1(&self, step: usize) -> f64 {
        self.at(step, [BETA1_HIGH, BETA1_LOW, BETA1_HIGH])
    }

    /// The value at `step` of a curve through three levels: start, end of the warm-up, last step.
    fn at(&self, step: usize, levels: [f64; 3]) -> f64 {
        let step = step as f64;
        let warm_end = self.warmup_share * self.n_steps as f64 - 1.0;
        let last = self.n_steps as f64 - 1.0;
        if step <= warm_end {
            between(levels[0], levels[1], step, 0.0, warm_end)
        } else {
            between(levels[1], levels[2], step, warm_end, last)
        }
    }
}

/// A rate that falls by a factor with each visit of all examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochDecay {
    /// Learning rate of the first epoch.
    pub lr: f64,
    /// Factor per epoch.
    pub decay: f64,
    /// Examples there are.
    pub n_examples: usize,
    /// Examples of one step.
    pub n_per_step: usize,
}

impl EpochDecay {
    /// Learning rate of the step with this index, counted from 0: that of the epoch it begins in.
    pub fn lr(&self, step: usize) -> f64 {
        let epoch = (step as u64).saturating_mul(self.n_per_step as u64) / (self.n_examples as u64).max(1);
        self.lr * self.decay.powi(i32::try_from(epoch).unwrap_or(i32::MAX))
    }
}

/// Half a cosine from `from` at `start` to `to` at `end`; `to` where the phase has no length.
fn between(from: f64, to: f64, step: f64, start: f64, end: f64) -> f64 {
    let share = if end > start { ((step - start) / (end - start)).min(1.0) } else { 1.0 };
    to + (from - to) / 2.0 * (1.0 + (PI * share).cos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_through_its_three_levels() {
        let cycle = OneCycle { max_lr: 1e-3, n_steps: 100, warmup_share: 0.05 };
        assert!((cycle.lr(0) - 4e-5).abs() < 1e-12);
        assert!((cycle.lr(4) - 1e-3).abs() < 1e-12);
        assert!((cycle.lr(99) - 4e-9).abs() < 1e-15);
        assert!((cycle.beta1(0) - 0.95).abs() < 1e-12);
        assert!((cycle.beta1(4) - 0.85).abs() < 1e-12);
        assert!((cycle.beta1(99) - 0.95).abs() < 1e-12);
    }

    #[test]
    fn the_rate_falls_with_each_epoch() {
        let rates = EpochDecay { lr: 1e-4, decay: 0.9, n_examples: 10, n_per_step: 4 };
        let found: Vec<f64> = (0..6).map(|step| rates.lr(step)).collect();
        assert_eq!(found, [1e-4, 1e-4, 1e-4, 1e-4 * 0.9, 1e-4 * 0.9, 1e-4 * 0.9f64.powi(2)]);
    }

    #[test]
    fn short_runs_stay_finite() {
        for n_steps in [1, 2, 5, 19, 20, 21] {
            let cycle = OneCycle { max_lr: 1e-3, n_steps, warmup_share: 0.05 };
            for step in 0..n_steps + 3 {
                assert!(cycle.lr(step).is_finite() && cycle.lr(step) > 0.0, "{n_steps} steps, step {step}");
                assert!((BETA1_LOW..=BETA1_HIGH).contains(&cycle.beta1(step)));
            }
        }
    }
}
