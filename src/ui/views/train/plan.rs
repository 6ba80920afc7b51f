//! What a run would take, and the button that starts it.

use js_sys::{Function, Promise, Reflect};
use leptos::prelude::*;
use leptos::task::spawn_local;
use spec::run::TrainingPlan;
use spec::train::cost::{MemoryLimits, StageMemory};
use spec::train::{Stage, TrainConfig};
use wasm_bindgen::prelude::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::app::{Planned, Shared};
use crate::format::{brief, bytes, count, plural, seconds, sentence};
use crate::views::load::Warnings;
use crate::views::shell::use_control;
use crate::views::train::setup::is_planning;

/// Targets that are named at most.
const MAX_NAMED: usize = 12;

/// The estimate and the start.
#[component]
pub fn Plan() -> impl IntoView {
    let control = use_control();
    let in_force = control.part(|state| state.plan_in_force().cloned());
    let is_stale = control.part(|state| state.training.plan.is_some() && state.plan_in_force().is_none());
    let is_planning = control.part(is_planning);
    let problem = control.part(|state| state.setup_problem());
    let estimate = move || {
        match (in_force.get(), is_planning.get()) {
        (_, true) => {
            view! { <p class="quiet" role="status">"A few steps of each stage are tried, to see how long they take."</p> }
                .into_any()
        }
        (Some(planned), false) => view! { <Estimate planned /> }.into_any(),
        (None, false) if is_stale.get() => {
            view! { <p class="quiet">"The settings have changed since the last estimate."</p> }.into_any()
        }
        (None, false) => view! {
            <p class="quiet">"An estimate says what the run takes on this device, in memory and in time, before it is started."</p>
        }
        .into_any(),
    }
    };
    view! {
        <div class="panel plan" data-testid="train-plan">
            <div class="row between">
                <h2>"What it takes"</h2>
                <button
                    type="button"
                    data-testid="train-estimate"
                    disabled=move || is_planning.get() || problem.with(Option::is_some)
                    on:click=move |_| control.change(|state| state.plan_training())
                >
                    "Estimate"
                </button>
            </div>
            {estimate}
            <Start />
        </div>
    }
}

/// Asks the browser not to make room by deleting what is kept here. It may refuse or know no such thing: storage is then as
/// it was.
fn ask_to_persist() {
    let get = |of: &JsValue, name: &str| Reflect::get(of, &name.into()).ok().filter(|found| !found.is_undefined());
    let storage = get(&js_sys::global(), "navigator").and_then(|navigator| get(&navigator, "storage"));
    let Some(storage) = storage else { return };
    let persist = get(&storage, "persist").and_then(|persist| persist.dyn_into::<Function>().ok());
    let asked = persist.and_then(|persist| persist.call0(&storage).ok());
    // The answer changes nothing; but nobody else hears of a refusal.
    if let Some(answer) = asked.and_then(|asked| asked.dyn_into::<Promise>().ok()) {
        spawn_local(async move { drop(JsFuture::from(answer).await) });
    }
}

#[component]
fn Start() -> impl IntoView {
    let control = use_control();
    let problem = control.part(|state| state.start_problem());
    let default_name = control.part(|state| state.default_run_name());
    let name = control.part(|state| state.training.setup.name.clone());
    let typed = move |event| {
        let name = event_target_value(&event);
        control.change(|state| state.training.setup.name = Some(name).filter(|name| !name.trim().is_empty()));
    };
    view! {
        <form
            class="row start-run"
            on:submit=move |event| {
                event.prevent_default();
                ask_to_persist();
                control.change(|state| state.train());
            }
        >
            <label class="choice">
                <span>"Name of the run"</span>
                <input
                    type="text"
                    autocomplete="off"
                    maxlength="80"
                    data-testid="run-name"
                    placeholder=move || default_name.get()
                    prop:value=move || name.get().unwrap_or_default()
                    on:input=typed
                />
            </label>
            <button type="submit" class="primary" data-testid="train-start" disabled=move || problem.with(Option::is_some)>
                "Start training"
            </button>
        </form>
        {move || problem.get().map(|problem| view! { <p class="warnings" data-testid="train-problem">{sentence(&problem)}</p> })}
    }
}

#[component]
fn Estimate(planned: Shared<Planned>) -> impl IntoView {
    let plan = &planned.plan;
    let learns = format!(
        "{} cells, {} parameters, {}",
        count(plan.n_cells as u64),
        count(plan.parameters.total()),
        learned_from(&plan.seen)
    );
    let time = plan.probe.as_ref().map(|probe| {
        let total = format!("About {} on this device, without validation.", seconds(probe.total_secs()));
        view! { <p><strong data-testid="train-time">{total}</strong></p> }
    });
    let rows = plan.memory.iter().map(|memory| stage_row(plan, memory)).collect_view();
    let over = (!plan.fits()).then(|| view! { <TooLarge planned=planned.clone() /> });
    view! {
        {time}
        <p>{learns}</p>
        <div class="scroll">
            <table class="stages">
                <thead>
                    <tr>
                        <th scope="col">"Stage"</th>
                        <th scope="col">"Steps"</th>
                        <th scope="col">"A step"</th>
                        <th scope="col">"Time"</th>
                        <th scope="col">"Memory"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        {over}
        <Warnings warnings=plan.warnings.clone() />
    }
}

/// The targets in words: how many, and the first of them.
fn learned_from(seen: &[String]) -> String {
    let named = seen.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match seen.len() {
        0 => "no targets: the states of cells alone are learned".into(),
        n if n <= MAX_NAMED => format!("{}: {named}", plural(n as u64, "target")),
        n => format!("{}: {named}, …", plural(n as u64, "target")),
    }
}

fn stage_row(plan: &TrainingPlan, memory: &StageMemory) -> impl IntoView + use<> {
    let stage = memory.stage;
    let time = plan.probe.as_ref().and_then(|probe| probe.stages.iter().find(|time| time.stage == stage));
    let step = time.map_or("–".into(), |time| brief(time.step_secs));
    let total = time.map_or("–".into(), |time| seconds(time.step_secs * time.n_steps as f64));
    let fits = plan.limits.hold(memory);
    view! {
        <tr class:over=!fits>
            <th scope="row">{stage.label()}</th>
            <td>{count(plan.config.stage(stage).n_steps as u64)}</td>
            <td>{step}</td>
            <td>{total}</td>
            <td>{needs(memory, plan.limits)}</td>
        </tr>
    }
}

/// `1.2 GB of 2.1 GB`, and the largest buffer where that is what is too large.
fn needs(memory: &StageMemory, limits: MemoryLimits) -> String {
    let text = format!("{} of {}", bytes(memory.total()), bytes(limits.total));
    match limits.buffer.filter(|buffer| memory.largest_buffer > *buffer) {
        Some(buffer) => format!("{text}; one buffer {} of {}", bytes(memory.largest_buffer), bytes(buffer)),
        None => text,
    }
}

/// Says that it does not fit, and offers what does.
#[component]
fn TooLarge(planned: Shared<Planned>) -> impl IntoView {
    let control = use_control();
    let offer = planned.plan.fitting.as_ref().map(|fitting| {
        let text = format!("Use {} instead", smaller_batches(&planned.plan.config, fitting));
        view! {
            <button type="button" class="small" data-testid="use-fitting" on:click=move |_| control.change(|state| state.use_fitting())>
                {text}
            </button>
        }
    });
    let advice = match offer.is_some() {
        true => "This run needs more memory than there is.",
        false => {
            "This run needs more memory than there is, even with a single cell a batch: take a smaller model, or fewer genes in step 1."
        }
    };
    view! { <div class="memory over" data-testid="train-too-large"><p>{advice}</p>{offer}</div> }
}

/// `batches of 8`, or which stage gets which.
fn smaller_batches(config: &TrainConfig, fitting: &TrainConfig) -> String {
    let size = |config: &TrainConfig, stage: Stage| config.stage(stage).batch_size;
    let changed: Vec<(Stage, usize)> = Stage::ALL
        .into_iter()
        .filter(|stage| config.stage(*stage).n_steps > 0 && size(config, *stage) != size(fitting, *stage))
        .map(|stage| (stage, size(fitting, stage)))
        .collect();
    match changed.split_first() {
        Some((first, rest)) if rest.iter().any(|(_, n)| *n != first.1) => {
            let each: Vec<String> = changed.iter().map(|(stage, n)| format!("{n} ({})", stage.label())).collect();
            format!("batches of {}", each.join(", "))
        }
        Some(((_, n), _)) => format!("batches of {n}"),
        None => "smaller batches".into(),
    }
}

#[cfg(test)]
mod tests {
    use spec::train::preset::Preset;

    use super::{learned_from, smaller_batches};

    #[test]
    fn what_is_offered_is_said_by_stage_only_where_it_differs() {
        let config = Preset::Tiny.config();
        let mut fitting = config.clone();
        fitting.pretrain.batch_size = 8;
        assert_eq!(smaller_batches(&config, &fitting), "batches of 8");
        fitting.action.batch_size = 16;
        assert_eq!(smaller_batches(&config, &fitting), "batches of 8 (pretraining), 16 (action)");
    }

    #[test]
    fn a_long_list_of_targets_is_cut() {
        let seen: Vec<String> = (0..30).map(|i| format!("G{i}")).collect();
        assert!(learned_from(&seen).ends_with("G11, …"));
        assert_eq!(learned_from(&seen[..1]), "1 target: G0");
    }
}
