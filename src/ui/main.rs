//! The screen: Load, Look, Perturb, Train, over an engine in a worker.
//!
//! `app` is the state and how events change it, `link` the wire to the worker, `control` ties the two; `views` are
//! functions of the state and `plots` draw arrays. It knows the engine through `spec` alone.
//! Tests find elements by the `data-testid` values that `views` lists.

mod app;
mod control;
mod demo;
mod dropped;
mod export;
mod format;
mod headline;
mod link;
mod plots;
mod search;
mod views;

use wasm_bindgen::prelude::JsCast;

fn main() {
    console_error_panic_hook::set_once();
    let document = leptos::prelude::document();
    let Some(place) = document.get_element_by_id("app").and_then(|found| found.dyn_into().ok()) else {
        leptos::logging::error!("index.html has no element with the id `app`");
        return;
    };
    let place: web_sys::HtmlElement = place;
    place.set_inner_html("");
    leptos::mount::mount_to(place, views::shell::Shell).forget();
}
