//! What a person takes away: the prepared cells with all that was found of them, as an h5ad; a table of the cells; and
//! the recipe by which they were prepared.
//!
//! In the h5ad, `X` is the expression (log1p), the layer `counts` what was read; `obs` and `var` have the file's own
//! columns, the quality, the perturbation and the clusters of each cell, and how variable each gene is; `obsm` the file’s
//! embeddings and our maps, `uns['waddington']` how it was prepared and mapped, and each prediction with its genes.

use cells::write::h5ad::{Embedding, Frame, H5ad, Matrix, UnsArray, Values, write_h5ad};
use serde_json::json;
use spec::dataset::PrepareOptions;
use spec::map::{Mapped, Representation};
use spec::message::{EmbeddingMap, ExportKind};
use spec::prediction::Prediction;
use spec::reading::ValueScale;
use spec::recipe::{RECIPE_FORMAT, Recipe};

use crate::failure::EngineError;
use crate::loaded::Loaded;
use crate::look::Looked;
use crate::methods;
use crate::population::Population;

/// Bytes that writing takes for each stored value, of two matrices: values, indices, and the packed file.
const BYTES_PER_VALUE: u64 = 32;

/// What was found of the cells.
pub struct Beside<'a> {
    /// Maps and variable genes.
    pub looked: &'a Looked,
    /// Answers.
    pub predictions: &'a [Prediction],
    /// The model that gave them.
    pub model: Option<&'a Loaded>,
}

/// The file and what it may be called.
pub fn file(
    kind: ExportKind,
    population: &Population,
    beside: &Beside<'_>,
    bytes_available: u64,
) -> Result<(String, Vec<u8>), EngineError> {
    let stem = stem(&population.file);
    Ok(match kind {
        ExportKind::H5ad => (format!("{stem}_waddington.h5ad"), h5ad(population, beside, bytes_available)?),
        ExportKind::CellsCsv => (format!("{stem}_cells.csv"), cells_csv(population, beside.looked).into_bytes()),
        ExportKind::Markers => {
            let markers = beside
                .looked
                .markers()
                .ok_or(EngineError::OutOfOrder { what: "no markers to save", needed: "groups are compared" })?;
            (format!("{stem}_markers.csv"), markers.csv().into_bytes())
        }
        ExportKind::Methods => (format!("{stem}_methods.txt"), methods::paragraph(population, beside).into_bytes()),
        ExportKind::Snippet => (format!("{stem}_scanpy.py"), methods::snippet(population, beside).into_bytes()),
        ExportKind::Recipe => {
            let json = serde_json::to_string_pretty(&recipe(population, beside));
            (format!("{stem}_recipe.json"), json.map_err(|error| EngineError::Export(error.to_string()))?.into_bytes())
        }
    })
}

fn h5ad(population: &Population, beside: &Beside<'_>, bytes_available: u64) -> Result<Vec<u8>, EngineError> {
    let kept = population.kept_rows();
    let n_values: u64 = kept.iter().map(|&cell| population.expression.row(cell).len() as u64).sum();
    let needed = BYTES_PER_VALUE.saturating_mul(n_values);
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
    let file = H5ad {
        layers: vec![(layer.into(), expression.unscaled())],
        obs: obs(population, beside.looked, kept),
        var: Frame { index: population.symbols.clone(), columns: var(population, beside.looked) },
        obsm: obsm(population, beside.looked, kept),
        uns: uns(population, beside),
        uns_arrays: theirs_of_uns(&population.beside.uns_arrays)
            .cloned()
            .chain(beside.predictions.iter().flat_map(prediction))
            .collect(),
        x: Matrix::Csr(expression),
    };
    write_h5ad(&file).map_err(|error| EngineError::Export(error.to_string()))
}

/// The file's own columns, ids, and how variable the genes are, in scanpy's columns.
fn var(population: &Population, looked: &Looked) -> Vec<(String, Values)> {
    let mut ours = Vec::new();
    ours.extend(population.ids.clone().map(|ids| ("gene_ids".to_owned(), Values::Text(ids))));
    if let Some(table) = looked.genes() {
        let mut is_chosen = vec![false; table.symbols.len()];
        table.chosen.iter().for_each(|gene| is_chosen[*gene as usize] = true);
        ours.push(("highly_variable".into(), Values::Bool(is_chosen)));
        ours.push(("means".into(), Values::F32(table.means.clone())));
        ours.push((table.spread_column().into(), Values::F32(table.spread.clone())));
        if !table.n_batches.is_empty() {
            let n_batches = table.n_batches.iter().map(|n| i64::from(*n)).collect();
            ours.push(("highly_variable_nbatches".into(), Values::I64(n_batches)));
        }
    }
    let mut columns: Vec<(String, Values)> =
        population.var.iter().filter(|(name, _)| ours.iter().all(|(ours, _)| ours != name)).cloned().collect();
    columns.extend(ours);
    columns
}

/// The file's own columns of the kept cells, and ours: the quality in scanpy's columns, and what the label of the
/// perturbation was read as (`perturbation`, or `perturbation_target` where the file has a column of that name).
fn obs(population: &Population, looked: &Looked, kept: &[usize]) -> Frame {
    let quality = &population.prepared.quality;
    let pick = |values: &[f32]| Values::F32(kept.iter().map(|&cell| values[cell]).collect());
    let mut ours = vec![
        ("total_counts", pick(&quality.total_counts)),
        ("n_genes_by_counts", pick(&quality.n_genes_by_counts)),
        ("pct_counts_mt", pick(&quality.pct_counts_mt)),
    ];
    if let Some(weights) = &population.cell_weights {
        ours.push(("n_cells", Values::F64(kept.iter().map(|&cell| weights[cell]).collect())));
    }
    if let Some(labels) = &population.perturbations {
        let is_taken = population.obs.iter().any(|(name, _)| name == "perturbation");
        let codes = kept.iter().map(|&cell| labels.codes[cell] as i32).collect();
        let name = if is_taken { "perturbation_target" } else { "perturbation" };
        ours.push((name, Values::Categorical { codes, names: labels.names.clone() }));
    }
    let mut ours: Vec<(String, Values)> = ours.into_iter().map(|(name, values)| (name.to_owned(), values)).collect();
    ours.extend(looked.all_mapped().map(|mapped| clusters(population, mapped, kept)));
    let theirs = population.obs.iter().filter(|(name, _)| ours.iter().all(|(ours, _)| ours != name));
    let mut columns: Vec<(String, Values)> = theirs.map(|(name, values)| (name.clone(), values.select(kept))).collect();
    columns.extend(ours);
    Frame { index: kept.iter().map(|&cell| population.barcodes[cell].clone()).collect(), columns }
}

/// The clusters of a map as scanpy keeps them; missing for cells that were not drawn.
fn clusters(population: &Population, mapped: &Mapped, kept: &[usize]) -> (String, Values) {
    let names = (0..mapped.sizes.len()).map(|cluster| cluster.to_string()).collect();
    let code = |&cell: &usize| i32::try_from(mapped.clusters[cell]).unwrap_or(-1);
    let codes = kept.iter().map(code).collect();
    (cluster_column(population, mapped.representation), Values::Categorical { codes, names })
}

/// Under what name clusters are saved: scanpy's, unless the file has a column of that name.
pub fn cluster_column(population: &Population, representation: Representation) -> String {
    let name = representation.cluster_column();
    let is_taken = population.obs.iter().any(|(known, _)| known == name);
    if is_taken { format!("{name}_waddington") } else { name.into() }
}

/// A file's name without what says its format.
pub fn stem(file: &str) -> &str {
    let endings = [".gz", ".zip", ".tar", ".h5ad", ".h5", ".loom", ".zarr", ".csv", ".tsv", ".txt", ".mtx"];
    let mut stem = file;
    while let Some(shorter) = endings.iter().find_map(|ending| stem.strip_suffix(ending)) {
        stem = shorter;
    }
    if stem.is_empty() { "cells" } else { stem }
}

/// One line a kept cell: its name, what `obs` of the h5ad holds, and its place on each map.
fn cells_csv(population: &Population, looked: &Looked) -> String {
    let kept = population.kept_rows();
    let Frame { index, columns } = obs(population, looked, kept);
    let mut maps: Vec<Embedding> = looked.maps().map(|map| embedding(map, kept)).collect();
    maps.extend(looked.all_mapped().map(|mapped| layout(mapped, kept)));
    let mut header = vec!["cell".to_owned()];
    header.extend(columns.iter().map(|(name, _)| quoted(name)));
    header.extend(maps.iter().flat_map(|map| (0..map.n_dims).map(|axis| format!("{}_{}", map.name, axis + 1))));
    let mut csv = header.join(",");
    csv.push('\n');
    for (at, name) in index.iter().enumerate() {
        csv.push_str(&quoted(name));
        for (_, values) in &columns {
            csv.push(',');
            csv.push_str(&quoted(&values.text(at)));
        }
        for map in &maps {
            for value in &map.values[at * map.n_dims..(at + 1) * map.n_dims] {
                let value = if value.is_finite() { value.to_string() } else { String::new() };
                csv.push_str(&format!(",{value}"));
            }
        }
        csv.push('\n');
    }
    csv
}

/// A field as RFC 4180 wants it.
pub fn quoted(field: &str) -> String {
    if field.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

/// The file's own embeddings of the kept cells, and our maps in place of those of the same name.
fn obsm(population: &Population, looked: &Looked, kept: &[usize]) -> Vec<Embedding> {
    let mut ours: Vec<Embedding> = looked.maps().map(|map| embedding(map, kept)).collect();
    let components = looked.components();
    if let Some(pca) = ours.first_mut().filter(|_| !components.is_empty()) {
        let n_cells = kept.len();
        let values = (0..n_cells).flat_map(|at| components.iter().map(move |component| component[at])).collect();
        *pca = Embedding { name: pca.name.clone(), values, n_dims: components.len() };
    }
    // Of a Cell-JEPA the whole embedding, under the key of `waddington embed`.
    if let Some((rows, values)) = looked.cell_embedding() {
        let n_dims = values.len() / rows.len().max(1);
        let of_cell = |cell: &usize| rows.binary_search(cell).map(|at| values[at * n_dims..][..n_dims].to_vec());
        let none = || vec![f32::NAN; n_dims];
        let values = kept.iter().flat_map(|cell| of_cell(cell).unwrap_or_else(|_| none())).collect();
        ours.push(Embedding { name: "X_cell_jepa".into(), values, n_dims });
    }
    ours.extend(looked.all_mapped().map(|mapped| layout(mapped, kept)));
    let theirs = population.beside.obsm.iter().filter(|theirs| ours.iter().all(|ours| ours.name != theirs.name));
    let of_kept = |theirs: &Embedding| Embedding {
        name: theirs.name.clone(),
        values: kept
            .iter()
            .flat_map(|&cell| theirs.values[cell * theirs.n_dims..][..theirs.n_dims].iter().copied())
            .collect(),
        n_dims: theirs.n_dims,
    };
    let mut all: Vec<Embedding> = theirs.map(of_kept).collect();
    all.extend(ours);
    all
}

/// The file's own text of `uns`, and how this came about.
fn uns(population: &Population, beside: &Beside<'_>) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = theirs_of_uns(&population.beside.uns).cloned().collect();
    all.push(("waddington/run".into(), run(population, beside).to_string()));
    all
}

/// Entries of another program.
fn theirs_of_uns<T>(entries: &[(String, T)]) -> impl Iterator<Item = &(String, T)> {
    entries.iter().filter(|(key, _)| key != "waddington" && !key.starts_with("waddington/"))
}

/// A map as scanpy keeps one: `X_pca` of the expression, `X_jepa` of the latent states (`X_cell_jepa_pca` of a Cell-JEPA's);
/// NaN for cells not drawn.
fn embedding(map: &EmbeddingMap, kept: &[usize]) -> Embedding {
    let name = match () {
        () if map.name.starts_with("latent") => "X_jepa",
        () if map.name.starts_with("Cell-JEPA") => "X_cell_jepa_pca",
        () => "X_pca",
    };
    let values = kept.iter().flat_map(|&cell| [map.x[cell], map.y[cell]]).collect();
    Embedding { name: name.into(), values, n_dims: 2 }
}

fn layout(mapped: &Mapped, kept: &[usize]) -> Embedding {
    Embedding { name: mapped.representation.layout_key().into(), ..embedding(&mapped.map, kept) }
}

/// How it came about, to be done again.
fn recipe(population: &Population, beside: &Beside<'_>) -> Recipe {
    Recipe {
        format: RECIPE_FORMAT,
        waddington: env!("CARGO_PKG_VERSION").into(),
        file: population.file.clone(),
        n_bytes: population.n_bytes,
        join: population.join,
        options: PrepareOptions { target_sum: Some(population.target_sum), ..population.options.clone() },
        gene_table: population.gene_table.clone(),
        map: beside.looked.config().cloned(),
        shape: population.shape(),
    }
}

/// The recipe, and what else tells how the predictions came about.
fn run(population: &Population, beside: &Beside<'_>) -> serde_json::Value {
    let model = beside.model.map(|model| {
        let header = model.header();
        if let Some(config) = &header.cell_jepa {
            return json!({ "cell_jepa": config, "n_genes": header.genes.len() });
        }
        json!({ "model": header.model, "n_genes": header.genes.len(), "held_out": header.held_out, "seen": header.seen })
    });
    let map = |mapped: &Mapped| {
        json!({
            "of": mapped.representation,
            "config": mapped.config,
            "n_neighbours": mapped.n_neighbours,
            "n_clusters": mapped.sizes.len(),
            "modularity": mapped.modularity,
            "obs": cluster_column(population, mapped.representation),
            "obsm": mapped.representation.layout_key(),
        })
    };
    let maps: Vec<serde_json::Value> = beside.looked.all_mapped().map(map).collect();
    json!({
        "recipe": recipe(population, beside),
        "values": population.prepared.reading,
        "checkpoint": model,
        "maps": maps,
        "scores": beside.looked.scores(),
    })
}

/// `waddington/predictions/<question>/…`: genes, and the changes in log1p units.
fn prediction(prediction: &Prediction) -> Vec<(String, UnsArray)> {
    // A slash parts groups of the file.
    let asked = prediction.query.label().replace('/', "_");
    let key = |part: &str| format!("waddington/predictions/{asked}/{part}");
    let numbers = |values: &[f32]| UnsArray::Numbers {
        shape: vec![values.len()],
        values: values.iter().map(|value| f64::from(*value)).collect(),
    };
    let measured = prediction.measured.as_ref().map(|measured| ("measured_change", &measured.delta));
    let mean = prediction.training_mean.as_ref().map(|mean| ("training_mean_change", mean));
    let columns = [("control_mean", &prediction.control_mean), ("predicted_change", &prediction.delta)];
    let additive = prediction.additive.as_ref().map(|additive| ("additive_change", &additive.delta));
    let columns = columns.into_iter().chain(mean).chain(additive).chain(measured);
    std::iter::once((key("genes"), UnsArray::Text(prediction.genes.clone())))
        .chain(columns.map(|(name, values)| (key(name), numbers(values))))
        .collect()
}
