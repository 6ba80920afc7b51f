//! What an opened file's parts mean: which matrix and what its values are, which labels, how many cells.

use std::f64::consts::E;

use leptos::prelude::*;
use spec::dataset::{ColumnInfo, ColumnKind, MatrixEncoding};
use spec::reading::ValueScale;

use crate::app::{OpenedFile, Shared};
use crate::format::{count, plural};
use crate::views::naming::NamingChoice;
use crate::views::opened::matrix;
use crate::views::selection::{GenesToRead, JoinChoice};
use crate::views::shell::use_control;

/// What the file’s parts mean, as its names suggest and a person may change.
#[component]
pub fn Choices(file: Shared<OpenedFile>) -> impl IntoView {
    view! {
        <div class="choices">
            <MatrixChoice file=file.clone() />
            <ValuesChoice />
            <PerturbationChoice file=file.clone() />
            <ControlChoice file=file.clone() />
            <LibrarySizeChoice file=file.clone() />
            <JoinChoice file=file.clone() />
            <MaxCells file=file.clone() />
            <StratifyChoice file=file.clone() />
            <GenesToRead file />
            <NamingChoice />
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
            hint="Raw counts where the file has them"
            choices
            chosen=move || chosen.get().unwrap_or_default()
            choose=move |name| control.change(|state| state.options.matrix = Some(name))
        />
    }
}

/// Words for what values may be, as a person says it.
const SCALES: [(&str, &str, ValueScale); 5] = [
    ("counts", "counts", ValueScale::Counts),
    ("normalized", "scaled by library size, not logged", ValueScale::Normalized),
    ("log", "log1p (natural)", ValueScale::Logged { base: E }),
    ("log2", "log1p, base 2", ValueScale::Logged { base: 2.0 }),
    ("log10", "log1p, base 10", ValueScale::Logged { base: 10.0 }),
];

#[component]
fn ValuesChoice() -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| {
        let is_chosen = |(_, _, scale): &&(&str, &str, ValueScale)| Some(*scale) == state.options.values;
        SCALES.iter().find(is_chosen).map(|(key, ..)| *key).unwrap_or_default()
    });
    let mut choices = vec![(String::new(), "told from the values".to_string())];
    choices.extend(SCALES.map(|(key, text, _)| (key.to_string(), text.to_string())));
    let choose = move |chosen: String| {
        let scale = SCALES.iter().find(|(key, ..)| *key == chosen).map(|(_, _, scale)| *scale);
        control.change(|state| state.options.values = scale);
    };
    view! {
        <Choice
            label="Values"
            testid="values"
            hint="What they are; the evidence is shown once they are read"
            choices
            chosen=move || chosen.get().to_string()
            choose
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
    let choices = columns(&file, "none: all cells are controls", |column| match &column.kind {
        ColumnKind::Labels { n_distinct, .. } => {
            Some(format!("{} ({})", column.name, plural(*n_distinct as u64, "value")))
        }
        ColumnKind::Numbers { .. } => None,
    });
    let choose = move |name: String| {
        control.change(|state| {
            // Which label marks the control is told with what the others mean.
            state.options.control_label = None;
            state.options.perturbation_column = (!name.is_empty()).then_some(name);
            state.read_labels();
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

#[component]
fn ControlChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let column = control.part(|state| state.options.perturbation_column.clone());
    let chosen = control.part(|state| state.options.control_label.clone().unwrap_or_default());
    move || {
        column.get().map(|column| {
            let values = labels(&file.opened.columns, &column);
            let label = |(value, n): &(String, usize)| (value.clone(), format!("{value} ({})", count(*n as u64)));
            let choices = std::iter::once((String::new(), "as the labels say".to_string()));
            let choices: Vec<_> = choices.chain(values.iter().map(label)).collect();
            view! {
                <Choice
                    label="Control"
                    testid="control-label"
                    hint="The value that marks unperturbed cells"
                    choices
                    chosen=move || chosen.get()
                    choose=move |value| control.change(|state| {
                        state.options.control_label = (!value.is_empty()).then_some(value);
                        state.read_labels();
                    })
                />
            }
        })
    }
}

#[component]
fn LibrarySizeChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| state.options.library_size_column.clone().unwrap_or_default());
    let choices = columns(&file, "the cell’s own sum", |column| match column.kind {
        ColumnKind::Numbers { .. } => Some(column.name.clone()),
        ColumnKind::Labels { .. } => None,
    });
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

/// Whose labels keep their shares; asked where only some cells are read.
#[component]
fn StratifyChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let is_drawn = control.part(|state| state.options.max_cells.is_some());
    let chosen = control.part(|state| state.options.stratify_by.clone().unwrap_or_default());
    move || {
        is_drawn.get().then(|| {
            let choices = columns(&file, "every cell alike", |column| match column.kind {
                ColumnKind::Labels { .. } => Some(format!("shares of {}", column.name)),
                ColumnKind::Numbers { .. } => None,
            });
            let choose = move |name: String| {
                control.change(|state| state.options.stratify_by = (!name.is_empty()).then_some(name));
            };
            view! {
                <Choice
                    label="Draw them by"
                    testid="stratify-by"
                    hint="Labels that keep their shares; each keeps at least one cell"
                    choices
                    chosen=move || chosen.get()
                    choose
                />
            }
        })
    }
}

/// None, and the columns that `text` has a text for.
fn columns(file: &OpenedFile, none: &str, text: impl Fn(&ColumnInfo) -> Option<String>) -> Vec<(String, String)> {
    let chosen = file.opened.columns.iter().filter_map(|column| Some((column.name.clone(), text(column)?)));
    std::iter::once((String::new(), none.to_string())).chain(chosen).collect()
}

/// A labelled select box.
#[component]
pub fn Choice(
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
