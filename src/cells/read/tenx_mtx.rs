//! 10x Matrix Market: `matrix.mtx(.gz)`, `barcodes.tsv(.gz)` and `genes.tsv(.gz)` or `features.tsv(.gz)`, any prefix.
//!
//! The matrix is streamed, genes by cells, one entry a line. Entries that come cell by cell, as 10x writes them, are
//! gathered in one pass; any other order takes two more.

mod text;

use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::genes::GeneNames;
use crate::read::array::WINDOW_VALUES;
use crate::read::container::Container;
use crate::read::error::ReadError;
use crate::read::features::{View, other_features};
use crate::read::frame::Column;
use crate::read::matrix::{MatrixReader, Taken};
use crate::read::plan::{SAMPLE_VALUES, gene_share, proportional};
use crate::read::rows::{RowBuilder, Rows};
use crate::read::scatter::Scatter;
use crate::read::selection::Columns;
use crate::read::tenx_mtx::text::{Features, parse_entry, read_barcodes, read_features, read_header};
use crate::read::text::Lines;
use crate::source::NamedSource;

/// The files of a 10x matrix.
pub(crate) struct TenxMtxFiles {
    matrix: NamedSource,
    /// The whole, and then each type of its features where there are several.
    matrices: Vec<MatrixInfo>,
    views: Vec<View>,
    genes: GeneNames,
    barcodes: Vec<String>,
    is_cells_by_genes: bool,
    has_values: bool,
    warnings: Vec<String>,
}

impl TenxMtxFiles {
    pub(crate) fn open(matrix: NamedSource, barcodes: &NamedSource, features: &NamedSource) -> Result<Self, ReadError> {
        let header = read_header(&mut Lines::open(&matrix)?, &matrix)?;
        let barcodes_read = read_barcodes(barcodes)?;
        let Features { genes, codes, types } = read_features(features)?;
        let mut warnings: Vec<String> = other_features(&codes, &types).into_iter().collect();
        let shape = (header.n_rows, header.n_columns);
        let is_cells_by_genes = if shape == (genes.len(), barcodes_read.len()) {
            false
        } else if shape == (barcodes_read.len(), genes.len()) {
            warnings.push("the matrix lies cells by genes; 10x writes genes by cells".into());
            true
        } else {
            let what = format!(
                "is {} by {}, but {} names {} genes and {} names {} cells; the files are not of one matrix",
                header.n_rows,
                header.n_columns,
                features.name,
                genes.len(),
                barcodes.name,
                barcodes_read.len()
            );
            return Err(ReadError::Malformed { object: matrix.name, what });
        };
        let info = MatrixInfo {
            name: "matrix".into(),
            encoding: MatrixEncoding::Coordinate,
            n_cells: barcodes_read.len(),
            n_genes: genes.len(),
            n_stored: header.n_entries,
            dtype: if header.field == "real" { "float64".into() } else { "int64".into() },
        };
        let has_values = header.field != "pattern";
        let views = View::of_each(&info, &codes, &types);
        let matrices = std::iter::once(info).chain(views.iter().map(|view| view.info.clone())).collect();
        let barcodes = barcodes_read;
        Ok(Self { matrix, matrices, views, genes, barcodes, is_cells_by_genes, has_values, warnings })
    }

    /// The first entries: cell, gene, value.
    fn first_entries(&self) -> Option<Vec<(usize, u32, f32)>> {
        let (rows, columns) = (Rows::All(0), Columns::all(0));
        let phase = Phase::Scattered(Scatter::new(&self.matrix.name, rows.clone(), columns.clone(), 0));
        let mut reader = MtxReader { files: self, lines: None, rows, columns, budget: 0, n_done: 0, phase };
        reader.rewind().ok()?;
        let mut entries = Vec::new();
        while (entries.len() as u64) < SAMPLE_VALUES
            && let Some(entry) = reader.next_entry().ok()?
        {
            entries.push(entry);
        }
        Some(entries)
    }

    /// The view that a matrix is; none for the whole.
    fn view(&self, matrix: usize) -> Option<&View> {
        self.views.get(matrix.checked_sub(1)?)
    }
}

impl Container for TenxMtxFiles {
    fn format(&self) -> FileFormat {
        FileFormat::TenxMtx
    }

    fn matrices(&self) -> &[MatrixInfo] {
        &self.matrices
    }

    fn genes(&self, matrix: usize) -> Result<GeneNames, ReadError> {
        let Some(view) = self.view(matrix) else { return Ok(self.genes.clone()) };
        let ids = self.genes.ids.as_ref().map(|ids| view.pick(ids));
        Ok(GeneNames { symbols: view.pick(&self.genes.symbols), ids })
    }

    fn first_genes(&self, matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        Ok(self.genes(matrix)?.symbols.into_iter().take(count).collect())
    }

    fn barcodes(&self, _matrix: usize) -> Result<Vec<String>, ReadError> {
        Ok(self.barcodes.clone())
    }

    fn columns(&self) -> &[String] {
        &[]
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        Err(ReadError::NoSuchColumn { wanted: name.into(), available: "none: a 10x matrix carries no labels".into() })
    }

    fn unit(&self) -> CellUnit {
        CellUnit::Cell
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        let n_values = proportional(self.matrices[matrix].n_stored, rows);
        // The first entries tell of all genes where they come cell by cell.
        let first =
            columns.totals().and_then(|_| self.first_entries()).filter(|first| first.is_sorted_by_key(|of| of.0));
        let genes = first.map(|first| first.into_iter().map(|(_, gene, _)| i64::from(gene)).collect());
        let columns = self.view(matrix).map_or(columns.clone(), |view| view.in_whole(columns));
        let share = gene_share(genes, &columns).unwrap_or(1.0);
        Ok(((n_values as f64 * share) as u64).min(columns.most_values(rows)))
    }

    fn sample(&self, _matrix: usize) -> Option<Vec<f32>> {
        Some(self.first_entries()?.into_iter().map(|(_, _, value)| value).collect())
    }

    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let (info, columns) =
            (&self.matrices[0], self.view(matrix).map_or(columns.clone(), |view| view.in_whole(&columns)));
        // Compressed, an entry takes a byte at least in practice: more is not reserved on the header's word alone.
        let n_values = proportional(info.n_stored, &rows).min(self.matrix.source.len());
        let out = RowBuilder::new(&self.matrix.name, columns.clone(), rows.len(), n_values)?;
        let gathering = Gathering { next: 0, last: 0, indices: Vec::new(), values: Vec::new(), out };
        let phase = Phase::InOrder(gathering);
        let mut reader = MtxReader { files: self, lines: None, rows, columns, budget, n_done: 0, phase };
        reader.rewind()?;
        Ok(Box::new(reader))
    }
}

/// Rows that come in order.
struct Gathering {
    /// Place among the rows read of the row being gathered.
    next: usize,
    /// The last row of the file that an entry named.
    last: usize,
    indices: Vec<i64>,
    values: Vec<f32>,
    out: RowBuilder,
}

impl Gathering {
    /// Closes rows up to, not including, row `row` of the file.
    fn close_before(&mut self, row: usize, rows: &Rows) -> Result<(), ReadError> {
        while self.next < rows.len() && rows.get(self.next) < row {
            self.out.push(0, &self.indices, &self.values)?;
            self.indices.clear();
            self.values.clear();
            self.next += 1;
        }
        Ok(())
    }
}

enum Phase {
    InOrder(Gathering),
    Scattered(Scatter),
}

struct MtxReader<'a> {
    files: &'a TenxMtxFiles,
    lines: Option<Lines<'a>>,
    rows: Rows,
    columns: Columns,
    budget: u64,
    n_done: u64,
    phase: Phase,
}

impl MtxReader<'_> {
    fn rewind(&mut self) -> Result<(), ReadError> {
        let mut lines = Lines::open(&self.files.matrix)?;
        read_header(&mut lines, &self.files.matrix)?;
        self.lines = Some(lines);
        self.n_done = 0;
        Ok(())
    }

    fn n_entries(&self) -> u64 {
        self.files.matrices[0].n_stored
    }

    /// The next entry: cell, gene, value; none at the end.
    fn next_entry(&mut self) -> Result<Option<(usize, u32, f32)>, ReadError> {
        let info = &self.files.matrices[0];
        let Some(lines) = self.lines.as_mut() else { return Ok(None) };
        while let Some(line) = lines.next_line()? {
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let Some((row, column, value)) = parse_entry(line, self.files.has_values) else {
                return Err(lines.wrong("must hold a row, a column and a value"));
            };
            let (gene, cell) = if self.files.is_cells_by_genes { (column, row) } else { (row, column) };
            if gene == 0 || gene > info.n_genes as u64 || cell == 0 || cell > info.n_cells as u64 {
                let shape = format!("{} genes and {} cells", info.n_genes, info.n_cells);
                return Err(lines.wrong(&format!("names gene {gene} of cell {cell}; there are {shape}, from 1")));
            }
            self.n_done += 1;
            if self.n_done > info.n_stored {
                return Err(lines.wrong(&format!("is one entry more than the {} of the header", info.n_stored)));
            }
            return Ok(Some((cell as usize - 1, gene as u32 - 1, value)));
        }
        if self.n_done < info.n_stored {
            return Err(ReadError::Truncated {
                object: self.files.matrix.name.clone(),
                detail: format!(
                    ": {} of its {} entries are there, {} lines",
                    self.n_done,
                    info.n_stored,
                    lines.number()
                ),
            });
        }
        self.lines = None;
        Ok(None)
    }

    /// Entries that do not come cell by cell: begin again, counting first.
    fn scatter(&mut self) -> Result<(), ReadError> {
        let (rows, columns) = (self.rows.clone(), self.columns.clone());
        self.phase = Phase::Scattered(Scatter::new(&self.files.matrix.name, rows, columns, self.budget));
        self.rewind()
    }
}

impl MatrixReader for MtxReader<'_> {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        if self.lines.is_none() {
            return Ok(None);
        }
        for _ in 0..WINDOW_VALUES {
            let entry = self.next_entry()?;
            match (&mut self.phase, entry) {
                (Phase::InOrder(gathering), Some((cell, gene, value))) => {
                    if cell < gathering.last {
                        self.scatter()?;
                        return Ok(Some(0));
                    }
                    gathering.last = cell;
                    gathering.close_before(cell, &self.rows)?;
                    if gathering.next < self.rows.len() && self.rows.get(gathering.next) == cell {
                        gathering.indices.push(i64::from(gene));
                        gathering.values.push(value);
                    }
                }
                (Phase::InOrder(gathering), None) => {
                    gathering.close_before(usize::MAX, &self.rows)?;
                    return Ok(Some(self.rows.len()));
                }
                (Phase::Scattered(scatter), Some((cell, gene, value))) => {
                    if scatter.is_placing() {
                        scatter.place(cell, gene, value);
                    } else {
                        scatter.count(cell, gene);
                    }
                }
                (Phase::Scattered(scatter), None) => {
                    if scatter.is_placing() {
                        return Ok(Some(self.rows.len()));
                    }
                    scatter.begin_placing()?;
                    self.rewind()?;
                    return Ok(Some(self.rows.len() / 2));
                }
            }
        }
        match &self.phase {
            Phase::InOrder(gathering) => gathering.out.check_budget(self.budget)?,
            Phase::Scattered(scatter) => scatter.check_budget()?,
        }
        let share = |of: usize| (of as u128 * u128::from(self.n_done) / u128::from(self.n_entries().max(1))) as usize;
        let n = self.rows.len();
        Ok(Some(match &self.phase {
            Phase::InOrder(_) => share(n),
            Phase::Scattered(scatter) if scatter.is_placing() => n / 2 + share(n - n / 2),
            Phase::Scattered(_) => share(n / 2),
        }))
    }

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
        match self.phase {
            Phase::InOrder(gathering) => gathering.out.finish(),
            Phase::Scattered(scatter) => scatter.finish(),
        }
    }
}
