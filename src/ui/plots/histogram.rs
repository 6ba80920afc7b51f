//! A histogram in SVG.

use leptos::prelude::*;

use crate::format::{count, significant, tick};
use crate::plots::axis::{range, ticks};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 128.0;
const LEFT: f64 = 46.0;
const BOTTOM: f64 = 36.0;
const TOP: f64 = 8.0;

/// Bins of equal width over the range of `values`, more where there are more values.
///
/// Whole numbers get bins that hold equally many of them: otherwise some bins would look empty.
fn bins(values: &[f32], low: f64, high: f64) -> Bins {
    let n_wanted = ((values.len() as f64).sqrt() as usize * 2).clamp(10, 40);
    let is_whole = values.iter().filter(|value| value.is_finite()).all(|value| value.fract() == 0.0);
    let (width, n_bins) = if is_whole {
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

struct Bins {
    width: f64,
    counts: Vec<usize>,
}

fn median(values: &[f32]) -> f64 {
    let mut sorted: Vec<f32> = values.iter().copied().filter(|value| value.is_finite()).collect();
    if sorted.is_empty() {
        return f64::NAN;
    }
    let middle = sorted.len() / 2;
    let (_, value, _) = sorted.select_nth_unstable_by(middle, f32::total_cmp);
    f64::from(*value)
}

/// Distribution of `values`; `label` names the quantity with its unit, `unit` what one row is.
#[component]
pub fn Histogram(
    values: Vec<f32>,
    title: &'static str,
    label: String,
    unit: &'static str,
    testid: &'static str,
) -> impl IntoView {
    let Some((low, high)) = range(&values) else {
        return view! { <figure class="plot" data-testid=testid><figcaption>{title}": nothing to show"</figcaption></figure> }
            .into_any();
    };
    // A constant gets one bar at the left of a range of its own.
    let (low, high) = if high > low { (low, high) } else { (low, low + 1.0) };
    let Bins { width: bin, counts } = bins(&values, low, high);
    let high = low + bin * counts.len() as f64;
    let top = counts.iter().copied().max().unwrap_or(1).max(1) as f64;
    let x = move |value: f64| LEFT + (value - low) / (high - low) * (WIDTH - LEFT - 8.0);
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
    let middle = median(&values);
    let caption = format!("median {}", significant(middle));
    let spoken = format!("{title}: histogram of {} {unit}, median {}", count(values.len() as u64), significant(middle));
    view! {
        <figure class="plot" data-testid=testid>
            <figcaption><strong>{title}</strong><span>{caption}</span></figcaption>
            <svg viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=spoken>
                {count_axis(top, y)}
                {bars}
                <line class="axis" x1=LEFT x2=WIDTH - 8.0 y1=HEIGHT - BOTTOM y2=HEIGHT - BOTTOM />
                <line class="median" x1=x(middle) x2=x(middle) y1=TOP y2=HEIGHT - BOTTOM />
                {value_axis(low, high, x)}
                <text class="label" x=(LEFT + WIDTH - 8.0) / 2.0 y=HEIGHT - 4.0 text-anchor="middle">{label}</text>
                <text class="label" transform=format!("translate(11 {}) rotate(-90)", (HEIGHT - BOTTOM + TOP) / 2.0) text-anchor="middle">
                    {unit}
                </text>
            </svg>
        </figure>
    }
        .into_any()
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
    use super::{bins, median};

    #[test]
    fn every_finite_value_is_in_a_bin() {
        let values: Vec<f32> = (0..100).map(|i| i as f32).chain([f32::NAN]).collect();
        assert_eq!(bins(&values, 0.0, 99.0).counts.iter().sum::<usize>(), 100);
        assert_eq!(median(&values), 50.0);
    }

    #[test]
    fn whole_numbers_leave_no_bin_empty() {
        let values: Vec<f32> = (230..=262).map(|i| i as f32).collect();
        let bins = bins(&values, 230.0, 262.0);
        assert!(bins.counts[..bins.counts.len() - 1].iter().all(|n| *n as f64 == bins.width), "{:?}", bins.counts);
    }
}
