//! A layout of cells in two dimensions or three, as `scanpy.tl.umap` makes it from the graph of neighbours (McInnes,
//! Healy and Melville 2018): linked cells attract each other, as often as their link is strong, and repel some random
//! others.
//!
//! [`curve`] finds how attraction falls with distance, [`spectral`] where cells begin. [`Work`] can be read while it
//! runs, so that a screen shows the layout as it unfolds. The order of events is umap-learn's, the random numbers are
//! not: layouts are equal in quality, not in coordinates.

pub mod curve;
pub mod spectral;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use crate::graph::Graph;
use crate::umap::curve::Curve;

/// Links that are looked at between two pauses, about.
const PORTION: usize = 50_000;
/// No coordinate moves further than this in one step, times the rate.
const LARGEST_STEP: f32 = 4.0;
/// The layout begins in a square of this size.
const SIZE: f32 = 10.0;

/// How a layout is made.
#[derive(Debug, Clone, PartialEq)]
pub struct UmapConfig {
    /// Dimensions of the layout. Default: 2.
    pub n_dims: usize,
    /// How near cells may come, in units of the layout. Default: 0.5, as in scanpy.
    pub min_dist: f64,
    /// Over what distance attraction falls, in units of the layout. Default: 1.
    pub spread: f64,
    /// Times that the strongest links are used; none: 500 for up to 10,000 cells, else 200. Default: none.
    pub n_epochs: Option<usize>,
    /// Random cells that are repelled for each use of a link. Default: 5.
    pub n_repelled: usize,
    /// How strongly. Default: 1.
    pub repulsion: f32,
    /// The first rate of steps, which falls to 0. Default: 1.
    pub rate: f32,
    /// Where cells begin. Default: by the graph.
    pub start: Start,
    /// Seed of all draws. Default: 0.
    pub seed: u64,
}

impl Default for UmapConfig {
    fn default() -> Self {
        Self {
            n_dims: 2,
            min_dist: 0.5,
            spread: 1.0,
            n_epochs: None,
            n_repelled: 5,
            repulsion: 1.0,
            rate: 1.0,
            start: Start::Spectral,
            seed: 0,
        }
    }
}

/// Where cells begin.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// By the slowest modes of the graph.
    Spectral,
    /// At these places, `[n_cells, n_dims]`, brought to the size of the layout: two principal components, say, or an
    /// earlier layout.
    Given(Vec<f32>),
}

/// Why there is no layout.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum UmapError {
    /// A config that makes no sense.
    #[error("a layout needs {0}")]
    Config(&'static str),
    /// Places of other cells, or none at all.
    #[error(
        "{n_values} coordinates are not {n_dims} finite ones for each of {n_cells} cells; begin by the graph instead"
    )]
    Start {
        /// Coordinates given.
        n_values: usize,
        /// Cells of the graph.
        n_cells: usize,
        /// Dimensions of the layout.
        n_dims: usize,
    },
    /// The curve cannot be fitted.
    #[error("no curve fits min_dist {min_dist} and spread {spread}; choose min_dist between 0 and spread")]
    Curve {
        /// As configured.
        min_dist: f64,
        /// As configured.
        spread: f64,
    },
}

/// The layout of a graph, in one go: [`Work`] driven to its end. `[n_cells, n_dims]`.
///
/// # Errors
/// As [`Work::new`].
pub fn umap(graph: &Graph, config: &UmapConfig) -> Result<Vec<f32>, UmapError> {
    let mut work = Work::new(graph, config)?;
    while work.advance().is_some() {}
    Ok(work.finish())
}

/// A layout under way.
pub struct Work<'a> {
    config: UmapConfig,
    curve: Curve,
    n_epochs: usize,
    rng: ChaCha8Rng,
    start: Option<spectral::Work<'a>>,
    springs: Springs,
    places: Vec<f32>,
    epoch: usize,
    /// The cell that is next in this epoch.
    at: usize,
}

impl<'a> Work<'a> {
    /// Begins.
    ///
    /// # Errors
    /// A config that makes no sense, places that are not one for each cell.
    pub fn new(graph: &'a Graph, config: &UmapConfig) -> Result<Self, UmapError> {
        if config.n_dims == 0 || config.n_dims > 3 {
            return Err(UmapError::Config("1, 2 or 3 dimensions"));
        }
        if !(config.rate.is_finite() && config.rate > 0.0 && config.repulsion.is_finite() && config.repulsion >= 0.0) {
            return Err(UmapError::Config("a finite rate above 0 and a finite repulsion of 0 or more"));
        }
        let (min_dist, spread) = (config.min_dist, config.spread);
        let curve = Curve::fit(min_dist, spread).ok_or(UmapError::Curve { min_dist, spread })?;
        let n_cells = graph.n_cells();
        let n_epochs = config.n_epochs.unwrap_or(if n_cells <= 10_000 { 500 } else { 200 });
        let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
        let (start, places) = match &config.start {
            Start::Spectral => (Some(spectral::Work::new(graph, config.n_dims, &mut rng)), Vec::new()),
            Start::Given(places) => {
                if places.len() != n_cells * config.n_dims || places.iter().any(|place| !place.is_finite()) {
                    return Err(UmapError::Start { n_values: places.len(), n_cells, n_dims: config.n_dims });
                }
                (None, brought_to_size(places, config.n_dims, &mut rng))
            }
        };
        let springs = Springs::new(graph, n_epochs, config.n_repelled);
        Ok(Self { config: config.clone(), curve, n_epochs, rng, start, springs, places, epoch: 0, at: 0 })
    }

    /// Epochs in all.
    pub fn total(&self) -> usize {
        self.n_epochs
    }

    /// Goes on by a portion of some milliseconds; says how many epochs are done (none yet, while the places to begin at
    /// are sought), or nothing when all are.
    pub fn advance(&mut self) -> Option<usize> {
        if let Some(start) = &mut self.start {
            if !start.advance() {
                let places = self.start.take().map(spectral::Work::finish).unwrap_or_default();
                self.places = brought_to_size(&places, self.config.n_dims, &mut self.rng);
            }
            return Some(0);
        }
        if self.epoch >= self.n_epochs {
            return None;
        }
        let n_cells = self.springs.starts.len() - 1;
        let mut n_looked_at = 0;
        while self.at < n_cells && n_looked_at < PORTION {
            n_looked_at += 1 + self.springs.starts[self.at + 1] - self.springs.starts[self.at];
            match self.config.n_dims {
                1 => self.pull::<1>(self.at),
                2 => self.pull::<2>(self.at),
                _ => self.pull::<3>(self.at),
            }
            self.at += 1;
        }
        if self.at == n_cells {
            self.at = 0;
            self.epoch += 1;
        }
        Some(self.epoch)
    }

    /// The layout as it stands, `[n_cells, n_dims]`; empty while the places to begin at are sought.
    pub fn coordinates(&self) -> &[f32] {
        &self.places
    }

    /// The layout, once [`Self::advance`] has said that nothing is left; before that, as it stands.
    pub fn finish(self) -> Vec<f32> {
        self.places
    }

    /// Uses those links of a cell whose turn it is.
    fn pull<const D: usize>(&mut self, cell: usize) {
        let rate = self.config.rate * (1.0 - self.epoch as f32 / self.n_epochs as f32);
        let epoch = self.epoch as f32;
        let (places, _) = self.places.as_chunks_mut::<D>();
        let n_cells = places.len() as u32;
        for link in self.springs.starts[cell]..self.springs.starts[cell + 1] {
            let spring = &mut self.springs.springs[link];
            if spring.next > epoch {
                continue;
            }
            let other = spring.other as usize;
            let (here, there) = (places[cell], places[other]);
            let pull = self.curve.attraction(square(&here, &there));
            for d in 0..D {
                let step = limited(pull * (here[d] - there[d])) * rate;
                places[cell][d] += step;
                places[other][d] -= step;
            }
            spring.next += spring.period;
            // As many as have become due since the last time.
            let n_repelled = self.config.n_repelled as f32;
            let n_due = ((epoch - spring.next_repelled) * n_repelled / spring.period) as usize;
            for _ in 0..n_due {
                let other = self.rng.random_range(0..n_cells) as usize;
                let (here, there) = (places[cell], places[other]);
                let distance = square(&here, &there);
                // A cell does not repel itself, and what lies at its place has no direction.
                if distance > 0.0 {
                    let push = self.config.repulsion * self.curve.repulsion(distance);
                    for d in 0..D {
                        places[cell][d] += limited(push * (here[d] - there[d])) * rate;
                    }
                }
            }
            spring.next_repelled += n_due as f32 * spring.period / n_repelled.max(1.0);
        }
    }
}

fn square<const D: usize>(here: &[f32; D], there: &[f32; D]) -> f32 {
    here.iter().zip(there).map(|(here, there)| (here - there) * (here - there)).sum()
}

fn limited(step: f32) -> f32 {
    step.clamp(-LARGEST_STEP, LARGEST_STEP)
}

/// The links that are used at all, at both of their ends.
struct Springs {
    starts: Vec<usize>,
    springs: Vec<Spring>,
}

struct Spring {
    other: u32,
    /// Epochs between two uses.
    period: f32,
    /// The epoch of the next use.
    next: f32,
    /// The same for random cells.
    next_repelled: f32,
}

impl Springs {
    /// Links weaker than one use in all epochs are left out.
    fn new(graph: &Graph, n_epochs: usize, n_repelled: usize) -> Self {
        let strongest = graph.weights().iter().copied().fold(0.0, f32::max);
        let n_most = if n_epochs > 10 { n_epochs } else { 500 };
        let (mut starts, mut springs) = (vec![0], Vec::new());
        for cell in 0..graph.n_cells() {
            for (other, weight) in graph.links(cell).filter(|&(_, weight)| weight >= strongest / n_most as f32) {
                let period = strongest / weight;
                let next_repelled = period / n_repelled.max(1) as f32;
                springs.push(Spring { other, period, next: period, next_repelled });
            }
            starts.push(springs.len());
        }
        Self { starts, springs }
    }
}

/// Scaled to the largest coordinate, a little disturbed so that no two cells are at one place, then each axis to
/// 0..[`SIZE`].
fn brought_to_size(places: &[f32], n_dims: usize, rng: &mut ChaCha8Rng) -> Vec<f32> {
    const NOISE: f32 = 1e-4;
    let largest = places.iter().fold(0.0, |largest: f32, place| largest.max(place.abs()));
    let factor = if largest > 0.0 { SIZE / largest } else { 0.0 };
    let mut scaled: Vec<f32> =
        places.iter().map(|&place| place * factor + NOISE * (2.0 * rng.random::<f32>() - 1.0)).collect();
    for axis in 0..n_dims {
        let along = || scaled.iter().copied().skip(axis).step_by(n_dims);
        let (low, high) = (along().fold(f32::INFINITY, f32::min), along().fold(f32::NEG_INFINITY, f32::max));
        let range = if high > low { high - low } else { 1.0 };
        scaled.iter_mut().skip(axis).step_by(n_dims).for_each(|place| *place = SIZE * (*place - low) / range);
    }
    scaled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rings of cells, each linked with the next; `bridge` links the rings.
    fn rings(n_each: u32, bridge: bool) -> Graph {
        let ring = |first: u32| (0..n_each).map(move |at| (first + at, first + (at + 1) % n_each, 1.0));
        let mut edges: Vec<(u32, u32, f32)> = ring(0).chain(ring(n_each)).collect();
        edges.extend(bridge.then_some((0, n_each, 0.5)));
        Graph::from_edges(2 * n_each as usize, &edges).expect("edges")
    }

    fn mean_distance(places: &[f32], pairs: impl Iterator<Item = (usize, usize)>) -> f32 {
        let (places, _) = places.as_chunks::<2>();
        let distances: Vec<f32> = pairs.map(|(a, b)| square(&places[a], &places[b]).sqrt()).collect();
        distances.iter().sum::<f32>() / distances.len() as f32
    }

    #[test]
    fn linked_cells_are_near_and_the_same_seed_gives_the_same_layout() {
        for bridge in [true, false] {
            let graph = rings(40, bridge);
            let config = UmapConfig { n_epochs: Some(200), ..UmapConfig::default() };
            let found = umap(&graph, &config).expect("a graph");
            let linked = mean_distance(&found, (0..39).map(|at| (at, at + 1)));
            let across = mean_distance(&found, (0..40).map(|at| (at, at + 40)));
            assert!(linked * 3.0 < across, "{linked} {across}");
            assert!(found.iter().all(|place| place.is_finite()));
            assert_eq!(found, umap(&graph, &config).expect("a graph"));
            assert_ne!(found, umap(&graph, &UmapConfig { seed: 1, ..config }).expect("a graph"));
        }
    }

    #[test]
    fn work_can_be_read_and_dropped_at_any_time() {
        let graph = rings(20, true);
        let mut work = Work::new(&graph, &UmapConfig::default()).expect("a graph");
        assert!(work.coordinates().is_empty());
        while work.coordinates().is_empty() {
            assert_eq!(work.advance(), Some(0));
        }
        assert_eq!((work.coordinates().len(), work.total()), (80, 500));
        assert!(work.coordinates().iter().all(|place| (0.0..=SIZE).contains(place)));
        let before = work.coordinates().to_vec();
        // The strongest links are used for the first time after one epoch.
        assert_eq!((work.advance(), work.advance()), (Some(1), Some(2)));
        assert_ne!(work.coordinates(), before);
        let mut last = 2;
        while let Some(epoch) = work.advance() {
            assert!(epoch >= last);
            last = epoch;
        }
        assert_eq!(last, 500);
    }

    #[test]
    fn few_cells_and_cells_without_links_have_a_place() {
        for n_cells in [0, 1, 2, 3, 7] {
            for n_dims in [1, 2, 3] {
                let edges: Vec<(u32, u32, f32)> = if n_cells > 2 { vec![(0, 1, 1.0)] } else { vec![] };
                let graph = Graph::from_edges(n_cells, &edges).expect("a graph");
                let config = UmapConfig { n_dims, n_epochs: Some(20), ..UmapConfig::default() };
                let found = umap(&graph, &config).expect("a graph");
                assert_eq!(found.len(), n_cells * n_dims);
                assert!(found.iter().all(|place| place.is_finite()), "{found:?}");
            }
        }
    }

    #[test]
    fn cells_may_begin_at_given_places() {
        let graph = rings(10, true);
        let given: Vec<f32> = (0..40).map(|at| (at * at % 13) as f32).collect();
        let config = UmapConfig { start: Start::Given(given), n_epochs: Some(0), ..UmapConfig::default() };
        let found = umap(&graph, &config).expect("a graph");
        assert!(found.iter().all(|place| (0.0..=SIZE).contains(place)));
        let same = UmapConfig { start: Start::Given(vec![2.0; 40]), n_epochs: Some(50), ..UmapConfig::default() };
        assert!(umap(&graph, &same).expect("a graph").iter().all(|place| place.is_finite()));
        for given in [vec![0.0; 39], vec![f32::NAN; 40]] {
            let config = UmapConfig { start: Start::Given(given), ..UmapConfig::default() };
            assert!(matches!(umap(&graph, &config), Err(UmapError::Start { .. })));
        }
    }

    #[test]
    fn configs_that_make_no_sense_are_refused() {
        let graph = rings(5, true);
        for config in [
            UmapConfig { n_dims: 0, ..UmapConfig::default() },
            UmapConfig { n_dims: 4, ..UmapConfig::default() },
            UmapConfig { rate: f32::NAN, ..UmapConfig::default() },
            UmapConfig { repulsion: -1.0, ..UmapConfig::default() },
            UmapConfig { min_dist: -0.1, ..UmapConfig::default() },
            UmapConfig { min_dist: 1.5, ..UmapConfig::default() },
            UmapConfig { spread: 0.0, ..UmapConfig::default() },
            UmapConfig { spread: f64::NAN, ..UmapConfig::default() },
        ] {
            assert!(umap(&graph, &config).is_err(), "{config:?}");
        }
    }
}
