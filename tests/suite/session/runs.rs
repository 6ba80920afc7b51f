//! Training runs in a session: saved as they go, killed at any moment, resumed bit for bit, steered, used and given away.

mod kept;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use engine::store::{Answer, Store, StoreError};
use engine::{Session, Sink};
use futures_lite::future::{block_on, poll_once};
use spec::dataset::PrepareOptions;
use spec::device::{AttentionPath, BackendChoice};
use spec::message::{Envelope, Event, Request};
use spec::model::{ComposerConfig, ModelConfig};
use spec::run::{RunChange, RunExport, RunInfo, RunStatus, StartFrom, Steering, StorageReport};
use spec::train::run_file::RunFile;
use spec::train::{HoldBack, StageConfig, TrainConfig};

use super::{GENES, LOAD, cells_file, checkpoint_files, failure};

type Bytes = Rc<RefCell<BTreeMap<String, Vec<u8>>>>;

/// Files that outlive a session, and what may go wrong with them.
#[derive(Clone, Default)]
struct Disk {
    files: Bytes,
    /// Writings until the page dies in the middle of one.
    until_torn: Rc<Cell<Option<usize>>>,
    is_full: Rc<Cell<bool>>,
    /// Parts of this name are refused, for want of room.
    refuses: Rc<Cell<Option<&'static str>>>,
    is_held: Rc<Cell<bool>>,
}

impl Store for Disk {
    fn read(&self, path: &str) -> Answer<Option<Vec<u8>>> {
        let bytes = self.files.borrow().get(path).cloned();
        Box::pin(async { Ok(bytes) })
    }

    fn write(&self, path: &str, mut bytes: Vec<u8>) -> Answer<()> {
        if self.is_full.get() || self.refuses.get().is_some_and(|part| path.contains(part)) {
            let error = StoreError { operation: "saving", path: path.into(), reason: "the disk is full".into() };
            return Box::pin(async { Err(error) });
        }
        let left = self.until_torn.get();
        self.until_torn.set(left.map(|left| left.saturating_sub(1)));
        let is_torn = left == Some(0);
        if is_torn {
            bytes.truncate(bytes.len() / 2);
        }
        self.files.borrow_mut().insert(path.to_owned(), bytes);
        // A page that dies hears nothing any more.
        Box::pin(async move { if is_torn { std::future::pending().await } else { Ok(()) } })
    }

    fn remove(&self, folder: &str) -> Answer<()> {
        self.files.borrow_mut().retain(|path, _| !path.starts_with(&format!("{folder}/")));
        Box::pin(async { Ok(()) })
    }

    fn folders(&self) -> Answer<Vec<String>> {
        let files = self.files.borrow();
        let folders: Vec<String> = files.keys().filter_map(|path| Some(path.split_once('/')?.0.into())).collect();
        Box::pin(async { Ok(folders) })
    }

    fn lock(&self, _: &str) -> Answer<Option<Box<dyn Any>>> {
        let is_held = self.is_held.get();
        Box::pin(async move { Ok((!is_held).then(|| Box::new(()) as Box<dyn Any>)) })
    }

    fn report(&self) -> Pin<Box<dyn Future<Output = StorageReport>>> {
        Box::pin(async { StorageReport::default() })
    }
}

/// Hears the events; after so many steps it does something to the run.
#[derive(Default)]
struct Listener {
    events: RefCell<Vec<Event>>,
    at_report: RefCell<Option<(usize, Wanted)>>,
    wishes: RefCell<Option<engine::Wishes>>,
    n_reports: Cell<usize>,
}

#[derive(Debug, Clone, Copy)]
enum Wanted {
    Steer(Steering),
    Cancel,
}

impl Sink for Listener {
    fn emit(&self, envelope: Envelope<Event>) {
        if matches!(envelope.body, Event::Step { .. }) {
            self.n_reports.set(self.n_reports.get() + 1);
            let wanted = self.at_report.borrow_mut().take_if(|(at, _)| *at == self.n_reports.get());
            if let (Some((_, wanted)), Some(wishes)) = (wanted, self.wishes.borrow().as_ref()) {
                match wanted {
                    Wanted::Steer(how) => wishes.steer(envelope.id, how),
                    Wanted::Cancel => wishes.cancel(envelope.id),
                }
            }
        }
        self.events.borrow_mut().push(envelope.body);
    }
}

/// A page: it can be closed at any moment, and the next one finds the same disk.
struct Page {
    session: Session,
    listener: Rc<Listener>,
}

impl Page {
    fn open(disk: &Disk) -> Self {
        Self::with_store(Rc::new(disk.clone()))
    }

    fn with_store(store: Rc<dyn Store>) -> Self {
        let listener = Rc::new(Listener::default());
        let session = Session::new(listener.clone(), 1 << 30, store);
        *listener.wishes.borrow_mut() = Some(session.wishes());
        let mut page = Self { session, listener };
        page.ask(Request::Start { backend: BackendChoice::Cpu, attention: AttentionPath::default() });
        page
    }

    /// With a model and cells, as a run needs them.
    fn with_cells(disk: &Disk) -> Self {
        let mut page = Self::open(disk);
        page.prepare();
        page
    }

    fn prepare(&mut self) {
        block_on(self.session.handle(1, LOAD, checkpoint_files()));
        block_on(self.session.handle(1, Request::OPEN, vec![cells_file(&GENES)]));
        let options = PrepareOptions {
            perturbation_column: Some("condition".into()),
            control_label: Some("control".into()),
            ..PrepareOptions::default()
        };
        let prepared = self.ask(Request::Prepare { options });
        assert!(matches!(prepared, Event::Prepared { .. }), "{prepared:?}");
    }

    fn ask(&mut self, request: Request) -> Event {
        block_on(self.session.handle(7, request, vec![]));
        self.listener.events.borrow_mut().pop().expect("an answer")
    }

    fn wanting(self, at_report: usize, wanted: Wanted) -> Self {
        *self.listener.at_report.borrow_mut() = Some((at_report, wanted));
        self
    }

    fn train(&mut self) -> RunInfo {
        trained(self.ask(request(config())))
    }

    fn resume(&mut self, run: &str) -> RunInfo {
        trained(self.ask(Request::ResumeRun { run: run.into(), save_every_secs: 0.0 }))
    }

    fn runs(&mut self) -> Vec<RunInfo> {
        let Event::Runs { runs, .. } = self.ask(Request::Runs) else { panic!("runs") };
        runs
    }

    fn export(&mut self, run: &str, part: RunExport) -> (String, Vec<u8>) {
        let event = self.ask(Request::ExportRun { run: run.into(), part });
        let Event::Exported { name, bytes } = event else { panic!("{event:?}") };
        (name, bytes)
    }
}

fn trained(event: Event) -> RunInfo {
    let Event::Trained { run } = event else { panic!("{event:?}") };
    *run
}

fn request(config: TrainConfig) -> Request {
    let (name, start) = ("a run".to_owned(), StartFrom::Scratch);
    Request::Train { name, config: Box::new(config), start, save_every_secs: 0.0 }
}

/// Three stages of some steps, with validation and a schedule that ends where it should.
fn config() -> TrainConfig {
    let stage = |n_steps| StageConfig { n_steps, batch_size: 2, max_lr: 3e-3, ..StageConfig::default() };
    TrainConfig {
        model: ModelConfig {
            d_model: 8,
            n_heads: 2,
            n_layers: 1,
            n_pretrain_layers: 1,
            composer: ComposerConfig { n_chemical: 4, n_dna: 4, n_latent: 8, n_mode: 4, ..ComposerConfig::default() },
            ..ModelConfig::default()
        },
        report_every: 1,
        validate_every: 3,
        validation_batches: 1,
        validation_share: 0.4,
        hold_back: HoldBack::Cells,
        pretrain: stage(5),
        action: stage(4),
        decoder: stage(4),
        ..TrainConfig::default()
    }
}

#[test]
fn a_run_says_how_it_goes_and_its_model_answers() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk);
    let run = page.train();
    assert_eq!((&run.status, run.steps_done, run.n_steps), (&RunStatus::Done, 13, 13));
    assert_eq!(run.seen, ["JAK2", "STAT1"]);
    let events = page.listener.events.take();
    let n = |is: fn(&Event) -> bool| events.iter().filter(|event| is(event)).count();
    assert_eq!(n(|event| matches!(event, Event::Step { .. })), 13);
    assert!(n(|event| matches!(event, Event::Glimpsed { .. })) >= 3, "every step of the decoder shows what it says");
    assert!(n(|event| matches!(event, Event::RunSaved { problem: None, .. })) >= 13);
    let left: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Step { remaining_secs, .. } => *remaining_secs,
            _ => None,
        })
        .collect();
    assert!(left.len() == 13 && left[12] < left[0], "{left:?}");

    let used = page.ask(Request::UseRun { run: run.id.clone() });
    let Event::CheckpointLoaded { header, n_vectors, warnings, .. } = used else { panic!("{used:?}") };
    assert_eq!((header.seen, n_vectors), (run.seen.clone(), 3));
    assert!(warnings.iter().any(|warning| warning.contains("a run (13 of 13 steps)")), "{warnings:?}");
    page.prepare_again();
    let (name, curves) = page.export(&run.id, RunExport::Curves);
    let curves = String::from_utf8(curves).expect("text");
    assert_eq!(
        (name.as_str(), curves.lines().count()),
        ("a_run_losses.csv", 1 + 13 + run.history.validation.points.len())
    );
    let (_, file) = page.export(&run.id, RunExport::RunFile);
    let file: RunFile = serde_json::from_slice(&file).expect("a run file");
    assert_eq!((Some(file.checkpoint), file.data), (run.checkpoint.clone(), run.data.clone()));
    let refused = page.ask(Request::ExportRun { run: run.id.clone(), part: RunExport::State });
    assert!(failure(refused).contains("nothing to resume"));
}

impl Page {
    /// Prepares the open file for another model, and asks it.
    fn prepare_again(&mut self) {
        let options = PrepareOptions {
            perturbation_column: Some("condition".into()),
            control_label: Some("control".into()),
            ..PrepareOptions::default()
        };
        self.ask(Request::Prepare { options });
        let query = spec::prediction::Query::of("STAT1", spec::model::Mode::Knockout);
        let answer = self.ask(Request::Predict { query });
        let Event::Predicted { prediction } = answer else { panic!("{answer:?}") };
        assert!(prediction.measured.is_some() && prediction.training_mean.is_some(), "it has what was measured");
    }
}

/// Twenty pages die in the middle of a writing, each of another: the model is that of an undisturbed run.
#[test]
fn a_page_that_dies_loses_nothing() {
    let undisturbed = Disk::default();
    let mut page = Page::with_cells(&undisturbed);
    let run = page.train();
    let (_, expected) = page.export(&run.id, RunExport::Model);

    let check = |n_writings: usize| {
        let disk = Disk::default();
        disk.until_torn.set(Some(n_writings));
        let mut page = Page::with_cells(&disk);
        // The writing that is torn never ends: this is where the page is closed.
        let dies = {
            let mut work = Box::pin(page.session.handle(7, request(config()), vec![]));
            block_on(poll_once(&mut work)).is_none()
        };
        drop(page);
        disk.until_torn.set(None);
        let mut page = Page::open(&disk);
        let runs = page.runs();
        let Some(left) = runs.first() else {
            assert!(
                n_writings < 4,
                "only a run that had hardly begun may be gone, not one after {n_writings} writings"
            );
            return;
        };
        assert!(dies, "there are more than {n_writings} writings");
        let done = if left.status == RunStatus::Running { page.resume(&left.id) } else { left.clone() };
        assert_eq!(done.status, RunStatus::Done, "{n_writings}");
        assert_eq!(done.history.losses.points.len(), 13);
        let (_, model) = page.export(&done.id, RunExport::Model);
        assert!(model == expected, "another model after a death in writing {n_writings}");
    };
    for death in 0..20 {
        check(3 * death / 2);
    }
}

#[test]
fn a_run_is_paused_resumed_stopped_and_discarded() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk);
    let run = page.train();
    let (_, expected) = page.export(&run.id, RunExport::Model);
    page.ask(Request::ChangeRun { run: run.id, change: RunChange::Delete });

    let mut page = Page::with_cells(&disk).wanting(4, Wanted::Steer(Steering::Pause));
    let paused = page.train();
    assert_eq!((&paused.status, paused.steps_done, paused.checkpoint.is_none()), (&RunStatus::Paused, 4, true));
    // Another page goes on with it, without its cells or model.
    let mut page = Page::open(&disk).wanting(3, Wanted::Steer(Steering::Pause));
    let again = page.resume(&paused.id);
    assert_eq!((&again.status, again.steps_done, &again.id), (&RunStatus::Paused, 7, &paused.id));
    let done = page.resume(&paused.id);
    assert_eq!(done.status, RunStatus::Done);
    assert!(page.export(&done.id, RunExport::Model).1 == expected);
    let refused = page.ask(Request::ResumeRun { run: done.id.clone(), save_every_secs: 1.0 });
    assert!(failure(refused).contains("nothing to resume"));

    let renamed = page.ask(Request::ChangeRun { run: done.id, change: RunChange::Rename { name: " better ".into() } });
    let Event::Runs { runs, .. } = renamed else { panic!("{renamed:?}") };
    assert_eq!(runs.iter().map(|run| run.name.as_str()).collect::<Vec<_>>(), ["better"]);

    let mut page = Page::with_cells(&disk).wanting(6, Wanted::Steer(Steering::Stop));
    let stopped = page.train();
    assert_eq!((&stopped.status, stopped.steps_done), (&RunStatus::Stopped, 6));
    assert!(stopped.checkpoint.is_some() && !page.export(&stopped.id, RunExport::Model).1.is_empty());

    let mut page = Page::with_cells(&disk).wanting(2, Wanted::Cancel);
    assert_eq!(page.ask(request(config())), Event::Cancelled);
    assert_eq!(page.runs().len(), 2, "what was discarded is gone");
    assert!(failure(page.ask(Request::UseRun { run: "run-0".into() })).contains("run-0"));
}

#[test]
fn a_run_is_driven_by_one_page_alone() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk).wanting(3, Wanted::Steer(Steering::Pause));
    let run = page.train();
    disk.is_held.set(true);
    let refused = page.ask(Request::ResumeRun { run: run.id, save_every_secs: 1.0 });
    assert!(failure(refused).contains("another tab"));
}

#[test]
fn what_a_run_takes_is_said_before_it_starts() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk);
    let plan = |page: &mut Page, config: TrainConfig| {
        let event = page.ask(Request::PlanTraining { config: Box::new(config), start: StartFrom::Scratch });
        let Event::TrainingPlanned { plan } = event else { panic!("{event:?}") };
        *plan
    };
    let small = plan(&mut page, config());
    assert!(small.fits() && small.fitting.is_none());
    assert_eq!((small.config.model.n_genes, small.n_cells, small.memory.len()), (GENES.len(), 12, 3));
    let probe = small.probe.expect("it was timed");
    assert!(probe.stages.len() == 3 && probe.total_secs() > 0.0);

    let mut large = config();
    large.pretrain.batch_size = 4000;
    large.model.d_model = 512;
    // Nor is it started without having been estimated.
    let said = failure(page.ask(request(large.clone())));
    assert!(said.contains("MiB at its peak") && said.contains("would fit"), "{said}");
    let large = plan(&mut page, large);
    assert!(!large.fits() && large.probe.is_none());
    let fitting = large.fitting.expect("smaller batches fit");
    assert!((1..4000).contains(&fitting.pretrain.batch_size));

    let refused = |page: &mut Page, config: TrainConfig, part: &str| {
        let said = failure(page.ask(request(config)));
        assert!(said.contains(part), "{said} does not say {part}");
    };
    refused(&mut page, TrainConfig { held_out: vec!["TP63".into()], ..config() }, "TP63");
    refused(&mut page, TrainConfig { batch_column: Some("donor".into()), ..config() }, "donor");
    refused(&mut page, TrainConfig { mask_ratio: 2.0, ..config() }, "mask_ratio is 2");
    assert!(page.runs().is_empty(), "what cannot start leaves nothing");
    let mut empty = Page::open(&disk);
    assert!(failure(empty.ask(request(config()))).contains("a file is prepared"));
}

#[test]
fn a_loaded_model_is_trained_further() {
    let disk = Disk::default();
    let mut page = Page::with_cells(&disk);
    let config = TrainConfig { model: ModelConfig::default(), ..config() };
    let event = page.ask(Request::Train {
        name: "further".into(),
        config: Box::new(config),
        start: StartFrom::Checkpoint,
        save_every_secs: 60.0,
    });
    let run = trained(event);
    assert_eq!((&run.status, run.n_steps), (&RunStatus::Done, 8), "the encoder stays as it is");
    assert!(run.config.start_from.is_some());
    let events = page.listener.events.take();
    let glimpsed = events.iter().filter(|event| matches!(event, Event::Glimpsed { .. })).count();
    assert!(glimpsed > 4, "its decoder has learned, so that the action stage shows too: {glimpsed}");
}
