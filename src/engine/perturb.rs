//! The answer to a query: the model's prediction, the simple predictors' and, where there is one, the measured response.

use jepa::batch::push_row;
use jepa::eval::agreement;
use jepa::eval::response::{GroupMean, group_mean, response};
use jepa::platform::now_secs;
use spec::checkpoint::MethodScore;
use spec::dataset::CellUnit;
use spec::prediction::{Measured, Prediction, Query};

use crate::checkpoint::{Checkpoint, TRAINING_MEAN};
use crate::failure::EngineError;
use crate::population::{Population, spread};
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
    let mut running = checkpoint.predictor.predict(&aligned, &rows, weights, &vector, query.mode)?;
    while let Some(done) = running.advance().await? {
        stretch.reached(done).await?;
    }
    let delta = running.finish();

    let group = |rows: &[usize]| -> Option<GroupMean> {
        let dense = rows.iter().map(|&row| {
            let mut values = Vec::new();
            push_row(&aligned, row, &mut values);
            (values, population.weight(row))
        });
        group_mean(aligned.n_genes(), dense)
    };
    let control = group(&controls).ok_or_else(|| EngineError::Query("the control cells weigh nothing".into()))?;
    let measured = measured(population, checkpoint, &query, &control, group);
    let baselines = checkpoint.baselines(&query.target, &vector);
    let agreement = measured.as_ref().map_or_else(Vec::new, |measured| scores(&delta, &baselines, &measured.delta));
    Ok(Prediction {
        support: checkpoint.support(&query.target),
        query,
        genes: checkpoint.header().genes.clone(),
        control_mean: control.mean,
        delta,
        training_mean: baselines.into_iter().find(|(method, _)| *method == TRAINING_MEAN).map(|(_, delta)| delta),
        measured,
        agreement,
        n_control_cells: rows.iter().map(|&row| population.weight(row)).sum::<f64>().round() as usize,
        n_control_rows: rows.len(),
        elapsed_secs: now_secs() - started_secs,
    })
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

/// The response measured in the person's own cells, else the one that ships with the checkpoint. Metacells lack the
/// spread of single cells, so the checkpoint's table, with its honest errors, goes before them.
fn measured(
    population: &Population,
    checkpoint: &Checkpoint,
    query: &Query,
    control: &GroupMean,
    group: impl Fn(&[usize]) -> Option<GroupMean>,
) -> Option<Measured> {
    let own = || {
        let labels = population.perturbations.as_ref()?;
        let code = labels.names.iter().position(|name| *name == query.target)?;
        let response = response(&query.target, &group(&population.rows_of(labels, code))?, control);
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
    match population.prepared.unit {
        CellUnit::Cell => own().or_else(shipped),
        CellUnit::Metacell => shipped().or_else(own),
    }
}

fn scores(delta: &[f32], baselines: &[(&'static str, Vec<f32>)], measured: &[f32]) -> Vec<MethodScore> {
    let no_change = vec![0.0; delta.len()];
    let mut scores = vec![agreement("model", delta, measured), agreement("no change", &no_change, measured)];
    scores.extend(baselines.iter().map(|(method, delta)| agreement(method, delta, measured)));
    scores
}
