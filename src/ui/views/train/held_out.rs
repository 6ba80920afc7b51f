//! Which targets are held out of training, so that predictions of them can be checked.

use leptos::prelude::*;

use crate::format::{count, plural};
use crate::views::shell::use_control;

/// Most targets that are listed at once; a search finds the others.
const MAX_LISTED: usize = 200;

/// A list of all targets with their cells, the held out ones ticked.
#[component]
pub fn HeldOut() -> impl IntoView {
    let control = use_control();
    let targets = control.part(|state| state.training_targets());
    let held_out = control.part(|state| state.held_out());
    let is_chosen = control.part(|state| state.training.setup.held_out.is_some());
    let sought = RwSignal::new(String::new());
    let summary = move || {
        let (n, n_all) = (held_out.with(Vec::len), targets.with(Vec::len));
        let whose = if is_chosen.get() || n == 0 { "" } else { ", as the loaded model did" };
        format!("Held out of training: {} of {}{whose}", count(n as u64), plural(n_all as u64, "target"))
    };
    let found = Memo::new(move |_| {
        let sought = sought.get().trim().to_uppercase();
        targets.with(|targets| {
            let is_found = |(name, _): &&(String, usize)| name.to_uppercase().contains(&sought);
            targets.iter().filter(is_found).cloned().collect::<Vec<_>>()
        })
    });
    let toggle = move |name: String, is_out: bool| {
        control.change(|state| {
            let mut names = state.held_out();
            names.retain(|held_out| *held_out != name);
            names.extend(is_out.then_some(name));
            names.sort_unstable();
            state.training.setup.held_out = Some(names);
        });
    };
    let item = move |(name, n_cells): (String, usize)| {
        let (this, key) = (name.clone(), name.clone());
        let is_out = move || held_out.with(|names| names.contains(&this));
        let changed = move |event| toggle(key.clone(), event_target_checked(&event));
        view! {
            <li>
                <label class="check">
                    <input type="checkbox" data-testid="held-out-target" prop:checked=is_out on:change=changed />
                    {name}<span class="quiet">{count(n_cells as u64)}</span>
                </label>
            </li>
        }
    };
    let listed = move || found.get().into_iter().take(MAX_LISTED).map(item).collect_view();
    let rest = move || {
        let n = found.with(Vec::len).saturating_sub(MAX_LISTED);
        (n > 0).then(|| view! { <p class="quiet">{format!("and {} more: search for them", count(n as u64))}</p> })
    };
    let choose = move |names: Option<Vec<String>>| control.change(|state| state.training.setup.held_out = names);
    view! {
        <details class="held-out" data-testid="held-out">
            <summary>{summary}</summary>
            <p class="quiet">"Not seen in any stage: what the model later says of them can be checked against these cells."</p>
            <div class="row">
                <input
                    type="search"
                    aria-label="Search the targets"
                    placeholder="search"
                    data-testid="held-out-search"
                    prop:value=move || sought.get()
                    on:input=move |event| sought.set(event_target_value(&event))
                />
                <button type="button" class="small" on:click=move |_| choose(Some(Vec::new()))>"None"</button>
                <button type="button" class="small" prop:disabled=move || !is_chosen.get() on:click=move |_| choose(None)>
                    "As the loaded model"
                </button>
            </div>
            <ul>{listed}</ul>
            {rest}
        </details>
    }
}
