//! Answers of this session beside each other: a heat map of their changes, and the way back to each.

use leptos::prelude::*;
use spec::prediction::Prediction;

use crate::app::Shared;
use crate::export::{CSV, compared_csv, download};
use crate::format::plural;
use crate::plots::heat::{Heat, HeatMap, HeatRow};
use crate::views::evaluate::SaveSvg;
use crate::views::shell::use_control;

/// Genes that are shown.
const N_GENES: usize = 24;

/// Changes of all answers that are kept.
#[component]
pub fn Compared(shown: Shared<Prediction>) -> impl IntoView {
    let control = use_control();
    let answers = control.part(|state| state.asking.compared.clone());
    let with_measured = RwSignal::new(false);
    let has_measured = move || answers.with(|answers| answers.iter().any(|answer| answer.measured.is_some()));
    let heat = move || {
        let answers = answers.get();
        let genes = answers.first().map(|answer| answer.genes.clone()).unwrap_or_default();
        let rows = answers.iter().flat_map(|answer| rows_of(answer, with_measured.get())).collect();
        Heat::of(&genes, rows, N_GENES)
    };
    let save = move |_| download("waddington_compared.csv", CSV, compared_csv(&answers.get_untracked()));
    let list = move || {
        let each = answers.get().into_iter().map(|answer| {
            let is_shown = answer == shown;
            view! { <Answer answer is_shown /> }
        });
        each.collect::<Vec<_>>()
    };
    view! {
        <figcaption>
            <strong>{move || format!("{} of this model in these cells", plural(answers.with(Vec::len) as u64, "answer"))}</strong>
            <span class="row">
                {move || has_measured().then(|| view! {
                    <label class="check">
                        <input
                            type="checkbox"
                            data-testid="heat-measured"
                            prop:checked=move || with_measured.get()
                            on:change=move |event| with_measured.set(event_target_checked(&event))
                        />
                        " with the measured changes"
                    </label>
                })}
                <button type="button" class="small" data-testid="heat-csv" on:click=save>"csv"</button>
                <SaveSvg testid="heat-svg" name="waddington_compared.svg" />
                <button
                    type="button"
                    class="small"
                    data-testid="compared-clear"
                    on:click=move |_| control.change(|state| state.forget_answers(None))
                >
                    "Clear"
                </button>
            </span>
        </figcaption>
        {move || match answers.with(Vec::is_empty) {
            true => view! { <p class="quiet">"No answer is kept: predict again, and it stands here."</p> }.into_any(),
            false => view! { <div class="scroll" tabindex="0" role="region" aria-label="Heat map of the answers"><HeatMap heat=heat() /></div> }.into_any(),
        }}
        <ul class="compared" aria-label="Answers that are kept">{list}</ul>
        <p class="quiet">
            "The genes with the largest change in any of these answers, ordered by their mean change. What is asked next is added here; grey is "
            "not measured."
        </p>
    }
}

/// The rows of an answer, without genes that the file lacks, which were read as 0.
fn rows_of(answer: &Prediction, with_measured: bool) -> Vec<HeatRow> {
    let there = answer.delta.iter().zip(&answer.control_mean);
    let predicted = there.map(|(delta, control)| if control.is_finite() { *delta } else { f32::NAN }).collect();
    let mut rows = vec![HeatRow { name: answer.query.label(), values: predicted }];
    let measured = answer.measured.as_ref().filter(|_| with_measured);
    rows.extend(measured.map(|measured| HeatRow {
        name: format!("measured, {}", answer.query.label()),
        values: measured.delta.clone(),
    }));
    rows
}

#[component]
fn Answer(answer: Shared<Prediction>, is_shown: bool) -> impl IntoView {
    let control = use_control();
    let label = answer.query.label();
    let (name, forgotten) = (format!("No longer keep {label}"), label.clone());
    let show = move |_| control.change(|state| state.show_answer(answer.clone()));
    let forget = move |_| control.change(|state| state.forget_answers(Some(&forgotten)));
    view! {
        <li data-testid="compared-answer">
            <button type="button" class="link" data-testid="compared-show" aria-current=is_shown.to_string() disabled=is_shown title="Show this answer" on:click=show>
                {label}
            </button>
            <button type="button" class="icon" data-testid="compared-forget" aria-label=name on:click=forget>"×"</button>
        </li>
    }
}
