//! The answer to a query: the model's prediction, the simple predictors' and, where there is one, the measured response.

use jepa::eval::agreement;
use jepa::eval::response::{GroupMean, response};
use jepa::platform::now_secs;
use spec::checkpoint::MethodScore;
use spec::dataset::CellUnit;
use spec::prediction::{Measured, Prediction, Query, Uncertainty};

use crate::checkpoint::{Checkpoint, TRAINING_MEAN};
use crate::failure::EngineError;
use crate::intervals::Known;
use crate::population::{Population, coverage_warning, spread};
use crate::task::Task;

/// What a prediction is averaged over, as many as GEARS takes (spec §3.4): control cells, or means of several where the
/// checkpoint was trained on such.
const MAX_EXAMPLES: usize = 300;

/// Predicts what the perturbation does to the population's control cells.
pub async fn predict(
    task: &mut Task,
    population: &Population,
    checkpoint: &Checkpoint,
    query: Query,
) -> Result<Prediction, EngineError> {
    let started_secs = now_secs();
    let vector = vector_of(checkpoint, &query)?;
    let controls = population.control_rows();
    if controls.is_empty() {
        return Err(EngineError::Query(
            "no control cells are marked, so there is nothing to perturb: choose the control label under Load".into(),
        ));
    }
    let aligned = population.aligned()?;
    let rows = spread(&controls, MAX_EXAMPLES.saturating_mul(checkpoint.header().cells_per_example));
    let weights = population.cell_weights.as_deref();
    let mut stretch = task.begin("Predicting the response", "cells", rows.len()).await?;
    let running = checkpoint.predictor.predict(&aligned, &rows, weights, &vector, query.mode)?;
    let mut running = running.of_gene(&query.target);
    while let Some(done) = running.advance().await? {
        stretch.reached(done).await?;
    }
    let delta = running.finish();
    let uncertainty = uncertainty(checkpoint, &query).await?;

    let group = |rows: &[usize]| population.mean_of(&aligned, rows);
    let mut control = group(&controls).ok_or_else(|| EngineError::Query("the control cells weigh nothing".into()))?;
    let missing = population.missing_genes();
    let measured = measured(population, checkpoint, &query, &control, &missing, group);
    // The model read a 0 for them; nobody measured one.
    missing.iter().for_each(|&gene| control.mean[gene] = f32::NAN);
    let baselines = checkpoint.baselines(&query.target, &vector);
    let agreement = measured.as_ref().map_or_else(Vec::new, |measured| scores(&delta, &baselines, &measured.delta));
    Ok(Prediction {
        support: checkpoint.support(&query.target),
        nearest: checkpoint.nearest(&query.target, &vector),
        query,
        genes: checkpoint.header().genes.clone(),
        control_mean: control.mean,
        delta,
        uncertainty,
        training_mean: baselines.into_iter().find(|(method, _)| *method == TRAINING_MEAN).map(|(_, delta)| delta),
        measured,
        agreement,
        warnings: warnings(population, checkpoint),
        n_control_cells: rows.iter().map(|&row| population.weight(row)).sum::<f64>().round() as usize,
        n_control_rows: rows.len(),
        elapsed_secs: now_secs() - started_secs,
    })
}

/// How far the answer may be off, by the errors on what was held out of the checkpoint's own screen.
async fn uncertainty(checkpoint: &Checkpoint, query: &Query) -> Result<Uncertainty, EngineError> {
    let (Some(table), Some(bank)) = (&checkpoint.measured, &checkpoint.bank) else {
        let reason = "No interval: the model came without measured responses (measured.safetensors), whose held-out part \
                      would show its errors.";
        return Ok(Uncertainty::Unknown { reason: reason.into() });
    };
    let known = Known {
        predictor: &checkpoint.predictor,
        bank,
        source: &table.source,
        control_mean: &table.control_mean,
        responses: &table.responses,
    };
    known.uncertainty(query).await
}

fn vector_of(checkpoint: &Checkpoint, query: &Query) -> Result<Vec<f32>, EngineError> {
    let modes = &checkpoint.header().modes;
    if !modes.is_empty() && !modes.contains(&query.mode) {
        let known: Vec<&str> = modes.iter().map(|mode| mode.label()).collect();
        return Err(EngineError::Query(format!(
            "the checkpoint saw no {} in training; it saw {}",
            query.mode.label(),
            known.join(", ")
        )));
    }
    let bank = checkpoint.bank.as_ref().ok_or_else(|| {
        EngineError::Query(
            "this checkpoint came without perturbation vectors: load it together with its bank.safetensors".into(),
        )
    })?;
    bank.vector(&query.target).ok_or_else(|| {
        let alike = bank.symbols().iter().find(|symbol| symbol.eq_ignore_ascii_case(&query.target));
        let advice = alike.map_or_else(String::new, |symbol| format!("; did you mean {symbol}?"));
        EngineError::Query(format!("there is no vector for the gene {}{advice}", query.target))
    })
}

/// The response measured in the person's own cells. For metacells, the one that ships with the checkpoint: they lack the
/// spread of single cells, which that table's errors have.
fn measured(
    population: &Population,
    checkpoint: &Checkpoint,
    query: &Query,
    control: &GroupMean,
    missing: &[usize],
    group: impl Fn(&[usize]) -> Option<GroupMean>,
) -> Option<Measured> {
    let own = || {
        let labels = population.perturbations.as_ref()?;
        let code = labels.names.iter().position(|name| *name == query.target)?;
        let perturbed = group(&population.rows_of(labels, code))?;
        let response = response(&query.target, &perturbed, control).without(missing.iter().copied());
        Some(Measured {
            source: "these cells".into(),
            n_cells: response.n_cells,
            n_control_cells: control.n_cells,
            delta: response.delta,
            standard_error: response.standard_error,
        })
    };
    let shipped = || {
        let table = checkpoint.measured.as_ref()?;
        let response = table.response(&query.target)?;
        Some(Measured {
            source: table.source.clone(),
            n_cells: response.n_cells,
            n_control_cells: table.n_control_cells,
            delta: response.delta.clone(),
            standard_error: response.standard_error.clone(),
        })
    };
    // A response that was measured in other cells is no measurement of these.
    match population.prepared.unit {
        CellUnit::Cell => own(),
        CellUnit::Metacell => shipped().or_else(own),
    }
}

/// What stands between this prediction and belief in it.
fn warnings(population: &Population, checkpoint: &Checkpoint) -> Vec<String> {
    let mut warnings: Vec<String> =
        population.prepared.coverage.as_ref().and_then(coverage_warning).into_iter().collect();
    if population.prepared.unit == CellUnit::Cell
        && let Some(source) = checkpoint.data_source()
    {
        warnings.push(format!(
            "The model was trained on one data set ({source}). Unless these cells are of that screen, nothing says that it \
             holds for them."
        ));
    }
    warnings
}

fn scores(delta: &[f32], baselines: &[(&'static str, Vec<f32>)], measured: &[f32]) -> Vec<MethodScore> {
    let no_change = vec![0.0; delta.len()];
    let mut scores = vec![agreement("model", delta, measured), agreement("no change", &no_change, measured)];
    scores.extend(baselines.iter().map(|(method, delta)| agreement(method, delta, measured)));
    scores
}
