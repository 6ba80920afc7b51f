//! A prediction in closed form from the training targets' mean responses, which the network only corrects.
//!
//! Two parts. A target's own gene changes by one share of its control expression: the median over the training targets that
//! are among the genes. The rest is a Gaussian process over the cosines of the vectors (variance 1, noise chosen by leaving
//! out one training target at a time): of the direction, each response divided by a power of its length, and of the logarithm
//! of that length. Its mean is that of generalised least squares, so that targets that are much alike do not count as many.
//! Everything is f64 on the host; what a query needs is stored as plain tensors.

mod batch;
mod fitting;
mod process;

use spec::train::anchor::AnchorConfig;

use crate::error::Error;
use crate::tensors::{NamedTensor, TensorMap};
pub use batch::AnchorBatch;
pub(crate) use fitting::check_number;
use fitting::own;
pub use fitting::{Fitting, Whole, own_share};
use process::unit;

/// Most targets that an anchor is fitted to: a thousand of 2,000 genes take some 60 MB while it is fitted.
pub const MAX_TARGETS: usize = 20_000;

/// The mean response to one training target.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Its vector.
    pub vector: Vec<f32>,
    /// Its own gene's column; none where it is not among the genes.
    pub gene: Option<usize>,
    /// Mean of its cells minus mean of the controls, per gene (log1p units).
    pub delta: Vec<f64>,
}

/// A fitted anchor.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchor {
    /// What similarity is to, row-major `[known, width]`: the training vectors, of length 1; or where there are more of them
    /// than numbers in each, the axes that they lie in.
    vectors: Vec<f32>,
    width: usize,
    /// Direction far from every vector, `[genes]`.
    mean: Vec<f32>,
    /// What similarity to each adds, row-major `[known, genes]`.
    weights: Vec<f32>,
    /// The same of the logarithm of the strength: the mean, then one of each.
    log_strength: Vec<f32>,
    /// Power of the strength that the direction is multiplied by.
    strength_power: f32,
    /// Change of a target's own gene, in units of its control expression.
    own_share: f32,
    /// How far the network may go, per gene (log1p units).
    bound: Vec<f32>,
}

/// What the anchor says of one perturbation.
#[derive(Debug, Clone, PartialEq)]
pub struct Anchored {
    /// Change per gene, without what the target's own gene loses (log1p units).
    pub base: Vec<f32>,
    /// The target's own gene, and the share of its expression in the control cell that its change is; none where it is not
    /// among the genes.
    pub own: Option<(usize, f32)>,
}

impl Anchored {
    /// No perturbation: no change.
    pub fn none(n_genes: usize) -> Self {
        Self { base: vec![0.0; n_genes], own: None }
    }

    /// The change of a cell with these values (log1p).
    pub fn change(&self, control: &[f32]) -> Vec<f32> {
        let mut change = self.base.clone();
        if let Some((gene, share)) = self.own {
            change[gene] += share * control[gene];
        }
        change
    }
}

impl Anchor {
    /// Fits an anchor in one go; also returns, per target, what an anchor says of it that was fitted to all others.
    ///
    /// # Errors
    /// As [`Fitting::new`] and [`Fitting::advance`].
    pub fn fit(
        observed: &[Observed],
        control_mean: &[f64],
        config: &AnchorConfig,
    ) -> Result<(Self, Vec<Anchored>), Error> {
        let mut fitting = Fitting::new(observed.to_vec(), control_mean.to_vec(), config)?;
        loop {
            if let Some(whole) = fitting.advance()? {
                return Ok(whole);
            }
        }
    }

    /// What it says of the perturbation with this vector, whose own gene is at `gene`.
    pub fn say(&self, vector: &[f32], gene: Option<usize>) -> Anchored {
        let asked = unit(vector);
        let (mut base, mut log_strength) = (widened(&self.mean), f64::from(self.log_strength[0]));
        let rows = self.vectors.chunks_exact(self.width.max(1)).zip(self.weights.chunks_exact(self.mean.len().max(1)));
        for ((known, weights), strength) in rows.zip(&self.log_strength[1..]) {
            let cosine: f64 = known.iter().zip(&asked).map(|(&known, asked)| f64::from(known) * asked).sum();
            base.iter_mut().zip(weights).for_each(|(base, &weight)| *base += cosine * f64::from(weight));
            log_strength += cosine * f64::from(*strength);
        }
        let strength = (f64::from(self.strength_power) * log_strength).exp();
        let base = base.into_iter().map(|value| (value * strength) as f32).collect();
        Anchored { base, own: own(gene, self.own_share) }
    }

    /// Width of the vectors.
    pub fn width(&self) -> usize {
        self.width
    }

    /// How far the network may move each gene (log1p units).
    pub fn bound(&self) -> &[f32] {
        &self.bound
    }

    /// Its values, under the names that [`Anchor::from_tensors`] reads.
    pub fn to_tensors(&self) -> TensorMap {
        let n_targets = self.log_strength.len() - 1;
        let tensor = |shape: Vec<usize>, values: &[f32]| NamedTensor { shape, values: values.to_vec() };
        let n_genes = self.mean.len();
        [
            ("vectors", tensor(vec![n_targets, self.width], &self.vectors)),
            ("mean", tensor(vec![n_genes], &self.mean)),
            ("weights", tensor(vec![n_targets, n_genes], &self.weights)),
            ("log_strength", tensor(vec![n_targets + 1], &self.log_strength)),
            ("strength_power", NamedTensor::scalar(self.strength_power)),
            ("own_share", NamedTensor::scalar(self.own_share)),
            ("bound", tensor(vec![n_genes], &self.bound)),
        ]
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .into()
    }

    /// The anchor with these values, for `n_genes` genes and vectors of `width` numbers.
    ///
    /// # Errors
    /// Names the tensor that is missing, of another shape, or not finite.
    pub fn from_tensors(tensors: &TensorMap, n_genes: usize, width: usize) -> Result<Self, Error> {
        let take = |name: &str, shape: &[usize]| -> Result<Vec<f32>, Error> {
            let bad = |problem: String| Error::Checkpoint { problem: format!("the tensor `anchor.{name}` {problem}") };
            let tensor = tensors.get(name).ok_or_else(|| bad("is missing".into()))?;
            if tensor.shape != shape || !tensor.is_consistent() {
                return Err(bad(format!("has shape {:?}; it must be {shape:?}", tensor.shape)));
            }
            match tensor.values.iter().all(|value| value.is_finite()) {
                true => Ok(tensor.values.clone()),
                false => Err(bad("holds a value that is not finite".into())),
            }
        };
        let n_targets = tensors.get("log_strength").map_or(0, |tensor| tensor.values.len().saturating_sub(1));
        Ok(Self {
            vectors: take("vectors", &[n_targets, width])?,
            width,
            mean: take("mean", &[n_genes])?,
            weights: take("weights", &[n_targets, n_genes])?,
            log_strength: take("log_strength", &[n_targets + 1])?,
            strength_power: take("strength_power", &[1])?[0],
            own_share: take("own_share", &[1])?[0],
            bound: take("bound", &[n_genes])?,
        })
    }
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(vector: [f32; 2], gene: Option<usize>, delta: [f64; 3]) -> Observed {
        Observed { vector: vector.to_vec(), gene, delta: delta.to_vec() }
    }

    #[test]
    fn a_vector_like_no_other_gets_the_mean_and_its_own_gene() {
        let targets =
            [observed([1.0, 0.0], Some(0), [-1.0, 1.0, 0.0]), observed([1.0, 0.0], Some(2), [0.0, 1.0, -2.0])];
        let config = AnchorConfig { strength_power: 0.0, ..AnchorConfig::default() };
        let (anchor, left_out) = Anchor::fit(&targets, &[2.0, 1.0, 4.0], &config).expect("two targets");
        let said = anchor.say(&[0.0, 1.0], Some(1));
        assert!((said.base[1] - 1.0).abs() < 1e-6 && said.base[0].abs() < 1e-6 && said.base[2].abs() < 1e-6);
        assert_eq!(said.own, Some((1, -0.5)));
        assert!((said.change(&[0.0, 0.4, 0.0])[1] - 0.8).abs() < 1e-6);
        // Each of the two is what the other one says, so that nothing is left to correct.
        assert!(left_out.iter().all(|said| (said.base[1] - 1.0).abs() < 1e-6));
        assert!(anchor.bound().iter().all(|bound| bound.abs() < 1e-6));
        assert_eq!(anchor.say(&[0.0, 1.0], None).own, None);
    }

    #[test]
    fn survives_its_tensors() {
        let targets = [observed([1.0, 0.0], None, [1.0, 0.0, 0.5]), observed([0.6, 0.8], None, [0.0, 1.0, 0.5])];
        let (anchor, _) = Anchor::fit(&targets, &[1.0; 3], &AnchorConfig::default()).expect("two targets");
        let mut tensors = anchor.to_tensors();
        assert_eq!(Anchor::from_tensors(&tensors, 3, 2).expect("whole"), anchor);
        assert!(Anchor::from_tensors(&tensors, 4, 2).is_err());
        tensors.remove("bound");
        let error = Anchor::from_tensors(&tensors, 3, 2).expect_err("one is missing").to_string();
        assert!(error.contains("anchor.bound"), "{error}");
    }

    #[test]
    fn one_target_makes_no_anchor() {
        let one = [observed([1.0, 0.0], None, [1.0, 0.0, 0.0])];
        let error = Anchor::fit(&one, &[1.0; 3], &AnchorConfig::default()).expect_err("too few").to_string();
        assert!(error.contains("at least 2 targets"), "{error}");
    }
}
