//! The state alone: what an event changes, what is kept, what is asked next.

mod asking;
mod population;
mod training;

use spec::dataset::{CellQuality, CellUnit, FileFormat};
use spec::device::AttentionPath;
use spec::enrichment::{Collection, Enrichment};
use spec::labels::{LabelRow, LabelTable, Reading};
use spec::model::ModelConfig;
use spec::prediction::{Prediction, Query, Uncertainty};
use spec::prepare::{CellFilter, MapConfig, SuggestedFilter};
use spec::run::{RunInfo, StorageReport};
use spec::train::Baseline;

use super::{
    Backend, BackendChoice, CheckpointHeader, DeviceReport, Event, FileSet, Job, Mode, Opened, Phase, Post,
    PrepareOptions, Prepared, Request, Screen, Shared, Side, State, Support, TargetInfo,
};

fn ready() -> Event {
    let device = DeviceReport {
        backend: Backend::Cpu,
        adapter: "CPU".into(),
        is_software: false,
        max_buffer_bytes: None,
        notice: None,
    };
    Event::Ready { device }
}

fn opened() -> Event {
    let suggested = PrepareOptions { perturbation_column: Some("gene".into()), ..PrepareOptions::default() };
    let opened = Opened {
        name: "a.h5ad".into(),
        n_bytes: 1,
        format: FileFormat::H5ad,
        unit: CellUnit::Cell,
        join: None,
        matrices: Vec::new(),
        columns: Vec::new(),
        first_genes: Vec::new(),
        suggested,
        bytes_needed: 1,
        bytes_fixed: 0,
        bytes_available: 2,
        warnings: Vec::new(),
    };
    Event::Opened { opened }
}

fn prepared() -> Event {
    let prepared = Prepared {
        n_cells: 1,
        dropped: Vec::new(),
        n_genes: 1,
        n_nonzero: 1,
        unit: CellUnit::Cell,
        quality: CellQuality::default(),
        perturbations: Vec::new(),
        perturbation_of_cell: Vec::new(),
        suggested: SuggestedFilter::default(),
        reading: None,
        naming: None,
        label_columns: Vec::new(),
        coverage: None,
        warnings: Vec::new(),
    };
    Event::Prepared { prepared }
}

fn prediction() -> Prediction {
    Prediction {
        query: Query::of("STAT1", Mode::Knockout),
        support: Support::HeldOut,
        genes: vec!["A".into(), "B".into()],
        control_mean: vec![1.0, f32::NAN],
        delta: vec![0.5, -0.5],
        uncertainty: Uncertainty::Unknown { reason: String::new() },
        training_mean: None,
        parts: Vec::new(),
        additive: None,
        measured: None,
        agreement: Vec::new(),
        nearest: None,
        warnings: Vec::new(),
        n_control_cells: 1,
        n_control_rows: 1,
        elapsed_secs: 0.0,
    }
}

fn checkpoint() -> Event {
    let header = CheckpointHeader {
        format: 1,
        model: ModelConfig::default(),
        cell_jepa: None,
        genes: Vec::new(),
        gene_ids: Vec::new(),
        target_sum: 1e4,
        modes: vec![Mode::Knockout],
        seen: vec!["IRF1".into()],
        held_out: vec!["STAT1".into()],
        baseline: Baseline::ControlState,
        cells_per_example: 1,
        shrinkage: None,
        anchor: None,
    };
    let target = |symbol: &str, support| TargetInfo { symbol: symbol.into(), support };
    let targets = vec![target("IRF1", Support::Seen), target("STAT1", Support::HeldOut)];
    Event::CheckpointLoaded {
        header: Box::new(header),
        card: None,
        n_vectors: targets.len(),
        targets,
        n_parameters: 1,
        heads_unknown: false,
        warnings: Vec::new(),
    }
}

fn kept(runs: Vec<RunInfo>) -> Event {
    Event::Runs { runs, storage: StorageReport::default() }
}

/// Posts the next job and answers it.
fn step(state: &mut State, answer: Event) {
    let posts = state.take_posts();
    assert_eq!(posts.len(), 1, "one request at a time");
    state.apply(posts[0].id, answer);
}

fn started() -> State {
    let mut state = State::default();
    state.enqueue(Job::new(Request::Start { backend: BackendChoice::Auto, attention: AttentionPath::default() }));
    state.enqueue(Job::with_files(Request::LoadCheckpoint { n_heads: None }, 1));
    state.enqueue(Job { prepare_at_once: true, ..Job::with_files(Request::OPEN, 2) });
    step(&mut state, ready());
    step(&mut state, kept(Vec::new()));
    step(&mut state, checkpoint());
    step(&mut state, opened());
    step(&mut state, prepared());
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });
    state
}

#[test]
fn the_example_runs_through_to_the_maps() {
    let mut state = started();
    assert_eq!(state.phase, Phase::Ready);
    assert_eq!(state.target, "STAT1", "a held-out target is offered first, since it can be checked");
    assert_eq!(state.mode, Some(Mode::Knockout));
    assert!(state.maps.is_some());
    assert!(state.take_posts().is_empty());
}

#[test]
fn a_failed_file_leaves_the_old_one() {
    let mut state = started();
    state.enqueue(Job { prepare_at_once: true, ..Job::with_files(Request::OPEN, 3) });
    step(&mut state, Event::Failed { message: "X is missing".into(), hint: "Choose a layer".into() });
    assert_eq!(state.failure.as_ref().map(|failure| failure.message.as_str()), Some("X is missing"));
    assert_eq!(state.dataset.as_ref().map(|dataset| dataset.files), Some(2));
    assert!(state.maps.is_some());
}

#[test]
fn cancelling_jumps_the_queue() {
    let mut state = started();
    state.prepare();
    let id = state.take_posts()[0].id;
    state.cancel();
    state.cancel();
    let posts = state.take_posts();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].request, Request::Cancel { request: id });
    state.apply(id, Event::Cancelled);
    assert!(state.running.is_none() && state.dataset.is_some());
}

#[test]
fn a_dead_engine_is_brought_back_to_where_it_was() {
    let mut state = started();
    state.ask();
    state.take_posts();
    state.restart("out of memory".into());
    assert!(state.failure.is_some());
    step(&mut state, ready());
    step(&mut state, kept(Vec::new()));
    step(&mut state, checkpoint());
    step(&mut state, opened());
    step(&mut state, prepared());
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });
    assert_eq!(state.phase, Phase::Ready);
    for _ in 0..2 {
        state.restart("out of memory".into());
        if state.phase == Phase::Starting {
            step(&mut state, ready());
        }
    }
    assert_eq!(state.phase, Phase::Lost, "it does not restart for ever");
}

#[test]
fn another_number_of_heads_is_another_model() {
    let mut state = started();
    state.load_with_heads(2);
    let posts = state.take_posts();
    assert_eq!((&posts[0].request, posts[0].files), (&Request::LoadCheckpoint { n_heads: Some(2) }, Some(1)));
    let Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, warnings, .. } = checkpoint() else {
        panic!("a checkpoint")
    };
    let header = Box::new(CheckpointHeader { modes: Vec::new(), ..*header });
    let heads_unknown = true;
    let event = Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, heads_unknown, warnings };
    state.apply(posts[0].id, event);
    assert!(state.has_job(|request| matches!(request, Request::Prepare { .. })), "the cells are prepared for it");
    assert_eq!(state.mode, Some(Mode::Crispri), "no record of modes: the first of all");
    state.restart("out of memory".into());
    assert!(state.has_job(|request| *request == Request::LoadCheckpoint { n_heads: Some(2) }));
}

#[test]
fn a_late_answer_changes_nothing() {
    let mut state = started();
    state.ask();
    let id = state.take_posts()[0].id;
    state.apply(id + 7, Event::Failed { message: "late".into(), hint: String::new() });
    assert!(state.failure.is_none() && state.running.is_some());
}

#[test]
fn a_filter_is_replaced_while_it_waits_and_can_be_undone() {
    let filter = |min| CellFilter { min_counts: Some(min), ..CellFilter::default() };
    let in_force = |state: &State| state.dataset.as_ref().map(|dataset| dataset.options.filter);
    let mut state = started();
    state.filter(filter(1.0));
    state.filter(filter(2.0));
    step(&mut state, prepared());
    assert_eq!(in_force(&state), Some(filter(2.0)));
    assert!(state.maps.is_none() && state.has_job(|request| matches!(request, Request::Embed { .. })));
    // The maps of the cells before are not waited for.
    let embed = state.take_posts()[0].id;
    state.filter(filter(3.0));
    assert_eq!(state.take_posts()[0].request, Request::Cancel { request: embed });
    state.apply(embed, Event::Cancelled);
    step(&mut state, prepared());
    assert_eq!(state.filter_history, [CellFilter::default(), filter(2.0)]);
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });
    state.undo_filter();
    step(&mut state, prepared());
    assert_eq!((in_force(&state), state.filter_history.len()), (Some(filter(2.0)), 1));
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });
    // What fails leaves all as it was.
    state.filter(filter(9.0));
    step(&mut state, Event::Failed { message: "the filters drop all 1 cells".into(), hint: String::new() });
    assert_eq!((in_force(&state), state.filter_history.len()), (Some(filter(2.0)), 1));
    assert!(state.maps.is_some());
    // A filter that is in force already asks for nothing.
    state.filter(filter(2.0));
    assert!(state.take_posts().is_empty());
}

#[test]
fn labels_are_asked_for_taken_and_corrected() {
    let row = |label: &str, reading| LabelRow {
        label: label.into(),
        n_cells: 30,
        reading,
        guides: Vec::new(),
        doses: Vec::new(),
        rule: String::new(),
        is_small: false,
        is_corrected: false,
    };
    let targets = |name: &str| Reading::Targets(vec![name.into()]);
    let table = LabelTable {
        column: "gene".into(),
        control_name: "NT".into(),
        rows: vec![row("STAT1g1", targets("STAT1")), row("NT", Reading::Control)],
        warnings: Vec::new(),
    };
    let mut state = started();
    state.enqueue(Job::with_files(Request::OPEN, 3));
    step(&mut state, opened());
    step(&mut state, Event::LabelsRead { table: table.clone() });
    assert_eq!(state.options.corrections, table.corrections());
    assert_eq!(state.options.control_label.as_deref(), Some("NT"), "the label that was read as the control");
    state.correct_label("STAT1g1", Reading::NotAssigned);
    assert_eq!(state.options.corrections[0], ("STAT1g1".into(), Reading::NotAssigned));
    assert!(state.labels.as_ref().is_some_and(|table| table.rows[0].is_corrected && !table.rows[1].is_corrected));
    // Another column: what was said of the first is gone, and a late answer about it changes nothing.
    state.options.perturbation_column = Some("guide".into());
    state.read_labels();
    assert!(state.labels.is_none() && state.options.corrections.is_empty());
    step(&mut state, Event::LabelsRead { table });
    assert!(state.labels.is_none() && state.options.corrections.is_empty());
}

#[test]
fn a_table_of_genes_names_the_cells_again_and_outlives_the_engine() {
    let mut state = started();
    state.name_genes_by(Some(7));
    let posts = state.take_posts();
    assert_eq!((&posts[0].request, posts[0].files), (&Request::GeneTable, Some(7)));
    state.apply(posts[0].id, Event::GeneTableRead { table: Some(("genes.tsv".into(), 9)) });
    assert_eq!(state.gene_table.as_ref().map(|table| (table.name.as_str(), table.n_symbols)), Some(("genes.tsv", 9)));
    assert!(state.holds(7) && state.has_job(|request| matches!(request, Request::Prepare { .. })));
    step(&mut state, prepared());
    step(&mut state, Event::Embedded { genes: None, maps: Vec::new() });

    state.restart("out of memory".into());
    let asked: Vec<FileSet> =
        state.queue.iter().filter(|job| job.request == Request::GeneTable).filter_map(|job| job.files).collect();
    assert_eq!(asked, [7]);

    let mut state = started();
    state.name_genes_by(Some(8));
    step(&mut state, Event::Failed { message: "no column 'symbol'".into(), hint: String::new() });
    assert!(state.gene_table.is_none() && !state.has_job(|_| true), "what was prepared stays");
}

#[test]
fn another_map_replaces_the_one_that_is_awaited() {
    let mut state = started();
    let config = MapConfig { genes: None, ..MapConfig::default() };
    state.map_by(config.clone());
    state.map_by(MapConfig::default());
    state.map_by(config.clone());
    let posts = state.take_posts();
    assert_eq!(
        posts.iter().map(|post| &post.request).collect::<Vec<_>>(),
        [&Request::Embed { config: config.clone() }]
    );
    state.map_by(MapConfig::default());
    let posts = state.take_posts();
    assert!(matches!(posts[..], [Post { request: Request::Cancel { .. }, .. }]), "{posts:?}");
    assert!(state.has_job(|request| *request == Request::Embed { config: MapConfig::default() }));
}

#[test]
fn every_answer_is_looked_up_in_the_open_collection() {
    let mut state = started();
    state.enqueue(Job::with_files(Request::Pathways, 5));
    let collection = Collection { name: "sets.gmt".into(), n_sets: 2 };
    step(&mut state, Event::PathwaysRead { collection: collection.clone() });
    assert!(state.holds(5) && !state.has_job(|_| true), "without an answer there is nothing to look up");

    let answer = prediction();
    state.enqueue(Job::with_files(Request::LoadCheckpoint { n_heads: None }, 6));
    state.mode = Some(Mode::Knockout);
    state.ask();
    let (id, asked, config) = loop {
        let Some(post) = state.take_posts().pop() else { panic!("nothing is looked up") };
        match post.request {
            Request::Enrich { asked, config } => break (post.id, asked, config),
            Request::LoadCheckpoint { .. } => state.apply(post.id, checkpoint()),
            Request::Predict { .. } => state.apply(post.id, Event::Predicted { prediction: answer.clone() }),
            _ => state.apply(post.id, Event::Cancelled),
        }
    };
    assert_eq!(asked.genes, answer.genes);
    assert!(asked.values.iter().zip(&answer.delta).all(|(a, b)| a == b || a.is_nan()), "{asked:?}");
    let found = Enrichment { name: asked.name.clone(), collection, config, n_genes: 2, n_changed: 0, sets: Vec::new() };
    state.apply(id, Event::Enriched { enrichment: Box::new(found) });
    assert!(state.pathways.found.is_some());
    state.look_for_pathways(Side::Measured);
    assert!(state.pathways.found.is_none(), "what was found is of another side");
    state.restart("out of memory".into());
    assert!(state.queue.iter().any(|job| job.request == Request::Pathways && job.files == Some(5)));
}
