//! One test binary; each module checks one part of the house.

mod browser_files;
mod checkpoints;
mod command_line;
mod kernels;
mod layers;
mod metrics;
mod parity;
mod prepare;
mod readers;
mod session;
mod shaders;
mod training;
