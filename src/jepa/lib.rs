//! Joint-embedding predictive models of cells: model, losses, training, checkpoints.
//!
//! Reading order: `platform` and `device` (what is computed on), `tensors` (named values on the host), `model`,
//! `kernel`, `loss`, `optim`, `step` (one optimiser step of each stage), `parity` (against the reference's own numbers).
//! Deliberately absent: files, the DOM, and target `cfg`s outside `platform` and `device`.

pub mod anchor;
pub mod bank;
pub mod batch;
pub mod cell_jepa;
pub mod checkpoint;
pub mod device;
mod eigen;
pub mod error;
pub mod eval;
pub mod kernel;
pub mod loss;
pub mod measured;
pub mod model;
pub mod optim;
pub mod parity;
pub mod platform;
pub mod query;
pub mod schedule;
pub mod step;
pub mod tensors;
pub mod timing;
pub mod train;

pub use error::{Error, LoadError};
