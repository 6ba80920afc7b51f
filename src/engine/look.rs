//! Maps of the prepared cells: principal components of their expression and of their latent states.
//!
//! The parts are kept, so that another choice of genes does not encode the cells anew.

use atlas::graph::Graph;
use atlas::pca::{Pca, Work};
use atlas::rows::Rows;
use cells::counts::CellView;
use cells::prepare::variable::{Variability, VariableGenes};
use cells::prepare::{Scaled, highly_variable_genes};
use spec::genes::VariableGenesTable;
use spec::map::{Mapped, MarkerTable, N_COMPONENTS, PopulationConfig, Representation, ScoreTable};
use spec::message::{EmbeddingMap, Event};
use spec::prepare::{MapConfig, VariableGenesConfig, VariableGenesFlavor};

use crate::failure::EngineError;
use crate::loaded::Loaded;
use crate::map::{self, Steps};
use crate::markers::AllMarkers;
use crate::population::{Population, spread};
use crate::task::Task;

/// Cells whose latent states are computed for the map; more would keep a laptop busy for minutes.
const MAX_LATENT_CELLS: usize = 2000;

/// The maps of a population, as far as they were made, and what was found in them.
#[derive(Default)]
pub struct Looked {
    expression: Option<Expression>,
    /// Of the model that is loaded.
    latent: Option<Latent>,
    /// The last markers, of all genes.
    markers: Option<AllMarkers>,
    /// The last scores.
    scores: Option<ScoreTable>,
}

/// The map of expression, and what it was made of.
struct Expression {
    config: MapConfig,
    genes: Option<VariableGenesTable>,
    map: EmbeddingMap,
    /// Of the kept cells, component by component.
    components: Vec<Vec<f32>>,
    projection: Projection,
    steps: Steps,
}

/// How expression becomes principal components.
pub struct Projection {
    /// Gene of the population by column.
    genes: Vec<u32>,
    /// What a column is divided by.
    deviations: Vec<f64>,
    /// Unit vectors over the columns, one per component.
    loadings: Vec<Vec<f64>>,
}

impl Projection {
    /// Genes of the map.
    pub fn n_genes(&self) -> usize {
        self.genes.len()
    }

    /// Genes of the map that a change tells of; `place_of` has the place in the change by gene of the population.
    pub fn n_known(&self, place_of: &[Option<usize>]) -> usize {
        self.genes.iter().filter(|&&gene| place_of[gene as usize].is_some()).count()
    }

    /// How far a change of expression (log1p units) moves cells along each component; genes without a change stay. Values
    /// that the map cuts off are taken for uncut.
    pub fn moved(&self, change: &[f32], place_of: &[Option<usize>]) -> Vec<f64> {
        let change = self.seen(change, place_of);
        let along = |loading: &Vec<f64>| loading.iter().zip(&change).map(|(load, value)| load * value).sum();
        self.loadings.iter().map(along).collect()
    }

    /// Share of a change, as the map sees it, along the first `n` components; 0 where there is none.
    pub fn share(&self, change: &[f32], place_of: &[Option<usize>], n: usize) -> f64 {
        let total: f64 = self.seen(change, place_of).iter().map(|value| value * value).sum();
        let drawn: f64 = self.moved(change, place_of).iter().take(n).map(|value| value * value).sum();
        if total > 0.0 { drawn / total } else { 0.0 }
    }

    fn seen(&self, change: &[f32], place_of: &[Option<usize>]) -> Vec<f64> {
        let of_gene = |gene: u32| place_of[gene as usize].map_or(0.0, |place| f64::from(change[place]));
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        self.genes.iter().zip(&self.deviations).map(|(&gene, deviation)| finite(of_gene(gene)) / deviation).collect()
    }
}

/// The map of latent states.
struct Latent {
    map: EmbeddingMap,
    /// `[rows.len(), d_model]`.
    states: Vec<f32>,
    /// The cells that were encoded.
    rows: Vec<usize>,
    /// What they are called: those of which model.
    called: &'static str,
    steps: Steps,
}

/// Numbers of some cells, in which they are near each other.
pub struct Space {
    /// The numbers, one row a cell.
    pub rows: Rows,
    /// The cells, as rows of what was read, ascending.
    pub cells: Vec<usize>,
    /// What the numbers are called.
    pub called: &'static str,
}

impl Space {
    /// Some of the cells, given ascending.
    pub fn only(&self, cells: &[usize]) -> Result<Space, EngineError> {
        let place = |cell: &usize| self.cells.binary_search(cell).ok();
        let values = cells.iter().filter_map(place).flat_map(|place| self.rows.row(place)).copied().collect();
        Ok(Space { rows: Rows::new(values, self.rows.n_columns())?, cells: cells.to_vec(), called: self.called })
    }
}

impl Looked {
    /// Makes the maps that are not there yet, or of another config.
    pub async fn look(
        &mut self,
        task: &mut Task,
        population: &Population,
        model: Option<&Loaded>,
        config: MapConfig,
    ) -> Result<Event, EngineError> {
        let expression = match self.expression.take_if(|made| made.config == config) {
            Some(made) => made,
            None => expression(task, population, config).await?,
        };
        let expression = self.expression.insert(expression);
        let (genes, map) = (expression.genes.clone(), expression.map.clone());
        if let (None, Some(model)) = (&self.latent, model) {
            self.latent = Some(latent(task, population, model).await?);
        }
        let latent = self.latent.as_ref().map(|latent| latent.map.clone());
        Ok(Event::Embedded { genes, maps: std::iter::once(map).chain(latent).collect() })
    }

    /// Neighbours, clusters and a layout of one representation; only what changed is computed.
    pub async fn map(
        &mut self,
        task: &mut Task,
        population: &Population,
        representation: Representation,
        config: PopulationConfig,
    ) -> Result<Event, EngineError> {
        config.validate().map_err(EngineError::Settings)?;
        let space = self.space(population, representation, config.n_pcs)?;
        let steps = match representation {
            Representation::Expression => self.expression.as_mut().map(|made| &mut made.steps),
            Representation::Latent => self.latent.as_mut().map(|made| &mut made.steps),
        };
        let steps = steps.ok_or(EMBEDDED_FIRST)?;
        let mapped = map::map(task, steps, &space, representation, config, population.expression.n_cells()).await?;
        Ok(Event::Mapped { mapped: Box::new(mapped) })
    }

    /// The numbers of a representation.
    pub fn space(
        &self,
        population: &Population,
        representation: Representation,
        n_pcs: usize,
    ) -> Result<Space, EngineError> {
        match representation {
            Representation::Expression => {
                let components = &self.expression.as_ref().ok_or(EMBEDDED_FIRST)?.components;
                let rows = Rows::from_columns(&components[..n_pcs.min(components.len())])?;
                Ok(Space { rows, cells: population.kept_rows().to_vec(), called: representation.label() })
            }
            Representation::Latent => {
                let latent = self.latent.as_ref().ok_or(ENCODED_FIRST)?;
                let d_model = latent.states.len() / latent.rows.len().max(1);
                let (rows, cells) = (Rows::new(latent.states.clone(), d_model)?, latent.rows.clone());
                Ok(Space { rows, cells, called: latent.called })
            }
        }
    }

    /// The graph of the neighbours of a representation, where it was made of these cells in this way.
    pub fn graph(&self, representation: Representation, space: &Space, config: &PopulationConfig) -> Option<&Graph> {
        let steps = match representation {
            Representation::Expression => &self.expression.as_ref()?.steps,
            Representation::Latent => &self.latent.as_ref()?.steps,
        };
        steps.graph(space, config)
    }

    /// The embedding of a Cell-JEPA, row-major, and its cells; none where there is none.
    pub fn cell_embedding(&self) -> Option<(&[usize], &[f32])> {
        let latent = self.latent.as_ref().filter(|latent| latent.called != Representation::Latent.label())?;
        Some((&latent.rows, &latent.states))
    }

    /// Whether there are latent states.
    pub fn has_latent(&self) -> bool {
        self.latent.is_some()
    }

    /// One principal component of the kept cells; none where it was not computed.
    pub fn component(&self, index: usize) -> Option<&[f32]> {
        self.expression.as_ref()?.components.get(index).map(Vec::as_slice)
    }

    /// Neighbours, clusters and layout of a representation, as they were last asked for and became whole.
    pub fn mapped(&self, representation: Representation) -> Option<&Mapped> {
        match representation {
            Representation::Expression => self.expression.as_ref()?.steps.last.as_ref(),
            Representation::Latent => self.latent.as_ref()?.steps.last.as_ref(),
        }
    }

    /// The cluster of each row, by representation; none where it was not mapped.
    pub fn clusters(&self) -> [Option<Vec<u32>>; 2] {
        Representation::ALL.map(|representation| self.mapped(representation).map(|mapped| mapped.clusters.clone()))
    }

    /// All there are.
    pub fn all_mapped(&self) -> impl Iterator<Item = &Mapped> {
        Representation::ALL.into_iter().filter_map(|representation| self.mapped(representation))
    }

    /// Keeps markers, to be saved.
    pub fn keep_markers(&mut self, markers: AllMarkers) -> MarkerTable {
        self.markers.insert(markers).told()
    }

    /// The last markers.
    pub fn markers(&self) -> Option<&AllMarkers> {
        self.markers.as_ref()
    }

    /// Keeps scores, to be saved.
    pub fn keep_scores(&mut self, scores: ScoreTable) -> ScoreTable {
        self.scores.insert(scores).clone()
    }

    /// The last scores.
    pub fn scores(&self) -> Option<&ScoreTable> {
        self.scores.as_ref()
    }

    /// Lets go of what a model made.
    pub fn forget_model(&mut self) {
        self.latent = None;
    }

    /// The maps by principal components that there are.
    pub fn maps(&self) -> impl Iterator<Item = &EmbeddingMap> {
        self.expression.iter().map(|made| &made.map).chain(self.latent.iter().map(|made| &made.map))
    }

    /// All principal components of the kept cells, component by component.
    pub fn components(&self) -> &[Vec<f32>] {
        self.expression.as_ref().map_or(&[], |made| &made.components)
    }

    /// How expression becomes those components; none before they are computed.
    pub fn projection(&self) -> Option<&Projection> {
        self.expression.as_ref().map(|made| &made.projection)
    }

    /// How the map of expression was made.
    pub fn config(&self) -> Option<&MapConfig> {
        self.expression.as_ref().map(|made| &made.config)
    }

    /// How variable the genes are, where the map is not of all.
    pub fn genes(&self) -> Option<&VariableGenesTable> {
        self.expression.as_ref()?.genes.as_ref()
    }
}

const EMBEDDED_FIRST: EngineError =
    EngineError::OutOfOrder { what: "no neighbours", needed: "principal components are computed (embed)" };
const ENCODED_FIRST: EngineError =
    EngineError::OutOfOrder { what: "no latent states", needed: "a model is loaded and the cells are embedded by it" };

async fn expression(task: &mut Task, population: &Population, config: MapConfig) -> Result<Expression, EngineError> {
    let cells = &population.expression;
    let rows = population.kept_rows();
    let view = CellView::of(cells, rows);
    let genes = match &config.genes {
        None => None,
        Some(wanted) => {
            let mut stretch = task.begin("Choosing the variable genes", "genes", cells.n_genes()).await?;
            let table = variable_genes(population, wanted, config.batch_column.as_deref())?;
            stretch.reached(cells.n_genes()).await?;
            Some(table)
        }
    };
    let chosen = genes.as_ref().map_or_else(|| (0..cells.n_genes() as u32).collect(), |table| table.chosen.clone());
    let mut deviations = vec![1.0; chosen.len()];
    let pca = match config.scale {
        Some(scale) => {
            let scaled = Scaled::fit(view, &chosen, scale)?;
            let fill = |at: usize, dense: &mut [f64]| scaled.write_row(cells, rows[at], dense);
            let pca =
                components(task, "Mapping the expression", (rows.len(), chosen.len()), N_COMPONENTS, fill).await?;
            deviations = scaled.deviations;
            pca
        }
        None => {
            let mut place_of = vec![None; cells.n_genes()];
            chosen.iter().enumerate().for_each(|(place, gene)| place_of[*gene as usize] = Some(place));
            let fill = |at: usize, dense: &mut [f64]| {
                for (gene, value) in view.row(at) {
                    if let Some(place) = place_of[gene as usize] {
                        dense[place] = f64::from(value);
                    }
                }
            };
            components(task, "Mapping the expression", (rows.len(), chosen.len()), N_COMPONENTS, fill).await?
        }
    };
    let name = if pca.columns.len() < cells.n_genes() {
        format!("expression ({} most variable genes)", pca.columns.len())
    } else {
        "expression".into()
    };
    let map = of_all_rows(map_of(name, &pca), rows, cells.n_cells());
    let projection = Projection {
        genes: pca.columns.iter().map(|&column| chosen[column]).collect(),
        deviations: pca.columns.iter().map(|&column| deviations[column]).collect(),
        loadings: pca.loadings,
    };
    Ok(Expression { config, genes, map, components: pca.scores, projection, steps: Steps::default() })
}

fn variable_genes(
    population: &Population,
    config: &VariableGenesConfig,
    batch_column: Option<&str>,
) -> Result<VariableGenesTable, EngineError> {
    let logged = CellView::of(&population.expression, population.kept_rows());
    let view = match config.flavor {
        VariableGenesFlavor::Seurat | VariableGenesFlavor::CellRanger => logged,
        VariableGenesFlavor::SeuratV3 | VariableGenesFlavor::SeuratV3Paper => logged.unscaled(),
    };
    let batches = batch_column.map(|column| population.batches(column)).transpose()?;
    let found = highly_variable_genes(view, config, batches.as_ref())?;
    let chosen = found.indices();
    if chosen.len() < 2 {
        return Err(EngineError::FewGenes { n_chosen: chosen.len(), n_genes: view.n_genes() });
    }
    let VariableGenes { means, variability, n_batches, warnings, .. } = found;
    let spread = match variability {
        Variability::Dispersion { dispersions_norm, .. } => dispersions_norm,
        Variability::Variance { variances_norm, .. } => variances_norm,
    };
    let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
    Ok(VariableGenesTable {
        flavor: config.flavor,
        symbols: population.symbols.clone(),
        means: narrow(means),
        spread: narrow(spread),
        chosen,
        n_batches: n_batches.unwrap_or_default(),
        warnings,
    })
}

async fn latent(task: &mut Task, population: &Population, model: &Loaded) -> Result<Latent, EngineError> {
    let aligned = population.aligned()?;
    let kept = population.kept_rows();
    let rows = spread(kept, MAX_LATENT_CELLS);
    let mut stretch = task.begin("Encoding the cells", "cells", rows.len()).await?;
    let states = match model {
        Loaded::Responses(checkpoint) => {
            let mut embedding = checkpoint.predictor.embed(&aligned, &rows)?;
            while let Some(done) = embedding.advance().await? {
                stretch.reached(done).await?;
            }
            embedding.finish()
        }
        Loaded::Cells(encoder) => {
            let mut embedding = encoder.embedder.embed(&aligned, &rows)?;
            while let Some(done) = embedding.advance().await? {
                stretch.reached(done).await?;
            }
            embedding.finish()
        }
    };
    let (d_model, called) = (model.header().width(), model.header().states());
    let pca = components(task, &format!("Mapping the {called}"), (rows.len(), d_model), 2, |row, dense| {
        for (dense, &value) in dense.iter_mut().zip(&states[row * d_model..]) {
            *dense = f64::from(value);
        }
    })
    .await?;
    let name = if rows.len() == kept.len() {
        called.into()
    } else {
        format!("{called} ({} of {} cells, evenly drawn)", rows.len(), kept.len())
    };
    let map = of_all_rows(map_of(name, &pca), &rows, aligned.n_cells());
    Ok(Latent { map, states, rows, called, steps: Steps::default() })
}

/// The first principal components, with progress and the chance to stop.
async fn components(
    task: &mut Task,
    name: &str,
    (n_rows, n_columns): (usize, usize),
    n_components: usize,
    fill: impl FnMut(usize, &mut [f64]),
) -> Result<Pca, EngineError> {
    let mut work = Work::new(n_rows, n_columns, n_components, fill)?;
    // Every row is read three times; a person counts cells.
    let mut stretch = task.begin(name, "cells", work.total() / 3).await?;
    while let Some(done) = work.advance()? {
        stretch.reached(done / 3).await?;
    }
    Ok(work.finish())
}

fn map_of(name: String, pca: &Pca) -> EmbeddingMap {
    let axis = |k: usize| format!("PC{} ({:.1} % of variance)", k + 1, 100.0 * pca.variance_ratio[k]);
    let scores = |k: usize| pca.scores.get(k).cloned().unwrap_or_default();
    EmbeddingMap { name, axes: [axis(0), axis(1)], x: scores(0), y: scores(1) }
}

/// A map of some rows as one of all that were read: NaN for those that were dropped or not drawn.
pub fn of_all_rows(map: EmbeddingMap, rows: &[usize], n_rows: usize) -> EmbeddingMap {
    let scatter = |values: &[f32]| {
        let mut all = vec![f32::NAN; n_rows];
        for (&row, &value) in rows.iter().zip(values) {
            all[row] = value;
        }
        all
    };
    EmbeddingMap { x: scatter(&map.x), y: scatter(&map.y), ..map }
}
