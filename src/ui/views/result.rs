//! The answer to a question: what it is worth first, then the change, the agreement and all genes.

use leptos::prelude::*;
use spec::prediction::{CellChoice, Nearest, Prediction};

use crate::app::Shared;
use crate::export::{CSV, controls, csv, download, stem};
use crate::format::{count, seconds};
use crate::headline::{Verdict, headline};
use crate::views::card::Scores;
use crate::views::changes::Changes;
use crate::views::load::Warnings;
use crate::views::pathways::PathwaysPanel;
use crate::views::picker::{badge, explanation};
use crate::views::shell::use_control;
use crate::views::table::GeneTable;

/// All of the answer.
#[component]
pub fn PredictionView(prediction: Shared<Prediction>) -> impl IntoView {
    let query = &prediction.query;
    let (name, class) = badge(prediction.support);
    let title = query.label();
    let file_name = format!("waddington_{}.csv", stem(query));
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
            {nearest_view(prediction.nearest.as_ref(), None)}
            <PartsView prediction=prediction.clone() />
            <div data-testid="prediction-warnings"><Warnings warnings=prediction.warnings.clone() /></div>
            <div class="split">
                <Changes prediction=prediction.clone() />
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

/// How far a target is from those of training, by their vectors; `of` names it where there are several.
fn nearest_view(nearest: Option<&Nearest>, of: Option<&str>) -> Option<impl IntoView + use<>> {
    nearest.cloned().map(|nearest| {
        let (target, cosine, usual) = (nearest.target, nearest.cosine, nearest.usual);
        let of = of.map_or_else(String::new, |gene| format!(" to {gene}"));
        let next: Vec<String> = nearest.others.iter().map(|(name, cosine)| format!("{name} {cosine:.2}")).collect();
        let next = if next.is_empty() { String::new() } else { format!("; then {}", next.join(", ")) };
        let alike =
            format!("{target} is the most similar training target{of} (cosine of the vectors {cosine:.2}{next})");
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

/// What is known of the genes of a combination, each alone.
#[component]
fn PartsView(prediction: Shared<Prediction>) -> impl IntoView {
    let parts: Vec<_> = prediction
        .parts
        .iter()
        .map(|part| {
            let (name, class) = badge(part.support);
            view! {
                <li>
                    <strong>{part.target.clone()}</strong>" alone: "
                    <span class=class title=explanation(part.support)>{name}</span>
                    {nearest_view(part.nearest.as_ref(), Some(&part.target))}
                </li>
            }
        })
        .collect();
    let additive = prediction.additive.as_ref().map(|additive| {
        let assumed = match additive.assumed.len() {
            0 => String::new(),
            _ => format!(
                "; {} was not measured alone and counts as the mean of the training perturbations",
                additive.assumed.join(", ")
            ),
        };
        format!(
            "Additive baseline: the measured changes of {} alone, added{assumed} ({}).",
            additive.measured.join(", "),
            additive.source
        )
    });
    (!parts.is_empty()).then(|| {
        view! {
            <ul class="findings" data-testid="combination-parts">{parts}</ul>
            <p class="quiet" data-testid="additive">
                {additive.unwrap_or_else(|| "No additive baseline: none of these genes was measured alone.".into())}
            </p>
        }
    })
}

#[component]
fn Agreement(prediction: Shared<Prediction>) -> impl IntoView {
    let among = match &prediction.query.cells {
        CellChoice::All => String::new(),
        some => format!(" in {}", some.label()),
    };
    let elapsed = seconds(prediction.elapsed_secs);
    let asked = format!("Mean over {}{among}, computed in {elapsed}.", controls(&prediction));
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
