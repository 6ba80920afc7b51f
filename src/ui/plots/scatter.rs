//! A scatter map on a canvas: one dot per cell, coloured by class or by value, with a tooltip.
//!
//! Maps that share `hovered` mark the same cell: that is the whole link between them.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement};

use crate::app::Shared;
use crate::plots::axis::range;
use crate::views::shell::Theme;

const MARGIN: f64 = 14.0;
const REACH: f64 = 12.0;

/// Colour of every dot: an index into `palette`, and the order of painting (highest last).
#[derive(Debug, Clone, PartialEq)]
pub struct Paint {
    /// Palette index per cell.
    pub class_of_cell: Vec<u8>,
    /// CSS colours, custom properties included.
    pub palette: Vec<String>,
}

/// Coordinates of the dots.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// First coordinate.
    pub x: Vec<f32>,
    /// Second coordinate.
    pub y: Vec<f32>,
}

/// Maps coordinates to pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    x_scale: f64,
    y_scale: f64,
    left: f64,
    bottom: f64,
    width: f64,
}

impl Frame {
    /// `is_map`: both axes on one scale, so that distances mean something.
    fn fit(points: &Points, is_map: bool, width: f64, height: f64) -> Self {
        let (x_low, x_high) = range(&points.x).unwrap_or((0.0, 1.0));
        let (y_low, y_high) = range(&points.y).unwrap_or((0.0, 1.0));
        let span = |low: f64, high: f64| (high - low).max(1e-9);
        let room = |size: f64| (size - 2.0 * MARGIN).max(1.0);
        let (x_scale, y_scale) = (room(width) / span(x_low, x_high), room(height) / span(y_low, y_high));
        let shared = x_scale.min(y_scale);
        let (x_scale, y_scale) = if is_map { (shared, shared) } else { (x_scale, y_scale) };
        let left = (width - x_scale * (x_low + x_high)) / 2.0;
        let bottom = (height + y_scale * (y_low + y_high)) / 2.0;
        Self { x_scale, y_scale, left, bottom, width }
    }

    fn place(&self, x: f32, y: f32) -> (f64, f64) {
        (self.left + self.x_scale * f64::from(x), self.bottom - self.y_scale * f64::from(y))
    }

    /// How far a tooltip at `left` is shifted so that it stays on the page.
    fn shift(&self, left: f64) -> &'static str {
        match left {
            left if left < 120.0 => "-10px",
            left if left > self.width - 120.0 => "calc(10px - 100%)",
            _ => "-50%",
        }
    }

    /// The dot nearest to a pixel, if one is in reach.
    fn nearest(&self, points: &Points, to: (f64, f64)) -> Option<usize> {
        let distances = points.x.iter().zip(&points.y).map(|(x, y)| {
            let at = self.place(*x, *y);
            (at.0 - to.0).powi(2) + (at.1 - to.1).powi(2)
        });
        let nearest = distances.enumerate().filter(|(_, d)| d.is_finite()).min_by(|a, b| a.1.total_cmp(&b.1));
        nearest.filter(|(_, distance)| *distance <= REACH * REACH).map(|(i, _)| i)
    }
}

/// The map. `describe` says what the tooltip shows for a cell.
#[component]
pub fn Scatter(
    points: Shared<Points>,
    axes: [String; 2],
    /// Whether distances mean something, so that both axes have one scale.
    #[prop(default = true)]
    is_map: bool,
    #[prop(into)] paint: Signal<Shared<Paint>>,
    hovered: RwSignal<Option<usize>>,
    #[prop(into)] theme: Signal<Theme>,
    describe: impl Fn(usize) -> String + Send + Sync + 'static,
    spoken: String,
    testid: &'static str,
) -> impl IntoView {
    let canvas: NodeRef<html::Canvas> = NodeRef::new();
    let frame = RwSignal::new(None::<Frame>);
    keep_painted(canvas, frame, is_map, points.clone(), paint, theme);
    let moved = {
        let points = points.clone();
        move |event: leptos::ev::PointerEvent| {
            let at = (f64::from(event.offset_x()), f64::from(event.offset_y()));
            hovered.set(frame.get().and_then(|frame| frame.nearest(&points, at)));
        }
    };
    let [x_axis, y_axis] = axes;
    view! {
        <div class="map">
            <span class="y-axis">{y_axis}</span>
            <div class="field">
                <canvas
                    role="img"
                    aria-label=spoken
                    data-testid=testid
                    node_ref=canvas
                    on:pointermove=moved
                    on:pointerleave=move |_| hovered.set(None)
                ></canvas>
                {move || hovered.get().and_then(|cell| mark(&points, frame.get()?, cell, describe(cell)))}
            </div>
            <span class="x-axis">{x_axis}</span>
        </div>
    }
}

/// Paints the dots anew whenever their colours, the theme or the size of the window change.
fn keep_painted(
    canvas: NodeRef<html::Canvas>,
    frame: RwSignal<Option<Frame>>,
    is_map: bool,
    points: Shared<Points>,
    paint: Signal<Shared<Paint>>,
    theme: Signal<Theme>,
) {
    let resized = RwSignal::new(0_u32);
    let handle = window_event_listener(leptos::ev::resize, move |_| {
        resized.update(|n| *n = n.wrapping_add(1));
    });
    on_cleanup(move || handle.remove());
    Effect::new(move |_| {
        resized.get();
        theme.get();
        let paint = paint.get();
        let Some(canvas) = canvas.get() else { return };
        let points = points.clone();
        // After layout, when the canvas has its size.
        request_animation_frame(move || {
            // A plot that was taken down meanwhile has no frame.
            frame.try_set(Some(repaint(&canvas, is_map, &points, &paint)));
        });
    });
}

/// The ring around the hovered cell and its tooltip.
fn mark(points: &Points, frame: Frame, cell: usize, text: String) -> Option<impl IntoView + use<>> {
    let (x, y) = (points.x.get(cell)?, points.y.get(cell)?);
    let (left, top) = frame.place(*x, *y);
    Some(view! {
        <div class="mark" style=format!("left:{left:.1}px;top:{top:.1}px")></div>
        <div class="tip" style=format!("left:{left:.1}px;top:{top:.1}px;--shift:{}", frame.shift(left))>{text}</div>
    })
}

/// Paints all dots and returns where they lie.
fn repaint(canvas: &HtmlCanvasElement, is_map: bool, points: &Points, paint: &Paint) -> Frame {
    let (width, height) = (f64::from(canvas.client_width()), f64::from(canvas.client_height()));
    let frame = Frame::fit(points, is_map, width, height);
    let density = window().device_pixel_ratio().max(1.0);
    canvas.set_width((width * density) as u32);
    canvas.set_height((height * density) as u32);
    let context = canvas.get_context("2d").ok().flatten();
    let Some(context) = context.and_then(|context| context.dyn_into::<CanvasRenderingContext2d>().ok()) else {
        return frame;
    };
    // Scaling by a finite number cannot fail.
    let _ = context.scale(density, density);
    let n = points.x.len();
    let radius = (220.0 / (n.max(1) as f64).sqrt()).clamp(1.3, 4.0);
    context.set_global_alpha(if n > 5_000 { 0.6 } else { 0.8 });
    for (class, colour) in paint.palette.iter().enumerate() {
        context.set_fill_style_str(&resolve(canvas, colour));
        context.begin_path();
        for cell in (0..n).filter(|cell| paint.class_of_cell.get(*cell).copied() == Some(class as u8)) {
            let (x, y) = frame.place(points.x[cell], points.y[cell]);
            if x.is_finite() && y.is_finite() {
                context.move_to(x + radius, y);
                // A positive radius cannot fail.
                let _ = context.arc(x, y, radius, 0.0, std::f64::consts::TAU);
            }
        }
        context.fill();
    }
    frame
}

/// A colour as the canvas takes it: custom properties are resolved against the theme.
fn resolve(canvas: &HtmlCanvasElement, colour: &str) -> String {
    let style = HtmlElement::style(canvas);
    // An invalid colour leaves the inherited one, which is visible too.
    let _ = style.set_property("color", colour);
    let computed = window().get_computed_style(canvas).ok().flatten();
    computed.and_then(|style| style.get_property_value("color").ok()).unwrap_or_else(|| "gray".into())
}

#[cfg(test)]
mod tests {
    use super::{Frame, Points};

    #[test]
    fn dots_lie_inside_and_are_found() {
        let points = Points { x: vec![-2.0, 0.0, 4.0], y: vec![1.0, 0.0, -1.0] };
        for is_map in [true, false] {
            let frame = Frame::fit(&points, is_map, 400.0, 300.0);
            for (i, (x, y)) in points.x.iter().zip(&points.y).enumerate() {
                let (px, py) = frame.place(*x, *y);
                assert!((0.0..=400.0).contains(&px) && (0.0..=300.0).contains(&py));
                assert_eq!(frame.nearest(&points, (px + 2.0, py - 2.0)), Some(i));
            }
            assert_eq!(frame.nearest(&points, (399.0, 1.0)), None);
            assert_eq!(frame.x_scale == frame.y_scale, is_map);
        }
    }
}
