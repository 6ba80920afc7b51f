//! Comparisons on the device of this browser: of the model with the reference's own numbers, and of the kernels with the plain
//! path. Only the browser tests call them.
//!
//! They are in the shipped module because a second one would take minutes to build and would not be the one that ships.

use engine::jepa::device::{self, Device};
use engine::jepa::kernel::{self, TOLERANCE};
use engine::jepa::parity::{self, ParityReport};
use js_sys::Error;
use spec::device::{AttentionPath, Backend, BackendChoice, DeviceReport};
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};

/// Compares the model with a file of reference tensors, attention computed by the `fused` kernel or plainly; where the file
/// is one of training, the losses of the first `n_steps` steps of each stage, or with all of them what they made too.
///
/// # Errors
/// Where the device or the file cannot be used.
#[wasm_bindgen(js_name = runParity)]
pub async fn run_parity(bytes: Vec<u8>, backend: String, fused: bool, n_steps: usize) -> Result<ParityLines, JsValue> {
    let (device, opened) = open(&backend).await?;
    let report = if parity::is_training_file(&bytes).map_err(thrown)? {
        parity::check_training(&bytes, &device, n_steps).await
    } else {
        let attention = if fused { AttentionPath::Fused } else { AttentionPath::Plain };
        parity::check(&bytes, attention, &device).await
    };
    let report = report.map_err(thrown)?;
    Ok(ParityLines::of(&report, opened.backend))
}

/// Compares every kernel with the plain path.
///
/// # Errors
/// Where the device cannot be used.
#[wasm_bindgen(js_name = runKernels)]
pub async fn run_kernels(backend: String) -> Result<ParityLines, JsValue> {
    let (device, _) = open(&backend).await?;
    let mut found = kernel::compare(&device).await.map_err(thrown)?;
    found.sort_by(|a, b| b.relative_error.total_cmp(&a.relative_error));
    let line =
        |one: &kernel::KernelComparison| format!("{}: {:.2e} (may be {TOLERANCE:.0e})", one.name, one.relative_error);
    Ok(ParityLines {
        failures: found.iter().filter(|one| one.relative_error > TOLERANCE).map(line).collect(),
        worst: found.first().map(line).into_iter().collect(),
        n_compared: found.len(),
    })
}

async fn open(backend: &str) -> Result<(Device, DeviceReport), JsValue> {
    let choice = if backend == "webgpu" { BackendChoice::Webgpu } else { BackendChoice::Cpu };
    device::open(choice).await.map_err(thrown)
}

fn thrown(error: impl ToString) -> JsValue {
    Error::new(&error.to_string()).into()
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
