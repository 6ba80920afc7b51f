//! What the colours mean: labels with their cells, to show and hide, or a ramp of values.

use leptos::prelude::*;

use crate::format::{count, significant};
use crate::plots::cloud::{Coloured, Palette};
use crate::views::atlas::Atlas;

/// Colours of the stylesheet that a ramp runs through.
const N_STOPS: usize = 8;

/// The legend.
#[component]
pub fn Legend(atlas: Atlas) -> impl IntoView {
    move || {
        let coloured = atlas.coloured.get();
        match &coloured.palette {
            Palette::Labels(labels) => {
                let sizes = sizes(&coloured, labels.len());
                let mut order: Vec<usize> = (0..labels.len()).filter(|&level| sizes[level] > 0).collect();
                // What is painted last is named first.
                if coloured.paint.is_ordered {
                    order.reverse();
                }
                let entries = order.into_iter().map(|level| {
                    let (colour, name) = labels[level].clone();
                    view! { <Entry atlas level=level as u16 colour name n_cells=sizes[level] /> }
                });
                let entries = entries.collect_view();
                view! { <ul class="legend labels-shown" data-testid="legend" aria-label="Labels shown">{entries}</ul> }.into_any()
            }
            Palette::Ramp { low, high, unit } => {
                let (low, high) = (significant(*low), significant(*high));
                view! { <Ramp low high text=format!("{unit} · {}", coloured.title) /> }.into_any()
            }
            Palette::Density => {
                view! { <Ramp low="few".to_string() high="many".to_string() text="cells about each place, by the logarithm".to_string() /> }
                    .into_any()
            }
        }
    }
}

#[component]
fn Ramp(low: String, high: String, text: String) -> impl IntoView {
    let stops: Vec<String> = (0..N_STOPS).map(|i| format!("var(--ramp-{i})")).collect();
    let ramp = format!("background:linear-gradient(to right,{})", stops.join(","));
    view! {
        <ul class="legend" data-testid="legend">
            <li>{low}<i class="ramp" style=ramp></i>{high}" "{text}</li>
        </ul>
    }
}

#[component]
fn Entry(atlas: Atlas, level: u16, colour: String, name: String, n_cells: usize) -> impl IntoView {
    let hidden = atlas.linked.hidden;
    let is_shown = move || hidden.with(|hidden| !hidden.contains(&level));
    let toggle = move |_| {
        hidden.update(|hidden| {
            if !hidden.remove(&level) {
                hidden.insert(level);
            }
        });
    };
    view! {
        <li>
            <button
                type="button"
                class="entry"
                data-testid="legend-entry"
                aria-pressed=move || is_shown().to_string()
                title=move || if is_shown() { "Hide these cells" } else { "Show these cells" }
                on:click=toggle
            >
                <i style=format!("background:{colour}")></i>
                {format!("{name} ({})", count(n_cells as u64))}
            </button>
        </li>
    }
}

/// Cells of each level.
fn sizes(coloured: &Coloured, n_levels: usize) -> Vec<usize> {
    let mut sizes = vec![0; n_levels];
    for &level in &coloured.paint.level_of_cell {
        if let Some(size) = sizes.get_mut(level as usize) {
            *size += 1;
        }
    }
    sizes
}
