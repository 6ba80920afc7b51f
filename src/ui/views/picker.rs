//! The gene picker: a combobox that filters as one types.
//!
//! Follows the ARIA combobox pattern: the focus stays in the input, arrows move `aria-activedescendant`, Enter takes
//! the marked gene (and, with the list closed, submits the form), Escape closes the list.

use std::collections::{HashMap, HashSet};

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use spec::prediction::{Support, TargetInfo};
use wasm_bindgen::prelude::JsCast;
use web_sys::HtmlElement;

use crate::app::{Aliases, State};
use crate::control::Control;
use crate::format::count;
use crate::search::Wanted;
use crate::views::shell::use_control;

const N_SHOWN: usize = 60;
/// Genes that are offered in place of one that cannot be asked for.
const N_NEAR: usize = 4;

/// Genes that the text may mean, the likeliest first; with no text, those that were measured first.
fn matches(targets: &[TargetInfo], aliases: Option<&Aliases>, text: &str) -> (Vec<Found>, usize) {
    let wanted = Wanted::new(text);
    let rank = |target: &TargetInfo| {
        let place = wanted.place(&target.symbol)?;
        let support = match target.support {
            Support::HeldOut => 0,
            Support::Seen => 1,
            Support::NeverMeasured => 2,
        };
        Some((place, support))
    };
    let mut found: Vec<_> = targets.iter().filter_map(|target| rank(target).map(|rank| (rank, target))).collect();
    found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.symbol.cmp(&b.1.symbol)));
    // What is spelt nearly so comes after what is called so by an alias.
    let n_nearest = found.iter().take_while(|((place, _), _)| *place < 3).count();
    let by_alias =
        by_alias(targets, aliases, text, found[..n_nearest].iter().map(|(_, target)| target.symbol.as_str()));
    let is_other = |target: &TargetInfo| by_alias.iter().all(|other| other.target.symbol != target.symbol);
    let plain = |target: &TargetInfo| Found { target: target.clone(), alias: None };
    let rest = found[n_nearest..].iter().filter(|(_, target)| is_other(target)).map(|(_, target)| plain(target));
    let nearest = found[..n_nearest].iter().map(|(_, target)| plain(target));
    let all: Vec<Found> = nearest.chain(by_alias.iter().cloned()).chain(rest).collect();
    let n = all.len();
    (all.into_iter().take(N_SHOWN).collect(), n)
}

/// Genes with an alias that begins with the text, each once; without those that are found already.
fn by_alias<'a>(
    targets: &[TargetInfo],
    aliases: Option<&Aliases>,
    text: &str,
    known: impl Iterator<Item = &'a str>,
) -> Vec<Found> {
    let mut seen: HashSet<&str> = known.collect();
    let meant: Vec<(&str, &str)> = aliases.map_or_else(Vec::new, |aliases| aliases.beginning(text).collect());
    if meant.is_empty() {
        return Vec::new();
    }
    let info: HashMap<&str, &TargetInfo> = targets.iter().map(|target| (target.symbol.as_str(), target)).collect();
    let mut found = Vec::new();
    for (alias, symbol) in meant {
        if let Some(&target) = info.get(symbol).filter(|target| !seen.contains(target.symbol.as_str())) {
            seen.insert(&target.symbol);
            found.push(Found { target: target.clone(), alias: Some(alias.to_string()) });
        }
    }
    found
}

/// A gene of the list.
#[derive(Debug, Clone, PartialEq)]
struct Found {
    target: TargetInfo,
    /// What it is called otherwise, where that is what was typed.
    alias: Option<String>,
}

impl Found {
    /// Its symbol, after the name that was typed where that is another: `CD120a → TNFRSF1A`.
    fn name(&self) -> String {
        match &self.alias {
            Some(alias) => format!("{alias} → {}", self.target.symbol),
            None => self.target.symbol.clone(),
        }
    }
}

/// The symbol that `text` is, letter case aside.
fn spelling(targets: &[TargetInfo], text: &str) -> Option<String> {
    targets.iter().find(|target| target.symbol.eq_ignore_ascii_case(text)).map(|target| target.symbol.clone())
}

/// The badge of a gene.
pub fn badge(support: Support) -> (&'static str, &'static str) {
    match support {
        Support::Seen => ("seen in training", "badge seen"),
        Support::HeldOut => ("held out", "badge held-out"),
        Support::NeverMeasured => ("never measured", "badge never"),
    }
}

/// What the badge means.
pub fn explanation(support: Support) -> &'static str {
    match support {
        Support::Seen => "Its response was in the training data: the prediction is a recollection.",
        Support::HeldOut => "It was measured but kept out of training: the prediction can be checked.",
        Support::NeverMeasured => {
            "It is not in the screen the model was trained on. The model only knows what the gene’s annotations say: \
             the prediction can be checked only where your own data measured it."
        }
    }
}

/// What the input and the list share.
#[derive(Clone, Copy)]
struct Picking {
    control: Control,
    /// What stands in the input.
    text: RwSignal<String>,
    /// Whether it was typed since the last pick; until then the list shows all genes.
    is_typed: RwSignal<bool>,
    is_open: RwSignal<bool>,
    /// Place of the marked gene in the list.
    active: RwSignal<usize>,
}

impl Picking {
    fn new(control: Control) -> Self {
        Self {
            control,
            text: RwSignal::new(control.state.with_untracked(|state| state.target.clone())),
            is_typed: RwSignal::new(false),
            is_open: RwSignal::new(false),
            active: RwSignal::new(0),
        }
    }

    fn open(self) {
        self.active.set(0);
        self.is_open.set(true);
    }

    fn take(self, symbol: String) {
        self.text.set(symbol.clone());
        self.is_open.set(false);
        self.is_typed.set(false);
        self.control.change(|state| state.target = symbol);
    }

    /// What is typed in full is picked at once, in the checkpoint's spelling; anything else is no gene yet.
    fn typed(self, value: String) {
        self.text.set(value.clone());
        self.is_typed.set(true);
        self.open();
        let wanted = value.trim().to_string();
        self.control.change(|state| {
            let spelt = state.checkpoint.as_ref().and_then(|checkpoint| spelling(&checkpoint.targets, &wanted));
            state.target = spelt.unwrap_or(wanted);
        });
    }

    /// Shows a gene that was picked elsewhere, but not what is being typed: that keeps its letter case.
    fn follow(self, target: String) {
        if !self.text.get_untracked().trim().eq_ignore_ascii_case(&target) {
            self.text.set(target);
        }
    }
}

/// Input and list.
#[component]
pub fn Picker() -> impl IntoView {
    let control = use_control();
    let picking = Picking::new(control);
    let Picking { text, is_typed, is_open, active, .. } = picking;
    let checkpoint = control.part(|state| state.checkpoint.clone());
    let target = control.part(|state| state.target.clone());
    let together = control.part(|state| state.asking.with.len());
    Effect::new(move |_| picking.follow(target.get()));
    let aliases = control.part(|state| state.aliases.clone());
    let found = Memo::new(move |_| {
        let wanted = if is_typed.get() { text.get() } else { String::new() };
        let (checkpoint, aliases) = (checkpoint.get(), aliases.get());
        checkpoint.map(|checkpoint| matches(&checkpoint.targets, aliases.as_deref(), &wanted)).unwrap_or_default()
    });
    view! {
        <div class="choice picker">
            <label for="target">{move || if together.get() == 0 { "Gene" } else { "Genes, perturbed together" }}</label>
            <Together />
            <div class="listed">
            <input
                id="target"
                type="text"
                role="combobox"
                autocomplete="off"
                spellcheck="false"
                aria-autocomplete="list"
                aria-controls="targets"
                aria-expanded=move || is_open.get().to_string()
                aria-activedescendant=move || if is_open.get() { option_id(active.get()) } else { String::new() }
                data-testid="target-input"
                prop:value=move || text.get()
                on:input=move |event| picking.typed(event_target_value(&event))
                on:click=move |_| picking.open()
                on:keydown=move |event| on_key(&event, picking, &found.get_untracked().0)
                on:blur=move |_| is_open.set(false)
            />
            <ul id="targets" role="listbox" aria-label="Genes" class:shown=move || is_open.get()>
                {move || options(found.get(), picking)}
            </ul>
            </div>
            <AddGene />
            <SupportNote />
        </div>
    }
}

/// The genes of a combination that are picked already, each with a way to leave it out.
#[component]
fn Together() -> impl IntoView {
    let control = use_control();
    let genes = control.part(|state| state.asking.with.clone());
    let chip = move |gene: String| {
        let name = format!("Leave out {gene}");
        let symbol = gene.clone();
        let remove = move |_| {
            control.change(|state| state.remove_gene(&gene));
            focus_input();
        };
        view! {
            <span class="together" role="listitem" data-testid="together-gene">
                {symbol}
                <button type="button" class="icon" aria-label=name data-testid="together-remove" on:click=remove>"×"</button>
            </span>
        }
    };
    move || {
        let chips: Vec<_> = genes.get().into_iter().map(chip).collect();
        (!chips.is_empty())
            .then(|| view! { <div class="row" role="list" aria-label="Genes picked so far">{chips}</div> })
    }
}

/// Keeps the picked gene and asks for the next.
#[component]
fn AddGene() -> impl IntoView {
    let control = use_control();
    let can_add = control.part(State::can_add_gene);
    let is_twice = control.part(|state| state.asking.with.contains(&state.target));
    let add = move |_| {
        control.change(State::add_gene);
        focus_input();
    };
    view! {
        <button
            type="button"
            class="small add-gene"
            data-testid="add-gene"
            title="Perturb another gene together with this one"
            disabled=move || !can_add.get()
            on:click=add
        >
            "+ add a gene"
        </button>
        {move || is_twice.get().then(|| view! {
            <small class="bad" role="status" data-testid="target-twice">"It is in the combination already: pick another gene."</small>
        })}
    }
}

fn focus_input() {
    let input = document().get_element_by_id("target").and_then(|input| input.dyn_into::<HtmlElement>().ok());
    if let Some(input) = input {
        // An input that cannot be focused is left alone.
        let _ = input.focus();
    }
}

/// The genes of the list, and how many more there are.
fn options((shown, n): (Vec<Found>, usize), picking: Picking) -> impl IntoView {
    let rows = shown.into_iter().enumerate().map(|(index, found)| view! { <PickerOption found index picking /> });
    let rows = rows.collect_view();
    let rest = match n {
        0 => Some("No gene of that name can be asked for.".to_string()),
        n if n > N_SHOWN => Some(format!("{} more: type to narrow down", count((n - N_SHOWN) as u64))),
        _ => None,
    };
    view! { {rows} {rest.map(|rest| view! { <li class="rest" role="presentation">{rest}</li> })} }
}

fn on_key(event: &KeyboardEvent, picking: Picking, shown: &[Found]) {
    let Picking { is_open, active, .. } = picking;
    let last = shown.len().saturating_sub(1);
    match event.key().as_str() {
        "ArrowDown" | "ArrowUp" if !is_open.get_untracked() => picking.open(),
        "ArrowDown" => active.update(|i| *i = (*i + 1).min(last)),
        "ArrowUp" => active.update(|i| *i = i.saturating_sub(1)),
        "Home" if is_open.get_untracked() => active.set(0),
        "End" if is_open.get_untracked() => active.set(last),
        "Enter" if is_open.get_untracked() => {
            let at = active.get_untracked();
            // What is spelt otherwise is taken where one has gone to it, not in passing.
            let wanted = picking.text.with_untracked(|text| Wanted::new(text));
            let is_meant = |found: &&Found| {
                at > 0
                    || !picking.is_typed.get_untracked()
                    || found.alias.is_some()
                    || !wanted.is_nearly(&found.target.symbol)
            };
            if let Some(found) = shown.get(at).filter(is_meant) {
                picking.take(found.target.symbol.clone());
            }
        }
        "Escape" => is_open.set(false),
        _ => return,
    }
    event.prevent_default();
    if let Some(option) = document().get_element_by_id(&option_id(active.get_untracked())) {
        option.scroll_into_view_with_bool(false);
    }
}

fn option_id(index: usize) -> String {
    format!("target-option-{index}")
}

#[component]
fn PickerOption(found: Found, index: usize, picking: Picking) -> impl IntoView {
    let (name, class) = badge(found.target.support);
    let symbol = found.target.symbol.clone();
    view! {
        <li
            id=option_id(index)
            role="option"
            aria-selected=move || (picking.active.get() == index).to_string()
            data-testid="target-option"
            // Before `blur` closes the list.
            on:mousedown=move |event| {
                event.prevent_default();
                picking.take(symbol.clone());
            }
        >
            <span>{found.name()}</span>
            <span class=class>{name}</span>
        </li>
    }
}

/// The badge of the picked gene, in plain words.
#[component]
fn SupportNote() -> impl IntoView {
    let control = use_control();
    let support = control.part(|state| {
        let support = state.checkpoint.as_ref().and_then(|checkpoint| checkpoint.support(&state.target));
        let has_none = state.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.targets.is_empty());
        (support, state.target.is_empty(), has_none)
    });
    let alone = control.part(|state| state.asking.with.is_empty());
    let near = control.part(|state| {
        let known = state.checkpoint.as_ref().filter(|checkpoint| checkpoint.support(&state.target).is_none());
        let targets = known.filter(|_| !state.target.is_empty()).map(|checkpoint| &checkpoint.targets);
        targets.map_or_else(Vec::new, |targets| {
            let (found, _) = matches(targets, state.aliases.as_deref(), &state.target);
            found.into_iter().take(N_NEAR).map(|found| (found.name(), found.target.symbol)).collect::<Vec<_>>()
        })
    });
    let offered = move || {
        let buttons = near.get().into_iter().map(|(name, symbol)| {
            let take = move |_| control.change(|state| state.target = symbol.clone());
            view! { <button type="button" class="link" data-testid="target-near" on:click=take>{name}</button> }
        });
        let buttons = buttons.collect_view();
        near.with(|near| !near.is_empty())
            .then(|| view! { <small>"Called or spelt like it: " <span class="row">{buttons}</span></small> })
    };
    move || {
        let (mark, text) = match support.get() {
            (_, _, true) => (None, "This model cannot be asked for any gene: below is what it lacks."),
            (Some(support), ..) => (Some(badge(support)), explanation(support)),
            (None, true, _) if !alone.get() => (None, "Type the next gene, or predict those picked so far."),
            (None, true, _) => (None, "Type a gene symbol."),
            (None, false, _) => {
                (None, "This checkpoint has no vector for a gene of that name, so it cannot be asked for.")
            }
        };
        let mark = mark.map(|(name, class)| view! { <span class=class>{name}</span> });
        view! { <small data-testid="target-support">{mark} " " {text}</small> {offered} }
    }
}

#[cfg(test)]
mod tests {
    use spec::prediction::{Support, TargetInfo};

    use super::matches;
    use crate::app::Aliases;

    #[test]
    fn what_starts_so_comes_first_and_what_can_be_checked_before() {
        let target = |symbol: &str, support| TargetInfo { symbol: symbol.into(), support };
        let targets = [
            target("ABSTAT", Support::Seen),
            target("STAT2", Support::NeverMeasured),
            target("STAT1", Support::HeldOut),
            target("IRF1", Support::Seen),
        ];
        let (found, n) = matches(&targets, None, "stat");
        let symbols: Vec<_> = found.iter().map(|found| found.target.symbol.as_str()).collect();
        assert_eq!((symbols, n), (vec!["STAT1", "STAT2", "ABSTAT"], 3));
        assert_eq!(matches(&targets, None, "").0[0].target.symbol, "STAT1");
        assert_eq!(matches(&targets, None, "sta1").0[0].target.symbol, "STAT1");

        // A former name finds its gene, after what begins so itself; a gene without a vector is not offered.
        let aliases = Aliases::read("IRF1\tMAR STAT-LIKE\nGONE\tSTATX\nSTAT1\tSTAT91\n");
        let names =
            |text: &str| matches(&targets, Some(&aliases), text).0.iter().map(super::Found::name).collect::<Vec<_>>();
        assert_eq!(names("stat"), ["STAT1", "STAT2", "ABSTAT", "STAT-LIKE → IRF1"]);
        assert_eq!(names("stat91"), ["STAT91 → STAT1"]);
        assert_eq!(names("mar"), ["MAR → IRF1"]);
    }
}
