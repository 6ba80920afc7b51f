//! `waddington demo`: makes what ships with the site from a data file.
//!
//! Into `--out` go `model.safetensors` (trained here, or taken from `--checkpoint`), `bank.safetensors` (all vectors,
//! quantised), `metacells.h5ad`, `measured.safetensors`, `pathways.gmt` and `card.json`. No single cell leaves the data file.
//!
//! A metacell is the mean of the log1p expression of up to `--cells-per-metacell` cells of one condition. It is stored
//! as `expm1` of that mean with a library size of `target_sum`: preparation (scale to the target sum, then log1p) gives
//! back the mean exactly, so that the mean over metacells is the mean over cells.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use engine::cells::genes::pathways;
use engine::cells::genes::table::GeneTable;
use engine::cells::write::h5ad::{Frame, H5ad, Matrix, Values, write_h5ad};
use engine::evaluate::{ANCHOR_ALONE, Contender, Subject, evaluate};
use engine::jepa::bank::Bank;
use engine::jepa::checkpoint;
use engine::jepa::eval::response::Response;
use engine::jepa::measured::MeasuredTable;
use engine::jepa::query::Predictor;
use futures_lite::future::block_on;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use spec::checkpoint::{Card, MethodScore, TargetScore};
use spec::evaluation::{EvaluationConfig, MethodKind, MethodNote, Profile};
use spec::metrics::{MethodRow, Metric};
use spec::train::TrainConfig;

use crate::dataset::{self, Dataset};
use crate::evaluate::Progress;
use crate::train::{Plan, Steps};

/// Fewest of the model's genes that a gene set ships with.
const MIN_SET_SIZE: usize = 5;

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The training configuration (TOML).
    config: PathBuf,
    /// The data file.
    data: PathBuf,
    /// Perturbation vectors by gene (.npz or .safetensors).
    #[arg(long)]
    bank: PathBuf,
    /// A trained checkpoint. Default: train one now.
    #[arg(long)]
    checkpoint: Option<PathBuf>,
    /// The folder to fill.
    #[arg(long, default_value = "web/demo")]
    out: PathBuf,
    /// A table of genes with columns `symbol` and `ensembl` (tab-separated), so that files that name genes by Ensembl id
    /// are matched. Default: the model knows symbols alone.
    #[arg(long)]
    genes: Option<PathBuf>,
    /// Gene sets (.gmt; may be given several times) that ship with it, in so far as they are of the model's genes. Default:
    /// none.
    #[arg(long)]
    pathways: Vec<PathBuf>,
    /// What the card says of the data and of the choice of settings (TOML).
    #[arg(long)]
    card: PathBuf,
    /// Cells per metacell.
    #[arg(long, default_value_t = 40)]
    cells_per_metacell: usize,
    /// Compute on the CPU even where there is a GPU.
    #[arg(long)]
    cpu: bool,
}

/// The model and the simple methods on what was held out, in short: the mean of each and the scores of every target.
fn scores(
    arguments: &Arguments,
    predictor: &Predictor,
    bank: &Bank,
    dataset: Dataset,
) -> Result<(Vec<MethodScore>, Vec<TargetScore>)> {
    let name = arguments.data.display().to_string();
    let missing = dataset.missing.clone();
    let material = dataset.material();
    let subject = Subject { name: &name, material: &material, missing: &missing };
    let contender = Contender::Checkpoint { name: "model", predictor, n_control_cells: None };
    let metrics = vec![Metric::CellEvalPearsonDelta, Metric::CellEvalMseDelta];
    let config = EvaluationConfig { metrics, min_cells: 1, n_halves: 0, n_pairs: 0, ..EvaluationConfig::default() };
    let found = block_on(evaluate(&subject, Some(bank), Some(&contender), &config, &mut Progress::default()))?;
    let is_shown = |note: &MethodNote| {
        matches!(note.kind, MethodKind::Model | MethodKind::Baseline) || note.name.ends_with(ANCHOR_ALONE)
    };
    let rows: Vec<&MethodRow> =
        found.table.rows.iter().zip(&found.methods).filter(|(_, note)| is_shown(note)).map(|(row, _)| row).collect();
    let score = |row: &&MethodRow| MethodScore {
        method: row.method.clone(),
        delta_pearson: row.cells[0].mean,
        mse: row.cells[1].mean.unwrap_or_default(),
    };
    let target = |(at, profile): (usize, &Profile)| TargetScore {
        target: profile.target.clone(),
        n_cells: profile.n_cells,
        delta_pearson: rows.iter().map(|row| row.cells[0].values[at]).collect(),
        mse: rows.iter().map(|row| row.cells[1].values[at].unwrap_or_default()).collect(),
    };
    Ok((rows.iter().map(score).collect(), found.profiles.iter().enumerate().map(target).collect()))
}

/// What the run itself cannot know, for the card.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Origin {
    /// Where the data come from.
    data_source: String,
    /// Under which terms the derived tables are shared.
    data_licence: String,
    /// How the settings of the training were chosen.
    settings_chosen: String,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let config = crate::train::read_config(&arguments.config)?;
    let origin = read_origin(&arguments.card)?;
    std::fs::create_dir_all(&arguments.out).with_context(|| format!("making {}", arguments.out.display()))?;
    let loaded = crate::vectors::load(&arguments.bank)?;
    if let Some((mean, smallest)) = loaded.cosine {
        eprintln!("bank: cosine of quantised and exact vectors: mean {mean:.6}, smallest {smallest:.6}");
    }
    let bank = loaded.bank;
    let data = std::slice::from_ref(&arguments.data);
    let model = arguments.out.join("model.safetensors");
    match &arguments.checkpoint {
        Some(checkpoint) => crate::file::write(&model, &crate::file::read(checkpoint)?)?,
        None => {
            let plan = Plan {
                config: config.clone(),
                data,
                bank: Some(&bank),
                vocabulary: None,
                from: None,
                repeats: None,
                cpu: arguments.cpu,
            };
            crate::train::train(&plan, &model, &Steps::default())?;
        }
    }
    if let Some(table) = &arguments.genes {
        add_gene_ids(&model, table)?;
    }
    let device = block_on(crate::train::open_device(arguments.cpu))?;
    let predictor = Predictor::from_bytes(&crate::file::read(&model)?, &device)?;
    let header = predictor.header().clone();
    let dataset = dataset::load(data, &config.data, config.join, Some(&header), header.target_sum)?;
    let measured = dataset.measured()?;
    let scores = scores(arguments, &predictor, &bank, dataset.clone())?;

    let write = |name: &str, bytes: &[u8]| crate::file::write(&arguments.out.join(name), bytes);
    write("bank.safetensors", &bank.to_bytes()?)?;
    write("measured.safetensors", &measured_table(&origin.data_source, &dataset, measured)?.to_bytes()?)?;
    write("metacells.h5ad", &metacells(&dataset, arguments.cells_per_metacell, config.seed, &origin.data_source)?)?;
    if !arguments.pathways.is_empty() {
        let mut sets = Vec::new();
        for file in crate::file::open(&arguments.pathways)? {
            sets.extend(pathways::read(&file)?);
        }
        write("pathways.gmt", pathways::write(&pathways::within(sets, &header.genes, MIN_SET_SIZE)).as_bytes())?;
    }
    let card = card(arguments, &origin, &config, &dataset, scores, bank.source());
    write("card.json", serde_json::to_string_pretty(&card)?.as_bytes())?;
    check_sizes(&arguments.out)
}

/// Puts the Ensembl ids of a checkpoint's genes into its header.
fn add_gene_ids(model: &Path, table: &Path) -> Result<()> {
    let file = crate::file::open(&[table.to_owned()])?;
    let table = GeneTable::read(&file[0]).with_context(|| table.display().to_string())?;
    let mut checkpoint = checkpoint::read(&crate::file::read(model)?)?;
    checkpoint.header.gene_ids = table.ids_of(&checkpoint.header.genes);
    let n_found = checkpoint.header.gene_ids.iter().filter(|id| !id.is_empty()).count();
    eprintln!("Ensembl ids: {n_found} of {} genes", checkpoint.header.genes.len());
    crate::file::write(model, &checkpoint::write(&checkpoint)?)
}

fn read_origin(path: &Path) -> Result<Origin> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    toml::from_str(&text).with_context(|| path.display().to_string())
}

fn measured_table(source: &str, dataset: &Dataset, responses: Vec<Response>) -> Result<MeasuredTable> {
    let control = dataset.mean_of(&dataset.control_rows()?).context("no control cell")?;
    Ok(MeasuredTable {
        source: source.to_owned(),
        genes: dataset.genes.clone(),
        control_mean: control.mean,
        n_control_cells: control.n_cells,
        responses,
    })
}

/// Groups of cells of one label: (label, rows), the cells of each label shuffled by seed and cut evenly.
fn groups(dataset: &Dataset, cells_per_metacell: usize, seed: u64) -> Result<Vec<(String, Vec<usize>)>> {
    ensure!(cells_per_metacell >= 10, "a metacell of fewer than 10 cells comes too close to a single cell");
    let labels = dataset.labels.as_ref().context("no perturbation labels: set data.perturbation_column")?;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut groups = Vec::new();
    for (label, name) in labels.names.iter().enumerate() {
        let mut rows = dataset.rows_of(label);
        for i in (1..rows.len()).rev() {
            rows.swap(i, rng.random_range(0..=i as u32) as usize);
        }
        // As many groups as come closest to the wanted size; too few cells for one group of ten are left out.
        let n_groups = (rows.len() as f64 / cells_per_metacell as f64).round().max(1.0) as usize;
        if rows.len() < 10 {
            continue;
        }
        for group in 0..n_groups {
            let (from, to) = (group * rows.len() / n_groups, (group + 1) * rows.len() / n_groups);
            groups.push((name.clone(), rows[from..to].to_vec()));
        }
    }
    Ok(groups)
}

fn metacells(dataset: &Dataset, cells_per_metacell: usize, seed: u64, source: &str) -> Result<Vec<u8>> {
    let groups = groups(dataset, cells_per_metacell, seed)?;
    let mut dense = Vec::with_capacity(groups.len() * dataset.genes.len());
    for (_, rows) in &groups {
        let mean = dataset.mean_of(rows).context("an empty group")?.mean;
        dense.extend(mean.iter().map(|value| value.exp_m1()));
    }
    let conditions: Vec<&str> = groups.iter().map(|(label, _)| label.as_str()).collect();
    let n_cells = groups.iter().map(|(_, rows)| rows.len() as f64).collect();
    let file = H5ad {
        obs: Frame {
            index: (0..groups.len()).map(|group| format!("metacell_{group}")).collect(),
            columns: vec![
                ("condition".into(), Values::categorical(&conditions)),
                ("n_cells".into(), Values::F64(n_cells)),
                ("library_size".into(), Values::F64(vec![dataset.target_sum; groups.len()])),
            ],
        },
        var: Frame { index: dataset.genes.clone(), columns: Vec::new() },
        x: Matrix::Dense { values: dense, n_obs: groups.len(), n_vars: dataset.genes.len() },
        layers: Vec::new(),
        obsm: Vec::new(),
        uns: vec![
            ("waddington/unit".into(), "metacell".into()),
            ("waddington/source".into(), source.into()),
            ("waddington/X".into(), "expm1 of the mean of log1p expression, scaled to library_size".into()),
        ],
        uns_arrays: Vec::new(),
    };
    Ok(write_h5ad(&file)?)
}

fn card(
    arguments: &Arguments,
    origin: &Origin,
    config: &TrainConfig,
    dataset: &Dataset,
    (scores, targets): (Vec<MethodScore>, Vec<TargetScore>),
    bank: &str,
) -> Card {
    let model = &scores[0];
    let (own, best): (Vec<&MethodScore>, Vec<&MethodScore>) =
        scores[1..].iter().partition(|score| score.method.ends_with(ANCHOR_ALONE));
    let better = |score: &&&MethodScore| score.delta_pearson > model.delta_pearson;
    let stronger: Vec<&str> = best.iter().filter(better).map(|score| score.method.as_str()).collect();
    let lower: Vec<&str> = best.iter().filter(|score| score.mse < model.mse).map(|s| s.method.as_str()).collect();
    let verdict = match (stronger.is_empty(), lower.is_empty()) {
        (true, true) => {
            "On held-out targets the model beats every baseline shown here; with so few targets that is weak evidence."
                .to_owned()
        }
        _ => {
            let clause = |what: &str, names: &[&str]| {
                if names.is_empty() {
                    format!("by {what} no baseline does better")
                } else {
                    format!("by {what}: {}", names.join(", "))
                }
            };
            format!(
                "On held-out targets the model does not beat every simple baseline ({}; {}). Do not rely on its predictions.",
                clause("correlation", &stronger),
                clause("squared error", &lower)
            )
        }
    };
    let shrunk = (config.vector_weight < 1.0 && config.anchor.is_none()).then(|| {
        format!(
            "Predictions for different targets are much alike: a query keeps {:.0} % of what sets a target's vector apart \
             from the training targets', because a model of so few targets overrates it.",
            100.0 * config.vector_weight
        )
    });
    let anchored = config.anchor.as_ref().map(|anchor| {
        format!(
            "Most of a prediction is a closed form: the training targets' mean responses, weighed by how alike the vectors \
             are, and the loss of the target's own transcript. The network moves no gene further than {:.0} % of that form's \
             own error.{}",
            100.0 * anchor.residual_bound,
            own.first().map_or_else(String::new, |alone| format!(
                " By itself the closed form has a correlation of {:.3} and a squared error of {:.5}, the model {:.3} and {:.5}.",
                alone.delta_pearson.unwrap_or_default(), alone.mse, model.delta_pearson.unwrap_or_default(), model.mse
            ))
        )
    });
    let n_genes = dataset.genes.len();
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Card {
        // What it is in numbers stands below it, from the header.
        title: "A demonstration model, trained by this project's own code".into(),
        data_source: origin.data_source.clone(),
        data_licence: origin.data_licence.clone(),
        split: format!(
            "Whole targets held out of every stage: {}. Control cells are shared between training and evaluation. {}",
            config.held_out.join(", "),
            origin.settings_chosen
        ),
        scores: scores.clone(),
        targets,
        limitations: std::iter::once(verdict).chain(shrunk).chain(anchored).chain([
            format!(
                "Trained briefly: {} pretraining, {} action and {} decoder steps; not a converged model.",
                config.pretrain.n_steps, config.action.n_steps, config.decoder.n_steps
            ),
            format!("One cell line, one condition, one mode, {n_genes} genes: it says nothing about other cells."),
            "A gene outside the screen is predicted from its vector alone; most such predictions cannot be checked.".into(),
            "Predictions are mean changes; the spread between cells and the model's own variance are not calibrated.".into(),
            "A model of responses, trained small enough for a browser; not a substitute for an experiment.".into(),
        ]).collect(),
        command: format!(
            "waddington demo {} {} --bank {bank} --card {}{}{} --cpu",
            arguments.config.display(),
            name(&arguments.data),
            arguments.card.display(),
            arguments.genes.as_ref().map_or_else(String::new, |genes| format!(" --genes {}", name(genes))),
            arguments.pathways.iter().map(|sets| format!(" --pathways {}", name(sets))).collect::<String>()
        ),
    }
}

/// The demo is downloaded at the first visit: it must stay small.
fn check_sizes(folder: &Path) -> Result<()> {
    let mut total = 0;
    for name in ["model.safetensors", "bank.safetensors", "measured.safetensors", "metacells.h5ad", "card.json"] {
        let n_bytes =
            std::fs::metadata(folder.join(name)).with_context(|| format!("asking for the size of {name}"))?.len();
        eprintln!("{name}: {n_bytes} bytes");
        total += n_bytes;
    }
    ensure!(total < 8_000_000, "the demo takes {total} bytes; it must stay under 8,000,000");
    Ok(())
}
