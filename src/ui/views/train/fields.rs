//! A number among the settings of a run, as a labelled input.

use leptos::prelude::*;
use spec::train::TrainConfig;
use web_sys::HtmlInputElement;

use crate::control::Control;
use crate::views::shell::use_control;

/// How a number is read from the settings, and put into them; none is an empty input.
#[derive(Clone, Copy)]
pub struct Number {
    /// Reads it.
    pub get: Callback<TrainConfig, Option<f64>>,
    /// Puts it; none where the input was emptied, which stands for the default.
    pub set: Callback<(TrainConfig, Option<f64>), TrainConfig>,
}

impl Number {
    /// From two functions.
    pub fn new(
        get: impl Fn(&TrainConfig) -> Option<f64> + Send + Sync + 'static,
        set: impl Fn(&mut TrainConfig, Option<f64>) + Send + Sync + 'static,
    ) -> Self {
        let changed = move |(mut config, number): (TrainConfig, Option<f64>)| {
            set(&mut config, number);
            config
        };
        Self { get: Callback::new(move |config| get(&config)), set: Callback::new(changed) }
    }

    fn shown(self, control: Control) -> String {
        let config = control.state.with_untracked(|state| state.training.setup.config.clone());
        text(self.get.run(config))
    }

    /// Takes what was typed. What is no number changes nothing; the input then shows again what holds.
    fn typed(self, control: Control, input: &HtmlInputElement) {
        let typed = input.value().trim().replace(',', ".");
        let number = match typed.parse::<f64>() {
            Ok(number) if number.is_finite() => Some(Some(number)),
            _ if typed.is_empty() => Some(None),
            _ => None,
        };
        if let Some(number) = number {
            control.change(|state| {
                let config = state.training.setup.config.clone();
                state.training.setup.config = self.set.run((config, number));
            });
        }
        input.set_value(&self.shown(control));
    }
}

fn text(number: Option<f64>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

/// The bare input.
#[component]
pub fn NumberInput(
    number: Number,
    #[prop(into)] label: String,
    #[prop(into)] testid: String,
    #[prop(into)] placeholder: String,
) -> impl IntoView {
    let control = use_control();
    let shown = control.part(move |state| text(number.get.run(state.training.setup.config.clone())));
    view! {
        <input
            type="text"
            inputmode="decimal"
            autocomplete="off"
            aria-label=label
            placeholder=placeholder
            data-testid=testid
            prop:value=move || shown.get()
            on:change=move |event| number.typed(control, &event_target::<HtmlInputElement>(&event))
        />
    }
}

/// The input with its name, its unit and what it means.
#[component]
pub fn NumberChoice(
    number: Number,
    label: &'static str,
    testid: &'static str,
    hint: &'static str,
    #[prop(into)] placeholder: String,
) -> impl IntoView {
    view! {
        <label class="choice">
            <span>{label}</span>
            <NumberInput number label testid placeholder />
            <small>{hint}</small>
        </label>
    }
}
