//! The question the other way round: genes that should change, and the perturbations that would lead there.

use leptos::prelude::*;
use spec::backwards::{Backwards, Candidates, Match, Mechanism, Optimised, Priority, Retrieval};
use spec::message::Request;
use spec::prediction::Support;

use crate::app::{Shared, Side, State};
use crate::export::{CSV, backwards_csv, download, priorities_csv};
use crate::format::{count, plural, signed, significant};
use crate::views::picker::{badge, explanation};
use crate::views::shell::use_control;

/// Matches that are shown on each side; all that are told of are in the csv.
const N_SHOWN: usize = 10;

/// Said wherever a match is held against shuffled signatures.
const EASY: &str = "This chance is a low mark: genes are shuffled independently, and genes that rise and fall together beat it \
                    easily.";

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
            <small>
                "Symbols, parted by blanks, commas or lines; the first number behind one says how much (STAT1 2.5). A negative \
                 one in the first box falls; in the second every gene falls."
            </small>
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
            "{} of {} match better than chance does (best of shuffled signatures: {}). {EASY}",
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
        {told(&found.accuracy, "backwards-accuracy")}
        <p class="quiet">{asked}</p>
        {unknown}
        <div class="matches">
            <Matches title="Towards it" matches=found.towards.clone() testid="backwards-match" />
            <Matches title="Away from it" matches=found.away.clone() testid="backwards-match" />
            <div><h4>"Pairs towards it (changes added)"</h4><ol>{pairs}</ol></div>
        </div>
        <button type="button" class="small" on:click=save>"Download csv"</button>
        {found.mechanism.clone().map(|of| view! { <Alike of /> })}
        {found.optimised.clone().map(|of| view! { <Best of first=found.towards.first().cloned() /> })}
        <Next found />
    }
}

/// Measured responses like the signature.
#[component]
fn Alike(of: Mechanism) -> impl IntoView {
    let n_beyond = of.nearest.iter().filter(|one| one.score > of.chance).count();
    let said = format!(
        "Of {} measured in {}, {} are more like it than 95 % of shuffled signatures reach with any ({}). {EASY}",
        plural(of.n as u64, "response"),
        of.source,
        n_beyond,
        signed(of.chance)
    );
    view! {
        <h4>"Mechanism of action: measured perturbations like it"</h4>
        <p class="quiet" data-testid="backwards-mechanism">{said}</p>
        <div class="matches"><Matches title="Most alike" matches=of.nearest testid="backwards-alike" /></div>
    }
}

/// The vector that would meet the signature best.
#[component]
fn Best(of: Optimised, first: Option<Match>) -> impl IntoView {
    let beside =
        first.map(|first| format!(" (the best gene, {}: {})", first.target, signed(first.score))).unwrap_or_default();
    let said = format!(
        "A vector of no gene was sought that meets the signature best by a linear stand-in of the model; the model itself, \
         asked with it, scores {}{beside}. These are the genes whose vectors are like it (cosine).",
        signed(of.score)
    );
    view! {
        <h4>"By optimising the vector"</h4>
        <p class="quiet" data-testid="backwards-optimised">{said}</p>
        {told(&of.accuracy, "backwards-optimised-accuracy")}
        <div class="matches"><Matches title="Nearest genes" matches=of.nearest testid="backwards-nearest" /></div>
    }
}

/// What is worth measuring next.
#[component]
fn Next(found: Shared<Backwards>) -> impl IntoView {
    if found.priorities.is_empty() {
        return ().into_any();
    }
    let row = |one: &Priority| {
        view! {
            <tr data-testid="backwards-priority">
                <th scope="row">{one.target.clone()}</th>
                <td class="number">{significant(one.distance)}</td>
                <td class="number">{significant(one.distinct)}</td>
                <td class="number">{significant(one.strength)}</td>
            </tr>
        }
    };
    let rows = found.priorities.iter().take(N_SHOWN).map(row).collect_view();
    let n = found.priorities.len();
    let save = move |_| download("waddington_measure_next.csv", CSV, priorities_csv(&found));
    view! {
        <details>
            <summary>"Worth measuring next: far from training, and predicted unlike what is known"</summary>
            <p class="quiet">
                {format!("Of {}, by the mean of both places. Far also means that the prediction is not to be trusted.", plural(n as u64, "candidate"))}
            </p>
            <div class="scroll" tabindex="0" role="region" aria-label="Worth measuring next">
                <table>
                    <thead><tr>
                        <th scope="col">"Gene"</th>
                        <th scope="col">"Distance from training (1 − cosine)"</th>
                        <th scope="col">"Unlike the known (1 − correlation)"</th>
                        <th scope="col">"Size of the change (log1p units)"</th>
                    </tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
            <button type="button" class="small" data-testid="backwards-next-csv" on:click=save>"Download all as csv"</button>
        </details>
    }
    .into_any()
}

/// How far the way back can be trusted.
fn told(accuracy: &[Retrieval], testid: &'static str) -> impl IntoView + use<> {
    let told = accuracy.iter().map(|of| {
        let which = match of.support {
            Support::HeldOut => "held-out perturbations",
            Support::Seen | Support::NeverMeasured => "perturbations that the model learned from",
        };
        format!(
            "Asked with the measured response of {} {which}, their own transcript left out, it ranks the true one behind \
             {:.0} % of the others (chance: 50 %), among the best tenth {} times.",
            of.n,
            100.0 * of.mean_rank,
            of.n_in_best_tenth
        )
    });
    let told = told.collect::<Vec<_>>().join(" ");
    view! { <p data-testid=testid>{told}</p> }
}

#[component]
fn Matches(title: &'static str, matches: Vec<Match>, testid: &'static str) -> impl IntoView {
    let control = use_control();
    let rows = matches.into_iter().take(N_SHOWN).map(|one| {
        let (name, class) = badge(one.support);
        let target = one.target.clone();
        let pick = move |_| {
            let target = target.clone();
            control.change(move |state| state.ask_about(target));
        };
        view! {
            <li data-testid=testid>
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
