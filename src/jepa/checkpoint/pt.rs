//! The reference's own checkpoints: what `torch.save` writes (a zip of a pickle and raw storages), from bytes.
//!
//! The pickle is read by [`super::pickle`], which executes nothing. Storages are read where a tensor of the state dict
//! refers to them, within their own bytes. Files of torch before 1.6 are no zip and are refused.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use spec::model::{ComposerConfig, ModelConfig, ModelVersion};
use zip::{CompressionMethod, ZipArchive};

use super::half_to_f32;
use super::pickle::{Element, Id, Pickle, Value};
use crate::error::Error;
use crate::tensors::{NamedTensor, TensorMap};

/// Keys under which a training script keeps the parameters; the file itself may be the state dict.
const STATE_DICT_KEYS: [&str; 2] = ["model", "state_dict"];
/// What wrappers put before the name of each parameter.
const WRAPPERS: [&str; 2] = ["_orig_mod.", "module."];

/// The parameters of a `.pt` file, by the reference's names, as f32.
///
/// # Errors
/// Where the bytes are no such file; names the opcode, tensor or storage at fault.
pub fn state_dict(bytes: &[u8]) -> Result<TensorMap, Error> {
    if !bytes.starts_with(b"PK\x03\x04") {
        let seen: Vec<String> = bytes.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        return Err(bad(format!(
            "not a zip archive (it begins with {}): save it again with torch.save of torch 1.6 or later",
            seen.join(" ")
        )));
    }
    let mut archive = Archive::open(bytes)?;
    let pickle = Pickle::read(&archive.file("data.pkl")?)?;
    let dict = STATE_DICT_KEYS.iter().find_map(|key| pickle.get(pickle.root, key)).unwrap_or(pickle.root);
    let Value::Dict(items) = &pickle.values[dict] else { return Err(bad("it holds no state dict".into())) };
    let mut tensors = TensorMap::new();
    // Names may share a storage, and each is copied: together they may hold no more than the file could.
    let mut n_left = bytes.len();
    for (name, value) in items {
        let Value::Text(name) = &pickle.values[*name] else { return Err(bad("a parameter has no name".into())) };
        let tensor = archive.tensor(&pickle, *value).map_err(|problem| bad(format!("`{name}`: {problem}")))?;
        n_left = n_left.checked_sub(tensor.values.len()).ok_or_else(|| {
            bad(format!("`{name}`: its tensors hold more values than the file has bytes ({})", bytes.len()))
        })?;
        tensors.insert(unwrapped(name).to_owned(), tensor);
    }
    if tensors.is_empty() {
        return Err(bad("its state dict is empty".into()));
    }
    Ok(tensors)
}

/// The sizes of the model whose parameters these are. Heads leave no trace in the shapes and must be said.
///
/// # Errors
/// Names the parameter that is missing or has no such shape, or the size that contradicts itself.
pub fn infer_config(tensors: &TensorMap, n_heads: usize) -> Result<ModelConfig, Error> {
    let shape = |name: &str| -> Result<[usize; 2], Error> {
        let tensor = tensors.get(name).ok_or_else(|| bad(format!("the parameter `{name}` is missing")))?;
        let shape = tensor.shape.as_slice().try_into();
        shape.map_err(|_| bad(format!("`{name}` has the shape {:?}; it must have two axes", tensor.shape)))
    };
    let n_blocks = |part: &str| {
        (0..).take_while(|block| tensors.contains_key(&format!("{part}.blocks.{block}.ln_1.weight"))).count()
    };
    let [n_genes, d_model] = shape("student.gene_embeddings")?;
    // Sizes that no weight bears out would make a model of any size.
    let square = shape("student.blocks.0.attn.q_proj.weight")?;
    if square != [d_model, d_model] {
        return Err(bad(format!(
            "`student.blocks.0.attn.q_proj.weight` is {square:?}; the tokens have width {d_model}"
        )));
    }
    let [n_latent, n_protein] = shape("composer.projectors.0.weight")?;
    let is_v05 = tensors.contains_key("student.fourier_projection.B");
    let config = ModelConfig {
        version: if is_v05 { ModelVersion::V05 } else { ModelVersion::V04 },
        n_genes,
        d_model,
        n_heads,
        n_layers: n_blocks("student"),
        n_pretrain_layers: n_blocks("masked_predictor"),
        composer: ComposerConfig {
            n_protein,
            n_chemical: shape("composer.projectors.1.weight")?[1],
            n_dna: shape("composer.projectors.2.weight")?[1],
            n_latent,
            n_mode: shape("composer.mode_embedding.weight")?[1],
        },
    };
    config.validate().map_err(bad)?;
    Ok(config)
}

fn unwrapped(mut name: &str) -> &str {
    while let Some(inner) = WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper)) {
        name = inner;
    }
    name
}

struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    n_bytes: usize,
    folder: String,
    storages: HashMap<String, Vec<u8>>,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Error> {
        let zip = ZipArchive::new(Cursor::new(bytes))
            .map_err(|error| bad(format!("the zip archive is damaged or cut off: {error}")))?;
        let folder = zip.file_names().find_map(|name| Some(name.ok()?.strip_suffix("data.pkl")?.to_owned()));
        let folder = folder.ok_or_else(|| bad("the zip archive has no data.pkl: not a file of torch.save".into()))?;
        let mut archive = Self { zip, n_bytes: bytes.len(), folder, storages: HashMap::new() };
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

    fn tensor(&mut self, pickle: &Pickle, id: Id) -> Result<NamedTensor, String> {
        let Value::Tensor(storage, offset, shape, strides) = &pickle.values[id] else {
            return Err("not a tensor".into());
        };
        let Value::Storage(element, key, _) = &pickle.values[*storage] else { return Err("no storage".into()) };
        if !self.storages.contains_key(key) {
            let bytes = self.file(&format!("data/{key}")).map_err(|error| error.to_string())?;
            self.storages.insert(key.clone(), bytes);
        }
        let bytes = &self.storages[key];
        let n_stored = bytes.len() / element.n_bytes();
        let n_values = shape.iter().try_fold(1usize, |n, length| n.checked_mul(*length));
        let n_values = n_values.filter(|n| *n <= n_stored && shape.len() == strides.len());
        let n_values =
            n_values.ok_or_else(|| format!("the shape {shape:?} does not fit a storage of {n_stored} values"))?;
        let reach = shape.iter().zip(strides).try_fold(*offset, |reach, (length, stride)| {
            reach.checked_add(length.saturating_sub(1).checked_mul(*stride)?)
        });
        if n_values > 0 && reach.is_none_or(|last| last >= n_stored) {
            return Err(format!("its strides {strides:?} lead out of a storage of {n_stored} values"));
        }
        let mut values = Vec::with_capacity(n_values);
        let mut at = vec![0usize; shape.len()];
        for _ in 0..n_values {
            let from = offset + at.iter().zip(strides).map(|(at, stride)| at * stride).sum::<usize>();
            let width = element.n_bytes();
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

impl Element {
    fn n_bytes(self) -> usize {
        match self {
            Element::F64 | Element::I64 => 8,
            Element::F32 | Element::I32 => 4,
            Element::F16 | Element::BF16 | Element::I16 => 2,
            Element::I8 | Element::U8 | Element::Bool => 1,
        }
    }

    /// One element of `n_bytes` little-endian bytes.
    fn value(self, bytes: &[u8]) -> f32 {
        let bits = bytes.iter().rev().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        match self {
            Element::F32 => f32::from_bits(bits as u32),
            Element::F64 => f64::from_bits(bits) as f32,
            Element::F16 => half_to_f32(bits as u16),
            Element::BF16 => f32::from_bits((bits as u32) << 16),
            Element::I64 => bits as i64 as f32,
            Element::I32 => bits as u32 as i32 as f32,
            Element::I16 => bits as u16 as i16 as f32,
            Element::I8 => bits as u8 as i8 as f32,
            Element::U8 | Element::Bool => bits as u8 as f32,
        }
    }
}

fn bad(problem: String) -> Error {
    Error::Checkpoint { problem }
}
