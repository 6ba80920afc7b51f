//! Where a layout begins: the slowest modes of the graph, so that the large structure is right before any cell moves.
//!
//! The modes are the eigenvectors of largest eigenvalue of `D^-1/2 W D^-1/2`, next to the trivial one. A block of
//! vectors is filtered by a Chebyshev polynomial that damps all others, made orthogonal and turned to the axes of the
//! subspace, until it settles. Connected parts are laid out one by one, side by side, each with an area like its number
//! of cells.

use faer::{Mat, Side};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::graph::Graph;

/// Vectors of the block: the modes that are wanted, and some that speed up the others.
const BLOCK: usize = 8;
/// Degree of the polynomial between two turns.
const DEGREE: usize = 12;
/// Turns at most: a layout needs a start, not eigenvectors to the last digit.
const MAX_TURNS: usize = 40;
/// The modes have settled when what is left of `S v - λ v` is this small; umap-learn stops there too.
const TOLERANCE: f64 = 1e-4;
/// A part of fewer cells has no modes worth the name; its cells are scattered.
const LEAST_CELLS: usize = 2 * BLOCK;

/// The search for the modes of each part.
pub struct Work<'a> {
    graph: &'a Graph,
    n_dims: usize,
    /// Cells by part, the largest first.
    parts: Vec<Vec<u32>>,
    /// The part that is sought, its modes, and how its cells are numbered.
    at: usize,
    modes: Option<Modes>,
    number: Vec<u32>,
    places: Vec<f32>,
    rng: ChaCha8Rng,
    /// Share of the cells that have a place.
    share: f64,
}

impl<'a> Work<'a> {
    pub(super) fn new(graph: &'a Graph, n_dims: usize, rng: &mut ChaCha8Rng) -> Self {
        use rand::SeedableRng;
        let (part_of, n_parts) = graph.parts(|_, _| true);
        let mut parts = vec![Vec::new(); n_parts];
        let mut number = vec![0; graph.n_cells()];
        for (cell, &part) in part_of.iter().enumerate() {
            let part: &mut Vec<u32> = &mut parts[part as usize];
            number[cell] = part.len() as u32;
            part.push(cell as u32);
        }
        parts.sort_by_key(|cells| std::cmp::Reverse(cells.len()));
        let places = vec![0.0; graph.n_cells() * n_dims];
        let rng = ChaCha8Rng::from_rng(rng);
        Self { graph, n_dims, parts, at: 0, modes: None, number, places, rng, share: 0.0 }
    }

    /// Goes on by one product with the graph, or one part; says whether anything is left.
    pub(super) fn advance(&mut self) -> bool {
        let Some(cells) = self.parts.get(self.at) else { return false };
        if let Some(modes) = &mut self.modes {
            if modes.advance() {
                return true;
            }
            let found = modes.places(self.n_dims);
            self.place(&found);
        } else if cells.len() >= LEAST_CELLS {
            self.modes = Some(Modes::new(self.graph, cells, &self.number, &mut self.rng));
        } else {
            let scattered: Vec<f64> =
                (0..cells.len() * self.n_dims).map(|_| 2.0 * self.rng.random::<f64>() - 1.0).collect();
            self.place(&scattered);
        }
        true
    }

    pub(super) fn finish(self) -> Vec<f32> {
        self.places
    }

    /// Puts the part beside those before it: on a spiral along which area grows as the number of cells.
    fn place(&mut self, found: &[f64]) {
        const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
        let cells = &self.parts[self.at];
        let share = cells.len() as f64 / self.graph.n_cells() as f64;
        let distance = if self.at == 0 { 0.0 } else { 2.0 * (self.share + share / 2.0).sqrt() };
        let (sine, cosine) = (self.at as f64 * GOLDEN_ANGLE).sin_cos();
        let centre = [distance * cosine, distance * sine, 0.0];
        let largest = found.iter().fold(0.0, |largest: f64, place| largest.max(place.abs()));
        let factor = if largest > 0.0 { share.sqrt() / largest } else { 0.0 };
        for (&cell, found) in cells.iter().zip(found.chunks_exact(self.n_dims)) {
            for (axis, place) in found.iter().enumerate() {
                self.places[cell as usize * self.n_dims + axis] = (centre[axis] + factor * place) as f32;
            }
        }
        self.share += share;
        self.modes = None;
        self.at += 1;
    }
}

type Row = [f64; BLOCK];

/// The modes of one connected part.
struct Modes {
    starts: Vec<usize>,
    /// Links by the numbers of the part, weighted `w / sqrt(d_a d_b)`.
    links: Vec<(u32, f64)>,
    /// The eigenvector that says nothing: `sqrt(degree)`, of length 1.
    trivial: Vec<f64>,
    block: Vec<Row>,
    /// The polynomials of the last two degrees.
    terms: Option<(Vec<Row>, Vec<Row>)>,
    degree: usize,
    n_turns: usize,
    /// What is damped: eigenvalues from -1 to this.
    damped: f64,
}

impl Modes {
    fn new(graph: &Graph, cells: &[u32], number: &[u32], rng: &mut ChaCha8Rng) -> Self {
        let degree = |cell: u32| graph.links(cell as usize).map(|(_, weight)| f64::from(weight)).sum::<f64>();
        let degrees: Vec<f64> = cells.iter().map(|&cell| degree(cell)).collect();
        let (mut starts, mut links) = (vec![0], Vec::new());
        for (&cell, own) in cells.iter().zip(&degrees) {
            for (other, weight) in graph.links(cell as usize) {
                let other = number[other as usize];
                links.push((other, f64::from(weight) / (own * degrees[other as usize]).sqrt()));
            }
            starts.push(links.len());
        }
        let total: f64 = degrees.iter().sum();
        let trivial = degrees.iter().map(|degree| (degree / total).sqrt()).collect();
        let block = cells.iter().map(|_| std::array::from_fn(|_| rng.random::<f64>() - 0.5)).collect();
        let mut modes = Self { starts, links, trivial, block, terms: None, degree: 0, n_turns: 0, damped: 0.0 };
        modes.make_orthogonal();
        modes
    }

    /// One more degree, or the turn after the last; says whether anything is left.
    fn advance(&mut self) -> bool {
        // [-1, damped] becomes [-1, 1], where the polynomials stay small.
        let (middle, half) = ((self.damped - 1.0) / 2.0, f64::midpoint(self.damped, 1.0));
        let shifted =
            |product: &Row, own: &Row| -> Row { std::array::from_fn(|k| (product[k] - middle * own[k]) / half) };
        self.degree += 1;
        match self.terms.take() {
            None => {
                let products = self.times(&self.block);
                let first = products.iter().zip(&self.block).map(|(product, own)| shifted(product, own)).collect();
                self.terms = Some((std::mem::take(&mut self.block), first));
            }
            Some((mut before, last)) if self.degree <= DEGREE => {
                let products = self.times(&last);
                for ((before, product), own) in before.iter_mut().zip(&products).zip(&last) {
                    let next = shifted(product, own);
                    *before = std::array::from_fn(|k| 2.0 * next[k] - before[k]);
                }
                self.terms = Some((last, before));
            }
            Some((_, last)) => {
                self.block = last;
                self.degree = 0;
                self.n_turns += 1;
                return self.turn() && self.n_turns < MAX_TURNS;
            }
        }
        true
    }

    /// Coordinates of the cells: the first modes.
    fn places(&self, n_dims: usize) -> Vec<f64> {
        self.block.iter().flat_map(|row| row[..n_dims].iter().copied()).collect()
    }

    fn times(&self, block: &[Row]) -> Vec<Row> {
        let product = |bounds: &[usize]| {
            let mut sum = [0.0; BLOCK];
            for &(other, weight) in &self.links[bounds[0]..bounds[1]] {
                let other = &block[other as usize];
                (0..BLOCK).for_each(|k| sum[k] += weight * other[k]);
            }
            sum
        };
        self.starts.windows(2).map(product).collect()
    }

    /// Gram and Schmidt, twice; against the trivial vector first.
    fn make_orthogonal(&mut self) {
        for _ in 0..2 {
            for k in 0..BLOCK {
                // Along the vectors before this one, and along the trivial one.
                let (mut along, mut along_trivial) = ([0.0; BLOCK], 0.0);
                for (row, trivial) in self.block.iter().zip(&self.trivial) {
                    (0..k).for_each(|j| along[j] += row[j] * row[k]);
                    along_trivial += trivial * row[k];
                }
                let mut square = 0.0;
                for (row, trivial) in self.block.iter_mut().zip(&self.trivial) {
                    row[k] -= along_trivial * trivial + (0..k).map(|j| along[j] * row[j]).sum::<f64>();
                    square += row[k] * row[k];
                }
                let factor = if square > 0.0 { 1.0 / square.sqrt() } else { 0.0 };
                self.block.iter_mut().for_each(|row| row[k] *= factor);
            }
        }
    }

    /// Turns the block to the axes of its subspace, the slowest first; says whether it has yet to settle.
    fn turn(&mut self) -> bool {
        self.make_orthogonal();
        let products = self.times(&self.block);
        let mut inner = [[0.0; BLOCK]; BLOCK];
        for (row, product) in self.block.iter().zip(&products) {
            for (i, sums) in inner.iter_mut().enumerate() {
                (0..BLOCK).for_each(|j| sums[j] += row[i] * product[j]);
            }
        }
        let inner = Mat::from_fn(BLOCK, BLOCK, |i, j| f64::midpoint(inner[i][j], inner[j][i]));
        let Ok(eigen) = inner.self_adjoint_eigen(Side::Lower) else { return false };
        let turned = |row: &Row| -> Row {
            std::array::from_fn(|k| (0..BLOCK).map(|j| row[j] * eigen.U()[(j, BLOCK - 1 - k)]).sum())
        };
        let values: Row = std::array::from_fn(|k| eigen.S()[BLOCK - 1 - k]);
        self.block.iter_mut().for_each(|row| *row = turned(row));
        let mut left: Row = [0.0; BLOCK];
        for (row, product) in self.block.iter().zip(&products) {
            let product = turned(product);
            (0..BLOCK).for_each(|k| left[k] += (product[k] - values[k] * row[k]).powi(2));
        }
        self.damped = values[BLOCK - 1].clamp(-0.5, 1.0 - 1e-6);
        left[..3].iter().any(|left| left.sqrt() > TOLERANCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// The modes of a ring are its first sine and cosine: cells lie on a circle, in order.
    #[test]
    fn a_ring_is_a_circle() {
        let n = 60;
        let edges: Vec<(u32, u32, f32)> = (0..n).map(|at| (at, (at + 1) % n, 1.0)).collect();
        let graph = Graph::from_edges(n as usize, &edges).expect("edges");
        let mut work = Work::new(&graph, 2, &mut ChaCha8Rng::seed_from_u64(1));
        while work.advance() {}
        let places = work.finish();
        let lengths: Vec<f32> = places.chunks_exact(2).map(|at| at[0].hypot(at[1])).collect();
        let (least, most) = lengths.iter().fold((9.0f32, 0.0f32), |(a, b), &c| (a.min(c), b.max(c)));
        assert!(most / least < 1.01, "{least} {most}");
        let steps: Vec<f32> = places.windows(4).step_by(2).map(|at| (at[2] - at[0]).hypot(at[3] - at[1])).collect();
        let expected = 2.0 * most * (std::f32::consts::PI / n as f32).sin();
        assert!(steps.iter().all(|step| (step / expected - 1.0).abs() < 0.02), "{steps:?} {expected}");
    }

    #[test]
    fn parts_lie_side_by_side() {
        let ring = |first: u32, n: u32| (0..n).map(move |at| (first + at, first + (at + 1) % n, 1.0));
        let edges: Vec<(u32, u32, f32)> = ring(0, 60).chain(ring(60, 30)).chain(ring(90, 5)).collect();
        let graph = Graph::from_edges(100, &edges).expect("edges");
        let mut work = Work::new(&graph, 2, &mut ChaCha8Rng::seed_from_u64(1));
        while work.advance() {}
        let places = work.finish();
        let centre = |cells: std::ops::Range<usize>| {
            let n = cells.len() as f32;
            let sum = cells.fold([0.0, 0.0], |sum, cell| [sum[0] + places[2 * cell], sum[1] + places[2 * cell + 1]]);
            [sum[0] / n, sum[1] / n]
        };
        let (first, second) = (centre(0..60), centre(60..90));
        assert!((first[0] - second[0]).hypot(first[1] - second[1]) > 0.6f32.sqrt() + 0.3f32.sqrt());
        assert!(places.iter().all(|place| place.is_finite()));
    }
}
