//! A weighted graph over cells without direction: each edge is stored at both of its ends.

use thiserror::Error;

/// Why a list of edges is no graph.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GraphError {
    /// An end that is no cell.
    #[error("an edge ends at cell {cell}, but there are {n_cells} cells; number them from 0")]
    NoSuchCell {
        /// The end.
        cell: u32,
        /// Cells there are.
        n_cells: usize,
    },
    /// A weight that says nothing.
    #[error("the edge between cells {a} and {b} has no positive finite weight; leave it out or mend it")]
    Weight {
        /// One end.
        a: u32,
        /// The other.
        b: u32,
    },
    /// A loop or a second edge between the same cells.
    #[error("there is a loop or a second edge between cells {a} and {b}; give each pair once")]
    Twice {
        /// One end.
        a: u32,
        /// The other.
        b: u32,
    },
}

/// Edges by cell, ascending.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Graph {
    starts: Vec<usize>,
    others: Vec<u32>,
    weights: Vec<f32>,
}

impl Graph {
    /// A graph of `n_cells` with edges `(one end, the other, weight)` in any order, each pair once.
    ///
    /// # Errors
    /// An end that is no cell, a weight that is not positive and finite, a loop or a pair given twice.
    pub fn from_edges(n_cells: usize, edges: &[(u32, u32, f32)]) -> Result<Self, GraphError> {
        let mut sorted: Vec<(u32, u32, f32)> = Vec::with_capacity(edges.len());
        for &(a, b, weight) in edges {
            if let Some(cell) = [a, b].into_iter().find(|&cell| cell as usize >= n_cells) {
                return Err(GraphError::NoSuchCell { cell, n_cells });
            }
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(GraphError::Weight { a, b });
            }
            sorted.push((a.min(b), a.max(b), weight));
        }
        sorted.sort_unstable_by_key(|&(low, high, _)| (low, high));
        let is_repeated = |pair: &&[(u32, u32, f32)]| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1);
        let repeated = sorted.windows(2).find(is_repeated).map(|pair| pair[0]);
        if let Some((a, b, _)) = repeated.or_else(|| sorted.iter().copied().find(|&(low, high, _)| low == high)) {
            return Err(GraphError::Twice { a, b });
        }
        Ok(Self::from_sorted_edges(n_cells, &sorted))
    }

    /// Edges `(lower end, higher end, weight)`, ascending, each pair once.
    pub(crate) fn from_sorted_edges(n_cells: usize, edges: &[(u32, u32, f32)]) -> Self {
        let mut starts = vec![0; n_cells + 1];
        for &(low, high, _) in edges {
            starts[low as usize + 1] += 1;
            starts[high as usize + 1] += 1;
        }
        for cell in 0..n_cells {
            starts[cell + 1] += starts[cell];
        }
        let (mut others, mut weights) = (vec![0; 2 * edges.len()], vec![0.0; 2 * edges.len()]);
        let mut ends = starts.clone();
        let mut put = |cell: u32, other: u32, weight: f32| {
            let end = &mut ends[cell as usize];
            others[*end] = other;
            weights[*end] = weight;
            *end += 1;
        };
        // Links to lower cells first, then to higher ones: each list is ascending.
        edges.iter().for_each(|&(low, high, weight)| put(high, low, weight));
        edges.iter().for_each(|&(low, high, weight)| put(low, high, weight));
        Self { starts, others, weights }
    }

    /// Cells.
    pub fn n_cells(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// Pairs of cells that are linked.
    pub fn n_edges(&self) -> usize {
        self.others.len() / 2
    }

    /// The cells linked with one, ascending, with the weights.
    pub fn links(&self, cell: usize) -> impl ExactSizeIterator<Item = (u32, f32)> {
        let places = self.starts[cell]..self.starts[cell + 1];
        self.others[places.clone()].iter().copied().zip(self.weights[places].iter().copied())
    }

    /// Where each cell's links begin, and where the last ones end: the `indptr` of a CSR matrix.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The linked cells, by cell: the `indices` of a CSR matrix.
    pub fn others(&self) -> &[u32] {
        &self.others
    }

    /// The weights, by cell: the `data` of a CSR matrix.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The connected part that each cell is in, numbered in the order of their first cells, and how many parts there
    /// are. `is_joined` says which edges count.
    pub fn parts(&self, is_joined: impl Fn(u32, u32) -> bool) -> (Vec<u32>, usize) {
        let mut part = vec![u32::MAX; self.n_cells()];
        let (mut n_parts, mut waiting) = (0, Vec::new());
        for first in 0..self.n_cells() {
            if part[first] != u32::MAX {
                continue;
            }
            part[first] = n_parts;
            waiting.push(first as u32);
            while let Some(cell) = waiting.pop() {
                for (other, _) in self.links(cell as usize) {
                    if part[other as usize] == u32::MAX && is_joined(cell, other) {
                        part[other as usize] = n_parts;
                        waiting.push(other);
                    }
                }
            }
            n_parts += 1;
        }
        (part, n_parts as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_found_at_both_ends_in_order() {
        let graph = Graph::from_edges(4, &[(2, 0, 0.5), (1, 0, 0.25), (2, 1, 1.0)]).expect("three edges");
        assert_eq!(graph.starts(), [0, 2, 4, 6, 6]);
        assert_eq!(graph.others(), [1, 2, 0, 2, 0, 1]);
        assert_eq!(graph.weights(), [0.25, 0.5, 0.25, 1.0, 0.5, 1.0]);
        assert_eq!(graph.parts(|_, _| true), (vec![0, 0, 0, 1], 2));
        assert_eq!(graph.parts(|a, b| a + b != 1), (vec![0, 0, 0, 1], 2));
        assert_eq!(graph.parts(|a, _| a == 3), (vec![0, 1, 2, 3], 4));
    }

    #[test]
    fn what_is_no_graph_is_named() {
        for (edges, expected) in [
            (vec![(0, 3, 1.0)], "cell 3, but there are 3"),
            (vec![(0, 1, f32::NAN)], "cells 0 and 1"),
            (vec![(0, 1, 0.0)], "no positive finite weight"),
            (vec![(1, 1, 1.0)], "loop"),
            (vec![(0, 1, 1.0), (1, 0, 1.0)], "second edge"),
        ] {
            let error = Graph::from_edges(3, &edges).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(Graph::from_edges(0, &[]).expect("no cells").n_cells(), 0);
    }
}
