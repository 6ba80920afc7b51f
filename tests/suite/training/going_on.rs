//! Runs that go on: from a saved state after being killed, from a checkpoint, and in batches too large for the memory.

use std::collections::BTreeMap;

use futures_lite::future::block_on;
use jepa::checkpoint::{self, Checkpoint};
use jepa::train::Trainer;
use jepa::train::start::started_from;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::checkpoint::CheckpointHeader;
use spec::train::preset::Preset;
use spec::train::{StageConfig, TrainConfig};

use super::judging::validated;
use super::{cells, config, cpu, departing, header, losses};

#[test]
fn a_run_killed_ten_times_ends_as_one_that_was_not() {
    let long = |stage: StageConfig| StageConfig { n_steps: 4 * stage.n_steps, batch_size: 3, ..stage };
    let reference = departing();
    let config = TrainConfig {
        validate_every: 2,
        validation_share: validated().validation_share,
        hold_back: validated().hold_back,
        patience: Some(1),
        accumulate: 2,
        report_every: 2,
        pretrain: long(reference.pretrain.clone()),
        align: long(reference.align.clone()),
        action: long(reference.action.clone()),
        decoder: StageConfig { max_lr: 3.0, ..long(reference.decoder.clone()) },
        ..reference
    };
    let new = || Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
    let mut whole = new();
    let (mut n_calls, mut stopped_early, mut reports) = (0usize, false, Vec::new());
    while !whole.is_done() {
        if let Some(report) = block_on(whole.step()).expect("finite") {
            stopped_early |= report.end.is_some_and(|end| end.stopped_early);
            reports.push((report.stage, report.step, report.loss, report.validation, report.end));
        }
        n_calls += 1;
    }
    assert!(stopped_early && n_calls > 30, "early stopping is part of the test; {n_calls} steps");
    let expected = block_on(whole.weights()).expect("readable");

    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut kills: Vec<usize> = (0..10).map(|_| rng.random_range(1..n_calls as u32) as usize).collect();
    kills.sort_unstable();
    let (mut killed, mut found) = (new(), Vec::new());
    for call in 0..n_calls {
        while kills.first() == Some(&call) {
            kills.remove(0);
            let state = block_on(killed.state()).expect("readable");
            killed = Trainer::resume(&state, config.clone(), header(&config), cells(), cpu()).expect("its own state");
        }
        if let Some(report) = block_on(killed.step()).expect("finite") {
            found.push((report.stage, report.step, report.loss, report.validation, report.end));
        }
    }
    assert!(killed.is_done() && kills.is_empty());
    assert_eq!(found, reports);
    assert_eq!(killed.history(), whole.history());
    assert_eq!(killed.history().losses.points.len(), reports.len());
    assert!(block_on(killed.weights()).expect("readable") == expected, "the weights differ");
}

#[test]
fn several_batches_make_the_step_of_one() {
    let of = |batch_size: usize, accumulate: usize| {
        let sized = |stage: StageConfig| StageConfig { batch_size, ..stage };
        let reference = departing();
        let config = TrainConfig {
            accumulate,
            pretrain: sized(reference.pretrain.clone()),
            align: sized(reference.align.clone()),
            action: StageConfig { mask_ratio: None, ..sized(reference.action.clone()) },
            decoder: sized(reference.decoder.clone()),
            ..reference
        };
        let mut trainer = Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
        losses(&mut trainer, config.n_steps())
    };
    // The same examples, controls and masks; sums in another order, which AdamW carries on (as in the parity tests).
    for (at, (one, several)) in of(6, 1).into_iter().zip(of(2, 3)).enumerate() {
        assert!((one - several).abs() < 5e-4 * one.abs().max(1e-2), "step {at}: {several} for {one}");
    }
    assert_ne!(of(6, 1), of(2, 1), "the size of a step matters");
}

fn trained(config: &TrainConfig) -> (Checkpoint, Vec<u8>) {
    let mut trainer = Trainer::new(config.clone(), header(config), cells(), cpu()).expect("the parts fit");
    losses(&mut trainer, config.n_steps());
    let bytes = block_on(trainer.weights()).expect("readable");
    (checkpoint::read(&bytes).expect("its own"), bytes)
}

fn fine_tuned(config: &TrainConfig, from: &(Checkpoint, Vec<u8>)) -> Checkpoint {
    let config = started_from(config, &from.0.header, &from.1).expect("nothing contradicts");
    let mut trainer =
        Trainer::fine_tune(config.clone(), header(&config), cells(), &from.0, cpu()).expect("the same genes");
    losses(&mut trainer, config.n_steps());
    checkpoint::read(&block_on(trainer.weights()).expect("readable")).expect("its own")
}

/// Parts of the model whose values differ.
fn changed(a: &Checkpoint, b: &Checkpoint) -> Vec<String> {
    let mut parts = BTreeMap::new();
    for (name, tensor) in &a.tensors {
        let part = name.strip_prefix("model.").unwrap_or(name).split('.').next().unwrap_or_default().to_owned();
        *parts.entry(part).or_insert(false) |= b.tensors[name] != *tensor;
    }
    parts.into_iter().filter(|(_, differs)| *differs).map(|(part, _)| part).collect()
}

#[test]
fn a_run_from_a_checkpoint_leaves_its_encoder_alone_unless_told() {
    let base = trained(&config());
    let again = TrainConfig { seed: 5, model: Default::default(), ..config() };
    assert_eq!(changed(&base.0, &fine_tuned(&again, &base)), ["composer", "decoder", "predictor"]);
    let whole = TrainConfig { train_encoder: true, ..again.clone() };
    let all = ["composer", "decoder", "masked_predictor", "predictor", "student", "teacher"];
    assert_eq!(changed(&base.0, &fine_tuned(&whole, &base)), all);
    let decoder_alone = TrainConfig { action: StageConfig::default(), ..again };
    assert_eq!(changed(&base.0, &fine_tuned(&decoder_alone, &base)), ["decoder"]);
}

#[test]
fn a_run_from_a_checkpoint_is_resumed_as_any_other() {
    let base = trained(&config());
    let config = started_from(&config(), &base.0.header, &base.1).expect("nothing contradicts");
    let new = || Trainer::fine_tune(config.clone(), header(&config), cells(), &base.0, cpu()).expect("the same genes");
    let (mut whole, mut first) = (new(), new());
    let expected = losses(&mut whole, 10);
    assert_eq!(losses(&mut first, 3), expected[..3]);
    let state = block_on(first.state()).expect("readable");
    let mut second = Trainer::resume(&state, config.clone(), header(&config), cells(), cpu()).expect("its own state");
    assert_eq!(losses(&mut second, 7), expected[3..]);
    let other = TrainConfig { start_from: None, ..config.clone() };
    assert!(Trainer::resume(&state, other, header(&config), cells(), cpu()).is_err());
}

#[test]
fn what_contradicts_the_checkpoint_is_named_with_both_sides() {
    let base = trained(&config());
    let (header_there, bytes) = (&base.0.header, &base.1);
    let check = |config: &TrainConfig, parts: &[&str]| {
        let error = started_from(config, header_there, bytes).expect_err("refused").to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    let mut wide = config();
    wide.model.d_model = 16;
    check(&wide, &["d_model is 16", "is 8"]);
    let mut composer = config();
    composer.model.composer.n_latent = 12;
    check(&composer, &["composer.n_latent is 12", "is 6"]);
    let mut known = config();
    known.model.masked_identity = true;
    check(&known, &["masked_identity is true", "is false"]);
    let mut tokens = config();
    tokens.model.action_tokens = true;
    check(&tokens, &["action_tokens is true", "is false"]);
    check(&Preset::Small.config(), &["d_model is 64", "is 8", "no preset has them", "without [model]"]);
    let tiny = CheckpointHeader { model: Preset::Tiny.config().model, ..header_there.clone() };
    let error = started_from(&Preset::Small.config(), &tiny, bytes).expect_err("refused").to_string();
    assert!(error.contains("d_model is 64") && error.contains("choose the preset tiny"), "{error}");
    let mut scaled = config();
    scaled.data.target_sum = Some(1e6);
    check(&scaled, &["1000000", "10000"]);
    let encoder_alone = TrainConfig { action: StageConfig::default(), decoder: StageConfig::default(), ..config() };
    check(&encoder_alone, &["no stage", "train_encoder"]);

    let config = started_from(&config(), header_there, bytes).expect("nothing contradicts");
    let mut genes = header(&config).genes;
    genes.swap(2, 3);
    let swapped = CheckpointHeader { genes, ..header(&config) };
    let error = Trainer::fine_tune(config, swapped, cells(), &base.0, cpu()).err().expect("refused").to_string();
    assert!(error.contains("gene 3 is G3") && error.contains("G2 in the checkpoint"), "{error}");
}

#[test]
fn a_state_that_stands_where_no_step_is_left_is_refused() {
    let config = config();
    let trainer = Trainer::new(config.clone(), header(&config), cells(), cpu()).expect("the parts fit");
    let state = block_on(trainer.state()).expect("readable");
    let (tensors, mut metadata) = checkpoint::read_raw(&state).expect("its own");
    let json = metadata.get_mut("waddington_run").expect("a saved run");
    *json = json.replace("\"step\":0", "\"step\":7");
    let damaged = checkpoint::write_raw(&tensors, &metadata).expect("writes");
    let error = Trainer::resume(&damaged, config.clone(), header(&config), cells(), cpu()).err().expect("refused");
    assert!(error.to_string().contains("step 7 of pretraining, which has 7"), "{error}");
}
