//! Controls of a model, not of an experiment: what it says when it is told nothing. A model whose scores survive these
//! does not use what it was given.

use rand::Rng;

use crate::eval::significance::draws;

/// An order in which no target keeps its own place: give target `i` the vector of target `order[i]`. None for fewer
/// than two targets. By Sattolo's algorithm, all such single cycles alike.
pub fn exchanged(n_targets: usize, seed: u64) -> Option<Vec<usize>> {
    if n_targets < 2 {
        return None;
    }
    let mut draws = draws(seed);
    let mut order: Vec<usize> = (0..n_targets).collect();
    for i in (1..n_targets).rev() {
        order.swap(i, draws.random_range(0..i));
    }
    Some(order)
}

/// The vectors, each target with another's: says nothing of the target, and everything of how vectors are spread.
pub fn exchanged_vectors<'a>(vectors: &[&'a [f32]], seed: u64) -> Option<Vec<&'a [f32]>> {
    Some(exchanged(vectors.len(), seed)?.into_iter().map(|other| vectors[other]).collect())
}

/// Every feature shuffled over the targets by itself: each keeps its values, none keeps its companions.
///
/// None for fewer than two vectors, or where lengths differ.
pub fn scrambled_vectors(vectors: &[&[f32]], seed: u64) -> Option<Vec<Vec<f32>>> {
    let n_features = vectors.first()?.len();
    if vectors.len() < 2 || vectors.iter().any(|vector| vector.len() != n_features) {
        return None;
    }
    let mut draws = draws(seed);
    let mut scrambled: Vec<Vec<f32>> = vectors.iter().map(|vector| vector.to_vec()).collect();
    for feature in 0..n_features {
        for i in (1..scrambled.len()).rev() {
            let j = draws.random_range(0..=i);
            let held = scrambled[i][feature];
            scrambled[i][feature] = scrambled[j][feature];
            scrambled[j][feature] = held;
        }
    }
    Some(scrambled)
}
