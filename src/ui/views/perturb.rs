//! Step 3: ask what perturbing a gene does to the control cells.

use leptos::prelude::*;
use spec::message::Request;
use spec::model::Mode;

use crate::app::{Checkpoint, Shared, State};
use crate::views::backwards::BackwardsPanel;
use crate::views::card::CardPanel;
use crate::views::changes::keep_tab;
use crate::views::load::Warnings;
use crate::views::picker::Picker;
use crate::views::result::PredictionView;
use crate::views::shell::use_control;
use crate::views::which_cells::CellsChoice;

/// Modes offered: those that perturb, in the order of their codes.
const MODES: [Mode; 8] = [
    Mode::Crispri,
    Mode::Crispra,
    Mode::Overexpression,
    Mode::Knockout,
    Mode::Inhibitor,
    Mode::Agonist,
    Mode::Degrader,
    Mode::Binder,
];

/// The screen of step 3.
#[component]
pub fn Perturb() -> impl IntoView {
    let control = use_control();
    keep_tab();
    let checkpoint = control.part(|state| state.checkpoint.clone());
    let has_model = move || checkpoint.with(Option::is_some);
    let lacks = control.part(|state| {
        let asked_in_vain = |checkpoint: &&Shared<Checkpoint>| checkpoint.targets.is_empty();
        state.checkpoint.as_ref().filter(asked_in_vain).map(|checkpoint| checkpoint.warnings.clone())
    });
    let prediction = control.part(|state| state.prediction.clone());
    let is_asking = control.part(|state| state.has_job(|request| matches!(request, Request::Predict { .. })));
    view! {
        <div class="perturb">
            <section class="side">
                {move || match checkpoint.get() {
                    Some(_) => view! { <Question /> }.into_any(),
                    None => view! { <NoModel /> }.into_any(),
                }}
                <CardPanel />
            </section>
            <section class="answer" class:stale=move || is_asking.get() aria-busy=move || is_asking.get().to_string()>
                {move || match (prediction.get(), has_model()) {
                    (Some(prediction), _) => view! { <PredictionView prediction /> }.into_any(),
                    (None, true) => match lacks.get() {
                        Some(warnings) => view! { <CannotAnswer warnings /> }.into_any(),
                        None => view! { <NoAnswer /> }.into_any(),
                    },
                    (None, false) => ().into_any(),
                }}
                {move || has_model().then(|| view! { <BackwardsPanel /> })}
            </section>
        </div>
    }
}

#[component]
fn NoModel() -> impl IntoView {
    view! {
        <div class="panel">
            <h2>"No model is loaded"</h2>
            <p>"Predictions need a checkpoint: open the built-in example in step 1, or drop a checkpoint’s files."</p>
        </div>
    }
}

#[component]
fn CannotAnswer(warnings: Vec<String>) -> impl IntoView {
    view! {
        <div class="panel empty" data-testid="cannot-answer">
            <h2>"This model cannot be asked yet"</h2>
            <p>"Its cells and their latent states can be seen in step 2. A prediction needs more than the files it came in:"</p>
            <Warnings warnings />
        </div>
    }
}

#[component]
fn NoAnswer() -> impl IntoView {
    view! {
        <div class="panel empty">
            <h2>"What happens to these cells?"</h2>
            <p>
                "Pick a gene and press Predict. The response model says how the mean expression of the control cells would "
                "change, beside two simple guesses (no change, and the mean of the training perturbations) and, where it "
                "exists, the measurement."
            </p>
            <p class="quiet">
                "Genes that were measured but held out of training can be checked; they are marked “held out”."
            </p>
        </div>
    }
}

#[component]
fn Question() -> impl IntoView {
    let control = use_control();
    let ready = control.part(State::can_ask);
    let dataset = control.part(|state| state.dataset.as_ref().map(|dataset| dataset.name.clone()));
    let on_what = move || dataset.get().map(|name| format!("Asked of the control cells of {name}."));
    view! {
        <form
            class="panel question"
            on:submit=move |event| {
                event.prevent_default();
                if ready.get() {
                    control.change(|state| state.ask());
                }
            }
        >
            <h2>"Perturb"</h2>
            <Picker />
            <ModeChoice />
            <CellsChoice />
            <button type="submit" class="primary wide" data-testid="predict" disabled=move || !ready.get()>
                "Predict"
            </button>
            <p class="quiet">{on_what}</p>
        </form>
    }
}

#[component]
fn ModeChoice() -> impl IntoView {
    let control = use_control();
    let seen = control.part(|state| state.checkpoint.as_ref().map(|c| c.header.modes.clone()).unwrap_or_default());
    let chosen = control.part(|state| state.mode);
    let options = MODES.map(|mode| {
        let is_seen = move || seen.with(|seen| seen.is_empty() || seen.contains(&mode));
        let text = move || match is_seen() {
            true => mode.label().to_string(),
            false => format!("{} (not in the training data)", mode.label()),
        };
        view! {
            <option value=mode.code() disabled=move || !is_seen() prop:selected=move || chosen.get() == Some(mode)>
                {text}
            </option>
        }
    });
    let choose = move |event| {
        let code = event_target_value(&event).parse::<usize>().ok();
        control.change(|state| state.mode = code.and_then(|code| Mode::ALL.get(code).copied()));
    };
    view! {
        <label class="choice">
            <span>"How"</span>
            <select data-testid="mode-select" on:change=choose>{options.collect_view()}</select>
            <small>
                {move || {
                    let names: Vec<&str> = seen.get().iter().map(|mode| mode.label()).collect();
                    if names.is_empty() {
                        return "There is no record of which kinds this checkpoint saw.".into();
                    }
                    format!("This checkpoint saw {} only; the others would be guesses without any data.", names.join(", "))
                }}
            </small>
        </label>
    }
}
