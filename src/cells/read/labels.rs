//! Labels of cells from a table dropped beside a matrix: its rows are matched to the cells by barcode.

use std::collections::HashMap;

use spec::dataset::{CellUnit, FileFormat, MatrixInfo};

use crate::genes::GeneNames;
use crate::read::beside::Beside;
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::frame::Column;
use crate::read::layout::Layout;
use crate::read::matrix::MatrixReader;
use crate::read::rows::Rows;
use crate::read::selection::Columns;
use crate::read::table::{column_of, scan};
use crate::source::NamedSource;

/// Columns of a table that may hold the barcodes: the first ones.
const BARCODE_COLUMNS: usize = 5;

/// A matrix with the labels of a table beside those of its own.
pub(crate) struct Labelled {
    inner: Box<dyn Container>,
    columns: Vec<String>,
    labels: HashMap<String, Column>,
    warnings: Vec<String>,
}

impl Labelled {
    pub(crate) fn open(
        inner: Box<dyn Container>,
        file: &NamedSource,
        mut layout: Layout,
        budget: u64,
    ) -> Result<Self, ReadError> {
        // Every column is taken as text first.
        layout.is_value = vec![false; layout.n_fields];
        layout.has_row_names = false;
        let texts = scan(file, &layout, budget)?.annotations;
        let title = |at: usize| layout.header.get(at).cloned().unwrap_or_else(|| format!("column {at}"));
        let barcodes = inner.barcodes(0)?;
        let (barcode_column, rows, n_matched) = matched(&barcodes, &texts);
        if n_matched == 0 {
            let example = |names: &[String]| names.first().cloned().unwrap_or_default();
            let what = format!(
                "{} names none of the cells: they are called {}, its rows {}",
                file.name,
                example(&barcodes),
                texts.first().map(|names| example(names)).unwrap_or_default()
            );
            return Err(ReadError::Together(what));
        }
        let mut warnings = inner.warnings().to_vec();
        if n_matched < barcodes.len() {
            let n_missing = barcodes.len() - n_matched;
            warnings.push(format!(
                "{} names {n_matched} of {} cells; {n_missing} have no label",
                file.name,
                barcodes.len()
            ));
        }
        let mut columns: Vec<String> = inner.columns().to_vec();
        let (mut labels, mut replaced) = (HashMap::new(), Vec::new());
        for (at, texts) in texts.iter().enumerate().filter(|(at, _)| *at != barcode_column) {
            let name = title(at);
            if columns.contains(&name) {
                replaced.push(name.clone());
            } else {
                columns.push(name.clone());
            }
            let of_cells = rows.iter().map(|row| row.map_or_else(String::new, |row| texts[row].clone()));
            labels.insert(name, column_of(of_cells.collect()));
        }
        if !replaced.is_empty() {
            warnings.push(format!(
                "labels of {} stand in place of the file's own: {}",
                file.name,
                listed(&replaced, 5)
            ));
        }
        Ok(Self { inner, columns, labels, warnings })
    }
}

/// The column that names the most cells, the row of each cell in it, and how many cells have one.
fn matched(barcodes: &[String], texts: &[Vec<String>]) -> (usize, Vec<Option<usize>>, usize) {
    let mut best = (0, Vec::new(), 0);
    for has_suffix in [true, false] {
        let key = |name: &str| if has_suffix { name.to_owned() } else { without_suffix(name).to_owned() };
        for (at, names) in texts.iter().enumerate().take(BARCODE_COLUMNS) {
            let mut row_of = HashMap::with_capacity(names.len());
            for (row, name) in names.iter().enumerate() {
                row_of.entry(key(name)).or_insert(row);
            }
            let rows: Vec<Option<usize>> = barcodes.iter().map(|name| row_of.get(&key(name)).copied()).collect();
            let n = rows.iter().flatten().count();
            if n > best.2 {
                best = (at, rows, n);
            }
        }
        if best.2 > 0 {
            break;
        }
    }
    best
}

/// A barcode without the number of its well: `ACGT-1` is `ACGT`.
fn without_suffix(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((barcode, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => barcode,
        _ => name,
    }
}

impl Container for Labelled {
    fn format(&self) -> FileFormat {
        self.inner.format()
    }

    fn matrices(&self) -> &[MatrixInfo] {
        self.inner.matrices()
    }

    fn genes(&self, matrix: usize) -> Result<GeneNames, ReadError> {
        self.inner.genes(matrix)
    }

    fn first_genes(&self, matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        self.inner.first_genes(matrix, count)
    }

    fn barcodes(&self, matrix: usize) -> Result<Vec<String>, ReadError> {
        self.inner.barcodes(matrix)
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        match self.labels.get(name) {
            Some(column) => Ok(Some(column.clone())),
            None if self.inner.columns().is_empty() => {
                Err(ReadError::NoSuchColumn { wanted: name.into(), available: listed(&self.columns, 20) })
            }
            None => self.inner.column(name),
        }
    }

    fn unit(&self) -> CellUnit {
        self.inner.unit()
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        self.inner.n_values(matrix, rows, columns)
    }

    fn sample(&self, matrix: usize) -> Option<Vec<f32>> {
        self.inner.sample(matrix)
    }

    fn bytes_beside(&self, matrix: usize) -> u64 {
        self.inner.bytes_beside(matrix)
    }

    fn var(&self, matrix: usize) -> Result<Vec<(String, Column)>, ReadError> {
        self.inner.var(matrix)
    }

    fn beside(&self, rows: &Rows, budget: u64) -> Result<Beside, ReadError> {
        self.inner.beside(rows, budget)
    }

    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        self.inner.reader(matrix, rows, columns, budget)
    }
}
