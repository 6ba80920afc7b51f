//! The measures of a predicted response against a measured one: which there are, what each means, whose it is, which way
//! is better. Plain data, so that a table of methods by measures can be drawn, stored and read again.
//!
//! `spec::metrics` names; `jepa::eval` computes. The names in the code of the references are [`Card::name`].

mod table;

pub use table::{Cell, Counted, Interval, LeftOut, MethodRow, MetricTable, Paired};

use serde::{Deserialize, Serialize};

/// Which way a measure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Better {
    /// The larger, the better.
    Higher,
    /// The smaller, the better.
    Lower,
}

/// Whose measure it is: the one whose rules and numbers it has to equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reference {
    /// GEARS, `inference.py`.
    Gears,
    /// BioJEPA-AC's evaluations, as published.
    BioJepa,
    /// What those should have been: ours, where the published form is flawed.
    BioJepaCorrected,
    /// Arc Institute's cell-eval 0.8.1.
    CellEval,
    /// Altos Labs' PerturBench.
    PerturBench,
    /// Systema.
    Systema,
    /// Mejia and others, arXiv 2506.22641.
    Mejia,
}

/// What a measure is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// log1p units.
    Log1p,
    /// log1p units squared.
    Log1pSquared,
    /// 0 to 1, a share of genes, cells or targets.
    Share,
    /// -1 to 1.
    Correlation,
    /// At most 1, below 0 for what is worse than a constant.
    Explained,
    /// A multiple of another number.
    Ratio,
}

impl Unit {
    /// As written behind a number; nothing for what has no unit.
    pub fn label(self) -> &'static str {
        match self {
            Self::Log1p => "log1p units",
            Self::Log1pSquared => "log1p units squared",
            Self::Share | Self::Correlation | Self::Explained | Self::Ratio => "",
        }
    }
}

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Undefined {
    /// A side is the same everywhere, so it has no direction to compare.
    Constant,
    /// A value is NaN or infinite.
    NotFinite,
    /// No gene, or fewer than the measure needs, qualifies.
    TooFewGenes,
    /// Fewer perturbations than the measure needs.
    TooFewTargets,
    /// Fewer cells than the measure needs.
    TooFewCells,
    /// All genes are of one class: nothing to tell apart.
    OneClass,
    /// The two sides are of different lengths.
    Length,
    /// What the measure needs (a ranking, single cells, tests) was not given.
    NotGiven,
}

impl Undefined {
    /// As shown in place of a number.
    pub fn label(self) -> &'static str {
        match self {
            Self::Constant => "a side is constant",
            Self::NotFinite => "a value is not finite",
            Self::TooFewGenes => "too few genes qualify",
            Self::TooFewTargets => "too few perturbations",
            Self::TooFewCells => "too few cells",
            Self::OneClass => "all genes are of one class",
            Self::Length => "the sides differ in length",
            Self::NotGiven => "what it needs was not given",
        }
    }
}

/// What is to be known of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Card {
    /// Its name in the reference's code.
    pub name: &'static str,
    /// As shown.
    pub label: &'static str,
    /// What it is counted in.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// Whose it is.
    pub reference: Reference,
    /// What the reference counts where a side is constant or no gene qualifies; none where it leaves the target out.
    pub undefined_as: Option<f64>,
    /// In one sentence.
    pub meaning: &'static str,
}

/// Writes the enum and its cards from one list, so that neither can lack what the other has.
macro_rules! metrics {
    ($($reference:ident { $($metric:ident $name:literal $label:literal $unit:ident $better:ident $undefined:expr, $meaning:literal;)+ })+) => {
        /// A measure of a predicted response against a measured one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Metric {
            $($(#[doc = $meaning] $metric,)+)+
        }

        impl Metric {
            /// All measures, by reference.
            pub const ALL: &'static [Self] = &[$($(Self::$metric,)+)+];

            /// What is to be known of it.
            pub fn card(self) -> Card {
                match self {
                    $($(Self::$metric => Card {
                        name: $name,
                        label: $label,
                        unit: Unit::$unit,
                        better: Better::$better,
                        reference: Reference::$reference,
                        undefined_as: $undefined,
                        meaning: $meaning,
                    },)+)+
                }
            }
        }
    };
}

metrics! {
    Gears {
        GearsMse "mse" "MSE" Log1pSquared Lower None, "Mean squared error of the mean profile over all genes.";
        GearsMseDe "mse_de" "MSE, top 20" Log1pSquared Lower None, "The same over the 20 genes that the perturbation changes most surely.";
        GearsPearson "pearson" "Pearson of expression" Correlation Higher Some(0.0), "Correlation of predicted and measured expression: near 1 for any prediction, as most genes do not change.";
        GearsPearsonDe "pearson_de" "Pearson of expression, top 20" Correlation Higher Some(0.0), "The same over the 20 genes that change most surely.";
        GearsPearsonDelta "pearson_delta" "Pearson of change" Correlation Higher Some(0.0), "Correlation of predicted and measured change against the mean control cell.";
        GearsPearsonDeltaDe "pearson_delta_de" "Pearson of change, top 20" Correlation Higher Some(0.0), "The same over the 20 genes that change most surely.";
        GearsMseTop20 "mse_top20_de_non_dropout" "MSE, top 20 not dropped out" Log1pSquared Lower None, "Mean squared error over the 20 surest genes that do not vanish in the perturbed cells.";
        GearsMseTop20Ratio "mse_top20_de_non_dropout / no perturbation" "MSE, top 20, of no change" Ratio Lower None, "That error divided by the error of predicting no change, perturbation by perturbation (GEARS divides the means).";
        GearsPearsonTop20 "pearson_top20_de_non_dropout" "Pearson of expression, top 20 not dropped out" Correlation Higher Some(0.0), "Correlation of expression over those 20 genes.";
        GearsPearsonDeltaTop20 "pearson_delta_top20_de_non_dropout" "Pearson of change, top 20 not dropped out" Correlation Higher Some(0.0), "Correlation of change over those 20 genes.";
        GearsOppositeTop20 "frac_opposite_direction_top20_non_dropout" "Opposite direction, top 20" Share Lower None, "Share of those 20 genes predicted to move the wrong way.";
        GearsDirectionTop20 "frac_correct_direction_top20_non_dropout" "Right direction, top 20" Share Higher None, "Share of those 20 genes predicted to move the right way.";
        GearsDirectionAll "frac_correct_direction_all" "Right direction, all genes" Share Higher None, "Share of all genes predicted to move the right way.";
        GearsDirection20 "frac_correct_direction_20" "Right direction, first 20" Share Higher None, "Share of the 20 surest genes that move the right way.";
        GearsDirection50 "frac_correct_direction_50" "Right direction, first 50" Share Higher None, "The same of the first 50.";
        GearsDirection100 "frac_correct_direction_100" "Right direction, first 100" Share Higher None, "The same of the first 100.";
        GearsDirection200 "frac_correct_direction_200" "Right direction, first 200" Share Higher None, "The same of the first 200.";
        GearsWithinSigma "frac_sigma_below_1_non_dropout" "Within one standard deviation, top 20" Share Higher None, "Share of the 20 genes predicted within one standard deviation of the perturbed cells.";
        GearsInRange "frac_in_range_non_dropout" "Within the cells' range, top 20" Share Higher None, "Share of the 20 genes predicted between the smallest and largest value of the perturbed cells.";
        GearsIn45To55 "frac_in_range_45_55_non_dropout" "Within 45 to 55 %, top 20" Share Higher None, "The same between their 45th and 55th percentile.";
        GearsIn40To60 "frac_in_range_40_60_non_dropout" "Within 40 to 60 %, top 20" Share Higher None, "The same between their 40th and 60th percentile.";
        GearsIn25To75 "frac_in_range_25_75_non_dropout" "Within the middle half, top 20" Share Higher None, "The same between their quartiles.";
        GearsFoldGapAll "fold_change_gap_all" "Gap of fold change" Ratio Lower None, "Mean distance of predicted and measured fold change, of genes measured at 0.5 or more.";
        GearsFoldGapUp3 "fold_change_gap_upreg_3" "Gap of fold change, above 3" Ratio Lower None, "The same of genes that rise more than threefold.";
        GearsFoldGapUp10 "fold_change_gap_upreg_10" "Gap of fold change, above 10" Ratio Lower None, "The same of genes that rise more than tenfold.";
        GearsFoldGapDown3 "fold_change_gap_downreg_0.33" "Gap of fold change, below 0.333" Ratio Lower None, "The same of genes that fall below a third.";
        GearsFoldGapDown10 "fold_change_gap_downreg_0.1" "Gap of fold change, below 0.1" Ratio Lower None, "The same of genes that fall below a tenth.";
    }
    BioJepa {
        BioJepaR2 "r2 (eval 1)" "R² of expression" Explained Higher None, "Share of the variance of measured expression over genes that the prediction explains: high for any prediction.";
        BioJepaR2Top50 "r2_top50 (eval 1)" "R² of expression, 50 largest changes" Explained Higher None, "The same over the 50 genes of largest measured change.";
        BioJepaMse "bulk_mse (eval 1)" "MSE of change" Log1pSquared Lower None, "Mean squared error of the mean change.";
        BioJepaPearson20 "top-20 pearson of means (eval 1)" "Pearson of change, 20 largest" Correlation Higher Some(0.0), "Correlation of change over the 20 genes of largest measured change.";
        BioJepaDirection "direction accuracy (eval 2)" "Up, down or none" Share Higher None, "Share of genes put into the right one of up, down and none at 0.25: answering none is nearly always right.";
        BioJepaPrecision10 "precision@10 (eval 2)" "Precision at 10" Share Higher None, "Share of the 10 genes of largest predicted change that are among the 10 of largest measured change.";
        BioJepaPrecision20 "precision@20 (eval 2)" "Precision at 20" Share Higher None, "The same of 20.";
        BioJepaPrecision50 "precision@50 (eval 2)" "Precision at 50" Share Higher None, "The same of 50.";
        BioJepaPrecision100 "precision@100 (eval 2)" "Precision at 100" Share Higher None, "The same of 100.";
        BioJepaNdcg50 "ndcg@50 (eval 2)" "NDCG at 50" Share Higher None, "The same of 50, where an earlier hit counts more.";
    }
    BioJepaCorrected {
        DirectionBalanced "direction accuracy, balanced" "Up, down or none, balanced" Share Higher None, "Mean over the classes that occur of the share of their genes put right: answering none gets a third.";
        DeltaR2 "r2 of change" "R² of change" Explained Higher None, "Share of the variance of measured change over genes that the prediction explains.";
    }
    CellEval {
        CellEvalPearsonDelta "pearson_delta" "Pearson of change" Correlation Higher None, "Correlation of predicted and measured change against control, the target's own gene included.";
        CellEvalMse "mse" "MSE of expression" Log1pSquared Lower None, "Mean squared error of the mean profile.";
        CellEvalMae "mae" "MAE of expression" Log1p Lower None, "Mean absolute error of the mean profile.";
        CellEvalMseDelta "mse_delta" "MSE of change" Log1pSquared Lower None, "Mean squared error of the mean change.";
        CellEvalMaeDelta "mae_delta" "MAE of change" Log1p Lower None, "Mean absolute error of the mean change.";
        DiscriminationL1 "discrimination_score_l1" "Discrimination, L1" Share Higher None, "Share of measured responses that are farther from the prediction than its own, the target's gene left out.";
        DiscriminationL2 "discrimination_score_l2" "Discrimination, L2" Share Higher None, "The same by Euclidean distance.";
        DiscriminationCosine "discrimination_score_cosine" "Discrimination, cosine" Share Higher None, "The same by the angle.";
        OverlapAtN "overlap_at_N" "Overlap of significant genes (DES)" Share Higher Some(0.0), "Share of the significant genes that the prediction finds among as many of its own.";
        OverlapAt50 "overlap_at_50" "Overlap at 50" Share Higher Some(0.0), "The same among the 50 of largest fold change.";
        OverlapAt100 "overlap_at_100" "Overlap at 100" Share Higher Some(0.0), "The same among 100.";
        OverlapAt200 "overlap_at_200" "Overlap at 200" Share Higher Some(0.0), "The same among 200.";
        OverlapAt500 "overlap_at_500" "Overlap at 500" Share Higher Some(0.0), "The same among 500.";
        PrecisionAtN "precision_at_N" "Precision of significant genes" Share Higher Some(0.0), "Share of the genes predicted significant that are among as many of the measured ones.";
        PrecisionAt50 "precision_at_50" "Precision at 50" Share Higher Some(0.0), "The same among the 50 of largest fold change.";
        PrecisionAt100 "precision_at_100" "Precision at 100" Share Higher Some(0.0), "The same among 100.";
        PrecisionAt200 "precision_at_200" "Precision at 200" Share Higher Some(0.0), "The same among 200.";
        PrecisionAt500 "precision_at_500" "Precision at 500" Share Higher Some(0.0), "The same among 500.";
        DirectionMatch "de_direction_match" "Direction of significant genes" Share Higher None, "Share of the significant genes predicted to move the right way.";
        SpearmanLfc "de_spearman_lfc_sig" "Order of fold changes" Correlation Higher None, "Rank correlation of the fold changes of the significant genes.";
        SignificantRecall "de_sig_genes_recall" "Recall of significant genes" Share Higher None, "Share of the significant genes that are predicted significant.";
        PrAuc "pr_auc" "Area under precision and recall" Share Higher None, "How well predicted significance picks the significant genes, where these are few.";
        RocAuc "roc_auc" "Area under the ROC curve" Share Higher None, "Chance that a significant gene is predicted more significant than one that is not.";
        SpearmanCounts "de_spearman_sig" "Order of effect sizes" Correlation Higher None, "Rank correlation over perturbations of the numbers of significant genes.";
        PearsonEDistance "pearson_edistance" "E-distance" Correlation Higher None, "Correlation over perturbations of the distances of perturbed cells from control cells.";
        ClusteringAgreement "clustering_agreement" "Agreement of clusters" Share Higher None, "Adjusted mutual information of clusters of measured and of predicted responses, the best of several.";
    }
    PerturBench {
        RankRmse "rmse_rank_average" "Rank by RMSE" Share Lower None, "Share of predictions for other perturbations that are closer to the measured profile: 0.5 by chance.";
        RankCosineLfc "cosine_rank_logfc" "Rank by cosine of fold change" Share Lower None, "The same by the angle of log fold changes.";
        CosineLfc "cosine_logfc" "Cosine of fold change" Correlation Higher None, "Cosine of predicted and measured log fold change.";
        RmseAverage "rmse_average" "RMSE" Log1p Lower None, "Root of the mean squared error of the mean profile.";
    }
    Systema {
        SystemaPearson "corr_all_allpert" "Pearson of change from the mean perturbed" Correlation Higher None, "Correlation of change against the mean of the training perturbations, so that what all have in common counts for nothing.";
        SystemaPearson20 "corr_20de_allpert" "Pearson of change from the mean perturbed, top 20" Correlation Higher None, "The same over the 20 genes that differ most from control.";
        CentroidAccuracy "centroid accuracy" "Centroid accuracy" Share Higher None, "Share of the other measured profiles that are farther from the prediction than its own: 0.5 by chance.";
    }
    Mejia {
        WeightedMse "WMSE" "Weighted MSE" Log1pSquared Lower None, "Mean squared error where genes count by how surely they change.";
        WeightedR2 "R2w(delta)" "Weighted R² of change" Explained Higher None, "Share of the so weighted variance of change against the mean perturbed that is explained.";
    }
}

impl Metric {
    /// Whether there is one number for all perturbations, not one for each.
    pub fn is_of_all_targets(self) -> bool {
        matches!(self, Self::SpearmanCounts | Self::PearsonEDistance | Self::ClusteringAgreement)
    }

    /// Whether it is one of tests of cells, so that predictions need cells.
    pub fn needs_predicted_cells(self) -> bool {
        let of_means = [
            Self::CellEvalPearsonDelta,
            Self::CellEvalMse,
            Self::CellEvalMae,
            Self::CellEvalMseDelta,
            Self::CellEvalMaeDelta,
            Self::DiscriminationL1,
            Self::DiscriminationL2,
            Self::DiscriminationCosine,
        ];
        self.card().reference == Reference::CellEval && !of_means.contains(&self)
    }

    /// Whether it looks at the measured cells, not at their mean alone.
    pub fn reads_cells(self) -> bool {
        let of_spread =
            [Self::GearsWithinSigma, Self::GearsInRange, Self::GearsIn45To55, Self::GearsIn40To60, Self::GearsIn25To75];
        self.needs_predicted_cells() || of_spread.contains(&self)
    }

    /// Those that can be told from mean profiles of predictions.
    pub fn of_means() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|metric| !metric.needs_predicted_cells()).collect()
    }

    /// What is reported of tests of cells; the first three are the profile of the Virtual Cell Challenge.
    pub const OF_CELL_TESTS: &'static [Self] = &[
        Self::OverlapAtN,
        Self::CellEvalMae,
        Self::DiscriminationL1,
        Self::OverlapAt50,
        Self::OverlapAt100,
        Self::PrecisionAtN,
        Self::SpearmanLfc,
        Self::DirectionMatch,
        Self::SignificantRecall,
        Self::PrAuc,
        Self::RocAuc,
        Self::SpearmanCounts,
        Self::PearsonEDistance,
    ];

    /// What is reported where nothing else is asked: the measures of change, retrieval and direction on means of cells.
    pub const REPORTED: &'static [Self] = &[
        Self::GearsMse,
        Self::GearsMseTop20,
        Self::GearsMseTop20Ratio,
        Self::GearsPearsonDelta,
        Self::SystemaPearson,
        Self::DiscriminationL1,
        Self::RankCosineLfc,
        Self::CentroidAccuracy,
        Self::GearsDirectionTop20,
    ];
}
