//! What is held out, and by what the cells may differ besides.

use leptos::prelude::*;
use spec::evaluation::{CellTestsConfig, Folds, ReferenceConfig};
use spec::message::Request;

use crate::format::plural;
use crate::views::shell::use_control;

/// Choices, and the button.
#[component]
pub fn Setup() -> impl IntoView {
    let control = use_control();
    let is_asking = control.part(|state| state.has_job(|request| matches!(request, Request::Evaluate { .. })));
    let lacks_controls =
        control.part(|state| state.dataset.as_ref().is_some_and(|d| d.options.control_label.is_none()));
    view! {
        <form
            class="panel"
            on:submit=move |event| {
                event.prevent_default();
                control.change(|state| state.evaluate());
            }
        >
            <h2>"Evaluate"</h2>
            {move || lacks_controls.get().then(|| view! {
                <p class="warnings">"No label is known to be the controls’: choose it in step 1. Without controls no change can be measured."</p>
            })}
            <div class="choices">
                <FoldChoice />
                <BatchChoice />
                <FewestCells />
                <MoreChoice />
                <div class="choice">
                    <button type="submit" class="primary" data-testid="evaluate" disabled=move || is_asking.get()>
                        {move || if is_asking.get() { "Evaluating" } else { "Evaluate" }}
                    </button>
                </div>
            </div>
        </form>
    }
}

#[component]
fn FoldChoice() -> impl IntoView {
    let control = use_control();
    let folds = control.part(|state| state.evaluation_config.folds.clone());
    let collection = control.part(|state| state.pathways.collection.as_ref().map(|(_, collection)| collection.clone()));
    let kind = move || match folds.get() {
        Folds::HeldOut => "model",
        Folds::LeaveOneTargetOut => "one",
        Folds::Random { .. } => "parts",
        Folds::Pathways { .. } => "pathways",
    };
    let choose = move |event| {
        let chosen = match event_target_value(&event).as_str() {
            "one" => Folds::LeaveOneTargetOut,
            "parts" => Folds::Random { n_folds: 5 },
            "pathways" => Folds::Pathways { pathways: Vec::new() },
            _ => Folds::HeldOut,
        };
        control.change(|state| state.evaluation_config.folds = chosen);
    };
    let explained = move || match folds.get() {
        Folds::HeldOut => {
            "The loaded model on what it held out; without such a model the simple methods, each perturbation in turn."
                .to_owned()
        }
        Folds::Pathways { .. } => match collection.get() {
            Some(collection) => format!(
                "{} of {}: each is held out together.",
                plural(collection.n_sets as u64, "set"),
                collection.name
            ),
            None => "No gene sets were read: open the built-in example, or a .gmt in step 3.".to_owned(),
        },
        Folds::LeaveOneTargetOut | Folds::Random { .. } => {
            "Simple methods alone: the loaded model has seen most of these.".to_owned()
        }
    };
    view! {
        <div class="choice">
            <label for="evaluate-folds">"Held out"</label>
            <select id="evaluate-folds" data-testid="evaluate-folds" on:change=choose>
                <option value="model" prop:selected=move || kind() == "model">"What the model held out"</option>
                <option value="one" prop:selected=move || kind() == "one">"Each perturbation in turn"</option>
                <option value="parts" prop:selected=move || kind() == "parts">"Five parts at random"</option>
                <option value="pathways" prop:selected=move || kind() == "pathways">"Pathway by pathway"</option>
            </select>
            <small>{explained}</small>
        </div>
    }
}

#[component]
fn BatchChoice() -> impl IntoView {
    let control = use_control();
    let columns =
        control.part(|state| state.dataset.as_ref().map(|d| d.prepared.label_columns.clone()).unwrap_or_default());
    let chosen = control.part(|state| state.evaluation_config.batch_column.clone());
    let choose = move |event| {
        let column = Some(event_target_value(&event)).filter(|column| !column.is_empty());
        control.change(|state| state.evaluation_config.batch_column = column);
    };
    let options = move || {
        let option = |column: String| {
            let (value, text) = (column.clone(), column.clone());
            view! { <option value=value prop:selected=move || chosen.get().as_ref() == Some(&column)>{text}</option> }
        };
        columns.get().into_iter().map(option).collect_view()
    };
    view! {
        <label class="choice">
            <span>"Batches"</span>
            <select data-testid="evaluate-batches" on:change=choose>
                <option value="" prop:selected=move || chosen.get().is_none()>"Not known"</option>
                {options}
            </select>
            <small>"Column of the batch of each cell: what batches alone would predict is then shown beside the methods."</small>
        </label>
    }
}

#[component]
fn FewestCells() -> impl IntoView {
    let control = use_control();
    let value = control.part(|state| state.evaluation_config.min_cells);
    let change = move |event| {
        if let Ok(n) = event_target_value(&event).parse::<usize>() {
            control.change(|state| state.evaluation_config.min_cells = n.max(1));
        }
    };
    view! {
        <label class="choice">
            <span>"Fewest cells"</span>
            <input type="number" min="1" step="1" data-testid="evaluate-min-cells" prop:value=move || value.get().to_string() on:change=change />
            <small>"Perturbations with fewer cells are left out, and named."</small>
        </label>
    }
}

/// What takes longer and is off at first.
#[component]
fn MoreChoice() -> impl IntoView {
    let control = use_control();
    let has_tests = control.part(|state| state.evaluation_config.cell_tests.is_some());
    let has_reference = control.part(|state| state.evaluation_config.reference.is_some());
    let test_cells = move |event| {
        let asked = event_target_checked(&event).then(CellTestsConfig::default);
        control.change(|state| state.evaluation_config.cell_tests = asked);
    };
    let take_reference = move |event| {
        let asked = event_target_checked(&event).then(ReferenceConfig::default);
        control.change(|state| state.evaluation_config.reference = asked);
    };
    view! {
        <fieldset class="choice">
            <legend>"Also"</legend>
            <label class="check">
                <input
                    type="checkbox"
                    data-testid="evaluate-cell-tests-choice"
                    prop:checked=move || has_tests.get()
                    on:change=test_cells
                />
                "Tests of cells"
            </label>
            <small>"Are the significant genes found? Cells are made of predicted means; takes longer."</small>
            <label class="check">
                <input
                    type="checkbox"
                    data-testid="evaluate-reference-choice"
                    prop:checked=move || has_reference.get()
                    on:change=take_reference
                />
                "BioJEPA-AC’s evaluations"
            </label>
            <small>"Of the loaded model, as published and corrected."</small>
        </fieldset>
    }
}
