//! BioJEPA-AC's evaluations in the report of a small model: all eight where everything is given, what is missing where it
//! is not.

use engine::evaluate::Contender;
use futures_lite::future::block_on;
use jepa::bank::Bank;
use jepa::query::Predictor;
use jepa::train::Trainer;
use jepa::train::assemble::{Assembled, Material, assemble};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spec::device::BackendChoice;
use spec::evaluation::{Evaluation, EvaluationConfig, Folds, Form, ReferenceConfig, ReferenceEvaluation};
use spec::genes::Pathway;
use spec::metrics::Metric;
use spec::train::{StageConfig, TrainConfig};

const SEEN: [&str; 2] = ["A", "B"];
const HELD_OUT: [&str; 6] = ["C", "D", "E", "F", "G", "H"];
const N_GENES: usize = 30;

/// C, D and E raise the first genes, F, G and H the last ones; two batches.
fn screen() -> Material {
    let mut draws = ChaCha8Rng::seed_from_u64(5);
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    for (label, n) in std::iter::once(("control", 60)).chain(SEEN.into_iter().chain(HELD_OUT).map(|name| (name, 20))) {
        for _ in 0..n {
            let mut row: Vec<f32> = (0..N_GENES)
                .map(|_| if draws.random::<f32>() < 0.8 { 0.3 + draws.random::<f32>() } else { 0.0 })
                .collect();
            match label {
                "C" | "D" | "E" => row[..10].iter_mut().for_each(|value| *value += 1.0),
                "F" | "G" | "H" => row[20..].iter_mut().for_each(|value| *value += 1.0),
                _ => {}
            }
            rows.push(row);
            labels.push(label);
        }
    }
    let batches = (0..rows.len() as u32).map(|row| row % 2).collect();
    Material { batches: Some(batches), ..super::material(&rows, &labels) }
}

fn bank() -> Bank {
    let symbols: Vec<String> = SEEN.into_iter().chain(HELD_OUT).map(str::to_owned).collect();
    let mut draws = ChaCha8Rng::seed_from_u64(6);
    let vectors: Vec<f32> = (0..symbols.len() * 4).map(|_| draws.random::<f32>() - 0.5).collect();
    Bank::quantise(symbols, 4, &vectors, "made here").expect("a bank")
}

/// A model of few steps: bad, but a model.
fn predictor(material: &Material) -> Predictor {
    let stage = |n_steps| StageConfig { n_steps, batch_size: 4, ..StageConfig::default() };
    let mut config = TrainConfig { action: stage(3), decoder: stage(3), ..TrainConfig::default() };
    (config.model.d_model, config.model.n_heads, config.model.n_layers) = (4, 1, 1);
    config.held_out = HELD_OUT.into_iter().map(str::to_owned).collect();
    let (device, _) = block_on(jepa::device::open(BackendChoice::Cpu)).expect("the CPU");
    let Assembled { config, header, cells, .. } =
        assemble(&config, material.clone(), &bank(), None).expect("a run of these cells");
    let mut trainer = Trainer::new(config, header, cells, device).expect("a trainer");
    while !trainer.is_done() {
        if trainer.prepare().expect("no anchor, or one that fits").is_none() {
            block_on(trainer.step()).expect("a step");
        }
    }
    trainer.predictor().expect("a model of perturbations")
}

fn everything() -> ReferenceConfig {
    let pathway = |name: &str, genes: std::ops::Range<usize>, targets: &[&str]| Pathway {
        name: name.into(),
        genes: genes.map(|gene| format!("G{gene}")).chain(targets.iter().map(|&target| target.to_owned())).collect(),
    };
    ReferenceConfig {
        pathways: vec![pathway("first", 0..15, &["C", "D", "E"]), pathway("last", 15..30, &["F", "G", "H"])],
        gene_effects: (0..N_GENES).map(|gene| (format!("G{gene}"), if gene % 3 == 0 { -1.0 } else { 0.1 })).collect(),
        ..ReferenceConfig::default()
    }
}

fn judged(material: &Material, reference: ReferenceConfig) -> Evaluation {
    let predictor = predictor(material);
    let contender = Contender::Checkpoint { name: "model", predictor: &predictor, n_control_cells: None };
    let metrics = vec![Metric::BioJepaMse, Metric::BioJepaDirection, Metric::BioJepaPrecision10, Metric::BioJepaR2];
    let config = EvaluationConfig { metrics, reference: Some(reference), ..super::quick(Folds::HeldOut) };
    super::evaluated(material, Some(&bank()), Some(&contender), &config)
}

fn value(of: &ReferenceEvaluation, measure: &str, form: Form) -> (f64, Option<f64>) {
    let row = of.rows.iter().find(|row| row.measure == measure && row.form == form);
    let row = row.unwrap_or_else(|| panic!("{measure} is none of {:?}", of.rows));
    let beside = row.beside.as_ref().and_then(|(_, value)| *value);
    (row.value.unwrap_or_else(|| panic!("{row:?} has no number")), beside)
}

#[test]
fn all_eight_are_reported_where_everything_is_given() {
    let found = judged(&screen(), everything());
    let numbers: Vec<u8> = found.reference.iter().map(|of| of.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
    for of in &found.reference {
        assert_eq!(of.missing, None, "{}", of.title);
        assert!(!of.flaw.is_empty() && !of.rows.is_empty(), "{of:?}");
        assert!(of.rows.iter().all(|row| row.value.is_some_and(f64::is_finite) != row.problem.is_some()), "{of:?}");
    }
    let of = |number: usize| &found.reference[number - 1];
    // Two ways to the same numbers: the table's and this report's.
    let model = found.table.rows.iter().find(|row| row.method == "model").expect("its row");
    for (column, (number, measure)) in [
        (1, "Mean squared error of mean changes"),
        (2, "Up, down or none at 0.25"),
        (2, "Precision at 10"),
        (1, "R² of mean expression"),
    ]
    .into_iter()
    .enumerate()
    {
        let (own, _) = value(of(number), measure, Form::AsPublished);
        let theirs = model.cells[column].mean.expect("defined");
        // The profile of the table is a sum in f32.
        assert!((own - theirs).abs() < 1e-5, "{measure}: {own} is not {theirs}");
    }
    let (_, chance) = value(of(2), "Precision at 10", Form::AsPublished);
    assert!((chance.expect("chance") - 10.0 / N_GENES as f64).abs() < 1e-12);
    // Of the eight with vectors, six were not seen.
    assert_eq!(value(of(3), "Median rank among 8", Form::AsPublished).1, Some(4.5));
    assert_eq!(value(of(3), "Median rank among 6", Form::Corrected).1, Some(3.5));
    let (within, right) = value(of(4), "Latent errors within one predicted deviation", Form::Corrected);
    assert!((0.0..=1.0).contains(&within) && right == Some(0.683));
    let (_, most) = value(of(5), "Batch from the control cell's state", Form::AsPublished);
    assert!(most.is_some_and(|most| most > 0.3 && most < 0.8), "{most:?}");
    // Each is its own neighbour, so the published share is never the smaller one.
    let share = |form| value(of(6), "5 nearest of 30 gene embeddings say the pathway", form).0;
    assert!(share(Form::AsPublished) >= share(Form::Corrected));
    // The responses measured to one pathway are alike here, by the way they were made.
    let (within, between) = value(of(7), "Cosine within pathways, measured changes", Form::Corrected);
    assert!(within > between.expect("of both") + 0.5, "{within} {between:?}");
    let text = serde_json::to_string(&found).expect("JSON");
    assert_eq!(serde_json::from_str::<Evaluation>(&text).expect("the same").reference.len(), 8);
}

#[test]
fn what_is_missing_is_named() {
    let with = screen();
    let found = judged(&Material { batches: None, ..with.clone() }, ReferenceConfig::default());
    for (number, part) in [(5, "--batches"), (6, "--gene-sets"), (7, "--gene-sets"), (8, "--gene-effect")] {
        let of = &found.reference[number - 1];
        assert!(of.missing.as_ref().is_some_and(|missing| missing.contains(part)), "{number}: {:?}", of.missing);
    }
    assert!(!found.reference[4].rows.is_empty(), "perturbations are probed without batches");
    let one = ReferenceConfig { pathways: everything().pathways[..1].to_vec(), ..everything() };
    let of = &judged(&with, one).reference[6];
    assert!(of.missing.as_ref().is_some_and(|missing| missing.starts_with("One pathway")), "{:?}", of.missing);
    let meta = Material { cells_per_row: Some(vec![2.0; with.expression.n_cells()]), ..with.clone() };
    let found = judged(&meta, everything());
    for number in [1, 4, 5] {
        let of = &found.reference[number - 1];
        assert!(
            of.missing.as_ref().is_some_and(|missing| missing.contains("ingle cells")),
            "{number}: {:?}",
            of.missing
        );
    }
    // Without a model there is nothing to evaluate.
    let config = EvaluationConfig { reference: Some(everything()), ..super::quick(Folds::LeaveOneTargetOut) };
    let found = super::evaluated(&with, None, None, &config);
    assert!(found.reference.is_empty() && found.problems.iter().any(|problem| problem.contains("none was judged")));
}
