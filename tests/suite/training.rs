//! Training: the schedule against PyTorch's own numbers, and runs of tiny models that must resume bit for bit.

mod anchored;
mod assembling;
mod costs;
mod exchange;
mod going_on;
mod judging;

use std::path::PathBuf;

use cells::counts::Counts;
use futures_lite::future::block_on;
use jepa::batch::{Role, Target, TrainingCells};
use jepa::device::{Device, open};
use jepa::query::Predictor;
use jepa::schedule::OneCycle;
use jepa::train::Trainer;
use safetensors::SafeTensors;
use spec::checkpoint::{CheckpointHeader, VectorShrinkage};
use spec::device::BackendChoice;
use spec::model::{ComposerConfig, Mode, ModelConfig, ModelVersion};
use spec::train::{Baseline, StageConfig, TrainConfig};

#[test]
fn the_schedule_is_pytorchs() {
    // The reference's peaks; 100 steps of each stage, 5 % of them warm-up.
    let peaks = [("pretrain", 1e-3), ("align", 4e-3), ("action", 1e-3), ("decoder", 1e-2)];
    for file in ["train100_v0_4.safetensors", "train100_v0_5.safetensors"] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
        let bytes = std::fs::read(&path).expect("the golden file is part of the repository");
        let tensors = SafeTensors::deserialize(&bytes).expect("it is safetensors");
        let values = |name: String| -> Vec<f32> {
            let view = tensors.tensor(&name).expect("the README lists it");
            view.data().as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect()
        };
        for (stage, max_lr) in peaks {
            let cycle = OneCycle { max_lr, n_steps: 100, warmup_share: 0.05 };
            let expected = values(format!("{stage}.lr")).into_iter().zip(values(format!("{stage}.beta1")));
            for (step, (lr, beta1)) in expected.enumerate() {
                // The file holds f32: one rounding apart.
                assert!((cycle.lr(step) / f64::from(lr) - 1.0).abs() < 2e-7, "{file} {stage}.lr at step {step}");
                assert!((cycle.beta1(step) / f64::from(beta1) - 1.0).abs() < 2e-7, "{file} {stage}.beta1 at {step}");
            }
        }
    }
}

const N_GENES: usize = 7;

/// 24 made-up cells: 8 controls, 8 of each of two targets that move one gene each.
fn cells() -> TrainingCells {
    cells_that_differ(0.0)
}

/// The same with the first value `by` larger.
fn cells_that_differ(by: f32) -> TrainingCells {
    let mut dense = Vec::new();
    let mut roles = Vec::new();
    for cell in 0..24usize {
        let part = cell / 8;
        roles.push(if part == 0 { Role::Control } else { Role::Perturbed(part as u32 - 1) });
        for gene in 0..N_GENES {
            let base = ((cell * 31 + gene * 17) % 11) as f32 / 11.0 + gene as f32 * 0.2;
            dense.push(if part > 0 && gene == part { base + 1.0 } else { base });
        }
    }
    dense[0] += by;
    let target = |name: &str, vector: [f32; 4]| Target { name: name.into(), vector: vector.to_vec() };
    let targets = vec![target("A", [1.0, 0.0, 0.5, 0.0]), target("B", [0.0, 1.0, 0.0, -0.5])];
    let counts = Counts::from_dense(&dense, N_GENES).expect("rows are whole");
    TrainingCells::new(counts, &roles, None, targets).expect("all parts fit")
}

fn config() -> TrainConfig {
    let stage = |n_steps, max_lr| StageConfig { n_steps, batch_size: 5, max_lr, ..StageConfig::default() };
    TrainConfig {
        model: ModelConfig {
            version: ModelVersion::V05,
            n_genes: N_GENES,
            d_model: 8,
            n_heads: 2,
            n_layers: 1,
            n_pretrain_layers: 1,
            composer: ComposerConfig { n_protein: 4, n_chemical: 2, n_dna: 2, n_latent: 6, n_mode: 3 },
            ..ModelConfig::default()
        },
        checkpoint_every: 3,
        report_every: 1,
        pretrain: stage(7, 1e-3),
        align: stage(2, 1e-3),
        action: stage(6, 1e-3),
        decoder: stage(4, 1e-2),
        ..TrainConfig::default()
    }
}

fn header(config: &TrainConfig) -> CheckpointHeader {
    CheckpointHeader {
        format: 1,
        model: config.model.clone(),
        cell_jepa: None,
        genes: (0..N_GENES).map(|gene| format!("G{gene}")).collect(),
        gene_ids: Vec::new(),
        target_sum: 1e4,
        modes: vec![Mode::Knockout],
        seen: vec!["A".into(), "B".into()],
        held_out: Vec::new(),
        baseline: Baseline::ControlState,
        cells_per_example: 1,
        shrinkage: None,
        anchor: config.anchor.clone(),
    }
}

fn cpu() -> Device {
    block_on(open(BackendChoice::Cpu)).expect("the CPU is always there").0
}

fn losses(trainer: &mut Trainer, n_steps: usize) -> Vec<f64> {
    (0..n_steps).map(|_| block_on(trainer.step()).expect("finite").expect("reports every step").loss).collect()
}

/// Everything in which a run may differ from the reference's.
fn departing() -> TrainConfig {
    let averaged = |stage: StageConfig| StageConfig { cells_per_example: 3, balance_targets: true, ..stage };
    let reference = config();
    TrainConfig {
        baseline: Baseline::ControlAction,
        control_share: 0.4,
        silent_actions: true,
        pretrain: averaged(reference.pretrain.clone()),
        action: StageConfig { mask_ratio: Some(0.0), ..averaged(reference.action.clone()) },
        decoder: averaged(reference.decoder.clone()),
        ..reference
    }
}

#[test]
fn a_resumed_run_has_the_losses_of_an_uninterrupted_one() {
    resumes(config());
}

#[test]
fn a_run_that_departs_from_the_reference_resumes_too() {
    resumes(departing());
}

fn resumes(config: TrainConfig) {
    let new = || Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
    let mut whole = new();
    let n_steps = whole.n_steps();
    let expected = losses(&mut whole, n_steps);
    assert!(whole.is_done());
    assert_eq!(whole.steps_done(), n_steps);
    let expected_weights = block_on(whole.weights()).expect("readable");

    // In the middle of each stage and at a border.
    for stop in [4, 7, 8, 11, 17] {
        let mut first = new();
        assert_eq!(losses(&mut first, stop), expected[..stop]);
        let state = block_on(first.state()).expect("readable");
        let mut second =
            Trainer::resume(&state, config.clone(), header(&config), cells(), cpu()).expect("its own state");
        assert_eq!(second.steps_done(), stop);
        assert_eq!(losses(&mut second, n_steps - stop), expected[stop..], "stopped after {stop} steps");
        assert!(block_on(second.weights()).expect("readable") == expected_weights, "stopped after {stop} steps");
    }
}

#[test]
fn silent_actions_change_nothing_until_they_are_trained() {
    let mut config = departing();
    config.action.n_steps = 0;
    let response_to = |config: &TrainConfig, vector: [f32; 4]| {
        let header = CheckpointHeader { baseline: config.baseline, cells_per_example: 3, ..header(config) };
        let mut trainer = Trainer::new(config.clone(), header, cells(), cpu()).expect("the parts fit");
        let n_steps = trainer.n_steps();
        losses(&mut trainer, n_steps);
        let bytes = block_on(trainer.weights()).expect("readable");
        let predictor = Predictor::from_bytes(&bytes, &cpu()).expect("its own checkpoint");
        let cells = Counts::from_dense(&[1.5; 10 * N_GENES], N_GENES).expect("rows are whole");
        let rows: Vec<usize> = (0..10).collect();
        let mut run = predictor.predict(&cells, &rows, None, &vector, Mode::Knockout).expect("fits");
        let mut n_done = 0;
        while let Some(n) = block_on(run.advance()).expect("readable") {
            n_done = n;
        }
        assert_eq!(n_done, 10, "every row is part of an example");
        run.finish()
    };
    assert!(response_to(&config, [1.0, 0.0, 0.5, 0.0]).iter().all(|change| change.abs() < 1e-6));
    config.action = departing().action;
    assert!(response_to(&config, [1.0, 0.0, 0.5, 0.0]).iter().any(|change| change.abs() > 1e-6));
}

#[test]
fn shrunk_vectors_all_ask_the_same() {
    let config = config();
    let shrinkage = |weight| Some(VectorShrinkage { mean: vec![0.5, 0.5, 0.25, -0.25], weight });
    let response_to = |weight: f32, vector: &[f32]| {
        let header = CheckpointHeader { shrinkage: shrinkage(weight), ..header(&config) };
        let trainer = Trainer::new(config.clone(), header, cells(), cpu()).expect("the parts fit");
        let bytes = block_on(trainer.weights()).expect("readable");
        let predictor = Predictor::from_bytes(&bytes, &cpu()).expect("its own checkpoint");
        let cells = Counts::from_dense(&[1.5; N_GENES], N_GENES).expect("rows are whole");
        let mut run = predictor.predict(&cells, &[0], None, vector, Mode::Knockout)?;
        while block_on(run.advance()).expect("readable").is_some() {}
        Ok::<_, jepa::Error>(run.finish())
    };
    let (a, b) = ([1.0, 0.0, 0.5, 0.0], [0.0, 1.0, 0.0, -0.5]);
    assert_eq!(response_to(0.0, &a).expect("fits"), response_to(0.0, &b).expect("fits"));
    assert_ne!(response_to(0.5, &a).expect("fits"), response_to(0.5, &b).expect("fits"));
    assert!(response_to(0.5, &a[..3]).is_err());
}

#[test]
fn a_baseline_that_training_does_not_see_is_refused() {
    let mut config = departing();
    config.control_share = 0.0;
    let error = Trainer::new(config.clone(), header(&config), cells(), cpu()).err().expect("refused").to_string();
    assert!(error.contains("control_share"), "{error}");
}

#[test]
fn a_saved_run_is_refused_under_another_configuration_header_or_data() {
    let config = config();
    let trainer = Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
    let state = block_on(trainer.state()).expect("readable");
    let refused = |bytes: &[u8], config: &TrainConfig, header: CheckpointHeader, cells| {
        let resumed = Trainer::resume(bytes, config.clone(), header, cells, cpu());
        resumed.err().expect("refused").to_string()
    };
    let other = TrainConfig { seed: 1, ..config.clone() };
    let error = refused(&state, &other, header(&other), cells());
    assert!(error.contains("another configuration"), "{error}");
    let error = refused(&state, &config, CheckpointHeader { held_out: vec!["A".into()], ..header(&config) }, cells());
    assert!(error.contains("other genes, targets or modes"), "{error}");
    let error = refused(&state, &config, header(&config), cells_that_differ(0.5));
    assert!(error.contains("other cells or vectors"), "{error}");
    refused(&state[..state.len() / 2], &config, header(&config), cells());
    refused(&block_on(trainer.weights()).expect("readable"), &config, header(&config), cells());
}

#[test]
fn a_trained_checkpoint_predicts_and_embeds_in_chunks() {
    let config = config();
    let mut trainer = Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
    let n_steps = trainer.n_steps();
    losses(&mut trainer, n_steps);
    let bytes = block_on(trainer.weights()).expect("readable");
    let predictor = Predictor::from_bytes(&bytes, &cpu()).expect("its own checkpoint");
    let dense: Vec<f32> = (0..90 * N_GENES).map(|i| (i % 13) as f32 / 6.0).collect();
    let rows_of = Counts::from_dense(&dense, N_GENES).expect("rows are whole");
    let predict = |rows: &[usize], weights: Option<&[f64]>| {
        let vector = [1.0, 0.0, 0.5, 0.0];
        let mut run = predictor.predict(&rows_of, rows, weights, &vector, Mode::Knockout).expect("fits");
        while block_on(run.advance()).expect("readable").is_some() {}
        run.finish()
    };
    let all: Vec<usize> = (0..90).collect();
    let (whole, head, tail) = (predict(&all, None), predict(&all[..40], None), predict(&all[40..], None));
    let weights: Vec<f64> = (0..90).map(|row| if row < 40 { 3.0 } else { 0.0 }).collect();
    let weighted = predict(&all, Some(&weights));
    for gene in 0..N_GENES {
        let mean = (head[gene] * 40.0 + tail[gene] * 50.0) / 90.0;
        assert!((whole[gene] - mean).abs() < 1e-5, "gene {gene}: {} for {mean}", whole[gene]);
        assert!((weighted[gene] - head[gene]).abs() < 1e-5);
    }
    let mut run = predictor.embed(&rows_of, &all).expect("fits");
    while block_on(run.advance()).expect("readable").is_some() {}
    let latent = run.finish();
    assert_eq!(latent.len(), 90 * 8);
    assert!(latent.iter().all(|value| value.is_finite()));

    assert!(predictor.predict(&rows_of, &[90], None, &[0.0; 4], Mode::Knockout).is_err());
    assert!(predictor.predict(&rows_of, &[0], None, &[0.0; 3], Mode::Knockout).is_err());
}
