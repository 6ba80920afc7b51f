//! From prepared cells to the map of a population. What is deterministic in scanpy 1.11.5 has its numbers; the rest is
//! held to its quality.
//!
//! Reading order: [`rows`] (what everything is found in), [`pca`], [`neighbours`] and the [`graph`] they make,
//! [`leiden`] (clusters), [`umap`] (the layout), [`markers`] (what tells clusters apart), [`enrichment`] (which gene sets
//! a ranking of genes falls into), [`scores`] (how good all of it is). What takes long is a `Work`: begun, advanced by
//! portions of some milliseconds, dropped at any time. Nothing here knows a model: latent states are rows of numbers
//! like any other.

pub mod enrichment;
pub mod graph;
pub mod leiden;
pub mod markers;
pub mod neighbours;
pub mod pca;
pub mod rows;
pub mod scores;
pub mod umap;
