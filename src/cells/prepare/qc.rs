//! Quality of each cell and gene (`scanpy.pp.calculate_qc_metrics`), in one pass over the counts.
//!
//! Sums are in f64 and rounded once; scanpy sums f32 data in f32, so the last digits of large sums may differ. Where
//! scanpy divides by the total of an empty cell and has NaN, this has 0.

use spec::dataset::CellQuality;
use spec::prepare::{QcConfig, Species};

use crate::counts::{Counts, Row};
use crate::genes::GeneNames;
use crate::prepare::gene_sets::{GeneSet, species_of};

/// One value per cell.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CellMetrics {
    /// Genes whose value is not 0.
    pub n_genes_by_counts: Vec<u32>,
    /// `ln(1 + n_genes_by_counts)`.
    pub log1p_n_genes_by_counts: Vec<f32>,
    /// Sum of the counts.
    pub total_counts: Vec<f64>,
    /// `ln(1 + total_counts)`.
    pub log1p_total_counts: Vec<f32>,
    /// For each number of genes, the percentage of counts in that many of the cell's largest.
    pub pct_counts_in_top: Vec<(usize, Vec<f32>)>,
    /// For each gene set, what it takes of the cell.
    pub sets: Vec<SetMetrics>,
}

/// What a set of genes takes of each cell.
#[derive(Debug, Clone, PartialEq)]
pub struct SetMetrics {
    /// Which set.
    pub set: GeneSet,
    /// Genes of the matrix in the set; where 0, the percentages say nothing about the cells.
    pub n_genes: usize,
    /// Sum of the set's counts, per cell.
    pub total_counts: Vec<f64>,
    /// `ln(1 + total_counts)`, per cell.
    pub log1p_total_counts: Vec<f32>,
    /// Percentage of the cell's counts; 0 for an empty cell.
    pub pct_counts: Vec<f32>,
}

/// One value per gene.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GeneMetrics {
    /// Cells whose value is not 0.
    pub n_cells_by_counts: Vec<u32>,
    /// Mean over all cells.
    pub mean_counts: Vec<f64>,
    /// `ln(1 + mean_counts)`.
    pub log1p_mean_counts: Vec<f64>,
    /// Percentage of cells without a count.
    pub pct_dropout_by_counts: Vec<f64>,
    /// Sum over all cells.
    pub total_counts: Vec<f64>,
    /// `ln(1 + total_counts)`.
    pub log1p_total_counts: Vec<f64>,
}

/// Quality of cells and genes.
#[derive(Debug, Clone, PartialEq)]
pub struct QcMetrics {
    /// Whose genes they were taken for; none where the names do not tell and none was given.
    pub species: Option<Species>,
    /// Of the cells.
    pub cells: CellMetrics,
    /// Of the genes.
    pub genes: GeneMetrics,
}

impl CellMetrics {
    /// The metrics of one gene set.
    pub fn set(&self, set: GeneSet) -> Option<&SetMetrics> {
        self.sets.iter().find(|metrics| metrics.set == set)
    }

    /// What the screen shows of them.
    pub fn quality(&self) -> CellQuality {
        CellQuality {
            total_counts: self.total_counts.iter().map(|total| *total as f32).collect(),
            n_genes_by_counts: self.n_genes_by_counts.iter().map(|n_genes| *n_genes as f32).collect(),
            pct_counts_mt: self.set(GeneSet::Mitochondrial).map_or_else(Vec::new, |mt| mt.pct_counts.clone()),
        }
    }
}

/// Quality of each cell and each gene. Genes beyond the names given are in no set.
pub fn qc_metrics(counts: &Counts, genes: &GeneNames, config: &QcConfig) -> QcMetrics {
    let species = config.species.or_else(|| species_of(genes));
    let sets_of: Vec<[bool; 3]> = (0..counts.n_genes())
        .map(|gene| {
            let symbol = genes.symbols.get(gene).map_or("", String::as_str);
            GeneSet::ALL.map(|set| set.contains(symbol, species))
        })
        .collect();
    let mut tops: Vec<usize> =
        config.percent_top.iter().copied().filter(|top| (1..=counts.n_genes()).contains(top)).collect();
    tops.sort_unstable();
    tops.dedup();
    let mut cells = CellMetrics {
        pct_counts_in_top: tops.iter().map(|top| (*top, Vec::with_capacity(counts.n_cells()))).collect(),
        sets: GeneSet::ALL.map(|set| SetMetrics::empty(set, &sets_of)).into(),
        ..CellMetrics::default()
    };
    let mut of_gene = vec![(0u32, 0f64); counts.n_genes()];
    let mut largest = Vec::new();
    for row in counts.rows() {
        add_cell(&mut cells, row.clone(), &sets_of, &mut of_gene);
        add_tops(&mut cells, row, &mut largest);
    }
    QcMetrics { species, cells, genes: GeneMetrics::new(&of_gene, counts.n_cells()) }
}

/// `total_counts`, `n_genes_by_counts` and `pct_counts_mt` of each cell: what the screen shows of every file.
///
/// `n_genes_by_counts` counts the genes whose value is not 0. Mitochondrial genes are those whose symbol begins with
/// `MT-` or `mt-`; the percentage of a cell without counts is 0 (scanpy: NaN). Sums are in f64.
///
/// # Panics
/// Where `genes` has fewer names than `counts` has columns.
pub fn calculate_qc_metrics(counts: &Counts, genes: &GeneNames) -> CellQuality {
    let is_mt: Vec<bool> = genes.symbols.iter().map(|symbol| GeneSet::Mitochondrial.contains(symbol, None)).collect();
    let mut quality = CellQuality::default();
    for row in counts.rows() {
        let mut total = 0.0;
        let mut mt = 0.0;
        let mut n_genes = 0u32;
        for (index, value) in row {
            total += f64::from(value);
            n_genes += u32::from(value != 0.0);
            if is_mt[index as usize] {
                mt += f64::from(value);
            }
        }
        quality.total_counts.push(total as f32);
        quality.n_genes_by_counts.push(n_genes as f32);
        quality.pct_counts_mt.push(percent(mt, total));
    }
    quality
}

fn add_cell(cells: &mut CellMetrics, row: Row<'_>, sets_of: &[[bool; 3]], of_gene: &mut [(u32, f64)]) {
    let mut total = 0.0;
    let mut of_set = [0f64; 3];
    let mut n_genes = 0;
    row.filter(|(_, value)| *value != 0.0).for_each(|(gene, value)| {
        let value = f64::from(value);
        total += value;
        n_genes += 1;
        let gene = gene as usize;
        of_gene[gene].0 += 1;
        of_gene[gene].1 += value;
        for (sum, is_in) in of_set.iter_mut().zip(sets_of[gene]) {
            if is_in {
                *sum += value;
            }
        }
    });
    cells.n_genes_by_counts.push(n_genes);
    cells.log1p_n_genes_by_counts.push(f64::from(n_genes).ln_1p() as f32);
    cells.total_counts.push(total);
    cells.log1p_total_counts.push(total.ln_1p() as f32);
    for (set, sum) in cells.sets.iter_mut().zip(of_set) {
        set.total_counts.push(sum);
        set.log1p_total_counts.push(sum.ln_1p() as f32);
        set.pct_counts.push(percent(sum, total));
    }
}

/// The share of the largest genes; `largest` is room that is used again.
fn add_tops(cells: &mut CellMetrics, row: Row<'_>, largest: &mut Vec<f32>) {
    let Some(&(most, _)) = cells.pct_counts_in_top.last() else { return };
    let total = cells.total_counts.last().copied().unwrap_or_default();
    largest.clear();
    largest.extend(row.values());
    if largest.len() > most {
        largest.select_nth_unstable_by(most - 1, |a, b| b.total_cmp(a));
        largest.truncate(most);
    }
    largest.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let mut rest = largest.iter();
    let mut n_summed = 0;
    for (top, column) in &mut cells.pct_counts_in_top {
        sum += rest.by_ref().take(*top - n_summed).map(|value| f64::from(*value)).sum::<f64>();
        n_summed = *top;
        column.push(percent(sum, total));
    }
}

/// Of an empty cell, 0.
fn percent(part: f64, total: f64) -> f32 {
    if total > 0.0 { (100.0 * part / total) as f32 } else { 0.0 }
}

impl SetMetrics {
    fn empty(set: GeneSet, sets_of: &[[bool; 3]]) -> Self {
        let n_genes = sets_of.iter().filter(|of_gene| of_gene[set as usize]).count();
        Self { set, n_genes, total_counts: Vec::new(), log1p_total_counts: Vec::new(), pct_counts: Vec::new() }
    }
}

impl GeneMetrics {
    /// From the cells and the sum of each gene.
    fn new(of_gene: &[(u32, f64)], n_cells: usize) -> Self {
        let n = n_cells.max(1) as f64;
        let mean = |(_, sum): &(u32, f64)| sum / n;
        Self {
            n_cells_by_counts: of_gene.iter().map(|(cells, _)| *cells).collect(),
            mean_counts: of_gene.iter().map(mean).collect(),
            log1p_mean_counts: of_gene.iter().map(|gene| mean(gene).ln_1p()).collect(),
            pct_dropout_by_counts: of_gene.iter().map(|(cells, _)| 100.0 * (1.0 - f64::from(*cells) / n)).collect(),
            total_counts: of_gene.iter().map(|(_, sum)| *sum).collect(),
            log1p_total_counts: of_gene.iter().map(|(_, sum)| sum.ln_1p()).collect(),
        }
    }
}
