//! What genes are called: by the file, or by a table of genes that a person has; and what became of each name.

use leptos::prelude::*;
use spec::genes::NamingReport;

use crate::format::count;
use crate::views::file_button::FileButton;
use crate::views::shell::use_control;

/// Where the names come from.
#[component]
pub fn NamingChoice() -> impl IntoView {
    let control = use_control();
    let table = control.part(|state| state.gene_table.clone());
    let source = move || match table.get() {
        None => view! { <span data-testid="gene-names">"as in the file"</span> }.into_any(),
        Some(table) => view! {
            <span data-testid="gene-names">
                {table.name}" ("{count(table.n_symbols as u64)}" symbols) "
                <button
                    type="button"
                    class="small"
                    data-testid="forget-gene-names"
                    on:click=move |_| control.change(|state| state.name_genes_by(None))
                >
                    "Let go"
                </button>
            </span>
        }
        .into_any(),
    };
    view! {
        <div class="choice">
            <span>"Names of genes"</span>
            <div class="row">
                {source}
                <FileButton
                    text="From a table…"
                    label="Table of genes"
                    accept=".tsv,.txt,.gz"
                    testid="choose-gene-names"
                    input_testid="gene-names-input"
                    picked=move |files| control.name_genes_by(files)
                />
            </div>
            <small>
                "Where symbols are outdated: a tab-separated table of symbols, aliases and Ensembl ids, as HGNC and NCBI give"
            </small>
        </div>
    }
}

/// What became of the names.
#[component]
pub fn Naming(naming: Option<NamingReport>) -> impl IntoView {
    naming.map(|naming| {
        let NamingReport { n_genes, n_current, n_by_id, n_renamed, n_ambiguous, n_missing, n_duplicates, .. } = naming;
        let mut parts = vec![format!("{} current symbols", count(n_current as u64))];
        let kinds = [
            (n_by_id, "by Ensembl id"),
            (n_renamed, "renamed"),
            (n_ambiguous, "ambiguous"),
            (n_missing, "not in the table"),
        ];
        parts.extend(kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{} {what}", count(*n as u64))));
        let summary = format!("Names of {} genes: {}", count(n_genes as u64), parts.join(", "));
        let arrow = |(from, to): (String, String)| format!("{from} → {to}");
        let may_mean = |(name, symbols): (String, Vec<String>)| format!("{name} (may be {})", symbols.join(" or "));
        let shared = |(symbol, names): (String, Vec<String>)| format!("{symbol} (meant by {})", names.join(" and "));
        let lists = [
            ("Renamed", n_renamed, naming.renamed.into_iter().map(arrow).collect::<Vec<_>>()),
            ("Ambiguous, left as they are", n_ambiguous, naming.ambiguous.into_iter().map(may_mean).collect()),
            ("Not in the table, left as they are", n_missing, naming.missing),
            (
                "Meant by several genes; the one with most right has it",
                n_duplicates,
                naming.duplicates.into_iter().map(shared).collect(),
            ),
        ];
        let lists = lists.into_iter().filter(|(_, n, _)| *n > 0).map(|(title, n, names)| {
            let more = if names.len() < n { ", …" } else { "" };
            view! { <p><strong>{title}": "</strong><span class="mono">{names.join(", ")}{more}</span></p> }
        });
        let lists = lists.collect_view();
        view! { <details class="quiet" data-testid="naming"><summary>{summary}</summary>{lists}</details> }
    })
}
