//! Losses over steps: lines in SVG, on a logarithmic axis where they span much, with the values under the pointer.

use leptos::ev::PointerEvent;
use leptos::prelude::*;

use crate::format::{count, significant, tick};
use crate::plots::axis::{ticks, x_in_svg};

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = HEIGHT - 34.0;
/// Largest over smallest value from which on the axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it is, in words.
    pub name: String,
    /// CSS colour, custom properties included.
    pub colour: String,
    /// Whether it is drawn with dashes.
    pub is_dashed: bool,
    /// Steps, ascending, and values.
    pub points: Vec<(f64, f64)>,
    /// Which of the points is marked with a dot.
    pub best: Option<usize>,
}

impl Line {
    /// The point nearest to a step.
    fn nearest(&self, step: f64) -> Option<(f64, f64)> {
        let after = self.points.partition_point(|(at, _)| *at < step);
        let around = [after.checked_sub(1), Some(after)].into_iter().flatten();
        let around = around.filter_map(|i| self.points.get(i).copied());
        around.min_by(|a, b| (a.0 - step).abs().total_cmp(&(b.0 - step).abs()))
    }
}

/// Where steps and values lie in the plot.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Frame {
    last_step: f64,
    low: f64,
    high: f64,
    is_log: bool,
}

impl Frame {
    /// Around all points; none where there is none that is finite.
    fn around(lines: &[Line]) -> Option<Self> {
        let points = || lines.iter().flat_map(|line| &line.points).filter(|(_, value)| value.is_finite());
        let last_step = points().map(|(step, _)| *step).fold(1.0, f64::max);
        let (low, high) = points().map(|(_, value)| *value).fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        })?;
        let is_log = low > 0.0 && high / low >= LOG_FROM;
        if is_log {
            return Some(Self { last_step, low: low / 1.1, high: high * 1.1, is_log });
        }
        let pad = if high > low { (high - low) * 0.05 } else { (high.abs() * 0.05).max(1e-6) };
        Some(Self { last_step, low: low - pad, high: high + pad, is_log })
    }

    fn x(self, step: f64) -> f64 {
        LEFT + step / self.last_step * (RIGHT - LEFT)
    }

    fn y(self, value: f64) -> f64 {
        let share = match self.is_log {
            true => (value.max(f64::MIN_POSITIVE) / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        BOTTOM - share * (BOTTOM - TOP)
    }

    fn step_at(self, x: f64) -> f64 {
        ((x - LEFT) / (RIGHT - LEFT)).clamp(0.0, 1.0) * self.last_step
    }

    /// Round values inside.
    fn marks(self) -> Vec<f64> {
        if !self.is_log {
            return ticks(self.low, self.high, 4);
        }
        let decades = (self.high / self.low).log10();
        let multiples: &[f64] = if decades < 2.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let powers = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let every = ((decades / 5.0).ceil() as i32).max(1);
        let powers = powers.filter(|power| power % every == 0).map(|power| 10f64.powi(power));
        let marks = powers.flat_map(|power| multiples.iter().map(move |multiple| multiple * power));
        marks.filter(|mark| (self.low..=self.high).contains(mark)).collect()
    }

    fn path(self, line: &Line) -> String {
        let mut path = String::with_capacity(12 * line.points.len());
        let mut is_pen_down = false;
        for (step, value) in &line.points {
            if value.is_finite() {
                let letter = if is_pen_down { 'L' } else { 'M' };
                path.push_str(&format!("{letter}{:.1} {:.1}", self.x(*step), self.y(*value)));
            }
            is_pen_down = value.is_finite();
        }
        path
    }
}

/// A tick of the value axis; very small ones as powers.
fn value_tick(value: f64) -> String {
    match value.abs() {
        size if size > 0.0 && size < 1e-3 => format!("{value:e}").replace('-', "−"),
        _ => tick(value),
    }
}

/// The curves of one plot, drawn anew where they change.
#[component]
pub fn Curves(#[prop(into)] lines: Signal<Vec<Line>>, title: String, testid: &'static str) -> impl IntoView {
    let pointed_at = RwSignal::new(None::<f64>);
    let frame = Memo::new(move |_| lines.with(|lines| Frame::around(lines)));
    let moved = move |event: PointerEvent| {
        let x = x_in_svg(&event, WIDTH, HEIGHT);
        pointed_at.set(x.zip(frame.get_untracked()).map(|(x, frame)| frame.step_at(x)));
    };
    let said = move || lines.with(|lines| readout(lines, pointed_at.get()));
    let spoken = title.clone();
    let scale = move || frame.get().map(|frame| if frame.is_log { "loss (log scale)" } else { "loss" });
    let pointer = move || {
        let (frame, step) = (frame.get()?, pointed_at.get()?);
        lines.with(|lines| {
            let marks = lines.iter().filter_map(|line| {
                let (step, value) = line.nearest(step)?;
                let style = format!("fill:{}", line.colour);
                Some(view! { <circle class="pointed" style=style cx=frame.x(step) cy=frame.y(value) r="3" /> })
            });
            let x = frame.x(step);
            Some(view! { <line class="axis" x1=x x2=x y1=TOP y2=BOTTOM />{marks.collect_view()} })
        })
    };
    view! {
        <figure class="plot curves" data-testid=testid>
            <figcaption><strong>{title}</strong><span>{said}</span></figcaption>
            <svg
                viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                role="img"
                aria-label=move || format!("{spoken}: {}", lines.with(|lines| readout(lines, None)))
                on:pointermove=moved
                on:pointerleave=move |_| pointed_at.set(None)
            >
                <rect class="hit" x="0" y="0" width=WIDTH height=HEIGHT />
                {move || frame.get().map(axes)}
                {move || frame.get().map(|frame| lines.with(|lines| drawn(frame, lines)))}
                {pointer}
                <text class="label" x=(LEFT + RIGHT) / 2.0 y=HEIGHT - 4.0 text-anchor="middle">"step"</text>
                <text class="label" x="0" y="0" transform=format!("translate(11 {}) rotate(-90)", (TOP + BOTTOM) / 2.0) text-anchor="middle">{scale}</text>
            </svg>
        </figure>
    }
}

/// The values at a step, or the last ones.
fn readout(lines: &[Line], step: Option<f64>) -> String {
    let point = |line: &Line| match step {
        Some(step) => line.nearest(step),
        None => line.points.last().copied(),
    };
    let values = lines.iter().filter_map(|line| Some((line, point(line)?)));
    let at = values.clone().map(|(_, (step, _))| step).next();
    let values: Vec<String> =
        values.map(|(line, (_, value))| format!("{} {}", line.name, significant(value))).collect();
    at.map_or_else(String::new, |step| format!("step {}: {}", count(step as u64), values.join(", ")))
}

fn axes(frame: Frame) -> impl IntoView {
    let values = frame.marks().into_iter().map(|value| {
        let y = frame.y(value);
        view! {
            <line class="grid" x1=LEFT x2=RIGHT y1=y y2=y />
            <text class="tick" x=LEFT - 5.0 y=y + 3.5 text-anchor="end">{value_tick(value)}</text>
        }
    });
    let steps = ticks(0.0, frame.last_step, 5).into_iter().filter(|step| step.fract() == 0.0).map(|step| {
        view! { <text class="tick" x=frame.x(step) y=BOTTOM + 14.0 text-anchor="middle">{tick(step)}</text> }
    });
    view! { {values.collect_view()}{steps.collect_view()} }
}

fn drawn(frame: Frame, lines: &[Line]) -> impl IntoView + use<> {
    let lines = lines.iter().map(|line| {
        let class = if line.is_dashed { "curve dashed" } else { "curve" };
        let best = line.best.and_then(|i| line.points.get(i)).map(|(step, value)| {
            let style = format!("stroke:{}", line.colour);
            view! { <circle class="best" style=style cx=frame.x(*step) cy=frame.y(*value) r="4"><title>"the best validation"</title></circle> }
        });
        view! { <path class=class style=format!("stroke:{}", line.colour) d=frame.path(line) />{best} }
    });
    lines.collect_view()
}

#[cfg(test)]
mod tests {
    use super::{BOTTOM, Frame, LEFT, Line, RIGHT, TOP, readout};

    fn line(values: &[f64]) -> Line {
        let points = values.iter().enumerate().map(|(i, value)| (10.0 * i as f64, *value)).collect();
        Line { name: "training".into(), colour: "red".into(), is_dashed: false, points, best: None }
    }

    #[test]
    fn the_axis_is_logarithmic_where_values_span_much() {
        for (values, is_log) in
            [(vec![50.0, 1.0], true), (vec![50.0, 10.0], false), (vec![50.0, -1.0], false), (vec![3.0, 3.0], false)]
        {
            let frame = Frame::around(&[line(&values)]).expect("finite values");
            assert_eq!(frame.is_log, is_log, "{values:?}");
            assert!(values.iter().all(|value| (TOP..=BOTTOM).contains(&frame.y(*value))), "{values:?}");
            assert!(frame.marks().iter().all(|mark| (TOP - 0.1..=BOTTOM + 0.1).contains(&frame.y(*mark))));
            assert!(!frame.marks().is_empty());
        }
        assert_eq!(Frame::around(&[line(&[f64::NAN])]), None);
    }

    #[test]
    fn a_place_is_the_step_that_lies_there() {
        let frame = Frame::around(&[line(&[1.0, 2.0, 3.0])]).expect("finite values");
        assert_eq!((frame.x(0.0), frame.x(20.0)), (LEFT, RIGHT));
        assert!((frame.step_at(frame.x(10.0)) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_gap_where_a_value_is_no_number_and_the_nearest_value_is_read() {
        let line = line(&[1.0, f64::NAN, 2.0, 4.0]);
        let frame = Frame::around(std::slice::from_ref(&line)).expect("finite values");
        assert_eq!(frame.path(&line).matches('M').count(), 2);
        assert_eq!(readout(std::slice::from_ref(&line), Some(23.0)), "step 20: training 2.00");
        assert_eq!(readout(&[line], None), "step 30: training 4.00");
    }
}
