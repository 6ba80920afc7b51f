//! Archives: zip, tar and tar.gz around the files of one matrix, in any folder and with any prefix.
//!
//! Nothing is unpacked but what needs random access (HDF5 that is compressed): the others are streamed from where they
//! lie. What is no matrix (reports, figures) is passed over.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use crate::read::error::{ReadError, listed};
use crate::read::inflated::{Compression, Deflated, Forwards, Inflated, Window, decoder, into_memory};
use crate::read::sniff::{Part, Role, role, zarr_part};
use crate::read::zarr;
use crate::source::{NamedSource, Source};

/// Endings of the names of files that may belong to a matrix.
const ENDINGS: [&str; 9] = ["mtx", "tsv", "csv", "txt", "tab", "h5", "h5ad", "hdf5", "loom"];
/// Files of an archive that are looked into.
const MAX_CANDIDATES: usize = 64;
/// Entries that an archive may list.
const MAX_ENTRIES: usize = 1 << 20;
/// A name in an archive, at most.
const MAX_NAME_BYTES: u64 = 1 << 16;
/// Deflate's best ratio.
const MAX_RATIO: u64 = 1032;

/// Which archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    Zip,
    Tar,
    TarGz,
}

impl ArchiveKind {
    /// From the first bytes, and the same decompressed where they were gzip.
    pub(crate) fn of(first: &[u8], text: &[u8]) -> Option<ArchiveKind> {
        if first.starts_with(b"PK\x03\x04") || first.starts_with(b"PK\x05\x06") {
            return Some(ArchiveKind::Zip);
        }
        let is_tar = text.len() > 262 && &text[257..262] == b"ustar";
        is_tar.then_some(if first.starts_with(&[0x1f, 0x8b]) { ArchiveKind::TarGz } else { ArchiveKind::Tar })
    }
}

/// The files of one matrix.
pub(crate) struct Unpacked {
    pub(crate) parts: Vec<Part>,
    pub(crate) bytes_held: u64,
    pub(crate) warnings: Vec<String>,
}

/// A file in an archive, by its whole path.
struct Member {
    path: String,
    source: Box<dyn Source>,
    /// Whether its bytes can only be read forwards.
    is_inflated: bool,
}

/// Finds the files of one matrix in an archive.
pub(crate) fn unpack(file: NamedSource, kind: ArchiveKind, budget: u64) -> Result<Unpacked, ReadError> {
    let NamedSource { name, source } = file;
    let members = members(&name, source.into(), kind)?;
    if members.iter().any(|member| zarr::is_meta(&member.path)) {
        let warnings = match kind {
            ArchiveKind::TarGz => {
                vec![format!("{name} is read from its beginning for every chunk; unpacked it is fast")]
            }
            _ => Vec::new(),
        };
        let files = members.into_iter().map(|member| (member.path, Arc::from(member.source))).collect();
        return Ok(Unpacked { parts: vec![zarr_part(&name, files)?], bytes_held: 0, warnings });
    }
    let paths: Vec<String> = members.iter().map(|member| member.path.clone()).collect();
    let candidates: Vec<Member> = members.into_iter().filter(|member| is_candidate(&member.path)).collect();
    if candidates.len() > MAX_CANDIDATES {
        let what = format!("{name} holds {} files that may be matrices", candidates.len());
        return Err(ReadError::Together(what));
    }
    let (mut parts, mut bytes_held) = (Vec::new(), 0);
    for Member { path, source, is_inflated } in candidates {
        let file = NamedSource { name: base_name(&path).to_owned(), source };
        let role = role(&file, budget)?;
        if !matches!(role, Role::Unknown(_) | Role::Archive(_) | Role::GzippedHdf5 | Role::Zarr(_)) {
            parts.push((path, is_inflated, (file, role)));
        }
    }
    let (parts, which) = one_matrix(&name, parts)?;
    if parts.is_empty() {
        let looks_like = format!("it is an archive without a matrix; it holds {}", listed(&paths, 5));
        return Err(ReadError::Unrecognised { name, looks_like });
    }
    let mut warnings = vec![format!("{which} of the archive {name} is read")];
    let mut whole = Vec::with_capacity(parts.len());
    for (is_inflated, (file, role)) in parts {
        if is_inflated && matches!(role, Role::Hdf5) {
            let file = into_memory(&file, budget)?;
            bytes_held += file.source.len();
            warnings
                .push(format!("{} was unpacked into memory; unpacked on disk it would be read in place", file.name));
            whole.push((file, role));
        } else {
            whole.push((file, role));
        }
    }
    Ok(Unpacked { parts: whole, bytes_held, warnings })
}

fn members(name: &str, base: Arc<dyn Source>, kind: ArchiveKind) -> Result<Vec<Member>, ReadError> {
    match kind {
        ArchiveKind::Zip => zip_members(name, base),
        ArchiveKind::Tar => tar_members(name, base, None),
        ArchiveKind::TarGz => tar_members(name, base, Some(Compression::Gzip)),
    }
}

/// The Matrix Market files of an archive that holds several matrices of them, by their whole paths; else the archive.
pub(crate) fn trios(file: NamedSource, kind: ArchiveKind) -> Result<Result<Vec<NamedSource>, NamedSource>, ReadError> {
    let NamedSource { name, source } = file;
    let base: Arc<dyn Source> = source.into();
    let members = members(&name, Arc::clone(&base), kind)?;
    let words = ["matrix.mtx", "barcodes.tsv", "features.tsv", "genes.tsv"];
    let ends_with = |path: &str, word: &str| path.trim_end_matches(".gz").ends_with(word);
    let n_matrices = members.iter().filter(|member| ends_with(&member.path, words[0])).count();
    if n_matrices < 2 {
        let whole = Window { length: base.len(), base, start: 0 };
        return Ok(Err(NamedSource::new(name, whole)));
    }
    let wanted = members
        .into_iter()
        .filter(|member| is_candidate(&member.path) && words.iter().any(|word| ends_with(&member.path, word)));
    Ok(Ok(wanted.map(|member| NamedSource { name: member.path, source: member.source }).collect()))
}

/// The folder and prefix that the files of one matrix share: all before the word that tells them apart.
pub(crate) fn group(path: &str) -> String {
    let start = path.len() - base_name(path).len();
    let lower = path[start..].to_ascii_lowercase();
    let word = ["matrix", "barcodes", "features", "genes"].iter().filter_map(|word| lower.find(word)).min();
    path[..start + word.unwrap_or(0)].to_owned()
}

type Chosen = (Vec<(bool, Part)>, String);

/// The parts of the one matrix of an archive, with its place; of several the one that is called filtered.
fn one_matrix(name: &str, parts: Vec<(String, bool, Part)>) -> Result<Chosen, ReadError> {
    let is_whole = |role: &Role| matches!(role, Role::Hdf5 | Role::Matrix);
    let matrices: Vec<&str> =
        parts.iter().filter(|(_, _, (_, role))| is_whole(role)).map(|(path, ..)| path.as_str()).collect();
    let filtered: Vec<&str> = matrices.iter().copied().filter(|path| path.contains("filtered")).collect();
    let chosen = match (matrices.as_slice(), filtered.as_slice()) {
        ([], _) => None,
        ([one], _) | (_, [one]) => Some((*one).to_owned()),
        _ => {
            let what = format!("{name} holds {} matrices ({})", matrices.len(), listed(&matrices, 5));
            return Err(ReadError::Together(what));
        }
    };
    let is_alone = matrices.len() == 1;
    let Some(chosen) = chosen else {
        let which = listed(parts.iter().map(|(path, ..)| path), 5);
        return Ok((parts.into_iter().map(|(_, is_inflated, part)| (is_inflated, part)).collect(), which));
    };
    let kept = parts.into_iter().filter(|(path, _, (_, role))| match role {
        Role::Barcodes | Role::Features | Role::Table(_) => is_alone || group(path) == group(&chosen),
        _ => *path == chosen,
    });
    let kept: Vec<(bool, Part)> = kept.map(|(_, is_inflated, part)| (is_inflated, part)).collect();
    // An archive's other tables are no labels unless they are alone with the matrix.
    let n_tables = kept.iter().filter(|(_, (_, role))| matches!(role, Role::Table(_))).count();
    let kept = kept.into_iter().filter(|(_, (_, role))| n_tables == 1 || !matches!(role, Role::Table(_))).collect();
    Ok((kept, chosen))
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn is_candidate(path: &str) -> bool {
    let name = base_name(path).to_ascii_lowercase();
    let name = name.trim_end_matches(".gz");
    let is_hidden = name.starts_with('.') || path.starts_with("__MACOSX/");
    !is_hidden && name.rsplit_once('.').is_some_and(|(_, ending)| ENDINGS.contains(&ending))
}

/// Reads a source with a cursor.
struct Cursor {
    source: Arc<dyn Source>,
    at: u64,
}

impl Read for Cursor {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = Forwards::new(Arc::clone(&self.source), self.at, u64::MAX).read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Cursor {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

fn zip_members(name: &str, base: Arc<dyn Source>) -> Result<Vec<Member>, ReadError> {
    let damaged = |error: zip::result::ZipError| ReadError::Malformed {
        object: name.to_owned(),
        what: format!("is a zip archive that cannot be read: {error}; copy or download it again"),
    };
    let cursor = std::io::BufReader::new(Cursor { source: Arc::clone(&base), at: 0 });
    let mut archive = zip::ZipArchive::new(cursor).map_err(damaged)?;
    let mut members = Vec::new();
    for index in 0..archive.len().min(MAX_ENTRIES) {
        let entry = archive.by_index_raw(index).map_err(damaged)?;
        let path = entry.name().map_err(damaged)?.replace('\\', "/");
        if entry.is_dir() {
            continue;
        }
        let (length, len) = (entry.compressed_size(), entry.size());
        let Some(start) = entry.data_start() else { continue };
        let is_cut = start.checked_add(length).is_none_or(|end| end > base.len());
        if is_cut || len > length.saturating_mul(MAX_RATIO).saturating_add(MAX_RATIO) {
            let what = format!("claims {len} bytes for {path}, more than it can hold; copy or download it again");
            return Err(ReadError::Malformed { object: name.to_owned(), what });
        }
        let unread = |how: String| ReadError::Malformed {
            object: format!("{path} in {name}"),
            what: format!("is {how}, which is not read; unpack the archive first"),
        };
        let is_wanted = is_candidate(&path);
        if is_wanted && entry.encrypted() {
            return Err(unread("encrypted".into()));
        }
        let source: Box<dyn Source> = match entry.compression() {
            zip::CompressionMethod::Stored => Box::new(Window { base: Arc::clone(&base), start, length }),
            // A method that is not read matters where the file does.
            method if is_wanted && method != zip::CompressionMethod::DEFLATE => {
                return Err(unread(format!("compressed with {method}")));
            }
            // Chunks are many, and each is read whole: nothing of them is kept.
            _ if !is_wanted => Box::new(Deflated { base: Arc::clone(&base), start, length, len }),
            _ => Box::new(Inflated::new(Arc::clone(&base), (start, length), Compression::Deflate, (0, len))),
        };
        let is_inflated = entry.compression() != zip::CompressionMethod::Stored;
        members.push(Member { path, source, is_inflated });
    }
    Ok(members)
}

fn tar_members(name: &str, base: Arc<dyn Source>, compression: Option<Compression>) -> Result<Vec<Member>, ReadError> {
    let reader: Box<dyn Read> = match compression {
        Some(compression) => decoder(&base, 0, base.len(), compression),
        None => Box::new(Forwards::new(Arc::clone(&base), 0, base.len())),
    };
    let damaged = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            ReadError::Truncated { object: name.to_owned(), detail: " within its archive".into() }
        }
        _ => ReadError::Malformed {
            object: name.to_owned(),
            what: format!("is a tar archive that cannot be read: {error}; copy or download it again"),
        },
    };
    let mut archive = tar::Archive::new(reader);
    let mut members = Vec::new();
    let mut long_name: Option<Vec<u8>> = None;
    // Raw: long names are read here, within a bound.
    for entry in archive.entries().map_err(damaged)?.raw(true).take(MAX_ENTRIES) {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            let mut bytes = Vec::new();
            (&mut entry).take(MAX_NAME_BYTES).read_to_end(&mut bytes).map_err(damaged)?;
            long_name = if kind.is_gnu_longname() {
                Some(bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec())
            } else {
                pax_path(&bytes).or(long_name)
            };
            continue;
        }
        let path = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if !kind.is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&path).trim_start_matches("./").to_owned();
        let (start, len) = (entry.raw_file_position(), entry.size());
        let source: Box<dyn Source> = match compression {
            Some(compression) => Box::new(Inflated::new(Arc::clone(&base), (0, base.len()), compression, (start, len))),
            None if start.checked_add(len).is_none_or(|end| end > base.len()) => {
                return Err(ReadError::Truncated { object: name.to_owned(), detail: format!(" within {path}") });
            }
            None => Box::new(Window { base: Arc::clone(&base), start, length: len }),
        };
        members.push(Member { path, source, is_inflated: compression.is_some() });
    }
    Ok(members)
}

/// The path among the records of a pax header: `length key=value`, one a line.
fn pax_path(records: &[u8]) -> Option<Vec<u8>> {
    let lines = records.split(|byte| *byte == b'\n');
    let mut fields = lines.filter_map(|line| line.splitn(2, |byte| *byte == b' ').nth(1));
    fields.find_map(|field| field.strip_prefix(b"path=")).map(<[u8]>::to_vec)
}
