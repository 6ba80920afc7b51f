//! BioJEPA-AC's evaluations of the model, folded: each number in the published and the corrected form, with what stands
//! beside it and what is wrong with the published one.

use leptos::prelude::*;
use spec::evaluation::{Evaluation, ReferenceEvaluation};

use crate::app::Shared;
use crate::views::evaluate::table::number;

/// All eight; nothing where they were not asked for.
#[component]
pub fn ReferencePanel(report: Shared<Evaluation>) -> impl IntoView {
    (!report.reference.is_empty()).then(|| {
        let all = report.reference.iter().cloned().map(|of| view! { <One of /> }).collect_view();
        view! {
            <details class="panel" data-testid="evaluate-reference">
                <summary>"As the reference measures it: BioJEPA-AC’s evaluations 1 to 8"</summary>
                {all}
            </details>
        }
    })
}

#[component]
fn One(of: ReferenceEvaluation) -> impl IntoView {
    let ReferenceEvaluation { number: place, title, flaw, rows, missing } = of;
    let title = format!("{place}. {title}");
    let has_rows = !rows.is_empty();
    let rows = rows.into_iter().map(|row| {
        let value = row.value.map(number).or(row.problem).unwrap_or_default();
        let beside = row.beside.map(|(what, value)| format!("{what}: {}", value.map_or_else(|| "–".into(), number)));
        view! {
            <tr data-testid="reference-row">
                <th scope="row" class="name">{row.measure}</th>
                <td>{row.form.label()}</td>
                <td>{value}</td>
                <td>{beside}</td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    let missing = missing.map(|missing| view! { <p data-testid="reference-missing">{missing}</p> });
    view! {
        <h4>{title.clone()}</h4>
        <p class="quiet">{flaw}</p>
        {missing}
        {has_rows.then(|| view! {
            <div class="scroll methods" tabindex="0" role="region" aria-label=title>
                <table>
                    <thead><tr><th scope="col" class="name">"Measure"</th><th scope="col">"Form"</th><th scope="col">"Model"</th><th scope="col">"Beside"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        })}
    }
}
