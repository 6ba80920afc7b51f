//! The runs that are kept in this browser: what came of them, and what can be done with them.

use js_sys::Date;
use leptos::prelude::*;
use spec::message::Request;
use spec::run::{RunChange, RunExport, RunInfo, RunStatus, StorageReport};
use spec::train::Stage;
use spec::train::cost::PartCounts;
use web_sys::HtmlInputElement;

use crate::app::{Job, ModelSource, Shared, State};
use crate::format::{bytes, count, seconds, significant};
use crate::views::shell::use_control;
use crate::views::train::curves::{Compared, N_COLOURS};

/// What can be taken away: the part, how it is called, its name for tests, and what it is for.
const EXPORTS: [(RunExport, &str, &str, &str); 4] = [
    (RunExport::Model, "Model", "run-export-model", "Its parameters as safetensors, as they stand"),
    (RunExport::RunFile, "Run file", "run-export-file", "What repeats it: waddington train --run"),
    (RunExport::Curves, "Curves", "run-export-curves", "Losses by step as csv"),
    (RunExport::State, "State", "run-export-state", "All of it, to go on elsewhere: waddington train --resume"),
];

/// The table of all runs, the curves of those that are ticked, and where they are kept.
#[component]
pub fn Runs() -> impl IntoView {
    let control = use_control();
    let runs = control.part(|state| state.training.runs.clone());
    let ticked = RwSignal::new(Vec::<String>::new());
    let compared = move || {
        let ticked = ticked.get();
        let chosen: Vec<RunInfo> =
            runs.get()?.iter().filter(|run| ticked.contains(&run.id)).take(N_COLOURS).cloned().collect();
        (!chosen.is_empty()).then(|| view! { <Compared runs=Shared::new(chosen) /> })
    };
    let table = move || match runs.get() {
        None => view! { <p class="quiet">"The runs of this browser are being listed."</p> }.into_any(),
        Some(runs) if runs.is_empty() => view! { <p class="quiet">"None yet."</p> }.into_any(),
        Some(runs) => {
            let rows = runs.iter().map(|run| view! { <Row run=Shared::new(run.clone()) ticked /> });
            view! {
                <div class="scroll">
                    <table class="runs">
                        <thead>
                            <tr>
                                <th scope="col">"Compare"</th>
                                <th scope="col">"Run, started"</th>
                                <th scope="col">"Status"</th>
                                <th scope="col">"Last losses"</th>
                                <th scope="col">"Parameters"</th>
                                <th scope="col">"What to do with it"</th>
                            </tr>
                        </thead>
                        <tbody>{rows.collect_view()}</tbody>
                    </table>
                </div>
            }
            .into_any()
        }
    };
    view! {
        <div class="panel kept-runs" data-testid="runs">
            <div class="row between"><h2>"Runs kept in this browser"</h2><Storage /></div>
            {table}
            {compared}
        </div>
    }
}

#[component]
fn Storage() -> impl IntoView {
    let control = use_control();
    let storage = control.part(|state| state.training.storage.clone());
    let has_problem = move || storage.with(|storage| storage.problem.is_some());
    view! {
        <p class="quiet" class:warnings=has_problem data-testid="storage">{move || storage.with(where_kept)}</p>
    }
}

/// What the runs take of the browser's storage, or why they are not kept.
fn where_kept(storage: &StorageReport) -> String {
    if let Some(problem) = &storage.problem {
        return format!("Runs are not kept beyond this page: {}. Export what you need.", problem.trim_end_matches('.'));
    }
    match (storage.n_bytes_used, storage.n_bytes_allowed) {
        (Some(used), Some(allowed)) => {
            format!("This site uses {} of {} that the browser allows", bytes(used), bytes(allowed))
        }
        (Some(used), None) => format!("This site uses {} of the browser’s storage", bytes(used)),
        (None, _) => String::new(),
    }
}

#[component]
fn Row(run: Shared<RunInfo>, ticked: RwSignal<Vec<String>>) -> impl IntoView {
    let control = use_control();
    let id = run.id.clone();
    // The run under way has gone further than when it was listed.
    let live_steps = control
        .part(move |state| state.training.live.as_ref().filter(|live| live.run.id == id).map(|live| live.steps_done));
    let (n_done, n_steps) = (run.steps_done, run.n_steps);
    let steps =
        move || format!("{} of {} steps", count(live_steps.get().unwrap_or(n_done) as u64), count(n_steps as u64));
    let took = (run.trained_secs > 0.0).then(|| format!("in {}", seconds(run.trained_secs)));
    let reason = match &run.status {
        RunStatus::Failed { message } => message.clone(),
        _ => String::new(),
    };
    let is_live = move || live_steps.get().is_some();
    let label = run.status.label();
    let status = move || if run_is_lost(label, is_live()) { "broken off" } else { label };
    let size = count(PartCounts::of_run(&run.config).total());
    let losses: Vec<_> = last_losses(&run).into_iter().map(|text| view! { <span class="line">{text}</span> }).collect();
    let (key, this) = (run.id.clone(), run.id.clone());
    let is_ticked = Memo::new(move |_| ticked.with(|ticked| ticked.contains(&key)));
    let is_full = move || !is_ticked.get() && ticked.with(|ticked| ticked.len() >= N_COLOURS);
    let tick = move |event| {
        let is_on = event_target_checked(&event);
        ticked.update(|ticked| {
            ticked.retain(|id| *id != this);
            ticked.extend(is_on.then(|| this.clone()));
        });
    };
    let compare = format!("Compare the curves of {}", run.name);
    view! {
        <tr data-testid="run-row">
            <td class="check">
                <input
                    type="checkbox"
                    aria-label=compare
                    data-testid="run-compare"
                    prop:checked=move || is_ticked.get()
                    disabled=is_full
                    on:change=tick
                />
            </td>
            <td><Name run=run.clone() /><small class="line">{when(run.started_secs)}</small></td>
            <td title=reason>
                <span class="line" data-testid="run-status">{status}</span>
                <small class="line">{steps}</small>
                <small class="line">{took}</small>
            </td>
            <td class="losses">{losses}</td>
            <td>{size}</td>
            <td><Actions run=run.clone() is_live=Signal::derive(is_live) /></td>
        </tr>
    }
}

/// Whether a run is said to be under way, but not here.
fn run_is_lost(label: &str, is_live: bool) -> bool {
    label == RunStatus::Running.label() && !is_live
}

/// The last loss of every stage that has begun, of validation too: `action 0.512, validation 0.530`.
fn last_losses(run: &RunInfo) -> Vec<String> {
    let of_stage = |stage: Stage| {
        let last = |curve: &spec::train::report::Curve| curve.last_of(stage).map(|point| f64::from(point.loss));
        let loss = significant(last(&run.history.losses)?);
        let validation = last(&run.history.validation);
        let validation = validation.map(|loss| format!(", validation {}", significant(loss))).unwrap_or_default();
        Some(format!("{} {loss}{validation}", stage.label()))
    };
    Stage::ALL.into_iter().filter_map(of_stage).collect()
}

/// Day and time by the clock of this machine.
fn when(secs: f64) -> String {
    let date = Date::new(&(1000.0 * secs).into());
    let day = format!("{}-{:02}-{:02}", date.get_full_year(), date.get_month() + 1, date.get_date());
    format!("{day} {:02}:{:02}", date.get_hours(), date.get_minutes())
}

/// The name, to be changed in place.
#[component]
fn Name(run: Shared<RunInfo>) -> impl IntoView {
    let control = use_control();
    let (id, before) = (run.id.clone(), run.name.clone());
    let renamed = move |event| {
        let input = event_target::<HtmlInputElement>(&event);
        let name = input.value().trim().to_owned();
        if name.is_empty() || name == before {
            input.set_value(&before);
        } else {
            let run = id.clone();
            control.change(|state| state.change_run(run, RunChange::Rename { name }));
        }
    };
    let label = format!("Name of the run {}", run.name);
    view! {
        <input
            type="text"
            class="name"
            maxlength="80"
            autocomplete="off"
            aria-label=label
            data-testid="run-name-input"
            prop:value=run.name.clone()
            on:change=renamed
        />
    }
}

/// Whether a job about a run waits or is done.
fn is_busy_with(state: &State, id: &str) -> bool {
    state.has_job(|request| match request {
        Request::ChangeRun { run, .. } | Request::UseRun { run } | Request::ExportRun { run, .. } => run == id,
        _ => false,
    })
}

/// Resume, use, take away, delete.
#[component]
fn Actions(run: Shared<RunInfo>, is_live: Signal<bool>) -> impl IntoView {
    let control = use_control();
    let [to_resume, to_use, of_use, of_busy] = [(); 4].map(|()| run.id.clone());
    let is_in_use = control.part(move |state| state.model_from == Some(ModelSource::Run(of_use.clone())));
    let is_busy = control.part(move |state| is_busy_with(state, &of_busy));
    let is_training = control.part(|state| state.is_training());
    let resume = run.status.can_resume().then(|| {
        let title = move || match is_training.get() {
            true => "One run at a time: pause or stop the one under way first",
            false => "Goes on from where it was saved, with its own cells",
        };
        view! {
            <button
                type="button"
                class="small"
                data-testid="run-resume"
                title=title
                disabled=move || is_training.get()
                on:click=move |_| control.change(|state| state.resume_run(to_resume.clone()))
            >
                "Resume"
            </button>
        }
    });
    let has_model = run.checkpoint.is_some();
    let use_it = has_model.then(|| {
        view! {
            <button
                type="button"
                class="small"
                data-testid="run-use"
                title="Predictions and maps are then by this model"
                disabled=move || is_in_use.get() || is_busy.get()
                on:click=move |_| control.change(|state| state.use_run(to_use.clone()))
            >
                {move || if is_in_use.get() { "In use" } else { "Use this model" }}
            </button>
        }
    });
    let exported = run.clone();
    let exports = EXPORTS.map(|(part, label, testid, title)| {
        let run = exported.id.clone();
        view! {
            <button
                type="button"
                class="small"
                data-testid=testid
                title=title
                disabled=move || is_busy.get()
                on:click=move |_| control.change(|state| state.enqueue(Job::new(Request::ExportRun { run: run.clone(), part })))
            >
                {label}
            </button>
        }
    });
    view! {
        <div class="row actions">
            {resume}
            {use_it}
            {exports.into_iter().collect_view()}
            <Delete id=run.id.clone() is_kept=Signal::derive(move || is_live.get() || is_in_use.get()) is_busy />
        </div>
    }
}

/// Deletes, after asking once more.
#[component]
fn Delete(id: String, is_kept: Signal<bool>, is_busy: Memo<bool>) -> impl IntoView {
    let control = use_control();
    let asks = RwSignal::new(false);
    let id = StoredValue::new(id);
    let delete = move |_| {
        asks.set(false);
        control.change(|state| state.change_run(id.get_value(), RunChange::Delete));
    };
    let title =
        move || if is_kept.get() { "It is under way, or its model is in use" } else { "Gone for good, with its model" };
    move || {
        match asks.get() {
        true => view! {
            <button type="button" class="small bad" data-testid="run-delete-yes" on:click=delete>"Delete for good"</button>
            <button type="button" class="small" on:click=move |_| asks.set(false)>"Keep it"</button>
        }
        .into_any(),
        false => view! {
            <button
                type="button"
                class="small"
                data-testid="run-delete"
                title=title
                disabled=move || is_kept.get() || is_busy.get()
                on:click=move |_| asks.set(true)
            >
                "Delete"
            </button>
        }
        .into_any(),
    }
    }
}

#[cfg(test)]
mod tests {
    use spec::run::StorageReport;

    use super::where_kept;

    #[test]
    fn storage_is_said_as_far_as_it_is_known() {
        let report = |problem: Option<&str>, used, allowed| StorageReport {
            problem: problem.map(str::to_owned),
            n_bytes_used: used,
            n_bytes_allowed: allowed,
        };
        assert!(where_kept(&report(Some("private window."), None, None)).contains("page: private window. Export"));
        let both = where_kept(&report(None, Some(12_000_000), Some(2_000_000_000)));
        assert!(both.contains("12.0 MB of 2.0 GB"), "{both}");
        assert_eq!(where_kept(&report(None, None, None)), "");
    }
}
