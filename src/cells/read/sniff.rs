//! What files are, from their first bytes; their names decide only between barcodes and features.

use crate::read::container::Container;
use crate::read::error::{ReadError, listed};
use crate::read::h5ad::H5adFile;
use crate::read::hdf5::{H5, Kind};
use crate::read::loom::LoomFile;
use crate::read::tenx_h5::TenxH5File;
use crate::read::tenx_mtx::TenxMtxFiles;
use crate::read::text::{Lines, is_gzip};
use crate::source::{NamedSource, Source, head};

const HDF5_SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// The part a file plays.
enum Role {
    Hdf5,
    Matrix,
    Barcodes,
    Features,
    Unknown(String),
}

/// Opens what the files are together.
pub(crate) fn open(files: Vec<NamedSource>) -> Result<Box<dyn Container>, ReadError> {
    let mut roles = Vec::with_capacity(files.len());
    for file in &files {
        roles.push(role(file)?);
    }
    match (files.len(), roles.first()) {
        (0, _) | (_, None) => return Err(ReadError::NoFiles),
        (1, Some(Role::Unknown(looks_like))) => {
            let (name, looks_like) = (files[0].name.clone(), looks_like.clone());
            return Err(ReadError::Unrecognised { name, looks_like });
        }
        _ => {}
    }
    let is_hdf5 = |role: &Role| matches!(role, Role::Hdf5);
    if files.len() > 1 && roles.iter().any(is_hdf5) {
        let names = listed(files.iter().map(|file| &file.name), 5);
        return Err(ReadError::Together(format!("{} files were given ({names}), HDF5 files among them", files.len())));
    }
    match files.into_iter().zip(roles).collect::<Vec<_>>() {
        one if one.len() == 1 && is_hdf5(&one[0].1) => match one.into_iter().next() {
            Some((file, _)) => open_hdf5(file),
            None => Err(ReadError::NoFiles),
        },
        several => open_mtx(several),
    }
}

fn role(file: &NamedSource) -> Result<Role, ReadError> {
    let source = file.source.as_ref();
    if is_hdf5(source)? {
        return Ok(Role::Hdf5);
    }
    let first = head(source, 512)?;
    let text = if is_gzip(&first) {
        match Lines::open(file).and_then(|mut lines| lines.peek().map(|bytes| bytes[..bytes.len().min(512)].to_vec())) {
            Ok(text) => text,
            Err(error) => return Ok(Role::Unknown(format!("its gzip stream is damaged ({error})"))),
        }
    } else {
        first.clone()
    };
    if text.len() >= 14 && text[..14].eq_ignore_ascii_case(b"%%MatrixMarket") {
        return Ok(Role::Matrix);
    }
    let name = file.name.to_lowercase();
    let is_table = !text.is_empty() && looks_textual(&text);
    Ok(if is_table && name.contains("barcodes") {
        Role::Barcodes
    } else if is_table && (name.contains("features") || name.contains("genes")) && name.contains("tsv") {
        Role::Features
    } else {
        Role::Unknown(looks_like(&first, &text))
    })
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
    let h5 = H5::open(source)?;
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

fn open_mtx(files: Vec<(NamedSource, Role)>) -> Result<Box<dyn Container>, ReadError> {
    let (mut matrix, mut barcodes, mut features) = (None, None, None);
    let names = listed(files.iter().map(|(file, _)| &file.name), 5);
    for (file, role) in files {
        let slot = match role {
            Role::Matrix => &mut matrix,
            Role::Barcodes => &mut barcodes,
            Role::Features => &mut features,
            Role::Hdf5 => return Err(ReadError::Together(format!("{} was given among others", file.name))),
            Role::Unknown(looks_like) => {
                return Err(ReadError::Unrecognised { name: file.name, looks_like });
            }
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

/// What bytes look like, for a person who chose the wrong file. `text` is `first`, decompressed where it was gzip.
fn looks_like(first: &[u8], text: &[u8]) -> String {
    let gzip = if is_gzip(first) { "gzipped " } else { "" };
    if first.is_empty() {
        return "it is empty".into();
    }
    if first.starts_with(b"PK\x03\x04") {
        return "it begins with PK, like a zip archive; unpack it first".into();
    }
    if first.iter().all(|byte| *byte == 0) {
        return "its first bytes are all zero, as of an unfinished download".into();
    }
    if text.starts_with(b"RDX") || text.starts_with(b"X\n") {
        return format!("it looks like {gzip}R data (rds); write h5ad from R instead");
    }
    if first.starts_with(b"PAR1") {
        return "it begins with PAR1, like parquet".into();
    }
    if text.len() > 262 && &text[257..262] == b"ustar" {
        return format!("it looks like a {gzip}tar archive; unpack it first");
    }
    if text.starts_with(b"<") {
        return format!("it looks like {gzip}HTML or XML, perhaps an error page saved in place of the file");
    }
    if looks_textual(text) {
        let line = String::from_utf8_lossy(text);
        let line: String = line.lines().next().unwrap_or_default().chars().take(40).collect();
        return format!("it looks like a {gzip}text table beginning with {line:?}; write it as h5ad instead");
    }
    let bytes: Vec<String> = first.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("it begins with the bytes {}; HDF5 begins with 89 48 44 46 0d 0a 1a 0a", bytes.join(" "))
}
