//! The browser side of `platform`; works on a page and in a worker, which share no global type.

use js_sys::{Date, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Seconds from an arbitrary moment that stays the same while the page is open.
pub fn now_secs() -> f64 {
    let global = js_sys::global();
    let performance = Reflect::get(&global, &JsValue::from_str("performance")).unwrap_or(JsValue::UNDEFINED);
    let now =
        Reflect::get(&performance, &JsValue::from_str("now")).ok().and_then(|now| now.dyn_into::<Function>().ok());
    let millis = now.and_then(|now| now.call0(&performance).ok()).and_then(|millis| millis.as_f64());
    millis.unwrap_or_else(Date::now) / 1000.0
}

/// Lets messages and drawing run: resumes in a later macrotask.
pub async fn yield_now() {
    let promise = Promise::new(&mut |resolve, _reject| {
        let global = js_sys::global();
        let set_timeout = Reflect::get(&global, &JsValue::from_str("setTimeout"))
            .ok()
            .and_then(|set_timeout| set_timeout.dyn_into::<Function>().ok());
        // Without timers (no known browser), resolve at once: a microtask is better than never.
        let scheduled = set_timeout
            .is_some_and(|set_timeout| set_timeout.call2(&global, &resolve, &JsValue::from_f64(0.0)).is_ok());
        if !scheduled {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    });
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}
