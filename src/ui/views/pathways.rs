//! The sets of genes that a response falls into: beside the answer, for each of its sides.

use leptos::prelude::*;
use spec::enrichment::{EnrichedSet, Enrichment};
use spec::message::Request;

use crate::app::{Shared, Side};
use crate::export::{CSV, download, enrichment_csv};
use crate::format::{count, plural, signed, significant};
use crate::views::file_button::FileButton;
use crate::views::shell::use_control;

/// Sets that are shown at first.
const N_SHOWN: usize = 12;

/// Genes of a set that are named in the table; all are in the csv.
const N_NAMED: usize = 8;

/// Share of false discoveries up to which a set is marked.
const MARKED: f64 = 0.05;

/// The panel.
#[component]
pub fn PathwaysPanel() -> impl IntoView {
    let control = use_control();
    let collection = control.part(|state| state.pathways.collection.as_ref().map(|(_, collection)| collection.clone()));
    let found = control.part(|state| state.pathways.found.clone());
    let is_looking = control.part(|state| state.has_job(|request| matches!(request, Request::Enrich { .. })));
    let source = move || match collection.get() {
        Some(collection) => format!("{} in {}", plural(collection.n_sets as u64, "set"), collection.name),
        None => "no collection of gene sets is open".into(),
    };
    view! {
        <div class="panel pathways" data-testid="pathways" aria-busy=move || is_looking.get().to_string()>
            <div class="row between">
                <h3>"Gene sets"</h3>
                <SideChoice />
                <span class="quiet" data-testid="pathways-source">{source}</span>
                <FileButton
                    text="Open a .gmt…"
                    label="Collection of gene sets"
                    accept=".gmt,.gz"
                    testid="choose-pathways"
                    input_testid="pathways-input"
                    picked=move |files| control.open(files)
                />
            </div>
            {move || match (found.get(), collection.with(Option::is_some)) {
                (Some(found), _) => view! { <Found found /> }.into_any(),
                (None, true) => view! { <p class="quiet">{move || if is_looking.get() { "Looking…" } else { "Nothing was looked for yet." }}</p> }.into_any(),
                (None, false) => view! {
                    <p class="quiet">"Open a collection (.gmt, as MSigDB, Enrichr and g:Profiler give them) to see which pathways the response falls into."</p>
                }
                .into_any(),
            }}
        </div>
    }
}

#[component]
fn SideChoice() -> impl IntoView {
    let control = use_control();
    let side = control.part(|state| state.pathways.side);
    let there = control.part(|state| {
        let prediction = state.prediction.as_ref();
        Side::ALL.map(|side| prediction.is_some_and(|prediction| side.of(prediction).is_some()))
    });
    let options = Side::ALL.map(|one| {
        view! {
            <option value=one as usize disabled=move || !there.get()[one as usize] prop:selected=move || side.get() == one>
                {one.label()}
            </option>
        }
    });
    let choose = move |event| {
        let place = event_target_value(&event).parse::<usize>().ok();
        if let Some(side) = place.and_then(|place| Side::ALL.get(place).copied()) {
            control.change(|state| state.look_for_pathways(side));
        }
    };
    view! {
        <select aria-label="Response that is looked at" data-testid="pathways-side" on:change=choose>
            {options.collect_view()}
        </select>
    }
}

#[component]
fn Found(found: Shared<Enrichment>) -> impl IntoView {
    let shows_all = RwSignal::new(false);
    let n_marked = |p: fn(&EnrichedSet) -> f64| match found.sets.iter().filter(|set| p(set) <= MARKED).count() {
        0 => "none".to_owned(),
        n => count(n as u64),
    };
    let (by_rank, by_fisher) = (n_marked(|set| set.p_adjusted), n_marked(|set| set.fisher_p_adjusted));
    let n_sets = found.sets.len();
    let (least, most) = (found.config.min_size, found.config.max_size);
    let sentence = match n_sets {
        0 => format!(
            "No set of {} has {least} to {most} of the {} here: open a collection of this species, by symbols.",
            found.collection.name,
            plural(found.n_genes as u64, "gene")
        ),
        n => format!(
            "Of {}, {by_rank} by their score and {by_fisher} by Fisher’s test stand out (5 % false discoveries each).",
            plural(n as u64, "set")
        ),
    };
    let background = format!(
        "Background: the {} with a value here, no others; a set counts with its genes among them ({least} to {most}). Score: the \
         running sum of gene set enrichment analysis over that of 1,000 random sets. Changed: the {} with the largest change, \
         by Fisher’s test.",
        plural(found.n_genes as u64, "gene"),
        plural(found.n_changed as u64, "gene"),
    );
    let save = {
        let found = found.clone();
        move |_| {
            download(&format!("waddington_{}_gene_sets.csv", found.name.replace(' ', "_")), CSV, enrichment_csv(&found))
        }
    };
    let rows = {
        let found = found.clone();
        move || {
            let n = if shows_all.get() { n_sets } else { N_SHOWN };
            found.sets.iter().take(n).map(row).collect_view()
        }
    };
    let more = (n_sets > N_SHOWN).then(|| {
        let text = move || if shows_all.get() { "Show fewer".to_owned() } else { format!("Show all {}", count(n_sets as u64)) };
        view! { <button type="button" class="small" on:click=move |_| shows_all.update(|all| *all = !*all)>{text}</button> }
    });
    view! {
        <p data-testid="pathways-summary" aria-live="polite">{sentence}</p>
        <div class="scroll" tabindex="0" role="region" aria-label="Gene sets">
            <table data-testid="pathways-table">
                <thead>
                    <tr>
                        <th scope="col">"Set"</th>
                        <th scope="col">"Genes here"</th>
                        <th scope="col">"Score"<small>"over random sets"</small></th>
                        <th scope="col">"Adjusted p"</th>
                        <th scope="col">"Changed"<small>"times chance"</small></th>
                        <th scope="col">"Adjusted p"<small>"Fisher"</small></th>
                        <th scope="col" class="text">"Furthest out"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <div class="row">
            {more}
            <button type="button" class="small" data-testid="pathways-csv" on:click=save>"Download csv"</button>
        </div>
        <p class="quiet">{background}</p>
    }
}

fn row(set: &EnrichedSet) -> impl IntoView + use<> {
    let number = |value: f64, text: fn(f64) -> String| if value.is_finite() { text(value) } else { "–".into() };
    let mut leading = set.leading.iter().take(N_NAMED).cloned().collect::<Vec<_>>().join(", ");
    if set.leading.len() > N_NAMED {
        leading.push_str(", …");
    }
    let changed = format!("{} ({})", set.changed.len(), number(set.fold, |fold| format!("{fold:.1}×")));
    let is_marked = set.p_adjusted <= MARKED;
    view! {
        <tr class:marked=is_marked data-testid="pathway-row">
            <th scope="row">{set.name.replace('_', " ")}</th>
            <td>{count(set.n_genes as u64)}</td>
            <td>{number(set.normalised, signed)}</td>
            <td>{number(set.p_adjusted, significant)}</td>
            <td>{changed}</td>
            <td>{number(set.fisher_p_adjusted, significant)}</td>
            <td class="text">{leading}</td>
        </tr>
    }
}
