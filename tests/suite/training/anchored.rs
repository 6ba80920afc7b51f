//! What our own preset adds: the anchor and its bounded correction, sets beside pairs, gene identity, action tokens.
//!
//! Fits are held to numpy's in f64; what is stored and said is f32, so that numbers agree to some units of it.

use burn::tensor::{Device, Tensor, TensorData};
use cells::counts::Counts;
use futures_lite::future::block_on;
use jepa::anchor::{Anchor, Fitting, Observed};
use jepa::batch::{Draws, Sampling};
use jepa::checkpoint;
use jepa::loss::energy_distance;
use jepa::model::BioJepa;
use jepa::model::encoder::CellBatch;
use jepa::query::Predictor;
use jepa::train::Trainer;
use serde_json::Value;
use spec::checkpoint::CheckpointHeader;
use spec::model::{Mode, ModelConfig};
use spec::train::anchor::AnchorConfig;
use spec::train::report::LossTerm;
use spec::train::{HoldBack, Stage, StageConfig, TrainConfig};

use super::{N_GENES, cells, config, cpu, departing, header, losses, resumes};

fn golden() -> Value {
    serde_json::from_str(include_str!("../../golden/anchor.json")).expect("the golden is JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().expect("rows").iter().map(numbers).collect()
}

/// Values below 10 in f32, sums of a few tens of them.
fn require_close(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((f64::from(*found) - expected).abs() < 1e-5, "{what}, {at}: {found} for {expected}");
    }
}

#[test]
fn the_anchor_is_that_of_numpy() {
    let said = golden();
    let (control, deltas, vectors) = (numbers(&said["control"]), rows(&said["delta"]), rows(&said["vectors"]));
    let genes = said["genes"].as_array().expect("a list").iter().map(|gene| gene.as_u64().map(|gene| gene as usize));
    let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();
    let observed: Vec<Observed> = genes
        .zip(deltas)
        .zip(&vectors)
        .map(|((gene, delta), vector)| Observed { vector: narrow(vector), gene, delta })
        .collect();
    for fit in said["fits"].as_array().expect("fits") {
        let number = |name: &str| fit[name].as_f64().expect("a number");
        let settings = AnchorConfig {
            strength_power: number("strength_power"),
            own_gene: fit["own_gene"].as_bool().expect("yes or no"),
            residual_bound: number("residual_bound"),
        };
        let (anchor, left_out) = Anchor::fit(&observed, &control, &settings).expect("nine targets");
        let asked = anchor.say(&narrow(&numbers(&fit["asked"])), Some(4));
        require_close(&asked.base, &numbers(&fit["base"]), "base");
        assert_eq!(asked.own.is_some(), settings.own_gene);
        let share = asked.own.map_or(0.0, |(gene, share)| if gene == 4 { share } else { f32::NAN });
        require_close(&[share], &[number("own_share")], "share of the own gene");
        require_close(anchor.bound(), &numbers(&fit["bound"]), "bound");
        for (said, expected) in left_out.iter().zip(rows(&fit["left_out"])) {
            require_close(&said.change(&narrow(&control)), &expected, "left out");
        }
    }
}

#[test]
fn the_distance_of_populations_is_that_of_scipy() {
    let said = &golden()["energy"];
    let values = |name: &str| numbers(&said[name]).into_iter().map(|value| value as f32).collect::<Vec<f32>>();
    let distance = |x: Vec<f32>, y: Vec<f32>, shape: [usize; 3]| {
        let tensor = |values| Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        let found: Tensor<1> = energy_distance(tensor(x), tensor(y));
        found.into_data().try_into_vec::<f32>().expect("one f32")
    };
    let (x, y) = (values("x"), values("y"));
    let column = |values: &[f32]| values[..15].iter().step_by(3).copied().collect::<Vec<f32>>();
    require_close(
        &distance(column(&x), column(&y), [1, 5, 1]),
        &numbers(&Value::from(vec![said["column_distance"].clone()])),
        "column",
    );
    require_close(&distance(x, y, [2, 5, 3]), &numbers(&Value::from(vec![said["distance"].clone()])), "sets");
}

/// Our own preset at the size of these tests.
fn ours() -> TrainConfig {
    let reference = departing();
    let in_sets = |stage: StageConfig| StageConfig { set_size: 2, set_weight: 0.5, ..stage };
    TrainConfig {
        model: ModelConfig { masked_identity: true, action_tokens: true, ..reference.model },
        anchor: Some(AnchorConfig::default()),
        action: in_sets(reference.action),
        decoder: in_sets(reference.decoder),
        ..reference
    }
}

/// The header of a run of which the second gene is the first target's own.
fn header_of(config: &TrainConfig) -> CheckpointHeader {
    let mut header = CheckpointHeader { baseline: config.baseline, cells_per_example: 3, ..header(config) };
    header.genes[1] = "A".into();
    header
}

fn trained(config: &TrainConfig, n_steps: usize) -> Predictor {
    let mut trainer = Trainer::new(config.clone(), header_of(config), cells(), cpu()).expect("the parts fit");
    losses(&mut trainer, n_steps);
    let bytes = block_on(trainer.weights()).expect("readable");
    Predictor::from_bytes(&bytes, &cpu()).expect("its own checkpoint")
}

fn change(predictor: &Predictor, vector: &[f32], target: &str, mode: Mode) -> Vec<f32> {
    let dense: Vec<f32> = (0..6 * N_GENES).map(|at| (at % 5) as f32 / 2.0).collect();
    let cells = Counts::from_dense(&dense, N_GENES).expect("rows are whole");
    let asked = predictor.predict(&cells, &[0, 1, 2, 3, 4, 5], None, vector, mode).expect("fits");
    let mut asked = asked.of_gene(target);
    while block_on(asked.advance()).expect("readable").is_some() {}
    asked.finish()
}

/// What the anchor of a checkpoint says of the mean of the cells that [`change`] asks about, and how far the rest may go.
fn anchored(predictor: &Predictor, vector: &[f32], gene: Option<usize>) -> (Vec<f32>, Vec<f32>) {
    let anchor = block_on(predictor.checkpoint()).expect("readable").anchor().expect("whole").expect("there is one");
    let mean: Vec<f32> = (0..N_GENES)
        .map(|gene| (0..6).map(|row| ((row * N_GENES + gene) % 5) as f32 / 2.0).sum::<f32>() / 6.0)
        .collect();
    (anchor.say(vector, gene).change(&mean), anchor.bound().to_vec())
}

const VECTOR: [f32; 4] = [0.6, 0.3, 0.5, -0.1];

#[test]
fn before_the_decoder_is_trained_the_model_is_the_anchor() {
    let config = ours();
    let until_decoder = config.n_steps() - config.decoder.n_steps;
    for n_steps in [0, until_decoder] {
        let predictor = trained(&config, n_steps);
        for (target, gene) in [("A", Some(1)), ("nothing here", None)] {
            let (expected, _) = anchored(&predictor, &VECTOR, gene);
            let found = change(&predictor, &VECTOR, target, Mode::Knockout);
            assert!(expected.iter().any(|change| change.abs() > 0.01), "an anchor that says nothing shows nothing");
            assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-5));
        }
        assert!(change(&predictor, &VECTOR, "A", Mode::Control).iter().all(|change| change.abs() < 1e-6));
    }
}

#[test]
fn however_it_is_trained_it_stays_within_the_bound() {
    let mut config = ours();
    config.decoder.max_lr = 10.0;
    config.decoder.clip_norm = None;
    let predictor = trained(&config, config.n_steps());
    let (expected, bound) = anchored(&predictor, &VECTOR, None);
    let found = change(&predictor, &VECTOR, "nothing here", Mode::Knockout);
    let mut largest = 0.0f32;
    for ((found, expected), bound) in found.iter().zip(&expected).zip(&bound) {
        assert!((found - expected).abs() <= bound + 1e-5, "{found} is {bound} from {expected} at most");
        largest = largest.max((found - expected).abs() / bound);
    }
    assert!(largest > 0.5, "training moved nothing: {largest}");
}

#[test]
fn our_own_preset_resumes_bit_for_bit() {
    resumes(ours());
}

#[test]
fn a_resumed_run_does_not_fit_again() {
    let config = ours();
    let new = || Trainer::new(config.clone(), header_of(&config), cells(), cpu()).expect("the parts fit");
    let mut trainer = new();
    let expected = losses(&mut trainer, config.n_steps());
    let weights = block_on(trainer.weights()).expect("readable");
    let mut stopped = new();
    let before = block_on(stopped.state()).expect("readable");
    losses(&mut stopped, 17);
    let state = block_on(stopped.state()).expect("readable");
    let resume = |state: &[u8]| Trainer::resume(state, config.clone(), header_of(&config), cells(), cpu());
    let mut resumed = resume(&state).expect("its own state");
    assert_eq!(resumed.prepare().expect("finite"), None, "the anchor and what was left out of it are saved");
    assert_eq!(losses(&mut resumed, 2), expected[17..]);
    assert!(block_on(resumed.weights()).expect("readable") == weights);

    // What is saved is what is used: a state that says something else of a target goes on otherwise.
    let (mut tensors, metadata) = checkpoint::read_raw(&state).expect("its own");
    tensors.get_mut("left_out.base").expect("saved").values.iter_mut().for_each(|value| *value += 0.5);
    let mut other = resume(&checkpoint::write_raw(&tensors, &metadata).expect("writes")).expect("whole");
    assert_ne!(losses(&mut other, 2), expected[17..]);

    // Saved before the fit, or by a version that kept less: it is fitted again, to the same end.
    tensors.retain(|name, _| !name.starts_with("left_out."));
    for (state, n_done) in [(before, 0), (checkpoint::write_raw(&tensors, &metadata).expect("writes"), 17)] {
        let mut again = resume(&state).expect("whole");
        assert_eq!(again.prepare().expect("finite"), Some((0, 3)));
        assert_eq!(losses(&mut again, config.n_steps() - n_done), expected[n_done..]);
        assert!(block_on(again.weights()).expect("readable") == weights);
    }
    tensors.insert("left_out.base".into(), jepa::tensors::NamedTensor::scalar(0.0));
    let damaged = checkpoint::write_raw(&tensors, &metadata).expect("writes");
    let error = resume(&damaged).err().expect("refused").to_string();
    assert!(error.contains("left_out.base"), "{error}");
}

#[test]
fn a_look_at_a_run_does_not_fit() {
    let config = ours();
    let mut trainer = Trainer::new(config.clone(), header_of(&config), cells(), cpu()).expect("the parts fit");
    let probe = block_on(trainer.probe(1)).expect("the CPU does not fail");
    assert_eq!(probe.stages.len(), 4);
    // Two targets, each left out in turn, then both.
    let parts: Vec<_> = std::iter::from_fn(|| trainer.prepare().expect("finite")).collect();
    assert_eq!(parts, [(0, 3), (1, 3), (2, 3), (3, 3)]);
}

#[test]
fn a_correction_that_only_hurts_is_not_kept() {
    let mut config = TrainConfig { validation_share: 0.25, hold_back: HoldBack::Cells, validate_every: 2, ..ours() };
    config.decoder = StageConfig { max_lr: 30.0, n_steps: 6, clip_norm: None, ..config.decoder };
    let run = |config: &TrainConfig| {
        let mut trainer = Trainer::new(config.clone(), header_of(config), cells(), cpu()).expect("the parts fit");
        let mut reports = Vec::new();
        while !trainer.is_done() {
            reports.extend(block_on(trainer.step()).expect("finite"));
        }
        let predictor = Predictor::from_bytes(&block_on(trainer.weights()).expect("readable"), &cpu());
        (reports, predictor.expect("its own checkpoint"), trainer.history().validation.clone())
    };
    let (reports, predictor, curve) = run(&config);
    let ends: Vec<_> = reports.iter().filter_map(|report| Some((report.stage, report.end?.kept_step))).collect();
    assert_eq!(ends[0], (Stage::Pretrain, None), "the teacher moves: the last values are kept");
    assert_eq!(ends.last(), Some(&(Stage::Decoder, Some(0))));
    let (expected, _) = anchored(&predictor, &VECTOR, None);
    let found = change(&predictor, &VECTOR, "nothing here", Mode::Knockout);
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-5), "not the anchor");
    // It is on the curve, and said with every report of the stage.
    let begun = curve.points.iter().find(|point| point.stage == Stage::Decoder).expect("some");
    assert_eq!(begun.step, 0);
    for report in &reports {
        let expected = (report.stage == Stage::Decoder).then_some(f64::from(begun.loss));
        assert_eq!(report.validated_before, expected);
    }
    // Whatever the rate, what is kept has the lowest loss of all that was looked at.
    for max_lr in [1e-2, 1.0] {
        config.decoder.max_lr = max_lr;
        let (reports, _, curve) = run(&config);
        let of_decoder = curve.points.iter().filter(|point| point.stage == Stage::Decoder);
        let best = of_decoder.min_by(|a, b| a.loss.total_cmp(&b.loss)).expect("some");
        assert_eq!(reports.last().and_then(|last| last.end?.kept_step), Some(best.step), "{max_lr}");
    }
    // Without an anchor and from random values there is nothing worth keeping before the first step.
    let (reports, ..) = run(&TrainConfig { anchor: None, ..config });
    assert!(reports.iter().all(|report| report.validated_before.is_none()));
}

#[test]
fn more_targets_than_numbers_of_a_vector_are_fitted_in_folds() {
    // What is asked is linear in the vector, so that an anchor without noise would find it.
    let n_targets = 90;
    let vector = |at: usize| [1.0, (at % 7) as f32 - 3.0, (at * 5 % 11) as f32 - 5.0];
    let observed: Vec<Observed> = (0..n_targets)
        .map(|at| {
            let vector = vector(at);
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            let along = |gene: usize| f64::from(vector[gene] / length) + 2.0;
            Observed { vector: vector.to_vec(), gene: None, delta: (0..3).map(along).collect() }
        })
        .collect();
    let config = AnchorConfig { strength_power: 0.0, ..AnchorConfig::default() };
    let mut fitting = Fitting::new(observed.clone(), vec![1.0; 3], &config).expect("enough");
    assert_eq!(fitting.n_parts(), 9);
    let (anchor, left_out) = loop {
        if let Some(whole) = fitting.advance().expect("finite") {
            break whole;
        }
    };
    let tensors = anchor.to_tensors();
    assert_eq!((&tensors["vectors"].shape[..], &tensors["weights"].shape[..]), (&[3, 3][..], &[3, 3][..]));
    let control = [1.0f32; 3];
    for (target, left_out) in observed.iter().zip(&left_out) {
        let said = anchor.say(&target.vector, None).change(&control);
        for ((said, left_out), measured) in said.iter().zip(left_out.change(&control)).zip(&target.delta) {
            // The noise takes some of a change between 1 and 3.
            assert!((f64::from(*said) - measured).abs() < 0.1 && (f64::from(left_out) - measured).abs() < 0.1);
        }
    }
    let many = vec![observed[0].clone(); 20_001];
    let error = Fitting::new(many, vec![1.0; 3], &config).err().expect("too many").to_string();
    assert!(error.contains("at most 20000 targets") && error.contains("20001"), "{error}");
}

#[test]
fn what_the_reference_does_not_know_has_names_of_its_own() {
    let names = |config: TrainConfig| -> Vec<String> {
        let trainer = Trainer::new(config.clone(), header_of(&config), cells(), cpu()).expect("the parts fit");
        let checkpoint = checkpoint::read(&block_on(trainer.weights()).expect("readable")).expect("its own");
        checkpoint.tensors.into_keys().collect()
    };
    let reference = names(departing());
    let beside = |config: TrainConfig| -> Vec<String> {
        let found = names(config);
        assert!(reference.iter().all(|name| found.contains(name)));
        found.into_iter().filter(|name| !reference.contains(name)).collect()
    };
    // As the README says it.
    let anchored = TrainConfig { anchor: Some(AnchorConfig::default()), ..departing() };
    let known = ModelConfig { masked_identity: true, ..anchored.model.clone() };
    let found = beside(TrainConfig { model: known, ..anchored });
    assert!(found.len() == 7 && found.iter().all(|name| name.starts_with("anchor.")), "{found:?}");
    let found = beside(ours());
    let is_said = |name: &String| name.starts_with("anchor.") || name.starts_with("model.predictor.action_tokens.");
    assert!(found.len() == 12 && found.iter().all(is_said), "{found:?}");
}

#[test]
fn sets_are_a_term_of_the_loss() {
    let config = ours();
    let mut trainer = Trainer::new(config.clone(), header_of(&config), cells(), cpu()).expect("the parts fit");
    let (mut n_action, mut n_decoder) = (0, 0);
    while !trainer.is_done() {
        let report = block_on(trainer.step()).expect("finite").expect("reports every step");
        if report.terms.iter().any(|term| term.term == LossTerm::Population && term.weight == 0.5) {
            if report.stage == Stage::Action { n_action += 1 } else { n_decoder += 1 }
        }
    }
    assert_eq!((n_action, n_decoder), (config.action.n_steps, config.decoder.n_steps));
    let mut too_large = ours();
    too_large.decoder.set_size = 4;
    let error = too_large.validate().expect_err("a step has three pairs").to_string();
    assert!(error.contains("set_size is 4"), "{error}");
}

#[test]
fn the_pairs_of_a_set_are_of_one_target_and_of_different_cells() {
    let (cells, mut draws) = (cells(), Draws::new(7, Stage::Action));
    for balance_targets in [true, false] {
        let sampling = Sampling { cells_per_example: 1, balance_targets, set_size: 3 };
        let order = draws.order_of_sets(cells.n_examples(Stage::Action, sampling), 7, 3, 0);
        let pairs = cells.pairs(&order, 1, sampling, &draws, 0);
        let targets = &pairs.target;
        assert_eq!(targets.len(), 8);
        assert!(targets[..3].iter().all(|target| target.is_some() && *target == targets[0]));
        assert!(targets[3..6].iter().all(|target| target.is_some() && *target == targets[3]));
        assert_eq!(targets[7], None, "controls come behind the sets");
        let row = |at: usize| &pairs.case.x[at * N_GENES..(at + 1) * N_GENES];
        assert!(row(0) != row(1) || row(0) != row(2), "three times the same cell shows no spread");
    }
}

#[test]
fn a_hidden_gene_keeps_its_identity_where_it_is_asked_for() {
    let spread = |masked_identity: bool| -> f32 {
        let config = ModelConfig { masked_identity, ..config().model };
        let model = BioJepa::init(&config, 5, &cpu()).expect("a valid configuration");
        let ones = |shape| Tensor::<2>::ones(shape, &cpu());
        let cells = CellBatch { x: ones([1, N_GENES]), log_total: Tensor::ones([1], &cpu()) };
        let hidden = model.student.forward(&cells, Some(&ones([1, N_GENES])));
        let guessed = model.masked_predictor.forward(hidden);
        let spread = (guessed.clone() - guessed.mean_dim(1)).abs().max();
        spread.into_data().try_into_vec::<f32>().expect("one f32")[0]
    };
    assert!(spread(false) < 1e-5, "the reference guesses the same of every hidden gene");
    assert!(spread(true) > 1e-4);
}

#[test]
fn the_own_gene_is_read_as_a_token() {
    let differs = |action_tokens: bool| {
        let reference = config();
        let config = TrainConfig { model: ModelConfig { action_tokens, ..reference.model.clone() }, ..reference };
        let predictor = trained(&config, 0);
        change(&predictor, &VECTOR, "A", Mode::Knockout) != change(&predictor, &VECTOR, "G2", Mode::Knockout)
    };
    assert!(!differs(false) && differs(true));
}
