//! Step 2: the quality of the cells and two maps of them.

use leptos::prelude::*;
use spec::dataset::{CellUnit, GeneCoverage, Prepared};
use spec::labels::UNLABELLED;
use spec::message::{EmbeddingMap, Request};

use crate::app::{Dataset, Shared, State};
use crate::format::{count, percent, significant};
use crate::plots::axis::range;
use crate::plots::scatter::{Paint, Points, Scatter};
use crate::views::genes::Genes;
use crate::views::load::{Warnings, unit_count};
use crate::views::quality::Quality;
use crate::views::shell::{Theme, use_control};

/// Steps from low to high, defined per theme in the stylesheet; their lightness alone tells them apart.
const N_RAMP: usize = 8;

fn ramp() -> Vec<String> {
    (0..N_RAMP).map(|i| format!("var(--ramp-{i})")).collect()
}

/// What the dots are coloured by.
#[derive(Debug, Clone, PartialEq)]
enum ColourBy {
    /// Control against all others.
    Perturbed,
    /// One perturbation against control and the rest.
    One(usize),
    /// The sum of counts.
    TotalCounts,
}

impl ColourBy {
    fn key(&self) -> String {
        match self {
            ColourBy::Perturbed => "perturbed".into(),
            ColourBy::One(i) => i.to_string(),
            ColourBy::TotalCounts => "total".into(),
        }
    }

    fn from_key(key: &str) -> Self {
        match key {
            "perturbed" => ColourBy::Perturbed,
            "total" => ColourBy::TotalCounts,
            index => index.parse().map_or(ColourBy::TotalCounts, ColourBy::One),
        }
    }
}

/// The screen of step 2.
#[component]
pub fn Look() -> impl IntoView {
    let control = use_control();
    let dataset = control.part(|state| state.dataset.clone());
    // Filters change the cells that are kept, not the histograms that a person is just drawing bounds on.
    let quality =
        control.part(|state| state.dataset.as_ref().map(|dataset| (dataset.quality.clone(), dataset.prepared.unit)));
    let histograms = move || quality.get().map(|(quality, unit)| view! { <Quality quality unit /> });
    let heading = move || dataset.get().map(|dataset| view! { <Heading dataset /> });
    let maps = move || dataset.get().map(|dataset| view! { <Cells dataset /> });
    move || match quality.with(Option::is_some) {
        true => view! { <div class="look">{heading}{histograms}{maps}</div> }.into_any(),
        false => view! { <p class="panel">"No cells are prepared yet: go to step 1."</p> }.into_any(),
    }
}

#[component]
fn Heading(dataset: Shared<Dataset>) -> impl IntoView {
    let n_genes = count(dataset.prepared.n_genes as u64);
    let heading = format!("{}: {} × {n_genes} genes", dataset.name, unit_count(&dataset));
    let note = (dataset.prepared.unit == CellUnit::Metacell)
        .then_some("A metacell is the mean of several similar cells; no single cell is in this file.");
    view! { <div class="headline"><h2>{heading}</h2><p class="quiet">{note}</p></div> }
}

#[component]
fn Cells(dataset: Shared<Dataset>) -> impl IntoView {
    let warnings = dataset.prepared.warnings.clone();
    let coverage = dataset.prepared.coverage.clone();
    view! {
        <Maps dataset=dataset.clone() />
        <Genes label_columns=dataset.prepared.label_columns.clone() />
        <Coverage coverage />
        <Warnings warnings />
    }
}

#[component]
fn Coverage(coverage: Option<GeneCoverage>) -> impl IntoView {
    coverage.map(|coverage| {
        let GeneCoverage { n_checkpoint, n_found, missing } = coverage;
        let text = format!(
            "{} of the model’s {} genes are in this file ({}).",
            count(n_found as u64),
            count(n_checkpoint as u64),
            percent(n_found, n_checkpoint)
        );
        let lacking = (!missing.is_empty()).then(|| {
            let more = if missing.len() < n_checkpoint - n_found { ", …" } else { "" };
            view! {
                <details><summary>"Missing genes, read as 0"</summary><p class="mono">{missing.join(", ")}{more}</p></details>
            }
        });
        view! { <div class="coverage quiet" data-testid="coverage"><p>{text}</p>{lacking}</div> }
    })
}

#[component]
fn Maps(dataset: Shared<Dataset>) -> impl IntoView {
    let control = use_control();
    let theme = expect_context::<RwSignal<Theme>>();
    let maps = control.part(|state| state.maps.clone());
    let is_mapping = control.part(|state| state.has_job(|request| matches!(request, Request::Embed { .. })));
    let has_groups = dataset.prepared.perturbations.len() > 1;
    let colour_by = RwSignal::new(if has_groups { ColourBy::Perturbed } else { ColourBy::TotalCounts });
    let hovered = RwSignal::new(None::<usize>);
    let paint = {
        let dataset = dataset.clone();
        Memo::new(move |_| colour_by.with(|by| Shared::new(painted(&dataset, by))))
    };
    let legend = {
        let dataset = dataset.clone();
        move || colour_by.with(|by| view! { <Legend dataset=dataset.clone() by=by.clone() /> })
    };
    let shown = dataset.clone();
    let pair = move || match maps.get() {
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
        Some(maps) => {
            let views = maps.iter().enumerate().map(|(i, map)| {
                let testid = if i == 0 { "map-expression" } else { "map-latent" };
                let describe = describer(shown.clone());
                view! { <Map map=map.clone() testid paint hovered theme describe /> }
            });
            view! { <div class="maps">{views.collect_view()}</div> }.into_any()
        }
    };
    view! {
        <div class="panel">
            <div class="row between">
                <ColourChoice dataset=dataset.clone() colour_by />
                {legend}
            </div>
            {pair}
        </div>
    }
}

#[component]
fn Map(
    map: EmbeddingMap,
    testid: &'static str,
    #[prop(into)] paint: Signal<Shared<Paint>>,
    hovered: RwSignal<Option<usize>>,
    theme: RwSignal<Theme>,
    describe: impl Fn(usize) -> String + Send + Sync + 'static,
) -> impl IntoView {
    let EmbeddingMap { name, axes, x, y } = map;
    let spoken = format!("Map of {} rows by {name}: {} against {}", count(x.len() as u64), axes[0], axes[1]);
    let title = format!("Principal components of {}", name.replacen("latent", "the model’s latent", 1));
    let points = Shared::new(Points { x, y });
    view! {
        <figure class="plot">
            <figcaption><strong>{title}</strong></figcaption>
            <Scatter points axes paint hovered theme describe spoken testid />
        </figure>
    }
}

/// What the tooltip says of a row.
fn describer(dataset: Shared<Dataset>) -> impl Fn(usize) -> String + Send + Sync + 'static {
    move |cell| {
        let prepared = &dataset.prepared;
        let unit = prepared.unit.singular();
        let label = prepared.perturbation_of_cell.get(cell).and_then(|i| prepared.perturbations.get(*i as usize));
        let label = label.map(|(label, _)| if label == UNLABELLED { "not assigned" } else { label });
        let label = label.map(|label| format!("{label} · ")).unwrap_or_default();
        let total = dataset.quality.total_counts.get(cell).copied().unwrap_or_default();
        format!("{label}{unit} {} · {} counts", count(cell as u64 + 1), count(total.max(0.0) as u64))
    }
}

#[component]
fn ColourChoice(dataset: Shared<Dataset>, colour_by: RwSignal<ColourBy>) -> impl IntoView {
    let perturbations = &dataset.prepared.perturbations;
    let mut choices = vec![(ColourBy::TotalCounts, "total counts".to_string())];
    if perturbations.len() > 1 {
        choices.insert(0, (ColourBy::Perturbed, "control and perturbed".to_string()));
        let ones = perturbations
            .iter()
            .enumerate()
            .skip(1)
            .filter(|(_, (label, _))| label != UNLABELLED)
            .map(|(i, (label, n))| (ColourBy::One(i), format!("{label} ({})", count(*n as u64))));
        choices.extend(ones);
    }
    let options = choices.into_iter().map(|(by, text)| {
        let key = by.key();
        view! { <option value=key prop:selected=move || colour_by.with(|chosen| *chosen == by)>{text}</option> }
    });
    let options = options.collect_view();
    view! {
        <label class="inline">
            "Colour by "
            <select data-testid="colour-by" on:change=move |event| colour_by.set(ColourBy::from_key(&event_target_value(&event)))>
                {options}
            </select>
        </label>
    }
}

/// Cells that were assigned to no perturbation: their place among the labels, and how many there are.
fn not_assigned(prepared: &Prepared) -> Option<(usize, usize)> {
    let at = prepared.perturbations.iter().position(|(label, _)| label == UNLABELLED)?;
    Some((at, prepared.perturbations[at].1))
}

fn painted(dataset: &Dataset, by: &ColourBy) -> Paint {
    let prepared = &dataset.prepared;
    match by {
        ColourBy::TotalCounts => {
            let values = &dataset.quality.total_counts;
            let (low, high) = range(values).unwrap_or((0.0, 1.0));
            let step = N_RAMP as f64 / (high - low).max(f64::MIN_POSITIVE);
            let class = |value: &f32| (((f64::from(*value) - low) * step) as usize).min(N_RAMP - 1) as u8;
            Paint { class_of_cell: values.iter().map(class).collect(), palette: ramp() }
        }
        ColourBy::Perturbed => {
            let not_assigned = not_assigned(prepared).map(|(i, _)| i);
            // The controls are few: painted last, they stay visible.
            let class = |i: &u32| match *i as usize {
                0 => 2,
                i if Some(i) == not_assigned => 0,
                _ => 1,
            };
            let class_of_cell = prepared.perturbation_of_cell.iter().map(class).collect();
            let palette = ["var(--c-rest)", "var(--c-perturbed)", "var(--c-control)"].map(String::from).into();
            Paint { class_of_cell, palette }
        }
        ColourBy::One(one) => {
            let class = |i: &u32| match *i as usize {
                0 => 1,
                i if i == *one => 2,
                _ => 0,
            };
            let class_of_cell = prepared.perturbation_of_cell.iter().map(class).collect();
            let palette = ["var(--c-rest)", "var(--c-control)", "var(--c-picked)"].map(String::from).into();
            Paint { class_of_cell, palette }
        }
    }
}

#[component]
fn Legend(dataset: Shared<Dataset>, by: ColourBy) -> impl IntoView {
    let prepared = &dataset.prepared;
    let n_all: usize = prepared.perturbations.iter().map(|(_, n)| n).sum();
    let first = prepared.perturbations.first().cloned().unwrap_or_default();
    let entry = |colour: &str, text: String| {
        view! { <li><i style=format!("background:{colour}")></i>{text}</li> }
    };
    let with_count = |label: &str, n: usize| format!("{label} ({})", count(n as u64));
    let entries = match by {
        ColourBy::TotalCounts => {
            let (low, high) = range(&dataset.quality.total_counts).unwrap_or((0.0, 0.0));
            let ramp = format!("background:linear-gradient(to right,{})", ramp().join(","));
            return view! {
                <ul class="legend" data-testid="legend">
                    <li>{significant(low)}<i class="ramp" style=ramp></i>{significant(high)}" counts"</li>
                </ul>
            }
            .into_any();
        }
        ColourBy::Perturbed => {
            let n_unassigned = not_assigned(prepared).map_or(0, |(_, n)| n);
            let mut entries = vec![
                entry("var(--c-control)", with_count(&first.0, first.1)),
                entry("var(--c-perturbed)", with_count("perturbed", n_all - first.1 - n_unassigned)),
            ];
            entries
                .extend((n_unassigned > 0).then(|| entry("var(--c-rest)", with_count("not assigned", n_unassigned))));
            entries
        }
        ColourBy::One(i) => {
            let (label, n) = prepared.perturbations.get(i).cloned().unwrap_or_default();
            vec![
                entry("var(--c-picked)", with_count(&label, n)),
                entry("var(--c-control)", with_count(&first.0, first.1)),
                entry("var(--c-rest)", with_count("others", n_all - first.1 - n)),
            ]
        }
    };
    view! { <ul class="legend" data-testid="legend">{entries.collect_view()}</ul> }.into_any()
}
