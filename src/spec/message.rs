//! The closed set of what the screen may ask and the engine may say.
//!
//! A request travels with an id; every event that answers it carries the same id, and exactly one of them is final:
//! [`Event::Failed`], [`Event::Cancelled`] or the answer itself. Files are not part of a message: the link hands the
//! `File` objects over beside [`Request::Open`] and [`Request::LoadCheckpoint`].

use serde::{Deserialize, Serialize};

use crate::backwards::{Backwards, Candidates, Signature};
use crate::checkpoint::{Card, CheckpointHeader};
use crate::dataset::{GeneJoin, Opened, PrepareOptions, Prepared};
use crate::device::{AttentionPath, BackendChoice, DeviceReport};
use crate::enrichment::{Collection, Enrichment, EnrichmentConfig, GeneValues};
use crate::evaluation::{Evaluation, EvaluationConfig};
use crate::genes::VariableGenesTable;
use crate::labels::{LabelOptions, LabelTable};
use crate::map::{
    CellColumn, CellQuantity, Grouping, Mapped, MarkerOptions, MarkerTable, PopulationConfig, Representation,
    ScoreTable,
};
use crate::model::Mode;
use crate::prediction::{Prediction, Query, TargetInfo};
use crate::prepare::{CellFilter, MapConfig};
use crate::run::{Glimpse, RunChange, RunExport, RunInfo, StartFrom, Steering, StorageReport, TrainingPlan};
use crate::shift::Shifts;
use crate::train::{StepReport, TrainConfig};

/// What the screen asks of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Request {
    /// Choose the device. Answered by [`Event::Ready`]. Must come first.
    Start {
        /// Which backend.
        backend: BackendChoice,
        /// How the models that are loaded from now on compute attention.
        #[serde(default)]
        attention: AttentionPath,
    },
    /// Load a checkpoint and what belongs to it. Its files come beside the message, in any order: the model
    /// (`model.safetensors`, or parameters alone as safetensors or as `torch.save` writes them, with a gene list as
    /// `.txt`, `.csv` or `.tsv` and a decoder of its own file) and, where they are there, `bank.safetensors`,
    /// `measured.safetensors` and `card.json`. Answered by [`Event::CheckpointLoaded`].
    LoadCheckpoint {
        /// Attention heads of a model whose file does not say it. Default: assumed, and said.
        #[serde(default)]
        n_heads: Option<usize>,
    },
    /// Understand one file, the several that make one matrix, or the samples of a study, handed over beside the message.
    /// Answered by [`Event::Opened`].
    Open {
        /// Which genes samples share.
        #[serde(default)]
        join: GeneJoin,
    },
    /// Say what the labels of a column of the opened file mean. Answered by [`Event::LabelsRead`].
    ReadLabels {
        /// The column of `obs`.
        column: String,
        /// How.
        #[serde(default)]
        options: LabelOptions,
    },
    /// Read and prepare the opened file. Answered by [`Event::Prepared`].
    Prepare {
        /// How.
        options: PrepareOptions,
    },
    /// Keep the prepared cells within these bounds, of all that were read. Answered by [`Event::Prepared`].
    Filter {
        /// The bounds.
        filter: CellFilter,
    },
    /// Take the names of genes from a table, handed over beside the message, in every preparation from now on; without
    /// a file, as files name them. Answered by [`Event::GeneTableRead`].
    GeneTable,
    /// Take the sets of genes that responses are looked for in from a `.gmt`, handed over beside the message. Answered by
    /// [`Event::PathwaysRead`].
    Pathways,
    /// Look for the sets of genes that values fall into. Answered by [`Event::Enriched`].
    Enrich {
        /// A response, or other values of genes.
        asked: Box<GeneValues>,
        /// How.
        #[serde(default)]
        config: EnrichmentConfig,
    },
    /// Principal components of the prepared cells and of their latent states. What did not change is not computed anew.
    /// Answered by [`Event::Embedded`].
    Embed {
        /// How the map of expression is made.
        #[serde(default)]
        config: MapConfig,
    },
    /// Neighbours, clusters and a layout of the cells, after [`Request::Embed`]. What did not change is not computed anew.
    /// Says [`Event::Unfolding`] as it goes; answered by [`Event::Mapped`].
    Map {
        /// In which numbers cells are near each other.
        representation: Representation,
        /// How.
        #[serde(default)]
        config: PopulationConfig,
    },
    /// Genes that tell groups of cells apart. Answered by [`Event::MarkersFound`].
    Markers {
        /// The groups.
        grouping: Grouping,
        /// How.
        #[serde(default)]
        options: MarkerOptions,
    },
    /// How well clusters of expression and of latent states meet the labels of a column, on the same cells. Answered by
    /// [`Event::Scored`].
    Score {
        /// The labels; what the perturbation column means where it is `perturbation` and the file has none of that name.
        column: String,
        /// How clusters are made; the resolution is 1 and a sweep.
        #[serde(default)]
        config: PopulationConfig,
    },
    /// One thing that is known of every cell. Answered by [`Event::CellValues`].
    CellValues {
        /// Which.
        quantity: CellQuantity,
    },
    /// The symbols of the prepared genes. Answered by [`Event::GeneSymbols`].
    GeneSymbols,
    /// Predict a response. Answered by [`Event::Predicted`].
    Predict {
        /// What is asked.
        query: Query,
    },
    /// Where the last answer to a question would take the control cells on the map. Answered by [`Event::Shifted`].
    Shifts {
        /// What was predicted.
        query: Query,
    },
    /// Look for the perturbations that lead towards a signature. Answered by [`Event::AskedBackwards`].
    AskBackwards {
        /// What is looked for.
        signature: Box<Signature>,
        /// How genes would be perturbed.
        mode: Mode,
        /// Which are asked about.
        #[serde(default)]
        candidates: Candidates,
    },
    /// Judge the loaded model on what it held out of the prepared cells, beside the simple methods; these alone where there
    /// is no such model, or other folds are asked for. Answered by [`Event::Evaluated`].
    Evaluate {
        /// How.
        config: Box<EvaluationConfig>,
    },
    /// Write the prepared cells, or what was done to them, as a file. Answered by [`Event::Exported`].
    Export {
        /// As what.
        kind: ExportKind,
    },
    /// Look at a run before it is started: what it would take, and how long. Answered by [`Event::TrainingPlanned`].
    PlanTraining {
        /// The run; sizes come from cells and vectors.
        config: Box<TrainConfig>,
        /// What it begins from.
        start: StartFrom,
    },
    /// Start a run on the prepared cells. Says [`Event::TrainingStarted`], [`Event::Step`], [`Event::Glimpsed`] and
    /// [`Event::RunSaved`] as it goes; answered by [`Event::Trained`]. [`Request::Cancel`] discards it.
    Train {
        /// What a person calls it.
        name: String,
        /// How.
        config: Box<TrainConfig>,
        /// What it begins from.
        start: StartFrom,
        /// Seconds between two savings.
        save_every_secs: f64,
    },
    /// Go on with a run that is kept; it brings its own cells. Answered as [`Request::Train`].
    ResumeRun {
        /// Its id.
        run: String,
        /// Seconds between two savings.
        save_every_secs: f64,
    },
    /// The runs that are kept. Answered by [`Event::Runs`].
    Runs,
    /// Rename or delete a run. Answered by [`Event::Runs`].
    ChangeRun {
        /// Its id.
        run: String,
        /// What is done.
        change: RunChange,
    },
    /// Take a part of a run away. Answered by [`Event::Exported`].
    ExportRun {
        /// Its id.
        run: String,
        /// Which part.
        part: RunExport,
    },
    /// Ask the model of a run from now on. Answered by [`Event::CheckpointLoaded`].
    UseRun {
        /// Its id.
        run: String,
    },
    /// Pause or stop the run of the request with this id at its next step.
    Steer {
        /// The request that runs it.
        request: u32,
        /// What is wanted.
        how: Steering,
    },
    /// Stop the request with this id at its next step.
    Cancel {
        /// The request to stop.
        request: u32,
    },
}

impl Request {
    /// To open files; the genes of samples are united.
    pub const OPEN: Request = Request::Open { join: GeneJoin::Union };
}

/// What a person takes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// An h5ad: expression, counts, quality, maps and predictions.
    H5ad,
    /// A csv of the cells: barcodes, the file's columns, quality and maps.
    CellsCsv,
    /// How the cells were prepared ([`crate::recipe::Recipe`]), as json.
    Recipe,
    /// The last markers, of all genes, as csv.
    Markers,
    /// What was done, as a paragraph for a paper, with versions, parameters and seeds.
    Methods,
    /// A script that goes on in scanpy with the h5ad.
    Snippet,
}

impl ExportKind {
    /// In plain words.
    pub fn label(self) -> &'static str {
        match self {
            Self::H5ad => "the h5ad",
            Self::CellsCsv => "the table of cells",
            Self::Recipe => "the recipe",
            Self::Markers => "the markers",
            Self::Methods => "the methods",
            Self::Snippet => "the script",
        }
    }
}

/// What the engine says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum Event {
    /// The device is there.
    Ready {
        /// What it is.
        device: DeviceReport,
    },
    /// A request goes on. Not final.
    Progress {
        /// What is being done, in plain words.
        task: String,
        /// Units done.
        done: f64,
        /// Units in all; none where unknown.
        total: Option<f64>,
        /// The unit: `cells`, `bytes`, `files`, `maps`.
        unit: String,
        /// Seconds left; none until it can be told.
        remaining_secs: Option<f64>,
    },
    /// A checkpoint is loaded.
    CheckpointLoaded {
        /// What it says of itself.
        header: Box<CheckpointHeader>,
        /// Its card, where it has one.
        card: Option<Card>,
        /// The genes that can be asked for, by symbol; none where vectors or the decoder are missing.
        targets: Vec<TargetInfo>,
        /// Parameters.
        n_parameters: usize,
        /// Perturbation vectors that came with it.
        n_vectors: usize,
        /// Whether the number of attention heads is not in the file, but was assumed or chosen.
        heads_unknown: bool,
        /// What is missing and what was assumed.
        warnings: Vec<String>,
    },
    /// A file was understood.
    Opened {
        /// As what.
        opened: Opened,
    },
    /// Labels were understood.
    LabelsRead {
        /// As what, to be corrected by [`PrepareOptions::corrections`].
        table: LabelTable,
    },
    /// A file was prepared, or its cells were filtered.
    Prepared {
        /// What came out.
        prepared: Prepared,
    },
    /// A table of genes was read, or let go of.
    GeneTableRead {
        /// Its name and how many symbols it has; none where names are as files have them.
        table: Option<(String, usize)>,
    },
    /// Sets of genes were read.
    PathwaysRead {
        /// What they are.
        collection: Collection,
    },
    /// Sets of genes were looked for.
    Enriched {
        /// What was found.
        enrichment: Box<Enrichment>,
    },
    /// The maps are there.
    Embedded {
        /// How variable the genes are; none where the map is of all.
        genes: Option<VariableGenesTable>,
        /// Of expression and, where a checkpoint is loaded, of the latent states.
        maps: Vec<EmbeddingMap>,
    },
    /// A layout as it stands. Not final.
    Unfolding {
        /// Of what.
        representation: Representation,
        /// The layout so far.
        map: EmbeddingMap,
        /// Epochs done.
        n_done: usize,
        /// Epochs in all.
        n_epochs: usize,
    },
    /// Neighbours, clusters and the layout are there.
    Mapped {
        /// What came out.
        mapped: Box<Mapped>,
    },
    /// Markers were found.
    MarkersFound {
        /// What was found.
        table: Box<MarkerTable>,
    },
    /// Clusters were scored.
    Scored {
        /// The scores.
        table: Box<ScoreTable>,
    },
    /// One thing of every cell.
    CellValues {
        /// Which.
        quantity: CellQuantity,
        /// By row.
        column: CellColumn,
    },
    /// What the prepared genes are called.
    GeneSymbols {
        /// By gene.
        symbols: Vec<String>,
    },
    /// A response was predicted.
    Predicted {
        /// The answer.
        prediction: Prediction,
    },
    /// Cells were moved on the map.
    Shifted {
        /// Where to.
        shifts: Box<Shifts>,
    },
    /// Perturbations were looked for.
    AskedBackwards {
        /// What was found.
        found: Box<Backwards>,
    },
    /// An evaluation is done.
    Evaluated {
        /// What was found.
        report: Box<Evaluation>,
    },
    /// A run was looked at.
    TrainingPlanned {
        /// What was seen.
        plan: Box<TrainingPlan>,
    },
    /// A run was started or goes on. Not final.
    TrainingStarted {
        /// As it stands.
        run: Box<RunInfo>,
        /// What a person should know, in plain words.
        warnings: Vec<String>,
    },
    /// Steps were done. Not final.
    Step {
        /// The last of them.
        report: Box<StepReport>,
        /// Steps done, over all stages.
        steps_done: usize,
        /// Seconds left, from the pace of each stage so far; none until it can be told.
        remaining_secs: Option<f64>,
        /// Seconds that the run stood still since the last report, since the page was hidden or the machine asleep; they
        /// count in no other number. None where it did not.
        stood_still_secs: Option<f64>,
    },
    /// The model was asked while it learns. Not final.
    Glimpsed {
        /// Its answer.
        glimpse: Glimpse,
    },
    /// A run was saved, or could not be. Not final.
    RunSaved {
        /// Steps that are safe.
        steps_done: usize,
        /// Why it could not be saved; the run goes on.
        problem: Option<String>,
    },
    /// A run ended, or was paused.
    Trained {
        /// As it stands.
        run: Box<RunInfo>,
    },
    /// The runs that are kept, the latest first.
    Runs {
        /// The runs.
        runs: Vec<RunInfo>,
        /// Where they are kept.
        storage: StorageReport,
    },
    /// The cells were written.
    Exported {
        /// What the file may be called.
        name: String,
        /// The file.
        #[serde(with = "crate::floats::u8s")]
        bytes: Vec<u8>,
    },
    /// The request was stopped; what was there before is still there.
    Cancelled,
    /// The request failed; what was there before is still there.
    Failed {
        /// Names what was wrong and where.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

/// Two-dimensional coordinates of the prepared cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmbeddingMap {
    /// What was mapped: `expression` or `latent states`.
    pub name: String,
    /// Label of each axis with its share of variance, for example `PC1 (12.3 % of variance)`.
    pub axes: [String; 2],
    /// First coordinate per cell.
    #[serde(with = "crate::floats::f32s")]
    pub x: Vec<f32>,
    /// Second coordinate per cell.
    #[serde(with = "crate::floats::f32s")]
    pub y: Vec<f32>,
}

/// A message in either direction with the id of the request it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Id of the request, chosen by the side that asks.
    pub id: u32,
    /// The request or event.
    pub body: T,
}
