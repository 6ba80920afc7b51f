//! The field of a plot that is drawn as SVG: grid lines with their numbers, and the names of both axes.

use leptos::prelude::*;

use crate::format::tick;

/// Where the field lies, in the units of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge.
    pub bottom: f64,
}

impl Field {
    /// Lines across the horizontal axis at these values, which `x` places.
    pub fn columns<F: Fn(f64) -> f64>(self, values: Vec<f64>, x: F) -> impl IntoView + use<F> {
        let line = |value: f64| {
            let at = x(value);
            view! {
                <line class="grid" x1=at x2=at y1=self.top y2=self.bottom />
                <text class="tick" x=at y=self.bottom + 14.0 text-anchor="middle">{tick(value)}</text>
            }
        };
        values.into_iter().map(line).collect_view()
    }

    /// Lines across the vertical axis at these values, which `y` places.
    pub fn rows<F: Fn(f64) -> f64>(self, values: Vec<f64>, y: F) -> impl IntoView + use<F> {
        let line = |value: f64| {
            let at = y(value);
            view! {
                <line class="grid" x1=self.left x2=self.right y1=at y2=at />
                <text class="tick" x=self.left - 5.0 y=at + 3.5 text-anchor="end">{tick(value)}</text>
            }
        };
        values.into_iter().map(line).collect_view()
    }

    /// What both axes are.
    pub fn names(self, horizontal: &'static str, vertical: &'static str) -> impl IntoView + use<> {
        let (across, down) = (f64::midpoint(self.left, self.right), f64::midpoint(self.top, self.bottom));
        view! {
            <text class="label" x=across y=self.bottom + 34.0 text-anchor="middle">{horizontal}</text>
            <text class="label" x="0" y="0" transform=format!("translate(11 {down}) rotate(-90)") text-anchor="middle">{vertical}</text>
        }
    }
}
