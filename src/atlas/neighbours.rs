//! The nearest neighbours of every cell, and how strongly they are linked, as `scanpy.pp.neighbors` has them.
//!
//! [`exact`] compares all pairs; [`descent`] looks among neighbours of neighbours, for populations where all pairs take
//! too long; [`links`] turns distances into the fuzzy graph that UMAP and Leiden work on. A crate was looked for first:
//! those that find approximate neighbours either do not compile for wasm32, or build their index in one call that
//! cannot pause, in an order that depends on threads.

pub mod descent;
pub mod exact;
pub mod links;

use thiserror::Error;

use crate::rows::Rows;

/// Up to this many cells, [`Method::Auto`] compares all pairs.
pub const MAX_EXACT: usize = 10_000;

/// How neighbours are found.
#[derive(Debug, Clone, PartialEq)]
pub struct NeighbourConfig {
    /// Neighbours of a cell, itself the first of them, as scanpy counts. Default: 15.
    pub n_neighbours: usize,
    /// Default: by the number of cells.
    pub method: Method,
    /// Seed of the approximate search; the exact one draws nothing. Default: 0.
    pub seed: u64,
}

impl Default for NeighbourConfig {
    fn default() -> Self {
        Self { n_neighbours: 15, method: Method::Auto, seed: 0 }
    }
}

/// Which search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// All pairs up to [`MAX_EXACT`] cells, else neighbours of neighbours.
    Auto,
    /// All pairs.
    Exact,
    /// Neighbours of neighbours.
    Descent,
}

/// Why there are no neighbours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NeighbourError {
    /// A cell cannot be its own only neighbour.
    #[error("neighbours need at least 2 cells; there {} {n_rows}", if *.n_rows == 1 { "is" } else { "are" })]
    TooFewRows {
        /// Cells there are.
        n_rows: usize,
    },
    /// The cell itself is the first.
    #[error("{n_neighbours} neighbours, the cell itself counted, are too few; ask for at least 2")]
    TooFewNeighbours {
        /// Neighbours asked for.
        n_neighbours: usize,
    },
}

/// The nearest neighbours of every cell: `[n_cells, n_neighbours]`, the cell itself, then by distance, the lower index
/// first where distances are equal.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbours {
    n_neighbours: usize,
    indices: Vec<u32>,
    distances: Vec<f32>,
}

impl Neighbours {
    /// Neighbours of each cell, itself counted. As scanpy does, a population smaller than what was asked for has
    /// `1 + n_cells / 2`.
    pub fn n_neighbours(&self) -> usize {
        self.n_neighbours
    }

    /// Cells.
    pub fn n_cells(&self) -> usize {
        self.indices.len() / self.n_neighbours
    }

    /// The neighbours of one cell, itself first.
    pub fn of(&self, cell: usize) -> &[u32] {
        &self.indices[cell * self.n_neighbours..(cell + 1) * self.n_neighbours]
    }

    /// The Euclidean distances to them, in the unit of the rows.
    pub fn distances_of(&self, cell: usize) -> &[f32] {
        &self.distances[cell * self.n_neighbours..(cell + 1) * self.n_neighbours]
    }

    /// Share of the neighbours of `truth` that these have too, the cells themselves not counted, 0 to 1. Both are of the
    /// same cells.
    pub fn recall(&self, truth: &Neighbours) -> f64 {
        let found = |cell: usize| truth.of(cell)[1..].iter().filter(|other| self.of(cell)[1..].contains(other)).count();
        let n_found: usize = (0..truth.n_cells().min(self.n_cells())).map(found).sum();
        n_found as f64 / (truth.n_cells() * (truth.n_neighbours - 1)).max(1) as f64
    }
}

/// The neighbours of every row, in one go: [`Work`] driven to its end.
///
/// # Errors
/// As [`Work::new`].
pub fn neighbours(rows: &Rows, config: &NeighbourConfig) -> Result<Neighbours, NeighbourError> {
    let mut work = Work::new(rows, config)?;
    while work.advance().is_some() {}
    Ok(work.finish())
}

/// A search under way.
pub struct Work<'a>(Search<'a>);

enum Search<'a> {
    Exact(exact::Work<'a>),
    // The larger by far: it holds the lists of all cells.
    Descent(Box<descent::Work<'a>>),
}

impl<'a> Work<'a> {
    /// Begins.
    ///
    /// # Errors
    /// Fewer than two rows, or fewer than two neighbours.
    pub fn new(rows: &'a Rows, config: &NeighbourConfig) -> Result<Self, NeighbourError> {
        let n_rows = rows.n_rows();
        if n_rows < 2 {
            return Err(NeighbourError::TooFewRows { n_rows });
        }
        if config.n_neighbours < 2 {
            return Err(NeighbourError::TooFewNeighbours { n_neighbours: config.n_neighbours });
        }
        let n_neighbours = if config.n_neighbours > n_rows { 1 + n_rows / 2 } else { config.n_neighbours };
        let is_exact = match config.method {
            Method::Auto => n_rows <= MAX_EXACT,
            Method::Exact => true,
            Method::Descent => false,
        };
        Ok(Self(if is_exact {
            Search::Exact(exact::Work::new(rows, n_neighbours))
        } else {
            Search::Descent(Box::new(descent::Work::new(rows, n_neighbours, config.seed)))
        }))
    }

    /// Steps in all. The approximate search may need fewer.
    pub fn total(&self) -> usize {
        match &self.0 {
            Search::Exact(work) => work.total(),
            Search::Descent(work) => work.total(),
        }
    }

    /// Goes on by a portion of some milliseconds; says how many steps are done, none when all are.
    pub fn advance(&mut self) -> Option<usize> {
        match &mut self.0 {
            Search::Exact(work) => work.advance(),
            Search::Descent(work) => work.advance(),
        }
    }

    /// The neighbours, once [`Self::advance`] has said that nothing is left. Cut short, the exact search leaves out the
    /// cells it has not reached, and the approximate one gives the best it has seen.
    pub fn finish(self) -> Neighbours {
        match self.0 {
            Search::Exact(work) => work.finish(),
            Search::Descent(work) => work.finish(),
        }
    }
}

/// Appends a cell's own entry and its nearest candidates, measured in f64.
fn settle(rows: &Rows, cell: usize, candidates: impl Iterator<Item = u32>, n_neighbours: usize, into: &mut Neighbours) {
    let measure = |other: u32| (rows.distance(cell, other as usize), other);
    let mut measured: Vec<(f64, u32)> = candidates.map(measure).collect();
    measured.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    into.indices.push(cell as u32);
    into.distances.push(0.0);
    for &(distance, other) in &measured[..n_neighbours - 1] {
        into.indices.push(other);
        into.distances.push(distance as f32);
    }
}
