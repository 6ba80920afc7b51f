//! The question that is being put together: genes, cells, and the answers that are kept beside each other.

use spec::map::{CellQuantity, Representation};
use spec::message::Request;
use spec::prediction::{CellChoice, MAX_TOGETHER, Prediction, Query};
use spec::shift::Shifts;

use super::{Job, Shared, State};

/// Answers that are kept beside each other at most; the oldest goes first.
const MAX_COMPARED: usize = 24;

/// What a question has beside its gene and mode, and what was answered.
#[derive(Debug, Default)]
pub struct Asking {
    /// Genes that are perturbed together with the one that is picked.
    pub with: Vec<String>,
    /// In which control cells; the rows of a selection are those of the map.
    pub cells: CellChoice,
    /// Answers of this model in these cells, the latest last.
    pub compared: Vec<Shared<Prediction>>,
    /// Where the answer would take the cells on the map.
    pub shifts: Option<Shared<Shifts>>,
    /// Rows that were selected on the map; none where nothing is.
    pub selected: Option<Shared<Vec<u32>>>,
}

impl State {
    /// The question as it stands; none without a gene or a mode.
    pub fn question(&self) -> Option<Query> {
        let mut genes = self.asking.with.clone();
        if !self.target.is_empty() {
            genes.push(self.target.clone());
        }
        let mut genes = genes.into_iter();
        let (target, mode) = (genes.next()?, self.mode?);
        let cells = match &self.asking.cells {
            CellChoice::Selection { .. } => {
                let rows = self.asking.selected.as_ref().map(|rows| rows.to_vec()).unwrap_or_default();
                CellChoice::Selection { rows }
            }
            other => other.clone(),
        };
        Some(Query { target, with: genes.collect(), mode, cells })
    }

    /// Whether the question can be answered: a model that knows every gene, each named once, and cells.
    pub fn can_ask(&self) -> bool {
        let (Some(checkpoint), Some(query)) = (&self.checkpoint, self.question()) else { return false };
        let is_known = query.genes().all(|gene| checkpoint.support(gene).is_some());
        self.dataset.is_some() && is_known && !self.asking.with.contains(&self.target)
    }

    /// Whether the picked gene can be joined by another.
    pub fn can_add_gene(&self) -> bool {
        let is_known = self.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.support(&self.target).is_some());
        is_known && !self.asking.with.contains(&self.target) && self.asking.with.len() + 1 < MAX_TOGETHER
    }

    /// Keeps the picked gene and leaves room for the next.
    pub fn add_gene(&mut self) {
        if self.can_add_gene() {
            let gene = std::mem::take(&mut self.target);
            self.asking.with.push(gene);
        }
    }

    /// Leaves a gene out of the combination; the last one left is the picked gene.
    pub fn remove_gene(&mut self, gene: &str) {
        self.asking.with.retain(|kept| kept != gene);
        if self.target.is_empty() && self.asking.with.len() == 1 {
            self.target = self.asking.with.remove(0);
        }
    }

    /// Puts an answer beside the others, in place of an earlier one to the same question.
    pub(super) fn keep_answer(&mut self, answer: &Shared<Prediction>) {
        let compared = &mut self.asking.compared;
        let genes = &answer.genes;
        // Answers about other genes cannot stand in one table.
        compared.retain(|known| known.query.label() != answer.query.label() && known.genes == *genes);
        if compared.len() == MAX_COMPARED {
            compared.remove(0);
        }
        compared.push(answer.clone());
    }

    /// Shows an answer again.
    pub fn show_answer(&mut self, answer: Shared<Prediction>) {
        self.prediction = Some(answer);
        self.look_at_new_answer();
    }

    /// No longer keeps an answer beside the others; none of them without a label.
    pub fn forget_answers(&mut self, label: Option<&str>) {
        self.asking.compared.retain(|known| label.is_some_and(|label| known.query.label() != label));
    }

    /// Asks where the answer on screen would take the cells, unless it is known or asked for already.
    pub fn ask_for_shifts(&mut self) {
        let Some(query) = self.prediction.as_ref().map(|answer| answer.query.clone()) else { return };
        let is_known = self.asking.shifts.as_ref().is_some_and(|shifts| shifts.query == query);
        let request = Request::Shifts { query };
        if is_known || self.has_job(|waiting| *waiting == request) {
            return;
        }
        self.queue.retain(|job| !matches!(job.request, Request::Shifts { .. }));
        self.enqueue(Job::new(request));
    }

    /// What was answered of other cells or by another model does not stand beside new answers; choices of cells that are
    /// no longer there are let go of.
    pub(super) fn forget_question(&mut self) {
        self.asking.compared.clear();
        self.asking.shifts = None;
        self.asking.cells = CellChoice::All;
        self.asking.selected = None;
    }

    /// Other clusters are other cells under the same numbers: answers in them are let go of, and so is their choice.
    pub(super) fn forget_clusters(&mut self, of: Representation) {
        let is_gone = |query: &Query| query.cells.is_cluster_of(of);
        let n_known = self.asking.compared.len();
        self.asking.compared.retain(|known| !is_gone(&known.query));
        let mut n_gone = n_known - self.asking.compared.len();
        if self.prediction.take_if(|answer| is_gone(&answer.query)).is_some() {
            n_gone = n_gone.max(1);
        }
        if n_gone > 0 {
            let of = of.label();
            self.notices.push(format!("The clusters of {of} are others now: answers in the old ones were let go of."));
        }
        self.population
            .columns
            .retain(|(quantity, _)| !matches!(quantity, CellQuantity::Shift { query } if is_gone(query)));
        self.queue.retain(|job| match &job.request {
            Request::Predict { query } | Request::Shifts { query } => !is_gone(query),
            Request::CellValues { quantity: CellQuantity::Shift { query } } => !is_gone(query),
            _ => true,
        });
        if self.asking.cells.is_cluster_of(of) {
            self.asking.cells = CellChoice::All;
        }
    }

    /// Genes that another model cannot be asked for are left out of the combination.
    pub(super) fn keep_known_genes(&mut self, is_known: impl Fn(&str) -> bool) {
        self.asking.with.retain(|gene| is_known(gene));
    }

    /// Asks about one gene alone, whatever was put together before.
    pub fn ask_about(&mut self, gene: String) {
        self.asking.with.clear();
        self.target = gene;
        self.ask();
    }

    /// Asks for the response to the picked genes; a question that still waits is replaced.
    pub fn ask(&mut self) {
        let Some(query) = self.question() else { return };
        self.queue.retain(|job| !matches!(job.request, Request::Predict { .. }));
        self.enqueue(Job::new(Request::Predict { query }));
    }
}
