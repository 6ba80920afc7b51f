//! Fetches the built-in example from the site itself and wraps it as files, as if a person had dropped them.

use js_sys::Array;
use wasm_bindgen::prelude::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{File, Response};

use crate::link::said;

const CHECKPOINT: [&str; 4] = ["model.safetensors", "bank.safetensors", "measured.safetensors", "card.json"];
const CELLS: [&str; 1] = ["metacells.h5ad"];

/// The example's files.
#[derive(Debug)]
pub struct Demo {
    /// Weights, gene bank, measured responses and card.
    pub checkpoint: Vec<File>,
    /// Control cells.
    pub cells: Vec<File>,
}

/// Fetches all files of the example.
///
/// # Errors
/// In words, naming the file, where one cannot be fetched.
pub async fn fetch() -> Result<Demo, String> {
    Ok(Demo { checkpoint: fetch_all(&CHECKPOINT).await?, cells: fetch_all(&CELLS).await? })
}

async fn fetch_all(names: &[&str]) -> Result<Vec<File>, String> {
    let mut files = Vec::with_capacity(names.len());
    for name in names {
        files.push(fetch_one(name).await.map_err(|error| format!("the example’s {name}: {error}"))?);
    }
    Ok(files)
}

async fn fetch_one(name: &str) -> Result<File, String> {
    let window = web_sys::window().ok_or("there is no window")?;
    let response = JsFuture::from(window.fetch_with_str(&format!("demo/{name}"))).await.map_err(|e| said(&e))?;
    let response: Response = response.dyn_into().map_err(|_| "the answer is no response")?;
    if !response.ok() {
        return Err(format!("this site answered {}", response.status()));
    }
    let blob = JsFuture::from(response.blob().map_err(|e| said(&e))?).await.map_err(|e| said(&e))?;
    let parts: Array = [blob].iter().collect::<Array>();
    File::new_with_blob_sequence(&JsValue::from(parts), name).map_err(|e| said(&e))
}
