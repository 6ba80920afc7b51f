//! The answer to a query: the model's prediction, the simple predictors' and, where there is one, the measured response.

use cells::counts::Counts;
use jepa::eval::agreement;
use jepa::eval::response::{GroupMean, response};
use jepa::platform::now_secs;
use spec::checkpoint::MethodScore;
use spec::dataset::CellUnit;
use spec::model::Mode;
use spec::prediction::{Additive, Measured, Part, Prediction, Query, Uncertainty};

use crate::checkpoint::{Checkpoint, TRAINING_MEAN};
use crate::chosen::Chosen;
use crate::combination;
use crate::failure::EngineError;
use crate::intervals::Known;
use crate::look::Looked;
use crate::population::{Population, coverage_warning, spread};
use crate::task::Task;

/// What a prediction is averaged over, as many as GEARS takes (spec §3.4): control cells, or means of several where the
/// checkpoint was trained on such.
const MAX_EXAMPLES: usize = 300;
/// Name of the baseline of a combination.
const ADDITIVE: &str = "additive";

/// Predicts what the perturbation does to the population's control cells, or to those that are chosen.
pub async fn predict(
    task: &mut Task,
    population: &Population,
    looked: &Looked,
    checkpoint: &Checkpoint,
    query: Query,
) -> Result<Prediction, EngineError> {
    let started = now_secs();
    let asked = asked(checkpoint, &query)?;
    let chosen = Chosen::of(population, looked, &query.cells)?;
    let aligned = population.aligned()?;
    let rows = spread(&chosen.controls, MAX_EXAMPLES.saturating_mul(checkpoint.header().cells_per_example));
    let parts = parts(task, population, checkpoint, &asked, query.mode, (&aligned, &rows)).await?;
    let delta = combination::sum(&parts);
    let uncertainty = uncertainty(checkpoint, &query).await?;

    let group = |rows: &[usize]| population.mean_of(&aligned, rows);
    let mut control =
        group(&chosen.controls).ok_or_else(|| EngineError::Cells("the control cells weigh nothing".into()))?;
    let missing = population.missing_genes();
    let measuring = Measuring { population, checkpoint, chosen: &chosen, control: &control, missing: &missing, group };
    let measured = measuring.response(|name| query.is_of(name));
    let vector = match &asked[..] {
        [(_, vector)] => Some(vector.as_slice()),
        _ => None,
    };
    let mut baselines = checkpoint.baselines(&query.target, vector);
    let mean = baselines.iter().find(|(method, _)| *method == TRAINING_MEAN).map(|(_, delta)| delta.clone());
    let additive = (asked.len() > 1).then(|| measuring.additive(&asked, mean.as_deref())).flatten();
    baselines.extend(additive.iter().map(|additive| (ADDITIVE, additive.delta.clone())));
    // The model read a 0 for them; nobody measured one.
    missing.iter().for_each(|&gene| control.mean[gene] = f32::NAN);
    let agreement = measured.as_ref().map_or_else(Vec::new, |measured| scores(&delta, &baselines, &measured.delta));
    let mut warnings: Vec<String> = (asked.len() > 1).then(|| combination::warning(checkpoint)).into_iter().collect();
    warnings.extend(chosen.warnings(measured.as_ref()));
    warnings.extend(self::warnings(population, checkpoint));
    let nearest = parts.first().filter(|_| parts.len() == 1).and_then(|part| part.nearest.clone());
    Ok(Prediction {
        support: checkpoint.support_of(&query),
        nearest,
        query,
        genes: checkpoint.header().genes.clone(),
        control_mean: control.mean,
        delta,
        uncertainty,
        training_mean: mean,
        parts: if parts.len() > 1 { parts } else { Vec::new() },
        additive,
        measured,
        agreement,
        warnings,
        n_control_cells: rows.iter().map(|&row| population.weight(row)).sum::<f64>().round() as usize,
        n_control_rows: rows.len(),
        elapsed_secs: now_secs() - started,
    })
}

/// The genes of a question with their vectors.
pub fn asked(checkpoint: &Checkpoint, query: &Query) -> Result<Vec<(String, Vec<f32>)>, EngineError> {
    let genes = combination::in_order(query)?;
    check_mode(checkpoint, query.mode)?;
    genes.into_iter().map(|gene| vector_of(checkpoint, &gene).map(|vector| (gene, vector))).collect()
}

/// What the model says of each gene alone.
async fn parts(
    task: &mut Task,
    population: &Population,
    checkpoint: &Checkpoint,
    asked: &[(String, Vec<f32>)],
    mode: Mode,
    (aligned, rows): (&Counts, &[usize]),
) -> Result<Vec<Part>, EngineError> {
    let weights = population.cell_weights.as_deref();
    let mut parts = Vec::with_capacity(asked.len());
    let mut stretch = task.begin("Predicting the response", "cells", rows.len() * asked.len()).await?;
    for (nth, (target, vector)) in asked.iter().enumerate() {
        let running = checkpoint.predictor.predict(aligned, rows, weights, vector, mode)?;
        let mut running = running.of_gene(target);
        while let Some(done) = running.advance().await? {
            stretch.reached(nth * rows.len() + done).await?;
        }
        parts.push(Part {
            target: target.clone(),
            support: checkpoint.support(target),
            nearest: checkpoint.nearest(target, vector),
            delta: running.finish(),
        });
    }
    Ok(parts)
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

fn check_mode(checkpoint: &Checkpoint, mode: Mode) -> Result<(), EngineError> {
    let modes = &checkpoint.header().modes;
    if modes.is_empty() || modes.contains(&mode) {
        return Ok(());
    }
    let known: Vec<&str> = modes.iter().map(|mode| mode.label()).collect();
    let known = known.join(", ");
    Err(EngineError::Query(format!("the checkpoint saw no {} in training; it saw {known}", mode.label())))
}

fn vector_of(checkpoint: &Checkpoint, gene: &str) -> Result<Vec<f32>, EngineError> {
    let bank = checkpoint.bank.as_ref().ok_or_else(|| {
        EngineError::Query(
            "this checkpoint came without perturbation vectors: load it together with its bank.safetensors".into(),
        )
    })?;
    bank.vector(gene).ok_or_else(|| {
        let alike = bank.symbols().iter().find(|symbol| symbol.eq_ignore_ascii_case(gene));
        let advice = alike.map_or_else(String::new, |symbol| format!("; did you mean {symbol}?"));
        EngineError::Query(format!("there is no vector for the gene {gene}{advice}"))
    })
}

/// Where measured responses come from: the person's own cells; for metacells the table that ships with the checkpoint,
/// since they lack the spread of single cells, which that table's errors have.
struct Measuring<'a, G> {
    population: &'a Population,
    checkpoint: &'a Checkpoint,
    chosen: &'a Chosen<'a>,
    control: &'a GroupMean,
    missing: &'a [usize],
    group: G,
}

impl<G: Fn(&[usize]) -> Option<GroupMean>> Measuring<'_, G> {
    /// The response to the perturbation that `is_meant`.
    fn response(&self, is_meant: impl Fn(&str) -> bool + Copy) -> Option<Measured> {
        // A response that was measured in other cells is no measurement of these.
        match self.population.prepared.unit {
            CellUnit::Cell => self.own(is_meant),
            CellUnit::Metacell => self.shipped(is_meant).or_else(|| self.own(is_meant)),
        }
    }

    fn own(&self, is_meant: impl Fn(&str) -> bool) -> Option<Measured> {
        let labels = self.population.perturbations.as_ref()?;
        let code = labels.names.iter().position(|name| is_meant(name))?;
        let perturbed = (self.group)(&self.chosen.rows_of(labels, code))?;
        let response = response(&labels.names[code], &perturbed, self.control).without(self.missing.iter().copied());
        Some(Measured {
            source: self.chosen.source(),
            is_of_these_cells: true,
            n_cells: response.n_cells,
            n_control_cells: self.control.n_cells,
            delta: response.delta,
            standard_error: response.standard_error,
        })
    }

    fn shipped(&self, is_meant: impl Fn(&str) -> bool) -> Option<Measured> {
        let table = self.checkpoint.measured.as_ref()?;
        let response = table.responses.iter().find(|response| is_meant(&response.target))?;
        let whole = if self.chosen.is_all() { "" } else { "; of all its cells, not of those that were chosen" };
        Some(Measured {
            source: format!("{}{whole}", table.source),
            is_of_these_cells: false,
            n_cells: response.n_cells,
            n_control_cells: table.n_control_cells,
            delta: response.delta.clone(),
            standard_error: response.standard_error.clone(),
        })
    }

    /// The sum of what was measured for the genes alone.
    fn additive(&self, asked: &[(String, Vec<f32>)], mean: Option<&[f32]>) -> Option<Additive> {
        let genes: Vec<String> = asked.iter().map(|(gene, _)| gene.clone()).collect();
        combination::additive_baseline(&genes, mean, |gene| {
            let found = self.response(|name| name == gene)?;
            Some((found.source, found.delta))
        })
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
