//! What the labels of a file suggest: which column is the perturbation, which value the control, which the library size.
//!
//! Only suggestions: a person sees and may change them. What is suggested at once (`suggest`) is clear from its name
//! alone; `suggest_columns` looks at the labels as well, weighs what speaks for each column, and says it.

use spec::dataset::{ColumnInfo, ColumnKind, MatrixInfo, PrepareOptions};
use spec::labels::{ColumnSuggestion, ControlSuggestion, LabelOptions, LabelRow, Reading};

use crate::genes::GeneNames;
use crate::labels;

use crate::read::features::GENES_ALONE;

/// Names of columns that hold perturbations, the likeliest first; compared in lower case.
const PERTURBATION_COLUMNS: [&str; 18] = [
    "perturbation",
    "perturbation_name",
    "perturbations",
    "condition",
    "target_gene",
    "gene_target",
    "gene_targets",
    "target",
    "targets",
    "guide_target",
    "gene",
    "guide_identity",
    "guide_id",
    "guide",
    "guides",
    "sgrna",
    "treatment",
    "cond",
];
/// Values that mark a control, compared in lower case with `_`, `-` and blanks dropped, the clearest first.
const CONTROL_LABELS: [&str; 12] = [
    "control",
    "ctrl",
    "nontargeting",
    "nontarget",
    "ntc",
    "nt",
    "negctrl",
    "negativecontrol",
    "negative",
    "unperturbed",
    "scramble",
    "mock",
];
/// Columns that hold library sizes over all genes of the genome.
const LIBRARY_SIZE_COLUMNS: [&str; 4] =
    ["n_umis_all_genes", "n_counts_all_genes", "total_counts_all_genes", "library_size"];
/// Layers that hold counts.
const COUNT_LAYERS: [&str; 4] = ["layers/counts", "layers/raw_counts", "layers/count", "layers/umi"];

/// Options that the names in a file suggest.
pub(crate) fn suggest(matrices: &[MatrixInfo], columns: &[ColumnInfo]) -> PrepareOptions {
    let found = PERTURBATION_COLUMNS.iter().find_map(|name| {
        let column = columns.iter().find(|column| column.name.to_lowercase() == *name)?;
        let ColumnKind::Labels { values, n_distinct } = &column.kind else { return None };
        let control = control_label(values)?;
        (*n_distinct > 1).then(|| (column.name.clone(), control))
    });
    let library_size = LIBRARY_SIZE_COLUMNS.iter().find_map(|name| {
        columns.iter().find(|column| column.name == *name && matches!(column.kind, ColumnKind::Numbers { .. }))
    });
    let (perturbation_column, control_label) = found.unzip();
    PrepareOptions {
        matrix: counts_layer(matrices).or_else(|| genes_alone(matrices)),
        perturbation_column,
        control_label,
        library_size_column: library_size.map(|column| column.name.clone()),
        ..PrepareOptions::default()
    }
}

/// The layer whose name says that it holds counts, if there is one.
pub(crate) fn counts_layer(matrices: &[MatrixInfo]) -> Option<String> {
    COUNT_LAYERS.iter().find(|layer| matrices.iter().any(|matrix| matrix.name == **layer)).map(|layer| (*layer).into())
}

/// The matrix of genes alone, where a 10x file has other features too: what scanpy reads.
fn genes_alone(matrices: &[MatrixInfo]) -> Option<String> {
    matrices.iter().find(|matrix| matrix.name.ends_with(GENES_ALONE)).map(|matrix| matrix.name.clone())
}

fn control_label(values: &[(String, usize)]) -> Option<String> {
    CONTROL_LABELS
        .iter()
        .find_map(|control| values.iter().find(|(label, _)| folded(label) == *control).map(|(label, _)| label.clone()))
}

fn folded(label: &str) -> String {
    label.to_lowercase().replace(['-', '_', ' '], "")
}

/// What a name that is in the list weighs, a part of one, and each rank further down the list.
const NAME_WEIGHT: f64 = 0.35;
const NAME_PART_WEIGHT: f64 = 0.2;
const RANK_WEIGHT: f64 = 0.005;
/// What a control among the labels weighs.
const CONTROL_WEIGHT: f64 = 0.3;
/// What labels weigh that are all understood, and that are all genes of the file.
const READ_WEIGHT: f64 = 0.25;
const GENES_WEIGHT: f64 = 0.1;
/// What labels lose that name guides: their target is the better label.
const GUIDE_LOSS: f64 = 0.1;
/// Parts of names of columns that hold perturbations.
const NAME_PARTS: [&str; 9] = ["pert", "guide", "grna", "target", "treat", "condition", "drug", "compound", "crispr"];
/// The least score that is worth a person's look.
const LEAST_SCORE: f64 = 0.3;

/// The columns that may hold perturbations, the likeliest first, each with what speaks for it and its control labels.
pub(crate) fn suggest_columns(columns: &[ColumnInfo], genes: &GeneNames, n_cells: usize) -> Vec<ColumnSuggestion> {
    let mut suggestions = Vec::new();
    for column in columns {
        let ColumnKind::Labels { values, n_distinct } = &column.kind else { continue };
        // One label for all cells, or as many labels as cells, label nothing.
        if *n_distinct < 2 || 2 * n_distinct > n_cells {
            continue;
        }
        let rows = labels::read_values(&column.name, values, genes, &LabelOptions::default());
        suggestions.extend(Some(weigh(column, &rows, genes)).filter(|suggestion| suggestion.score >= LEAST_SCORE));
    }
    suggestions.sort_by(|a, b| b.score.total_cmp(&a.score));
    suggestions
}

fn weigh(column: &ColumnInfo, rows: &[LabelRow], genes: &GeneNames) -> ColumnSuggestion {
    let (mut score, mut reasons) = (0.0, Vec::new());
    let name = column.name.to_lowercase();
    if let Some(rank) = PERTURBATION_COLUMNS.iter().position(|known| *known == name) {
        score += NAME_WEIGHT - RANK_WEIGHT * rank as f64;
        reasons.push(format!("{} is a usual name for it", column.name));
    } else if let Some(part) = NAME_PARTS.iter().find(|part| name.contains(*part)) {
        score += NAME_PART_WEIGHT;
        reasons.push(format!("its name says {part}"));
    }
    let controls = controls(rows);
    if controls.is_empty() {
        reasons.push("no label is known as a control".into());
    } else {
        let n_cells: usize = controls.iter().map(|control| control.n_cells).sum();
        score += CONTROL_WEIGHT;
        reasons.push(format!("{n_cells} cells are controls ({})", controls[0].label));
    }
    let of_targets =
        || rows.iter().filter_map(|row| if let Reading::Targets(of) = &row.reading { Some(of) } else { None });
    let n_read = of_targets().count();
    let known: std::collections::HashSet<&str> = genes.symbols.iter().map(String::as_str).collect();
    let n_genes = of_targets().filter(|targets| targets.iter().all(|target| known.contains(target.as_str()))).count();
    let n_perturbed = rows.iter().filter(|row| matches!(row.reading, Reading::Targets(_) | Reading::Unknown)).count();
    if n_perturbed > 0 {
        score += (READ_WEIGHT * n_read as f64 + GENES_WEIGHT * n_genes as f64) / n_perturbed as f64;
        reasons.push(format!(
            "{n_read} of {n_perturbed} labels beside control name targets, {n_genes} of them by genes of the file"
        ));
    }
    let n_guides = rows.iter().filter(|row| !row.guides.is_empty()).count();
    if 2 * n_guides > rows.len() {
        score -= GUIDE_LOSS;
        reasons.push("its labels name guides; a column of their targets is better where there is one".into());
    }
    ColumnSuggestion { column: column.name.clone(), score: score.clamp(0.0, 1.0), reasons, controls }
}

/// Labels that mark the control, the likeliest first: by how clear the word is, then by cells.
fn controls(rows: &[LabelRow]) -> Vec<ControlSuggestion> {
    let of_row = |row: &LabelRow| {
        let rank = CONTROL_LABELS.iter().position(|label| folded(&row.label) == *label);
        let score = rank.map_or(0.5, |rank| 1.0 - 0.02 * rank as f64);
        let suggestion =
            ControlSuggestion { label: row.label.clone(), n_cells: row.n_cells, score, reason: row.rule.clone() };
        (row.reading == Reading::Control).then_some(suggestion)
    };
    let mut controls: Vec<ControlSuggestion> = rows.iter().filter_map(of_row).collect();
    controls.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.n_cells.cmp(&a.n_cells)));
    controls
}
