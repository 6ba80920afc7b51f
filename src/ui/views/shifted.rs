//! The answer on the map: where the predicted change would take the control cells.

use leptos::prelude::*;
use spec::map::Representation;
use spec::message::EmbeddingMap;
use spec::prediction::Prediction;
use spec::shift::{Arrow, ShiftLayout, Shifts};

use crate::app::{Dataset, Shared};
use crate::format::{plural, signed};
use crate::plots::arrows::{Arrows, Dots, Stroke, TIMES, fitting};
use crate::views::evaluate::SaveSvg;
use crate::views::shell::use_control;

/// Cells that are drawn of one kind, evenly drawn of all.
const MAX_DOTS: usize = 1500;

/// The tab. Shifts are asked for when it is opened.
#[component]
pub fn Shifted(prediction: Shared<Prediction>) -> impl IntoView {
    let control = use_control();
    let shifts = control.part(|state| state.asking.shifts.clone());
    let dataset = control.part(|state| state.dataset.clone());
    let maps = control.part(|state| state.maps.clone());
    let mapped = control.part(|state| state.population.mapped(Representation::Expression).cloned());
    let is_umap = RwSignal::new(false);
    let times = RwSignal::new(None::<f64>);
    let has_maps = move || maps.with(Option::is_some);
    // They are gone once the map is made anew.
    let is_unknown = control.part(|state| state.asking.shifts.is_none());
    Effect::new(move |_| {
        is_unknown.track();
        if has_maps() {
            control.change(|state| state.ask_for_shifts());
        }
    });
    let drawn = move || {
        let Some(shifts) = shifts.get().filter(|shifts| shifts.query == prediction.query) else {
            let text = match has_maps() {
                true => "The shifts are being computed.",
                false => "There is no map of these cells yet: it is made under Look.",
            };
            return view! { <p class="quiet" role="status">{text}</p> }.into_any();
        };
        let Some(dataset) = dataset.get() else { return ().into_any() };
        let layout = shifts.layouts.iter().find(|layout| layout.is_umap == is_umap.get()).or(shifts.layouts.first());
        let (of_components, of_neighbours) = (maps.get(), mapped.get());
        let map = match (layout.is_some_and(|layout| layout.is_umap), &of_components, &of_neighbours) {
            (true, _, Some(mapped)) => Some(&mapped.map),
            (false, Some(maps), _) => maps.first(),
            _ => None,
        };
        let (Some(layout), Some(map)) = (layout, map) else { return ().into_any() };
        view! { <Drawing shifts=shifts.clone() layout=layout.clone() dots=dots(&dataset, &prediction, map) axes=map.axes.clone() times /> }
            .into_any()
    };
    let choice = move || {
        let has_umap = shifts.with(|shifts| shifts.as_ref().is_some_and(|shifts| shifts.layouts.len() > 1));
        has_umap.then(|| {
            view! {
                <select
                    aria-label="Layout"
                    data-testid="shift-layout"
                    on:change=move |event| is_umap.set(event_target_value(&event) == "umap")
                >
                    <option value="pca" prop:selected=move || !is_umap.get()>"PCA"</option>
                    <option value="umap" prop:selected=move || is_umap.get()>"UMAP"</option>
                </select>
            }
        })
    };
    view! {
        <figcaption>
            <span class="row">{choice} <TimesChoice times /> <SaveSvg testid="shift-svg" name="waddington_shifts.svg" /></span>
        </figcaption>
        {drawn}
    }
}

#[component]
fn TimesChoice(times: RwSignal<Option<f64>>) -> impl IntoView {
    let options = TIMES.map(|each| {
        view! { <option value=each.to_string() prop:selected=move || times.get() == Some(each)>{format!("{each} times as long")}</option> }
    });
    view! {
        <select
            aria-label="How long arrows are drawn"
            data-testid="shift-times"
            on:change=move |event| times.set(event_target_value(&event).parse().ok())
        >
            <option value="fit" prop:selected=move || times.get().is_none()>"arrows as long as fits"</option>
            {options.collect_view()}
        </select>
    }
}

#[component]
fn Drawing(
    shifts: Shared<Shifts>,
    layout: ShiftLayout,
    dots: Vec<Dots>,
    axes: [String; 2],
    times: RwSignal<Option<f64>>,
) -> impl IntoView {
    let title = |what: &str, arrow: &Arrow| {
        let [x, y] = [0, 1].map(|axis| signed(arrow.to[axis] - arrow.from[axis]));
        format!("{what}, {}: {x} across, {y} up", plural(arrow.n_cells as u64, "control cell"))
    };
    let stroke = |class: &'static str, what: &str, arrow: &Arrow| Stroke {
        class,
        from: arrow.from,
        to: arrow.to,
        title: title(what, arrow),
    };
    let mut strokes: Vec<Stroke> =
        layout.arrows.iter().map(|arrow| stroke("shift", "predicted for this patch", arrow)).collect();
    strokes
        .extend(layout.measured.as_ref().map(|arrow| stroke("shift measured", "measured, of all these cells", arrow)));
    strokes.push(stroke("shift whole", "predicted, of all these cells", &layout.predicted));
    // A place among neighbours cannot be drawn out.
    let fits = if layout.is_umap { 1.0 } else { fitting(&dots, &strokes) };
    let is_umap = layout.is_umap;
    let in_force = move || if is_umap { 1.0 } else { times.get().unwrap_or(fits) };
    let spoken = format!(
        "Where {} would take {} patches of control cells on the map of expression",
        shifts.query.label(),
        layout.arrows.len()
    );
    let n_perturbed = dots.get(1).map_or(0, |dots| dots.places.len());
    let has_measured = layout.measured.is_some();
    let [known, of_map] = shifts.n_genes;
    let share = format!("{:.0} %", 100.0 * shifts.share_drawn);
    let said = move || {
        let how = match is_umap {
            true => "UMAP places no new cells: both ends of an arrow are the mean place of the 15 cells nearest by components, so it says \
                     whereto, not how far."
                .to_string(),
            false => {
                let length = match in_force() {
                    1.0 => String::new(),
                    times => format!("{times} times "),
                };
                format!(
                    "Arrows are drawn {length}as long as they are; the two components drawn hold {share} of the predicted \
                     change."
                )
            }
        };
        format!(
            "Each arrow starts in a patch of control cells and ends where the model’s mean change would take their mean profile. {how} \
             They are changes of means, projected: neither paths of cells nor speeds. {known} of the map’s {of_map} genes are \
             the model’s; the others stay as they are."
        )
    };
    let perturbed =
        (n_perturbed > 0).then(|| view! { <li><i class="swatch two"></i>"measured cells with this perturbation"</li> });
    let measured = has_measured.then(|| view! { <li><i class="stroke measured"></i>"measured mean change"</li> });
    view! {
        {move || view! { <Arrows dots=dots.clone() strokes=strokes.clone() times=in_force() axes=axes.clone() spoken=spoken.clone() /> }}
        <ul class="legend">
            <li><i class="swatch three"></i>"control cells"</li>
            {perturbed}
            <li><i class="stroke"></i>"predicted, by patch"</li>
            <li><i class="stroke whole"></i>"predicted mean change"</li>
            {measured}
        </ul>
        <p class="quiet" data-testid="shift-note">{said}</p>
    }
}

/// Control cells, and those that were measured under the perturbation, at most so many of each.
fn dots(dataset: &Dataset, prediction: &Prediction, map: &EmbeddingMap) -> Vec<Dots> {
    let prepared = &dataset.prepared;
    let codes = &prepared.perturbation_of_cell;
    let is_control = |row: usize| codes.is_empty() || codes.get(row) == Some(&0);
    let code = prepared.perturbations.iter().skip(1).position(|(name, _)| prediction.query.is_of(name));
    let is_perturbed = |row: usize| code.is_some_and(|code| codes.get(row) == Some(&(code as u32 + 1)));
    let of = |is_of: &dyn Fn(usize) -> bool| {
        let there = |&row: &usize| is_of(row) && map.x[row].is_finite() && map.y[row].is_finite();
        let rows: Vec<usize> = (0..map.x.len()).filter(there).collect();
        let step = rows.len().div_ceil(MAX_DOTS).max(1);
        rows.into_iter().step_by(step).map(|row| [f64::from(map.x[row]), f64::from(map.y[row])]).collect::<Vec<_>>()
    };
    vec![
        Dots { class: "cloud", colour: "#9aa0a4", places: of(&is_control) },
        Dots { class: "cloud two", colour: "#d55e00", places: of(&is_perturbed) },
    ]
}
