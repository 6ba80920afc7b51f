//! Neighbours, clusters and a layout of cells, step by step: each step remembers what it was made of, so that only what
//! changed is computed. A step that became whole is kept where a later one is cancelled.

use atlas::graph::Graph;
use atlas::leiden::{self, ClusterConfig, Clusters};
use atlas::neighbours::links::connectivities;
use atlas::neighbours::{self, NeighbourConfig};
use atlas::rows::Rows;
use atlas::umap::{self, UmapConfig};
use spec::map::{MapStep, Mapped, NO_CLUSTER, PopulationConfig, Representation};
use spec::message::{EmbeddingMap, Event};

use crate::failure::EngineError;
use crate::look::{Space, of_all_rows};
use crate::task::Task;

/// Layouts that are shown of one as it unfolds, about.
const N_SHOWN: usize = 60;

/// The steps that were made of one representation.
#[derive(Default)]
pub struct Steps {
    neighbours: Option<(OfNeighbours, Linked)>,
    clusters: Option<(OfClusters, Clusters)>,
    layout: Option<(OfLayout, Vec<f32>)>,
    /// The last answer.
    pub last: Option<Mapped>,
}

/// What neighbours are made of, beside the cells.
#[derive(Clone, Copy, PartialEq)]
struct OfNeighbours {
    n_columns: usize,
    n_neighbours: usize,
    seed: u64,
}

#[derive(Clone, Copy, PartialEq)]
struct OfClusters {
    neighbours: OfNeighbours,
    resolution: f64,
    seed: u64,
}

#[derive(Clone, Copy, PartialEq)]
struct OfLayout {
    neighbours: OfNeighbours,
    min_dist: f64,
    n_epochs: Option<usize>,
    seed: u64,
}

/// The graph of neighbours.
pub struct Linked {
    /// Links and their strength.
    pub graph: Graph,
    /// Neighbours that each cell has, itself counted.
    pub n_neighbours: usize,
}

impl Steps {
    /// The graph, where it was made of these cells in this way.
    pub fn graph(&self, space: &Space, config: &PopulationConfig) -> Option<&Graph> {
        let of_neighbours = OfNeighbours::new(space, config);
        let known = self.neighbours.as_ref().filter(|(of, _)| *of == of_neighbours);
        known.map(|(_, linked)| &linked.graph).filter(|graph| graph.n_cells() == space.cells.len())
    }
}

impl OfNeighbours {
    fn new(space: &Space, config: &PopulationConfig) -> Self {
        let PopulationConfig { n_neighbours, seed, .. } = *config;
        Self { n_columns: space.rows.n_columns(), n_neighbours, seed }
    }
}

/// Makes the steps that are not there yet, or of another config. `n_rows` is how many rows were read.
pub async fn map(
    task: &mut Task,
    steps: &mut Steps,
    space: &Space,
    representation: Representation,
    config: PopulationConfig,
    n_rows: usize,
) -> Result<Mapped, EngineError> {
    let PopulationConfig { resolution, min_dist, n_epochs, seed, .. } = config;
    let mut computed = Vec::new();
    let of_neighbours = OfNeighbours::new(space, &config);
    if steps.neighbours.as_ref().is_none_or(|(of, _)| *of != of_neighbours) {
        steps.neighbours = Some((of_neighbours, linked(task, &space.rows, &config).await?));
        computed.push(MapStep::Neighbours);
    }
    let Some((_, linked)) = &steps.neighbours else { return Err(EngineError::Cancelled) };
    let of_clusters = OfClusters { neighbours: of_neighbours, resolution, seed };
    if steps.clusters.as_ref().is_none_or(|(of, _)| *of != of_clusters) {
        let found = clusters(task, &linked.graph, resolution, seed, "Finding clusters").await?;
        steps.clusters = Some((of_clusters, found));
        computed.push(MapStep::Clusters);
    }
    let of_layout = OfLayout { neighbours: of_neighbours, min_dist, n_epochs, seed };
    if steps.layout.as_ref().is_none_or(|(of, _)| *of != of_layout) {
        let shown = Shown { representation, called: space.called, cells: &space.cells, n_rows };
        steps.layout = Some((of_layout, layout(task, &linked.graph, &config, &shown).await?));
        computed.push(MapStep::Layout);
    }
    let (Some((_, clusters)), Some((_, places))) = (&steps.clusters, &steps.layout) else {
        return Err(EngineError::Cancelled);
    };
    let shown = Shown { representation, called: space.called, cells: &space.cells, n_rows };
    let mapped = Mapped {
        representation,
        map: shown.map(places),
        clusters: of_rows(&clusters.labels, &space.cells, n_rows),
        sizes: sizes(clusters),
        modularity: clusters.modularity,
        n_neighbours: linked.n_neighbours,
        computed,
        warnings: warnings(&config, linked.n_neighbours, clusters, space.rows.n_rows()),
        config,
    };
    steps.last = Some(mapped.clone());
    Ok(mapped)
}

/// The graph of neighbours of some rows.
pub async fn linked(task: &mut Task, rows: &Rows, config: &PopulationConfig) -> Result<Linked, EngineError> {
    let config = NeighbourConfig { n_neighbours: config.n_neighbours, seed: config.seed, ..NeighbourConfig::default() };
    let mut work = neighbours::Work::new(rows, &config)?;
    // Steps of the exact search are cells, those of the approximate one are not.
    let unit = if rows.n_rows() <= neighbours::MAX_EXACT { "cells" } else { "steps" };
    let mut stretch = task.begin("Finding neighbours", unit, work.total()).await?;
    while let Some(done) = work.advance() {
        stretch.reached(done).await?;
    }
    let found = work.finish();
    stretch.reached(rows.n_rows()).await?;
    Ok(Linked { graph: connectivities(&found), n_neighbours: found.n_neighbours() })
}

/// Clusters of a graph.
pub async fn clusters(
    task: &mut Task,
    graph: &Graph,
    resolution: f64,
    seed: u64,
    name: &str,
) -> Result<Clusters, EngineError> {
    let config = ClusterConfig { resolution, seed, ..ClusterConfig::default() };
    let mut work = leiden::Work::new(graph, &config)?;
    let mut stretch = task.begin_open(name, "rounds").await?;
    while let Some(n_rounds) = work.advance() {
        stretch.reached(n_rounds).await?;
    }
    Ok(work.finish())
}

async fn layout(
    task: &mut Task,
    graph: &Graph,
    config: &PopulationConfig,
    shown: &Shown<'_>,
) -> Result<Vec<f32>, EngineError> {
    let PopulationConfig { min_dist, n_epochs, seed, .. } = *config;
    let config = UmapConfig { min_dist, n_epochs, seed, ..UmapConfig::default() };
    let mut work = umap::Work::new(graph, &config)?;
    let n_epochs = work.total();
    let every = n_epochs.div_ceil(N_SHOWN).max(1);
    let mut next = 0;
    let mut stretch = task.begin("Laying the cells out (UMAP)", "epochs", n_epochs).await?;
    while let Some(done) = work.advance() {
        if done >= next && !work.coordinates().is_empty() {
            next = done + every;
            let map = shown.map(work.coordinates());
            stretch.emit(Event::Unfolding { representation: shown.representation, map, n_done: done, n_epochs });
        }
        stretch.reached(done).await?;
    }
    Ok(work.finish())
}

/// Which cells a layout is of.
struct Shown<'a> {
    representation: Representation,
    called: &'static str,
    cells: &'a [usize],
    n_rows: usize,
}

impl Shown<'_> {
    fn map(&self, places: &[f32]) -> EmbeddingMap {
        let along = |axis: usize| places.iter().skip(axis).step_by(2).copied().collect();
        let name = format!("UMAP of {}", self.called);
        let map = EmbeddingMap { name, axes: ["UMAP1".into(), "UMAP2".into()], x: along(0), y: along(1) };
        of_all_rows(map, self.cells, self.n_rows)
    }
}

fn of_rows(labels: &[u32], cells: &[usize], n_rows: usize) -> Vec<u32> {
    let mut all = vec![NO_CLUSTER; n_rows];
    for (&cell, &label) in cells.iter().zip(labels) {
        all[cell] = label;
    }
    all
}

fn sizes(clusters: &Clusters) -> Vec<usize> {
    let mut sizes = vec![0; clusters.n_clusters];
    clusters.labels.iter().for_each(|&label| sizes[label as usize] += 1);
    sizes
}

fn warnings(config: &PopulationConfig, n_neighbours: usize, clusters: &Clusters, n_cells: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if n_neighbours < config.n_neighbours {
        warnings.push(format!(
            "There are {n_cells} cells, fewer than the {} neighbours asked for: each has {n_neighbours}, as scanpy does.",
            config.n_neighbours
        ));
    }
    if clusters.n_clusters == 1 {
        warnings.push(format!(
            "All cells are one cluster at resolution {}: a higher one parts them, where there is something to part.",
            config.resolution
        ));
    }
    warnings
}
