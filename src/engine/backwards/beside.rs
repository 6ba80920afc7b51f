//! What stands beside the ranking: the vector that would meet the signature best, the measured responses that are like it,
//! and what of the candidates is worth measuring next.

use std::borrow::Cow;

use jepa::eval::pearson;
use jepa::eval::support::support;
use jepa::measured::MeasuredTable;
use jepa::query::backwards::{Changes, NO_SCORE};
use jepa::query::inverse::Inverse;
use spec::backwards::{Match, Mechanism, Optimised, Priority};
use spec::dataset::CellUnit;
use spec::prediction::{FEWEST_CELLS, Support};

use super::{N_SHUFFLES, N_TOLD, Predicted, accuracy};
use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;
use crate::population::Population;
use crate::task::Task;

/// At least so many measured responses are compared: with fewer, their mean is theirs.
const FEWEST_MEASURED: usize = 3;

/// The vector that would meet the signature best, asked of the model, and whose vectors are like it.
pub(super) async fn optimised(
    task: &mut Task,
    checkpoint: &Checkpoint,
    predicted: &Predicted<'_>,
    wanted: &[f32],
) -> Result<Option<Optimised>, EngineError> {
    let mut stretch = task.begin("Looking for the best vector", "vectors", 1).await?;
    let Some(inverse) = Inverse::fit(&predicted.vectors, &predicted.changes) else { return Ok(None) };
    let Some(vector) = inverse.vector(wanted) else { return Ok(None) };
    let likeness = inverse.likeness(&vector);
    // No gene has this vector, so none is its own.
    let change = predicted.sweep.ask(&[("", vector)]).await?;
    stretch.reached(1).await?;
    let mut order: Vec<usize> = (0..likeness.len()).collect();
    order.sort_by(|&a, &b| likeness[b].total_cmp(&likeness[a]));
    let nearest = order.into_iter().take(N_TOLD).map(|at| {
        let target = predicted.candidates[at].clone();
        Match { support: checkpoint.support(&target), target, score: likeness[at] }
    });
    Ok(Some(Optimised {
        score: pearson(&predicted.changes.apart(&change), wanted).unwrap_or(NO_SCORE),
        nearest: nearest.collect(),
        accuracy: accuracy(checkpoint, predicted, |measured, own| {
            Some(inverse.likeness(&inverse.vector_without(measured, own)?))
        }),
    }))
}

/// Measured responses like the signature: of these cells, or of the screen that the model came with.
pub(super) fn mechanism(
    population: &Population,
    checkpoint: &Checkpoint,
    wanted: &[f32],
) -> Result<Option<Mechanism>, EngineError> {
    let own = match population.prepared.unit {
        CellUnit::Cell => Some(population.measured(&checkpoint.header().genes)?),
        CellUnit::Metacell => None,
    };
    let own = own.map(Cow::Owned).and_then(of_enough_cells);
    let shipped = || checkpoint.measured.as_ref().map(Cow::Borrowed).and_then(of_enough_cells);
    Ok(own.or_else(shipped).map(|table| like(&table, checkpoint, wanted)))
}

/// The responses of enough cells, where they are enough: the mean of a few cells is mostly chance.
fn of_enough_cells(mut table: Cow<'_, MeasuredTable>) -> Option<Cow<'_, MeasuredTable>> {
    if table.responses.iter().any(|response| response.n_cells < FEWEST_CELLS) {
        table.to_mut().responses.retain(|response| response.n_cells >= FEWEST_CELLS);
    }
    Some(table).filter(|table| table.responses.len() >= FEWEST_MEASURED)
}

/// Chance is as in [`super::chance`]: of genes shuffled one by one, which correlated genes beat easily.
fn like(table: &MeasuredTable, checkpoint: &Checkpoint, wanted: &[f32]) -> Mechanism {
    let finite = |value: &f32| if value.is_finite() { *value } else { 0.0 };
    // A response that is itself the question says nothing.
    let is_other = |delta: &Vec<f32>| delta.iter().map(finite).ne(wanted.iter().copied());
    let others =
        table.responses.iter().filter(|response| response.delta.len() == wanted.len() && is_other(&response.delta));
    let others: Vec<_> = others.collect();
    let rows: Vec<f32> = others.iter().flat_map(|response| response.delta.iter().map(finite)).collect();
    let responses = Changes::new(rows, wanted.len());
    let scores = responses.scores(wanted);
    let mut order: Vec<usize> = (0..others.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let mut best: Vec<f64> = (1..=N_SHUFFLES as u64).map(|seed| responses.best_of_shuffled(wanted, seed)).collect();
    best.sort_by(f64::total_cmp);
    let nearest = order.into_iter().filter(|&at| scores[at] > NO_SCORE).map(|at| {
        let target = others[at].target.clone();
        Match { support: checkpoint.support(&target), target, score: scores[at] }
    });
    Mechanism {
        source: table.source.clone(),
        n: others.len(),
        nearest: nearest.take(N_TOLD).collect(),
        chance: best[N_SHUFFLES * 95 / 100 - 1],
    }
}

/// Candidates that nobody measured, by the mean of their places in distance from training and in distinctness.
pub(super) async fn priorities(
    task: &mut Task,
    checkpoint: &Checkpoint,
    predicted: &Predicted<'_>,
) -> Result<Vec<Priority>, EngineError> {
    let is_seen = |at: &usize| checkpoint.support(&predicted.candidates[*at]) == Support::Seen;
    let (seen, others): (Vec<usize>, Vec<usize>) = (0..predicted.candidates.len()).partition(is_seen);
    let known: Vec<&[f32]> = seen.iter().map(|&at| predicted.vectors[at].as_slice()).collect();
    let changes: Vec<&[f32]> = predicted.changes.rows().collect();
    let one = |at: usize| {
        let target = predicted.candidates[at].clone();
        let standing = checkpoint.support(&target);
        if standing != Support::NeverMeasured {
            return None;
        }
        let cosine = support(&predicted.vectors[at], &known, 0.0)?.cosine;
        let alike = seen.iter().filter_map(|&other| pearson(changes[at], changes[other])).reduce(f64::max)?;
        let (distance, distinct) = (1.0 - cosine, 1.0 - alike);
        Some(Priority { target, support: standing, distance, distinct, strength: predicted.strengths[at] })
    };
    let mut found: Vec<Priority> = Vec::new();
    let mut stretch = task.begin("Looking for what to measure next", "candidates", others.len()).await?;
    for (n_before, at) in others.into_iter().enumerate() {
        found.extend(one(at));
        stretch.reached(n_before + 1).await?;
    }
    let places = |of: fn(&Priority) -> f64| -> Vec<usize> {
        let mut order: Vec<usize> = (0..found.len()).collect();
        order.sort_by(|&a, &b| of(&found[b]).total_cmp(&of(&found[a])));
        let mut places = vec![0; found.len()];
        order.into_iter().enumerate().for_each(|(place, at)| places[at] = place);
        places
    };
    let (far, apart) = (places(|of| of.distance), places(|of| of.distinct));
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by_key(|&at| (far[at] + apart[at], at));
    let mut sorted: Vec<Option<Priority>> = found.drain(..).map(Some).collect();
    Ok(order.into_iter().filter_map(|at| sorted[at].take()).collect())
}
