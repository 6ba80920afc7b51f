//! Neighbours of real and of many cells.

use atlas::neighbours::{Method, NeighbourConfig, NeighbourError, Work, neighbours};
use atlas::rows::{Rows, RowsError};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{golden, pbmc, pbmc_links};
use crate::prepare::golden::{close, numbers};

fn config(n_neighbours: usize, method: Method) -> NeighbourConfig {
    NeighbourConfig { n_neighbours, method, seed: 0 }
}

#[test]
fn neighbours_of_public_cells_are_scanpys() {
    let Some(rows) = pbmc() else { return };
    let found = neighbours(&rows, &NeighbourConfig::default()).unwrap();
    let last: Vec<f64> = (0..found.n_cells()).map(|cell| f64::from(found.distances_of(cell)[14])).collect();
    close("distance to the last neighbour", &last, &numbers(&golden("pbmc")["distance_to_last"]), 1e-6);
    let links = pbmc_links(&rows);
    assert_eq!(2 * links.n_edges() as u64, golden("pbmc")["n_links"].as_u64().unwrap());
    let weight = |cell: usize| links.links(cell).map(|(_, weight)| f64::from(weight)).sum::<f64>();
    let weights: Vec<f64> = (0..found.n_cells()).map(weight).collect();
    close("weights", &weights, &numbers(&golden("pbmc")["weight_of_cells"]), 1e-5);
    let descended = neighbours(&rows, &config(15, Method::Descent)).unwrap();
    assert!(descended.recall(&found) > 0.99, "{}", descended.recall(&found));
}

/// Cells around 30 places in 20 dimensions, more than are compared in pairs by default.
#[test]
fn descent_finds_nearly_all_neighbours_of_many_cells() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut normal = || (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
    let places: Vec<f32> = (0..30 * 20).map(|_| 3.0 * normal()).collect();
    let n_cells = 10_500;
    let values = (0..n_cells * 20).map(|at| places[at / 20 % 30 * 20 + at % 20] + normal()).collect();
    let rows = Rows::new(values, 20).unwrap();
    let truth = neighbours(&rows, &config(15, Method::Exact)).unwrap();
    let found = neighbours(&rows, &NeighbourConfig::default()).unwrap();
    assert_ne!(found, truth, "so many cells are not compared in pairs by default");
    assert!(found.recall(&truth) > 0.97, "{}", found.recall(&truth));
}

#[test]
fn a_search_pauses_and_its_end_is_that_of_one_in_one_go() {
    let values: Vec<f32> = (0..900).map(|at| (at * at % 101) as f32).collect();
    let rows = Rows::new(values, 3).unwrap();
    for method in [Method::Exact, Method::Descent] {
        let mut work = Work::new(&rows, &config(10, method)).unwrap();
        let (mut last, total) = (0, work.total());
        while let Some(done) = work.advance() {
            assert!(last <= done && done <= total, "{last} {done} {total}");
            last = done;
        }
        assert_eq!(work.finish(), neighbours(&rows, &config(10, method)).unwrap());
    }
}

#[test]
fn what_has_no_neighbours_is_refused() {
    assert_eq!(Rows::new(vec![f32::NAN], 1), Err(RowsError::NotFinite { row: 0, column: 0 }));
    let none = Rows::new(vec![], 4).unwrap();
    assert_eq!(neighbours(&none, &NeighbourConfig::default()), Err(NeighbourError::TooFewRows { n_rows: 0 }));
}

proptest! {
    /// Against all distances, sorted; whole numbers have many ties and no roundings.
    #[test]
    fn exact_neighbours_are_those_of_all_distances(
        values in prop::collection::vec(-3i8..4, 4..120), n_neighbours in 2_usize..9,
    ) {
        let values: Vec<f32> = values[..values.len() / 2 * 2].iter().map(|&value| f32::from(value)).collect();
        let rows = Rows::new(values, 2).unwrap();
        let found = neighbours(&rows, &config(n_neighbours, Method::Exact)).unwrap();
        for cell in 0..rows.n_rows() {
            let square = |other: u32| {
                let other = rows.row(other as usize);
                (rows.row(cell)[0] - other[0]).powi(2) + (rows.row(cell)[1] - other[1]).powi(2)
            };
            let mut all: Vec<u32> = (0..rows.n_rows() as u32).collect();
            all.sort_by(|&a, &b| square(a).total_cmp(&square(b)));
            all.retain(|&other| other as usize != cell);
            prop_assert_eq!(found.of(cell)[0] as usize, cell);
            prop_assert_eq!(&found.of(cell)[1..], &all[..found.n_neighbours() - 1]);
        }
    }
}
