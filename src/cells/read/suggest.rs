//! What the labels of a file suggest: which column is the perturbation, which value the control, which the library size.
//!
//! Only suggestions: a person sees and may change them. Nothing is suggested that is not clear from its name.

use spec::dataset::{ColumnInfo, ColumnKind, MatrixInfo, PrepareOptions};

use crate::read::tenx_h5::GENES_ALONE;

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
    let folded = |label: &str| label.to_lowercase().replace(['-', '_', ' '], "");
    CONTROL_LABELS
        .iter()
        .find_map(|control| values.iter().find(|(label, _)| folded(label) == *control).map(|(label, _)| label.clone()))
}
