//! The answer to a question: what it is worth first, then the change, the agreement and all genes.

use leptos::prelude::*;
use spec::prediction::{Intervals, Prediction, Uncertainty};

use crate::app::Shared;
use crate::export::{CSV, controls, csv, download};
use crate::format::{count, plural, seconds};
use crate::headline::{Verdict, headline};
use crate::plots::bars::{BarLegend, BarRow, Bars};
use crate::views::card::Scores;
use crate::views::load::Warnings;
use crate::views::pathways::PathwaysPanel;
use crate::views::picker::{badge, explanation};
use crate::views::shell::use_control;
use crate::views::table::GeneTable;

const N_BARS: usize = 20;

/// All of the answer.
#[component]
pub fn PredictionView(prediction: Shared<Prediction>) -> impl IntoView {
    let query = &prediction.query;
    let (name, class) = badge(prediction.support);
    let title = format!("{} {}", query.target, query.mode.label());
    let rows = top_rows(&prediction);
    let n_shown = rows.len();
    let interval = prediction.uncertainty.intervals().map(|intervals| intervals.promised);
    let (has_mean, has_measured) = (prediction.training_mean.is_some(), prediction.measured.is_some());
    let file_name = format!("waddington_{}_{}.csv", query.target, query.mode.label());
    let save = {
        let prediction = prediction.clone();
        move |_| download(&file_name, CSV, csv(&prediction))
    };
    view! {
        <div class="panel result">
            <div class="row between">
                <h2>"Predicted response to "{title}" "<span class=class title=explanation(prediction.support)>{name}</span></h2>
                <button type="button" data-testid="download-csv" on:click=save>"Download csv"</button>
            </div>
            <HeadlineView prediction=prediction.clone() />
            <NearestView prediction=prediction.clone() />
            <div data-testid="prediction-warnings"><Warnings warnings=prediction.warnings.clone() /></div>
            <div class="split">
                <figure class="plot">
                    <figcaption>
                        <strong>{format!("The {} with the largest predicted change", plural(n_shown as u64, "gene"))}</strong>
                        <BarLegend interval has_mean has_measured />
                    </figcaption>
                    <Bars rows />
                    <p class="quiet" data-testid="prediction-interval">{uncertainty(&prediction.uncertainty)}</p>
                </figure>
                <Agreement prediction=prediction.clone() />
            </div>
        </div>
        <PathwaysPanel />
        <GeneTable prediction />
    }
}

#[component]
fn HeadlineView(prediction: Shared<Prediction>) -> impl IntoView {
    let control = use_control();
    let checkpoint = control.part(|state| state.checkpoint.clone());
    move || {
        let checkpoint = checkpoint.get();
        let card = checkpoint.as_ref().and_then(|checkpoint| checkpoint.card.as_ref());
        let headline = headline(&prediction, card);
        let class = match headline.verdict {
            Verdict::Ahead => "verdict ahead",
            Verdict::Mixed => "verdict mixed",
            Verdict::Behind => "verdict behind",
            Verdict::Recollection | Verdict::Unchecked => "verdict open",
        };
        view! {
            <div class=class data-testid="prediction-headline" aria-live="polite">
                <p><strong>{headline.sentence}</strong></p>
                <p class="quiet">{headline.detail}</p>
            </div>
        }
    }
}

/// How far the target is from those of training, by their vectors.
#[component]
fn NearestView(prediction: Shared<Prediction>) -> impl IntoView {
    prediction.nearest.clone().map(|nearest| {
        let (target, cosine, usual) = (nearest.target, nearest.cosine, nearest.usual);
        let alike = format!("{target} is the most similar training target (cosine of the vectors {cosine:.2})");
        let (class, text) = match nearest.is_outside {
            true => (
                "warnings",
                format!(
                    "Outside of what was learnt from: {alike}, and nineteen of twenty training targets have one at \
                     {usual:.2} or more. Expect less of this prediction."
                ),
            ),
            false => ("quiet", format!("{alike}: within what was learnt from.")),
        };
        view! { <p class=class data-testid="prediction-support">{text}</p> }
    })
}

/// What the shaded intervals are worth, or why there are none.
fn uncertainty(uncertainty: &Uncertainty) -> String {
    let Intervals { promised, found, n_targets, source, .. } = match uncertainty {
        Uncertainty::Intervals(intervals) => intervals,
        Uncertainty::Unknown { reason } => return reason.clone(),
    };
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let held = found.map_or_else(String::new, |found| {
        format!(" Tried on each of these with widths from the others, they held {}.", percent(found))
    });
    format!(
        "Shaded: where {} of measured changes should lie, by the model’s errors on {n_targets} perturbations that it did not \
         learn from ({source}), asked of the mean control cell.{held} For perturbations or cells unlike those they promise nothing; the target’s own gene has \
         none.",
        percent(*promised)
    )
}

/// The genes with the largest predicted change, largest first.
fn top_rows(prediction: &Prediction) -> Vec<BarRow> {
    let mut order: Vec<usize> = (0..prediction.genes.len().min(prediction.delta.len())).collect();
    order.sort_by(|a, b| prediction.delta[*b].abs().total_cmp(&prediction.delta[*a].abs()));
    let at = |values: &[f32], i: usize| values.get(i).copied().map(f64::from);
    let row = |i: usize| BarRow {
        gene: prediction.genes[i].clone(),
        predicted: f64::from(prediction.delta[i]),
        half_width: prediction
            .uncertainty
            .intervals()
            .and_then(|intervals| at(&intervals.half_width, i))
            .filter(|width| width.is_finite()),
        training_mean: prediction.training_mean.as_ref().and_then(|mean| at(mean, i)),
        measured: prediction
            .measured
            .as_ref()
            .and_then(|measured| Some((at(&measured.delta, i)?, at(&measured.standard_error, i)?)))
            .filter(|(measured, _)| measured.is_finite()),
    };
    // A gene that the file lacks was read as 0, and its predicted change cannot be looked up in it.
    let is_there = |i: &usize| prediction.delta[*i].is_finite() && prediction.control_mean[*i].is_finite();
    order.into_iter().filter(is_there).take(N_BARS).map(row).collect()
}

#[component]
fn Agreement(prediction: Shared<Prediction>) -> impl IntoView {
    let asked = format!("Mean over {}, computed in {}.", controls(&prediction), seconds(prediction.elapsed_secs));
    let source = match &prediction.measured {
        Some(measured) => format!(
            "Measured in {} perturbed and {} control cells ({}).",
            count(measured.n_cells as u64),
            count(measured.n_control_cells as u64),
            measured.source
        ),
        None => "There is no measurement to compare with.".to_string(),
    };
    let scores = (!prediction.agreement.is_empty())
        .then(|| view! { <Scores scores=prediction.agreement.clone() testid="agreement-table" /> });
    let explained = prediction.measured.is_some().then(|| {
        view! {
            <p class="quiet">
                "Delta Pearson compares which genes change and in which direction; MSE compares by how much (log1p units "
                "squared). No change has no delta Pearson, since it does not vary."
            </p>
        }
    });
    view! {
        <aside class="agreement">
            <h3>"Agreement with the measurement"</h3>
            {scores}
            <p class="quiet">{source}</p>
            <p class="quiet">{asked}</p>
            {explained}
        </aside>
    }
}
