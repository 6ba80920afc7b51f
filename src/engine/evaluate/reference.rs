//! BioJEPA-AC's evaluations 1 to 8 of the model (spec §4.2): as published and corrected, beside chance or what knows
//! nothing. Here 1, 2 and 7, which need its answers alone; [`inside`] has those that look into a checkpoint.
//!
//! Where an input is absent, the evaluation says which and how it is given.

mod inside;

use jepa::eval::biojepa::pathways::{Likeness, alike_as_published, alike_corrected};
use jepa::eval::biojepa::{self, SIZES};
use jepa::eval::pairs::{self, Score};
use spec::evaluation::{EvaluationConfig, Form, ReferenceEvaluation, ReferenceRow, SampleNull};
use spec::genes::Pathway;
use spec::metrics::Undefined;

use super::contender::{Contender, Told};
use super::folds::Fold;
use super::screen::Screen;
use super::{Answers, Watch};
use crate::checkpoint::TRAINING_MEAN;
use crate::failure::EngineError;

/// Sizes of pathways, and the fewest tested perturbations of one, for 7.
const MECHANISMS: (usize, usize, usize) = (15, 200, 3);
/// Exchanges of labels.
const N_EXCHANGES: usize = 1000;
const NEEDS_PATHWAYS: &str =
    "Pathways are missing: give gene sets (--gene-sets FILE.gmt; on the screen, open a .gmt in step 3).";

/// What is evaluated.
pub(super) struct Judged<'a> {
    pub screen: &'a Screen<'a>,
    pub folds: &'a [Fold],
    pub told: &'a Told,
    pub contender: &'a Contender<'a>,
    pub null: Option<&'a SampleNull>,
    pub config: &'a EvaluationConfig,
}

/// Changes of the tested perturbations, on the genes that the file has.
struct Changes {
    names: Vec<String>,
    control: Vec<f64>,
    measured: Vec<Vec<f64>>,
    model: Vec<Vec<f64>>,
    /// The mean of the training perturbations.
    mean: Vec<Vec<f64>>,
}

/// All eight; none where they were not asked for.
pub(super) async fn evaluations<W: Watch>(
    judged: &Judged<'_>,
    answers: &[Answers],
    watch: &mut W,
) -> Result<Vec<ReferenceEvaluation>, EngineError> {
    let Some(asked) = &judged.config.reference else { return Ok(Vec::new()) };
    let changes = judged.changes(answers);
    let work = "The reference's evaluations";
    let mut all = vec![expression(&changes, judged.null), genes(&changes)];
    watch.reached(work, "evaluations", 2, 8).await?;
    all.extend(judged.inside(asked, watch).await?);
    all.push(mechanisms(&changes, &asked.pathways, judged.config.seed));
    all.sort_by_key(|evaluation| evaluation.number);
    watch.reached(work, "evaluations", 8, 8).await?;
    Ok(all)
}

impl Judged<'_> {
    fn changes(&self, answers: &[Answers]) -> Changes {
        let screen = self.screen;
        let model = &self.told.of_seeds[0];
        let mean = answers.iter().find(|answer| answer.note.name == TRAINING_MEAN);
        let mut tested: Vec<usize> = self.folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
        tested.sort_unstable();
        // A training that failed said nothing of its fold.
        let said = |at: &usize| model.deltas[*at].as_ref().is_some_and(|d| d.iter().all(|value| value.is_finite()));
        tested.retain(said);
        let here: Vec<usize> =
            (0..screen.control.mean.len()).filter(|gene| !screen.subject.missing.contains(gene)).collect();
        let wide = |values: &[f32]| -> Vec<f64> { here.iter().map(|&gene| f64::from(values[gene])).collect() };
        let of = |answer: Option<&Answers>, at: usize| {
            answer.and_then(|answer| answer.deltas[at].as_deref()).map_or_else(Vec::new, wide)
        };
        Changes {
            names: tested.iter().map(|&at| screen.targets[at].name.clone()).collect(),
            control: wide(&screen.control.mean),
            measured: tested.iter().map(|&at| wide(&screen.targets[at].response.delta)).collect(),
            model: tested.iter().map(|&at| of(Some(model), at)).collect(),
            mean: tested.iter().map(|&at| of(mean, at)).collect(),
        }
    }
}

impl Changes {
    /// The mean over perturbations of a measure of predicted and measured change.
    fn mean_of(&self, predicted: &[Vec<f64>], measure: impl Fn(&[f64], &[f64]) -> Score) -> Score {
        averaged(self.each(predicted, measure))
    }

    fn each(&self, predicted: &[Vec<f64>], measure: impl Fn(&[f64], &[f64]) -> Score) -> Vec<Score> {
        predicted.iter().zip(&self.measured).map(|(predicted, measured)| measure(predicted, measured)).collect()
    }

    /// A change as expression; predictions are clipped at 0 there.
    fn expressed(&self, change: &[f64]) -> Vec<f64> {
        self.control.iter().zip(change).map(|(control, change)| (control + change).max(0.0)).collect()
    }

    /// A measure by the model, beside the mean of training.
    fn beside_mean(&self, measure: &str, form: Form, of: impl Fn(&[f64], &[f64]) -> Score) -> ReferenceRow {
        row(measure, form, self.mean_of(&self.model, &of)).beside(TRAINING_MEAN, self.mean_of(&self.mean, &of))
    }
}

/// Evaluation 1.
fn expression(changes: &Changes, null: Option<&SampleNull>) -> ReferenceEvaluation {
    let find = |wanted: &dyn Fn(&spec::evaluation::NullRow) -> bool| {
        null.and_then(|null| null.rows.iter().find(|r| wanted(r)))
    };
    let (own, still) = (find(&|row| row.knows), find(&|row| row.predictor == "the mean training cell"));
    let given = |value: Option<f64>| value.ok_or(Undefined::NotGiven);
    let sample = |measure: &str, of: fn(&spec::evaluation::NullRow) -> f64| {
        row(measure, Form::AsPublished, given(own.map(of))).beside("the mean training cell", given(still.map(of)))
    };
    let r2 = |predicted: &[f64], measured: &[f64]| {
        pairs::explained(&changes.expressed(measured), &changes.expressed(predicted))
    };
    let top = |predicted: &[f64], measured: &[f64]| {
        biojepa::r2_of_largest(&changes.expressed(predicted), &changes.expressed(measured), measured, 50)
    };
    let (pearson, spearman) = biojepa::severity(&changes.model, &changes.measured);
    let (of_mean, ranks_of_mean) = biojepa::severity(&changes.mean, &changes.measured);
    let mut rows = Vec::new();
    if own.is_some() {
        rows.push(sample("Mean squared error of single cells", |row| row.mse));
        rows.push(sample("Pearson of single cells, their own 20 largest changes", |row| row.pearson20));
    }
    rows.extend([
        changes.beside_mean("R² of mean expression", Form::AsPublished, r2),
        row("R² of mean expression, median", Form::AsPublished, median(changes.each(&changes.model, r2)))
            .beside(TRAINING_MEAN, median(changes.each(&changes.mean, r2))),
        changes.beside_mean("R² of mean expression, 50 largest changes", Form::AsPublished, top),
        changes.beside_mean("Mean squared error of mean changes", Form::AsPublished, pairs::mean_square),
        row("Severity: Pearson of the lengths of changes", Form::AsPublished, pearson).beside(TRAINING_MEAN, of_mean),
        row("Severity: Spearman", Form::AsPublished, spearman).beside(TRAINING_MEAN, ranks_of_mean),
        changes.beside_mean("Pearson of mean changes, 20 largest", Form::Corrected, biojepa::pearson20_corrected),
        changes.beside_mean("R² of mean changes", Form::Corrected, |p, m| pairs::explained(m, p)),
    ]);
    let sizes = biojepa::errors_by_size(&changes.model, &changes.measured);
    let of_mean = biojepa::errors_by_size(&changes.mean, &changes.measured);
    for (at, (error, theirs)) in sizes.into_iter().zip(of_mean).enumerate().filter(|(_, (error, _))| error.is_some()) {
        let above = SIZES[at];
        let measure = match SIZES.get(at + 1) {
            Some(below) => format!("Mean absolute error where the change is {above} to {below}"),
            None => format!("Mean absolute error where the change is {above} or more"),
        };
        rows.push(row(&measure, Form::AsPublished, given(error)).beside(TRAINING_MEAN, given(theirs)));
    }
    let found = evaluation(
        1,
        "Expression",
        "The 20 genes are those that differ most between one perturbed and one control cell, noise included, so that the mean \
         cell, which knows nothing, scores about as high; and R² of expression is near 1 for any prediction, as most genes \
         do not change.",
        rows,
    );
    let text = "Single cells are missing, so the two scores of them are left out: rows stand for several cells each.";
    ReferenceEvaluation { missing: own.is_none().then(|| text.into()), ..found }
}

/// Evaluation 2.
fn genes(changes: &Changes) -> ReferenceEvaluation {
    let n_genes = changes.control.len();
    let unchanged = changes.mean_of(&changes.measured, |_, measured| biojepa::share_unchanged(measured));
    let balanced = biojepa::direction_corrected;
    let still = changes.mean_of(&changes.measured, |_, m| balanced(&vec![0.0; m.len()], m));
    let mut rows = vec![
        row(
            "Up, down or none at 0.25",
            Form::AsPublished,
            changes.mean_of(&changes.model, biojepa::direction_as_published),
        )
        .beside("always none", unchanged),
        row("Up, down or none, classes counting alike", Form::Corrected, changes.mean_of(&changes.model, balanced))
            .beside("always none", still),
    ];
    for k in [10, 20, 50, 100].into_iter().filter(|k| *k <= n_genes) {
        let chance = Ok(k as f64 / n_genes as f64);
        let precision = changes.mean_of(&changes.model, |p, m| biojepa::precision_at(p, m, k));
        rows.push(row(&format!("Precision at {k}"), Form::AsPublished, precision).beside("chance", chance));
        let ndcg = changes.mean_of(&changes.model, |p, m| biojepa::ndcg_at(p, m, k));
        rows.push(row(&format!("NDCG at {k}"), Form::AsPublished, ndcg).beside("chance", chance));
    }
    evaluation(
        2,
        "Genes",
        "Accuracy over three classes of which one holds nearly all genes is beaten by always answering none; precision and \
         NDCG were published without chance.",
        rows,
    )
}

/// Evaluation 7.
fn mechanisms(changes: &Changes, pathways: &[Pathway], seed: u64) -> ReferenceEvaluation {
    let flaw = "Pairs of perturbations are not independent, as each is in many, so p is too small; and the published ratio is \
                near 1 because all predicted changes are alike: measured ones stand beside it, and corrected is what is left \
                when what all share is taken off, p by exchanging pathways between perturbations.";
    let title = "Mechanism of action";
    if pathways.is_empty() {
        return missing(7, title, flaw, NEEDS_PATHWAYS);
    }
    let (smallest, largest, fewest) = MECHANISMS;
    let labels = labels(&changes.names, pathways, (smallest, largest), fewest);
    let kept: Vec<usize> = (0..labels.len()).filter(|&at| labels[at].is_some()).collect();
    let of: Vec<u32> = kept.iter().filter_map(|&at| labels[at]).collect();
    let chosen = |rows: &[Vec<f64>]| -> Vec<Vec<f64>> { kept.iter().map(|&at| rows[at].clone()).collect() };
    if of.iter().all(|label| Some(label) == of.first()) {
        let text = format!(
            "{} pathway of {smallest} to {largest} genes has {fewest} or more of the {} tested perturbations, and two must have: \
             give other gene sets, or hold out more.",
            if of.is_empty() { "No" } else { "One" },
            changes.names.len()
        );
        return missing(7, title, flaw, &text);
    }
    let (model, measured) = (chosen(&changes.model), chosen(&changes.measured));
    let mut rows = Vec::new();
    let mut add = |what: &str, form: Form, found: Result<Likeness, Undefined>| {
        let score = |of: fn(&Likeness) -> f64| found.map(|found| of(&found));
        let within = row(&format!("Cosine within pathways, {what}"), form, score(|found| found.within));
        rows.push(within.beside("between pathways", score(|found| found.between)));
        rows.push(row(&format!("p of within above between, {what}"), form, score(|found| found.p_value)));
    };
    add("predicted changes", Form::AsPublished, alike_as_published(&model, &of));
    add("measured changes", Form::AsPublished, alike_as_published(&measured, &of));
    add("predicted changes", Form::Corrected, alike_corrected(&model, &of, N_EXCHANGES, seed));
    add("measured changes", Form::Corrected, alike_corrected(&measured, &of, N_EXCHANGES, seed));
    evaluation(7, title, flaw, rows)
}

/// Of each gene the first listed pathway of a size within bounds; none where it has fewer than `fewest` of the genes.
fn labels(
    genes: &[String],
    pathways: &[Pathway],
    (smallest, largest): (usize, usize),
    fewest: usize,
) -> Vec<Option<u32>> {
    let fits = |pathway: &&Pathway| (smallest..=largest).contains(&pathway.genes.len());
    let members = |pathway: &Pathway| genes.iter().filter(|gene| pathway.genes.contains(*gene)).count();
    let fitting: Vec<&Pathway> = pathways.iter().filter(fits).filter(|pathway| members(pathway) >= fewest).collect();
    let first = |gene: &String| fitting.iter().position(|pathway| pathway.genes.contains(gene));
    let mut of: Vec<Option<u32>> = genes.iter().map(|gene| first(gene).map(|at| at as u32)).collect();
    let mut counts = vec![0usize; fitting.len()];
    of.iter().flatten().for_each(|&label| counts[label as usize] += 1);
    // Those whose genes went to a pathway listed before.
    of.iter_mut().for_each(|label| *label = label.filter(|&label| counts[label as usize] >= fewest));
    of
}

fn averaged(scores: Vec<Score>) -> Score {
    let values: Vec<f64> = scores.iter().filter_map(|score| score.ok()).collect();
    match scores.into_iter().find_map(Result::err) {
        Some(reason) if values.is_empty() => Err(reason),
        None if values.is_empty() => Err(Undefined::TooFewTargets),
        _ => Ok(pairs::mean(&values)),
    }
}

fn median(scores: Vec<Score>) -> Score {
    let mut values: Vec<f64> = scores.into_iter().collect::<Result<_, _>>()?;
    values.sort_by(f64::total_cmp);
    if values.is_empty() { Err(Undefined::TooFewTargets) } else { Ok(pairs::quantile(&values, 0.5)) }
}

fn row(measure: &str, form: Form, score: Score) -> ReferenceRow {
    let finite = score.and_then(|value| if value.is_finite() { Ok(value) } else { Err(Undefined::NotFinite) });
    ReferenceRow {
        measure: measure.into(),
        form,
        value: finite.ok(),
        problem: finite.err().map(|reason| reason.label().to_owned()),
        beside: None,
    }
}

trait Beside {
    /// What stands beside the number.
    fn beside(self, what: &str, score: Score) -> Self;
}

impl Beside for ReferenceRow {
    fn beside(self, what: &str, score: Score) -> Self {
        Self { beside: Some((what.into(), score.ok().filter(|value| value.is_finite()))), ..self }
    }
}

fn evaluation(number: u8, title: &str, flaw: &str, rows: Vec<ReferenceRow>) -> ReferenceEvaluation {
    ReferenceEvaluation { number, title: title.into(), flaw: flaw.into(), rows, missing: None }
}

fn missing(number: u8, title: &str, flaw: &str, what: &str) -> ReferenceEvaluation {
    ReferenceEvaluation { missing: Some(what.into()), ..evaluation(number, title, flaw, Vec::new()) }
}
