//! Named tensors on the host: the form in which parameters, gradients and optimiser state are read and written.
//!
//! Names and layouts are PyTorch's (a linear layer's weight is `[out, in]`), so that a checkpoint goes back to Python
//! as it came. Deliberately absent: any file format; see the checkpoint modules.

use std::collections::BTreeMap;

/// A tensor's shape and its values in row-major order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NamedTensor {
    /// Length of each axis; empty for a scalar.
    pub shape: Vec<usize>,
    /// Row-major values, as many as the product of the shape.
    pub values: Vec<f32>,
}

impl NamedTensor {
    /// A tensor of one value, shape `[1]`.
    pub fn scalar(value: f32) -> Self {
        Self { shape: vec![1], values: vec![value] }
    }

    /// Whether there are as many values as the shape says.
    pub fn is_consistent(&self) -> bool {
        let n_values = self.shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length));
        n_values == Some(self.values.len())
    }
}

/// Tensors by name, in the order of their names.
pub type TensorMap = BTreeMap<String, NamedTensor>;
