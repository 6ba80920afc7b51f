//! BioJEPA-AC's evaluations 1 to 8 of a model: as its authors measure, and as it should be where that form is flawed.

use serde::{Deserialize, Serialize};

use crate::genes::Pathway;

/// What the evaluations need beside the cells and the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReferenceConfig {
    /// Pathways, for 6 and 7. Default: none; in a session, those of the collection that was read.
    pub pathways: Vec<Pathway>,
    /// Genes with what losing them does to cells (DepMap's gene effect; below -0.5 is essential), for 8. Default: none.
    pub gene_effects: Vec<(String, f64)>,
    /// Most perturbations that are asked about in 3. Default: 1250, as many as the reference's bank has.
    pub n_bank: usize,
}

impl Default for ReferenceConfig {
    fn default() -> Self {
        Self { pathways: Vec::new(), gene_effects: Vec::new(), n_bank: 1250 }
    }
}

/// In which form a number is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As the reference's code has it.
    AsPublished,
    /// As it should be.
    Corrected,
}

impl Form {
    /// As shown.
    pub fn label(self) -> &'static str {
        match self {
            Self::AsPublished => "as published",
            Self::Corrected => "corrected",
        }
    }
}

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceRow {
    /// What is measured.
    pub measure: String,
    /// In which form.
    pub form: Form,
    /// The model's number; none where it is not defined.
    pub value: Option<f64>,
    /// Why it is not.
    pub problem: Option<String>,
    /// What stands beside it (chance, a method that knows nothing) and its number.
    pub beside: Option<(String, Option<f64>)>,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReferenceEvaluation {
    /// Its number, 1 to 8.
    pub number: u8,
    /// What it asks.
    pub title: String,
    /// What is wrong with the published form, in a sentence.
    pub flaw: String,
    /// Its numbers; empty where something is missing.
    pub rows: Vec<ReferenceRow>,
    /// What is missing, and how it is given; none where nothing is.
    pub missing: Option<String>,
}
