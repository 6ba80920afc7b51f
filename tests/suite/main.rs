//! One test binary; each module checks one part of the house.

mod browser_files;
mod checkpoints;
mod layers;
mod metrics;
mod parity;
mod prepare;
mod readers;
mod session;
mod training;
