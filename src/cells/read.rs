//! From dropped files to cells: [`open`] plans from metadata, [`OpenedFile::begin`] checks the plan against the memory
//! there is, [`Reading::advance`] reads one window of bounded size, [`Reading::finish`] adds names and labels.
//! [`open_samples`] does the same for several samples of one study, which [`group_samples`] tells apart.
//!
//! Not read, and said so by name: h5mu, rds, parquet, HDF5 chunks behind nbit, bzip2, zfp or blosc2.

mod archive;
mod array;
mod beside;
mod codec;
mod compound;
mod container;
mod dtype;
mod error;
mod features;
mod fields;
mod filters;
mod frame;
mod grid;
mod grouping;
mod h5ad;
mod hdf5;
mod heap;
mod inflated;
mod labels;
mod layout;
mod loom;
mod matrix;
mod perturbed;
mod plan;
mod reading;
mod rows;
mod samples;
mod scatter;
mod selection;
mod sniff;
mod stream;
mod suggest;
mod table;
mod tally;
mod tenx_h5;
mod tenx_mtx;
pub(crate) mod text;
mod tree;
mod zarr;

use spec::dataset::{CellUnit, ColumnInfo, ColumnKind, MatrixInfo, Opened, PrepareOptions};

pub use crate::read::beside::Beside;
pub(crate) use crate::read::error::listed;
pub use crate::read::error::{ReadError, human_bytes};
pub use crate::read::grouping::{Sample, group_samples};
pub use crate::read::reading::{ReadProgress, Reading};
pub use crate::read::samples::GeneJoin;
pub(crate) use crate::read::suggest::counts_layer;

use crate::read::container::Container;
use crate::read::dtype::number_label;
use crate::read::frame::Column;
use crate::read::plan::{Plan, ValueWidth};
use crate::read::rows::Rows;
use crate::read::selection::Columns;
use crate::source::NamedSource;
use crate::write::h5ad::Values;

/// Values of a label column that are listed.
const MAX_VALUES: usize = 500;
/// Columns that carry the cells of each metacell.
const WEIGHT_COLUMN: &str = "n_cells";

/// Opens one matrix: an h5ad, 10x or loom file, a zarr store, a text table, the three files of a 10x matrix, or an archive of them; a
/// second table beside it holds labels. Metadata are read (of a text table the names of its rows), and the first values
/// of the matrix, which tell how much memory the others will take.
///
/// A zarr store that is no archive comes as its files, each named by its path within (or from above) the store.
///
/// `bytes_available` is the memory that a reading may take.
///
/// # Errors
/// See [`ReadError`]; a damaged or foreign file is an error, never a panic.
pub fn open(files: Vec<NamedSource>, bytes_available: u64) -> Result<OpenedFile, ReadError> {
    // Of several files, the one with the values gives its name.
    let named = files.iter().find(|file| file.name.to_lowercase().contains("matrix.mtx")).or(files.first());
    let name = named.map(|file| file.name.clone()).unwrap_or_default();
    let n_bytes = files.iter().map(|file| file.source.len()).sum();
    let sniff::Found { container, bytes_held, warnings } = sniff::open(files, bytes_available)?;
    plan_of(name, n_bytes, container, bytes_available.saturating_sub(bytes_held), warnings)
}

/// Opens samples as one study: cells one sample after another (barcodes end in the sample's name), genes joined, and a
/// column `sample` beside the united columns of all. One sample opens as [`open`] does.
///
/// # Errors
/// As [`open`], the sample named; where samples have no gene in common or are not alike in what a row is.
pub fn open_samples(samples: Vec<Sample>, join: GeneJoin, bytes_available: u64) -> Result<OpenedFile, ReadError> {
    let name = samples.iter().map(|sample| sample.name.as_str()).collect::<Vec<_>>().join(", ");
    let n_bytes = samples.iter().flat_map(|sample| &sample.files).map(|file| file.source.len()).sum();
    if samples.len() < 2 {
        return open(samples.into_iter().flat_map(|sample| sample.files).collect(), bytes_available);
    }
    let (mut containers, mut left, mut warnings) = (Vec::with_capacity(samples.len()), bytes_available, Vec::new());
    for Sample { name, files } in samples {
        let of_sample = |error| ReadError::Sample { name: name.clone(), error: Box::new(error) };
        let found = sniff::open(files, left).map_err(of_sample)?;
        left = left.saturating_sub(found.bytes_held);
        warnings.extend(found.warnings.into_iter().map(|what| format!("{name}: {what}")));
        containers.push((name, found.container));
    }
    let study = samples::Study::open(containers, join)?;
    let mut opened = plan_of(name, n_bytes, Box::new(study), left, warnings)?;
    opened.opened.join = Some(join);
    Ok(opened)
}

/// Opens whatever files came together: one matrix as [`open`] does, several as the samples of one study, their genes
/// joined as `join` says. A table beside a single matrix, or beside one other table, is its labels.
///
/// # Errors
/// As [`open`] and [`open_samples`].
pub fn open_study(files: Vec<NamedSource>, join: GeneJoin, bytes_available: u64) -> Result<OpenedFile, ReadError> {
    let alone = (files.len() == 1).then(|| files[0].name.clone());
    let samples = group_samples(files, bytes_available)?;
    let n_tables = samples.iter().filter(|sample| sample.is_table()).count();
    let n_matrices = samples.len() - n_tables;
    if n_matrices > 1 || (n_matrices == 0 && n_tables > 2) {
        return open_samples(samples, join, bytes_available);
    }
    let mut opened = open(samples.into_iter().flat_map(|sample| sample.files).collect(), bytes_available)?;
    if let Some(name) = alone {
        opened.opened.name = name;
    }
    Ok(opened)
}

fn plan_of(
    name: String,
    n_bytes: u64,
    container: Box<dyn Container>,
    bytes_available: u64,
    mut warnings: Vec<String>,
) -> Result<OpenedFile, ReadError> {
    warnings.extend_from_slice(container.warnings());
    let mut columns = Vec::new();
    for column in container.columns() {
        match container.column(column) {
            Ok(Some(values)) => columns.push(ColumnInfo { name: column.clone(), kind: summary(&values) }),
            Ok(None) => {}
            // A file is worth opening without one of its columns.
            Err(error) => warnings.push(format!("obs column {column} cannot be read: {error}")),
        }
    }
    let matrices = container.matrices().to_vec();
    let mut suggested = suggest::suggest(&matrices, &columns);
    if let (Some(layer), Some(first)) = (&suggested.matrix, matrices.first()) {
        warnings.push(format!(
            "{layer} is suggested in place of {}: its name says that it holds counts of genes",
            first.name
        ));
    }
    if suggested.matrix.is_none() && has_negative(container.as_ref(), 0) {
        let other = (1..matrices.len()).find(|&matrix| !has_negative(container.as_ref(), matrix));
        if let Some(other) = other.map(|matrix| &matrices[matrix].name) {
            let first = &matrices[0].name;
            warnings.push(format!(
                "{other} is suggested in place of {first}, whose values are centred or scaled (negative)"
            ));
            suggested.matrix = Some(other.clone());
        }
    }
    let opened = Opened {
        name,
        n_bytes,
        format: container.format(),
        unit: container.unit(),
        join: None,
        bytes_fixed: matrices.first().map_or(0, fixed_bytes),
        bytes_needed: matrices.first().map_or(0, |info| {
            let (rows, columns) = (Rows::All(info.n_cells), Columns::all(info.n_genes));
            let (width, beside) = (width(container.as_ref(), 0), container.bytes_beside(0));
            Plan { info, rows: &rows, columns: &columns, n_values: info.n_stored, width, beside }.n_bytes()
        }),
        matrices,
        columns,
        first_genes: container.first_genes(0, 5)?,
        suggested,
        bytes_available,
        warnings,
    };
    Ok(OpenedFile { opened, container })
}

/// Whether a value below 0 is among the first of a matrix.
fn has_negative(container: &dyn Container, matrix: usize) -> bool {
    container.sample(matrix).is_some_and(|values| values.iter().any(|value| *value < 0.0))
}

/// Bytes that reading takes however few cells are read.
fn fixed_bytes(info: &MatrixInfo) -> u64 {
    let (rows, columns) = (Rows::Some { chosen: Vec::new(), n_all: info.n_cells }, Columns::all(info.n_genes));
    Plan { info, rows: &rows, columns: &columns, n_values: 0, width: ValueWidth::of(info, None), beside: 0 }.n_bytes()
}

fn width(container: &dyn Container, matrix: usize) -> ValueWidth {
    ValueWidth::of(&container.matrices()[matrix], container.sample(matrix).as_deref())
}

fn summary(column: &Column) -> ColumnKind {
    match column {
        Column::Labels { codes, names } => {
            let mut sizes = vec![0usize; names.len()];
            codes.iter().flatten().for_each(|code| sizes[*code as usize] += 1);
            let mut values: Vec<(String, usize)> =
                names.iter().cloned().zip(sizes).filter(|(_, size)| *size > 0).collect();
            let n_distinct = values.len();
            values.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
            values.truncate(MAX_VALUES);
            ColumnKind::Labels { n_distinct, values }
        }
        Column::Numbers(values) => {
            let finite = || values.iter().copied().filter(|value| value.is_finite());
            ColumnKind::Numbers { min: finite().reduce(f64::min), max: finite().reduce(f64::max) }
        }
    }
}

/// A file whose metadata are read.
pub struct OpenedFile {
    opened: Opened,
    container: Box<dyn Container>,
}

impl std::fmt::Debug for OpenedFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenedFile").field("opened", &self.opened).finish_non_exhaustive()
    }
}

impl OpenedFile {
    /// What was understood of it.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// Begins to read a matrix with the labels that `options` name.
    ///
    /// # Errors
    /// Where `options` name a matrix, column or label that is not there; where the reading needs more memory than there
    /// is, with both numbers and how many cells would fit; where the metadata of the matrix cannot be.
    pub fn begin(&self, options: &PrepareOptions) -> Result<Reading<'_>, ReadError> {
        let matrix = self.matrix(options.matrix.as_deref())?;
        let info = &self.opened.matrices[matrix];
        if options.max_cells == Some(0) {
            return Err(ReadError::Option("max_cells is 0; it must be at least 1, or absent to read all cells".into()));
        }
        // Before anything of the file's length is held or read.
        let (none, every) = (Rows::Some { chosen: Vec::new(), n_all: info.n_cells }, Columns::all(info.n_genes));
        self.check_budget(&self.plan(matrix, &none, &every, 0, ValueWidth::of(info, None)))?;
        let rows = self.rows(options)?;
        let sample = self.container.sample(matrix);
        let width = ValueWidth::of(info, sample.as_deref());
        let mut warnings = Vec::new();
        let columns = self.columns(matrix, options, rows.len(), sample.as_deref(), &mut warnings)?;
        let n_values = self.container.n_values(matrix, &rows, &columns)?;
        self.check_budget(&self.plan(matrix, &rows, &columns, n_values, width))?;
        if let Rows::Some { chosen, n_all } = &rows {
            let evenly = options.stratify_by.as_ref().map_or_else(String::new, |name| format!(", by shares of {name}"));
            warnings.push(format!(
                "{} of {n_all} cells are read, drawn with seed {}{evenly}",
                chosen.len(),
                options.seed
            ));
        }
        let perturbations = self.perturbations(options, &rows, &mut warnings)?;
        let library_sizes = self.library_sizes(options, &rows)?;
        let cell_weights = self.cell_weights(&rows)?;
        let beside = self.plan(matrix, &rows, &columns, 0, width).n_bytes();
        let budget = self.opened.bytes_available.saturating_sub(beside);
        let reader = self.container.reader(matrix, rows.clone(), columns.clone(), budget)?;
        Ok(Reading {
            file: self,
            matrix,
            rows,
            columns,
            reader,
            n_done: None,
            is_done: false,
            perturbations,
            library_sizes,
            cell_weights,
            warnings,
        })
    }

    /// What lies beside the matrices, of the cells that `options` choose.
    ///
    /// # Errors
    /// Where it cannot be read; what is only of another kind is left out with a warning.
    pub fn beside(&self, options: &PrepareOptions) -> Result<Beside, ReadError> {
        let rows = self.rows(options)?;
        self.container.beside(&rows, self.opened.bytes_available)
    }

    /// The columns that `options` choose, for so many rows.
    fn columns(
        &self,
        matrix: usize,
        options: &PrepareOptions,
        n_rows: usize,
        sample: Option<&[f32]>,
        warnings: &mut Vec<String>,
    ) -> Result<Columns, ReadError> {
        let Some(wanted) = &options.genes else { return Ok(Columns::all(self.opened.matrices[matrix].n_genes)) };
        let genes = self.container.genes(matrix)?;
        let may_be_logged = sample.is_none_or(|values| values.iter().any(|value| value.fract() != 0.0));
        let (columns, missing) = Columns::of_genes(&genes, wanted, n_rows, may_be_logged)?;
        let (n_read, n_all) = (columns.n_read(), columns.n_all());
        warnings.push(format!("{n_read} of {n_all} genes are kept; library sizes and quality are of all"));
        warnings.extend(missing);
        Ok(columns)
    }

    /// The rows that `options` choose.
    fn rows(&self, options: &PrepareOptions) -> Result<Rows, ReadError> {
        // Each genome of an older 10x file has cells of its own.
        let n_cells = self.opened.matrices[self.matrix(options.matrix.as_deref())?].n_cells;
        let (Some(name), Some(max_cells)) = (&options.stratify_by, options.max_cells) else {
            return Ok(Rows::draw(n_cells, options.max_cells, options.seed));
        };
        let Column::Labels { codes, names } = self.column(name, n_cells)? else {
            return Err(ReadError::Option(format!(
                "stratify_by is {name}, which holds numbers; choose a column of labels"
            )));
        };
        // Cells without a label are a group of their own.
        let codes: Vec<u32> = codes.into_iter().map(|code| code.unwrap_or(names.len() as u32)).collect();
        Ok(Rows::draw_stratified(&codes, names.len() + 1, max_cells, options.seed))
    }

    /// The columns of `obs` that are read, of the cells that `options` choose.
    ///
    /// # Errors
    /// Where a column cannot be read.
    pub fn obs(&self, options: &PrepareOptions) -> Result<Vec<(String, Values)>, ReadError> {
        let rows = self.rows(options)?;
        let columns = self.opened.columns.iter().map(|column| {
            Ok((
                column.name.clone(),
                as_written(
                    self.column(&column.name, rows.n_all())?,
                    |values| rows.pick(values),
                    |codes| rows.pick(codes),
                ),
            ))
        });
        columns.collect()
    }

    /// The columns of `var` of the matrix that `options` choose, as far as they can be read; none where genes are chosen.
    ///
    /// # Errors
    /// Where there is no such matrix, or its table of genes cannot be read.
    pub fn var(&self, options: &PrepareOptions) -> Result<Vec<(String, Values)>, ReadError> {
        let matrix = self.matrix(options.matrix.as_deref())?;
        if options.genes.is_some() {
            return Ok(Vec::new());
        }
        let columns = self.container.var(matrix)?.into_iter();
        Ok(columns.map(|(name, column)| (name, as_written(column, |values| values, |codes| codes))).collect())
    }

    fn matrix(&self, wanted: Option<&str>) -> Result<usize, ReadError> {
        let Some(wanted) = wanted else { return Ok(0) };
        self.opened.matrices.iter().position(|info| info.name == wanted).ok_or_else(|| ReadError::NoSuchMatrix {
            wanted: wanted.into(),
            available: listed(self.opened.matrices.iter().map(|info| &info.name), 20),
        })
    }

    fn plan<'a>(
        &'a self,
        matrix: usize,
        rows: &'a Rows,
        columns: &'a Columns,
        n_values: u64,
        width: ValueWidth,
    ) -> Plan<'a> {
        let info = &self.opened.matrices[matrix];
        let beside = u128::from(self.container.bytes_beside(matrix)) * u128::from(n_values);
        let beside = u64::try_from(beside / u128::from(info.n_stored.max(1))).unwrap_or(u64::MAX);
        Plan { info, rows, columns, n_values, width, beside }
    }

    fn check_budget(&self, plan: &Plan<'_>) -> Result<(), ReadError> {
        let (needed, available) = (plan.n_bytes(), self.opened.bytes_available);
        if needed <= available {
            return Ok(());
        }
        let object = format!("reading {}", plan.info.name);
        Err(ReadError::OverBudget { object, needed, available, advice: plan.advice(available) })
    }

    /// A column of `obs`, for so many cells.
    fn column(&self, name: &str, n_cells: usize) -> Result<Column, ReadError> {
        let column = self.container.column(name)?.ok_or_else(|| ReadError::Malformed {
            object: format!("obs column {name}"),
            what: "is of a kind that is not read; choose a column of labels or numbers".into(),
        })?;
        if column.len() == n_cells {
            return Ok(column);
        }
        let what = format!("has {} rows for {n_cells} cells", column.len());
        Err(ReadError::Malformed { object: format!("obs column {name}"), what })
    }

    fn library_sizes(&self, options: &PrepareOptions, rows: &Rows) -> Result<Option<Vec<f64>>, ReadError> {
        let Some(name) = &options.library_size_column else { return Ok(None) };
        let Column::Numbers(values) = self.column(name, rows.n_all())? else {
            let object = format!("obs column {name}");
            return Err(ReadError::Malformed { object, what: "holds labels; library sizes are numbers".into() });
        };
        check_above_zero(name, &values)?;
        Ok(Some(rows.pick(values)))
    }

    fn cell_weights(&self, rows: &Rows) -> Result<Option<Vec<f64>>, ReadError> {
        if self.container.unit() != CellUnit::Metacell {
            return Ok(None);
        }
        match self.column(WEIGHT_COLUMN, rows.n_all())? {
            Column::Numbers(values) => {
                check_above_zero(WEIGHT_COLUMN, &values)?;
                Ok(Some(rows.pick(values)))
            }
            Column::Labels { .. } => Err(ReadError::Malformed {
                object: format!("obs column {WEIGHT_COLUMN}"),
                what: "holds labels; metacells need their number of cells".into(),
            }),
        }
    }
}

/// A column as it is written, of the rows that are picked.
fn as_written(
    column: Column,
    pick_numbers: impl Fn(Vec<f64>) -> Vec<f64>,
    pick_codes: impl Fn(Vec<Option<u32>>) -> Vec<Option<u32>>,
) -> Values {
    match column {
        Column::Numbers(values) => Values::F64(pick_numbers(values)),
        Column::Labels { codes, names } => {
            let code = |code: Option<u32>| code.map_or(-1, |code| code as i32);
            Values::Categorical { codes: pick_codes(codes).into_iter().map(code).collect(), names }
        }
    }
}

fn check_above_zero(column: &str, values: &[f64]) -> Result<(), ReadError> {
    let Some(cell) = values.iter().position(|value| !(value.is_finite() && *value > 0.0)) else { return Ok(()) };
    let what = format!("holds {} for cell {cell}; it must be above 0", number_label(values[cell], false));
    Err(ReadError::Malformed { object: format!("obs column {column}"), what })
}
