//! What our own preset adds: the anchor and its bounded correction, sets beside pairs, gene identity, action tokens.
//!
//! Fits are held to numpy's in f64; what is stored and said is f32, so that numbers agree to some units of it.

use burn::tensor::{Device, Tensor, TensorData};
use cells::counts::Counts;
use futures_lite::future::block_on;
use jepa::anchor::{Anchor, Observed};
use jepa::batch::{Draws, Sampling};
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
use spec::train::{Stage, StageConfig, TrainConfig};

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
