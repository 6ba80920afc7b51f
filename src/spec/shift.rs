//! Where a predicted change would take control cells on the map of their expression.

use serde::{Deserialize, Serialize};

use crate::prediction::Query;

/// An arrow, in the coordinates of its layout.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Arrow {
    /// Where the cells lie.
    pub from: [f64; 2],
    /// Where their predicted profile lies.
    pub to: [f64; 2],
    /// Control cells that it stands for.
    pub n_cells: usize,
}

/// Arrows on one layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShiftLayout {
    /// Whether it is the layout by neighbours (UMAP); else the first two principal components.
    pub is_umap: bool,
    /// One for each patch of control cells, those with the most cells first.
    pub arrows: Vec<Arrow>,
    /// Of the mean control cell by the predicted change.
    pub predicted: Arrow,
    /// Of the mean control cell by the measured change; none where nothing was measured.
    pub measured: Option<Arrow>,
}

/// The shifts of control cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shifts {
    /// What was asked.
    pub query: Query,
    /// By principal components and, where there is a layout by neighbours, on that.
    pub layouts: Vec<ShiftLayout>,
    /// Share of the predicted change, as the map sees it (squared length over its genes), that lies along the two components
    /// that are drawn, 0 to 1.
    pub share_drawn: f64,
    /// Genes of the map that the model predicts, and genes of the map.
    pub n_genes: [usize; 2],
}
