//! Files on disk as random-access sources, and the memory there is to read them into.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use engine::cells::source::{NamedSource, Source, SourceError};

/// A file read by position.
struct FileSource {
    file: Mutex<File>,
    n_bytes: u64,
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.n_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        if offset.checked_add(length).is_none_or(|end| end > self.n_bytes) {
            return Err(SourceError::PastEnd { offset, length, available: self.n_bytes });
        }
        let failed = |reason: String| SourceError::Failed { offset, length, reason };
        let mut file = self.file.lock().map_err(|_| failed("an earlier read broke off".into()))?;
        file.seek(SeekFrom::Start(offset)).map_err(|e| failed(e.to_string()))?;
        file.read_exact(buffer).map_err(|e| failed(e.to_string()))
    }
}

/// Opens the files for reading; each keeps its own name without the folder.
pub fn open(paths: &[PathBuf]) -> Result<Vec<NamedSource>> {
    paths
        .iter()
        .map(|path| {
            let shown = path.display();
            let file = File::open(path).with_context(|| format!("opening {shown}"))?;
            let metadata = file.metadata().with_context(|| format!("asking for the size of {shown}"))?;
            ensure!(!metadata.is_dir(), "{shown} is a folder: name the files in it");
            ensure!(metadata.is_file(), "{shown} is not a file");
            let name = path.file_name().map_or_else(|| shown.to_string(), |name| name.to_string_lossy().into_owned());
            Ok(NamedSource::new(name, FileSource { file: Mutex::new(file), n_bytes: metadata.len() }))
        })
        .collect()
}

/// Reads a whole small file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {}", path.display()))
}

/// Writes a file beside its final name and then renames it, so that no half-written file is ever left under it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    std::fs::write(&partial, bytes).with_context(|| format!("writing {}", partial.display()))?;
    std::fs::rename(&partial, path).with_context(|| format!("renaming {} to {}", partial.display(), path.display()))
}

/// Looks, before any work is done, whether there is a folder to write `path` into.
pub fn require_folder(path: &Path) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "{} cannot be written: there is no folder {}", path.display(), folder.display());
    Ok(())
}

/// Looks, before any work is done, whether writing `path` would overwrite something that nobody gave up.
pub fn require_new(path: &Path, force: bool) -> Result<()> {
    let shown = path.display();
    ensure!(force || !path.exists(), "{shown} is there already: choose another --out, or overwrite it with --force");
    Ok(())
}

/// Bytes of memory that reading may take: what the system says is available, else 8 GiB.
pub fn memory_available() -> u64 {
    let from_system = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    from_system.map_or(8 << 30, |kib| kib * 1024)
}
