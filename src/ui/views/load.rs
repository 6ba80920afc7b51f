//! Step 1: choose files, see what was understood of them, say what their labels mean.

use leptos::html;
use leptos::prelude::*;

use crate::app::{Dataset, Phase, Screen};
use crate::dropped;
use spec::dataset::GeneCoverage;
use spec::labels::UNLABELLED;
use spec::reading::ValueReading;

use crate::format::{count, percent, plural, sentence};
use crate::views::card::{CardPanel, ExampleCard};
use crate::views::naming::Naming;
use crate::views::opened::OpenedPanel;
use crate::views::shell::use_control;

/// The screen of step 1.
#[component]
pub fn Load() -> impl IntoView {
    let control = use_control();
    let opened = control.part(|state| state.opened.clone());
    view! {
        <div class="load">
            <section class="column">
                <DropZone />
                <PreparedPanel />
                <CardPanel />
                <ExampleCard />
            </section>
            <section class="column">
                {move || match opened.get() {
                    Some(file) => view! { <OpenedPanel file /> }.into_any(),
                    None => view! { <Waiting /> }.into_any(),
                }}
            </section>
        </div>
    }
}

#[component]
fn Waiting() -> impl IntoView {
    let control = use_control();
    let is_coming = control.part(|state| state.failure.is_none() && state.phase != Phase::Lost);
    move || {
        match is_coming.get() {
        true => view! {
            <div class="panel waiting">
                <h2>"The built-in example is on its way"</h2>
                <p>
                    "Cells of a human leukaemia line (THP-1) from a CRISPR knockout screen, as means of about 40 each, and a "
                    "model trained on that screen. It opens by itself as soon as the engine is here."
                </p>
                <p class="quiet">"You can drop your own file meanwhile; it is opened next."</p>
            </div>
        }
        .into_any(),
        false => view! {
            <div class="panel waiting">
                <h2>"No file is open"</h2>
                <p>"Drop a count matrix on this page, or choose its files."</p>
            </div>
        }
        .into_any(),
    }
    }
}

#[component]
fn DropZone() -> impl IntoView {
    let control = use_control();
    let input: NodeRef<html::Input> = NodeRef::new();
    let choose = move |_| {
        if let Some(input) = input.get() {
            input.click();
        }
    };
    let chosen = move |_| {
        if let Some(input) = input.get() {
            control.open(dropped::chosen(input.files()));
            // The same file can be chosen again.
            input.set_value("");
        }
    };
    let folder: NodeRef<html::Input> = NodeRef::new();
    Effect::new(move |_| {
        if let Some(folder) = folder.get() {
            // Setting an attribute fails for an invalid name only.
            let _ = folder.set_attribute("webkitdirectory", "");
        }
    });
    let choose_folder = move |_| {
        if let Some(folder) = folder.get() {
            folder.click();
        }
    };
    let folder_chosen = move |_| {
        if let Some(folder) = folder.get() {
            control.open(dropped::chosen(folder.files()));
            folder.set_value("");
        }
    };
    view! {
        <div class="drop panel" data-testid="drop-zone">
            <h2>"Drop a count matrix anywhere on this page"</h2>
            <p class="quiet">
                ".h5ad, .zarr, 10x .h5, .loom, .csv, .tsv, matrix.mtx with barcodes and features; .zip or .tar.gz of these, "
                "or a folder. Several are the samples of a study. Read in place, range by range; not uploaded."
            </p>
            <p class="quiet">
                "Or a trained model: .safetensors, or a PyTorch .pt together with its gene list (one symbol per line). A recipe that was saved here prepares a file as before."
            </p>
            <div class="row">
                <button type="button" class="primary" on:click=choose>"Choose files"</button>
                <button type="button" on:click=choose_folder>"Choose a folder"</button>
                <button type="button" data-testid="open-example" on:click=move |_| control.open_example()>
                    "Built-in example"
                </button>
            </div>
            <input
                type="file"
                multiple
                class="hidden"
                tabindex="-1"
                aria-label="Count matrix files"
                data-testid="file-input"
                node_ref=input
                on:change=chosen
            />
            <input
                type="file"
                class="hidden"
                tabindex="-1"
                aria-label="Folder of a count matrix"
                data-testid="folder-input"
                node_ref=folder
                on:change=folder_chosen
            />
        </div>
    }
}

/// What is prepared now, and where to go from here.
#[component]
fn PreparedPanel() -> impl IntoView {
    let control = use_control();
    let dataset = control.part(|state| state.dataset.clone());
    let go = move |screen| move |_| control.change(|state| state.screen = screen);
    move || {
        dataset.get().map(|dataset| {
            let warnings = dataset.prepared.warnings.clone();
            let reading = dataset.prepared.reading.clone();
            let naming = dataset.prepared.naming.clone();
            // Where the model knows too few of the genes, its predictions are not the thing to do first.
            let is_foreign = dataset.prepared.coverage.as_ref().is_some_and(GeneCoverage::is_poor);
            view! {
                <div class="panel ready" data-testid="prepared-summary">
                    <h2>"In use: "{dataset.name.clone()}</h2>
                    <p>{summary(&dataset)}</p>
                    <Evidence reading />
                    <Naming naming />
                    <Warnings warnings />
                    <div class="row">
                        <button type="button" class:primary=is_foreign on:click=go(Screen::Look)>"Look at the cells"</button>
                        <button type="button" class:primary=!is_foreign on:click=go(Screen::Perturb)>"Perturb them"</button>
                    </div>
                </div>
            }
        })
    }
}

/// What the values look like, and why.
#[component]
fn Evidence(reading: Option<ValueReading>) -> impl IntoView {
    reading.map(|ValueReading { scale, evidence, n_cells_looked_at, n_cells, .. }| {
        let looked_at = format!(" ({} of {} cells looked at)", count(n_cells_looked_at as u64), count(n_cells as u64));
        let items: Vec<_> = evidence.iter().map(|seen| view! { <li>{sentence(&seen.sentence())}</li> }).collect();
        view! {
            <details class="quiet" data-testid="evidence">
                <summary>"What the values look like: "{scale.label()}</summary>
                <p>{scale.advice()}{looked_at}</p>
                <ul>{items}</ul>
            </details>
        }
    })
}

/// Cells, genes, perturbations and coverage in one sentence.
fn summary(dataset: &Dataset) -> String {
    let prepared = &dataset.prepared;
    let mut text = format!("{} × {} genes", unit_count(dataset), count(prepared.n_genes as u64));
    if prepared.perturbations.len() > 1 {
        let n_unlabelled = prepared.perturbations.iter().find(|(label, _)| label == UNLABELLED).map(|(_, n)| *n as u64);
        let n = prepared.perturbations.len() as u64 - 1 - u64::from(n_unlabelled.is_some());
        text.push_str(&format!(", {} and control", plural(n, "perturbation")));
        if let Some(n) = n_unlabelled {
            text.push_str(&format!(", {} not assigned", plural(n, "cell")));
        }
    }
    if let Some(coverage) = &prepared.coverage {
        let share = percent(coverage.n_found, coverage.n_checkpoint);
        text.push_str(&format!(
            "; {} of the model’s {} genes found ({share})",
            count(coverage.n_found as u64),
            count(coverage.n_checkpoint as u64)
        ));
    }
    text + "."
}

/// How many rows of what kind: `120 metacells`.
pub fn unit_count(dataset: &Dataset) -> String {
    format!("{} {}", count(dataset.prepared.n_cells as u64), dataset.prepared.unit.plural())
}

/// Warnings as a list; nothing where there are none.
#[component]
pub fn Warnings(warnings: Vec<String>) -> impl IntoView {
    (!warnings.is_empty()).then(|| {
        let items: Vec<_> = warnings.into_iter().map(|warning| view! { <li>{warning}</li> }).collect();
        view! { <ul class="warnings">{items}</ul> }
    })
}
