//! Which cells each training step sees: seeded order, control partners and masks, and their dense arrays.
//!
//! Every draw is a pure function of (seed, stage, step): ChaCha with one stream per purpose. The step number alone is
//! therefore the state of the generator, and a resumed run draws what the uninterrupted one would have drawn.
//! As the reference: a perturbed cell is paired with a uniform random control (of its own batch where batches are
//! known; drawn anew at every visit, where the reference draws once), and each gene is masked independently.

mod draws;
mod held_back;
mod means;
mod stored;

use std::collections::HashMap;
use std::sync::Arc;

use cells::counts::Counts;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use spec::train::Stage;

pub(crate) use crate::batch::draws::Purpose;
use crate::error::Error;

pub use draws::Draws;

/// A target with its perturbation vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its name in the data.
    pub name: String,
    /// Its vector, as wide as the composer's protein input.
    pub vector: Vec<f32>,
}

/// Prepared cells, aligned to the model's genes, sorted by the part they play in training. Clones share the values.
#[derive(Debug, Clone)]
pub struct TrainingCells {
    rows: Arc<Counts>,
    /// Per row, `ln(1 + sum of the row)`, the model's second input.
    log_totals: Arc<Vec<f32>>,
    /// Per row, its part.
    roles: Vec<Role>,
    /// Rows that pretraining sees.
    all: Vec<u32>,
    /// Perturbed rows with their target.
    perturbed: Vec<(u32, u32)>,
    controls: Vec<u32>,
    controls_of_batch: HashMap<u32, Vec<u32>>,
    batch_of_row: Option<Arc<Vec<u32>>>,
    /// Per row, the cells that it stands for; none where each is one.
    cells_of_row: Option<Arc<Vec<f32>>>,
    targets: Arc<Vec<Target>>,
    /// Targets that alignment sees.
    aligned: Vec<u32>,
    /// Per target, its perturbed rows.
    rows_of_target: Vec<Vec<u32>>,
    /// Targets that have cells.
    inhabited: Vec<u32>,
    /// Per row, its target; none for a control and without a usable label.
    target_of_row: Vec<Option<u32>>,
}

/// The part one row plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// An unperturbed cell.
    Control,
    /// A cell whose target is trained on, by index into the targets.
    Perturbed(u32),
    /// A cell without a usable label: pretraining alone sees it.
    Unlabelled,
    /// A cell of a held-out target: no stage sees it.
    HeldOut,
}

/// Dense cells of one step, row-major.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DenseCells {
    /// log1p expression, `[n, n_genes]`.
    pub x: Vec<f32>,
    /// `ln(1 + sum)` per cell, `[n]`.
    pub log_total: Vec<f32>,
}

/// Perturbed cells of one step with their controls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pairs {
    /// The control partners.
    pub control: DenseCells,
    /// The perturbed cells.
    pub case: DenseCells,
    /// Target of each pair, by index; none for two controls.
    pub target: Vec<Option<u32>>,
}

impl TrainingCells {
    /// Sorts `rows` (log1p expression in the model's gene order) by `roles`; `batches` names each row's batch.
    ///
    /// # Errors
    /// Where the lengths disagree, a role names a target that is not there, or vectors differ in width.
    pub fn new(
        mut rows: Counts,
        roles: &[Role],
        batches: Option<Vec<u32>>,
        targets: Vec<Target>,
    ) -> Result<Self, Error> {
        let n = rows.n_cells();
        if roles.len() != n || batches.as_ref().is_some_and(|b| b.len() != n) {
            return Err(bad(format!("{n} cells, but {} roles or a batch column of another length", roles.len())));
        }
        if let Some(target) = targets.iter().find(|t| t.vector.len() != targets[0].vector.len()) {
            return Err(bad(format!(
                "the vector of {} has another width than that of {}",
                target.name, targets[0].name
            )));
        }
        // Every epoch asks for every row.
        rows.settle();
        let log_totals = (0..n).map(|row| log_total(&rows.row(row).values().collect::<Vec<_>>())).collect();
        let aligned = (0..targets.len() as u32).collect();
        Self {
            rows: Arc::new(rows),
            log_totals: Arc::new(log_totals),
            roles: Vec::new(),
            all: Vec::new(),
            perturbed: Vec::new(),
            controls: Vec::new(),
            controls_of_batch: HashMap::new(),
            batch_of_row: batches.map(Arc::new),
            cells_of_row: None,
            rows_of_target: Vec::new(),
            inhabited: Vec::new(),
            target_of_row: Vec::new(),
            targets: Arc::new(targets),
            aligned,
        }
        .with_roles(roles.to_vec())
    }

    /// The same cells in other parts.
    fn with_roles(&self, roles: Vec<Role>) -> Result<Self, Error> {
        let mut cells = Self {
            all: Vec::new(),
            perturbed: Vec::new(),
            controls: Vec::new(),
            controls_of_batch: HashMap::new(),
            rows_of_target: vec![Vec::new(); self.targets.len()],
            target_of_row: vec![None; roles.len()],
            inhabited: Vec::new(),
            rows: Arc::clone(&self.rows),
            log_totals: Arc::clone(&self.log_totals),
            batch_of_row: self.batch_of_row.clone(),
            cells_of_row: self.cells_of_row.clone(),
            targets: Arc::clone(&self.targets),
            aligned: self.aligned.clone(),
            roles: Vec::new(),
        };
        for (row, role) in (0u32..).zip(&roles) {
            match role {
                Role::HeldOut => continue,
                Role::Unlabelled => {}
                Role::Control => {
                    cells.controls.push(row);
                    if let Some(batches) = &cells.batch_of_row {
                        cells.controls_of_batch.entry(batches[row as usize]).or_default().push(row);
                    }
                }
                Role::Perturbed(target) if (*target as usize) < cells.targets.len() => {
                    cells.perturbed.push((row, *target));
                    cells.rows_of_target[*target as usize].push(row);
                    cells.target_of_row[row as usize] = Some(*target);
                }
                Role::Perturbed(target) => {
                    return Err(bad(format!("row {row} names target {target}, which is not there")));
                }
            }
            cells.all.push(row);
        }
        cells.inhabited =
            (0..cells.targets.len() as u32).filter(|&t| !cells.rows_of_target[t as usize].is_empty()).collect();
        cells.roles = roles;
        Ok(cells)
    }

    /// Genes per cell.
    pub fn n_genes(&self) -> usize {
        self.rows.n_genes()
    }

    /// A number that two sets of cells share if they are the same cells, roles and vectors, and next to never else
    /// (FNV-1a over all of them, so that a later version of Rust finds the same).
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325u64;
        let mut add = |word: u32| hash = (hash ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3);
        add(self.n_genes() as u32);
        for row in 0..self.rows.n_cells() {
            for (gene, value) in self.rows.row(row) {
                add(gene);
                add(value.to_bits());
            }
            add(self.target_of_row[row].map_or(u32::MAX, |target| target));
            add(self.batch_of_row.as_ref().map_or(u32::MAX, |batches| batches[row]));
        }
        for &row in self.all.iter().chain(&self.controls) {
            add(row);
        }
        self.cells_of_row.iter().flat_map(|cells| cells.iter()).for_each(|cells| add(cells.to_bits()));
        for target in self.targets.iter() {
            target.name.bytes().for_each(|byte| add(byte.into()));
            target.vector.iter().for_each(|value| add(value.to_bits()));
        }
        hash
    }

    /// The targets, in index order.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// What the order of a stage's steps runs over: its cells, or its targets where each shall weigh the same.
    pub fn n_examples(&self, stage: Stage, sampling: Sampling) -> usize {
        match stage {
            Stage::Pretrain => self.all.len(),
            Stage::Align => self.aligned.len(),
            Stage::Action | Stage::Decoder if self.controls.is_empty() => 0,
            Stage::Action | Stage::Decoder if sampling.balance_targets => self.inhabited.len(),
            Stage::Action | Stage::Decoder => self.perturbed.len(),
        }
    }

    /// The expression of all cells, those that are held out too.
    pub fn rows(&self) -> &Counts {
        &self.rows
    }

    /// Rows of the control cells.
    pub fn control_rows(&self) -> impl Iterator<Item = u32> + '_ {
        self.controls.iter().copied()
    }

    /// Rows of a target's cells.
    ///
    /// # Panics
    /// Where there is no such target.
    pub fn rows_of(&self, target: u32) -> impl Iterator<Item = u32> + '_ {
        self.rows_of_target[target as usize].iter().copied()
    }

    /// The target with most cells, the first of equals; none where no target has one, or there are no controls.
    pub fn most_frequent(&self) -> Option<u32> {
        let n_rows = |target: &u32| self.rows_of_target[*target as usize].len();
        let most = self.inhabited.iter().copied().max_by_key(|target| (n_rows(target), u32::MAX - target));
        most.filter(|_| !self.controls.is_empty())
    }

    /// Cells that are trained on.
    pub fn n_cells(&self) -> usize {
        self.all.len()
    }

    /// Targets with cells that are trained on, by index.
    pub fn inhabited(&self) -> &[u32] {
        &self.inhabited
    }

    /// The targets of an alignment step, by index.
    pub fn aligned(&self, order: &[u32]) -> Vec<u32> {
        order.iter().map(|&index| self.aligned[index as usize]).collect()
    }

    /// The cells of a pretraining step.
    pub fn cells(&self, order: &[u32], sampling: Sampling, draws: &Draws, step: usize) -> DenseCells {
        let mut rng = draws.stream(Purpose::Pool, step as u64);
        let mut dense = DenseCells::default();
        for &index in order {
            let row = self.all[index as usize];
            self.push_mean(row, self.alike(row), sampling.cells_per_example, &mut rng, &mut dense);
        }
        dense
    }

    /// The rows of a pretraining step.
    pub fn visited(&self, order: &[u32]) -> Vec<usize> {
        order.iter().map(|&index| self.all[index as usize] as usize).collect()
    }

    /// The target of a row that is trained on, or its type where types stand in for targets.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn target_of(&self, row: usize) -> Option<u32> {
        self.target_of_row[row]
    }

    /// The pairs of an action or decoder step, `n_controls` pairs of two controls behind those of `order`.
    pub fn pairs(&self, order: &[u32], n_controls: usize, sampling: Sampling, draws: &Draws, step: usize) -> Pairs {
        let mut rng = draws.stream(Purpose::Control, step as u64);
        let mut pool_rng = draws.stream(Purpose::Pool, step as u64);
        let set_size = sampling.set_size.max(1);
        let mut of_target = |target: u32| (one_of(&self.rows_of_target[target as usize], &mut pool_rng), target);
        let mut chosen: Vec<(u32, u32)> = Vec::with_capacity(order.len());
        for (at, &index) in order.iter().enumerate() {
            let target = match sampling.balance_targets {
                true => self.inhabited[index as usize],
                false => self.perturbed[index as usize].1,
            };
            // Behind the first of a set come others of its target, drawn at random.
            let is_first = at % set_size == 0;
            let is_drawn = sampling.balance_targets || !is_first;
            chosen.push(if is_drawn { of_target(target) } else { self.perturbed[index as usize] });
        }
        let mut pairs = Pairs::default();
        for (row, target) in chosen {
            let same = self.batch_of_row.as_ref().and_then(|b| self.controls_of_batch.get(&b[row as usize]));
            let controls = same.unwrap_or(&self.controls);
            let partner = one_of(controls, &mut rng);
            self.push_mean(partner, controls, sampling.cells_per_example, &mut pool_rng, &mut pairs.control);
            let kin = &self.rows_of_target[target as usize];
            self.push_mean(row, kin, sampling.cells_per_example, &mut pool_rng, &mut pairs.case);
            pairs.target.push(Some(target));
        }
        for _ in 0..n_controls {
            for side in [&mut pairs.control, &mut pairs.case] {
                let row = one_of(&self.controls, &mut rng);
                self.push_mean(row, &self.controls, sampling.cells_per_example, &mut pool_rng, side);
            }
            pairs.target.push(None);
        }
        pairs
    }

    /// Rows of the same condition; none but itself for a row without a label.
    fn alike(&self, row: u32) -> &[u32] {
        match self.target_of_row[row as usize] {
            Some(target) => &self.rows_of_target[target as usize],
            None if self.controls.binary_search(&row).is_ok() => &self.controls,
            None => &[],
        }
    }
}

/// How the examples of a stage are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    /// Cells of one condition that are averaged into one example; 1 as the reference. Of rows that stand for several cells
    /// fewer are taken.
    pub cells_per_example: usize,
    /// Whether each target comes as often as every other, instead of each cell.
    pub balance_targets: bool,
    /// Pairs in a row that are of one target; 1 as the reference.
    pub set_size: usize,
}

fn one_of(rows: &[u32], rng: &mut ChaCha8Rng) -> u32 {
    rows[rng.random_range(0..rows.len() as u32) as usize]
}

/// The model's second input: `ln(1 + sum of the log1p values)`, as the reference computes it.
pub fn log_total(values: &[f32]) -> f32 {
    values.iter().map(|&v| f64::from(v)).sum::<f64>().ln_1p() as f32
}

/// Appends one row of `rows` to `dense` as `n_genes` values.
pub fn push_row(rows: &Counts, row: usize, dense: &mut Vec<f32>) {
    let start = dense.len();
    dense.resize(start + rows.n_genes(), 0.0);
    for (gene, value) in rows.row(row) {
        dense[start + gene as usize] = value;
    }
}

fn bad(problem: String) -> Error {
    Error::TrainingCells { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four controls, three cells of the first target and one of the second; one gene, whose value is the row's number.
    fn rows() -> TrainingCells {
        let roles = [[Role::Control; 4].as_slice(), &[Role::Perturbed(0); 3], &[Role::Perturbed(1)]].concat();
        let values: Vec<f32> = (0..8).map(|row| row as f32).collect();
        let rows = Counts::from_dense(&values, 1).expect("rows are whole");
        let target = |name: &str| Target { name: name.into(), vector: vec![1.0] };
        TrainingCells::new(rows, &roles, None, vec![target("A"), target("B")]).expect("all parts fit")
    }

    #[test]
    fn examples_are_means_of_cells_of_one_condition() {
        let (cells, draws) = (rows(), Draws::new(7, Stage::Action));
        let averaged = Sampling { cells_per_example: 2000, balance_targets: true, set_size: 1 };
        assert_eq!(cells.n_examples(Stage::Action, averaged), 2);
        let pairs = cells.pairs(&[0, 1], 1, averaged, &draws, 0);
        assert_eq!(pairs.target, [Some(0), Some(1), None]);
        for (value, expected) in pairs.control.x.iter().zip([1.5; 3]).chain(pairs.case.x.iter().zip([5.0, 7.0, 1.5])) {
            assert!((value - expected).abs() < 0.15, "{value} for {expected}");
        }
        assert!((pairs.case.log_total[1] - 8f32.ln()).abs() < 1e-3);
    }

    #[test]
    fn one_cell_per_example_is_that_cell() {
        let (cells, draws) = (rows(), Draws::new(7, Stage::Action));
        let single = Sampling { cells_per_example: 1, balance_targets: false, set_size: 1 };
        assert_eq!(cells.n_examples(Stage::Action, single), 4);
        let pairs = cells.pairs(&[0, 3], 0, single, &draws, 0);
        assert_eq!(pairs.case.x, [4.0, 7.0]);
        assert!(pairs.control.x.iter().all(|value| [0.0, 1.0, 2.0, 3.0].contains(value)));
        assert_eq!(cells.cells(&[2, 5], single, &draws, 0).x, [2.0, 5.0]);
    }
}
