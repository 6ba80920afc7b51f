//! The session: requests in, events out. The only crate that sees cells, atlas and jepa together.
//!
//! The engine emits events and never prints; every request ends in exactly one final event; a request that fails or is
//! cancelled leaves what was there before. `cells` and `jepa` are re-exported for the leaves that drive the engine;
//! `conservation` scores embeddings for them.

mod backwards;
mod checkpoint;
mod chosen;
mod combination;
pub mod conservation;
pub mod evaluate;
mod export;
mod failure;
pub mod intervals;
mod loaded;
mod look;
mod map;
mod markers;
mod measure;
mod methods;
mod pace;
mod pathways;
mod perturb;
mod population;
mod runs;
mod scores;
mod session;
mod shift;
pub mod store;
mod task;
mod training;
mod values;

pub use cells;
pub use cells::source::{NamedSource, Source};
pub use jepa;

pub use failure::EngineError;
pub use session::{Session, Sink, Wishes};
