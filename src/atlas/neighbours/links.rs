//! From distances to a fuzzy graph, as `umap.umap_.fuzzy_simplicial_set` makes it: each cell's nearest neighbour is
//! linked with weight 1, the others decay at a rate that gives every cell the same sum, and the two directions are
//! united.
//!
//! Distances and their differences are f32, rates and weights f64, as there: the search for the rate stops at a fixed
//! tolerance, and with other roundings it would stop elsewhere.

use crate::graph::Graph;
use crate::neighbours::Neighbours;

/// Halvings of the interval that holds a rate.
const N_HALVINGS: usize = 64;
/// How near the sum of a cell's weights has to come.
const TOLERANCE: f64 = 1e-5;
/// The least rate, as a share of the mean distance.
const LEAST_RATE: f64 = 1e-3;

/// The fuzzy graph over the cells: symmetric, no cell linked with itself.
pub fn connectivities(neighbours: &Neighbours) -> Graph {
    let n_cells = neighbours.n_cells();
    let mean_of_all = mean(&neighbours.distances);
    // (from, to) with the weight of the arrow.
    let mut arrows: Vec<(u32, u32, f64)> = Vec::with_capacity(neighbours.indices.len());
    for cell in 0..n_cells {
        let distances = neighbours.distances_of(cell);
        let (nearest, rate) = nearest_and_rate(distances, mean_of_all);
        for (&other, &distance) in neighbours.of(cell).iter().zip(distances).skip(1) {
            let beyond = distance - nearest;
            let weight = if beyond <= 0.0 || rate == 0.0 { 1.0 } else { (-(f64::from(beyond) / rate)).exp() };
            arrows.push((cell as u32, other, weight));
        }
    }
    unite(n_cells, &mut arrows)
}

/// Distance of the nearest neighbour that is not at the same place, and the rate of decay beyond it.
fn nearest_and_rate(distances: &[f32], mean_of_all: f64) -> (f32, f64) {
    let nearest = distances.iter().copied().find(|&distance| distance > 0.0).unwrap_or(0.0);
    let target = (distances.len() as f64).log2();
    let weight = |&distance: &f32| {
        let beyond = distance - nearest;
        move |rate: f64| if beyond > 0.0 { (-(f64::from(beyond) / rate)).exp() } else { 1.0 }
    };
    let weights: Vec<_> = distances[1..].iter().map(weight).collect();
    let (mut low, mut high, mut rate) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..N_HALVINGS {
        let sum: f64 = weights.iter().map(|weight| weight(rate)).sum();
        if (sum - target).abs() < TOLERANCE {
            break;
        }
        if sum > target {
            high = rate;
        } else {
            low = rate;
        }
        rate = if high == f64::INFINITY { rate * 2.0 } else { f64::midpoint(low, high) };
    }
    let least = LEAST_RATE * if nearest > 0.0 { mean(distances) } else { mean_of_all };
    (nearest, rate.max(least))
}

fn mean(distances: &[f32]) -> f64 {
    distances.iter().copied().map(f64::from).sum::<f64>() / distances.len().max(1) as f64
}

/// Both directions of a pair as one weight: `a + b - a * b`.
fn unite(n_cells: usize, arrows: &mut Vec<(u32, u32, f64)>) -> Graph {
    // Each arrow by its lower and higher end; its partner comes next to it.
    arrows.retain(|&(from, to, weight)| from != to && weight > 0.0);
    for (from, to, _) in arrows.iter_mut() {
        (*from, *to) = ((*from).min(*to), (*from).max(*to));
    }
    arrows.sort_unstable_by_key(|&(low, high, weight)| (low, high, weight.to_bits()));
    let mut edges: Vec<(u32, u32, f32)> = Vec::with_capacity(arrows.len());
    for pair in arrows.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let none = pair.iter().map(|&(_, _, weight)| 1.0 - weight).product::<f64>();
        let united = if let [(_, _, a), (_, _, b)] = pair { a + b - a * b } else { 1.0 - none };
        edges.push((pair[0].0, pair[0].1, united as f32));
    }
    Graph::from_sorted_edges(n_cells, &edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_cell_add_up_to_the_logarithm_of_their_number() {
        let distances = [0.0, 0.5, 0.7, 0.9, 1.5, 2.0, 2.5, 4.0];
        let (nearest, rate) = nearest_and_rate(&distances, 1.0);
        let sum: f64 = distances[1..].iter().map(|&d| (-f64::from(d - nearest) / rate).exp()).sum();
        assert_eq!(nearest, 0.5);
        assert!((sum - 3.0).abs() < TOLERANCE, "{sum}");
    }

    #[test]
    fn cells_at_one_place_are_linked_fully() {
        let same = Neighbours { n_neighbours: 3, indices: vec![0, 1, 2, 1, 0, 2, 2, 0, 1], distances: vec![0.0; 9] };
        let graph = connectivities(&same);
        assert_eq!(graph.n_edges(), 3);
        assert!((0..3).all(|cell| graph.links(cell).all(|(_, weight)| weight == 1.0)));
    }

    #[test]
    fn two_directions_are_united_and_one_alone_is_kept() {
        let mut arrows = vec![(0, 1, 0.5), (1, 0, 0.25), (2, 0, 0.125), (1, 1, 1.0), (1, 2, 0.0)];
        let graph = unite(3, &mut arrows);
        let found: Vec<Vec<(u32, f32)>> = (0..3).map(|cell| graph.links(cell).collect()).collect();
        assert_eq!(found, [vec![(1, 0.625), (2, 0.125)], vec![(0, 0.625)], vec![(0, 0.125)]]);
    }
}
