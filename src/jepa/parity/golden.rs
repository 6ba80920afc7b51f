//! Reading a file of reference tensors: parameters, inputs and results under the names its README lists.

use std::collections::BTreeMap;
use std::ops::Deref;

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::{Dtype, SafeTensors};
use spec::model::{ComposerConfig, Modality, Mode, ModelConfig, ModelVersion};

use crate::error::Error;
use crate::model::composer::{ActionComposer, Actions};
use crate::model::encoder::CellBatch;
use crate::tensors::{NamedTensor, TensorMap};

/// The numbers of any such file.
pub(super) struct Numbers {
    pub(super) floats: TensorMap,
    integers: BTreeMap<String, Vec<usize>>,
    /// What the file says of itself.
    pub(super) header: BTreeMap<String, String>,
}

impl Numbers {
    /// Reads a safetensors file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Error> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| problem(format!("header: {error}")))?;
        let file = SafeTensors::deserialize(bytes).map_err(|error| problem(format!("not safetensors: {error}")))?;
        let (mut floats, mut integers) = (TensorMap::new(), BTreeMap::new());
        for (name, view) in file.tensors() {
            match view.dtype() {
                Dtype::F32 => {
                    let values = view.data().chunks_exact(4).map(four).map(f32::from_le_bytes).collect();
                    floats.insert(name, NamedTensor { shape: view.shape().to_vec(), values });
                }
                Dtype::I32 => {
                    let values = view.data().chunks_exact(4).map(four).map(|b| i32::from_le_bytes(b).max(0) as usize);
                    integers.insert(name, values.collect());
                }
                Dtype::U8 => {
                    integers.insert(name, view.data().iter().map(|&byte| usize::from(byte)).collect());
                }
                other => return Err(problem(format!("{name} is of type {other:?}"))),
            }
        }
        let header = header.metadata().clone().unwrap_or_default().into_iter().collect();
        Ok(Self { floats, integers, header })
    }

    /// The tensors whose names start with `prefix`, without it.
    pub(super) fn under(&self, prefix: &str) -> TensorMap {
        let found = self.floats.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
        found.map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect()
    }

    pub(super) fn values(&self, name: &str) -> Result<&[f32], Error> {
        self.floats.get(name).map(|tensor| tensor.values.as_slice()).ok_or_else(|| problem(format!("no {name}")))
    }

    pub(super) fn integers(&self, name: &str) -> Result<&[usize], Error> {
        self.integers.get(name).map(Vec::as_slice).ok_or_else(|| problem(format!("no {name}")))
    }

    /// Length of the last axis of a float tensor.
    pub(super) fn width(&self, name: &str) -> Result<usize, Error> {
        let tensor = self.floats.get(name).ok_or_else(|| problem(format!("no {name}")))?;
        Ok(tensor.shape.last().copied().unwrap_or(1))
    }
}

/// Reference tensors of one BioJEPA-AC, with the sizes from the file's header.
pub(super) struct Golden {
    pub(super) config: ModelConfig,
    numbers: Numbers,
}

impl Deref for Golden {
    type Target = Numbers;

    fn deref(&self) -> &Numbers {
        &self.numbers
    }
}

impl Golden {
    /// Reads a safetensors file; `parameters` is the prefix of its parameters ("model." or "init.").
    pub(super) fn read(bytes: &[u8], parameters: &str) -> Result<Self, Error> {
        let numbers = Numbers::read(bytes)?;
        Ok(Self { config: config(&numbers, parameters)?, numbers })
    }

    /// Cells with expression `x` and log totals `total`; `rows` picks and orders them.
    pub(super) fn cells(&self, x: &str, total: &str, rows: &[usize], device: &Device) -> Result<CellBatch, Error> {
        let n_genes = self.config.n_genes;
        let x = matrix(pick(self.values(x)?, n_genes, rows, x)?, n_genes, device);
        let total = pick(self.values(total)?, 1, rows, total)?;
        let n_cells = total.len();
        Ok(CellBatch { x, log_total: Tensor::from_data(TensorData::new(total, [n_cells]), device) })
    }

    /// A mask `[B, N]` from bytes starting at cell `first_cell`.
    pub(super) fn mask(
        &self,
        name: &str,
        first_cell: usize,
        n_cells: usize,
        device: &Device,
    ) -> Result<Tensor<2>, Error> {
        let n_genes = self.config.n_genes;
        let bytes = self.integers(name)?;
        let bytes = bytes
            .get(first_cell * n_genes..(first_cell + n_cells) * n_genes)
            .ok_or_else(|| problem(format!("{name} is too short")))?;
        Ok(matrix(bytes.iter().map(|&byte| byte as f32).collect(), n_genes, device))
    }

    /// Perturbations with the vectors `rows` of `features`.
    pub(super) fn actions(
        &self,
        composer: &ActionComposer,
        features: &str,
        rows: &[usize],
        modalities: &[usize],
        modes: &[usize],
        device: &Device,
    ) -> Result<Actions, Error> {
        let width = self.width(features)?;
        let values = pick(self.values(features)?, width, rows, features)?;
        let modalities = modalities.iter().map(|&code| modality(code)).collect::<Result<_, _>>()?;
        let modes = modes.iter().map(|&code| mode(code)).collect::<Result<_, _>>()?;
        composer.actions(values, width, modalities, modes, device)
    }
}

/// Whether the file is one of 100 steps of each stage.
pub(super) fn is_training(bytes: &[u8]) -> Result<bool, Error> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| problem(format!("not safetensors: {error}")))?;
    Ok(file.names().iter().any(|name| name.starts_with("init.")))
}

pub(super) fn problem(problem: String) -> Error {
    Error::Golden { problem }
}

fn four(bytes: &[u8]) -> [u8; 4] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

fn matrix(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let n_rows = values.len() / width;
    Tensor::from_data(TensorData::new(values, [n_rows, width]), device)
}

fn pick(values: &[f32], width: usize, rows: &[usize], name: &str) -> Result<Vec<f32>, Error> {
    let mut picked = Vec::with_capacity(rows.len() * width);
    for &row in rows {
        let slice = values.get(row * width..(row + 1) * width);
        picked.extend_from_slice(slice.ok_or_else(|| problem(format!("{name} has no row {row}")))?);
    }
    Ok(picked)
}

fn modality(code: usize) -> Result<Modality, Error> {
    let all = [Modality::Protein, Modality::Chemical, Modality::Dna];
    all.get(code).copied().ok_or_else(|| problem(format!("modality {code} is unknown")))
}

fn mode(code: usize) -> Result<Mode, Error> {
    Mode::ALL.get(code).copied().ok_or_else(|| problem(format!("mode {code} is unknown")))
}

/// Sizes from the header; the version from the presence of the Fourier frequencies.
fn config(numbers: &Numbers, parameters: &str) -> Result<ModelConfig, Error> {
    let text = |key: &str| numbers.header.get(key).ok_or_else(|| problem(format!("the header has no {key}")));
    let size = |key: &str| -> Result<usize, Error> {
        let text = text(key)?;
        text.trim().parse().map_err(|_| problem(format!("the header's {key} is {text:?}, not a number")))
    };
    let widths = text("composer_dims")?.split(',').map(|width| width.trim().parse::<usize>());
    let Ok(Ok([n_protein, n_chemical, n_dna])) = widths.collect::<Result<Vec<_>, _>>().map(<[usize; 3]>::try_from)
    else {
        return Err(problem("the header's composer_dims is not three numbers".to_owned()));
    };
    let has_fourier = numbers.floats.contains_key(&format!("{parameters}student.fourier_projection.B"));
    Ok(ModelConfig {
        version: if has_fourier { ModelVersion::V05 } else { ModelVersion::V04 },
        n_genes: size("num_genes")?,
        d_model: size("embed_dim")?,
        n_heads: size("heads")?,
        n_layers: size("n_layer")?,
        n_pretrain_layers: size("n_pre_layer")?,
        composer: ComposerConfig {
            n_protein,
            n_chemical,
            n_dna,
            n_latent: size("pert_latent_dim")?,
            n_mode: size("pert_mode_dim")?,
        },
        masked_identity: false,
        action_tokens: false,
    })
}
