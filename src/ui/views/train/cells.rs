//! Which of the two models is trained, and the choices for a Cell-JEPA: its size, what it begins from, whether it learns from
//! the types of the cells, and for experts its recipe.

use leptos::prelude::*;
use spec::cell_jepa::{CellJepaConfig, CellJepaPreset, CellTypeTuning};
use spec::run::StartFrom;
use spec::train::TrainConfig;

use crate::views::choices::Choice;
use crate::views::shell::use_control;
use crate::views::train::fields::{Number, NumberChoice};
use crate::views::train::setup::{Size, ValidationFields};

/// The choice between the two models.
#[component]
pub fn Architecture() -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| state.training.setup.is_of_cells());
    let ways = [
        (
            false,
            "architecture-bio-jepa",
            "BioJEPA-AC",
            "predicts what perturbations do; needs cells, what was done to them, and vectors",
        ),
        (true, "architecture-cell-jepa", "Cell-JEPA", "embeds cells, for maps and types; needs cells alone"),
    ];
    let radios = ways.map(|(of_cells, testid, name, what)| {
        let choose = move |_| control.change(|state| state.training.setup = state.training.setup.of_cells(of_cells));
        view! {
            <label class="check">
                <input type="radio" name="architecture" data-testid=testid prop:checked=move || chosen.get() == of_cells on:change=choose />
                <span><strong>{name}</strong>": "{what}</span>
            </label>
        }
    });
    view! {
        <div class="panel setup">
            <fieldset class="start"><legend>"Which model"</legend>{radios.into_iter().collect_view()}</fieldset>
        </div>
    }
}

/// All choices for a Cell-JEPA.
#[component]
pub fn CellSetup() -> impl IntoView {
    view! {
        <div class="panel setup">
            <h2>"What to train"</h2>
            <StartChoice />
            <Sizes />
            <div class="choices">
                <TypesChoice />
                <ValidationFields of_cells=true />
            </div>
            <Recipe />
        </div>
    }
}

#[component]
fn StartChoice() -> impl IntoView {
    let control = use_control();
    let start = control.part(|state| state.training.setup.start);
    let model = control.part(|state| {
        let loaded = state.checkpoint.as_ref().filter(|_| state.can_begin_from_model());
        loaded.map(|checkpoint| checkpoint.header.summary())
    });
    let ways = [
        (StartFrom::Scratch, "start-scratch", "From random values; its genes are those of these cells"),
        (StartFrom::Checkpoint, "start-model", "From the loaded Cell-JEPA, with its sizes and its genes"),
    ];
    let radios = ways.map(|(way, testid, text)| {
        let is_lacking = move || way == StartFrom::Checkpoint && model.with(Option::is_none);
        view! {
            <label class="check">
                <input
                    type="radio"
                    name="start-from"
                    data-testid=testid
                    disabled=is_lacking
                    prop:checked=move || start.get() == way
                    on:change=move |_| control.change(|state| state.training.setup.start = way)
                />
                {text}
            </label>
        }
    });
    let loaded = move || match model.get() {
        Some(summary) => format!("Loaded: {summary}."),
        None => "To go on from one, drop its .safetensors on this page first.".into(),
    };
    view! {
        <fieldset class="start"><legend>"Begin"</legend>{radios.into_iter().collect_view()}<p class="quiet">{loaded}</p></fieldset>
    }
}

#[component]
fn Sizes() -> impl IntoView {
    let cards = CellJepaPreset::ALL.map(|preset| view! { <SizeCard preset /> });
    view! { <fieldset class="presets"><legend>"Size"</legend>{cards.into_iter().collect_view()}</fieldset> }
}

#[component]
fn SizeCard(preset: CellJepaPreset) -> impl IntoView {
    let control = use_control();
    let size = control.part(move |state| Size::of(state, &state.training.setup.with_cell_preset(preset)));
    let chosen = control.part(|state| state.training.setup.cell_preset);
    let is_too_large = move || size.with(|size| size.as_ref().is_some_and(Size::is_too_large));
    let choose = move |_| {
        control.change(|state| state.training.setup = state.training.setup.with_cell_preset(preset));
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
            <span>{preset.purpose()}</span>
            <small>{move || size.get().map(|size| size.text())}</small>
        </button>
    }
}

/// Whose types are learned from, if any.
#[component]
fn TypesChoice() -> impl IntoView {
    let control = use_control();
    let columns = control
        .part(|state| state.dataset.as_ref().map(|dataset| dataset.prepared.label_columns.clone()).unwrap_or_default());
    let chosen = control.part(|state| {
        let recipe = state.training.setup.config.cell_jepa.as_ref();
        recipe.and_then(|recipe| recipe.fine_tune.as_ref()).map(|tuning| tuning.column.clone()).unwrap_or_default()
    });
    let choose = move |column: String| {
        control.change(|state| {
            if let Some(recipe) = &mut state.training.setup.config.cell_jepa {
                recipe.fine_tune = (!column.is_empty()).then(|| CellTypeTuning { column, ..CellTypeTuning::default() });
            }
        });
    };
    move || {
        let none = (String::new(), "no labels (pretraining)".to_string());
        let columns = columns.get().into_iter().map(|name| (name.clone(), name));
        view! {
            <Choice
                label="Learn from the types in"
                testid="types-column"
                hint="Scores against labels that were learned from are no test"
                choices=std::iter::once(none).chain(columns).collect()
                chosen=move || chosen.get()
                choose
            />
        }
    }
}

/// A setting of the recipe.
struct Setting {
    label: &'static str,
    testid: &'static str,
    hint: &'static str,
    get: fn(&CellJepaConfig) -> f64,
    set: fn(&mut CellJepaConfig, f64),
}

static SETTINGS: [Setting; 6] = [
    Setting {
        label: "Genes a visit",
        testid: "cell-max-genes",
        hint: "Expressed genes read of a cell at most",
        get: |recipe| recipe.max_genes as f64,
        set: |recipe, number| recipe.max_genes = number as usize,
    },
    Setting {
        label: "Rate of learning",
        testid: "cell-rate",
        hint: "Of the first epoch",
        get: |recipe| recipe.lr,
        set: |recipe, number| recipe.lr = number,
    },
    Setting {
        label: "Rate, an epoch later",
        testid: "cell-rate-decay",
        hint: "Times the one before",
        get: |recipe| recipe.lr_decay,
        set: |recipe, number| recipe.lr_decay = number,
    },
    Setting {
        label: "Masked share",
        testid: "cell-mask",
        hint: "Of a cell’s values, 0 to 1",
        get: |recipe| recipe.mask_ratio,
        set: |recipe, number| recipe.mask_ratio = number,
    },
    Setting {
        label: "Teacher’s decay",
        testid: "cell-ema",
        hint: "Of its moving average; the paper does not say it",
        get: |recipe| recipe.ema_decay,
        set: |recipe, number| recipe.ema_decay = number,
    },
    Setting {
        label: "Weight of the embedding",
        testid: "cell-weight",
        hint: "1 − cos, beside squared bins; the paper’s is 1000",
        get: |recipe| recipe.embedding_weight,
        set: |recipe, number| recipe.embedding_weight = number,
    },
];

/// Steps, batch and recipe, for those who know them.
#[component]
fn Recipe() -> impl IntoView {
    let control = use_control();
    let preset = control.part(|state| state.training.setup.cell_preset);
    let whole = |n: Option<f64>, default: usize| n.map_or(default, |n| n as usize);
    let fields = move || {
        let default: TrainConfig = preset.get().config();
        let (n_steps, batch_size, every) =
            (default.pretrain.n_steps, default.pretrain.batch_size, default.validate_every);
        let steps = Number::new(
            |config| Some(config.pretrain.n_steps as f64),
            move |config, number| config.pretrain.n_steps = whole(number, n_steps),
        );
        let batch = Number::new(
            |config| Some(config.pretrain.batch_size as f64),
            move |config, number| config.pretrain.batch_size = whole(number, batch_size),
        );
        let validates = Number::new(
            |config| Some(config.validate_every as f64),
            move |config, number| config.validate_every = whole(number, every),
        );
        let recipe = preset.get().model();
        let settings = SETTINGS.iter().map(|setting| {
            let of_preset = (setting.get)(&recipe);
            let number = Number::new(
                move |config| config.cell_jepa.as_ref().map(|recipe| (setting.get)(recipe)),
                move |config, number| {
                    if let Some(recipe) = &mut config.cell_jepa {
                        (setting.set)(recipe, number.unwrap_or(of_preset));
                    }
                },
            );
            view! { <NumberChoice number label=setting.label testid=setting.testid hint=setting.hint placeholder=of_preset.to_string() /> }
        });
        view! {
            <NumberChoice number=steps label="Steps" testid="cell-steps" hint="Each of one batch" placeholder=n_steps.to_string() />
            <NumberChoice number=batch label="Batch" testid="cell-batch" hint="Cells a step" placeholder=batch_size.to_string() />
            <NumberChoice number=validates label="Validate every, steps" testid="validate-every" hint="And measure the gauges" placeholder=every.to_string() />
            {settings.collect_view()}
        }
    };
    view! {
        <details class="expert" data-testid="cell-settings">
            <summary>"Expert settings"</summary>
            <p class="quiet">
                {move || format!("Defaults are those of the {} preset; an emptied input takes its default again.", preset.get().label())}
            </p>
            <div class="choices">{fields}</div>
        </details>
    }
}
