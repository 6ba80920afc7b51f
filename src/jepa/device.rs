//! Opens the device that everything is computed on, and says which one it is and why.
//!
//! The CPU backend is always there. A GPU is used where the build has it, the machine offers one, and it is real: a
//! software adapter is slower than the CPU backend, so it is taken only where it is asked for by name.

pub use burn::tensor::Device;
use spec::device::{Backend, BackendChoice, DeviceReport};

/// No device could be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// The GPU was asked for by name and is not to be had.
    #[error("opening the WebGPU device: {problem}; choose the CPU instead")]
    Unavailable {
        /// The reason, in the driver's words where it gave any.
        problem: String,
    },
}

/// Opens the device of this choice. A GPU's runtime can be opened once per process or page: keep the device.
///
/// # Errors
/// Where the GPU is asked for by name and there is none; otherwise the CPU takes over, with a notice.
pub async fn open(choice: BackendChoice) -> Result<(Device, DeviceReport), DeviceError> {
    match choice {
        BackendChoice::Cpu => Ok(cpu(None)),
        BackendChoice::Webgpu => open_webgpu().await,
        BackendChoice::Auto => Ok(match open_webgpu().await {
            Ok((_, report)) if report.is_software => cpu(Some(format!(
                "the GPU here is emulated in software ({}); the CPU is faster and is used instead",
                report.adapter
            ))),
            Ok(opened) => opened,
            Err(DeviceError::Unavailable { problem }) => {
                cpu(Some(format!("no GPU can be used here ({problem}); the CPU is used instead")))
            }
        }),
    }
}

fn cpu(notice: Option<String>) -> (Device, DeviceReport) {
    let report = DeviceReport {
        backend: Backend::Cpu,
        adapter: "CPU".to_owned(),
        is_software: false,
        max_buffer_bytes: None,
        notice,
    };
    (Device::flex(), report)
}

#[cfg(not(feature = "webgpu"))]
async fn open_webgpu() -> Result<(Device, DeviceReport), DeviceError> {
    Err(DeviceError::Unavailable { problem: "this build has no GPU backend".to_owned() })
}

#[cfg(feature = "webgpu")]
async fn open_webgpu() -> Result<(Device, DeviceReport), DeviceError> {
    use burn::tensor::wgpu::wgpu::DeviceType;

    let opened = Device::wgpu_options().init_with_setup_async().await;
    let (device, setup) = opened.map_err(|error| DeviceError::Unavailable { problem: in_short(&error.to_string()) })?;
    let info = setup.adapter.get_info();
    let limits = setup.device.limits();
    let adapter = if info.name.is_empty() { "unnamed GPU".to_owned() } else { info.name };
    let is_software = info.device_type == DeviceType::Cpu || is_software_name(&adapter);
    let report = DeviceReport {
        backend: Backend::Webgpu,
        is_software,
        max_buffer_bytes: Some(limits.max_buffer_size.min(limits.max_storage_buffer_binding_size)),
        notice: is_software.then(|| format!("{adapter} emulates a GPU in software; the CPU would be faster")),
        adapter,
    };
    Ok((device, report))
}

/// The driver's words, but for the common case, where they list every interface that was not tried.
#[cfg_attr(not(feature = "webgpu"), allow(dead_code))]
fn in_short(problem: &str) -> String {
    if problem.contains("No suitable graphics adapter") { "no WebGPU adapter was found" } else { problem }.to_owned()
}

/// Whether an adapter's name is that of a known software renderer.
#[cfg_attr(not(feature = "webgpu"), allow(dead_code))]
fn is_software_name(adapter: &str) -> bool {
    let adapter = adapter.to_lowercase();
    ["swiftshader", "llvmpipe", "lavapipe", "basic render"].iter().any(|name| adapter.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_a_missing_adapter_in_short() {
        let problem = "No adapter available: No suitable graphics adapter found; vulkan not requested";
        assert_eq!(in_short(problem), "no WebGPU adapter was found");
        assert_eq!(in_short("device lost"), "device lost");
    }

    #[test]
    fn knows_software_adapters() {
        assert!(is_software_name("Google SwiftShader"));
        assert!(is_software_name("llvmpipe (LLVM 15.0.6, 256 bits)"));
        assert!(!is_software_name("NVIDIA GeForce RTX 4070"));
    }
}
