//! What the labels of the file were understood to mean, as a table to correct before the cells are prepared.

use leptos::prelude::*;
use spec::labels::{LabelRow, LabelTable, Reading};

use crate::app::Shared;
use crate::format::{count, plural};
use crate::views::shell::use_control;

/// Rows that are shown; the labels with most cells come first.
const MAX_ROWS: usize = 300;

/// The table, closed until somebody looks; nothing where no column is chosen.
#[component]
pub fn Labels() -> impl IntoView {
    let control = use_control();
    let labels = control.part(|state| state.labels.clone());
    // A corrected row must not close the table, nor lose the place in it.
    let is_open = RwSignal::new(false);
    move || {
        labels.get().map(|table| {
            let warnings: Vec<_> = table.warnings.iter().map(|warning| view! { <p>{warning.clone()}</p> }).collect();
            let toggled = move |_| is_open.update(|is_open| *is_open = !*is_open);
            view! {
                <div class="labels" data-testid="labels">
                    <button type="button" class="small" aria-expanded=move || is_open.get().to_string() on:click=toggled>
                        {move || if is_open.get() { "Hide the labels" } else { "Check the labels" }}
                    </button>
                    <span class="quiet">{summary(&table)}</span>
                    <div class="quiet">{warnings}</div>
                    {move || is_open.get().then(|| view! { <Table table=table.clone() /> })}
                </div>
            }
        })
    }
}

/// `25 targets, 2 labels of controls; 3 labels with fewer than 20 cells`.
fn summary(table: &LabelTable) -> String {
    let of = |is_kind: fn(&Reading) -> bool| table.rows.iter().filter(move |row| is_kind(&row.reading));
    let mut targets: Vec<&[String]> = Vec::new();
    for row in &table.rows {
        if let Reading::Targets(names) = &row.reading
            && !targets.contains(&names.as_slice())
        {
            targets.push(names);
        }
    }
    let n_control: usize = of(|reading| *reading == Reading::Control).map(|row| row.n_cells).sum();
    let mut text = format!("{}, {}", plural(targets.len() as u64, "target"), plural(n_control as u64, "control cell"));
    let n_lost: usize = of(|reading| *reading == Reading::NotAssigned).map(|row| row.n_cells).sum();
    if n_lost > 0 {
        text.push_str(&format!(", {} not assigned", plural(n_lost as u64, "cell")));
    }
    let n_unknown = of(|reading| *reading == Reading::Unknown).count();
    if n_unknown > 0 {
        text.push_str(&format!(", {} not understood", plural(n_unknown as u64, "label")));
    }
    let n_small = table.rows.iter().filter(|row| row.is_small).count();
    if n_small > 0 {
        text.push_str(&format!("; {} with too few cells", plural(n_small as u64, "label")));
    }
    text
}

#[component]
fn Table(table: Shared<LabelTable>) -> impl IntoView {
    let rows: Vec<_> = table.rows.iter().take(MAX_ROWS).map(|row| view! { <Row row=row.clone() /> }).collect();
    let more = (table.rows.len() > MAX_ROWS)
        .then(|| format!("The {} labels with most cells of {} are shown.", MAX_ROWS, count(table.rows.len() as u64)));
    view! {
        <div class="scroll">
            <table>
                <thead>
                    <tr><th>"Label"</th><th class="number">"Cells"</th><th>"Means"</th><th>"Why"</th></tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
        <p class="quiet">{more}</p>
    }
}

#[component]
fn Row(row: LabelRow) -> impl IntoView {
    let control = use_control();
    let LabelRow { label, n_cells, reading, rule, is_small, is_corrected, .. } = row;
    let kind = kind_of(&reading);
    let targets = match &reading {
        Reading::Targets(targets) => targets.join("+"),
        _ => label.clone(),
    };
    let options = KINDS.map(|(key, text)| view! { <option value=key selected=key == kind>{text}</option> });
    let chosen = {
        let (label, targets) = (label.clone(), targets.clone());
        move |event| {
            let reading = read(&event_target_value(&event), &targets);
            control.change(|state| state.correct_label(&label, reading));
        }
    };
    let named = {
        let label = label.clone();
        move |event| {
            let reading = read("targets", &event_target_value(&event));
            control.change(|state| state.correct_label(&label, reading));
        }
    };
    let name = (kind == "targets").then(|| {
        let spoken = format!("Targets of {label}");
        view! { <input value=targets aria-label=spoken on:change=named /> }
    });
    let why = if is_corrected { "corrected by you".to_string() } else { rule };
    let few = is_small.then_some("too few to trust");
    view! {
        <tr data-testid="label-row">
            <td>{label.clone()}</td>
            <td class="number">{count(n_cells as u64)}<small>{few}</small></td>
            <td>
                <div class="means"><select aria-label=format!("Meaning of {label}") on:change=chosen>{options}</select>
                {name}</div>
            </td>
            <td class="quiet">{why}</td>
        </tr>
    }
}

const KINDS: [(&str, &str); 4] =
    [("control", "control"), ("targets", "target"), ("not_assigned", "not assigned"), ("unknown", "as it is written")];

fn kind_of(reading: &Reading) -> &'static str {
    match reading {
        Reading::Control => "control",
        Reading::Targets(_) => "targets",
        Reading::NotAssigned => "not_assigned",
        Reading::Unknown => "unknown",
    }
}

/// What a person chose; several targets are joined by `+`.
fn read(kind: &str, targets: &str) -> Reading {
    let mut names: Vec<String> = Vec::new();
    for name in targets.split('+').map(str::trim).filter(|name| !name.is_empty()) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    match kind {
        "control" => Reading::Control,
        "not_assigned" => Reading::NotAssigned,
        "targets" if !names.is_empty() => Reading::Targets(names),
        _ => Reading::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_becomes_a_reading() {
        let targets = |names: &[&str]| Reading::Targets(names.iter().map(|name| (*name).into()).collect());
        assert_eq!(read("targets", " STAT1 + JAK2+STAT1"), targets(&["STAT1", "JAK2"]));
        assert_eq!(read("targets", " + "), Reading::Unknown);
        assert_eq!((read("control", "x"), read("not_assigned", "x")), (Reading::Control, Reading::NotAssigned));
    }
}
