//! What a person takes away: the prepared cells with all that was found of them, as an h5ad.
//!
//! `X` is the expression (log1p), the layer `counts` what was read; `obs` has the quality and the perturbation of each
//! cell, `obsm` the maps, `uns['waddington']` how it was prepared, and each prediction with its genes.

use cells::write::h5ad::{Embedding, Frame, H5ad, Matrix, UnsArray, Values, write_h5ad};
use serde_json::json;
use spec::message::EmbeddingMap;
use spec::prediction::Prediction;
use spec::reading::ValueScale;

use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;
use crate::population::Population;

/// Bytes that writing takes for each stored value, of two matrices: values, indices, and the packed file.
const BYTES_PER_VALUE: u64 = 32;

/// The bytes of the file.
pub fn h5ad(
    population: &Population,
    maps: &[EmbeddingMap],
    predictions: &[Prediction],
    checkpoint: Option<&Checkpoint>,
    bytes_available: u64,
) -> Result<Vec<u8>, EngineError> {
    let kept = population.kept_rows();
    let needed = BYTES_PER_VALUE.saturating_mul(population.expression.n_nonzero() as u64);
    if needed > bytes_available {
        return Err(EngineError::Export(format!(
            "writing the cells needs about {} of memory and {} are available",
            cells::read::human_bytes(needed),
            cells::read::human_bytes(bytes_available)
        )));
    }
    let expression = population.expression.select_rows(kept);
    let layer = match population.prepared.reading.as_ref().map(|reading| reading.scale) {
        None | Some(ValueScale::Counts) => "counts",
        Some(_) => "scale_of_counts",
    };
    let ids = population.ids.clone().map(|ids| ("gene_ids".to_owned(), Values::Text(ids)));
    let file = H5ad {
        layers: vec![(layer.into(), expression.unscaled())],
        obs: obs(population, kept),
        var: Frame { index: population.symbols.clone(), columns: ids.into_iter().collect() },
        obsm: maps.iter().map(|map| embedding(map, kept)).collect(),
        uns: vec![("waddington/run".into(), run(population, checkpoint).to_string())],
        uns_arrays: predictions.iter().flat_map(prediction).collect(),
        x: Matrix::Csr(expression),
    };
    write_h5ad(&file).map_err(|error| EngineError::Export(error.to_string()))
}

fn obs(population: &Population, kept: &[usize]) -> Frame {
    let quality = &population.prepared.quality;
    let pick = |values: &[f32]| Values::F32(kept.iter().map(|&cell| values[cell]).collect());
    let mut columns = vec![
        ("total_counts".into(), pick(&quality.total_counts)),
        ("n_genes_by_counts".into(), pick(&quality.n_genes_by_counts)),
        ("pct_counts_mt".into(), pick(&quality.pct_counts_mt)),
    ];
    if let Some(labels) = &population.perturbations {
        let codes = kept.iter().map(|&cell| labels.codes[cell] as i32).collect();
        columns.push(("perturbation".into(), Values::Categorical { codes, names: labels.names.clone() }));
    }
    if let Some(weights) = &population.cell_weights {
        columns.push(("n_cells".into(), Values::F64(kept.iter().map(|&cell| weights[cell]).collect())));
    }
    Frame { index: kept.iter().map(|&cell| population.barcodes[cell].clone()).collect(), columns }
}

/// A map as scanpy keeps one: `X_pca` of the expression, `X_jepa` of the latent states; NaN for cells not drawn.
fn embedding(map: &EmbeddingMap, kept: &[usize]) -> Embedding {
    let name = if map.name.starts_with("latent") { "X_jepa" } else { "X_pca" };
    let values = kept.iter().flat_map(|&cell| [map.x[cell], map.y[cell]]).collect();
    Embedding { name: name.into(), values, n_dims: 2 }
}

/// How it came about, to be done again.
fn run(population: &Population, checkpoint: Option<&Checkpoint>) -> serde_json::Value {
    let model = checkpoint.map(|checkpoint| {
        let header = checkpoint.header();
        json!({ "model": header.model, "n_genes": header.genes.len(), "held_out": header.held_out, "seen": header.seen })
    });
    json!({
        "waddington": env!("CARGO_PKG_VERSION"),
        "file": population.file,
        "options": population.options,
        "values": population.prepared.reading,
        "checkpoint": model,
    })
}

/// `waddington/predictions/<target mode>/…`: genes, and the changes in log1p units.
fn prediction(prediction: &Prediction) -> Vec<(String, UnsArray)> {
    let query = &prediction.query;
    let key = |part: &str| format!("waddington/predictions/{} {}/{part}", query.target, query.mode.label());
    let numbers = |values: &[f32]| UnsArray::Numbers {
        shape: vec![values.len()],
        values: values.iter().map(|value| f64::from(*value)).collect(),
    };
    let measured = prediction.measured.as_ref().map(|measured| ("measured_change", &measured.delta));
    let mean = prediction.training_mean.as_ref().map(|mean| ("training_mean_change", mean));
    let columns = [("control_mean", &prediction.control_mean), ("predicted_change", &prediction.delta)];
    let columns = columns.into_iter().chain(mean).chain(measured);
    std::iter::once((key("genes"), UnsArray::Text(prediction.genes.clone())))
        .chain(columns.map(|(name, values)| (key(name), numbers(values))))
        .collect()
}
