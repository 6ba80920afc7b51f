//! What a person asks for: which requests follow, and which of those that wait are replaced.

use spec::dataset::GeneJoin;
use spec::evaluation::EvaluationConfig;
use spec::labels::{LabelOptions, LabelTable, Reading};
use spec::map::Representation;
use spec::message::Request;
use spec::metrics::Metric;
use spec::prepare::{CellFilter, MapConfig};
use spec::recipe::Recipe;

use super::{FileSet, Job, Shared, State};

impl State {
    /// Asks for an evaluation with every measure that predicted means allow; one that still waits is replaced.
    pub fn evaluate(&mut self) {
        let config = EvaluationConfig { metrics: Metric::of_means(), ..self.evaluation_config.clone() };
        self.queue.retain(|job| !matches!(job.request, Request::Evaluate { .. }));
        self.enqueue(Job::new(Request::Evaluate { config: Box::new(config) }));
    }

    /// Loads the model again with another number of attention heads than was assumed.
    pub fn load_with_heads(&mut self, n_heads: usize) {
        if let Some(files) = self.model_files() {
            self.enqueue(Job::with_files(Request::LoadCheckpoint { n_heads: Some(n_heads) }, files));
        }
    }

    /// Prepares the opened file as chosen; maps of the old cells are no longer waited for.
    pub fn prepare(&mut self) {
        // The choices on screen are of the file that is open, not of one that is being opened.
        if self.opened.is_none() || self.has_job(|request| matches!(request, Request::Open { .. })) {
            return;
        }
        self.drop_maps_to_come();
        let Some(opened) = &self.opened else { return };
        let job = Job::with_files(Request::Prepare { options: self.options.clone() }, opened.files);
        self.enqueue(job);
    }

    /// Opens the samples of a study anew, their genes joined another way.
    pub fn open_again(&mut self, files: FileSet, join: GeneJoin) {
        self.queue.retain(|job| !matches!(job.request, Request::Open { .. }));
        self.enqueue(Job::with_files(Request::Open { join }, files));
    }

    /// Does what a recipe says with the file that is being opened, or with the one that is open.
    pub fn follow(&mut self, recipe: Recipe) {
        self.recipe = Some(recipe);
        if !self.has_job(|request| matches!(request, Request::Open { .. })) {
            self.prepare_by_recipe();
        }
    }

    /// Prepares the opened file by the recipe that waits; says whether there was one and a file.
    pub(super) fn prepare_by_recipe(&mut self) -> bool {
        let (Some(opened), Some(recipe)) = (&self.opened, &self.recipe) else { return false };
        if let (Some(join), Some(wanted)) = (opened.opened.join, recipe.join)
            && join != wanted
        {
            self.open_again(opened.files, wanted);
            return true;
        }
        self.options = recipe.options.clone();
        if let Some(map) = &recipe.map {
            self.map_config = map.clone();
        }
        let table = self.gene_table.as_ref().map(|table| &table.name);
        if table != recipe.gene_table.as_ref() {
            let wanted = recipe.gene_table.as_deref().unwrap_or("the file itself");
            self.notices.push(format!("The recipe takes the names of genes from {wanted}; what comes out may differ."));
        }
        self.labels = None;
        self.prepare();
        true
    }

    /// Keeps the cells within these bounds; a filter that still waits is replaced.
    pub fn filter(&mut self, filter: CellFilter) {
        let Some(dataset) = &self.dataset else { return };
        let is_filter = |request: &Request| matches!(request, Request::Filter { .. });
        if dataset.options.filter == filter && !self.has_job(is_filter) {
            return;
        }
        self.drop_maps_to_come();
        self.queue.retain(|job| !is_filter(&job.request));
        self.enqueue(Job::new(Request::Filter { filter }));
    }

    /// Goes back to the filters that were in force before.
    pub fn undo_filter(&mut self) {
        if let Some(filter) = self.filter_history.last().copied() {
            self.filter(filter);
        }
    }

    /// Asks what the labels of the chosen column mean, which are then taken for that.
    pub fn read_labels(&mut self) {
        self.labels = None;
        self.options.corrections.clear();
        self.queue.retain(|job| !matches!(job.request, Request::ReadLabels { .. }));
        if let Some(column) = self.options.perturbation_column.clone() {
            let options = LabelOptions { control_label: self.options.control_label.clone(), ..LabelOptions::default() };
            self.enqueue(Job::new(Request::ReadLabels { column, options }));
        }
    }

    /// Takes a label for something else than it was understood as.
    pub fn correct_label(&mut self, label: &str, reading: Reading) {
        let Some(table) = &self.labels else { return };
        let mut table = LabelTable::clone(table);
        for row in table.rows.iter_mut().filter(|row| row.label == label) {
            row.reading = reading.clone();
            row.is_corrected = true;
        }
        self.options.corrections = table.corrections();
        self.labels = Some(Shared::new(table));
    }

    /// Asks for the maps of the prepared cells.
    pub fn ask_for_maps(&mut self) {
        self.enqueue(Job::new(Request::Embed { config: self.map_config.clone() }));
    }

    /// Makes the map of expression another way; the map of latent states stays.
    pub fn map_by(&mut self, config: MapConfig) {
        if self.map_config == config {
            return;
        }
        self.map_config = config;
        // Of other components; those of latent states stay.
        self.population.mapped[0] = None;
        self.forget_clusters(Representation::Expression);
        self.drop_maps_to_come();
        if self.dataset.is_some() && !self.has_job(|request| matches!(request, Request::Prepare { .. })) {
            self.ask_for_maps();
        }
    }

    /// Takes the names of genes from a table, or from the files themselves again.
    pub fn name_genes_by(&mut self, table: Option<FileSet>) {
        self.queue.retain(|job| job.request != Request::GeneTable);
        self.enqueue(Job { files: table, ..Job::new(Request::GeneTable) });
    }

    /// Maps of cells that are about to change are not waited for.
    fn drop_maps_to_come(&mut self) {
        let is_embed = |request: &Request| matches!(request, Request::Embed { .. } | Request::Map { .. });
        self.queue.retain(|job| !is_embed(&job.request));
        if self.running.as_ref().is_some_and(|running| is_embed(&running.job.request)) {
            self.cancel();
        }
    }
}
