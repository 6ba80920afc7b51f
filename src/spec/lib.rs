//! Plain data that crosses a boundary: configurations, requests, events and tables.
//!
//! The screen, the worker and the command line know the engine only through these types.
//! Nothing here computes; `validate` alone checks what a type cannot express.
//! Deliberately absent: file paths, tensors, and any dependency but serde.

pub mod checkpoint;
pub mod dataset;
pub mod device;
pub mod floats;
pub mod genes;
pub mod labels;
pub mod message;
pub mod model;
pub mod prediction;
pub mod prepare;
pub mod reading;
pub mod recipe;
pub mod split;
pub mod train;
