//! Plots that draw arrays; none knows where its numbers come from.

pub mod arrows;
pub mod axis;
pub mod bars;
pub mod cloud;
pub mod curve;
pub mod field;
pub mod heat;
pub mod histogram;
pub mod scatter;
pub mod volcano;
