//! What the screen says of a Cell-JEPA: it embeds cells, and predicts nothing.

use leptos::prelude::*;

use crate::app::Screen;
use crate::views::card::CardPanel;
use crate::views::load::Warnings;
use crate::views::shell::use_control;

/// The card of a Cell-JEPA, which comes without one.
#[component]
pub fn EncoderCard(sizes: String, warnings: Vec<String>) -> impl IntoView {
    view! {
        <div class="panel card" data-testid="card">
            <h2>"Cell-JEPA: embeds cells"</h2>
            <p data-testid="model-summary">{sizes}"."</p>
            <Warnings warnings />
            <h3>"What it cannot do"</h3>
            <ul>
                <li>"It predicts no perturbations: steps 3 and 5 ask a response model."</li>
                <li>"It reads at most some hundred of a cell’s expressed genes, and of them those that it has tokens for."</li>
                <li>"Nothing is known of the cells that it learned from: hold its map against known labels, beside principal components."</li>
            </ul>
        </div>
    }
}

/// In place of step 3, while a Cell-JEPA is the model in use.
#[component]
pub fn PredictsNothing() -> impl IntoView {
    let control = use_control();
    view! {
        <div class="perturb">
            <section class="side"><CardPanel /></section>
            <section class="answer">
                <div class="panel empty" data-testid="predicts-nothing">
                    <h2>"A Cell-JEPA predicts no perturbations"</h2>
                    <p>
                        "The model in use embeds cells: step 2 shows its map beside principal components, and how well both keep "
                        "known labels apart. To ask what a perturbation does, load a response model (BioJEPA-AC)."
                    </p>
                    <div class="row">
                        <button type="button" class="primary" on:click=move |_| control.change(|state| state.screen = Screen::Look)>
                            "Look at its map"
                        </button>
                        <button type="button" on:click=move |_| control.open_example()>"Open the built-in example"</button>
                    </div>
                </div>
            </section>
        </div>
    }
}
