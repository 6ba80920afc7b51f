//! How far the latent states spread, as meters: a run that collapses shows here first.

use leptos::prelude::*;
use spec::train::Stage;
use spec::train::report::Gauges;

use crate::format::{count, significant};

/// One meter: its name, what it tells, its value in words and its share of the best.
struct Meter {
    name: &'static str,
    tells: &'static str,
    value: String,
    share: f64,
}

/// The meters of one measurement.
#[component]
pub fn GaugePanel(stage: Stage, step: usize, gauges: Gauges) -> impl IntoView {
    let meters = meters(&gauges).into_iter().map(|meter| {
        let percent = 100.0 * meter.share;
        view! {
            <div class="gauge" title=meter.tells>
                <span>{meter.name}</span>
                <div
                    class="track"
                    role="meter"
                    aria-label=meter.name
                    aria-valuemin="0"
                    aria-valuemax="100"
                    aria-valuenow=format!("{percent:.0}")
                    aria-valuetext=meter.value.clone()
                >
                    <div class="fill" style=format!("width:{percent:.1}%")></div>
                </div>
                <span class="value">{meter.value}</span>
            </div>
        }
    });
    let at = format!("Spread of the latent states at step {} of {}", count(step as u64), stage.label());
    view! { <div class="gauges" data-testid="train-gauges"><h3>{at}</h3>{meters.collect_view()}</div> }
}

fn meters(gauges: &Gauges) -> Vec<Meter> {
    let share = |value: f64| if value.is_finite() { value.clamp(0.0, 1.0) } else { 0.0 };
    let n_dims = gauges.n_dims.max(1) as f64;
    let mut meters = vec![
        Meter {
            name: "smallest deviation",
            tells: "The smallest standard deviation of a latent dimension: 0 where all are alike; the loss of BioJEPA-AC wants 1",
            value: significant(gauges.std_min),
            share: share(gauges.std_min),
        },
        Meter {
            name: "mean deviation",
            tells: "The mean standard deviation of the latent dimensions: 0 where all are alike; the loss of BioJEPA-AC wants 1",
            value: significant(gauges.std_mean),
            share: share(gauges.std_mean),
        },
        Meter {
            name: "dimensions in use",
            tells: "The effective rank of the states: 1 where all lie on one line",
            value: format!("{:.1} of {}", gauges.effective_rank, gauges.n_dims),
            share: share(gauges.effective_rank / n_dims),
        },
        Meter {
            name: "between cells",
            tells: "The share of the variance, within a gene, that is between cells: 0 where all cells look alike",
            value: format!("{:.0} %", 100.0 * share(gauges.between_cells)),
            share: share(gauges.between_cells),
        },
    ];
    meters.extend(gauges.teacher_distance.map(|distance| Meter {
        name: "distance to teacher",
        tells: "How far the student’s states are from the teacher’s, as a share of their size",
        value: significant(distance),
        share: share(distance),
    }));
    meters
}

#[cfg(test)]
mod tests {
    use spec::train::report::Gauges;

    use super::meters;

    #[test]
    fn what_is_no_number_leaves_its_meter_empty() {
        let gauges = Gauges {
            std_min: f64::NAN,
            std_mean: 1.3,
            effective_rank: 4.0,
            n_dims: 8,
            between_cells: 0.25,
            teacher_distance: None,
        };
        let read: Vec<(f64, String)> = meters(&gauges).into_iter().map(|meter| (meter.share, meter.value)).collect();
        let expected = [(0.0, "–"), (1.0, "1.30"), (0.5, "4.0 of 8"), (0.25, "25 %")];
        assert_eq!(read, expected.map(|(share, value)| (share, value.to_string())));
    }
}
