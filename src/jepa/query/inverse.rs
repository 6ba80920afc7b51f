//! The way back by optimising: the action vector that would meet a signature best, and whose vectors are like it.
//!
//! In closed form, not by gradients: a ridge from vectors to the model's own answers stands in for the model, and the vector
//! is what least squares makes of the signature. What that vector is worth is for the model to say: it is asked with it.

use crate::eval::baselines::ridge::Ridge;
use crate::eval::pairs::{cosine, widen};
use crate::query::backwards::Changes;

/// At most so many candidates, evenly spaced, make the stand-in.
const MOST_FITTED: usize = 1000;
/// Penalty of the stand-in, as a share of the mean squared length of the vectors (about their mean).
const PENALTY: f64 = 1e-2;
/// Penalty of long steps, as a share of what a feature does on average.
const STEP_PENALTY: f64 = 1e-1;

/// A stand-in for the model that can be turned round.
#[derive(Debug, Clone)]
pub struct Inverse {
    ridge: Ridge,
    /// Vectors of the candidates, less their mean.
    vectors: Vec<Vec<f64>>,
    /// Root of their mean squared length.
    length: f64,
}

impl Inverse {
    /// Of the candidates' vectors and the model's answers to them; none where vectors are all the same or lengths differ.
    pub fn fit(vectors: &[Vec<f32>], changes: &Changes) -> Option<Self> {
        let n = vectors.len();
        let step = n.div_ceil(MOST_FITTED).max(1);
        let rows: Vec<&[f32]> = changes.rows().step_by(step).collect();
        let fitted: Vec<&[f32]> = vectors.iter().map(Vec::as_slice).step_by(step).collect();
        if n != changes.len() || n < 2 {
            return None;
        }
        let centred = |mean: &[f64]| -> Vec<Vec<f64>> {
            vectors.iter().map(|row| row.iter().zip(mean).map(|(&v, mean)| f64::from(v) - mean).collect()).collect()
        };
        let width = vectors[0].len();
        let mean: Vec<f64> = (0..width)
            .map(|at| vectors.iter().map(|row| row.get(at).map_or(0.0, |&v| f64::from(v))).sum::<f64>() / n as f64)
            .collect();
        let squared = centred(&mean).iter().flatten().map(|value| value * value).sum::<f64>() / n as f64;
        let ridge = Ridge::fit(&fitted, &rows, PENALTY * squared * fitted.len() as f64 / width.max(1) as f64)?;
        Some(Self { vectors: centred(ridge.mean_vector()), ridge, length: squared.sqrt() })
    }

    /// The vector towards a signature, as far from the mean vector as candidates are; none where no vector leads anywhere.
    pub fn vector(&self, signature: &[f32]) -> Option<Vec<f32>> {
        self.vector_without(signature, None)
    }

    /// The same as if one gene were neither in the signature nor in any change.
    pub fn vector_without(&self, signature: &[f32], gene: Option<usize>) -> Option<Vec<f32>> {
        let kept = || signature.iter().enumerate().filter(|(at, _)| Some(*at) != gene);
        let mean = kept().map(|(_, &value)| f64::from(value)).sum::<f64>() / kept().count().max(1) as f64;
        let wanted: Vec<f32> = signature.iter().map(|&value| (f64::from(value) - mean) as f32).collect();
        let step = self.ridge.towards(&wanted, STEP_PENALTY, gene)?;
        let length = step.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scaled =
            step.iter().zip(self.ridge.mean_vector()).map(|(s, mean)| (mean + s / length * self.length) as f32);
        Some(scaled.collect())
    }

    /// How like each candidate's vector is to `vector`: cosine about the mean of all.
    pub fn likeness(&self, vector: &[f32]) -> Vec<f64> {
        let own: Vec<f64> =
            widen(vector).iter().zip(self.ridge.mean_vector()).map(|(value, mean)| value - mean).collect();
        self.vectors.iter().map(|other| cosine(&own, other).unwrap_or(0.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twenty vectors of six numbers, no two alike, and changes that are a fixed map of them, with something that all share.
    fn planted() -> (Vec<Vec<f32>>, Changes) {
        let value = |a: usize, b: usize| ((a * 37 + b * b * 11 + a * b * 5) % 23) as f32 / 11.5 - 1.0;
        let vectors: Vec<Vec<f32>> = (0..20).map(|row| (0..6).map(|at| value(row + 1, at + 3)).collect()).collect();
        let change = |vector: &Vec<f32>, gene: usize| -> f32 {
            3.0 + vector.iter().enumerate().map(|(at, v)| v * value(gene + 2, at + 9)).sum::<f32>()
        };
        let changes = vectors.iter().flat_map(|vector| (0..30).map(move |gene| change(vector, gene))).collect();
        (vectors, Changes::new(changes, 30))
    }

    #[test]
    fn a_map_that_is_linear_is_turned_round() {
        let (vectors, changes) = planted();
        let inverse = Inverse::fit(&vectors, &changes).expect("vectors differ");
        for at in [0, 7, 16] {
            let signature = changes.rows().nth(at).expect("a candidate").to_vec();
            let likeness = inverse.likeness(&inverse.vector(&signature).expect("a way"));
            let best = (0..20).max_by(|&a, &b| likeness[a].total_cmp(&likeness[b]));
            assert_eq!(best, Some(at), "{likeness:?}");
            // Penalised steps are drawn to the directions that change much, so the way back is not exact.
            assert!(likeness[at] > 0.75, "{}", likeness[at]);
        }
        assert!(inverse.vector(&[1.0; 30]).is_none(), "a signature that does not vary leads nowhere");
        // What a gene that is left out should do changes nothing.
        let signature = changes.rows().nth(7).expect("a candidate").to_vec();
        let mut dropped = signature.clone();
        dropped[4] = -50.0;
        assert_eq!(inverse.vector_without(&signature, Some(4)), inverse.vector_without(&dropped, Some(4)));
        assert_ne!(inverse.vector(&signature), inverse.vector(&dropped));
        let mut alone = vec![0.0; 30];
        alone[4] = -1.0;
        assert!(inverse.vector_without(&alone, Some(4)).is_none(), "nothing is left that varies");
        assert!(Inverse::fit(&vectors[..1], &changes).is_none());
    }
}
