//! Whether a question is of the kind that training had answers to: the distance of a perturbation's vector from those of
//! training, measured by how far these are from each other.

use super::pairs::{cosine, quantile, widen};

/// Share of the training perturbations that are as lonely as what is called outside.
const LONELY: f64 = 0.05;

/// Where a vector stands among those of training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Support {
    /// The training perturbation whose vector is most alike, by its place.
    pub nearest: usize,
    /// Cosine of the two.
    pub cosine: f64,
    /// The cosine that nineteen of twenty training perturbations reach with their own nearest.
    pub usual: f64,
}

impl Support {
    /// Whether it is farther than nineteen of twenty training perturbations are from each other.
    pub fn is_outside(&self) -> bool {
        self.cosine < self.usual
    }
}

/// What is usual among training vectors; none for fewer than two.
pub fn usual(training: &[&[f32]]) -> Option<f64> {
    let nearest = |at: usize| {
        let others = training.iter().enumerate().filter(|(other, _)| *other != at);
        others.map(|(_, vector)| alike(vector, training[at])).reduce(f64::max)
    };
    let mut cosines: Vec<f64> = (0..training.len()).filter_map(nearest).collect();
    cosines.sort_by(f64::total_cmp);
    (!cosines.is_empty()).then(|| quantile(&cosines, LONELY))
}

/// Where `query` stands; `usual` is that of the same vectors. None without vectors.
pub fn support(query: &[f32], training: &[&[f32]], usual: f64) -> Option<Support> {
    let all = training.iter().enumerate().map(|(at, vector)| (at, alike(vector, query)));
    let (nearest, cosine) = all.reduce(|best, other| if other.1 > best.1 { other } else { best })?;
    Some(Support { nearest, cosine, usual })
}

/// Cosine; 0 for what cannot be compared.
fn alike(a: &[f32], b: &[f32]) -> f64 {
    cosine(&widen(a), &widen(b)).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_far_from_all_is_outside() {
        let training: [&[f32]; 3] = [&[1.0, 0.1, 0.0], &[1.0, 0.0, 0.0], &[0.9, 0.2, 0.0]];
        let usual = usual(&training).expect("three");
        let near = support(&[1.0, 0.05, 0.0], &training, usual).expect("three");
        assert!(!near.is_outside() && near.nearest < 2, "{near:?}");
        let far = support(&[0.0, 0.1, 1.0], &training, usual).expect("three");
        assert!(far.is_outside() && far.nearest == 2, "{far:?}");
        assert!(support(&[1.0], &[], 0.5).is_none() && super::usual(&training[..1]).is_none());
    }
}
