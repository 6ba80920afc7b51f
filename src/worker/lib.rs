//! The engine in a Web Worker: the leaf between the page's messages and a session.
//!
//! `pkg/worker.js` loads this module, calls [`begin`] once with the function that posts to the page, then [`receive`]
//! with every message. `queue` works them off one at a time, `file` serves byte ranges of dropped files, `storage` keeps
//! training runs, `checks` are
//! comparisons with the reference that only tests call. Deliberately absent: any knowledge of cells or models.

mod checks;
mod file;
mod queue;
mod storage;

use js_sys::Function;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Runs when the module is instantiated.
#[wasm_bindgen(start)]
pub fn start() {
    construct();
}

/// Takes the function that posts a message to the page, and makes the session.
#[wasm_bindgen]
pub fn begin(post: Function) {
    queue::begin(post);
}

/// Takes one message of the page: `{id, body, files, names}`.
#[wasm_bindgen]
pub fn receive(message: JsValue) {
    queue::receive(&message);
}

/// Refers to the module's static constructors. Without this reference the linker wraps every export in a function that
/// runs all of them again, thousands here, and every call into the module becomes some thirty times slower.
fn construct() {
    #[allow(unsafe_code, reason = "the symbol is made by the linker, takes nothing and returns nothing")]
    {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: called once, by the start function, before anything else of the module runs.
        unsafe { __wasm_call_ctors() }
    }
}
