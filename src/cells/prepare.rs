//! Steps of preparation, each a pure function with its own config (`spec::prepare`) and scanpy's semantics.
//!
//! Reading order: [`reading`] (what are these values?), [`qc`], [`outliers`] and [`filter`] (which cells and genes),
//! [`normalize`](mod@normalize), [`log1p`](mod@log1p), [`variable`] (which genes), [`scale`]; [`express`](mod@express)
//! takes the steps that every file takes.

pub mod express;
pub mod filter;
pub mod gene_sets;
pub mod linear;
pub mod log1p;
pub mod moments;
pub mod normalize;
pub mod outliers;
pub mod qc;
pub mod quantile;
pub mod reading;
pub mod scale;
pub mod variable;

pub use crate::prepare::express::{ExpressError, Expressed, express};
pub use crate::prepare::filter::{filter_cells, filter_genes};
pub use crate::prepare::linear::{Linear, to_linear};
pub use crate::prepare::log1p::log1p;
pub use crate::prepare::normalize::{NormalizeError, normalize_total, normalize_total_by};
pub use crate::prepare::outliers::suggest_filter;
pub use crate::prepare::qc::{calculate_qc_metrics, qc_metrics};
pub use crate::prepare::reading::read_values;
pub use crate::prepare::scale::Scaled;
pub use crate::prepare::variable::highly_variable_genes;
