//! What a pointer and keys do to a map: pan, zoom, choose, point at.

use std::collections::BTreeSet;
use std::time::Duration;

use leptos::ev::{KeyboardEvent, PointerEvent, WheelEvent};
use leptos::prelude::*;

use super::camera::{Camera, Seen};
use super::lasso::Lasso;
use super::{Coloured, Map, Selection, Tool, ZOOM_STEP, picture, splat};
use crate::app::Shared;

/// How near a pointer has to come to a dot (pixels).
const REACH: f64 = 12.0;
/// How far an arrow key moves what is seen (pixels).
const KEY_STEP: f64 = 48.0;
/// After this long without a movement, all dots are painted.
const REST: Duration = Duration::from_millis(160);
/// A press that moved less than this is a click (pixels).
const CLICK: f64 = 4.0;

/// What a pressed pointer is doing.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Drag {
    Pan { last: (f64, f64), moved: f64 },
    Lasso(Lasso),
}

impl Map {
    /// Changes what is seen, and notes that it moves.
    pub(super) fn see(self, how: impl FnOnce(Seen, &Camera) -> Seen) {
        let seen = self.frame.seen.get_untracked().unwrap_or_else(|| self.extent.get_untracked().whole());
        self.sketch();
        self.frame.seen.set(Some(how(seen, &self.camera.get_untracked())));
    }

    /// Lets a draft do for the moment, and all dots once nothing has changed for a while.
    pub(super) fn sketch(self) {
        self.is_moving.set(true);
        self.moves.update(|n| *n = n.wrapping_add(1));
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

    pub(super) fn wheel(self, event: &WheelEvent) {
        event.prevent_default();
        let lines = if event.delta_mode() == 0 { 1.0 } else { 30.0 };
        let factor = (-event.delta_y() * lines * 0.0016).exp();
        let about = (f64::from(event.offset_x()), f64::from(event.offset_y()));
        self.see(|seen, camera| seen.zoomed(camera, factor, about));
    }

    pub(super) fn pressed(self, event: &PointerEvent) {
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

    pub(super) fn moved(self, event: &PointerEvent) {
        let at = place(event);
        let drag = self.drag.get_untracked();
        match drag {
            None => {
                let camera = self.camera.get_untracked();
                let found = self.points.with_untracked(|points| camera.nearest(points, at, REACH));
                let is_shown = |cell: &usize| {
                    let hidden = self.linked.hidden;
                    self.coloured
                        .with_untracked(|coloured| hidden.with_untracked(|hidden| is_shown(coloured, hidden, *cell)))
                };
                let found = found.filter(is_shown);
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

    pub(super) fn released(self) {
        match self.drag.get_untracked() {
            Some(Drag::Lasso(lasso)) => {
                let camera = self.camera.get_untracked();
                let (coloured, hidden) = (self.coloured.get_untracked(), self.linked.hidden.get_untracked());
                let (rows, n) = self.points.with_untracked(|points| {
                    (lasso.within(points, &camera, |cell| is_shown(&coloured, &hidden, cell)), points.x.len())
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

    pub(super) fn key(self, event: &KeyboardEvent) {
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

/// Whether a cell has a colour that is not hidden.
fn is_shown(coloured: &Coloured, hidden: &BTreeSet<u16>, cell: usize) -> bool {
    let level = coloured.paint.level_of_cell.get(cell);
    level.is_some_and(|level| *level != splat::UNPAINTED && !hidden.contains(level))
}

fn place(event: &PointerEvent) -> (f64, f64) {
    (f64::from(event.offset_x()), f64::from(event.offset_y()))
}
