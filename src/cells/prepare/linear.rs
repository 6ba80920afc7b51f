//! From the values of a file to values on the scale of counts, whatever was done to them before.
//!
//! What a matrix is, is told from its values ([`read_values`]) unless a person says it. Counts are checked. What was
//! scaled or logged before is brought back, so that every later step starts from the same: a cell's values are then
//! proportional to its counts, which is all that scaling to a library size needs.

use spec::dataset::{CellUnit, MatrixInfo};
use spec::reading::{ReadingConfig, Undo, ValueReading, ValueScale};

use crate::check::{NotCounts, require_counts, require_not_negative};
use crate::counts::Counts;
use crate::data::CellData;
use crate::prepare::reading::read_values;

/// What was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear {
    /// What the values looked like, and why; none where rows are metacells, which are means and look like nothing.
    pub reading: Option<ValueReading>,
    /// Whether the cells may be scaled to a library size: not where they were scaled before and genes are missing since,
    /// so that their sums say nothing.
    pub may_scale: bool,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

/// Brings the values of `data` to the scale of counts. `wanted` is what a person says they are; `matrices` are those of
/// the file and `chosen` the name of this one (the first where none), so that a better one can be named.
///
/// # Errors
/// Where values are taken for counts and are none, or cannot be brought back (negative, NaN, or corrected in an unknown
/// way); names the first such value with its cell and gene, and what to do.
pub fn to_linear(
    data: &mut CellData,
    matrices: &[MatrixInfo],
    chosen: Option<&str>,
    wanted: Option<ValueScale>,
) -> Result<Linear, NotCounts> {
    let chosen = chosen.or(matrices.first().map(|matrix| matrix.name.as_str()));
    let others: Vec<MatrixInfo> =
        matrices.iter().filter(|matrix| Some(matrix.name.as_str()) != chosen).cloned().collect();
    let others = &others;
    if data.unit == CellUnit::Metacell {
        require_counts(data, others)?;
        size_by_all_genes(data);
        return Ok(Linear { reading: None, may_scale: true, warnings: Vec::new() });
    }
    // Where some genes were left out, some cells were kept whole to be looked at.
    let looked_at = data.totals.as_ref().and_then(|totals| totals.looked_at().ok());
    let mut reading = read_values(looked_at.as_ref().unwrap_or(&data.counts), &ReadingConfig::default());
    reading.n_cells = data.counts.n_cells();
    let scale = wanted.unwrap_or(reading.scale);
    let mut warnings = Vec::new();
    let base = match scale {
        ValueScale::Normalized => None,
        ValueScale::Logged { base } => Some(base),
        ValueScale::Counts | ValueScale::Scaled | ValueScale::Empty | ValueScale::Unknown => {
            require_counts(data, others)?;
            size_by_all_genes(data);
            return Ok(Linear { reading: Some(reading), may_scale: true, warnings });
        }
    };
    require_not_negative(data, others)?;
    let factor = base.map(f64::ln);
    let undone = |value: f32| factor.map_or(f64::from(value), |factor| (f64::from(value) * factor).exp_m1());
    // Counts that were logged without being scaled are counts again; the rounding of f32 grows with them.
    let is_count = |value: f64| (value - value.round()).abs() < 1e-3 + 1e-5 * value;
    let mut seen = looked_at.iter().flat_map(Counts::values).chain(data.counts.values());
    let are_counts = base.is_some() && seen.all(|value| is_count(undone(value)));
    drop(seen);
    if base.is_some() {
        data.counts.map_values(|value| (if are_counts { undone(value).round() } else { undone(value) }) as f32);
    }
    let said = if wanted.is_some() { "as was said" } else { "told from the values" };
    let name = match base {
        None => "scaled by library size".to_owned(),
        Some(base) if base == std::f64::consts::E => "log1p values".to_owned(),
        Some(base) => format!("log1p values of base {base}"),
    };
    if !are_counts {
        // Library sizes of the counts are not those of values that were scaled since.
        data.library_sizes = None;
    }
    let undo = base.map_or(Undo::Nothing, |base| Undo::Log1p { base });
    if data.totals.as_mut().is_some_and(|totals| !totals.undo(undo, are_counts)) {
        data.totals = None;
        warnings.push("Library sizes and quality are of the genes that are kept alone.".to_owned());
    }
    size_by_all_genes(data);
    let may_scale = are_counts || reading.target_sum.is_some();
    warnings.push(if may_scale {
        format!("The values are {name} ({said}): they were brought back to the scale of counts and prepared from there.")
    } else {
        format!(
            "The values are {name} ({said}), and the sums of the cells differ, so some genes must have been taken out after \
             scaling: they are used as they are, without scaling to a library size again."
        )
    });
    Ok(Linear { reading: Some(reading), may_scale, warnings })
}

/// Where genes were left out and no column says the library sizes, those of all genes are the cells'.
fn size_by_all_genes(data: &mut CellData) {
    if let (None, Some(totals)) = (&data.library_sizes, &data.totals) {
        data.library_sizes = Some(totals.total_counts().to_vec());
    }
}
