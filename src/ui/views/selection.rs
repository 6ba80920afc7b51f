//! Which genes are read: all, those of the model, or those that a person names; and which the samples of a study share.

use leptos::prelude::*;
use spec::dataset::{GeneJoin, GeneSelection};

use crate::app::{OpenedFile, Shared};
use crate::format::count;
use crate::views::choices::Choice;
use crate::views::shell::use_control;

const ALL: &str = "all";
const MODEL: &str = "model";
const NAMED: &str = "named";

/// Which genes are read.
#[component]
pub fn GenesToRead(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let n_genes = file.opened.matrices.first().map_or(0, |matrix| matrix.n_genes as u64);
    let of_model = control.part(|state| state.checkpoint.as_ref().map(|model| model.header.genes.clone()));
    let selection = control.part(|state| state.options.genes.clone());
    // What is chosen before a name is typed selects nothing yet.
    let is_naming = RwSignal::new(false);
    let chosen = move || match (selection.get(), is_naming.get()) {
        (Some(genes), false) if of_model.with(|model| model.as_deref() == Some(genes.names())) => MODEL,
        (None, false) => ALL,
        _ => NAMED,
    };
    let choose = move |key: String| {
        is_naming.set(key == NAMED);
        let model = of_model.get_untracked().filter(|_| key == MODEL);
        let genes = model.and_then(|genes| GeneSelection::new(genes).ok());
        control.change(|state| state.options.genes = genes);
    };
    let choices = move || {
        let mut choices = vec![(ALL.to_string(), format!("all {}", count(n_genes)))];
        choices.extend(
            of_model.get().map(|genes| (MODEL.to_string(), format!("the {} of the model", count(genes.len() as u64)))),
        );
        choices.push((NAMED.to_string(), "those I name".to_string()));
        choices
    };
    let typed = move |event| {
        let text = event_target_value(&event);
        let names = text.split(|c: char| c == ',' || c == ';' || c.is_whitespace()).filter(|name| !name.is_empty());
        let genes = GeneSelection::new(names.map(str::to_owned).collect()).ok();
        control.change(|state| state.options.genes = genes);
    };
    let shown = move || selection.get().map(|genes| genes.names().join(" ")).unwrap_or_default();
    view! {
        <div class="choice-group">
            {move || view! {
                <Choice
                    label="Genes to read"
                    testid="genes-to-read"
                    hint="Fewer take less memory; library sizes and quality are of all genes all the same"
                    choices=choices()
                    chosen=move || chosen().to_string()
                    choose
                />
            }}
            {move || (chosen() == NAMED).then(|| view! {
                <textarea
                    rows="2"
                    aria-label="Names of the genes to read"
                    placeholder="STAT1 JAK2 … by symbol or Ensembl id"
                    data-testid="genes-named"
                    prop:value=shown
                    on:change=typed
                ></textarea>
            })}
        </div>
    }
}

/// Which genes the samples share; asked where there are several.
#[component]
pub fn JoinChoice(file: Shared<OpenedFile>) -> impl IntoView {
    let control = use_control();
    let files = file.files;
    file.opened.join.map(|join| {
        let key = |join| if join == GeneJoin::Union { "union" } else { "intersection" };
        let choices = vec![
            (key(GeneJoin::Union).to_string(), "all genes of any sample".to_string()),
            (key(GeneJoin::Intersection).to_string(), "only genes of every sample".to_string()),
        ];
        let choose = move |chosen: String| {
            if let Ok(join) = chosen.parse() {
                control.change(|state| state.open_again(files, join));
            }
        };
        view! {
            <Choice
                label="Genes of the samples"
                testid="gene-join"
                hint="A gene that a sample lacks counts as 0 there"
                choices
                chosen=move || key(join).to_string()
                choose
            />
        }
    })
}
