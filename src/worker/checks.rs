//! Comparisons with the reference's own numbers on the device of this browser; only the browser tests call them.
//!
//! They are in the shipped module because a second one would take minutes to build and would not be the one that ships.

use engine::jepa::device;
use engine::jepa::parity::{self, ParityReport};
use js_sys::Error;
use spec::device::{Backend, BackendChoice};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Compares the model with a file of reference tensors; returns a line per failure and one per class of values.
///
/// # Errors
/// Where the device or the file cannot be used.
#[wasm_bindgen(js_name = runParity)]
pub async fn run_parity(bytes: Vec<u8>, backend: String) -> Result<ParityLines, JsValue> {
    let choice = if backend == "webgpu" { BackendChoice::Webgpu } else { BackendChoice::Cpu };
    let (device, opened) = device::open(choice).await.map_err(|error| Error::new(&error.to_string()))?;
    let report = parity::check(&bytes, &device).await.map_err(|error| Error::new(&error.to_string()))?;
    Ok(ParityLines::of(&report, opened.backend))
}

/// What a comparison found.
#[wasm_bindgen(getter_with_clone)]
pub struct ParityLines {
    /// Values that are further apart than they may be, a line each.
    pub failures: Vec<String>,
    /// The largest relative error of each class of values, a line each.
    pub worst: Vec<String>,
    /// Tensors compared.
    pub n_compared: usize,
}

impl ParityLines {
    fn of(report: &ParityReport, backend: Backend) -> Self {
        let line = |one: &parity::Comparison| {
            let allowed = one.class.tolerance(backend);
            format!("{:?} {}: {:.2e} (may be {allowed:.0e})", one.class, one.name, one.relative_error)
        };
        Self {
            failures: report.failures(backend).map(line).collect(),
            worst: report.worst().into_iter().map(line).collect(),
            n_compared: report.comparisons.len(),
        }
    }
}
