//! The map of the cells as the screen knows it: layouts and clusters, what colours them, markers and scores. What is asked
//! because of a choice, and what is forgotten where the cells change.

use spec::map::{
    CellColumn, CellQuantity, Grouping, Mapped, MarkerOptions, MarkerTable, PopulationConfig, Representation,
    ScoreTable,
};
use spec::message::{EmbeddingMap, Event, Request};

use super::{Job, Shared, State};

/// Columns that are kept; the one that was asked for first goes first.
const MAX_COLUMNS: usize = 16;

/// A layout under way.
#[derive(Debug, Clone)]
pub struct Unfolding {
    /// Of what.
    pub representation: Representation,
    /// As it stands.
    pub map: Shared<EmbeddingMap>,
    /// Epochs done.
    pub n_done: usize,
    /// Epochs in all.
    pub n_epochs: usize,
}

/// All that is known of the map.
#[derive(Debug, Default)]
pub struct Population {
    /// How neighbours, clusters and layouts are made.
    pub config: PopulationConfig,
    /// Layouts and clusters of expression and of latent states.
    pub mapped: [Option<Shared<Mapped>>; 2],
    /// The layout under way.
    pub unfolding: Option<Unfolding>,
    /// What is known of every cell.
    pub columns: Vec<(CellQuantity, Shared<CellColumn>)>,
    /// What the genes are called.
    pub symbols: Option<Shared<Vec<String>>>,
    /// The last markers.
    pub markers: Option<Shared<MarkerTable>>,
    /// The last scores.
    pub scores: Option<Shared<ScoreTable>>,
}

impl Population {
    /// Layout and clusters of a representation.
    pub fn mapped(&self, representation: Representation) -> Option<&Shared<Mapped>> {
        self.mapped[representation as usize].as_ref()
    }

    /// One thing of every cell.
    pub fn column(&self, quantity: &CellQuantity) -> Option<&Shared<CellColumn>> {
        self.columns.iter().find(|(known, _)| known == quantity).map(|(_, column)| column)
    }
}

impl State {
    /// Asks for neighbours, clusters and a layout; a wish for the same that still waits is replaced.
    pub fn map_population(&mut self, representation: Representation) {
        let config = self.population.config.clone();
        self.queue.retain(|job| !is_map(&job.request, representation));
        let current = self.running.as_ref().filter(|running| is_map(&running.job.request, representation));
        if current.is_some_and(|running| running.job.request != Request::Map { representation, config: config.clone() })
        {
            self.cancel();
        }
        self.failure = None;
        self.enqueue(Job::new(Request::Map { representation, config }));
    }

    /// Makes the maps another way; those that are there are made again, as far as it concerns them.
    pub fn map_population_by(&mut self, config: PopulationConfig) {
        if self.population.config == config {
            return;
        }
        self.population.config = config;
        for representation in Representation::ALL {
            let is_under_way = self.has_job(|request| is_map(request, representation));
            if self.population.mapped(representation).is_some() || is_under_way {
                self.map_population(representation);
            }
        }
    }

    /// Asks for the markers of groups; a question that still waits is replaced.
    pub fn ask_for_markers(&mut self, grouping: Grouping, options: MarkerOptions) {
        self.queue.retain(|job| !matches!(job.request, Request::Markers { .. }));
        self.failure = None;
        self.enqueue(Job::new(Request::Markers { grouping, options }));
    }

    /// Asks how well clusters meet labels.
    pub fn ask_for_scores(&mut self, column: String) {
        self.queue.retain(|job| !matches!(job.request, Request::Score { .. }));
        self.failure = None;
        let config = self.population.config.clone();
        self.enqueue(Job::new(Request::Score { column, config }));
    }

    /// Asks for one thing of every cell, unless it is known or asked for already.
    pub fn ask_for_values(&mut self, quantity: CellQuantity) {
        let request = Request::CellValues { quantity: quantity.clone() };
        if self.population.column(&quantity).is_some() || self.has_job(|waiting| *waiting == request) {
            return;
        }
        // What a person chose before this is no longer looked at.
        self.queue.retain(|job| !matches!(job.request, Request::CellValues { .. }));
        self.enqueue(Job::new(request));
    }

    /// Asks what the genes are called.
    pub fn ask_for_symbols(&mut self) {
        if self.population.symbols.is_none() && !self.has_job(|request| *request == Request::GeneSymbols) {
            self.enqueue(Job::new(Request::GeneSymbols));
        }
    }

    pub(super) fn accept_population(&mut self, answer: Event) {
        match answer {
            Event::Mapped { mapped } => {
                self.population.unfolding = None;
                let of = mapped.representation;
                let is_same = self.population.mapped(of).is_some_and(|old| old.clusters == mapped.clusters);
                if !is_same {
                    self.forget_clusters(of);
                }
                // Arrows are drawn on the layout of before.
                self.asking.shifts = None;
                self.population.mapped[of as usize] = Some(Shared::new(*mapped));
            }
            Event::MarkersFound { table } => self.population.markers = Some(Shared::new(*table)),
            Event::Scored { table } => self.population.scores = Some(Shared::new(*table)),
            Event::CellValues { quantity, column } => {
                let columns = &mut self.population.columns;
                columns.retain(|(known, _)| *known != quantity);
                if columns.len() == MAX_COLUMNS {
                    columns.remove(0);
                }
                columns.push((quantity, Shared::new(column)));
            }
            Event::GeneSymbols { symbols } => self.population.symbols = Some(Shared::new(symbols)),
            _ => {}
        }
    }

    /// Other cells have other maps. How they are made stays, and so does what is under way, to be answered.
    pub(super) fn forget_population(&mut self) {
        let config = std::mem::take(&mut self.population.config);
        self.population = Population { config, ..Population::default() };
        self.forget_question();
        self.backwards.found = None;
        let is_of_cells = |request: &Request| {
            matches!(
                request,
                Request::Map { .. }
                    | Request::Markers { .. }
                    | Request::Score { .. }
                    | Request::CellValues { .. }
                    | Request::Shifts { .. }
            )
        };
        self.queue.retain(|job| !is_of_cells(&job.request));
    }
}

fn is_map(request: &Request, of: Representation) -> bool {
    matches!(request, Request::Map { representation, .. } if *representation == of)
}
