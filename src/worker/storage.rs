//! The browser's private file system as a store of training runs: files that this site alone sees, and that outlive the
//! page.
//!
//! Where it cannot be had (a private window, an old browser), reading finds nothing and writing says why; the engine then
//! keeps runs in memory. A lock is an exclusive handle to a file, which the browser lets go of when the worker dies.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use engine::store::{Answer, Store, StoreError};
use js_sys::{ArrayBuffer, Reflect, Uint8Array};
use spec::run::StorageReport;
use wasm_bindgen::prelude::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    Blob, FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
    FileSystemRemoveOptions, FileSystemSyncAccessHandle, StorageEstimate, StorageManager,
};

use crate::queue::words;

/// The folder of this site's files that runs lie in.
const RUNS: &str = "runs";

/// The private file system.
pub struct PrivateFiles;

impl Store for PrivateFiles {
    fn read(&self, path: &str) -> Answer<Option<Vec<u8>>> {
        let path = path.to_owned();
        Box::pin(async move {
            let failed = |error: JsValue| failed("reading", &path, &error);
            let file = match file(&path, false).await {
                Ok(file) => file,
                Err(error) if name_of(&error) == "NotFoundError" => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            let blob: Blob = JsFuture::from(file.get_file()).await.map_err(failed)?.unchecked_into();
            let buffer = JsFuture::from(blob.array_buffer()).await.map_err(failed)?;
            Ok(Some(Uint8Array::new(buffer.unchecked_ref::<ArrayBuffer>()).to_vec()))
        })
    }

    fn write(&self, path: &str, bytes: Vec<u8>) -> Answer<()> {
        let path = path.to_owned();
        Box::pin(async move {
            let failed = |error: JsValue| failed("saving", &path, &error);
            let handle = open(&path).await.map_err(failed)?;
            let outcome = replace(&handle, &bytes);
            handle.close();
            outcome.map_err(failed)
        })
    }

    fn remove(&self, folder: &str) -> Answer<()> {
        let folder = folder.to_owned();
        Box::pin(async move {
            let Ok(root) = root(false).await else { return Ok(()) };
            let options = FileSystemRemoveOptions::new();
            options.set_recursive(true);
            match JsFuture::from(root.remove_entry_with_options(&folder, &options)).await {
                Err(error) if name_of(&error) != "NotFoundError" => Err(failed("deleting", &folder, &error)),
                _ => Ok(()),
            }
        })
    }

    fn folders(&self) -> Answer<Vec<String>> {
        Box::pin(async {
            let Ok(root) = root(false).await else { return Ok(Vec::new()) };
            let (keys, mut folders) = (root.keys(), Vec::new());
            loop {
                let failed = |error: JsValue| failed("listing", RUNS, &error);
                let next = JsFuture::from(keys.next().map_err(failed)?).await.map_err(failed)?;
                let field = |name: &str| Reflect::get(&next, &name.into()).unwrap_or(JsValue::UNDEFINED);
                if field("done").is_truthy() {
                    return Ok(folders);
                }
                folders.extend(field("value").as_string());
            }
        })
    }

    fn lock(&self, path: &str) -> Answer<Option<Box<dyn Any>>> {
        let path = path.to_owned();
        Box::pin(async move {
            match open(&path).await {
                Ok(handle) => Ok(Some(Box::new(Lock(handle)) as Box<dyn Any>)),
                Err(error) if name_of(&error) == "NoModificationAllowedError" => Ok(None),
                // Without a file system there is nothing that another tab could write to.
                Err(_) => Ok(Some(Box::new(()) as Box<dyn Any>)),
            }
        })
    }

    fn report(&self) -> Pin<Box<dyn Future<Output = StorageReport>>> {
        Box::pin(async {
            let problem = root(true).await.err().map(|error| {
                format!("this browser keeps no files of this site ({}): runs end with the page", words(&error))
            });
            let estimate = match manager().and_then(|manager| manager.estimate()) {
                Ok(estimate) => JsFuture::from(estimate).await.ok(),
                Err(_) => None,
            };
            let estimate = estimate.map(|estimate| estimate.unchecked_into::<StorageEstimate>());
            let bytes = |n: Option<f64>| n.map(|n| n as u64);
            StorageReport {
                problem,
                n_bytes_used: estimate.as_ref().and_then(|estimate| bytes(estimate.get_usage())),
                n_bytes_allowed: estimate.as_ref().and_then(|estimate| bytes(estimate.get_quota())),
            }
        })
    }
}

/// Held as long as it lives.
struct Lock(FileSystemSyncAccessHandle);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn replace(handle: &FileSystemSyncAccessHandle, bytes: &[u8]) -> Result<(), JsValue> {
    handle.truncate_with_u32(0)?;
    let written = handle.write_with_u8_array(bytes)?;
    if written != bytes.len() as f64 {
        return Err(format!("the browser wrote {written} of {} bytes; its storage may be full", bytes.len()).into());
    }
    handle.flush()
}

fn manager() -> Result<StorageManager, JsValue> {
    let field = |value: &JsValue, name: &str| Reflect::get(value, &name.into());
    let storage = field(&field(&js_sys::global(), "navigator")?, "storage")?;
    let can = field(&storage, "getDirectory").is_ok_and(|method| method.is_function());
    if can { Ok(storage.unchecked_into()) } else { Err("it has no private file system".into()) }
}

async fn root(is_made: bool) -> Result<FileSystemDirectoryHandle, JsValue> {
    let of_site: FileSystemDirectoryHandle = JsFuture::from(manager()?.get_directory()).await?.unchecked_into();
    folder(&of_site, RUNS, is_made).await
}

async fn folder(
    within: &FileSystemDirectoryHandle,
    name: &str,
    is_made: bool,
) -> Result<FileSystemDirectoryHandle, JsValue> {
    let options = FileSystemGetDirectoryOptions::new();
    options.set_create(is_made);
    Ok(JsFuture::from(within.get_directory_handle_with_options(name, &options)).await?.unchecked_into())
}

async fn file(path: &str, is_made: bool) -> Result<FileSystemFileHandle, JsValue> {
    let (run, name) = path.split_once('/').ok_or("a path names a run and a file")?;
    let folder = folder(&root(is_made).await?, run, is_made).await?;
    let options = FileSystemGetFileOptions::new();
    options.set_create(is_made);
    Ok(JsFuture::from(folder.get_file_handle_with_options(name, &options)).await?.unchecked_into())
}

/// An exclusive handle to a file, which is made where it is not there.
async fn open(path: &str) -> Result<FileSystemSyncAccessHandle, JsValue> {
    let file = file(path, true).await?;
    Ok(JsFuture::from(file.create_sync_access_handle()).await?.unchecked_into())
}

fn name_of(error: &JsValue) -> String {
    Reflect::get(error, &"name".into()).ok().and_then(|name| name.as_string()).unwrap_or_default()
}

fn failed(operation: &'static str, path: &str, error: &JsValue) -> StoreError {
    let reason = match name_of(error).as_str() {
        "QuotaExceededError" => "the browser's storage for this site is full".to_owned(),
        _ => words(error),
    };
    StoreError { operation, path: path.to_owned(), reason }
}
