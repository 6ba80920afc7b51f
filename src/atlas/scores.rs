//! How well clusters meet labels, how far labels lie apart in a map, and how much of the neighbourhoods a layout keeps:
//! scikit-learn's and scib's numbers (spec §2).
//!
//! [`agreement`] compares two labellings, [`silhouette`] labels with distances, [`layout`] two maps of the same cells.
//! Here, [`AvgBio`] joins them.

pub mod agreement;
pub mod layout;
pub mod silhouette;

use thiserror::Error;

use crate::scores::agreement::{adjusted_rand, normalized_mutual_information};

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ScoreError {
    /// Two descriptions of different cells.
    #[error("one side describes {n_one} cells and the other {n_other}; score the same cells on both")]
    Length {
        /// Cells of one.
        n_one: usize,
        /// Cells of the other.
        n_other: usize,
    },
    /// A silhouette compares labels, each of more than itself.
    #[error(
        "a silhouette needs 2 labels or more, and fewer labels than cells; there are {n_labels} for {n_cells} cells"
    )]
    Labels {
        /// Different labels.
        n_labels: usize,
        /// Cells they are given to.
        n_cells: usize,
    },
    /// Trustworthiness is not defined where neighbourhoods cover half of the cells.
    #[error("{n_neighbours} neighbours are not fewer than half of {n_cells} cells; ask for fewer, and at least 1")]
    Neighbours {
        /// Neighbours asked for.
        n_neighbours: usize,
        /// Cells there are.
        n_cells: usize,
    },
    /// Nothing to choose the best of.
    #[error("there is no clustering to score; cluster at one resolution at least")]
    NoClustering,
}

/// Conservation of biology, with its parts: `(NMI + ARI + ASW) / 3`. The clustering is the one of several that meets
/// the labels best, so that the number is optimistic; say which resolutions it was chosen from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AvgBio {
    /// Of the chosen clustering and the labels.
    pub nmi: f64,
    /// The same.
    pub ari: f64,
    /// Silhouette of the labels, brought to 0..1: `(s + 1) / 2`.
    pub asw: f64,
    /// The mean of the three.
    pub mean: f64,
    /// Which clustering was chosen: the first of highest NMI.
    pub chosen: usize,
}

impl AvgBio {
    /// From clusterings of one population, its labels, and the silhouette of the labels (-1..1).
    ///
    /// # Errors
    /// No clustering, or one of other cells.
    pub fn new(clusterings: &[Vec<u32>], labels: &[u32], silhouette: f64) -> Result<Self, ScoreError> {
        if clusterings.is_empty() {
            return Err(ScoreError::NoClustering);
        }
        let (mut chosen, mut nmi) = (0, 0.0);
        for (at, clusters) in clusterings.iter().enumerate() {
            let found = normalized_mutual_information(clusters, labels)?;
            if found > nmi {
                (chosen, nmi) = (at, found);
            }
        }
        let ari = adjusted_rand(&clusterings[chosen], labels)?;
        let asw = f64::midpoint(silhouette, 1.0);
        Ok(Self { nmi, ari, asw, mean: (nmi + ari + asw) / 3.0, chosen })
    }
}

fn check_lengths(n_one: usize, n_other: usize) -> Result<(), ScoreError> {
    if n_one == n_other { Ok(()) } else { Err(ScoreError::Length { n_one, n_other }) }
}

/// Labels as numbers from 0, in the order of the labels, and how many there are.
fn ranked(labels: &[u32]) -> (Vec<usize>, usize) {
    let mut known = labels.to_vec();
    known.sort_unstable();
    known.dedup();
    let place = |label: &u32| known.partition_point(|other| other < label);
    (labels.iter().map(place).collect(), known.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_best_clusterings_is_chosen() {
        let labels = [0, 0, 1, 1];
        let found = AvgBio::new(&[vec![0; 4], vec![5, 5, 3, 3], labels.to_vec()], &labels, 0.5).expect("four cells");
        assert_eq!(found, AvgBio { nmi: 1.0, ari: 1.0, asw: 0.75, mean: 2.75 / 3.0, chosen: 1 });
        assert_eq!(AvgBio::new(&[], &labels, 0.5).unwrap_err(), ScoreError::NoClustering);
        assert!(AvgBio::new(&[vec![0; 3]], &labels, 0.5).unwrap_err().to_string().contains("3 cells and the other 4"));
    }
}
