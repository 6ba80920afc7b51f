//! The question the other way round: genes that should change, and the perturbations that would lead there.

use leptos::prelude::*;
use spec::backwards::{Backwards, Candidates, Match, Retrieval};
use spec::message::Request;
use spec::prediction::Support;

use crate::app::{Shared, Side, State};
use crate::export::{CSV, backwards_csv, download};
use crate::format::{count, plural, signed};
use crate::views::picker::{badge, explanation};
use crate::views::shell::use_control;

/// Matches that are shown on each side; all that are told of are in the csv.
const N_SHOWN: usize = 10;

const CANDIDATES: [(Candidates, &str); 3] = [
    (Candidates::OfModel, "the model’s genes and those measured"),
    (Candidates::Measured, "those measured alone"),
    (Candidates::All, "every gene with a vector (slow)"),
];

/// The panel.
#[component]
pub fn BackwardsPanel() -> impl IntoView {
    let control = use_control();
    let found = control.part(|state| state.backwards.found.clone());
    let is_asking = control.part(|state| state.has_job(|request| matches!(request, Request::AskBackwards { .. })));
    view! {
        <details class="panel backwards" data-testid="backwards">
            <summary>"Ask backwards: what would lead there?"</summary>
            <div class="split">
                <Signature />
                <div aria-busy=move || is_asking.get().to_string()>
                    {move || found.get().map(|found| view! { <Answer found /> })}
                </div>
            </div>
        </details>
    }
}

#[component]
fn Signature() -> impl IntoView {
    let control = use_control();
    let rise = control.part(|state| state.backwards.rise.clone());
    let fall = control.part(|state| state.backwards.fall.clone());
    let chosen = control.part(|state| state.backwards.candidates);
    let can_ask = control.part(|state| state.dataset.is_some() && state.mode.is_some() && state.checkpoint.is_some());
    let has_typed = move || !(rise.get().trim().is_empty() && fall.get().trim().is_empty());
    let has_measured =
        control.part(|state| state.prediction.as_ref().is_some_and(|prediction| prediction.measured.is_some()));
    let choose = move |event| {
        let place = event_target_value(&event).parse::<usize>().ok();
        if let Some((candidates, _)) = place.and_then(|place| CANDIDATES.get(place)) {
            control.change(|state| state.backwards.candidates = *candidates);
        }
    };
    let options = CANDIDATES.iter().enumerate().map(|(place, (candidates, text))| {
        view! { <option value=place prop:selected=move || chosen.get() == *candidates>{*text}</option> }
    });
    let options = options.collect_view();
    view! {
        <form
            on:submit=move |event| {
                event.prevent_default();
                if can_ask.get() && has_typed() {
                    control.change(|state| state.ask_backwards());
                }
            }
        >
            <Genes title="Genes that should rise" testid="backwards-rise" of=|state| &mut state.backwards.rise text=rise />
            <Genes title="Genes that should fall" testid="backwards-fall" of=|state| &mut state.backwards.fall text=fall />
            <small>"Symbols, parted by blanks, commas or lines"</small>
            <label class="choice">
                <span>"Among"</span>
                <select data-testid="backwards-candidates" on:change=choose>{options}</select>
            </label>
            <div class="row">
                <button type="submit" class="primary" data-testid="backwards-ask" disabled=move || !(can_ask.get() && has_typed())>
                    "Ask backwards"
                </button>
                <button
                    type="button"
                    data-testid="backwards-measured"
                    disabled=move || !(can_ask.get() && has_measured.get())
                    title="Takes the measured response of the last answer as what is looked for: is its perturbation found?"
                    on:click=move |_| control.change(|state| state.ask_backwards_from(Side::Measured))
                >
                    "From the measured response"
                </button>
            </div>
        </form>
    }
}

/// A field for genes, which keeps what is typed in its part of the state.
#[component]
fn Genes(
    title: &'static str,
    testid: &'static str,
    of: fn(&mut State) -> &mut String,
    text: Memo<String>,
) -> impl IntoView {
    let control = use_control();
    view! {
        <label class="choice">
            <span>{title}</span>
            <textarea
                rows="2"
                spellcheck="false"
                data-testid=testid
                prop:value=move || text.get()
                on:input=move |event| control.change(|state| *of(state) = event_target_value(&event))
            ></textarea>
        </label>
    }
}

#[component]
fn Answer(found: Shared<Backwards>) -> impl IntoView {
    let n_beyond = found.towards.iter().filter(|one| one.score > found.chance).count();
    let sentence = match n_beyond {
        0 => format!(
            "No perturbation of {} matches better than chance does (best of shuffled signatures: {}). Read nothing into the order.",
            count(found.n_candidates as u64),
            signed(found.chance)
        ),
        n => format!(
            "{} of {} match better than chance does (best of shuffled signatures: {}).",
            count(n as u64),
            plural(found.n_candidates as u64, "perturbation"),
            signed(found.chance)
        ),
    };
    let asked = format!(
        "Looked for: {}, {} known to the model. {} by {}; scores are correlations with what sets a predicted change apart \
         from the mean of all.",
        found.signature.name,
        plural(found.n_known as u64, "gene"),
        "Perturbed",
        found.mode.label()
    );
    let unknown = (!found.unknown.is_empty()).then(|| {
        view! { <p class="quiet" data-testid="backwards-unknown">{format!("Not among the model’s genes: {}.", found.unknown.join(", "))}</p> }
    });
    let save = {
        let found = found.clone();
        move |_| download("waddington_ask_backwards.csv", CSV, backwards_csv(&found))
    };
    let pairs = found.pairs.iter().take(N_SHOWN).map(|pair| {
        view! { <li>{pair.targets.join(" + ")}" "<span class="number">{signed(pair.score)}</span></li> }
    });
    let pairs = pairs.collect_view();
    view! {
        <p data-testid="backwards-summary" aria-live="polite"><strong>{sentence}</strong></p>
        {accuracy(&found.accuracy)}
        <p class="quiet">{asked}</p>
        {unknown}
        <div class="matches">
            <Matches title="Towards it" matches=found.towards.clone() />
            <Matches title="Away from it" matches=found.away.clone() />
            <div><h4>"Pairs towards it (changes added)"</h4><ol>{pairs}</ol></div>
        </div>
        <button type="button" class="small" on:click=save>"Download csv"</button>
    }
}

/// How far the way back can be trusted.
fn accuracy(accuracy: &[Retrieval]) -> impl IntoView + use<> {
    let told = accuracy.iter().map(|of| {
        let which = match of.support {
            Support::HeldOut => "held-out perturbations",
            Support::Seen | Support::NeverMeasured => "perturbations that the model learned from",
        };
        format!(
            "Asked with the measured response of {} {which}, it ranks the true one behind {:.0} % of the others (chance: 50 %), \
             among the best tenth {} times.",
            of.n,
            100.0 * of.mean_rank,
            of.n_in_best_tenth
        )
    });
    let told = told.collect::<Vec<_>>().join(" ");
    view! { <p data-testid="backwards-accuracy">{told}</p> }
}

#[component]
fn Matches(title: &'static str, matches: Vec<Match>) -> impl IntoView {
    let control = use_control();
    let rows = matches.into_iter().take(N_SHOWN).map(|one| {
        let (name, class) = badge(one.support);
        let target = one.target.clone();
        let pick = move |_| {
            let target = target.clone();
            control.change(move |state| state.ask_about(target));
        };
        view! {
            <li data-testid="backwards-match">
                <button type="button" class="link" title="Predict its response" on:click=pick>{one.target.clone()}</button>
                " "
                <span class="number">{signed(one.score)}</span>
                " "
                <span class=class title=explanation(one.support)>{name}</span>
            </li>
        }
    });
    let rows = rows.collect_view();
    view! { <div><h4>{title}</h4><ol>{rows}</ol></div> }
}
