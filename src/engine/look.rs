//! Maps of the prepared cells: principal components of their expression and of their latent states.

use atlas::pca::{Pca, Work};
use spec::message::EmbeddingMap;

use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;
use crate::population::{Population, spread};
use crate::task::Task;

/// Cells whose latent states are computed for the map; more would keep a laptop busy for minutes.
const MAX_LATENT_CELLS: usize = 2000;

/// The maps that can be made of `population`.
pub async fn maps(
    task: &mut Task,
    population: &Population,
    checkpoint: Option<&Checkpoint>,
) -> Result<Vec<EmbeddingMap>, EngineError> {
    let mut maps = vec![expression(task, population).await?];
    if let Some(checkpoint) = checkpoint {
        maps.push(latent(task, population, checkpoint).await?);
    }
    Ok(maps)
}

async fn expression(task: &mut Task, population: &Population) -> Result<EmbeddingMap, EngineError> {
    let cells = &population.expression;
    let rows = population.kept_rows();
    let pca = components(task, "Mapping the expression", rows.len(), cells.n_genes(), |at, dense| {
        for (gene, value) in cells.row(rows[at]) {
            dense[gene as usize] = f64::from(value);
        }
    })
    .await?;
    let name = if pca.columns.len() < cells.n_genes() {
        format!("expression ({} most variable genes)", pca.columns.len())
    } else {
        "expression".into()
    };
    Ok(of_all_rows(map(name, pca), rows, cells.n_cells()))
}

async fn latent(
    task: &mut Task,
    population: &Population,
    checkpoint: &Checkpoint,
) -> Result<EmbeddingMap, EngineError> {
    let aligned = population.aligned()?;
    let kept = population.kept_rows();
    let rows = spread(kept, MAX_LATENT_CELLS);
    let mut stretch = task.begin("Encoding the cells", "cells", rows.len()).await?;
    let mut embedding = checkpoint.predictor.embed(&aligned, &rows)?;
    while let Some(done) = embedding.advance().await? {
        stretch.reached(done).await?;
    }
    let states = embedding.finish();
    let d_model = checkpoint.header().model.d_model;
    let pca = components(task, "Mapping the latent states", rows.len(), d_model, |row, dense| {
        for (dense, &value) in dense.iter_mut().zip(&states[row * d_model..]) {
            *dense = f64::from(value);
        }
    })
    .await?;
    let name = if rows.len() == kept.len() {
        "latent states".into()
    } else {
        format!("latent states ({} of {} cells, evenly drawn)", rows.len(), kept.len())
    };
    Ok(of_all_rows(map(name, pca), &rows, aligned.n_cells()))
}

/// The first two principal components, with progress and the chance to stop.
async fn components(
    task: &mut Task,
    name: &str,
    n_rows: usize,
    n_columns: usize,
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<Pca, EngineError> {
    let mut work = Work::new(n_rows, n_columns, 2, fill)?;
    // Every row is read three times; a person counts cells.
    let mut stretch = task.begin(name, "cells", work.total() / 3).await?;
    while let Some(done) = work.advance()? {
        stretch.reached(done / 3).await?;
    }
    Ok(work.finish())
}

fn map(name: String, mut pca: Pca) -> EmbeddingMap {
    let axis = |k: usize| format!("PC{} ({:.1} % of variance)", k + 1, 100.0 * pca.variance_ratio[k]);
    let axes = [axis(0), axis(1)];
    let y = pca.scores.pop().unwrap_or_default();
    let x = pca.scores.pop().unwrap_or_default();
    EmbeddingMap { name, axes, x, y }
}

/// A map of some rows as one of all that were read: NaN for those that were dropped or not drawn.
fn of_all_rows(map: EmbeddingMap, rows: &[usize], n_rows: usize) -> EmbeddingMap {
    let scatter = |values: &[f32]| {
        let mut all = vec![f32::NAN; n_rows];
        for (&row, &value) in rows.iter().zip(values) {
            all[row] = value;
        }
        all
    };
    EmbeddingMap { x: scatter(&map.x), y: scatter(&map.y), ..map }
}
