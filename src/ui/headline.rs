//! What a prediction is worth, in one plain sentence.
//!
//! The sentence is decided by the numbers beside it: the model against the mean of the training perturbations (by
//! delta Pearson and mean squared error) and against no change (by mean squared error). It never calls an unchecked prediction good.

use spec::checkpoint::{Card, MethodScore};
use spec::prediction::{Prediction, Support};

use crate::format::{correlation, sentence, significant};

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
    let (Some(_), Some(model)) = (&prediction.measured, find(&prediction.agreement, "model")) else {
        return unchecked(target, card);
    };
    let mean = find(&prediction.agreement, "training mean");
    let none = find(&prediction.agreement, "no change");
    let orders_better = mean.is_none_or(|mean| is_above(model.delta_pearson, mean.delta_pearson));
    let is_nearer_than = |other: Option<&MethodScore>| other.is_none_or(|other| model.mse < other.mse);
    let standing =
        Standing { orders_better, nearer_than_mean: is_nearer_than(mean), nearer_than_none: is_nearer_than(none) };
    let (verdict, sentence) = if prediction.support == Support::Seen {
        let sentence = format!(
            "{target} was in the training data: this prediction is a recollection, and its agreement with the \
             measurement says nothing about new targets."
        );
        (Verdict::Recollection, sentence)
    } else {
        judge(target, standing)
    };
    Headline { verdict, sentence, detail: numbers(model, mean, none) }
}

/// The model against the simple methods that are there.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// Its delta Pearson is above that of the training mean.
    orders_better: bool,
    /// Its mean squared error is below that of the training mean.
    nearer_than_mean: bool,
    /// Its mean squared error is below that of no change.
    nearer_than_none: bool,
}

fn judge(target: &str, standing: Standing) -> (Verdict, String) {
    let Standing { orders_better, nearer_than_mean, nearer_than_none } = standing;
    match (orders_better, nearer_than_mean, nearer_than_none) {
        (true, true, true) => (
            Verdict::Ahead,
            format!(
                "On {target}, which it never saw, the model comes closer to the measurement than the simple methods."
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

fn numbers(model: &MethodScore, mean: Option<&MethodScore>, none: Option<&MethodScore>) -> String {
    let mut parts = Vec::new();
    if let Some(mean) = mean {
        parts.push(format!(
            "delta Pearson {} for the model, {} for the training mean",
            correlation(model.delta_pearson),
            correlation(mean.delta_pearson)
        ));
    }
    let errors = [("the training mean", mean), ("no change", none)];
    let errors: Vec<String> = errors
        .into_iter()
        .filter_map(|(name, score)| score.map(|score| format!("{} for {name}", significant(score.mse))))
        .collect();
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
        let measured =
            Measured { source: "t".into(), n_cells: 9, n_control_cells: 9, delta: vec![], standard_error: vec![] };
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
        let mut unmeasured = prediction(Support::NeverMeasured, (0.6, 0.1), 0.3, 0.2);
        unmeasured.measured = None;
        assert_eq!(headline(&unmeasured, None).verdict, Verdict::Unchecked);
    }
}
