//! Genes that tell groups of cells apart: which groups, by which test, and a table whose genes colour the map.

use leptos::prelude::*;
use spec::map::{CellQuantity, GroupMarkers, Grouping, Marker, MarkerOptions, MarkerTable, MarkerTest, Representation};
use spec::message::{ExportKind, Request};

use crate::app::{Dataset, Job, Shared, State};
use crate::format::{count, signed, significant};
use crate::views::atlas::Atlas;
use crate::views::atlas::colour::ColourBy;
use crate::views::choices::Choice;
use crate::views::load::Warnings;

/// Rows of a page.
const PAGE: usize = 20;

const TESTS: [(&str, MarkerTest); 3] =
    [("welch", MarkerTest::Welch), ("wilcoxon", MarkerTest::Wilcoxon), ("ties", MarkerTest::WilcoxonTies)];

/// Columns of the table that it can be ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Score,
    Gene,
    Fold,
    Adjusted,
    Fraction,
    Rest,
}

impl Column {
    const ALL: [Column; 6] =
        [Column::Gene, Column::Score, Column::Fold, Column::Adjusted, Column::Fraction, Column::Rest];

    fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Gene => ("Gene", ""),
            Self::Score => ("Score", "t or z"),
            Self::Fold => ("Fold change", "log2"),
            Self::Adjusted => ("Adjusted p", "BH"),
            Self::Fraction => ("In group", "% of cells"),
            Self::Rest => ("Outside", "% of cells"),
        }
    }

    fn key(self, marker: &Marker) -> f64 {
        match self {
            Self::Gene => 0.0,
            Self::Score => -marker.score,
            Self::Fold => -marker.log2_fold_change,
            Self::Adjusted => marker.p_adjusted,
            Self::Fraction => -marker.fraction,
            Self::Rest => -marker.fraction_rest,
        }
    }
}

/// What a person chose to compare.
#[derive(Clone, Copy)]
struct Chosen {
    grouping: RwSignal<String>,
    reference: RwSignal<String>,
    test: RwSignal<MarkerTest>,
}

/// The panel.
#[component]
pub fn MarkersPanel(atlas: Atlas, dataset: Shared<Dataset>) -> impl IntoView {
    let control = atlas.control;
    let table = control.part(|state| state.population.markers.clone());
    let is_asked = control.part(|state| state.has_job(|request| matches!(request, Request::Markers { .. })));
    let mapped = control.part(|state| Representation::ALL.map(|of| state.population.mapped(of).is_some()));
    let chosen = Chosen {
        grouping: RwSignal::new(String::new()),
        reference: RwSignal::new(String::new()),
        test: RwSignal::new(MarkerTest::default()),
    };
    let groupings = {
        let dataset = dataset.clone();
        Memo::new(move |_| groupings(&dataset, mapped.get(), atlas.linked.selected.with(Option::is_some)))
    };
    let in_force = Memo::new(move |_| {
        let wanted = chosen.grouping.get();
        groupings.with(|all| {
            let found = all.iter().find(|(key, _)| *key == wanted).or(all.first());
            found.map(|(key, _)| key.clone()).unwrap_or_default()
        })
    });
    let ask = move |_| {
        let grouping = match in_force.get_untracked().as_str() {
            "clusters" => Grouping::Clusters { representation: Representation::Expression },
            "clusters-latent" => Grouping::Clusters { representation: Representation::Latent },
            "perturbation" => Grouping::Perturbation,
            "selection" => {
                let rows = atlas.linked.selected.with_untracked(|chosen| chosen.as_ref().map(|c| c.rows.clone()));
                Grouping::Selection { rows: rows.unwrap_or_default() }
            }
            key => Grouping::Column { name: key.trim_start_matches("column ").to_string() },
        };
        let reference = Some(chosen.reference.get_untracked()).filter(|name| !name.is_empty());
        let reference = reference.filter(|_| !matches!(grouping, Grouping::Selection { .. }));
        let options = MarkerOptions { test: chosen.test.get_untracked(), reference, ..MarkerOptions::default() };
        control.change(|state| state.ask_for_markers(grouping, options));
    };
    let summary = move || match table.get() {
        Some(table) => format!("Markers: {}, {}", table.grouping.label(), table.options.test.label()),
        None => "Markers: genes that tell groups apart".into(),
    };
    let choices = move || {
        let all = groupings.get();
        view! {
            <Choice
                label="Groups"
                testid="marker-groups"
                hint="Clusters come with UMAP; a selection with the lasso"
                choices=all
                chosen=move || in_force.get()
                choose=move |key| {
                    chosen.reference.set(String::new());
                    chosen.grouping.set(key);
                }
            />
        }
    };
    let references = {
        let dataset = dataset.clone();
        move || {
            let names = control.state.with(|state| names_of_groups(state, &dataset, &in_force.get()));
            let mut choices = vec![(String::new(), "all other cells".to_string())];
            choices.extend(names.into_iter().map(|name| (name.clone(), name)));
            view! {
                <Choice
                    label="Against"
                    testid="marker-reference"
                    hint="Each group is compared with these"
                    choices
                    chosen=move || chosen.reference.get()
                    choose=move |name| chosen.reference.set(name)
                />
            }
        }
    };
    let tests = TESTS.map(|(key, test)| (key.to_string(), test.label().to_string())).into();
    view! {
        <details class="part" data-testid="markers" prop:open=move || table.with(Option::is_some)>
            <summary>{summary}</summary>
            <div class="choices">
                {choices}
                {references}
                <Choice
                    label="Test"
                    testid="marker-test"
                    hint="As scanpy’s rank_genes_groups; p is adjusted after Benjamini and Hochberg"
                    choices=tests
                    chosen=move || {
                        let test = chosen.test.get();
                        TESTS.iter().find(|(_, one)| *one == test).map(|(key, _)| (*key).to_string()).unwrap_or_default()
                    }
                    choose=move |key: String| {
                        if let Some((_, test)) = TESTS.iter().find(|(one, _)| *one == key) {
                            chosen.test.set(*test);
                        }
                    }
                />
            </div>
            <div class="row">
                <button
                    type="button"
                    class="small"
                    data-testid="find-markers"
                    disabled=move || is_asked.get() || in_force.with(String::is_empty)
                    on:click=ask
                >
                    "Find the markers"
                </button>
                {move || in_force.with(String::is_empty).then(|| view! { <span class="quiet">"There are no groups yet: compute clusters, or select cells."</span> })}
            </div>
            {move || table.get().map(|table| view! { <Found atlas table /> })}
        </details>
    }
}

/// Groupings that can be compared: their keys and names.
fn groupings(dataset: &Dataset, mapped: [bool; 2], has_selection: bool) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let mut add = |is_there: bool, key: &str, name: &str| {
        if is_there {
            all.push((key.to_string(), name.to_string()));
        }
    };
    add(mapped[0], "clusters", "clusters of expression");
    add(mapped[1], "clusters-latent", "clusters of latent states");
    add(has_selection, "selection", "the selection");
    add(dataset.prepared.perturbations.len() > 1, "perturbation", "perturbation");
    all.extend(dataset.prepared.label_columns.iter().map(|name| (format!("column {name}"), name.clone())));
    all
}

/// Names of the groups, as far as the screen knows them.
fn names_of_groups(state: &State, dataset: &Dataset, key: &str) -> Vec<String> {
    let clusters = |of: Representation| {
        let n = state.population.mapped(of).map_or(0, |mapped| mapped.sizes.len());
        (0..n).map(|cluster| cluster.to_string()).collect()
    };
    match key {
        "clusters" => clusters(Representation::Expression),
        "clusters-latent" => clusters(Representation::Latent),
        "selection" => Vec::new(),
        "perturbation" => dataset.prepared.perturbations.iter().map(|(name, _)| name.clone()).collect(),
        key => {
            let name = key.trim_start_matches("column ");
            let opened = state.opened.as_ref().filter(|file| file.files == dataset.files);
            let column = opened.and_then(|file| file.opened.columns.iter().find(|column| column.name == name));
            match column.map(|column| &column.kind) {
                Some(spec::dataset::ColumnKind::Labels { values, .. }) => {
                    values.iter().map(|(name, _)| name.clone()).collect()
                }
                _ => Vec::new(),
            }
        }
    }
}

/// The table of one group at a time.
#[component]
fn Found(atlas: Atlas, table: Shared<MarkerTable>) -> impl IntoView {
    let group = RwSignal::new(0_usize);
    let column = RwSignal::new(Column::Score);
    let page = RwSignal::new(0_usize);
    let options = table.groups.iter().enumerate().map(|(at, group)| {
        view! { <option value=at.to_string()>{format!("{} ({} cells)", group.name, count(group.n_cells as u64))}</option> }
    });
    let options = options.collect_view();
    let heads = Column::ALL.map(|one| {
        let (title, unit) = one.title();
        let sorted = move || if column.get() == one { if one == Column::Gene || one == Column::Adjusted { "ascending" } else { "descending" } } else { "none" };
        view! {
            <th scope="col" aria-sort=sorted>
                <button type="button" on:click=move |_| { column.set(one); page.set(0); }>{title}" "<small>{unit}</small></button>
            </th>
        }
    });
    let n_pages = {
        let table = table.clone();
        move || table.groups.get(group.get()).map_or(1, |group| group.markers.len().div_ceil(PAGE).max(1))
    };
    let warnings = table.warnings.clone();
    let n_genes = count(table.n_genes as u64);
    let body = {
        let table = table.clone();
        move || table.groups.get(group.get()).map(|group| rows(atlas, group, column.get(), page.get()))
    };
    let is_last = {
        let n_pages = n_pages.clone();
        move || page.get() + 1 == n_pages()
    };
    let save = move |_| {
        atlas.control.change(|state| state.enqueue(Job::new(Request::Export { kind: ExportKind::Markers })));
    };
    view! {
        <div class="row between">
            <label class="inline">
                "Group "
                <select
                    data-testid="marker-group"
                    on:change=move |event| {
                        group.set(event_target_value(&event).parse().unwrap_or_default());
                        page.set(0);
                    }
                >
                    {options}
                </select>
            </label>
            <span class="quiet">{format!("The best of {n_genes} genes; a click on a gene colours the map by it")}</span>
            <button type="button" class="small" data-testid="markers-csv" on:click=save>"All as csv"</button>
        </div>
        <div class="scroll" tabindex="0" role="region" aria-label="Markers">
            <table data-testid="marker-table">
                <thead><tr>{heads.collect_view()}</tr></thead>
                <tbody>{body}</tbody>
            </table>
        </div>
        <div class="row">
            <button type="button" class="small" disabled=move || page.get() == 0 on:click=move |_| page.update(|at| *at -= 1)>"Before"</button>
            <span class="quiet">{move || format!("{} of {}", page.get() + 1, n_pages())}</span>
            <button type="button" class="small" disabled=is_last on:click=move |_| page.update(|at| *at += 1)>"Next"</button>
        </div>
        <Warnings warnings />
    }
}

fn rows(atlas: Atlas, group: &GroupMarkers, column: Column, page: usize) -> impl IntoView + use<> {
    let mut order: Vec<&Marker> = group.markers.iter().collect();
    match column {
        Column::Gene => order.sort_by(|a, b| a.gene.cmp(&b.gene)),
        _ => order.sort_by(|a, b| column.key(a).total_cmp(&column.key(b))),
    }
    let row = |marker: &&Marker| {
        let symbol = marker.gene.clone();
        let share = |share: f64| format!("{:.0}", 100.0 * share);
        view! {
            <tr data-testid="marker-row">
                <th scope="row">
                    <button
                        type="button"
                        class="gene"
                        on:click=move |_| atlas.colour(ColourBy::Asked(CellQuantity::Gene { symbol: symbol.clone() }))
                    >
                        {marker.gene.clone()}
                    </button>
                </th>
                <td>{significant(marker.score)}</td>
                <td>{signed(marker.log2_fold_change)}</td>
                <td>{small(marker.p_adjusted)}</td>
                <td>{share(marker.fraction)}</td>
                <td>{share(marker.fraction_rest)}</td>
            </tr>
        }
    };
    order.iter().skip(page * PAGE).take(PAGE).map(row).collect_view()
}

/// A p-value: two digits, with its power of ten where it is small.
fn small(p: f64) -> String {
    match p {
        0.0 => "< 1e−307".into(),
        p if p < 0.001 => format!("{p:.1e}").replace("e-", "e−"),
        p => format!("{p:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::small;

    #[test]
    fn small_numbers_are_short() {
        assert_eq!([0.0, 1.234e-20, 0.04, 1.0].map(small), ["< 1e−307", "1.2e−20", "0.040", "1.000"]);
    }
}
