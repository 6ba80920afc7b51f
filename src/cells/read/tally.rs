//! Sums and qualities of cells over all their genes, gathered while some of the genes are read.

use std::f64::consts::E;

use spec::reading::Undo;

use crate::read::selection::{Columns, Fate};
use crate::totals::{CellTotals, Sums};

/// Bytes of a cell: its genes, its last gene and its place among those looked at, a sum and one of mitochondrial genes.
pub(crate) const CELL_BYTES: u64 = 12 + SUMS_BYTES;
/// Bytes of a cell for each way to undo its values.
const SUMS_BYTES: u64 = 16;
/// The same where values may have been logged.
pub(crate) const LOGGED_CELL_BYTES: u64 = 12 + 4 * SUMS_BYTES;

/// How values may have been logged.
const LOGARITHMS: [Undo; 3] = [Undo::Log1p { base: E }, Undo::Log1p { base: 2.0 }, Undo::Log1p { base: 10.0 }];
const NONE: u32 = u32::MAX;

/// Gathers [`CellTotals`].
pub(crate) struct Tally {
    totals: CellTotals,
    /// Of each cell the column that was counted last: one that comes again in a row is the same gene.
    last: Vec<u32>,
    /// Of each cell its place among those looked at, or none.
    look_of: Vec<u32>,
}

impl Tally {
    /// For `n_rows` cells; none where `columns` want no totals.
    pub(crate) fn new(columns: &Columns, n_rows: usize) -> Option<Tally> {
        let wanted = columns.totals()?;
        let sums = |undo| Sums { undo, total: vec![0.0; n_rows], mitochondrial: vec![0.0; n_rows] };
        let logarithms = LOGARITHMS.iter().copied().filter(|_| wanted.may_be_logged);
        let mut look_of = vec![NONE; n_rows];
        for (look, &place) in (0u32..).zip(wanted.looked_at.iter()) {
            if let Some(of) = look_of.get_mut(place) {
                *of = look;
            }
        }
        let totals = CellTotals {
            sums: std::iter::once(Undo::Nothing).chain(logarithms).map(sums).collect(),
            n_genes: vec![0; n_rows],
            looked_at: vec![Vec::new(); wanted.looked_at.len()],
        };
        Some(Tally { totals, last: vec![NONE; n_rows], look_of })
    }

    /// Adds the value of a column to a cell.
    pub(crate) fn add(&mut self, cell: usize, column: u32, fate: Fate, value: f32) {
        if value == 0.0 || !fate.is_counted || cell >= self.last.len() {
            return;
        }
        for sums in &mut self.totals.sums {
            let undone = match sums.undo {
                Undo::Nothing => f64::from(value),
                Undo::Log1p { base } => (f64::from(value) * base.ln()).exp_m1(),
            };
            sums.total[cell] += undone;
            if fate.is_mitochondrial {
                sums.mitochondrial[cell] += undone;
            }
        }
        if self.last[cell] != column {
            self.last[cell] = column;
            self.totals.n_genes[cell] += 1;
        }
        if let Some(row) = self.totals.looked_at.get_mut(self.look_of[cell] as usize) {
            row.push(value);
        }
    }

    pub(crate) fn finish(self) -> CellTotals {
        self.totals
    }
}
