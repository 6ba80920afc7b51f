//! Whether intervals hold what they promise, and whether what is far from training is predicted worse.

use leptos::prelude::*;
use spec::evaluation::{Calibration, Evaluation, Level, TargetSupport, WidthBin};

use crate::app::Shared;
use crate::format::{correlation, significant};
use crate::plots::axis::ticks;
use crate::plots::field::Field;
use crate::views::evaluate::SaveSvg;

const WIDTH: f64 = 440.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 54.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = HEIGHT - 40.0;
const FIELD: Field = Field { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM };
/// Classes of the methods' colours, in their order.
const COLOURS: [&str; 3] = ["one", "two", "three"];

/// The plots and the table of coverage.
#[component]
pub fn Trust(report: Shared<Evaluation>) -> impl IntoView {
    let problems: Vec<String> =
        report.calibrations.iter().filter_map(|c| c.problem.as_ref().map(|p| format!("{}: {p}", c.method))).collect();
    let problems = problems.into_iter().map(|text| view! { <p class="quiet">{text}</p> }).collect_view();
    let outside: Vec<&str> =
        report.support.iter().filter(|support| support.is_outside).map(|support| support.target.as_str()).collect();
    let outside = (!outside.is_empty()).then(|| {
        let text =
            format!("Outside of what was learnt from, by their vectors or for want of one: {}.", outside.join(", "));
        view! { <p data-testid="evaluate-outside">{text}</p> }
    });
    view! {
        <div class="panel">
            <h3>"How far to trust it"</h3>
            <div class="evaluate-pair bare">
                <div class="column">
                    <Reliability report=report.clone() />
                    <Levels report=report.clone() />
                    {problems}
                </div>
                <div class="column">
                    <Widths report=report.clone() />
                    <Distance report=report.clone() />
                    {outside}
                </div>
            </div>
        </div>
    }
}

#[component]
fn Reliability(report: Shared<Evaluation>) -> impl IntoView {
    let x = |share: f64| LEFT + share * (RIGHT - LEFT);
    let y = |share: f64| BOTTOM - share * (BOTTOM - TOP);
    let with: Vec<&Calibration> = report.calibrations.iter().filter(|c| !c.levels.is_empty()).collect();
    if with.is_empty() {
        return view! { <p class="quiet">"Too few perturbations were held out to look at intervals."</p> }.into_any();
    }
    let lines: Vec<_> = with
        .iter()
        .zip(COLOURS)
        .map(|(calibration, colour)| {
            let place = |level: &Level| format!("{:.1},{:.1}", x(level.promised), y(level.found));
            let points: Vec<String> = calibration.levels.iter().map(place).collect();
            let dots: Vec<_> = calibration
                .levels
                .iter()
                .map(|level| {
                    let title = format!(
                        "{}: {:.0} % promised, {:.1} % found, half width {} log1p units",
                        calibration.method,
                        100.0 * level.promised,
                        100.0 * level.found,
                        significant(level.half_width)
                    );
                    view! { <circle class=format!("dot {colour}") cx=x(level.promised) cy=y(level.found) r="3.5"><title>{title}</title></circle> }
                })
                .collect();
            view! { <polyline class=format!("curve {colour}") points=points.join(" ") />{dots} }
        })
        .collect();
    let legend: Vec<_> = with
        .iter()
        .zip(COLOURS)
        .map(|(calibration, colour)| view! { <li><i class=format!("swatch {colour}")></i>{calibration.method.clone()}</li> })
        .collect();
    view! {
        <figure class="plot">
            <figcaption>
                <strong>"Coverage of conformal intervals"</strong>
                <ul class="legend">{legend}</ul>
                <SaveSvg testid="calibration-svg" name="waddington_calibration.svg" />
            </figcaption>
            <svg class="drawn" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label="Share of measured changes inside the intervals, against the share that was promised" data-testid="calibration">
                {FIELD.columns(ticks(0.0, 1.0, 5), x)}
                {FIELD.rows(ticks(0.0, 1.0, 5), y)}
                <line class="same" x1=x(0.0) x2=x(1.0) y1=y(0.0) y2=y(1.0) />
                {lines}
                {FIELD.names("share promised", "share found")}
            </svg>
        </figure>
    }
    .into_any()
}

/// Coverage at the level that was asked for.
#[component]
fn Levels(report: Shared<Evaluation>) -> impl IntoView {
    let wanted = report.config.coverage;
    let rows: Vec<_> = report
        .calibrations
        .iter()
        .filter_map(|calibration| {
            let level = calibration.levels.iter().find(|level| level.promised == wanted)?;
            Some(view! {
                <tr>
                    <th scope="row">{calibration.method.clone()}</th>
                    <td>{format!("{:.1} %", 100.0 * level.found)}</td>
                    <td>{format!("± {}", significant(level.half_width))}</td>
                </tr>
            })
        })
        .collect();
    (!rows.is_empty()).then(|| {
        view! {
            <table data-testid="coverage-table">
                <thead><tr><th scope="col">{format!("Intervals of {:.0} %", 100.0 * wanted)}</th><th scope="col">"Inside"</th><th scope="col">"Mean half width (log1p units)"</th></tr></thead>
                <tbody>{rows}</tbody>
            </table>
            <p class="quiet">"Each perturbation is looked at with widths from the others."</p>
        }
    })
}

/// Whether wide intervals stand where errors are large.
#[component]
fn Widths(report: Shared<Evaluation>) -> impl IntoView {
    let with: Vec<&Calibration> = report.calibrations.iter().filter(|c| !c.by_width.is_empty()).collect();
    if with.is_empty() {
        return ().into_any();
    }
    let all = || with.iter().flat_map(|calibration| &calibration.by_width);
    let wide = all().map(|bin| bin.half_width).fold(1e-6, f64::max);
    let most = all().map(|bin| bin.error).fold(1e-6, f64::max);
    let x = move |value: f64| LEFT + value / wide * (RIGHT - LEFT);
    let y = move |value: f64| BOTTOM - value / most * (BOTTOM - TOP);
    let lines: Vec<_> = with
        .iter()
        .zip(COLOURS)
        .map(|(calibration, colour)| {
            let place = |bin: &WidthBin| format!("{:.1},{:.1}", x(bin.half_width), y(bin.error));
            let points: Vec<String> = calibration.by_width.iter().map(place).collect();
            let dots: Vec<_> = calibration
                .by_width
                .iter()
                .map(|bin| {
                    let title = format!(
                        "{}: {} values, median half width {}, median error {} log1p units, {:.0} % inside",
                        calibration.method,
                        bin.n_values,
                        significant(bin.half_width),
                        significant(bin.error),
                        100.0 * bin.inside
                    );
                    view! { <circle class=format!("dot {colour}") cx=x(bin.half_width) cy=y(bin.error) r="3.5"><title>{title}</title></circle> }
                })
                .collect();
            view! { <polyline class=format!("curve {colour}") points=points.join(" ") />{dots} }
        })
        .collect();
    let legend: Vec<_> = with
        .iter()
        .zip(COLOURS)
        .map(|(calibration, colour)| {
            let said = format!("{} (rank correlation {})", calibration.method, correlation(calibration.width_order));
            view! { <li><i class=format!("swatch {colour}")></i>{said}</li> }
        })
        .collect();
    let note = format!(
        "Intervals of {:.0} %: genes of perturbations in {} bins of equal number, {} to {} in each; medians.",
        100.0 * with[0].width_level.unwrap_or(report.config.coverage),
        with[0].by_width.len(),
        all().map(|bin| bin.n_values).min().unwrap_or(0),
        all().map(|bin| bin.n_values).max().unwrap_or(0)
    );
    view! {
        <figure class="plot">
            <figcaption>
                <strong>"Half width against error"</strong>
                <ul class="legend">{legend}</ul>
                <SaveSvg testid="widths-svg" name="waddington_widths_error.svg" />
            </figcaption>
            <svg class="drawn" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label="Median absolute error of predictions against the median half width of their intervals" data-testid="widths">
                {FIELD.columns(ticks(0.0, wide, 4), x)}
                {FIELD.rows(ticks(0.0, most, 4), y)}
                {lines}
                {FIELD.names("half width of the interval (log1p units)", "absolute error (log1p units)")}
            </svg>
            <p class="quiet">{note}</p>
        </figure>
    }
    .into_any()
}

#[component]
fn Distance(report: Shared<Evaluation>) -> impl IntoView {
    let points: Vec<(f64, f64, &TargetSupport)> =
        report.support.iter().filter_map(|support| Some((1.0 - support.cosine?, support.error?, support))).collect();
    if points.len() < 2 {
        return view! { <p class="quiet">"Without vectors of the perturbations nobody knows how far they are from training."</p> }.into_any();
    }
    let far = points.iter().map(|point| point.0).fold(0.0, f64::max).max(1e-3);
    let most = points.iter().map(|point| point.1).fold(0.0, f64::max).max(1e-6);
    let x = move |value: f64| LEFT + value / far * (RIGHT - LEFT);
    let y = move |value: f64| BOTTOM - value / most * (BOTTOM - TOP);
    let dots: Vec<_> = points
        .iter()
        .map(|(distance, error, support)| {
            let title = format!(
                "{}: nearest {} (cosine {:.2}), error {} log1p units{}",
                support.target,
                support.nearest.as_deref().unwrap_or("–"),
                1.0 - distance,
                significant(*error),
                if support.is_outside { ", outside" } else { "" }
            );
            let class = if support.is_outside { "dot two" } else { "dot one" };
            view! { <circle class=class cx=x(*distance) cy=y(*error) r="4"><title>{title}</title></circle> }
        })
        .collect();
    let said = format!("rank correlation {}", correlation(rank_correlation(&points)));
    view! {
        <figure class="plot">
            <figcaption><strong>"Distance from training against error"</strong><span>{said}</span><SaveSvg testid="distance-svg" name="waddington_distance_error.svg" /></figcaption>
            <svg class="drawn" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label="Error of every perturbation against the distance of its vector from training" data-testid="distance">
                {FIELD.columns(ticks(0.0, far, 4), x)}
                {FIELD.rows(ticks(0.0, most, 4), y)}
                {dots}
                {FIELD.names("distance to the nearest training vector (1 − cosine)", "root mean squared error (log1p units)")}
            </svg>
        </figure>
    }
    .into_any()
}

/// Spearman's correlation of distance and error; none where one of them is the same everywhere.
fn rank_correlation(points: &[(f64, f64, &TargetSupport)]) -> Option<f64> {
    let ranks = |of: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let below = |at: usize| (0..points.len()).filter(|&other| of(other) < of(at)).count() as f64;
        let equal = |at: usize| (0..points.len()).filter(|&other| of(other) == of(at)).count() as f64;
        (0..points.len()).map(|at| below(at) + (equal(at) - 1.0) / 2.0).collect()
    };
    let (a, b) = (ranks(&|at| points[at].0), ranks(&|at| points[at].1));
    let mean = (points.len() as f64 - 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let size = (product(&a, &a) * product(&b, &b)).sqrt();
    (size > 0.0).then(|| product(&a, &b) / size)
}
