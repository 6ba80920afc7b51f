//! One person's session: what is loaded, and the one place where a request becomes work.

use std::rc::Rc;

use cells::genes::table::GeneTable;
use cells::read::OpenedFile;
use cells::source::NamedSource;
use jepa::device::Device;
use spec::device::{AttentionPath, BackendChoice, DeviceReport};
use spec::evaluation::Folds;
use spec::map::Representation;
use spec::message::{Envelope, Event, Request};
use spec::prediction::Prediction;

use crate::backwards::ask_backwards;
use crate::checkpoint::{Beside, OfRun};
use crate::export;
use crate::failure::EngineError;
use crate::loaded::Loaded;
use crate::look::Looked;
use crate::markers::markers;
use crate::pathways::Pathways;
use crate::population::Population;
use crate::runs::{Part, Runs};
use crate::scores::scores;
use crate::shift::shifts;
use crate::store::{Files, Store};
use crate::task::Task;
pub use crate::task::Wishes;
use crate::training::{self, Start};
use crate::values::values;

/// Where events go.
pub trait Sink {
    /// Takes one event.
    fn emit(&self, envelope: Envelope<Event>);
}

/// What a session holds. State is replaced only by what is whole, so that a failed or cancelled request loses nothing.
pub struct Session {
    sink: Rc<dyn Sink>,
    wishes: Wishes,
    bytes_available: u64,
    device: Option<(Device, DeviceReport)>,
    attention: AttentionPath,
    model: Option<Loaded>,
    opened: Option<OpenedFile>,
    population: Option<Population>,
    /// What genes are called, and the name of that table; none where as files name them.
    gene_table: Option<(String, GeneTable)>,
    /// Sets of genes that responses are looked for in.
    pathways: Option<Pathways>,
    /// Maps of the population and what was asked about it, to be saved with it.
    looked: Looked,
    predictions: Vec<Prediction>,
    runs: Runs,
}

impl Session {
    /// A session that says everything to `sink`, keeps at most `bytes_available` bytes of a file's values, and training
    /// runs in `store`.
    pub fn new(sink: Rc<dyn Sink>, bytes_available: u64, store: Rc<dyn Store>) -> Self {
        Self {
            sink,
            wishes: Wishes::default(),
            bytes_available,
            device: None,
            attention: AttentionPath::default(),
            model: None,
            opened: None,
            population: None,
            gene_table: None,
            pathways: None,
            looked: Looked::default(),
            predictions: Vec::new(),
            runs: Runs::new(Files::new(store)),
        }
    }

    /// The way to stop or steer a request while [`Self::handle`] works on it.
    pub fn wishes(&self) -> Wishes {
        self.wishes.clone()
    }

    /// Works on one request; `files` are those handed over beside it. Emits every event of the request, exactly one
    /// final one included.
    pub async fn handle(&mut self, id: u32, request: Request, files: Vec<NamedSource>) {
        let mut task = Task::new(id, self.sink.clone(), self.wishes.clone());
        let answer = match self.answer(&mut task, request, files).await {
            Ok(Some(event)) => event,
            Ok(None) => return,
            Err(EngineError::Cancelled) => Event::Cancelled,
            Err(error) => Event::Failed { message: error.to_string(), hint: error.hint() },
        };
        task.emit(answer);
        task.end();
    }

    async fn answer(
        &mut self,
        task: &mut Task,
        request: Request,
        files: Vec<NamedSource>,
    ) -> Result<Option<Event>, EngineError> {
        Ok(Some(match request {
            Request::Start { backend, attention } => {
                self.attention = attention;
                self.start(backend).await?
            }
            Request::LoadCheckpoint { n_heads } => {
                let (device, report) = self.device.as_ref().ok_or(STARTED_FIRST)?;
                let beside = Beside {
                    backend: report.backend,
                    attention: self.attention,
                    n_heads,
                    symbols: self.population.as_ref().map(|cells| cells.symbols.as_slice()),
                };
                let model = Box::pin(Loaded::load(task, &files, beside, device)).await?;
                self.take_model(model)
            }
            Request::Open { join } => {
                let opened = cells::read::open_study(files, join, self.bytes_available)?;
                let event = Event::Opened { opened: opened.opened().clone() };
                self.opened = Some(opened);
                event
            }
            Request::ReadLabels { column, options } => {
                let opened = self.opened.as_ref().ok_or(OPENED_FIRST)?;
                Event::LabelsRead { table: opened.label_table(&column, &options)? }
            }
            Request::Prepare { options } => {
                let opened = self.opened.as_ref().ok_or(OPENED_FIRST)?;
                let header = self.model.as_ref().map(Loaded::header);
                let table = self.gene_table.as_ref();
                let population = Population::prepare(task, opened, &options, header, table).await?;
                let event = Event::Prepared { prepared: population.prepared.clone() };
                self.population = Some(population);
                self.forget_results();
                event
            }
            Request::Filter { filter } => {
                let population = self.population.as_mut().ok_or(PREPARED_FIRST)?;
                population.filter(filter)?;
                let event = Event::Prepared { prepared: population.prepared.clone() };
                self.forget_results();
                event
            }
            Request::GeneTable => {
                let table = files.first().map(|file| Ok((file.name.clone(), GeneTable::read(file)?)));
                self.gene_table = table.transpose().map_err(EngineError::Read)?;
                let said = |(name, table): &(String, GeneTable)| (name.clone(), table.n_symbols());
                Event::GeneTableRead { table: self.gene_table.as_ref().map(said) }
            }
            Request::Pathways => {
                let file = files.first().ok_or_else(|| EngineError::Query("no file of gene sets was given".into()))?;
                let pathways = Pathways::read(file)?;
                let collection = pathways.collection();
                self.pathways = Some(pathways);
                Event::PathwaysRead { collection }
            }
            Request::Enrich { asked, config } => {
                let pathways = self.pathways.as_ref().ok_or(PATHWAYS_FIRST)?;
                Event::Enriched { enrichment: Box::new(pathways.enrichment(task, &asked, config).await?) }
            }
            Request::Embed { config } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let before = self.looked.clusters();
                let event = self.looked.look(task, population, self.model.as_ref(), config).await;
                self.forget_clusters(&before);
                event?
            }
            Request::Map { representation, config } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let before = self.looked.clusters();
                let event = Box::pin(self.looked.map(task, population, representation, config)).await;
                self.forget_clusters(&before);
                event?
            }
            Request::Markers { grouping, options } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let found = Box::pin(markers(task, population, &self.looked, grouping, options)).await?;
                Event::MarkersFound { table: Box::new(self.looked.keep_markers(found)) }
            }
            Request::Score { column, config } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let found = Box::pin(scores(task, population, &self.looked, column, config)).await?;
                Event::Scored { table: Box::new(self.looked.keep_scores(found)) }
            }
            Request::CellValues { quantity } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let column = values(task, population, &self.looked, &self.predictions, &quantity).await?;
                Event::CellValues { quantity, column }
            }
            Request::GeneSymbols => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                Event::GeneSymbols { symbols: population.symbols.clone() }
            }
            Request::Predict { query } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let checkpoint = self.model.as_ref().ok_or(LOADED_FIRST)?.asked()?;
                let prediction =
                    Box::pin(crate::perturb::predict(task, population, &self.looked, checkpoint, query)).await?;
                self.predictions.retain(|known| known.query.label() != prediction.query.label());
                self.predictions.push(prediction.clone());
                Event::Predicted { prediction }
            }
            Request::Shifts { query } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let checkpoint = self.model.as_ref().ok_or(LOADED_FIRST)?.asked()?;
                let asked = (self.predictions.as_slice(), query);
                let found = Box::pin(shifts(task, population, &self.looked, checkpoint, asked)).await?;
                Event::Shifted { shifts: Box::new(found) }
            }
            Request::AskBackwards { signature, mode, candidates } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let checkpoint = self.model.as_ref().ok_or(LOADED_FIRST)?.asked()?;
                let asked = (*signature, mode, candidates);
                let found = Box::pin(ask_backwards(task, population, checkpoint, asked)).await?;
                Event::AskedBackwards { found: Box::new(found) }
            }
            Request::Evaluate { mut config } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                if let Folds::Pathways { pathways } = &mut config.folds
                    && pathways.is_empty()
                {
                    pathways.extend_from_slice(self.pathways.as_ref().ok_or(PATHWAYS_FIRST)?.sets());
                }
                if let (Some(reference), Some(pathways)) = (&mut config.reference, &self.pathways)
                    && reference.pathways.is_empty()
                {
                    reference.pathways.extend_from_slice(pathways.sets());
                }
                let checkpoint = self.model.as_ref().and_then(Loaded::responses);
                Box::pin(crate::evaluate::asked(task, population, checkpoint, *config)).await?
            }
            Request::Export { kind } => {
                let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
                let mut stretch = task.begin(&format!("Writing {}", kind.label()), "files", 1).await?;
                let beside =
                    export::Beside { looked: &self.looked, predictions: &self.predictions, model: self.model.as_ref() };
                let (name, bytes) = export::file(kind, population, &beside, self.bytes_available)?;
                stretch.reached(1).await?;
                Event::Exported { name, bytes }
            }
            // A run is large: it lies on the heap, not within every request there is.
            Request::PlanTraining { config, start } => {
                Box::pin(self.start_of_run()?.plan(task, *config, start)).await?
            }
            Request::Train { name, config, start, save_every_secs } => {
                let run = self.start_of_run()?;
                Box::pin(run.train(task, &self.runs, name, *config, start, save_every_secs)).await?
            }
            Request::ResumeRun { run, save_every_secs } => {
                let (device, _) = self.device.as_ref().ok_or(STARTED_FIRST)?;
                Box::pin(training::resume(task, &self.runs, &run, device, save_every_secs)).await?
            }
            Request::Runs => self.runs().await?,
            Request::ChangeRun { run, change } => {
                self.runs.change(&run, change).await?;
                self.runs().await?
            }
            Request::ExportRun { run, part } => {
                let (name, bytes) = self.runs.export(&run, part).await?;
                Event::Exported { name, bytes }
            }
            Request::UseRun { run } => {
                let (device, report) = self.device.as_ref().ok_or(STARTED_FIRST)?;
                let bank = self.model.as_ref().and_then(Loaded::responses).and_then(|model| model.bank.clone());
                let info = self.runs.info(&run).await?;
                let model = self.runs.load(&run, Part::Model).await?;
                let measured = match info.config.cell_jepa {
                    None => self.runs.load(&run, Part::Measured).await?,
                    Some(_) => Vec::new(),
                };
                let of_run = OfRun { info: &info, model: &model, measured: &measured, bank };
                let model = Box::pin(Loaded::of_run(task, of_run, self.attention, report.backend, device)).await?;
                self.take_model(model)
            }
            Request::Steer { request, how } => {
                self.wishes.steer(request, how);
                return Ok(None);
            }
            Request::Cancel { request } => {
                self.wishes.cancel(request);
                return Ok(None);
            }
        }))
    }

    fn take_model(&mut self, model: Loaded) -> Event {
        let event = model.told();
        self.model = Some(model);
        let before = self.looked.clusters();
        self.looked.forget_model();
        self.forget_clusters(&before);
        // The cells were scaled and matched for another checkpoint, or for none.
        if let Some(population) = &mut self.population {
            population.alignment = None;
        }
        event
    }

    fn start_of_run(&self) -> Result<Start<'_>, EngineError> {
        let (device, report) = self.device.as_ref().ok_or(STARTED_FIRST)?;
        let population = self.population.as_ref().ok_or(PREPARED_FIRST)?;
        let model = self.model.as_ref();
        Ok(Start { population, model, device, report, bytes_available: self.bytes_available })
    }

    async fn runs(&self) -> Result<Event, EngineError> {
        let (runs, storage) = self.runs.all().await?;
        Ok(Event::Runs { runs, storage })
    }

    /// Other cells have other maps and answers.
    fn forget_results(&mut self) {
        self.looked = Looked::default();
        self.predictions.clear();
    }

    /// Where clusters are no longer those of `before`, answers in them are of other cells than their names say.
    fn forget_clusters(&mut self, before: &[Option<Vec<u32>>; 2]) {
        let now = self.looked.clusters();
        let changed = Representation::ALL.into_iter().zip(before.iter().zip(&now)).filter(|(_, (old, new))| old != new);
        for (representation, _) in changed {
            self.predictions.retain(|known| !known.query.cells.is_cluster_of(representation));
        }
    }

    async fn start(&mut self, backend: BackendChoice) -> Result<Event, EngineError> {
        let (device, report) =
            jepa::device::open(backend).await.map_err(|error| EngineError::Device(error.to_string()))?;
        self.device = Some((device, report.clone()));
        Ok(Event::Ready { device: report })
    }
}

const STARTED_FIRST: EngineError = EngineError::OutOfOrder { what: "no device", needed: "the session is started" };
const OPENED_FIRST: EngineError = EngineError::OutOfOrder { what: "no file to read", needed: "a file is opened" };
const PREPARED_FIRST: EngineError = EngineError::OutOfOrder { what: "no cells", needed: "a file is prepared" };
const PATHWAYS_FIRST: EngineError =
    EngineError::OutOfOrder { what: "no sets of genes", needed: "a collection of them (.gmt) is opened" };
const LOADED_FIRST: EngineError = EngineError::OutOfOrder { what: "no model to ask", needed: "a checkpoint is loaded" };
