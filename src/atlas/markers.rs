//! Genes that tell groups of cells apart, as `scanpy.tl.rank_genes_groups` finds them: each group against one reference
//! group, or against all cells that are not in it.
//!
//! [`columns`] is the expression by gene, [`welch`] and [`wilcoxon`] are the tests, [`adjust`] the correction for many
//! genes. Sums are f64 about the mean, where scanpy subtracts a squared mean: a gene that is the same in all cells has
//! variance 0 here, not the remains of rounding.

pub mod adjust;
pub mod columns;
pub mod welch;
pub mod wilcoxon;

use thiserror::Error;

use crate::markers::adjust::benjamini_hochberg;
use crate::markers::columns::Columns;
use crate::markers::wilcoxon::Ranks;

/// What to compare, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct MarkerConfig {
    /// Default: Welch's t-test.
    pub test: Test,
    /// Default: all other cells.
    pub reference: Reference,
    /// Base of the logarithm that was taken of the values: fold changes are of what was logged. Default: e.
    pub log_base: f64,
    /// Genes are ordered by the score's magnitude, not from the highest to the lowest. Default: no.
    pub rank_by_magnitude: bool,
}

impl Default for MarkerConfig {
    fn default() -> Self {
        Self { test: Test::Welch, reference: Reference::Rest, log_base: std::f64::consts::E, rank_by_magnitude: false }
    }
}

/// A test of two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Welch's t-test: scanpy's `t-test`.
    Welch,
    /// Welch's t-test as if the reference had no more cells than the group: scanpy's `t-test_overestim_var`.
    WelchOverestimated,
    /// The rank sum by its normal approximation, without a correction for continuity.
    Wilcoxon {
        /// The variance is corrected for equal values (most counts are): scanpy's `tie_correct`, off by default there.
        tie_correct: bool,
    },
}

/// What a group is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// All cells outside the group, those of no group among them.
    Rest,
    /// The cells of one group, which then has no markers of its own.
    Group(usize),
}

/// Why there are no markers.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum MarkerError {
    /// Groups and expression do not belong together.
    #[error("{n_labels} cells have a group, but expression is of {n_cells}; give each cell one entry")]
    Length {
        /// Entries of the groups.
        n_labels: usize,
        /// Cells of the matrix.
        n_cells: usize,
    },
    /// A group number that is not below the number of groups.
    #[error("group {group} is named, but there are {n_groups} groups; number them from 0")]
    NoSuchGroup {
        /// The number.
        group: usize,
        /// Groups there are.
        n_groups: usize,
    },
    /// One cell has no variance.
    #[error("group {group} has {n_cells} cells, and a test needs 2; leave the group out or join it with another")]
    TooFewCells {
        /// The group.
        group: usize,
        /// Its cells.
        n_cells: usize,
    },
    /// There is nothing to compare a group with.
    #[error("outside group {group} there are {n_cells} cells, and a test needs 2; compare at least two groups")]
    TooFewOthers {
        /// The group.
        group: usize,
        /// Cells outside it.
        n_cells: usize,
    },
    /// A base that logarithms cannot have.
    #[error("values cannot be logarithms to the base {base}; give a base above 0 that is not 1")]
    Base {
        /// The base.
        base: f64,
    },
}

/// What a test says of every gene, for one group.
#[derive(Debug, Clone, PartialEq)]
pub struct Markers {
    /// The group.
    pub group: usize,
    /// Genes in the order of their scores, the first the best marker; genes of equal score by index.
    pub order: Vec<usize>,
    /// t, or z of the rank sum, by gene: positive where the group is higher. 0 where nothing varies.
    pub scores: Vec<f64>,
    /// Two-sided, by gene. 1 where nothing varies.
    pub p_values: Vec<f64>,
    /// After Benjamini and Hochberg, over all genes of the group.
    pub p_adjusted: Vec<f64>,
    /// Base 2, of the means of the logged values brought back, as scanpy takes them.
    pub log_fold_changes: Vec<f64>,
    /// Share of the group's cells in which the gene is not 0.
    pub fraction: Vec<f64>,
    /// The same for the cells that the group is compared with.
    pub fraction_rest: Vec<f64>,
}

/// Markers of every group, in one go: [`Work`] driven to its end. `groups` has a number below `n_groups`, or none, for
/// every cell.
///
/// # Errors
/// As [`Work::new`].
pub fn markers(
    expression: Columns<'_>,
    groups: &[Option<usize>],
    n_groups: usize,
    config: &MarkerConfig,
) -> Result<Vec<Markers>, MarkerError> {
    let mut work = Work::new(expression, groups, n_groups, config)?;
    while work.advance().is_some() {}
    Ok(work.finish())
}

/// Values that are gone through between two pauses, at least.
const PORTION: usize = 100_000;

/// Tests under way, gene by gene.
pub struct Work<'a> {
    expression: Columns<'a>,
    groups: &'a [Option<usize>],
    config: MarkerConfig,
    sizes: Vec<usize>,
    ranks: Ranks,
    at: usize,
    result: Vec<Markers>,
}

impl<'a> Work<'a> {
    /// Begins.
    ///
    /// # Errors
    /// Groups that do not fit the matrix or each other, a group of a single cell, nothing to compare with.
    pub fn new(
        expression: Columns<'a>,
        groups: &'a [Option<usize>],
        n_groups: usize,
        config: &MarkerConfig,
    ) -> Result<Self, MarkerError> {
        let n_cells = expression.n_cells();
        if groups.len() != n_cells {
            return Err(MarkerError::Length { n_labels: groups.len(), n_cells });
        }
        let base = config.log_base;
        if !(base > 0.0 && base.is_finite() && base != 1.0) {
            return Err(MarkerError::Base { base });
        }
        // With more groups than cells one is empty; that many are not counted.
        if n_groups > n_cells {
            let mut is_known = vec![false; n_cells + 1];
            for &group in groups.iter().flatten() {
                if let Some(known) = is_known.get_mut(group) {
                    *known = true;
                }
            }
            let group = is_known.iter().position(|known| !known).unwrap_or(n_cells);
            return Err(MarkerError::TooFewCells { group, n_cells: 0 });
        }
        let mut sizes = vec![0; n_groups];
        for &group in groups.iter().flatten() {
            *sizes.get_mut(group).ok_or(MarkerError::NoSuchGroup { group, n_groups })? += 1;
        }
        let reference = match config.reference {
            Reference::Rest => None,
            Reference::Group(group) if group < n_groups => Some(group),
            Reference::Group(group) => return Err(MarkerError::NoSuchGroup { group, n_groups }),
        };
        for (group, &size) in sizes.iter().enumerate() {
            if size < 2 {
                return Err(MarkerError::TooFewCells { group, n_cells: size });
            }
            if reference.is_none() && n_cells - size < 2 {
                return Err(MarkerError::TooFewOthers { group, n_cells: n_cells - size });
            }
        }
        let result = (0..n_groups).filter(|&group| reference != Some(group)).map(Markers::none_yet).collect();
        let ranks = Ranks::new(n_groups);
        Ok(Self { expression, groups, config: config.clone(), sizes, ranks, at: 0, result })
    }

    /// Genes in all.
    pub fn total(&self) -> usize {
        self.expression.n_genes()
    }

    /// Goes on by some genes; says how many are done, none when all are.
    pub fn advance(&mut self) -> Option<usize> {
        if self.at == self.total() {
            return None;
        }
        let mut n_values = 0;
        while self.at < self.total() && n_values < PORTION {
            n_values += self.sizes.len() + self.expression.column(self.at).len();
            self.test_gene(self.at);
            self.at += 1;
        }
        if self.at == self.total() {
            let by_magnitude = self.config.rank_by_magnitude;
            self.result.iter_mut().for_each(|markers| markers.complete(by_magnitude));
        }
        Some(self.at)
    }

    /// The markers by group, the reference left out, once [`Self::advance`] has said that nothing is left.
    pub fn finish(self) -> Vec<Markers> {
        self.result
    }

    fn test_gene(&mut self, gene: usize) {
        let values = self.expression.column(gene);
        let all = Moments::by_group(values, self.groups, &self.sizes);
        let rest_of = |group: usize| match self.config.reference {
            Reference::Group(reference) => all[reference],
            Reference::Rest => Moments::outside(&all, group),
        };
        if let (Test::Wilcoxon { .. }, Reference::Rest) = (self.config.test, self.config.reference) {
            self.ranks.rank(values, self.groups, |_| true, self.groups.len());
        }
        for markers in &mut self.result {
            let (own, rest) = (all[markers.group], rest_of(markers.group));
            let (score, p_value) = match self.config.test {
                Test::Welch => welch::test(&own, &rest, rest.n),
                Test::WelchOverestimated => welch::test(&own, &rest, own.n),
                Test::Wilcoxon { tie_correct } => {
                    if let Reference::Group(reference) = self.config.reference {
                        let is_in = |group| group == Some(markers.group) || group == Some(reference);
                        self.ranks.rank(values, self.groups, is_in, own.n + rest.n);
                    }
                    self.ranks.test(markers.group, own.n, tie_correct)
                }
            };
            markers.scores.push(score);
            markers.p_values.push(p_value);
            markers.log_fold_changes.push(log_fold_change(own.mean, rest.mean, self.config.log_base));
            markers.fraction.push(own.n_nonzero as f64 / own.n as f64);
            markers.fraction_rest.push(rest.n_nonzero as f64 / rest.n as f64);
        }
    }
}

/// Of means of logged values; the small number keeps a gene that one side lacks finite.
fn log_fold_change(mean: f64, mean_rest: f64, base: f64) -> f64 {
    let unlogged = |mean: f64| (mean * base.ln()).exp_m1() + 1e-9;
    (unlogged(mean) / unlogged(mean_rest)).log2()
}

impl Markers {
    fn none_yet(group: usize) -> Self {
        Self {
            group,
            order: Vec::new(),
            scores: Vec::new(),
            p_values: Vec::new(),
            p_adjusted: Vec::new(),
            log_fold_changes: Vec::new(),
            fraction: Vec::new(),
            fraction_rest: Vec::new(),
        }
    }

    /// Markers of some genes after those of others, as if all had been tested at once: the order and the adjusted p are
    /// those of all genes. Every part is of the same groups.
    pub fn joined(parts: impl IntoIterator<Item = Vec<Markers>>) -> Vec<Markers> {
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        for part in parts {
            for (whole, more) in all.iter_mut().zip(part) {
                whole.scores.extend(more.scores);
                whole.p_values.extend(more.p_values);
                whole.log_fold_changes.extend(more.log_fold_changes);
                whole.fraction.extend(more.fraction);
                whole.fraction_rest.extend(more.fraction_rest);
            }
        }
        all.iter_mut().for_each(|markers| markers.complete(false));
        all
    }

    fn complete(&mut self, by_magnitude: bool) {
        let key = |gene: usize| if by_magnitude { self.scores[gene].abs() } else { self.scores[gene] };
        let mut order: Vec<usize> = (0..self.scores.len()).collect();
        order.sort_by(|&a, &b| key(b).total_cmp(&key(a)));
        self.order = order;
        self.p_adjusted = benjamini_hochberg(&self.p_values);
    }
}

/// Mean and variance of one gene in some cells.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moments {
    /// Cells.
    pub n: usize,
    /// Those of them in which it is not 0.
    pub n_nonzero: usize,
    /// Over all of them.
    pub mean: f64,
    /// About the mean, ddof 1.
    pub variance: f64,
}

impl Moments {
    /// Of each group, and of the cells of none.
    fn by_group(values: columns::Column<'_>, groups: &[Option<usize>], sizes: &[usize]) -> Vec<Moments> {
        let n_none = groups.len() - sizes.iter().sum::<usize>();
        let place = |cell: usize| groups[cell].unwrap_or(sizes.len());
        let mut all: Vec<Moments> =
            sizes.iter().chain([&n_none]).map(|&n| Moments { n, ..Moments::default() }).collect();
        for (cell, value) in values.iter() {
            let of_group = &mut all[place(cell)];
            of_group.n_nonzero += 1;
            of_group.mean += value;
        }
        for of_group in &mut all {
            of_group.mean /= of_group.n.max(1) as f64;
            of_group.variance = (of_group.n - of_group.n_nonzero) as f64 * of_group.mean.powi(2);
        }
        for (cell, value) in values.iter() {
            let of_group = &mut all[place(cell)];
            of_group.variance += (value - of_group.mean).powi(2);
        }
        for of_group in &mut all {
            of_group.end(of_group.variance);
        }
        all
    }

    /// Of all parts but one, without another look at the values.
    fn outside(parts: &[Moments], but: usize) -> Moments {
        let mut joined = Moments::default();
        for (_, part) in parts.iter().enumerate().filter(|&(at, part)| at != but && part.n > 0) {
            let n = joined.n + part.n;
            let gap = part.mean - joined.mean;
            let between = gap * gap * (joined.n as f64 * part.n as f64 / n as f64);
            let squares = joined.squares() + part.squares() + between;
            joined.mean += gap * part.n as f64 / n as f64;
            joined.n = n;
            joined.n_nonzero += part.n_nonzero;
            joined.end(squares);
        }
        joined
    }

    fn squares(&self) -> f64 {
        self.variance * self.n.saturating_sub(1) as f64
    }

    fn end(&mut self, squares: f64) {
        self.variance = squares / self.n.saturating_sub(1).max(1) as f64;
        // The mean of equal values may miss them by its last digits; what remains is no variance.
        if self.variance <= (self.mean * 4.0 * f64::EPSILON).powi(2) {
            self.variance = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genes_tested_in_parts_are_as_if_tested_at_once() {
        let value = |cell: usize, gene: usize| ((cell * 7 + gene * 5 + cell * gene) % 11) as f32;
        let of = |genes: std::ops::Range<usize>| {
            let row = |cell: usize| genes.clone().map(move |gene| ((gene - genes.start) as u32, value(cell, gene)));
            Columns::from_rows(12, genes.len(), |cell| row(cell).collect::<Vec<_>>()).expect("a matrix")
        };
        let groups: Vec<Option<usize>> = (0..12).map(|cell| [Some(0), Some(1), None][cell % 3]).collect();
        for test in [Test::Welch, Test::Wilcoxon { tie_correct: true }] {
            let config = MarkerConfig { test, ..MarkerConfig::default() };
            let at_once = markers(of(0..9), &groups, 2, &config).expect("two groups");
            let parts = [0..4, 4..5, 5..9].map(|genes| markers(of(genes), &groups, 2, &config).expect("two groups"));
            assert_eq!(Markers::joined(parts), at_once);
        }
        assert_eq!(Markers::joined([]), []);
    }
}
