//! What one does with the maps: pan or lasso, choose the cells shown, save pictures, and what was chosen.

use leptos::prelude::*;
use spec::map::{Grouping, MarkerOptions, Representation};
use spec::message::{ExportKind, Request};
use wasm_bindgen::prelude::JsCast;
use web_sys::{Blob, HtmlCanvasElement};

use crate::app::{Dataset, Job, Shared};
use crate::export::{download, save_blob};
use crate::format::{count, percent};
use crate::plots::cloud::camera::{Camera, Extent};
use crate::plots::cloud::labels::names;
use crate::plots::cloud::picture::Saved;
use crate::plots::cloud::splat::{Dots, Scene, UNPAINTED};
use crate::plots::cloud::{Points, Selection, Tool};
use crate::views::atlas::Atlas;

/// How much larger than on the page a saved PNG is.
const PNG_TIMES: f64 = 4.0;

/// Pan, lasso, labels, and what can be saved of all of it.
#[component]
pub fn Tools(atlas: Atlas, dataset: Shared<Dataset>) -> impl IntoView {
    let tool = atlas.linked.tool;
    let button = move |which: Tool, name: &'static str, testid: &'static str, title: &'static str| {
        view! {
            <button
                type="button"
                class="small"
                data-testid=testid
                title=title
                aria-pressed=move || (tool.get() == which).to_string()
                on:click=move |_| tool.set(which)
            >
                {name}
            </button>
        }
    };
    let n_cells = dataset.quality.total_counts.len();
    let choose_shown = move |_| {
        let shown = atlas.coloured.with_untracked(|coloured| {
            atlas.linked.hidden.with_untracked(|hidden| {
                let levels = coloured.paint.level_of_cell.iter().enumerate();
                let is_shown = |level: &u16| *level != UNPAINTED && !hidden.contains(level);
                levels.filter(|(_, level)| is_shown(level)).map(|(cell, _)| cell as u32).collect::<Vec<u32>>()
            })
        });
        let selection = (!shown.is_empty()).then(|| Shared::new(Selection::new(shown, n_cells)));
        atlas.linked.selected.set(selection);
    };
    let names_labels = atlas.linked.names_labels;
    let save = move |kind: ExportKind| atlas.control.change(|state| state.enqueue(Job::new(Request::Export { kind })));
    view! {
        <div class="row tools" role="group" aria-label="Tools of the maps">
            {button(Tool::Pan, "Pan", "tool-pan", "Dragging moves the map; the wheel zooms")}
            {button(Tool::Lasso, "Lasso", "tool-lasso", "Dragging chooses cells; with Pan, hold Shift")}
            <button
                type="button"
                class="small"
                data-testid="select-shown"
                title="Chooses the cells of all labels that are not hidden"
                on:click=choose_shown
            >
                "Select shown"
            </button>
            <label class="check">
                <input
                    type="checkbox"
                    data-testid="names-on-map"
                    prop:checked=move || names_labels.get()
                    on:change=move |event| names_labels.set(event_target_checked(&event))
                />
                " names"
            </label>
            <button
                type="button"
                class="small"
                data-testid="save-methods"
                title="What was done, as a paragraph for a paper, with versions, parameters and seeds"
                on:click=move |_| save(ExportKind::Methods)
            >
                "Methods"
            </button>
            <button
                type="button"
                class="small"
                data-testid="save-snippet"
                title="A script in Python that goes on in scanpy with the saved h5ad"
                on:click=move |_| save(ExportKind::Snippet)
            >
                "Script for scanpy"
            </button>
        </div>
    }
}

/// What was chosen, and what can be asked of it.
#[component]
pub fn SelectionLine(atlas: Atlas) -> impl IntoView {
    let selected = atlas.linked.selected;
    let n_kept = atlas.control.part(|state| state.dataset.as_ref().map_or(0, |dataset| dataset.prepared.n_cells));
    let text = move || match selected.get() {
        None => String::new(),
        Some(chosen) => {
            let n = chosen.rows.len();
            format!(
                "{} of {} cells selected ({})",
                count(n as u64),
                count(n_kept.get() as u64),
                percent(n, n_kept.get())
            )
        }
    };
    let compare = move |_| {
        if let Some(chosen) = selected.get_untracked() {
            let grouping = Grouping::Selection { rows: chosen.rows.clone() };
            atlas.control.change(|state| state.ask_for_markers(grouping, MarkerOptions::default()));
        }
    };
    let actions = move || {
        selected.with(Option::is_some).then(|| {
            view! {
                <button type="button" class="small" data-testid="compare-selection" on:click=compare>
                    "Compare with the rest"
                </button>
                <button type="button" class="small" data-testid="clear-selection" on:click=move |_| selected.set(None)>
                    "Clear"
                </button>
            }
        })
    };
    view! {
        <div class="row selection">
            <span role="status" aria-live="polite" data-testid="selection">{text}</span>
            {actions}
        </div>
    }
}

/// Saves one map as a picture.
#[component]
pub fn Pictures(
    atlas: Atlas,
    representation: Representation,
    points: Memo<Shared<Points>>,
    title: impl Fn() -> String + Copy + Send + Sync + 'static,
    axes: impl Fn() -> [String; 2] + Copy + Send + Sync + 'static,
    testid: &'static str,
    name: String,
) -> impl IntoView {
    let name = StoredValue::new(name);
    let picture = move |as_svg: bool| {
        let Some(canvas) = canvas(testid) else { return };
        let (points, coloured) = (points.get_untracked(), atlas.coloured.get_untracked());
        let frame = atlas.frames[representation as usize];
        let extent = Extent::of(&points);
        let seen = frame.seen.get_untracked();
        let (width, height) = frame.size.get_untracked();
        let selected = atlas.linked.selected.get_untracked();
        let is_selected = selected.as_ref().map(|selection| selection.is_selected.as_slice());
        let hidden = atlas.linked.hidden.get_untracked();
        let dots = Dots::new(&points, &coloured.paint);
        let mut written =
            if atlas.linked.names_labels.get_untracked() { names(&points, &coloured) } else { Vec::new() };
        written.retain(|name| !hidden.contains(&name.level));
        let (title, axes) = (untrack(title), untrack(axes));
        let saved = Saved {
            canvas: &canvas,
            dots: Scene { dots: &dots, hidden: &hidden, is_selected },
            coloured: &coloured,
            camera: Camera::new(&extent, seen.unwrap_or_else(|| extent.whole()), width, height),
            seen,
            names: &written,
            title: &title,
            axes: &axes,
        };
        let stem = name.with_value(|name| name.split('.').next().unwrap_or("cells").to_string());
        let file = format!("{stem}_{testid}");
        if as_svg {
            if let Some(svg) = saved.svg() {
                download(&format!("{file}.svg"), "image/svg+xml", svg);
            }
        } else {
            // Where the browser has no memory for a picture of this size, there is none.
            let _ = saved.png(PNG_TIMES, move |blob: Blob| save_blob(&format!("{file}.png"), &blob));
        }
    };
    let of = representation.label();
    view! {
        <span class="row">
            <button
                type="button"
                class="small"
                data-testid=format!("{testid}-png")
                aria-label=format!("Save the map of {of} as PNG, four times its size here")
                on:click=move |_| picture(false)
            >
                "PNG"
            </button>
            <button
                type="button"
                class="small"
                data-testid=format!("{testid}-svg")
                aria-label=format!("Save the map of {of} as SVG")
                on:click=move |_| picture(true)
            >
                "SVG"
            </button>
        </span>
    }
}

fn canvas(testid: &str) -> Option<HtmlCanvasElement> {
    document().query_selector(&format!("canvas[data-testid='{testid}']")).ok()??.dyn_into().ok()
}
