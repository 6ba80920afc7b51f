//! GEARS' measures (spec §3.4) of a mean profile: errors and correlations on all genes and on the genes that change most
//! surely, directions, ranges, gaps of fold change.
//!
//! The ranking of genes is an input: scanpy's `t-test` against control by falling |t|, which `atlas::markers` computes.
//! GEARS replaces NaN by 0; here a constant side is named, and [`spec::metrics::Card::undefined_as`] says that it counts
//! as 0. `frac_correct_direction_20_nonzero` is left out: its genes and its control are in different orders there.

use spec::metrics::Undefined;

use super::pairs::{self, Score};

/// Genes that the family looks at when it looks at the top.
pub const N_TOP: usize = 20;

/// Below this mean expression GEARS looks at no fold change.
const LEAST_EXPRESSED: f64 = 0.5;

/// Mean profiles of one perturbation and of control, in log1p units, all genes.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Predicted mean of the perturbed cells.
    pub predicted: Vec<f64>,
    /// Measured mean of the perturbed cells.
    pub measured: Vec<f64>,
    /// Mean of all control cells.
    pub control: Vec<f64>,
}

/// Shares of genes by where they are predicted to move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Directions {
    /// As measured.
    pub same: f64,
    /// Against what is measured.
    pub opposite: f64,
    /// One of the two does not move.
    pub one_still: f64,
}

/// How the measured cells of one perturbation spread, per gene.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Spread {
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation (ddof 0).
    pub deviation: Vec<f64>,
    /// Quantiles at [`QUANTILES`].
    pub quantiles: [Vec<f64>; 8],
}

/// Shares of cells below which [`Spread::quantiles`] lie; the first is the smallest value and the last the largest.
pub const QUANTILES: [f64; 8] = [0.0, 0.25, 0.4, 0.45, 0.55, 0.6, 0.75, 1.0];

/// Between which quantiles a prediction has to lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Band {
    /// Smallest and largest value.
    All,
    /// 45 to 55 %.
    From45To55,
    /// 40 to 60 %.
    From40To60,
    /// 25 to 75 %.
    From25To75,
}

impl Band {
    /// Indices into [`QUANTILES`].
    fn ends(self) -> (usize, usize) {
        match self {
            Self::All => (0, 7),
            Self::From25To75 => (1, 6),
            Self::From40To60 => (2, 5),
            Self::From45To55 => (3, 4),
        }
    }
}

/// Genes by measured fold change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FoldClass {
    /// All of them.
    All,
    /// That rise more than so many times.
    Above(f64),
    /// That fall below this share.
    Below(f64),
}

impl Spread {
    /// Of cells given as dense rows; none without cells, or where a row is shorter than the first.
    pub fn of(rows: &[&[f32]]) -> Option<Self> {
        let n_genes = rows.first()?.len();
        if rows.iter().any(|row| row.len() != n_genes) {
            return None;
        }
        let mut spread = Self::default();
        let mut column = Vec::with_capacity(rows.len());
        for gene in 0..n_genes {
            column.clear();
            column.extend(rows.iter().map(|row| f64::from(row[gene])));
            let mean = pairs::mean(&column);
            let variance = column.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / column.len() as f64;
            column.sort_by(f64::total_cmp);
            spread.mean.push(mean);
            spread.deviation.push(variance.sqrt());
            for (values, at) in spread.quantiles.iter_mut().zip(QUANTILES) {
                values.push(pairs::quantile(&column, at));
            }
        }
        Some(spread)
    }
}

/// Genes that are not lost: expressed in the perturbed cells, or in neither them nor control.
pub fn not_dropped_out(measured: &[f64], control: &[f64]) -> Vec<bool> {
    measured.iter().zip(control).map(|(&measured, &control)| measured != 0.0 || control == 0.0).collect()
}

/// Genes expressed in the perturbed cells.
pub fn expressed(measured: &[f64]) -> Vec<bool> {
    measured.iter().map(|&measured| measured != 0.0).collect()
}

/// The first `n` genes of a ranking among those that `kept` has.
pub fn first_of(ranking: &[usize], kept: &[bool], n: usize) -> Vec<usize> {
    ranking.iter().copied().filter(|&gene| kept.get(gene).copied().unwrap_or(false)).take(n).collect()
}

impl Profile {
    /// Of profiles as the rest of the house has them.
    pub fn new(predicted: &[f32], measured: &[f32], control: &[f32]) -> Self {
        Self { predicted: pairs::widen(predicted), measured: pairs::widen(measured), control: pairs::widen(control) }
    }

    /// The same profiles of some genes alone; a gene that does not exist is left out.
    pub fn of(&self, genes: &[usize]) -> Self {
        Self {
            predicted: pairs::at(&self.predicted, genes),
            measured: pairs::at(&self.measured, genes),
            control: pairs::at(&self.control, genes),
        }
    }

    /// Predicted and measured change.
    pub fn changes(&self) -> (Vec<f64>, Vec<f64>) {
        let of = |side: &[f64]| side.iter().zip(&self.control).map(|(value, control)| value - control).collect();
        (of(&self.predicted), of(&self.measured))
    }

    /// Mean squared error; of the changes it is the same.
    ///
    /// # Errors
    /// No genes.
    pub fn mse(&self) -> Score {
        pairs::mean_square(&self.predicted, &self.measured)
    }

    /// That error as a multiple of the error of predicting no change.
    ///
    /// # Errors
    /// No genes, or nothing changed.
    pub fn mse_ratio(&self) -> Score {
        let still = pairs::mean_square(&self.control, &self.measured)?;
        let own = self.mse()?;
        if still > 0.0 { Ok(own / still) } else { Err(Undefined::Constant) }
    }

    /// Correlation of expression.
    ///
    /// # Errors
    /// As [`pairs::pearson`].
    pub fn pearson(&self) -> Score {
        pairs::pearson(&self.predicted, &self.measured)
    }

    /// Correlation of change.
    ///
    /// # Errors
    /// As [`pairs::pearson`].
    pub fn pearson_delta(&self) -> Score {
        let (predicted, measured) = self.changes();
        pairs::pearson(&predicted, &measured)
    }

    /// Where genes move: shares of `n`, which GEARS sets to what it asked for even where there are fewer genes.
    ///
    /// # Errors
    /// No genes, a value that is not finite.
    pub fn directions(&self, n: usize) -> Result<Directions, Undefined> {
        self.mse()?;
        if n == 0 {
            return Err(Undefined::TooFewGenes);
        }
        let sign = |change: f64| if change == 0.0 { 0.0 } else { change.signum() };
        let mut counts = [0usize; 3];
        let (predicted, measured) = self.changes();
        for (&predicted, &measured) in predicted.iter().zip(&measured) {
            counts[(sign(predicted) - sign(measured)).abs() as usize] += 1;
        }
        let [same, one_still, opposite] = counts.map(|count| count as f64 / n as f64);
        Ok(Directions { same, opposite, one_still })
    }

    /// Mean distance of predicted and measured fold change over one class of genes.
    ///
    /// # Errors
    /// No gene of the class; a prediction that is not finite.
    pub fn fold_gap(&self, class: FoldClass) -> Score {
        let mut gaps = Vec::new();
        for ((&predicted, &measured), &control) in self.predicted.iter().zip(&self.measured).zip(&self.control) {
            let fold = measured / control;
            // NaN and infinite fold changes, and genes hardly expressed, count as 0 and so belong to no class.
            let known = fold.is_finite() && fold > 0.0 && measured >= LEAST_EXPRESSED;
            let belongs = match class {
                FoldClass::All => true,
                FoldClass::Above(bound) => fold > bound,
                FoldClass::Below(bound) => fold < bound,
            };
            if known && belongs {
                gaps.push((predicted / control - measured / control).abs());
            }
        }
        match pairs::mean(&gaps) {
            _ if gaps.is_empty() => Err(Undefined::TooFewGenes),
            gap if gap.is_finite() => Ok(gap),
            _ => Err(Undefined::NotFinite),
        }
    }
}

/// Share of `genes`, without those that are 0 in every cell, predicted inside a band of the measured cells.
///
/// # Errors
/// No such gene, or a prediction that is not finite.
pub fn in_band(predicted: &[f64], spread: &Spread, genes: &[usize], band: Band) -> Score {
    let (low, high) = band.ends();
    share(genes, |gene| {
        let (&smallest, &largest) = (spread.quantiles[0].get(gene)?, spread.quantiles[7].get(gene)?);
        let value = *predicted.get(gene)?;
        let inside = value >= *spread.quantiles[low].get(gene)? && value <= *spread.quantiles[high].get(gene)?;
        (smallest != 0.0 || largest != 0.0).then_some((value, inside))
    })
}

/// Share of `genes` that vary over the measured cells predicted within one standard deviation of their mean.
///
/// # Errors
/// No such gene, or a prediction that is not finite.
pub fn within_deviation(predicted: &[f64], spread: &Spread, genes: &[usize]) -> Score {
    share(genes, |gene| {
        let (&mean, &deviation) = (spread.mean.get(gene)?, spread.deviation.get(gene)?);
        let value = *predicted.get(gene)?;
        (deviation > 0.0).then_some((value, (value - mean).abs() / deviation <= 1.0))
    })
}

/// Share of the genes that count for which a predicted value is good.
fn share(genes: &[usize], look: impl Fn(usize) -> Option<(f64, bool)>) -> Score {
    let looked: Vec<(f64, bool)> = genes.iter().filter_map(|&gene| look(gene)).collect();
    if looked.is_empty() {
        return Err(Undefined::TooFewGenes);
    }
    if looked.iter().any(|(value, _)| !value.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    Ok(looked.iter().filter(|(_, good)| *good).count() as f64 / looked.len() as f64)
}
