//! Ranges, round ticks, and where in a plot a pointer is.

use leptos::ev::PointerEvent;
use wasm_bindgen::prelude::JsCast;
use web_sys::Element;

/// Where in the units of an SVG of this size a pointer is; it is drawn as large as fits, in the middle.
pub fn x_in_svg(event: &PointerEvent, width: f64, height: f64) -> Option<f64> {
    let plot = event.target()?.dyn_into::<Element>().ok()?.closest("svg").ok()??;
    let area = plot.get_bounding_client_rect();
    let scale = (area.width() / width).min(area.height() / height);
    let left = area.left() + (area.width() - width * scale) / 2.0;
    (scale > 0.0).then(|| (f64::from(event.client_x()) - left) / scale)
}

/// About `n` round ticks inside `low..=high`; one tick where the range is empty or not finite.
pub fn ticks(low: f64, high: f64, n: usize) -> Vec<f64> {
    let span = high - low;
    if !span.is_finite() || span <= 0.0 || n == 0 {
        return vec![if low.is_finite() { low } else { 0.0 }];
    }
    let rough = span / n as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= rough * 0.75).unwrap_or(10.0);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|i| i as f64 * step).collect()
}

/// Smallest and largest finite value; none where there is none.
pub fn range(values: &[f32]) -> Option<(f64, f64)> {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.map(f64::from).fold(None, |range, value| match range {
        None => Some((value, value)),
        Some((low, high)) => Some((low.min(value), high.max(value))),
    })
}

#[cfg(test)]
mod tests {
    use super::{range, ticks};

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks(0.0, 10.0, 5), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(-0.31, 0.52, 4), [-0.2, 0.0, 0.2, 0.4].map(|v: f64| (v / 0.2).round() * 0.2));
        assert_eq!(ticks(3.0, 3.0, 4), [3.0]);
    }

    #[test]
    fn the_range_leaves_out_what_is_not_a_number() {
        assert_eq!(range(&[f32::NAN, 2.0, -1.0]), Some((-1.0, 2.0)));
        assert_eq!(range(&[f32::NAN]), None);
    }
}
