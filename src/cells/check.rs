//! Is this counts? The first value that is not says which cell and gene it belongs to.

use spec::dataset::{CellUnit, MatrixInfo};

use crate::data::CellData;

/// A value that is no count.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{what} at cell {cell}, gene {gene}: counts are whole numbers from 0{advice}")]
pub struct NotCounts {
    /// The value, and what is wrong with it.
    pub what: String,
    /// Name of the cell.
    pub cell: String,
    /// Name of the gene.
    pub gene: String,
    /// What to do; empty, or begins with a full stop.
    pub advice: String,
}

/// Refuses what is not counts: NaN, infinity, negative and, for single cells, fractional values. Metacells are means
/// and may be fractional. `others` are the further matrices of the file, so that a better one can be
/// named.
///
/// # Errors
/// Names the first such value with its cell and gene, and what to do.
pub fn require_counts(data: &CellData, others: &[MatrixInfo]) -> Result<(), NotCounts> {
    refuse(data, others, data.unit == CellUnit::Cell)
}

/// Refuses NaN, infinity and negative values.
///
/// # Errors
/// As [`require_counts`].
pub fn require_not_negative(data: &CellData, others: &[MatrixInfo]) -> Result<(), NotCounts> {
    refuse(data, others, false)
}

fn refuse(data: &CellData, others: &[MatrixInfo], is_whole: bool) -> Result<(), NotCounts> {
    for (cell, row) in data.counts.rows().enumerate() {
        for (gene, value) in row {
            let what = if value.is_nan() {
                "NaN".to_owned()
            } else if value.is_infinite() {
                "infinity".to_owned()
            } else if value < 0.0 {
                format!("the negative value {value}")
            } else if is_whole && value.fract() != 0.0 {
                format!("the fraction {value}")
            } else {
                continue;
            };
            let advice = advice(data, others, value);
            let cell = data.barcodes.get(cell).cloned().unwrap_or_else(|| cell.to_string());
            let gene = data.genes.symbols.get(gene as usize).cloned().unwrap_or_else(|| gene.to_string());
            return Err(NotCounts { what, cell, gene, advice });
        }
    }
    Ok(())
}

fn advice(data: &CellData, others: &[MatrixInfo], value: f32) -> String {
    let layer = crate::read::counts_layer(others);
    let use_layer = match layer {
        Some(layer) => format!("choose {layer}"),
        None if !others.is_empty() => {
            let names: Vec<&str> = others.iter().map(|matrix| matrix.name.as_str()).collect();
            format!("choose {}, or use a file that holds the raw counts", names.join(" or "))
        }
        None => "use a file that holds the raw counts, or say what the values are (Values)".to_owned(),
    };
    if !value.is_finite() {
        return format!(". Repair the file, or {use_layer}");
    }
    if value < 0.0 {
        return format!(". The matrix looks scaled or centred; {use_layer}");
    }
    let largest = data.counts.values().fold(0.0f32, f32::max);
    // ln(1 + 10,000) is 9.2: log-normalised values stay below, whatever the sequencing depth.
    if largest < 15.0 {
        format!(". The matrix may be log-normalised (log1p) or corrected; {use_layer}")
    } else {
        format!(". The matrix looks normalised or corrected; {use_layer}")
    }
}
