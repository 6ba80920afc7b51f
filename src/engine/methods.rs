//! What was done, in words: a paragraph for a paper, with versions, parameters and seeds, and a script that goes on in
//! scanpy with what was saved. Both are made of what the session holds, so that they say what was really done.

use atlas::neighbours::MAX_EXACT;
use spec::dataset::CellUnit;
use spec::map::{Mapped, Representation};
use spec::prepare::{CellFilter, MapConfig, VariableGenesFlavor};

use crate::export::{Beside, cluster_column, stem};
use crate::population::Population;

/// A paragraph, and what it cites.
pub fn paragraph(population: &Population, beside: &Beside<'_>) -> String {
    let mut sentences = vec![read(population)];
    sentences.extend(filters(&population.options.filter));
    sentences
        .push(format!("Counts of each cell were scaled to a sum of {} and log1p-transformed.", population.target_sum));
    let mut cited = Vec::new();
    sentences.extend(beside.looked.config().map(|config| genes_and_components(config, population, beside)));
    if let Some(model) = beside.model.filter(|_| beside.looked.has_latent()) {
        let header = model.header();
        if let Some(config) = &header.cell_jepa {
            sentences.push(format!(
                "Cells were embedded by a Cell-JEPA (arXiv 2602.02093; {} numbers a cell, vocabulary of {} genes, at most {} \
                 expressed genes a cell).",
                config.d_model,
                header.genes.len(),
                config.n_embedded_genes()
            ));
        } else {
            sentences.push(format!(
                "Latent states ({} numbers a cell) are those of a {} encoder over {} genes.",
                header.model.d_model,
                model.data_source().map_or("BioJEPA-AC".into(), |source| format!("BioJEPA-AC ({source})")),
                header.genes.len()
            ));
        }
    }
    for mapped in beside.looked.all_mapped() {
        sentences.push(neighbours(mapped, beside.looked.components().len()));
        sentences.push(clusters(mapped));
        sentences.push(layout(mapped));
        cited.extend(CITED);
    }
    sentences.extend(beside.looked.markers().map(|markers| {
        format!("{}; p-values were adjusted after Benjamini and Hochberg over all genes.", markers.words())
    }));
    if let Some(table) = beside.looked.scores() {
        sentences.push(format!(
            "Agreement with {} ({} labels) was measured by normalised mutual information and the adjusted Rand index of \
             Leiden clusters at resolution 1, and by the silhouette of the labels brought to 0..1; AvgBIO is their mean. \
             Where AvgBIO is called tuned, the resolution was chosen by the labels and the number is optimistic.",
            table.column, table.n_labels
        ));
    }
    sentences.push(format!(
        "All of this was computed by Waddington {} on the user's own machine; parameters follow scanpy 1.11's defaults \
         where nothing else is said.",
        env!("CARGO_PKG_VERSION")
    ));
    cited.dedup();
    cited.truncate(CITED.len());
    let mut text = sentences.join(" ");
    text.push('\n');
    if !cited.is_empty() {
        text.push_str("\nReferences\n");
        cited.iter().for_each(|work| text.push_str(&format!("* {work}\n")));
    }
    text
}

const CITED: [&str; 3] = [
    "Traag, Waltman and van Eck (2019), From Louvain to Leiden, Scientific Reports 9, 5233.",
    "McInnes, Healy and Melville (2018), UMAP, arXiv:1802.03426.",
    "Wolf, Angerer and Theis (2018), SCANPY, Genome Biology 19, 15 (whose defaults are followed).",
];

fn read(population: &Population) -> String {
    let unit = match population.prepared.unit {
        CellUnit::Cell => "cells",
        CellUnit::Metacell => "metacells",
    };
    let [n_cells, n_genes, _] = population.shape();
    let n_read = population.expression.n_cells();
    format!("{n_read} {unit} by {n_genes} genes were read from {}, and {n_cells} of them kept.", population.file)
}

fn filters(filter: &CellFilter) -> Option<String> {
    let mut bounds = Vec::new();
    bounds.extend(filter.min_counts.map(|n| format!("at least {n} counts")));
    bounds.extend(filter.max_counts.map(|n| format!("at most {n} counts")));
    bounds.extend(filter.min_genes.map(|n| format!("at least {n} genes")));
    bounds.extend(filter.max_genes.map(|n| format!("at most {n} genes")));
    bounds.extend(filter.max_pct_mitochondrial.map(|n| format!("at most {n} % of mitochondrial counts")));
    (!bounds.is_empty()).then(|| format!("Cells were kept that have {}.", bounds.join(", ")))
}

fn genes_and_components(config: &MapConfig, population: &Population, beside: &Beside<'_>) -> String {
    let genes = match (&config.genes, beside.looked.genes()) {
        (Some(how), Some(table)) => {
            let flavor = match how.flavor {
                VariableGenesFlavor::Seurat => "seurat",
                VariableGenesFlavor::CellRanger => "cell_ranger",
                VariableGenesFlavor::SeuratV3 => "seurat_v3",
                VariableGenesFlavor::SeuratV3Paper => "seurat_v3_paper",
            };
            format!("the {} most variable genes (flavour {flavor})", table.chosen.len())
        }
        _ => format!("all {} genes", population.symbols.len()),
    };
    let scaled = if config.scale.is_some() { ", each scaled to unit variance" } else { "" };
    let n = beside.looked.components().len();
    format!("{n} principal components were computed of {genes}{scaled}.")
}

fn neighbours(mapped: &Mapped, n_components: usize) -> String {
    let n_cells: usize = mapped.sizes.iter().sum();
    let search = match n_cells <= MAX_EXACT {
        true => "by comparing all pairs",
        false => "by nearest-neighbour descent",
    };
    let space = match mapped.representation {
        Representation::Expression => {
            format!("the first {} principal components", mapped.config.n_pcs.min(n_components))
        }
        Representation::Latent => "the latent states".to_owned(),
    };
    format!(
        "The {} nearest neighbours of each of {n_cells} cells, itself counted, were found {search} in {space} (Euclidean \
         distance, seed {}) and weighted as UMAP does.",
        mapped.n_neighbours, mapped.config.seed
    )
}

fn clusters(mapped: &Mapped) -> String {
    format!(
        "The Leiden algorithm (modularity, resolution {}, seed {}) found {} clusters (modularity {:.3}).",
        mapped.config.resolution,
        mapped.config.seed,
        mapped.sizes.len(),
        mapped.modularity
    )
}

fn layout(mapped: &Mapped) -> String {
    let n_cells: usize = mapped.sizes.iter().sum();
    let n_epochs = mapped.config.n_epochs.unwrap_or(if n_cells <= 10_000 { 500 } else { 200 });
    format!(
        "A UMAP layout was computed from the same graph (min_dist {}, spread 1, {n_epochs} epochs, spectral start, seed {}).",
        mapped.config.min_dist, mapped.config.seed
    )
}

/// A script in Python that opens the h5ad and goes on.
pub fn snippet(population: &Population, beside: &Beside<'_>) -> String {
    let file = format!("{}_waddington.h5ad", stem(&population.file)).replace(['\\', '"'], "_");
    let mut lines = vec![
        format!("# Goes on with {file}, saved by Waddington {}, in scanpy 1.11.", env!("CARGO_PKG_VERSION")),
        "import json".into(),
        "import scanpy as sc".into(),
        String::new(),
        format!(
            "adata = sc.read_h5ad(\"{file}\")  # X: log1p; layers: what was read; uns[\"waddington\"]: how it came about"
        ),
        "print(adata)".into(),
        "run = json.loads(adata.uns[\"waddington\"][\"run\"])".into(),
        "print(json.dumps(run[\"maps\"], indent=1))".into(),
    ];
    for mapped in beside.looked.all_mapped() {
        let column = cluster_column(population, mapped.representation);
        let key = mapped.representation.layout_key();
        let basis = key.trim_start_matches("X_");
        let config = &mapped.config;
        lines.push(String::new());
        lines.push(format!("# The map of {} as it was seen, and its clusters.", mapped.representation.label()));
        let known = "adata.obs[\"".to_owned() + &column + "\"].notna()";
        lines.push(format!("shown = adata[{known}].copy()"));
        lines.push(format!("sc.pl.embedding(shown, basis=\"{basis}\", color=\"{column}\", show=False)"));
        if mapped.representation == Representation::Expression {
            lines.push("# The graph of neighbours is not saved; scanpy makes the same one.".into());
            lines.push(format!(
                "sc.pp.neighbors(shown, n_neighbors={}, n_pcs={}, use_rep=\"X_pca\", random_state={})",
                mapped.n_neighbours,
                config.n_pcs.min(beside.looked.components().len()),
                config.seed
            ));
            lines.push(format!(
                "sc.tl.leiden(shown, resolution={:?}, random_state={}, key_added=\"{column}_scanpy\", flavor=\"leidenalg\")",
                config.resolution, config.seed
            ));
            let sizes = mapped.sizes.iter().filter(|&&size| size > 1).count();
            if sizes > 1 {
                lines.push(format!("sc.tl.rank_genes_groups(shown, \"{column}\", method=\"t-test\")"));
                lines.push("print(sc.get.rank_genes_groups_df(shown, group=None).groupby(\"group\").head(3))".into());
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
