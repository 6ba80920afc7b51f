//! Shows what the page and the engine's worker ask of the network: a count, and where the requests went.

use js_sys::Array;
use leptos::prelude::*;
use wasm_bindgen::prelude::{Closure, JsCast, JsValue};
use web_sys::{PerformanceEntry, PerformanceObserver, PerformanceObserverEntryList, PerformanceObserverInit};

use crate::app::Requests;
use crate::views::shell::use_control;

/// `Nothing leaves this machine`, with the count that shows it.
#[component]
pub fn Privacy() -> impl IntoView {
    let requests = RwSignal::new(Requests::default());
    watch(requests);
    let of_worker = use_control().part(|state| state.worker_requests);
    let text = move || {
        let Requests { here, elsewhere } = requests.get() + of_worker.get();
        format!("{here} requests to this site since load, {elsewhere} elsewhere")
    };
    view! {
        <span
            class="privacy"
            data-testid="privacy-chip"
            title="Counted by the browser, for this page and for the engine’s worker: their own parts and the built-in example. The page’s content security policy forbids requests to anywhere else."
        >
            <strong>"Nothing leaves this machine"</strong>
            " · "
            {text}
        </span>
    }
}

fn watch(requests: RwSignal<Requests>) {
    let Ok(origin) = window().location().origin() else { return };
    let origin = format!("{origin}/");
    let seen = Closure::<dyn FnMut(PerformanceObserverEntryList)>::new(move |list: PerformanceObserverEntryList| {
        requests.update(|requests| {
            for entry in list.get_entries().iter().filter_map(|entry| entry.dyn_into::<PerformanceEntry>().ok()) {
                let name = entry.name();
                if name.starts_with(&origin) {
                    requests.here += 1;
                } else if !name.starts_with("blob:") {
                    // A blob lies in the page itself.
                    requests.elsewhere += 1;
                }
            }
        });
    });
    if let Ok(observer) = PerformanceObserver::new(seen.as_ref().unchecked_ref()) {
        let options = PerformanceObserverInit::new(&Array::new());
        // `type` instead of `entryTypes`, since only that reports what was asked before the observer was made.
        let object: &JsValue = options.as_ref();
        let set = [("type", JsValue::from("resource")), ("buffered", JsValue::TRUE)]
            .into_iter()
            .all(|(name, value)| js_sys::Reflect::set(object, &name.into(), &value).is_ok());
        let cleared =
            js_sys::Reflect::delete_property(object.unchecked_ref::<js_sys::Object>(), &"entryTypes".into()).is_ok();
        if set && cleared {
            // A browser without resource entries shows a count of 0.
            observer.observe(&options);
        }
    }
    // It lives as long as the page.
    seen.forget();
}
