//! Plain data that crosses a boundary: configurations, requests, events and tables.
//!
//! The screen, the worker and the command line know the engine only through these types.
//! Little is computed here: `validate` checks what a type cannot express, and what a screen must know before anything is
//! started (what a training costs) are pure functions of the configuration.
//! Deliberately absent: file paths, tensors, and any dependency but serde.

pub mod backwards;
pub mod cell_jepa;
pub mod checkpoint;
pub mod dataset;
pub mod device;
pub mod enrichment;
pub mod evaluation;
pub mod floats;
pub mod genes;
pub mod labels;
pub mod map;
pub mod message;
pub mod metrics;
pub mod model;
pub mod prediction;
pub mod prepare;
pub mod reading;
pub mod recipe;
pub mod run;
pub mod shift;
pub mod split;
pub mod train;
