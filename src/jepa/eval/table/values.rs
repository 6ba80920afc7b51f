//! Which function computes which measure.

use spec::metrics::{Metric, Reference, Undefined};

use super::prepared::{Prepared, PreparedTarget, Side};
use crate::eval::biojepa;
use crate::eval::cell_eval::{self, Distance, Tests};
use crate::eval::gears::{Band, FoldClass, Profile, in_band, within_deviation};
use crate::eval::pairs::{self, Score};
use crate::eval::ranks::{self, Likeness};

/// Of every perturbation, or one for all.
pub(super) fn of(metric: Metric, prepared: &Prepared, side: &Side) -> Vec<Score> {
    let each = |measure: &dyn Fn(&PreparedTarget, usize) -> Score| -> Vec<Score> {
        prepared.targets.iter().enumerate().map(|(at, target)| measure(target, at)).collect()
    };
    match metric.card().reference {
        Reference::Gears => each(&|target, at| gears(metric, target, &profile(prepared, target, side, at))),
        Reference::BioJepa | Reference::BioJepaCorrected => {
            each(&|target, at| by_change(metric, target, &side.means[at], &side.changes[at]))
        }
        Reference::CellEval => cell_eval(metric, prepared, side),
        Reference::PerturBench => perturbench(metric, prepared, side),
        Reference::Systema | Reference::Mejia => systema(metric, prepared, side),
    }
}

fn profile(prepared: &Prepared, target: &PreparedTarget, side: &Side, at: usize) -> Profile {
    Profile { predicted: side.means[at].clone(), measured: target.mean.clone(), control: prepared.control.clone() }
}

fn gears(metric: Metric, target: &PreparedTarget, profile: &Profile) -> Score {
    let first = |n: usize| -> Result<Profile, Undefined> {
        Ok(profile.of(&target.ranking.as_ref().ok_or(Undefined::NotGiven)?[..n.min(target.ranking_len())]))
    };
    let top = || target.top.as_ref().ok_or(Undefined::NotGiven);
    let of_top = || Ok::<Profile, Undefined>(profile.of(top()?));
    let spread = || target.spread.as_ref().ok_or(Undefined::NotGiven);
    let band = |band: Band| in_band(&profile.predicted, spread()?, top()?, band);
    let right = |n: usize| Ok(first(n)?.directions(n)?.same);
    match metric {
        Metric::GearsMse => profile.mse(),
        Metric::GearsMseDe => first(20)?.mse(),
        Metric::GearsPearson => profile.pearson(),
        Metric::GearsPearsonDe => first(20)?.pearson(),
        Metric::GearsPearsonDelta => profile.pearson_delta(),
        Metric::GearsPearsonDeltaDe => first(20)?.pearson_delta(),
        Metric::GearsMseTop20 => of_top()?.mse(),
        Metric::GearsMseTop20Ratio => of_top()?.mse_ratio(),
        Metric::GearsPearsonTop20 => of_top()?.pearson(),
        Metric::GearsPearsonDeltaTop20 => of_top()?.pearson_delta(),
        Metric::GearsOppositeTop20 => Ok(of_top()?.directions(top()?.len())?.opposite),
        Metric::GearsDirectionTop20 => Ok(of_top()?.directions(top()?.len())?.same),
        Metric::GearsDirectionAll => Ok(profile.directions(profile.measured.len())?.same),
        Metric::GearsDirection20 => right(20),
        Metric::GearsDirection50 => right(50),
        Metric::GearsDirection100 => right(100),
        Metric::GearsDirection200 => right(200),
        Metric::GearsWithinSigma => within_deviation(&profile.predicted, spread()?, top()?),
        Metric::GearsInRange => band(Band::All),
        Metric::GearsIn45To55 => band(Band::From45To55),
        Metric::GearsIn40To60 => band(Band::From40To60),
        Metric::GearsIn25To75 => band(Band::From25To75),
        Metric::GearsFoldGapAll => profile.fold_gap(FoldClass::All),
        Metric::GearsFoldGapUp3 => profile.fold_gap(FoldClass::Above(3.0)),
        Metric::GearsFoldGapUp10 => profile.fold_gap(FoldClass::Above(10.0)),
        Metric::GearsFoldGapDown3 => profile.fold_gap(FoldClass::Below(0.333)),
        Metric::GearsFoldGapDown10 => profile.fold_gap(FoldClass::Below(0.1)),
        _ => Err(Undefined::NotGiven),
    }
}

impl PreparedTarget {
    fn ranking_len(&self) -> usize {
        self.ranking.as_ref().map_or(0, Vec::len)
    }
}

fn by_change(metric: Metric, target: &PreparedTarget, predicted: &[f64], change: &[f64]) -> Score {
    // Predicted expression is clipped at 0 there; NaN must stay what it is.
    let clipped: Vec<f64> = predicted.iter().map(|&value| if value < 0.0 { 0.0 } else { value }).collect();
    let measured = target.change.as_slice();
    match metric {
        Metric::BioJepaR2 => pairs::explained(&target.mean, &clipped),
        Metric::BioJepaR2Top50 => biojepa::r2_of_largest(&clipped, &target.mean, measured, 50),
        Metric::BioJepaMse => pairs::mean_square(change, measured),
        Metric::BioJepaPearson20 => biojepa::pearson20_corrected(change, measured),
        Metric::BioJepaDirection => biojepa::direction_as_published(change, measured),
        Metric::BioJepaPrecision10 => biojepa::precision_at(change, measured, 10),
        Metric::BioJepaPrecision20 => biojepa::precision_at(change, measured, 20),
        Metric::BioJepaPrecision50 => biojepa::precision_at(change, measured, 50),
        Metric::BioJepaPrecision100 => biojepa::precision_at(change, measured, 100),
        Metric::BioJepaNdcg50 => biojepa::ndcg_at(change, measured, 50),
        Metric::DirectionBalanced => biojepa::direction_corrected(change, measured),
        Metric::DeltaR2 => pairs::explained(measured, change),
        _ => Err(Undefined::NotGiven),
    }
}

fn cell_eval(metric: Metric, prepared: &Prepared, side: &Side) -> Vec<Score> {
    let measured: Vec<Vec<f64>> = prepared.targets.iter().map(|target| target.change.clone()).collect();
    let own: Vec<Option<usize>> = prepared.targets.iter().map(|target| target.own_gene).collect();
    let discriminated = |distance| cell_eval::discrimination(&side.changes, &measured, &own, distance);
    let changes = |measure: fn(&[f64], &[f64]) -> Score| -> Vec<Score> {
        side.changes.iter().zip(&measured).map(|(p, m)| measure(p, m)).collect()
    };
    let means = |measure: fn(&[f64], &[f64]) -> Score| -> Vec<Score> {
        side.means.iter().zip(&prepared.targets).map(|(p, target)| measure(p, &target.mean)).collect()
    };
    let tests = |measure: &dyn Fn(&Tests, &Tests) -> Score| -> Vec<Score> {
        let both = prepared.targets.iter().zip(&side.tests);
        both.map(|(target, own)| measure(target.tests.as_ref().map_err(|e| *e)?, own.as_ref().map_err(|e| *e)?))
            .collect()
    };
    let overlap = |k| tests(&|m, p| cell_eval::overlap(m, p, k));
    let precision = |k| tests(&|m, p| cell_eval::precision(m, p, k));
    match metric {
        Metric::CellEvalPearsonDelta => changes(pairs::pearson),
        Metric::CellEvalMse => means(pairs::mean_square),
        Metric::CellEvalMae => means(pairs::mean_absolute),
        Metric::CellEvalMseDelta => changes(pairs::mean_square),
        Metric::CellEvalMaeDelta => changes(pairs::mean_absolute),
        Metric::DiscriminationL1 => discriminated(Distance::L1),
        Metric::DiscriminationL2 => discriminated(Distance::L2),
        Metric::DiscriminationCosine => discriminated(Distance::Cosine),
        Metric::OverlapAtN => overlap(None),
        Metric::OverlapAt50 => overlap(Some(50)),
        Metric::OverlapAt100 => overlap(Some(100)),
        Metric::OverlapAt200 => overlap(Some(200)),
        Metric::OverlapAt500 => overlap(Some(500)),
        Metric::PrecisionAtN => precision(None),
        Metric::PrecisionAt50 => precision(Some(50)),
        Metric::PrecisionAt100 => precision(Some(100)),
        Metric::PrecisionAt200 => precision(Some(200)),
        Metric::PrecisionAt500 => precision(Some(500)),
        Metric::DirectionMatch => tests(&cell_eval::direction_match),
        Metric::SpearmanLfc => tests(&cell_eval::fold_change_order),
        Metric::SignificantRecall => tests(&cell_eval::recall),
        Metric::PrAuc => tests(&cell_eval::pr_auc),
        Metric::RocAuc => tests(&cell_eval::roc_auc),
        Metric::SpearmanCounts => vec![counts(prepared, side)],
        Metric::PearsonEDistance => vec![energies(prepared, side)],
        // Clusters are Leiden's, which this crate does not have: `cell_eval::clustering_agreement` takes them.
        _ => vec![Err(Undefined::NotGiven)],
    }
}

fn counts(prepared: &Prepared, side: &Side) -> Score {
    let measured = prepared.targets.iter().map(|target| target.tests.clone()).collect::<Result<Vec<_>, _>>()?;
    let predicted = side.tests.iter().cloned().collect::<Result<Vec<_>, _>>()?;
    cell_eval::count_correlation(&measured, &predicted)
}

fn energies(prepared: &Prepared, side: &Side) -> Score {
    let measured = prepared.targets.iter().map(|target| target.energy).collect::<Result<Vec<_>, _>>()?;
    let predicted = side.energies.iter().copied().collect::<Result<Vec<_>, _>>()?;
    cell_eval::energy_correlation(&measured, &predicted)
}

fn perturbench(metric: Metric, prepared: &Prepared, side: &Side) -> Vec<Score> {
    let measured: Vec<Vec<f64>> = prepared.targets.iter().map(|target| target.mean.clone()).collect();
    let folds = |means: &[Vec<f64>]| -> Vec<Vec<f64>> {
        means.iter().map(|mean| ranks::log_fold_change(mean, &prepared.control)).collect()
    };
    let each = |predicted: &[Vec<f64>], measured: &[Vec<f64>], likeness: Likeness| -> Vec<Score> {
        predicted.iter().zip(measured).map(|(p, m)| likeness.of(p, m)).collect()
    };
    match metric {
        Metric::RankRmse => ranks::perturbench(&side.means, &measured, Likeness::Rmse),
        Metric::RankCosineLfc => ranks::perturbench(&folds(&side.means), &folds(&measured), Likeness::Cosine),
        Metric::CosineLfc => each(&folds(&side.means), &folds(&measured), Likeness::Cosine),
        _ => each(&side.means, &measured, Likeness::Rmse),
    }
}

fn systema(metric: Metric, prepared: &Prepared, side: &Side) -> Vec<Score> {
    if metric == Metric::CentroidAccuracy {
        let measured: Vec<Vec<f64>> = prepared.targets.iter().map(|target| target.mean.clone()).collect();
        return ranks::centroid_accuracy(&side.means, &measured);
    }
    let one = |(target, predicted): (&PreparedTarget, &Vec<f64>)| -> Score {
        let weights = || ranks::weights(target.scores.as_ref().ok_or(Undefined::NotGiven)?);
        let reference = || target.training_mean.as_ref().ok_or(Undefined::NotGiven);
        match metric {
            Metric::SystemaPearson => ranks::systema_pearson(predicted, &target.mean, reference()?),
            Metric::SystemaPearson20 => {
                let top = pairs::largest(&target.change, 20);
                ranks::systema_pearson_of(predicted, &target.mean, reference()?, &top)
            }
            Metric::WeightedMse => ranks::weighted_mse(predicted, &target.mean, &weights()?),
            Metric::WeightedR2 => ranks::weighted_r2(predicted, &target.mean, reference()?, &weights()?),
            _ => Err(Undefined::NotGiven),
        }
    };
    prepared.targets.iter().zip(&side.means).map(one).collect()
}
