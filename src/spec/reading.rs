//! What the values of a matrix are taken for, and the evidence: nothing is treated as counts silently.

use serde::{Deserialize, Serialize};

/// How much of a matrix is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadingConfig {
    /// Cells looked at, spread evenly over the matrix. Default: 1,000.
    pub max_cells: usize,
}

impl Default for ReadingConfig {
    fn default() -> Self {
        Self { max_cells: 1000 }
    }
}

/// What the values of a matrix are taken for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueScale {
    /// Whole numbers from 0.
    Counts,
    /// Counts divided by something per cell, without a logarithm.
    Normalized,
    /// `log(1 + x)` of counts or of normalised counts.
    Logged {
        /// Base of the logarithm: e, 2 or 10.
        base: f64,
    },
    /// With negative values: centred, scaled, or residuals of a model.
    Scaled,
    /// No value above 0 was seen.
    Empty,
    /// None of these fits; the evidence says what was seen.
    Unknown,
}

/// A transformation that is tried backwards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Undo {
    /// The values as they are.
    Nothing,
    /// `base^x - 1`.
    Log1p {
        /// Base of the logarithm.
        base: f64,
    },
}

impl Undo {
    /// As a formula in `x`.
    pub fn formula(self) -> String {
        match self {
            Undo::Nothing => "x".into(),
            Undo::Log1p { base } if base == std::f64::consts::E => "exp(x) - 1".into(),
            Undo::Log1p { base } => format!("{base}^x - 1"),
        }
    }
}

/// Something seen in the values, with how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Values that are whole numbers.
    WholeNumbers {
        /// Values looked at, none of them 0.
        n_values: u64,
        /// Of them whole.
        n_whole: u64,
    },
    /// Values that are no counts.
    Negative {
        /// Values looked at.
        n_values: u64,
        /// Of them below 0.
        n_negative: u64,
        /// The least.
        least: f64,
    },
    /// Values that are no numbers.
    NotFinite {
        /// Values looked at.
        n_values: u64,
        /// NaN or infinite.
        n_not_finite: u64,
    },
    /// The largest value.
    Largest {
        /// It.
        value: f64,
    },
    /// Cells in which every value is a multiple of one unit, once undone, as counts divided by anything are.
    Multiples {
        /// What was undone.
        undo: Undo,
        /// Cells with enough different values to tell.
        n_cells: u64,
        /// Of them in steps of one unit.
        n_in_steps: u64,
    },
    /// Cells whose sum, once undone, is that of most.
    EqualSums {
        /// What was undone.
        undo: Undo,
        /// The median sum.
        sum: f64,
        /// Cells looked at.
        n_cells: u64,
        /// Of them within 0.1 % of it.
        n_equal: u64,
    },
}

/// What a matrix was taken for, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValueReading {
    /// The recommended reading.
    pub scale: ValueScale,
    /// Library size that cells seem to have been scaled to; none where their sums differ.
    pub target_sum: Option<f64>,
    /// What was seen, the decisive first.
    pub evidence: Vec<Evidence>,
    /// Cells looked at.
    pub n_cells_looked_at: usize,
    /// Cells in all.
    pub n_cells: usize,
}

impl ValueScale {
    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            ValueScale::Counts => "raw counts",
            ValueScale::Normalized => "scaled by library size",
            ValueScale::Logged { base } if base == std::f64::consts::E => "log1p",
            ValueScale::Logged { base: 2.0 } => "log1p, base 2",
            ValueScale::Logged { .. } => "log1p, base 10",
            ValueScale::Scaled => "centred or scaled",
            ValueScale::Empty => "nothing above 0",
            ValueScale::Unknown => "unknown",
        }
    }

    /// What the matrix is, and which steps it still needs, in plain words.
    pub fn advice(self) -> &'static str {
        match self {
            ValueScale::Counts => "Raw counts: scale by library size, then take the logarithm.",
            ValueScale::Normalized => "Scaled by library size already: take the logarithm, do not scale again.",
            ValueScale::Logged { base } if base == std::f64::consts::E => {
                "Scaled and logged already: the logarithm can be taken back, but rounded counts are not had from it."
            }
            ValueScale::Logged { .. } => {
                "Scaled and logged already, in another base than e: multiply by the logarithm of the base first."
            }
            ValueScale::Scaled => {
                "Centred or scaled values: neither counts nor their logarithm can be had from them. Choose another matrix."
            }
            ValueScale::Empty => "No value above 0 was seen: choose another matrix.",
            ValueScale::Unknown => {
                "Neither counts nor anything made of counts in a known way, such as counts corrected for ambient RNA. \
                 Choose another matrix, or say yourself what it is."
            }
        }
    }
}

impl Evidence {
    /// In plain words.
    pub fn sentence(&self) -> String {
        match self {
            Evidence::WholeNumbers { n_values, n_whole } => {
                format!("{} are whole numbers", share_of(*n_whole, *n_values, "values"))
            }
            Evidence::Negative { n_values, n_negative, least } => {
                format!("{} are negative, down to {least:.3}", share_of(*n_negative, *n_values, "values"))
            }
            Evidence::NotFinite { n_values, n_not_finite } => {
                format!("{} are NaN or infinite", share_of(*n_not_finite, *n_values, "values"))
            }
            Evidence::Largest { value } => format!("the largest value looked at is {value:.3}"),
            Evidence::Multiples { undo, n_cells, n_in_steps } => {
                format!(
                    "{} is in steps of one unit per cell in {}",
                    undo.formula(),
                    share_of(*n_in_steps, *n_cells, "cells")
                )
            }
            Evidence::EqualSums { undo, sum, n_cells, n_equal } => {
                format!("{} sums to {sum:.1} in {}", undo.formula(), share_of(*n_equal, *n_cells, "cells"))
            }
        }
    }
}

/// `all 1,000 values looked at`, `none of 1,000 …`, or `980 of 1,000 …`.
fn share_of(n: u64, of: u64, what: &str) -> String {
    match n {
        _ if of == 0 => format!("none of 0 {what}"),
        n if n == of => format!("all {} {what} looked at", grouped(of)),
        0 => format!("none of the {} {what} looked at", grouped(of)),
        n => format!("{} of the {} {what} looked at", grouped(n), grouped(of)),
    }
}

/// Thousands apart.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
