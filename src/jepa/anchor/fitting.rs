//! Fitting an anchor in parts, so that thousands of targets leave room for progress between two of them.
//!
//! A part leaves some targets out and says, under each noise that is tried, what an anchor without them says of them; the
//! last chooses the noise and fits all. The system of a part is factored once per noise, for direction and strength
//! together. With `n` targets, `w` numbers a vector and `g` genes a part costs about `2 n w g` multiplications.

use faer::Mat;
use spec::train::anchor::AnchorConfig;

use super::process::{Fitted, Process, units};
use super::{Anchor, Anchored, MAX_TARGETS, Observed};
use crate::error::Error;
use crate::eval::pearson;

/// Variances of the noise that are tried, in units of the process's own.
const NOISES: [f64; 3] = [0.1, 0.3, 1.0];
/// The one that is taken where too few targets are left to choose by.
const USUAL_NOISE: f64 = 0.3;
/// Fewest targets to choose the noise by.
const MIN_TO_CHOOSE: usize = 4;
/// How much larger the mean correlation under another noise must be: more than rounding makes it.
const MIN_GAIN: f64 = 1e-7;
/// Targets above which they are left out in folds, and how many.
const MAX_ALONE: usize = 64;
const N_FOLDS: usize = 8;
/// Response lengths below this are taken for it (log1p units).
const SHORTEST: f64 = 1e-6;

/// A fit under way.
pub struct Fitting {
    observed: Vec<Observed>,
    control_mean: Vec<f64>,
    config: AnchorConfig,
    noises: Vec<f64>,
    n_folds: usize,
    /// Folds done.
    n_done: usize,
    /// Per noise and target, what was said of it and how that correlates with what was measured.
    left_out: Vec<Vec<Option<(Anchored, f64)>>>,
}

/// What came of it: the anchor and, per target, what an anchor says of it that was fitted without it.
pub type Whole = (Anchor, Vec<Anchored>);

impl Fitting {
    /// Begins a fit.
    ///
    /// # Errors
    /// With fewer than two targets or more than [`MAX_TARGETS`], and where their lengths disagree.
    pub fn new(observed: Vec<Observed>, control_mean: Vec<f64>, config: &AnchorConfig) -> Result<Self, Error> {
        check_number(observed.len())?;
        let (n_genes, width) = (control_mean.len(), observed.first().map_or(0, |first| first.vector.len()));
        let fits = |target: &Observed| target.delta.len() == n_genes && target.vector.len() == width;
        if !observed.iter().all(fits) || observed.iter().any(|o| o.gene.is_some_and(|gene| gene >= n_genes)) {
            return Err(problem("vectors or responses of the anchor's targets differ in length"));
        }
        let n = observed.len();
        let noises = if n < MIN_TO_CHOOSE { vec![USUAL_NOISE] } else { NOISES.to_vec() };
        let n_folds = if n > MAX_ALONE { N_FOLDS } else { n };
        let left_out = vec![vec![None; n]; noises.len()];
        Ok(Self { observed, control_mean, config: config.clone(), noises, n_folds, n_done: 0, left_out })
    }

    /// Parts in all.
    pub fn n_parts(&self) -> usize {
        self.n_folds + 1
    }

    /// Parts done.
    pub fn n_done(&self) -> usize {
        self.n_done
    }

    /// How it is fitted.
    pub fn settings(&self) -> &AnchorConfig {
        &self.config
    }

    /// Does the next part; the last one returns what came of it.
    ///
    /// # Errors
    /// Where a vector or a response is not finite.
    pub fn advance(&mut self) -> Result<Option<Whole>, Error> {
        if self.n_done >= self.n_folds {
            return self.end().map(Some);
        }
        let is_out = |index: &usize| index % self.n_folds == self.n_done;
        let (out, others): (Vec<usize>, Vec<usize>) = (0..self.observed.len()).partition(is_out);
        let of = |indices: &[usize]| indices.iter().map(|&index| &self.observed[index]).collect::<Vec<_>>();
        let (responses, asked) = (Responses::of(&of(&others), &self.control_mean, &self.config), vectors(&of(&out)));
        let process = Process::new(vectors(&of(&others)));
        let values = process.values(responses.values);
        let control: Vec<f32> = self.control_mean.iter().map(|&value| value as f32).collect();
        for (noise, left_out) in self.noises.iter().zip(&mut self.left_out) {
            let said = process.fit(&values, *noise).ok_or_else(not_finite)?.say(&asked);
            for (&index, said) in out.iter().zip(said.col_iter()) {
                let target = &self.observed[index];
                let (log_strength, direction) = (said[said.nrows() - 1], said.iter().take(self.control_mean.len()));
                let strength = (self.config.strength_power * log_strength).exp();
                let base = direction.map(|value| (value * strength) as f32).collect();
                let said = Anchored { base, own: own(target.gene, responses.own_share as f32) };
                let measured: Vec<f32> = target.delta.iter().map(|&value| value as f32).collect();
                let correlation = pearson(&said.change(&control), &measured).unwrap_or(0.0);
                left_out[index] = Some((said, correlation));
            }
        }
        self.n_done += 1;
        Ok(None)
    }

    /// The noise under which targets left out are predicted best (mean correlation; the first of equals), and the anchor of
    /// all targets under it.
    fn end(&mut self) -> Result<Whole, Error> {
        let score = |left_out: &Vec<Option<(Anchored, f64)>>| {
            left_out.iter().flatten().map(|(_, correlation)| correlation).sum::<f64>() / left_out.len() as f64
        };
        let mut best = 0;
        for at in 1..self.noises.len() {
            if score(&self.left_out[at]) > score(&self.left_out[best]) + MIN_GAIN {
                best = at;
            }
        }
        let left_out: Vec<Anchored> =
            std::mem::take(&mut self.left_out[best]).into_iter().flatten().map(|(said, _)| said).collect();
        let observed: Vec<&Observed> = self.observed.iter().collect();
        let responses = Responses::of(&observed, &self.control_mean, &self.config);
        let process = Process::new(vectors(&observed));
        let values = process.values(responses.values);
        let fitted = process.fit(&values, self.noises[best]).ok_or_else(not_finite)?;
        let bound = self.bounds(&left_out);
        let anchor = anchor_of(&process, &fitted, &self.config, responses.own_share, bound);
        Ok((anchor, left_out))
    }

    /// Root mean square, per gene, of what anchors got wrong of targets that they had not seen; times the configured factor.
    fn bounds(&self, left_out: &[Anchored]) -> Vec<f32> {
        let control: Vec<f32> = self.control_mean.iter().map(|&value| value as f32).collect();
        let mut sums = vec![0.0; control.len()];
        for (target, said) in self.observed.iter().zip(left_out) {
            for ((sum, delta), said) in sums.iter_mut().zip(&target.delta).zip(said.change(&control)) {
                *sum += (delta - f64::from(said)).powi(2);
            }
        }
        let (factor, n) = (self.config.residual_bound, self.observed.len() as f64);
        sums.into_iter().map(|sum| (factor * (sum / n).sqrt()) as f32).collect()
    }
}

/// Whether an anchor can be fitted to so many targets.
pub(crate) fn check_number(n: usize) -> Result<(), Error> {
    match n {
        0 | 1 => Err(problem(&format!(
            "an anchor needs cells of at least 2 targets with vectors; there are {n}: choose another preset, or leave the anchor out"
        ))),
        n if n > MAX_TARGETS => Err(problem(&format!(
            "an anchor is fitted to at most {MAX_TARGETS} targets; there are {n}: hold some out, or leave the anchor out"
        ))),
        _ => Ok(()),
    }
}

/// What an anchor says of an own gene.
pub(super) fn own(gene: Option<usize>, share: f32) -> Option<(usize, f32)> {
    gene.filter(|_| share != 0.0).map(|gene| (gene, share))
}

/// What the process is fitted to.
struct Responses {
    own_share: f64,
    /// Per target a column: the direction, and last the logarithm of the strength.
    values: Mat<f64>,
}

impl Responses {
    fn of(observed: &[&Observed], control_mean: &[f64], config: &AnchorConfig) -> Self {
        let own = observed.iter().filter_map(|target| target.gene.map(|gene| (target.delta[gene], control_mean[gene])));
        let own_share = if config.own_gene { own_share(own) } else { 0.0 };
        let n_genes = control_mean.len();
        let mut values = Mat::zeros(n_genes + 1, observed.len());
        for (at, target) in observed.iter().enumerate() {
            let mut rest = target.delta.clone();
            if let Some(gene) = target.gene {
                rest[gene] -= own_share * control_mean[gene];
            }
            let length = rest.iter().map(|value| value * value).sum::<f64>().sqrt().max(SHORTEST);
            let scale = length.powf(config.strength_power);
            let column = rest.into_iter().map(|value| value / scale).chain([length.ln()]);
            values.col_mut(at).iter_mut().zip(column).for_each(|(to, value)| *to = value);
        }
        Self { own_share, values }
    }
}

fn vectors(observed: &[&Observed]) -> Mat<f64> {
    units(observed.iter().map(|target| &target.vector[..]), observed.first().map_or(0, |first| first.vector.len()))
}

fn anchor_of(process: &Process, fitted: &Fitted<'_>, config: &AnchorConfig, own_share: f64, bound: Vec<f32>) -> Anchor {
    let (known, weights, n_genes) = (process.known(), fitted.weights(), bound.len());
    let narrow = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value as f32).collect::<Vec<f32>>();
    let rows = 0..weights.nrows();
    let strengths = rows.clone().map(|row| weights[(row, n_genes)]);
    Anchor {
        width: known.nrows(),
        vectors: narrow(&mut known.col_iter().flat_map(|column| column.iter().copied())),
        mean: narrow(&mut fitted.mean.iter().take(n_genes).copied()),
        weights: narrow(&mut rows.flat_map(|row| (0..n_genes).map(move |gene| (row, gene))).map(|at| weights[at])),
        log_strength: narrow(&mut std::iter::once(fitted.mean[n_genes]).chain(strengths)),
        strength_power: config.strength_power as f32,
        own_share: own_share as f32,
        bound,
    }
}

/// The share of its control expression that a perturbed gene's own transcript changes by: the median over training targets
/// that are among the genes, each with the change of its own gene and that gene's mean in control cells. 0 where there is none.
pub fn own_share(changes: impl Iterator<Item = (f64, f64)>) -> f64 {
    let mut shares: Vec<f64> =
        changes.filter(|(_, control)| *control > 0.0).map(|(change, control)| change / control).collect();
    shares.sort_by(f64::total_cmp);
    let median = match shares.len() {
        0 => 0.0,
        n if n.is_multiple_of(2) => f64::midpoint(shares[n / 2 - 1], shares[n / 2]),
        n => shares[n / 2],
    };
    // What falls can fall by all there is. What rises (activation) has no bound in what there was: nothing is said of it.
    median.clamp(-1.0, 0.0)
}

fn not_finite() -> Error {
    problem("a vector or a mean response of the anchor's targets is not finite: look at the data and the bank")
}

fn problem(problem: &str) -> Error {
    Error::TrainingCells { problem: problem.to_owned() }
}
