//! One test binary; each module checks one part of the house.

mod browser_files;
mod cell_jepa;
mod checkpoints;
mod command_line;
mod evaluation;
mod kernels;
mod labels;
mod layers;
mod map;
mod metrics;
mod parity;
mod prepare;
mod readers;
mod scanpy_parity;
mod session;
mod shaders;
mod training;

/// Says on the terminal, past what the runner captures, that something was not tested.
fn say_skipped(reason: &str) {
    use std::io::Write;
    // A terminal that is gone needs no word.
    let _ = std::io::stderr().write_all(format!("skipped: {reason}\n").as_bytes());
}
