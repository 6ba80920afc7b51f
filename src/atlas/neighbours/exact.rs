//! Neighbours among all pairs: a block of cells at a time against blocks of the others, so that rows stay in the cache.
//!
//! Candidates are chosen in f32, a few more than are needed, and measured again in f64; what is nearly equally far is
//! then put in order as f64 has it, the lower index first where even that is equal.

use crate::neighbours::{Neighbours, settle};
use crate::rows::Rows;

/// Cells whose neighbours are sought between two pauses.
const BLOCK: usize = 32;
/// Cells they are compared with at a time.
const OTHERS: usize = 256;
/// Candidates kept beyond those needed, for what rounding puts in the wrong order.
const SPARE: usize = 8;

/// All pairs, under way.
pub struct Work<'a> {
    rows: &'a Rows,
    n_kept: usize,
    at: usize,
    result: Neighbours,
}

impl<'a> Work<'a> {
    pub(super) fn new(rows: &'a Rows, n_neighbours: usize) -> Self {
        let n_kept = (n_neighbours - 1 + SPARE).min(rows.n_rows() - 1);
        Self { rows, n_kept, at: 0, result: Neighbours { n_neighbours, indices: Vec::new(), distances: Vec::new() } }
    }

    pub(super) fn total(&self) -> usize {
        self.rows.n_rows()
    }

    pub(super) fn advance(&mut self) -> Option<usize> {
        let n_rows = self.rows.n_rows();
        if self.at == n_rows {
            return None;
        }
        let cells = self.at..n_rows.min(self.at + BLOCK);
        let mut nearest: Vec<Nearest> = cells.clone().map(|_| Nearest::new(self.n_kept)).collect();
        for begin in (0..n_rows).step_by(OTHERS) {
            let others = begin..n_rows.min(begin + OTHERS);
            for (cell, nearest) in cells.clone().zip(&mut nearest) {
                for other in others.clone().filter(|&other| other != cell) {
                    nearest.offer(self.rows.rough_square(cell, other), other as u32);
                }
            }
        }
        self.at = cells.end;
        for (cell, nearest) in cells.zip(&nearest) {
            let candidates = nearest.kept.iter().map(|&(_, other)| other);
            settle(self.rows, cell, candidates, self.result.n_neighbours, &mut self.result);
        }
        Some(self.at)
    }

    pub(super) fn finish(self) -> Neighbours {
        self.result
    }
}

/// The nearest so far, ascending; of equally far ones the first stays first.
struct Nearest {
    kept: Vec<(f32, u32)>,
    limit: usize,
    /// Nothing at this distance or beyond enters.
    bound: f32,
}

impl Nearest {
    fn new(limit: usize) -> Self {
        Self { kept: Vec::with_capacity(limit + 1), limit, bound: f32::INFINITY }
    }

    fn offer(&mut self, square: f32, other: u32) {
        // Squares too large for f32 are all infinite: they enter while there is room.
        if square >= self.bound && self.kept.len() == self.limit {
            return;
        }
        let place = self.kept.partition_point(|&(kept, _)| kept <= square);
        self.kept.insert(place, (square, other));
        self.kept.truncate(self.limit);
        if self.kept.len() == self.limit {
            self.bound = self.kept[self.limit - 1].0;
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::neighbours::{Method, NeighbourConfig, NeighbourError, neighbours};
    use crate::rows::Rows;

    fn config(n_neighbours: usize) -> NeighbourConfig {
        NeighbourConfig { n_neighbours, method: Method::Exact, seed: 0 }
    }

    fn on_a_line(values: &[f32]) -> Rows {
        Rows::new(values.to_vec(), 1).expect("finite values")
    }

    #[test]
    fn equals_a_worked_example_and_ties_go_to_the_lower_index() {
        let found = neighbours(&on_a_line(&[0.0, 1.0, 2.0, 4.0]), &config(3)).expect("four cells");
        assert_eq!(found.indices, [0, 1, 2, 1, 0, 2, 2, 1, 0, 3, 2, 1]);
        assert_eq!(found.distances, [0.0, 1.0, 2.0, 0.0, 1.0, 1.0, 0.0, 1.0, 2.0, 0.0, 2.0, 3.0]);
    }

    #[test]
    fn of_equal_cells_each_is_its_own_first_neighbour() {
        let found = neighbours(&on_a_line(&[5.0; 40]), &config(4)).expect("forty cells");
        assert!((0..40).all(|cell| found.of(cell)[0] as usize == cell));
        assert_eq!(found.of(0), [0, 1, 2, 3]);
        assert_eq!(found.of(39), [39, 0, 1, 2]);
        assert!(found.distances.iter().all(|&distance| distance == 0.0));
    }

    #[test]
    fn few_cells_have_fewer_neighbours_as_in_scanpy() {
        let found = neighbours(&on_a_line(&[0.0, 1.0, 3.0, 7.0, 15.0]), &config(15)).expect("five cells");
        assert_eq!((found.n_neighbours, found.n_cells()), (3, 5));
        let all = neighbours(&on_a_line(&[0.0, 1.0, 3.0]), &config(3)).expect("three cells");
        assert_eq!(all.of(0), [0, 1, 2]);
        for n_rows in [0, 1] {
            let error = neighbours(&on_a_line(&vec![1.0; n_rows]), &config(15)).unwrap_err();
            assert_eq!(error, NeighbourError::TooFewRows { n_rows });
        }
        assert!(neighbours(&on_a_line(&[0.0, 1.0]), &config(1)).unwrap_err().to_string().contains("at least 2"));
    }

    /// Squares beyond f32: the order is that of f64 among the candidates, and nothing is NaN.
    #[test]
    fn huge_numbers_are_measured() {
        let found = neighbours(&on_a_line(&[-3e38, 3e38, 2e38, 0.0]), &config(3)).expect("four cells");
        assert_eq!(found.of(1), [1, 2, 3]);
    }
}
