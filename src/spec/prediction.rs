//! A perturbation query and its answer, the baselines and the measured response beside it.

use serde::{Deserialize, Serialize};

use crate::map::{Grouping, Representation};
use crate::model::Mode;

/// Genes that a question perturbs together, at most.
pub const MAX_TOGETHER: usize = 6;

/// A mean response of fewer perturbed cells is mostly chance: nothing is held against it (the floor of evaluations).
pub const FEWEST_CELLS: usize = 10;

/// What does perturbing `target`, alone or together with other genes, do to control cells of the prepared data?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// Symbol of the perturbed gene.
    pub target: String,
    /// Genes that are perturbed together with it. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<String>,
    /// How they are perturbed.
    pub mode: Mode,
    /// In which control cells. Default: in all.
    #[serde(default)]
    pub cells: CellChoice,
}

impl Query {
    /// One gene, in all control cells.
    pub fn of(target: impl Into<String>, mode: Mode) -> Self {
        Self { target: target.into(), with: Vec::new(), mode, cells: CellChoice::All }
    }

    /// The perturbed genes, in the order in which they were named.
    pub fn genes(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.target).chain(&self.with).map(String::as_str)
    }

    /// The genes as files name a combination: `STAT1+JAK2`.
    pub fn name(&self) -> String {
        self.genes().collect::<Vec<_>>().join("+")
    }

    /// What is asked, in plain words: `STAT1+JAK2 knockout`, and in which cells where not in all.
    pub fn label(&self) -> String {
        match &self.cells {
            CellChoice::All => format!("{} {}", self.name(), self.mode.label()),
            some => format!("{} {} in {}", self.name(), self.mode.label(), some.label()),
        }
    }

    /// Whether `name`, a target or `A+B`, is this perturbation; the order of its genes aside.
    pub fn is_of(&self, name: &str) -> bool {
        let parts: Vec<&str> = name.split('+').map(str::trim).collect();
        parts.len() == 1 + self.with.len() && self.genes().all(|gene| parts.contains(&gene))
    }
}

/// Control cells that a question is about.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "of")]
pub enum CellChoice {
    /// All.
    #[default]
    All,
    /// Those of a cluster, or of a label.
    Group {
        /// What groups the cells; no selection.
        grouping: Grouping,
        /// The group: a label, or the number of a cluster.
        group: String,
    },
    /// Those among cells that a person chose.
    Selection {
        /// Rows, as they were read.
        #[serde(with = "crate::floats::u32s")]
        rows: Vec<u32>,
    },
}

impl CellChoice {
    /// In plain words, after "in".
    pub fn label(&self) -> String {
        match self {
            Self::All => "all control cells".into(),
            Self::Group { grouping: Grouping::Clusters { representation }, group } => {
                format!("cluster {group} of {}", representation.label())
            }
            Self::Group { grouping, group } => format!("{group} ({})", grouping.label()),
            Self::Selection { .. } => "the selection".into(),
        }
    }

    /// Whether the cells are a cluster of this representation.
    pub fn is_cluster_of(&self, wanted: Representation) -> bool {
        matches!(self, Self::Group { grouping: Grouping::Clusters { representation }, .. } if *representation == wanted)
    }

    /// Whether cells were chosen by their expression, on which a perturbation acts.
    pub fn is_by_expression(&self) -> bool {
        match self {
            Self::All => false,
            Self::Group { grouping, .. } => matches!(grouping, Grouping::Clusters { .. }),
            Self::Selection { .. } => true,
        }
    }
}

/// What the checkpoint knows of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// Its response was in the training data: the prediction is a recollection.
    Seen,
    /// Measured, but held out of training: the prediction can be checked.
    HeldOut,
    /// Never measured; it has a vector, so it can be asked for.
    NeverMeasured,
}

/// How far a target is from those of training, by their vectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Nearest {
    /// The training target whose vector is most alike.
    pub target: String,
    /// Cosine of the two.
    pub cosine: f64,
    /// The cosine that nineteen of twenty training targets reach with their own nearest.
    pub usual: f64,
    /// Whether this one is farther than that: outside of what was learnt from.
    pub is_outside: bool,
    /// The next most similar, with their cosines.
    #[serde(default)]
    pub others: Vec<(String, f64)>,
}

/// What can be said of the error of a prediction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uncertainty {
    /// Intervals, made of the errors on perturbations that were held out.
    Intervals(Intervals),
    /// Nothing, and why.
    Unknown {
        /// In plain words.
        reason: String,
    },
}

impl Uncertainty {
    /// The intervals, where there are some.
    pub fn intervals(&self) -> Option<&Intervals> {
        match self {
            Self::Intervals(intervals) => Some(intervals),
            Self::Unknown { .. } => None,
        }
    }
}

/// Intervals around a prediction: split conformal, per gene.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    /// Share of measured changes that are to lie inside, for perturbations like those held out.
    pub promised: f64,
    /// Share that did, each held-out perturbation looked at with widths from the others; none where they are too few.
    pub found: Option<f64>,
    /// Held-out perturbations whose errors make the widths.
    pub n_targets: usize,
    /// Where they were measured.
    pub source: String,
    /// Half width per gene (log1p units); NaN for the target's own gene, whose change is unlike that of others, and for
    /// genes that were not measured.
    #[serde(with = "crate::floats::f32s")]
    pub half_width: Vec<f32>,
}

/// A measured mean response.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Where it was measured: the prepared file, or the demo's own table.
    pub source: String,
    /// Whether in the cells that the question is about; else it is of all cells of a screen that came with the model.
    pub is_of_these_cells: bool,
    /// Perturbed cells.
    pub n_cells: usize,
    /// Control cells.
    pub n_control_cells: usize,
    /// Mean change per gene against control (log1p units); NaN for genes that were not measured.
    #[serde(with = "crate::floats::f32s")]
    pub delta: Vec<f32>,
    /// Standard error of that change (log1p units).
    #[serde(with = "crate::floats::f32s")]
    pub standard_error: Vec<f32>,
}

/// One gene of a combination: what is known of it and what the model says of it alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Symbol.
    pub target: String,
    /// What the checkpoint knows of it.
    pub support: Support,
    /// The training target that is most alike; none for one of training itself, or without vectors of these.
    pub nearest: Option<Nearest>,
    /// Predicted mean change of perturbing this gene alone (log1p units).
    #[serde(with = "crate::floats::f32s")]
    pub delta: Vec<f32>,
}

/// The additive baseline of a combination: the sum of the changes that were measured for its genes alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Additive {
    /// The sum per gene (log1p units); NaN for genes that were not measured.
    #[serde(with = "crate::floats::f32s")]
    pub delta: Vec<f32>,
    /// Genes whose response alone was measured.
    pub measured: Vec<String>,
    /// Genes whose response was not: they count as the mean of the training perturbations.
    pub assumed: Vec<String>,
    /// Where the responses were measured.
    pub source: String,
}

/// The answer to a [`Query`]. All vectors have one entry per gene of `genes`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prediction {
    /// What was asked.
    pub query: Query,
    /// What the checkpoint knows of the target.
    pub support: Support,
    /// The training target that is most alike; none for one of training itself, or without vectors of these.
    #[serde(default)]
    pub nearest: Option<Nearest>,
    /// Symbols, in the checkpoint's order.
    pub genes: Vec<String>,
    /// Mean of the control cells (log1p units); NaN for genes that the cells' file lacks.
    #[serde(with = "crate::floats::f32s")]
    pub control_mean: Vec<f32>,
    /// Predicted mean change against control (log1p units).
    #[serde(with = "crate::floats::f32s")]
    pub delta: Vec<f32>,
    /// How far it may be off.
    pub uncertainty: Uncertainty,
    /// Baseline: mean change over the training perturbations, each target weighing the same (log1p units); none
    /// where the checkpoint ships no table.
    pub training_mean: Option<Vec<f32>>,
    /// The genes of a combination, each alone; empty for one gene.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Baseline of a combination; none for one gene, or where no response to any gene of it was measured.
    #[serde(default)]
    pub additive: Option<Additive>,
    /// The measured response, where there is one.
    pub measured: Option<Measured>,
    /// Agreement with the measured response per method, the model first; empty where nothing was measured.
    pub agreement: Vec<crate::checkpoint::MethodScore>,
    /// What stands between this prediction and belief in it, in plain words.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Control cells the prediction was averaged over.
    pub n_control_cells: usize,
    /// Rows of the prepared data that hold them: as many, or fewer where a row is a metacell.
    pub n_control_rows: usize,
    /// Wall time in seconds.
    pub elapsed_secs: f64,
}

/// A gene that can be asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TargetInfo {
    /// Symbol.
    pub symbol: String,
    /// What the checkpoint knows of it.
    pub support: Support,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_combination_is_the_same_in_any_order() {
        let query = Query { with: vec!["JAK2".into()], ..Query::of("STAT1", Mode::Knockout) };
        assert_eq!((query.name(), query.label()), ("STAT1+JAK2".into(), "STAT1+JAK2 knockout".into()));
        for (name, expected) in [
            ("STAT1+JAK2", true),
            ("JAK2+STAT1", true),
            ("STAT1", false),
            ("STAT1+STAT1+JAK2", false),
            ("STAT1+", false),
        ] {
            assert_eq!(query.is_of(name), expected, "{name}");
        }
        let one = Query::of("STAT1", Mode::Knockout);
        assert!(one.is_of("STAT1") && !one.is_of("STAT1+JAK2") && !one.is_of("JAK2"));
    }
}
