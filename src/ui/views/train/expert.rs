//! The settings of every stage, for those who know them: steps, batches, rates, weight decay, clipping.

use leptos::prelude::*;
use spec::run::StartFrom;
use spec::train::preset::Preset;
use spec::train::{Stage, StageConfig, TrainConfig};

use crate::views::choices::Choice;
use crate::views::shell::use_control;
use crate::views::train::fields::{Number, NumberChoice, NumberInput};

/// A column of the table.
struct Setting {
    name: &'static str,
    unit: &'static str,
    testid: &'static str,
    get: fn(&StageConfig) -> Option<f64>,
    /// Puts a number; none stands for what the preset has.
    set: fn(&mut StageConfig, Option<f64>),
}

static SETTINGS: [Setting; 5] = [
    Setting {
        name: "Steps",
        unit: "0: left out",
        testid: "steps",
        get: |stage| Some(stage.n_steps as f64),
        set: |stage, number| stage.n_steps = number.unwrap_or(0.0) as usize,
    },
    Setting {
        name: "Batch",
        unit: "cells or pairs",
        testid: "batch",
        get: |stage| Some(stage.batch_size as f64),
        set: |stage, number| stage.batch_size = number.unwrap_or(0.0) as usize,
    },
    Setting {
        name: "Peak rate",
        unit: "of learning",
        testid: "rate",
        get: |stage| Some(stage.max_lr),
        set: |stage, number| stage.max_lr = number.unwrap_or(0.0),
    },
    Setting {
        name: "Weight decay",
        unit: "decoupled",
        testid: "decay",
        get: |stage| Some(stage.weight_decay),
        set: |stage, number| stage.weight_decay = number.unwrap_or(0.0),
    },
    Setting {
        name: "Clip",
        unit: "gradient norm; 0: none",
        testid: "clip",
        get: |stage| Some(stage.clip_norm.unwrap_or(0.0)),
        set: |stage, number| stage.clip_norm = number.filter(|norm| *norm != 0.0),
    },
];

impl Setting {
    /// Of one stage; an emptied input takes the default of the preset.
    fn of(&'static self, stage: Stage, default: StageConfig) -> Number {
        Number::new(
            move |config| (self.get)(config.stage(stage)),
            move |config, number| (self.set)(config.stage_mut(stage), number.or_else(|| (self.get)(&default))),
        )
    }
}

/// The table of all stages, and what holds for all of them.
#[component]
pub fn Expert() -> impl IntoView {
    let control = use_control();
    let preset = control.part(|state| state.training.setup.preset);
    let frozen = control.part(|state| {
        let setup = &state.training.setup;
        setup.start == StartFrom::Checkpoint && !setup.config.train_encoder
    });
    let heads = SETTINGS
        .iter()
        .map(|setting| view! { <th scope="col">{setting.name}<small>{setting.unit}</small></th> })
        .collect_view();
    let row = move |stage: Stage| {
        let default = preset.get().config().stage(stage).clone();
        let is_left_out = move || frozen.get() && matches!(stage, Stage::Pretrain | Stage::Align);
        let cells = SETTINGS.iter().map(|setting| {
            let placeholder = (setting.get)(&default).map(|number| number.to_string()).unwrap_or_default();
            let number = setting.of(stage, default.clone());
            let label = format!("{}: {}", stage.label(), setting.name);
            let testid = format!("{}-{}", stage.label(), setting.testid);
            view! { <td><NumberInput number label testid placeholder /></td> }
        });
        view! {
            <tr class:left-out=is_left_out>
                <th scope="row">{stage.label()}</th>
                {cells.collect_view()}
            </tr>
        }
    };
    view! {
        <details class="expert" data-testid="expert">
            <summary>"Expert settings"</summary>
            <p class="quiet">
                {move || format!("Defaults are those of the {} preset; an emptied input takes its default again.", preset.get().label())}
            </p>
            <div class="scroll">
                <table>
                    <thead><tr><th scope="col">"Stage"</th>{heads}</tr></thead>
                    <tbody>{move || Stage::ALL.map(row).into_iter().collect_view()}</tbody>
                </table>
            </div>
            {move || frozen.get().then(|| view! {
                <p class="quiet">"Pretraining and alignment are left out: the encoder stays as it is."</p>
            })}
            <div class="choices">{move || general(preset.get())}<BatchChoice /></div>
        </details>
    }
}

/// Whose controls a perturbed cell is paired with: those of its own batch, or any.
#[component]
fn BatchChoice() -> impl IntoView {
    let control = use_control();
    let columns = control.part(|state| state.batch_columns());
    let chosen = control.part(|state| state.training.setup.config.batch_column.clone().unwrap_or_default());
    let choose = move |name: String| {
        control.change(|state| state.training.setup.config.batch_column = (!name.is_empty()).then_some(name));
    };
    move || {
        let columns = columns.get();
        let hint = match columns.is_empty() {
            true => "These cells have no column of batches: labels with several values",
            false => "Each perturbed cell learns from a control of its own batch, where there is one",
        };
        let any = (String::new(), "all cells".to_string());
        let choices = std::iter::once(any).chain(columns.into_iter().map(|name| (name.clone(), name))).collect();
        view! {
            <Choice label="Pair controls within" testid="pair-within" hint choices chosen=move || chosen.get() choose />
        }
    }
}

/// Settings that all stages share.
fn general(preset: Preset) -> impl IntoView {
    let default = preset.config();
    let TrainConfig { mask_ratio, validate_every, accumulate, report_every, .. } = default;
    let whole = |n: usize| n.to_string();
    let masked = Number::new(
        |config| Some(config.mask_ratio),
        move |config, number| config.mask_ratio = number.unwrap_or(mask_ratio),
    );
    let validates = Number::new(
        |config| Some(config.validate_every as f64),
        move |config, number| config.validate_every = number.map_or(validate_every, |n| n as usize),
    );
    let accumulates = Number::new(
        |config| Some(config.accumulate as f64),
        move |config, number| config.accumulate = number.map_or(accumulate, |n| n as usize),
    );
    let reports = Number::new(
        |config| Some(config.report_every as f64),
        move |config, number| config.report_every = number.map_or(report_every, |n| n as usize),
    );
    view! {
        <NumberChoice number=masked label="Masked share" testid="mask-ratio" hint="Of the genes, 0 to 1" placeholder=mask_ratio.to_string() />
        <NumberChoice number=validates label="Validate every, steps" testid="validate-every" hint="And measure the gauges" placeholder=whole(validate_every) />
        <NumberChoice number=reports label="Report every, steps" testid="report-every" hint="Reading the loss costs a little time" placeholder=whole(report_every) />
        <NumberChoice number=accumulates label="Batches a step" testid="accumulate" hint="Their gradients make one step: more examples in the same memory" placeholder=whole(accumulate) />
    }
}
