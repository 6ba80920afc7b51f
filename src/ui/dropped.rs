//! Files as a person hands them over: dropped, chosen, or a whole folder of them, each with its path in it.

use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::prelude::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DataTransfer, File, FileList, FileSystemDirectoryEntry, FileSystemEntry, FileSystemFileEntry};

use crate::link::said;

/// Most files of one drop: a zarr store of a million cells has some tens of thousands.
const MAX_FILES: usize = 100_000;

/// A file and what it is called: its path from the folder on that was handed over.
#[derive(Debug, Clone)]
pub struct Handed {
    /// Path with `/`, or the plain name.
    pub name: String,
    /// The file, not read.
    pub file: File,
}

/// Files of an input; those of a chosen folder know their paths.
pub fn chosen(list: Option<FileList>) -> Vec<Handed> {
    let files = list.map(|list| (0..list.length()).filter_map(|i| list.get(i)).collect::<Vec<File>>());
    files.unwrap_or_default().into_iter().map(handed).collect()
}

/// A file under its path, where it has one.
pub fn handed(file: File) -> Handed {
    let path = Reflect::get(&file, &"webkitRelativePath".into()).ok().and_then(|path| path.as_string());
    let name = path.filter(|path| !path.is_empty()).unwrap_or_else(|| file.name());
    Handed { name, file }
}

/// What was dropped. Its entries must be asked for while the event lasts; [`Self::files`] may take its time.
pub struct Dropped {
    files: Vec<Handed>,
    folders: Vec<FileSystemEntry>,
}

impl Dropped {
    /// Takes the entries of a drop.
    pub fn new(data: &DataTransfer) -> Self {
        let items = data.items();
        let entries = (0..items.length()).filter_map(|i| items.get(i)?.webkit_get_as_entry().ok().flatten());
        let folders: Vec<FileSystemEntry> = entries.filter(FileSystemEntry::is_directory).collect();
        // A dropped folder is in the list of files too, as a file that cannot be read.
        let is_folder = |file: &Handed| folders.iter().any(|folder| folder.name() == file.name);
        let files = chosen(data.files()).into_iter().filter(|file| !is_folder(file)).collect();
        Self { files, folders }
    }

    /// All files, those inside of folders included.
    ///
    /// # Errors
    /// In words, where a folder cannot be listed or holds too many files.
    pub async fn files(self) -> Result<Vec<Handed>, String> {
        let Self { mut files, folders: mut entries } = self;
        while let Some(entry) = entries.pop() {
            let path = entry.full_path().trim_start_matches('/').to_owned();
            let failed = |error: JsValue| format!("{path}: {}", said(&error));
            if entry.is_directory() {
                let folder: FileSystemDirectoryEntry = entry.unchecked_into();
                entries.extend(listed(&folder).await.map_err(failed)?);
            } else {
                let entry: FileSystemFileEntry = entry.unchecked_into();
                let file = called(|found, refused| entry.file_with_callback_and_callback(&found, &refused));
                files.push(Handed { name: path.clone(), file: file.await.map_err(failed)?.unchecked_into() });
            }
            if files.len() > MAX_FILES {
                return Err(format!("the folder holds more than {MAX_FILES} files; drop the folder of one matrix"));
            }
        }
        Ok(files)
    }
}

/// The entries of a folder; the browser gives them in parts, and none once all are given.
async fn listed(folder: &FileSystemDirectoryEntry) -> Result<Vec<FileSystemEntry>, JsValue> {
    let reader = folder.create_reader();
    let mut entries = Vec::new();
    loop {
        let part = called(|found, refused| {
            if let Err(error) = reader.read_entries_with_callback_and_callback(&found, &refused) {
                // A function that takes one argument cannot fail to be called.
                let _ = refused.call1(&JsValue::NULL, &error);
            }
        });
        let part: Array = part.await?.unchecked_into();
        if part.length() == 0 {
            return Ok(entries);
        }
        entries.extend(part.iter().map(JsCast::unchecked_into));
    }
}

/// What a function that answers by one of two callbacks answers.
async fn called(function: impl Fn(Function, Function)) -> Result<JsValue, JsValue> {
    JsFuture::from(Promise::new(&mut |found, refused| function(found, refused))).await
}
