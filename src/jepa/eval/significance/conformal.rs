//! Intervals that hold what they promise: split conformal prediction, per gene, calibrated on perturbations that
//! training did not see.
//!
//! The half width of a gene is a quantile of the errors made on it in calibration. If the perturbations asked about are
//! like those, a share of at least `confidence` of measured values lies inside, whatever the model is. For perturbations
//! unlike those nothing is promised; so coverage is counted on others held back.

use spec::metrics::Undefined;

/// Half widths per gene.
#[derive(Debug, Clone, PartialEq)]
pub struct Intervals {
    /// Share of measured values that are to lie inside.
    pub confidence: f64,
    /// Perturbations of the calibration.
    pub n_targets: usize,
    /// Half width per gene (the unit of the values); NaN for a gene that was not measured in calibration.
    pub half_widths: Vec<f64>,
}

/// How often measured values lie inside, on perturbations that neither training nor calibration saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Coverage {
    /// Share inside, over genes and perturbations.
    pub overall: f64,
    /// Share inside, per gene; NaN for a gene without an interval or value.
    pub by_gene: Vec<f64>,
    /// Share inside, per perturbation; NaN for one without values.
    pub by_target: Vec<f64>,
    /// Mean half width over the genes that have one.
    pub mean_half_width: f64,
}

/// Fewest perturbations from which a confidence can be promised: `n` such that ⌈(n + 1) confidence⌉ ≤ n.
pub fn fewest(confidence: f64) -> usize {
    let mut n = 1;
    while place(n, confidence) > n && n < 1_000_000 {
        n += 1;
    }
    n
}

/// Which of `n` sorted errors is the half width, from 1.
fn place(n: usize, confidence: f64) -> usize {
    // (n + 1) c is often a whole number that f64 puts a hair above itself.
    ((n + 1) as f64 * confidence - 1e-9).ceil() as usize
}

impl Intervals {
    /// Of predictions for perturbations held back, and what was measured; a measured NaN is left out of its gene.
    ///
    /// # Errors
    /// A gene with fewer measured perturbations than [`fewest`] and more than none: the promise cannot be made.
    /// Sides of different shape, a prediction that is not finite, a confidence outside 0 to 1.
    pub fn calibrate(predicted: &[&[f32]], measured: &[&[f32]], confidence: f64) -> Result<Self, Undefined> {
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(Undefined::NotFinite);
        }
        same_shape(predicted, measured)?;
        let n_genes = predicted.first().ok_or(Undefined::TooFewTargets)?.len();
        let mut half_widths = Vec::with_capacity(n_genes);
        let mut errors = Vec::with_capacity(predicted.len());
        for gene in 0..n_genes {
            errors.clear();
            for (predicted, measured) in predicted.iter().zip(measured) {
                if !measured[gene].is_finite() {
                    continue;
                }
                if !predicted[gene].is_finite() {
                    return Err(Undefined::NotFinite);
                }
                errors.push((f64::from(predicted[gene]) - f64::from(measured[gene])).abs());
            }
            errors.sort_by(f64::total_cmp);
            let at = place(errors.len(), confidence);
            match errors.get(at.wrapping_sub(1)) {
                Some(&width) => half_widths.push(width),
                None if errors.is_empty() => half_widths.push(f64::NAN),
                None => return Err(Undefined::TooFewTargets),
            }
        }
        Ok(Self { confidence, n_targets: predicted.len(), half_widths })
    }

    /// Lower and upper end per gene of one prediction.
    pub fn around(&self, predicted: &[f32]) -> Vec<(f64, f64)> {
        let of = |(&value, &width): (&f32, &f64)| (f64::from(value) - width, f64::from(value) + width);
        predicted.iter().zip(&self.half_widths).map(of).collect()
    }

    /// Counts what lies inside. A gene without an interval and a value that was not measured are left out.
    ///
    /// # Errors
    /// Sides of different shape; nothing to count.
    pub fn coverage(&self, predicted: &[&[f32]], measured: &[&[f32]]) -> Result<Coverage, Undefined> {
        same_shape(predicted, measured)?;
        let n_genes = self.half_widths.len();
        if predicted.iter().any(|row| row.len() != n_genes) {
            return Err(Undefined::Length);
        }
        let mut genes = vec![(0usize, 0usize); n_genes];
        let mut targets = vec![(0usize, 0usize); predicted.len()];
        for (target, (predicted, measured)) in predicted.iter().zip(measured).enumerate() {
            for (gene, (&value, &truth)) in predicted.iter().zip(*measured).enumerate() {
                let width = self.half_widths[gene];
                if width.is_nan() || !truth.is_finite() {
                    continue;
                }
                // A prediction that is no number is outside, not left out.
                let inside = (f64::from(value) - f64::from(truth)).abs() <= width;
                for (n_inside, n) in [&mut genes[gene], &mut targets[target]] {
                    *n_inside += usize::from(inside);
                    *n += 1;
                }
            }
        }
        let share = |&(inside, n): &(usize, usize)| if n == 0 { f64::NAN } else { inside as f64 / n as f64 };
        let all = genes.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        if all.1 == 0 {
            return Err(Undefined::TooFewTargets);
        }
        let widths: Vec<f64> = self.half_widths.iter().copied().filter(|width| !width.is_nan()).collect();
        Ok(Coverage {
            overall: share(&all),
            by_gene: genes.iter().map(share).collect(),
            by_target: targets.iter().map(share).collect(),
            mean_half_width: crate::eval::pairs::mean(&widths),
        })
    }
}

fn same_shape(predicted: &[&[f32]], measured: &[&[f32]]) -> Result<(), Undefined> {
    let n_genes = predicted.first().map_or(0, |row| row.len());
    let same = predicted.len() == measured.len() && predicted.iter().chain(measured).all(|row| row.len() == n_genes);
    if same { Ok(()) } else { Err(Undefined::Length) }
}
