//! In which cells a perturbation is predicted: all control cells, those of a cluster or a label, or the selection of the map.

use std::collections::HashSet;

use leptos::prelude::*;
use spec::dataset::{CellUnit, ColumnKind};
use spec::map::{Grouping, Mapped, Representation};
use spec::prediction::CellChoice;

use crate::app::{Dataset, OpenedFile, Shared, State};
use crate::format::plural;
use crate::views::shell::use_control;

/// Labels of a column that are offered, those with the most cells first.
const MAX_LABELS: usize = 60;

/// Choices under one head.
#[derive(Debug, Clone, PartialEq)]
struct Offered {
    head: String,
    /// What is chosen, and in words.
    choices: Vec<(CellChoice, String)>,
}

/// What choices are made of.
#[derive(Clone, PartialEq)]
struct Known {
    dataset: Option<Shared<Dataset>>,
    mapped: [Option<Shared<Mapped>>; 2],
    selected: Option<Shared<Vec<u32>>>,
    opened: Option<Shared<OpenedFile>>,
}

impl Known {
    fn of(state: &State) -> Self {
        Self {
            dataset: state.dataset.clone(),
            mapped: state.population.mapped.clone(),
            selected: state.asking.selected.clone(),
            opened: state.opened.clone(),
        }
    }
}

/// What there is to choose from.
fn offered(known: &Known) -> Vec<Offered> {
    let Some(dataset) = &known.dataset else { return Vec::new() };
    let unit = unit(dataset);
    let mut all = Vec::new();
    if let Some(rows) = &known.selected {
        let n = controls_among(dataset, rows.iter().copied());
        let text = format!("the selection ({})", plural(n as u64, unit));
        let choices = vec![(CellChoice::Selection { rows: Vec::new() }, text)];
        all.push(Offered { head: "Chosen on the map".into(), choices });
    }
    for representation in Representation::ALL {
        let Some(mapped) = &known.mapped[representation as usize] else { continue };
        let mut n_controls = vec![0_usize; mapped.sizes.len()];
        let is_control = controls(dataset);
        for (row, &cluster) in mapped.clusters.iter().enumerate() {
            if let Some(n) = n_controls.get_mut(cluster as usize).filter(|_| is_control(row as u32)) {
                *n += 1;
            }
        }
        let choice = |(cluster, n): (usize, usize)| {
            let grouping = Grouping::Clusters { representation };
            let text = format!("cluster {cluster} ({})", plural(n as u64, unit));
            (CellChoice::Group { grouping, group: cluster.to_string() }, text)
        };
        let choices = n_controls.into_iter().enumerate().map(choice).collect();
        all.push(Offered { head: format!("Clusters of {}", representation.label()), choices });
    }
    let opened = known.opened.as_ref().filter(|file| file.files == dataset.files);
    let perturbation = dataset.options.perturbation_column.as_deref();
    let columns = opened.map_or(&[][..], |file| file.opened.columns.as_slice());
    for column in columns {
        let is_offered = dataset.prepared.label_columns.contains(&column.name) && perturbation != Some(&column.name);
        let ColumnKind::Labels { values, .. } = &column.kind else { continue };
        if !is_offered {
            continue;
        }
        let choice = |(name, n): &(String, usize)| {
            let grouping = Grouping::Column { name: column.name.clone() };
            let text = format!("{name} ({} of the file)", plural(*n as u64, "cell"));
            (CellChoice::Group { grouping, group: name.clone() }, text)
        };
        let choices = values.iter().take(MAX_LABELS).map(choice).collect();
        all.push(Offered { head: column.name.clone(), choices });
    }
    all
}

/// What a row that is predicted from is called.
fn unit(dataset: &Dataset) -> &'static str {
    match dataset.prepared.unit {
        CellUnit::Cell => "control cell",
        CellUnit::Metacell => "control metacell",
    }
}

/// Whether a row is a control cell that is kept.
fn controls(dataset: &Dataset) -> impl Fn(u32) -> bool + use<'_> {
    let prepared = &dataset.prepared;
    let dropped: HashSet<u32> = prepared.dropped.iter().copied().collect();
    // The control comes first; without labels every cell is one.
    let codes = &prepared.perturbation_of_cell;
    move |row| !dropped.contains(&row) && (codes.is_empty() || codes.get(row as usize) == Some(&0))
}

fn controls_among(dataset: &Dataset, rows: impl Iterator<Item = u32>) -> usize {
    let is_control = controls(dataset);
    rows.filter(|&row| is_control(row)).count()
}

/// Which cells are predicted from, and of which cells the measured response beside the answer is.
fn explained(unit: CellUnit, is_by_expression: bool) -> &'static str {
    match (unit, is_by_expression) {
        (CellUnit::Cell, true) => {
            "The control cells among them are predicted from, and what is measured is of the same cells."
        }
        (CellUnit::Cell, false) => "What is measured is of the same cells.",
        (CellUnit::Metacell, true) => {
            "The control metacells among them are predicted from. What was measured is taken from the screen that came with \
             the model, of all its cells; of these metacells only where it has nothing."
        }
        (CellUnit::Metacell, false) => {
            "What was measured is taken from the screen that came with the model, of all its cells; of these metacells only \
             where it has nothing."
        }
    }
}

/// The choice.
#[component]
pub fn CellsChoice() -> impl IntoView {
    let control = use_control();
    // Counting is done once for each of these, not at every change of the state.
    let known = control.part(Known::of);
    let heads = Memo::new(move |_| known.with(offered));
    let chosen = control.part(|state| state.asking.cells.clone());
    let all = control.part(|state| {
        let prepared = state.dataset.as_ref().map(|dataset| (unit(dataset), dataset.prepared.perturbations.first()));
        match prepared {
            Some((unit, Some((_, n)))) => format!("all {}", plural(*n as u64, unit)),
            _ => "all control cells".into(),
        }
    });
    // Options are told by their place.
    let flat = move || heads.get().into_iter().flat_map(|head| head.choices).map(|(choice, _)| choice);
    let choose = move |event| {
        let at = event_target_value(&event).parse::<usize>().ok();
        let choice = at.and_then(|at| flat().nth(at)).unwrap_or_default();
        control.change(|state| state.asking.cells = choice);
    };
    let options = move || {
        let mut place = 0;
        let head = |head: Offered| {
            let options = head.choices.into_iter().map(|(choice, text)| {
                let value = place.to_string();
                place += 1;
                view! { <option value=value prop:selected=move || chosen.get() == choice>{text}</option> }
            });
            let options: Vec<_> = options.collect();
            view! { <optgroup label=head.head>{options}</optgroup> }
        };
        heads.get().into_iter().map(head).collect_view()
    };
    let note = move || match known.with(|known| known.dataset.as_ref().map(|dataset| dataset.prepared.unit)) {
        Some(unit) if !heads.with(Vec::is_empty) => explained(unit, chosen.with(CellChoice::is_by_expression)),
        _ => "Clusters, or cells chosen with the lasso under Look, can be asked about by themselves.",
    };
    view! {
        <label class="choice">
            <span>"In which cells"</span>
            <select data-testid="cells-select" on:change=choose>
                <option value="all" prop:selected=move || chosen.get() == CellChoice::All>{move || all.get()}</option>
                {options}
            </select>
            <small data-testid="cells-note">{note}</small>
        </label>
    }
}

#[cfg(test)]
mod tests {
    use spec::dataset::CellUnit;

    use super::explained;

    #[test]
    fn only_single_cells_are_measured_themselves() {
        for is_by_expression in [false, true] {
            assert!(explained(CellUnit::Cell, is_by_expression).contains("is of the same cells"));
            let of_metacells = explained(CellUnit::Metacell, is_by_expression);
            assert!(!of_metacells.contains("same cells") && of_metacells.contains("of all its cells"));
        }
    }
}
