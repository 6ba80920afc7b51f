//! The losses of one run, or of several over each other: a plot a stage.

use leptos::prelude::*;
use spec::run::RunInfo;
use spec::train::Stage;
use spec::train::report::{Curve, History};

use crate::app::Shared;
use crate::plots::curve::{Curves, Line};
use crate::views::shell::use_control;

/// Colours of runs that are compared; each is told from the others with any colour vision.
pub const N_COLOURS: usize = 6;

/// Points of a curve that are of one stage.
fn points(curve: &Curve, stage: Stage) -> Vec<(f64, f64)> {
    let of_stage = curve.points.iter().filter(|point| point.stage == stage);
    of_stage.map(|point| (point.step as f64, f64::from(point.loss))).collect()
}

/// The lowest of the finite values; the first of equals.
fn lowest(points: &[(f64, f64)]) -> Option<usize> {
    let finite = points.iter().enumerate().filter(|(_, (_, value))| value.is_finite());
    finite.min_by(|(_, a), (_, b)| a.1.total_cmp(&b.1)).map(|(i, _)| i)
}

/// Training and validation loss of one stage.
fn lines(history: &History, stage: Stage, names: [String; 2], colours: [String; 2]) -> Vec<Line> {
    let [training, validation] = [&history.losses, &history.validation].map(|curve| points(curve, stage));
    let best = lowest(&validation);
    let [name, held_back] = names;
    let [colour, of_held_back] = colours;
    let lines = [
        Line { name, colour, is_dashed: false, points: training, best: None },
        Line { name: held_back, colour: of_held_back, is_dashed: true, points: validation, best },
    ];
    lines.into_iter().filter(|line| !line.points.is_empty()).collect()
}

/// The curves of the run under way.
#[component]
pub fn LiveCurves() -> impl IntoView {
    let control = use_control();
    let history = control.part(|state| state.training.live.as_ref().map(|live| live.history.clone()));
    let names = || ["training".to_string(), "validation".to_string()];
    let colours = || ["var(--c-predicted)".to_string(), "var(--c-perturbed)".to_string()];
    let plots = Stage::ALL.map(|stage| {
        let of_stage = Memo::new(move |_| {
            history.get().map(|history| lines(&history, stage, names(), colours())).unwrap_or_default()
        });
        view! { <StagePlot stage of_stage /> }
    });
    view! {
        <div class="curve-plots">{plots.into_iter().collect_view()}</div>
        <ul class="legend">
            <li><i class="stroke" style="background:var(--c-predicted)"></i>"training"</li>
            <li><i class="stroke dashed" style="color:var(--c-perturbed)"></i>"validation, on what is held back; the dot is the best"</li>
        </ul>
    }
}

/// The curves of runs over each other.
#[component]
pub fn Compared(runs: Shared<Vec<RunInfo>>) -> impl IntoView {
    let keys = runs.iter().take(N_COLOURS).enumerate().map(|(i, run)| {
        view! { <li><i class="stroke" style=format!("background:{}", colour(i))></i>{run.name.clone()}</li> }
    });
    let keys = keys.collect_view();
    let plots = Stage::ALL.map(|stage| {
        let runs = runs.clone();
        let of_stage = Memo::new(move |_| {
            let of_run = |(i, run): (usize, &RunInfo)| {
                let names = [run.name.clone(), format!("{} (validation)", run.name)];
                lines(&run.history, stage, names, [colour(i), colour(i)])
            };
            runs.iter().take(N_COLOURS).enumerate().flat_map(of_run).collect::<Vec<Line>>()
        });
        view! { <StagePlot stage of_stage /> }
    });
    view! {
        <div class="compared" data-testid="compared">
            <div class="curve-plots">{plots.into_iter().collect_view()}</div>
            <ul class="legend">{keys}<li class="quiet">"dashed: validation; the dot is its best"</li></ul>
        </div>
    }
}

fn colour(i: usize) -> String {
    format!("var(--c-run-{})", i % N_COLOURS)
}

/// The plot of a stage, once it has begun.
#[component]
fn StagePlot(stage: Stage, of_stage: Memo<Vec<Line>>) -> impl IntoView {
    let has_begun = Memo::new(move |_| of_stage.with(|lines| !lines.is_empty()));
    move || {
        let title = format!("Loss of {}", stage.label());
        has_begun.get().then(|| view! { <Curves lines=of_stage title testid="train-curve" /> })
    }
}

#[cfg(test)]
mod tests {
    use spec::train::Stage;
    use spec::train::report::{CurvePoint, History};

    use super::lines;

    #[test]
    fn a_stage_has_its_own_curves_and_the_best_validation_is_marked() {
        let mut history = History::default();
        for (step, loss) in [(10, 5.0), (20, 4.0), (30, 4.5)] {
            history.losses.push(CurvePoint { stage: Stage::Action, step, loss });
            history.validation.push(CurvePoint { stage: Stage::Action, step, loss: loss + 1.0 });
        }
        history.losses.push(CurvePoint { stage: Stage::Decoder, step: 10, loss: f32::NAN });
        let of = |stage| lines(&history, stage, ["t".into(), "v".into()], ["".into(), "".into()]);
        let action = of(Stage::Action);
        assert_eq!((action.len(), action[0].best, action[1].best), (2, None, Some(1)));
        assert_eq!((of(Stage::Decoder).len(), of(Stage::Pretrain).len()), (1, 0));
    }
}
