//! `waddington convert`: any file that is read, as an h5ad that anndata reads: matrices as they are, labels, embeddings.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use engine::cells::counts::Counts;
use engine::cells::read::OpenedFile;
use engine::cells::totals::CellTotals;
use engine::cells::write::h5ad::{Frame, H5ad, Matrix, Values, write_h5ad};
use spec::dataset::PrepareOptions;

use crate::dataset;

/// The column of library sizes over all genes.
const SIZES_COLUMN: &str = "n_counts_all_genes";

/// Arguments of `convert`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file, the files that make one matrix, or the samples of a study; then the h5ad to write.
    #[arg(required = true, num_args = 2.., value_names = ["IN", "OUT.h5ad"])]
    files: Vec<PathBuf>,
    /// Which matrix becomes X: X, raw/X, layers/<name>. Default: the first.
    #[arg(long)]
    matrix: Option<String>,
    /// At most this many cells, drawn evenly. Default: all.
    #[arg(long)]
    max_cells: Option<usize>,
    /// Column of obs whose labels keep their shares in that draw.
    #[arg(long, requires = "max_cells")]
    stratify_by: Option<String>,
    /// Seed of that draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    genes: dataset::Genes,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let (out, files) = arguments.files.split_last().context("name a file to read and an h5ad to write")?;
    ensure!(!files.is_empty(), "name a file to read before the h5ad to write");
    ensure!(out.extension().is_some_and(|ending| ending == "h5ad"), "{} does not end in .h5ad", out.display());
    crate::file::require_folder(out)?;
    crate::file::require_new(out, arguments.force)?;
    let options = PrepareOptions {
        matrix: arguments.matrix.clone(),
        max_cells: arguments.max_cells,
        seed: arguments.seed,
        stratify_by: arguments.stratify_by.clone(),
        genes: arguments.genes.selection()?,
        ..PrepareOptions::default()
    };
    let opened = dataset::open(files, arguments.genes.join)?;
    let h5ad = converted(&opened, &options).with_context(|| dataset::shown(files))?;
    let (n_cells, n_genes, n_layers) = (h5ad.obs.index.len(), h5ad.var.index.len(), h5ad.layers.len());
    crate::file::write(out, &write_h5ad(&h5ad)?)?;
    eprintln!("{n_cells} cells x {n_genes} genes, {n_layers} layers: wrote {}", out.display());
    Ok(())
}

/// The counts over all genes, where some alone are written: what reads the file again takes them for library sizes, which
/// are above 0. None where the values are no counts.
fn library_sizes(totals: &CellTotals, columns: &[(String, Values)]) -> Option<(String, Values)> {
    let sizes = totals.total_counts();
    let is_new = columns.iter().all(|(name, _)| name != SIZES_COLUMN);
    let are_sizes = sizes.iter().all(|size| *size > 0.0 && size.fract() == 0.0);
    (is_new && are_sizes).then(|| (SIZES_COLUMN.to_owned(), Values::F64(sizes.to_vec())))
}

/// Everything of a file that an h5ad of ours can hold.
fn converted(opened: &OpenedFile, options: &PrepareOptions) -> Result<H5ad> {
    let matrices = &opened.opened().matrices;
    let chosen = options.matrix.as_ref().unwrap_or(&matrices[0].name);
    let data = dataset::read(opened, options)?;
    let beside = opened.beside(options)?;
    for warning in data.warnings.iter().chain(&beside.warnings) {
        eprintln!("note: {warning}");
    }
    let mut layers: Vec<(String, Counts)> = Vec::new();
    let shape = (data.counts.n_cells(), data.counts.n_genes());
    for matrix in matrices.iter().filter(|matrix| matrix.name != *chosen) {
        // raw has genes of its own, which an h5ad keeps in a frame of its own; ours are written one at a time.
        let Some(name) = matrix.name.strip_prefix("layers/").or((matrix.name == "X").then_some("X")) else {
            eprintln!("note: {} is left out; write it by itself with --matrix", matrix.name);
            continue;
        };
        let layer = dataset::read(opened, &PrepareOptions { matrix: Some(matrix.name.clone()), ..options.clone() })?;
        ensure!((layer.counts.n_cells(), layer.counts.n_genes()) == shape, "{} has another shape", matrix.name);
        layers.push((name.to_owned(), layer.counts));
    }
    let mut columns = opened.obs(options)?;
    columns.extend(data.totals.as_ref().and_then(|totals| library_sizes(totals, &columns)));
    let mut of_genes = opened.var(options)?;
    if of_genes.iter().all(|(name, _)| name != "gene_ids") {
        of_genes.extend(data.genes.ids.map(|ids| ("gene_ids".to_owned(), Values::Text(ids))));
    }
    Ok(H5ad {
        x: Matrix::Csr(data.counts),
        layers,
        obs: Frame { index: data.barcodes, columns },
        var: Frame { index: data.genes.symbols, columns: of_genes },
        obsm: beside.obsm,
        uns: beside.uns,
        uns_arrays: beside.uns_arrays,
    })
}
