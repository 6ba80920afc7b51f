//! A session from request to event, with a small model of random weights over cells that this file makes: what the
//! browser and every other leaf rely on, without either.

mod asked;
mod backwards;
mod cell_encoder;
mod chosen;
mod intervals;
mod looked;
mod mapped;
mod population;
mod runs;

use std::cell::RefCell;
use std::rc::Rc;

use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use engine::store::MemoryStore;
use engine::{Session, Sink};
use futures_lite::future::block_on;
use jepa::bank::Bank;
use jepa::checkpoint::{self, Checkpoint};
use jepa::eval::response::Response;
use jepa::measured::MeasuredTable;
use jepa::tensors::TensorMap;
use spec::checkpoint::CheckpointHeader;
use spec::dataset::PrepareOptions;
use spec::device::{AttentionPath, BackendChoice};
use spec::message::{Envelope, Event, Request};
use spec::model::Mode;
use spec::prediction::{Query, Support};
use spec::prepare::MapConfig;
use spec::train::Baseline;

use crate::checkpoints::{random_model, torch_file};

const GENES: [&str; 6] = ["STAT1", "JAK2", "IRF1", "CD274", "MT-CO1", "ACTB"];

const LOAD: Request = Request::LoadCheckpoint { n_heads: None };

/// The maps, made as the defaults say.
fn embed() -> Request {
    Request::Embed { config: MapConfig::default() }
}

#[derive(Default)]
struct Events(RefCell<Vec<Event>>);

impl Sink for Events {
    fn emit(&self, envelope: Envelope<Event>) {
        self.0.borrow_mut().push(envelope.body);
    }
}

struct Person {
    session: Session,
    events: Rc<Events>,
    asked: u32,
}

impl Person {
    fn new() -> Self {
        let events = Rc::new(Events::default());
        Self { session: Session::new(events.clone(), 1 << 30, Rc::new(MemoryStore::default())), events, asked: 0 }
    }

    /// Asks, and returns the final event; checks that there is exactly one.
    fn ask(&mut self, request: Request, files: Vec<NamedSource>) -> Event {
        self.asked += 1;
        self.events.0.borrow_mut().clear();
        block_on(self.session.handle(self.asked, request, files));
        let mut events = self.events.0.borrow_mut();
        let finals = events.iter().filter(|event| !matches!(event, Event::Progress { .. })).count();
        assert_eq!(finals, 1, "one final event a request: {events:?}");
        events.pop().expect("the final event")
    }

    fn with_model_and_cells() -> Self {
        let mut person = Self::new();
        person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
        let loaded = person.ask(LOAD, checkpoint_files());
        assert!(matches!(loaded, Event::CheckpointLoaded { .. }), "{loaded:?}");
        let opened = person.ask(Request::OPEN, vec![cells_file(&GENES)]);
        let Event::Opened { opened } = opened else { panic!("{opened:?}") };
        let prepared = person.ask(Request::Prepare { options: opened.suggested }, vec![]);
        assert!(matches!(prepared, Event::Prepared { .. }), "{prepared:?}");
        person
    }
}

fn failure(event: Event) -> String {
    let Event::Failed { message, hint } = event else { panic!("not a failure: {event:?}") };
    assert!(!hint.is_empty());
    message
}

/// Twelve cells: six controls, three with STAT1 perturbed, three with JAK2.
fn cells_file(genes: &[&str]) -> NamedSource {
    file_of_cells(genes, &(0..12).collect::<Vec<_>>())
}

/// Some of them.
fn file_of_cells(genes: &[&str], cells: &[usize]) -> NamedSource {
    let n_genes = genes.len();
    let labels: Vec<&str> = cells.iter().map(|cell| ["control", "control", "STAT1", "JAK2"][cell % 4]).collect();
    let of_cell = |cell: &usize| (cell * n_genes..(cell + 1) * n_genes).map(|at| ((at * 7) % 11) as f32);
    let counts: Vec<f32> = cells.iter().flat_map(of_cell).collect();
    let mut file = H5ad::new(
        Matrix::Dense { values: counts, n_obs: cells.len(), n_vars: n_genes },
        cells.iter().map(|cell| format!("cell{cell}")).collect(),
        genes.iter().map(|gene| (*gene).to_owned()).collect(),
    );
    file.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    NamedSource::from_bytes("cells.h5ad", write_h5ad(&file).expect("a well-formed file"))
}

fn checkpoint_files() -> Vec<NamedSource> {
    let (config, model, decoder) = random_model(GENES.len(), 4);
    let mut tensors = TensorMap::new();
    for (path, part) in [("model.", model), ("decoder.", decoder)] {
        tensors.extend(part.into_iter().map(|(name, tensor)| (format!("{path}{name}"), tensor)));
    }
    let genes: Vec<String> = GENES.iter().map(|gene| (*gene).to_owned()).collect();
    let header = CheckpointHeader {
        format: 1,
        model: config,
        cell_jepa: None,
        genes: genes.clone(),
        gene_ids: Vec::new(),
        target_sum: 1e4,
        modes: vec![Mode::Knockout],
        seen: vec!["STAT1".into()],
        held_out: vec!["JAK2".into()],
        baseline: Baseline::ControlState,
        cells_per_example: 1,
        shrinkage: None,
        anchor: None,
    };
    let model = checkpoint::write(&Checkpoint { header, tensors }).expect("a well-formed checkpoint");
    let symbols = vec!["STAT1".to_owned(), "JAK2".into(), "TP53".into()];
    let vectors = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.5, 0.5, 0.5, 0.5];
    let bank = Bank::quantise(symbols, 4, &vectors, "made up").expect("three rows of four");
    let response = |target: &str| Response {
        target: target.into(),
        n_cells: 3,
        delta: (0..GENES.len()).map(|gene| gene as f32 - 2.0).collect(),
        standard_error: vec![0.1; GENES.len()],
    };
    let measured = MeasuredTable {
        source: "made up".into(),
        genes,
        control_mean: vec![1.0; GENES.len()],
        n_control_cells: 6,
        responses: vec![response("STAT1"), response("JAK2")],
    };
    vec![
        NamedSource::from_bytes("model.safetensors", model),
        NamedSource::from_bytes("bank.safetensors", bank.to_bytes().expect("a small bank")),
        NamedSource::from_bytes("measured.safetensors", measured.to_bytes().expect("a small table")),
    ]
}

#[test]
fn from_file_to_prediction() {
    let mut person = Person::with_model_and_cells();
    let embedded = person.ask(embed(), vec![]);
    let Event::Embedded { maps, .. } = embedded else { panic!("{embedded:?}") };
    assert_eq!(maps.len(), 2);
    assert!(maps.iter().all(|map| map.x.len() == 12 && map.x.iter().all(|x| x.is_finite())));

    let query = Query::of("JAK2", Mode::Knockout);
    let predicted = person.ask(Request::Predict { query: query.clone() }, vec![]);
    let Event::Predicted { prediction } = predicted else { panic!("{predicted:?}") };
    assert_eq!(prediction.support, Support::HeldOut);
    assert_eq!(prediction.delta.len(), GENES.len());
    assert_eq!(prediction.n_control_cells, 6);
    let measured = prediction.measured.as_ref().expect("JAK2 cells are in the file");
    assert_eq!((measured.source.as_str(), measured.n_cells), ("these cells", 3));
    let methods: Vec<&str> = prediction.agreement.iter().map(|score| score.method.as_str()).collect();
    assert_eq!(methods, ["model", "no change", "training mean", "nearest neighbour", "kernel ridge"]);
    // With one training target, the mean of the training responses is that response.
    let training_mean: Vec<f32> = (0..GENES.len()).map(|gene| gene as f32 - 2.0).collect();
    assert_eq!(prediction.training_mean.as_deref(), Some(training_mean.as_slice()));
    assert_eq!(prediction.agreement[1].delta_pearson, None, "no change has no direction");

    let again = person.ask(Request::Predict { query }, vec![]);
    let Event::Predicted { prediction: again } = again else { panic!("{again:?}") };
    assert_eq!(again.delta, prediction.delta, "the same question has the same answer");
}

#[test]
fn a_target_of_the_training_screen_is_not_looked_up() {
    let mut person = Person::with_model_and_cells();
    let query = Query::of("STAT1", Mode::Knockout);
    let predicted = person.ask(Request::Predict { query }, vec![]);
    let Event::Predicted { prediction } = predicted else { panic!("{predicted:?}") };
    assert_eq!(prediction.support, Support::Seen);
    assert!(prediction.agreement.iter().all(|score| score.method != "nearest neighbour"));
}

#[test]
fn what_cannot_be_asked_is_named() {
    let mut person = Person::with_model_and_cells();
    let mut ask =
        |target: &str, mode: Mode| failure(person.ask(Request::Predict { query: Query::of(target, mode) }, vec![]));
    assert!(ask("stat1", Mode::Knockout).contains("did you mean STAT1?"));
    assert!(ask("STAT1", Mode::Crispra).contains("saw no CRISPRa in training; it saw knockout"));
}

#[test]
fn requests_out_of_order_are_refused_and_the_session_goes_on() {
    let mut person = Person::new();
    assert!(failure(person.ask(LOAD, checkpoint_files())).contains("no device"));
    assert!(failure(person.ask(embed(), vec![])).contains("a file is prepared"));
    let options = PrepareOptions::default();
    assert!(failure(person.ask(Request::Prepare { options }, vec![])).contains("a file is opened"));
    let ready = person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    assert!(matches!(ready, Event::Ready { .. }), "{ready:?}");
}

#[test]
fn a_bad_file_loses_nothing() {
    let mut person = Person::with_model_and_cells();
    let bad = NamedSource::from_bytes("notes.h5ad", b"dear diary".to_vec());
    let message = failure(person.ask(Request::OPEN, vec![bad]));
    assert!(message.contains("notes.h5ad") || message.contains("HDF5"), "{message}");
    let query = Query::of("TP53", Mode::Knockout);
    let predicted = person.ask(Request::Predict { query }, vec![]);
    assert!(matches!(predicted, Event::Predicted { .. }), "{predicted:?}");
}

#[test]
fn no_gene_in_common_shows_both_sides() {
    let mut person = Person::with_model_and_cells();
    person.ask(Request::OPEN, vec![cells_file(&["Xkr4", "Gm1992", "Rp1", "Sox17", "Mrpl15"])]);
    let options = PrepareOptions::default();
    let message = failure(person.ask(Request::Prepare { options }, vec![]));
    assert!(message.contains("STAT1") && message.contains("Xkr4"), "{message}");
}

/// The parameters of the model of [`checkpoint_files`], of its decoder, and its genes, each as a file of its own.
fn bare_files() -> [NamedSource; 3] {
    let mut file = vec![0; checkpoint_files()[0].source.len() as usize];
    checkpoint_files()[0].source.read_at(0, &mut file).expect("a file in memory");
    let whole = checkpoint::read(&file).expect("a checkpoint");
    [
        NamedSource::from_bytes("run7.PT", torch_file::of_part(&whole.tensors, "model.")),
        NamedSource::from_bytes("decoder.pth", torch_file::of_part(&whole.tensors, "decoder.")),
        NamedSource::from_bytes("genes.txt", GENES.join("\n").into_bytes()),
    ]
}

/// What a loaded checkpoint says: warnings in one text, genes that can be asked for, vectors.
fn loaded(event: Event) -> (String, usize, usize) {
    let Event::CheckpointLoaded { warnings, targets, n_vectors, .. } = event else { panic!("{event:?}") };
    (warnings.join(" "), targets.len(), n_vectors)
}

#[test]
fn bare_parameters_are_a_model_with_what_is_beside_them() {
    let mut person = Person::with_model_and_cells();
    let [model, decoder, genes] = bare_files();
    let event = person.ask(LOAD, vec![model, genes]);
    let Event::CheckpointLoaded { header, heads_unknown, .. } = &event else { panic!("{event:?}") };
    assert_eq!(header.genes, GENES);
    assert_eq!(header.model.summary(), "BioJEPA-AC v0.5, width 8, 1 layer, 6 genes");
    assert_eq!((header.model.n_heads, *heads_unknown), (4, true));
    let (warnings, n_targets, n_vectors) = loaded(event);
    assert_eq!((n_targets, n_vectors), (0, 0));
    for part in ["No perturbation vectors", "No decoder", "4 attention heads"] {
        assert!(warnings.contains(part), "{part}: {warnings}");
    }
    let options = PrepareOptions::default();
    person.ask(Request::Prepare { options: options.clone() }, vec![]);
    let embedded = person.ask(embed(), vec![]);
    assert!(matches!(&embedded, Event::Embedded { maps, .. } if maps.len() == 2), "{embedded:?}");
    let query = Query::of("STAT1", Mode::Crispri);
    let said = failure(person.ask(Request::Predict { query: query.clone() }, vec![]));
    assert!(said.contains("without perturbation vectors"), "{said}");

    // With its decoder and vectors it answers.
    let [model, _, genes] = bare_files();
    let bank = checkpoint_files().remove(1);
    let event = person.ask(Request::LoadCheckpoint { n_heads: Some(2) }, vec![genes, decoder, bank, model]);
    let (warnings, n_targets, n_vectors) = loaded(event);
    assert_eq!((n_targets, n_vectors), (3, 3));
    assert!(!warnings.contains("heads") && !warnings.contains("No "), "{warnings}");
    let stale = failure(person.ask(Request::Predict { query: query.clone() }, vec![]));
    assert!(stale.contains("prepare them again"), "{stale}");
    person.ask(Request::Prepare { options }, vec![]);
    let predicted = person.ask(Request::Predict { query }, vec![]);
    assert!(matches!(predicted, Event::Predicted { .. }), "{predicted:?}");
}

#[test]
fn bare_parameters_without_genes_take_those_that_are_open_or_ask_for_them() {
    let mut person = Person::with_model_and_cells();
    let [model, ..] = bare_files();
    let (warnings, ..) = loaded(person.ask(LOAD, vec![model]));
    assert!(warnings.contains("genes are those of the cells that are open"), "{warnings}");

    let fewer = cells_file(&GENES[..5]);
    person.ask(Request::OPEN, vec![fewer]);
    person.ask(Request::Prepare { options: PrepareOptions::default() }, vec![]);
    let [model, ..] = bare_files();
    let said = failure(person.ask(LOAD, vec![model]));
    for part in ["run7.PT", "BioJEPA-AC v0.5, width 8, 1 layer, 6 genes", "have 5 genes", "one per line"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let check = |person: &mut Person, files: Vec<NamedSource>, parts: &[&str]| {
        let said = failure(person.ask(LOAD, files));
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    };
    let [model, decoder, genes] = bare_files();
    let short = NamedSource::from_bytes("genes.csv", b"STAT1\nJAK2\n".to_vec());
    check(&mut person, vec![model, short], &["genes.csv", "names 2 genes; the model has 6"]);
    check(&mut person, vec![genes, decoder], &["decoder.pth", "student.gene_embeddings", "missing"]);
    let [model, ..] = bare_files();
    check(&mut person, vec![model, checkpoint_files().remove(0)], &["model.safetensors", "run7.PT is a model already"]);
    let notes = NamedSource::from_bytes("notes.pt", b"dear diary".to_vec());
    check(&mut person, vec![notes], &["notes.pt", "dear diary", "torch.save"]);
    check(&mut person, vec![checkpoint_files().remove(1)], &["none of these files holds a model"]);
}

#[test]
fn a_broken_checkpoint_is_named() {
    let mut person = Person::new();
    person.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() }, vec![]);
    let cut = vec![NamedSource::from_bytes("model.safetensors", vec![9; 40])];
    assert!(failure(person.ask(LOAD, cut)).contains("model.safetensors"));
}

#[test]
fn another_checkpoint_wants_the_cells_prepared_again() {
    let mut person = Person::with_model_and_cells();
    person.ask(LOAD, checkpoint_files());
    let query = Query::of("STAT1", Mode::Knockout);
    let message = failure(person.ask(Request::Predict { query }, vec![]));
    assert!(message.contains("prepare them again"), "{message}");
}

#[test]
fn a_request_can_be_stopped() {
    let mut person = Person::with_model_and_cells();
    person.session.wishes().cancel(person.asked + 1);
    let stopped = person.ask(embed(), vec![]);
    assert_eq!(stopped, Event::Cancelled);
    let embedded = person.ask(embed(), vec![]);
    assert!(matches!(embedded, Event::Embedded { .. }), "{embedded:?}");
}
