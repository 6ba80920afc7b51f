//! What reading will take, said before it begins.

use spec::dataset::{MatrixEncoding, MatrixInfo};

use crate::counts::{gene_bytes, n_wide, value_bytes};
use crate::read::rows::Rows;

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

/// Bytes that reading some rows of a matrix takes at its peak.
///
/// For each stored value its gene (2 bytes up to 65,536 genes, else 4) and its [`ValueWidth`]: the file's number type
/// says at most how wide values are, the first of them how wide they really are (counts kept as float64 fit a byte).
/// For each cell 32 bytes (its place, its share of a block, its factor), the file's row pointers, which are read for
/// the whole of it, and a cursor where values come in no order; 64 for the name of each cell and gene; and a working
/// window. Dense matrices count every value as stored, which is the most that reading can take: zeros are dropped.
///
/// A file whose later values are wider than its first is refused while it is read, once it outgrows the memory there is.
pub(crate) fn bytes_needed(info: &MatrixInfo, rows: &Rows, n_values: u64, width: ValueWidth) -> u64 {
    let (n_read, n_all, n_genes) = (rows.len() as u64, rows.n_all() as u64, info.n_genes as u64);
    let width = if info.encoding == MatrixEncoding::Csc { width.placed() } else { width };
    let pointers = match info.encoding {
        MatrixEncoding::Csr => 16 * n_all,
        MatrixEncoding::Csc => 16 * n_genes + 4 * n_all + 16 * n_read,
        MatrixEncoding::Dense | MatrixEncoding::Coordinate => 16 * n_read,
    };
    width.bytes(n_values).saturating_add(pointers + 32 * n_read + 64 * (n_all + n_genes) + WORKING_BYTES)
}

/// Cells that fit into `available` bytes, with a tenth to spare.
pub(crate) fn fitting_cells(info: &MatrixInfo, width: ValueWidth, available: u64) -> u64 {
    let fixed = bytes_needed(info, &Rows::Some { chosen: Vec::new(), n_all: info.n_cells }, 0, width);
    let per_cell = (width.bytes(info.n_stored) / (info.n_cells as u64).max(1)).saturating_add(48).max(1);
    available.saturating_sub(fixed) / per_cell * 9 / 10
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
