//! Examples that are the mean of several cells of one condition, and rows that are such means already.
//!
//! A metacell is a row that stands for several cells: fewer of them make an example of as many cells, and each weighs as its
//! cells do, as in a query.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;

use super::{DenseCells, TrainingCells, bad, log_total, one_of, push_row};
use crate::error::Error;

impl TrainingCells {
    /// The same, each row of which stands for so many cells (a metacell is the mean of several); none for one each.
    ///
    /// # Errors
    /// Where there is not one number for each row, or one is not above 0.
    pub fn standing_for(self, cells_per_row: Option<&[f64]>) -> Result<Self, Error> {
        let Some(cells) = cells_per_row.filter(|cells| cells.iter().any(|cells| *cells != 1.0)) else {
            return Ok(Self { cells_of_row: None, ..self });
        };
        let n = self.roles.len();
        if cells.len() != n {
            return Err(bad(format!("{n} rows, but the cells of {} are given", cells.len())));
        }
        if let Some(row) = cells.iter().position(|cells| !(cells.is_finite() && *cells > 0.0)) {
            return Err(bad(format!("row {row} stands for {} cells; it must be more than 0", cells[row])));
        }
        Ok(Self { cells_of_row: Some(Arc::new(cells.iter().map(|&cells| cells as f32).collect())), ..self })
    }

    /// The cells that a row stands for.
    ///
    /// # Panics
    /// Where there is no such row.
    pub fn cells_of_row(&self, row: usize) -> f64 {
        self.cells_of_row.as_ref().map_or(1.0, |cells| cells[row].into())
    }

    /// Rows of `kin` that make `n_cells` cells on average, at least one: as many as a query averages.
    fn n_rows(&self, kin: &[u32], n_cells: usize) -> usize {
        if self.cells_of_row.is_none() || n_cells <= 1 || kin.is_empty() {
            return n_cells.max(1);
        }
        let total: f64 = kin.iter().map(|&row| self.cells_of_row(row as usize)).sum();
        ((n_cells as f64 * kin.len() as f64 / total).round() as usize).clamp(1, n_cells)
    }

    /// Appends the mean of `row` and, drawn from `kin` with replacement, as many more as make `n_cells` cells. A row weighs
    /// as the cells that it stands for.
    pub(super) fn push_mean(
        &self,
        row: u32,
        kin: &[u32],
        n_cells: usize,
        rng: &mut ChaCha8Rng,
        dense: &mut DenseCells,
    ) {
        let n = if kin.is_empty() { 1 } else { self.n_rows(kin, n_cells) };
        let start = dense.x.len();
        push_row(&self.rows, row as usize, &mut dense.x);
        if n == 1 {
            dense.log_total.push(self.log_totals[row as usize]);
            return;
        }
        let mean = &mut dense.x[start..];
        let total = match &self.cells_of_row {
            None => {
                (1..n).for_each(|_| self.rows.add_row_to(one_of(kin, rng) as usize, mean));
                n as f32
            }
            Some(cells) => {
                let mut total = cells[row as usize];
                mean.iter_mut().for_each(|value| *value *= total);
                for _ in 1..n {
                    let drawn = one_of(kin, rng) as usize;
                    total += cells[drawn];
                    self.rows.row(drawn).for_each(|(gene, value)| mean[gene as usize] += cells[drawn] * value);
                }
                total
            }
        };
        mean.iter_mut().for_each(|value| *value /= total);
        dense.log_total.push(log_total(&dense.x[start..]));
    }
}

#[cfg(test)]
mod tests {
    use cells::counts::Counts;
    use rand::SeedableRng;

    use super::*;
    use crate::batch::Role;

    fn cells(values: &[f32], cells_per_row: Option<&[f64]>) -> Result<TrainingCells, Error> {
        let rows = Counts::from_dense(values, 1).expect("rows are whole");
        let roles = vec![Role::Control; values.len()];
        TrainingCells::new(rows, &roles, None, Vec::new()).expect("fits").standing_for(cells_per_row)
    }

    fn mean(cells: &TrainingCells, n_cells: usize) -> f32 {
        let (mut dense, kin) = (DenseCells::default(), cells.controls.clone());
        cells.push_mean(0, &kin, n_cells, &mut ChaCha8Rng::seed_from_u64(3), &mut dense);
        dense.x[0]
    }

    #[test]
    fn metacells_make_examples_of_as_many_cells() {
        let metacells = |of: [f64; 4]| cells(&[1.0, 2.0, 4.0, 8.0], Some(&of)).expect("all above 0");
        let check = |of: [f64; 4], n_cells: usize, n_rows: usize| {
            let cells = metacells(of);
            assert_eq!(cells.n_rows(&cells.controls, n_cells), n_rows, "{of:?}, {n_cells} cells");
        };
        check([40.0; 4], 40, 1);
        check([10.0; 4], 40, 4);
        check([30.0, 50.0, 30.0, 50.0], 120, 3);
        check([100.0; 4], 40, 1);
        check([40.0; 4], 1, 1);
        check([1.5; 4], 3, 2);
        // One metacell of enough cells is the example.
        assert_eq!(mean(&metacells([40.0; 4]), 40), 1.0);
        // The first is there at least once and weighs nearly all.
        let found = mean(&metacells([1e4, 1.0, 1.0, 1.0]), 7503);
        assert!((1.0..1.01).contains(&found), "{found}");
    }

    #[test]
    fn rows_of_one_cell_each_are_what_they_were() {
        let (plain, ones) = (cells(&[1.0, 2.0, 4.0], None), cells(&[1.0, 2.0, 4.0], Some(&[1.0; 3])));
        let (plain, ones) = (plain.expect("fits"), ones.expect("fits"));
        assert_eq!(plain.fingerprint(), ones.fingerprint());
        assert_eq!(mean(&plain, 5).to_bits(), mean(&ones, 5).to_bits());
        let twos = cells(&[1.0, 2.0, 4.0], Some(&[2.0; 3])).expect("fits");
        assert_ne!(plain.fingerprint(), twos.fingerprint());
        let stored = TrainingCells::from_bytes(&twos.to_bytes().expect("small")).expect("its own");
        assert_eq!((stored.fingerprint(), stored.cells_of_row(2)), (twos.fingerprint(), 2.0));
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        let error = cells(&[1.0, 2.0], Some(&[3.0, 0.0])).expect_err("no cells").to_string();
        assert!(error.contains("row 1 stands for 0 cells"), "{error}");
        assert!(cells(&[1.0, 2.0], Some(&[3.0])).is_err());
    }
}
