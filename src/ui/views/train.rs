//! Step 4: train a model on the prepared cells. What would be run at the left, how it goes at the right, all runs below.

mod cells;
mod curves;
mod ended;
mod expert;
mod fields;
mod gauges;
mod glimpse;
mod held_out;
mod plan;
mod progress;
mod runs;
mod setup;

use leptos::prelude::*;
use spec::message::Request;

use crate::app::{Phase, Screen};
use crate::views::shell::use_control;
use cells::{Architecture, CellSetup};
use ended::Ended;
use plan::Plan;
use progress::Progress;
use runs::Runs;
use setup::SetupForm;

/// The screen of step 4.
#[component]
pub fn Train() -> impl IntoView {
    let control = use_control();
    let missing = control.part(|state| {
        let n_vectors = state.checkpoint.as_ref().map(|checkpoint| checkpoint.n_vectors);
        let needs_vectors = !state.training.setup.is_of_cells();
        Missing {
            cells: state.dataset.is_none(),
            model: needs_vectors && n_vectors.is_none(),
            vectors: needs_vectors && n_vectors == Some(0),
        }
    });
    let is_of_cells = control.part(|state| state.training.setup.is_of_cells());
    let has_all = Memo::new(move |_| missing.get() == Missing::default());
    let is_training = control.part(|state| state.is_training());
    let has_ended = control.part(|state| state.training.ended.is_some());
    let at_the_right = move || match (is_training.get(), has_ended.get(), has_all.get()) {
        (true, ..) => view! { <Progress /> }.into_any(),
        (_, true, true) => view! { <Ended /><Plan /> }.into_any(),
        (_, true, false) => view! { <Ended /> }.into_any(),
        (_, false, true) => view! { <Plan /> }.into_any(),
        (_, false, false) => ().into_any(),
    };
    view! {
        <div class="train">
            <div class="train-parts" class:going=move || is_training.get() class:lacking=move || !has_all.get()>
                <section class="column">
                    <Architecture />
                    {move || match has_all.get() {
                        true if is_of_cells.get() => view! { <CellSetup /> }.into_any(),
                        true => view! { <SetupForm /> }.into_any(),
                        false => view! { <Lacking missing /> }.into_any(),
                    }}
                </section>
                <section class="column">{at_the_right}</section>
            </div>
            <Runs />
        </div>
    }
}

/// What has to be there before a run can be set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Missing {
    cells: bool,
    model: bool,
    vectors: bool,
}

/// What is missing, and what to do about it.
#[component]
fn Lacking(missing: Memo<Missing>) -> impl IntoView {
    let control = use_control();
    let is_coming = control.part(|state| {
        let brings = |request: &Request| {
            matches!(request, Request::Open { .. } | Request::Prepare { .. } | Request::LoadCheckpoint { .. })
        };
        state.phase == Phase::Starting || state.fetching.is_some() || state.has_job(brings)
    });
    let cells = "Cells to learn from: drop a count matrix on this page and prepare it, with the column that says what was done to each cell.";
    let model = "Vectors of the perturbations, which come with a model: open the built-in example, or drop a checkpoint together with its bank.safetensors.";
    let vectors = "Vectors of the perturbations: the loaded model came without. Drop it again together with its bank.safetensors, or open the built-in example.";
    let items = move || {
        let Missing { cells: no_cells, model: no_model, vectors: no_vectors } = missing.get();
        let items = [(no_cells, cells), (no_model, model), (no_vectors, vectors)];
        items
            .into_iter()
            .filter(|(is_missing, _)| *is_missing)
            .map(|(_, text)| view! { <li>{text}</li> })
            .collect_view()
    };
    view! {
        <div class="panel empty" data-testid="train-empty">
            <h2>"Train a model on your own cells"</h2>
            <p>"Training runs on this machine, in this page. It needs:"</p>
            <ul>{items}</ul>
            {move || is_coming.get().then(|| view! { <p class="quiet">"Something is being opened; this screen follows by itself."</p> })}
            <div class="row">
                <button type="button" class="primary" on:click=move |_| control.change(|state| state.screen = Screen::Load)>
                    "Go to step 1"
                </button>
                <button type="button" on:click=move |_| control.open_example()>"Open the built-in example"</button>
            </div>
        </div>
    }
}
