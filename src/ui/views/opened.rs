//! What was understood of a file, and the choices that preparation needs.

use leptos::prelude::*;
use spec::dataset::{ColumnInfo, ColumnKind, MatrixEncoding, MatrixInfo, Opened, PrepareOptions};
use spec::message::Request;

use crate::app::{OpenedFile, Shared};
use crate::format::{bytes, count, plural};
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
fn matrix<'a>(opened: &'a Opened, options: &PrepareOptions) -> Option<&'a MatrixInfo> {
    let named = options.matrix.as_ref().and_then(|name| opened.matrices.iter().find(|matrix| matrix.name == *name));
    named.or(opened.matrices.first())
}

/// Memory for the chosen matrix and number of cells, scaled from what the engine needs for the default matrix.
fn bytes_for(opened: &Opened, options: &PrepareOptions) -> u64 {
    let (Some(default), Some(chosen)) = (opened.matrices.first(), matrix(opened, options)) else {
        return opened.bytes_needed;
    };
    let per_value = opened.bytes_needed as f64 / default.n_stored.max(1) as f64;
    let share = options.max_cells.map_or(1.0, |n| (n as f64 / chosen.n_cells.max(1) as f64).min(1.0));
    (per_value * chosen.n_stored as f64 * share) as u64
}

/// Cells that fit, with a tenth to spare, rounded down to two digits.
fn cells_that_fit(opened: &Opened, options: &PrepareOptions) -> usize {
    let all = PrepareOptions { max_cells: None, ..options.clone() };
    let Some(matrix) = matrix(opened, &all) else { return 1 };
    let share = 0.9 * opened.bytes_available as f64 / bytes_for(opened, &all).max(1) as f64;
    let n = (matrix.n_cells as f64 * share) as usize;
    let step = 10_usize.pow(n.max(1).ilog10().saturating_sub(1));
    (n / step * step).max(1)
}

#[component]
fn Memory(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let options = control.part(|state| state.options.clone());
    move || {
        let options = options.get();
        let (needed, available) = (bytes_for(&file.opened, &options), file.opened.bytes_available);
        let numbers = format!("Memory: {} needed, {} available.", bytes(needed), bytes(available));
        let offer = (needed > available).then(|| {
            let n = cells_that_fit(&file.opened, &options);
            let take = move |_| control.change(|state| state.options.max_cells = Some(n));
            view! {
                <p>"This is more than the browser can give. A random part of the cells fits; the file stays as it is."</p>
                <button type="button" data-testid="use-subsample" on:click=take>
                    {format!("Read {} cells instead", count(n as u64))}
                </button>
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

#[component]
fn Choices(file: Shared<OpenedFile>) -> impl IntoView {
    view! {
        <div class="choices">
            <MatrixChoice file=file.clone() />
            <PerturbationChoice file=file.clone() />
            <ControlChoice file=file.clone() />
            <LibrarySizeChoice file=file.clone() />
            <MaxCells file />
        </div>
    }
}

#[component]
fn MatrixChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let chosen = {
        let file = file.clone();
        control.part(move |state| matrix(&file.opened, &state.options).map(|matrix| matrix.name.clone()))
    };
    let choices = file.opened.matrices.iter().map(|matrix| {
        let label = format!("{} ({}, {})", matrix.name, encoding(matrix.encoding), matrix.dtype);
        (matrix.name.clone(), label)
    });
    let choices: Vec<_> = choices.collect();
    view! {
        <Choice
            label="Counts"
            testid="matrix-select"
            hint="Raw counts, not normalised values"
            choices
            chosen=move || chosen.get().unwrap_or_default()
            choose=move |name| control.change(|state| state.options.matrix = Some(name))
        />
    }
}

fn encoding(encoding: MatrixEncoding) -> &'static str {
    match encoding {
        MatrixEncoding::Csr => "sparse by cell",
        MatrixEncoding::Csc => "sparse by gene",
        MatrixEncoding::Dense => "dense",
        MatrixEncoding::Coordinate => "triplets",
    }
}

#[component]
fn PerturbationChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| state.options.perturbation_column.clone().unwrap_or_default());
    let mut choices = vec![(String::new(), "none: all cells are controls".to_string())];
    choices.extend(file.opened.columns.iter().filter_map(|column| match &column.kind {
        ColumnKind::Labels { n_distinct, .. } => {
            let label = format!("{} ({})", column.name, plural(*n_distinct as u64, "value"));
            Some((column.name.clone(), label))
        }
        ColumnKind::Numbers { .. } => None,
    }));
    let choose = move |name: String| {
        control.change(|state| {
            state.options.control_label = guessed_control(&file.opened.columns, &name);
            state.options.perturbation_column = (!name.is_empty()).then_some(name);
        });
    };
    view! {
        <Choice
            label="Perturbation"
            testid="perturbation-column"
            hint="The column that names each cell’s perturbation"
            choices
            chosen=move || chosen.get()
            choose
        />
    }
}

fn labels<'a>(columns: &'a [ColumnInfo], name: &str) -> &'a [(String, usize)] {
    match columns.iter().find(|column| column.name == name).map(|column| &column.kind) {
        Some(ColumnKind::Labels { values, .. }) => values,
        _ => &[],
    }
}

/// A value that looks like a control label, else the most frequent one.
fn guessed_control(columns: &[ColumnInfo], name: &str) -> Option<String> {
    const HINTS: [&str; 6] = ["control", "non-targeting", "nontargeting", "ctrl", "nt", "untreated"];
    let values = labels(columns, name);
    let is_hinted = |value: &str, hint: &str| if hint == "nt" { value == hint } else { value.contains(hint) };
    let hinted = values.iter().find(|(value, _)| HINTS.iter().any(|hint| is_hinted(&value.to_lowercase(), hint)));
    hinted.or(values.first()).map(|(value, _)| value.clone())
}

#[component]
fn ControlChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let column = control.part(|state| state.options.perturbation_column.clone());
    let chosen = control.part(|state| state.options.control_label.clone().unwrap_or_default());
    move || {
        column.get().map(|column| {
            let values = labels(&file.opened.columns, &column);
            let label = |(value, n): &(String, usize)| (value.clone(), format!("{value} ({})", count(*n as u64)));
            let choices: Vec<_> = values.iter().map(label).collect();
            view! {
                <Choice
                    label="Control"
                    testid="control-label"
                    hint="The value that marks unperturbed cells"
                    choices
                    chosen=move || chosen.get()
                    choose=move |value| control.change(|state| state.options.control_label = Some(value))
                />
            }
        })
    }
}

#[component]
fn LibrarySizeChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| state.options.library_size_column.clone().unwrap_or_default());
    let mut choices = vec![(String::new(), "the cell’s own sum".to_string())];
    choices.extend(file.opened.columns.iter().filter_map(|column| match column.kind {
        ColumnKind::Numbers { .. } => Some((column.name.clone(), column.name.clone())),
        ColumnKind::Labels { .. } => None,
    }));
    let choose = move |name: String| {
        control.change(|state| state.options.library_size_column = (!name.is_empty()).then_some(name));
    };
    view! {
        <Choice
            label="Library size"
            testid="library-size-column"
            hint="Counts per cell over all genes, where the file holds only some of them"
            choices
            chosen=move || chosen.get()
            choose
        />
    }
}

#[component]
fn MaxCells(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let max_cells = control.part(|state| state.options.max_cells);
    let n_cells = file.opened.matrices.first().map_or(0, |matrix| matrix.n_cells);
    let typed = move |event| {
        let n = event_target_value(&event).trim().parse::<usize>().ok().filter(|n| *n > 0 && *n < n_cells);
        control.change(|state| state.options.max_cells = n);
    };
    view! {
        <label class="choice">
            <span>"Cells to read"</span>
            <input
                type="number"
                min="1"
                max=n_cells
                placeholder=format!("all {}", count(n_cells as u64))
                data-testid="max-cells"
                prop:value=move || max_cells.get().map(|n| n.to_string()).unwrap_or_default()
                on:change=typed
            />
            <small>"Fewer are drawn at random, with a fixed seed"</small>
        </label>
    }
}

/// A labelled select box.
#[component]
fn Choice(
    label: &'static str,
    testid: &'static str,
    hint: &'static str,
    choices: Vec<(String, String)>,
    chosen: impl Fn() -> String + Copy + Send + Sync + 'static,
    choose: impl Fn(String) + 'static,
) -> impl IntoView {
    let options = choices.into_iter().map(|(value, text)| {
        let is_chosen = {
            let value = value.clone();
            move || chosen() == value
        };
        view! { <option value=value prop:selected=is_chosen>{text}</option> }
    });
    let options = options.collect_view();
    view! {
        <label class="choice">
            <span>{label}</span>
            <select data-testid=testid on:change=move |event| choose(event_target_value(&event))>{options}</select>
            <small>{hint}</small>
        </label>
    }
}
