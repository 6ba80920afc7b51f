//! Which perturbations are tested together, and which are learnt from then.
//!
//! What contains everything that a tested perturbation acts on is not learnt from either: with `A` held out, so is `A+B`;
//! with `A+B` held out, `A` and `B` alone are known, and whether their effects add is the question.

use std::collections::BTreeSet;

use jepa::eval::null::drawn;
use spec::evaluation::{EvaluationConfig, Folds, Pathway};

use super::contender::Contender;
use super::screen::Screen;
use crate::failure::EngineError;

/// Perturbations by their place in the screen.
pub(super) struct Fold {
    pub name: String,
    pub test: Vec<usize>,
    pub train: Vec<usize>,
}

/// The folds; each perturbation is tested in one of them, or in none.
pub(super) fn folds(
    screen: &Screen<'_>,
    config: &EvaluationConfig,
    contender: Option<&Contender<'_>>,
) -> Result<Vec<Fold>, EngineError> {
    let header = contender.and_then(Contender::header);
    let parts = match (&config.folds, header) {
        (Folds::HeldOut, Some(header)) => return held_out(screen, &header.seen, &header.held_out),
        (_, Some(_)) => {
            return Err(EngineError::Evaluation(
                "a trained checkpoint can be judged on what it held out alone, as it has seen the rest; to judge it over \
                 folds, train its configuration in each"
                    .into(),
            ));
        }
        (Folds::HeldOut | Folds::LeaveOneTargetOut, None) => alone(screen, 0..screen.targets.len()),
        (Folds::Random { n_folds }, None) => random(screen, *n_folds, config.seed),
        (Folds::Pathways { pathways }, None) => by_pathway(screen, pathways),
    };
    let folds: Vec<Fold> = parts.into_iter().map(|(name, test)| with_training(screen, name, test)).collect();
    let usable: Vec<Fold> = folds.into_iter().filter(|fold| !fold.test.is_empty() && !fold.train.is_empty()).collect();
    if usable.is_empty() {
        let n = screen.targets.len();
        return Err(EngineError::Evaluation(format!(
            "{n} perturbations have {} cells or more; to hold one out there must be others to learn from",
            config.min_cells
        )));
    }
    Ok(usable)
}

fn held_out(screen: &Screen<'_>, seen: &[String], held_out: &[String]) -> Result<Vec<Fold>, EngineError> {
    let found = |names: &[String]| -> Vec<usize> { names.iter().filter_map(|name| screen.find(name)).collect() };
    let fold = Fold { name: "held out by the checkpoint".into(), test: found(held_out), train: found(seen) };
    let missing = |which: &str| {
        Err(EngineError::Evaluation(format!(
            "none of the perturbations that the checkpoint {which} is in the cells with enough of them; evaluate it on the \
             screen that it was trained on"
        )))
    };
    match (fold.test.is_empty(), fold.train.is_empty()) {
        (true, _) => missing("held out"),
        (_, true) => missing("was trained on"),
        _ => Ok(vec![fold]),
    }
}

fn alone(screen: &Screen<'_>, targets: impl IntoIterator<Item = usize>) -> Vec<(String, Vec<usize>)> {
    targets.into_iter().map(|at| (screen.targets[at].name.clone(), vec![at])).collect()
}

fn random(screen: &Screen<'_>, n_folds: usize, seed: u64) -> Vec<(String, Vec<usize>)> {
    let n = screen.targets.len();
    let keys = drawn(1 << 30, n, seed);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|&at| (keys[at], at));
    let n_folds = n_folds.min(n.max(1));
    (0..n_folds)
        .map(|fold| {
            (format!("part {} of {n_folds}", fold + 1), order.iter().copied().skip(fold).step_by(n_folds).collect())
        })
        .collect()
}

/// The pathway with most of the perturbations that are left, again and again; then the rest one by one.
fn by_pathway(screen: &Screen<'_>, pathways: &[Pathway]) -> Vec<(String, Vec<usize>)> {
    let members: Vec<(&str, BTreeSet<usize>)> = pathways
        .iter()
        .map(|pathway| {
            let genes: BTreeSet<&str> = pathway.genes.iter().map(String::as_str).collect();
            let is_in = |at: &usize| screen.targets[*at].parts.iter().any(|part| genes.contains(part.as_str()));
            (pathway.name.as_str(), (0..screen.targets.len()).filter(is_in).collect())
        })
        .collect();
    // A pathway of all leaves nothing to learn from.
    let most = screen.targets.len() * 2 / 3;
    let mut left: BTreeSet<usize> = (0..screen.targets.len()).collect();
    let mut folds = Vec::new();
    loop {
        let of = |(name, members): &(&str, BTreeSet<usize>)| -> (String, Vec<usize>) {
            ((*name).to_owned(), members.intersection(&left).copied().collect())
        };
        // The first of equals.
        let largest = members
            .iter()
            .filter(|(_, members)| members.len() <= most)
            .map(of)
            .rev()
            .max_by_key(|(_, members)| members.len())
            .filter(|(_, members)| members.len() > 1);
        let Some(fold) = largest else { break };
        fold.1.iter().for_each(|at| {
            left.remove(at);
        });
        folds.push(fold);
    }
    folds.extend(alone(screen, left));
    folds
}

fn with_training(screen: &Screen<'_>, name: String, test: Vec<usize>) -> Fold {
    let contains = |at: usize, tested: usize| {
        let parts = &screen.targets[at].parts;
        screen.targets[tested].parts.iter().all(|part| parts.contains(part))
    };
    let is_free = |at: &usize| !test.contains(at) && !test.iter().any(|&tested| contains(*at, tested));
    let train = (0..screen.targets.len()).filter(is_free).collect();
    Fold { name, test, train }
}
