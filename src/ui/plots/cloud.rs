//! A map of cells on a canvas: pan, zoom, lasso, hover, labels, a million dots.
//!
//! `splat` paints dots on the CPU, `camera` says what is seen, `lasso` what was chosen, `labels` where names go,
//! `picture` brings pixels to the canvas and away as a file. While a person moves a large map, every n-th dot is painted;
//! at rest, all are. Maps that share a [`Linked`] mark the same cell and the same selection.

pub mod camera;
pub mod labels;
pub mod lasso;
pub mod picture;
pub mod splat;

use std::collections::BTreeSet;
use std::time::Duration;

use leptos::ev::{KeyboardEvent, PointerEvent, WheelEvent};
use leptos::html;
use leptos::prelude::*;

use crate::app::Shared;
use crate::plots::cloud::camera::{Camera, Extent, Seen};
use crate::plots::cloud::labels::Names;
use crate::plots::cloud::lasso::Lasso;
use crate::plots::cloud::picture::{Look, show};
use crate::plots::cloud::splat::Dots;
use crate::views::shell::Theme;

/// How near a pointer has to come to a dot (pixels).
const REACH: f64 = 12.0;
/// How far an arrow key moves what is seen (pixels).
const KEY_STEP: f64 = 48.0;
/// How much a key or a button zooms.
pub const ZOOM_STEP: f64 = 1.5;
/// After this long without a movement, all dots are painted.
const REST: Duration = Duration::from_millis(160);
/// A press that moved less than this is a click (pixels).
const CLICK: f64 = 4.0;

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

/// What a pressed pointer is doing.
#[derive(Debug, Clone, PartialEq)]
enum Drag {
    Pan { last: (f64, f64), moved: f64 },
    Lasso(Lasso),
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
    let wheel = move |event: WheelEvent| {
        event.prevent_default();
        let lines = if event.delta_mode() == 0 { 1.0 } else { 30.0 };
        let factor = (-event.delta_y() * lines * 0.0016).exp();
        map.see(|seen, camera| seen.zoomed(camera, factor, (f64::from(event.offset_x()), f64::from(event.offset_y()))));
    };
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
                on:wheel=wheel
                on:keydown=move |event| map.key(&event)
            ></canvas>
            <Names points coloured linked camera />
            {line}
            {tip}
        </div>
    }
}

impl Map {
    /// Changes what is seen, and notes that it moves.
    fn see(self, how: impl FnOnce(Seen, &Camera) -> Seen) {
        let seen = self.frame.seen.get_untracked().unwrap_or_else(|| self.extent.get_untracked().whole());
        self.is_moving.set(true);
        self.moves.update(|n| *n = n.wrapping_add(1));
        self.frame.seen.set(Some(how(seen, &self.camera.get_untracked())));
        let at = self.moves.get_untracked();
        set_timeout(
            move || {
                if self.moves.try_get_untracked() == Some(at) {
                    self.is_moving.set(false);
                }
            },
            REST,
        );
    }

    fn pressed(self, event: &PointerEvent) {
        if event.button() != 0 {
            return;
        }
        let at = place(event);
        let is_lasso = event.shift_key() || self.linked.tool.get_untracked() == Tool::Lasso;
        self.drag.set(Some(match is_lasso {
            true => Drag::Lasso(Lasso::from(at)),
            false => Drag::Pan { last: at, moved: 0.0 },
        }));
        self.linked.hovered.set(None);
        if let Some(canvas) = event.current_target().and_then(|target| picture::element(&target)) {
            // A pointer that is gone already cannot be held.
            let _ = canvas.set_pointer_capture(event.pointer_id());
        }
    }

    fn moved(self, event: &PointerEvent) {
        let at = place(event);
        let drag = self.drag.get_untracked();
        match drag {
            None => {
                let camera = self.camera.get_untracked();
                let found = self.points.with_untracked(|points| camera.nearest(points, at, REACH));
                let found = found.filter(|&cell| self.is_shown(cell));
                if self.linked.hovered.get_untracked() != found {
                    self.linked.hovered.set(found);
                }
            }
            Some(Drag::Pan { last, moved }) => {
                let by = (at.0 - last.0, at.1 - last.1);
                self.drag.set(Some(Drag::Pan { last: at, moved: moved + by.0.hypot(by.1) }));
                self.see(|seen, camera| seen.panned(camera, by));
            }
            Some(Drag::Lasso(_)) => self.drag.update(|drag| {
                if let Some(Drag::Lasso(lasso)) = drag {
                    lasso.reach(at);
                }
            }),
        }
    }

    fn released(self) {
        match self.drag.get_untracked() {
            Some(Drag::Lasso(lasso)) => {
                let camera = self.camera.get_untracked();
                let (rows, n) = self.points.with_untracked(|points| {
                    (lasso.within(points, &camera, |cell| self.is_shown(cell)), points.x.len())
                });
                // A line around nothing chooses nothing: all are shown again.
                let selection = (!rows.is_empty()).then(|| Shared::new(Selection::new(rows, n)));
                self.linked.selected.set(selection);
            }
            Some(Drag::Pan { moved, .. }) if moved < CLICK && self.linked.selected.with_untracked(Option::is_some) => {
                self.linked.selected.set(None);
            }
            Some(Drag::Pan { .. }) | None => {}
        }
        self.drag.set(None);
    }

    /// Whether a cell has a colour that is not hidden.
    fn is_shown(self, cell: usize) -> bool {
        let level = self.coloured.with_untracked(|coloured| coloured.paint.level_of_cell.get(cell).copied());
        level.is_some_and(|level| {
            level != splat::UNPAINTED && self.linked.hidden.with_untracked(|hidden| !hidden.contains(&level))
        })
    }

    fn key(self, event: &KeyboardEvent) {
        let (width, height) = self.frame.size.get_untracked();
        let middle = (width / 2.0, height / 2.0);
        let pan = |x: f64, y: f64| self.see(|seen, camera| seen.panned(camera, (x, y)));
        match event.key().as_str() {
            "ArrowLeft" => pan(KEY_STEP, 0.0),
            "ArrowRight" => pan(-KEY_STEP, 0.0),
            "ArrowUp" => pan(0.0, KEY_STEP),
            "ArrowDown" => pan(0.0, -KEY_STEP),
            "+" | "=" => self.see(|seen, camera| seen.zoomed(camera, ZOOM_STEP, middle)),
            "-" => self.see(|seen, camera| seen.zoomed(camera, 1.0 / ZOOM_STEP, middle)),
            "0" => self.frame.seen.set(None),
            "Escape" => {
                self.drag.set(None);
                self.linked.selected.set(None);
            }
            _ => return,
        }
        event.prevent_default();
        event.stop_propagation();
    }
}

fn place(event: &PointerEvent) -> (f64, f64) {
    (f64::from(event.offset_x()), f64::from(event.offset_y()))
}

/// Sorts the dots when their places or colours change, and paints them when anything does, once a frame.
fn keep_painted(canvas: NodeRef<html::Canvas>, map: Map, theme: Signal<Theme>) {
    let dots = Memo::new(move |_| {
        let (points, coloured) = (map.points.get(), map.coloured.get());
        let selected = map.linked.selected.get();
        let is_selected = selected.as_ref().map(|selection| selection.is_selected.as_slice());
        map.linked.hidden.with(|hidden| {
            Shared::new(Dots::new(&points, &coloured.paint, |level| hidden.contains(&level), is_selected))
        })
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
        if canvas.get().is_none() || is_due.get_value() {
            return;
        }
        is_due.set_value(true);
        // After layout, when the canvas has its size.
        request_animation_frame(move || {
            let (Some(_), Some(canvas)) = (is_due.try_get_value(), canvas.get_untracked()) else { return };
            is_due.set_value(false);
            let size = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
            if map.frame.size.get_untracked() != size {
                map.frame.size.set(size);
            }
            let (dots, coloured) = (dots.get_untracked(), map.coloured.get_untracked());
            let look = Look { camera: map.camera.get_untracked(), is_moving: map.is_moving.get_untracked() };
            show(&canvas, &dots, &coloured.palette, look, map.frame.seen.get_untracked());
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
