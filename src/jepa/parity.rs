//! Compares this implementation with the reference's own numbers, on any device, natively and in the browser.
//!
//! A file of reference tensors holds parameters, inputs, outputs, losses, gradients and the parameters after optimiser
//! steps. Errors are relative to the largest magnitude of the reference tensor. The commands that make such files run
//! the reference itself; nothing here does.

mod cell_jepa;
mod golden;
mod training;

use burn::tensor::{Device, Tensor};
use spec::device::{AttentionPath, Backend};

use crate::error::Error;
use crate::loss;
use crate::model::BioJepa;
use crate::model::composer::Actions;
use crate::model::decoder::Decoder;
use crate::model::encoder::CellBatch;
use crate::model::parameters::{Parameters, read_back, state};
use crate::optim::{AdamW, AdamWConfig, NamedGradients};
use crate::step::{self, PairBatch, StepSettings};
use crate::tensors::TensorMap;
use golden::{Golden, Numbers};

pub use training::check_training;

/// What a compared tensor is; decides how close it must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A result of a forward pass.
    Output,
    /// A loss, also of the first few optimiser steps.
    Loss,
    /// A gradient; relative to its largest magnitude, or to a thousandth of the largest gradient of the stage where
    /// that is more: 1e-4 of that is one rounding unit (1e-7) of the sums that small gradients are left over from.
    Gradient,
    /// The losses of a hundred steps, each relative to itself.
    StepLoss,
    /// A parameter after optimiser steps; relative to its largest magnitude, or to the sum of the learning rates, which
    /// is as far as AdamW can carry it, where that is more.
    AfterSteps,
    /// How far the teacher's average moved in a few steps; relative to the largest movement, of which rounding of the
    /// values themselves is up to a twentieth.
    Average,
    /// A parameter after optimiser steps, as [`Class::AfterSteps`], whose gradient is little but rounding noise (queries and keys: their attention is
    /// almost even over tokens that are almost alike, and over the single action token they cancel). AdamW divides each
    /// gradient by its own size, so the noise moves them like a signal, and the result hardly depends on them.
    NoiseDriven,
}

impl Class {
    /// The largest relative error that counts as equal.
    ///
    /// f32 sums in another order differ by about 1e-6 of the largest term; WebGPU's `exp`, `sin` and division are
    /// allowed a few units more. Over a hundred steps such differences grow about a hundredfold (the same code in two
    /// orders of summation does this too): natively to 6.4e-5 of a loss at most (v0.4, decoder;
    /// with v0.5 1.3e-6), in the browser, whose vectors are narrower, to 1.43e-4 (v0.5, pretraining; 1.42e-4 in the decoder,
    /// 300 steps later). A native test asks for 1e-4.
    pub fn tolerance(self, backend: Backend) -> f64 {
        match (self, backend) {
            (Class::Output | Class::Loss, Backend::Cpu) => 1e-5,
            (Class::Output | Class::Loss, Backend::Webgpu) => 1e-4,
            (Class::Gradient, Backend::Cpu) => 1e-4,
            (Class::Gradient, Backend::Webgpu) => 1e-3,
            (Class::StepLoss, Backend::Cpu) => 2e-4,
            (Class::StepLoss, Backend::Webgpu) => 5e-3,
            (Class::AfterSteps, Backend::Cpu) => 2e-3,
            (Class::AfterSteps, Backend::Webgpu) => 2e-2,
            (Class::Average, Backend::Cpu) => 1e-1,
            (Class::Average, Backend::Webgpu) => 2e-1,
            (Class::NoiseDriven, Backend::Cpu) => 1e-1,
            (Class::NoiseDriven, Backend::Webgpu) => 1.0,
        }
    }
}

/// The smallest magnitude a gradient is compared to, over the largest gradient of its stage.
const GRADIENT_FLOOR: f64 = 1e-3;

/// One compared tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Its name in the file.
    pub name: String,
    /// What it is.
    pub class: Class,
    /// Largest difference over what its class compares with; infinite where values are missing or not finite.
    pub relative_error: f64,
}

/// The comparisons of one file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ParityReport {
    /// In the order they were made.
    pub comparisons: Vec<Comparison>,
}

impl ParityReport {
    /// The comparisons that are further apart than their class allows on this backend.
    pub fn failures(&self, backend: Backend) -> impl Iterator<Item = &Comparison> {
        self.comparisons.iter().filter(move |one| one.relative_error > one.class.tolerance(backend))
    }

    /// The largest relative error of each class that occurs, with the tensor's name.
    pub fn worst(&self) -> Vec<&Comparison> {
        let mut worst: Vec<&Comparison> = Vec::new();
        for one in &self.comparisons {
            match worst.iter_mut().find(|other| other.class == one.class) {
                Some(other) if other.relative_error >= one.relative_error => {}
                Some(other) => *other = one,
                None => worst.push(one),
            }
        }
        worst
    }

    fn compare(&mut self, class: Class, name: &str, found: &[f32], reference: &[f32]) {
        let largest = largest_magnitude(reference);
        self.compare_to(class, name, found, reference, largest);
    }

    fn compare_to(&mut self, class: Class, name: &str, found: &[f32], reference: &[f32], largest: f64) {
        self.compare_by(class, name, found, reference, |_| largest);
    }

    /// Compares each value with that of the reference alone, so that a small one among large ones counts as much.
    fn compare_each(&mut self, class: Class, name: &str, found: &[f32], reference: &[f32]) {
        self.compare_by(class, name, found, reference, |value| f64::from(value).abs());
    }

    /// `magnitude` is what the difference from a value of the reference is relative to.
    fn compare_by(
        &mut self,
        class: Class,
        name: &str,
        found: &[f32],
        reference: &[f32],
        magnitude: impl Fn(f32) -> f64,
    ) {
        let equal_lengths = found.len() == reference.len() && !reference.is_empty();
        let errors = found
            .iter()
            .zip(reference)
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).abs() / magnitude(*b).max(f64::MIN_POSITIVE));
        // `max` would pass over a NaN; so a NaN is made infinite first.
        let worst = errors.map(|error| if error.is_finite() { error } else { f64::INFINITY }).fold(0.0, f64::max);
        let is_comparable = equal_lengths && reference.iter().all(|value| value.is_finite());
        let relative_error = if is_comparable { worst } else { f64::INFINITY };
        self.comparisons.push(Comparison { name: name.to_owned(), class, relative_error });
    }
}

/// Whether a file holds 100 steps of each stage (for [`check_training`]) rather than one model (for [`check`]).
///
/// # Errors
/// Where the bytes are not safetensors.
pub fn is_training_file(bytes: &[u8]) -> Result<bool, Error> {
    golden::is_training(bytes)
}

/// Compares outputs, losses, gradients and three optimiser steps with those of a reference file, attention computed on
/// this path.
///
/// # Errors
/// Where the file is not one of reference tensors, or the device fails.
pub async fn check(bytes: &[u8], attention: AttentionPath, device: &Device) -> Result<ParityReport, Error> {
    if cell_jepa::is_cell_jepa(bytes)? {
        return cell_jepa::check(bytes, device).await;
    }
    let golden = Golden::read(bytes, "model.")?;
    let mut model = BioJepa::from_tensors(&golden.config, &golden.under("model."), device)?;
    model.set_attention(attention);
    let decoder = Decoder::init(golden.config.d_model, 0, device).load(&golden.under("decoder."))?;
    let inputs = Inputs::of(&golden, &model, device)?;
    let mut report = ParityReport::default();
    outputs(&mut report, &golden, &model, &decoder, &inputs).await?;
    gradients(&mut report, &golden, &model, &inputs).await?;
    three_steps(&mut report, &golden, model, &inputs).await?;
    Ok(report)
}

struct Inputs {
    pairs: PairBatch,
    positives: Actions,
    mask: Tensor<2>,
}

impl Inputs {
    fn of(golden: &Golden, model: &BioJepa, device: &Device) -> Result<Self, Error> {
        let n_cells = golden.values("in.total_control")?.len();
        let rows: Vec<usize> = (0..n_cells).collect();
        let actions = |kind: &str, features: &str| {
            let modalities = golden.integers(&format!("in.{kind}_modality"))?;
            let modes = golden.integers(&format!("in.{kind}_mode"))?;
            golden.actions(&model.composer, features, &rows, modalities, modes, device)
        };
        Ok(Self {
            pairs: PairBatch::new(
                golden.cells("in.x_control", "in.total_control", &rows, device)?,
                golden.cells("in.x_case", "in.total_case", &rows, device)?,
                actions("pert", "in.pert_features")?,
            ),
            positives: actions("positive", "in.positive_features")?,
            mask: golden.mask("in.mask", 0, n_cells, device)?,
        })
    }

    fn control(&self) -> &CellBatch {
        &self.pairs.control
    }
}

async fn outputs(
    report: &mut ParityReport,
    golden: &Golden,
    model: &BioJepa,
    decoder: &Decoder,
    inputs: &Inputs,
) -> Result<(), Error> {
    let context = model.encode(inputs.control());
    let masked = model.student.forward(inputs.control(), Some(&inputs.mask));
    let target = model.teacher.forward(inputs.control(), None);
    let case = model.teacher.forward(&inputs.pairs.case, None);
    let action = model.composer.forward(&inputs.pairs.actions);
    let predicted = model.predict(context.clone(), &inputs.pairs.actions);
    let (decoded, decoded_context) = (decoder.forward(predicted.mu.clone()), decoder.forward(context.clone()));
    let change = decoded.clone() - decoded_context.clone();
    let absolute = (inputs.control().x.clone() + change.clone()).clamp_min(0.0);
    let tensors = [
        ("student_control", flat(context)),
        ("student_control_masked", flat(masked.clone())),
        ("teacher_case", flat(case)),
        ("masked_predictor", flat(model.masked_predictor.forward(masked.clone()))),
        ("action", flat(action)),
        ("mu", flat(predicted.mu)),
        ("logvar", flat(predicted.logvar)),
        ("decoder_mu", flat(decoded)),
        ("decoder_context", flat(decoded_context)),
        ("pred_delta", flat(change)),
        ("pred_abs", flat(absolute)),
    ];
    for (name, tensor) in tensors {
        let name = format!("out.{name}");
        let found = read_back(&name, tensor).await?;
        report.compare(Class::Output, &name, &found, golden.values(&name)?);
    }
    let regularisation = read_back("vicreg", loss::vicreg(masked, target)).await?;
    report.compare(Class::Loss, "loss.vicreg_pretrain", &regularisation, golden.values("loss.vicreg_pretrain")?);
    Ok(())
}

async fn gradients(report: &mut ParityReport, golden: &Golden, model: &BioJepa, inputs: &Inputs) -> Result<(), Error> {
    let Inputs { pairs, positives, mask } = inputs;
    let (student, masked_predictor) = (model.student.tracked(), model.masked_predictor.tracked());
    let loss = step::pretrain_loss(&student, &masked_predictor, &model.teacher, inputs.control(), mask).total;
    let mut recorded = loss.backward();
    let mut found = NamedGradients::default();
    found.collect("student", &student, &mut recorded);
    found.collect("masked_predictor", &masked_predictor, &mut recorded);
    gradients_of_stage(report, golden, "pretrain", loss, &found).await?;

    let composer = model.composer.tracked();
    let loss = step::align_loss(&composer, &pairs.actions, positives).total;
    let mut found = NamedGradients::default();
    found.collect("composer", &composer, &mut loss.backward());
    gradients_of_stage(report, golden, "alignment", loss, &found).await?;

    let (predictor, composer) = (model.predictor.tracked(), model.composer.tracked());
    let loss = step::action_loss(model, &predictor, &composer, pairs, Some(mask)).total;
    let mut recorded = loss.backward();
    let mut found = NamedGradients::default();
    found.collect("predictor", &predictor, &mut recorded);
    found.collect("composer", &composer, &mut recorded);
    gradients_of_stage(report, golden, "action", loss, &found).await
}

/// Compares the loss of one stage and every gradient the reference has for it.
async fn gradients_of_stage(
    report: &mut ParityReport,
    golden: &Numbers,
    stage: &str,
    loss: Tensor<1>,
    found: &NamedGradients,
) -> Result<(), Error> {
    let name = format!("loss.{stage}");
    let loss = read_back(&name, loss.inner()).await?;
    report.compare(Class::Loss, &name, &loss, golden.values(&name)?);
    let prefix = format!("grad.{stage}.");
    let references = golden.under(&prefix);
    let largest = references.values().map(|tensor| largest_magnitude(&tensor.values)).fold(0.0, f64::max);
    for (name, reference) in &references {
        let full_name = format!("{prefix}{name}");
        let largest = largest_magnitude(&reference.values).max(GRADIENT_FLOOR * largest);
        // No gradient is a gradient of zero: so it is for what cancels out of the action-conditioned predictor.
        let gradient = match found.get(name) {
            Some(gradient) => read_back(&full_name, gradient.clone()).await?,
            None => vec![0.0; reference.values.len()],
        };
        report.compare_to(Class::Gradient, &full_name, &gradient, &reference.values, largest);
    }
    for name in found.names().filter(|name| !references.contains_key(*name)) {
        report.compare(Class::Gradient, &format!("{prefix}{name}"), &[], &[]);
    }
    Ok(())
}

/// The three pretraining steps of the file: the same mask each time, AdamW, clipping, moving average.
async fn three_steps(
    report: &mut ParityReport,
    golden: &Golden,
    mut model: BioJepa,
    inputs: &Inputs,
) -> Result<(), Error> {
    let mut optimiser = AdamW::new(AdamWConfig { weight_decay: 0.05, ..AdamWConfig::default() });
    let settings = StepSettings { lr: 1e-3, beta1: 0.9, clip_norm: Some(1.0), n_parts: 1 };
    let mut losses = Vec::new();
    for _ in 0..golden.values("train.losses")?.len() {
        let loss = step::pretrain_step(&mut model, &mut optimiser, inputs.control(), &inputs.mask, settings, 0.996);
        losses.extend(read_back("train.losses", loss.total).await?);
    }
    report.compare(Class::Loss, "train.losses", &losses, golden.values("train.losses")?);
    let reach = settings.lr * losses.len() as f64;
    after(report, &state(&model).await?, golden, "train.after3.", reach);
    averaged(report, &state(&model).await?, golden);
    Ok(())
}

/// Compares every parameter the reference saved under `prefix` with `found`; `reach` is the sum of the learning rates.
fn after(report: &mut ParityReport, found: &TensorMap, golden: &Numbers, prefix: &str, reach: f64) {
    for (name, reference) in golden.under(prefix) {
        let values = found.get(&name).map(|tensor| tensor.values.as_slice()).unwrap_or_default();
        let largest = largest_magnitude(&reference.values).max(reach);
        let class = if is_noise_driven(&name) { Class::NoiseDriven } else { Class::AfterSteps };
        report.compare_to(class, &format!("{prefix}{name}"), values, &reference.values, largest);
    }
}

/// Compares how far the teacher's average moved: its values are so near those it started from that they alone say little.
fn averaged(report: &mut ParityReport, found: &TensorMap, golden: &Numbers) {
    let starts = golden.under("model.");
    for (name, reference) in golden.under("train.after3.") {
        let (Some(start), Some(found)) = (starts.get(&name), found.get(&name)) else { continue };
        if !name.starts_with("teacher.") || is_noise_driven(&name) {
            continue;
        }
        let moved = |to: &[f32]| -> Vec<f32> { to.iter().zip(&start.values).map(|(to, from)| to - from).collect() };
        let (reference, found) = (moved(&reference.values), moved(&found.values));
        // What a value of this size can be told apart by is no movement.
        let unit = f64::from(f32::EPSILON) * largest_magnitude(&start.values);
        let largest = largest_magnitude(&reference);
        if largest > 20.0 * unit {
            report.compare_to(Class::Average, &format!("train.moved3.{name}"), &found, &reference, largest);
        }
    }
}

/// Whether a parameter is one of those [`Class::NoiseDriven`] describes.
fn is_noise_driven(name: &str) -> bool {
    let is_query_or_key = name.contains(".q_proj.") || name.contains(".k_proj.");
    // A Cell-JEPA's biases of queries, keys and values are one tensor; those of keys cancel in the softmax.
    let is_query_or_key = is_query_or_key || name.ends_with(".in_proj_bias");
    is_query_or_key || (name.starts_with("predictor.blocks.") && name.contains(".ln_1."))
}

fn largest_magnitude(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max)
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let n_values = tensor.dims().iter().product::<usize>();
    tensor.reshape([n_values])
}
