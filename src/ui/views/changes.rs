//! The predicted changes: the largest as bars, all of them against how sure they are, and beside those of other questions.

use leptos::ev::KeyboardEvent;
use leptos::prelude::*;
use spec::prediction::{Intervals, Prediction, Uncertainty};
use wasm_bindgen::prelude::JsCast;
use web_sys::HtmlElement;

use crate::app::Shared;
use crate::format::plural;
use crate::plots::bars::{BarLegend, BarRow, Bars};
use crate::plots::volcano::{Scale, Volcano, dots};
use crate::views::compared::Compared;
use crate::views::evaluate::SaveSvg;
use crate::views::shifted::Shifted;

const N_BARS: usize = 20;

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tab {
    Bars,
    Volcano,
    Compared,
    Map,
}

impl Tab {
    const ALL: [Tab; 4] = [Tab::Bars, Tab::Volcano, Tab::Compared, Tab::Map];

    /// Its name, and what tests find it by.
    fn label(self) -> (&'static str, &'static str) {
        match self {
            Tab::Bars => ("Largest changes", "tab-bars"),
            Tab::Volcano => ("Volcano", "tab-volcano"),
            Tab::Compared => ("Beside others", "tab-compared"),
            Tab::Map => ("On the map", "tab-map"),
        }
    }
}

/// Tabs and what is drawn under them. Another answer is shown as the last one was.
#[component]
pub fn Changes(prediction: Shared<Prediction>) -> impl IntoView {
    let shown = use_context::<Showing>().map_or_else(|| RwSignal::new(Tab::Bars), |showing| showing.0);
    let buttons = Tab::ALL.map(|tab| {
        let (name, id) = tab.label();
        let is_shown = move || shown.get() == tab;
        view! {
            <button
                type="button"
                role="tab"
                id=id
                data-testid=id
                aria-controls="changes"
                aria-selected=move || is_shown().to_string()
                tabindex=move || if is_shown() { "0" } else { "-1" }
                on:click=move |_| shown.set(tab)
                on:keydown=move |event| on_key(&event, shown)
            >
                {name}
            </button>
        }
    });
    view! {
        <figure class="plot">
            <div class="tabs" role="tablist" aria-label="How changes are drawn">{buttons.collect_view()}</div>
            <div id="changes" role="tabpanel" aria-labelledby=move || shown.get().label().1>
                {move || match shown.get() {
                    Tab::Bars => view! { <LargestChanges prediction=prediction.clone() /> }.into_any(),
                    Tab::Volcano => view! { <VolcanoOf prediction=prediction.clone() /> }.into_any(),
                    Tab::Compared => view! { <Compared shown=prediction.clone() /> }.into_any(),
                    Tab::Map => view! { <Shifted prediction=prediction.clone() /> }.into_any(),
                }}
            </div>
        </figure>
    }
}

/// Which tab is open; outlives an answer.
#[derive(Clone, Copy)]
struct Showing(RwSignal<Tab>);

/// Makes what is drawn outlive an answer; called where answers are shown.
pub fn keep_tab() {
    provide_context(Showing(RwSignal::new(Tab::Bars)));
}

/// Arrows go from tab to tab, as in any list of tabs.
fn on_key(event: &KeyboardEvent, shown: RwSignal<Tab>) {
    let at = Tab::ALL.iter().position(|tab| *tab == shown.get_untracked()).unwrap_or(0);
    let n = Tab::ALL.len();
    let next = match event.key().as_str() {
        "ArrowRight" => (at + 1) % n,
        "ArrowLeft" => (at + n - 1) % n,
        "Home" => 0,
        "End" => n - 1,
        _ => return,
    };
    event.prevent_default();
    shown.set(Tab::ALL[next]);
    let tab = document().get_element_by_id(Tab::ALL[next].label().1).and_then(|tab| tab.dyn_into::<HtmlElement>().ok());
    if let Some(tab) = tab {
        // What cannot be focused is left alone.
        let _ = tab.focus();
    }
}

#[component]
fn LargestChanges(prediction: Shared<Prediction>) -> impl IntoView {
    let rows = top_rows(&prediction);
    let n_shown = rows.len();
    let interval = prediction.uncertainty.intervals().map(|intervals| intervals.promised);
    let (has_mean, has_measured) = (prediction.training_mean.is_some(), prediction.measured.is_some());
    let has_sum = prediction.additive.is_some();
    view! {
        <figcaption>
            <strong>{format!("The {} with the largest predicted change", plural(n_shown as u64, "gene"))}</strong>
            <BarLegend interval has_mean has_sum has_measured />
        </figcaption>
        <Bars rows />
        <p class="quiet" data-testid="prediction-interval">{uncertainty(&prediction.uncertainty)}</p>
    }
}

/// Which change a volcano is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Predicted,
    Measured,
}

#[component]
fn VolcanoOf(prediction: Shared<Prediction>) -> impl IntoView {
    let has_interval = prediction.uncertainty.intervals().is_some();
    let has_measured = prediction.measured.is_some();
    let of = RwSignal::new(if has_interval || !has_measured { Of::Predicted } else { Of::Measured });
    let choice = has_measured.then(|| {
        view! {
            <select
                aria-label="Which change is drawn"
                data-testid="volcano-of"
                on:change=move |event| of.set(if event_target_value(&event) == "measured" { Of::Measured } else { Of::Predicted })
            >
                <option value="predicted" prop:selected=move || of.get() == Of::Predicted>"predicted change"</option>
                <option value="measured" prop:selected=move || of.get() == Of::Measured>"measured change"</option>
            </select>
        }
    });
    view! {
        <figcaption>
            <span class="row">{choice} <SaveSvg testid="volcano-svg" name="waddington_volcano.svg" /></span>
        </figcaption>
        {move || volcano(&prediction, of.get())}
    }
}

fn volcano(prediction: &Prediction, of: Of) -> AnyView {
    let genes = &prediction.genes;
    let name = prediction.query.label();
    let (changes, spreads, scale, said) = match (of, &prediction.uncertainty, &prediction.measured) {
        (Of::Predicted, Uncertainty::Intervals(intervals), _) => {
            let percent = format!("{:.0} %", 100.0 * intervals.promised);
            let said = format!(
                "Above the line the {percent} interval does not hold 0. Its width comes from errors on {} held-out \
                 perturbations; this is no p value.",
                intervals.n_targets
            );
            let axis = "|change| / half width of its interval";
            (
                &prediction.delta,
                &intervals.half_width,
                Scale { axis, spread: "half width of the interval", line: 1.0 },
                said,
            )
        }
        (Of::Measured, _, Some(measured)) => {
            let said = "Above the line the change is more than two of its standard errors, of cells as they were drawn; it is no \
                        p value and not corrected for the number of genes."
                .to_string();
            let axis = "|change| / its standard error";
            (&measured.delta, &measured.standard_error, Scale { axis, spread: "standard error", line: 2.0 }, said)
        }
        (_, Uncertainty::Unknown { reason }, _) => {
            let text = format!("There is nothing to hold the predicted changes against. {reason}");
            return view! { <p class="quiet" data-testid="volcano-note">{text}</p> }.into_any();
        }
        _ => return ().into_any(),
    };
    // A gene that the file lacks was read as 0.
    let there = changes.iter().zip(&prediction.control_mean);
    let changes: Vec<f32> =
        there.map(|(change, control)| if control.is_finite() { *change } else { f32::NAN }).collect();
    let (dots, n_left_out) = dots(genes, &changes, spreads);
    if dots.is_empty() {
        let text = "No gene has anything to hold its change against.";
        return view! { <p class="quiet" data-testid="volcano-note">{text}</p> }.into_any();
    }
    let left_out = match n_left_out {
        0 => String::new(),
        n => format!(" {} has none of it and is not drawn.", plural(n as u64, "gene")),
    };
    let n_drawn = plural(dots.len() as u64, "gene");
    let n_above = dots.iter().filter(|dot| dot.times() > scale.line).count();
    let spoken = format!("{name}: {n_above} of {n_drawn} lie above the line; {}", scale.axis);
    view! {
        <Volcano dots scale spoken />
        <ul class="legend">
            <li><i class="swatch two"></i>"rises"</li>
            <li><i class="swatch one"></i>"falls"</li>
            <li><i class="swatch three"></i>"not told from no change"</li>
        </ul>
        <p class="quiet" data-testid="volcano-note">{format!("{n_above} of {n_drawn} above the line. {said}{left_out}")}</p>
    }
    .into_any()
}

/// What the shaded intervals are worth, or why there are none.
fn uncertainty(uncertainty: &Uncertainty) -> String {
    let Intervals { promised, found, n_targets, source, .. } = match uncertainty {
        Uncertainty::Intervals(intervals) => intervals,
        Uncertainty::Unknown { reason } => return reason.clone(),
    };
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let held = found.map_or_else(String::new, |found| {
        format!(" Tried on each of these with widths from the others, they held {}.", percent(found))
    });
    format!(
        "Shaded: where {} of measured changes should lie, by the model’s errors on {n_targets} perturbations that it did not \
         learn from ({source}), asked of the mean control cell.{held} For perturbations or cells unlike those they promise nothing; the target’s own gene has \
         none.",
        percent(*promised)
    )
}

/// The genes with the largest predicted change, largest first.
fn top_rows(prediction: &Prediction) -> Vec<BarRow> {
    let mut order: Vec<usize> = (0..prediction.genes.len().min(prediction.delta.len())).collect();
    order.sort_by(|a, b| prediction.delta[*b].abs().total_cmp(&prediction.delta[*a].abs()));
    let at = |values: &[f32], i: usize| values.get(i).copied().map(f64::from);
    let row = |i: usize| BarRow {
        gene: prediction.genes[i].clone(),
        predicted: f64::from(prediction.delta[i]),
        half_width: prediction
            .uncertainty
            .intervals()
            .and_then(|intervals| at(&intervals.half_width, i))
            .filter(|width| width.is_finite()),
        training_mean: prediction.training_mean.as_ref().and_then(|mean| at(mean, i)),
        additive: prediction
            .additive
            .as_ref()
            .and_then(|additive| at(&additive.delta, i))
            .filter(|sum| sum.is_finite()),
        measured: prediction
            .measured
            .as_ref()
            .and_then(|measured| Some((at(&measured.delta, i)?, at(&measured.standard_error, i)?)))
            .filter(|(measured, _)| measured.is_finite()),
    };
    // A gene that the file lacks was read as 0, and its predicted change cannot be looked up in it.
    let is_there = |i: &usize| prediction.delta[*i].is_finite() && prediction.control_mean[*i].is_finite();
    order.into_iter().filter(is_there).take(N_BARS).map(row).collect()
}
