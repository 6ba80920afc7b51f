//! The run under way: where it stands, what it says of itself, how to pause, stop or discard it.

use leptos::prelude::*;
use spec::run::Steering;
use spec::train::report::StageEnd;
use spec::train::{Stage, StepReport, TrainConfig};

use crate::app::{Live, State, is_run};
use crate::format::{brief, count, percent, plural, seconds, sentence, significant};
use crate::views::load::Warnings;
use crate::views::shell::use_control;
use crate::views::train::curves::LiveCurves;
use crate::views::train::gauges::GaugePanel;
use crate::views::train::glimpse::GlimpseView;

/// A part of the run under way; none where there is none.
fn live<T>(state: &State, of: impl FnOnce(&Live) -> T) -> Option<T> {
    state.training.live.as_ref().map(of)
}

/// Everything of the run under way.
#[component]
pub fn Progress() -> impl IntoView {
    let control = use_control();
    let name = control.part(|state| state.run_name().unwrap_or_default());
    let has_begun = control.part(|state| state.training.live.is_some());
    let waits = control.part(|state| state.running.as_ref().is_some_and(|running| !is_run(&running.job.request)));
    let before = move || match waits.get() {
        true => "It begins once what runs now is done.",
        false => "Cells, vectors and model are put together.",
    };
    let warnings = control.part(|state| live(state, |live| live.warnings.clone()).unwrap_or_default());
    let gauges = control.part(|state| live(state, |live| live.gauges).flatten());
    let glimpse = control.part(|state| live(state, |live| live.glimpse.clone()).flatten());
    let details = move || match has_begun.get() {
        true => view! {
            <Standing />
            <ReportWarnings />
            <LiveCurves />
            <div class="split train-split">
                {move || gauges.get().map(|(stage, step, gauges)| view! { <GaugePanel stage step gauges /> })}
                <Terms />
            </div>
            {move || glimpse.get().map(|glimpse| view! { <GlimpseView glimpse /> })}
            {move || view! { <Warnings warnings=warnings.get() /> }}
        }
        .into_any(),
        false => view! { <p class="quiet">{before}</p> }.into_any(),
    };
    view! {
        <div class="panel progress" data-testid="train-progress">
            <div class="row between"><h2>{move || name.get()}</h2><Buttons /></div>
            {details}
            <Waiting />
            <Hidden />
        </div>
    }
}

#[component]
fn Buttons() -> impl IntoView {
    let control = use_control();
    let steering = control.part(|state| state.training.steering);
    let is_discarding = control.part(|state| state.running.as_ref().is_some_and(|running| running.cancelling));
    let asks = RwSignal::new(false);
    let steer = move |how| move |_| control.change(|state| state.steer(how));
    let is_ending = move || steering.get().is_some() || is_discarding.get();
    let said = move || match (is_discarding.get(), steering.get()) {
        (true, _) => "discarding at the next step",
        (_, Some(Steering::Pause)) => "pausing at the next step",
        (_, Some(Steering::Stop)) => "stopping at the next step",
        _ => "",
    };
    let discard = move || {
        match asks.get() {
        true => view! {
            <span>"All of it will be gone."</span>
            <button type="button" class="small bad" data-testid="train-discard-yes" on:click=move |_| {
                asks.set(false);
                control.change(|state| state.discard());
            }>"Discard it"</button>
            <button type="button" class="small" on:click=move |_| asks.set(false)>"Keep it"</button>
        }
        .into_any(),
        false => view! {
            <button type="button" class="small" data-testid="train-discard" disabled=is_discarding on:click=move |_| asks.set(true)>
                "Discard"
            </button>
        }
        .into_any(),
    }
    };
    view! {
        <div class="row" role="group" aria-label="The run">
            <span class="quiet" role="status">{said}</span>
            <button
                type="button"
                class="small"
                data-testid="train-pause"
                title="Saves it and lets go of it; it can be resumed, also after the page was closed"
                disabled=is_ending
                on:click=steer(Steering::Pause)
            >
                "Pause"
            </button>
            <button
                type="button"
                class="small"
                data-testid="train-stop"
                title="Ends it here; the model is kept as it stands"
                disabled=is_ending
                on:click=steer(Steering::Stop)
            >
                "Stop and keep"
            </button>
            {discard}
        </div>
    }
}

/// Stage, step, loss, pace, time left, and what is safe.
#[component]
fn Standing() -> impl IntoView {
    let control = use_control();
    let run = control.part(|state| live(state, |live| live.run.clone()));
    let report = control.part(|state| live(state, |live| live.report.clone()).flatten());
    let steps = control.part(|state| live(state, |live| (live.steps_done, live.remaining_secs)));
    let validation = control.part(|state| live(state, |live| live.validation.clone()).flatten());
    let ends = control.part(|state| live(state, |live| live.ends.clone()).unwrap_or_default());
    let facts = move || {
        let (run, report) = (run.get()?, report.get()?);
        let validation = validation.get().filter(|(stage, ..)| *stage == report.stage).map(|(_, step, validation)| {
            let best = if validation.is_best {
                ", the lowest so far".into()
            } else {
                format!(", {} since the lowest", validation.n_since_best)
            };
            (format!("{}{best}", significant(validation.loss)), step)
        });
        let facts = [
            ("Loss", significant(report.loss)),
            (
                "Validation",
                validation.map_or("–".into(), |(text, step)| format!("{text} (step {})", count(step as u64))),
            ),
            ("Learning rate", significant(report.lr)),
            ("Pace", pace(&run.config, &report)),
        ];
        let items = facts.map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> });
        Some(view! { <dl class="facts">{items.into_iter().collect_view()}</dl> })
    };
    let bar = move || {
        let (run, (done, remaining_secs)) = (run.get()?, steps.get()?);
        let share = 100.0 * done as f64 / run.n_steps.max(1) as f64;
        let left = remaining_secs.map(|secs| format!(", about {} left", seconds(secs))).unwrap_or_default();
        let stage = report.get().map(|report| stage_of(&run.config, &report)).unwrap_or_default();
        let text = format!(
            "{stage}{} of {} in all ({}){left}",
            count(done as u64),
            plural(run.n_steps as u64, "step"),
            percent(done, run.n_steps)
        );
        Some(view! {
            <p class="standing">{text}</p>
            <div class="track wide"><div class="fill" style=format!("width:{share:.1}%")></div></div>
        })
    };
    let ended = move || {
        let texts = ends.get().into_iter().filter_map(|(stage, end)| ending(stage, end));
        texts.map(|text| view! { <p class="quiet" data-testid="train-stage-end">{text}</p> }).collect_view()
    };
    view! { {bar}{facts}<Saved />{ended} }
}

/// How a stage ended; none where there is nothing to say: it had all its steps, and kept what one of them left.
fn ending(stage: Stage, end: StageEnd) -> Option<String> {
    let kept = end.kept();
    let text = match (end.stopped_early, end.kept_step) {
        (true, _) => {
            let kept = kept.unwrap_or_else(|| "its last values are kept".into());
            format!("{} ended early, since validation got no better; {kept}.", stage.label())
        }
        (false, Some(0)) => format!("{} is done; {}.", stage.label(), kept?),
        (false, _) => return None,
    };
    Some(sentence(&text))
}

/// `Stage 2 of 3, action: step 240 of 600; `.
fn stage_of(config: &TrainConfig, report: &StepReport) -> String {
    let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0).collect();
    let at = stages.iter().position(|stage| *stage == report.stage).map_or(1, |at| at + 1);
    let (step, n_steps) = (count(report.step as u64), count(report.n_steps as u64));
    format!("Stage {at} of {}, {}: step {step} of {n_steps}; ", stages.len(), report.stage.label())
}

/// `12.3 ms a step, 2,600 examples a second`.
fn pace(config: &TrainConfig, report: &StepReport) -> String {
    if report.step_secs <= 0.0 || !report.step_secs.is_finite() {
        return "–".into();
    }
    let n_examples = config.n_examples(report.stage) as f64 / report.step_secs;
    format!("{} a step, {} examples a second", brief(report.step_secs), significant(n_examples))
}

#[component]
fn Saved() -> impl IntoView {
    let control = use_control();
    let saved = control.part(|state| live(state, |live| live.saved.clone()).flatten());
    move || match saved.get() {
        None => view! { <p class="quiet" data-testid="train-saved">"Not saved yet."</p> }.into_any(),
        Some((steps, None)) => {
            let text =
                format!("Saved at step {}: it goes on from there, should the page be closed.", count(steps as u64));
            view! { <p class="quiet" data-testid="train-saved">{text}</p> }.into_any()
        }
        Some((steps, Some(problem))) => {
            let safe = match steps {
                0 => "Nothing of it is safe.".to_string(),
                steps => format!("Safe is step {}.", count(steps as u64)),
            };
            view! {
                <div class="memory over" role="alert" data-testid="train-saved">
                    <p>{format!("The run could not be saved: {}. It goes on. {safe}", problem.trim_end_matches('.'))}</p>
                    <button
                        type="button"
                        class="small"
                        data-testid="train-rescue"
                        title="waddington train --resume goes on from it"
                        on:click=move |_| control.change(|state| state.rescue_run())
                    >
                        "Pause and download the state"
                    </button>
                </div>
            }
            .into_any()
        }
    }
}

#[component]
fn ReportWarnings() -> impl IntoView {
    let control = use_control();
    let warnings = control.part(|state| {
        let texts = live(state, |live| live.report_warnings.iter().map(|warning| warning.text()).collect::<Vec<_>>());
        texts.unwrap_or_default()
    });
    move || view! { <Warnings warnings=warnings.get() /> }
}

/// What the loss is the sum of, and the same of what is held back, as it was last looked at in this stage.
#[component]
fn Terms() -> impl IntoView {
    let control = use_control();
    let terms = control.part(|state| {
        let of_both = |live: &Live| {
            let report = live.report.as_ref()?;
            let held_back = live.validation.as_ref().filter(|(stage, ..)| *stage == report.stage);
            let held_back = held_back.map_or_else(Vec::new, |(_, _, validation)| validation.terms.clone());
            Some((report.terms.clone(), held_back))
        };
        live(state, of_both).flatten()
    });
    move || {
        let (terms, held_back) = terms.get().filter(|(terms, _)| !terms.is_empty())?;
        let rows = terms.into_iter().map(|term| {
            let other = held_back.iter().find(|other| other.term == term.term);
            view! {
                <tr>
                    <th scope="row">{term.term.label()}</th>
                    <td>{significant(term.value)}</td>
                    <td>{other.map_or_else(|| "–".to_owned(), |other| significant(other.value))}</td>
                    <td>{format!("× {}", significant(term.weight))}</td>
                    <td>{significant(term.weight * term.value)}</td>
                </tr>
            }
        });
        Some(view! {
            <table class="terms" data-testid="train-terms">
                <thead><tr><th scope="col">"Term of the loss"</th><th scope="col">"Value"</th><th scope="col">"Held back"</th><th scope="col">"Weight"</th><th scope="col">"Adds"</th></tr></thead>
                <tbody>{rows.collect_view()}</tbody>
            </table>
        })
    }
}

/// What waits for the run, and that it waits.
#[component]
fn Waiting() -> impl IntoView {
    let control = use_control();
    let waiting = control.part(|state| {
        let tasks = state.queue.iter().filter(|job| !is_run(&job.request));
        tasks.map(|job| job.label()).collect::<Vec<_>>()
    });
    let text = move || match waiting.get() {
        tasks if tasks.is_empty() => {
            "While it runs the engine does nothing else: what you ask for meanwhile waits until it ends or is paused."
                .into()
        }
        tasks => format!("Waiting for the run to end or to be paused: {}.", tasks.join(", ")),
    };
    view! { <p class="quiet" data-testid="train-waiting">{text}</p> }
}

/// Says what a hidden page means for the run, louder once it was hidden or stood still.
#[component]
fn Hidden() -> impl IntoView {
    let control = use_control();
    let stood_still_secs = control.part(|state| live(state, |live| live.stood_still_secs).unwrap_or(0.0));
    let was_hidden = RwSignal::new(false);
    let handle = window_event_listener_untyped("visibilitychange", move |_| {
        if document().hidden() {
            was_hidden.set(true);
        }
    });
    on_cleanup(move || handle.remove());
    let text = move || match (stood_still_secs.get(), was_hidden.get()) {
        (secs, _) if secs > 0.0 => format!(
            "The run stood still for about {}, while the page was hidden or the machine asleep, and went on where it was. \
             Pace and time left do not count it.",
            seconds(secs)
        ),
        (_, true) => {
            "This page was hidden: the browser may have slowed the run down, or let it stand still. Nothing is lost."
                .into()
        }
        (_, false) => {
            "Behind another window or tab the browser may slow the run down, or let it stand still; nothing is lost."
                .into()
        }
    };
    let is_louder = move || was_hidden.get() || stood_still_secs.get() > 0.0;
    view! { <p class="quiet" class:warnings=is_louder data-testid="train-hidden">{text}</p> }
}

#[cfg(test)]
mod tests {
    use spec::train::preset::Preset;
    use spec::train::report::StageEnd;
    use spec::train::{Stage, StepReport};

    use super::{ending, pace, stage_of};

    #[test]
    fn how_a_stage_ended_is_said_where_there_is_something_to_say() {
        let said = |stopped_early, kept_step| ending(Stage::Decoder, StageEnd { stopped_early, kept_step });
        assert_eq!(said(false, Some(200)), None);
        assert_eq!(said(false, None), None);
        let text = said(false, Some(0)).expect("nothing that was learned is kept");
        assert!(text.starts_with("Decoder is done; no step did better") && text.ends_with("which are kept."), "{text}");
        let text = said(true, Some(40)).expect("it ended early");
        assert!(text.contains("ended early") && text.contains("the values of step 40 are kept"), "{text}");
        let text = ending(Stage::Pretrain, StageEnd { stopped_early: true, kept_step: None }).expect("it ended early");
        assert!(text.contains("its last values are kept"), "{text}");
    }

    #[test]
    fn a_stage_is_counted_among_those_that_have_steps() {
        let config = Preset::Tiny.config();
        let report = StepReport {
            stage: Stage::Action,
            step: 1200,
            n_steps: 2000,
            loss: 1.0,
            lr: 1e-3,
            step_secs: 0.016,
            terms: Vec::new(),
            validation: None,
            validated_before: None,
            gauges: None,
            warnings: Vec::new(),
            end: None,
        };
        assert_eq!(stage_of(&config, &report), "Stage 2 of 3, action: step 1,200 of 2,000; ");
        assert_eq!(pace(&config, &report), "16.0 ms a step, 2,000 examples a second");
        assert_eq!(pace(&config, &StepReport { step_secs: 0.0, ..report }), "–");
    }
}
