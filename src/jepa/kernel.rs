//! Hand-written kernels: operations whose intermediate results never leave the chip.
//!
//! Each has its shaders in `shaders/`, a CPU twin that says the same in Rust (and runs on the CPU backend), a gradient
//! written by hand, and [`compare`], which holds it against the plain path of burn's own operations on any device.

mod compare;
pub mod linear_attention;

pub use compare::{KernelComparison, TOLERANCE, compare};
