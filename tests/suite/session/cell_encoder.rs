//! A Cell-JEPA as the model in use: its map and scores beside principal components, what it refuses, and a run of one.

use spec::map::{PopulationConfig, ScoreTable};
use spec::message::{EmbeddingMap, ExportKind};
use spec::run::{RunExport, RunInfo, RunStatus, StartFrom};
use spec::train::run_file::RunFile;
use spec::train::{HoldBack, StageConfig, TrainConfig};

use super::*;
use crate::cell_jepa::trained_on;

fn model_of(genes: &[&str]) -> NamedSource {
    let genes: Vec<String> = genes.iter().map(|gene| (*gene).to_owned()).collect();
    let values = (0..8 * genes.len()).map(|at| (at % 5) as f32).collect();
    NamedSource::from_bytes("cell.safetensors", trained_on(&genes, values, 0))
}

fn started() -> Person {
    let mut person = Person::new();
    person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    person
}

fn prepared(person: &mut Person) -> spec::dataset::Prepared {
    let Event::Opened { opened } = person.ask(Request::OPEN, vec![cells_file(&GENES)]) else { panic!("opened") };
    let Event::Prepared { prepared } = person.ask(Request::Prepare { options: opened.suggested }, vec![]) else {
        panic!("prepared")
    };
    prepared
}

fn maps(person: &mut Person) -> Vec<EmbeddingMap> {
    let whole = Request::Embed { config: MapConfig { genes: None, ..MapConfig::default() } };
    let Event::Embedded { maps, .. } = person.ask(whole, vec![]) else { panic!("maps") };
    maps
}

#[test]
fn its_embedding_is_mapped_and_scored_beside_principal_components() {
    let mut person = started();
    let loaded = person.ask(LOAD, vec![model_of(&GENES[..5])]);
    let Event::CheckpointLoaded { header, targets, n_parameters, n_vectors, warnings, .. } = loaded else {
        panic!("{loaded:?}")
    };
    let counts = header.cell_jepa.as_ref().expect("a Cell-JEPA").counts(5);
    assert_eq!(n_parameters, counts.encoder + counts.predictor + counts.value_head);
    assert!(header.is_cell_jepa() && targets.is_empty() && n_vectors == 0 && warnings.is_empty());
    assert_eq!(header.summary(), "Cell-JEPA, width 16, 2 layers, 5 genes");

    let prepared = prepared(&mut person);
    let said = "tokens for 5 of this file's 6 genes";
    assert!(prepared.warnings.iter().any(|warning| warning.contains(said)), "{:?}", prepared.warnings);
    let maps = maps(&mut person);
    assert_eq!((maps.len(), maps[1].name.as_str()), (2, "Cell-JEPA embedding"));
    assert!(maps[1].x.iter().all(|x| x.is_finite()));
    let config = PopulationConfig { n_neighbours: 4, ..PopulationConfig::default() };
    let request = Request::Score { column: "condition".into(), config };
    let Event::Scored { table } = person.ask(request, vec![]) else { panic!("scores") };
    let ScoreTable { scores, .. } = *table;
    assert_eq!(scores[1].name, "Cell-JEPA embedding (16 numbers)");
    for scores in &scores {
        for tuned in [scores.tuned, scores.tuned_louvain] {
            let tuned = tuned.expect("three labels");
            let asw = scores.asw.expect("three labels");
            assert!((tuned.avg_bio - (tuned.nmi + tuned.ari + asw) / 3.0).abs() < 1e-12);
        }
        assert!(scores.tuned.expect("labels").avg_bio >= scores.avg_bio.expect("labels") - 1e-12);
    }

    // What is saved has all of it, and says what it is.
    let Event::Exported { bytes, .. } = person.ask(Request::Export { kind: ExportKind::H5ad }, vec![]) else {
        panic!("a file")
    };
    let file = hdf5_pure::File::from_bytes(bytes).expect("HDF5");
    let embedding: Vec<f32> = file.dataset("obsm/X_cell_jepa").and_then(|values| values.read()).expect("an embedding");
    assert_eq!(embedding.len(), 12 * 16);
    assert!(embedding.chunks(16).all(|row| (row.iter().map(|v| v * v).sum::<f32>() - 1.0).abs() < 1e-5));
    let Event::Exported { bytes, .. } = person.ask(Request::Export { kind: ExportKind::Methods }, vec![]) else {
        panic!("a paragraph")
    };
    let methods = String::from_utf8(bytes).expect("text");
    assert!(methods.contains("embedded by a Cell-JEPA") && !methods.contains("BioJEPA"), "{methods}");

    // It takes the place of a model that predicts, and gives it back.
    let query = Query::of("STAT1", Mode::Knockout);
    let message = failure(person.ask(Request::Predict { query: query.clone() }, vec![]));
    assert!(message.contains("Cell-JEPA") && message.contains("predicts no perturbations"), "{message}");
    person.ask(LOAD, checkpoint_files());
    prepared_again(&mut person);
    assert_eq!(self::maps(&mut person)[1].name, "latent states");
    assert!(matches!(person.ask(Request::Predict { query }, vec![]), Event::Predicted { .. }));
}

fn prepared_again(person: &mut Person) {
    prepared(person);
}

#[test]
fn what_makes_no_embedding_is_named() {
    let mut person = started();
    let mut with_vectors = checkpoint_files();
    with_vectors.retain(|file| file.name.contains("bank"));
    with_vectors.push(model_of(&GENES));
    let Event::CheckpointLoaded { warnings, .. } = person.ask(LOAD, with_vectors) else { panic!("loaded") };
    assert!(warnings[0].contains("Not used: perturbation vectors"), "{warnings:?}");
    // Another species' genes.
    person.ask(LOAD, vec![model_of(&["Xkr4", "Rp1"])]);
    let Event::Opened { opened } = person.ask(Request::OPEN, vec![cells_file(&GENES)]) else { panic!("opened") };
    let message = failure(person.ask(Request::Prepare { options: opened.suggested }, vec![]));
    assert!(message.contains("genes"), "{message}");
    // A file that says it is one and lacks a part.
    let bytes = trained_on(&["STAT1".into(), "JAK2".into()], vec![1.0; 8], 0);
    let (mut tensors, metadata) = checkpoint::read_raw(&bytes).expect("safetensors");
    tensors.remove("model.teacher.encoder.embedding.weight").expect("a table");
    let lacking = checkpoint::write_raw(&tensors, &metadata).expect("safetensors");
    let message = failure(person.ask(LOAD, vec![NamedSource::from_bytes("lacking.safetensors", lacking)]));
    assert!(message.contains("lacking.safetensors") && message.contains("encoder.embedding.weight"), "{message}");
}

fn run_config() -> TrainConfig {
    let model = spec::cell_jepa::CellJepaConfig {
        d_model: 8,
        n_heads: 2,
        n_layers: 1,
        feed_forward: 8,
        predictor_width: 8,
        max_genes: 5,
        ..spec::cell_jepa::CellJepaConfig::default()
    };
    TrainConfig {
        cell_jepa: Some(model),
        pretrain: StageConfig { n_steps: 6, batch_size: 4, ..StageConfig::default() },
        report_every: 2,
        validate_every: 3,
        validation_share: 0.2,
        hold_back: HoldBack::Cells,
        ..TrainConfig::default()
    }
}

fn trained(person: &mut Person, config: TrainConfig, start: StartFrom) -> RunInfo {
    person.asked += 1;
    person.events.0.borrow_mut().clear();
    let request = Request::Train { name: "cells".into(), config: Box::new(config), start, save_every_secs: 0.0 };
    block_on(person.session.handle(person.asked, request, vec![]));
    let events = person.events.0.borrow();
    let gauges = |event: &Event| matches!(event, Event::Step { report, .. } if report.gauges.is_some());
    assert!(events.iter().any(gauges), "gauges of collapse");
    let Some(Event::Trained { run }) = events.last() else { panic!("{events:?}") };
    RunInfo::clone(run)
}

#[test]
fn a_run_needs_cells_alone_is_planned_kept_used_and_fine_tuned() {
    let mut person = started();
    prepared(&mut person);
    let plan = Request::PlanTraining { config: Box::new(run_config()), start: StartFrom::Scratch };
    let Event::TrainingPlanned { plan } = person.ask(plan, vec![]) else { panic!("a plan") };
    let counts = run_config().cell_jepa.expect("one").counts(GENES.len());
    assert_eq!(plan.parameters.total() as usize, counts.encoder + counts.predictor + counts.value_head);
    assert!(plan.fits() && plan.memory.len() == 1 && plan.memory[0].total() > 0);
    assert_eq!(plan.probe.expect("it fits").stages.len(), 1);

    let run = trained(&mut person, run_config(), StartFrom::Scratch);
    assert_eq!((run.status.clone(), run.steps_done), (RunStatus::Done, 6));
    let export = |person: &mut Person, part| {
        let Event::Exported { bytes, .. } = person.ask(Request::ExportRun { run: run.id.clone(), part }, vec![]) else {
            panic!("a part of the run")
        };
        bytes
    };
    let model = export(&mut person, RunExport::Model);
    assert!(checkpoint::read(&model).expect("a checkpoint").header.is_cell_jepa());
    let file: RunFile = serde_json::from_slice(&export(&mut person, RunExport::RunFile)).expect("a run file");
    assert_eq!((file.config.cell_jepa, file.data.bank.as_str()), (run.config.cell_jepa.clone(), ""));

    let used = person.ask(Request::UseRun { run: run.id.clone() }, vec![]);
    let Event::CheckpointLoaded { header, warnings, .. } = used else { panic!("{used:?}") };
    assert!(header.is_cell_jepa() && warnings[0].contains("Trained in this browser"), "{warnings:?}");
    prepared(&mut person);
    assert_eq!(maps(&mut person)[1].name, "Cell-JEPA embedding");

    // Further, with the types of the cells.
    let mut tuned = run_config();
    if let Some(model) = &mut tuned.cell_jepa {
        model.fine_tune = Some(spec::cell_jepa::CellTypeTuning { column: "condition".into(), ..Default::default() });
    }
    let run = trained(&mut person, tuned.clone(), StartFrom::Checkpoint);
    assert!(run.config.start_from.is_some() && run.status == RunStatus::Done);
    if let Some(tuning) = tuned.cell_jepa.as_mut().and_then(|model| model.fine_tune.as_mut()) {
        tuning.column = "nothing".into();
    }
    let plan = Request::PlanTraining { config: Box::new(tuned), start: StartFrom::Checkpoint };
    assert!(failure(person.ask(plan, vec![])).contains("nothing is no column of labels"));
    // A response model cannot begin from it, nor do without vectors.
    let other =
        TrainConfig { pretrain: StageConfig { n_steps: 1, ..StageConfig::default() }, ..TrainConfig::default() };
    for (start, part) in [(StartFrom::Checkpoint, "Cell-JEPA"), (StartFrom::Scratch, "vectors")] {
        let plan = Request::PlanTraining { config: Box::new(other.clone()), start };
        let message = failure(person.ask(plan, vec![]));
        assert!(message.contains(part), "{message}");
    }
}
