//! What is compared: the perturbations with enough cells, on the genes that all of them measured.

use spec::metrics::{LeftOut, Undefined};

use super::{Evidence, Method, TableError};
use crate::eval::cell_eval::{Tests, differential::differential, energy_distance};
use crate::eval::gears::{N_TOP, Spread, first_of, not_dropped_out};
use crate::eval::pairs::{Score, widen};

/// One perturbation on the genes compared.
pub(super) struct Prepared {
    pub control: Vec<f64>,
    pub targets: Vec<PreparedTarget>,
    pub left_out: Vec<LeftOut>,
    control_cells: Option<Vec<Vec<f32>>>,
    /// Columns that are compared.
    genes: Vec<usize>,
    /// Perturbations that are, by their place in the evidence.
    kept: Vec<usize>,
}

pub(super) struct PreparedTarget {
    pub name: String,
    pub mean: Vec<f64>,
    pub change: Vec<f64>,
    pub own_gene: Option<usize>,
    pub training_mean: Option<Vec<f64>>,
    pub ranking: Option<Vec<usize>>,
    /// The first 20 of the ranking that do not drop out.
    pub top: Option<Vec<usize>>,
    pub scores: Option<Vec<f64>>,
    pub spread: Option<Spread>,
    pub tests: Result<Tests, Undefined>,
    pub energy: Score,
}

/// One method's predictions on the same.
pub(super) struct Side {
    pub means: Vec<Vec<f64>>,
    pub changes: Vec<Vec<f64>>,
    pub tests: Vec<Result<Tests, Undefined>>,
    pub energies: Vec<Score>,
}

impl Prepared {
    pub fn new(evidence: &Evidence<'_>, min_cells: usize) -> Result<Self, TableError> {
        check_shapes(evidence)?;
        let has_cells = |at: &usize| evidence.targets[*at].n_cells >= min_cells;
        let (kept, few): (Vec<usize>, Vec<usize>) = (0..evidence.targets.len()).partition(has_cells);
        if kept.is_empty() {
            return Err(TableError::NoTargets { min_cells });
        }
        let measured = |gene: &usize| {
            evidence.control[*gene].is_finite()
                && kept.iter().all(|&at| {
                    let target = &evidence.targets[at];
                    target.mean[*gene].is_finite() && target.training_mean.is_none_or(|mean| mean[*gene].is_finite())
                })
        };
        let genes: Vec<usize> = (0..evidence.control.len()).filter(measured).collect();
        if genes.is_empty() {
            return Err(TableError::NoGenes);
        }
        let left_out = few
            .into_iter()
            .map(|at| &evidence.targets[at])
            .map(|target| LeftOut {
                target: target.name.into(),
                n_cells: target.n_cells,
                reason: Undefined::TooFewCells,
            })
            .collect();
        let mut prepared = Self {
            control: widen(&chosen(evidence.control, &genes)),
            control_cells: evidence.control_cells.map(|cells| all_chosen(cells, &genes)),
            targets: Vec::new(),
            left_out,
            genes,
            kept,
        };
        prepared.targets = prepared.kept.iter().map(|&at| prepared.target(&evidence.targets[at])).collect();
        Ok(prepared)
    }

    fn target(&self, target: &super::Target<'_>) -> PreparedTarget {
        let column = |gene: usize| self.genes.binary_search(&gene).ok();
        let mean = widen(&chosen(target.mean, &self.genes));
        let ranking: Option<Vec<usize>> =
            target.ranking.map(|ranking| ranking.iter().filter_map(|&gene| column(gene)).collect());
        let kept = not_dropped_out(&mean, &self.control);
        let cells = target.cells.map(|cells| all_chosen(cells, &self.genes));
        PreparedTarget {
            name: target.name.into(),
            change: minus(&mean, &self.control),
            own_gene: target.own_gene.and_then(column),
            training_mean: target.training_mean.map(|mean| widen(&chosen(mean, &self.genes))),
            top: ranking.as_ref().map(|ranking| first_of(ranking, &kept, N_TOP)),
            scores: target.scores.map(|scores| self.genes.iter().map(|&gene| scores[gene]).collect()),
            spread: cells.as_ref().and_then(|cells| Spread::of(&as_rows(cells))),
            tests: target.tested.map_or_else(|| self.tested(cells.as_deref()), |tested| tested.tests.clone()),
            energy: target.tested.map_or_else(|| self.energy(cells.as_deref()), |tested| tested.energy),
            ranking,
            mean,
        }
    }

    fn tested(&self, cells: Option<&[Vec<f32>]>) -> Result<Tests, Undefined> {
        match (cells, &self.control_cells) {
            (Some(cells), Some(control)) => differential(&as_rows(cells), &as_rows(control)),
            _ => Err(Undefined::NotGiven),
        }
    }

    fn energy(&self, cells: Option<&[Vec<f32>]>) -> Score {
        match (cells, &self.control_cells) {
            (Some(cells), Some(control)) => energy_distance(&as_rows(cells), &as_rows(control)),
            _ => Err(Undefined::NotGiven),
        }
    }
}

impl Side {
    pub fn new(method: &Method<'_>, evidence: &Evidence<'_>, prepared: &Prepared) -> Result<Self, TableError> {
        let (expected, n_genes) = (evidence.targets.len(), evidence.control.len());
        let n_cells = method.cells.as_ref().map_or(expected, Vec::len);
        let n_tested = method.tested.as_ref().map_or(expected, Vec::len);
        if method.means.len() != expected || n_cells != expected || n_tested != expected {
            let found = method.means.len().min(n_cells).min(n_tested);
            return Err(TableError::Predictions { method: method.name.into(), found, expected });
        }
        let cells = method.cells.iter().flatten().flat_map(|cells| cells.iter().copied());
        if let Some(row) = method.means.iter().copied().chain(cells).find(|row| row.len() != n_genes) {
            return Err(TableError::Genes { what: method.name.into(), found: row.len(), expected: n_genes });
        }
        let means: Vec<Vec<f64>> =
            prepared.kept.iter().map(|&at| widen(&chosen(method.means[at], &prepared.genes))).collect();
        let cells: Vec<Option<Vec<Vec<f32>>>> = prepared
            .kept
            .iter()
            .map(|&at| method.cells.as_ref().map(|cells| all_chosen(cells[at], &prepared.genes)))
            .collect();
        let (tests, energies) = match &method.tested {
            Some(tested) => prepared.kept.iter().map(|&at| (tested[at].tests.clone(), tested[at].energy)).unzip(),
            None => {
                let both = |cells: &Option<Vec<Vec<f32>>>| {
                    (prepared.tested(cells.as_deref()), prepared.energy(cells.as_deref()))
                };
                cells.iter().map(both).unzip()
            }
        };
        Ok(Self { changes: means.iter().map(|mean| minus(mean, &prepared.control)).collect(), tests, energies, means })
    }
}

/// Whether everything is on the genes of control.
fn check_shapes(evidence: &Evidence<'_>) -> Result<(), TableError> {
    let n_genes = evidence.control.len();
    let check = |what: &str, found: usize| {
        if found == n_genes {
            return Ok(());
        }
        Err(TableError::Genes { what: what.into(), found, expected: n_genes })
    };
    for target in &evidence.targets {
        check(target.name, target.mean.len())?;
        for cell in target.cells.unwrap_or_default() {
            check(&format!("a cell of {}", target.name), cell.len())?;
        }
        if let Some(scores) = target.scores {
            check(&format!("the scores of {}", target.name), scores.len())?;
        }
        if let Some(mean) = target.training_mean {
            check("the mean of training", mean.len())?;
        }
    }
    for cell in evidence.control_cells.unwrap_or_default() {
        check("a control cell", cell.len())?;
    }
    Ok(())
}

fn chosen(row: &[f32], genes: &[usize]) -> Vec<f32> {
    genes.iter().map(|&gene| row[gene]).collect()
}

fn all_chosen(rows: &[&[f32]], genes: &[usize]) -> Vec<Vec<f32>> {
    rows.iter().map(|row| chosen(row, genes)).collect()
}

fn as_rows(cells: &[Vec<f32>]) -> Vec<&[f32]> {
    cells.iter().map(Vec::as_slice).collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}
