//! Which gene sets a response falls into. The sets come with the checkpoint, or from a `.gmt` that a person has.

use atlas::enrichment::fisher::overlaps;
use atlas::enrichment::ranked::{RankedConfig, Work};
use atlas::enrichment::within;
use cells::genes::pathways::read;
use cells::source::NamedSource;
use spec::enrichment::{Collection, EnrichedSet, Enrichment, EnrichmentConfig, GeneValues};
use spec::genes::Pathway;

use crate::failure::EngineError;
use crate::task::Task;

/// Gene sets at hand.
pub struct Pathways {
    name: String,
    sets: Vec<Pathway>,
}

impl Pathways {
    /// Reads a `.gmt`.
    pub fn read(file: &NamedSource) -> Result<Self, EngineError> {
        Ok(Self { name: file.name.clone(), sets: read(file)? })
    }

    /// The sets.
    pub fn sets(&self) -> &[Pathway] {
        &self.sets
    }

    /// What they are.
    pub fn collection(&self) -> Collection {
        Collection { name: self.name.clone(), n_sets: self.sets.len() }
    }

    /// Looks at every set that has enough genes with a value; there may be none.
    pub async fn enrichment(
        &self,
        task: &mut Task,
        asked: &GeneValues,
        config: EnrichmentConfig,
    ) -> Result<Enrichment, EngineError> {
        if asked.genes.len() != asked.values.len() {
            let (n_genes, n_values) = (asked.genes.len(), asked.values.len());
            return Err(EngineError::Query(format!("{}: {n_genes} genes, but {n_values} values", asked.name)));
        }
        let there = asked.genes.iter().zip(&asked.values).filter(|(_, value)| value.is_finite());
        let (genes, values): (Vec<String>, Vec<f64>) =
            there.map(|(gene, value)| (gene.clone(), f64::from(*value))).unzip();
        let sets = within(&genes, self.sets.iter().map(|set| set.genes.as_slice()), config.min_size, config.max_size);
        let wanted = if config.n_changed == 0 { genes.len() / 10 } else { config.n_changed };
        let changed = largest(&values, wanted);
        let mut ranked = Work::new(&values, &sets, RankedConfig { n_random: config.n_random, seed: config.seed });
        let mut stretch = task.begin("Looking for gene sets", "sets", sets.len()).await?;
        while let Some(done) = ranked.advance() {
            stretch.reached(done).await?;
        }
        let names = |places: Vec<usize>| places.into_iter().map(|at| genes[at].clone()).collect();
        let found = ranked.finish().into_iter().zip(overlaps(&changed, &sets));
        let mut rows: Vec<EnrichedSet> = found
            .map(|(ranked, overlap)| EnrichedSet {
                name: self.sets[ranked.set].name.clone(),
                n_genes: ranked.n_genes,
                score: ranked.score,
                normalised: ranked.normalised,
                p_value: ranked.p_value,
                p_adjusted: ranked.p_adjusted,
                leading: names(ranked.leading),
                changed: names(overlap.changed),
                fold: overlap.fold,
                fisher_p: overlap.p_value,
                fisher_p_adjusted: overlap.p_adjusted,
            })
            .collect();
        rows.sort_by(|a, b| a.p_value.total_cmp(&b.p_value).then(b.score.abs().total_cmp(&a.score.abs())));
        Ok(Enrichment {
            name: asked.name.clone(),
            collection: self.collection(),
            config,
            n_genes: genes.len(),
            n_changed: changed.iter().filter(|&&is| is).count(),
            sets: rows,
        })
    }
}

/// Which values are among the `n` furthest from 0; those that are 0 never are.
fn largest(values: &[f64], n: usize) -> Vec<bool> {
    let mut order: Vec<usize> = (0..values.len()).filter(|&at| values[at] != 0.0).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    let mut is = vec![false; values.len()];
    order.into_iter().take(n).for_each(|at| is[at] = true);
    is
}
