//! `waddington prepare`: cells read and prepared as the screen does it, and saved as the screen saves them.
//!
//! It drives the same session as the browser's worker. With `--recipe`, what a person saved there is done again, and
//! what came out is compared.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use spec::dataset::{GeneJoin, PrepareOptions, Prepared};
use spec::message::{Event, ExportKind, Request};
use spec::prepare::MapConfig;
use spec::recipe::{RECIPE_FORMAT, Recipe};

use crate::asked::Asked;
use crate::dataset::{self, Columns};

/// Arguments of `prepare`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file, the files that make one matrix, or the samples of a study; then the h5ad to write.
    #[arg(required = true, num_args = 2.., value_names = ["IN", "OUT.h5ad"])]
    files: Vec<PathBuf>,
    /// What to do, as the screen's "Recipe" saved it; nothing else need be said then.
    #[arg(long, value_name = "FILE.json")]
    recipe: Option<PathBuf>,
    /// A table of genes (symbol, aliases, Ensembl id; tab-separated) that names the genes.
    #[arg(long, value_name = "FILE.tsv")]
    gene_table: Option<PathBuf>,
    #[command(flatten)]
    columns: Columns,
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
    let recipe = arguments.recipe.as_deref().map(read_recipe).transpose()?;
    let needed = recipe.as_ref().and_then(|recipe| recipe.gene_table.as_ref());
    if let (Some(name), None) = (needed, &arguments.gene_table) {
        bail!("the recipe names its genes by {name}: give that table with --gene-table");
    }

    let mut asked = Asked::new();
    let shown = || dataset::shown(files);
    let join = recipe.as_ref().map_or(arguments.columns.join, |recipe| recipe.join.unwrap_or(GeneJoin::Union));
    let opened = asked.ask(Request::Open { join }, crate::file::open(files)?).with_context(shown)?;
    let Event::Opened { opened } = opened else { bail!("the session did not open {}", shown()) };
    if let Some(table) = &arguments.gene_table {
        asked.ask(Request::GeneTable, crate::file::open(std::slice::from_ref(table))?)?;
    }
    let options = match &recipe {
        Some(recipe) => recipe.options.clone(),
        None => dataset::completed(&arguments.columns.options(), &opened.suggested),
    };
    let prepared = prepare(&mut asked, options).with_context(shown)?;
    if let Some(difference) = recipe.as_ref().and_then(|recipe| recipe.difference(shape(&prepared))) {
        bail!(
            "this is not the file of the recipe ({}): {difference}",
            recipe.map(|recipe| recipe.file).unwrap_or_default()
        );
    }
    let config = recipe.map_or_else(|| Some(MapConfig::default()), |recipe| recipe.map);
    if let Some(config) = config {
        asked.ask(Request::Embed { config }, Vec::new())?;
    }
    let Event::Exported { bytes, .. } = asked.ask(Request::Export { kind: ExportKind::H5ad }, Vec::new())? else {
        bail!("the session did not write the cells")
    };
    crate::file::write(out, &bytes)?;
    eprintln!("{} cells x {} genes: wrote {}", prepared.n_cells, prepared.n_genes, out.display());
    Ok(())
}

pub fn prepare(asked: &mut Asked, options: PrepareOptions) -> Result<Prepared> {
    let Event::Prepared { prepared } = asked.ask(Request::Prepare { options }, Vec::new())? else {
        bail!("the session did not prepare the cells")
    };
    for warning in &prepared.warnings {
        eprintln!("note: {warning}");
    }
    Ok(prepared)
}

fn read_recipe(path: &Path) -> Result<Recipe> {
    let shown = path.display();
    let recipe: Recipe =
        serde_json::from_slice(&crate::file::read(path)?).with_context(|| format!("{shown} is no recipe"))?;
    let format = recipe.format;
    ensure!(format == RECIPE_FORMAT, "{shown} is a recipe of layout {format}; this program reads {RECIPE_FORMAT}");
    Ok(recipe)
}

fn shape(prepared: &Prepared) -> [u64; 3] {
    [prepared.n_cells as u64, prepared.n_genes as u64, prepared.n_nonzero]
}
