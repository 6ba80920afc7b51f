//! What is known of the training targets beside their vectors: their own genes, and what the anchor says of each.
//!
//! A target that the anchor was fitted to is trained on what an anchor without it says: what is left to correct is then as
//! large as for a target never seen. The fit is done in parts before the first step, and saved with the run: neither a look
//! at a run nor its resumption fits.

use std::collections::HashMap;

use burn::tensor::Device;
use spec::train::TrainConfig;
use spec::train::anchor::AnchorConfig;

use crate::anchor::{Anchor, AnchorBatch, Anchored, Fitting, Observed, Whole, check_number};
use crate::batch::TrainingCells;
use crate::error::Error;
use crate::tensors::{NamedTensor, TensorMap};

/// What is known of the targets, by index.
pub(super) struct TargetFacts {
    own_genes: Vec<Option<usize>>,
    none: Anchored,
    anchor: Anchoring,
}

/// How far the anchor is.
enum Anchoring {
    /// The run has none.
    Without,
    /// To be fitted.
    Wanted(AnchorConfig),
    /// Being fitted.
    Under(Box<Fitting>),
    /// Known.
    Known(Box<Known>),
}

struct Known {
    anchor: Anchor,
    of_targets: Vec<Anchored>,
    /// Whether it was fitted to the run's own cells.
    is_own: bool,
}

/// An anchor that a run begins with.
pub(super) struct Earlier {
    /// The anchor.
    pub anchor: Anchor,
    /// What was saved of the targets left out of it; none where it is that of an earlier checkpoint, or of a run that was
    /// saved without.
    pub left_out: Option<TensorMap>,
}

impl TargetFacts {
    /// The facts of the targets of `cells`, whose columns are `genes`. Of the anchor of an earlier checkpoint see
    /// [`keeps_earlier`].
    pub(super) fn new(
        config: &TrainConfig,
        cells: &TrainingCells,
        genes: &[String],
        earlier: Option<Earlier>,
    ) -> Result<Self, Error> {
        // Of columns with one name the first counts, as in a query.
        let column: HashMap<&str, usize> =
            genes.iter().enumerate().rev().map(|(at, gene)| (gene.as_str(), at)).collect();
        let own_genes: Vec<Option<usize>> =
            cells.targets().iter().map(|target| column.get(target.name.as_str()).copied()).collect();
        let mut facts = Self { own_genes, none: Anchored::none(cells.n_genes()), anchor: Anchoring::Without };
        let Some(settings) = &config.anchor else { return Ok(facts) };
        let n_fitted = cells.inhabited().len();
        facts.anchor = match earlier {
            Some(Earlier { anchor, left_out: Some(left_out) }) => {
                let left_out = facts.read(&left_out, cells)?;
                facts.known(cells, (anchor, left_out), true)
            }
            Some(Earlier { anchor, left_out: None }) if keeps_earlier(config, n_fitted) => {
                facts.known(cells, (anchor, Vec::new()), false)
            }
            _ => {
                check_number(n_fitted)?;
                Anchoring::Wanted(settings.clone())
            }
        };
        Ok(facts)
    }

    /// Does the next part of what has to be done before the first step; the parts done and all of them, or none where nothing
    /// is left.
    pub(super) fn prepare(&mut self, cells: &TrainingCells) -> Result<Option<(usize, usize)>, Error> {
        match &mut self.anchor {
            Anchoring::Without | Anchoring::Known(_) => Ok(None),
            Anchoring::Wanted(settings) => {
                let fitting = fitting(&self.own_genes, cells, settings)?;
                let n_parts = fitting.n_parts();
                self.anchor = Anchoring::Under(Box::new(fitting));
                Ok(Some((0, n_parts)))
            }
            Anchoring::Under(fitting) => {
                if let Some(whole) = fitting.advance()? {
                    let n_parts = fitting.n_parts();
                    self.anchor = self.known(cells, whole, true);
                    return Ok(Some((n_parts, n_parts)));
                }
                Ok(Some((fitting.n_done(), fitting.n_parts())))
            }
        }
    }

    /// What an anchor says of all targets; of those that it was fitted to, what was said without them.
    fn known(&self, cells: &TrainingCells, (anchor, left_out): Whole, is_own: bool) -> Anchoring {
        let mut of_targets = vec![None; cells.targets().len()];
        for (&target, said) in cells.inhabited().iter().zip(left_out) {
            of_targets[target as usize] = Some(said);
        }
        let targets = cells.targets().iter().zip(&self.own_genes);
        let of_targets = of_targets
            .into_iter()
            .zip(targets)
            .map(|(said, (target, gene))| said.unwrap_or_else(|| anchor.say(&target.vector, *gene)))
            .collect();
        Anchoring::Known(Box::new(Known { anchor, of_targets, is_own }))
    }

    /// The fitted anchor; none without one, or before it is fitted.
    pub(super) fn anchor(&self) -> Option<&Anchor> {
        match &self.anchor {
            Anchoring::Known(known) => Some(&known.anchor),
            Anchoring::Without | Anchoring::Wanted(_) | Anchoring::Under(_) => None,
        }
    }

    /// The tensors of the anchor, which is fitted for it where it is not yet; empty without one.
    pub(super) fn tensors(&self, cells: &TrainingCells) -> Result<TensorMap, Error> {
        let settings = match &self.anchor {
            Anchoring::Without => return Ok(TensorMap::new()),
            Anchoring::Known(known) => return Ok(known.anchor.to_tensors()),
            Anchoring::Wanted(settings) => settings,
            Anchoring::Under(fitting) => fitting.settings(),
        };
        let mut fitting = fitting(&self.own_genes, cells, settings)?;
        loop {
            if let Some((anchor, _)) = fitting.advance()? {
                return Ok(anchor.to_tensors());
            }
        }
    }

    /// What was said of the targets left out; empty where no anchor was fitted to these cells. [`TargetFacts::new`] reads it.
    pub(super) fn left_out(&self, cells: &TrainingCells) -> TensorMap {
        let Anchoring::Known(known) = &self.anchor else { return TensorMap::new() };
        if !known.is_own {
            return TensorMap::new();
        }
        let said: Vec<&Anchored> = cells.inhabited().iter().map(|&target| &known.of_targets[target as usize]).collect();
        let base = said.iter().flat_map(|said| said.base.iter().copied()).collect();
        let own_share = said.iter().map(|said| said.own.map_or(0.0, |(_, share)| share)).collect();
        [
            ("base", NamedTensor { shape: vec![said.len(), cells.n_genes()], values: base }),
            ("own_share", NamedTensor { shape: vec![said.len()], values: own_share }),
        ]
        .map(|(name, tensor)| (name.to_owned(), tensor))
        .into()
    }

    fn read(&self, tensors: &TensorMap, cells: &TrainingCells) -> Result<Vec<Anchored>, Error> {
        let (n, n_genes) = (cells.inhabited().len(), cells.n_genes());
        let take = |name: &str, shape: &[usize]| {
            let tensor = tensors.get(name).filter(|tensor| tensor.shape == shape && tensor.is_consistent());
            tensor.ok_or_else(|| Error::SavedRun {
                problem: format!("`left_out.{name}` is missing, or is not of shape {shape:?}; train anew"),
            })
        };
        let (base, own_share) = (take("base", &[n, n_genes])?, take("own_share", &[n])?);
        let said = |((at, &target), &share): ((usize, &u32), &f32)| {
            let gene = self.own_genes[target as usize].filter(|_| share != 0.0);
            let base = base.values[at * n_genes..(at + 1) * n_genes].to_vec();
            Anchored { base, own: gene.map(|gene| (gene, share)) }
        };
        Ok(cells.inhabited().iter().enumerate().zip(&own_share.values).map(said).collect())
    }

    /// The own genes of some targets; none is no perturbation.
    pub(super) fn own_genes<'a>(&'a self, targets: &'a [Option<u32>]) -> impl Iterator<Item = Option<usize>> + 'a {
        targets.iter().map(|target| target.and_then(|target| self.own_genes[target as usize]))
    }

    /// What the anchor says of some targets, on a device; nothing of any before it is fitted, which is enough to time steps.
    pub(super) fn anchored(&self, targets: &[Option<u32>], device: &Device) -> Option<AnchorBatch> {
        let known = match &self.anchor {
            Anchoring::Without => return None,
            Anchoring::Known(known) => known,
            Anchoring::Wanted(_) | Anchoring::Under(_) => {
                return Some(AnchorBatch::new(&vec![&self.none; targets.len()], &self.none.base, device));
            }
        };
        let said: Vec<&Anchored> = targets
            .iter()
            .map(|target| target.map_or(&self.none, |target| &known.of_targets[target as usize]))
            .collect();
        Some(AnchorBatch::new(&said, known.anchor.bound(), device))
    }
}

/// Whether the anchor of an earlier checkpoint stands: where `n_targets` are too few for one of their own, and where the
/// decoder, which corrects it, is not trained.
pub(super) fn keeps_earlier(config: &TrainConfig, n_targets: usize) -> bool {
    n_targets < 2 || config.decoder.n_steps == 0
}

fn fitting(own_genes: &[Option<usize>], cells: &TrainingCells, settings: &AnchorConfig) -> Result<Fitting, Error> {
    let control = mean_of(cells, cells.control_rows());
    let observed = cells.inhabited().iter().map(|&target| {
        let mean = mean_of(cells, cells.rows_of(target));
        let delta = mean.iter().zip(&control).map(|(mean, control)| mean - control).collect();
        let vector = cells.targets()[target as usize].vector.clone();
        Observed { vector, gene: own_genes[target as usize], delta }
    });
    Fitting::new(observed.collect(), control.clone(), settings)
}

/// Mean of some rows, each weighed by the cells that it stands for; zeros of none.
fn mean_of(cells: &TrainingCells, rows: impl Iterator<Item = u32>) -> Vec<f64> {
    let (mut sum, mut total) = (vec![0.0; cells.n_genes()], 0.0);
    for row in rows {
        let n_cells = cells.cells_of_row(row as usize);
        total += n_cells;
        for (gene, value) in cells.rows().row(row as usize) {
            sum[gene as usize] += n_cells * f64::from(value);
        }
    }
    let total = if total > 0.0 { total } else { 1.0 };
    sum.iter_mut().for_each(|sum| *sum /= total);
    sum
}

#[cfg(test)]
mod tests {
    use cells::counts::Counts;

    use super::*;
    use crate::batch::{Role, Target};

    /// Two controls, two cells of each of two targets; each row comes `n` times, or stands for `n` cells.
    fn cells(n: [usize; 6], is_repeated: bool) -> TrainingCells {
        let rows =
            [[1.0, 4.0, 2.0], [3.0, 2.0, 2.0], [0.5, 3.0, 2.5], [1.5, 3.0, 1.5], [2.0, 1.0, 4.0], [2.0, 0.5, 3.0]];
        let roles = [
            Role::Control,
            Role::Control,
            Role::Perturbed(0),
            Role::Perturbed(0),
            Role::Perturbed(1),
            Role::Perturbed(1),
        ];
        let times = |at: usize| if is_repeated { n[at] } else { 1 };
        let dense: Vec<f32> = (0..6).flat_map(|at| rows[at].repeat(times(at))).collect();
        let roles: Vec<Role> = (0..6).flat_map(|at| vec![roles[at]; times(at)]).collect();
        let target = |name: &str, vector: [f32; 2]| Target { name: name.into(), vector: vector.to_vec() };
        let targets = vec![target("A", [1.0, 0.5]), target("B", [0.0, 1.0])];
        let rows = Counts::from_dense(&dense, 3).expect("rows are whole");
        let cells_per_row = n.map(|n| n as f64);
        TrainingCells::new(rows, &roles, None, targets)
            .and_then(|cells| cells.standing_for((!is_repeated).then_some(&cells_per_row[..])))
            .expect("all parts fit")
    }

    fn facts(cells: &TrainingCells, genes: [&str; 3]) -> TargetFacts {
        let mut config = TrainConfig { anchor: Some(AnchorConfig::default()), ..TrainConfig::default() };
        config.decoder.n_steps = 1;
        TargetFacts::new(&config, cells, &genes.map(String::from), None).expect("two targets")
    }

    #[test]
    fn of_genes_with_one_name_the_first_is_the_own_gene() {
        assert_eq!(facts(&cells([1; 6], true), ["x", "A", "A"]).own_genes, [Some(1), None]);
    }

    #[test]
    fn a_row_weighs_as_the_cells_that_it_stands_for() {
        let tensors = |n: [usize; 6], is_repeated: bool| {
            let cells = cells(n, is_repeated);
            facts(&cells, ["A", "B", "x"]).tensors(&cells).expect("finite")
        };
        let n = [3, 1, 4, 1, 2, 5];
        let (repeated, weighed, plain) = (tensors(n, true), tensors(n, false), tensors([1; 6], false));
        for (name, tensor) in &repeated {
            // Sums in another order, rounded to f32.
            let close = |other: &TensorMap| {
                tensor.values.iter().zip(&other[name].values).all(|(a, b)| (a - b).abs() < 1e-6 * a.abs().max(1.0))
            };
            assert!(close(&weighed), "{name}");
            assert!(!close(&plain) || ["vectors", "strength_power"].contains(&name.as_str()), "{name} shows nothing");
        }
    }

    #[test]
    fn what_was_fitted_is_saved_and_read() {
        let cells = cells([1; 6], true);
        let mut facts = facts(&cells, ["A", "x", "y"]);
        assert!(facts.anchor().is_none() && facts.left_out(&cells).is_empty());
        let mut parts = Vec::new();
        while let Some((n_done, n_parts)) = facts.prepare(&cells).expect("finite") {
            parts.push((n_done, n_parts));
        }
        // Each of two is left out, then both are fitted.
        assert_eq!(parts, [(0, 3), (1, 3), (2, 3), (3, 3)]);
        let anchor = facts.anchor().expect("it was fitted").clone();
        let left_out = facts.left_out(&cells);
        assert_eq!(left_out["own_share"].values[1], 0.0, "B is none of the genes");
        assert!(left_out["own_share"].values[0] == 0.0 && anchor.to_tensors()["own_share"].values[0] < 0.0);
        let read = facts.read(&left_out, &cells).expect("its own");
        let Anchoring::Known(known) = &facts.anchor else { panic!("it was fitted") };
        assert_eq!(read, known.of_targets);
        let short = TensorMap::new();
        let error = facts.read(&short, &cells).expect_err("nothing there").to_string();
        assert!(error.contains("left_out.base"), "{error}");
    }
}
