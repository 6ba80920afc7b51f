//! What differs between the browser and a native process: time, and giving way to other work on the same thread.
//!
//! Two leaf files with the same signatures. Deliberately absent: threads and files.

#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub use native::{now_secs, unix_secs, yield_now};
#[cfg(target_family = "wasm")]
pub use wasm::{now_secs, unix_secs, yield_now};

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started_secs: f64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started_secs: now_secs() }
    }

    /// Seconds since the start.
    pub fn elapsed_secs(&self) -> f64 {
        now_secs() - self.started_secs
    }
}
