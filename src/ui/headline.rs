//! What a prediction is worth, in one plain sentence.
//!
//! The sentence is decided by the numbers beside it: the model against the mean of the training perturbations (by
//! delta Pearson and mean squared error), against no change (by mean squared error), and then against every other simple
//! method that is listed, by both. It never calls an unchecked prediction good, nor one that is held
//! against a few cells.

use spec::checkpoint::{Card, MethodScore};
use spec::prediction::{FEWEST_CELLS, Prediction, Support};

use crate::format::{correlation, plural, sentence, significant};

/// How a prediction fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Closer to the measured response than every simple method.
    Ahead,
    /// Closer than some, not all.
    Mixed,
    /// No closer than any.
    Behind,
    /// Its response was in the training data: agreement proves nothing.
    Recollection,
    /// Nothing was measured.
    Unchecked,
}

/// Verdict, sentence and what supports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headline {
    /// How it fares.
    pub verdict: Verdict,
    /// One sentence.
    pub sentence: String,
    /// The numbers behind it, or what is known instead.
    pub detail: String,
}

/// Judges a prediction; `card` says how the model does elsewhere.
pub fn headline(prediction: &Prediction, card: Option<&Card>) -> Headline {
    let name = prediction.query.name();
    let target = name.as_str();
    let (Some(measured), Some(model)) = (&prediction.measured, find(&prediction.agreement, "model")) else {
        return unchecked(target, card);
    };
    let mean = find(&prediction.agreement, "training mean");
    let none = find(&prediction.agreement, "no change");
    let orders_better = mean.is_none_or(|mean| is_above(model.delta_pearson, mean.delta_pearson));
    let is_nearer_than = |other: Option<&MethodScore>| other.is_none_or(|other| model.mse < other.mse);
    let rival = best_rival(&prediction.agreement, model);
    let standing = Standing {
        orders_better,
        nearer_than_mean: is_nearer_than(mean),
        nearer_than_none: is_nearer_than(none),
        rival: rival.map(|rival| rival.method.as_str()),
    };
    if prediction.support != Support::Seen && measured.n_cells < FEWEST_CELLS {
        return too_few(target, measured.n_cells, card);
    }
    let (verdict, sentence) = if prediction.support == Support::Seen {
        let sentence = format!(
            "{target} was in the training data: this prediction is a recollection, and its agreement with the \
             measurement says nothing about new targets."
        );
        (Verdict::Recollection, sentence)
    } else {
        judge(target, standing)
    };
    Headline { verdict, sentence, detail: numbers(model, mean, none, rival) }
}

/// The simple method that is ahead of the model by correlation or error, the nearest to the measurement of those.
fn best_rival<'a>(scores: &'a [MethodScore], model: &MethodScore) -> Option<&'a MethodScore> {
    let others =
        scores.iter().filter(|other| !["model", "training mean", "no change"].contains(&other.method.as_str()));
    others
        .filter(|other| other.mse <= model.mse || is_above(other.delta_pearson, model.delta_pearson))
        .min_by(|one, other| one.mse.total_cmp(&other.mse))
}

/// The model against the simple methods that are there.
#[derive(Debug, Clone, Copy)]
struct Standing<'a> {
    /// Its delta Pearson is above that of the training mean.
    orders_better: bool,
    /// Its mean squared error is below that of the training mean.
    nearer_than_mean: bool,
    /// Its mean squared error is below that of no change.
    nearer_than_none: bool,
    /// Another simple method that is ahead of it.
    rival: Option<&'a str>,
}

fn judge(target: &str, standing: Standing<'_>) -> (Verdict, String) {
    let Standing { orders_better, nearer_than_mean, nearer_than_none, rival } = standing;
    match (orders_better, nearer_than_mean, nearer_than_none) {
        (true, true, true) if rival.is_some() => (
            Verdict::Mixed,
            format!(
                "On {target}, which it never saw, the model comes closer to the measurement than the training mean, but a \
                 simple method ({}) does as well or better.",
                rival.unwrap_or_default()
            ),
        ),
        (true, true, true) => (
            Verdict::Ahead,
            format!(
                "On {target}, which it never saw, the model comes closer to the measurement than every \
                 simple method."
            ),
        ),
        (true, _, false) => (
            Verdict::Mixed,
            format!(
                "On {target} the model orders the genes better than the training mean, but the sizes of its changes are \
                 further off than predicting no change at all."
            ),
        ),
        (true, false, true) => (
            Verdict::Mixed,
            format!(
                "On {target} the model orders the genes better than the training mean, but the sizes of its changes are \
                 further off."
            ),
        ),
        (false, _, true) => (
            Verdict::Mixed,
            format!(
                "On {target} the model beats predicting no change, but not the mean of the training perturbations: \
                 it has found little that is particular to this gene."
            ),
        ),
        (false, _, false) => (
            Verdict::Behind,
            format!("On {target} the model does no better than the simple methods. Do not rely on this prediction."),
        ),
    }
}

fn unchecked(target: &str, card: Option<&Card>) -> Headline {
    let sentence = format!("No measured response to {target} is at hand: this prediction cannot be checked here.");
    open(sentence, card)
}

/// The mean of a few cells is mostly chance, and so is what comes close to it.
fn too_few(target: &str, n_cells: usize, card: Option<&Card>) -> Headline {
    let cells = plural(n_cells as u64, "cell");
    let sentence = format!(
        "{target} was measured in {cells} only: too few to say how good this prediction is ({FEWEST_CELLS} are needed)."
    );
    open(sentence, card)
}

/// No verdict; what is known of the model elsewhere stands beside it.
fn open(sentence: String, card: Option<&Card>) -> Headline {
    let detail = card.and_then(|card| {
        let model = find(&card.scores, "model")?;
        let mean = find(&card.scores, "training mean")?;
        Some(format!(
            "On {} held-out targets the model's delta Pearson is {} on average, that of the training mean {}.",
            card.targets.len(),
            correlation(model.delta_pearson),
            correlation(mean.delta_pearson)
        ))
    });
    Headline { verdict: Verdict::Unchecked, sentence, detail: detail.unwrap_or_default() }
}

fn numbers(
    model: &MethodScore,
    mean: Option<&MethodScore>,
    none: Option<&MethodScore>,
    rival: Option<&MethodScore>,
) -> String {
    let mut parts = Vec::new();
    let rival = rival.map(|rival| (rival.method.as_str(), rival));
    let correlations: Vec<String> = mean
        .map(|mean| ("the training mean", mean))
        .into_iter()
        .chain(rival)
        .map(|(name, score)| format!("{} for {name}", correlation(score.delta_pearson)))
        .collect();
    if !correlations.is_empty() {
        parts.push(format!(
            "delta Pearson {} for the model, {}",
            correlation(model.delta_pearson),
            correlations.join(", ")
        ));
    }
    let errors = [mean.map(|mean| ("the training mean", mean)), none.map(|none| ("no change", none)), rival];
    let errors: Vec<String> =
        errors.into_iter().flatten().map(|(name, score)| format!("{} for {name}", significant(score.mse))).collect();
    if !errors.is_empty() {
        parts.push(format!("mean squared error {} for the model, {}", significant(model.mse), errors.join(", ")));
    }
    match parts.is_empty() {
        true => String::new(),
        false => sentence(&parts.join("; ")) + ".",
    }
}

/// The score of a method by name, if it is listed.
pub fn find<'a>(scores: &'a [MethodScore], method: &str) -> Option<&'a MethodScore> {
    scores.iter().find(|score| score.method == method)
}

/// Whether `ours` is a correlation above `theirs`; an undefined one is above nothing and below everything defined.
fn is_above(ours: Option<f64>, theirs: Option<f64>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours > theirs,
        (Some(ours), None) => ours > 0.0,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use spec::checkpoint::MethodScore;
    use spec::model::Mode;
    use spec::prediction::{Measured, Prediction, Query, Support, Uncertainty};

    use super::{Verdict, headline};

    fn score(method: &str, delta_pearson: Option<f64>, mse: f64) -> MethodScore {
        MethodScore { method: method.into(), delta_pearson, mse }
    }

    fn prediction(support: Support, model: (f64, f64), mean: f64, none_mse: f64) -> Prediction {
        let measured = Measured {
            source: "t".into(),
            is_of_these_cells: true,
            n_cells: 10,
            n_control_cells: 10,
            delta: vec![],
            standard_error: vec![],
        };
        Prediction {
            query: Query::of("STAT1", Mode::Knockout),
            support,
            nearest: None,
            genes: vec![],
            control_mean: vec![],
            delta: vec![],
            uncertainty: Uncertainty::Unknown { reason: String::new() },
            training_mean: None,
            parts: Vec::new(),
            additive: None,
            measured: Some(measured),
            agreement: vec![
                score("model", Some(model.0), model.1),
                score("no change", None, none_mse),
                score("training mean", Some(mean), 1.0),
            ],
            warnings: Vec::new(),
            n_control_cells: 1,
            n_control_rows: 1,
            elapsed_secs: 0.0,
        }
    }

    #[test]
    fn the_verdict_follows_the_numbers() {
        let cases = [
            (prediction(Support::HeldOut, (0.6, 0.1), 0.3, 0.2), Verdict::Ahead),
            (prediction(Support::HeldOut, (0.6, 0.3), 0.3, 0.2), Verdict::Mixed),
            (prediction(Support::HeldOut, (0.6, 1.5), 0.3, 2.0), Verdict::Mixed),
            (prediction(Support::HeldOut, (0.2, 0.1), 0.3, 0.2), Verdict::Mixed),
            (prediction(Support::HeldOut, (0.2, 0.3), 0.3, 0.2), Verdict::Behind),
            (prediction(Support::Seen, (0.9, 0.0), 0.3, 0.2), Verdict::Recollection),
        ];
        for (prediction, verdict) in cases {
            assert_eq!(headline(&prediction, None).verdict, verdict);
        }
        let mut rivalled = prediction(Support::HeldOut, (0.6, 0.1), 0.3, 0.2);
        for (rival, verdict) in [
            (score("nearest neighbour", Some(0.5), 0.2), Verdict::Ahead),
            (score("nearest neighbour", Some(0.5), 0.05), Verdict::Mixed),
            (score("kernel ridge", Some(0.7), 0.2), Verdict::Mixed),
        ] {
            rivalled.agreement.truncate(3);
            rivalled.agreement.push(rival);
            let headline = headline(&rivalled, None);
            assert_eq!(headline.verdict, verdict, "{headline:?}");
            assert_eq!(headline.sentence.contains("does as well or better"), verdict == Verdict::Mixed);
        }
        for (n_cells, support, verdict) in [
            (1, Support::HeldOut, Verdict::Unchecked),
            (9, Support::NeverMeasured, Verdict::Unchecked),
            (10, Support::HeldOut, Verdict::Ahead),
            // What was learnt is a recollection, of however few cells.
            (9, Support::Seen, Verdict::Recollection),
        ] {
            let mut few = prediction(support, (0.6, 0.1), 0.3, 0.2);
            few.measured.iter_mut().for_each(|measured| measured.n_cells = n_cells);
            let headline = headline(&few, None);
            assert_eq!(headline.verdict, verdict, "{headline:?}");
            assert_eq!(headline.sentence.contains("too few"), verdict == Verdict::Unchecked, "{headline:?}");
            let named = format!("in {n_cells} cell{} only", if n_cells == 1 { "" } else { "s" });
            assert_eq!(headline.sentence.contains(&named), verdict == Verdict::Unchecked, "{headline:?}");
        }
        let mut unmeasured = prediction(Support::NeverMeasured, (0.6, 0.1), 0.3, 0.2);
        unmeasured.measured = None;
        assert_eq!(headline(&unmeasured, None).verdict, Verdict::Unchecked);
    }
}
