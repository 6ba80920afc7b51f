//! What a training run says as it goes: losses with their terms, validation, gauges, warnings, and the curves of all of it.

use serde::{Deserialize, Serialize};

use crate::train::Stage;

/// Where a run stands; sent every `report_every` steps, at every validation and at the end of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The stage being run.
    pub stage: Stage,
    /// Steps done in this stage.
    pub step: usize,
    /// Steps of this stage in all.
    pub n_steps: usize,
    /// Loss of the last step.
    pub loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Mean wall time of a step since the last report, in seconds.
    pub step_secs: f64,
    /// What the loss is the sum of.
    #[serde(default)]
    pub terms: Vec<TermValue>,
    /// How the model does on what was held back; none where nothing is, or it was not looked at now.
    #[serde(default)]
    pub validation: Option<Validation>,
    /// The loss on what was held back before the stage's first step; none where that was not looked at: it is in the decoder
    /// stage, where the run has an anchor or starts from a checkpoint.
    #[serde(default)]
    pub validated_before: Option<f64>,
    /// How far the latent states spread; none where they were not looked at now, or the stage does not change them.
    #[serde(default)]
    pub gauges: Option<Gauges>,
    /// What a person should know.
    #[serde(default)]
    pub warnings: Vec<TrainWarning>,
    /// How the stage ended; none while it goes on.
    #[serde(default)]
    pub end: Option<StageEnd>,
}

/// What a loss is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossTerm {
    /// Masked prediction: mean absolute difference (pretraining), Gaussian negative log-likelihood (action).
    Prediction,
    /// Variance hinge of what is trained: the student's states (pretraining), the predicted ones (action).
    Variance,
    /// Covariance of the same.
    Covariance,
    /// Variance hinge of the teacher's states.
    TeacherVariance,
    /// Covariance of the teacher's states.
    TeacherCovariance,
    /// Cross-entropy of choosing the own positive (alignment).
    Contrast,
    /// Squared error of the decoded change (decoder).
    Change,
    /// Squared error of the hidden values, in bins (Cell-JEPA).
    HiddenValues,
    /// Squared error of the hidden values as the cell's embedding tells them, in bins (Cell-JEPA's fine-tuning).
    GeneratedValues,
    /// Cross-entropy of finding cells of the same type (Cell-JEPA's fine-tuning).
    TypeContrast,
    /// `1 - cos` of the cell's predicted embedding and the teacher's (Cell-JEPA).
    CellEmbedding,
    /// Energy distance between the predicted and the observed cells of a target (action, decoder).
    Population,
}

impl LossTerm {
    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            LossTerm::Prediction => "prediction",
            LossTerm::Variance => "variance",
            LossTerm::Covariance => "covariance",
            LossTerm::TeacherVariance => "variance of the teacher",
            LossTerm::TeacherCovariance => "covariance of the teacher",
            LossTerm::Contrast => "contrast",
            LossTerm::Change => "squared error of the change",
            LossTerm::HiddenValues => "squared error of hidden values",
            LossTerm::GeneratedValues => "squared error of generated values",
            LossTerm::TypeContrast => "contrast of cell types",
            LossTerm::CellEmbedding => "cosine distance of the cell's embedding",
            LossTerm::Population => "distance of the populations",
        }
    }
}

/// One term of a loss; the loss is the sum of `weight * value`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TermValue {
    /// Which.
    pub term: LossTerm,
    /// Its value, without the weight.
    pub value: f64,
    /// What it is multiplied by.
    pub weight: f64,
}

/// The loss of the stage on what was held back, over the same batches and masks every time. In pretraining the teacher
/// moves, so that losses far apart in time do not measure the same: they may end the stage early, but its last values are
/// kept, not those with the lowest loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The loss.
    pub loss: f64,
    /// What it is the sum of.
    pub terms: Vec<TermValue>,
    /// Whether no earlier validation of the stage had a lower loss.
    pub is_best: bool,
    /// Validations since the best one.
    pub n_since_best: usize,
}

/// How far latent states spread over one fixed batch: the student's of whole cells (pretraining), or the predicted ones
/// (action). A row is one gene of one cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    /// Smallest standard deviation of a latent dimension over all rows. The loss of BioJEPA-AC wants 1.
    pub std_min: f64,
    /// Mean of the standard deviations.
    pub std_mean: f64,
    /// How many dimensions are used: the exponential of the entropy of the eigenvalues of the covariance. From 1 (all in
    /// one direction) to `n_dims`; 0 where nothing varies.
    pub effective_rank: f64,
    /// Latent dimensions.
    pub n_dims: usize,
    /// Share of the variance that is between cells, within a gene: with 0 all cells look alike, however much genes differ.
    pub between_cells: f64,
    /// Root of the mean squared difference of the student's from the teacher's states, over the root of the teacher's mean
    /// square; none in other stages than pretraining.
    pub teacher_distance: Option<f64>,
}

/// What a person should know of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum TrainWarning {
    /// Pretraining stands where all states are alike.
    Plateau {
        /// The loss.
        loss: f64,
    },
    /// Latent states have lost their spread.
    Collapse {
        /// Mean standard deviation.
        std_mean: f64,
        /// Dimensions in use.
        effective_rank: f64,
    },
}

/// A loss of pretraining this near to 49.5 is the plateau.
const PLATEAU: std::ops::Range<f64> = 48.5..50.5;
/// Hinge of both encoders' states above which they are all alike; 0.99 where they are the same.
const FLAT_HINGE: f64 = 0.9;
/// Mean standard deviation under which states are collapsed; the loss wants 1.
const COLLAPSED_STD: f64 = 0.05;
/// Effective rank under which states are collapsed to a line.
const COLLAPSED_RANK: f64 = 1.5;

impl TrainWarning {
    /// What a loss and its gauges give reason to say, after `done` of `n_steps` steps.
    pub fn of(stage: Stage, done: usize, n_steps: usize, terms: &[TermValue], gauges: Option<&Gauges>) -> Vec<Self> {
        let mut warnings = Vec::new();
        let loss: f64 = terms.iter().map(|term| term.weight * term.value).sum();
        let is_flat = |wanted: LossTerm| terms.iter().any(|term| term.term == wanted && term.value > FLAT_HINGE);
        let is_plateau = stage == Stage::Pretrain
            && PLATEAU.contains(&loss)
            && is_flat(LossTerm::Variance)
            && is_flat(LossTerm::TeacherVariance);
        if is_plateau {
            warnings.push(TrainWarning::Plateau { loss });
        }
        // At the start every model is near the plateau: the gauges are judged in the second half.
        if let Some(gauges) = gauges.filter(|_| 2 * done >= n_steps) {
            let is_line = gauges.n_dims >= 4 && gauges.effective_rank < COLLAPSED_RANK;
            if gauges.std_mean < COLLAPSED_STD || is_line {
                let Gauges { std_mean, effective_rank, .. } = *gauges;
                warnings.push(TrainWarning::Collapse { std_mean, effective_rank });
            }
        }
        warnings
    }

    /// In plain words, with what to do.
    pub fn text(&self) -> String {
        match self {
            TrainWarning::Plateau { loss } => format!(
                "The loss is {loss:.2}. At 49.5 all latent states are the same (25 · 2 · 0.99) and nothing is told apart. Runs \
                 begin here and leave this plateau in a sudden fall; the production model of the reference takes about \
                 3,600 steps. If it lasts, give more steps or a higher max_lr."
            ),
            TrainWarning::Collapse { std_mean, effective_rank } => format!(
                "The latent states have collapsed: their mean standard deviation is {std_mean:.3} (the loss of BioJEPA-AC wants 1) and they use \
                 {effective_rank:.1} dimensions. What is trained on them tells little; give pretraining more steps, a \
                 higher rate of learning or larger batches."
            ),
        }
    }
}

/// How a stage ended.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StageEnd {
    /// Whether it ended before its last step, because validation got no better.
    pub stopped_early: bool,
    /// The step with the best validation, whose values are kept: 0 for those that the stage began with. None where those of
    /// the last step are: without validation, and in pretraining (of BioJEPA-AC).
    pub kept_step: Option<usize>,
}

impl StageEnd {
    /// What is kept, in plain words; none where it is what the last step left.
    pub fn kept(&self) -> Option<String> {
        self.kept_step.map(|step| match step {
            0 => "no step did better on what was held back than the values it began with, which are kept".to_owned(),
            step => format!("the values of step {step} are kept, which did best on what was held back"),
        })
    }
}

/// How long a run will take, measured on this device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// The stages that are still to be run.
    pub stages: Vec<StageTime>,
}

/// How long one stage will take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StageTime {
    /// Which.
    pub stage: Stage,
    /// Mean wall time of a step, in seconds.
    pub step_secs: f64,
    /// Steps still to be done.
    pub n_steps: usize,
}

impl Probe {
    /// Wall time of all steps that are still to be done, in seconds, without validation and early stopping.
    pub fn total_secs(&self) -> f64 {
        self.stages.iter().map(|stage| stage.step_secs * stage.n_steps as f64).sum()
    }
}

/// The losses of a run so far.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Of the training steps that were reported.
    pub losses: Curve,
    /// Of the validations.
    pub validation: Curve,
}

/// A curve of bounded size: where it grows too long, every second point is dropped, and from then on every second one is
/// not taken up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Curve {
    /// In order of time.
    pub points: Vec<CurvePoint>,
    /// Points that were offered, as far as they are counted: the next is taken up where this is a multiple of `every`.
    n_offered: usize,
    /// 0 stands for 1.
    every: usize,
}

/// One point of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The stage.
    pub stage: Stage,
    /// Steps done in it.
    pub step: usize,
    /// The loss; in f32, which survives text exactly.
    pub loss: f32,
}

impl Curve {
    /// Points at most.
    pub const MAX_POINTS: usize = 2000;

    /// Offers the next point.
    pub fn push(&mut self, point: CurvePoint) {
        self.every = self.every.max(1);
        if self.n_offered.is_multiple_of(self.every) {
            self.points.push(point);
        }
        self.n_offered = self.n_offered.saturating_add(1);
        if self.points.len() > Self::MAX_POINTS {
            let mut at = 0;
            self.points.retain(|_| {
                at += 1;
                at % 2 == 1
            });
            self.every = self.every.saturating_mul(2);
        }
    }

    /// The last point taken up of a stage.
    pub fn last_of(&self, stage: Stage) -> Option<&CurvePoint> {
        self.points.iter().rev().find(|point| point.stage == stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_stays_bounded_and_even() {
        let mut curve = Curve::default();
        for step in 0..50_000 {
            curve.push(CurvePoint { stage: Stage::Action, step, loss: step as f32 });
        }
        assert!((Curve::MAX_POINTS / 2..=Curve::MAX_POINTS).contains(&curve.points.len()), "{}", curve.points.len());
        let gap = curve.points[1].step;
        assert!(curve.points.windows(2).all(|pair| pair[1].step - pair[0].step == gap));
        assert!(curve.points.last().is_some_and(|last| 50_000 - last.step <= 2 * gap));
    }

    #[test]
    fn the_plateau_is_told_from_a_loss_that_happens_to_be_as_high() {
        let term = |term, value, weight| TermValue { term, value, weight };
        let of = |hinge, prediction| {
            let terms = [
                term(LossTerm::Prediction, prediction, 25.0),
                term(LossTerm::Variance, hinge, 25.0),
                term(LossTerm::TeacherVariance, hinge, 25.0),
            ];
            TrainWarning::of(Stage::Pretrain, 10, 100, &terms, None)
        };
        assert!(matches!(of(0.99, 0.001)[..], [TrainWarning::Plateau { .. }]));
        assert!(of(0.5, 0.98).is_empty());
    }

    #[test]
    fn a_collapse_is_said_in_the_second_half() {
        let gauges = |std_mean, effective_rank| Gauges {
            std_min: 0.0,
            std_mean,
            effective_rank,
            n_dims: 8,
            between_cells: 0.5,
            teacher_distance: None,
        };
        let of = |done, gauges: Gauges| TrainWarning::of(Stage::Pretrain, done, 100, &[], Some(&gauges)).len();
        assert_eq!([of(10, gauges(0.01, 1.0)), of(90, gauges(0.01, 6.0)), of(90, gauges(1.0, 1.1))], [0, 1, 1]);
        assert_eq!(of(90, gauges(1.0, 6.0)), 0);
    }
}
