//! Which columns of a matrix are read: all, those of the genes that were asked for, or those of a view.
//!
//! A column that is not read may still count: sums and qualities of cells are of all genes ([`Tally`]).
//!
//! [`Tally`]: crate::read::tally::Tally

use std::sync::Arc;

use spec::dataset::GeneSelection;
use spec::reading::ReadingConfig;

use crate::genes::GeneNames;
use crate::prepare::gene_sets::GeneSet;
use crate::read::error::{ReadError, listed};
use crate::read::rows::Rows;

/// What becomes of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Fate {
    /// Its column among those read; none where it is left out.
    pub(crate) new: Option<u32>,
    /// Whether it belongs to the matrix, so that it counts where sums are of all genes.
    pub(crate) is_counted: bool,
    /// Whether its gene is mitochondrial.
    pub(crate) is_mitochondrial: bool,
}

/// What is gathered over all columns that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Whether values may have been logged, so that sums are held of what they were before.
    pub(crate) may_be_logged: bool,
    /// Places, ascending, among the rows read of the cells whose values are kept, to tell what they are.
    pub(crate) looked_at: Arc<[usize]>,
}

/// The columns of a matrix that are read.
#[derive(Debug, Clone)]
pub(crate) struct Columns {
    n_all: usize,
    n_read: usize,
    /// Of each column of the file; empty where all are read.
    fates: Arc<[Fate]>,
    totals: Option<Wanted>,
}

impl Columns {
    /// All of `n`.
    pub(crate) fn all(n: usize) -> Columns {
        Columns { n_all: n, n_read: n, fates: Arc::new([]), totals: None }
    }

    /// The genes that were asked for, in the order of the file, and a warning where some are not there.
    ///
    /// # Errors
    /// Where not one is there.
    pub(crate) fn of_genes(
        genes: &GeneNames,
        wanted: &GeneSelection,
        n_rows: usize,
        may_be_logged: bool,
    ) -> Result<(Columns, Option<String>), ReadError> {
        let found = genes.align(wanted.names(), &[]).map_err(|error| ReadError::Option(format!("genes: {error}")))?;
        let mut fates: Vec<Fate> = genes.symbols.iter().map(|symbol| Fate::of_gene(symbol)).collect();
        found.column_of.iter().flatten().for_each(|&column| fates[column as usize].new = Some(0));
        let mut n_read = 0;
        for new in fates.iter_mut().filter_map(|fate| fate.new.as_mut()) {
            *new = n_read;
            n_read += 1;
        }
        let warning = (!found.missing.is_empty()).then(|| {
            let (n_missing, n_wanted) = (found.missing.len(), wanted.names().len());
            format!("{n_missing} of the {n_wanted} genes asked for are not in the file: {}", listed(found.missing, 20))
        });
        let n_looked_at = n_rows.min(ReadingConfig::default().max_cells);
        let totals =
            Wanted { may_be_logged, looked_at: (0..n_looked_at).map(|at| at * n_rows / n_looked_at).collect() };
        let (n_all, n_read, fates) = (genes.len(), n_read as usize, fates.into());
        Ok((Columns { n_all, n_read, fates, totals: Some(totals) }, warning))
    }

    /// The same of a part of the matrix: `rows` of the rows read, whose columns are `column_of` of these (none where the
    /// matrix lacks one). Gives the columns of the part, and of each that is read its column here.
    pub(crate) fn within(&self, column_of: &[Option<u32>], rows: std::ops::Range<usize>) -> (Columns, Vec<u32>) {
        let (mut fates, mut places) = (Vec::with_capacity(column_of.len()), Vec::new());
        for column in column_of {
            let mut fate = column.map_or(Fate::default(), |column| self.fate(column as usize));
            if let Some(new) = &mut fate.new {
                places.push(*new);
                *new = places.len() as u32 - 1;
            }
            fates.push(fate);
        }
        let n_all = fates.len();
        if places.len() == n_all && self.totals.is_none() {
            return (Columns::all(n_all), places);
        }
        let totals = self.totals.as_ref().map(|wanted| Wanted {
            may_be_logged: wanted.may_be_logged,
            looked_at: wanted.looked_at.iter().filter(|at| rows.contains(at)).map(|at| at - rows.start).collect(),
        });
        (Columns { n_all, n_read: places.len(), fates: fates.into(), totals }, places)
    }

    /// The same of a matrix of `n_all` columns, of which these are a view: its columns `features`, ascending.
    pub(crate) fn of_view(&self, n_all: usize, features: &[u32]) -> Columns {
        let mut column_of = vec![None; n_all];
        for (column, feature) in (0..).zip(features) {
            if let Some(of) = column_of.get_mut(*feature as usize) {
                *of = Some(column);
            }
        }
        let every_row = 0..usize::MAX;
        self.within(&column_of, every_row).0
    }

    /// Values that some rows hold at most in these columns.
    pub(crate) fn most_values(&self, rows: &Rows) -> u64 {
        (self.n_read as u64).saturating_mul(rows.len() as u64)
    }

    /// Columns of the file.
    pub(crate) fn n_all(&self) -> usize {
        self.n_all
    }

    /// Columns that are read.
    pub(crate) fn n_read(&self) -> usize {
        self.n_read
    }

    pub(crate) fn are_all(&self) -> bool {
        self.fates.is_empty()
    }

    /// What becomes of a column of the file.
    pub(crate) fn fate(&self, column: usize) -> Fate {
        match self.fates.get(column) {
            Some(fate) => *fate,
            None if self.are_all() && column < self.n_all => {
                Fate { new: Some(column as u32), is_counted: true, is_mitochondrial: false }
            }
            None => Fate::default(),
        }
    }

    /// What is gathered over all columns; none where the counts themselves say it.
    pub(crate) fn totals(&self) -> Option<&Wanted> {
        self.totals.as_ref()
    }

    /// Of the names of all columns those that are read.
    pub(crate) fn pick<T>(&self, all: Vec<T>) -> Vec<T> {
        if self.are_all() {
            return all;
        }
        let read = all.into_iter().enumerate().filter(|(column, _)| self.fate(*column).new.is_some());
        read.map(|(_, name)| name).collect()
    }
}

impl Fate {
    fn of_gene(symbol: &str) -> Fate {
        let is_mitochondrial = GeneSet::Mitochondrial.contains(symbol, None);
        Fate { new: None, is_counted: true, is_mitochondrial }
    }
}
