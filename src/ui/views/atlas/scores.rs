//! How well clusters meet labels, of principal components and of latent states side by side.

use leptos::prelude::*;
use spec::map::{RepresentationScores, ScoreTable, TunedScores};
use spec::message::Request;

use crate::app::{Dataset, Shared};
use crate::export::{CSV, download};
use crate::format::count;
use crate::views::atlas::Atlas;
use crate::views::choices::Choice;
use crate::views::load::Warnings;

/// What a row of the table says: its name, what it is, and its value.
type Row = (&'static str, &'static str, fn(&RepresentationScores) -> Option<f64>);

/// A row of a sweep, whose parts are told in small.
type SweepRow = (&'static str, &'static str, fn(&RepresentationScores) -> Option<TunedScores>);

const SWEEPS: [SweepRow; 2] = [
    ("AvgBIO, Leiden tuned by the labels", "best of 20 resolutions: optimistic", |scores| scores.tuned),
    ("AvgBIO, Louvain tuned by the labels", "best of 20, as scGPT and Cell-JEPA publish it: optimistic", |scores| {
        scores.tuned_louvain
    }),
];

const ROWS: [Row; 5] = [
    ("NMI", "of Leiden clusters at resolution 1 and the labels, 0 to 1", |scores| Some(scores.nmi)),
    ("ARI", "of the same, 0 by chance", |scores| Some(scores.ari)),
    ("ASW", "silhouette of the labels, brought to 0..1", |scores| scores.asw),
    ("AvgBIO", "mean of the three", |scores| scores.avg_bio),
    ("AvgBIO, best of 10", "Leiden, resolutions 0.2, 0.4, … 2 tuned by the labels: optimistic", |scores| {
        scores.tuned_of_10
    }),
];

/// The panel.
#[component]
pub fn ScoresPanel(atlas: Atlas, dataset: Shared<Dataset>) -> impl IntoView {
    let control = atlas.control;
    let table = control.part(|state| state.population.scores.clone());
    let is_asked = control.part(|state| state.has_job(|request| matches!(request, Request::Score { .. })));
    let mut columns: Vec<(String, String)> =
        dataset.prepared.label_columns.iter().map(|name| (name.clone(), name.clone())).collect();
    if dataset.prepared.perturbations.len() > 1 && columns.iter().all(|(name, _)| name != "perturbation") {
        columns.push(("perturbation".into(), "perturbation".into()));
    }
    let chosen = RwSignal::new(columns.first().map(|(name, _)| name.clone()).unwrap_or_default());
    let has_labels = !columns.is_empty();
    let summary = move || match table.get() {
        Some(table) => format!("Scores: clusters against {}", table.column),
        None => "Scores: do clusters meet known labels?".into(),
    };
    view! {
        <details class="part" data-testid="scores" prop:open=move || table.with(Option::is_some)>
            <summary>{summary}</summary>
            <div class="choices">
                <Choice
                    label="Labels"
                    testid="score-column"
                    hint="Cell types where the file has them; not what was used to choose the cells"
                    choices=columns
                    chosen=move || chosen.get()
                    choose=move |name| chosen.set(name)
                />
            </div>
            <div class="row">
                <button
                    type="button"
                    class="small"
                    data-testid="score"
                    disabled=move || is_asked.get() || !has_labels
                    on:click=move |_| control.change(|state| state.ask_for_scores(chosen.get_untracked()))
                >
                    "Score"
                </button>
                {(!has_labels).then(|| view! { <span class="quiet">"This file has no column of labels."</span> })}
            </div>
            {move || table.get().map(|table| view! { <Scored table /> })}
        </details>
    }
}

#[component]
fn Scored(table: Shared<ScoreTable>) -> impl IntoView {
    let heads = table.scores.iter().map(|scores| {
        let cells = format!("{} cells, {} clusters", count(scores.n_labelled as u64), scores.n_clusters);
        view! { <th scope="col">{scores.name.clone()}<br /><small>{cells}</small></th> }
    });
    let heads = heads.collect_view();
    let body = ROWS.map(|(name, what, value)| {
        let values: Vec<Option<f64>> = table.scores.iter().map(value).collect();
        let best = values.iter().flatten().copied().fold(f64::NEG_INFINITY, f64::max);
        let cells = values.into_iter().map(|value| {
            let is_best = table.scores.len() > 1 && value == Some(best);
            view! { <td class:best=is_best>{value.map_or_else(|| "–".to_string(), |value| format!("{value:.3}"))}</td> }
        });
        view! { <tr><th scope="row">{name}<br /><small>{what}</small></th>{cells.collect_view()}</tr> }
    });
    let sweeps = SWEEPS
        .map(|(name, what, tuned)| view! { <SweepScores name what found=table.scores.iter().map(tuned).collect() /> });
    let labels = format!("{} labels of {}", count(table.n_labels as u64), table.column);
    let warnings = table.warnings.clone();
    let save = {
        let table = table.clone();
        move |_| download("scores.csv", CSV, csv(&table))
    };
    view! {
        <div class="scroll" tabindex="0" role="region" aria-label="Scores">
            <table class="scores" data-testid="score-table">
                <thead><tr><th scope="col">{labels}</th>{heads}</tr></thead>
                <tbody>{body.into_iter().collect_view()}{sweeps.into_iter().collect_view()}</tbody>
            </table>
        </div>
        <div class="row"><button type="button" class="small" data-testid="scores-csv" on:click=save>"As csv"</button></div>
        <Warnings warnings />
    }
}

/// One sweep over the representations: AvgBIO, and in small its parts and the resolution.
#[component]
fn SweepScores(name: &'static str, what: &'static str, found: Vec<Option<TunedScores>>) -> impl IntoView {
    let best = found.iter().flatten().map(|tuned| tuned.avg_bio).fold(f64::NEG_INFINITY, f64::max);
    let n = found.len();
    let cells = found.into_iter().map(|tuned| {
        let is_best = n > 1 && tuned.is_some_and(|tuned| tuned.avg_bio == best);
        let parts = tuned.map(|TunedScores { resolution, nmi, ari, .. }| {
            view! { <br /><small>{format!("NMI {nmi:.3}, ARI {ari:.3} at {resolution:.1}")}</small> }
        });
        let value = tuned.map_or_else(|| "–".to_string(), |tuned| format!("{:.3}", tuned.avg_bio));
        view! { <td class:best=is_best>{value}{parts}</td> }
    });
    view! { <tr><th scope="row">{name}<br /><small>{what}</small></th>{cells.collect_view()}</tr> }
}

/// A line a representation.
fn csv(table: &ScoreTable) -> String {
    let mut out = format!("# {} labels of {}\n", table.n_labels, table.column.replace(['\n', '\r'], " "));
    out.push_str(
        "representation,cells,clusters,nmi,ari,asw,avg_bio,avg_bio_tuned,tuned_resolution,avg_bio_best_of_10,\
         avg_bio_tuned_louvain,nmi_louvain,ari_louvain,resolution_louvain\n",
    );
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for scores in &table.scores {
        out.push_str(&format!(
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n",
            scores.name,
            scores.n_labelled,
            scores.n_clusters,
            scores.nmi,
            scores.ari,
            text(scores.asw),
            text(scores.avg_bio),
            text(scores.tuned.map(|tuned| tuned.avg_bio)),
            text(scores.tuned.map(|tuned| tuned.resolution)),
            text(scores.tuned_of_10),
            text(scores.tuned_louvain.map(|tuned| tuned.avg_bio)),
            text(scores.tuned_louvain.map(|tuned| tuned.nmi)),
            text(scores.tuned_louvain.map(|tuned| tuned.ari)),
            text(scores.tuned_louvain.map(|tuned| tuned.resolution))
        ));
    }
    out
}
