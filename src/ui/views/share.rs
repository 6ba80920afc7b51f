//! The address of the page follows what is on screen, and can be copied as a link.

use std::time::Duration;

use js_sys::{Promise, Reflect};
use leptos::ev;
use leptos::prelude::*;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::app::Address;
use crate::control::Control;
use crate::views::shell::use_control;

/// For how long the button says that the link was copied.
const SAID_FOR: Duration = Duration::from_secs(3);

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = history, js_name = replaceState)]
    fn replace_address(state: &JsValue, title: &str, address: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_namespace = history, js_name = pushState)]
    fn push_address(state: &JsValue, title: &str, address: &str) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_namespace = ["navigator", "clipboard"], js_name = writeText)]
    fn write_text(text: &str) -> Result<Promise, JsValue>;
}

/// Goes where the address says, now and whenever a person changes it, and keeps it at what is shown. A step is a place
/// that the browser's back button returns to; a choice within one is not.
pub fn follow_address(control: Control) {
    let visit = move || {
        let fragment = window().location().hash().unwrap_or_default();
        if let Some(address) = Address::read(&fragment) {
            control.change(|state| state.visit(address));
        }
    };
    visit();
    let handle = window_event_listener(ev::popstate, move |event| {
        let fragment = window().location().hash().unwrap_or_default();
        match Address::read(&fragment) {
            // Back and forward among the steps of this page change nothing but the step.
            Some(address) if is_ours(&event) => control.change(|state| state.screen = address.screen),
            _ => visit(),
        }
    });
    on_cleanup(move || handle.remove());
    // While a link is not arrived at, it stands.
    let shown = control.part(|state| (!state.is_arriving()).then(|| Address::of(state)));
    Effect::new(move |_| {
        let Some(address) = shown.get() else { return };
        let (fragment, known) = (format!("#{}", address.fragment()), window().location().hash().unwrap_or_default());
        if known != fragment {
            // Where back and forward led, the address is at its step already; another place would cut off what follows.
            let is_step = Address::read(&known).is_some_and(|before| before.screen != address.screen);
            let keep = if is_step { push_address } else { replace_address };
            // A page that may not change its address (one in a frame without an origin) keeps the one it has.
            let _ = keep(&JsValue::TRUE, "", &fragment);
        }
    });
}

/// Whether an address was put there by [`follow_address`], not by a person.
fn is_ours(event: &ev::PopStateEvent) -> bool {
    Reflect::get(event, &"state".into()).is_ok_and(|state| state.is_truthy())
}

/// Copies the link to what is on screen.
#[component]
pub fn ShareButton() -> impl IntoView {
    let control = use_control();
    let said = RwSignal::new("Copy link");
    let copy = move |_| {
        let link = window().location().href().unwrap_or_default();
        spawn_local(async move {
            let written = match write_text(&link) {
                Ok(promise) => JsFuture::from(promise).await.map(|_| ()),
                Err(error) => Err(error),
            };
            match written {
                Ok(()) => {
                    said.set("Link copied");
                    set_timeout(
                        move || {
                            said.try_set("Copy link");
                        },
                        SAID_FOR,
                    );
                }
                // A browser that gives no page the clipboard: the address itself is the link.
                Err(_) => control.change(|state| {
                    state.notices.push(format!("The browser did not let the link be copied. It is: {link}"));
                }),
            }
        });
    };
    view! {
        <button
            type="button"
            class="small"
            data-testid="copy-link"
            title="Copies a link to this view: the step, the question and the settings of the maps. It carries no data and no file"
            on:click=copy
        >
            <span aria-live="polite">{said}</span>
        </button>
    }
}
