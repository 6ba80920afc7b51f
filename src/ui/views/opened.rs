//! What was understood of a file, and the choices that preparation needs.

use leptos::prelude::*;
use spec::dataset::{GeneSelection, MatrixInfo, Opened, PrepareOptions};
use spec::message::Request;

use crate::app::{OpenedFile, Shared};
use crate::format::{bytes, count};
use crate::views::choices::Choices;
use crate::views::labels::Labels;
use crate::views::load::Warnings;
use crate::views::shell::use_control;

/// The panel of the file that was opened last.
#[component]
pub fn OpenedPanel(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let opened = &file.opened;
    let is_busy = control.part(|state| state.has_job(|request| matches!(request, Request::Prepare { .. })));
    let options = control.part(|state| state.options.clone());
    let fits = {
        let file = file.clone();
        move || bytes_for(&file.opened, &options.get()) <= file.opened.bytes_available
    };
    let warnings = opened.warnings.clone();
    let genes = opened.first_genes.join(", ");
    let heading = opened.name.clone();
    view! {
        <div class="panel">
            <h2>{heading}</h2>
            <div data-testid="opened-summary">
                <p>{described(opened)}</p>
                <p class="quiet">"First genes: "<span class="mono">{genes}</span></p>
                <p class="quiet">"Columns that describe the cells: "{columns(opened)}</p>
            </div>
            <Warnings warnings />
            <Choices file=file.clone() />
            <Labels />
            <Memory file=file.clone() />
            <button
                type="button"
                class="primary"
                data-testid="prepare"
                disabled=move || !fits() || is_busy.get()
                on:click=move |_| control.change(|state| state.prepare())
            >
                "Prepare"
            </button>
        </div>
    }
}

fn described(opened: &Opened) -> String {
    let size = bytes(opened.n_bytes);
    match opened.matrices.first() {
        Some(matrix) => format!(
            "{}, {size}: {} {} × {} genes, {} stored values.",
            opened.format.label(),
            count(matrix.n_cells as u64),
            opened.unit.plural(),
            count(matrix.n_genes as u64),
            count(matrix.n_stored)
        ),
        None => format!("{}, {size}.", opened.format.label()),
    }
}

fn columns(opened: &Opened) -> String {
    let names: Vec<&str> = opened.columns.iter().map(|column| column.name.as_str()).collect();
    match names.len() {
        0 => "none; all cells are taken as controls".into(),
        n if n > 8 => format!("{} and {} more", names[..8].join(", "), n - 8),
        _ => names.join(", "),
    }
}

/// The matrix that the options name, else the first.
pub fn matrix<'a>(opened: &'a Opened, options: &PrepareOptions) -> Option<&'a MatrixInfo> {
    let named = options.matrix.as_ref().and_then(|name| opened.matrices.iter().find(|matrix| matrix.name == *name));
    named.or(opened.matrices.first())
}

/// Memory for the chosen matrix and number of cells, scaled from what the engine needs for the default matrix. Of genes
/// that are chosen no more is known than that each may be in every cell.
fn bytes_for(opened: &Opened, options: &PrepareOptions) -> u64 {
    let (Some(default), Some(chosen)) = (opened.matrices.first(), matrix(opened, options)) else {
        return opened.bytes_needed;
    };
    let growing = opened.bytes_needed.saturating_sub(opened.bytes_fixed);
    let per_value = growing as f64 / default.n_stored.max(1) as f64;
    let share = options.max_cells.map_or(1.0, |n| (n as f64 / chosen.n_cells.max(1) as f64).min(1.0));
    let n_chosen = options.genes.as_ref().map(|genes| genes.names().len() as f64 * chosen.n_cells as f64);
    let n_values = n_chosen.map_or(chosen.n_stored as f64, |n| n.min(chosen.n_stored as f64));
    opened.bytes_fixed + (per_value * n_values * share) as u64
}

/// Cells that fit, with a tenth to spare, rounded down to two digits.
fn cells_that_fit(opened: &Opened, options: &PrepareOptions) -> usize {
    let all = PrepareOptions { max_cells: None, ..options.clone() };
    let Some(matrix) = matrix(opened, &all) else { return 1 };
    let left = opened.bytes_available.saturating_sub(opened.bytes_fixed) as f64;
    let share = 0.9 * left / bytes_for(opened, &all).saturating_sub(opened.bytes_fixed).max(1) as f64;
    let n = ((matrix.n_cells as f64 * share) as usize).min(matrix.n_cells);
    let step = 10_usize.pow(n.max(1).ilog10().saturating_sub(1));
    (n / step * step).max(1)
}

#[component]
fn Memory(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let of_model = control.part(|state| state.checkpoint.as_ref().map(|model| model.header.genes.clone()));
    let options = control.part(|state| state.options.clone());
    move || {
        let options = options.get();
        let (needed, available) = (bytes_for(&file.opened, &options), file.opened.bytes_available);
        let numbers = format!("Memory: {} needed, {} available.", bytes(needed), bytes(available));
        let offer = (needed > available).then(|| {
            let n = cells_that_fit(&file.opened, &options);
            let take = move |_| control.change(|state| state.options.max_cells = Some(n));
            let genes = of_model.get().and_then(|genes| GeneSelection::new(genes).ok());
            let of_model = genes.map(|genes| PrepareOptions { genes: Some(genes), ..options.clone() });
            let of_model = of_model.filter(|fewer| bytes_for(&file.opened, fewer) <= available).map(|fewer| {
                let n = count(fewer.genes.as_ref().map_or(0, |genes| genes.names().len() as u64));
                let take = move |_| control.change(|state| state.options.genes.clone_from(&fewer.genes));
                view! {
                    <button type="button" data-testid="use-model-genes" on:click=take>
                        {format!("Read the {n} genes of the model alone")}
                    </button>
                }
            });
            view! {
                <p>
                    "This is more than the browser can give. A random part of the cells fits, or fewer genes; the file stays as it is."
                </p>
                <button type="button" data-testid="use-subsample" on:click=take>
                    {format!("Read {} cells instead", count(n as u64))}
                </button>
                {of_model}
            }
        });
        let is_over = offer.is_some();
        view! {
            <div class="memory" class:over=is_over data-testid=if is_over { "over-budget" } else { "memory" }>
                <p>{numbers}</p>
                {offer}
            </div>
        }
    }
}
