//! How long a step takes on this device: some steps of each stage on copies, so that the run stays as it is.

use spec::train::Stage;
use spec::train::report::{Probe, StageTime};

use super::{Trainer, advance, fresh_optimiser};
use crate::batch::Draws;
use crate::error::Error;
use crate::platform::{Clock, yield_now};

impl Trainer {
    /// Times `n_steps` steps of each stage that is still to be run, after one that is not counted (the first step of a
    /// kind compiles and allocates). Validation is not part of it.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn probe(&self, n_steps: usize) -> Result<Probe, Error> {
        let mut stages = Vec::new();
        for stage in Stage::ALL {
            let is_past = self.run.position.stage.is_none_or(|current| stage < current);
            let n_left = self.config.stage(stage).n_steps;
            if n_left == 0 || is_past {
                continue;
            }
            let mut run = self.run.clone();
            run.position = super::Position { stage: Some(stage), step: 0 };
            run.optimiser = fresh_optimiser(&self.config, run.position);
            let mut draws = Draws::new(self.config.seed, stage);
            let mut clock = Clock::start();
            for step in 0..=n_steps.max(1) {
                let losses = advance(self.given(), &mut run, &mut draws)?;
                run.position.step = (step + 1) % n_left;
                // The readback waits for what was queued.
                if step == 0 {
                    losses.read().await?;
                    clock = Clock::start();
                } else if step == n_steps.max(1) {
                    losses.read().await?;
                }
                yield_now().await;
            }
            let is_current = self.run.position.stage == Some(stage);
            let n_left = n_left - if is_current { self.run.position.step } else { 0 };
            stages.push(StageTime { stage, step_secs: clock.elapsed_secs() / n_steps.max(1) as f64, n_steps: n_left });
        }
        Ok(Probe { stages })
    }
}
