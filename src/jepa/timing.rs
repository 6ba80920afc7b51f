//! How long the parts of a model of given sizes take on a device: for the benchmark, and for estimates of training time.
//!
//! The cells are made up; linear attention takes the same time whatever the values. Each part ends with a readback of
//! one number, so that queued work is counted.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::device::AttentionPath;
use spec::model::{Modality, Mode, ModelConfig};

use crate::batch::log_total;
use crate::error::Error;
use crate::model::BioJepa;
use crate::model::parameters::read_back;
use crate::optim::{AdamW, AdamWConfig};
use crate::platform::Clock;
use crate::query::cell_batch;
use crate::step::{StepSettings, pretrain_step};

/// Median wall time of each part, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub struct PartTimes {
    /// The encoder, forward, unmasked.
    pub encoder: f64,
    /// Composer and action-conditioned predictor, forward.
    pub predictor: f64,
    /// A pretraining step: forward, backward, clip, AdamW, moving average.
    pub pretrain_step: f64,
    /// Parameters of the encoder.
    pub n_encoder: usize,
    /// Parameters of the action-conditioned predictor.
    pub n_predictor: usize,
}

/// Times a model of these sizes on `n_cells` cells: one warm-up, then the median of `n_repeats` runs of each part.
///
/// # Errors
/// Where the configuration contradicts itself, or the device fails.
pub async fn time_parts(
    config: &ModelConfig,
    attention: AttentionPath,
    n_cells: usize,
    n_repeats: usize,
    device: &Device,
) -> Result<PartTimes, Error> {
    let mut model = BioJepa::init(config, 0, device)?;
    model.set_attention(attention);
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let x: Vec<f32> = (0..n_cells * config.n_genes).map(|_| rng.random_range(0.0..3.0)).collect();
    let totals = x.chunks_exact(config.n_genes).map(log_total).collect();
    let mask: Vec<f32> = x.iter().map(|_| f32::from(u8::from(rng.random_bool(0.6)))).collect();
    let mask = Tensor::<2>::from_data(TensorData::new(mask, [n_cells, config.n_genes]), device);
    let cells = cell_batch(x, totals, config.n_genes, device);
    let width = config.composer.n_protein;
    let vectors = (0..n_cells * width).map(|_| rng.random_range(-0.1..0.1)).collect();
    let (modalities, modes) = (vec![Modality::Protein; n_cells], vec![Mode::Knockout; n_cells]);
    let actions = model.composer.actions(vectors, width, modalities, modes, device)?;
    let context = model.encode(&cells);
    let by_part = model.n_parameters_by_part();

    let (mut encoder, mut predictor, mut pretraining) = (Vec::new(), Vec::new(), Vec::new());
    let settings = StepSettings { lr: 1e-4, beta1: 0.9, clip_norm: Some(1.0), n_parts: 1 };
    let mut optimiser = AdamW::new(AdamWConfig::default());
    for repeat in 0..=n_repeats.max(1) {
        let clock = Clock::start();
        read_back("a token", model.encode(&cells).mean()).await?;
        let encoder_secs = clock.elapsed_secs();
        let clock = Clock::start();
        let predicted = model.predict(context.clone(), &actions);
        read_back("a prediction", predicted.mu.mean() + predicted.logvar.mean()).await?;
        let predictor_secs = clock.elapsed_secs();
        let clock = Clock::start();
        let loss = pretrain_step(&mut model, &mut optimiser, &cells, &mask, settings, 0.996).total;
        read_back("the loss", loss).await?;
        if repeat > 0 {
            encoder.push(encoder_secs);
            predictor.push(predictor_secs);
            pretraining.push(clock.elapsed_secs());
        }
    }
    Ok(PartTimes {
        encoder: median(encoder),
        predictor: median(predictor),
        pretrain_step: median(pretraining),
        n_encoder: by_part.encoder,
        n_predictor: by_part.predictor,
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { f64::NAN } else { (values[(n - 1) / 2] + values[n / 2]) / 2.0 }
}
