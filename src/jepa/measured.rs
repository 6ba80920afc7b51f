//! The table of measured mean responses that ships beside a checkpoint.
//!
//! File: safetensors with `delta` and `standard_error` F32 `[targets, genes]` (log1p units), `control_mean` F32 `[genes]`,
//! `n_cells` I64 `[targets]`; the metadata holds `targets` and `genes` (one per line), `n_control_cells` and `source`.
//! Means over cells alone: no single cell can be read from it.

use std::collections::HashMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use crate::error::Error;
use crate::eval::response::Response;

/// Measured responses of several targets on the same genes.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredTable {
    /// Where the cells come from, in words.
    pub source: String,
    /// Symbols, in column order.
    pub genes: Vec<String>,
    /// Mean of the control cells (log1p units).
    pub control_mean: Vec<f32>,
    /// Control cells.
    pub n_control_cells: usize,
    /// One response per target, each as long as `genes`.
    pub responses: Vec<Response>,
}

impl MeasuredTable {
    /// The response to a target, by its name.
    pub fn response(&self, target: &str) -> Option<&Response> {
        self.responses.iter().find(|response| response.target == target)
    }

    /// Reads the table.
    ///
    /// # Errors
    /// Names what is missing or has the wrong type or shape.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| bad(format!("not a safetensors file: {e}")))?;
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| bad(format!("not a safetensors file: {e}")))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let text = |key: &str| metadata.get(key).ok_or_else(|| bad(format!("the metadata lacks `{key}`")));
        let lines = |key: &str| Ok::<_, Error>(text(key)?.lines().map(str::to_owned).collect::<Vec<_>>());
        let (targets, genes) = (lines("targets")?, lines("genes")?);
        let tensor = |name: &str, dtype: Dtype, shape: &[usize]| -> Result<Vec<u8>, Error> {
            let view = tensors.tensor(name).map_err(|_| bad(format!("the tensor `{name}` is missing")))?;
            if view.dtype() != dtype || view.shape() != shape {
                let (found, found_shape) = (view.dtype(), view.shape());
                return Err(bad(format!("`{name}` is {found:?} {found_shape:?}; it must be {dtype:?} {shape:?}")));
            }
            Ok(view.data().to_vec())
        };
        let table = [targets.len(), genes.len()];
        let delta = f32s(&tensor("delta", Dtype::F32, &table)?);
        let standard_error = f32s(&tensor("standard_error", Dtype::F32, &table)?);
        let control_mean = f32s(&tensor("control_mean", Dtype::F32, &table[1..])?);
        let n_cells = tensor("n_cells", Dtype::I64, &table[..1])?;
        let width = genes.len().max(1);
        let responses = targets
            .into_iter()
            .zip(n_cells.as_chunks::<8>().0)
            .zip(delta.chunks(width).zip(standard_error.chunks(width)))
            .map(|((target, n_cells), (delta, error))| Response {
                target,
                n_cells: usize::try_from(i64::from_le_bytes(*n_cells)).unwrap_or(0),
                delta: delta.to_vec(),
                standard_error: error.to_vec(),
            })
            .collect();
        let n_control_cells =
            text("n_control_cells")?.parse().map_err(|_| bad("`n_control_cells` is not a number".into()))?;
        Ok(Self { source: text("source")?.clone(), genes, control_mean, n_control_cells, responses })
    }

    /// Writes the table.
    ///
    /// # Errors
    /// Where a response is not as long as `genes`; else as the safetensors writer's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let n = self.genes.len();
        if let Some(r) = self.responses.iter().find(|r| r.delta.len() != n || r.standard_error.len() != n) {
            return Err(bad(format!("the response to {} has {} genes; the table has {n}", r.target, r.delta.len())));
        }
        let bytes = |rows: &mut dyn Iterator<Item = &Vec<f32>>| -> Vec<u8> {
            rows.flat_map(|row| row.iter().flat_map(|value| value.to_le_bytes())).collect()
        };
        let delta = bytes(&mut self.responses.iter().map(|r| &r.delta));
        let error = bytes(&mut self.responses.iter().map(|r| &r.standard_error));
        let control = bytes(&mut std::iter::once(&self.control_mean));
        let n_cells: Vec<u8> = self.responses.iter().flat_map(|r| (r.n_cells as i64).to_le_bytes()).collect();
        let t = self.responses.len();
        let view = |dtype, shape, data| TensorView::new(dtype, shape, data).map_err(|e| bad(e.to_string()));
        let tensors = [
            ("control_mean", view(Dtype::F32, vec![n], &control)?),
            ("delta", view(Dtype::F32, vec![t, n], &delta)?),
            ("n_cells", view(Dtype::I64, vec![t], &n_cells)?),
            ("standard_error", view(Dtype::F32, vec![t, n], &error)?),
        ];
        let targets: Vec<&str> = self.responses.iter().map(|r| r.target.as_str()).collect();
        let metadata = HashMap::from([
            ("format".to_owned(), "1".to_owned()),
            ("source".to_owned(), self.source.clone()),
            ("targets".to_owned(), targets.join("\n")),
            ("genes".to_owned(), self.genes.join("\n")),
            ("n_control_cells".to_owned(), self.n_control_cells.to_string()),
        ]);
        safetensors::serialize(tensors, Some(metadata)).map_err(|e| bad(e.to_string()))
    }
}

fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
}

fn bad(problem: String) -> Error {
    Error::Measured { problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn survives_its_file() {
        let response = |target: &str, n_cells| Response {
            target: target.into(),
            n_cells,
            delta: vec![0.5, -1.0],
            standard_error: vec![0.1, 0.2],
        };
        let table = MeasuredTable {
            source: "made up".into(),
            genes: vec!["A".into(), "B".into()],
            control_mean: vec![1.0, 2.0],
            n_control_cells: 12,
            responses: vec![response("STAT1", 30), response("JAK2", 4)],
        };
        let bytes = table.to_bytes().expect("writes");
        assert_eq!(MeasuredTable::from_bytes(&bytes).expect("reads"), table);
        assert!(MeasuredTable::from_bytes(&bytes[..20]).is_err());
    }
}
