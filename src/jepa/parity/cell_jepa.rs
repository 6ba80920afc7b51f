//! Comparison of Cell-JEPA with a twin in PyTorch: bins, outputs, losses, gradients, three optimiser steps.

use burn::tensor::{Device, Tensor, TensorData};
use spec::cell_jepa::{CellJepaConfig, CellTypeTuning, PerturbationTuning, ToldAs};
use spec::train::report::LossTerm;

use crate::cell_jepa::dropout::Dropout;
use crate::cell_jepa::encoder::{View, cell_of};
use crate::cell_jepa::perturbation::{self, PerturbedPairs, Perturber};
use crate::cell_jepa::tokens::{CellTokens, TokenBatch, bins};
use crate::cell_jepa::{CellJepa, step};
use crate::error::Error;
use crate::model::parameters::{read_back, state};
use crate::optim::{AdamW, AdamWConfig};
use crate::parity::golden::{Numbers, problem};
use crate::parity::{Class, ParityReport, after, averaged, flat, gradients_of_stage};
use crate::step::StepSettings;

const ARCHITECTURE: &str = "cell_jepa";

pub(super) fn is_cell_jepa(bytes: &[u8]) -> Result<bool, Error> {
    Ok(Numbers::read(bytes)?.header.get("architecture").is_some_and(|name| name == ARCHITECTURE))
}

pub(super) async fn check(bytes: &[u8], device: &Device) -> Result<ParityReport, Error> {
    let golden = Numbers::read(bytes)?;
    let (config, n_genes) = sizes(&golden)?;
    let model = CellJepa::from_tensors(&config, n_genes, &golden.under("model."), device)?;
    let cells = cells(&golden, &config, n_genes, device)?;
    // The generator is there for the losses of fine-tuning alone.
    let config = CellJepaConfig { fine_tune: None, ..config };
    let mut report = ParityReport::default();
    binned(&mut report, &golden, &config)?;
    outputs(&mut report, &golden, &model, &cells).await?;

    // In one part and in two: the same gradients.
    for n_parts in [1, 2] {
        let (losses, found) = step::pretrain_gradients(&model, &cells, &config, n_parts, &mut Dropout::none());
        let terms = losses.terms.clone();
        gradients_of_stage(&mut report, &golden, "pretrain", losses.total, &found).await?;
        for (name, term) in ["loss.value", "loss.embedding"].into_iter().zip(terms) {
            let value = read_back(name, term.value).await?;
            report.compare(Class::Loss, name, &value, golden.values(name)?);
        }
    }
    tuned(&mut report, &golden, &model, &cells, &config).await?;
    perturbed(&mut report, &golden, &model, n_genes, device).await?;
    three_steps(&mut report, &golden, model, &cells, &config).await?;
    Ok(report)
}

fn sizes(golden: &Numbers) -> Result<(CellJepaConfig, usize), Error> {
    let size = |key: &str| -> Result<usize, Error> {
        let text = golden.header.get(key).ok_or_else(|| problem(format!("the header has no {key}")))?;
        text.parse().map_err(|_| problem(format!("the header's {key} is {text:?}, not a number")))
    };
    let d_model = size("d_model")?;
    let config = CellJepaConfig {
        d_model,
        n_heads: size("n_heads")?,
        n_layers: size("n_layers")?,
        feed_forward: size("feed_forward")?,
        predictor_width: d_model,
        n_bins: size("n_bins")?,
        dropout: 0.0,
        fine_tune: Some(CellTypeTuning::default()),
        ..CellJepaConfig::default()
    };
    Ok((config, size("n_genes")?))
}

/// The cells of the file, `<cls>` and padding taken away: the program puts them back.
fn cells(golden: &Numbers, config: &CellJepaConfig, n_genes: usize, device: &Device) -> Result<TokenBatch, Error> {
    let (genes, hidden) = (golden.integers("in.genes")?, golden.integers("in.hidden")?);
    let (values, n_tokens) = (golden.values("in.values")?, golden.width("in.values")?.max(1));
    let rows = genes.chunks_exact(n_tokens).zip(hidden.chunks_exact(n_tokens)).zip(values.chunks_exact(n_tokens));
    let cells: Vec<CellTokens> = rows
        .map(|((genes, hidden), values)| {
            let is_gene = |at: &usize| genes[*at] < n_genes;
            let kept: Vec<usize> = (0..n_tokens).filter(is_gene).collect();
            CellTokens {
                genes: kept.iter().map(|&at| genes[at] as u32).collect(),
                bins: kept.iter().map(|&at| values[at] as u32).collect(),
                hidden: kept.iter().map(|&at| hidden[at] != 0).collect(),
                kind: None,
            }
        })
        .collect();
    Ok(TokenBatch::new(&cells, n_genes, config, device))
}

/// Bins are whole numbers: equal or not.
fn binned(report: &mut ParityReport, golden: &Numbers, config: &CellJepaConfig) -> Result<(), Error> {
    let (values, draws) = (golden.values("bin.values")?, golden.values("bin.u")?);
    let (mut first, mut drawn) = (Vec::new(), Vec::new());
    let mut start = 0;
    for &length in golden.integers("bin.lengths")? {
        let range = start..start + length;
        let of_cell = values.get(range.clone()).ok_or_else(|| problem("bin.values is too short".into()))?;
        let mut draws = draws.get(range).unwrap_or_default().iter().map(|&u| f64::from(u));
        first.extend(bins(of_cell, config.n_bins, || 0.0));
        drawn.extend(bins(of_cell, config.n_bins, || draws.next().unwrap_or(0.0)));
        start += length;
    }
    for (name, found) in [("bin.first", first), ("bin.drawn", drawn)] {
        let as_floats = |values: &[usize]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let found: Vec<f32> = found.into_iter().map(|bin| bin as f32).collect();
        report.compare(Class::Output, name, &found, &as_floats(golden.integers(name)?));
    }
    Ok(())
}

async fn outputs(
    report: &mut ParityReport,
    golden: &Numbers,
    model: &CellJepa,
    cells: &TokenBatch,
) -> Result<(), Error> {
    let none = &mut Dropout::none();
    let tokens = model.student.forward(cells, View::Masked, none);
    let [n_cells, n_tokens, _] = tokens.dims();
    let is_token = (cells.padding.clone().neg() + 1.0).reshape([n_cells, n_tokens, 1]);
    let cell = cell_of(tokens.clone());
    let tensors = [
        ("out.tokens", flat(tokens.clone() * is_token)),
        ("out.cell", flat(cell.clone())),
        ("out.target", flat(model.teacher.embed(cells, View::Whole, none))),
        ("out.predicted", flat(model.predictor.forward(cell, none))),
        ("out.guessed", flat(model.value_head.forward(tokens) * cells.hidden.clone())),
    ];
    for (name, tensor) in tensors {
        let found = read_back(name, tensor).await?;
        report.compare(Class::Output, name, &found, golden.values(name)?);
    }
    Ok(())
}

/// The two losses that fine-tuning adds, by themselves.
async fn tuned(
    report: &mut ParityReport,
    golden: &Numbers,
    model: &CellJepa,
    cells: &TokenBatch,
    config: &CellJepaConfig,
) -> Result<(), Error> {
    let config = CellJepaConfig {
        value_weight: 0.0,
        embedding_weight: 0.0,
        fine_tune: Some(CellTypeTuning::default()),
        ..config.clone()
    };
    let kinds = golden.integers("in.kinds")?.iter().map(|&kind| Some(kind as u32)).collect();
    let cells = TokenBatch { kinds, ..cells.clone() };
    let (losses, found) = step::pretrain_gradients(model, &cells, &config, 1, &mut Dropout::none());
    for term in losses.terms {
        let name = match term.term {
            LossTerm::GeneratedValues => "loss.generated",
            LossTerm::TypeContrast => "loss.contrast",
            _ => continue,
        };
        let value = read_back(name, term.value).await?;
        report.compare(Class::Loss, name, &value, golden.values(name)?);
    }
    for (name, reference) in golden.under("grad.tune.") {
        let full_name = format!("grad.tune.{name}");
        let gradient = match found.get(&name) {
            Some(gradient) => read_back(&full_name, gradient.clone()).await?,
            None => Vec::new(),
        };
        report.compare(Class::Gradient, &full_name, &gradient, &reference.values);
    }
    Ok(())
}

/// The perturbation task, told as it is and as a difference: what is told, the losses, and gradients of all of it.
async fn perturbed(
    report: &mut ParityReport,
    golden: &Numbers,
    model: &CellJepa,
    n_genes: usize,
    device: &Device,
) -> Result<(), Error> {
    let as_genes = |name: &str| -> Result<Vec<u32>, Error> {
        Ok(golden.integers(name)?.iter().map(|&gene| gene as u32).collect())
    };
    let genes = as_genes("pert.genes")?;
    // Two a pair; the same twice where one gene is perturbed.
    let targets: Vec<Vec<u32>> = as_genes("pert.targets")?
        .chunks(2)
        .map(|pair| if pair.first() == pair.last() { pair[..1].to_vec() } else { pair.to_vec() })
        .collect();
    let values = [golden.values("pert.control")?, golden.values("pert.perturbed")?];
    let pairs = PerturbedPairs::new(&genes, n_genes, values, &targets, device)?;
    let (d_model, flags) = (golden.width("pert.flags")?, golden.values("pert.flags")?.to_vec());
    let flags = Tensor::<2>::from_data(TensorData::new(flags.clone(), [flags.len() / d_model.max(1), d_model]), device);
    let perturber = Perturber { model: model.clone(), flags };
    for (told_as, name) in [(ToldAs::Absolute, "absolute"), (ToldAs::Delta, "delta")] {
        let tuning = PerturbationTuning { told_as, ..PerturbationTuning::default() };
        let out = format!("pert.{name}.told");
        let found = read_back(&out, perturber.predict(&pairs, &tuning)).await?;
        report.compare(Class::Output, &out, &found, golden.values(&out)?);
        let (losses, found) = perturbation::gradients(&perturber, &pairs, &tuning, &mut Dropout::none());
        for (term, part) in losses.terms.into_iter().zip(["value", "embedding", "contrast"]) {
            let name = format!("pert.{name}.loss.{part}");
            let value = read_back(&name, term.value).await?;
            report.compare(Class::Loss, &name, &value, golden.values(&name)?);
        }
        gradients_of_stage(report, golden, &format!("pert.{name}"), losses.total, &found).await?;
    }
    Ok(())
}

async fn three_steps(
    report: &mut ParityReport,
    golden: &Numbers,
    mut model: CellJepa,
    cells: &TokenBatch,
    config: &CellJepaConfig,
) -> Result<(), Error> {
    let mut optimiser = AdamW::new(AdamWConfig { weight_decay: config.weight_decay, ..AdamWConfig::default() });
    let rates = golden.values("train.lr")?;
    let mut losses = Vec::new();
    for &lr in rates {
        let settings = StepSettings { lr: f64::from(lr), beta1: 0.9, clip_norm: Some(config.clip_norm), n_parts: 1 };
        let none = &mut Dropout::none();
        let loss = step::pretrain_step(&mut model, &mut optimiser, cells, config, settings, none);
        losses.extend(read_back("train.losses", loss.total).await?);
    }
    report.compare(Class::Loss, "train.losses", &losses, golden.values("train.losses")?);
    let reach = rates.iter().map(|&lr| f64::from(lr)).sum();
    let found = state(&model).await?;
    after(report, &found, golden, "train.after3.", reach);
    averaged(report, &found, golden);
    Ok(())
}
