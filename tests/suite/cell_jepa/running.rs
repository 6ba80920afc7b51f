//! Training runs: they learn, resume bit for bit, keep what validated best, and leave a checkpoint that embeds.

use jepa::batch::{Role, TrainingCells};
use jepa::cell_jepa::embed::Embedder;
use jepa::checkpoint;
use jepa::train::Trainer;
use jepa::train::assemble::Material;
use jepa::train::start::started_from;
use jepa::train::visits::assemble_cells;
use spec::cell_jepa::CellTypeTuning;
use spec::checkpoint::CheckpointHeader;
use spec::train::report::LossTerm;
use spec::train::{HoldBack, StageConfig, TrainConfig};

use super::embedding::two_kinds;
use super::*;

pub(super) fn config(model: CellJepaConfig) -> TrainConfig {
    let mut config = TrainConfig {
        cell_jepa: Some(model),
        pretrain: StageConfig { n_steps: 12, batch_size: 8, ..StageConfig::default() },
        report_every: 1,
        checkpoint_every: 5,
        validate_every: 4,
        validation_share: 0.2,
        hold_back: HoldBack::Cells,
        ..TrainConfig::default()
    };
    config.model.n_genes = N_GENES;
    config
}

fn recipe() -> CellJepaConfig {
    CellJepaConfig { lr: 5e-3, lr_decay: 0.98, dropout: 0.1, embedding_weight: 10.0, ..super::config() }
}

pub(super) fn header(config: &TrainConfig) -> CheckpointHeader {
    assembled(config).header
}

fn material() -> Material {
    Material {
        expression: two_kinds().0,
        genes: (0..N_GENES).map(|gene| format!("G{gene}")).collect(),
        gene_ids: Vec::new(),
        labels: None,
        batches: None,
        cells_per_row: None,
        target_sum: 1e4,
    }
}

fn assembled(config: &TrainConfig) -> jepa::train::assemble::Assembled {
    assemble_cells(config, material(), None).expect("the parts fit")
}

fn cells() -> TrainingCells {
    TrainingCells::new(two_kinds().0, &[Role::Unlabelled; 40], None, Vec::new()).expect("rows of one kind")
}

fn trainer(config: &TrainConfig) -> Trainer {
    Trainer::new(config.clone(), header(config), cells(), cpu()).expect("the parts fit")
}

#[test]
fn a_run_learns_what_is_hidden() {
    let mut long = config(recipe());
    long.pretrain.n_steps = 150;
    let mut trainer = trainer(&long);
    let mut values = Vec::new();
    let mut rates = Vec::new();
    while !trainer.is_done() {
        let report = block_on(trainer.step()).expect("finite").expect("reports every step");
        let terms: Vec<LossTerm> = report.terms.iter().map(|term| term.term).collect();
        assert_eq!(terms, [LossTerm::HiddenValues, LossTerm::CellEmbedding]);
        let sum: f64 = report.terms.iter().map(|term| term.weight * term.value).sum();
        assert!((sum - report.loss).abs() < 1e-3 * report.loss, "{sum} {}", report.loss);
        values.push(report.terms[0].value);
        rates.push(report.lr);
        if let Some(gauges) = report.gauges {
            assert!(gauges.n_dims == 16 && gauges.teacher_distance.is_some());
        }
    }
    let mean = |of: &[f64]| of.iter().sum::<f64>() / of.len() as f64;
    let (first, last) = (mean(&values[..10]), mean(&values[140..]));
    assert!(last < 0.7 * first, "squared error of hidden values: {first} at first, {last} at last");
    // 32 of 40 cells are learned from, in batches of 8: an epoch is 4 steps.
    assert_eq!(rates[..4], [5e-3; 4]);
    assert!((rates[4] - 5e-3 * 0.98).abs() < 1e-12 && (rates[8] - 5e-3 * 0.98 * 0.98).abs() < 1e-12);
}

#[test]
fn a_run_that_was_killed_ends_as_one_that_was_not() {
    let config = TrainConfig { accumulate: 2, ..config(recipe()) };
    let mut whole = trainer(&config);
    while !whole.is_done() {
        block_on(whole.step()).expect("finite");
    }
    let expected = block_on(whole.weights()).expect("readable");
    let mut killed = trainer(&config);
    for step in 0..12 {
        if [1, 4, 5, 11].contains(&step) {
            let state = block_on(killed.state()).expect("readable");
            let (saved, of_saved) = Trainer::saved_as(&state).expect("its own state");
            killed = Trainer::resume(&state, saved, of_saved, cells(), cpu()).expect("its own state");
        }
        block_on(killed.step()).expect("finite");
    }
    assert!(killed.is_done());
    assert_eq!(expected, block_on(killed.weights()).expect("readable"));
}

#[test]
fn a_checkpoint_embeds_and_can_be_gone_on_from() {
    let mut first = trainer(&config(recipe()));
    block_on(first.step()).expect("finite");
    let bytes = block_on(first.weights()).expect("readable");
    let saved = checkpoint::read(&bytes).expect("a checkpoint of ours");
    Embedder::new(&saved, &cpu()).expect("a Cell-JEPA");
    let error = saved.build(&cpu()).expect_err("it is no BioJEPA-AC").to_string();
    assert!(error.contains("Cell-JEPA"), "{error}");

    let second = started_from(&config(recipe()), &saved.header, &bytes).expect("the same sizes");
    assert!(second.start_from.is_some() && second.pretrain.n_steps == 12);
    let going_on = Trainer::fine_tune(second.clone(), header(&second), cells(), &saved, cpu()).expect("it fits");
    assert_eq!(block_on(going_on.tensors()).expect("readable"), saved.tensors);

    let wider = config(CellJepaConfig { d_model: 32, ..recipe() });
    let error = started_from(&wider, &saved.header, &bytes).expect_err("another size").to_string();
    assert!(error.contains("d_model"), "{error}");
    let other = started_from(&TrainConfig::default(), &saved.header, &bytes).expect_err("another model").to_string();
    assert!(other.contains("cell_jepa"), "{other}");
}

#[test]
fn types_of_cells_are_learned_by_fine_tuning() {
    // Squared bins are hundreds, and the bound of the gradients is common: so that sixty steps show it, the contrast leads.
    let tuning = CellTypeTuning { generated_weight: 1e-4, ..CellTypeTuning::default() };
    let recipe = CellJepaConfig {
        lr: 2e-3,
        lr_decay: 0.99,
        value_weight: 1e-4,
        embedding_weight: 0.1,
        fine_tune: Some(tuning),
        ..recipe()
    };
    let mut config = config(recipe);
    config.pretrain.n_steps = 60;
    let typed = Material { batches: Some(two_kinds().1), ..material() };
    let assembled = assemble_cells(&config, typed, None).expect("two types");
    let mut first = trainer(&super::running::config(self::recipe()));
    block_on(first.step()).expect("finite");
    let from = checkpoint::read(&block_on(first.weights()).expect("readable")).expect("a checkpoint");
    let parts = (assembled.config.clone(), assembled.header.clone(), assembled.cells.clone());
    let mut trainer = Trainer::fine_tune(parts.0, parts.1, parts.2, &from, cpu()).expect("it fits");
    let mut contrasts = Vec::new();
    while !trainer.is_done() {
        let report = block_on(trainer.step()).expect("finite").expect("reports every step");
        contrasts.push(report.terms.iter().find(|term| term.term == LossTerm::TypeContrast).expect("a term").value);
        if contrasts.len() == 7 {
            let state = block_on(trainer.state()).expect("readable");
            let (config, header) = Trainer::saved_as(&state).expect("its own state");
            trainer = Trainer::resume(&state, config, header, assembled.cells.clone(), cpu()).expect("its own state");
        }
    }
    // Four of each type in a batch of eight: the entropy of the target alone is about ln 4.
    assert!(contrasts[59] < contrasts[0] - 0.2 && contrasts[59] < 1.7, "{contrasts:?}");
    let tuned = checkpoint::read(&block_on(trainer.weights()).expect("readable")).expect("a checkpoint");
    assert!(
        tuned.tensors.contains_key("model.generator.weight") && !from.tensors.contains_key("model.generator.weight")
    );
    Embedder::new(&tuned, &cpu()).expect("a Cell-JEPA");

    assert!(assemble_cells(&config, material(), None).is_err(), "no types were given");
    let parts = TrainConfig { accumulate: 2, ..config.clone() };
    assert!(parts.validate().expect_err("a batch in parts").contains("accumulate"));
    let targets = TrainConfig { hold_back: HoldBack::Targets, ..config };
    assert!(targets.validate().expect_err("types held back").contains("hold_back"));
}

#[test]
fn a_vocabulary_gives_the_tokens_and_what_it_lacks_is_said() {
    let vocabulary: Vec<String> = ["G29", "OTHER", "G3", "G0"].map(str::to_owned).to_vec();
    let found = assemble_cells(&config(recipe()), material(), Some(vocabulary.clone())).expect("some genes are there");
    assert_eq!((found.header.genes, found.config.model.n_genes), (vocabulary, 4));
    assert!(found.warnings[0].contains("27 of the 30 genes"), "{:?}", found.warnings);
    let column = |rows: &Counts, gene: u32| -> Vec<f32> {
        (0..40).map(|row| rows.row(row).find(|(at, _)| *at == gene).map_or(0.0, |(_, value)| value)).collect()
    };
    assert_eq!(column(found.cells.rows(), 2), column(&material().expression, 3));
    assert!(column(found.cells.rows(), 1).iter().all(|value| *value == 0.0));
    let none = assemble_cells(&config(recipe()), material(), Some(vec!["X".into()]));
    assert!(none.is_err());
    let held_out = TrainConfig { held_out: vec!["A".into()], ..config(recipe()) };
    assert!(assemble_cells(&held_out, material(), None).is_err());
}

/// The file of a small model that learned from cells of these genes for so many steps; without steps its values are random.
pub fn trained_on(genes: &[String], values: Vec<f32>, n_steps: usize) -> Vec<u8> {
    let counts = Counts::from_dense(&values, genes.len()).expect("rows are whole");
    let material = Material { expression: counts, genes: genes.to_vec(), ..material() };
    let mut config = config(CellJepaConfig { max_genes: 25, ..recipe() });
    (config.pretrain.n_steps, config.validation_share) = (n_steps.max(1), 0.0);
    let found = assemble_cells(&config, material, None).expect("the parts fit");
    let mut trainer = Trainer::new(found.config, found.header, found.cells, cpu()).expect("the parts fit");
    while n_steps > 0 && !trainer.is_done() {
        block_on(trainer.step()).expect("finite");
    }
    block_on(trainer.weights()).expect("readable")
}
