//! Step 5: how well the model, or the simple methods alone, predict what they did not learn from. One sentence on top, one
//! table, then how far to trust it.

mod audit;
mod headroom;
mod measured;
mod reference;
mod setup;
mod table;
mod trust;

use js_sys::JSON;
use leptos::prelude::*;
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use spec::evaluation::{Evaluation, MethodKind};
use spec::message::Request;
use wasm_bindgen::JsCast;
use web_sys::Element;

use crate::app::Shared;
use crate::export::{CSV, download, evaluation_csv, evaluation_targets_csv};
use crate::format::{count, plural, seconds};
use crate::views::load::Warnings;
use crate::views::shell::use_control;
use audit::{AuditPanel, NullPanel};
use headroom::Headroom;
use measured::PredictedMeasured;
use reference::ReferencePanel;
use setup::Setup;
use table::{CellTestsTable, MethodTable};
use trust::Trust;

/// The screen of step 5.
#[component]
pub fn Evaluate() -> impl IntoView {
    let control = use_control();
    let report = control.part(|state| state.evaluation.clone());
    let has_cells = control.part(|state| state.dataset.is_some());
    let is_asking = control.part(|state| state.has_job(|request| matches!(request, Request::Evaluate { .. })));
    view! {
        <div class="evaluate">
            {move || match has_cells.get() {
                true => view! { <Setup /> }.into_any(),
                false => view! { <NoCells /> }.into_any(),
            }}
            <div class="report" class:stale=move || is_asking.get() aria-busy=move || is_asking.get().to_string()>
                {move || match (report.get(), has_cells.get()) {
                    (Some(report), _) => view! { <Report report /> }.into_any(),
                    (None, true) => view! { <Nothing /> }.into_any(),
                    (None, false) => ().into_any(),
                }}
            </div>
        </div>
    }
}

#[component]
fn NoCells() -> impl IntoView {
    view! {
        <div class="panel empty" data-testid="evaluate-empty">
            <h2>"There is nothing to evaluate on"</h2>
            <p>"Open cells with known perturbations and controls in step 1, or the built-in example."</p>
        </div>
    }
}

#[component]
fn Nothing() -> impl IntoView {
    view! {
        <div class="panel empty">
            <h2>"Is it better than a simple guess?"</h2>
            <p>
                "Perturbations are held out, and predicted by the model and by every simple method: no change, the mean of "
                "training, neighbours, linear models, ridge. What they say is compared with what was measured, and with what "
                "two halves of the same cells say of each other."
            </p>
        </div>
    }
}

#[component]
fn Report(report: Shared<Evaluation>) -> impl IntoView {
    let data = &report.data;
    let facts = format!(
        "{}: {} held out, {} cells, {} of them controls, {} compared; {}; computed in {}.",
        data.name,
        plural(report.table.targets.len() as u64, "perturbation"),
        count(data.n_cells as u64),
        count(data.n_control_cells as u64),
        plural(report.table.n_genes as u64, "gene"),
        plural(report.folds.len() as u64, "fold"),
        seconds(report.elapsed_secs)
    );
    let problems = (!report.problems.is_empty()).then(|| {
        let problems = report.problems.clone();
        view! { <div data-testid="evaluate-problems"><Warnings warnings=problems /></div> }
    });
    view! {
        <div class="panel">
            <div class=verdict(&report) data-testid="evaluate-headline" aria-live="polite">
                <p><strong>{report.headline.clone()}</strong></p>
                <p class="quiet">{facts}</p>
            </div>
            {problems}
            <Saves report=report.clone() />
        </div>
        <MethodTable report=report.clone() />
        <CellTestsTable report=report.clone() />
        <div class="evaluate-pair">
            <Headroom report=report.clone() />
            <PredictedMeasured report=report.clone() />
        </div>
        <Trust report=report.clone() />
        <ReferencePanel report=report.clone() />
        <div class="evaluate-pair">
            <NullPanel report=report.clone() />
            <AuditPanel report />
        </div>
    }
}

/// How the sentence on top is coloured: by the interval of the model's gain.
fn verdict(report: &Evaluation) -> &'static str {
    let against = report.rows_of(MethodKind::Model).next().and_then(|row| {
        let lead = spec::metrics::Metric::GearsPearsonDelta;
        let column = report.table.metrics.iter().position(|metric| *metric == lead).unwrap_or(0);
        report.table.rows[row].cells.get(column)?.against.as_ref()
    });
    match against.and_then(|paired| paired.interval) {
        Some(interval) if interval.low > 0.0 => "verdict ahead",
        Some(interval) if interval.high < 0.0 => "verdict behind",
        Some(_) => "verdict mixed",
        None => "verdict open",
    }
}

#[component]
fn Saves(report: Shared<Evaluation>) -> impl IntoView {
    let (of_table, of_targets, of_json) = (report.clone(), report.clone(), report);
    let save_table = move |_| download("waddington_evaluation.csv", CSV, evaluation_csv(&of_table));
    let save_targets =
        move |_| download("waddington_evaluation_perturbations.csv", CSV, evaluation_targets_csv(&of_targets));
    let save_json = move |_| {
        if let Some(text) = json(&of_json) {
            download("waddington_evaluation.json", "application/json", text);
        }
    };
    view! {
        <div class="row">
            <button type="button" data-testid="evaluate-csv" on:click=save_table>"Table as csv"</button>
            <button type="button" data-testid="evaluate-targets-csv" on:click=save_targets>"Perturbations as csv"</button>
            <button type="button" data-testid="evaluate-json" on:click=save_json>"All of it as JSON"</button>
        </div>
    }
}

fn json(report: &Evaluation) -> Option<String> {
    let value = report.serialize(&Serializer::json_compatible()).ok()?;
    JSON::stringify_with_replacer_and_space(&value, &wasm_bindgen::JsValue::NULL, &2.into()).ok()?.as_string()
}

/// Saves the plot of a figure as it stands, drawn for white paper.
#[component]
pub fn SaveSvg(testid: &'static str, name: &'static str) -> impl IntoView {
    let save = move |event: leptos::ev::MouseEvent| {
        let button = event.target().and_then(|target| target.dyn_into::<Element>().ok());
        let figure = button.and_then(|button| button.closest("figure").ok().flatten());
        let plot = figure.and_then(|figure| figure.query_selector("svg.drawn").ok().flatten());
        if let Some(plot) = plot {
            download(name, "image/svg+xml", standalone(&plot.outer_html()));
        }
    };
    view! { <button type="button" class="small" data-testid=testid on:click=save>"SVG"</button> }
}

/// The plot with what its classes mean on this page, in the colours of paper.
fn standalone(svg: &str) -> String {
    const STYLE: &str = "<style>text{font:11px sans-serif;fill:#333}.grid{stroke:#ddd}.axis,.link{stroke:#999}\
        .one{fill:#0b6e99;stroke:#0b6e99}.two{fill:#c2571a;stroke:#c2571a}.three{fill:#6b7780;stroke:#6b7780}\
        .dot{stroke:none}.hit{fill:none}.curve{fill:none;stroke-width:2}.hollow{fill:#fff}.same{stroke:#999;stroke-dasharray:4 3}</style>";
    let named = svg.replacen("<svg", "<svg xmlns=\"http://www.w3.org/2000/svg\"", 1);
    match named.find('>') {
        Some(at) => format!("{}{STYLE}{}", &named[..=at], &named[at + 1..]),
        None => named,
    }
}
