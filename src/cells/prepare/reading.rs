//! What is this matrix already: counts, normalised, logged (and in which base), scaled? Told from the values alone, with
//! the evidence as data, so that nobody logs twice without being told.
//!
//! Counts divided by anything per cell stay multiples of one unit per cell, and scaling by library size makes all sums
//! of cells equal. So each candidate (the values as they are, and `base^x - 1` for e, 2 and 10) is undone and looked
//! at for steps and for equal sums. The first holds even where genes were dropped after scaling.

use std::f64::consts::E;

use spec::reading::{Evidence, ReadingConfig, Undo, ValueReading, ValueScale};

use crate::counts::Counts;
use crate::prepare::quantile::median;

/// What is tried, and which reading it would mean.
const CANDIDATES: [(Undo, ValueScale); 4] = [
    (Undo::Nothing, ValueScale::Normalized),
    (Undo::Log1p { base: E }, ValueScale::Logged { base: E }),
    (Undo::Log1p { base: 2.0 }, ValueScale::Logged { base: 2.0 }),
    (Undo::Log1p { base: 10.0 }, ValueScale::Logged { base: 10.0 }),
];

/// Share of the cells that have to agree.
const MOST: f64 = 0.9;

/// Sums this close are equal: what rounding of f32 and a gene or two that was dropped leave.
const SUM_TOLERANCE: f64 = 1e-3;

/// Fewest cells whose sums can be called equal.
const LEAST_SUMS: u64 = 3;

/// Largest multiple of the unit that is looked at: above, rounding of f32 hides the steps.
const LARGEST_RATIO: f64 = 500.0;

/// Ratios that are known less well tell nothing.
const LARGEST_ERROR: f64 = 0.05;

/// Looks at some of the cells and says what the values are taken for.
pub fn read_values(counts: &Counts, config: &ReadingConfig) -> ValueReading {
    let n_cells = counts.n_cells();
    let n_looked_at = n_cells.min(config.max_cells);
    let mut seen = Seen::default();
    let mut row = Vec::new();
    for at in 0..n_looked_at {
        row.clear();
        row.extend(counts.row(at * n_cells / n_looked_at).values().filter(|value| *value != 0.0).map(f64::from));
        seen.add(&row);
    }
    let (scale, target_sum, evidence) = seen.judged();
    ValueReading { scale, target_sum, evidence, n_cells_looked_at: n_looked_at, n_cells }
}

/// What was seen of the values.
#[derive(Debug)]
struct Seen {
    n_values: u64,
    n_whole: u64,
    n_negative: u64,
    n_not_finite: u64,
    least: f64,
    largest: f64,
    candidates: [SeenUndone; 4],
}

/// What was seen of one candidate.
#[derive(Debug, Default)]
struct SeenUndone {
    n_told: u64,
    n_in_steps: u64,
    sums: Vec<f64>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            n_values: 0,
            n_whole: 0,
            n_negative: 0,
            n_not_finite: 0,
            least: f64::INFINITY,
            largest: f64::NEG_INFINITY,
            candidates: Default::default(),
        }
    }
}

impl Seen {
    /// The values of one cell, none of them 0.
    fn add(&mut self, row: &[f64]) {
        let is_usable = row.iter().all(|value| value.is_finite() && *value > 0.0);
        for value in row {
            self.n_values += 1;
            self.n_whole += u64::from(value.fract() == 0.0);
            self.n_negative += u64::from(*value < 0.0);
            self.n_not_finite += u64::from(!value.is_finite());
            self.least = self.least.min(*value);
            self.largest = self.largest.max(*value);
        }
        if row.is_empty() || !is_usable {
            return;
        }
        for (seen, (undo, _)) in self.candidates.iter_mut().zip(CANDIDATES) {
            let sum: f64 = row.iter().map(|value| undone(*value, undo)).sum();
            if !sum.is_finite() {
                continue;
            }
            seen.sums.push(sum);
            if let Some(is_in_steps) = is_in_steps(row, undo) {
                seen.n_told += 1;
                seen.n_in_steps += u64::from(is_in_steps);
            }
        }
    }

    fn judged(&self) -> (ValueScale, Option<f64>, Vec<Evidence>) {
        let whole = Evidence::WholeNumbers { n_values: self.n_values, n_whole: self.n_whole };
        if self.n_values == 0 {
            return (ValueScale::Empty, None, vec![whole]);
        }
        let largest = Evidence::Largest { value: self.largest };
        if self.n_not_finite > 0 {
            let broken = Evidence::NotFinite { n_values: self.n_values, n_not_finite: self.n_not_finite };
            return (ValueScale::Unknown, None, vec![broken, whole]);
        }
        if self.n_negative > 0 {
            let (n_values, n_negative, least) = (self.n_values, self.n_negative, self.least);
            return (
                ValueScale::Scaled,
                None,
                vec![Evidence::Negative { n_values, n_negative, least }, whole, largest],
            );
        }
        if self.n_whole == self.n_values {
            return (ValueScale::Counts, None, vec![whole, largest]);
        }
        let summed: Vec<Summed> = self.candidates.iter().map(SeenUndone::summed).collect();
        let steps = best(self.candidates.iter().map(SeenUndone::share_in_steps));
        let found = steps.or_else(|| best(summed.iter().map(Summed::share)));
        let shown: Vec<usize> = found.map_or_else(|| (0..CANDIDATES.len()).collect(), |one| vec![one]);
        let mut evidence: Vec<Evidence> = Vec::new();
        for one in shown {
            let (seen, sums, (undo, _)) = (&self.candidates[one], &summed[one], CANDIDATES[one]);
            let steps = Evidence::Multiples { undo, n_cells: seen.n_told, n_in_steps: seen.n_in_steps };
            let sums = Evidence::EqualSums { undo, sum: sums.middle, n_cells: sums.n_cells, n_equal: sums.n_equal };
            let is_told_by_sums = steps_are_silent(seen);
            evidence.extend(if is_told_by_sums { [sums, steps] } else { [steps, sums] });
        }
        evidence.extend([whole, largest]);
        let scale = found.map_or(ValueScale::Unknown, |one| CANDIDATES[one].1);
        let target =
            found.and_then(|one| summed[one].share().filter(|share| *share >= MOST).map(|_| summed[one].middle));
        (scale, target, evidence)
    }
}

fn steps_are_silent(seen: &SeenUndone) -> bool {
    seen.share_in_steps().is_none_or(|share| share < MOST)
}

/// The candidate with the largest share, of those that enough cells agree on; the first of equals.
fn best(shares: impl Iterator<Item = Option<f64>>) -> Option<usize> {
    let agreed = shares.enumerate().filter_map(|(at, share)| Some((at, share.filter(|share| *share >= MOST)?)));
    agreed.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(at, _)| at)
}

/// How equal sums are.
#[derive(Debug)]
struct Summed {
    middle: f64,
    n_cells: u64,
    n_equal: u64,
}

impl Summed {
    fn share(&self) -> Option<f64> {
        (self.n_cells >= LEAST_SUMS).then(|| self.n_equal as f64 / self.n_cells as f64)
    }
}

impl SeenUndone {
    fn share_in_steps(&self) -> Option<f64> {
        (self.n_told > 0).then(|| self.n_in_steps as f64 / self.n_told as f64)
    }

    fn summed(&self) -> Summed {
        let middle = median(self.sums.clone()).unwrap_or(0.0);
        let is_equal = |sum: &&f64| (**sum - middle).abs() <= SUM_TOLERANCE * middle;
        Summed { middle, n_cells: self.sums.len() as u64, n_equal: self.sums.iter().filter(is_equal).count() as u64 }
    }
}

fn undone(value: f64, undo: Undo) -> f64 {
    match undo {
        Undo::Nothing => value,
        Undo::Log1p { base } => (value * base.ln()).exp_m1(),
    }
}

/// Whether all of a cell's values, once undone, are multiples of one unit: of the least of them, or of a half, third or
/// quarter of it (no gene need have a single count). None where all are alike, so that nothing can be told.
fn is_in_steps(row: &[f64], undo: Undo) -> Option<bool> {
    let half_step = half_decimal(row);
    let of_value = |value: f64| {
        let undone = undone(value, undo);
        let slope = match undo {
            Undo::Nothing => 1.0,
            Undo::Log1p { base } => base.ln() * (undone + 1.0),
        };
        (undone, slope * half_step)
    };
    let (unit, unit_error) = of_value(row.iter().copied().fold(f64::INFINITY, f64::min));
    // Ratio to the unit, and by how much it can be wrong. f32 moves a logged value of 9 by 5e-7 of what it is the
    // logarithm of; twice that for a ratio.
    let ratios: Vec<(f64, f64)> = row
        .iter()
        .map(|value| of_value(*value))
        .map(|(value, error)| (value / unit, (error + value / unit * unit_error) / unit))
        .map(|(ratio, error)| (ratio, error + 2e-6 * ratio))
        .filter(|(ratio, error)| *ratio <= LARGEST_RATIO && *error <= LARGEST_ERROR)
        .collect();
    if !ratios.iter().any(|(ratio, error)| ratio - error > 1.01) {
        return None;
    }
    Some((1..=4).map(f64::from).any(|part| {
        ratios.iter().all(|(ratio, error)| (ratio * part - (ratio * part).round()).abs() <= 1e-3 + error * part)
    }))
}

/// Half a step of the last decimal, where all values have at most four decimals: they were rounded when written. Else 0.
fn half_decimal(row: &[f64]) -> f64 {
    let has_decimals = |power: f64| {
        row.iter().map(|value| value * power).all(|shifted| (shifted - shifted.round()).abs() <= 1.2e-7 * shifted.abs())
    };
    [10.0, 100.0, 1000.0, 10_000.0].into_iter().find(|power| has_decimals(*power)).map_or(0.0, |power| 0.5 / power)
}
