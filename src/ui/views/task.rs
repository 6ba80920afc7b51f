//! What is going on and what went wrong.

use leptos::html;
use leptos::prelude::*;

use spec::message::Request;
use spec::run::Steering;

use crate::app::{Phase, Progress, is_run};
use crate::format::{bytes, count, percent, seconds, sentence};
use crate::views::shell::use_control;

/// Task, units, time left and the button that stops it; empty when nothing runs.
#[component]
pub fn TaskBar() -> impl IntoView {
    let control = use_control();
    let label = control.part(|state| state.running.as_ref().map(|running| (running.job.label(), running.cancelling)));
    // The page's own download is shown where the engine has nothing to say.
    let progress = control.part(|state| {
        let fetching = || state.fetching.clone().filter(|_| state.running.is_none());
        state.progress.clone().or_else(fetching)
    });
    let phase = control.part(|state| state.phase);
    let is_running = move || label.get().is_some() || progress.get().is_some();
    let text = move || match (label.get(), progress.get()) {
        (Some((label, true)), _) => format!("{label}: stopping"),
        (_, Some(progress)) => describe(&progress),
        (Some((label, false)), None) => label,
        (None, None) if phase.get() == Phase::Lost => "The engine stopped".to_string(),
        (None, None) => "Ready".to_string(),
    };
    let share = move || progress.get().and_then(|progress| share(&progress));
    let bar = move || {
        is_running().then(|| match share() {
            Some(share) => {
                let width = format!("width:{:.1}%", 100.0 * share);
                view! { <div class="track"><div class="fill" style=width></div></div> }.into_any()
            }
            None => view! { <div class="track"><div class="fill unknown"></div></div> }.into_any(),
        })
    };
    let can_cancel = control.part(|state| {
        let is_no_task = |request: &Request| matches!(request, Request::Start { .. }) || is_run(request);
        state.running.as_ref().is_some_and(|running| !is_no_task(&running.job.request))
    });
    // What is trained for hours is not thrown away by one click.
    let can_pause = control.part(|state| {
        let is_running =
            state.running.as_ref().is_some_and(|running| is_run(&running.job.request) && !running.cancelling);
        is_running && state.training.steering.is_none()
    });
    let pause = move || {
        can_pause.get().then(|| {
            view! {
                <button type="button" class="small" data-testid="pause" on:click=move |_| control.change(|state| state.steer(Steering::Pause))>
                    "Pause"
                </button>
            }
        })
    };
    let n_waiting = control.part(|state| if state.is_training() { state.queue.len() } else { 0 });
    let waiting = move || match n_waiting.get() {
        0 => String::new(),
        1 => " · 1 task waits for it".into(),
        n => format!(" · {n} tasks wait for it"),
    };
    let cancel = move || {
        can_cancel.get().then(|| {
            view! {
                <button type="button" class="small" data-testid="cancel" on:click=move |_| control.change(|state| state.cancel())>
                    "Cancel"
                </button>
            }
        })
    };
    view! {
        <div class="task" class:idle=move || !is_running() data-testid="progress" role="status" aria-live="polite">
            <span class="what">{text}{waiting}</span>
            {bar}
            {cancel}
            {pause}
        </div>
    }
}

fn share(progress: &Progress) -> Option<f64> {
    let total = progress.total.filter(|total| *total > 0.0)?;
    Some((progress.done / total).clamp(0.0, 1.0))
}

fn describe(progress: &Progress) -> String {
    let amount = |n: f64| if progress.unit == "bytes" { bytes(n as u64) } else { count(n as u64) };
    let unit = if progress.unit == "bytes" { String::new() } else { format!(" {}", progress.unit) };
    let mut text = match progress.total {
        Some(total) => {
            let share = percent(progress.done as usize, total as usize);
            format!("{} · {} of {}{unit} · {share}", progress.task, amount(progress.done), amount(total))
        }
        None => format!("{} · {}{unit}", progress.task, amount(progress.done)),
    };
    if let Some(left) = progress.remaining_secs {
        text.push_str(&format!(" · about {} left", seconds(left)));
    }
    text
}

/// The last failure: what was wrong, where, and what to do.
#[component]
pub fn ErrorPanel() -> impl IntoView {
    let control = use_control();
    let failure = control.part(|state| state.failure.clone());
    let panel: NodeRef<html::Div> = NodeRef::new();
    Effect::new(move |_| {
        if failure.get().is_some()
            && let Some(panel) = panel.get()
        {
            // An element that cannot take the focus leaves it where it is.
            let _ = panel.focus();
        }
    });
    move || {
        failure.get().map(|failure| {
            view! {
                <div class="error" role="alert" tabindex="-1" data-testid="error" node_ref=panel>
                    <div>
                        <strong>{format!("{} did not work", failure.task)}</strong>
                        <p>{sentence(&failure.message)}</p>
                        <p class="hint">{failure.hint}</p>
                    </div>
                    <button
                        type="button"
                        class="icon"
                        aria-label="Dismiss"
                        data-testid="error-dismiss"
                        on:click=move |_| control.change(|state| state.failure = None)
                    >
                        "✕"
                    </button>
                </div>
            }
        })
    }
}
