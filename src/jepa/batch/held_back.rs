//! What is held back from training for validation: a seeded share of targets or cells.
//!
//! Two sets of cells come of it that share their values; no row is in both. Every group of two rows or more gives at least
//! one and keeps at least one.

use spec::train::{HoldBack, Stage, TrainConfig};

use crate::batch::draws::{Draws, Purpose, shuffle};
use crate::batch::{Role, TrainingCells};
use crate::error::Error;

/// Streams of draws that are no target's.
const TARGETS: u64 = 1 << 40;
const CONTROLS: u64 = TARGETS + 1;
const UNLABELLED: u64 = TARGETS + 2;

impl TrainingCells {
    /// The targets that `config` holds back whole; none where it holds back nothing, or cells.
    ///
    /// # Errors
    /// Where there is a single target, so that none would be left to train on.
    pub fn held_back_targets(&self, config: &TrainConfig) -> Result<Vec<u32>, Error> {
        if config.validation_share == 0.0 || config.hold_back == HoldBack::Cells || self.inhabited.is_empty() {
            return Ok(Vec::new());
        }
        if self.inhabited.len() < 2 {
            return Err(Error::TrainingCells {
                problem: "validation_share would hold back the only target; set hold_back = \"cells\"".into(),
            });
        }
        Ok(share_of(&self.inhabited, config, TARGETS))
    }

    /// The cells to train on, and those held back; none where `config` holds back nothing.
    ///
    /// # Errors
    /// As [`TrainingCells::held_back_targets`].
    pub fn held_back(self, config: &TrainConfig) -> Result<(Self, Option<Self>), Error> {
        if config.validation_share == 0.0 {
            return Ok((self, None));
        }
        let targets = self.held_back_targets(config)?;
        let mut is_held_back = vec![false; self.roles.len()];
        let unlabelled: Vec<u32> =
            self.all.iter().copied().filter(|&row| self.roles[row as usize] == Role::Unlabelled).collect();
        let mut rows = share_of(&self.controls, config, CONTROLS);
        rows.extend(share_of(&unlabelled, config, UNLABELLED));
        for &target in &self.inhabited {
            let of_target = &self.rows_of_target[target as usize];
            match config.hold_back {
                HoldBack::Cells => rows.extend(share_of(of_target, config, target.into())),
                HoldBack::Targets if targets.contains(&target) => rows.extend(of_target),
                HoldBack::Targets => {}
            }
        }
        rows.into_iter().for_each(|row| is_held_back[row as usize] = true);
        let part = |wanted: bool| {
            let role =
                |(role, &is_held_back): (&Role, &bool)| if is_held_back == wanted { *role } else { Role::HeldOut };
            self.with_roles(self.roles.iter().zip(&is_held_back).map(role).collect())
        };
        let (mut training, mut validation) = (part(false)?, part(true)?);
        if !targets.is_empty() {
            training.aligned.retain(|target| !targets.contains(target));
            validation.aligned = targets;
        }
        Ok((training, Some(validation)))
    }
}

/// The seeded share of some rows or targets, ascending; nothing of fewer than two.
fn share_of(all: &[u32], config: &TrainConfig, group: u64) -> Vec<u32> {
    if all.len() < 2 {
        return Vec::new();
    }
    let n = ((config.validation_share * all.len() as f64).round() as usize).clamp(1, all.len() - 1);
    let mut drawn = all.to_vec();
    shuffle(&mut drawn, &mut Draws::new(config.seed, Stage::Pretrain).stream(Purpose::HoldBack, group));
    drawn.truncate(n);
    drawn.sort_unstable();
    drawn
}

#[cfg(test)]
mod tests {
    use cells::counts::Counts;

    use super::*;
    use crate::batch::Target;

    /// Ten controls, four unlabelled cells, six cells of each of four targets and one held out.
    fn cells() -> TrainingCells {
        let mut roles = vec![Role::Control; 10];
        roles.extend([Role::Unlabelled; 4]);
        (0..4).for_each(|target| roles.extend([Role::Perturbed(target); 6]));
        roles.push(Role::HeldOut);
        let values: Vec<f32> = (0..roles.len()).map(|row| row as f32).collect();
        let target = |name: &str| Target { name: name.into(), vector: vec![1.0] };
        let targets = ["A", "B", "C", "D"].map(target).to_vec();
        let rows = Counts::from_dense(&values, 1).expect("rows are whole");
        TrainingCells::new(rows, &roles, None, targets).expect("all parts fit")
    }

    fn config(hold_back: HoldBack) -> TrainConfig {
        TrainConfig { validation_share: 0.25, hold_back, ..TrainConfig::default() }
    }

    #[test]
    fn no_row_is_in_both_parts_and_none_is_lost() {
        for hold_back in [HoldBack::Targets, HoldBack::Cells] {
            let (training, validation) = cells().held_back(&config(hold_back)).expect("enough of everything");
            let validation = validation.expect("a quarter is held back");
            let mut rows = [training.all.clone(), validation.all.clone()].concat();
            rows.sort_unstable();
            assert_eq!(rows, (0..38).collect::<Vec<u32>>(), "{hold_back:?}");
            assert_eq!((validation.controls.len(), training.controls.len()), (3, 7));
            let targets = match hold_back {
                HoldBack::Targets => (1, 3, vec![6]),
                HoldBack::Cells => (4, 4, vec![2; 4]),
            };
            let n_cells = |t: &u32| validation.rows_of_target[*t as usize].len();
            let per_target: Vec<usize> = validation.inhabited.iter().map(n_cells).collect();
            assert_eq!((validation.inhabited.len(), training.inhabited.len(), per_target), targets);
        }
        assert!(cells().held_back(&TrainConfig::default()).expect("nothing to do").1.is_none());
    }

    #[test]
    fn what_is_held_back_is_a_matter_of_the_seed() {
        let held = |seed| {
            let config = TrainConfig { seed, ..config(HoldBack::Cells) };
            cells().held_back(&config).expect("enough").1.expect("a share").all
        };
        assert_eq!(held(1), held(1));
        assert_ne!(held(1), held(2));
    }

    #[test]
    fn a_single_target_is_not_held_back_whole() {
        let rows = Counts::from_dense(&[1.0, 2.0, 3.0], 1).expect("rows are whole");
        let roles = [Role::Control, Role::Perturbed(0), Role::Perturbed(0)];
        let target = Target { name: "A".into(), vector: vec![1.0] };
        let one = TrainingCells::new(rows, &roles, None, vec![target]).expect("fits");
        let error = one.held_back(&config(HoldBack::Targets)).expect_err("none would be left").to_string();
        assert!(error.contains("hold_back"), "{error}");
    }
}
