//! How much of the neighbourhoods a layout keeps.

use crate::neighbours::{Method, NeighbourConfig, neighbours};
use crate::rows::Rows;
use crate::scores::{ScoreError, check_lengths};

/// scikit-learn's trustworthiness, 0 to 1: cells that are near in the layout and were not near before cost by how far
/// down the list of neighbours they were. All pairs are measured: take a sample of a large population.
///
/// # Errors
/// Maps of different cells, no neighbours, or as many as half of the cells.
pub fn trustworthiness(before: &Rows, layout: &Rows, n_neighbours: usize) -> Result<f64, ScoreError> {
    let n_cells = before.n_rows();
    check_lengths(n_cells, layout.n_rows())?;
    if n_neighbours == 0 || 2 * n_neighbours >= n_cells {
        return Err(ScoreError::Neighbours { n_neighbours, n_cells });
    }
    // The cell itself is the first of its neighbours.
    let config = NeighbourConfig { n_neighbours: n_neighbours + 1, method: Method::Exact, seed: 0 };
    let Ok(near) = neighbours(layout, &config) else { return Err(ScoreError::Neighbours { n_neighbours, n_cells }) };
    let mut penalty = 0;
    for cell in 0..n_cells {
        let squares: Vec<f32> = (0..n_cells).map(|other| before.rough_square(cell, other)).collect();
        for &other in &near.of(cell)[1..] {
            let key = (squares[other as usize], other as usize);
            // The cell itself is not counted.
            let is_nearer = |&(at, &square): &(usize, &f32)| at != cell && (square, at) <= key;
            let rank = squares.iter().enumerate().filter(is_nearer).count();
            penalty += rank.saturating_sub(n_neighbours);
        }
    }
    let (n, k) = (n_cells as f64, n_neighbours as f64);
    Ok(1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * penalty as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_map_is_trusted_fully_and_a_shuffled_one_is_not() {
        let rows = Rows::new((0..60).map(|cell| ((cell * cell) % 61) as f32).collect(), 1).expect("finite values");
        let other = Rows::new((0..60).map(|cell| ((cell * 17) % 59) as f32).collect(), 1).expect("finite values");
        assert_eq!(trustworthiness(&rows, &rows, 5), Ok(1.0));
        assert!(trustworthiness(&rows, &other, 5).expect("sixty cells") < 0.8);
        assert!(trustworthiness(&rows, &rows, 0).is_err());
        assert!(trustworthiness(&rows, &rows, 30).unwrap_err().to_string().contains("half of 60"));
    }
}
