//! How the last run ended, and where to go from there.

use leptos::prelude::*;
use spec::run::{RunInfo, RunStatus};

use crate::app::Shared;
use crate::format::{count, plural, seconds};
use crate::views::shell::use_control;

/// The last run that ended or was paused, until dismissed.
#[component]
pub fn Ended() -> impl IntoView {
    let control = use_control();
    let ended = control.part(|state| state.training.ended.clone());
    move || ended.get().map(|run| view! { <EndedRun run /> })
}

#[component]
fn EndedRun(run: Shared<RunInfo>) -> impl IntoView {
    let control = use_control();
    let (to_use, to_resume) = (run.id.clone(), run.id.clone());
    let text = ending(&run);
    let can_use = run.checkpoint.is_some();
    let can_resume = run.status.can_resume();
    let is_bad = matches!(run.status, RunStatus::Failed { .. });
    view! {
        <div class="panel ready" class:failed=is_bad data-testid="train-ended">
            <h2>{run.name.clone()}</h2>
            <p>{text}</p>
            <div class="row">
                {can_resume.then(|| view! {
                    <button type="button" class="primary" on:click=move |_| control.change(|state| state.resume_run(to_resume.clone()))>"Resume"</button>
                })}
                {can_use.then(|| view! {
                    <button type="button" class="primary" on:click=move |_| control.change(|state| state.use_run(to_use.clone()))>"Use this model"</button>
                })}
                <button type="button" on:click=move |_| control.change(|state| state.training.ended = None)>"Dismiss"</button>
            </div>
        </div>
    }
}

/// How a run ended, in a sentence or two.
fn ending(run: &RunInfo) -> String {
    let steps = format!("{} of {}", count(run.steps_done as u64), plural(run.n_steps as u64, "step"));
    let took = seconds(run.trained_secs);
    match &run.status {
        RunStatus::Done => format!("Done: {steps} in {took}."),
        RunStatus::Paused | RunStatus::Running => format!("Paused after {steps}. It is kept in this browser."),
        RunStatus::Stopped => format!("Stopped after {steps}; the model is kept as it stood."),
        RunStatus::Failed { message } => {
            format!("It could not go on after {steps}: {message}. The model is kept as it stood when all was well.")
        }
    }
}
