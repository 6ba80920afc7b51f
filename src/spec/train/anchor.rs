//! The anchor: a prediction in closed form that the network may only correct, within bounds.
//!
//! Of the training targets' mean responses: what knocking a gene down does to the gene itself (one share for all), and the
//! rest by similarity of vectors, direction and strength apart. `jepa::anchor` computes it.

use serde::{Deserialize, Serialize};

/// How the anchor is made, and how far the network may leave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnchorConfig {
    /// How far strong responses are scaled down before they are averaged, so that they do not alone make the direction:
    /// each is divided by its length to this power; 0 leaves them, 1 makes all equally long. Default: 0.5.
    pub strength_power: f64,
    /// Whether a target's own gene is predicted from what became of the training targets' own genes. Default: yes.
    pub own_gene: bool,
    /// How far the network may move a gene away from the anchor, in units of the anchor's own error on that gene over the
    /// training targets, each left out in turn. Default: 0.25.
    pub residual_bound: f64,
}

impl Default for AnchorConfig {
    fn default() -> Self {
        Self { strength_power: 0.5, own_gene: true, residual_bound: 0.25 }
    }
}

impl AnchorConfig {
    /// Checks what the types cannot say.
    ///
    /// # Errors
    /// Names the field, its value and what it must be.
    pub fn validate(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.strength_power) {
            return Err(format!("anchor.strength_power is {}; it must lie in 0 to 1", self.strength_power));
        }
        if !(self.residual_bound.is_finite() && self.residual_bound >= 0.0) {
            return Err(format!("anchor.residual_bound is {}; it must be 0 or more", self.residual_bound));
        }
        Ok(())
    }
}
