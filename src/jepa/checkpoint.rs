//! Checkpoints as safetensors: named f32 tensors with a JSON header in the metadata.
//!
//! `model.*` and `decoder.*` lie under PyTorch's names; the metadata key `waddington` holds a
//! [`CheckpointHeader`]. `read_raw` and `write_raw` carry tensors and metadata of any kind (a saved training run).
//! Half-precision tensors are read as f32. Every allocation is bounded by the bytes given.

pub mod pickle;
pub mod pt;

use std::collections::{BTreeMap, HashMap};

use burn::tensor::Device;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use spec::checkpoint::CheckpointHeader;

use crate::error::Error;
use crate::model::BioJepa;
use crate::model::decoder::Decoder;
use crate::tensors::{NamedTensor, TensorMap};

/// Metadata key of the header.
const KEY: &str = "waddington";
/// Format of the header that this code writes and reads.
const FORMAT: u32 = 1;

/// A header and the tensors it speaks of.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Sizes, genes, what was trained on.
    pub header: CheckpointHeader,
    /// `model.*` and `decoder.*`, under PyTorch's names.
    pub tensors: TensorMap,
}

impl Checkpoint {
    /// The model and the decoder on a device.
    ///
    /// # Errors
    /// Where a tensor is missing, surplus, of the wrong shape or not finite, or the header contradicts itself.
    pub fn build(&self, device: &Device) -> Result<(BioJepa, Decoder), Error> {
        let part = |path: &str| -> TensorMap {
            let tensors = self.tensors.iter();
            tensors.filter_map(|(name, t)| Some((name.strip_prefix(path)?.to_owned(), t.clone()))).collect()
        };
        if let Some(name) = self.tensors.keys().find(|n| !n.starts_with("model.") && !n.starts_with("decoder.")) {
            return Err(bad(format!("the tensor `{name}` is surplus; names begin with model. or decoder.")));
        }
        let model = BioJepa::from_tensors(&self.header.model, &part("model."), device)?;
        let decoder = Decoder::init(self.header.model.d_model, 0, device).load(&part("decoder."))?;
        Ok((model, decoder))
    }
}

/// Reads a checkpoint.
///
/// # Errors
/// Where the bytes are no safetensors file, or the header is missing or contradicts itself.
pub fn read(bytes: &[u8]) -> Result<Checkpoint, Error> {
    let (tensors, metadata) = read_raw(bytes)?;
    let json = metadata.get(KEY).ok_or_else(|| bad(format!("the metadata lacks `{KEY}`: not a checkpoint of ours")))?;
    let header: CheckpointHeader = serde_json::from_str(json).map_err(|e| bad(format!("the header: {e}")))?;
    if header.format != FORMAT {
        return Err(bad(format!("the header has format {}; this version reads {FORMAT}", header.format)));
    }
    header.model.validate().map_err(|problem| Error::Config { problem })?;
    if header.genes.len() != header.model.n_genes {
        let (n, n_model) = (header.genes.len(), header.model.n_genes);
        return Err(bad(format!("the header names {n} genes for a model of {n_model}")));
    }
    Ok(Checkpoint { header, tensors })
}

/// Writes a checkpoint.
///
/// # Errors
/// As the safetensors writer's.
pub fn write(checkpoint: &Checkpoint) -> Result<Vec<u8>, Error> {
    let header = serde_json::to_string(&checkpoint.header).map_err(|e| bad(e.to_string()))?;
    write_raw(&checkpoint.tensors, &[(KEY.to_owned(), header)].into())
}

/// Reads tensors and metadata of any safetensors file of floats.
///
/// # Errors
/// Where the bytes are no safetensors file or are truncated, or a tensor is neither F32 nor F16.
pub fn read_raw(bytes: &[u8]) -> Result<(TensorMap, BTreeMap<String, String>), Error> {
    let damaged = |e: safetensors::SafeTensorError| bad(format!("not a safetensors file, or a truncated one: {e}"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        let data = view.data();
        let values = match view.dtype() {
            Dtype::F32 => data.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect(),
            Dtype::F16 => data.as_chunks::<2>().0.iter().map(|two| half_to_f32(u16::from_le_bytes(*two))).collect(),
            other => return Err(bad(format!("the tensor `{name}` is {other:?}; F32 or F16 is read"))),
        };
        tensors.insert(name.to_owned(), NamedTensor { shape: view.shape().to_vec(), values });
    }
    Ok((tensors, header.metadata().clone().unwrap_or_default().into_iter().collect()))
}

/// Writes tensors (F32) and metadata.
///
/// # Errors
/// Where a tensor's shape and values disagree, or as the safetensors writer's.
pub fn write_raw(tensors: &TensorMap, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    let bytes: Vec<Vec<u8>> =
        tensors.values().map(|tensor| tensor.values.iter().flat_map(|value| value.to_le_bytes()).collect()).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((name, tensor), bytes) in tensors.iter().zip(&bytes) {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes)
            .map_err(|e| bad(format!("the tensor `{name}`: {e}")))?;
        views.push((name.as_str(), view));
    }
    let metadata: HashMap<String, String> = metadata.clone().into_iter().collect();
    safetensors::serialize(views, Some(metadata)).map_err(|e| bad(e.to_string()))
}

/// IEEE half precision to single; exact.
pub(crate) fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => sign * f32::INFINITY,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

fn bad(problem: String) -> Error {
    Error::Checkpoint { problem }
}
