//! Which gene sets a response falls into: by count among the changed genes (Fisher's exact test, [`fisher`]) and by
//! place in the whole ranking (gene set enrichment analysis, [`ranked`]; Subramanian et al. 2005, PNAS 102:15545).
//!
//! The genes that were looked at are the background; what a set has beside them counts for nothing. False discoveries are
//! controlled over the sets by Benjamini and Hochberg's rule, for both.

pub mod fisher;
pub mod ranked;

use std::collections::HashMap;

/// A set in terms of the genes that were looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Its place in what was given.
    pub set: usize,
    /// Places of its genes in the background, ascending.
    pub genes: Vec<usize>,
}

/// Which sets can be told of: those with `min_size` to `max_size` genes of the background.
pub fn within<'a>(
    background: &[String],
    sets: impl IntoIterator<Item = &'a [String]>,
    min_size: usize,
    max_size: usize,
) -> Vec<Members> {
    let places: HashMap<&str, usize> =
        background.iter().enumerate().rev().map(|(at, gene)| (gene.as_str(), at)).collect();
    let members = sets.into_iter().enumerate().map(|(set, genes)| {
        let mut genes: Vec<usize> = genes.iter().filter_map(|gene| places.get(gene.as_str()).copied()).collect();
        genes.sort_unstable();
        genes.dedup();
        Members { set, genes }
    });
    members.filter(|members| (min_size..=max_size).contains(&members.genes.len())).collect()
}
