//! Several genes perturbed at once.
//!
//! The model reads one perturbation at a time: its answer is the sum of its answers to each gene alone, as it is evaluated
//! (`evaluate::contender`). Beside it stands the sum of what was measured for the genes alone.

use jepa::eval::baselines::means::additive;
use spec::prediction::{Additive, MAX_TOGETHER, Part, Query};

use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;

/// The genes in the order in which they are asked: the same for any order of the question, so that sums are too.
///
/// # Errors
/// Where a gene is not named, is named twice, or there are too many.
pub fn in_order(query: &Query) -> Result<Vec<String>, EngineError> {
    let mut genes: Vec<String> = query.genes().map(str::to_owned).collect();
    if genes.len() > MAX_TOGETHER {
        let n = genes.len();
        return Err(EngineError::Query(format!("{n} genes at once are too many; name {MAX_TOGETHER} at most")));
    }
    if genes.iter().any(|gene| gene.trim().is_empty()) {
        return Err(EngineError::Query("a gene of the combination has no name; name it or leave it out".into()));
    }
    genes.sort();
    if let Some(twice) = genes.windows(2).find(|two| two[0] == two[1]) {
        return Err(EngineError::Query(format!("{} is named twice; name each gene of a combination once", twice[0])));
    }
    Ok(genes)
}

/// The sum of the parts' changes; that of the part where there is one.
pub fn sum(parts: &[Part]) -> Vec<f32> {
    let Some((first, others)) = parts.split_first() else { return Vec::new() };
    let mut sum = first.delta.clone();
    for part in others {
        sum.iter_mut().zip(&part.delta).for_each(|(sum, value)| *sum += value);
    }
    sum
}

/// The sum of the measured changes of `genes` alone; `mean`, that of training, for those that were not measured. None where
/// none was, or one was not and there is no mean.
pub fn additive_baseline(
    genes: &[String],
    mean: Option<&[f32]>,
    mut measured_alone: impl FnMut(&str) -> Option<(String, Vec<f32>)>,
) -> Option<Additive> {
    let alone: Vec<Option<(String, Vec<f32>)>> = genes.iter().map(|gene| measured_alone(gene)).collect();
    let source =
        sources(genes.iter().zip(&alone).filter_map(|(gene, found)| Some((gene.as_str(), &*found.as_ref()?.0))))?;
    let parts: Vec<Option<&[f32]>> =
        alone.iter().map(|found| found.as_ref().map(|(_, delta)| delta.as_slice())).collect();
    let n_genes = alone.iter().flatten().next().map_or(0, |(_, delta)| delta.len());
    let unknown = vec![f32::NAN; n_genes];
    let (delta, n_assumed) = additive(&parts, mean.unwrap_or(&unknown))?;
    if n_assumed > 0 && mean.is_none() {
        return None;
    }
    let named = |is_measured: bool| {
        let of = genes.iter().zip(&parts).filter(move |(_, part)| part.is_some() == is_measured);
        of.map(|(gene, _)| gene.clone()).collect()
    };
    Some(Additive { delta, measured: named(true), assumed: named(false), source })
}

/// Where the parts were measured: once where it is the same for all, else of each gene; none without parts.
fn sources<'a>(of_genes: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let of_genes: Vec<(&str, &str)> = of_genes.collect();
    let (_, first) = of_genes.first()?;
    if of_genes.iter().all(|(_, source)| source == first) {
        return Some((*first).to_owned());
    }
    Some(of_genes.iter().map(|(gene, source)| format!("{gene}: {source}")).collect::<Vec<_>>().join("; "))
}

/// What is to be known of an answer to several genes at once.
pub fn warning(checkpoint: &Checkpoint) -> String {
    let seen = match checkpoint.n_combinations_seen() {
        0 => "It saw no combination in training".to_owned(),
        1 => "It saw one combination in training, as a perturbation of its own".to_owned(),
        n => format!("It saw {n} combinations in training, each as a perturbation of its own"),
    };
    format!(
        "The model reads one perturbation at a time: this is the sum of its answers to each gene alone, which knows nothing of \
         how they act on each other. {seen}."
    )
}
