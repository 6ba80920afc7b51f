//! The pace of a run, and whether it stood still: a page that is hidden or a machine that sleeps stops a run in the middle
//! of a step, and that time is neither a step's nor a person's waiting.
//!
//! Two clocks are read, since that of the process stands still while some machines sleep, and that of the day does not.

use std::collections::{BTreeMap, VecDeque};

use jepa::platform::{now_secs, unix_secs};
use spec::train::Stage;

/// Reports of a stage that its pace is told from.
const N_KEPT: usize = 10;
/// A stretch that takes so many times as long as it should have, and at least so many seconds more, was a standstill.
const STANDSTILL_TIMES: f64 = 10.0;
const STANDSTILL_SECS: f64 = 2.0;

/// Seconds of a step, stage by stage, as told by the last reports.
#[derive(Debug, Default)]
pub struct Pace {
    of_stage: BTreeMap<Stage, VecDeque<f64>>,
    /// Whether the last stretch was taken for a standstill.
    stood_still: bool,
}

/// What is known of a stretch of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// Mean seconds of a step of the stage, standstills left out.
    pub step_secs: f64,
    /// Seconds that the run stood still in this stretch; none where it did not.
    pub stood_still_secs: Option<f64>,
}

/// A moment on both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    running_secs: f64,
    of_day_secs: f64,
}

impl Moment {
    /// Now.
    pub fn now() -> Self {
        Self { running_secs: now_secs(), of_day_secs: unix_secs() }
    }

    /// Seconds since then, on the clock of the process and on that of the day.
    pub fn elapsed_secs(self) -> [f64; 2] {
        let now = Self::now();
        [now.running_secs - self.running_secs, now.of_day_secs - self.of_day_secs]
    }
}

impl Pace {
    /// Takes in a stretch of `n_steps` steps of a stage.
    pub fn took(&mut self, stage: Stage, n_steps: usize, [running_secs, of_day_secs]: [f64; 2]) -> Told {
        let n_steps = n_steps.max(1) as f64;
        let known = self.of(stage);
        let kept = self.of_stage.entry(stage).or_default();
        // Before the first report of a stage nothing says how long it should take.
        let excess = known.filter(|_| !kept.is_empty()).map(|step_secs| {
            let (expected, took) = (step_secs * n_steps, running_secs.max(of_day_secs));
            let is_long = took > STANDSTILL_TIMES * expected && took > expected + STANDSTILL_SECS;
            if is_long { took - expected } else { 0.0 }
        });
        // Two in a row are no standstills but another pace.
        let was_still = std::mem::take(&mut self.stood_still);
        let stood_still_secs = excess.filter(|secs| *secs > 0.0 && !was_still);
        self.stood_still = stood_still_secs.is_some();
        if stood_still_secs.is_none() {
            if was_still && excess.is_some_and(|secs| secs > 0.0) {
                kept.clear();
            }
            kept.push_back(running_secs / n_steps);
            if kept.len() > N_KEPT {
                kept.pop_front();
            }
        }
        Told { step_secs: self.of(stage).unwrap_or(0.0), stood_still_secs }
    }

    /// Seconds of a step of a stage; of one that has not begun, those of the last one.
    pub fn of(&self, stage: Stage) -> Option<f64> {
        let kept = self.of_stage.get(&stage).or_else(|| self.of_stage.values().next_back())?;
        // The first stretch of a stage may hold a standstill that nothing could tell.
        let mut sorted: Vec<f64> = kept.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let most = STANDSTILL_TIMES * sorted.get(sorted.len().checked_sub(1)? / 2)?;
        let usual = sorted.iter().take_while(|secs| **secs <= most);
        let (sum, n) = usual.fold((0.0, 0), |(sum, n), secs| (sum + secs, n + 1));
        Some(sum / f64::from(n.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use spec::train::Stage;

    use super::Pace;

    #[test]
    fn a_standstill_is_told_and_does_not_count() {
        let mut pace = Pace::default();
        let took = |pace: &mut Pace, secs: [f64; 2]| pace.took(Stage::Pretrain, 10, secs);
        for _ in 0..3 {
            assert_eq!(took(&mut pace, [1.0, 1.0]).stood_still_secs, None);
        }
        // A night of sleep on a machine whose clock goes on, and on one whose clock stands still meanwhile.
        for night in [[28_801.0, 28_801.0], [1.0, 28_801.0]] {
            let told = took(&mut pace, night);
            assert!((told.step_secs - 0.1).abs() < 1e-9, "{}", told.step_secs);
            assert_eq!(told.stood_still_secs, Some(28_800.0));
            assert_eq!(took(&mut pace, [1.0, 1.0]).stood_still_secs, None);
        }
        // Validation, a burst of other work, a clock that was set back: slower or not, no standstill.
        for secs in [[2.5, 2.5], [1.0, -3600.0]] {
            assert_eq!(took(&mut pace, secs).stood_still_secs, None);
        }
        assert!((pace.of(Stage::Pretrain).expect("known") - 0.85 / 7.0).abs() < 1e-9);
        assert_eq!(pace.of(Stage::Decoder), pace.of(Stage::Pretrain));
    }

    #[test]
    fn a_standstill_in_the_first_stretch_is_forgotten_with_the_second() {
        let mut pace = Pace::default();
        assert_eq!(pace.of(Stage::Action), None);
        assert_eq!(pace.took(Stage::Action, 10, [600.0, 600.0]).step_secs, 60.0);
        assert_eq!(pace.took(Stage::Action, 10, [1.0, 1.0]).step_secs, 0.1);
    }

    #[test]
    fn a_pace_that_changes_for_good_is_followed() {
        let mut pace = Pace::default();
        for _ in 0..20 {
            pace.took(Stage::Action, 1, [0.1, 0.1]);
        }
        for _ in 0..10 {
            pace.took(Stage::Action, 1, [0.8, 0.8]);
        }
        assert!((pace.of(Stage::Action).expect("known") - 0.8).abs() < 1e-9);
        // So much slower that the first stretch looks like a standstill; the second cannot.
        assert_eq!(pace.took(Stage::Action, 1, [60.0, 60.0]).step_secs, pace.of(Stage::Action).expect("known"));
        let told = pace.took(Stage::Action, 1, [60.0, 60.0]);
        assert_eq!((told.step_secs, told.stood_still_secs), (60.0, None));
    }
}
