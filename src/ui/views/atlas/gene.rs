//! A gene by name, typed as one remembers it: what begins so comes first, then what contains it, then what is spelt nearly so.
//!
//! Follows the ARIA combobox pattern, as the picker of perturbations does.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use spec::map::CellQuantity;

use crate::format::count;
use crate::search::Wanted;
use crate::views::atlas::Atlas;
use crate::views::atlas::colour::ColourBy;

/// Genes that are listed.
const N_SHOWN: usize = 12;

/// Genes that a text may mean, the likeliest first, by their place.
fn found(symbols: &[String], text: &str) -> Vec<usize> {
    let wanted = Wanted::new(text);
    if wanted.is_empty() {
        return Vec::new();
    }
    let rank = |symbol: &String| Some((wanted.place(symbol)?, symbol.len()));
    let mut ranked: Vec<((u8, usize), usize)> =
        symbols.iter().enumerate().filter_map(|(at, symbol)| Some((rank(symbol)?, at))).collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| symbols[a.1].cmp(&symbols[b.1])));
    ranked.into_iter().take(N_SHOWN).map(|(_, at)| at).collect()
}

/// The box and its list.
#[component]
pub fn GeneSearch(atlas: Atlas) -> impl IntoView {
    let symbols = atlas.control.part(|state| state.population.symbols.clone());
    let text = RwSignal::new(String::new());
    let is_open = RwSignal::new(false);
    let active = RwSignal::new(0_usize);
    let listed = Memo::new(move |_| {
        let wanted = text.get();
        symbols.get().map_or_else(Vec::new, |symbols| {
            found(&symbols, &wanted).into_iter().map(|at| symbols[at].clone()).collect::<Vec<String>>()
        })
    });
    // A gene that was chosen elsewhere stands here too; another colour empties the box.
    Effect::new(move |_| {
        let shown = match atlas.colour_by.try_get() {
            Some(ColourBy::Asked(CellQuantity::Gene { symbol })) => symbol,
            _ => String::new(),
        };
        // A panel that was taken down meanwhile has no box.
        text.try_set(shown);
    });
    let take = move |symbol: String| {
        text.set(symbol.clone());
        is_open.set(false);
        atlas.colour(ColourBy::Asked(CellQuantity::Gene { symbol }));
    };
    let key = move |event: KeyboardEvent| {
        let last = listed.with_untracked(Vec::len).saturating_sub(1);
        match event.key().as_str() {
            "ArrowDown" => active.update(|at| *at = (*at + 1).min(last)),
            "ArrowUp" => active.update(|at| *at = at.saturating_sub(1)),
            "Enter" => {
                if let Some(symbol) = listed.with_untracked(|listed| listed.get(active.get_untracked()).cloned()) {
                    take(symbol);
                }
            }
            "Escape" => is_open.set(false),
            _ => return,
        }
        event.prevent_default();
    };
    let options = move || {
        let shown = listed.get();
        let is_empty = shown.is_empty() && !text.with(String::is_empty) && symbols.with(Option::is_some);
        let rows = shown.into_iter().enumerate().map(|(at, symbol)| {
            let chosen = symbol.clone();
            view! {
                <li
                    id=format!("gene-option-{at}")
                    role="option"
                    data-testid="gene-option"
                    aria-selected=move || (active.get() == at).to_string()
                    // Before `blur` closes the list.
                    on:mousedown=move |event| {
                        event.prevent_default();
                        take(chosen.clone());
                    }
                >
                    {symbol}
                </li>
            }
        });
        let n = symbols.with(|symbols| symbols.as_ref().map_or(0, |symbols| symbols.len()));
        let none = is_empty
            .then(|| view! { <li class="rest" role="presentation">{format!("None of {} genes is called so.", count(n as u64))}</li> });
        view! { {rows.collect_view()} {none} }
    };
    let is_shown = move || is_open.get() && !text.with(String::is_empty);
    view! {
        <div class="inline picker gene-search">
            <label for="map-gene">"Gene "</label>
            <input
                id="map-gene"
                type="text"
                role="combobox"
                autocomplete="off"
                spellcheck="false"
                placeholder="symbol"
                aria-autocomplete="list"
                aria-controls="map-genes"
                aria-expanded=move || is_shown().to_string()
                aria-activedescendant=move || if is_shown() { format!("gene-option-{}", active.get()) } else { String::new() }
                data-testid="map-gene"
                prop:value=move || text.get()
                on:focus=move |_| atlas.control.change(|state| state.ask_for_symbols())
                on:input=move |event| {
                    text.set(event_target_value(&event));
                    active.set(0);
                    is_open.set(true);
                }
                on:keydown=key
                on:blur=move |_| is_open.set(false)
            />
            <ul id="map-genes" role="listbox" aria-label="Genes of these cells" class:shown=is_shown>{options}</ul>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::found;

    #[test]
    fn genes_are_found_as_they_are_remembered() {
        let symbols: Vec<String> =
            ["STAT1", "ABSTAT", "STAT2", "CD3E", "CD3D", "HLA-DRA", "MS4A1"].map(String::from).into();
        let names = |text: &str| found(&symbols, text).into_iter().map(|at| symbols[at].as_str()).collect::<Vec<_>>();
        for (text, expected) in [
            ("stat1", vec!["STAT1", "STAT2"]),
            ("stat", vec!["STAT1", "STAT2", "ABSTAT"]),
            ("sta1", vec!["STAT1"]),
            ("satt1", vec!["STAT1"]),
            ("hladra", vec!["HLA-DRA"]),
            ("msa1", vec!["MS4A1"]),
            ("cd3", vec!["CD3D", "CD3E"]),
            ("zzz", vec![]),
            ("  ", vec![]),
        ] {
            assert_eq!(names(text), expected, "{text}");
        }
    }
}
