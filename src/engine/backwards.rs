//! Asking backwards: every candidate's predicted change is held against a signature.
//!
//! Beside the answer stand what chance finds among as many candidates, and how well the
//! perturbation is found whose measured response is the signature. `beside` has what else the sweep is good for: the vector
//! that would meet the signature best, measured responses like it, and what is worth measuring next.

mod beside;

use jepa::query::backwards::{Changes, NO_SCORE, share_better};
use jepa::query::sweep::Sweep;
use spec::backwards::{Backwards, Candidates, Match, PairMatch, Retrieval, Signature};
use spec::model::Mode;
use spec::prediction::Support;

use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;
use crate::population::Population;
use crate::task::Task;

/// Fewest genes of a signature that the model must know.
const MIN_GENES: usize = 3;
/// Matches that are told of, on each side.
const N_TOLD: usize = 100;
/// Of the best, those that are tried in pairs.
const N_PAIRED: usize = 20;
/// Shuffled signatures.
const N_SHUFFLES: usize = 100;

/// What every candidate would do.
struct Predicted<'a> {
    candidates: Vec<String>,
    vectors: Vec<Vec<f32>>,
    changes: Changes,
    /// Lengths of the predicted changes.
    strengths: Vec<f64>,
    /// The mean control cell, to be asked again.
    sweep: Sweep<'a>,
}

/// Looks for the perturbations that lead towards the signature.
pub async fn ask_backwards(
    task: &mut Task,
    population: &Population,
    checkpoint: &Checkpoint,
    (signature, mode, which): (Signature, Mode, Candidates),
) -> Result<Backwards, EngineError> {
    let genes = &checkpoint.header().genes;
    let (wanted, unknown) = on_genes(&signature, genes)?;
    let n_known = signature.genes.len() - unknown.len();
    let predicted = sweep(task, population, checkpoint, mode, which).await?;
    let scores = predicted.changes.scores(&wanted);
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let as_match = |at: usize, score: f64| {
        let target = predicted.candidates[at].clone();
        Match { support: checkpoint.support(&target), target, score }
    };
    let towards = order.iter().take(N_TOLD).map(|&at| as_match(at, scores[at])).collect();
    let is_told = |at: &&usize| scores[**at] > NO_SCORE;
    let away = order.iter().rev().filter(is_told).take(N_TOLD).map(|&at| as_match(at, -scores[at])).collect();
    let best = &order[..order.len().min(N_PAIRED)];
    let named =
        |(at, score): ([usize; 2], f64)| PairMatch { targets: at.map(|at| predicted.candidates[at].clone()), score };
    let pairs = predicted.changes.pairs(best, &wanted).into_iter().take(N_PAIRED).map(named).collect();
    let chance = chance(task, &predicted, &wanted).await?;
    let accuracy =
        accuracy(checkpoint, &predicted, |measured, own| Some(predicted.changes.scores_without(measured, own)));
    let optimised = beside::optimised(task, checkpoint, &predicted, &wanted).await?;
    let mechanism = beside::mechanism(population, checkpoint, &wanted)?;
    let priorities = beside::priorities(task, checkpoint, &predicted).await?;
    let n_candidates = predicted.candidates.len();
    Ok(Backwards {
        signature,
        mode,
        n_known,
        unknown,
        n_candidates,
        towards,
        away,
        pairs,
        chance,
        accuracy,
        optimised,
        mechanism,
        priorities,
    })
}

/// The signature over the model's genes, 0 where it says nothing, and its genes that the model does not know.
fn on_genes(signature: &Signature, genes: &[String]) -> Result<(Vec<f32>, Vec<String>), EngineError> {
    if signature.genes.len() != signature.weights.len() {
        let (n_genes, n_weights) = (signature.genes.len(), signature.weights.len());
        return Err(EngineError::Query(format!("the signature has {n_genes} genes, but {n_weights} weights")));
    }
    let mut wanted = vec![0.0; genes.len()];
    let mut unknown = Vec::new();
    for (gene, &weight) in signature.genes.iter().zip(&signature.weights) {
        match genes.iter().position(|known| known == gene).filter(|_| weight.is_finite()) {
            Some(at) => wanted[at] = weight,
            None => unknown.push(gene.clone()),
        }
    }
    let n_known = wanted.iter().filter(|weight| **weight != 0.0).count();
    if n_known < MIN_GENES {
        let named = unknown.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let missing = if named.is_empty() { String::new() } else { format!(" (it does not know {named})") };
        return Err(EngineError::Query(format!(
            "the model knows {n_known} of the {} genes of this signature{missing}; name {MIN_GENES} or more of its {} \
             genes, by symbol",
            signature.genes.len(),
            genes.len()
        )));
    }
    Ok((wanted, unknown))
}

async fn sweep<'a>(
    task: &mut Task,
    population: &Population,
    checkpoint: &'a Checkpoint,
    mode: Mode,
    which: Candidates,
) -> Result<Predicted<'a>, EngineError> {
    let bank = checkpoint.bank.as_ref().ok_or_else(|| {
        EngineError::Query(
            "this checkpoint came without perturbation vectors: load it with its bank.safetensors".into(),
        )
    })?;
    let header = checkpoint.header();
    let is_wanted = |symbol: &&String| match which {
        Candidates::All => true,
        Candidates::OfModel => header.genes.contains(symbol) || checkpoint.support(symbol) != Support::NeverMeasured,
        Candidates::Measured => checkpoint.support(symbol) != Support::NeverMeasured,
    };
    let candidates: Vec<String> = bank.symbols().iter().filter(is_wanted).cloned().collect();
    if candidates.len() < 2 {
        return Err(EngineError::Query("there are fewer than two genes to ask about: ask about more".into()));
    }
    let aligned = population.aligned()?;
    let control = population.mean_of(&aligned, &population.control_rows()).ok_or_else(|| {
        EngineError::Query(
            "no control cells are marked, so there is nothing to perturb: choose the control label".into(),
        )
    })?;
    let sweep = checkpoint.predictor.sweep(&control.mean, mode)?;
    let n_genes = header.genes.len();
    let mut changes = Vec::with_capacity(candidates.len() * n_genes);
    let mut stretch = task.begin("Asking about every perturbation", "perturbations", candidates.len()).await?;
    let vectors: Vec<Vec<f32>> = candidates.iter().map(|symbol| bank.vector(symbol).unwrap_or_default()).collect();
    for (chunk, vectors) in candidates.chunks(sweep.capacity()).zip(vectors.chunks(sweep.capacity())) {
        let asked: Vec<(&str, Vec<f32>)> = chunk.iter().map(String::as_str).zip(vectors.iter().cloned()).collect();
        changes.extend(sweep.ask(&asked).await?);
        stretch.reached(changes.len() / n_genes.max(1)).await?;
    }
    let length = |change: &[f32]| change.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    let strengths = changes.chunks_exact(n_genes.max(1)).map(length).collect();
    Ok(Predicted { candidates, vectors, changes: Changes::new(changes, n_genes), strengths, sweep })
}

/// The match that 95 % of shuffled signatures do not reach with any candidate. Genes are shuffled one by one; those that go
/// together in cells do so no more, so a change of correlated genes beats this easily.
async fn chance(task: &mut Task, predicted: &Predicted<'_>, wanted: &[f32]) -> Result<f64, EngineError> {
    let mut best = Vec::with_capacity(N_SHUFFLES);
    let mut stretch = task.begin("Shuffling the signature", "signatures", N_SHUFFLES).await?;
    for n_done in 1..=N_SHUFFLES {
        best.push(predicted.changes.best_of_shuffled(wanted, n_done as u64));
        stretch.reached(n_done).await?;
    }
    best.sort_by(f64::total_cmp);
    Ok(best[N_SHUFFLES * 95 / 100 - 1])
}

/// Where each measured perturbation is found when its own response is the signature, by scores of the candidates. The
/// perturbed gene is left out on both sides (`scored` is told its place): that its own transcript falls would find it.
fn accuracy(
    checkpoint: &Checkpoint,
    predicted: &Predicted<'_>,
    scored: impl Fn(&[f32], Option<usize>) -> Option<Vec<f64>>,
) -> Vec<Retrieval> {
    let Some(table) = &checkpoint.measured else { return Vec::new() };
    let mut found = Vec::new();
    for support in [Support::HeldOut, Support::Seen] {
        let mut ranks = Vec::new();
        for response in table.responses.iter().filter(|response| checkpoint.support(&response.target) == support) {
            let Some(at) = predicted.candidates.iter().position(|name| *name == response.target) else { continue };
            let measured: Vec<f32> =
                response.delta.iter().map(|delta| if delta.is_finite() { *delta } else { 0.0 }).collect();
            let own_gene = checkpoint.header().genes.iter().position(|gene| *gene == response.target);
            ranks.extend(scored(&measured, own_gene).and_then(|scores| share_better(&scores, at)));
        }
        if !ranks.is_empty() {
            let n_in_best_tenth = ranks.iter().filter(|rank| **rank < 0.1).count();
            let mean_rank = ranks.iter().sum::<f64>() / ranks.len() as f64;
            found.push(Retrieval { support, n: ranks.len(), mean_rank, n_in_best_tenth });
        }
    }
    found
}
