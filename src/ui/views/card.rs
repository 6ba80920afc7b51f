//! The card of the loaded checkpoint: what it cannot do first, then where it comes from and how it scores.

use leptos::prelude::*;
use spec::checkpoint::{Card, MethodScore};
use spec::message::Request;
use spec::model::ModelConfig;

use crate::app::{Checkpoint, Shared};
use crate::format::{correlation, count, significant};
use crate::views::cell_jepa::EncoderCard;
use crate::views::load::Warnings;
use crate::views::shell::use_control;

/// Most attention heads that are offered.
const MAX_HEADS: usize = 64;

/// Limitations, source, licence, split and held-out scores.
#[component]
pub fn CardPanel() -> impl IntoView {
    let control = use_control();
    let checkpoint = control.part(|state| state.checkpoint.clone());
    move || {
        checkpoint.get().map(|checkpoint| {
            let sizes = sizes(&checkpoint);
            let warnings = checkpoint.warnings.clone();
            let heads = checkpoint.heads_unknown.then(|| view! { <HeadsChoice checkpoint=checkpoint.clone() /> });
            match &checkpoint.card {
                Some(card) => {
                    let limitations = card.limitations.iter().map(|text| view! { <li>{text.clone()}</li> });
                    let limitations = limitations.collect_view();
                    view! {
                        <div class="panel card" data-testid="card">
                            <h2>{card.title.clone()}</h2>
                            <p class="quiet">{sizes}</p>
                            <Warnings warnings />
                            <h3>"What it cannot do"</h3>
                            <ul>{limitations}</ul>
                            <h3>{held_out(card)}</h3>
                            <Scores scores=card.scores.clone() testid="card-scores" />
                            <dl>
                                <dt>"Data"</dt><dd>{card.data_source.clone()}</dd>
                                <dt>"Licence"</dt><dd>{card.data_licence.clone()}</dd>
                                <dt>"Split"</dt><dd>{card.split.clone()}</dd>
                                <dt>"Made by"</dt><dd class="mono">{card.command.clone()}</dd>
                            </dl>
                        </div>
                    }
                    .into_any()
                }
                None if checkpoint.header.is_cell_jepa() => view! { <EncoderCard sizes warnings /> }.into_any(),
                None => view! {
                    <div class="panel card" data-testid="card">
                        <h2>"Response model without a card"</h2>
                        <p data-testid="model-summary">{sizes}"."</p>
                        <Warnings warnings />
                        {heads}
                        <p>"Nothing is known of its data or of how well it does: treat what it says with care."</p>
                    </div>
                }
                .into_any(),
            }
        })
    }
}

/// Version, sizes and vectors in one line.
fn sizes(checkpoint: &Checkpoint) -> String {
    let n_parameters = count(checkpoint.n_parameters as u64);
    if checkpoint.header.is_cell_jepa() {
        return format!("{}, {n_parameters} parameters", checkpoint.header.summary());
    }
    let vectors = match checkpoint.n_vectors {
        0 => "none".into(),
        n => count(n as u64),
    };
    format!("{}, {n_parameters} parameters; perturbation vectors: {vectors}", checkpoint.header.summary())
}

/// The number of attention heads, which a bare file of parameters does not say: another loads the model again.
#[component]
fn HeadsChoice(checkpoint: Shared<Checkpoint>) -> impl IntoView {
    let control = use_control();
    let is_busy = control.part(|state| state.has_job(|request| matches!(request, Request::LoadCheckpoint { .. })));
    let ModelConfig { d_model, n_heads, .. } = checkpoint.header.model;
    let options = (1..=d_model.min(MAX_HEADS)).filter(|n| d_model.is_multiple_of(*n)).map(|n| {
        view! { <option value=n selected=n == n_heads>{n}</option> }
    });
    let choose = move |event| {
        if let Ok(n) = event_target_value(&event).parse::<usize>() {
            control.change(|state| state.load_with_heads(n));
        }
    };
    view! {
        <label class="choice">
            <span>"Attention heads"</span>
            <select data-testid="n-heads" disabled=move || is_busy.get() on:change=choose>{options.collect_view()}</select>
            <small>"As in training; the file does not say."</small>
        </label>
    }
}

fn held_out(card: &Card) -> String {
    match card.targets.len() {
        0 => "On held-out targets".into(),
        n => format!("On {n} targets held out of training"),
    }
}

/// What is known of the built-in example before it is here; `index.html` paints the same.
#[component]
pub fn ExampleCard() -> impl IntoView {
    let control = use_control();
    let is_waiting = control.part(|state| state.checkpoint.is_none() && state.failure.is_none());
    move || {
        is_waiting.get().then(|| {
            view! {
                <div class="panel card">
                    <h2>"The built-in example"</h2>
                    <h3>"What it cannot do"</h3>
                    <ul>
                        <li>"It is a response model: it says how mean expression may change, not what a cell becomes."</li>
                        <li>"It saw one cell line under one kind of perturbation, CRISPR knockout."</li>
                        <li>"Beside every prediction stand two simple guesses; where they do as well, the screen says so."</li>
                    </ul>
                    <dl>
                        <dt>"Cells"</dt>
                        <dd>"THP-1, a human leukaemia line, as metacells: means of about 40 cells of one condition each"</dd>
                        <dt>"Data"</dt>
                        <dd>"Papalexi et al. 2021, ECCITE-seq knockout screen"</dd>
                    </dl>
                </div>
            }
        })
    }
}

/// Method, delta Pearson and mean squared error, a row each.
#[component]
pub fn Scores(scores: Vec<MethodScore>, testid: &'static str) -> impl IntoView {
    let rows = scores.into_iter().map(|score| {
        view! {
            <tr>
                <th scope="row">{score.method}</th>
                <td>{correlation(score.delta_pearson)}</td>
                <td>{significant(score.mse)}</td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! {
        <table class="scores" data-testid=testid>
            <thead>
                <tr>
                    <th scope="col">"Method"</th>
                    <th scope="col" title="Correlation of predicted and measured change over the genes; higher is better">
                        "Delta Pearson\u{a0}↑"
                    </th>
                    <th scope="col" title="Mean squared error of the change, log1p units squared; lower is better">
                        "MSE\u{a0}↓"
                    </th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}
