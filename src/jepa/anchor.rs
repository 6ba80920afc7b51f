//! A prediction in closed form from the training targets' mean responses, which the network only corrects.
//!
//! Two parts. A target's own gene changes by one share of its control expression: the median over the training targets that
//! are among the genes. The rest is a Gaussian process over the cosines of the vectors (variance 1, noise chosen by leaving
//! out one training target at a time): of the direction, each response divided by a power of its length, and of the logarithm
//! of that length. Its mean is that of generalised least squares, so that targets that are much alike do not count as many.
//! Everything is f64 on the host; what a query needs is stored as plain tensors.

mod batch;
mod process;

use spec::train::anchor::AnchorConfig;

use crate::error::Error;
use crate::eval::pearson;
use crate::tensors::{NamedTensor, TensorMap};
pub use batch::AnchorBatch;
use process::{Process, unit};

/// Variances of the noise that are tried, in units of the process's own.
const NOISES: [f64; 3] = [0.1, 0.3, 1.0];
/// The one that is taken where too few targets are left to choose by.
const USUAL_NOISE: f64 = 0.3;
/// Fewest targets to choose the noise by.
const MIN_TO_CHOOSE: usize = 4;
/// Targets above which they are left out in folds, and how many.
const MAX_ALONE: usize = 64;
const N_FOLDS: usize = 8;
/// Response lengths below this are taken for it (log1p units).
const SHORTEST: f64 = 1e-6;

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
    /// Training vectors of length 1, row-major `[targets, width]`.
    vectors: Vec<f32>,
    width: usize,
    /// Direction far from every vector, `[genes]`.
    mean: Vec<f32>,
    /// What similarity to each training target adds, row-major `[targets, genes]`.
    weights: Vec<f32>,
    /// The same of the logarithm of the strength: the mean, then one per target.
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
    /// Fits an anchor; also returns, per target, what an anchor says of it that was fitted to all others.
    ///
    /// # Errors
    /// With fewer than two targets, and where their lengths disagree.
    pub fn fit(
        observed: &[Observed],
        control_mean: &[f64],
        config: &AnchorConfig,
    ) -> Result<(Self, Vec<Anchored>), Error> {
        let problem = |problem: String| Error::TrainingCells { problem };
        let Some(first) = observed.first().filter(|_| observed.len() > 1) else {
            let n = observed.len();
            return Err(problem(format!(
                "an anchor needs cells of at least 2 targets with vectors; there are {n}: choose another preset, or leave the anchor out"
            )));
        };
        let (n_genes, width) = (control_mean.len(), first.vector.len());
        let fits = |target: &Observed| target.delta.len() == n_genes && target.vector.len() == width;
        if !observed.iter().all(fits) || observed.iter().any(|o| o.gene.is_some_and(|gene| gene >= n_genes)) {
            return Err(problem("vectors or responses of the anchor's targets differ in length".into()));
        }
        let noise = chosen_noise(observed, control_mean, config);
        let left_out = left_out(observed, control_mean, config, noise);
        let mut anchor = Self::with_noise(&observed.iter().collect::<Vec<_>>(), control_mean, config, noise);
        anchor.bound = bounds(observed, &left_out, control_mean, config.residual_bound);
        Ok((anchor, left_out))
    }

    fn with_noise(observed: &[&Observed], control_mean: &[f64], config: &AnchorConfig, noise: f64) -> Self {
        let own_share = if config.own_gene { own_share(observed, control_mean) } else { 0.0 };
        let rests: Vec<Vec<f64>> = observed
            .iter()
            .map(|target| {
                let mut rest = target.delta.clone();
                if let Some(gene) = target.gene {
                    rest[gene] -= own_share * control_mean[gene];
                }
                rest
            })
            .collect();
        let lengths: Vec<f64> = rests.iter().map(|rest| length(rest).max(SHORTEST)).collect();
        let directions: Vec<Vec<f64>> = rests
            .iter()
            .zip(&lengths)
            .map(|(rest, length)| rest.iter().map(|value| value / length.powf(config.strength_power)).collect())
            .collect();
        let logs: Vec<Vec<f64>> = lengths.iter().map(|length| vec![length.ln()]).collect();
        let vectors: Vec<Vec<f64>> = observed.iter().map(|target| unit(&target.vector)).collect();
        let process = Process::new(&vectors, noise);
        let (direction, strength) = (process.fit(&directions), process.fit(&logs));
        let flat = |rows: &[Vec<f64>]| rows.iter().flatten().map(|&value| value as f32).collect::<Vec<f32>>();
        Self {
            width: vectors.first().map_or(0, Vec::len),
            vectors: flat(&vectors),
            mean: flat(&[direction.mean]),
            weights: flat(&direction.weights),
            log_strength: [flat(&[strength.mean]), flat(&strength.weights)].concat(),
            strength_power: config.strength_power as f32,
            own_share: own_share as f32,
            bound: vec![0.0; control_mean.len()],
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
        Anchored { base, own: gene.filter(|_| self.own_share != 0.0).map(|gene| (gene, self.own_share)) }
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

/// Median over the targets among the genes of change over control expression; 0 where there is none.
fn own_share(observed: &[&Observed], control_mean: &[f64]) -> f64 {
    let share = |target: &&Observed| {
        let gene = target.gene.filter(|&gene| control_mean[gene] > 0.0)?;
        Some(target.delta[gene] / control_mean[gene])
    };
    let mut shares: Vec<f64> = observed.iter().filter_map(share).collect();
    shares.sort_by(f64::total_cmp);
    let median = match shares.len() {
        0 => 0.0,
        n if n.is_multiple_of(2) => f64::midpoint(shares[n / 2 - 1], shares[n / 2]),
        n => shares[n / 2],
    };
    // What falls can fall by all there is. What rises (activation) has no bound in what there was: nothing is said of it.
    median.clamp(-1.0, 0.0)
}

/// Root mean square, per gene, of what anchors got wrong of targets that they had not seen; times `factor`.
fn bounds(observed: &[Observed], left_out: &[Anchored], control_mean: &[f64], factor: f64) -> Vec<f32> {
    let control: Vec<f32> = control_mean.iter().map(|&value| value as f32).collect();
    let mut sums = vec![0.0; control.len()];
    for (target, said) in observed.iter().zip(left_out) {
        for ((sum, delta), said) in sums.iter_mut().zip(&target.delta).zip(said.change(&control)) {
            *sum += (delta - f64::from(said)).powi(2);
        }
    }
    sums.into_iter().map(|sum| (factor * (sum / observed.len() as f64).sqrt()) as f32).collect()
}

/// What an anchor says of each target that was fitted without it: one at a time, or with many targets, fold by fold.
fn left_out(observed: &[Observed], control_mean: &[f64], config: &AnchorConfig, noise: f64) -> Vec<Anchored> {
    let n_folds = if observed.len() > MAX_ALONE { N_FOLDS } else { observed.len() };
    let anchors: Vec<Anchor> = (0..n_folds)
        .map(|fold| {
            let others = observed.iter().enumerate().filter(|(index, _)| index % n_folds != fold);
            let others: Vec<&Observed> = others.map(|(_, target)| target).collect();
            Anchor::with_noise(&others, control_mean, config, noise)
        })
        .collect();
    let said = |(index, target): (usize, &Observed)| anchors[index % n_folds].say(&target.vector, target.gene);
    observed.iter().enumerate().map(said).collect()
}

/// The noise under which targets left out are predicted best (mean correlation; the first of equals).
fn chosen_noise(observed: &[Observed], control_mean: &[f64], config: &AnchorConfig) -> f64 {
    let control: Vec<f32> = control_mean.iter().map(|&value| value as f32).collect();
    let score = |noise: f64| -> f64 {
        let said = left_out(observed, control_mean, config, noise);
        let of_one = |(target, said): (&Observed, &Anchored)| {
            let measured: Vec<f32> = target.delta.iter().map(|&value| value as f32).collect();
            pearson(&said.change(&control), &measured).unwrap_or(0.0)
        };
        observed.iter().zip(&said).map(of_one).sum()
    };
    let mut best = (f64::NEG_INFINITY, USUAL_NOISE);
    if observed.len() >= MIN_TO_CHOOSE {
        for noise in NOISES {
            let score = score(noise);
            if score > best.0 {
                best = (score, noise);
            }
        }
    }
    best.1
}

fn widened(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| f64::from(value)).collect()
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
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
