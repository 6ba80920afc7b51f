//! What a training step does with gradients: clip them by their common norm, apply AdamW, average the teacher.
//!
//! AdamW is PyTorch's, over named tensors: decoupled decay on every parameter, a first decay that may change with each
//! step, a step count per parameter, and parameters without a gradient left alone. Its state is a table of tensors, so
//! that a run resumes exactly.

use std::collections::BTreeMap;

use burn::tensor::{Device, Gradients, Tensor};

use crate::error::{Error, LoadError};
use crate::model::parameters::{Mapper, Parameters, Visitor, join, read_back, upload};
use crate::tensors::{NamedTensor, TensorMap};

/// Added to the norm before dividing by it, as PyTorch's `clip_grad_norm_`.
const CLIP_EPSILON: f64 = 1e-6;

/// Gradients by parameter name, flattened; parameters that took no part are absent.
#[derive(Debug, Clone, Default)]
pub struct NamedGradients(BTreeMap<String, Tensor<1>>);

impl NamedGradients {
    /// Adds the gradients of a tracked `part`, whose path is `name`.
    pub fn collect<P: Parameters>(&mut self, name: &str, part: &P, gradients: &mut Gradients) {
        part.visit(name, &mut Collect { into: &mut self.0, gradients });
    }

    /// As [`NamedGradients::collect`], on top of the gradients that are there.
    pub fn add<P: Parameters>(&mut self, name: &str, part: &P, gradients: &mut Gradients) {
        let mut more = Self::default();
        more.collect(name, part, gradients);
        for (name, gradient) in more.0 {
            let sum = match self.0.remove(&name) {
                Some(there) => there + gradient,
                None => gradient,
            };
            self.0.insert(name, sum);
        }
    }

    /// The gradient of a parameter, flattened.
    pub fn get(&self, name: &str) -> Option<&Tensor<1>> {
        self.0.get(name)
    }

    /// Names of the parameters that have a gradient.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The Euclidean norm of all gradients together, `[1]`; none where there are none.
    pub fn norm(&self) -> Option<Tensor<1>> {
        let squares = self.0.values().map(|gradient| gradient.clone().square().sum()).collect::<Vec<_>>();
        if squares.is_empty() { None } else { Some(Tensor::cat(squares, 0).sum().sqrt()) }
    }

    /// Scales all gradients so that their common norm is at most `max_norm`; nothing is read back.
    pub fn clip(&mut self, max_norm: f64) {
        let Some(norm) = self.norm() else {
            return;
        };
        let factor = ((norm + CLIP_EPSILON).recip() * max_norm).clamp_max(1.0);
        for gradient in self.0.values_mut() {
            *gradient = gradient.clone() * factor.clone();
        }
    }
}

struct Collect<'a> {
    into: &'a mut BTreeMap<String, Tensor<1>>,
    gradients: &'a mut Gradients,
}

impl Visitor for Collect<'_> {
    fn parameter<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        if let Some(gradient) = tensor.grad_remove(self.gradients) {
            let n_values = gradient.dims().iter().product::<usize>();
            self.into.insert(name.to_owned(), gradient.reshape([n_values]));
        }
    }
}

/// Settings of AdamW that do not change during a stage; learning rate and first decay are given with each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamWConfig {
    /// Decoupled weight decay. Default: 0.01.
    pub weight_decay: f64,
    /// Second decay. Default: 0.999.
    pub beta2: f64,
    /// Added to the root of the second moment. Default: 1e-8.
    pub epsilon: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { weight_decay: 0.01, beta2: 0.999, epsilon: 1e-8 }
    }
}

/// First and second moment of one parameter, flattened, and how many steps made them.
#[derive(Debug, Clone)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
    n_steps: u32,
}

/// AdamW with its state, by parameter name.
#[derive(Debug, Clone)]
pub struct AdamW {
    config: AdamWConfig,
    moments: BTreeMap<String, Moments>,
}

impl AdamW {
    /// An optimiser without history.
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, moments: BTreeMap::new() }
    }

    /// `part`, whose path is `name`, after one step along `gradients`.
    ///
    /// `p ← p (1 − lr·wd) − lr m̂ / (sqrt(v̂) + ε)` with bias-corrected moments.
    pub fn step<P: Parameters>(&mut self, name: &str, part: P, gradients: &NamedGradients, lr: f64, beta1: f64) -> P {
        part.replace(name, &mut Apply { optimiser: self, gradients, lr, beta1 })
    }

    /// The state: `<parameter>.exp_avg`, `<parameter>.exp_avg_sq` (flat) and `<parameter>.step` for each parameter.
    ///
    /// # Errors
    /// Where the device fails to give the values back.
    pub async fn state(&self) -> Result<TensorMap, Error> {
        let mut tensors = TensorMap::new();
        for (name, moments) in &self.moments {
            for (kind, tensor) in [("exp_avg", &moments.first), ("exp_avg_sq", &moments.second)] {
                let name = join(name, kind);
                let values = read_back(&name, tensor.clone()).await?;
                tensors.insert(name, NamedTensor { shape: vec![values.len()], values });
            }
            tensors.insert(join(name, "step"), NamedTensor::scalar(moments.n_steps as f32));
        }
        Ok(tensors)
    }

    /// An optimiser that goes on from a saved `state`.
    ///
    /// # Errors
    /// Lists every incomplete, inconsistent or unknown entry.
    pub fn from_state(config: AdamWConfig, state: &TensorMap, device: &Device) -> Result<Self, LoadError> {
        let mut moments = BTreeMap::new();
        let mut problems = Vec::new();
        for (key, step) in state.iter().filter(|(key, _)| key.ends_with(".step")) {
            let name = key.trim_end_matches(".step");
            let first = state.get(&join(name, "exp_avg"));
            let second = state.get(&join(name, "exp_avg_sq"));
            let (Some(first), Some(second), [n_steps]) = (first, second, step.values.as_slice()) else {
                problems.push(format!("{name} lacks exp_avg, exp_avg_sq or a single step"));
                continue;
            };
            if first.values.len() != second.values.len() {
                problems.push(format!("{name} has {} and {} moments", first.values.len(), second.values.len()));
                continue;
            }
            let (first, second) = (upload(&first.values, device), upload(&second.values, device));
            moments.insert(name.to_owned(), Moments { first, second, n_steps: *n_steps as u32 });
        }
        if 3 * moments.len() != state.len() && problems.is_empty() {
            problems.push(format!("{} tensors for {} parameters, not three each", state.len(), moments.len()));
        }
        if problems.is_empty() {
            Ok(Self { config, moments })
        } else {
            Err(LoadError { what: "the optimiser".to_owned(), problems })
        }
    }
}

struct Apply<'a> {
    optimiser: &'a mut AdamW,
    gradients: &'a NamedGradients,
    lr: f64,
    beta1: f64,
}

impl Mapper for Apply<'_> {
    fn parameter<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(gradient) = self.gradients.get(name).cloned() else {
            return tensor;
        };
        let AdamWConfig { weight_decay, beta2, epsilon } = self.optimiser.config;
        let shape = tensor.dims();
        let values = tensor.reshape([gradient.dims()[0]]);
        let (first, second, n_steps) = match self.optimiser.moments.remove(name) {
            Some(Moments { first, second, n_steps }) => (first, second, n_steps + 1),
            None => (gradient.zeros_like(), gradient.zeros_like(), 1),
        };
        let first = first * self.beta1 + gradient.clone() * (1.0 - self.beta1);
        let second = second * beta2 + gradient.square() * (1.0 - beta2);
        let correction1 = 1.0 - self.beta1.powi(n_steps as i32);
        let correction2 = 1.0 - beta2.powi(n_steps as i32);
        let root = second.clone().sqrt() / correction2.sqrt() + epsilon;
        let values = values * (1.0 - self.lr * weight_decay) - first.clone() / root * (self.lr / correction1);
        self.optimiser.moments.insert(name.to_owned(), Moments { first, second, n_steps });
        values.reshape(shape)
    }
}

/// `average` moved towards `current`: `decay · average + (1 − decay) · current` for every parameter, constants included.
pub fn moving_average<P: Parameters>(average: P, current: &P, decay: f64) -> P {
    let mut flat = Flat(BTreeMap::new());
    current.visit("", &mut flat);
    average.replace("", &mut Average { current: &flat.0, decay })
}

struct Flat(BTreeMap<String, Tensor<1>>);

impl Visitor for Flat {
    fn parameter<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        let n_values = tensor.dims().iter().product::<usize>();
        self.0.insert(name.to_owned(), tensor.clone().reshape([n_values]));
    }

    fn constant<const D: usize>(&mut self, name: &str, tensor: &Tensor<D>) {
        self.parameter(name, tensor);
    }
}

struct Average<'a> {
    current: &'a BTreeMap<String, Tensor<1>>,
    decay: f64,
}

impl Mapper for Average<'_> {
    fn parameter<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        match self.current.get(name) {
            Some(current) => {
                let shape = tensor.dims();
                tensor * self.decay + current.clone().reshape(shape) * (1.0 - self.decay)
            }
            None => tensor,
        }
    }

    fn constant<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        self.parameter(name, tensor)
    }
}
