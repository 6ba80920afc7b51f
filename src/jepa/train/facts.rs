//! What is known of the training targets beside their vectors: their own genes, and what the anchor says of each.
//!
//! Both follow from the cells and the genes, so that a resumed run computes them again. A target that the anchor was fitted
//! to is trained on what an anchor without it says: what is left to correct is then as large as for a target never seen.

use std::collections::HashMap;

use burn::tensor::Device;
use spec::train::TrainConfig;

use crate::anchor::{Anchor, AnchorBatch, Anchored, Observed};
use crate::batch::TrainingCells;
use crate::error::Error;

/// What is known of the targets, by index.
pub(super) struct TargetFacts {
    own_genes: Vec<Option<usize>>,
    anchor: Option<Known>,
}

struct Known {
    anchor: Anchor,
    of_targets: Vec<Anchored>,
    none: Anchored,
}

impl TargetFacts {
    /// The facts of the targets of `cells`, whose columns are `genes`. `earlier` is the anchor of the checkpoint that the
    /// run starts from; it stands where the cells have too few targets for one of their own.
    pub(super) fn new(
        config: &TrainConfig,
        cells: &TrainingCells,
        genes: &[String],
        earlier: Option<Anchor>,
    ) -> Result<Self, Error> {
        let column: HashMap<&str, usize> = genes.iter().enumerate().map(|(at, gene)| (gene.as_str(), at)).collect();
        let own_genes: Vec<Option<usize>> =
            cells.targets().iter().map(|target| column.get(target.name.as_str()).copied()).collect();
        let Some(settings) = &config.anchor else { return Ok(Self { own_genes, anchor: None }) };
        let n_genes = cells.n_genes();
        let control = mean_of(cells, cells.control_rows());
        let fitted = cells.inhabited();
        let observed: Vec<Observed> = fitted
            .iter()
            .map(|&target| {
                let mean = mean_of(cells, cells.rows_of(target));
                let delta = mean.iter().zip(&control).map(|(mean, control)| mean - control).collect();
                let vector = cells.targets()[target as usize].vector.clone();
                Observed { vector, gene: own_genes[target as usize], delta }
            })
            .collect();
        let (anchor, left_out) = match earlier {
            Some(anchor) if observed.len() < 2 => (anchor, Vec::new()),
            _ => Anchor::fit(&observed, &control, settings)?,
        };
        let mut of_targets: Vec<Anchored> =
            cells.targets().iter().zip(&own_genes).map(|(target, gene)| anchor.say(&target.vector, *gene)).collect();
        for (&target, said) in fitted.iter().zip(left_out) {
            of_targets[target as usize] = said;
        }
        let none = Anchored::none(n_genes);
        Ok(Self { own_genes, anchor: Some(Known { anchor, of_targets, none }) })
    }

    /// The fitted anchor; none without one.
    pub(super) fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref().map(|known| &known.anchor)
    }

    /// The own genes of some targets; none is no perturbation.
    pub(super) fn own_genes<'a>(&'a self, targets: &'a [Option<u32>]) -> impl Iterator<Item = Option<usize>> + 'a {
        targets.iter().map(|target| target.and_then(|target| self.own_genes[target as usize]))
    }

    /// What the anchor says of some targets, on a device.
    pub(super) fn anchored(&self, targets: &[Option<u32>], device: &Device) -> Option<AnchorBatch> {
        let Known { anchor, of_targets, none } = self.anchor.as_ref()?;
        let said: Vec<&Anchored> =
            targets.iter().map(|target| target.map_or(none, |target| &of_targets[target as usize])).collect();
        Some(AnchorBatch::new(&said, anchor.bound(), device))
    }
}

/// Mean of some rows; zeros of none.
fn mean_of(cells: &TrainingCells, rows: impl Iterator<Item = u32>) -> Vec<f64> {
    let (mut sum, mut n) = (vec![0.0; cells.n_genes()], 0usize);
    for row in rows {
        n += 1;
        for (gene, value) in cells.rows().row(row as usize) {
            sum[gene as usize] += f64::from(value);
        }
    }
    sum.iter_mut().for_each(|sum| *sum /= n.max(1) as f64);
    sum
}
