//! A map of cells on a canvas: pan, zoom, lasso, hover, labels, a million dots.
//!
//! `splat` paints dots on the CPU, `camera` says what is seen, `lasso` what was chosen, `labels` where names go, `gestures`
//! what a pointer does, `picture` brings pixels to the canvas and away as a file. While a person moves a large map or
//! chooses what it shows, every n-th dot is painted; at rest, all are. Maps that share a [`Linked`] mark the same cell and
//! the same selection.

pub mod camera;
mod gestures;
pub mod labels;
pub mod lasso;
pub mod picture;
pub mod splat;

use std::collections::BTreeSet;

use leptos::html;
use leptos::prelude::*;

use crate::app::Shared;
use crate::plots::cloud::camera::{Camera, Extent, Seen};
use crate::plots::cloud::gestures::Drag;
use crate::plots::cloud::labels::Names;
use crate::plots::cloud::picture::{Look, show};
use crate::plots::cloud::splat::{Dots, Scene};
use crate::views::shell::Theme;

/// How much a key or a button zooms.
pub const ZOOM_STEP: f64 = 1.5;

/// Coordinates of the dots; NaN for cells without a place.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// First coordinate.
    pub x: Vec<f32>,
    /// Second coordinate, upwards.
    pub y: Vec<f32>,
}

/// The level of every dot: a label, or a step of a ramp of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Paint {
    /// By cell; [`splat::UNPAINTED`] for what has no value.
    pub level_of_cell: Vec<u16>,
    /// Levels there are.
    pub n_levels: usize,
    /// Whether higher levels are painted over lower ones.
    pub is_ordered: bool,
}

impl Paint {
    /// Levels there are.
    pub fn n_levels(&self) -> usize {
        self.n_levels
    }
}

/// What the levels look like.
#[derive(Debug, Clone, PartialEq)]
pub enum Palette {
    /// A colour of the stylesheet and a name for each.
    Labels(Vec<(String, String)>),
    /// From low to high, in a unit.
    Ramp {
        /// The lowest value.
        low: f64,
        /// The highest.
        high: f64,
        /// Their unit.
        unit: String,
    },
    /// Not by cell: by how many lie about each pixel.
    Density,
}

/// How a map is coloured.
#[derive(Debug, Clone, PartialEq)]
pub struct Coloured {
    /// What is coloured by, in words.
    pub title: String,
    /// Levels of the dots.
    pub paint: Paint,
    /// Their colours.
    pub palette: Palette,
}

/// Cells that were chosen.
#[derive(Debug, PartialEq)]
pub struct Selection {
    /// Ascending.
    pub rows: Vec<u32>,
    /// By cell.
    pub is_selected: Vec<bool>,
}

impl Selection {
    /// Of some rows of `n_cells`.
    pub fn new(rows: Vec<u32>, n_cells: usize) -> Self {
        let mut is_selected = vec![false; n_cells];
        for &row in &rows {
            if let Some(selected) = is_selected.get_mut(row as usize) {
                *selected = true;
            }
        }
        Self { rows, is_selected }
    }
}

/// What dragging does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// Moves what is seen.
    Pan,
    /// Chooses cells.
    Lasso,
}

/// What maps of the same cells share.
#[derive(Clone, Copy)]
pub struct Linked {
    /// The cell under the pointer.
    pub hovered: RwSignal<Option<usize>>,
    /// Chosen cells.
    pub selected: RwSignal<Option<Shared<Selection>>>,
    /// Labels that are not shown.
    pub hidden: RwSignal<BTreeSet<u16>>,
    /// What dragging does.
    pub tool: RwSignal<Tool>,
    /// Whether labels are written onto the map.
    pub names_labels: RwSignal<bool>,
}

/// What one map shows; known outside, so that it can be saved as a picture and moved by buttons.
#[derive(Clone, Copy)]
pub struct Frame {
    /// None: all of it.
    pub seen: RwSignal<Option<Seen>>,
    /// Width and height in pixels of the page; 0 before it is laid out.
    pub size: RwSignal<(f64, f64)>,
}

impl Frame {
    /// One that shows all.
    pub fn new() -> Self {
        Self { seen: RwSignal::new(None), size: RwSignal::new((0.0, 0.0)) }
    }

    /// Zooms about the middle.
    pub fn zoom(self, extent: &Extent, factor: f64) {
        let (width, height) = self.size.get_untracked();
        let seen = self.seen.get_untracked().unwrap_or_else(|| extent.whole());
        let camera = Camera::new(extent, seen, width, height);
        self.seen.set(Some(seen.zoomed(&camera, factor, (width / 2.0, height / 2.0))));
    }
}

/// All that one map is made of.
#[derive(Clone, Copy)]
struct Map {
    points: Signal<Shared<Points>>,
    coloured: Signal<Shared<Coloured>>,
    linked: Linked,
    frame: Frame,
    extent: Memo<Extent>,
    camera: Memo<Camera>,
    drag: RwSignal<Option<Drag>>,
    /// Counts movements; a person is moving the map until it stays the same for a while.
    moves: RwSignal<u32>,
    is_moving: RwSignal<bool>,
}

/// The map. `describe` says what the tooltip shows for a cell, `spoken` what the map is.
#[component]
pub fn Cloud(
    points: Signal<Shared<Points>>,
    #[prop(into)] coloured: Signal<Shared<Coloured>>,
    linked: Linked,
    frame: Frame,
    #[prop(into)] theme: Signal<Theme>,
    describe: impl Fn(usize) -> String + Send + Sync + 'static,
    spoken: impl Fn() -> String + Send + Sync + 'static,
    testid: &'static str,
) -> impl IntoView {
    let canvas: NodeRef<html::Canvas> = NodeRef::new();
    let extent = Memo::new(move |_| points.with(|points| Extent::of(points)));
    let camera = Memo::new(move |_| {
        let (width, height) = frame.size.get();
        let extent = extent.get();
        Camera::new(&extent, frame.seen.get().unwrap_or_else(|| extent.whole()), width, height)
    });
    let map = Map {
        points,
        coloured,
        linked,
        frame,
        extent,
        camera,
        drag: RwSignal::new(None),
        moves: RwSignal::new(0),
        is_moving: RwSignal::new(false),
    };
    keep_painted(canvas, map, theme);
    let tip = move || {
        let cell = linked.hovered.get()?;
        let (x, y) = points.with(|points| Some((*points.x.get(cell)?, *points.y.get(cell)?)))?;
        let (left, top) = camera.get().place(x, y);
        let (width, height) = frame.size.get();
        let is_inside = (0.0..=width).contains(&left) && (0.0..=height).contains(&top);
        is_inside.then(|| mark((left, top), width, describe(cell)))
    };
    let line = move || {
        map.drag.with(|drag| match drag {
            Some(Drag::Lasso(lasso)) => {
                let corners: Vec<String> = lasso.corners.iter().map(|(x, y)| format!("{x:.0},{y:.0}")).collect();
                Some(view! { <svg class="lasso" aria-hidden="true"><polygon points=corners.join(" ") /></svg> })
            }
            _ => None,
        })
    };
    view! {
        <div class="field cloud" class:choosing=move || linked.tool.get() == Tool::Lasso>
            <canvas
                role="application"
                aria-roledescription="map of cells"
                aria-label=spoken
                aria-keyshortcuts="ArrowLeft ArrowRight ArrowUp ArrowDown + - 0 Escape"
                tabindex="0"
                data-testid=testid
                node_ref=canvas
                on:pointerdown=move |event| map.pressed(&event)
                on:pointermove=move |event| map.moved(&event)
                on:pointerup=move |_| map.released()
                on:pointercancel=move |_| map.drag.set(None)
                on:pointerleave=move |_| linked.hovered.set(None)
                on:wheel=move |event| map.wheel(&event)
                on:keydown=move |event| map.key(&event)
            ></canvas>
            <Names points coloured linked camera />
            {line}
            {tip}
        </div>
    }
}

/// Sorts the dots when their places or colours change, and paints them when anything does, once a frame: a draft at once
/// where they are many, all of them at rest.
fn keep_painted(canvas: NodeRef<html::Canvas>, map: Map, theme: Signal<Theme>) {
    let dots = Memo::new(move |_| {
        let (points, coloured) = (map.points.get(), map.coloured.get());
        Shared::new(Dots::new(&points, &coloured.paint))
    });
    Effect::new(move |before: Option<()>| {
        map.linked.hidden.track();
        map.linked.selected.track();
        if before.is_some() {
            map.sketch();
        }
    });
    let resized = RwSignal::new(0_u32);
    let handle = window_event_listener(leptos::ev::resize, move |_| {
        resized.update(|n| *n = n.wrapping_add(1));
    });
    on_cleanup(move || handle.remove());
    let is_due = StoredValue::new(false);
    Effect::new(move |_| {
        resized.get();
        theme.get();
        dots.track();
        map.camera.track();
        map.is_moving.track();
        map.moves.track();
        if canvas.get().is_none() || is_due.get_value() {
            return;
        }
        is_due.set_value(true);
        // After layout, when the canvas has its size.
        request_animation_frame(move || {
            // Other cells may have taken the map down meanwhile.
            let (Some(_), Some(Some(canvas))) = (is_due.try_get_value(), canvas.try_get_untracked()) else { return };
            is_due.set_value(false);
            let size = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
            if map.frame.size.get_untracked() != size {
                map.frame.size.set(size);
            }
            let (dots, coloured) = (dots.get_untracked(), map.coloured.get_untracked());
            let look = Look { camera: map.camera.get_untracked(), is_moving: map.is_moving.get_untracked() };
            let (hidden, selected) = (map.linked.hidden.get_untracked(), map.linked.selected.get_untracked());
            let is_selected = selected.as_ref().map(|selection| selection.is_selected.as_slice());
            let dots = Scene { dots: &dots, hidden: &hidden, is_selected };
            show(&canvas, dots, &coloured.palette, look, map.frame.seen.get_untracked());
        });
    });
}

/// The ring around the hovered cell and its tooltip.
fn mark((left, top): (f64, f64), width: f64, text: String) -> impl IntoView {
    let shift = match left {
        left if left < 120.0 => "-10px",
        left if left > width - 120.0 => "calc(10px - 100%)",
        _ => "-50%",
    };
    view! {
        <div class="mark" style=format!("left:{left:.1}px;top:{top:.1}px")></div>
        <div class="tip" style=format!("left:{left:.1}px;top:{top:.1}px;--shift:{shift}")>{text}</div>
    }
}
