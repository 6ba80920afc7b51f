//! The link to the worker that runs the engine: posts requests, hands files over, starts it anew when it dies.
//!
//! It knows the wire form alone (`{id, body, files, names}` out, `{id, body, fatal?}` or `{requests}` in); what an event means is `app`'s.
//! Files stay handles: their bytes are read by the worker, range by range.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use js_sys::{Array, Object, Reflect};
use serde::Serialize;
use serde_wasm_bindgen::Serializer;
use spec::message::Event;
use wasm_bindgen::prelude::{Closure, JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, EventTarget, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

use crate::app::{FileSet, Post, Requests};
use crate::dropped::Handed;

const WORKER_URL: &str = "pkg/worker.js";

/// What comes from the worker.
#[derive(Debug)]
pub enum Arrival {
    /// An event of request `id`.
    Event {
        /// Id of the request; 0 is the engine's own download.
        id: u32,
        /// What the engine says.
        event: Box<Event>,
    },
    /// The worker asked this of the network since it last said so.
    Requests(Requests),
    /// The engine is gone.
    Fatal {
        /// Why.
        message: String,
    },
}

/// The worker that counts; what an ended one may still say does not.
type Current = Rc<RefCell<Option<Worker>>>;

/// A worker and the files it may be asked to open.
pub struct Link {
    worker: Current,
    files: HashMap<FileSet, Vec<Handed>>,
    last_set: FileSet,
    on_message: Closure<dyn FnMut(MessageEvent)>,
    on_error: Closure<dyn FnMut(web_sys::Event)>,
}

impl Link {
    /// A link without a worker yet; `arrive` is called with everything that comes.
    pub fn new(arrive: impl Fn(Arrival) + Clone + 'static) -> Self {
        let worker = Current::default();
        let (current, tell) = (worker.clone(), arrive.clone());
        let on_message = Closure::new(move |message: MessageEvent| {
            if is_from(&current, message.target()) {
                tell(read(&message.data()));
            }
        });
        let current = worker.clone();
        // A worker that cannot be loaded ends in an event without a message, one that throws in an `ErrorEvent`.
        let on_error = Closure::new(move |error: web_sys::Event| {
            if !is_from(&current, error.target()) {
                return;
            }
            error.prevent_default();
            let said = Reflect::get(&error, &"message".into()).ok().and_then(|message| message.as_string());
            let message = match said {
                None => "The engine could not be loaded from this site".to_string(),
                Some(said) => format!("The engine stopped: {said}"),
            };
            arrive(Arrival::Fatal { message });
        });
        Self { worker, files: HashMap::new(), last_set: 0, on_message, on_error }
    }

    /// Ends the worker, if there is one, and starts another.
    ///
    /// # Errors
    /// In words, where the browser refuses to make a worker.
    pub fn start(&mut self) -> Result<(), String> {
        if let Some(old) = self.worker.borrow_mut().take() {
            old.terminate();
        }
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let worker = import_of(WORKER_URL).and_then(|url| Worker::new_with_options(&url, &options));
        let worker = worker.map_err(|error| said(&error))?;
        worker.set_onmessage(Some(self.on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(self.on_error.as_ref().unchecked_ref()));
        *self.worker.borrow_mut() = Some(worker);
        Ok(())
    }

    /// Keeps file handles and names them.
    pub fn keep(&mut self, files: Vec<Handed>) -> FileSet {
        self.last_set += 1;
        self.files.insert(self.last_set, files);
        self.last_set
    }

    /// Forgets handles that nothing names any more.
    pub fn retain(&mut self, is_needed: impl Fn(FileSet) -> bool) {
        self.files.retain(|set, _| is_needed(*set));
    }

    /// Posts a request.
    ///
    /// # Errors
    /// In words, where it cannot be posted.
    pub fn post(&self, post: &Post) -> Result<(), String> {
        let worker = self.worker.borrow();
        let worker = worker.as_ref().ok_or("The engine is not running")?;
        let body = post
            .request
            .serialize(&Serializer::json_compatible().serialize_bytes_as_arrays(false))
            .map_err(|error| error.to_string())?;
        let handed = || post.files.and_then(|set| self.files.get(&set)).into_iter().flatten();
        let files: Array = handed().map(|handed| &handed.file).collect();
        // A path does not survive the way to the worker as part of its file.
        let names: Array = handed().map(|handed| JsValue::from(&handed.name)).collect();
        let message = Object::new();
        let fields = [("id", JsValue::from(post.id)), ("body", body), ("files", files.into()), ("names", names.into())];
        for (name, value) in fields {
            Reflect::set(&message, &name.into(), &value).map_err(|error| said(&error))?;
        }
        worker.post_message(&message).map_err(|error| said(&error))
    }
}

/// Address of a script that imports the one at `path` of this site. A worker started from such a blob comes under the
/// page's content security policy; one started by its own address would not.
fn import_of(path: &str) -> Result<String, JsValue> {
    let url = Url::new_with_base(path, &leptos::prelude::document().base_uri()?.unwrap_or_default())?;
    let script = Array::of1(&format!("import \"{}\";", url.href()).into());
    let kind = BlobPropertyBag::new();
    kind.set_type("text/javascript");
    Url::create_object_url_with_blob(&Blob::new_with_str_sequence_and_options(&script, &kind)?)
}

fn is_from(current: &Current, target: Option<EventTarget>) -> bool {
    current.borrow().as_ref().is_some_and(|worker| target.as_ref() == Some(worker.as_ref()))
}

/// Reads one message of the worker.
fn read(data: &JsValue) -> Arrival {
    let of = |value: &JsValue, name: &str| Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED);
    let field = |name: &str| of(data, name);
    let requests = field("requests");
    if requests.is_object() {
        let number = |name: &str| of(&requests, name).as_f64().unwrap_or_default() as usize;
        return Arrival::Requests(Requests { here: number("here"), elsewhere: number("elsewhere") });
    }
    let id = field("id").as_f64().unwrap_or_default() as u32;
    let event = match serde_wasm_bindgen::from_value::<Event>(field("body")) {
        Ok(event) => event,
        Err(error) => {
            return Arrival::Fatal { message: format!("The engine sent an answer that could not be read: {error}") };
        }
    };
    match event {
        Event::Failed { message, .. } if field("fatal").is_truthy() => Arrival::Fatal { message },
        event => Arrival::Event { id, event: Box::new(event) },
    }
}

/// What a thrown value says.
pub fn said(thrown: &JsValue) -> String {
    let message = Reflect::get(thrown, &"message".into()).ok().and_then(|message| message.as_string());
    message.or_else(|| thrown.as_string()).unwrap_or_else(|| "the browser gave no reason".into())
}
