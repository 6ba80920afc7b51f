//! How well a model does on perturbations that it did not learn from: the one computation behind the screen and the
//! command line.
//!
//! Perturbations are held out in folds; in each, every simple method learns from what is left, and so does the model, if
//! it is trained here. What all say of what was held out is scored in one table, on means over cells, against measured
//! controls. Reading order: `screen` (what was measured), `folds`, `baselines`, `contender` (the model), `evidence` (the
//! table and its ceiling), `cell_tests` and `reference` (where they are asked for), then what says how far to trust it: `null`, `trust`, `audit`, `headline`.

mod asked;
mod audit;
mod baselines;
mod cell_tests;
mod contender;
mod evidence;
mod folds;
mod headline;
mod null;
mod reference;
mod screen;
mod trust;

use std::future::Future;

use jepa::bank::Bank;
use jepa::platform::now_secs;
use spec::evaluation::{DataSummary, Evaluation, EvaluationConfig, FoldReport, Folds, MethodKind, MethodNote};

pub(crate) use asked::asked;
pub use contender::{ANCHOR_ALONE, Contender};
pub use screen::Subject;

use crate::failure::EngineError;
use contender::Told;
use folds::Fold;
use screen::Screen;

/// Hears how far an evaluation is, and may stop it.
pub trait Watch {
    /// So many of so many units of a piece of work are done.
    ///
    /// # Errors
    /// Where somebody wants it stopped.
    fn reached(
        &mut self,
        work: &str,
        unit: &str,
        done: usize,
        total: usize,
    ) -> impl Future<Output = Result<(), EngineError>>;
}

/// One row of the table, before it is scored.
struct Answers {
    note: MethodNote,
    /// Predicted change per perturbation of the screen; none where it was not tested.
    deltas: Vec<Option<Vec<f32>>>,
}

impl Answers {
    fn new(name: &str, kind: MethodKind, about: &str, n_targets: usize) -> Self {
        let note = MethodNote { name: name.into(), kind, about: about.into(), n_fallback: 0 };
        Self { note, deltas: vec![None; n_targets] }
    }
}

/// Evaluates.
///
/// # Errors
/// Where there are no controls, no perturbation that can be held out, or nothing left to learn from; and where it was
/// stopped. A training that fails is no error: its predictions are missing, and the report says so.
pub async fn evaluate<W: Watch>(
    subject: &Subject<'_>,
    bank: Option<&Bank>,
    contender: Option<&Contender<'_>>,
    config: &EvaluationConfig,
    watch: &mut W,
) -> Result<Evaluation, EngineError> {
    let started_secs = now_secs();
    config.validate().map_err(EngineError::Evaluation)?;
    let screen = Screen::new(subject, bank, config)?;
    let folds = folds::folds(&screen, config, contender)?;
    let mut problems = screen.problems();
    let mut answers = Vec::new();
    let told = match contender {
        Some(contender) => Some(contender.told(&screen, &folds, config, watch, &mut problems).await?),
        None => None,
    };
    answers.extend(told.as_ref().map(Told::answers).unwrap_or_default());
    for (done, answer) in baselines::Baseline::of(&screen, &folds).into_iter().enumerate() {
        answers.push(answer.answers(&screen, &folds));
        watch.reached("Asking the simple methods", "methods", done + 1, baselines::N_MOST).await?;
    }
    let (probes, audit) = audit::audit(&screen, &folds, config);
    answers.extend(probes);
    problems.extend(fallbacks(&answers));
    let scored = evidence::scored(&screen, &folds, &answers, config, watch).await?;
    let mut methods: Vec<MethodNote> = answers.iter().map(|answer| answer.note.clone()).collect();
    let (mut table, seeds) = (scored.table, told.as_ref().map_or_else(Vec::new, |told| told.seeds.clone()));
    evidence::join_seeds(&mut table, &mut methods, contender.map(Contender::name), &evidence::table_config(config));
    if let Some(row) = scored.ceiling {
        table.rows.push(row);
        methods.push(evidence::ceiling_note(&screen));
    }
    problems.extend(scored.problems);
    let asked = (config, contender.map(Contender::name));
    let cell_tests = cell_tests::cell_tests(&screen, &folds, &answers, asked, (watch, &mut problems)).await?;
    let shown = trust::shown(&answers, &table, &methods);
    let null = null::null(&screen, &folds, told.as_ref(), contender, config);
    let reference = match told.as_ref().zip(contender) {
        Some((told, contender)) => {
            let (screen, folds, null) = (&screen, &folds[..], null.as_ref());
            let judged = reference::Judged { screen, folds, told, contender, null, config };
            Box::pin(reference::evaluations(&judged, &answers, watch)).await?
        }
        None => Vec::new(),
    };
    if config.reference.is_some() && reference.is_empty() {
        problems.push("The reference's evaluations are of a model, and none was judged.".into());
    }
    let mut evaluation = Evaluation {
        headline: String::new(),
        problems,
        config: config.clone(),
        data: DataSummary {
            name: subject.name.into(),
            n_cells: screen.n_cells(),
            n_control_cells: screen.control.n_cells,
            genes: subject.material.genes.clone(),
            seeds,
        },
        folds: folds.iter().map(|fold| fold.report(&screen)).collect(),
        best: evidence::best(&table, &methods, config),
        profiles: trust::profiles(&screen, &table, &shown),
        calibrations: shown.iter().map(|answer| trust::calibration(&screen, &table, answer, config)).collect(),
        support: trust::support(&screen, &folds, &table, shown.first().copied()),
        methods,
        table,
        cell_tests,
        reference,
        null,
        audit,
        elapsed_secs: 0.0,
    };
    evaluation.audit.notes = audit::notes(&evaluation, &screen);
    evaluation.headline = headline::headline(&evaluation);
    evaluation.elapsed_secs = now_secs() - started_secs;
    Ok(evaluation)
}

fn fallbacks(answers: &[Answers]) -> Vec<String> {
    let fell = answers.iter().filter(|answer| answer.note.n_fallback > 0);
    let text = |answer: &Answers| {
        format!(
            "{} had nothing to go by for {} perturbations (no vector, or a gene that is not measured) and said the mean \
             of training.",
            answer.note.name, answer.note.n_fallback
        )
    };
    fell.map(text).collect()
}

/// Whether a checkpoint held out and saw perturbations of these cells, so that it can be evaluated on them.
pub fn can_judge(subject: &Subject<'_>, seen: &[String], held_out: &[String]) -> bool {
    let names = subject.material.labels.as_ref().map_or(&[][..], |labels| &labels.names);
    let has = |wanted: &[String]| wanted.iter().any(|name| names.contains(name));
    has(seen) && has(held_out)
}

/// What is held out where a person says nothing: what the checkpoint held out, else each perturbation in turn, or tenths
/// of them where they are many.
pub fn usual_folds(n_targets: usize, can_judge: bool) -> Folds {
    match n_targets {
        _ if can_judge => Folds::HeldOut,
        0..=60 => Folds::LeaveOneTargetOut,
        _ => Folds::Random { n_folds: 10 },
    }
}

impl Fold {
    fn report(&self, screen: &Screen<'_>) -> FoldReport {
        FoldReport {
            name: self.name.clone(),
            test: self.test.iter().map(|&at| screen.targets[at].name.clone()).collect(),
            n_train: self.train.len(),
        }
    }
}
