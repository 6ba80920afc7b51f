//! What an evaluation found.

use serde::{Deserialize, Serialize};

use super::{CellTests, EvaluationConfig, ReferenceEvaluation};
use crate::metrics::MetricTable;
use crate::split::Finding;

/// A whole evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// In one sentence: whether the model beats the simple methods, and by how much.
    pub headline: String,
    /// What is not as one would expect, in plain words.
    pub problems: Vec<String>,
    /// How it was made.
    pub config: EvaluationConfig,
    /// On what.
    pub data: DataSummary,
    /// What was held out when.
    pub folds: Vec<FoldReport>,
    /// What the rows of the table are, in its order.
    pub methods: Vec<MethodNote>,
    /// Methods by measures.
    pub table: MetricTable,
    /// Per measure, the row that is best of model and baselines, where the interval of its lead over the next one says so.
    pub best: Vec<Option<usize>>,
    /// Measures of tests of cells; none where they were not asked for, or cannot be made.
    pub cell_tests: Option<CellTests>,
    /// BioJEPA-AC's evaluations of the model; empty where they were not asked for, or no model was judged.
    pub reference: Vec<ReferenceEvaluation>,
    /// What every perturbation was predicted and measured to do, in the table's order.
    pub profiles: Vec<Profile>,
    /// The measure of single cells, beside what knows nothing; none where rows are not single cells.
    pub null: Option<SampleNull>,
    /// Whether intervals hold what they promise, by method.
    pub calibrations: Vec<Calibration>,
    /// How far each perturbation is from those of training, in the table's order; empty without vectors.
    pub support: Vec<TargetSupport>,
    /// What the parts share that they should not.
    pub audit: Audit,
    /// Seconds it took.
    pub elapsed_secs: f64,
}

/// The data of an evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Name of the file.
    pub name: String,
    /// Cells.
    pub n_cells: usize,
    /// Control cells.
    pub n_control_cells: usize,
    /// Symbols of the genes.
    pub genes: Vec<String>,
    /// Seeds that the model was trained with; empty where it was not trained here.
    pub seeds: Vec<u64>,
}

/// What was held out together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldReport {
    /// What it is called.
    pub name: String,
    /// Perturbations tested.
    pub test: Vec<String>,
    /// Perturbations learnt from.
    pub n_train: usize,
}

/// What a row of the table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MethodKind {
    /// The model.
    Model,
    /// The model of one seed.
    Seed,
    /// The model, told nothing or something wrong: a model whose scores survive this does not use what it was given.
    Control,
    /// A simple method.
    Baseline,
    /// Looks at the tested cells' batch or size and nothing else: what it scores is not biology.
    Probe,
    /// One half of the cells as the prediction for the other.
    Ceiling,
}

impl MethodKind {
    /// As shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Seed => "one seed",
            Self::Control => "control of the model",
            Self::Baseline => "baseline",
            Self::Probe => "probe",
            Self::Ceiling => "ceiling",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodNote {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: MethodKind,
    /// How it predicts, in one sentence.
    pub about: String,
    /// Perturbations for which it had nothing to go by, and said the mean of training.
    pub n_fallback: usize,
}

/// One perturbation, predicted and measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The perturbation.
    pub target: String,
    /// Its cells.
    pub n_cells: usize,
    /// Genes, by their place in [`DataSummary::genes`]; those that change most surely where there are many.
    pub genes: Vec<u32>,
    /// Measured change (log1p units).
    pub measured: Vec<f32>,
    /// Standard error of that change (log1p units).
    pub standard_error: Vec<f32>,
    /// Predicted changes (log1p units) by method: the model where there is one, then the best baseline and the mean of
    /// training.
    pub predicted: Vec<(String, Vec<f32>)>,
}

/// The measure of single cells that a published headline rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleNull {
    /// Pairs of a perturbed and a control cell.
    pub n_pairs: usize,
    /// What was scored.
    pub rows: Vec<NullRow>,
}

/// One score of single cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NullRow {
    /// What predicts.
    pub predictor: String,
    /// Whether it knows anything of the perturbation asked about.
    pub knows: bool,
    /// Whether the cells' labels were shuffled before, so that there was no effect at all.
    pub shuffled: bool,
    /// Pearson over the 20 genes of largest difference of each pair; mean over pairs.
    pub pearson20: f64,
    /// Mean squared error of the difference (log1p units squared).
    pub mse: f64,
}

/// Whether intervals around predictions hold what they promise, on perturbations that neither training nor the widths saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Whose predictions.
    pub method: String,
    /// Perturbations: each in turn is looked at with widths from the others.
    pub n_targets: usize,
    /// What was promised and what was found.
    pub levels: Vec<Level>,
    /// Share of genes inside at the level asked for, per perturbation in the table's order; empty where it cannot be
    /// promised.
    pub by_target: Vec<Option<f64>>,
    /// Half widths per gene (log1p units) at the level asked for, from all perturbations; empty where it cannot be
    /// promised.
    pub half_widths: Vec<Option<f64>>,
    /// The level that the next two are of: the one asked for, or the highest below it that can be promised.
    pub width_level: Option<f64>,
    /// Half widths against errors: values in bins of equal number, the narrowest intervals first; empty where no level can
    /// be promised.
    pub by_width: Vec<WidthBin>,
    /// Rank correlation of half width and absolute error over all values; none where one of them is the same everywhere.
    pub width_order: Option<f64>,
    /// Why there is nothing; none where there is.
    pub problem: Option<String>,
}

/// Changes whose intervals are about as wide as each other, each looked at with widths from other perturbations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WidthBin {
    /// Genes of perturbations, counted each by itself.
    pub n_values: usize,
    /// Median half width (log1p units).
    pub half_width: f64,
    /// Median absolute error of the prediction (log1p units).
    pub error: f64,
    /// Share of measured changes inside.
    pub inside: f64,
}

/// One level of confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Level {
    /// Share of measured changes that is to lie inside.
    pub promised: f64,
    /// Share that does.
    pub found: f64,
    /// Mean half width (log1p units).
    pub half_width: f64,
}

/// How far a perturbation is from those of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetSupport {
    /// The perturbation.
    pub target: String,
    /// The training perturbation with the most similar vector; none where it has no vector.
    pub nearest: Option<String>,
    /// Cosine of the two vectors.
    pub cosine: Option<f64>,
    /// Whether it is farther than nineteen of twenty training perturbations are from each other.
    pub is_outside: bool,
    /// Root of the model's mean squared error (log1p units), or of the best baseline's.
    pub error: Option<f64>,
}

/// What the parts share that they should not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// What was looked for.
    pub findings: Vec<Finding>,
    /// What the probes say, in plain words.
    pub notes: Vec<String>,
}

impl Evaluation {
    /// Rows of a kind, by their place in the table.
    pub fn rows_of(&self, kind: MethodKind) -> impl Iterator<Item = usize> + '_ {
        self.methods.iter().enumerate().filter(move |(_, method)| method.kind == kind).map(|(row, _)| row)
    }
}
