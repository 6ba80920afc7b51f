//! The browser side of `platform`; works on a page and in a worker, which share no global type.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::{Date, Function, Promise, Reflect};
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
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

/// Seconds since 1970 by the machine's clock, which people set.
pub fn unix_secs() -> f64 {
    Date::now() / 1000.0
}

/// Lets messages and drawing run: resumes in a later macrotask.
///
/// The thread posts a message to itself. A timer would do the same, but browsers hold timers of nested calls back by
/// 4 ms and those of a page in the background by a second or more.
pub async fn yield_now() {
    let promise = Promise::new(&mut |resolve, _reject| TURNS.with(|turns| turns.add(resolve)));
    // The promise is never rejected.
    let _ = JsFuture::from(promise).await;
}

#[wasm_bindgen]
extern "C" {
    type MessageChannel;
    type MessagePort;

    #[wasm_bindgen(constructor, catch)]
    fn new() -> Result<MessageChannel, JsValue>;
    #[wasm_bindgen(method, getter)]
    fn port1(this: &MessageChannel) -> MessagePort;
    #[wasm_bindgen(method, getter)]
    fn port2(this: &MessageChannel) -> MessagePort;

    #[wasm_bindgen(method, setter)]
    fn set_onmessage(this: &MessagePort, handler: &Function);
    #[wasm_bindgen(method, js_name = postMessage, catch)]
    fn post_message(this: &MessagePort, message: &JsValue) -> Result<(), JsValue>;
}

thread_local! {
    static TURNS: Turns = Turns::open();
}

/// Who waits for a later macrotask, and the channel whose messages bring one each.
struct Turns {
    /// None where the browser has no channels; no browser that runs this module is known to lack them.
    sender: Option<MessagePort>,
    waiting: Rc<RefCell<VecDeque<Function>>>,
}

impl Turns {
    fn open() -> Self {
        let waiting = Rc::new(RefCell::new(VecDeque::<Function>::new()));
        let sender = MessageChannel::new().ok().map(|channel| {
            let waiting = waiting.clone();
            let take_turn = move || {
                let next = waiting.borrow_mut().pop_front();
                if let Some(resolve) = next {
                    resume(&resolve);
                }
            };
            let on_message = Closure::<dyn Fn()>::new(take_turn).into_js_value();
            channel.port1().set_onmessage(on_message.unchecked_ref());
            channel.port2()
        });
        Self { sender, waiting }
    }

    /// Calls `resolve` in a later macrotask; at once where that cannot be had, which is better than never.
    fn add(&self, resolve: Function) {
        match &self.sender {
            Some(sender) if sender.post_message(&JsValue::NULL).is_ok() => self.waiting.borrow_mut().push_back(resolve),
            _ => resume(&resolve),
        }
    }
}

fn resume(resolve: &Function) {
    // The function that resolves a promise does not throw.
    let _ = resolve.call0(&JsValue::UNDEFINED);
}
