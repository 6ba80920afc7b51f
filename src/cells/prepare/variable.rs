//! The genes that vary more than their mean explains (`scanpy.pp.highly_variable_genes`), in all four flavours.
//!
//! One pass over the counts gives each gene's moments in each batch; the flavours of Seurat 3 take a second. Memory is
//! for genes times batches; nothing is made dense. Where values are equal, genes keep the order of the columns, where
//! scanpy has that of their names (`seurat`, `cell_ranger` with batches) or none. Equal is what differs by rounding alone.

mod dispersion;
pub mod loess;
mod variance;

use spec::prepare::{VariableGenesConfig, VariableGenesFlavor};

use crate::counts::CellView;
use crate::data::Labels;
use crate::prepare::moments::{Moments, moments};
use crate::prepare::variable::dispersion::Dispersions;
use crate::prepare::variable::loess::LoessError;
use crate::prepare::variable::variance::Standard;

/// Genes that are chosen where nothing else is said (`seurat_v3`).
const N_TOP_V3: usize = 2000;

/// Why genes cannot be chosen.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum VariableGenesError {
    /// A config that makes no sense.
    #[error("variable genes: {0}")]
    Config(String),
    /// Too few cells, in all or in a batch.
    #[error("variable genes: {batch} has {n_cells} cells; variance needs at least 2. Merge or leave out that batch")]
    TooFewCells {
        /// Which batch.
        batch: String,
        /// Its cells.
        n_cells: usize,
    },
    /// Batches that do not belong to these cells.
    #[error("variable genes: {n_labels} batch labels for {n_cells} cells; there must be one for each")]
    Lengths {
        /// Labels given.
        n_labels: usize,
        /// Cells.
        n_cells: usize,
    },
    /// Values that the flavour cannot take.
    #[error("variable genes: {gene_values} in column {gene}; {advice}")]
    Values {
        /// What was found.
        gene_values: &'static str,
        /// Where.
        gene: usize,
        /// What to do.
        advice: &'static str,
    },
    /// No smooth fit of variance over mean.
    #[error("variable genes: the variance of {batch} cannot be fitted over the mean of its genes: {reason}")]
    Fit {
        /// Which batch.
        batch: String,
        /// Why.
        reason: LoessError,
    },
}

/// How variability was measured; fields are scanpy's columns, one value per gene.
#[derive(Debug, Clone, PartialEq)]
pub enum Variability {
    /// `seurat` and `cell_ranger`; with batches the mean over them.
    Dispersion {
        /// Variance over mean; its logarithm for `seurat`. NaN where that has none.
        dispersions: Vec<f64>,
        /// The same, against genes of like mean.
        dispersions_norm: Vec<f64>,
    },
    /// `seurat_v3` and `seurat_v3_paper`.
    Variance {
        /// Over all cells (ddof 1).
        variances: Vec<f64>,
        /// After standardising; with batches the mean over them.
        variances_norm: Vec<f64>,
        /// Rank from 0, with batches the median over those where it is among the first; none where in none it is.
        ranks: Vec<Option<f64>>,
    },
}

/// The chosen genes.
#[derive(Debug, Clone, PartialEq)]
pub struct VariableGenes {
    /// Whether each gene is chosen.
    pub is_variable: Vec<bool>,
    /// Mean of each gene: `ln(1 + mean)` for `seurat`; with batches the mean over them.
    pub means: Vec<f64>,
    /// How variability was measured.
    pub variability: Variability,
    /// Batches in which each gene is variable; none without batches.
    pub n_batches: Option<Vec<u32>>,
    /// What a person should know, in plain words.
    pub warnings: Vec<String>,
}

impl VariableGenes {
    /// The chosen genes, ascending.
    pub fn indices(&self) -> Vec<u32> {
        (0u32..).zip(&self.is_variable).filter(|(_, is_variable)| **is_variable).map(|(gene, _)| gene).collect()
    }
}

/// Chooses genes. `seurat` and `cell_ranger` want log1p values, `seurat_v3` and `seurat_v3_paper` raw counts. With
/// `batches`, variability is measured in each and then put together; batches without a cell do not count.
///
/// # Errors
/// See [`VariableGenesError`].
pub fn highly_variable_genes<'a>(
    cells: impl Into<CellView<'a>>,
    config: &VariableGenesConfig,
    batches: Option<&Labels>,
) -> Result<VariableGenes, VariableGenesError> {
    config.validate().map_err(VariableGenesError::Config)?;
    let cells = cells.into();
    let batches = Batches::new(cells.n_cells(), batches)?;
    match config.flavor {
        VariableGenesFlavor::Seurat | VariableGenesFlavor::CellRanger => by_dispersion(cells, config, &batches),
        VariableGenesFlavor::SeuratV3 | VariableGenesFlavor::SeuratV3Paper => by_variance(cells, config, &batches),
    }
}

/// The batches that have cells.
struct Batches {
    names: Vec<String>,
    /// Index into `names` of each cell; none without batches.
    of_cell: Option<Vec<u32>>,
}

impl Batches {
    fn new(n_cells: usize, labels: Option<&Labels>) -> Result<Self, VariableGenesError> {
        let Some(labels) = labels else {
            if n_cells < 2 {
                return Err(VariableGenesError::TooFewCells { batch: "the matrix".into(), n_cells });
            }
            return Ok(Self { names: vec!["the matrix".into()], of_cell: None });
        };
        if labels.codes.len() != n_cells {
            return Err(VariableGenesError::Lengths { n_labels: labels.codes.len(), n_cells });
        }
        let mut names = Vec::new();
        let mut new_of = Vec::new();
        for (name, size) in labels.names.iter().zip(labels.sizes()) {
            new_of.push(names.len() as u32);
            match size {
                0 => {}
                1 => return Err(VariableGenesError::TooFewCells { batch: format!("batch {name}"), n_cells: 1 }),
                _ => names.push(format!("batch {name}")),
            }
        }
        if names.is_empty() {
            return Err(VariableGenesError::TooFewCells { batch: "the matrix".into(), n_cells });
        }
        Ok(Self { names, of_cell: Some(labels.codes.iter().map(|code| new_of[*code as usize]).collect()) })
    }

    fn len(&self) -> usize {
        self.names.len()
    }

    fn moments(&self, cells: CellView<'_>, change: impl Fn(f32) -> f64) -> Vec<Moments> {
        moments(cells, self.of_cell.as_deref(), self.len(), change)
    }
}

fn by_dispersion(
    cells: CellView<'_>,
    config: &VariableGenesConfig,
    batches: &Batches,
) -> Result<VariableGenes, VariableGenesError> {
    // The logarithm is taken back, except by Cell Ranger's rule, which takes the values as they are.
    let scale = config.log_base.map_or(1.0, f64::ln);
    let of_batch = match config.flavor {
        VariableGenesFlavor::Seurat => batches.moments(cells, |value| (f64::from(value) * scale).exp_m1()),
        _ => batches.moments(cells, f64::from),
    };
    require_numbers(&of_batch, "use values that are scaled by library size and logged (log1p)")?;
    let has_batches = batches.of_cell.is_some();
    let found: Vec<(Dispersions, Vec<bool>)> = of_batch
        .iter()
        .map(|moments| {
            // With batches, genes that a batch lacks are not compared in it.
            let is_in: Vec<bool> = moments.n_present.iter().map(|n| !has_batches || *n > 0).collect();
            let found = dispersion::dispersions(moments, config, &is_in);
            let mut is_variable = match config.n_top_genes {
                Some(n_top) => {
                    let compared = found.dispersions_norm.iter().zip(&is_in);
                    let norms: Vec<f64> = compared.map(|(norm, is_in)| if *is_in { *norm } else { f64::NAN }).collect();
                    dispersion::largest(&norms, n_top)
                }
                None => dispersion::within_cutoffs(&found.means, &found.dispersions_norm, config),
            };
            is_variable.iter_mut().zip(&is_in).for_each(|(is_variable, is_in)| *is_variable &= is_in);
            (found, is_variable)
        })
        .collect();
    if has_batches {
        return Ok(over_batches(&found, config));
    }
    let (found, is_variable) = found.into_iter().next().unwrap_or_else(|| unreachable!("there is one batch"));
    Ok(VariableGenes {
        is_variable,
        means: found.means,
        variability: Variability::Dispersion {
            dispersions: found.dispersions,
            dispersions_norm: found.dispersions_norm,
        },
        n_batches: None,
        warnings: Vec::new(),
    })
}

/// Puts dispersions of several batches together: by the number of batches in which a gene is variable, then by its mean
/// normalised dispersion; or, without `n_top_genes`, by the cutoffs on the means over the batches.
fn over_batches(found: &[(Dispersions, Vec<bool>)], config: &VariableGenesConfig) -> VariableGenes {
    let mean_of = |column: fn(&Dispersions) -> &Vec<f64>| -> Vec<f64> {
        let columns: Vec<&Vec<f64>> = found.iter().map(|(batch, _)| column(batch)).collect();
        (0..columns[0].len()).map(|gene| mean_of_numbers(columns.iter().map(|column| column[gene]))).collect()
    };
    let means = mean_of(|batch| &batch.means);
    let dispersions = mean_of(|batch| &batch.dispersions);
    let mut dispersions_norm = mean_of(|batch| &batch.dispersions_norm);
    let n_batches: Vec<u32> =
        (0..means.len()).map(|gene| found.iter().map(|(_, is_variable)| u32::from(is_variable[gene])).sum()).collect();
    let is_variable = match config.n_top_genes {
        Some(n_top) => {
            // NaN last.
            let norm = |gene: usize| dispersion::ordered_by(dispersions_norm[gene]).max(f64::MIN);
            let mut order: Vec<usize> = (0..means.len()).collect();
            order.sort_by(|&a, &b| n_batches[b].cmp(&n_batches[a]).then_with(|| norm(b).total_cmp(&norm(a))));
            let mut is_variable = vec![false; means.len()];
            order.into_iter().take(n_top).for_each(|gene| is_variable[gene] = true);
            is_variable
        }
        None => {
            dispersions_norm.iter_mut().filter(|norm| norm.is_nan()).for_each(|norm| *norm = 0.0);
            dispersion::within_cutoffs(&means, &dispersions_norm, config)
        }
    };
    VariableGenes {
        is_variable,
        means,
        variability: Variability::Dispersion { dispersions, dispersions_norm },
        n_batches: Some(n_batches),
        warnings: Vec::new(),
    }
}

/// The mean of what is a number; NaN where nothing is.
fn mean_of_numbers(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|value| !value.is_nan()).fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
    sum / f64::from(n)
}

fn by_variance(
    cells: CellView<'_>,
    config: &VariableGenesConfig,
    batches: &Batches,
) -> Result<VariableGenes, VariableGenesError> {
    let mut warnings = Vec::new();
    let n_fractions = cells.values().filter(|value| value.fract() != 0.0).count();
    if n_fractions > 0 {
        warnings.push(format!("{n_fractions} values are no whole numbers; this choice of genes expects raw counts"));
    }
    let of_batch = batches.moments(cells, f64::from);
    require_numbers(&of_batch, "use raw counts")?;
    let fit = |(moments, batch): (_, &String)| {
        Standard::fit(moments, config.span).map_err(|reason| VariableGenesError::Fit { batch: batch.clone(), reason })
    };
    let standards: Vec<Standard<'_>> = of_batch.iter().zip(&batches.names).map(fit).collect::<Result<_, _>>()?;
    for (standard, batch) in standards.iter().zip(&batches.names).filter(|(standard, _)| standard.n_singular > 0) {
        warnings.push(format!(
            "{batch}: at {} places too few different means determine the fit of the variance; its genes there rank \
             unreliably. A larger span helps",
            standard.n_singular
        ));
    }
    let normalized = variance::normalized(cells, batches.of_cell.as_deref(), &standards);
    let ranks = variance::rank(&normalized, config.n_top_genes.unwrap_or(N_TOP_V3), config.flavor);
    let all =
        if batches.of_cell.is_some() { moments(cells, None, 1, f64::from).swap_remove(0) } else { of_batch[0].clone() };
    let variances_norm = (0..cells.n_genes())
        .map(|gene| normalized.iter().map(|of_batch| of_batch[gene]).sum::<f64>() / normalized.len() as f64)
        .collect();
    Ok(VariableGenes {
        is_variable: ranks.is_variable,
        means: all.means,
        variability: Variability::Variance { variances: all.variances, variances_norm, ranks: ranks.median },
        n_batches: batches.of_cell.as_ref().map(|_| ranks.n_batches),
        warnings,
    })
}

/// Refuses what has no mean or variance, and negative means.
fn require_numbers(of_batch: &[Moments], advice: &'static str) -> Result<(), VariableGenesError> {
    for moments in of_batch {
        for (gene, (mean, variance)) in moments.means.iter().zip(&moments.variances).enumerate() {
            let gene_values = if !(mean.is_finite() && variance.is_finite()) {
                "NaN or infinite values"
            } else if *mean < 0.0 {
                "negative values"
            } else {
                continue;
            };
            return Err(VariableGenesError::Values { gene_values, gene, advice });
        }
    }
    Ok(())
}
