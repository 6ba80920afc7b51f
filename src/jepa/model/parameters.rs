//! Walking over the parameters of a model by name: one walk serves loading, saving, counting, optimising and averaging.
//!
//! Parameters are plain tensors, never tracked by automatic differentiation; a training step asks for a tracked copy
//! of the parts it trains ([`Parameters::tracked`]). Names are the reference's state-dict names.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::{Error, LoadError};
use crate::tensors::{NamedTensor, TensorMap};

/// Sees each parameter once, in a fixed order.
pub trait Visitor {
    /// A learned tensor.
    fn parameter<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>);

    /// A tensor that belongs to the state but is never learned; passed over unless a visitor says otherwise.
    fn constant<const D: usize>(&mut self, _name: &str, _tensor: &Tensor<D>) {}
}

/// Replaces each parameter, in a fixed order.
pub trait Mapper {
    /// The tensor that takes the place of this learned one; of the same shape.
    fn parameter<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D>;

    /// The tensor that takes the place of this constant; itself unless a mapper says otherwise.
    fn constant<const D: usize>(&mut self, _name: &str, tensor: Tensor<D>) -> Tensor<D> {
        tensor
    }
}

/// A part of a model: a tree of named tensors.
pub trait Parameters: Clone {
    /// Shows every parameter to `visitor`; `name` is the path of this part, empty at the root.
    fn visit<V: Visitor>(&self, name: &str, visitor: &mut V);

    /// This part with every parameter replaced by `mapper`.
    fn replace<M: Mapper>(self, name: &str, mapper: &mut M) -> Self;

    /// A copy that shares the values and records gradients.
    fn tracked(&self) -> Self {
        self.clone().replace("", &mut Track)
    }

    /// How many numbers are learned.
    fn n_parameters(&self) -> usize {
        let mut count = Count(0);
        self.visit("", &mut count);
        count.0
    }
}

/// A tensor of the state that is not learned.
#[derive(Debug, Clone)]
pub struct Constant<const D: usize>(pub Tensor<D>);

impl<const D: usize> Parameters for Tensor<D> {
    fn visit<V: Visitor>(&self, name: &str, visitor: &mut V) {
        visitor.parameter(name, self);
    }

    fn replace<M: Mapper>(self, name: &str, mapper: &mut M) -> Self {
        mapper.parameter(name, self)
    }
}

impl<const D: usize> Parameters for Constant<D> {
    fn visit<V: Visitor>(&self, name: &str, visitor: &mut V) {
        visitor.constant(name, &self.0);
    }

    fn replace<M: Mapper>(self, name: &str, mapper: &mut M) -> Self {
        Constant(mapper.constant(name, self.0))
    }
}

impl<P: Parameters> Parameters for Option<P> {
    fn visit<V: Visitor>(&self, name: &str, visitor: &mut V) {
        if let Some(part) = self {
            part.visit(name, visitor);
        }
    }

    fn replace<M: Mapper>(self, name: &str, mapper: &mut M) -> Self {
        self.map(|part| part.replace(name, mapper))
    }
}

impl<P: Parameters> Parameters for Vec<P> {
    fn visit<V: Visitor>(&self, name: &str, visitor: &mut V) {
        for (index, part) in self.iter().enumerate() {
            part.visit(&join(name, &index.to_string()), visitor);
        }
    }

    fn replace<M: Mapper>(self, name: &str, mapper: &mut M) -> Self {
        self.into_iter()
            .enumerate()
            .map(|(index, part)| part.replace(&join(name, &index.to_string()), mapper))
            .collect()
    }
}

/// The path of `name` below `path`; either may be empty.
pub(crate) fn join(path: &str, name: &str) -> String {
    match (path.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => path.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

/// Writes [`Parameters`] for a struct: its parts under their state-dict names, and the fields that are no tensors.
macro_rules! parameters {
    ($type:ident { $($field:ident: $name:literal),* $(,)? } keep { $($kept:ident),* $(,)? }) => {
        impl $crate::model::parameters::Parameters for $type {
            fn visit<V: $crate::model::parameters::Visitor>(&self, name: &str, visitor: &mut V) {
                $(self.$field.visit(&$crate::model::parameters::join(name, $name), visitor);)*
            }

            fn replace<M: $crate::model::parameters::Mapper>(self, name: &str, mapper: &mut M) -> Self {
                Self {
                    $($field: self.$field.replace(&$crate::model::parameters::join(name, $name), mapper),)*
                    $($kept: self.$kept,)*
                }
            }
        }
    };
}
pub(crate) use parameters;

/// `part` with its values taken from `tensors`, whose names start at the part.
///
/// # Errors
/// Lists every missing, surplus, wrong-shaped and non-finite tensor; `what` names the part in the message.
pub fn load<P: Parameters>(part: P, what: &str, tensors: &TensorMap) -> Result<P, LoadError> {
    let mut loader = Load { tensors, n_taken: 0, problems: Vec::new() };
    let mut names = Names(Vec::new());
    part.visit("", &mut names);
    let part = part.replace("", &mut loader);
    if loader.n_taken < tensors.len() {
        names.0.sort();
        let surplus = tensors.keys().filter(|name| names.0.binary_search(name).is_err());
        loader.problems.extend(surplus.map(|name| format!("{name} is surplus")));
    }
    if loader.problems.is_empty() {
        return Ok(part);
    }
    loader.problems.sort();
    Err(LoadError { what: what.to_owned(), problems: loader.problems })
}

/// The values of `part`, read back from its device; names start at the part.
///
/// # Errors
/// Where the device fails to give the values back.
pub async fn state<P: Parameters>(part: &P) -> Result<TensorMap, Error> {
    let mut listed = List(Vec::new());
    part.visit("", &mut listed);
    let mut tensors = TensorMap::new();
    for (name, shape, flat) in listed.0 {
        let values = read_back(&name, flat).await?;
        tensors.insert(name, NamedTensor { shape, values });
    }
    Ok(tensors)
}

/// The values of a flat tensor; `name` is for the error.
///
/// # Errors
/// Where the device fails to give the values back.
pub async fn read_back<const D: usize>(name: &str, tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
    let problem = |problem: String| Error::Readback { name: name.to_owned(), problem };
    let data = tensor.into_data_async().await.map_err(|error| problem(format!("{error:?}")))?;
    data.try_into_vec::<f32>().map_err(|error| problem(format!("{error:?}")))
}

/// A flat tensor of these values on `device`.
pub(crate) fn upload(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

struct Track;

impl Mapper for Track {
    fn parameter<const D: usize>(&mut self, _name: &str, tensor: Tensor<D>) -> Tensor<D> {
        tensor.inner().autodiff().require_grad()
    }
}

struct Count(usize);

impl Visitor for Count {
    fn parameter<const D: usize>(&mut self, _name: &str, tensor: &Tensor<D>) {
        self.0 += tensor.dims().iter().product::<usize>();
    }
}

struct Names(Vec<String>);

impl Visitor for Names {
    fn parameter<const D: usize>(&mut self, name: &str, _tensor: &Tensor<D>) {
        self.0.push(name.to_owned());
    }

    fn constant<const D: usize>(&mut self, name: &str, _tensor: &Tensor<D>) {
        self.0.push(name.to_owned());
    }
}

struct List(Vec<(String, Vec<usize>, Tensor<1>)>);

impl Visitor for List {
    fn parameter<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        let tensor = tensor.clone().inner();
        let shape = tensor.dims();
        self.0.push((name.to_owned(), shape.to_vec(), tensor.reshape([shape.iter().product::<usize>()])));
    }

    fn constant<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        self.parameter(name, tensor);
    }
}

struct Load<'a> {
    tensors: &'a TensorMap,
    n_taken: usize,
    problems: Vec<String>,
}

impl Mapper for Load<'_> {
    fn parameter<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(found) = self.tensors.get(name) else {
            self.problems.push(format!("{name} is missing"));
            return tensor;
        };
        self.n_taken += 1;
        let shape = tensor.dims();
        if found.shape != shape {
            self.problems.push(format!("{name} has shape {:?}, the model needs {shape:?}", found.shape));
        } else if !found.is_consistent() {
            self.problems.push(format!("{name} has {} values for shape {shape:?}", found.values.len()));
        } else if let Some(position) = found.values.iter().position(|value| !value.is_finite()) {
            self.problems.push(format!("{name} is not finite at position {position}"));
        } else {
            return upload(&found.values, &tensor.device()).reshape(shape);
        }
        tensor
    }

    fn constant<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        self.parameter(name, tensor)
    }
}
