//! What a run says of itself: validation, early stopping, gauges, time; and that looking does not change it.

use futures_lite::future::block_on;
use jepa::query::Predictor;
use jepa::train::Trainer;
use safetensors::SafeTensors;
use spec::train::report::{LossTerm, TermValue};
use spec::train::{HoldBack, Stage, StageConfig, StepReport, TrainConfig};

use super::{cells, config, cpu, header, losses};

fn trainer(config: &TrainConfig) -> Trainer {
    Trainer::new(config.clone(), header(config), cells(), cpu()).expect("the parts fit")
}

/// Steps to the end; what was reported.
fn reports(trainer: &mut Trainer) -> Vec<StepReport> {
    let mut reports = Vec::new();
    while !trainer.is_done() {
        reports.extend(block_on(trainer.step()).expect("finite"));
    }
    reports
}

pub(super) fn validated() -> TrainConfig {
    TrainConfig { validation_share: 0.25, hold_back: HoldBack::Cells, validate_every: 2, ..config() }
}

/// Two steps of decoding are enough; more at this rate spoil it.
fn spoilt() -> TrainConfig {
    let config = validated();
    let decoder = StageConfig { n_steps: 30, max_lr: 3.0, ..config.decoder };
    TrainConfig { decoder, validate_every: 1, ..config }
}

fn weights(trainer: &Trainer) -> Vec<u8> {
    block_on(trainer.weights()).expect("readable")
}

#[test]
fn every_loss_is_the_sum_of_its_terms() {
    let of = |stage| match stage {
        Stage::Pretrain | Stage::Action => 5,
        Stage::Align | Stage::Decoder => 1,
    };
    let sum = |terms: &[TermValue]| terms.iter().map(|term| term.weight * term.value).sum::<f64>();
    let close = |loss: f64, terms: &[TermValue]| assert!((loss - sum(terms)).abs() < 1e-5 * loss.abs().max(1.0));
    let mut n_validations = 0;
    for report in reports(&mut trainer(&validated())) {
        assert_eq!(report.terms.len(), of(report.stage));
        close(report.loss, &report.terms);
        if let Some(validation) = &report.validation {
            close(validation.loss, &validation.terms);
            assert_eq!(validation.terms.len(), of(report.stage));
            n_validations += 1;
        }
        let is_due = report.step % 2 == 0 || report.step == report.n_steps;
        assert_eq!(report.validation.is_some(), is_due, "step {} of {:?}", report.step, report.stage);
    }
    assert_eq!(n_validations, 4 + 1 + 3 + 2);
    let first = &reports(&mut trainer(&validated()))[0].terms;
    assert_eq!((first[0].term, first[0].weight), (LossTerm::Prediction, 25.0));
}

#[test]
fn what_validated_best_is_kept() {
    let config = spoilt();
    let mut whole = trainer(&config);
    let all = reports(&mut whole);
    let decoder: Vec<&StepReport> = all.iter().filter(|report| report.stage == Stage::Decoder).collect();
    let loss = |report: &&StepReport| report.validation.as_ref().expect("every step").loss;
    let best = decoder.iter().copied().min_by(|a, b| loss(a).total_cmp(&loss(b))).expect("thirty of them");
    let end = decoder.last().and_then(|last| last.end).expect("the end is said");
    assert_eq!((end.kept_step, end.stopped_early, decoder.len()), (Some(best.step), false, 30));
    assert!(best.step < 30, "the test shows nothing where the last step is the best");

    let mut stopped = trainer(&config);
    while stopped.steps_done() < config.n_steps() - 30 + best.step {
        block_on(stopped.step()).expect("finite");
    }
    assert!(weights(&stopped) == weights(&whole), "the weights are not those of step {}", best.step);

    // And a stage ends where waiting has been in vain for so long.
    let mut impatient = trainer(&TrainConfig { patience: Some(3), ..config });
    let all = reports(&mut impatient);
    let last = all.last().expect("it ran");
    let decoder = all.iter().filter(|report| report.stage == Stage::Decoder).count();
    let end = last.end.expect("the end is said");
    assert!(end.stopped_early && decoder < 30, "{decoder} steps");
    assert_eq!(end.kept_step, Some(last.step - 3));
    assert_eq!(impatient.steps_done(), impatient.n_steps());
}

#[test]
fn validation_is_the_same_every_time_and_on_other_cells_than_training() {
    let first = |config: &TrainConfig| {
        let all = reports(&mut trainer(config));
        all.into_iter().find_map(|report| report.validation).expect("some").loss
    };
    assert_eq!(first(&validated()), first(&validated()));
    let by_target = TrainConfig { hold_back: HoldBack::Targets, ..validated() };
    assert_ne!(first(&validated()), first(&by_target));
    let held = |config: &TrainConfig| cells().held_back(config).expect("enough").1.expect("a share");
    assert_eq!((held(&by_target).inhabited().len(), held(&validated()).inhabited().len()), (1, 2));
}

#[test]
fn looking_changes_nothing() {
    let quiet = TrainConfig { validate_every: 1000, ..config() };
    let expected = losses(&mut trainer(&quiet), 19);
    assert_eq!(losses(&mut trainer(&TrainConfig { validate_every: 1, ..config() }), 19), expected);
    let mut probed = trainer(&quiet);
    let mut found = losses(&mut probed, 9);
    let probe = block_on(probed.probe(2)).expect("the CPU does not fail");
    found.extend(losses(&mut probed, 10));
    assert_eq!(found, expected);
    // Nine steps are seven of pretraining and both of alignment.
    let stages: Vec<(Stage, usize)> = probe.stages.iter().map(|time| (time.stage, time.n_steps)).collect();
    assert_eq!(stages, [(Stage::Action, 6), (Stage::Decoder, 4)]);
    assert!(probe.stages.iter().all(|time| time.step_secs > 0.0) && probe.total_secs() > 0.0);
}

#[test]
fn gauges_tell_how_states_spread() {
    let all = reports(&mut trainer(&TrainConfig { validate_every: 1, ..config() }));
    for report in &all {
        let changes_states = matches!(report.stage, Stage::Pretrain | Stage::Action);
        assert_eq!(report.gauges.is_some(), changes_states, "{:?}", report.stage);
        let Some(gauges) = report.gauges else { continue };
        assert!(0.0 < gauges.std_min && gauges.std_min <= gauges.std_mean, "{gauges:?}");
        assert!((1.0..=8.0).contains(&gauges.effective_rank) && gauges.n_dims == 8, "{gauges:?}");
        assert!((0.0..=1.0).contains(&gauges.between_cells), "{gauges:?}");
        assert_eq!(gauges.teacher_distance.is_some(), report.stage == Stage::Pretrain);
    }
    // The teacher begins as the student and is left behind by it.
    let distance = |step: usize| all[step].gauges.and_then(|gauges| gauges.teacher_distance).expect("pretraining");
    assert!(distance(0) < distance(5), "{} and {}", distance(0), distance(5));
}

fn require_finite(bytes: &[u8]) {
    let tensors = SafeTensors::deserialize(bytes).expect("it is safetensors");
    for (name, view) in tensors.tensors() {
        let mut values = view.data().as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four));
        assert!(values.all(f32::is_finite), "{name} is not finite");
    }
}

#[test]
fn what_a_good_loss_spoils_is_not_saved() {
    let mut config = config();
    // Beyond f32: the first loss is good, the values after it are not.
    config.pretrain = StageConfig { max_lr: 1e42, ..config.pretrain };
    let mut trainer = trainer(&config);
    block_on(trainer.step()).expect("the first loss is of the first values");
    let n_bad = block_on(trainer.tensors()).expect("readable").into_values();
    assert!(n_bad.flat_map(|tensor| tensor.values).any(|value| !value.is_finite()), "the test shows nothing");
    require_finite(&weights(&trainer));
    let state = block_on(trainer.state()).expect("readable");
    require_finite(&state);
    let resumed = Trainer::resume(&state, config.clone(), header(&config), cells(), cpu()).expect("its own state");
    assert_eq!(resumed.steps_done(), 0);
}

#[test]
fn a_loss_that_is_not_finite_names_its_terms_and_leaves_what_was_good() {
    let mut config = config();
    config.pretrain = StageConfig { max_lr: 1e30, n_steps: 20, ..config.pretrain };
    let mut trainer = trainer(&config);
    let error = loop {
        if let Err(error) = block_on(trainer.step()) {
            break error.to_string();
        }
        assert!(!trainer.is_done(), "such a learning rate cannot end well");
    };
    assert!(error.contains("of pretraining") && error.contains("prediction is"), "{error}");
    // Every loss was looked at, so that the run stands one good step back.
    let stands = trainer.steps_done();
    assert!(error.contains(&format!("at step {} of", stands + 2)), "{error} at {stands}");
    let bytes = weights(&trainer);
    require_finite(&bytes);
    Predictor::from_bytes(&bytes, &cpu()).expect("usable");
    // What is saved now goes on, to the same end.
    let state = block_on(trainer.state()).expect("readable");
    let mut again = Trainer::resume(&state, config.clone(), header(&config), cells(), cpu()).expect("its own state");
    let outcome = loop {
        if let Err(error) = block_on(again.step()) {
            break error.to_string();
        }
    };
    assert_eq!(outcome, error);
}
