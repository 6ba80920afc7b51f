//! `waddington map`: neighbours, clusters, UMAP and markers of a file, as the screen makes them, written as an h5ad; and how
//! well the clusters meet known labels, of principal components and, with a model, of its latent states.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use spec::dataset::GeneJoin;
use spec::device::{AttentionPath, BackendChoice};
use spec::map::{Grouping, MarkerOptions, PopulationConfig, Representation, ScoreTable};
use spec::message::{Event, ExportKind, Request};
use spec::prepare::MapConfig;

use crate::asked::Asked;
use crate::dataset::{self, Columns};
use crate::prepare::prepare;

/// Arguments of `map`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The file, or the files that make one matrix.
    #[arg(required = true, value_name = "IN")]
    files: Vec<PathBuf>,
    /// Where the h5ad goes.
    #[arg(long, value_name = "OUT.h5ad")]
    out: Option<PathBuf>,
    /// A model whose latent states are mapped and scored beside the expression: its files.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    model: Vec<PathBuf>,
    /// Score the clusters against the labels of this column.
    #[arg(long, value_name = "COLUMN")]
    labels: Option<String>,
    /// Write the markers of the clusters of expression (csv).
    #[arg(long, value_name = "OUT.csv")]
    markers: Option<PathBuf>,
    /// Neighbours of a cell, itself counted.
    #[arg(long, default_value_t = 15)]
    neighbours: usize,
    /// Components of expression, at most 50.
    #[arg(long, default_value_t = 50)]
    pcs: usize,
    /// The higher, the more clusters.
    #[arg(long, default_value_t = 1.0)]
    resolution: f64,
    /// How near cells may come in the layout.
    #[arg(long, default_value_t = 0.5)]
    min_dist: f64,
    /// Seed of all draws.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    columns: Columns,
    /// Overwrite what is there already.
    #[arg(long)]
    force: bool,
}

pub fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    for path in arguments.out.iter().chain(&arguments.markers) {
        crate::file::require_folder(path)?;
        crate::file::require_new(path, arguments.force)?;
    }
    let endings_fit = arguments.out.as_ref().is_none_or(|path| path.extension().is_some_and(|ending| ending == "h5ad"));
    ensure!(endings_fit, "--out is written as h5ad: let its name end in .h5ad");
    let mut asked = Asked::new();
    let mut clock = Clock::new();
    if !arguments.model.is_empty() {
        asked.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, Vec::new())?;
        asked.ask(Request::LoadCheckpoint { n_heads: None }, crate::file::open(&arguments.model)?)?;
    }
    let shown = || dataset::shown(&arguments.files);
    let opened = asked.ask(Request::Open { join: GeneJoin::Union }, crate::file::open(&arguments.files)?);
    let Event::Opened { opened } = opened.with_context(shown)? else { bail!("the session did not open {}", shown()) };
    let options = dataset::completed(&arguments.columns.options(), &opened.suggested);
    let prepared = prepare(&mut asked, options).with_context(shown)?;
    clock.say("read and prepared");
    asked.ask(Request::Embed { config: MapConfig::default() }, Vec::new())?;
    clock.say("principal components");
    let config = PopulationConfig {
        n_pcs: arguments.pcs,
        n_neighbours: arguments.neighbours,
        resolution: arguments.resolution,
        min_dist: arguments.min_dist,
        seed: arguments.seed,
        ..PopulationConfig::default()
    };
    writeln!(out, "{} cells x {} genes", prepared.n_cells, prepared.n_genes)?;
    let both = if arguments.model.is_empty() { &Representation::ALL[..1] } else { &Representation::ALL[..] };
    for &representation in both {
        let config = config.clone();
        let Event::Mapped { mapped } = asked.ask(Request::Map { representation, config }, Vec::new())? else {
            bail!("the session made no map")
        };
        clock.say("neighbours, clusters and layout");
        for warning in &mapped.warnings {
            eprintln!("note: {warning}");
        }
        let (n, modularity) = (mapped.sizes.len(), mapped.modularity);
        writeln!(out, "{}: {n} clusters, modularity {modularity:.4}", representation.label())?;
    }
    if let Some(path) = &arguments.markers {
        let grouping = Grouping::Clusters { representation: Representation::Expression };
        asked.ask(Request::Markers { grouping, options: MarkerOptions::default() }, Vec::new())?;
        clock.say("markers");
        save(&mut asked, ExportKind::Markers, path)?;
    }
    if let Some(column) = &arguments.labels {
        let request = Request::Score { column: column.clone(), config };
        let Event::Scored { table } = asked.ask(request, Vec::new())? else { bail!("the session gave no scores") };
        clock.say("scores");
        write_scores(&table, out)?;
    }
    if let Some(path) = &arguments.out {
        save(&mut asked, ExportKind::H5ad, path)?;
    }
    Ok(())
}

fn save(asked: &mut Asked, kind: ExportKind, path: &std::path::Path) -> Result<()> {
    let Event::Exported { bytes, .. } = asked.ask(Request::Export { kind }, Vec::new())? else {
        bail!("the session did not write {}", kind.label())
    };
    crate::file::write(path, &bytes)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn write_scores(table: &ScoreTable, out: &mut dyn Write) -> Result<()> {
    for warning in &table.warnings {
        eprintln!("note: {warning}");
    }
    writeln!(out, "against {} ({} labels):", table.column, table.n_labels)?;
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    for scores in &table.scores {
        let tuned = scores.tuned.map(|tuned| tuned.avg_bio);
        let louvain = scores.tuned_louvain.map(|tuned| tuned.avg_bio);
        writeln!(
            out,
            "  {}: NMI {:.3}, ARI {:.3}, ASW {}, AvgBIO {}; tuned by the labels: {} (20 resolutions), {} (10), {} (20, Louvain)",
            scores.name,
            scores.nmi,
            scores.ari,
            number(scores.asw),
            number(scores.avg_bio),
            number(tuned),
            number(scores.tuned_of_10),
            number(louvain)
        )?;
    }
    Ok(())
}

/// Says on the terminal how long each step took.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn say(&mut self, step: &str) {
        eprintln!("{step}: {:.2} s", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}
