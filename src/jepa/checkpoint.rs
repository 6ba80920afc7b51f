//! Checkpoints: ours as safetensors with a JSON header in the metadata, and others' parameters as they come.
//!
//! [`read_any`] takes any file of parameters. In ours `model.*` and `decoder.*` lie under PyTorch's names, `anchor.*`, which
//! the reference does not know, beside them, all as f32, and the metadata key `waddington` holds a [`CheckpointHeader`]. `read_raw` and `write_raw` carry tensors and metadata of any
//! kind (a saved training run). Every type of number is read as f32; every allocation is bounded by the bytes given.

pub mod bare;
mod element;
pub mod gene_list;
pub mod pickle;
pub mod pt;
pub mod sniff;

use std::collections::{BTreeMap, HashMap};

use burn::tensor::Device;
use safetensors::tensor::{Dtype, TensorView};
use safetensors::{SafeTensorError, SafeTensors};
use spec::cell_jepa::CellJepaConfig;
use spec::checkpoint::CheckpointHeader;

use self::bare::Bare;
use self::element::Element;
use self::sniff::Format;
use crate::anchor::Anchor;
use crate::cell_jepa::CellJepa;
use crate::error::Error;
use crate::model::BioJepa;
use crate::model::decoder::Decoder;
use crate::tensors::{NamedTensor, TensorMap};

/// Metadata key of the header.
const KEY: &str = "waddington";
/// Format of the header that this code writes and reads.
const FORMAT: u32 = 1;

/// What the names of tensors begin with.
const PARTS: [&str; 3] = ["model.", "decoder.", "anchor."];

/// A header and the tensors it speaks of.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Sizes, genes, what was trained on.
    pub header: CheckpointHeader,
    /// `model.*` and `decoder.*`, under PyTorch's names, and `anchor.*`.
    pub tensors: TensorMap,
}

impl Checkpoint {
    /// The model on a device, and the decoder where there is any of it.
    ///
    /// # Errors
    /// Where a tensor is missing, surplus, of the wrong shape or not finite, or the header contradicts itself.
    pub fn build(&self, device: &Device) -> Result<(BioJepa, Option<Decoder>), Error> {
        if self.header.cell_jepa.is_some() {
            return Err(bad("it is a Cell-JEPA, which embeds cells and predicts no responses".into()));
        }
        let part = |path: &str| self.part(path);
        let is_known = |name: &&String| PARTS.iter().any(|part| name.starts_with(part));
        if let Some(name) = self.tensors.keys().find(|name| !is_known(name)) {
            let parts = PARTS.join(" or ");
            return Err(bad(format!("the tensor `{name}` is surplus; names begin with {parts}")));
        }
        let model = BioJepa::from_tensors(&self.header.model, &part("model."), device)?;
        let decoder = Some(part("decoder.")).filter(|tensors| !tensors.is_empty());
        let decoder = decoder.map(|tensors| Decoder::init(self.header.model.d_model, 0, device).load(&tensors));
        Ok((model, decoder.transpose()?))
    }

    /// The anchor that its network corrects; none where it was trained without one.
    ///
    /// # Errors
    /// Where the header speaks of one and its tensors are missing, of the wrong shape or not finite, or the other way round.
    pub fn anchor(&self) -> Result<Option<Anchor>, Error> {
        let tensors = self.part("anchor.");
        let model = &self.header.model;
        match (&self.header.anchor, tensors.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Err(bad("it has tensors of an anchor that its header does not speak of".into())),
            (Some(_), _) => Anchor::from_tensors(&tensors, model.n_genes, model.composer.n_protein).map(Some),
        }
    }

    /// The Cell-JEPA on a device, with its sizes.
    ///
    /// # Errors
    /// Where the checkpoint is another model's, or as [`Checkpoint::build`].
    pub fn build_cell_jepa(&self, device: &Device) -> Result<(CellJepa, CellJepaConfig), Error> {
        let Some(config) = &self.header.cell_jepa else {
            return Err(bad("it is a BioJEPA-AC, not a Cell-JEPA".into()));
        };
        if let Some(name) = self.tensors.keys().find(|name| !name.starts_with("model.")) {
            return Err(bad(format!("the tensor `{name}` is surplus; names begin with model.")));
        }
        let model = CellJepa::from_tensors(config, self.header.genes.len(), &self.part("model."), device)?;
        Ok((model, config.clone()))
    }

    /// The tensors whose names begin with `path`, which is cut off.
    fn part(&self, path: &str) -> TensorMap {
        let tensors = self.tensors.iter();
        tensors.filter_map(|(name, t)| Some((name.strip_prefix(path)?.to_owned(), t.clone()))).collect()
    }
}

/// A file of parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum Weights {
    /// One of ours, which says of itself what it is.
    Described(Box<Checkpoint>),
    /// A state dict, which does not.
    Bare(Bare),
}

/// Reads any file of parameters, told by its first bytes: a checkpoint of ours, a state dict as safetensors, or what
/// `torch.save` wrote.
///
/// # Errors
/// Where the file is neither, or is damaged; names the part at fault.
pub fn read_any(bytes: &[u8]) -> Result<Weights, Error> {
    match sniff::format(bytes)? {
        Format::Torch => Ok(Weights::Bare(Bare::new(pt::state_dict(bytes)?)?)),
        Format::Safetensors => {
            let (tensors, metadata) = read_raw(bytes)?;
            match metadata.get(KEY) {
                Some(json) => Ok(Weights::Described(Box::new(described(tensors, json)?))),
                None => Ok(Weights::Bare(Bare::new(tensors)?)),
            }
        }
    }
}

/// Reads a checkpoint of ours.
///
/// # Errors
/// Where the bytes are no safetensors file, or the header is missing or contradicts itself.
pub fn read(bytes: &[u8]) -> Result<Checkpoint, Error> {
    let (tensors, metadata) = read_raw(bytes)?;
    let json = metadata.get(KEY).ok_or_else(|| bad(format!("the metadata lacks `{KEY}`: not a checkpoint of ours")))?;
    described(tensors, json)
}

fn described(tensors: TensorMap, json: &str) -> Result<Checkpoint, Error> {
    let header: CheckpointHeader = serde_json::from_str(json).map_err(|e| bad(format!("the header: {e}")))?;
    if header.format != FORMAT {
        return Err(bad(format!("the header has format {}; this version reads {FORMAT}", header.format)));
    }
    header.model.validate().map_err(|problem| Error::Config { problem })?;
    if header.genes.len() != header.model.n_genes {
        let (n, n_model) = (header.genes.len(), header.model.n_genes);
        return Err(bad(format!("the header names {n} genes for a model of {n_model}")));
    }
    if ![0, header.genes.len()].contains(&header.gene_ids.len()) {
        let (n, n_ids) = (header.genes.len(), header.gene_ids.len());
        return Err(bad(format!("the header has {n_ids} gene ids for {n} genes")));
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

/// The tensors with `path.` before each name.
pub(crate) fn under(path: &str, tensors: TensorMap) -> TensorMap {
    tensors.into_iter().map(|(name, tensor)| (format!("{path}.{name}"), tensor)).collect()
}

/// A number that tells a file from others (FNV-1a over its bytes), in hexadecimal. It recognises; it does not secure.
pub fn fingerprint(bytes: &[u8]) -> String {
    let mix = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", bytes.iter().fold(0xcbf2_9ce4_8422_2325, mix))
}

/// Reads tensors and metadata of any safetensors file.
///
/// # Errors
/// Where the bytes are no safetensors file or are truncated, or a tensor's type has no place in f32.
pub fn read_raw(bytes: &[u8]) -> Result<(TensorMap, BTreeMap<String, String>), Error> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(bytes, &error))?;
    let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(bytes, &error))?;
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        let element = Element::of_safetensors(view.dtype())
            .ok_or_else(|| bad(format!("the tensor `{name}` is {:?}, a type that is not read", view.dtype())))?;
        let values = view.data().chunks_exact(element.n_bytes()).map(|bytes| element.value(bytes)).collect();
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

/// What is wrong with a safetensors file, the tensor named where one is cut off.
fn damaged(bytes: &[u8], error: &SafeTensorError) -> Error {
    let n_bytes = bytes.len();
    bad(match error {
        SafeTensorError::HeaderTooSmall | SafeTensorError::InvalidHeaderLength => {
            format!("a safetensors file that is cut off in its header, or none at all: it has {n_bytes} bytes")
        }
        SafeTensorError::MetadataIncompleteBuffer => match first_cut_off(bytes) {
            Some((name, end)) => format!(
                "the safetensors file is cut off: the tensor `{name}` ends at byte {end}, the file has {n_bytes} bytes"
            ),
            None => format!("the safetensors file has bytes after its last tensor ({n_bytes} bytes in all)"),
        },
        other => format!("not a safetensors file, or a damaged one: {other}"),
    })
}

/// The first tensor of a safetensors file that ends beyond it, and where.
fn first_cut_off(bytes: &[u8]) -> Option<(String, u64)> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let n_header = u64::from_le_bytes(*length);
    let json = rest.get(..usize::try_from(n_header).ok()?)?;
    let header: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(json).ok()?;
    let ends = header.into_iter().filter_map(|(name, tensor)| {
        let end = tensor.get("data_offsets")?.get(1)?.as_u64()?.checked_add(n_header)?.checked_add(8)?;
        (end > bytes.len() as u64).then_some((name, end))
    });
    ends.min_by_key(|(_, end)| *end)
}

fn bad(problem: String) -> Error {
    Error::Checkpoint { problem }
}
