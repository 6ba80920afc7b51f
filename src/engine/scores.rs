//! How well clusters meet labels, in expression and in latent states side by side, on the same cells.
//!
//! AvgBIO comes twice (spec §2): with the clusters at resolution 1, which know nothing of the labels, and with the
//! resolution that meets the labels best, which is what the literature reports and is optimistic: by Leiden, and by Louvain,
//! which the paper of Cell-JEPA and scGPT take.

use atlas::graph::Graph;
use atlas::leiden::{Algorithm, ClusterConfig, Work};
use atlas::rows::Rows;
use atlas::scores::agreement::{adjusted_rand, normalized_mutual_information};
use atlas::scores::silhouette::{self, SilhouetteConfig};
use atlas::scores::{AvgBio, ScoreError};
use spec::map::{PopulationConfig, Representation, RepresentationScores, ScoreTable, TunedScores};

use crate::failure::EngineError;
use crate::look::{Looked, Space};
use crate::map;
use crate::population::Population;
use crate::task::Task;

/// The sweep: 0.1, 0.2, … 2.0.
const N_RESOLUTIONS: usize = 20;

/// Labels of some cells.
struct Labelled {
    /// Place of each labelled cell in the space.
    places: Vec<usize>,
    /// Their labels.
    codes: Vec<u32>,
    n_labels: usize,
}

/// Scores every representation there is against the labels of a column.
pub async fn scores(
    task: &mut Task,
    population: &Population,
    looked: &Looked,
    column: String,
    config: PopulationConfig,
) -> Result<ScoreTable, EngineError> {
    config.validate().map_err(EngineError::Settings)?;
    let code_of_row = codes(population, &column)?;
    let expression = looked.space(population, Representation::Expression, config.n_pcs)?;
    let latent = looked.has_latent().then(|| looked.space(population, Representation::Latent, config.n_pcs));
    let latent = latent.transpose()?;
    let mut warnings = Vec::new();
    let expression = match &latent {
        Some(latent) if latent.cells.len() < expression.cells.len() => {
            let (n, n_all) = (latent.cells.len(), expression.cells.len());
            warnings
                .push(format!("Both were scored on the {n} of {n_all} cells that the model encoded, evenly drawn."));
            expression.only(&latent.cells)?
        }
        _ => expression,
    };
    let labelled = labelled(&expression.cells, &code_of_row);
    let n_without = expression.cells.len() - labelled.places.len();
    if n_without > 0 {
        warnings.push(format!("{n_without} cells without a label were clustered but not scored."));
    }
    if labelled.n_labels < 2 {
        return Err(ScoreError::Labels { n_labels: labelled.n_labels, n_cells: labelled.places.len() }.into());
    }
    let mut scores = Vec::new();
    for (representation, space) in
        std::iter::once((Representation::Expression, Some(expression))).chain([(Representation::Latent, latent)])
    {
        if let Some(space) = space {
            let known = looked.graph(representation, &space, &config);
            scores.push(of_space(task, representation, &space, known, &labelled, &config).await?);
        }
    }
    Ok(ScoreTable { column, n_labels: labelled.n_labels, scores, warnings })
}

async fn of_space(
    task: &mut Task,
    representation: Representation,
    space: &Space,
    known: Option<&Graph>,
    labelled: &Labelled,
    config: &PopulationConfig,
) -> Result<RepresentationScores, EngineError> {
    let found;
    let graph = match known {
        Some(graph) => graph,
        None => {
            found = map::linked(task, &space.rows, config).await?.graph;
            &found
        }
    };
    let n_columns = space.rows.n_columns();
    let name = match representation {
        Representation::Expression => format!("PCA of expression ({n_columns} components)"),
        Representation::Latent => format!("{} ({n_columns} numbers)", space.called),
    };
    let clusterings = swept(task, (graph, space.called), labelled, Algorithm::Leiden, config.seed).await?;
    let louvain = swept(task, (graph, space.called), labelled, Algorithm::Louvain, config.seed).await?;
    let (plain, n_clusters) = clusterings.get(N_RESOLUTIONS / 2 - 1).cloned().unwrap_or_default();
    let clusterings: Vec<Vec<u32>> = clusterings.into_iter().map(|(labels, _)| labels).collect();
    let louvain: Vec<Vec<u32>> = louvain.into_iter().map(|(labels, _)| labels).collect();
    let silhouette = silhouette(task, space, labelled, config.seed).await?;
    let nmi = normalized_mutual_information(&plain, &labelled.codes)?;
    let ari = adjusted_rand(&plain, &labelled.codes)?;
    let asw = silhouette.map(|silhouette| f64::midpoint(silhouette, 1.0));
    let best = |of: &[Vec<u32>]| silhouette.map(|s| AvgBio::new(of, &labelled.codes, s)).transpose();
    let tuned = |of: &[Vec<u32>]| -> Result<Option<TunedScores>, EngineError> {
        Ok(best(of)?.map(|best| TunedScores {
            resolution: (best.chosen + 1) as f64 / 10.0,
            nmi: best.nmi,
            ari: best.ari,
            avg_bio: best.mean,
        }))
    };
    let (tuned, tuned_louvain) = (tuned(&clusterings)?, tuned(&louvain)?);
    let every_second: Vec<Vec<u32>> = clusterings.into_iter().skip(1).step_by(2).collect();
    Ok(RepresentationScores {
        name,
        representation,
        n_cells: space.cells.len(),
        n_labelled: labelled.places.len(),
        n_clusters,
        nmi,
        ari,
        asw,
        avg_bio: asw.map(|asw| (nmi + ari + asw) / 3.0),
        tuned,
        tuned_louvain,
        tuned_of_10: best(&every_second)?.map(|best| best.mean),
    })
}

/// Clusters of the labelled cells at every resolution of the sweep, and how many there are of all cells.
async fn swept(
    task: &mut Task,
    (graph, called): (&Graph, &str),
    labelled: &Labelled,
    algorithm: Algorithm,
    seed: u64,
) -> Result<Vec<(Vec<u32>, usize)>, EngineError> {
    let by = match algorithm {
        Algorithm::Leiden => "Leiden",
        Algorithm::Louvain => "Louvain",
    };
    let name = format!("Clustering {called} at {N_RESOLUTIONS} resolutions ({by})");
    let mut stretch = task.begin(&name, "resolutions", N_RESOLUTIONS).await?;
    let mut found = Vec::with_capacity(N_RESOLUTIONS);
    for step in 1..=N_RESOLUTIONS {
        let resolution = step as f64 / 10.0;
        let config = ClusterConfig { resolution, seed, algorithm, ..ClusterConfig::default() };
        let mut work = Work::new(graph, &config)?;
        while work.advance().is_some() {
            stretch.reached(step - 1).await?;
        }
        let clusters = work.finish();
        let labels = labelled.places.iter().map(|&place| clusters.labels[place]).collect();
        found.push((labels, clusters.n_clusters));
        stretch.reached(step).await?;
    }
    Ok(found)
}

/// Of the labels; none where every cell has one of its own.
async fn silhouette(
    task: &mut Task,
    space: &Space,
    labelled: &Labelled,
    seed: u64,
) -> Result<Option<f64>, EngineError> {
    let values = labelled.places.iter().flat_map(|&place| space.rows.row(place)).copied().collect();
    let rows = Rows::new(values, space.rows.n_columns())?;
    let config = SilhouetteConfig { seed, ..SilhouetteConfig::default() };
    let mut work = match silhouette::Work::new(&rows, &labelled.codes, &config) {
        Ok(work) => work,
        Err(ScoreError::Labels { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut stretch = task.begin("Measuring the silhouette", "cells", work.total()).await?;
    while let Some(done) = work.advance() {
        stretch.reached(done).await?;
    }
    Ok(Some(work.finish().mean))
}

/// The label of each row that was read.
fn codes(population: &Population, column: &str) -> Result<Vec<Option<u32>>, EngineError> {
    let mut codes = vec![None; population.expression.n_cells()];
    let kept = population.kept_rows();
    match (population.labels(column), &population.perturbations) {
        (Ok(labels), _) => {
            kept.iter().zip(&labels.of_cell).for_each(|(&row, code)| codes[row] = code.map(|code| code as u32));
        }
        (Err(_), Some(labels)) if column == "perturbation" => {
            kept.iter().for_each(|&row| codes[row] = Some(labels.codes[row]));
        }
        (Err(error), _) => return Err(error),
    }
    Ok(codes)
}

fn labelled(cells: &[usize], code_of_row: &[Option<u32>]) -> Labelled {
    let all = cells.iter().enumerate().filter_map(|(place, &row)| Some((place, code_of_row[row]?)));
    let (places, codes): (Vec<usize>, Vec<u32>) = all.unzip();
    let mut distinct = codes.clone();
    distinct.sort_unstable();
    distinct.dedup();
    Labelled { places, codes, n_labels: distinct.len() }
}
