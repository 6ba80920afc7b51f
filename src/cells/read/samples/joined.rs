//! The genes of several samples as those of one study.

use std::collections::HashMap;

pub use spec::dataset::GeneJoin;

use crate::genes::{GeneNames, without_version};

/// The genes of one matrix over all samples.
pub(crate) struct Joined {
    pub(crate) genes: GeneNames,
    /// Of each sample and each of its genes the gene of the study; none where it is dropped.
    gene_of: Vec<Vec<Option<u32>>>,
}

impl Joined {
    /// Genes are matched by id where every sample has ids, else by symbol; a name that occurs twice in a sample meets its
    /// second occurrence in another.
    pub(crate) fn new(samples: Vec<GeneNames>, join: GeneJoin) -> Joined {
        let by_id = samples.iter().all(|genes| genes.ids.is_some());
        let mut place_of: HashMap<(String, u32), u32> = HashMap::new();
        let mut genes = GeneNames { symbols: Vec::new(), ids: by_id.then(Vec::new) };
        let mut n_samples_of: Vec<usize> = Vec::new();
        let mut gene_of = Vec::with_capacity(samples.len());
        for sample in &samples {
            let names = sample.ids.as_ref().filter(|_| by_id).unwrap_or(&sample.symbols);
            let mut n_seen: HashMap<&str, u32> = HashMap::new();
            let mut of_sample = Vec::with_capacity(names.len());
            for (at, name) in names.iter().enumerate() {
                let name = without_version(name);
                let seen = n_seen.entry(name).or_insert(0);
                let place = *place_of.entry((name.to_owned(), *seen)).or_insert_with(|| {
                    genes.symbols.push(sample.symbols[at].clone());
                    if let Some(ids) = &mut genes.ids {
                        ids.push(names[at].clone());
                    }
                    n_samples_of.push(0);
                    genes.symbols.len() as u32 - 1
                });
                *seen += 1;
                n_samples_of[place as usize] += 1;
                of_sample.push(Some(place));
            }
            gene_of.push(of_sample);
        }
        let mut joined = Joined { genes, gene_of };
        if join == GeneJoin::Intersection {
            joined.keep(|gene| n_samples_of[gene] == samples.len());
        }
        joined
    }

    fn keep(&mut self, is_kept: impl Fn(usize) -> bool) {
        let mut n = 0;
        let new_of: Vec<Option<u32>> = (0..self.genes.len())
            .map(|gene| {
                is_kept(gene).then(|| {
                    n += 1;
                    n - 1
                })
            })
            .collect();
        let kept = |names: &mut Vec<String>| {
            let mut gene = 0..;
            names.retain(|_| gene.next().is_some_and(&is_kept));
        };
        kept(&mut self.genes.symbols);
        self.genes.ids.as_mut().map(kept);
        for gene in self.gene_of.iter_mut().flatten() {
            *gene = gene.and_then(|gene| new_of[gene as usize]);
        }
    }

    /// Of each gene of a sample the gene of the study; none where it is dropped.
    pub(crate) fn genes_of(&self, sample: usize) -> &[Option<u32>] {
        &self.gene_of[sample]
    }

    /// Genes that every sample has.
    pub(crate) fn n_common(&self) -> usize {
        let mut n_of = vec![0; self.genes.len()];
        self.gene_of.iter().flatten().flatten().for_each(|gene| n_of[*gene as usize] += 1);
        n_of.into_iter().filter(|n| *n == self.gene_of.len()).count()
    }
}
