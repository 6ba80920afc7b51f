//! Arrows over a cloud of cells: where cells lie, and where something would take them.

use leptos::prelude::*;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 26.0;
/// Length of an arrow's head, in the units of the drawing.
const HEAD: f64 = 7.0;
/// Share of the width that the longest arrow takes at most, where it is drawn longer than it is.
const LONGEST: f64 = 0.16;
/// How many times as long as they are arrows may be drawn.
pub const TIMES: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];

/// Dots of one colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Dots {
    /// Class of the stylesheet.
    pub class: &'static str,
    /// Colour on paper.
    pub colour: &'static str,
    /// Places.
    pub places: Vec<[f64; 2]>,
}

/// An arrow.
#[derive(Debug, Clone, PartialEq)]
pub struct Stroke {
    /// Class of the stylesheet.
    pub class: &'static str,
    /// Where it starts.
    pub from: [f64; 2],
    /// Where it ends.
    pub to: [f64; 2],
    /// In words.
    pub title: String,
}

impl Stroke {
    fn is_finite(&self) -> bool {
        self.from.iter().chain(&self.to).all(|value| value.is_finite())
    }

    fn length(&self) -> f64 {
        (self.to[0] - self.from[0]).hypot(self.to[1] - self.from[1])
    }
}

/// Where the drawing lies: one scale for both axes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    middle: [f64; 2],
    scale: f64,
}

impl Frame {
    fn of(dots: &[Dots]) -> Option<Self> {
        let mut range = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
        for place in dots.iter().flat_map(|dots| &dots.places) {
            for axis in 0..2 {
                range[axis] = [range[axis][0].min(place[axis]), range[axis][1].max(place[axis])];
            }
        }
        let span = |axis: usize| (range[axis][1] - range[axis][0]).max(1e-9);
        let scale = ((WIDTH - 2.0 * MARGIN) / span(0)).min((HEIGHT - 2.0 * MARGIN) / span(1));
        let middle = [0, 1].map(|axis| f64::midpoint(range[axis][0], range[axis][1]));
        middle.iter().all(|value| value.is_finite()).then_some(Self { middle, scale })
    }

    fn place(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [WIDTH / 2.0 + (x - self.middle[0]) * self.scale, HEIGHT / 2.0 - (y - self.middle[1]) * self.scale]
    }
}

/// How many times as long as they are arrows are best drawn: as often as the longest keeps within a share of the width.
pub fn fitting(dots: &[Dots], strokes: &[Stroke]) -> f64 {
    let Some(frame) = Frame::of(dots) else { return 1.0 };
    let longest = strokes.iter().filter(|stroke| stroke.is_finite()).map(Stroke::length).fold(0.0, f64::max);
    let fits = |times: &&f64| longest * frame.scale * **times <= LONGEST * WIDTH;
    TIMES.iter().rev().find(fits).copied().unwrap_or(1.0)
}

/// The drawing; arrows are drawn `times` as long as they are.
#[component]
pub fn Arrows(dots: Vec<Dots>, strokes: Vec<Stroke>, times: f64, axes: [String; 2], spoken: String) -> impl IntoView {
    let Some(frame) = Frame::of(&dots) else { return ().into_any() };
    let clouds: Vec<_> = dots
        .iter()
        .map(|dots| {
            // Segments without length, whose round ends are dots.
            let path: String = dots
                .places
                .iter()
                .map(|place| {
                    let [x, y] = frame.place(*place);
                    format!("M{x:.1} {y:.1}h0")
                })
                .collect();
            view! {
                <path class=dots.class d=path stroke=dots.colour stroke-width="3.4" stroke-linecap="round" stroke-opacity="0.45" fill="none" />
            }
        })
        .collect();
    let arrows: Vec<_> =
        strokes.iter().filter(|stroke| stroke.is_finite()).map(|stroke| arrow(stroke, frame, times)).collect();
    let [across, up] = axes;
    view! {
        <svg class="drawn arrows" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=spoken data-testid="shift-map">
            {clouds}
            {arrows}
            <text class="label" x=WIDTH / 2.0 y=HEIGHT - 6.0 text-anchor="middle">{across}</text>
            <text class="label" x="0" y="0" transform=format!("translate(11 {}) rotate(-90)", HEIGHT / 2.0) text-anchor="middle">{up}</text>
        </svg>
    }
    .into_any()
}

fn arrow(stroke: &Stroke, frame: Frame, times: f64) -> impl IntoView + use<> {
    let [from, to] = [0.0, times]
        .map(|share| frame.place([0, 1].map(|axis| stroke.from[axis] + share * (stroke.to[axis] - stroke.from[axis]))));
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    let length = dx.hypot(dy);
    let head = (length > 1.0).then(|| {
        let (ux, uy) = (dx / length, dy / length);
        let size = HEAD.min(length);
        let base = [to[0] - ux * size, to[1] - uy * size];
        let half = size * 0.45;
        let corners =
            [[to[0], to[1]], [base[0] - uy * half, base[1] + ux * half], [base[0] + uy * half, base[1] - ux * half]];
        let points: Vec<String> = corners.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        view! { <polygon class=stroke.class points=points.join(" ") /> }
    });
    view! {
        <g>
            <title>{stroke.title.clone()}</title>
            <line class=stroke.class x1=from[0] y1=from[1] x2=to[0] y2=to[1] stroke="#333" stroke-width="1.6" />
            {head}
        </g>
    }
}

#[cfg(test)]
mod tests {
    use super::{Dots, Frame, Stroke, fitting};

    #[test]
    fn short_arrows_are_drawn_longer_and_long_ones_as_they_are() {
        let dots = vec![Dots { class: "", colour: "", places: vec![[-5.0, -5.0], [5.0, 5.0]] }];
        let stroke = |x: f64| Stroke { class: "", from: [0.0, 0.0], to: [x, 0.0], title: String::new() };
        assert_eq!(fitting(&dots, &[stroke(8.0)]), 1.0);
        assert_eq!(fitting(&dots, &[stroke(0.2), stroke(f64::NAN)]), 10.0);
        assert_eq!(fitting(&dots, &[stroke(0.0)]), 50.0);
        assert_eq!(fitting(&[], &[stroke(1.0)]), 1.0);
        let frame = Frame::of(&dots).expect("two dots");
        assert_eq!(frame.place([0.0, 0.0]), [280.0, 210.0]);
    }
}
