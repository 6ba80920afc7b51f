//! A button that lets a person choose a file.

use leptos::html;
use leptos::prelude::*;

use crate::dropped::{Handed, chosen};

/// The button and the input behind it; `picked` gets what was chosen.
#[component]
pub fn FileButton(
    text: &'static str,
    /// What kind of file, for those who do not see the button.
    label: &'static str,
    /// Endings that are offered.
    accept: &'static str,
    testid: &'static str,
    input_testid: &'static str,
    picked: impl Fn(Vec<Handed>) + 'static,
) -> impl IntoView {
    let input: NodeRef<html::Input> = NodeRef::new();
    let choose = move |_| {
        if let Some(input) = input.get_untracked() {
            input.click();
        }
    };
    let changed = move |_| {
        let Some(input) = input.get_untracked() else { return };
        picked(chosen(input.files()));
        // The same file chosen again is a choice too.
        input.set_value("");
    };
    view! {
        <button type="button" class="small" data-testid=testid on:click=choose>{text}</button>
        <input
            type="file"
            class="hidden"
            tabindex="-1"
            aria-label=label
            accept=accept
            data-testid=input_testid
            node_ref=input
            on:change=changed
        />
    }
}
