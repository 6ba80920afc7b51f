//! Predicted change per gene as bars, the training mean and the measurement beside it.

use leptos::prelude::*;

use crate::format::{signed, tick};
use crate::plots::axis::ticks;

const WIDTH: f64 = 560.0;
const LEFT: f64 = 92.0;
const RIGHT: f64 = 14.0;
const ROW: f64 = 17.5;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 38.0;

/// One gene of the plot; changes against control in log1p units.
#[derive(Debug, Clone, PartialEq)]
pub struct BarRow {
    /// Symbol.
    pub gene: String,
    /// The model's change.
    pub predicted: f64,
    /// Half width of the interval around it.
    pub half_width: Option<f64>,
    /// The mean change over the training perturbations.
    pub training_mean: Option<f64>,
    /// Of a combination, the sum of the changes that were measured for its genes alone.
    pub additive: Option<f64>,
    /// The measured change with its standard error.
    pub measured: Option<(f64, f64)>,
}

impl BarRow {
    /// The numbers in words.
    fn spoken(&self) -> String {
        let mut text = format!("{}: predicted {}", self.gene, signed(self.predicted));
        if let Some(half_width) = self.half_width {
            text.push_str(&format!(" ± {}", signed(half_width).trim_start_matches('+')));
        }
        if let Some(mean) = self.training_mean {
            text.push_str(&format!(", training mean {}", signed(mean)));
        }
        if let Some(additive) = self.additive {
            text.push_str(&format!(", sum of single changes {}", signed(additive)));
        }
        if let Some((measured, error)) = self.measured {
            text.push_str(&format!(", measured {} ± {}", signed(measured), signed(error).trim_start_matches('+')));
        }
        text + " log1p units"
    }
}

/// Smallest and largest number shown, 0 included, a twentieth wider on both sides.
fn extent(rows: &[BarRow]) -> (f64, f64) {
    let values = rows.iter().flat_map(|row| {
        let whisker = row.measured.map_or([None, None], |(m, e)| [Some(m - e), Some(m + e)]);
        let band = row.half_width.map_or([None, None], |w| [Some(row.predicted - w), Some(row.predicted + w)]);
        [Some(row.predicted), row.training_mean, row.additive, whisker[0], whisker[1], band[0], band[1]]
    });
    let (low, high) = values
        .flatten()
        .filter(|value| value.is_finite())
        .fold((0.0_f64, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)));
    let pad = ((high - low) * 0.05).max(1e-6);
    (low - pad, high + pad)
}

/// Horizontal bars, one row per gene, in the order given; 0 is no change.
#[component]
pub fn Bars(rows: Vec<BarRow>) -> impl IntoView {
    let (low, high) = extent(&rows);
    let height = TOP + ROW * rows.len() as f64 + BOTTOM;
    let bottom = height - BOTTOM;
    let x = move |value: f64| LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT);
    let grid = ticks(low, high, 6).into_iter().map(|value| {
        let class = if value == 0.0 { "zero" } else { "grid" };
        view! {
            <line class=class x1=x(value) x2=x(value) y1=TOP y2=bottom />
            <text class="tick" x=x(value) y=bottom + 14.0 text-anchor="middle">{tick(value)}</text>
        }
    });
    let grid = grid.collect_view();
    let bars = rows.iter().enumerate().map(|(i, row)| draw(row, TOP + ROW * (i as f64 + 0.5), x)).collect_view();
    let spoken = format!("Predicted change of {} genes against control cells, in log1p units", rows.len());
    view! {
        <svg class="bars" viewBox=format!("0 0 {WIDTH} {height}") role="img" aria-label=spoken data-testid="bar-plot">
            {grid}
            {bars}
            <text class="label" x=(LEFT + WIDTH - RIGHT) / 2.0 y=height - 6.0 text-anchor="middle">
                "Change against control cells (log1p units)"
            </text>
        </svg>
    }
}

fn draw(row: &BarRow, y: f64, x: impl Fn(f64) -> f64) -> AnyView {
    let (from, to) = (x(row.predicted.min(0.0)), x(row.predicted.max(0.0)));
    let band = row.half_width.map(|half_width| {
        let (left, right) = (x(row.predicted - half_width), x(row.predicted + half_width));
        view! { <rect class="band" x=left y=y - 7.0 width=right - left height="14" /> }
    });
    let mean = row.training_mean.map(|mean| {
        let points = diamond(x(mean), y);
        view! { <polygon class="mean" points=points /> }
    });
    let sum = row.additive.map(|additive| {
        let points = diamond(x(additive), y);
        view! { <polygon class="sum" points=points /> }
    });
    let measured = row.measured.map(|(measured, error)| {
        let (left, right) = (x(measured - error), x(measured + error));
        view! {
            <line class="whisker" x1=left x2=right y1=y y2=y />
            <line class="whisker" x1=left x2=left y1=y - 3.0 y2=y + 3.0 />
            <line class="whisker" x1=right x2=right y1=y - 3.0 y2=y + 3.0 />
            <circle class="measured" cx=x(measured) cy=y r="3.6" />
        }
    });
    view! {
        <g>
            <title>{row.spoken()}</title>
            <rect class="hit" x="0" y=y - ROW / 2.0 width=WIDTH height=ROW />
            <text class="gene" x=LEFT - 8.0 y=y + 4.0 text-anchor="end">{row.gene.clone()}</text>
            {band}
            <rect class="predicted" x=from y=y - 5.0 width=(to - from).max(0.8) height="10" />
            {mean}
            {sum}
            {measured}
        </g>
    }
    .into_any()
}

fn diamond(x: f64, y: f64) -> String {
    format!("{},{y} {x},{} {},{y} {x},{}", x - 4.5, y - 4.5, x + 4.5, y + 4.5)
}

/// What the marks mean.
#[component]
pub fn BarLegend(interval: Option<f64>, has_mean: bool, has_sum: bool, has_measured: bool) -> impl IntoView {
    let band = interval.map(|promised| {
        view! {
            <li>
                <svg viewBox="0 0 18 14" aria-hidden="true"><rect class="band" x="0" y="0" width="18" height="14" /></svg>
                {format!("{:.0} % interval", 100.0 * promised)}
            </li>
        }
    });
    let mean = has_mean.then(|| {
        view! { <li><svg viewBox="0 0 12 12" aria-hidden="true"><polygon class="mean" points=diamond(6.0, 6.0) /></svg>"training mean"</li> }
    });
    let sum = has_sum.then(|| {
        view! { <li><svg viewBox="0 0 12 12" aria-hidden="true"><polygon class="sum" points=diamond(6.0, 6.0) /></svg>"single changes added"</li> }
    });
    let measured = has_measured.then(|| {
        view! {
            <li>
                <svg viewBox="0 0 18 12" aria-hidden="true">
                    <line class="whisker" x1="1" x2="17" y1="6" y2="6" />
                    <line class="whisker" x1="1" x2="1" y1="3" y2="9" />
                    <line class="whisker" x1="17" x2="17" y1="3" y2="9" />
                    <circle class="measured" cx="9" cy="6" r="3.6" />
                </svg>
                "measured ± standard error"
            </li>
        }
    });
    view! {
        <ul class="legend">
            <li><svg viewBox="0 0 12 12" aria-hidden="true"><rect class="predicted" x="0" y="2" width="12" height="8" /></svg>"predicted"</li>
            {band}
            {mean}
            {sum}
            {measured}
            <li><svg viewBox="0 0 12 12" aria-hidden="true"><line class="zero" x1="6" x2="6" y1="0" y2="12" /></svg>"0 = no change"</li>
        </ul>
    }
}

#[cfg(test)]
mod tests {
    use super::{BarRow, extent};

    #[test]
    fn the_extent_holds_zero_the_whiskers_and_the_interval() {
        let row = |half_width| BarRow {
            gene: "A".into(),
            predicted: 0.2,
            half_width,
            training_mean: None,
            additive: None,
            measured: Some((0.5, 0.1)),
        };
        let (low, high) = extent(&[row(None)]);
        assert!(low < 0.0 && low > -0.1 && high > 0.6 && high < 0.7);
        let (low, high) = extent(&[row(Some(1.0))]);
        assert!(low < -0.8 && low > -0.95 && high > 1.2 && high < 1.35);
    }
}
