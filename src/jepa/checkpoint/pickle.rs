//! The part of pickle that a file of tensors needs, read without executing anything.
//!
//! A pickle is a program. This machine knows the opcodes that build plain values and five names it may refer to; each
//! becomes data, never a call. Any other opcode or name is an error that says which and where. One value is made per
//! opcode at most, so memory is bounded by the bytes given. Values lie in one list and refer to each other by index,
//! so that a memoised container seen twice is one container, and a cycle is harmless.

mod machine;

use super::element::Element;
use crate::error::Error;
use machine::Machine;

/// Index of a value in [`Pickle::values`].
pub type Id = usize;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// A list or a tuple.
    Sequence(Vec<Id>),
    /// A dictionary, in order.
    Dict(Vec<(Id, Id)>),
    /// A name that may be referred to.
    Global(Global),
    /// A storage in the archive: element type, name of its file, elements.
    Storage(Element, String, usize),
    /// A tensor: its storage and, in elements, offset, shape and strides.
    Tensor(Id, usize, Vec<usize>, Vec<usize>),
}

/// A name that a pickle may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// `torch.Size`.
    Size,
    /// `torch.FloatStorage` and its kin.
    Storage(Element),
}

impl Global {
    fn named(module: &str, name: &str) -> Option<Self> {
        let element = || {
            let kind = name.strip_suffix("Storage").filter(|_| module == "torch")?;
            Element::of_torch_storage(kind)
        };
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", "Size") => Some(Self::Size),
            _ => element().map(Self::Storage),
        }
    }
}

/// What a pickle built.
#[derive(Debug)]
pub struct Pickle {
    /// All values.
    pub values: Vec<Value>,
    /// The one that the program leaves.
    pub root: Id,
}

impl Pickle {
    /// Runs the program.
    ///
    /// # Errors
    /// Names the first opcode or name that is not allowed, or what does not fit, with its offset in bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, Error> {
        let mut machine = Machine::new(bytes);
        loop {
            let start = machine.at();
            let step = machine
                .step()
                .map_err(|problem| Error::Checkpoint { problem: format!("the pickle, at byte {start}: {problem}") })?;
            if let Some(root) = step {
                return Ok(Self { values: machine.into_values(), root });
            }
        }
    }

    /// The value of a key of a dictionary; none where it is no dictionary or lacks the key.
    pub fn get(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(items) = &self.values[dict] else { return None };
        let found =
            items.iter().rev().find(|(name, _)| matches!(&self.values[*name], Value::Text(text) if text == key));
        found.map(|(_, value)| *value)
    }
}
