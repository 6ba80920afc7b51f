//! What was measured: the mean response to every perturbation, with its vector, its genes and its cells.

use std::collections::BTreeSet;

use cells::data::UNLABELLED;
use cells::split::Condition;
use jepa::bank::Bank;
use jepa::batch::push_row;
use jepa::eval::baselines::ridge::unit;
use jepa::eval::pairs::by_magnitude;
use jepa::eval::response::{GroupMean, Response, group_mean, response};
use jepa::train::assemble::Material;
use spec::evaluation::EvaluationConfig;
use spec::metrics::{LeftOut, Undefined};

use crate::failure::EngineError;

/// Cells to evaluate on.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// Name of their file.
    pub name: &'a str,
    /// The cells.
    pub material: &'a Material,
    /// Genes that the file lacks: columns of zeros.
    pub missing: &'a [usize],
}

/// One perturbation.
pub(super) struct Target {
    pub name: String,
    /// What is perturbed: one gene, or several.
    pub parts: Vec<String>,
    pub rows: Vec<usize>,
    pub response: Response,
    /// Mean profile (log1p units); NaN for genes that the file lacks.
    pub mean: Vec<f32>,
    /// Column of the perturbed gene; none for several, or where it is not measured.
    pub own_gene: Option<usize>,
    /// Sum of the parts' vectors, each of length 1; none where one has none.
    pub vector: Option<Vec<f32>>,
    /// |t| of the change per gene (Welch); 0 where there is no spread.
    pub scores: Vec<f64>,
    /// Genes by falling |t|.
    pub ranking: Vec<usize>,
}

/// The perturbations with enough cells, and the controls.
pub(super) struct Screen<'a> {
    pub subject: &'a Subject<'a>,
    pub bank: Option<&'a Bank>,
    pub control: GroupMean,
    pub control_rows: Vec<usize>,
    pub targets: Vec<Target>,
    pub left_out: Vec<LeftOut>,
    n_unlabelled: usize,
}

impl<'a> Screen<'a> {
    pub fn new(
        subject: &'a Subject<'a>,
        bank: Option<&'a Bank>,
        config: &EvaluationConfig,
    ) -> Result<Self, EngineError> {
        let material = subject.material;
        let no = |what: &str| EngineError::Evaluation(what.to_owned());
        let labels = material
            .labels
            .as_ref()
            .ok_or_else(|| no("nobody has said what was done to each cell: choose the column of the perturbations"))?;
        let control = labels.control.ok_or_else(|| no("no label is known to be the controls': choose it"))?;
        let control_rows = labels.cells_of(control);
        let mut screen = Self {
            subject,
            bank,
            control: mean_of(material, &control_rows)
                .ok_or_else(|| no("there is not one control cell, so there is nothing to measure a change against"))?,
            control_rows,
            targets: Vec::new(),
            left_out: Vec::new(),
            n_unlabelled: 0,
        };
        for (code, name) in labels.names.iter().enumerate().filter(|(code, _)| *code != control) {
            let rows = labels.cells_of(code);
            if name == UNLABELLED {
                screen.n_unlabelled = rows.len();
                continue;
            }
            let Some(mean) = mean_of(material, &rows) else { continue };
            if mean.n_cells < config.min_cells {
                let reason = Undefined::TooFewCells;
                screen.left_out.push(LeftOut { target: name.clone(), n_cells: mean.n_cells, reason });
                continue;
            }
            let target = screen.target(name, rows, mean);
            screen.targets.push(target);
        }
        Ok(screen)
    }

    fn target(&self, name: &str, rows: Vec<usize>, group: GroupMean) -> Target {
        let parts = Condition::named(name).targets;
        let response = response(name, &group, &self.control);
        let t = |(delta, error): (&f32, &f32)| {
            if *error > 0.0 { f64::from((delta / error).abs()) } else { 0.0 }
        };
        let scores: Vec<f64> = response.delta.iter().zip(&response.standard_error).map(t).collect();
        let genes = &self.subject.material.genes;
        let mut mean = group.mean;
        self.subject.missing.iter().for_each(|&gene| mean[gene] = f32::NAN);
        Target {
            own_gene: match &parts[..] {
                [one] => genes.iter().position(|gene| gene == one),
                _ => None,
            },
            vector: self.bank.and_then(|bank| summed(bank, &parts)),
            name: name.to_owned(),
            parts,
            rows,
            response,
            mean,
            ranking: by_magnitude(&scores),
            scores,
        }
    }

    /// Cells of the perturbations and of control.
    pub fn n_cells(&self) -> usize {
        self.control.n_cells + self.targets.iter().map(|target| target.response.n_cells).sum::<usize>()
    }

    /// A perturbation by its name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.targets.iter().position(|target| target.name == name)
    }

    /// A row as one number a gene.
    pub fn dense(&self, row: usize) -> Vec<f32> {
        let mut values = Vec::new();
        push_row(&self.subject.material.expression, row, &mut values);
        values
    }

    /// Mean of some rows.
    pub fn mean_of(&self, rows: &[usize]) -> Option<GroupMean> {
        mean_of(self.subject.material, rows)
    }

    /// Whether rows are single cells.
    pub fn has_single_cells(&self) -> bool {
        self.subject.material.cells_per_row.is_none()
    }

    /// What is not as one would expect of the data.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.left_out.is_empty() {
            let named: Vec<String> =
                self.left_out.iter().map(|left| format!("{} ({})", left.target, left.n_cells)).collect();
            problems.push(format!(
                "Left out, for too few cells to have a mean: {}.",
                listed(named.iter().map(String::as_str))
            ));
        }
        if self.n_unlabelled > 0 {
            problems.push(format!("{} cells have no label, or one that means nothing: left out.", self.n_unlabelled));
        }
        match self.bank {
            None => problems.push(
                "No vectors of perturbations: the methods that go by them (neighbours, linear on vectors, ridge, kernel \
                 ridge) are left out."
                    .into(),
            ),
            Some(_) => {
                let without: BTreeSet<&str> =
                    self.targets.iter().filter(|t| t.vector.is_none()).map(|t| t.name.as_str()).collect();
                if !without.is_empty() {
                    problems.push(format!("No vector: {}.", listed(without.into_iter())));
                }
            }
        }
        if !self.subject.missing.is_empty() {
            problems.push(format!(
                "{} of the model's {} genes are not in the cells: the model reads them as 0, and they are not scored.",
                self.subject.missing.len(),
                self.subject.material.genes.len()
            ));
        }
        problems
    }
}

fn mean_of(material: &Material, rows: &[usize]) -> Option<GroupMean> {
    let dense = rows.iter().map(|&row| {
        let mut values = Vec::new();
        push_row(&material.expression, row, &mut values);
        (values, material.cells_per_row.as_ref().map_or(1.0, |cells| cells[row]))
    });
    group_mean(material.expression.n_genes(), dense)
}

/// Sum of the parts' vectors, each brought to length 1.
fn summed(bank: &Bank, parts: &[String]) -> Option<Vec<f32>> {
    let mut sum: Option<Vec<f32>> = None;
    for part in parts {
        let vector = unit(&bank.vector(part)?);
        match &mut sum {
            Some(sum) => sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value),
            None => sum = Some(vector),
        }
    }
    sum
}

/// Names, at most twenty of them.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let n = names.len();
    let shown: Vec<&str> = names.take(20).collect();
    if n > shown.len() { format!("{} and {} more", shown.join(", "), n - shown.len()) } else { shown.join(", ") }
}
