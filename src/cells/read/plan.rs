//! What reading will take, said before it begins.

use spec::dataset::{MatrixEncoding, MatrixInfo};
use spec::reading::ReadingConfig;

use crate::counts::{gene_bytes, n_wide, value_bytes};
use crate::read::rows::Rows;
use crate::read::selection::Columns;
use crate::read::tally::{CELL_BYTES, LOGGED_CELL_BYTES};

/// Bytes that reading takes besides its result: one window of indices and values, decoded and as stored, one block of
/// rows before it is packed, and caches.
const WORKING_BYTES: u64 = 32 << 20;
/// Values that are looked at to learn how wide they are.
pub(crate) const SAMPLE_VALUES: u64 = 1 << 16;
/// A sample that takes more than this to decode is not worth it.
pub(crate) const SAMPLE_BYTES: u64 = 8 << 20;

/// Bytes of a stored value and of its gene, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ValueWidth {
    value: u64,
    gene: u64,
}

impl ValueWidth {
    /// From the first values of a matrix where they can be had, with a tenth to spare; else the most that values of the
    /// file's number type can take.
    pub(crate) fn of(info: &MatrixInfo, sample: Option<&[f32]>) -> ValueWidth {
        let of_type = match info.dtype.as_str() {
            "uint8" | "bool" => 1000,
            "uint16" => 2000,
            _ => 4000,
        };
        let of_sample = sample.map(|sample| sample.iter().copied().filter(|value| *value != 0.0).collect::<Vec<_>>());
        let of_sample = of_sample.filter(|values| !values.is_empty()).map_or(of_type, |values| {
            let n = values.len() as u64;
            let (n_wide_u8, n_wide_u16) = n_wide(&values);
            1100 * value_bytes(n, n_wide_u8, n_wide_u16) / n
        });
        ValueWidth { value: of_sample.min(of_type), gene: 1000 * gene_bytes(info.n_genes) }
    }

    /// The width while values that come in no order are placed: a byte each, and four more once an eighth needs them.
    fn placed(self) -> ValueWidth {
        if self.value > 1500 { ValueWidth { value: 5000, ..self } } else { self }
    }

    /// Bytes of `n` values.
    pub(crate) fn bytes(self, n: u64) -> u64 {
        u64::try_from(u128::from(n) * u128::from(self.value + self.gene) / 1000).unwrap_or(u64::MAX)
    }
}

/// A reading that is planned: which rows and columns of a matrix, and how many values they hold.
pub(crate) struct Plan<'a> {
    pub(crate) info: &'a MatrixInfo,
    pub(crate) rows: &'a Rows,
    pub(crate) columns: &'a Columns,
    pub(crate) n_values: u64,
    pub(crate) width: ValueWidth,
    /// Bytes that lie beside the result and what is counted here.
    pub(crate) beside: u64,
}

impl Plan<'_> {
    /// Bytes that the reading takes at its peak.
    ///
    /// For each stored value its gene (2 bytes up to 65,536 genes, else 4) and its [`ValueWidth`]: the file's number type
    /// says at most how wide values are, the first of them how wide they really are (counts kept as float64 fit a byte).
    /// For each cell 32 bytes (its place, its share of a block, its factor), the file's row pointers, which are read for
    /// the whole of it, and a cursor where values come in no order; 64 for the name of each cell and gene; and a working
    /// window. Where some genes are read, what all of them say of each cell, and all values of the cells looked at.
    /// Dense matrices count every value as stored, which is the most that reading can take: zeros are dropped.
    ///
    /// A file whose later values are wider than its first, or of whose genes later cells have more, is refused while it is
    /// read, once it outgrows the memory there is.
    pub(crate) fn n_bytes(&self) -> u64 {
        let info = self.info;
        let (n_read, n_all) = (self.rows.len() as u64, self.rows.n_all() as u64);
        let width = ValueWidth { gene: 1000 * gene_bytes(self.columns.n_read()), ..self.width };
        let width = if info.encoding == MatrixEncoding::Csc { width.placed() } else { width };
        let pointers = match info.encoding {
            MatrixEncoding::Csr => 16 * n_all,
            MatrixEncoding::Csc => 16 * info.n_genes as u64 + 4 * n_all + 16 * n_read,
            MatrixEncoding::Dense | MatrixEncoding::Coordinate => 16 * n_read,
        };
        let totals = self.columns.totals().map_or(0, |wanted| self.totals_bytes(wanted.may_be_logged));
        let names = 64 * (n_all + info.n_genes as u64);
        let fixed = pointers + 32 * n_read + names + WORKING_BYTES;
        width.bytes(self.n_values).saturating_add(totals).saturating_add(fixed).saturating_add(self.beside)
    }

    /// Bytes of what all genes say of each cell, and of all values of the cells looked at.
    fn totals_bytes(&self, may_be_logged: bool) -> u64 {
        let n_looked_at = self.rows.len().min(ReadingConfig::default().max_cells) as u64;
        let per_row = self.info.n_stored / (self.info.n_cells as u64).max(1);
        let of_cells = self.rows.len() as u64 * if may_be_logged { LOGGED_CELL_BYTES } else { CELL_BYTES };
        // A vector that grows may hold twice what it needs.
        of_cells.saturating_add(per_row.saturating_mul(8 * n_looked_at))
    }

    /// What to do where that is more than there is: how many cells fit, and how many genes.
    pub(crate) fn advice(&self, available: u64) -> String {
        let none = Rows::Some { chosen: Vec::new(), n_all: self.rows.n_all() };
        let fixed = Plan { rows: &none, n_values: 0, beside: 0, ..*self }.n_bytes();
        // A cell that is chosen is numbered.
        let per_cell = (self.n_bytes() - fixed) / (self.rows.len() as u64).max(1) + 16;
        let n_cells = available.saturating_sub(fixed) / per_cell.max(1) * 9 / 10;
        let totals = if self.columns.totals().is_some() { 0 } else { self.totals_bytes(true) };
        let fixed = Plan { n_values: 0, beside: 0, ..*self }.n_bytes().saturating_add(totals);
        let values = self.width.bytes(self.n_values).saturating_add(self.beside);
        let per_gene = values / (self.columns.n_read() as u64).max(1) + 1;
        let n_genes = available.saturating_sub(fixed) / per_gene * 9 / 10;
        let (n_all, n_genes_all) = (self.info.n_cells, self.columns.n_read());
        let cells = format!(
            "at most {n_cells} of its {n_all} cells (max_cells), drawn evenly or by the shares of a label (stratify_by)"
        );
        let genes =
            format!("at most about {n_genes} of its {n_genes_all} genes (genes), if they are as frequent as most");
        match (n_cells > 0, n_genes > 0 && n_genes < n_genes_all as u64) {
            (true, true) => format!("read {cells}, or {genes}"),
            (true, false) => format!("read {cells}"),
            (false, true) => format!("read {genes}"),
            (false, false) => "use a machine with more memory, or a smaller file".to_owned(),
        }
    }
}

/// Stored values of some rows if all rows held equally many, with a tenth to spare.
pub(crate) fn proportional(n_stored: u64, rows: &Rows) -> u64 {
    match rows {
        Rows::All(_) => n_stored,
        Rows::Some { chosen, n_all } => {
            let share = u128::from(n_stored) * chosen.len() as u128 / (*n_all).max(1) as u128;
            u64::try_from(share + share / 10).unwrap_or(u64::MAX).min(n_stored)
        }
    }
}

/// Values of some rows in the columns that are read: of all columns exactly; of some at most, or where the `share` of
/// values in them is known about so many.
pub(crate) fn csr_values(indptr: &[u64], rows: &Rows, columns: &Columns, share: Option<f64>) -> u64 {
    let (mut all, mut most) = (0u64, 0u64);
    for row in rows.iter() {
        let n = indptr[row + 1] - indptr[row];
        all += n;
        most += n.min(columns.n_read() as u64);
    }
    share.filter(|_| !columns.are_all()).map_or(most, |share| most.min((all as f64 * share) as u64))
}

/// Of the first values of a matrix, whose columns are `indices`, the share that lies in the columns that are read, with
/// three times its error and a tenth to spare; none where genes were not chosen, so that nothing need be estimated.
pub(crate) fn gene_share(indices: Option<Vec<i64>>, columns: &Columns) -> Option<f64> {
    let indices = indices.filter(|indices| columns.totals().is_some() && !indices.is_empty())?;
    let is_read = |index: &&i64| usize::try_from(**index).is_ok_and(|index| columns.fate(index).new.is_some());
    let n_read = indices.iter().filter(is_read).count() as f64;
    Some((1.1 * (n_read + 3.0 * n_read.sqrt() + 3.0) / indices.len() as f64).min(1.0))
}
