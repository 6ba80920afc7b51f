//! Training cells as bytes, so that a run that is resumed brings its own: the same cells, roles and vectors, and with
//! them the same [`TrainingCells::fingerprint`].
//!
//! Everything is f32, as the file format of checkpoints wants it: values are, and indices stay below 2^24, up to which
//! f32 holds whole numbers exactly.

use cells::counts::Counts;

use super::{Role, Target, TrainingCells, bad};
use crate::checkpoint;
use crate::error::Error;
use crate::tensors::{NamedTensor, TensorMap};

/// Metadata key of the names of the targets.
const TARGETS: &str = "waddington_targets";
/// Metadata key of the number of genes.
const N_GENES: &str = "waddington_n_genes";
/// Whole numbers that f32 holds exactly.
const MAX_INDEX: usize = 1 << 24;

impl TrainingCells {
    /// The bytes; [`TrainingCells::from_bytes`] reads them back.
    ///
    /// # Errors
    /// Where there are more genes, targets or batches than 2^24.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let most = self.batch_of_row.as_ref().and_then(|batches| batches.iter().max()).map_or(0, |most| *most as usize);
        if self.n_genes().max(self.targets.len()).max(most) >= MAX_INDEX {
            return Err(bad(format!("more than {MAX_INDEX} genes, targets or batches cannot be saved")));
        }
        let role = |role: &Role| match role {
            Role::Control => -1.0,
            Role::Unlabelled => -2.0,
            Role::HeldOut => -3.0,
            Role::Perturbed(target) => *target as f32,
        };
        let mut tensors = TensorMap::new();
        let mut add = |name: &str, values: Vec<f32>| {
            tensors.insert(name.to_owned(), NamedTensor { shape: vec![values.len()], values });
        };
        add("row_lengths", self.rows.rows().map(|row| row.len() as f32).collect());
        add("genes", self.rows.genes().map(|gene| gene as f32).collect());
        add("values", self.rows.values().collect());
        add("roles", self.roles.iter().map(role).collect());
        add("vectors", self.targets.iter().flat_map(|target| target.vector.iter().copied()).collect());
        if let Some(batches) = &self.batch_of_row {
            add("batches", batches.iter().map(|batch| *batch as f32).collect());
        }
        if let Some(cells) = &self.cells_of_row {
            add("cells_of_row", cells.to_vec());
        }
        let names: Vec<&str> = self.targets.iter().map(|target| target.name.as_str()).collect();
        let names = serde_json::to_string(&names).map_err(|error| bad(error.to_string()))?;
        let metadata = [(TARGETS.to_owned(), names), (N_GENES.to_owned(), self.n_genes().to_string())];
        checkpoint::write_raw(&tensors, &metadata.into())
    }

    /// Reads what [`TrainingCells::to_bytes`] wrote.
    ///
    /// # Errors
    /// Names the part that is missing, or does not fit the others.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let (mut tensors, metadata) = checkpoint::read_raw(bytes)?;
        let mut take = |name: &str| tensors.remove(name).map(|tensor| tensor.values);
        let mut need = |name: &'static str| take(name).ok_or_else(|| bad(format!("saved cells have no {name}")));
        let said = |key: &str| metadata.get(key).ok_or_else(|| bad(format!("saved cells do not say {key}")));
        let names: Vec<String> = serde_json::from_str(said(TARGETS)?).map_err(|error| bad(error.to_string()))?;
        let n_genes: usize = said(N_GENES)?.parse().map_err(|_| bad(format!("{N_GENES} is no number")))?;

        let mut indptr = vec![0usize];
        for length in need("row_lengths")? {
            indptr.push(indptr.last().copied().unwrap_or(0).saturating_add(length as usize));
        }
        let genes = need("genes")?.into_iter().map(|gene| gene as u32).collect();
        let rows =
            Counts::from_parts(indptr, genes, need("values")?, n_genes).map_err(|error| bad(error.to_string()))?;
        let roles: Vec<Role> = need("roles")?.into_iter().map(read_role).collect();
        let vectors = need("vectors")?;
        let width = vectors.len().checked_div(names.len()).unwrap_or(0);
        if width * names.len() != vectors.len() || (width == 0 && !names.is_empty()) {
            return Err(bad(format!("{} numbers for the vectors of {} targets", vectors.len(), names.len())));
        }
        let of_target = |(at, name): (usize, String)| Target { name, vector: vectors[at * width..][..width].to_vec() };
        let targets = names.into_iter().enumerate().map(of_target).collect();
        let batches = take("batches").map(|batches| batches.into_iter().map(|batch| batch as u32).collect());
        let cells: Option<Vec<f64>> = take("cells_of_row").map(|cells| cells.into_iter().map(f64::from).collect());
        Self::new(rows, &roles, batches, targets)?.standing_for(cells.as_deref())
    }
}

fn read_role(role: f32) -> Role {
    match role {
        role if role >= 0.0 => Role::Perturbed(role as u32),
        -1.0 => Role::Control,
        -3.0 => Role::HeldOut,
        _ => Role::Unlabelled,
    }
}
