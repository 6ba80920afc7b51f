//! Which perturbations or cells a model learns from, is chosen by, and is tested on; and what leaks between them.

use serde::{Deserialize, Serialize};

/// What something held in a split is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Learnt from.
    Train,
    /// Looked at to choose among models.
    Val,
    /// Looked at once, at the end.
    Test,
}

impl Part {
    /// All parts, in order.
    pub const ALL: [Part; 3] = [Part::Train, Part::Val, Part::Test];

    /// The word that files use.
    pub fn label(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Val => "val",
            Part::Test => "test",
        }
    }
}

/// How a split was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitKind {
    /// By GEARS' rules (spec §3.3).
    Gears {
        /// Which of them.
        kind: GearsKind,
        /// What they were asked with.
        options: GearsOptions,
    },
    /// One target, alone and in combinations, is the test.
    LeaveTargetOut {
        /// The target.
        target: String,
    },
    /// The cells with one value in a column of `obs` are the test.
    ByColumn {
        /// The column: cell type, batch, donor.
        column: String,
        /// Its value in the test cells.
        test: String,
    },
    /// Cells in folds of equal size at random; one of them is the test.
    Fold {
        /// Folds.
        n_folds: usize,
        /// Which of them is the test, from 0.
        fold: usize,
        /// Seed of the draw.
        seed: u32,
    },
    /// A person's own.
    Custom,
}

/// The splits of GEARS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GearsKind {
    /// Genes are drawn for training; every perturbation with another gene is tested, and some combinations of two
    /// training genes.
    Simulation,
    /// The same without combinations.
    SimulationSingle,
    /// Combinations of two genes that were never seen.
    ComboSeen0,
    /// Combinations of which one gene was seen.
    ComboSeen1,
    /// Combinations of which both genes were seen.
    ComboSeen2,
    /// Single genes that were never seen; combinations with them are left out.
    Single,
    /// Single genes that were never seen; all combinations are left out.
    SingleOnly,
    /// Training and validation alone.
    NoTest,
    /// Everything is tested, controls as well.
    NoSplit,
}

/// What GEARS' splits are asked with; its defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GearsOptions {
    /// Seed of NumPy's legacy generator. Default: 1.
    pub seed: u32,
    /// Share of genes drawn for training (`simulation`). Default: 0.75.
    pub train_gene_set_size: f64,
    /// Share of combinations of two training genes that are trained on (`simulation`). Default: 0.75.
    pub combo_seen2_train_frac: f64,
    /// Share that is drawn for the test (all other kinds but `no_test`). Default: 0.1.
    pub test_size: f64,
    /// Share of the rest that is drawn for validation (all other kinds, `no_test` too). Default: 0.1.
    pub val_size: f64,
    /// What is tested in any case: genes, or perturbations for `combo_seen2`. Default: none.
    pub held_out: Vec<String>,
    /// Whether these genes alone are kept from training (`simulation`), and none are drawn. Default: no.
    pub only_held_out: bool,
}

impl Default for GearsOptions {
    fn default() -> Self {
        GearsOptions {
            seed: 1,
            train_gene_set_size: 0.75,
            combo_seen2_train_frac: 0.75,
            test_size: 0.1,
            val_size: 0.1,
            held_out: Vec::new(),
            only_held_out: false,
        }
    }
}

/// A split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Split {
    /// How it was made.
    pub kind: SplitKind,
    /// What is in which part.
    pub members: Members,
}

/// What a split parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Members {
    /// Perturbations, by name.
    Conditions {
        /// Each with its part, the control among them.
        parts: Vec<(String, Part)>,
        /// Those that are in none.
        left_out: Vec<String>,
        /// Why the test perturbations are tests (`unseen_single`, `combo_seen1`…); empty where the kind tells all.
        subgroups: Vec<(String, Vec<String>)>,
    },
    /// Cells, by barcode; a cell that is not named is in no part.
    Cells(Vec<(String, Part)>),
}

/// A split as a table of names: what GEARS' `custom` takes (`{"train": […], "val": […], "test": […]}`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PartLists {
    /// Learnt from.
    pub train: Vec<String>,
    /// Looked at to choose among models.
    pub val: Vec<String>,
    /// Looked at once, at the end.
    pub test: Vec<String>,
    /// In no part.
    pub left_out: Vec<String>,
}

/// What is shared between the parts of a split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Leakage {
    /// What was looked for, errors first.
    pub findings: Vec<Finding>,
}

/// One thing that parts may share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked for.
    pub kind: FindingKind,
    /// How much it matters.
    pub severity: Severity,
    /// How often it was found.
    pub count: usize,
    /// What that means, in plain words.
    pub message: String,
    /// Five examples at most.
    pub examples: Vec<String>,
}

/// What parts may share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The same barcode in two parts.
    SharedCells,
    /// The same perturbation in training and test.
    SharedPerturbations,
    /// A target of the test that training has too, inside another perturbation.
    SharedTargets,
    /// The same guide in training and test.
    SharedGuides,
    /// Cells of two parts with the same counts in every gene.
    DuplicatedProfiles,
    /// Controls in two parts, or controls of training that the test is compared with.
    SharedControls,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A score on the test would not be what it says.
    Error,
    /// It depends on the question.
    Warning,
    /// Nothing wrong: said so that it is known.
    Note,
}
