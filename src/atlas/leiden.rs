//! Clusters of a weighted graph: modularity with a resolution (Reichardt and Bornholdt), as `scanpy.tl.leiden` and
//! `scanpy.tl.louvain` find them (Traag, Waltman and van Eck 2019; Blondel et al. 2008).
//!
//! Cells move to the cluster they are linked with most, beyond chance; clusters become the nodes of a smaller graph, on
//! which the same is done. Leiden parts each cluster before that (`level` has the steps), so that one that has fallen
//! apart is found. Written here because the crates that do it draw their randomness from the machine's, build a graph
//! of their own, and cannot pause.

mod level;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use crate::graph::Graph;
use crate::leiden::level::{Level, Moves, Partition};

/// Nodes that are looked at between two pauses.
const PORTION: usize = 5_000;
/// Rounds end here at the latest; the quality usually stops rising within ten.
const MAX_ROUNDS: usize = 100;
/// A round that adds less than this to the modularity was the last.
const LEAST_RISE: f64 = 1e-10;

/// How clusters are sought.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterConfig {
    /// The higher, the more clusters. Default: 1.
    pub resolution: f64,
    /// Default: Leiden.
    pub algorithm: Algorithm,
    /// Rounds of Leiden; none: until the quality rises no more, as scanpy's default does. Default: none.
    pub n_rounds: Option<usize>,
    /// Seed of the order in which cells are looked at. Default: 0.
    pub seed: u64,
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self { resolution: 1.0, algorithm: Algorithm::Leiden, n_rounds: None, seed: 0 }
    }
}

/// Which algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Every cluster is connected.
    Leiden,
    /// The older one: one round, and a cluster may fall apart.
    Louvain,
}

/// Why there are no clusters.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum ClusterError {
    /// A resolution that is negative or no number.
    #[error("clusters at resolution {resolution} are not defined; choose one of 0 or more, 1 for a start")]
    Resolution {
        /// What was asked for.
        resolution: f64,
    },
    /// Labels of other cells.
    #[error("{n_labels} cells have a cluster, but the graph has {n_cells}; give each cell one")]
    Length {
        /// Cells with a cluster.
        n_labels: usize,
        /// Cells of the graph.
        n_cells: usize,
    },
}

/// Clusters of all cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Clusters {
    /// The cluster of each cell; 0 is the largest, and of equally large ones the one with the earliest cell.
    pub labels: Vec<u32>,
    /// How many there are.
    pub n_clusters: usize,
    /// Their modularity at the resolution asked for.
    pub modularity: f64,
}

/// Clusters of a graph, in one go: [`Work`] driven to its end.
///
/// # Errors
/// As [`Work::new`].
pub fn clusters(graph: &Graph, config: &ClusterConfig) -> Result<Clusters, ClusterError> {
    let mut work = Work::new(graph, config)?;
    while work.advance().is_some() {}
    Ok(work.finish())
}

/// Share of the links within clusters, less `resolution` times what it would be by chance.
///
/// # Errors
/// Labels of other cells.
pub fn modularity(graph: &Graph, labels: &[u32], resolution: f64) -> Result<f64, ClusterError> {
    let n_cells = graph.n_cells();
    if labels.len() != n_cells {
        return Err(ClusterError::Length { n_labels: labels.len(), n_cells });
    }
    let total: f64 = graph.weights().iter().copied().map(f64::from).sum();
    if total == 0.0 {
        return Ok(0.0);
    }
    // Labels may be any numbers.
    let mut degrees = std::collections::BTreeMap::new();
    let mut within = 0.0;
    for (cell, &label) in labels.iter().enumerate() {
        let mut degree = 0.0;
        for (other, weight) in graph.links(cell) {
            degree += f64::from(weight);
            if labels[other as usize] == label {
                within += f64::from(weight);
            }
        }
        *degrees.entry(label).or_insert(0.0) += degree;
    }
    let by_chance: f64 = degrees.values().map(|degree| (degree / total).powi(2)).sum();
    Ok(within / total - resolution * by_chance)
}

/// Clustering under way.
pub struct Work<'a> {
    graph: &'a Graph,
    config: ClusterConfig,
    rng: ChaCha8Rng,
    /// The cluster of each cell after the last round.
    labels: Vec<u32>,
    modularity: f64,
    n_rounds: usize,
    round: Option<Round>,
}

/// One descent through levels.
struct Round {
    level: Level,
    partition: Partition,
    moves: Moves,
    /// The node of this level that each cell is in.
    node_of: Vec<u32>,
}

impl<'a> Work<'a> {
    /// Begins with every cell a cluster of its own.
    ///
    /// # Errors
    /// A resolution that is negative or no number.
    pub fn new(graph: &'a Graph, config: &ClusterConfig) -> Result<Self, ClusterError> {
        let resolution = config.resolution;
        if !(resolution >= 0.0 && resolution.is_finite()) {
            return Err(ClusterError::Resolution { resolution });
        }
        let labels: Vec<u32> = (0..graph.n_cells() as u32).collect();
        let rng = ChaCha8Rng::seed_from_u64(config.seed);
        let mut work = Self {
            graph,
            config: config.clone(),
            rng,
            labels,
            modularity: f64::NEG_INFINITY,
            n_rounds: 0,
            round: None,
        };
        if graph.n_edges() > 0 {
            work.round = Some(work.first_level());
        }
        Ok(work)
    }

    /// Goes on by some thousands of cells, or from one level to the next (tenths of a second for 100,000 cells); says
    /// how many rounds are done, none when nothing is left. How many there will be is not known before.
    pub fn advance(&mut self) -> Option<usize> {
        let mut round = self.round.take()?;
        if round.moves.advance(&round.level, &mut round.partition, self.config.resolution, PORTION) {
            self.round = Some(round);
            return Some(self.n_rounds);
        }
        match self.next_level(round) {
            Ok(next) => self.round = Some(next),
            Err(labels) => self.end_round(labels),
        }
        Some(self.n_rounds)
    }

    /// The clusters, once [`Self::advance`] has said that nothing is left; before that, those of the last whole round.
    pub fn finish(self) -> Clusters {
        let (labels, n_clusters) = by_size(&self.labels);
        let modularity = modularity(self.graph, &labels, self.config.resolution).unwrap_or(0.0);
        Clusters { labels, n_clusters, modularity }
    }

    fn first_level(&mut self) -> Round {
        let level = Level::new(self.graph);
        let partition = Partition::new(&level, self.labels.clone());
        let moves = Moves::new(&level, &mut self.rng);
        Round { level, partition, moves, node_of: (0..self.graph.n_cells() as u32).collect() }
    }

    /// The smaller graph after all nodes have moved; the labels of the cells where there is none.
    fn next_level(&mut self, round: Round) -> Result<Round, Vec<u32>> {
        let Round { level, mut partition, node_of, .. } = round;
        let n_clusters = partition.renumber();
        let labels = |node_of: &[u32]| node_of.iter().map(|&node| partition.of[node as usize]).collect();
        let (parts, n_parts) = match self.config.algorithm {
            Algorithm::Leiden => level.refine(&partition, self.config.resolution, &mut self.rng),
            Algorithm::Louvain => (partition.of.clone(), n_clusters),
        };
        // Each cluster is one node, or nothing has become smaller.
        if n_clusters == level.n_nodes() || n_parts == level.n_nodes() {
            return Err(labels(&node_of));
        }
        let smaller = level.joined(&parts, n_parts);
        let mut cluster_of_part = vec![0; n_parts];
        for (&part, &cluster) in parts.iter().zip(&partition.of) {
            cluster_of_part[part as usize] = cluster;
        }
        let node_of = node_of.iter().map(|&node| parts[node as usize]).collect();
        let partition = Partition::new(&smaller, cluster_of_part);
        let moves = Moves::new(&smaller, &mut self.rng);
        Ok(Round { level: smaller, partition, moves, node_of })
    }

    fn end_round(&mut self, labels: Vec<u32>) {
        self.n_rounds += 1;
        let is_leiden = self.config.algorithm == Algorithm::Leiden;
        // To part what is not linked only ever adds to the modularity.
        let joined = |a: u32, b: u32| labels[a as usize] == labels[b as usize];
        let labels = if is_leiden { self.graph.parts(joined).0 } else { labels };
        let found = modularity(self.graph, &labels, self.config.resolution).unwrap_or(0.0);
        let has_risen = found > self.modularity + LEAST_RISE;
        if found > self.modularity {
            self.modularity = found;
            self.labels = labels;
        }
        let n_most = self.config.n_rounds.unwrap_or(MAX_ROUNDS).min(MAX_ROUNDS);
        if is_leiden && has_risen && self.n_rounds < n_most {
            self.round = Some(self.first_level());
        }
    }
}

/// Labels by decreasing number of cells, and how many there are.
fn by_size(labels: &[u32]) -> (Vec<u32>, usize) {
    let n_most = labels.iter().max().map_or(0, |&label| label as usize + 1);
    let mut sizes = vec![(0_usize, usize::MAX); n_most];
    for (cell, &label) in labels.iter().enumerate() {
        let (size, first) = &mut sizes[label as usize];
        *size += 1;
        *first = cell.min(*first);
    }
    let mut order: Vec<usize> = (0..n_most).filter(|&label| sizes[label].0 > 0).collect();
    order.sort_by_key(|&label| (std::cmp::Reverse(sizes[label].0), sizes[label].1));
    let mut rank = vec![0; n_most];
    for (place, &label) in order.iter().enumerate() {
        rank[label] = place as u32;
    }
    (labels.iter().map(|&label| rank[label as usize]).collect(), order.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cliques of `size` cells in a row, each linked with the next by one weak edge.
    fn cliques(n_cliques: u32, size: u32) -> Graph {
        let mut edges = Vec::new();
        for clique in 0..n_cliques {
            let first = clique * size;
            for a in first..first + size {
                edges.extend((a + 1..first + size).map(|b| (a, b, 1.0)));
            }
            if clique > 0 {
                edges.push((first - 1, first, 0.1));
            }
        }
        Graph::from_edges((n_cliques * size) as usize, &edges).expect("edges")
    }

    #[test]
    fn cliques_are_clusters_by_both_algorithms() {
        let graph = cliques(5, 6);
        for algorithm in [Algorithm::Leiden, Algorithm::Louvain] {
            let found = clusters(&graph, &ClusterConfig { algorithm, ..ClusterConfig::default() }).expect("a graph");
            let expected: Vec<u32> = (0..30).map(|cell| cell / 6).collect();
            assert_eq!((&found.labels, found.n_clusters), (&expected, 5));
            assert_eq!(found.modularity, modularity(&graph, &expected, 1.0).expect("labels"));
        }
    }

    /// Two triangles and an edge of weight 1 between them: 7 edges, degrees 7 and 7.
    #[test]
    fn modularity_equals_a_worked_example() {
        let edges = [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0), (3, 4, 1.0), (3, 5, 1.0), (4, 5, 1.0), (2, 3, 1.0)];
        let graph = Graph::from_edges(6, &edges).expect("edges");
        let found = modularity(&graph, &[8, 8, 8, 2, 2, 2], 1.0).expect("labels");
        assert!((found - (6.0 / 7.0 - 0.5)).abs() < 1e-12, "{found}");
        let found = modularity(&graph, &[8, 8, 8, 2, 2, 2], 2.0).expect("labels");
        assert!((found - (6.0 / 7.0 - 1.0)).abs() < 1e-12, "{found}");
        assert!(modularity(&graph, &[0], 1.0).is_err());
    }

    #[test]
    fn clusters_are_numbered_by_size() {
        assert_eq!(by_size(&[7, 3, 3, 5, 5, 5, 7]), (vec![1, 2, 2, 0, 0, 0, 1], 3));
        assert_eq!(by_size(&[]), (vec![], 0));
    }

    #[test]
    fn what_has_no_links_is_alone_and_bad_resolutions_are_named() {
        let none = Graph::from_edges(3, &[]).expect("no edges");
        let found = clusters(&none, &ClusterConfig::default()).expect("a graph");
        assert_eq!(found, Clusters { labels: vec![0, 1, 2], n_clusters: 3, modularity: 0.0 });
        let empty = Graph::from_edges(0, &[]).expect("no cells");
        assert_eq!(clusters(&empty, &ClusterConfig::default()).expect("a graph").n_clusters, 0);
        for resolution in [-1.0, f64::NAN, f64::INFINITY] {
            let config = ClusterConfig { resolution, ..ClusterConfig::default() };
            assert!(clusters(&none, &config).unwrap_err().to_string().contains("not defined"));
        }
        let whole = ClusterConfig { resolution: 0.0, ..ClusterConfig::default() };
        assert_eq!(clusters(&cliques(3, 4), &whole).expect("a graph").n_clusters, 1);
        let fine = ClusterConfig { resolution: 1e6, ..ClusterConfig::default() };
        assert_eq!(clusters(&cliques(3, 4), &fine).expect("a graph").n_clusters, 12);
    }

    /// The scale of the weights is not that of the gains that count.
    #[test]
    fn weights_of_any_scale_give_the_same_clusters() {
        for scale in [1e-30, 1e30] {
            let graph = cliques(4, 5);
            let edges = (0..20).flat_map(|a| graph.links(a).map(move |(b, weight)| (a as u32, b, weight * scale)));
            let edges: Vec<(u32, u32, f32)> = edges.filter(|&(a, b, _)| a < b).collect();
            let scaled = Graph::from_edges(20, &edges).expect("edges");
            assert_eq!(clusters(&scaled, &ClusterConfig::default()).expect("a graph").n_clusters, 4);
        }
    }
}
