//! On what the numbers are computed, and the room there is for them.

use serde::{Deserialize, Serialize};

/// Which backend a person asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// The GPU if there is a real one, else the CPU.
    #[default]
    Auto,
    /// The GPU, a software adapter included.
    Webgpu,
    /// The CPU.
    Cpu,
}

/// Which backend runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// WebGPU in the browser, wgpu natively.
    Webgpu,
    /// Burn's CPU backend.
    Cpu,
}

/// How linear attention is computed; both ways give the same to 1e-5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum AttentionPath {
    /// By the backend's general operations.
    #[default]
    Plain,
    /// By one operation written for it, with less memory.
    Fused,
}

/// The device the engine computes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Which backend runs.
    pub backend: Backend,
    /// The adapter's own name, or the CPU's.
    pub adapter: String,
    /// Whether the adapter is software (slower than the CPU backend).
    pub is_software: bool,
    /// Largest buffer in bytes; none on the CPU.
    pub max_buffer_bytes: Option<u64>,
    /// Why this backend, where it is not what was hoped for.
    pub notice: Option<String>,
}
