//! Gene set enrichment analysis of a ranking, with weight 1 and a null of random sets of the same size ("preranked").

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

use super::Members;
use crate::markers::adjust::benjamini_hochberg;

/// How.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RankedConfig {
    /// Random sets of each size. Default: 1000.
    pub n_random: usize,
    /// Default: 0.
    pub seed: u64,
}

impl Default for RankedConfig {
    fn default() -> Self {
        Self { n_random: 1000, seed: 0 }
    }
}

/// What was found of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Enriched {
    /// The set.
    pub set: usize,
    /// Its genes in the background.
    pub n_genes: usize,
    /// Enrichment score, -1 to 1: how far the running sum of the set gets from the others', with its sign.
    pub score: f64,
    /// The score over the mean of random sets' of its sign; NaN where no random set has that sign.
    pub normalised: f64,
    /// Share of the random sets of its sign that get as far, never 0: one is added to both counts.
    pub p_value: f64,
    /// The same, corrected for the number of sets.
    pub p_adjusted: f64,
    /// Its genes up to where the sum is furthest (from the end where the score is negative), by their place in the
    /// background, the furthest out first: what makes the score.
    pub leading: Vec<usize>,
}

/// A ranking of the background and the sets in it, one set after the other.
pub struct Work<'a> {
    /// Gene at each rank, the largest value first.
    order: Vec<usize>,
    /// Rank of each gene.
    ranks: Vec<usize>,
    /// |value| at each rank.
    weights: Vec<f64>,
    sets: &'a [Members],
    config: RankedConfig,
    /// Random scores by size of set, which all sets of that size share.
    random: BTreeMap<usize, Vec<f64>>,
    found: Vec<Enriched>,
}

impl<'a> Work<'a> {
    /// `values`: one per gene of the background, by which it is ranked; those that are not finite count as 0. Ties keep
    /// the background's order.
    pub fn new(values: &[f64], sets: &'a [Members], config: RankedConfig) -> Self {
        let value = |gene: usize| if values[gene].is_finite() { values[gene] } else { 0.0 };
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| value(b).total_cmp(&value(a)));
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(rank, &gene)| ranks[gene] = rank);
        let weights = order.iter().map(|&gene| value(gene).abs()).collect();
        Self { order, ranks, weights, sets, config, random: BTreeMap::new(), found: Vec::new() }
    }

    /// Does the next set; returns the sets done, or none where all were.
    pub fn advance(&mut self) -> Option<usize> {
        let members = self.sets.get(self.found.len())?;
        let n = self.order.len();
        let mut hits: Vec<usize> = members.genes.iter().filter_map(|&gene| self.ranks.get(gene).copied()).collect();
        hits.sort_unstable();
        let (score, at) = score(&hits, &self.weights);
        let (weights, config) = (&self.weights, &self.config);
        let random = self.random.entry(hits.len()).or_insert_with(|| {
            let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
            rng.set_stream(hits.len() as u64);
            let mut draw = |_| {
                let mut drawn = index::sample(&mut rng, n, hits.len()).into_vec();
                drawn.sort_unstable();
                super::ranked::score(&drawn, weights).0
            };
            (0..config.n_random).map(&mut draw).collect()
        });
        let alike: Vec<f64> = random.iter().copied().filter(|other| other * score > 0.0).map(f64::abs).collect();
        let n_as_far = alike.iter().filter(|&&other| other >= score.abs()).count();
        let leading = if score >= 0.0 { hits[..at].to_vec() } else { hits[at..].iter().rev().copied().collect() };
        self.found.push(Enriched {
            set: members.set,
            n_genes: hits.len(),
            score,
            normalised: score * alike.len() as f64 / alike.iter().sum::<f64>(),
            p_value: if score == 0.0 { 1.0 } else { (1 + n_as_far) as f64 / (1 + alike.len()) as f64 },
            p_adjusted: 1.0,
            leading: leading.into_iter().map(|rank| self.order[rank]).collect(),
        });
        Some(self.found.len())
    }

    /// The sets done, in the order given.
    pub fn finish(mut self) -> Vec<Enriched> {
        let adjusted = benjamini_hochberg(&self.found.iter().map(|one| one.p_value).collect::<Vec<_>>());
        self.found.iter_mut().zip(adjusted).for_each(|(one, p)| one.p_adjusted = p);
        self.found
    }
}

/// Enrichment score of the set at these ranks (ascending), and how many of its genes lie before the furthest point. 0
/// where the set is empty or everything, or its genes weigh nothing.
fn score(hits: &[usize], weights: &[f64]) -> (f64, usize) {
    let total: f64 = hits.iter().map(|&rank| weights[rank]).sum();
    let n_others = weights.len() - hits.len();
    if hits.is_empty() || n_others == 0 || total <= 0.0 {
        return (0.0, 0);
    }
    let (mut sum, mut best, mut at) = (0.0, 0.0f64, 0);
    for (nth, &rank) in hits.iter().enumerate() {
        // Before this gene lie `rank - nth` genes of others; the sum is lowest just before a gene and highest after it.
        let others = (rank - nth) as f64 / n_others as f64;
        let low = sum - others;
        sum += weights[rank] / total;
        let high = sum - others;
        for (value, n_before) in [(low, nth), (high, nth + 1)] {
            if value.abs() > best.abs() {
                (best, at) = (value, n_before);
            }
        }
    }
    (best, at)
}
