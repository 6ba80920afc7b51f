//! One level of a clustering: nodes that stand for one cell or many, moved between clusters, parted, and joined into
//! the nodes of the next level.

use std::collections::VecDeque;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::graph::Graph;

/// What a move has to gain, in mean weights of a link: more than roundings.
const LEAST_GAIN: f64 = 1e-9;

/// A graph of nodes; links within a node count in its degree alone.
pub struct Level {
    starts: Vec<usize>,
    others: Vec<u32>,
    /// In mean weights of a link of the graph of cells.
    weights: Vec<f64>,
    degrees: Vec<f64>,
    /// Of all degrees.
    total: f64,
}

impl Level {
    /// Every cell a node.
    pub fn new(graph: &Graph) -> Self {
        let n_links = graph.weights().len() as f64;
        let mean = graph.weights().iter().copied().map(f64::from).sum::<f64>() / n_links;
        let weights: Vec<f64> = graph.weights().iter().map(|&weight| f64::from(weight) / mean).collect();
        let degree = |bounds: &[usize]| weights[bounds[0]..bounds[1]].iter().sum();
        let degrees: Vec<f64> = graph.starts().windows(2).map(degree).collect();
        let total = degrees.iter().sum();
        Self { starts: graph.starts().to_vec(), others: graph.others().to_vec(), weights, degrees, total }
    }

    /// Nodes.
    pub fn n_nodes(&self) -> usize {
        self.degrees.len()
    }

    fn links(&self, node: usize) -> impl Iterator<Item = (usize, f64)> {
        let places = self.starts[node]..self.starts[node + 1];
        self.others[places.clone()].iter().map(|&other| other as usize).zip(self.weights[places].iter().copied())
    }

    /// Parts each cluster: every node begins alone and joins, once, the part of its cluster to which it is linked most
    /// beyond chance. Parts are connected, because only what is linked is joined. Says how many parts there are.
    pub fn refine(&self, clusters: &Partition, resolution: f64, rng: &mut ChaCha8Rng) -> (Vec<u32>, usize) {
        let mut parts = Partition::new(self, (0..self.n_nodes() as u32).collect());
        let mut links = LinksTo::new(self.n_nodes());
        for &node in &shuffled(self.n_nodes(), rng) {
            let node = node as usize;
            if parts.sizes[parts.of[node] as usize] > 1 {
                continue;
            }
            let own_cluster = clusters.of[node];
            links.collect(self, node, &parts, |other| clusters.of[other] == own_cluster);
            let gain = |part: u32| links.gain(self, node, parts.degrees[part as usize], part, resolution);
            let mut best = (LEAST_GAIN, None);
            for &part in links.met.iter().filter(|&&part| part != parts.of[node]) {
                if gain(part) > best.0 {
                    best = (gain(part), Some(part));
                }
            }
            if let Some(part) = best.1 {
                parts.put(self, node, part);
            }
        }
        let n_parts = parts.renumber();
        (parts.of, n_parts)
    }

    /// The level whose nodes are parts of this one.
    pub fn joined(&self, part_of: &[u32], n_parts: usize) -> Level {
        let mut members = vec![Vec::new(); n_parts];
        let mut degrees = vec![0.0; n_parts];
        for (node, &part) in part_of.iter().enumerate() {
            members[part as usize].push(node);
            degrees[part as usize] += self.degrees[node];
        }
        let (mut starts, mut others, mut weights) = (vec![0], Vec::new(), Vec::new());
        let mut sums = vec![0.0; n_parts];
        for (part, members) in members.iter().enumerate() {
            let begin = others.len();
            for &node in members {
                for (other, weight) in self.links(node) {
                    let other = part_of[other];
                    if other as usize != part {
                        if sums[other as usize] == 0.0 {
                            others.push(other);
                        }
                        sums[other as usize] += weight;
                    }
                }
            }
            weights.extend(others[begin..].iter().map(|&other| std::mem::take(&mut sums[other as usize])));
            starts.push(others.len());
        }
        Level { starts, others, weights, degrees, total: self.total }
    }
}

/// Which cluster every node is in.
pub struct Partition {
    /// By node.
    pub of: Vec<u32>,
    degrees: Vec<f64>,
    sizes: Vec<u32>,
    /// Clusters without a node.
    empty: Vec<u32>,
}

impl Partition {
    /// Clusters numbered below the number of nodes.
    pub fn new(level: &Level, of: Vec<u32>) -> Self {
        let n = level.n_nodes();
        let (mut degrees, mut sizes) = (vec![0.0; n], vec![0; n]);
        for (node, &cluster) in of.iter().enumerate() {
            degrees[cluster as usize] += level.degrees[node];
            sizes[cluster as usize] += 1;
        }
        let empty = (0..n as u32).rev().filter(|&cluster| sizes[cluster as usize] == 0).collect();
        Self { of, degrees, sizes, empty }
    }

    fn put(&mut self, level: &Level, node: usize, cluster: u32) {
        let left = std::mem::replace(&mut self.of[node], cluster);
        self.degrees[left as usize] -= level.degrees[node];
        self.sizes[left as usize] -= 1;
        if self.sizes[left as usize] == 0 {
            // No remains of rounding.
            self.degrees[left as usize] = 0.0;
            self.empty.push(left);
        }
        if self.sizes[cluster as usize] == 0 {
            // Only the last of the empty ones is ever taken.
            self.empty.pop();
        }
        self.degrees[cluster as usize] += level.degrees[node];
        self.sizes[cluster as usize] += 1;
    }

    /// Numbers clusters from 0 in the order of their first nodes; says how many there are. For the last use of a
    /// partition: degrees are not carried along.
    pub fn renumber(&mut self) -> usize {
        let mut names = vec![u32::MAX; self.of.len()];
        let mut n_known = 0;
        for cluster in &mut self.of {
            let name = &mut names[*cluster as usize];
            if *name == u32::MAX {
                *name = n_known;
                n_known += 1;
            }
            *cluster = *name;
        }
        n_known as usize
    }
}

/// How strongly one node is linked with each cluster around it.
struct LinksTo {
    weights: Vec<f64>,
    met: Vec<u32>,
}

impl LinksTo {
    fn new(n_nodes: usize) -> Self {
        Self { weights: vec![0.0; n_nodes], met: Vec::new() }
    }

    fn collect(&mut self, level: &Level, node: usize, partition: &Partition, counts: impl Fn(usize) -> bool) {
        for cluster in self.met.drain(..) {
            self.weights[cluster as usize] = 0.0;
        }
        for (other, weight) in level.links(node).filter(|&(other, _)| counts(other)) {
            let cluster = partition.of[other];
            if self.weights[cluster as usize] == 0.0 {
                self.met.push(cluster);
            }
            self.weights[cluster as usize] += weight;
        }
    }

    /// What the node adds to the quality in a cluster of nodes whose degrees add up to `degree`, itself not counted.
    fn gain(&self, level: &Level, node: usize, degree: f64, cluster: u32, resolution: f64) -> f64 {
        self.weights[cluster as usize] - resolution * level.degrees[node] * degree / level.total
    }
}

/// Nodes that are still to be looked at: all in random order, then those around a node that has moved.
pub struct Moves {
    waiting: VecDeque<u32>,
    is_waiting: Vec<bool>,
    links: LinksTo,
}

impl Moves {
    /// All nodes.
    pub fn new(level: &Level, rng: &mut ChaCha8Rng) -> Self {
        let n = level.n_nodes();
        Self { waiting: shuffled(n, rng).into(), is_waiting: vec![true; n], links: LinksTo::new(n) }
    }

    /// Looks at up to `n_most` nodes, and moves those that gain by it; says whether any are left.
    pub fn advance(&mut self, level: &Level, partition: &mut Partition, resolution: f64, n_most: usize) -> bool {
        for _ in 0..n_most {
            let Some(node) = self.waiting.pop_front() else { return false };
            let node = node as usize;
            self.is_waiting[node] = false;
            let Some(cluster) = self.best(level, partition, resolution, node) else { continue };
            partition.put(level, node, cluster);
            for (other, _) in level.links(node) {
                if partition.of[other] != cluster && !self.is_waiting[other] {
                    self.is_waiting[other] = true;
                    self.waiting.push_back(other as u32);
                }
            }
        }
        !self.waiting.is_empty()
    }

    /// The cluster in which a node is better off, if there is one.
    fn best(&mut self, level: &Level, partition: &Partition, resolution: f64, node: usize) -> Option<u32> {
        let own = partition.of[node];
        self.links.collect(level, node, partition, |_| true);
        let gain = |cluster: u32, degree: f64| self.links.gain(level, node, degree, cluster, resolution);
        let stays = gain(own, partition.degrees[own as usize] - level.degrees[node]);
        let mut best = (stays + LEAST_GAIN, None);
        for &cluster in self.links.met.iter().filter(|&&cluster| cluster != own) {
            let found = gain(cluster, partition.degrees[cluster as usize]);
            if found > best.0 {
                best = (found, Some(cluster));
            }
        }
        // Alone, a node gains and loses nothing.
        let is_alone = partition.sizes[own as usize] == 1;
        if best.0 < 0.0 && !is_alone { partition.empty.last().copied().or(best.1) } else { best.1 }
    }
}

fn shuffled(n: usize, rng: &mut ChaCha8Rng) -> Vec<u32> {
    let mut order: Vec<u32> = (0..n as u32).collect();
    order.shuffle(rng);
    order
}
