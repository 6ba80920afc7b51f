//! Intervals around a prediction, made of the errors on perturbations that were held out.
//!
//! Those are asked of the mean control cell in one go, where an answer is averaged over control cells: for a model trained
//! on single cells the two differ.
//! The target's own gene has none, nor do those of the held-out perturbations count there: what a perturbation does to its
//! own gene is unlike what it does to others.

use jepa::bank::Bank;
use jepa::eval::response::Response;
use jepa::eval::significance::conformal::{self, Intervals as Widths};
use jepa::query::Predictor;
use spec::evaluation::Level;
use spec::metrics::Undefined;
use spec::model::Mode;
use spec::prediction::{CellChoice, Intervals, Query, Uncertainty};

use crate::failure::EngineError;
use crate::population::spread;

/// Up to so many perturbations each is looked at with widths from all others; beyond, a tenth with those of the rest.
const MOST_ALONE: usize = 40;
/// Share of measured changes that intervals are to hold: few held-out perturbations are enough for it.
const PROMISED: f64 = 0.8;
/// At most so many held-out perturbations are predicted, evenly spaced.
const MOST_TARGETS: usize = 128;

/// What the errors of a model are known from.
pub struct Known<'a> {
    /// The model.
    pub predictor: &'a Predictor,
    /// Vectors to ask with.
    pub bank: &'a Bank,
    /// Where the responses were measured.
    pub source: &'a str,
    /// Mean of the controls that they were measured against (log1p units), in the model's gene order.
    pub control_mean: &'a [f32],
    /// Measured responses; those of training are not looked at.
    pub responses: &'a [Response],
}

impl Known<'_> {
    /// How far the answer to `query` may be off.
    ///
    /// # Errors
    /// Where the device fails.
    pub async fn uncertainty(&self, query: &Query) -> Result<Uncertainty, EngineError> {
        let header = self.predictor.header();
        let unknown = |reason: String| Ok(Uncertainty::Unknown { reason });
        if !query.with.is_empty() {
            return unknown(
                "No interval: it would be made of errors on held-out combinations, and the errors on single genes say \
                 nothing of those."
                    .into(),
            );
        }
        if query.cells != CellChoice::All {
            return unknown(format!(
                "No interval: it would be made of errors on the mean of all control cells, and those say nothing of {}.",
                query.cells.label()
            ));
        }
        if header.seen.contains(&query.target) {
            return unknown(
                "No interval: the model learnt from this response, and errors on held-out ones say nothing of it."
                    .into(),
            );
        }
        let others = self.others(&query.target);
        // One more than is needed, since each own gene is left out once.
        let needed = conformal::fewest(PROMISED) + 1;
        if others.len() < needed {
            let n = others.len();
            return unknown(format!(
                "No interval: it is made of the model's errors on measured perturbations that it did not learn from; \
                 {needed} are needed, and there are {n}."
            ));
        }
        let mode = match header.modes[..] {
            [only] => only,
            _ => query.mode,
        };
        let predicted = self.predicted(&others, mode).await?;
        let own_gene = |target: &str| header.genes.iter().position(|gene| gene == target);
        let measured: Vec<Vec<f32>> = others
            .iter()
            .map(|response| {
                let mut delta = response.delta.clone();
                if let Some(gene) = own_gene(&response.target) {
                    delta[gene] = f32::NAN;
                }
                delta
            })
            .collect();
        let sides = Sides {
            predicted: predicted.chunks_exact(header.genes.len().max(1)).collect(),
            measured: measured.iter().map(Vec::as_slice).collect(),
        };
        let widths = match Widths::calibrate(&sides.predicted, &sides.measured, PROMISED) {
            Ok(widths) => widths,
            Err(reason) => return unknown(format!("No interval: {}.", reason.label())),
        };
        let mut half_width: Vec<f32> = widths.half_widths.iter().map(|&width| width as f32).collect();
        if let Some(gene) = own_gene(&query.target) {
            half_width[gene] = f32::NAN;
        }
        Ok(Uncertainty::Intervals(Intervals {
            promised: PROMISED,
            found: sides.looked_at(PROMISED).ok().map(|(level, _)| level.found),
            n_targets: others.len(),
            source: self.source.to_owned(),
            half_width,
        }))
    }

    /// Measured responses that neither training saw nor the question is about.
    fn others(&self, target: &str) -> Vec<&Response> {
        let header = self.predictor.header();
        let is_other = |response: &&Response| {
            response.target != target
                && header.held_out.contains(&response.target)
                && response.delta.len() == header.genes.len()
                && self.bank.vector(&response.target).is_some()
        };
        let all: Vec<&Response> = self.responses.iter().filter(is_other).collect();
        let places: Vec<usize> = (0..all.len()).collect();
        spread(&places, MOST_TARGETS).into_iter().map(|at| all[at]).collect()
    }

    /// What the model says of them, asked of the mean control cell.
    async fn predicted(&self, others: &[&Response], mode: Mode) -> Result<Vec<f32>, EngineError> {
        let cell: Vec<f32> =
            self.control_mean.iter().map(|value| if value.is_finite() { *value } else { 0.0 }).collect();
        let sweep = self.predictor.sweep(&cell, mode)?;
        let mut predicted = Vec::new();
        for chunk in others.chunks(sweep.capacity()) {
            let vector = |target: &str| self.bank.vector(target).unwrap_or_default();
            let asked: Vec<(&str, Vec<f32>)> =
                chunk.iter().map(|other| (other.target.as_str(), vector(&other.target))).collect();
            predicted.extend(sweep.ask(&asked).await?);
        }
        Ok(predicted)
    }
}

/// Predicted and measured changes of the same perturbations.
pub struct Sides<'a> {
    /// Of what was held out.
    pub predicted: Vec<&'a [f32]>,
    /// The same perturbations; NaN where a gene was not measured.
    pub measured: Vec<&'a [f32]>,
}

impl Sides<'_> {
    /// How much lies inside intervals of `promised`, each perturbation looked at with widths from others; and of each.
    ///
    /// # Errors
    /// Where others are too few for the promise.
    pub fn looked_at(&self, promised: f64) -> Result<(Level, Vec<Option<f64>>), Undefined> {
        let mut by_target = vec![None; self.predicted.len()];
        let (mut inside, mut n_looked, mut width) = (0.0, 0.0, 0.0);
        self.in_parts(promised, |out, widths| {
            let (predicted, measured) = self.of(out);
            let coverage = widths.coverage(&predicted, &measured)?;
            for (&at, &share) in out.iter().zip(&coverage.by_target) {
                by_target[at] = Some(share).filter(|share| share.is_finite());
            }
            inside += coverage.overall * out.len() as f64;
            width += coverage.mean_half_width * out.len() as f64;
            n_looked += out.len() as f64;
            Ok(())
        })?;
        if n_looked == 0.0 {
            return Err(Undefined::TooFewTargets);
        }
        Ok((Level { promised, found: inside / n_looked, half_width: width / n_looked }, by_target))
    }

    /// Every half width with the absolute error of its prediction, widths from other perturbations.
    ///
    /// # Errors
    /// As [`Sides::looked_at`].
    pub fn widths_and_errors(&self, promised: f64) -> Result<Vec<(f64, f64)>, Undefined> {
        let mut both = Vec::new();
        self.in_parts(promised, |out, widths| {
            for &at in out {
                let sides = self.predicted[at].iter().zip(self.measured[at]);
                for (&width, (&predicted, &measured)) in widths.half_widths.iter().zip(sides) {
                    let error = (f64::from(predicted) - f64::from(measured)).abs();
                    both.extend((width.is_finite() && error.is_finite()).then_some((width, error)));
                }
            }
            Ok(())
        })?;
        Ok(both)
    }

    /// Tells of each part and of the widths that all others make.
    fn in_parts(
        &self,
        promised: f64,
        mut tell: impl FnMut(&[usize], &Widths) -> Result<(), Undefined>,
    ) -> Result<(), Undefined> {
        let n = self.predicted.len();
        let n_parts = if n <= MOST_ALONE { n } else { 10 };
        for part in 0..n_parts {
            let (out, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|at| at % n_parts == part);
            let (predicted, measured) = self.of(&kept);
            tell(&out, &Widths::calibrate(&predicted, &measured, promised)?)?;
        }
        Ok(())
    }

    fn of(&self, places: &[usize]) -> (Vec<&[f32]>, Vec<&[f32]>) {
        places.iter().map(|&at| (self.predicted[at], self.measured[at])).unzip()
    }
}
