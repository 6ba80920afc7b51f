//! Who plays which part in a run: what is warned of and what is refused, each by its name.

use cells::counts::Counts;
use cells::data::Labels;
use futures_lite::future::block_on;
use jepa::bank::Bank;
use jepa::train::Trainer;
use jepa::train::assemble::{Assembled, AssemblyError, Material, assemble};
use jepa::train::start::started_from;
use jepa::{Error, checkpoint};
use spec::model::ModelConfig;
use spec::train::preset::Preset;
use spec::train::{HoldBack, Stage, StageConfig, TrainConfig};

use super::{N_GENES, config, cpu};

/// Labels of the made-up cells: controls, two targets with vectors, one with a single cell, one without a vector.
const LABELS: [(&str, usize); 5] = [("control", 6), ("A", 5), ("B", 5), ("LONE", 1), ("NOVEC", 3)];

fn material(labels: &[(&str, usize)], control: Option<&str>) -> Material {
    let names: Vec<String> = labels.iter().flat_map(|(label, n)| vec![(*label).to_owned(); *n]).collect();
    let dense: Vec<f32> = (0..names.len() * N_GENES).map(|at| (at % 5) as f32).collect();
    Material {
        expression: Counts::from_dense(&dense, N_GENES).expect("rows are whole"),
        genes: (0..N_GENES).map(|gene| format!("G{gene}")).collect(),
        gene_ids: Vec::new(),
        labels: Some(Labels::from_names(names, control)),
        batches: None,
        cells_per_row: None,
        target_sum: 1e4,
    }
}

fn bank() -> Bank {
    let symbols = ["A", "B", "LONE"].map(String::from).to_vec();
    let vectors: Vec<f32> = (0..12).map(|at| (at % 7) as f32 - 3.0).collect();
    Bank::quantise(symbols, 4, &vectors, "made up").expect("three rows of four")
}

fn assembled(config: &TrainConfig, material: Material) -> Assembled {
    assemble(config, material, &bank(), None).expect("enough of everything")
}

#[test]
fn each_cell_gets_its_part_and_what_is_left_out_is_said() {
    let held_out = TrainConfig { held_out: vec!["B".into()], ..config() };
    let run = assembled(&held_out, material(&LABELS, Some("control")));
    assert_eq!((run.header.seen.join(" "), run.header.held_out.join(" ")), ("A".into(), "B".into()));
    assert_eq!((run.config.model.n_genes, run.config.model.composer.n_protein), (N_GENES, 4));
    let sampling = jepa::batch::Sampling { cells_per_example: 1, balance_targets: false, set_size: 1 };
    // All but the held-out target; and the pairs of A.
    assert_eq!(run.cells.n_examples(Stage::Pretrain, sampling), 6 + 5 + 1 + 3);
    assert_eq!(run.cells.n_examples(Stage::Action, sampling), 5);
    let said = run.warnings.join("\n");
    assert!(said.contains("No vector") && said.contains("NOVEC") && said.contains("Fewer than 2 cells"), "{said}");
    assert!(said.contains("LONE") && !said.contains("batch"), "{said}");
}

#[test]
fn a_metacell_counts_as_the_cells_it_stands_for() {
    let mut metacells = material(&LABELS, Some("control"));
    metacells.cells_per_row = Some(vec![40.0; 20]);
    assert_eq!(assembled(&config(), metacells).header.seen, ["A", "B", "LONE"]);
}

#[test]
fn targets_held_back_for_validation_are_not_among_the_seen() {
    let config = TrainConfig { validation_share: 0.5, hold_back: HoldBack::Targets, vector_weight: 0.5, ..config() };
    let run = assembled(&config, material(&LABELS, Some("control")));
    let [seen] = &run.header.seen[..] else { panic!("{:?}", run.header.seen) };
    assert!(run.warnings.iter().any(|warning| warning.contains("Held back for validation")), "{:?}", run.warnings);
    assert_eq!(run.header.shrinkage.expect("asked for").mean, bank().vector(seen).expect("is there"));
}

#[test]
fn batches_are_used_where_they_are_asked_for() {
    let batched = |config: &TrainConfig, batch: fn(u32) -> u32| {
        let mut cells = material(&LABELS, Some("control"));
        cells.batches = Some((0..20).map(batch).collect());
        assembled(config, cells)
    };
    let asked = TrainConfig { batch_column: Some("plate".into()), ..config() };
    let two = batched(&asked, |row| row % 2);
    assert!(!two.warnings.iter().any(|warning| warning.contains("one batch")));
    assert_ne!(two.cells.fingerprint(), batched(&config(), |row| row % 2).cells.fingerprint());
    assert!(batched(&asked, |_| 7).warnings.iter().any(|warning| warning.contains("one batch")));
    assert!(!batched(&config(), |_| 7).warnings.iter().any(|warning| warning.contains("batch")));
    // Rows 6.. are perturbed: each partner is of the same batch, that is, of the same parity.
    let sampling = jepa::batch::Sampling { cells_per_example: 1, balance_targets: false, set_size: 1 };
    let (draws, order) = (jepa::batch::Draws::new(3, Stage::Action), (0..10).collect::<Vec<u32>>());
    let mut marked = material(&LABELS, Some("control"));
    marked.batches = Some((0..20).map(|row| row % 2).collect());
    let parity: Vec<f32> = (0..20 * N_GENES).map(|at| (at / N_GENES % 2) as f32 + 1.0).collect();
    marked.expression = Counts::from_dense(&parity, N_GENES).expect("rows are whole");
    let pairs = assembled(&asked, marked).cells.pairs(&order, 0, sampling, &draws, 0);
    assert_eq!(pairs.control.x, pairs.case.x);
}

#[test]
fn what_makes_no_run_is_named() {
    let check = |config: &TrainConfig, material: Material, wanted: fn(&AssemblyError) -> bool| {
        let error = assemble(config, material, &bank(), None).expect_err("refused");
        let text = error.to_string();
        let Error::Assembly(error) = error else { panic!("another error: {text}") };
        assert!(wanted(&error), "{text}");
    };
    let usual = || material(&LABELS, Some("control"));
    let unlabelled = Material { labels: None, ..usual() };
    check(&config(), unlabelled.clone(), |e| matches!(e, AssemblyError::NoLabels { stage: "alignment" }));
    check(&config(), material(&LABELS, None), |e| matches!(e, AssemblyError::NoControls { stage: "action", .. }));
    let mut emptied = usual();
    emptied.labels.as_mut().expect("there").codes.iter_mut().for_each(|code| *code = (*code).max(1));
    check(&config(), emptied, |e| matches!(e, AssemblyError::NoControls { reason, .. } if reason.contains("control")));
    let held_out = |name: &str| TrainConfig { held_out: vec![name.into()], ..config() };
    check(
        &held_out("TP53"),
        usual(),
        |e| matches!(e, AssemblyError::UnknownHeldOut { name, listed } if name == "TP53" && listed.contains("NOVEC")),
    );
    check(&held_out("control"), usual(), |e| matches!(e, AssemblyError::ControlHeldOut { .. }));
    let few = [("control", 4), ("NOVEC", 4), ("LONE", 1)];
    check(
        &config(),
        material(&few, Some("control")),
        |e| matches!(e, AssemblyError::NoTargets { n_labels: 2, reasons, .. } if reasons.contains("LONE")),
    );
    let asked = TrainConfig { batch_column: Some("plate".into()), ..config() };
    check(&asked, usual(), |e| matches!(e, AssemblyError::NoBatches { column } if column == "plate"));
    let lengths = |e: &AssemblyError| matches!(e, AssemblyError::Lengths { .. });
    check(&config(), Material { genes: vec!["G".into()], ..usual() }, lengths);
    check(&config(), Material { batches: Some(vec![0; 3]), ..usual() }, lengths);
    let mut outside = usual();
    outside.labels.as_mut().expect("there").codes[0] = 99;
    check(&config(), outside, lengths);

    // Pretraining alone needs no labels.
    let none = StageConfig::default();
    let alone = TrainConfig { align: none.clone(), action: none.clone(), decoder: none, ..config() };
    assert!(assemble(&alone, unlabelled, &bank(), None).expect("all cells are alike").header.seen.is_empty());
}

/// Our own preset, small, with these stages.
fn ours(stages: &[Stage]) -> TrainConfig {
    let mut config = Preset::Waddington.config();
    config.model = ModelConfig { d_model: 8, n_heads: 2, n_layers: 1, n_pretrain_layers: 1, ..config.model };
    for stage in Stage::ALL {
        let n_steps = if stages.contains(&stage) { 2 } else { 0 };
        *config.stage_mut(stage) = StageConfig { n_steps, batch_size: 8, ..config.stage(stage).clone() };
    }
    config
}

#[test]
fn our_own_preset_pretrains_on_unlabelled_cells_and_goes_on_from_there() {
    let unlabelled = Material { labels: None, ..material(&LABELS, Some("control")) };
    let run = assembled(&ours(&[Stage::Pretrain]), unlabelled);
    assert_eq!((&run.config.anchor, &run.header.anchor), (&None, &None));
    assert!(run.warnings.iter().any(|warning| warning.contains("No anchor is fitted")), "{:?}", run.warnings);
    let mut trainer = Trainer::new(run.config, run.header, run.cells, cpu()).expect("the parts fit");
    while !trainer.is_done() {
        block_on(trainer.step()).expect("finite");
    }
    let bytes = block_on(trainer.weights()).expect("readable");
    let pretrained = checkpoint::read(&bytes).expect("its own");

    // What has seen no perturbation takes an anchor like a run from random values.
    let wanted = TrainConfig { model: ModelConfig::default(), ..ours(&[Stage::Action, Stage::Decoder]) };
    let config = started_from(&wanted, &pretrained.header, &bytes).expect("nothing contradicts");
    let labelled = material(&LABELS, Some("control"));
    let run = assemble(&config, labelled, &bank(), Some(&pretrained.header)).expect("enough");
    assert!(run.header.anchor.is_some());
    assert!(!run.warnings.iter().any(|warning| warning.contains("anchor")), "{:?}", run.warnings);
    let mut trainer =
        Trainer::fine_tune(run.config, run.header, run.cells, &pretrained, cpu()).expect("the same genes");
    let weights = checkpoint::read(&block_on(trainer.weights()).expect("readable")).expect("its own");
    assert!(weights.tensors["decoder.head.weight"].values.iter().all(|value| *value == 0.0), "it corrects nothing yet");
    while !trainer.is_done() {
        block_on(trainer.step()).expect("finite");
    }
}

#[test]
fn an_anchor_needs_two_targets() {
    let one = [("control", 6), ("A", 5), ("NOVEC", 3)];
    let refused = |config: &TrainConfig, labels: &[(&str, usize)]| {
        assemble(config, material(labels, Some("control")), &bank(), None).expect_err("refused").to_string()
    };
    let config = ours(&[Stage::Pretrain, Stage::Action, Stage::Decoder]);
    let error = refused(&config, &one);
    assert!(
        error.contains("at least 2 targets") && error.contains("1 (A)") && error.contains("another preset"),
        "{error}"
    );
    let whole = TrainConfig { hold_back: HoldBack::Targets, validation_share: 0.5, ..config };
    let error = refused(&whole, &LABELS);
    assert!(error.contains("hold_back = \"cells\""), "{error}");
}

#[test]
fn what_becomes_of_an_earlier_anchor_is_said() {
    let all = &[Stage::Pretrain, Stage::Action, Stage::Decoder];
    let base = assembled(&ours(all), material(&LABELS, Some("control")));
    let trainer = Trainer::new(base.config, base.header, base.cells, cpu()).expect("the parts fit");
    let bytes = block_on(trainer.weights()).expect("readable");
    let checkpoint = checkpoint::read(&bytes).expect("its own");
    let tuned = |stages: &[Stage], labels: &[(&str, usize)]| {
        let config = started_from(&ours(stages), &checkpoint.header, &bytes).expect("nothing contradicts");
        let run = assemble(&config, material(labels, Some("control")), &bank(), Some(&checkpoint.header));
        let Assembled { config, header, cells, warnings } = run.expect("enough");
        let trainer = Trainer::fine_tune(config, header, cells, &checkpoint, cpu()).expect("the same genes");
        let weights = checkpoint::read(&block_on(trainer.weights()).expect("readable")).expect("its own");
        let is_kept = weights.tensors["anchor.mean"] == checkpoint.tensors["anchor.mean"];
        (warnings.into_iter().filter(|warning| warning.contains("anchor")).collect::<Vec<_>>().join(" "), is_kept)
    };
    let (said, is_kept) = tuned(all, &[("control", 9), ("A", 4), ("B", 5)]);
    assert!(
        said.contains("fitted anew, to the 2 targets") && said.contains("A, B") && said.contains("replaced"),
        "{said}"
    );
    assert!(!is_kept);
    let (said, is_kept) = tuned(all, &[("control", 9), ("B", 5)]);
    assert!(said.contains("stays that of the checkpoint") && said.contains("have 1 of the 2"), "{said}");
    assert!(is_kept);
    // Where the decoder is not trained, nothing becomes of it.
    assert_eq!(tuned(&[Stage::Action], &[("control", 9), ("A", 4), ("B", 5)]), (String::new(), true));
}
