//! The genes that the map of expression is made of: how they are chosen, how variable each is, and which were taken.

use leptos::prelude::*;
use spec::genes::VariableGenesTable;
use spec::message::Request;
use spec::prepare::{MapConfig, ScaleConfig, VariableGenesConfig, VariableGenesFlavor};

use crate::app::Shared;
use crate::export::{CSV, download, genes_csv};
use crate::format::{count, significant};
use crate::plots::scatter::{Paint, Points, Scatter};
use crate::views::choices::Choice;
use crate::views::load::Warnings;
use crate::views::shell::{Theme, use_control};

/// Genes that are named beside the plot.
const N_NAMED: usize = 30;

/// Where scaled values are cut off, as in scanpy's tutorials.
const SCALED_MOST: f64 = 10.0;

/// Ways to choose, as a person says them.
const WAYS: [(&str, &str, Option<VariableGenesFlavor>); 5] = [
    ("seurat", "Seurat: dispersion", Some(VariableGenesFlavor::Seurat)),
    ("cell_ranger", "Cell Ranger: dispersion", Some(VariableGenesFlavor::CellRanger)),
    ("seurat_v3", "Seurat v3: variance of counts", Some(VariableGenesFlavor::SeuratV3)),
    ("seurat_v3_paper", "Seurat v3, as in its paper", Some(VariableGenesFlavor::SeuratV3Paper)),
    ("all", "all genes", None),
];

/// Choices and what they choose.
#[component]
pub fn Genes(label_columns: Vec<String>) -> impl IntoView {
    let control = use_control();
    let table = control.part(|state| state.variable_genes.clone());
    let n_genes = control.part(|state| state.dataset.as_ref().map_or(0, |dataset| dataset.prepared.n_genes));
    let is_mapping = control.part(|state| state.has_job(|request| matches!(request, Request::Embed { .. })));
    let summary = move || {
        let n_all = count(n_genes.get() as u64);
        let what = match table.get() {
            Some(table) if table.chosen.len() == n_genes.get() => format!("all {n_all}"),
            Some(table) => format!("{} of {n_all}, those that vary most", count(table.chosen.len() as u64)),
            None if is_mapping.get() => "being chosen".into(),
            None => format!("all {n_all}"),
        };
        format!("Genes of the expression map: {what}")
    };
    view! {
        <details class="panel genes" data-testid="genes">
            <summary>{summary}</summary>
            <div class="choices">
                <WayChoice />
                <NumberChoice />
                <BatchChoice label_columns />
                <ScaleChoice />
            </div>
            {move || table.get().map(|table| view! { <Chosen table /> })}
        </details>
    }
}

#[component]
fn WayChoice() -> impl IntoView {
    let control = use_control();
    let chosen = control.part(|state| {
        let flavor = state.map_config.genes.as_ref().map(|genes| genes.flavor);
        WAYS.iter().find(|(_, _, way)| *way == flavor).map(|(key, ..)| *key).unwrap_or_default()
    });
    let choose = move |key: String| {
        let flavor = WAYS.iter().find(|(one, ..)| *one == key).and_then(|(_, _, way)| *way);
        control.change(|state| {
            let mut config = state.map_config.clone();
            let before = config.genes.take().or(MapConfig::default().genes);
            config.genes = flavor.zip(before).map(|(flavor, genes)| VariableGenesConfig { flavor, ..genes });
            state.map_by(config);
        });
    };
    let choices = WAYS.map(|(key, text, _)| (key.to_string(), text.to_string())).into();
    view! {
        <Choice
            label="Variable genes"
            testid="variable-genes"
            hint="As scanpy’s highly_variable_genes; the choice holds for the map alone"
            choices
            chosen=move || chosen.get().to_string()
            choose
        />
    }
}

#[component]
fn NumberChoice() -> impl IntoView {
    let control = use_control();
    let n_top = control.part(|state| state.map_config.genes.as_ref().map(|genes| genes.n_top_genes));
    let typed = move |event| {
        let n = event_target_value(&event).trim().parse::<usize>().ok().filter(|n| *n > 0);
        control.change(|state| {
            let mut config = state.map_config.clone();
            if let Some(genes) = &mut config.genes {
                genes.n_top_genes = n;
            }
            state.map_by(config);
        });
    };
    let hint = "Empty: by scanpy’s cutoffs of mean and dispersion; 2,000 for Seurat v3";
    move || {
        n_top.get().map(|n_top| {
            view! {
                <label class="choice">
                    <span>"How many"</span>
                    <input
                        type="number"
                        min="1"
                        data-testid="n-top-genes"
                        prop:value=n_top.map(|n| n.to_string()).unwrap_or_default()
                        on:change=typed
                    />
                    <small>{hint}</small>
                </label>
            }
        })
    }
}

#[component]
fn BatchChoice(label_columns: Vec<String>) -> impl IntoView {
    let control = use_control();
    let has_way = control.part(|state| state.map_config.genes.is_some());
    let chosen = control.part(|state| state.map_config.batch_column.clone().unwrap_or_default());
    let none = (String::new(), "none".to_string());
    let choices: Vec<_> =
        std::iter::once(none).chain(label_columns.into_iter().map(|name| (name.clone(), name))).collect();
    move || {
        let choices = choices.clone();
        (has_way.get() && choices.len() > 1).then(|| {
            let choose = move |name: String| {
                control.change(|state| {
                    let batch_column = (!name.is_empty()).then_some(name);
                    let config = MapConfig { batch_column, ..state.map_config.clone() };
                    state.map_by(config);
                });
            };
            view! {
                <Choice
                    label="Batches"
                    testid="batch-column"
                    hint="Variability is measured in each, so that differences between them count less"
                    choices
                    chosen=move || chosen.get()
                    choose
                />
            }
        })
    }
}

#[component]
fn ScaleChoice() -> impl IntoView {
    let control = use_control();
    let is_scaled = control.part(|state| state.map_config.scale.is_some());
    let toggled = move |event| {
        let is_on = event_target_checked(&event);
        control.change(|state| {
            let scale = ScaleConfig { max_value: Some(SCALED_MOST), ..ScaleConfig::default() };
            let config = MapConfig { scale: is_on.then_some(scale), ..state.map_config.clone() };
            state.map_by(config);
        });
    };
    view! {
        <label class="choice">
            <span>"Scale"</span>
            <span class="check">
                <input type="checkbox" data-testid="scale" prop:checked=move || is_scaled.get() on:change=toggled />
                " each gene to unit variance"
            </span>
            <small>{format!("As scanpy’s scale, cut off at {SCALED_MOST} standard deviations")}</small>
        </label>
    }
}

/// Mean against variability, the chosen marked, and the most variable by name.
#[component]
fn Chosen(table: Shared<VariableGenesTable>) -> impl IntoView {
    let theme = expect_context::<RwSignal<Theme>>();
    let hovered = RwSignal::new(None::<usize>);
    let mut class_of_cell = vec![0; table.symbols.len()];
    table.chosen.iter().for_each(|gene| class_of_cell[*gene as usize] = 1);
    let paint = Shared::new(Paint { class_of_cell, palette: vec!["var(--c-rest)".into(), "var(--c-picked)".into()] });
    let points = Shared::new(Points { x: table.means.clone(), y: table.spread.clone() });
    let describe = {
        let table = table.clone();
        move |gene: usize| {
            let of = |values: &[f32]| values.get(gene).map_or_else(String::new, |value| significant(f64::from(*value)));
            let name = table.symbols.get(gene).cloned().unwrap_or_default();
            format!("{name} · mean {} · {}", of(&table.means), of(&table.spread))
        }
    };
    let (x_axis, y_axis) = axes(table.flavor);
    let n_genes = count(table.symbols.len() as u64);
    let spoken = format!("{y_axis} against {x_axis} of {n_genes} genes; the chosen ones are marked");
    let named = most_variable(&table);
    let save = {
        let table = table.clone();
        move |_| download("variable_genes.csv", CSV, genes_csv(&table))
    };
    view! {
        <div class="maps">
            <figure class="plot">
                <Scatter
                    points
                    axes=[x_axis.to_string(), y_axis.to_string()]
                    is_map=false
                    paint=Signal::stored(paint)
                    hovered
                    theme
                    describe
                    spoken
                    testid="gene-variability"
                />
            </figure>
            <div class="named">
                <p class="quiet">{format!("The {} most variable:", named.len())}</p>
                <p class="mono">{named.join(", ")}</p>
                <button type="button" class="small" data-testid="genes-csv" on:click=save>"All genes as csv"</button>
                <Warnings warnings=table.warnings.clone() />
            </div>
        </div>
    }
}

/// What the two axes are.
fn axes(flavor: VariableGenesFlavor) -> (&'static str, &'static str) {
    match flavor {
        VariableGenesFlavor::Seurat => ("log1p of the mean scaled count", "normalised dispersion"),
        VariableGenesFlavor::CellRanger => ("mean log1p expression", "normalised dispersion"),
        VariableGenesFlavor::SeuratV3 | VariableGenesFlavor::SeuratV3Paper => ("mean count", "normalised variance"),
    }
}

/// Names of the most variable of the chosen genes, most variable first.
fn most_variable(table: &VariableGenesTable) -> Vec<String> {
    let mut chosen = table.chosen.clone();
    let spread = |gene: &u32| table.spread[*gene as usize];
    chosen.sort_by(|a, b| spread(b).total_cmp(&spread(a)));
    chosen.into_iter().take(N_NAMED).map(|gene| table.symbols[gene as usize].clone()).collect()
}
