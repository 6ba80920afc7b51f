//! Files on disk as random-access sources, and the memory there is to read them into.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use engine::cells::source::{NamedSource, Source, SourceError};

/// A file read by position. One that was named is held open; those of a folder are opened for each read, because a store
/// has more of them than a process may hold open.
struct FileSource {
    path: PathBuf,
    held: Option<Mutex<File>>,
    n_bytes: u64,
}

impl Source for FileSource {
    fn len(&self) -> u64 {
        self.n_bytes
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let length = buffer.len() as u64;
        self.check_range(offset, length)?;
        let failed = |reason: String| SourceError::Failed { offset, length, reason };
        let mut read = |file: &mut File| {
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(buffer)
        };
        let outcome = match &self.held {
            Some(file) => read(&mut *file.lock().map_err(|_| failed("an earlier read broke off".into()))?),
            None => File::open(&self.path).and_then(|mut file| read(&mut file)),
        };
        outcome.map_err(|error| failed(error.to_string()))
    }
}

/// Most files of a folder: a zarr store of a million cells has some tens of thousands.
const MAX_FILES: usize = 200_000;

/// Opens the files for reading; each keeps its own name without the folder. A folder (a zarr store, or 10x matrix files)
/// stands for all files in it, named by their paths from its own name on.
pub fn open(paths: &[PathBuf]) -> Result<Vec<NamedSource>> {
    let mut files = Vec::new();
    for path in paths {
        let name = path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
        add(path, name, false, &mut files)?;
    }
    ensure!(!files.is_empty(), "there is no file to read");
    Ok(files)
}

fn add(path: &Path, name: String, is_inside: bool, files: &mut Vec<NamedSource>) -> Result<()> {
    let shown = path.display();
    let metadata = std::fs::metadata(path).with_context(|| format!("opening {shown}"))?;
    if metadata.is_dir() {
        let entries = std::fs::read_dir(path).with_context(|| format!("listing {shown}"))?;
        let mut inside = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<PathBuf>>>()?;
        inside.sort();
        ensure!(!inside.is_empty(), "{shown} is an empty folder");
        for path in inside {
            let own = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            add(&path, format!("{name}/{own}"), true, files)?;
        }
        return Ok(());
    }
    ensure!(metadata.is_file(), "{shown} is not a file");
    ensure!(files.len() < MAX_FILES, "{shown}: more than {MAX_FILES} files; name the folder of one matrix");
    let file = File::open(path).with_context(|| format!("opening {shown}"))?;
    let held = (!is_inside).then(|| Mutex::new(file));
    let source = FileSource { path: path.to_owned(), held, n_bytes: metadata.len() };
    files.push(NamedSource::new(name, source));
    Ok(())
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
