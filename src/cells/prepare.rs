//! Steps of preparation, each a pure function: quality, normalisation by library size, log1p. Semantics as scanpy's.

pub mod log1p;
pub mod normalize;
pub mod qc;

pub use crate::prepare::log1p::log1p;
pub use crate::prepare::normalize::{NormalizeError, normalize_total};
pub use crate::prepare::qc::calculate_qc_metrics;
