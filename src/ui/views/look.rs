//! Step 2: the quality of the cells, the map of them, and the genes it is made of.

use leptos::prelude::*;
use spec::dataset::{CellUnit, GeneCoverage};

use crate::app::{Dataset, Shared};
use crate::format::{count, percent};
use crate::views::atlas::AtlasPanel;
use crate::views::genes::Genes;
use crate::views::load::{Warnings, unit_count};
use crate::views::quality::Quality;
use crate::views::shell::use_control;

/// The screen of step 2.
#[component]
pub fn Look() -> impl IntoView {
    let control = use_control();
    let dataset = control.part(|state| state.dataset.clone());
    // Filters change the cells that are kept, not the histograms that a person is just drawing bounds on.
    let quality =
        control.part(|state| state.dataset.as_ref().map(|dataset| (dataset.quality.clone(), dataset.prepared.unit)));
    let histograms = move || quality.get().map(|(quality, unit)| view! { <Quality quality unit /> });
    let heading = move || dataset.get().map(|dataset| view! { <Heading dataset /> });
    let maps = move || dataset.get().map(|dataset| view! { <Cells dataset /> });
    move || match quality.with(Option::is_some) {
        true => view! { <div class="look">{heading}{histograms}{maps}</div> }.into_any(),
        false => view! { <p class="panel">"No cells are prepared yet: go to step 1."</p> }.into_any(),
    }
}

#[component]
fn Heading(dataset: Shared<Dataset>) -> impl IntoView {
    let n_genes = count(dataset.prepared.n_genes as u64);
    let heading = format!("{}: {} × {n_genes} genes", dataset.name, unit_count(&dataset));
    let note = (dataset.prepared.unit == CellUnit::Metacell)
        .then_some("A metacell is the mean of several similar cells; no single cell is in this file.");
    view! { <div class="headline"><h2>{heading}</h2><p class="quiet">{note}</p></div> }
}

#[component]
fn Cells(dataset: Shared<Dataset>) -> impl IntoView {
    let warnings = dataset.prepared.warnings.clone();
    let coverage = dataset.prepared.coverage.clone();
    view! {
        <AtlasPanel dataset=dataset.clone() />
        <Genes label_columns=dataset.prepared.label_columns.clone() />
        <Coverage coverage />
        <Warnings warnings />
    }
}

#[component]
fn Coverage(coverage: Option<GeneCoverage>) -> impl IntoView {
    coverage.map(|coverage| {
        let GeneCoverage { n_checkpoint, n_found, missing } = coverage;
        let text = format!(
            "{} of the model’s {} genes are in this file ({}).",
            count(n_found as u64),
            count(n_checkpoint as u64),
            percent(n_found, n_checkpoint)
        );
        let lacking = (!missing.is_empty()).then(|| {
            let more = if missing.len() < n_checkpoint - n_found { ", …" } else { "" };
            view! {
                <details><summary>"Missing genes, read as 0"</summary><p class="mono">{missing.join(", ")}{more}</p></details>
            }
        });
        view! { <div class="coverage quiet" data-testid="coverage"><p>{text}</p>{lacking}</div> }
    })
}
