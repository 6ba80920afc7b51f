//! Fisher's exact test of a set against the changed genes, one-sided: are there more of them than chance puts there?

use statrs::function::factorial::ln_binomial;

use super::Members;
use crate::markers::adjust::benjamini_hochberg;

/// What was found of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlap {
    /// The set.
    pub set: usize,
    /// Its genes among the changed ones, by their place in the background.
    pub changed: Vec<usize>,
    /// Its genes in the background.
    pub n_genes: usize,
    /// How many more there are than chance puts there; NaN where chance puts none.
    pub fold: f64,
    /// Chance of as many or more.
    pub p_value: f64,
    /// The same, corrected for the number of sets.
    pub p_adjusted: f64,
}

/// Tests every set, in the order given. `changed[gene]` for each gene of the background.
pub fn overlaps(changed: &[bool], sets: &[Members]) -> Vec<Overlap> {
    let (n, n_changed) = (changed.len(), changed.iter().filter(|&&is| is).count());
    let mut found: Vec<Overlap> = sets
        .iter()
        .map(|members| {
            let own: Vec<usize> =
                members.genes.iter().copied().filter(|&gene| changed.get(gene).copied().unwrap_or(false)).collect();
            let expected = members.genes.len() as f64 * n_changed as f64 / n.max(1) as f64;
            Overlap {
                set: members.set,
                n_genes: members.genes.len(),
                fold: if expected > 0.0 { own.len() as f64 / expected } else { f64::NAN },
                p_value: at_least(own.len(), members.genes.len(), n_changed, n),
                p_adjusted: 1.0,
                changed: own,
            }
        })
        .collect();
    let adjusted = benjamini_hochberg(&found.iter().map(|overlap| overlap.p_value).collect::<Vec<_>>());
    found.iter_mut().zip(adjusted).for_each(|(overlap, p)| overlap.p_adjusted = p);
    found
}

/// Chance of `k` or more of `n_drawn` drawn of `n`, `n_marked` of which are marked (hypergeometric, upper tail).
fn at_least(k: usize, n_marked: usize, n_drawn: usize, n: usize) -> f64 {
    let least = (n_marked + n_drawn).saturating_sub(n).max(k);
    let all = ln_binomial(n as u64, n_drawn as u64);
    let chance = |i: usize| {
        let others = ln_binomial((n - n_marked) as u64, (n_drawn - i) as u64);
        (ln_binomial(n_marked as u64, i as u64) + others - all).exp()
    };
    if k == 0 { 1.0 } else { (least..=n_marked.min(n_drawn)).map(chance).sum::<f64>().min(1.0) }
}
