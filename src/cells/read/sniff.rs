//! What files are, from their first bytes, and what they make together; names decide only between barcodes and features.

use std::sync::Arc;

use crate::read::archive::{self, ArchiveKind};
use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::h5ad::H5adFile;
use crate::read::hdf5::H5;
use crate::read::inflated::gunzipped;
use crate::read::labels::Labelled;
use crate::read::layout::Layout;
use crate::read::loom::LoomFile;
use crate::read::table::{TableFile, longest_line};
use crate::read::tenx_h5::TenxH5File;
use crate::read::tenx_mtx::TenxMtxFiles;
use crate::read::text::{BYTE_ORDER_MARK, Lines, is_gzip};
use crate::read::tree::{Kind, Tree};
use crate::read::zarr::{self, Zarr};
use crate::source::{NamedSource, Source, head};

const HDF5_SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";
/// Fields of a barcodes or features file, at most.
const MAX_FEATURE_FIELDS: usize = 8;

/// The part a file plays.
pub(crate) enum Role {
    Hdf5,
    GzippedHdf5,
    Zarr(Box<Zarr>),
    Archive(ArchiveKind),
    Matrix,
    Barcodes,
    Features,
    Table(Box<Layout>),
    Unknown(String),
}

/// A file and the part it plays.
pub(crate) type Part = (NamedSource, Role);

/// What files are together.
pub(crate) struct Found {
    pub(crate) container: Box<dyn Container>,
    /// Bytes that had to be unpacked into memory.
    pub(crate) bytes_held: u64,
    pub(crate) warnings: Vec<String>,
}

/// Opens what the files are together. `budget` bounds the bytes held while doing so.
pub(crate) fn open(files: Vec<NamedSource>, budget: u64) -> Result<Found, ReadError> {
    let mut parts = Vec::with_capacity(files.len());
    let (mut bytes_held, mut warnings) = (0, Vec::new());
    let files = match zarr_folder(files)? {
        Ok((part, others)) => {
            parts.push(part);
            others
        }
        Err(files) => files,
    };
    for file in files {
        match role(&file, budget)? {
            Role::Archive(kind) => {
                let found = archive::unpack(file, kind, budget)?;
                bytes_held += found.bytes_held;
                warnings.extend(found.warnings);
                parts.extend(found.parts);
            }
            Role::GzippedHdf5 => {
                let whole = gunzipped(file, budget)?;
                bytes_held += whole.source.len();
                parts.push((whole, Role::Hdf5));
            }
            role => parts.push((file, role)),
        }
    }
    let container = open_parts(parts, budget.saturating_sub(bytes_held))?;
    Ok(Found { container, bytes_held, warnings })
}

type Folder = (Part, Vec<NamedSource>);

/// The files of a zarr store that came as a folder, told by their paths, and those that lie outside it.
fn zarr_folder(files: Vec<NamedSource>) -> Result<Result<Folder, Vec<NamedSource>>, ReadError> {
    let metas = files.iter().filter(|file| zarr::is_meta(&file.name));
    let Some(first) = metas.min_by_key(|file| file.name.split('/').count()) else { return Ok(Err(files)) };
    let folder = first.name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let (inside, outside): (Vec<_>, Vec<_>) = files.into_iter().partition(|file| file.name.starts_with(&folder));
    let entries = inside.into_iter().map(|file| (file.name, Arc::from(file.source))).collect();
    let name = if folder.is_empty() { "the zarr store" } else { folder.trim_end_matches('/') };
    Ok(Ok((zarr_part(name, entries)?, outside)))
}

/// A store as one part among others.
pub(crate) fn zarr_part(name: &str, files: Vec<(String, Arc<dyn Source>)>) -> Result<Part, ReadError> {
    let store = Zarr::open(files)?;
    Ok((NamedSource::from_bytes(name, Vec::new()), Role::Zarr(Box::new(store))))
}

fn open_parts(parts: Vec<Part>, budget: u64) -> Result<Box<dyn Container>, ReadError> {
    let names = listed(parts.iter().map(|(file, _)| &file.name), 5);
    let (mut tables, mut others) = (Vec::new(), Vec::new());
    for (file, role) in parts {
        match role {
            Role::Table(layout) => tables.push((file, *layout)),
            Role::Unknown(looks_like) => return Err(ReadError::Unrecognised { name: file.name, looks_like }),
            role => others.push((file, role)),
        }
    }
    // The widest table comes first.
    tables.sort_by_key(|(_, layout)| std::cmp::Reverse(layout.n_values()));
    let mut tables = tables.into_iter();
    let n_others = others.len();
    let container: Box<dyn Container> = if n_others == 0 {
        let Some((file, layout)) = tables.next() else { return Err(ReadError::NoFiles) };
        Box::new(TableFile::open(file, layout, budget)?)
    } else if others.iter().any(|(_, role)| matches!(role, Role::Hdf5 | Role::Zarr(_))) {
        match others.into_iter().next() {
            Some((file, Role::Zarr(store))) if n_others == 1 => open_zarr(&file.name, *store)?,
            Some((file, _)) if n_others == 1 => open_hdf5(file)?,
            _ => {
                let what = format!("{n_others} matrices were given ({names}), HDF5 files or zarr stores among them");
                return Err(ReadError::Together(what));
            }
        }
    } else {
        open_mtx(others)?
    };
    match (tables.next(), tables.next()) {
        (None, _) => Ok(container),
        (Some((file, layout)), None) => Ok(Box::new(Labelled::open(container, &file, layout, budget)?)),
        (Some(_), Some(_)) => Err(ReadError::Together(format!("several tables were given ({names})"))),
    }
}

pub(crate) fn role(file: &NamedSource, budget: u64) -> Result<Role, ReadError> {
    let source = file.source.as_ref();
    let first = head(source, 512)?;
    let text = if is_gzip(&first) {
        match Lines::open(file).and_then(|mut lines| lines.peek().map(|bytes| bytes[..bytes.len().min(512)].to_vec())) {
            Ok(text) => text,
            Err(error) => return Ok(Role::Unknown(format!("its gzip stream is damaged ({error})"))),
        }
    } else {
        first.clone()
    };
    let is_text = !text.is_empty() && looks_textual(&text);
    if is_gzip(&first) && text.starts_with(&HDF5_SIGNATURE) {
        return Ok(Role::GzippedHdf5);
    }
    // Before HDF5 is looked for at 512, where the first file of a tar archive lies.
    if let Some(kind) = ArchiveKind::of(&first, &text) {
        return Ok(Role::Archive(kind));
    }
    if !is_gzip(&first) && !is_text && is_hdf5(source)? {
        return Ok(Role::Hdf5);
    }
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    if text.len() >= 14 && text[..14].eq_ignore_ascii_case(b"%%MatrixMarket") {
        return Ok(Role::Matrix);
    }
    let name = file.name.to_lowercase();
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_narrow = is_text && line.split(|byte| *byte == b'\t').count() <= MAX_FEATURE_FIELDS;
    if is_narrow && name.contains("barcodes") && !name.contains("csv") {
        return Ok(Role::Barcodes);
    }
    if is_narrow && (name.contains("features") || name.contains("genes")) && name.contains("tsv") {
        return Ok(Role::Features);
    }
    let foreign = looks_like(&first, text);
    let says_hdf5 = [".h5ad", ".h5", ".hdf5", ".loom"].iter().any(|ending| name.ends_with(ending));
    match (is_text, foreign) {
        (true, None) if says_hdf5 => {
            let beginning = beginning(line);
            Ok(Role::Unknown(format!("it is called an HDF5 file, but is text beginning with {beginning:?}")))
        }
        (true, None) => Ok(match Layout::of(&mut Lines::open_long(file, longest_line(budget))?)? {
            Ok(layout) => Role::Table(Box::new(layout)),
            Err(why) => Role::Unknown(format!("it is text beginning with {:?}, but no table: {why}", beginning(line))),
        }),
        (_, Some(foreign)) => Ok(Role::Unknown(foreign)),
        (false, None) => {
            let bytes: Vec<String> = first.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let bytes = bytes.join(" ");
            Ok(Role::Unknown(format!("it begins with the bytes {bytes}; HDF5 begins with 89 48 44 46 0d 0a 1a 0a")))
        }
    }
}

/// HDF5 begins at 0, or after a user block at 512, 1024, 2048, ….
fn is_hdf5(source: &dyn Source) -> Result<bool, ReadError> {
    let mut at = 0;
    while at + 8 <= source.len() {
        let mut bytes = [0; 8];
        source.read_at(at, &mut bytes)?;
        if bytes == HDF5_SIGNATURE {
            return Ok(true);
        }
        at = if at == 0 { 512 } else { at * 2 };
    }
    Ok(false)
}

fn open_hdf5(file: NamedSource) -> Result<Box<dyn Container>, ReadError> {
    let NamedSource { name, source } = file;
    let h5 = Tree::Hdf5(H5::open(source)?);
    let is_group = |path: &str| Ok::<_, ReadError>(h5.kind(path)? == Some(Kind::Group));
    if h5.has("X")? || (h5.has("obs")? && h5.has("var")?) {
        return Ok(Box::new(H5adFile::open(h5)?));
    }
    if is_group("row_attrs")? || is_group("col_attrs")? {
        if h5.kind("matrix")? != Some(Kind::Dataset) {
            let what = "it looks like loom without its matrix; write it again";
            return Err(ReadError::NotCells { name, what: what.into() });
        }
        return Ok(Box::new(LoomFile::open(h5)?));
    }
    if is_group("mod")? {
        let what = "it looks like h5mu, which is not read; write one modality as h5ad (mdata[\"rna\"].write_h5ad)";
        return Err(ReadError::NotCells { name, what: what.into() });
    }
    match TenxH5File::open(h5)? {
        Ok(file) => Ok(Box::new(file)),
        Err(h5) => {
            let (datasets, groups) = h5.children("/")?;
            let found = listed(datasets.iter().chain(&groups), 8);
            let what = format!(
                "neither h5ad (X, obs, var), nor loom (matrix, row_attrs), nor 10x (matrix, or one group per genome); at its root are: {found}"
            );
            Err(ReadError::NotCells { name, what })
        }
    }
}

fn open_zarr(name: &str, store: Zarr) -> Result<Box<dyn Container>, ReadError> {
    let tree = Tree::Zarr(store);
    if tree.has("X")? || (tree.has("obs")? && tree.has("var")?) {
        return Ok(Box::new(H5adFile::open(tree)?));
    }
    let (datasets, groups) = tree.children("/")?;
    let found = listed(datasets.iter().chain(&groups), 8);
    let what = format!("{name} is a zarr store without one AnnData (X, obs, var) in it; at its root are: {found}");
    Err(ReadError::Together(what))
}

fn open_mtx(files: Vec<Part>) -> Result<Box<dyn Container>, ReadError> {
    let (mut matrix, mut barcodes, mut features) = (None, None, None);
    let names = listed(files.iter().map(|(file, _)| &file.name), 5);
    for (file, role) in files {
        let slot = match role {
            Role::Matrix => &mut matrix,
            Role::Barcodes => &mut barcodes,
            Role::Features => &mut features,
            _ => return Err(ReadError::Together(format!("{} was given among others", file.name))),
        };
        if let Some(other) = slot.replace(file) {
            return Err(ReadError::Together(format!("{} plays the same part as another of {names}", other.name)));
        }
    }
    let missing: Vec<&str> = [
        (matrix.is_none(), "matrix.mtx or matrix.mtx.gz"),
        (barcodes.is_none(), "barcodes.tsv or barcodes.tsv.gz"),
        (features.is_none(), "features.tsv(.gz) or genes.tsv(.gz)"),
    ]
    .into_iter()
    .filter_map(|(is_missing, name)| is_missing.then_some(name))
    .collect();
    match (matrix, barcodes, features) {
        (Some(matrix), Some(barcodes), Some(features)) => {
            Ok(Box::new(TenxMtxFiles::open(matrix, &barcodes, &features)?))
        }
        _ => Err(ReadError::MissingCompanions { present: names, missing: missing.join(" and ") }),
    }
}

fn looks_textual(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte >= 0x20 || matches!(byte, b'\n' | b'\r' | b'\t'))
}

fn beginning(line: &[u8]) -> String {
    String::from_utf8_lossy(line).trim_end().chars().take(40).collect()
}

/// What bytes that are not read look like, for a person who chose the wrong file; none where they may be a table.
/// `text` is `first`, decompressed where it was gzip.
fn looks_like(first: &[u8], text: &[u8]) -> Option<String> {
    let gzip = if is_gzip(first) { "gzipped " } else { "" };
    let says = if first.is_empty() {
        "it is empty".into()
    } else if text.is_empty() {
        "it is gzip around nothing".into()
    } else if first.iter().all(|byte| *byte == 0) {
        "its first bytes are all zero, as of an unfinished download".into()
    } else if text.starts_with(b"RDX") || text.starts_with(b"X\n") {
        format!("it looks like {gzip}R data (rds); write h5ad from R instead")
    } else if first.starts_with(b"PAR1") {
        "it begins with PAR1, like parquet".into()
    } else if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
        format!("it looks like {gzip}UTF-16 text; save it as UTF-8 (csv)")
    } else if text.starts_with(b"<") {
        format!("it looks like {gzip}HTML or XML, perhaps an error page saved in place of the file")
    } else if text.starts_with(b"{") {
        format!("it looks like {gzip}JSON")
    } else {
        return None;
    };
    Some(says)
}
