//! An opened file becomes a population of cells: read in windows, checked, normalised, logged.

use cells::counts::Counts;
use cells::data::{CellData, Labels, UNLABELLED};
use cells::genes::Alignment;
use cells::genes::table::GeneTable;
use cells::prepare::{Expressed, express, suggest_filter};
use cells::read::{Beside, OpenedFile};
use cells::write::h5ad::Values;
use jepa::train::assemble::Material;
use spec::checkpoint::CheckpointHeader;
use spec::dataset::{CellUnit, GeneCoverage, GeneJoin, PrepareOptions, Prepared};
use spec::prepare::{CellFilter, OutlierConfig};

use crate::failure::EngineError;
use crate::task::Task;

/// Library size that cells are scaled to where neither the person nor a checkpoint says (counts).
const DEFAULT_TARGET_SUM: f64 = 1e4;

/// Labels that a column may have to part cells into batches.
const MAX_BATCHES: usize = 500;

/// How many missing genes are named.
const MISSING_NAMED: usize = 500;

/// Prepared cells, and what was said of them.
pub struct Population {
    /// log1p of counts scaled to the target sum; all genes of the file.
    pub expression: Counts,
    /// Name of each row.
    pub barcodes: Vec<String>,
    /// Symbols of those genes.
    pub symbols: Vec<String>,
    /// Their stable ids, where the file has them.
    pub ids: Option<Vec<String>>,
    /// Name of the file.
    pub file: String,
    /// Bytes of its files.
    pub n_bytes: u64,
    /// Which genes its samples share; none where it is one matrix.
    pub join: Option<GeneJoin>,
    /// The table that named the genes; none where the file did.
    pub gene_table: Option<String>,
    /// Library size that cells were scaled to (counts).
    pub target_sum: f64,
    /// How it was read and prepared.
    pub options: PrepareOptions,
    /// Columns of `expression` for each gene of the checkpoint; none where no checkpoint is loaded.
    pub alignment: Option<Alignment>,
    /// Which perturbation each cell received.
    pub perturbations: Option<Labels>,
    /// Cells that each row stands for; none for single cells.
    pub cell_weights: Option<Vec<f64>>,
    /// The file's own columns of all rows that were read.
    pub obs: Vec<(String, Values)>,
    /// Its own columns of genes.
    pub var: Vec<(String, Values)>,
    /// What else it holds of all rows that were read: embeddings and the unstructured rest.
    pub beside: Beside,
    /// What the screen was told.
    pub prepared: Prepared,
    /// Rows of `expression` that the filters keep, ascending.
    kept: Vec<usize>,
}

/// Labels of the kept cells.
pub struct LabelledCells {
    /// The labels.
    pub names: Vec<String>,
    /// By place among the kept cells; none where a cell has no label.
    pub of_cell: Vec<Option<usize>>,
}

impl Population {
    /// Reads and prepares `opened`, its genes named as in `table`; aligns them to the checkpoint's, where one is loaded.
    pub async fn prepare(
        task: &mut Task,
        opened: &OpenedFile,
        options: &PrepareOptions,
        header: Option<&CheckpointHeader>,
        table: Option<&(String, GeneTable)>,
    ) -> Result<Self, EngineError> {
        let data = read(task, opened, options).await?;
        let (obs, var) = (opened.obs(options)?, opened.var(options)?);
        let beside = opened.beside(options).unwrap_or_default();
        let target_sum = options.target_sum.or(header.map(|header| header.target_sum)).unwrap_or(DEFAULT_TARGET_SUM);
        let Expressed { data, quality, reading, naming } =
            express(data, &opened.opened().matrices, options, target_sum, table.map(|(_, table)| table))?;
        let alignment = header.map(|header| data.genes.align(&header.genes, &header.gene_ids)).transpose()?;
        let suggested = suggest_filter(&quality, &OutlierConfig::default());
        let mut warnings = data.warnings;
        warnings.extend(label_warnings(data.perturbations.as_ref()));
        let expression = data.counts;

        let coverage = header.zip(alignment.as_ref()).map(|(header, alignment)| GeneCoverage {
            n_checkpoint: header.genes.len(),
            n_found: alignment.n_found,
            missing: alignment.missing.iter().take(MISSING_NAMED).cloned().collect(),
        });
        warnings.extend(header.zip(coverage.as_ref()).and_then(|(header, coverage)| match header.is_cell_jepa() {
            true => vocabulary_warning(coverage, data.genes.symbols.len()),
            false => coverage_warning(coverage),
        }));
        let prepared = Prepared {
            n_cells: expression.n_cells(),
            dropped: Vec::new(),
            n_genes: expression.n_genes(),
            n_nonzero: expression.n_nonzero() as u64,
            unit: data.unit,
            quality,
            perturbations: Vec::new(),
            perturbation_of_cell: data.perturbations.as_ref().map_or_else(Vec::new, |labels| labels.codes.clone()),
            suggested,
            reading,
            naming,
            label_columns: obs.iter().filter(|(_, values)| can_batch(values)).map(|(name, _)| name.clone()).collect(),
            coverage,
            warnings,
        };
        let mut population = Self {
            kept: Vec::new(),
            file: opened.opened().name.clone(),
            n_bytes: opened.opened().n_bytes,
            join: opened.opened().join,
            gene_table: table.map(|(name, _)| name.clone()),
            target_sum,
            options: options.clone(),
            expression,
            barcodes: data.barcodes,
            symbols: data.genes.symbols,
            ids: data.genes.ids,
            alignment,
            perturbations: data.perturbations,
            cell_weights: data.cell_weights.filter(|_| prepared.unit == CellUnit::Metacell),
            obs,
            var,
            beside,
            prepared,
        };
        population.filter(options.filter)?;
        Ok(population)
    }

    /// Keeps the cells within the bounds, of all that were read; nothing is read or computed anew.
    ///
    /// # Errors
    /// Where not one cell is left; then all stays as it was.
    pub fn filter(&mut self, filter: CellFilter) -> Result<(), EngineError> {
        let n_read = self.expression.n_cells();
        let (kept, dropped): (Vec<usize>, Vec<usize>) =
            (0..n_read).partition(|&cell| filter.keeps(&self.prepared.quality, cell));
        if kept.is_empty() && n_read > 0 {
            return Err(EngineError::Filters { n_read });
        }
        if let Some(labels) = &self.perturbations {
            let mut sizes = vec![0; labels.names.len()];
            kept.iter().for_each(|&cell| sizes[labels.codes[cell] as usize] += 1);
            self.prepared.perturbations = labels.names.iter().cloned().zip(sizes).collect();
        }
        self.prepared.n_cells = kept.len();
        self.prepared.dropped = dropped.into_iter().map(|cell| cell as u32).collect();
        self.kept = kept;
        self.options.filter = filter;
        Ok(())
    }

    /// Cells kept, genes, and stored values of all cells that were read.
    pub fn shape(&self) -> [u64; 3] {
        let Prepared { n_cells, n_genes, n_nonzero, .. } = &self.prepared;
        [*n_cells as u64, *n_genes as u64, *n_nonzero]
    }

    /// The rows that are kept, ascending.
    pub fn kept_rows(&self) -> &[usize] {
        &self.kept
    }

    /// The kept rows that are controls: those of the control label, or all where there are no labels.
    pub fn control_rows(&self) -> Vec<usize> {
        match &self.perturbations {
            Some(labels) => labels.control.map_or_else(Vec::new, |control| self.rows_of(labels, control)),
            None => self.kept.clone(),
        }
    }

    /// The kept rows of a label.
    pub fn rows_of(&self, labels: &Labels, code: usize) -> Vec<usize> {
        self.kept.iter().copied().filter(|&row| labels.codes[row] as usize == code).collect()
    }

    /// The labels of the kept cells, by a column of the file.
    ///
    /// # Errors
    /// Where there is no such column, or it holds no labels.
    pub fn labels(&self, column: &str) -> Result<LabelledCells, EngineError> {
        let Values::Categorical { codes, names } = self.categories(column)? else { return Err(no_labels(column, "")) };
        let code = |&cell: &usize| usize::try_from(codes[cell]).ok();
        Ok(LabelledCells { names: names.clone(), of_cell: self.kept.iter().map(code).collect() })
    }

    fn categories(&self, column: &str) -> Result<&Values, EngineError> {
        let found = self.obs.iter().find(|(name, _)| name == column).map(|(_, values)| values);
        match found {
            Some(found @ Values::Categorical { .. }) => Ok(found),
            _ => Err(no_labels(column, &self.prepared.label_columns.join(", "))),
        }
    }

    /// The batches of the kept cells, by a column of labels.
    ///
    /// # Errors
    /// Where there is no such column, or it holds no labels.
    pub fn batches(&self, column: &str) -> Result<Labels, EngineError> {
        let Values::Categorical { codes, names } = self.categories(column)? else { return Err(no_labels(column, "")) };
        // Cells without a label are a batch of their own.
        let code = |cell: &usize| u32::try_from(codes[*cell]).unwrap_or(names.len() as u32);
        let mut names = names.clone();
        let codes = self.kept.iter().map(code).collect();
        names.push(UNLABELLED.into());
        Ok(Labels { names, codes, control: None })
    }

    /// The kept cells as training and evaluation take them, with the batch of each from a column of labels.
    ///
    /// # Errors
    /// As [`Population::batches`].
    pub fn material(&self, batch_column: Option<&str>) -> Result<Material, EngineError> {
        let kept = self.kept_rows();
        let batches = batch_column.map(|column| self.batches(column)).transpose()?;
        Ok(Material {
            expression: self.expression.select_rows(kept),
            genes: self.symbols.clone(),
            gene_ids: self.ids.clone().unwrap_or_default(),
            labels: self.perturbations.as_ref().map(|labels| labels.select(kept)),
            batches: batches.map(|batches| batches.codes),
            cells_per_row: self.cell_weights.as_ref().map(|weights| kept.iter().map(|&row| weights[row]).collect()),
            target_sum: self.target_sum,
        })
    }

    /// Genes of the checkpoint that the file lacks, by their place in its order.
    pub fn missing_genes(&self) -> Vec<usize> {
        let columns = self.alignment.as_ref().map_or(&[][..], |alignment| &alignment.column_of);
        (0..columns.len()).filter(|&gene| columns[gene].is_none()).collect()
    }

    /// The cells with the checkpoint's genes, in its order.
    pub fn aligned(&self) -> Result<Counts, EngineError> {
        let alignment = self.alignment.as_ref().ok_or(EngineError::OutOfOrder {
            what: "these cells were prepared",
            needed: "a checkpoint was loaded: prepare them again",
        })?;
        Ok(self.expression.select_columns(&alignment.column_of))
    }

    /// How many cells a row stands for.
    pub fn weight(&self, row: usize) -> f64 {
        self.cell_weights.as_ref().map_or(1.0, |weights| weights[row])
    }
}

fn no_labels(column: &str, there: &str) -> EngineError {
    let there = if there.is_empty() { "none" } else { there };
    EngineError::Query(format!("{column} is no column of labels; there are: {there}"))
}

async fn read(task: &mut Task, opened: &OpenedFile, options: &PrepareOptions) -> Result<CellData, EngineError> {
    let mut reading = opened.begin(options)?;
    let matrices = &opened.opened().matrices;
    let chosen = matrices.iter().find(|matrix| options.matrix.as_ref().is_none_or(|name| *name == matrix.name));
    let n_cells =
        chosen.map_or(0, |matrix| options.max_cells.map_or(matrix.n_cells, |limit| limit.min(matrix.n_cells)));
    let mut stretch = task.begin("Reading the counts", "cells", n_cells).await?;
    while let Some(progress) = reading.advance()? {
        stretch.reached(progress.cells_done).await?;
    }
    Ok(reading.finish()?)
}

/// Whether a column can part cells into batches.
fn can_batch(values: &Values) -> bool {
    matches!(values, Values::Categorical { names, .. } if (2..=MAX_BATCHES).contains(&names.len()))
}

fn label_warnings(perturbations: Option<&Labels>) -> Option<String> {
    let labels = perturbations?;
    labels
        .control
        .is_none()
        .then(|| "No control cells are marked: choose the label of the control cells to be able to predict.".to_owned())
}

/// What the genes that a file lacks mean for predictions.
pub fn coverage_warning(coverage: &GeneCoverage) -> Option<String> {
    let missing = coverage.n_checkpoint - coverage.n_found;
    (missing > 0).then(|| {
        let weight = if coverage.is_poor() {
            "its predictions for these cells mean next to nothing"
        } else {
            "predictions suffer with each"
        };
        let n = coverage.n_checkpoint;
        format!("{missing} of the model's {n} genes are not in this file and are read as 0; {weight}.")
    })
}

/// What a model that reads expressed genes alone does not read; a gene that the file lacks is one that no cell expresses.
fn vocabulary_warning(coverage: &GeneCoverage, n_genes: usize) -> Option<String> {
    let n_lost = n_genes.saturating_sub(coverage.n_found);
    (n_lost > 0).then(|| {
        format!(
            "The model has tokens for {} of this file's {n_genes} genes; it does not read the others.",
            coverage.n_found
        )
    })
}

/// At most `n` of `rows`, evenly spaced.
pub fn spread(rows: &[usize], n: usize) -> Vec<usize> {
    if rows.len() <= n {
        return rows.to_vec();
    }
    (0..n).map(|at| rows[at * rows.len() / n]).collect()
}
