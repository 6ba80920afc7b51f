//! Genes that tell groups of cells apart: clusters, labels, or cells that a person chose.
//!
//! Expression is turned from cells to genes some genes at a time, so that the turned part stays small.

use std::ops::Range;

use atlas::markers::columns::Columns;
use atlas::markers::{MarkerConfig, Markers, Reference, Test, Work};
use cells::counts::CellView;
use spec::map::{GroupMarkers, Grouping, Marker, MarkerOptions, MarkerTable, MarkerTest};

use crate::failure::EngineError;
use crate::look::Looked;
use crate::population::Population;
use crate::task::Task;

/// Values of genes that are turned at once, about: 8 bytes each.
const N_TURNED: usize = 8 << 20;
/// Groups that are compared at most.
const MAX_GROUPS: usize = 500;

/// Markers of all genes.
pub struct AllMarkers {
    grouping: Grouping,
    options: MarkerOptions,
    names: Vec<String>,
    sizes: Vec<usize>,
    symbols: Vec<String>,
    found: Vec<Markers>,
    warnings: Vec<String>,
}

/// Groups of the kept cells.
pub(crate) struct Groups {
    /// Their names.
    pub names: Vec<String>,
    /// By place among the kept cells.
    pub of_cell: Vec<Option<usize>>,
    warnings: Vec<String>,
}

/// Finds the markers of groups.
pub async fn markers(
    task: &mut Task,
    population: &Population,
    looked: &Looked,
    grouping: Grouping,
    options: MarkerOptions,
) -> Result<AllMarkers, EngineError> {
    let Groups { names, of_cell, mut warnings } = groups(population, looked, &grouping)?.without_small()?;
    let reference = match &options.reference {
        None => Reference::Rest,
        Some(name) => Reference::Group(names.iter().position(|known| known == name).ok_or_else(|| {
            EngineError::Groups(format!("{name} is no group of {}; there are: {}", grouping.label(), names.join(", ")))
        })?),
    };
    let mut sizes = vec![0; names.len()];
    of_cell.iter().flatten().for_each(|&group| sizes[group] += 1);
    let test = match options.test {
        MarkerTest::Welch => Test::Welch,
        MarkerTest::Wilcoxon => Test::Wilcoxon { tie_correct: false },
        MarkerTest::WilcoxonTies => Test::Wilcoxon { tie_correct: true },
    };
    let config = MarkerConfig { test, reference, ..MarkerConfig::default() };
    let view = CellView::of(&population.expression, population.kept_rows());
    let mut stretch = task.begin("Comparing the groups", "genes", view.n_genes()).await?;
    let mut parts: Vec<Vec<Markers>> = Vec::new();
    for genes in portions(view) {
        let columns = turned(view, &genes)?;
        let mut work = Work::new(columns, &of_cell, names.len(), &config)?;
        while let Some(done) = work.advance() {
            stretch.reached(genes.start + done).await?;
        }
        parts.push(work.finish());
    }
    if view.n_genes() == 0 {
        warnings.push("There are no genes to compare.".into());
    }
    let found = Markers::joined(parts);
    Ok(AllMarkers { grouping, options, names, sizes, symbols: population.symbols.clone(), found, warnings })
}

impl AllMarkers {
    /// The best genes of each group.
    pub fn told(&self) -> MarkerTable {
        let of_group = |found: &Markers| GroupMarkers {
            name: self.names[found.group].clone(),
            n_cells: self.sizes[found.group],
            markers: found.order.iter().take(self.options.n_told).map(|&gene| self.marker(found, gene)).collect(),
        };
        MarkerTable {
            grouping: match &self.grouping {
                // A person knows which cells they chose.
                Grouping::Selection { .. } => Grouping::Selection { rows: Vec::new() },
                other => other.clone(),
            },
            options: self.options.clone(),
            n_genes: self.symbols.len(),
            groups: self.found.iter().map(of_group).collect(),
            warnings: self.warnings.clone(),
        }
    }

    /// Every gene of every group, in scanpy's columns.
    pub fn csv(&self) -> String {
        let mut csv = String::from("group,names,scores,logfoldchanges,pvals,pvals_adj,pct_nz_group,pct_nz_reference\n");
        for found in &self.found {
            let group = crate::export::quoted(&self.names[found.group]);
            for &gene in &found.order {
                let Marker { gene, score, log2_fold_change, p, p_adjusted, fraction, fraction_rest } =
                    self.marker(found, gene);
                let gene = crate::export::quoted(&gene);
                csv.push_str(&format!(
                    "{group},{gene},{score},{log2_fold_change},{p:e},{p_adjusted:e},{fraction},{fraction_rest}\n"
                ));
            }
        }
        csv
    }

    /// What was compared, and how: for the methods.
    pub fn words(&self) -> String {
        let test = self.options.test.label();
        let against = match &self.options.reference {
            None => "all other cells".to_owned(),
            Some(name) => format!("the cells of {name}"),
        };
        format!("Genes were ranked for each group of {} against {against} by {test}", self.grouping.label())
    }

    fn marker(&self, found: &Markers, gene: usize) -> Marker {
        Marker {
            gene: self.symbols[gene].clone(),
            score: found.scores[gene],
            log2_fold_change: found.log_fold_changes[gene],
            p: found.p_values[gene],
            p_adjusted: found.p_adjusted[gene],
            fraction: found.fraction[gene],
            fraction_rest: found.fraction_rest[gene],
        }
    }
}

/// The groups of the kept cells.
///
/// # Errors
/// Where there are no such clusters or labels.
pub(crate) fn groups(population: &Population, looked: &Looked, grouping: &Grouping) -> Result<Groups, EngineError> {
    let kept = population.kept_rows();
    let (names, of_cell) = match grouping {
        Grouping::Clusters { representation } => {
            let mapped = looked.mapped(*representation).ok_or_else(|| {
                EngineError::Groups(format!("there are no clusters of {} yet", representation.label()))
            })?;
            let names: Vec<String> = (0..mapped.sizes.len()).map(|cluster| cluster.to_string()).collect();
            let cluster = |&row: &usize| Some(mapped.clusters[row] as usize).filter(|&cluster| cluster < names.len());
            let of_cell = kept.iter().map(cluster).collect();
            (names, of_cell)
        }
        Grouping::Column { name } => {
            let labels = population.labels(name)?;
            (labels.names, labels.of_cell)
        }
        Grouping::Perturbation => {
            let labels = population
                .perturbations
                .as_ref()
                .ok_or_else(|| EngineError::Groups("no column of perturbations was chosen for these cells".into()))?;
            (labels.names.clone(), kept.iter().map(|&row| Some(labels.codes[row] as usize)).collect())
        }
        Grouping::Selection { rows } => {
            let mut is_chosen = vec![false; population.expression.n_cells()];
            for &row in rows {
                if let Some(chosen) = is_chosen.get_mut(row as usize) {
                    *chosen = true;
                }
            }
            (vec!["selection".into()], kept.iter().map(|&row| is_chosen[row].then_some(0)).collect())
        }
    };
    Ok(Groups { names, of_cell, warnings: Vec::new() })
}

impl Groups {
    /// Groups of fewer than two cells are left out, their cells part of the rest.
    fn without_small(mut self) -> Result<Self, EngineError> {
        let mut sizes = vec![0; self.names.len()];
        self.of_cell.iter().flatten().for_each(|&group| sizes[group] += 1);
        let is_small = |group: usize| sizes[group] < 2;
        let small: Vec<&str> =
            (0..sizes.len()).filter(|&group| sizes[group] == 1).map(|group| self.names[group].as_str()).collect();
        if !small.is_empty() {
            let list = small.join(", ");
            self.warnings.push(format!("A test needs two cells: {list} has one and is only part of the others."));
        }
        let left: Vec<usize> = (0..sizes.len()).filter(|&group| !is_small(group)).collect();
        if left.is_empty() {
            return Err(EngineError::Groups("no group has the two cells that a test needs".into()));
        }
        if left.len() > MAX_GROUPS {
            let n = left.len();
            return Err(EngineError::Groups(format!("{n} groups are too many to compare; {MAX_GROUPS} are the most")));
        }
        let mut place = vec![None; sizes.len()];
        left.iter().enumerate().for_each(|(at, &group)| place[group] = Some(at));
        self.names = left.iter().map(|&group| self.names[group].clone()).collect();
        self.of_cell.iter_mut().for_each(|group| *group = group.and_then(|group| place[group]));
        Ok(self)
    }
}

/// Ranges of genes with about [`N_TURNED`] values each.
fn portions(view: CellView<'_>) -> Vec<Range<usize>> {
    let mut n_values = vec![0; view.n_genes()];
    view.rows().for_each(|row| row.genes().for_each(|gene| n_values[gene as usize] += 1));
    let (mut portions, mut start, mut sum) = (Vec::new(), 0, 0);
    for (gene, n) in n_values.into_iter().enumerate() {
        if sum > 0 && sum + n > N_TURNED {
            portions.push(start..gene);
            (start, sum) = (gene, 0);
        }
        sum += n;
    }
    if start < view.n_genes() {
        portions.push(start..view.n_genes());
    }
    portions
}

fn turned(view: CellView<'_>, genes: &Range<usize>) -> Result<Columns<'static>, EngineError> {
    let (first, last) = (genes.start as u32, genes.end as u32);
    let row = |cell: usize| {
        view.row(cell).skip_while(move |&(gene, _)| gene < first).take_while(move |&(gene, _)| gene < last)
    };
    let row = |cell: usize| row(cell).map(move |(gene, value)| (gene - first, value));
    Ok(Columns::from_rows(view.n_cells(), genes.len(), row)?)
}
