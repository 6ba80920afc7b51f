//! The two maps side by side: expression and latent states, by principal components or by UMAP.

use leptos::prelude::*;
use spec::labels::UNLABELLED;
use spec::map::Representation;
use spec::message::{EmbeddingMap, Request};

use crate::app::{Dataset, Layout, Shared, State};
use crate::format::count;
use crate::plots::cloud::camera::Extent;
use crate::plots::cloud::{Cloud, Points, ZOOM_STEP};
use crate::views::atlas::Atlas;
use crate::views::atlas::colour::{Known, said};
use crate::views::atlas::tools::Pictures;
use crate::views::shell::Theme;

/// Both maps, as far as they are there.
#[component]
pub fn MapPair(atlas: Atlas, dataset: Shared<Dataset>) -> impl IntoView {
    let control = atlas.control;
    let n_maps = control.part(|state| state.maps.as_ref().map(|maps| maps.len()));
    let is_mapping = control.part(|state| state.has_job(|request| matches!(request, Request::Embed { .. })));
    move || match n_maps.get() {
        None if is_mapping.get() => view! { <p class="quiet waiting">"The maps are being computed."</p> }.into_any(),
        None => view! {
            <p class="row waiting">
                <span class="quiet">"The maps were not computed."</span>
                <button
                    type="button"
                    class="small"
                    data-testid="compute-maps"
                    on:click=move |_| control.change(State::ask_for_maps)
                >
                    "Compute the maps"
                </button>
            </p>
        }
        .into_any(),
        Some(n) => {
            let views = Representation::ALL
                .into_iter()
                .take(n)
                .map(|representation| view! { <MapView atlas dataset=dataset.clone() representation /> });
            view! { <div class="maps">{views.collect_view()}</div> }.into_any()
        }
    }
}

/// The map that a view shows now, and how far it has unfolded.
fn shown(state: &State, representation: Representation, layout: Layout) -> Option<Shown> {
    let population = &state.population;
    let unfolding = population.unfolding.as_ref().filter(|unfolding| unfolding.representation == representation);
    let components = || Some(Shown::Components(state.maps.clone()?));
    match layout {
        Layout::Pca => components(),
        Layout::Umap => match (unfolding, population.mapped(representation)) {
            (Some(unfolding), _) => Some(Shown::Unfolding(unfolding.map.clone(), unfolding.n_done, unfolding.n_epochs)),
            (None, Some(mapped)) => Some(Shown::Mapped(mapped.clone())),
            // Until there is one, the components stay on screen.
            (None, None) => components(),
        },
    }
}

#[derive(Clone, PartialEq)]
enum Shown {
    Components(Shared<Vec<EmbeddingMap>>),
    Unfolding(Shared<EmbeddingMap>, usize, usize),
    Mapped(Shared<spec::map::Mapped>),
}

impl Shown {
    fn map(&self, representation: Representation) -> Option<&EmbeddingMap> {
        match self {
            Self::Components(maps) => maps.get(representation as usize),
            Self::Unfolding(map, ..) => Some(map),
            Self::Mapped(mapped) => Some(&mapped.map),
        }
    }
}

#[component]
fn MapView(atlas: Atlas, dataset: Shared<Dataset>, representation: Representation) -> impl IntoView {
    let theme = expect_context::<RwSignal<Theme>>();
    let layout = atlas.layouts[representation as usize];
    let now = atlas.control.part(move |state| shown(state, representation, layout.try_get().unwrap_or_default()));
    let known = atlas.control.part(Known::of);
    let points = Memo::new(move |_| {
        let points = |map: &EmbeddingMap| Points { x: map.x.clone(), y: map.y.clone() };
        let made = now.with(|now| now.as_ref().and_then(|now| now.map(representation)).map(points));
        Shared::new(made.unwrap_or(Points { x: Vec::new(), y: Vec::new() }))
    });
    let axes = move || {
        let axes = now.with(|now| now.as_ref().and_then(|now| now.map(representation)).map(|map| map.axes.clone()));
        axes.unwrap_or_default()
    };
    let title = move || {
        now.with(|now| match now {
            Some(Shown::Components(maps)) => {
                let name = maps.get(representation as usize).map(|map| map.name.clone()).unwrap_or_default();
                let name = name.replacen("latent", "the model’s latent", 1).replacen("Cell-JEPA", "the Cell-JEPA", 1);
                format!("Principal components of {name}")
            }
            Some(Shown::Unfolding(map, n_done, n_epochs)) => format!("{} · epoch {n_done} of {n_epochs}", map.name),
            Some(Shown::Mapped(mapped)) => {
                format!("{} · {} clusters", mapped.map.name, mapped.sizes.len())
            }
            None => String::new(),
        })
    };
    let describe = {
        let dataset = dataset.clone();
        move |cell: usize| {
            let colour = atlas.coloured.with_untracked(|coloured| {
                atlas.colour_by.with_untracked(|by| known.with_untracked(|known| said(coloured, by, known, cell)))
            });
            described(&dataset, cell, colour)
        }
    };
    let spoken = move || {
        let n = points.with(|points| points.x.iter().filter(|x| x.is_finite()).count());
        let [x, y] = axes();
        let colour = atlas.coloured.with(|coloured| coloured.title.clone());
        let n_selected = atlas.linked.selected.with(|selected| selected.as_ref().map_or(0, |chosen| chosen.rows.len()));
        let selected = if n_selected > 0 { format!(", {} selected", count(n_selected as u64)) } else { String::new() };
        format!(
            "{}: {} rows, {x} against {y}, coloured by {colour}{selected}. Arrow keys move, plus and minus zoom, 0 shows all.",
            title(),
            count(n as u64)
        )
    };
    let warnings = move || {
        now.with(|now| match now {
            Some(Shown::Mapped(mapped)) => mapped.warnings.clone(),
            _ => Vec::new(),
        })
    };
    let (testid, select) = match representation {
        Representation::Expression => ("map-expression", "layout-expression"),
        Representation::Latent => ("map-latent", "layout-latent"),
    };
    let choose = move |event| {
        let layout = if event_target_value(&event) == "umap" { Layout::Umap } else { Layout::Pca };
        atlas.show(representation, layout);
    };
    view! {
        <figure class="plot">
            <figcaption>
                <strong data-testid=format!("{testid}-title")>{title}</strong>
                <label class="inline">
                    <span class="hidden">{format!("Layout of {}", representation.label())}</span>
                    <select class="small" data-testid=select on:change=choose>
                        <option value="pca" prop:selected=move || layout.get() == Layout::Pca>"PCA"</option>
                        <option value="umap" prop:selected=move || layout.get() == Layout::Umap>"UMAP"</option>
                    </select>
                </label>
            </figcaption>
            <div class="map">
                <span class="y-axis">{move || axes()[1].clone()}</span>
                <Cloud
                    points=points.into()
                    coloured=atlas.coloured
                    linked=atlas.linked
                    frame=atlas.frames[representation as usize]
                    theme
                    describe
                    spoken
                    testid
                />
                <div class="x-axis row between">
                    <span>{move || axes()[0].clone()}</span>
                    <Zooms atlas representation points />
                    <Pictures atlas representation points title axes testid name=dataset.name.clone() />
                </div>
            </div>
            {move || warnings().into_iter().map(|warning| view! { <p class="quiet" data-testid="map-warning">{warning}</p> }).collect_view()}
        </figure>
    }
}

/// What the tooltip says of a row.
fn described(dataset: &Dataset, cell: usize, colour: Option<String>) -> String {
    let prepared = &dataset.prepared;
    let unit = prepared.unit.singular();
    let label = prepared.perturbation_of_cell.get(cell).and_then(|i| prepared.perturbations.get(*i as usize));
    let label = label.map(|(label, _)| if label == UNLABELLED { "not assigned" } else { label.as_str() });
    let colour = colour.filter(|colour| Some(colour.as_str()) != label);
    let words = label.map(str::to_owned).into_iter().chain(colour).map(|word| word + " · ").collect::<String>();
    let total = dataset.quality.total_counts.get(cell).copied().unwrap_or_default();
    format!("{words}{unit} {} · {} counts", count(cell as u64 + 1), count(total.max(0.0) as u64))
}

/// Buttons for what the wheel and the keys do.
#[component]
fn Zooms(atlas: Atlas, representation: Representation, points: Memo<Shared<Points>>) -> impl IntoView {
    let frame = atlas.frames[representation as usize];
    let zoom = move |factor: f64| points.with_untracked(|points| frame.zoom(&Extent::of(points), factor));
    let of = representation.label();
    view! {
        <span class="row zooms">
            <button type="button" class="small icon" aria-label=format!("Zoom in: {of}") on:click=move |_| zoom(ZOOM_STEP)>"+"</button>
            <button type="button" class="small icon" aria-label=format!("Zoom out: {of}") on:click=move |_| zoom(1.0 / ZOOM_STEP)>"−"</button>
            <button type="button" class="small" aria-label=format!("Show all: {of}") on:click=move |_| frame.seen.set(None)>"All"</button>
        </span>
    }
}
