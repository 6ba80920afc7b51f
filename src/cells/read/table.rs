//! Text tables of counts (csv, tsv, txt; plain or gzipped), cells by genes or genes by cells.
//!
//! A table has no metadata: opening it runs once through its lines, for the names of its rows, the width of each, and
//! the number of values other than 0. Values are parsed when they are read, some hundred thousand at a time.

use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::genes::{GeneNames, is_ensembl};
use crate::read::array::WINDOW_VALUES;
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::fields::Fields;
use crate::read::frame::Column;
use crate::read::layout::{Layout, folded, next_row};
use crate::read::matrix::{MatrixReader, Taken};
use crate::read::plan::{SAMPLE_VALUES, proportional};
use crate::read::rows::{RowBuilder, Rows};
use crate::read::scatter::Scatter;
use crate::read::selection::Columns;
use crate::read::text::Lines;
use crate::source::NamedSource;

/// An open text table.
pub(crate) struct TableFile {
    file: NamedSource,
    longest_line: usize,
    layout: Layout,
    matrices: Vec<MatrixInfo>,
    rows_are_genes: bool,
    genes: GeneNames,
    barcodes: Vec<String>,
    columns: Vec<String>,
    labels: Vec<Column>,
    warnings: Vec<String>,
}

/// What one run through the lines of a table finds.
pub(crate) struct Scan {
    pub(crate) rows: Vec<String>,
    /// The text of each annotation, in the order of [`Layout::annotations`].
    pub(crate) annotations: Vec<Vec<String>>,
    n_other_than_zero: u64,
}

/// The longest line that is read with some memory: a line names every cell or gene.
pub(crate) fn longest_line(budget: u64) -> usize {
    usize::try_from(budget / 8).unwrap_or(usize::MAX).clamp(1 << 20, 1 << 28)
}

impl TableFile {
    pub(crate) fn open(file: NamedSource, layout: Layout, budget: u64) -> Result<Self, ReadError> {
        if layout.n_values() == 0 {
            let what = "holds no column of numbers; a table of counts is needed, labels alone are none".into();
            return Err(ReadError::Malformed { object: file.name, what });
        }
        let longest_line = longest_line(budget);
        let scan = scan(&file, &layout, budget)?;
        let columns = layout.value_names();
        let (rows_are_genes, why) = layout.rows_are_genes(&scan.rows, &columns);
        let n_rows = scan.rows.len();
        let numbered = |names: Vec<String>, n: usize| match names.is_empty() {
            true => (0..n).map(|at| at.to_string()).collect(),
            false => names,
        };
        let columns = numbered(columns, layout.n_values());
        let mut warnings = vec![format!(
            "the table is read as {}, because {why}",
            if rows_are_genes { "genes by cells" } else { "cells by genes" }
        )];
        if layout.has_decimal_commas {
            warnings.push("commas in its numbers are read as decimal signs".into());
        }
        let annotated = layout.annotations();
        let names =
            annotated.iter().map(|at| layout.header.get(*at).cloned().unwrap_or_else(|| format!("column {at}")));
        let names: Vec<String> = names.collect();
        let (n_cells, n_genes) = if rows_are_genes { (columns.len(), n_rows) } else { (n_rows, columns.len()) };
        let info = MatrixInfo {
            name: "table".into(),
            encoding: MatrixEncoding::Dense,
            n_cells,
            n_genes,
            n_stored: scan.n_other_than_zero,
            dtype: if layout.has_fractions { "float64".into() } else { "int64".into() },
        };
        let mut table = Self {
            file,
            longest_line,
            layout,
            matrices: vec![info],
            rows_are_genes,
            genes: GeneNames::default(),
            barcodes: Vec::new(),
            columns: Vec::new(),
            labels: Vec::new(),
            warnings,
        };
        if rows_are_genes {
            table.genes = table.gene_names(scan.rows, &names, scan.annotations);
            table.barcodes = columns;
        } else {
            table.genes = table.gene_names(columns, &[], Vec::new());
            table.barcodes = scan.rows;
            table.labels = names.iter().zip(scan.annotations).map(|(_, texts)| column_of(texts)).collect();
            table.columns = names;
        }
        Ok(table)
    }

    /// Symbols and ids among the names of the genes and the texts beside them.
    fn gene_names(&mut self, names: Vec<String>, titles: &[String], texts: Vec<Vec<String>>) -> GeneNames {
        let are_ids =
            |names: &[String]| names.iter().take(50).filter(|name| is_ensembl(name)).count() * 2 > names.len().min(50);
        let wants_symbols = are_ids(&names);
        let is_symbols = |title: &str| {
            ["genename", "genesymbol", "symbol", "genenames", "genesymbols", "gene", "name"]
                .contains(&folded(title).as_str())
        };
        let mut dropped = Vec::new();
        let mut other = None;
        for (title, texts) in titles.iter().zip(texts) {
            let fits = if wants_symbols { is_symbols(title) } else { are_ids(&texts) };
            if fits && other.is_none() { other = Some(texts) } else { dropped.push(title.clone()) }
        }
        if !dropped.is_empty() {
            self.warnings.push(format!("columns beside the counts are not read: {}", listed(&dropped, 5)));
        }
        match (wants_symbols, other) {
            (true, Some(symbols)) => {
                let symbols = symbols.into_iter().zip(&names);
                let symbols = symbols.map(|(symbol, id)| if symbol.is_empty() { id.clone() } else { symbol });
                GeneNames { symbols: symbols.collect(), ids: Some(names) }
            }
            (true, None) => GeneNames { symbols: names.clone(), ids: Some(names) },
            (false, ids) => GeneNames { symbols: names, ids },
        }
    }
}

/// Texts as numbers where each is one, or as labels; empty texts are missing.
pub(crate) fn column_of(texts: Vec<String>) -> Column {
    let number = |text: &String| match text.as_str() {
        "" => Some(f64::NAN),
        text => Fields::of(text.as_bytes(), 0).next().and_then(|field| field.number(false)),
    };
    if texts.iter().any(|text| !text.is_empty())
        && let Some(numbers) = texts.iter().map(number).collect::<Option<Vec<f64>>>()
    {
        return Column::Numbers(numbers);
    }
    let is_missing: Vec<bool> = texts.iter().map(|text| text.is_empty() || text == "NA").collect();
    match Column::from_text(texts) {
        Column::Labels { mut codes, names } => {
            codes.iter_mut().zip(is_missing).filter(|(_, missing)| *missing).for_each(|(code, _)| *code = None);
            Column::Labels { codes, names }
        }
        numbers => numbers,
    }
}

/// Runs through the lines of a table.
pub(crate) fn scan(file: &NamedSource, layout: &Layout, budget: u64) -> Result<Scan, ReadError> {
    let mut lines = rows_of(file, layout, longest_line(budget))?;
    let annotated = layout.annotations();
    let mut scan = Scan { rows: Vec::new(), annotations: vec![Vec::new(); annotated.len()], n_other_than_zero: 0 };
    let mut bytes_held = 0u64;
    while let Some(line) = next_row(&mut lines, false)? {
        let (mut n_fields, mut n_annotations) = (0, 0);
        let mut is_whole = true;
        for (at, field) in Fields::of(line, layout.separator).enumerate() {
            n_fields += 1;
            is_whole &= field.is_whole;
            if layout.is_value.get(at) == Some(&true) {
                scan.n_other_than_zero += u64::from(!field.is_plain_zero());
            } else if at == 0 && layout.has_row_names {
                scan.rows.push(field.text().into_owned());
                bytes_held += 24 + field.text().len() as u64;
            } else if let Some(annotation) = scan.annotations.get_mut(n_annotations) {
                annotation.push(field.text().into_owned());
                bytes_held += 24 + field.text().len() as u64;
                n_annotations += 1;
            }
        }
        if !is_whole {
            return Err(lines.wrong("has a quote that does not close, or text after one that does"));
        }
        if n_fields != layout.n_fields {
            return Err(lines.wrong(&format!("has {n_fields} fields; {} are expected", layout.n_fields)));
        }
        if !layout.has_row_names {
            scan.rows.push(scan.rows.len().to_string());
            bytes_held += 32;
        }
        if bytes_held > budget {
            let (object, advice) = (format!("the names of {}", file.name), "read a smaller table".into());
            return Err(ReadError::OverBudget { object, needed: bytes_held, available: budget, advice });
        }
    }
    Ok(scan)
}

/// The lines of a table from its first row on.
fn rows_of<'a>(file: &'a NamedSource, layout: &Layout, longest_line: usize) -> Result<Lines<'a>, ReadError> {
    let mut lines = Lines::open_long(file, longest_line)?;
    if layout.has_header {
        next_row(&mut lines, true)?;
    }
    Ok(lines)
}

impl Container for TableFile {
    fn format(&self) -> FileFormat {
        FileFormat::Table
    }

    fn matrices(&self) -> &[MatrixInfo] {
        &self.matrices
    }

    fn genes(&self, _matrix: usize) -> Result<GeneNames, ReadError> {
        Ok(self.genes.clone())
    }

    fn first_genes(&self, _matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        Ok(self.genes.symbols.iter().take(count).cloned().collect())
    }

    fn barcodes(&self, _matrix: usize) -> Result<Vec<String>, ReadError> {
        Ok(self.barcodes.clone())
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        let at = self.columns.iter().position(|column| column == name);
        let none = || ReadError::NoSuchColumn { wanted: name.into(), available: listed(&self.columns, 20) };
        at.map(|at| Some(self.labels[at].clone())).ok_or_else(none)
    }

    fn unit(&self) -> CellUnit {
        CellUnit::Cell
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        Ok(proportional(self.matrices[matrix].n_stored, rows).min(columns.most_values(rows)))
    }

    fn sample(&self, _matrix: usize) -> Option<Vec<f32>> {
        let mut lines = rows_of(&self.file, &self.layout, self.longest_line).ok()?;
        let (mut values, mut n_fields) = (Vec::new(), 0);
        while (values.len() as u64) < SAMPLE_VALUES
            && n_fields < WINDOW_VALUES
            && let Some(line) = next_row(&mut lines, false).ok()?
        {
            let fields = Fields::of(line, self.layout.separator).zip(&self.layout.is_value);
            let numbers = fields.filter(|(_, is_value)| **is_value).map(|(field, _)| field);
            let left = (SAMPLE_VALUES as usize).saturating_sub(values.len());
            // What is no number is an error when it is read, and tells nothing here.
            let numbers = numbers.filter_map(|field| field.number(self.layout.has_decimal_commas));
            values.extend(numbers.map(|value| value as f32).filter(|value| *value != 0.0).take(left));
            n_fields += self.layout.n_fields as u64;
        }
        Some(values)
    }

    fn reader(
        &self,
        _matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let lines = rows_of(&self.file, &self.layout, self.longest_line)?;
        let out = if self.rows_are_genes {
            Out::Scattered(Scatter::new(&self.file.name, rows.clone(), columns, budget))
        } else {
            Out::InOrder(RowBuilder::new(&self.file.name, columns, rows.len(), 0)?)
        };
        Ok(Box::new(TableReader { table: self, lines, rows, budget, next: 0, n_taken: 0, row: Vec::new(), out }))
    }
}

enum Out {
    /// Rows are cells.
    InOrder(RowBuilder),
    /// Rows are genes: the first pass counts, the second places.
    Scattered(Scatter),
}

struct TableReader<'a> {
    table: &'a TableFile,
    lines: Lines<'a>,
    rows: Rows,
    budget: u64,
    /// The row of the table that comes next.
    next: usize,
    /// Cells taken, where rows are cells.
    n_taken: usize,
    row: Vec<f32>,
    out: Out,
}

impl TableReader<'_> {
    /// Goes to the next row, and parses it where `is_wanted`; false at the end.
    fn next_row(&mut self, is_wanted: bool) -> Result<bool, ReadError> {
        let layout = &self.table.layout;
        self.row.clear();
        let Some(line) = next_row(&mut self.lines, false)? else { return Ok(false) };
        let mut wrong = None;
        let fields = Fields::of(line, layout.separator).zip(&layout.is_value).enumerate();
        for (at, (field, _)) in fields.filter(|(_, (_, is_value))| is_wanted && **is_value) {
            match field.number(layout.has_decimal_commas) {
                Some(value) => self.row.push(value as f32),
                None => {
                    let name = layout.header.get(at).map_or_else(String::new, |name| format!(" ({name})"));
                    let text: String = field.text().chars().take(40).collect();
                    let found = if field.is_empty() { "is empty".into() } else { format!("holds {text:?}") };
                    wrong = Some(format!("column {}{name} {found}; a number is expected", at + 1));
                    break;
                }
            }
        }
        match wrong {
            Some(what) => Err(self.lines.wrong(&what)),
            None if is_wanted && self.row.len() != layout.n_values() => Err(self.lines.wrong("has changed its width")),
            None => Ok(true),
        }
    }

    fn advance_cells(&mut self) -> Result<Option<usize>, ReadError> {
        if self.n_taken == self.rows.len() {
            return Ok(None);
        }
        let mut n_fields = 0;
        while self.n_taken < self.rows.len() && n_fields < WINDOW_VALUES {
            let is_wanted = self.rows.get(self.n_taken) == self.next;
            if !self.next_row(is_wanted)? {
                let detail = format!(": {} of its rows are there", self.next);
                return Err(ReadError::Truncated { object: self.table.file.name.clone(), detail });
            }
            if let (true, Out::InOrder(out)) = (is_wanted, &mut self.out) {
                out.push_dense(&self.row)?;
                self.n_taken += 1;
            }
            self.next += 1;
            n_fields += self.table.layout.n_fields as u64;
        }
        if let Out::InOrder(out) = &self.out {
            out.check_budget(self.budget)?;
        }
        Ok(Some(self.n_taken))
    }

    fn advance_genes(&mut self) -> Result<Option<usize>, ReadError> {
        let n_genes = self.table.matrices[0].n_genes;
        let (n, half) = (self.rows.len(), self.rows.len() / 2);
        if self.next == n_genes {
            let Out::Scattered(scatter) = &mut self.out else { return Ok(None) };
            if scatter.is_placing() {
                return Ok(None);
            }
            scatter.begin_placing()?;
            self.lines = rows_of(&self.table.file, &self.table.layout, self.table.longest_line)?;
            self.next = 0;
            return Ok(Some(half));
        }
        let mut n_fields = 0;
        while self.next < n_genes && n_fields < WINDOW_VALUES {
            if !self.next_row(true)? {
                let detail = format!(": {} of its rows are there", self.next);
                return Err(ReadError::Truncated { object: self.table.file.name.clone(), detail });
            }
            let Out::Scattered(scatter) = &mut self.out else { return Ok(None) };
            for (cell, value) in self.row.iter().enumerate().filter(|(_, value)| **value != 0.0) {
                if scatter.is_placing() {
                    scatter.place(cell, self.next as u32, *value);
                } else {
                    scatter.count(cell, self.next as u32);
                }
            }
            self.next += 1;
            n_fields += self.table.layout.n_fields as u64;
        }
        let share = |of: usize| (of as u128 * self.next as u128 / n_genes.max(1) as u128) as usize;
        let Out::Scattered(scatter) = &self.out else { return Ok(None) };
        scatter.check_budget()?;
        let is_placing = scatter.is_placing();
        Ok(Some(if is_placing { half + share(n - half) } else { share(half) }))
    }
}

impl MatrixReader for TableReader<'_> {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        if self.table.rows_are_genes { self.advance_genes() } else { self.advance_cells() }
    }

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
        match self.out {
            Out::InOrder(out) => out.finish(),
            Out::Scattered(scatter) => scatter.finish(),
        }
    }
}
