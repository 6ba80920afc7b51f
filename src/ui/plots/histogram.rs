//! A histogram in SVG, with bounds that can be drawn across it.

use leptos::ev::PointerEvent;
use leptos::prelude::*;
use wasm_bindgen::prelude::JsCast;
use web_sys::Element;

use spec::dataset::CellQuality;

use crate::app::Shared;
use crate::format::{count, significant, tick};
use crate::plots::axis::{range, ticks, x_in_svg};
use crate::views::before_after;

/// A bound that a person may set.
#[derive(Clone, Copy)]
pub struct Cut {
    /// What it is called: `fewest counts`.
    pub name: &'static str,
    /// Whether it bounds from below.
    pub is_lower: bool,
    /// Where it is; none where there is no bound.
    pub at: Signal<Option<f64>>,
    /// Takes where it is moved to, and whether it rests there.
    pub moved: Callback<(Option<f64>, bool)>,
    /// Name for tests.
    pub testid: &'static str,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 128.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 36.0;
const TOP: f64 = 8.0;
const RIGHT: f64 = WIDTH - 8.0;
/// Half the width in which a bound can be grabbed.
const GRIP: f64 = 7.0;

/// The axis of values: from `low` at the left to `high` at the right.
#[derive(Clone, Copy)]
struct Axis {
    low: f64,
    high: f64,
    is_whole: bool,
}

impl Axis {
    fn x(self, value: f64) -> f64 {
        LEFT + (value - self.low) / (self.high - self.low) * (RIGHT - LEFT)
    }

    /// The bound at a place: a round number, none at the end of the axis from where it drops nothing.
    fn bound(self, x: f64, is_lower: bool) -> Option<f64> {
        let share = (x - LEFT) / (RIGHT - LEFT);
        if (is_lower && share <= 0.005) || (!is_lower && share >= 0.995) {
            return None;
        }
        let value = self.low + share.clamp(0.0, 1.0) * (self.high - self.low);
        Some(if self.is_whole { value.round() } else { (10.0 * value).round() / 10.0 })
    }
}

/// Bins of equal width over the range of `values`, more where there are more values.
///
/// Whole numbers get bins that hold equally many of them: otherwise some bins would look empty.
fn bins(values: &[f32], low: f64, high: f64) -> Bins {
    let n_wanted = ((values.len() as f64).sqrt() as usize * 2).clamp(10, 40);
    let (width, n_bins) = if are_whole(values) {
        let width = ((high - low + 1.0) / n_wanted as f64).ceil().max(1.0);
        (width, ((high - low + 1.0) / width).ceil() as usize)
    } else {
        ((high - low).max(f64::MIN_POSITIVE) / n_wanted as f64, n_wanted)
    };
    let mut counts = vec![0; n_bins.clamp(1, n_wanted)];
    let last = counts.len() - 1;
    for value in values.iter().copied().filter(|value| value.is_finite()) {
        let bin = ((f64::from(value) - low) / width) as usize;
        counts[bin.min(last)] += 1;
    }
    Bins { width, counts }
}

fn are_whole(values: &[f32]) -> bool {
    values.iter().filter(|value| value.is_finite()).all(|value| value.fract() == 0.0)
}

struct Bins {
    width: f64,
    counts: Vec<usize>,
}

fn median(values: &[f32]) -> f64 {
    before_after::median(values.to_vec()).unwrap_or(f64::NAN)
}

/// Distribution of one column of the quality; `label` names the quantity with its unit, `unit` what one row is.
#[component]
pub fn Histogram(
    quality: Shared<CellQuality>,
    values: fn(&CellQuality) -> &[f32],
    cuts: Vec<Cut>,
    title: &'static str,
    label: String,
    unit: &'static str,
    testid: &'static str,
) -> impl IntoView {
    let values = values(&quality);
    let Some((low, high)) = range(values) else {
        return view! { <figure class="plot" data-testid=testid><figcaption>{title}": nothing to show"</figcaption></figure> }
            .into_any();
    };
    // A constant gets one bar at the left of a range of its own.
    let (low, high) = if high > low { (low, high) } else { (low, low + 1.0) };
    let Bins { width: bin, counts } = bins(values, low, high);
    let high = low + bin * counts.len() as f64;
    let top = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let axis = Axis { low, high, is_whole: are_whole(values) };
    let x = move |value: f64| axis.x(value);
    let y = move |n: f64| HEIGHT - BOTTOM - n / top * (HEIGHT - BOTTOM - TOP);
    let bars = counts.iter().enumerate().filter(|(_, n)| **n > 0).map(|(i, n)| {
        let from = low + bin * i as f64;
        let (left, right, height) = (x(from), x(from + bin), y(*n as f64));
        let what = format!("{} to {}: {} {unit}", significant(from), significant(from + bin), count(*n as u64));
        view! {
            <rect class="bar" x=left + 0.5 y=height width=(right - left - 1.0).max(1.0) height=HEIGHT - BOTTOM - height>
                <title>{what}</title>
            </rect>
        }
    });
    let bars = bars.collect_view();
    let middle = median(values);
    let caption = format!("median {}", significant(middle));
    let spoken = format!("{title}: histogram of {} {unit}, median {}", count(values.len() as u64), significant(middle));
    let inputs = cuts.iter().map(|cut| view! { <BoundInput cut=*cut /> }).collect_view();
    let lines = cuts.iter().map(|cut| view! { <CutLine cut=*cut axis /> }).collect_view();
    view! {
        <figure class="plot" data-testid=testid>
            <figcaption><strong>{title}</strong><span class="bounds">{inputs}</span><span>{caption}</span></figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=spoken>
                {count_axis(top, y)}
                {bars}
                <line class="axis" x1=LEFT x2=WIDTH - 8.0 y1=HEIGHT - BOTTOM y2=HEIGHT - BOTTOM />
                <line class="median" x1=x(middle) x2=x(middle) y1=TOP y2=HEIGHT - BOTTOM />
                {value_axis(low, high, x)}
                {lines}
                <text class="label" x=(LEFT + WIDTH - 8.0) / 2.0 y=HEIGHT - 4.0 text-anchor="middle">{label}</text>
                <text class="label" transform=format!("translate(11 {}) rotate(-90)", (HEIGHT - BOTTOM + TOP) / 2.0) text-anchor="middle">
                    {unit}
                </text>
            </svg>
        </figure>
    }
        .into_any()
}

/// The bound as a number; empty for none.
#[component]
fn BoundInput(cut: Cut) -> impl IntoView {
    let changed = move |event| {
        let bound = event_target_value(&event).trim().parse::<f64>().ok().filter(|bound| bound.is_finite());
        cut.moved.run((bound, true));
    };
    let shown = move || cut.at.get().map(|bound| bound.to_string()).unwrap_or_default();
    let placeholder = cut.name.split(' ').next().unwrap_or_default();
    view! {
        <input
            type="number"
            min="0"
            step="any"
            placeholder=placeholder
            aria-label=cut.name
            title=cut.name
            data-testid=cut.testid
            prop:value=shown
            on:change=changed
        />
    }
}

/// The bound as a line that can be dragged, and the veil over what it drops.
#[component]
fn CutLine(cut: Cut, axis: Axis) -> impl IntoView {
    let is_dragged = RwSignal::new(false);
    let end = if cut.is_lower { LEFT } else { RIGHT };
    let x = Memo::new(move |_| cut.at.get().map_or(end, |bound| axis.x(bound).clamp(LEFT, RIGHT)));
    let bound = move |event: &PointerEvent| Some(axis.bound(x_in_svg(event, WIDTH, HEIGHT)?, cut.is_lower));
    let grabbed = move |event: PointerEvent| {
        if let Some(grip) = event.target().and_then(|target| target.dyn_into::<Element>().ok()) {
            // Without capture the line is lost when the pointer outruns it; it can still be dragged.
            let _ = grip.set_pointer_capture(event.pointer_id());
        }
        event.prevent_default();
        is_dragged.set(true);
    };
    let moved = move |event: PointerEvent, rests: bool| {
        if is_dragged.get_untracked()
            && let Some(bound) = bound(&event)
        {
            cut.moved.run((bound, rests));
        }
        if rests {
            is_dragged.set(false);
        }
    };
    let height = HEIGHT - BOTTOM - TOP;
    view! {
        <rect
            class="dropped"
            x=move || if cut.is_lower { LEFT } else { x.get() }
            y=TOP
            width=move || (x.get() - end).abs()
            height=height
        />
        <line class="cut" class:set=move || cut.at.get().is_some() x1=x x2=x y1=TOP y2=HEIGHT - BOTTOM />
        <rect
            class="grip"
            data-testid=format!("{}-line", cut.testid)
            x=move || x.get() - GRIP
            y=TOP
            width=2.0 * GRIP
            height=height
            on:pointerdown=grabbed
            on:pointermove=move |event| moved(event, false)
            on:pointerup=move |event| moved(event, true)
            on:pointercancel=move |event| moved(event, true)
        />
    }
}

fn count_axis(top: f64, y: impl Fn(f64) -> f64) -> impl IntoView {
    let marks = ticks(0.0, top, 3).into_iter().filter(|n| n.fract() == 0.0).map(|n| {
        view! {
            <line class="grid" x1=LEFT x2=WIDTH - 8.0 y1=y(n) y2=y(n) />
            <text class="tick" x=LEFT - 5.0 y=y(n) + 3.5 text-anchor="end">{tick(n)}</text>
        }
    });
    marks.collect_view()
}

fn value_axis(low: f64, high: f64, x: impl Fn(f64) -> f64) -> impl IntoView {
    let marks = ticks(low, high, 5).into_iter().map(|value| {
        view! { <text class="tick" x=x(value) y=HEIGHT - BOTTOM + 13.0 text-anchor="middle">{tick(value)}</text> }
    });
    marks.collect_view()
}

#[cfg(test)]
mod tests {
    use super::{Axis, LEFT, RIGHT, bins, median};

    #[test]
    fn a_bound_is_round_and_none_where_it_drops_nothing() {
        let axis = Axis { low: 0.0, high: 1000.0, is_whole: true };
        let middle = (LEFT + RIGHT) / 2.0;
        assert_eq!(axis.bound(middle + 0.1, true), Some(500.0));
        assert_eq!((axis.bound(LEFT - 20.0, true), axis.bound(LEFT - 20.0, false)), (None, Some(0.0)));
        assert_eq!((axis.bound(RIGHT + 20.0, true), axis.bound(RIGHT + 20.0, false)), (Some(1000.0), None));
        let percent = Axis { low: 0.0, high: 30.0, is_whole: false };
        assert_eq!(percent.bound(middle + 0.1, false), Some(15.0));
        assert!((percent.x(15.0) - middle).abs() < 1e-9);
    }

    #[test]
    fn every_finite_value_is_in_a_bin() {
        let values: Vec<f32> = (0..100).map(|i| i as f32).chain([f32::NAN]).collect();
        assert_eq!(bins(&values, 0.0, 99.0).counts.iter().sum::<usize>(), 100);
        assert_eq!(median(&values), 49.5);
    }

    #[test]
    fn whole_numbers_leave_no_bin_empty() {
        let values: Vec<f32> = (230..=262).map(|i| i as f32).collect();
        let bins = bins(&values, 230.0, 262.0);
        assert!(bins.counts[..bins.counts.len() - 1].iter().all(|n| *n as f64 == bins.width), "{:?}", bins.counts);
    }
}
