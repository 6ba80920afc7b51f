//! What can be wrong with a file, in words that name the object and what to do.

use crate::labels::LabelError;
use crate::source::SourceError;

/// Why a file could not be opened or read. Objects are named by their place inside the file, files by their own name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The bytes themselves cannot be had.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Corrections of labels that cannot be.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// `open` was called without a file.
    #[error(
        "no file was given; give one h5ad, 10x h5, loom or csv file, a zarr store, or the three files of a 10x matrix together"
    )]
    NoFiles,
    /// Several files that do not belong together.
    #[error(
        "{0}; open one matrix at a time: one h5ad, 10x h5, loom or csv file, or matrix.mtx with its barcodes and features, and at most one table of labels beside it"
    )]
    Together(String),
    /// One sample of a study.
    #[error("sample {name}: {error}")]
    Sample {
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: Box<ReadError>,
    },
    /// A format that is not known.
    #[error(
        "{name} is not a file this reads: {looks_like}. It reads h5ad, zarr, 10x h5, loom, csv, tsv and txt tables, 10x matrix.mtx, and zip or tar.gz archives of them"
    )]
    Unrecognised {
        /// Name of the file.
        name: String,
        /// What its first bytes look like.
        looks_like: String,
    },
    /// A matrix.mtx without the files that name its cells and genes.
    #[error("{present} lacks {missing}; drop the files of a 10x matrix together")]
    MissingCompanions {
        /// What was given.
        present: String,
        /// What is missing.
        missing: String,
    },
    /// The file is shorter than it says.
    #[error("{object}: the file is cut off{detail}; copy or download it again")]
    Truncated {
        /// What was being read.
        object: String,
        /// How much is there, where known; begins with a space or colon.
        detail: String,
    },
    /// The file is damaged, or holds something the HDF5 library does not read.
    #[error("{object} cannot be read: {reason}. If Python opens the file, write it again (adata.write_h5ad)")]
    Hdf5 {
        /// What was being read.
        object: String,
        /// In the library's words.
        reason: String,
    },
    /// A compression that is not read.
    #[error(
        "{object} is compressed with {filter}, which is not read; save it again with gzip (write_h5ad(compression=\"gzip\"))"
    )]
    Filter {
        /// Which dataset.
        object: String,
        /// Name of the filter.
        filter: String,
    },
    /// An HDF5 file without what every h5ad or 10x file has.
    #[error("{name} is an HDF5 file, but {what}")]
    NotCells {
        /// Name of the file.
        name: String,
        /// What is missing or found instead, and what to do.
        what: String,
    },
    /// An h5ad without X.
    #[error("the h5ad has no X; {hint}")]
    NoX {
        /// Which layers there are, and what to do.
        hint: String,
    },
    /// A matrix was asked for that is not there.
    #[error("there is no matrix {wanted}; there are: {available}")]
    NoSuchMatrix {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// A column was asked for that is not there.
    #[error("obs has no column {wanted}; it has: {available}")]
    NoSuchColumn {
        /// What was asked for.
        wanted: String,
        /// What there is.
        available: String,
    },
    /// A control label was asked for that no cell carries.
    #[error("no cell has {label} in obs column {column}; its values are: {available}")]
    NoSuchControl {
        /// The label.
        label: String,
        /// The column.
        column: String,
        /// Its values, at most ten.
        available: String,
    },
    /// An option that cannot be followed.
    #[error("{0}")]
    Option(String),
    /// An object of the wrong shape, type or kind.
    #[error("{object} {what}")]
    Malformed {
        /// Which object.
        object: String,
        /// What is wrong with it.
        what: String,
    },
    /// Row pointers of a sparse matrix that cannot be.
    #[error("{matrix}/indptr {what}; the matrix is damaged, write it again")]
    Indptr {
        /// Which matrix.
        matrix: String,
        /// What is wrong.
        what: String,
    },
    /// An index of a sparse matrix that names no gene or cell.
    #[error("{matrix}/indices holds {index} at position {position}; it must lie in 0 to {limit}, {limit} excluded")]
    IndexOutOfRange {
        /// Which matrix.
        matrix: String,
        /// The index.
        index: i64,
        /// Where it stands.
        position: u64,
        /// How many there are.
        limit: usize,
    },
    /// A text file with a line that cannot be understood.
    #[error("{file}, line {line}: {what}")]
    Text {
        /// Name of the file.
        file: String,
        /// Line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
    /// More memory is needed than there is.
    #[error(
        "{object} needs {} of memory and {} are available; {advice}",
        human_bytes(*needed),
        human_bytes(*available)
    )]
    OverBudget {
        /// What was to be read.
        object: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes available.
        available: u64,
        /// What to do.
        advice: String,
    },
    /// `finish` came before the last window was read.
    #[error("{done} of {total} cells are read; read the rest before finishing")]
    Unfinished {
        /// Cells read.
        done: usize,
        /// Cells in all.
        total: usize,
    },
}

/// Bytes as a person reads them: `32.1 GB`.
pub fn human_bytes(bytes: u64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{value:.1} {}", units[unit]) }
}

/// At most `n` names, comma-separated, with a note of how many more there are.
pub(crate) fn listed<S: AsRef<str>>(names: impl IntoIterator<Item = S>, n: usize) -> String {
    let names: Vec<String> = names.into_iter().map(|name| name.as_ref().to_owned()).collect();
    match names.len() {
        0 => "none".into(),
        len if len <= n => names.join(", "),
        len => format!("{} and {} more", names[..n].join(", "), len - n),
    }
}
