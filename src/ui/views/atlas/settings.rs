//! How neighbours, clusters and layouts are made. A setting that is changed makes again only what depends on it.

use leptos::prelude::*;
use spec::map::{N_COMPONENTS, PopulationConfig, Representation};
use spec::message::Request;

use crate::app::{Layout, State};
use crate::views::atlas::Atlas;

/// A setting that is a number.
struct Number {
    label: &'static str,
    testid: &'static str,
    hint: &'static str,
    step: &'static str,
    least: f64,
    most: f64,
    get: fn(&PopulationConfig) -> f64,
    set: fn(&mut PopulationConfig, f64),
}

const NUMBERS: [Number; 5] = [
    Number {
        label: "Neighbours",
        testid: "n-neighbours",
        hint: "Of each cell, itself counted. Changes everything",
        step: "1",
        least: 2.0,
        most: 200.0,
        get: |config| config.n_neighbours as f64,
        set: |config, value| config.n_neighbours = value as usize,
    },
    Number {
        label: "Components",
        testid: "n-pcs",
        hint: "Of expression, in which neighbours are sought",
        step: "1",
        least: 1.0,
        most: N_COMPONENTS as f64,
        get: |config| config.n_pcs as f64,
        set: |config, value| config.n_pcs = value as usize,
    },
    Number {
        label: "Resolution",
        testid: "resolution",
        hint: "The higher, the more clusters. Changes clusters alone",
        step: "0.1",
        least: 0.0,
        most: 100.0,
        get: |config| config.resolution,
        set: |config, value| config.resolution = value,
    },
    Number {
        label: "Least distance",
        testid: "min-dist",
        hint: "How near cells may come in UMAP. Changes the layout alone",
        step: "0.05",
        least: 0.0,
        most: 1.0,
        get: |config| config.min_dist,
        set: |config, value| config.min_dist = value,
    },
    Number {
        label: "Seed",
        testid: "map-seed",
        hint: "Of all draws",
        step: "1",
        least: 0.0,
        most: 1e9,
        get: |config| config.seed as f64,
        set: |config, value| config.seed = value as u64,
    },
];

/// The settings, and the buttons that begin.
#[component]
pub fn Settings(atlas: Atlas) -> impl IntoView {
    let control = atlas.control;
    let has_latent = control.part(|state| state.maps.as_ref().is_some_and(|maps| maps.len() > 1));
    let has_maps = control.part(|state| state.maps.is_some());
    let what_is_there = control.part(summary);
    let begin = move |representation: Representation, testid: &'static str| {
        let is_waiting = control.part(move |state| {
            state.has_job(|request| matches!(request, Request::Map { representation: of, .. } if *of == representation))
        });
        let begin = move |_| {
            atlas.frames[representation as usize].seen.set(None);
            control.change(|state| {
                state.looks.layouts[representation as usize] = Layout::Umap;
                state.map_population(representation);
            });
        };
        view! {
            <button type="button" class="small" data-testid=testid disabled=move || is_waiting.get() || !has_maps.get() on:click=begin>
                {format!("Map the {}", representation.label())}
            </button>
        }
    };
    let numbers = NUMBERS.map(|number| view! { <NumberSetting atlas number /> });
    view! {
        <details class="part" data-testid="map-settings">
            <summary>{move || format!("Neighbours, clusters and UMAP: {}", what_is_there.get())}</summary>
            <div class="choices">{numbers.collect_view()}</div>
            <p class="quiet">
                "As scanpy’s neighbors, leiden and umap with their defaults: all pairs up to 10,000 cells, nearest-neighbour \
                 descent beyond. Clusters are those of Leiden. Latent states are those of at most 2,000 cells, evenly drawn."
            </p>
            <div class="row">
                {begin(Representation::Expression, "map-cells")}
                {move || has_latent.get().then(|| begin(Representation::Latent, "map-cells-latent"))}
            </div>
        </details>
    }
}

#[component]
fn NumberSetting(atlas: Atlas, number: Number) -> impl IntoView {
    let Number { label, testid, hint, step, least, most, get, set } = number;
    let value = atlas.control.part(move |state| get(&state.population.config));
    let typed = move |event| {
        let typed = event_target_value(&event).trim().parse::<f64>().ok().filter(|value| value.is_finite());
        atlas.control.change(|state| {
            let mut config = state.population.config.clone();
            let default = get(&PopulationConfig::default());
            set(&mut config, typed.unwrap_or(default).clamp(least, most));
            state.map_population_by(config);
        });
    };
    view! {
        <label class="choice">
            <span>{label}</span>
            <input
                type="number"
                step=step
                min=least
                max=most
                data-testid=testid
                prop:value=move || value.get().to_string()
                on:change=typed
            />
            <small>{hint}</small>
        </label>
    }
}

/// What there is so far.
fn summary(state: &State) -> String {
    let of = |representation: Representation| {
        let mapped = state.population.mapped(representation)?;
        let (n, modularity) = (mapped.sizes.len(), mapped.modularity);
        let clusters = if n == 1 { "1 cluster".into() } else { format!("{n} clusters") };
        Some(format!("{clusters} of {} (modularity {modularity:.2})", representation.label()))
    };
    let there: Vec<String> = Representation::ALL.into_iter().filter_map(of).collect();
    if there.is_empty() { "not computed yet".into() } else { there.join(", ") }
}
