//! Messages in, events out: requests wait in a queue and are worked off one at a time; a cancellation, and a wish to pause or
//! end a training run, overtake it.
//!
//! A panic cannot be outlived, because it leaves the module's memory as it was at that moment: it is posted as a
//! failure of the current request marked `fatal`, and the page starts a fresh worker.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use engine::{NamedSource, Session, Sink, Wishes};
use js_sys::{Array, Function, Object, Reflect};
use serde_wasm_bindgen::Serializer;
use spec::message::{Envelope, Event, Request};
use wasm_bindgen::prelude::{JsCast, JsValue};
use web_sys::File;

use crate::storage::PrivateFiles;

/// Memory for a file's values where the browser says nothing of the machine's: half of what the module can address.
const BYTES_AVAILABLE: f64 = (2u64 << 30) as f64;

thread_local! {
    static QUEUE: RefCell<Option<Rc<Queue>>> = const { RefCell::new(None) };
}

struct Job {
    id: u32,
    request: Request,
    files: Vec<NamedSource>,
}

struct Queue {
    page: Rc<Page>,
    wishes: Wishes,
    waiting: RefCell<VecDeque<Job>>,
    /// Taken by the task that works, so that there is only one.
    session: RefCell<Option<Session>>,
}

/// The way to the page.
struct Page {
    post: Function,
    /// The request being worked on, for the message of a panic; 0 between two.
    current: Cell<u32>,
}

/// Makes the session and its queue.
pub fn begin(post: Function) {
    let page = Rc::new(Page { post, current: Cell::new(0) });
    let session = Session::new(page.clone(), bytes_available(), Rc::new(PrivateFiles));
    let queue =
        Queue { page, wishes: session.wishes(), waiting: RefCell::default(), session: RefCell::new(Some(session)) };
    QUEUE.set(Some(Rc::new(queue)));
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        report_panic(info);
    }));
}

/// Takes one message.
pub fn receive(message: &JsValue) {
    let Some(queue) = QUEUE.with_borrow(Clone::clone) else { return };
    let id = field(message, "id").as_f64().unwrap_or_default() as u32;
    match serde_wasm_bindgen::from_value(field(message, "body")) {
        Ok(Request::Cancel { request }) => queue.cancel(request),
        Ok(Request::Steer { request, how }) => queue.wishes.steer(request, how),
        Ok(request) => {
            let files = Array::from(&field(message, "files"));
            let names = Array::from(&field(message, "names"));
            let files = files.iter().enumerate().filter_map(|(at, file)| {
                Some(crate::file::named(file.dyn_into::<File>().ok()?, names.get(at as u32).as_string()))
            });
            let files = files.collect();
            queue.waiting.borrow_mut().push_back(Job { id, request, files });
            queue.work();
        }
        Err(error) => queue.page.emit(Envelope {
            id,
            body: Event::Failed {
                message: format!("a message to the engine could not be read: {error}"),
                hint: "Reload the page, so that both come from the same version.".into(),
            },
        }),
    }
}

/// What a thrown value says.
pub fn words(thrown: &JsValue) -> String {
    let message = field(thrown, "message").as_string().or_else(|| thrown.as_string());
    message.unwrap_or_else(|| "the browser gave no reason".into())
}

impl Queue {
    /// Stops a request: the current one at its next step, a waiting one at once.
    fn cancel(&self, id: u32) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.iter().position(|job| job.id == id) {
            Some(at) => {
                waiting.remove(at);
                self.page.emit(Envelope { id, body: Event::Cancelled });
            }
            None if self.page.current.get() == id => self.wishes.cancel(id),
            // It ended before the wish to stop it came.
            None => {}
        }
    }

    /// Works off what waits, unless that is being done already.
    fn work(self: Rc<Self>) {
        let Some(mut session) = self.session.borrow_mut().take() else { return };
        wasm_bindgen_futures::spawn_local(async move {
            while let Some(job) = self.next() {
                self.page.current.set(job.id);
                session.handle(job.id, job.request, job.files).await;
                self.page.current.set(0);
            }
            *self.session.borrow_mut() = Some(session);
        });
    }

    fn next(&self) -> Option<Job> {
        self.waiting.borrow_mut().pop_front()
    }
}

impl Sink for Page {
    fn emit(&self, envelope: Envelope<Event>) {
        self.send(envelope.id, &envelope.body, false);
    }
}

impl Page {
    fn send(&self, id: u32, event: &Event, fatal: bool) {
        use serde::Serialize;
        // Columns of numbers become typed arrays, whose buffers `pkg/worker.js` transfers.
        let serializer = Serializer::json_compatible().serialize_bytes_as_arrays(false);
        let body = event.serialize(&serializer).unwrap_or_else(|error| unsent(&error.to_string()));
        let message = object(&[("id", id.into()), ("body", body), ("fatal", fatal.into())]);
        // The page is gone if this fails: there is nobody left to tell.
        let _ = self.post.call1(&JsValue::NULL, &message);
    }
}

/// The failure that stands for an event that has no form in JavaScript.
fn unsent(error: &str) -> JsValue {
    let message = format!("an answer of the engine could not be sent: {error}");
    object(&[
        ("type", "failed".into()),
        ("message", message.into()),
        ("hint", "This is a mistake of the program; ask in another way.".into()),
    ])
    .into()
}

fn report_panic(info: &std::panic::PanicHookInfo<'_>) {
    // The panic may have come out of the queue itself: touch nothing that may be borrowed.
    let page = QUEUE.try_with(|queue| queue.try_borrow().ok()?.as_ref().map(|queue| queue.page.clone()));
    let Some(page) = page.ok().flatten() else { return };
    let said = info.payload_as_str().unwrap_or("no reason given");
    let event = Event::Failed {
        message: format!("the engine stopped: {said}"),
        hint: "This is a mistake of the program, not of your file. The engine starts again.".into(),
    };
    page.send(page.current.get(), &event, true);
}

/// Bytes that a file's values may take: half of the machine's memory where the browser tells it (in GiB, at most 8).
fn bytes_available() -> u64 {
    let navigator = field(&js_sys::global(), "navigator");
    let half = field(&navigator, "deviceMemory").as_f64().map(|gib| gib * (1u64 << 29) as f64);
    half.unwrap_or(BYTES_AVAILABLE).min(BYTES_AVAILABLE) as u64
}

fn field(value: &JsValue, name: &str) -> JsValue {
    Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        // Setting a field of a fresh plain object cannot fail.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object
}
