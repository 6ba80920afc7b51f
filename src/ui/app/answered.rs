//! What the engine answers: which part of the state it replaces, and what is asked next because of it.

use spec::checkpoint::CheckpointHeader;
use spec::dataset::{CellQuality, Opened, PrepareOptions, Prepared};
use spec::labels::{LabelRow, LabelTable, Reading};
use spec::message::{Event, Request};
use spec::model::Mode;
use spec::prediction::{Support, TargetInfo};
use spec::prepare::CellFilter;
use spec::train::cost::MemoryLimits;

use super::{Checkpoint, Dataset, Failure, FileSet, GeneTable, Job, ModelSource, OpenedFile, Phase, Shared, State};

impl State {
    pub(super) fn accept(&mut self, job: Job, answer: Event) {
        match answer {
            Event::Ready { device } => {
                self.phase = Phase::Ready;
                let known = self.device.take().and_then(|device| device.notice);
                self.notices.extend(device.notice.clone().filter(|notice| Some(notice) != known.as_ref()));
                self.device = Some(device);
                self.training.looks_for_died = true;
                self.ask_for_runs();
            }
            Event::CheckpointLoaded { header, card, targets, n_parameters, n_vectors, heads_unknown, warnings } => {
                let (source, chosen_heads) = match (job.request, job.files) {
                    (Request::LoadCheckpoint { n_heads }, Some(files)) => (ModelSource::Files(files), n_heads),
                    (Request::UseRun { run }, _) => (ModelSource::Run(run), None),
                    _ => return,
                };
                self.accept_checkpoint(
                    source,
                    Checkpoint {
                        header: *header,
                        card,
                        targets,
                        n_parameters,
                        n_vectors,
                        heads_unknown,
                        warnings,
                        chosen_heads,
                    },
                );
            }
            Event::Opened { opened } => self.accept_opened(&job, opened),
            Event::LabelsRead { table } => self.accept_labels(table),
            Event::Prepared { prepared } => self.accept_prepared(job, prepared),
            Event::GeneTableRead { table } => self.accept_gene_table(job.files, table),
            Event::PathwaysRead { collection } => self.accept_collection(job.files, collection),
            Event::Enriched { enrichment } => self.pathways.found = Some(Shared::new(*enrichment)),
            Event::Embedded { genes, maps } => {
                self.variable_genes = genes.map(Shared::new);
                self.maps = Some(Shared::new(maps));
                // Arrows are drawn on the maps of before.
                self.asking.shifts = None;
            }
            Event::Predicted { prediction } => {
                self.failure = None;
                self.failed_starts = 0;
                let answer = Shared::new(prediction);
                self.keep_answer(&answer);
                self.show_answer(answer);
            }
            Event::Shifted { shifts } => self.asking.shifts = Some(Shared::new(*shifts)),
            Event::AskedBackwards { found } => self.backwards.found = Some(Shared::new(*found)),
            Event::Evaluated { report } => {
                self.failure = None;
                self.evaluation = Some(Shared::new(*report));
            }
            Event::TrainingPlanned { plan } => self.accept_plan(job, *plan),
            Event::Trained { run } => self.accept_trained(*run),
            Event::Runs { runs, storage } => self.accept_runs(runs, storage),
            answer @ (Event::Mapped { .. }
            | Event::MarkersFound { .. }
            | Event::Scored { .. }
            | Event::CellValues { .. }
            | Event::GeneSymbols { .. }) => self.accept_population(answer),
            // Handed to the person where it arrives: a file is nothing that is shown.
            Event::Exported { .. }
            | Event::Progress { .. }
            | Event::Unfolding { .. }
            | Event::TrainingStarted { .. }
            | Event::Step { .. }
            | Event::Glimpsed { .. }
            | Event::RunSaved { .. }
            | Event::Cancelled
            | Event::Failed { .. } => {}
        }
    }

    fn accept_checkpoint(&mut self, source: ModelSource, checkpoint: Checkpoint) {
        self.model_from = Some(source);
        // What another model said is not what this one says.
        if self.checkpoint.as_ref().is_some_and(|old| old.header != checkpoint.header) {
            self.prediction = None;
            self.evaluation = None;
            self.backwards.found = None;
            self.forget_question();
        }
        self.keep_known_genes(|gene| checkpoint.support(gene).is_some());
        self.choose_first_question(&checkpoint.header, &checkpoint.targets);
        self.checkpoint = Some(Shared::new(checkpoint));
        self.prepare_again();
    }

    fn accept_gene_table(&mut self, files: Option<FileSet>, table: Option<(String, usize)>) {
        let known = self.gene_table.take();
        self.gene_table = files.zip(table).map(|(files, (name, n_symbols))| GeneTable { files, name, n_symbols });
        if self.gene_table != known {
            self.prediction = None;
            self.prepare_again();
        }
    }

    /// Prepares again what was prepared before a checkpoint or a table of genes came, whose library size or names count
    /// from now on.
    fn prepare_again(&mut self) {
        let (Some(dataset), Some(opened)) = (&self.dataset, &self.opened) else { return };
        let is_replaced = self.has_job(|request| matches!(request, Request::Open { .. } | Request::Prepare { .. }));
        if dataset.files == opened.files && !is_replaced {
            let job = Job::with_files(Request::Prepare { options: dataset.options.clone() }, dataset.files);
            self.enqueue(job);
        }
    }

    /// Picks a held-out target, which can be checked, and the first mode the checkpoint saw, or the first of all where
    /// there is no record.
    fn choose_first_question(&mut self, header: &CheckpointHeader, targets: &[TargetInfo]) {
        if !targets.iter().any(|target| target.symbol == self.target) {
            let first = targets.iter().find(|target| target.support == Support::HeldOut).or(targets.first());
            self.target = first.map(|target| target.symbol.clone()).unwrap_or_default();
        }
        if self.mode.is_none_or(|mode| !header.modes.contains(&mode)) {
            self.mode = header.modes.first().or(Mode::ALL.first()).copied();
        }
    }

    fn accept_opened(&mut self, job: &Job, opened: Opened) {
        let files = job.files.unwrap_or_default();
        let is_resumed = |next: &Job| matches!(next.request, Request::Prepare { .. }) && next.files == job.files;
        let resumes = self.queue.front().is_some_and(is_resumed);
        if !resumes {
            self.options = opened.suggested.clone();
        }
        // What a run may take is known from here on, so that what does not fit is not offered.
        let buffer = self.device.as_ref().and_then(|device| device.max_buffer_bytes);
        self.training.limits = Some(MemoryLimits { total: opened.bytes_available, buffer });
        self.opened = Some(Shared::new(OpenedFile { files, opened }));
        if !resumes && self.prepare_by_recipe() {
            // The recipe says what the labels mean.
        } else if job.prepare_at_once {
            self.prepare();
        } else if !resumes {
            self.read_labels();
        }
    }

    fn accept_prepared(&mut self, job: Job, prepared: Prepared) {
        let options = match (job.request, &self.dataset) {
            (Request::Prepare { options }, _) => options,
            (Request::Filter { filter }, Some(dataset)) => {
                let dataset = dataset.clone();
                return self.accept_filtered(&dataset, filter, prepared);
            }
            _ => return,
        };
        let opened = self.opened.as_ref().map(|file| &file.opened);
        let name = opened.map(|opened| opened.name.clone()).unwrap_or_default();
        let join = opened.and_then(|opened| opened.join);
        let is_same = self.dataset.as_ref().is_some_and(|old| Some(old.files) == job.files && old.options == options);
        let files = job.files.unwrap_or_default();
        if let Some(recipe) = self.recipe.take().filter(|recipe| recipe.options == options) {
            let shape = [prepared.n_cells as u64, prepared.n_genes as u64, prepared.n_nonzero];
            let difference =
                recipe.difference(shape).map(|what| format!("This is not the file of the recipe: {what}."));
            self.notices.extend(difference);
        }
        let mut prepared = prepared;
        let quality = Shared::new(std::mem::take(&mut prepared.quality));
        self.dataset = Some(Shared::new(Dataset { files, name, join, options, prepared, quality }));
        self.forget_population();
        if !is_same {
            self.filter_history.clear();
            self.maps = None;
            self.prediction = None;
            self.evaluation = None;
            self.evaluation_config.batch_column = None;
            self.training.setup.config.batch_column = None;
        }
        self.ask_for_maps();
    }

    fn accept_filtered(&mut self, dataset: &Dataset, filter: CellFilter, prepared: Prepared) {
        let before = dataset.options.filter;
        if self.filter_history.last() == Some(&filter) {
            self.filter_history.pop();
        } else {
            self.filter_history.push(before);
        }
        self.dataset = Some(Shared::new(Dataset {
            files: dataset.files,
            name: dataset.name.clone(),
            join: dataset.join,
            options: PrepareOptions { filter, ..dataset.options.clone() },
            prepared: Prepared { quality: CellQuality::default(), ..prepared },
            quality: dataset.quality.clone(),
        }));
        self.maps = None;
        self.prediction = None;
        self.evaluation = None;
        self.forget_population();
        self.ask_for_maps();
    }

    pub(super) fn fail(&mut self, job: &Job, message: String, hint: String) {
        if matches!(job.request, Request::Start { .. }) {
            self.phase = Phase::Lost;
        }
        self.failure = Some(Failure { task: job.label(), message, hint });
        self.drop_dependents(job);
    }

    /// Forgets jobs that make no sense without `job`.
    pub(super) fn drop_dependents(&mut self, job: &Job) {
        match job.request {
            Request::Start { .. } => self.queue.clear(),
            Request::Train { .. } | Request::ResumeRun { .. } => self.run_is_over(),
            // The layout of before is shown again.
            Request::Map { .. } => self.population.unfolding = None,
            Request::Open { .. } | Request::Prepare { .. } => {
                // It was meant for this file alone.
                self.recipe = None;
                self.queue.retain(|next| !matches!(next.request, Request::Prepare { .. } | Request::Embed { .. }));
            }
            _ => {}
        }
        // The cells are what they were; their maps may have been given up for this job.
        let changes_cells = matches!(job.request, Request::Prepare { .. } | Request::Filter { .. });
        if changes_cells && self.dataset.is_some() && self.maps.is_none() {
            self.ask_for_maps();
        }
    }

    fn accept_labels(&mut self, table: LabelTable) {
        // The answer may be of a column that is no longer chosen.
        if self.options.perturbation_column.as_deref() == Some(table.column.as_str()) {
            self.options.corrections = table.corrections();
            let is_control = |row: &LabelRow| row.label == table.control_name && row.reading == Reading::Control;
            if self.options.control_label.is_none() && table.rows.iter().any(is_control) {
                self.options.control_label = Some(table.control_name.clone());
            }
            self.labels = Some(Shared::new(table));
        }
    }
}
