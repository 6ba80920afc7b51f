//! The measure of single cells beside what knows nothing: on these cells as they are labelled, and with labels shuffled,
//! where there is no effect to be found.

use jepa::eval::baselines::means::Weighting;
use jepa::eval::biojepa::SampleScore;
use jepa::eval::null::{drawn, of_changes, of_one_profile, of_profiles};
use spec::evaluation::{EvaluationConfig, NullRow, SampleNull};
use spec::metrics::Undefined;

use super::baselines::training_mean;
use super::contender::{Contender, Told};
use super::folds::Fold;
use super::screen::Screen;
use crate::population::spread;

/// A perturbed cell and the control cell that it is compared with.
pub(super) struct Pair {
    pub target: usize,
    pub case: usize,
    pub control: usize,
}

/// Pairs of every tested perturbation, evenly; none where rows are no single cells.
pub(super) fn pairs(screen: &Screen<'_>, folds: &[Fold], config: &EvaluationConfig) -> Vec<Pair> {
    let tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
    if !screen.has_single_cells() || tested.is_empty() || config.n_pairs == 0 {
        return Vec::new();
    }
    let n_each = config.n_pairs.div_ceil(tested.len());
    let cases = tested
        .iter()
        .flat_map(|&target| spread(&screen.targets[target].rows, n_each).into_iter().map(move |case| (target, case)));
    let cases: Vec<(usize, usize)> = cases.collect();
    let controls = drawn(screen.control_rows.len(), cases.len(), config.seed);
    let pair = |((target, case), control): ((usize, usize), usize)| Pair {
        target,
        case,
        control: screen.control_rows[control],
    };
    cases.into_iter().zip(controls).map(pair).collect()
}

/// Scores them; none where rows are no single cells.
pub(super) fn null(
    screen: &Screen<'_>,
    folds: &[Fold],
    told: Option<&Told>,
    contender: Option<&Contender<'_>>,
    config: &EvaluationConfig,
) -> Option<SampleNull> {
    let pairs = pairs(screen, folds, config);
    if pairs.is_empty() {
        return None;
    }
    let cases: Vec<Vec<f32>> = pairs.iter().map(|pair| screen.dense(pair.case)).collect();
    let controls: Vec<Vec<f32>> = pairs.iter().map(|pair| screen.dense(pair.control)).collect();
    let (cases, controls) = (as_rows(&cases), as_rows(&controls));
    let mut rows = Vec::new();
    let mut add = |predictor: &str, knows, shuffled, score: Result<SampleScore, Undefined>| {
        if let Ok(SampleScore { mse, pearson20 }) = score {
            rows.push(NullRow { predictor: predictor.into(), knows, shuffled, pearson20, mse });
        }
    };
    if let (Some(told), Some(contender)) = (told, contender) {
        let asked: Vec<usize> = (0..pairs.len()).filter(|&pair| told.of_pairs[pair].is_some()).collect();
        let of = |rows: &[&'_ [f32]]| -> Vec<Vec<f32>> { asked.iter().map(|&pair| rows[pair].to_vec()).collect() };
        let (of_cases, of_controls) = (of(&cases), of(&controls));
        let changes: Vec<&[f32]> = told.of_pairs.iter().flatten().map(Vec::as_slice).collect();
        add(contender.name(), true, false, of_changes(&changes, &as_rows(&of_cases), &as_rows(&of_controls)));
    }
    let means = training_profiles(screen, folds);
    let profiles: Vec<&[f32]> = pairs.iter().map(|pair| means[pair.target].as_slice()).collect();
    add("the mean training cell", false, false, of_profiles(&profiles, &cases, &controls));
    add("the mean control cell", false, false, of_one_profile(&screen.control.mean, &cases, &controls));
    add(
        "no change",
        false,
        false,
        of_changes(&vec![&vec![0.0; screen.control.mean.len()][..]; pairs.len()], &cases, &controls),
    );

    // Any cell may now be a perturbed one, and the mean of training is the mean of all.
    let all: Vec<usize> =
        screen.control_rows.iter().chain(screen.targets.iter().flat_map(|target| &target.rows)).copied().collect();
    let strangers: Vec<Vec<f32>> =
        drawn(all.len(), pairs.len(), config.seed ^ 1).into_iter().map(|at| screen.dense(all[at])).collect();
    let mean = screen.mean_of(&all).map(|group| group.mean)?;
    add("the mean cell", false, true, of_one_profile(&mean, &as_rows(&strangers), &controls));
    Some(SampleNull { n_pairs: pairs.len(), rows })
}

/// Per perturbation, the mean of the perturbed training cells of its fold.
fn training_profiles(screen: &Screen<'_>, folds: &[Fold]) -> Vec<Vec<f32>> {
    let mut profiles = vec![Vec::new(); screen.targets.len()];
    for fold in folds {
        let change = training_mean(screen, fold, Weighting::Cells);
        let profile: Vec<f32> = screen.control.mean.iter().zip(change).map(|(c, d)| c + d).collect();
        fold.test.iter().for_each(|&at| profiles[at].clone_from(&profile));
    }
    profiles
}

fn as_rows(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}
