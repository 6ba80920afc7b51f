//! Perturbation by perturbation: where the best simple method stands, where the model, and how far the measurement itself
//! would let one go.

use leptos::prelude::*;
use spec::evaluation::{Evaluation, MethodKind};
use spec::metrics::{Better, Metric};

use crate::app::Shared;
use crate::format::tick;
use crate::plots::axis::ticks;
use crate::views::evaluate::SaveSvg;
use crate::views::evaluate::table::number;

const WIDTH: f64 = 520.0;
const LEFT: f64 = 120.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 8.0;
const ROW: f64 = 17.0;

/// One perturbation in the plot.
struct Bar {
    target: String,
    baseline: Option<f64>,
    model: Option<f64>,
    ceiling: Option<f64>,
}

/// The plot, of a measure that is chosen.
#[component]
pub fn Headroom(report: Shared<Evaluation>) -> impl IntoView {
    let each: Vec<Metric> = report.table.metrics.iter().copied().filter(|metric| !metric.is_of_all_targets()).collect();
    let lead =
        if each.contains(&Metric::GearsPearsonDelta) { Some(Metric::GearsPearsonDelta) } else { each.first().copied() };
    let metric = RwSignal::new(lead.unwrap_or(Metric::GearsPearsonDelta));
    let options = each.iter().map(|one| {
        let one = *one;
        view! { <option value=one.card().label prop:selected=move || metric.get() == one>{one.card().label}</option> }
    });
    let options = options.collect_view();
    let choose = move |event| {
        let label = event_target_value(&event);
        if let Some(chosen) = each.iter().find(|one| one.card().label == label) {
            metric.set(*chosen);
        }
    };
    let drawn = move || plot(&report, metric.get());
    view! {
        <div class="panel">
            <div class="row between">
                <h3>"Headroom by perturbation"</h3>
                <select aria-label="Measure" data-testid="headroom-measure" on:change=choose>{options}</select>
            </div>
            {drawn}
        </div>
    }
}

fn plot(report: &Evaluation, metric: Metric) -> impl IntoView + use<> {
    let column = report.table.metrics.iter().position(|one| *one == metric).unwrap_or(0);
    let mean = |row: usize| report.table.rows[row].cells[column].mean;
    let sign = if metric.card().better == Better::Higher { 1.0 } else { -1.0 };
    let best = report
        .rows_of(MethodKind::Baseline)
        .filter_map(|row| Some((mean(row)? * sign, row)))
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, row)| row);
    let (model, ceiling) = (report.rows_of(MethodKind::Model).next(), report.rows_of(MethodKind::Ceiling).next());
    let value = |row: Option<usize>, at: usize| {
        row.and_then(|row| report.table.rows[row].cells[column].values.get(at).copied().flatten())
    };
    let bar = |(at, target): (usize, &String)| Bar {
        target: target.clone(),
        baseline: value(best, at),
        model: value(model, at),
        ceiling: value(ceiling, at),
    };
    let mut bars: Vec<Bar> = report.table.targets.iter().enumerate().map(bar).collect();
    let key = |bar: &Bar| bar.ceiling.or(bar.baseline).map_or(f64::NEG_INFINITY, |value| sign * value);
    bars.sort_by(|a, b| key(b).total_cmp(&key(a)));
    let best_name = best.map(|row| report.methods[row].name.clone()).unwrap_or_default();
    let model_name = model.map(|row| report.methods[row].name.clone());
    drawn(&bars, &best_name, model_name, metric)
}

fn drawn(bars: &[Bar], best: &str, model: Option<String>, metric: Metric) -> impl IntoView + use<> {
    let values = || bars.iter().flat_map(|bar| [bar.baseline, bar.model, bar.ceiling]).flatten();
    let (low, high) = values().fold((0.0f64, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
    let high = if high > low { high } else { low + 1.0 };
    let x = move |value: f64| LEFT + (value - low) / (high - low) * (RIGHT - LEFT);
    let bottom = TOP + ROW * bars.len() as f64;
    let height = bottom + 36.0;
    let grid = ticks(low, high, 5).into_iter().map(|value| {
        view! {
            <line class="grid" x1=x(value) x2=x(value) y1=TOP y2=bottom />
            <text class="tick" x=x(value) y=bottom + 14.0 text-anchor="middle">{tick(value)}</text>
        }
    });
    let rows = bars.iter().enumerate().map(|(at, bar)| {
        let y = TOP + ROW * (at as f64 + 0.5);
        let ends = bar.baseline.zip(bar.ceiling.or(bar.model));
        let link = ends.map(|(from, to)| view! { <line class="link" x1=x(from) x2=x(to) y1=y y2=y /> });
        let said = |what: &str, value: Option<f64>| value.map(|value| format!("{what} {}", number(value)));
        let said: Vec<String> =
            [said(best, bar.baseline), model.as_deref().and_then(|m| said(m, bar.model)), said("ceiling", bar.ceiling)]
                .into_iter()
                .flatten()
                .collect();
        let title = format!("{}: {}", bar.target, said.join(", "));
        let base = bar.baseline.map(|value| view! { <circle class="dot three" cx=x(value) cy=y r="4" /> });
        let own = bar.model.map(|value| view! { <circle class="dot one" cx=x(value) cy=y r="4.5" /> });
        let top = bar.ceiling.map(|value| {
            view! { <line class="two" stroke-width="3" x1=x(value) x2=x(value) y1=y - 5.0 y2=y + 5.0 /> }
        });
        view! {
            <g data-testid="headroom-row">
                <title>{title}</title>
                <rect class="hit" x="0" y=y - ROW / 2.0 width=WIDTH height=ROW />
                <text class="tick" x=LEFT - 8.0 y=y + 3.5 text-anchor="end">{bar.target.clone()}</text>
                {link}{base}{top}{own}
            </g>
        }
    });
    let label = metric.card().label;
    let legend = model.clone().map(|name| view! { <li><i class="swatch one"></i>{name}</li> });
    let best = best.to_owned();
    view! {
        <figure class="plot">
            <figcaption>
                <ul class="legend">
                    <li><i class="swatch three"></i>{format!("{best} (best simple method)")}</li>
                    {legend}
                    <li><i class="swatch two"></i>"ceiling of two halves"</li>
                </ul>
                <SaveSvg testid="headroom-svg" name="waddington_headroom.svg" />
            </figcaption>
            <div class="tall" tabindex="0" role="region" aria-label="Headroom by perturbation">
                <svg class="drawn" viewBox=format!("0 0 {WIDTH} {height}") role="img" aria-label=format!("{label} of every perturbation: best simple method, model and ceiling")>
                    {grid.collect_view()}
                    {rows.collect_view()}
                    <text class="label" x=(LEFT + RIGHT) / 2.0 y=height - 6.0 text-anchor="middle">{label}</text>
                </svg>
            </div>
        </figure>
    }
}
