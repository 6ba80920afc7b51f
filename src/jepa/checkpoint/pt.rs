//! The reference's own checkpoints: what `torch.save` writes (a zip of a pickle and raw storages), from bytes.
//!
//! The pickle is read by [`super::pickle`], which executes nothing. Storages are read where a tensor of the state dict
//! refers to them, within their own bytes. All that is made is bounded by the length of the file.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::pickle::{Id, Pickle, Value};
use crate::error::Error;
use crate::tensors::{NamedTensor, TensorMap};

/// Keys under which a training script keeps the parameters; the file itself may be the state dict.
const STATE_DICT_KEYS: [&str; 3] = ["model", "state_dict", "model_state_dict"];

/// The parameters of a `.pt` file, by their names in the file, as f32.
///
/// # Errors
/// Where the bytes are no such file; names the opcode, tensor or storage at fault.
pub fn state_dict(bytes: &[u8]) -> Result<TensorMap, Error> {
    let mut archive = Archive::open(bytes)?;
    let pickle = Pickle::read(&archive.file("data.pkl")?)?;
    let dict = STATE_DICT_KEYS.iter().find_map(|key| pickle.get(pickle.root, key)).unwrap_or(pickle.root);
    let Value::Dict(items) = &pickle.values[dict] else { return Err(bad("it holds no state dict".into())) };
    let mut tensors = TensorMap::new();
    // Names may share a storage or repeat its values by a stride of 0, and each is copied: together they may hold no more
    // values than the file has bytes.
    let mut n_left = bytes.len();
    for (name, value) in items {
        let Value::Text(name) = &pickle.values[*name] else { return Err(bad("a parameter has no name".into())) };
        let tensor = archive.tensor(&pickle, *value, n_left).map_err(|problem| bad(format!("`{name}`: {problem}")))?;
        n_left -= tensor.values.len();
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(bad(format!("the parameter `{name}` comes twice")));
        }
    }
    if tensors.is_empty() {
        return Err(bad("its state dict is empty".into()));
    }
    Ok(tensors)
}

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    n_bytes: usize,
    folder: String,
    storages: HashMap<String, Vec<u8>>,
    /// Bytes of the storages.
    n_stored: usize,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| bad(format!("the zip archive is damaged or cut off: {error}")))?;
        let folder = zip.file_names().find_map(|name| Some(name.ok()?.strip_suffix("data.pkl")?.to_owned()));
        let folder = folder.ok_or_else(|| bad("the zip archive has no data.pkl: not a file of torch.save".into()))?;
        let mut archive = Self { zip, n_bytes: bytes.len(), folder, storages: HashMap::new(), n_stored: 0 };
        let order =
            archive.zip.index_for_name(&format!("{}byteorder", archive.folder)).map(|_| archive.file("byteorder"));
        match order.transpose()?.as_deref() {
            None | Some(b"little") => Ok(archive),
            Some(_) => Err(bad("it was saved on a big-endian machine; save it again on another".into())),
        }
    }

    /// A file of the archive. `torch.save` compresses nothing, so that no file is longer than the archive.
    fn file(&mut self, name: &str) -> Result<Vec<u8>, Error> {
        let path = format!("{}{name}", self.folder);
        let failed = |problem: &dyn std::fmt::Display| bad(format!("{name}: {problem}"));
        let mut file = self.zip.by_name(&path).map_err(|error| failed(&error))?;
        if file.compression() != CompressionMethod::Stored || file.size() > self.n_bytes as u64 {
            return Err(failed(&"it is compressed or longer than the file; torch.save stores it as it is"));
        }
        let mut bytes = Vec::with_capacity(file.size() as usize);
        file.read_to_end(&mut bytes).map_err(|error| failed(&error))?;
        Ok(bytes)
    }

    /// Reads a storage once. Entries of a zip may share their bytes: together they may be no longer than the file.
    fn load(&mut self, key: &str) -> Result<(), String> {
        if self.storages.contains_key(key) {
            return Ok(());
        }
        let bytes = self.file(&format!("data/{key}")).map_err(|error| error.to_string())?;
        self.n_stored += bytes.len();
        if self.n_stored > self.n_bytes {
            return Err(format!("the storages are longer than the file ({} bytes)", self.n_bytes));
        }
        self.storages.insert(key.to_owned(), bytes);
        Ok(())
    }

    /// A tensor of at most `n_most` values.
    fn tensor(&mut self, pickle: &Pickle, id: Id, n_most: usize) -> Result<NamedTensor, String> {
        let Value::Tensor(storage, offset, shape, strides) = &pickle.values[id] else {
            return Err("not a tensor".into());
        };
        let Value::Storage(element, key, _) = &pickle.values[*storage] else { return Err("no storage".into()) };
        self.load(key)?;
        let bytes = &self.storages[key];
        let width = element.n_bytes();
        let n_stored = bytes.len() / width;
        if shape.len() != strides.len() {
            return Err(format!("the shape {shape:?} has other axes than the strides {strides:?}"));
        }
        let n_values = shape.iter().try_fold(1usize, |n, length| n.checked_mul(*length));
        let n_values = n_values.filter(|n| *n <= n_most).ok_or_else(|| {
            format!("with its shape {shape:?} the tensors hold more values than the file has bytes ({})", self.n_bytes)
        })?;
        let reach = shape.iter().zip(strides).try_fold(*offset, |reach, (length, stride)| {
            reach.checked_add(length.saturating_sub(1).checked_mul(*stride)?)
        });
        if n_values > 0 && reach.is_none_or(|last| last >= n_stored) {
            return Err(format!(
                "its shape {shape:?} and strides {strides:?} lead out of a storage of {n_stored} values"
            ));
        }
        let mut values = Vec::with_capacity(n_values);
        let mut at = vec![0usize; shape.len()];
        for _ in 0..n_values {
            let from = offset + at.iter().zip(strides).map(|(at, stride)| at * stride).sum::<usize>();
            values.push(element.value(&bytes[from * width..][..width]));
            // The next index in row-major order: the last axis runs fastest.
            for (at, length) in at.iter_mut().zip(shape).rev() {
                *at += 1;
                if *at < *length {
                    break;
                }
                *at = 0;
            }
        }
        Ok(NamedTensor { shape: shape.clone(), values })
    }
}

fn bad(problem: String) -> Error {
    Error::Checkpoint { problem }
}
