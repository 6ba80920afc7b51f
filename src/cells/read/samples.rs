//! Several files as samples of one study: cells one sample after another, genes united, a column that names the sample.
//!
//! Entry points, both exported from [`crate::read`]:
//! [`group_samples`](crate::read::group_samples) sorts dropped files into samples (an h5ad, 10x h5, loom, zarr or table
//! each; three mtx files by their common prefix or folder; the trios of a GEO archive), and
//! [`open_samples`](crate::read::open_samples) opens them as one [`OpenedFile`](crate::read::OpenedFile), which is then
//! begun, advanced and finished as any other. One sample is read at a time; beside the result no more is held than the
//! largest of them.

mod columns;
mod joined;

use spec::dataset::{CellUnit, FileFormat, MatrixEncoding, MatrixInfo};

use crate::counts::{Counts, CountsBuilder};
use crate::genes::GeneNames;
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::frame::Column;
use crate::read::matrix::{MatrixReader, Taken};
use crate::read::plan::{Plan, ValueWidth};
use crate::read::rows::{Rows, check_held, refused};
use crate::read::samples::columns::united;
pub use crate::read::samples::joined::GeneJoin;
use crate::read::samples::joined::Joined;
use crate::read::selection::Columns;
use crate::totals::CellTotals;

/// The column that names the sample of each cell; where a sample has one of that name, the next is taken.
const SAMPLE_COLUMNS: [&str; 3] = ["sample", "study_sample", "study_sample_name"];

type Sampled = Box<dyn Container>;

/// Samples that are read as one.
pub(crate) struct Study {
    names: Vec<String>,
    samples: Vec<Sampled>,
    matrices: Vec<MatrixInfo>,
    /// Of each matrix its number in each sample.
    matrix_of: Vec<Vec<usize>>,
    joined: Vec<Joined>,
    /// Where the cells of each sample begin, and where the last ends.
    starts: Vec<usize>,
    columns: Vec<String>,
    sample_column: String,
    warnings: Vec<String>,
}

impl Study {
    pub(crate) fn open(samples: Vec<(String, Sampled)>, join: GeneJoin) -> Result<Study, ReadError> {
        let (names, samples): (Vec<_>, Vec<_>) = samples.into_iter().unzip();
        if samples.iter().any(|sample| sample.unit() != samples[0].unit()) {
            return Err(ReadError::Together("some samples hold single cells, others means of several".into()));
        }
        let mut starts = vec![0usize];
        for sample in &samples {
            starts.push(starts[starts.len() - 1].saturating_add(sample.matrices()[0].n_cells));
        }
        if starts[samples.len()] >= u32::MAX as usize {
            return Err(ReadError::Together("the samples have more cells together than can be numbered".into()));
        }
        let mut columns: Vec<String> = Vec::new();
        for column in samples.iter().flat_map(|sample| sample.columns()) {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        let is_free = |name: &&&str| !columns.iter().any(|column| column == **name);
        let sample_column = SAMPLE_COLUMNS.iter().find(is_free).unwrap_or(&SAMPLE_COLUMNS[2]).to_string();
        columns.retain(|column| *column != sample_column);
        columns.insert(0, sample_column.clone());
        let warnings = names.iter().zip(&samples);
        let warnings =
            warnings.flat_map(|(name, sample)| sample.warnings().iter().map(move |what| format!("{name}: {what}")));
        let mut study = Study {
            warnings: warnings.collect(),
            names,
            samples,
            matrices: Vec::new(),
            matrix_of: Vec::new(),
            joined: Vec::new(),
            starts,
            columns,
            sample_column,
        };
        study.join_matrices(join)?;
        Ok(study)
    }

    /// The first matrix of each sample makes the first of the study; then those that all have by the same name.
    fn join_matrices(&mut self, join: GeneJoin) -> Result<(), ReadError> {
        let first = self.samples[0].matrices().to_vec();
        self.add_matrix(vec![0; self.samples.len()], join)?;
        for info in &first[1..] {
            let place = |sample: &Sampled| sample.matrices().iter().position(|other| other.name == info.name);
            let places = self.samples.iter().map(place).collect::<Option<Vec<usize>>>();
            // Cells are those of the first matrix of each sample; a second genome may have others.
            let is_of_same_cells = |places: &Vec<usize>| {
                let mut all = self.samples.iter().zip(places).map(|(sample, place)| (sample.matrices(), *place));
                all.all(|(matrices, place)| matrices[place].n_cells == matrices[0].n_cells)
            };
            if let Some(places) = places.filter(is_of_same_cells) {
                self.add_matrix(places, join)?;
            }
        }
        let n_genes = self.matrices[0].n_genes;
        let n_common = self.joined[0].n_common();
        if n_common < n_genes || join == GeneJoin::Intersection {
            self.warnings.push(match join {
                GeneJoin::Union => {
                    format!("{n_common} of {n_genes} genes are in every sample; where a gene is absent it is read as 0")
                }
                GeneJoin::Intersection => format!("the {n_genes} genes that every sample has are read"),
            });
        }
        Ok(())
    }

    fn add_matrix(&mut self, places: Vec<usize>, join: GeneJoin) -> Result<(), ReadError> {
        let infos: Vec<&MatrixInfo> =
            self.samples.iter().zip(&places).map(|(sample, place)| &sample.matrices()[*place]).collect();
        let genes = self.samples.iter().zip(&places).map(|(sample, place)| sample.genes(*place));
        let joined = Joined::new(genes.collect::<Result<Vec<_>, _>>()?, join);
        let name = infos[0].name.clone();
        if joined.genes.is_empty() {
            let what = format!("{} have no gene in common", listed(&self.names, 5));
            return Err(ReadError::Together(what));
        }
        let is_of = |encoding: MatrixEncoding| infos.iter().any(|info| info.encoding == encoding);
        // The encoding tells how much memory reading takes: the dearest counts.
        let encoding = [MatrixEncoding::Csc, MatrixEncoding::Csr, MatrixEncoding::Coordinate];
        let encoding = encoding.into_iter().find(|encoding| is_of(*encoding)).unwrap_or(MatrixEncoding::Dense);
        let is_alike = infos.iter().all(|info| info.dtype == infos[0].dtype);
        self.matrices.push(MatrixInfo {
            name,
            encoding,
            n_cells: self.starts[self.samples.len()],
            n_genes: joined.genes.len(),
            n_stored: infos.iter().fold(0, |sum, info| sum.saturating_add(info.n_stored)),
            dtype: if is_alike { infos[0].dtype.clone() } else { "float64".into() },
        });
        self.matrix_of.push(places);
        self.joined.push(joined);
        Ok(())
    }

    /// Of the rows read those of a sample, numbered within it.
    fn rows_of(&self, sample: usize, rows: &Rows) -> Rows {
        let (start, end) = (self.starts[sample], self.starts[sample + 1]);
        match rows {
            Rows::All(_) => Rows::All(end - start),
            Rows::Some { chosen, .. } => {
                let of_sample = chosen.iter().filter(|row| (start..end).contains(row));
                Rows::Some { chosen: of_sample.map(|row| row - start).collect(), n_all: end - start }
            }
        }
    }

    /// Each sample's values of a column; none where it lacks the column or cannot read it.
    fn parts(&self, name: &str) -> Result<Vec<Option<Column>>, ReadError> {
        let part = |sample: &Sampled| match sample.columns().iter().any(|column| column == name) {
            true => sample.column(name),
            false => Ok(None),
        };
        self.samples.iter().map(part).collect()
    }
}

impl Container for Study {
    fn format(&self) -> FileFormat {
        self.samples[0].format()
    }

    fn matrices(&self) -> &[MatrixInfo] {
        &self.matrices
    }

    fn genes(&self, matrix: usize) -> Result<GeneNames, ReadError> {
        Ok(self.joined[matrix].genes.clone())
    }

    fn first_genes(&self, matrix: usize, count: usize) -> Result<Vec<String>, ReadError> {
        Ok(self.joined[matrix].genes.symbols.iter().take(count).cloned().collect())
    }

    /// Each followed by the name of its sample, as `anndata.concat(index_unique="-")` does.
    fn barcodes(&self, matrix: usize) -> Result<Vec<String>, ReadError> {
        let mut all = Vec::with_capacity(self.starts[self.samples.len()]);
        for ((sample, name), place) in self.samples.iter().zip(&self.names).zip(&self.matrix_of[matrix]) {
            all.extend(sample.barcodes(*place)?.into_iter().map(|barcode| format!("{barcode}-{name}")));
        }
        Ok(all)
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }

    fn column(&self, name: &str) -> Result<Option<Column>, ReadError> {
        let lengths: Vec<usize> = self.starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        if name == self.sample_column {
            let codes = lengths.iter().enumerate().flat_map(|(sample, n)| std::iter::repeat_n(Some(sample as u32), *n));
            return Ok(Some(Column::Labels { codes: codes.collect(), names: self.names.clone() }));
        }
        if !self.columns.iter().any(|column| column == name) {
            return Err(ReadError::NoSuchColumn { wanted: name.into(), available: listed(&self.columns, 20) });
        }
        let parts = self.parts(name)?;
        for ((part, n), sample) in parts.iter().zip(&lengths).zip(&self.names) {
            if let Some(part) = part.as_ref().filter(|part| part.len() != *n) {
                let what = format!("has {} rows in {sample} for {n} cells", part.len());
                return Err(ReadError::Malformed { object: format!("obs column {name}"), what });
            }
        }
        let is_read = parts.iter().any(Option::is_some);
        Ok(is_read.then(|| united(parts, &lengths)))
    }

    fn unit(&self) -> CellUnit {
        self.samples[0].unit()
    }

    fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn n_values(&self, matrix: usize, rows: &Rows, columns: &Columns) -> Result<u64, ReadError> {
        let mut sum = 0u64;
        for (at, sample) in self.samples.iter().enumerate() {
            let (rows, place) = (self.rows_of(at, rows), self.matrix_of[matrix][at]);
            let (columns, _) = columns.within(self.joined[matrix].genes_of(at), 0..rows.len());
            sum = sum.saturating_add(sample.n_values(place, &rows, &columns)?);
        }
        Ok(sum)
    }

    fn sample(&self, matrix: usize) -> Option<Vec<f32>> {
        let firsts = self.samples.iter().zip(&self.matrix_of[matrix]).map(|(sample, place)| sample.sample(*place));
        firsts.collect::<Option<Vec<_>>>().map(|firsts| firsts.concat())
    }

    /// The largest sample, which lies beside the result while its genes are renumbered.
    fn bytes_beside(&self, matrix: usize) -> u64 {
        let of = |(sample, place): (&Sampled, &usize)| {
            let info = &sample.matrices()[*place];
            let width = ValueWidth::of(info, sample.sample(*place).as_deref());
            let (rows, columns) = (Rows::All(info.n_cells), Columns::all(info.n_genes));
            Plan { info, rows: &rows, columns: &columns, n_values: info.n_stored, width, beside: 0 }.n_bytes()
        };
        self.samples.iter().zip(&self.matrix_of[matrix]).map(of).max().unwrap_or(0)
    }

    fn reader(
        &self,
        matrix: usize,
        rows: Rows,
        columns: Columns,
        budget: u64,
    ) -> Result<Box<dyn MatrixReader + '_>, ReadError> {
        let name = self.matrices[matrix].name.clone();
        let out = CountsBuilder::new(columns.n_read(), rows.len()).map_err(|error| refused(&name, error))?;
        Ok(Box::new(StudyReader {
            study: self,
            matrix,
            rows,
            columns,
            budget,
            next: 0,
            n_done: 0,
            reading: None,
            gene_of: Vec::new(),
            out,
            totals: None,
            warnings: Vec::new(),
        }))
    }
}

struct StudyReader<'a> {
    study: &'a Study,
    matrix: usize,
    rows: Rows,
    columns: Columns,
    budget: u64,
    /// The sample being read, or to be read next.
    next: usize,
    n_done: usize,
    reading: Option<Box<dyn MatrixReader + 'a>>,
    /// Of each gene that is read of it the gene of the result.
    gene_of: Vec<u32>,
    out: CountsBuilder,
    totals: Option<CellTotals>,
    warnings: Vec<String>,
}

impl StudyReader<'_> {
    /// Adds the rows of a sample, its genes renumbered.
    fn take(&mut self, counts: &Counts) -> Result<(), ReadError> {
        let name = &self.study.matrices[self.matrix].name;
        let mut row: Vec<(u32, f32)> = Vec::new();
        for cell in counts.rows() {
            row.clear();
            row.extend(cell.filter_map(|(gene, value)| Some((*self.gene_of.get(gene as usize)?, value))));
            row.sort_unstable_by_key(|(gene, _)| *gene);
            self.out.push_row(row.iter().copied()).map_err(|error| refused(name, error))?;
        }
        check_held(name, self.out.n_bytes(), self.budget, self.out.n_rows())
    }
}

impl MatrixReader for StudyReader<'_> {
    fn advance(&mut self) -> Result<Option<usize>, ReadError> {
        let study = self.study;
        if self.next == study.samples.len() {
            return Ok(None);
        }
        let rows = study.rows_of(self.next, &self.rows);
        let n_rows = rows.len();
        if self.reading.is_none() && n_rows > 0 {
            let left = self.budget.saturating_sub(self.out.n_bytes());
            let place = study.matrix_of[self.matrix][self.next];
            let gene_of = study.joined[self.matrix].genes_of(self.next);
            let (columns, gene_of) = self.columns.within(gene_of, self.n_done..self.n_done + n_rows);
            self.gene_of = gene_of;
            self.reading = Some(study.samples[self.next].reader(place, rows, columns, left)?);
        }
        if let Some(reading) = &mut self.reading
            && let Some(n) = reading.advance()?
        {
            return Ok(Some(self.n_done + n));
        }
        if let Some(reading) = self.reading.take() {
            let Taken { counts, totals, warnings } = reading.finish()?;
            let name = &study.names[self.next];
            self.warnings.extend(warnings.into_iter().map(|what| format!("{name}: {what}")));
            self.take(&counts)?;
            match (&mut self.totals, totals) {
                (Some(all), Some(of_sample)) => all.append(of_sample),
                (none, of_sample) => *none = of_sample,
            }
        }
        self.n_done += n_rows;
        self.next += 1;
        Ok(Some(self.n_done))
    }

    fn finish(self: Box<Self>) -> Result<Taken, ReadError> {
        let name = &self.study.matrices[self.matrix].name;
        let counts = self.out.finish().map_err(|error| refused(name, error))?;
        Ok(Taken { counts, totals: self.totals, warnings: self.warnings })
    }
}
