//! What would be run: size, what it begins from, how cells were perturbed, what is held back.

use leptos::prelude::*;
use spec::message::Request;
use spec::model::Mode;
use spec::run::StartFrom;
use spec::train::HoldBack;
use spec::train::cost::{MemoryLimits, PartCounts, StageMemory, propose};
use spec::train::preset::Preset;
use spec::train::{Stage, TrainConfig};

use crate::app::{Setup, State};
use crate::format::{bytes, count};
use crate::views::choices::Choice;
use crate::views::shell::use_control;
use crate::views::train::expert::Expert;
use crate::views::train::fields::{Number, NumberChoice};
use crate::views::train::held_out::HeldOut;

/// All choices.
#[component]
pub fn SetupForm() -> impl IntoView {
    let control = use_control();
    let lacks_targets = control.part(|state| state.training_targets().is_empty());
    let unlabelled = move || {
        lacks_targets.get().then(|| {
            view! {
                <p class="warnings">
                    "Nothing says what was done to these cells: choose a perturbation column in step 1. Without it only pretraining can be run."
                </p>
            }
        })
    };
    view! {
        <div class="panel setup">
            <h2>"What to train"</h2>
            {unlabelled}
            <StartChoice />
            <Presets />
            <HeldOut />
            <div class="choices">
                <ModeChoice />
                <ValidationFields />
            </div>
            <Expert />
        </div>
    }
}

#[component]
fn StartChoice() -> impl IntoView {
    let control = use_control();
    let start = control.part(|state| state.training.setup.start);
    let train_encoder = control.part(|state| state.training.setup.config.train_encoder);
    let model = control.part(|state| state.checkpoint.as_ref().map(|c| c.header.model.summary()).unwrap_or_default());
    let ways = [
        (StartFrom::Scratch, "start-scratch", "From random values, with the vectors of the loaded model"),
        (StartFrom::Checkpoint, "start-model", "From the loaded model (fine-tuning)"),
    ];
    let radios = ways.map(|(way, testid, text)| {
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="start-from"
                    data-testid=testid
                    prop:checked=move || start.get() == way
                    on:change=move |_| control.change(|state| state.training.setup.start = way)
                />
                {text}
            </label>
        }
    });
    let toggled = move |event| {
        let is_on = event_target_checked(&event);
        control.change(|state| state.training.setup.config.train_encoder = is_on);
    };
    let fine_tuning = move || {
        (start.get() == StartFrom::Checkpoint).then(|| {
            view! {
                <p class="quiet">{move || format!("{}: sizes and genes stay as they are; the encoder too, so that pretraining is left out.", model.get())}</p>
                <label class="check">
                    <input type="checkbox" data-testid="train-encoder" prop:checked=move || train_encoder.get() on:change=toggled />
                    "Train the encoder too (experts: it may forget what it learned)"
                </label>
            }
        })
    };
    view! { <fieldset class="start"><legend>"Begin"</legend>{radios.collect_view()}{fine_tuning}</fieldset> }
}

/// What a preset takes for these cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Size {
    n_steps: usize,
    n_parameters: u64,
    n_bytes: u64,
    /// The room there is, where it is not enough, and whether smaller batches fit.
    too_little: Option<(MemoryLimits, bool)>,
}

impl Size {
    pub fn of(state: &State, setup: &Setup) -> Option<Self> {
        let config = state.training_config_of(setup)?;
        let stages = memory(&config);
        let limits = state.training.limits.filter(|limits| !stages.iter().all(|memory| limits.hold(memory)));
        Some(Self {
            n_steps: config.n_steps(),
            n_parameters: PartCounts::of_run(&config).total(),
            n_bytes: stages.iter().map(StageMemory::total).max().unwrap_or(0),
            too_little: limits.map(|limits| (limits, propose(&config, limits).is_some())),
        })
    }

    /// Parameters, steps and memory, and what does not fit.
    pub fn text(&self) -> String {
        let numbers = format!("{} parameters, {} steps", count(self.n_parameters), count(self.n_steps as u64));
        match self.too_little {
            None => format!("{numbers}, {} of memory", bytes(self.n_bytes)),
            Some((limits, may_fit)) => {
                let needed = if self.n_bytes > limits.total {
                    format!("needs {} of {}", bytes(self.n_bytes), bytes(limits.total))
                } else {
                    format!("needs a larger buffer than the {} of this device", bytes(limits.buffer.unwrap_or(0)))
                };
                let way_out = if may_fit { "; fits with smaller batches" } else { ": too large for this device" };
                format!("{numbers}, {needed}{way_out}")
            }
        }
    }

    /// Whether not even a batch of one cell fits.
    pub fn is_too_large(&self) -> bool {
        self.too_little.is_some_and(|(_, may_fit)| !may_fit)
    }
}

/// Bytes of the stages that have steps.
fn memory(config: &TrainConfig) -> Vec<StageMemory> {
    let stages = Stage::ALL.into_iter().filter(|stage| config.stage(*stage).n_steps > 0);
    stages.map(|stage| StageMemory::of(config, stage)).collect()
}

#[component]
fn Presets() -> impl IntoView {
    let cards = Preset::ALL.map(|preset| view! { <PresetCard preset /> });
    let is_fine_tuning = is_fine_tuning();
    // The model has its size already.
    let legend = move || if is_fine_tuning.get() { "Steps and rates" } else { "Size" };
    view! { <fieldset class="presets"><legend>{legend}</legend>{cards.into_iter().collect_view()}</fieldset> }
}

fn is_fine_tuning() -> Memo<bool> {
    use_control().part(|state| state.training.setup.start == StartFrom::Checkpoint)
}

#[component]
fn PresetCard(preset: Preset) -> impl IntoView {
    let control = use_control();
    let size = control.part(move |state| Size::of(state, &state.training.setup.with_preset(preset)));
    let chosen = control.part(|state| state.training.setup.preset);
    let is_fine_tuning = is_fine_tuning();
    let is_too_large = move || size.with(|size| size.as_ref().is_some_and(Size::is_too_large));
    let choose = move |_| {
        control.change(|state| state.training.setup = state.training.setup.with_preset(preset));
    };
    view! {
        <button
            type="button"
            class="preset"
            data-testid=format!("preset-{}", preset.label())
            aria-pressed=move || (chosen.get() == preset).to_string()
            disabled=is_too_large
            on:click=choose
        >
            <strong>{preset.label()}</strong>
            {move || (!is_fine_tuning.get()).then(|| view! { <span>{preset.purpose()}</span> })}
            <small>{move || size.get().map(|size| size.text())}</small>
        </button>
    }
}

#[component]
fn ModeChoice() -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| state.training.setup.config.mode);
    let modes = Mode::ALL.into_iter().filter(|mode| *mode != Mode::Control);
    let choices = modes.map(|mode| (mode.code().to_string(), mode.label().to_string())).collect();
    let choose = move |code: String| {
        let mode = code.parse::<usize>().ok().and_then(|code| Mode::ALL.get(code).copied());
        if let Some(mode) = mode {
            control.change(|state| state.training.setup.config.mode = mode);
        }
    };
    view! {
        <Choice
            label="How cells were perturbed"
            testid="train-mode"
            hint="The same for all; it is what can be asked for later"
            choices
            chosen=move || chosen.get().code().to_string()
            choose
        />
    }
}

/// What is held back to see how well it does, when to stop early, and the seed. A Cell-JEPA has no targets to hold back.
#[component]
pub fn ValidationFields(#[prop(optional)] of_cells: bool) -> impl IntoView {
    let control = use_control();
    let hold_back = control.part(|state| state.training.setup.config.hold_back);
    let preset = Preset::Tiny.config();
    let default_share = preset.validation_share;
    let percent = |share: f64| (1000.0 * share).round() / 10.0;
    let share = Number::new(
        move |config| Some(percent(config.validation_share)),
        move |config, number| config.validation_share = number.map_or(default_share, |percent| percent / 100.0),
    );
    let patience = Number::new(
        |config| config.patience.map(|n| n as f64),
        |config, number| config.patience = number.map(|n| n as usize),
    );
    let seed = Number::new(
        |config| Some(config.seed as f64),
        |config, number| config.seed = number.map_or(TrainConfig::default().seed, |seed| seed as u64),
    );
    let choices = vec![("cells".into(), "cells of every target".into()), ("targets".into(), "whole targets".into())];
    let choose = move |key: String| {
        let hold_back = if key == "targets" { HoldBack::Targets } else { HoldBack::Cells };
        control.change(|state| state.training.setup.config.hold_back = hold_back);
    };
    let key = move || if hold_back.get() == HoldBack::Targets { "targets".into() } else { "cells".into() };
    view! {
        <NumberChoice
            number=share
            label="Validation share, %"
            testid="validation-share"
            hint="Held back from learning, to draw the curve of validation; 0: none"
            placeholder=percent(default_share).to_string()
        />
        {(!of_cells).then(|| view! {
            <Choice
                label="Held back are"
                testid="hold-back"
                hint="Whole targets tell how it does on genes that it has not seen"
                choices
                chosen=key
                choose
            />
        })}
        <NumberChoice
            number=patience
            label="Patience, validations"
            testid="patience"
            hint="A stage ends after so many without a new best; empty: never early"
            placeholder="never"
        />
        <NumberChoice
            number=seed
            label="Seed"
            testid="train-seed"
            hint="The same seed gives the same run"
            placeholder=TrainConfig::default().seed.to_string()
        />
    }
}

/// Whether a look at the run is under way or waits.
pub fn is_planning(state: &State) -> bool {
    state.has_job(|request| matches!(request, Request::PlanTraining { .. }))
}
