//! Predicted against measured change, gene by gene, for any perturbation and the methods that are drawn.

use leptos::prelude::*;
use spec::evaluation::{Evaluation, Profile};

use crate::app::Shared;
use crate::format::{plural, signed};
use crate::plots::axis::{range, ticks};
use crate::plots::field::Field;
use crate::views::evaluate::SaveSvg;

const SIZE: f64 = 380.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = SIZE - 10.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = SIZE - 40.0;
const FIELD: Field = Field { left: LEFT, right: RIGHT, top: TOP, bottom: BOTTOM };
/// Genes that are named in the plot.
const N_NAMED: usize = 6;

/// The choices and the plot.
#[component]
pub fn PredictedMeasured(report: Shared<Evaluation>) -> impl IntoView {
    // The perturbation that does most is the one to look at first.
    let size = |profile: &Profile| profile.measured.iter().map(|change| change * change).sum::<f32>();
    let profiles = &report.profiles;
    let strongest = (0..profiles.len()).max_by(|a, b| size(&profiles[*a]).total_cmp(&size(&profiles[*b])));
    let target = RwSignal::new(strongest.unwrap_or(0));
    let method = RwSignal::new(0usize);
    let targets = profiles.iter().enumerate().map(|(at, profile)| {
        let text = format!("{} ({})", profile.target, plural(profile.n_cells as u64, "cell"));
        view! { <option value=at.to_string() prop:selected=move || target.get() == at>{text}</option> }
    });
    let targets = targets.collect_view();
    let methods = profiles.first().map(|profile| {
        let option = |(at, (name, _)): (usize, &(String, Vec<f32>))| {
            view! { <option value=at.to_string() prop:selected=move || method.get() == at>{name.clone()}</option> }
        };
        profile.predicted.iter().enumerate().map(option).collect_view()
    });
    let chosen = |event| event_target_value(&event).parse::<usize>().unwrap_or(0);
    view! {
        <div class="panel">
            <div class="row between">
                <h3>"Predicted against measured"</h3>
                <div class="row">
                    <select aria-label="Perturbation" data-testid="scatter-target" on:change=move |event| target.set(chosen(event))>{targets}</select>
                    <select aria-label="Method" data-testid="scatter-method" on:change=move |event| method.set(chosen(event))>{methods}</select>
                </div>
            </div>
            {move || plot(&report, target.get(), method.get())}
        </div>
    }
}

fn plot(report: &Evaluation, target: usize, method: usize) -> Option<impl IntoView + use<>> {
    let profile = report.profiles.get(target)?;
    let (name, predicted) = profile.predicted.get(method).or(profile.predicted.first())?;
    let all: Vec<f32> = profile.measured.iter().chain(predicted).copied().collect();
    let (low, high) = range(&all)?;
    let (low, high) = (low.min(0.0), high.max(0.0));
    let pad = ((high - low) * 0.05).max(1e-3);
    let (low, high) = (low - pad, high + pad);
    let share = move |value: f64| (value - low) / (high - low);
    let x = move |value: f64| LEFT + share(value) * (RIGHT - LEFT);
    let y = move |value: f64| BOTTOM - share(value) * (BOTTOM - TOP);
    let gene = |at: usize| report.data.genes[profile.genes[at] as usize].clone();
    let mut order: Vec<usize> = (0..profile.measured.len()).collect();
    order.sort_by(|a, b| profile.measured[*b].abs().total_cmp(&profile.measured[*a].abs()));
    let dots: Vec<_> = order
        .iter()
        .rev()
        .map(|&at| {
            let (measured, predicted) = (f64::from(profile.measured[at]), f64::from(predicted[at]));
            let error = profile.standard_error.get(at).copied().unwrap_or_default();
            let title =
                format!("{}: measured {} ± {error:.3}, predicted {}", gene(at), signed(measured), signed(predicted));
            view! { <circle class="dot one" cx=x(measured) cy=y(predicted) r="3.2"><title>{title}</title></circle> }
        })
        .collect();
    let names: Vec<_> = order
        .iter()
        .take(N_NAMED)
        .map(|&at| {
            let (measured, predicted) = (f64::from(profile.measured[at]), f64::from(predicted[at]));
            let (anchor, shift) = if x(measured) > (LEFT + RIGHT) / 2.0 { ("end", -6.0) } else { ("start", 6.0) };
            view! { <text class="tick" x=x(measured) + shift y=y(predicted) - 4.0 text-anchor=anchor>{gene(at)}</text> }
        })
        .collect();
    let label = format!("Change of {} genes after {}: measured, and predicted by {name}", order.len(), profile.target);
    let said = format!("{}, {name}; point at a dot for its gene", profile.target);
    Some(view! {
        <figure class="plot square">
            <figcaption><span>{said}</span><SaveSvg testid="scatter-svg" name="waddington_predicted_measured.svg" /></figcaption>
            <svg class="drawn" viewBox=format!("0 0 {SIZE} {SIZE}") role="img" aria-label=label data-testid="scatter">
                {FIELD.columns(ticks(low, high, 5), x)}
                {FIELD.rows(ticks(low, high, 5), y)}
                <line class="same" x1=x(low) x2=x(high) y1=y(low) y2=y(high) />
                {dots}{names}
                {FIELD.names("measured change (log1p units)", "predicted change (log1p units)")}
            </svg>
        </figure>
    })
}
