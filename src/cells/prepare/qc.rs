//! Quality of each cell (`scanpy.pp.calculate_qc_metrics` with mitochondrial genes as `mt`).

use spec::dataset::CellQuality;

use crate::counts::Counts;
use crate::genes::GeneNames;

/// `total_counts`, `n_genes_by_counts` and `pct_counts_mt` of each cell.
///
/// `n_genes_by_counts` counts the genes whose value is not 0. Mitochondrial genes are those whose symbol begins with
/// `MT-` or `mt-`; the percentage of a cell without counts is 0 (scanpy: NaN). Sums are in f64.
///
/// # Panics
/// Where `genes` has fewer names than `counts` has columns.
pub fn calculate_qc_metrics(counts: &Counts, genes: &GeneNames) -> CellQuality {
    let is_mt: Vec<bool> =
        genes.symbols.iter().map(|symbol| symbol.starts_with("MT-") || symbol.starts_with("mt-")).collect();
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
        quality.pct_counts_mt.push(if total > 0.0 { (100.0 * mt / total) as f32 } else { 0.0 });
    }
    quality
}
