//! One thing of every cell, to colour a map by: a gene, a column of the file, a component, a number of the latent states,
//! or how far a cell lies along a predicted change.

use cells::write::h5ad::Values;
use spec::map::{CellColumn, CellQuantity, Representation};
use spec::prediction::{Prediction, Query};

use crate::failure::EngineError;
use crate::look::Looked;
use crate::population::Population;
use crate::task::Task;

/// Cells that are looked at between two pauses.
const PORTION: usize = 20_000;

/// The values of all rows that were read; NaN for cells that have none.
pub async fn values(
    task: &mut Task,
    population: &Population,
    looked: &Looked,
    predictions: &[Prediction],
    quantity: &CellQuantity,
) -> Result<CellColumn, EngineError> {
    match quantity {
        CellQuantity::Gene { symbol } => gene(task, population, symbol).await,
        CellQuantity::Column { name } => column(population, name),
        CellQuantity::Component { index } => {
            let values = looked.component(*index).ok_or_else(|| {
                EngineError::Query(format!("there is no principal component {} of expression", index + 1))
            })?;
            let values = of_rows(population.kept_rows(), values, population.expression.n_cells());
            Ok(CellColumn::Numbers { values, unit: format!("PC{}", index + 1) })
        }
        CellQuantity::Latent { index } => {
            let space = looked.space(population, Representation::Latent, 1)?;
            let n_columns = space.rows.n_columns();
            if *index >= n_columns {
                return Err(EngineError::Query(format!("the latent states have {n_columns} numbers, from 0")));
            }
            let values: Vec<f32> = (0..space.cells.len()).map(|place| space.rows.row(place)[*index]).collect();
            let values = of_rows(&space.cells, &values, population.expression.n_cells());
            Ok(CellColumn::Numbers { values, unit: format!("latent {index}") })
        }
        CellQuantity::Shift { query } => shift(task, population, predictions, query).await,
    }
}

fn of_rows(cells: &[usize], values: &[f32], n_rows: usize) -> Vec<f32> {
    let mut all = vec![f32::NAN; n_rows];
    cells.iter().zip(values).for_each(|(&cell, &value)| all[cell] = value);
    all
}

async fn gene(task: &mut Task, population: &Population, symbol: &str) -> Result<CellColumn, EngineError> {
    let place = population.symbols.iter().position(|known| known == symbol);
    let gene = place.ok_or_else(|| EngineError::Query(format!("these cells have no gene {symbol}")))? as u32;
    let n_cells = population.expression.n_cells();
    let mut values = Vec::with_capacity(n_cells);
    let mut stretch = task.begin(&format!("Reading {symbol}"), "cells", n_cells).await?;
    for cell in 0..n_cells {
        // Genes ascend.
        let found = population.expression.row(cell).find(|&(other, _)| other >= gene);
        values.push(found.filter(|&(other, _)| other == gene).map_or(0.0, |(_, value)| value));
        if cell % PORTION == PORTION - 1 {
            stretch.reached(cell + 1).await?;
        }
    }
    stretch.reached(n_cells).await?;
    Ok(CellColumn::Numbers { values, unit: "log1p".into() })
}

fn column(population: &Population, name: &str) -> Result<CellColumn, EngineError> {
    let found = population.obs.iter().find(|(known, _)| known == name).map(|(_, values)| values);
    let numbers = |values: Vec<f32>| Ok(CellColumn::Numbers { values, unit: String::new() });
    match found {
        Some(Values::Categorical { codes, names }) => {
            let codes = codes.iter().map(|&code| u32::try_from(code).unwrap_or(u32::MAX)).collect();
            Ok(CellColumn::Labels { codes, names: names.clone() })
        }
        Some(Values::F32(values)) => numbers(values.clone()),
        Some(Values::F64(values)) => numbers(values.iter().map(|&value| value as f32).collect()),
        Some(Values::I64(values)) => numbers(values.iter().map(|&value| value as f32).collect()),
        Some(Values::Bool(values)) => Ok(CellColumn::Labels {
            codes: values.iter().map(|&value| u32::from(value)).collect(),
            names: vec!["no".into(), "yes".into()],
        }),
        Some(Values::Text(_)) => Err(EngineError::Query(format!("{name} names each cell; it has no colours"))),
        None => Err(EngineError::Query(format!("the file has no column {name}"))),
    }
}

/// The change as a direction of unit length; each cell's place along it, less the mean of the kept cells, in log1p units.
async fn shift(
    task: &mut Task,
    population: &Population,
    predictions: &[Prediction],
    query: &Query,
) -> Result<CellColumn, EngineError> {
    let prediction = predictions
        .iter()
        .find(|known| known.query == *query)
        .ok_or_else(|| EngineError::Query(format!("{} was not predicted yet", query.label())))?;
    let length = prediction.delta.iter().map(|&change| f64::from(change).powi(2)).sum::<f64>().sqrt();
    if !(length > 0.0 && length.is_finite()) {
        return Err(EngineError::Query(format!("the predicted change of {} has no direction", query.name())));
    }
    let mut direction = vec![0.0; population.symbols.len()];
    let place_of: std::collections::HashMap<&str, usize> =
        population.symbols.iter().enumerate().map(|(place, symbol)| (symbol.as_str(), place)).collect();
    for (gene, &change) in prediction.genes.iter().zip(&prediction.delta) {
        if let Some(&place) = place_of.get(gene.as_str()) {
            direction[place] = f64::from(change) / length;
        }
    }
    let n_cells = population.expression.n_cells();
    let mut along = Vec::with_capacity(n_cells);
    let mut stretch = task.begin("Projecting the cells on the change", "cells", n_cells).await?;
    for cell in 0..n_cells {
        let loads = population.expression.row(cell).map(|(gene, value)| f64::from(value) * direction[gene as usize]);
        along.push(loads.sum::<f64>());
        if cell % PORTION == PORTION - 1 {
            stretch.reached(cell + 1).await?;
        }
    }
    stretch.reached(n_cells).await?;
    let kept = population.kept_rows();
    let mean = kept.iter().map(|&cell| along[cell]).sum::<f64>() / kept.len().max(1) as f64;
    let values = along.into_iter().map(|value| (value - mean) as f32).collect();
    Ok(CellColumn::Numbers { values, unit: "log1p units along the change".into() })
}
