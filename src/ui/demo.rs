//! Fetches the built-in example from the site itself and wraps it as files, as if a person had dropped them.

use js_sys::{Array, Reflect, Uint8Array};
use leptos::prelude::window;
use wasm_bindgen::prelude::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, ReadableStreamDefaultReader, Response};

use crate::app::{Aliases, Progress};
use crate::link::said;

const CHECKPOINT: [&str; 4] = ["model.safetensors", "bank.safetensors", "measured.safetensors", "card.json"];
const PATHWAYS: [&str; 1] = ["pathways.gmt"];
const CELLS: [&str; 1] = ["metacells.h5ad"];

/// Seconds between two reports.
const REPORT_EVERY_SECS: f64 = 0.1;

/// The example's files.
#[derive(Debug)]
pub struct Demo {
    /// Weights, gene bank, measured responses and card.
    pub checkpoint: Vec<File>,
    /// Gene sets.
    pub pathways: Vec<File>,
    /// Control cells.
    pub cells: Vec<File>,
}

/// Fetches all files of the example and says how far it is.
///
/// # Errors
/// In words, naming the file, where one cannot be fetched.
pub async fn fetch(report: impl Fn(Progress)) -> Result<Demo, String> {
    let names = || CHECKPOINT.into_iter().chain(PATHWAYS).chain(CELLS);
    let failed = |name: &str, error: String| format!("the example’s {name}: {error}");
    // All are asked for at once, so that their sizes are known before the first has arrived.
    let asked: Vec<_> = names().map(|name| window().fetch_with_str(&format!("demo/{name}"))).collect();
    let mut answers = Vec::with_capacity(asked.len());
    for (name, asked) in names().zip(asked) {
        let answer = JsFuture::from(asked).await.map_err(|error| said(&error));
        answers.push(answer.and_then(checked).map_err(|error| failed(name, error))?);
    }
    let total: Option<f64> = answers.iter().map(length).sum();
    let mut download =
        Download { report, total, done: 0.0, started_secs: now_secs(), reported_secs: f64::NEG_INFINITY };
    let mut files = Vec::with_capacity(answers.len());
    for (name, answer) in names().zip(answers) {
        files.push(download.file(name, &answer).await.map_err(|error| failed(name, error))?);
    }
    let cells = files.split_off(CHECKPOINT.len() + PATHWAYS.len());
    let pathways = files.split_off(CHECKPOINT.len());
    Ok(Demo { checkpoint: files, pathways, cells })
}

/// Fetches the names that genes had before, and other names of theirs.
///
/// # Errors
/// In words, where they cannot be fetched.
pub async fn fetch_aliases() -> Result<Aliases, String> {
    let asked = JsFuture::from(window().fetch_with_str("demo/aliases.tsv")).await.map_err(|error| said(&error))?;
    let text = checked(asked)?.text().map_err(|error| said(&error))?;
    let text = JsFuture::from(text).await.map_err(|error| said(&error))?;
    Ok(Aliases::read(&text.as_string().unwrap_or_default()))
}

/// How far it is before anything has arrived.
pub fn begun() -> Progress {
    let task = "Downloading the built-in example".into();
    Progress { task, done: 0.0, total: None, unit: "bytes".into(), remaining_secs: None }
}

fn checked(answer: JsValue) -> Result<Response, String> {
    let response: Response = answer.dyn_into().map_err(|_| "the answer is no response")?;
    if response.ok() { Ok(response) } else { Err(format!("this site answered {}", response.status())) }
}

/// Bytes that a response says it has.
fn length(response: &Response) -> Option<f64> {
    response.headers().get("content-length").ok().flatten()?.parse().ok()
}

struct Download<F> {
    report: F,
    total: Option<f64>,
    done: f64,
    started_secs: f64,
    reported_secs: f64,
}

impl<F: Fn(Progress)> Download<F> {
    async fn file(&mut self, name: &str, response: &Response) -> Result<File, String> {
        let body = response.body().ok_or("the answer is empty")?;
        let reader: ReadableStreamDefaultReader =
            body.get_reader().dyn_into().map_err(|_| "the answer cannot be read piece by piece")?;
        let pieces = Array::new();
        loop {
            let piece = JsFuture::from(reader.read()).await.map_err(|error| said(&error))?;
            let of = |field: &str| Reflect::get(&piece, &field.into()).unwrap_or(JsValue::UNDEFINED);
            if of("done").is_truthy() {
                break;
            }
            let bytes: Uint8Array = of("value").dyn_into().map_err(|_| "the answer is not made of bytes")?;
            self.add(f64::from(bytes.length()));
            pieces.push(&bytes);
        }
        File::new_with_buffer_source_sequence(&pieces, name).map_err(|error| said(&error))
    }

    fn add(&mut self, n_bytes: f64) {
        self.done += n_bytes;
        let now = now_secs();
        if now - self.reported_secs < REPORT_EVERY_SECS {
            return;
        }
        self.reported_secs = now;
        // A host that packs on the way names the packed size: then the total is unknown.
        let total = self.total.filter(|total| self.done <= *total);
        let elapsed = now - self.started_secs;
        let remaining_secs = total.filter(|_| elapsed > 0.5).map(|total| elapsed / self.done * (total - self.done));
        (self.report)(Progress { done: self.done, total, remaining_secs, ..begun() });
    }
}

fn now_secs() -> f64 {
    window().performance().map_or(0.0, |clock| clock.now() / 1000.0)
}
