//! What a score could come from that is no biology, and the measure that what knows nothing scores high by.

use leptos::prelude::*;
use spec::evaluation::Evaluation;
use spec::split::Severity;

use crate::app::Shared;
use crate::format::{plural, sentence};

/// The measure of single cells, beside what knows nothing.
#[component]
pub fn NullPanel(report: Shared<Evaluation>) -> impl IntoView {
    let Some(null) = &report.null else {
        return view! {
            <div class="panel">
                <h3>"The measure of single cells"</h3>
                <p class="quiet" data-testid="null-absent">
                    "These rows are means of cells, so there is no measure of single cells. It says nothing of a model in any "
                    "case: on single cells the mean training cell, which knows nothing of the perturbation, scores above 0.8."
                </p>
            </div>
        }
        .into_any();
    };
    let rows: Vec<_> = null
        .rows
        .iter()
        .map(|row| {
            let labels = if row.shuffled { "shuffled: no effect at all" } else { "as they are" };
            let knows = if row.knows { "yes" } else { "nothing" };
            let width = format!("width:{:.0}%", 100.0 * row.pearson20.clamp(0.0, 1.0));
            view! {
                <tr data-testid="null-row">
                    <th scope="row">{row.predictor.clone()}</th>
                    <td>{knows}</td>
                    <td>{labels}</td>
                    <td><div class="track"><div class="fill" style=width></div></div></td>
                    <td>{format!("{:.3}", row.pearson20)}</td>
                    <td>{format!("{:.3}", row.mse)}</td>
                </tr>
            }
        })
        .collect();
    view! {
        <div class="panel">
            <h3>"The measure of single cells"</h3>
            <p>
                {format!(
                    "Pearson over the 20 genes that differ most between a perturbed and a random control cell, over {}. What \
                     knows nothing scores high by it, even where labels are shuffled and there is no effect: do not judge by it.",
                    plural(null.n_pairs as u64, "pair")
                )}
            </p>
            <div class="scroll" tabindex="0" role="region" aria-label="The measure of single cells">
                <table data-testid="null-table">
                    <thead><tr><th scope="col">"Predictor"</th><th scope="col">"Knows"</th><th scope="col">"Labels"</th><th scope="col">"Top-20 r, drawn"</th><th scope="col">"Top-20 r"</th><th scope="col">"MSE"</th></tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}

/// Shared cells and perturbations, batches and sizes.
#[component]
pub fn AuditPanel(report: Shared<Evaluation>) -> impl IntoView {
    let findings: Vec<_> = report
        .audit
        .findings
        .iter()
        .map(|finding| {
            let (class, word) = match finding.severity {
                Severity::Error => ("finding bad", "Error: "),
                Severity::Warning => ("finding warn", "Look: "),
                Severity::Note => ("finding", ""),
            };
            view! { <li class=class><strong>{word}</strong>{sentence(&finding.message)}"."</li> }
        })
        .collect();
    let notes: Vec<_> =
        report.audit.notes.iter().map(|note| view! { <li class="finding">{sentence(note)}</li> }).collect();
    view! {
        <div class="panel">
            <h3>"Leakage audit"</h3>
            <p class="quiet">"What a score could come from that is no biology: shared cells, batches, sizes of cells."</p>
            <ul class="findings" data-testid="audit">{findings}{notes}</ul>
        </div>
    }
}
