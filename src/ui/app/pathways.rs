//! The sets of genes that the last answer falls into, as the screen knows them: which collection is open, of which side of
//! the answer they are asked, and what was found.

use spec::enrichment::{Collection, Enrichment, EnrichmentConfig, GeneValues};
use spec::message::Request;
use spec::prediction::Prediction;

use super::{FileSet, Job, Shared, State};

/// Which of the responses of an answer is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Side {
    /// The model's.
    #[default]
    Predicted,
    /// The mean of the training perturbations.
    TrainingMean,
    /// The measured one.
    Measured,
}

impl Side {
    /// All, in the order in which they are offered.
    pub const ALL: [Side; 3] = [Side::Predicted, Side::TrainingMean, Side::Measured];

    /// The name shown to a person.
    pub fn label(self) -> &'static str {
        match self {
            Side::Predicted => "predicted response",
            Side::TrainingMean => "mean response of training",
            Side::Measured => "measured response",
        }
    }

    /// The change per gene; none where the answer has no such side.
    pub fn of(self, prediction: &Prediction) -> Option<&[f32]> {
        match self {
            Side::Predicted => Some(&prediction.delta),
            Side::TrainingMean => prediction.training_mean.as_deref(),
            Side::Measured => prediction.measured.as_ref().map(|measured| measured.delta.as_slice()),
        }
    }
}

/// What is known of gene sets.
#[derive(Debug, Default)]
pub struct Pathways {
    /// The collection that is open, and its file.
    pub collection: Option<(FileSet, Collection)>,
    /// The side that is looked at.
    pub side: Side,
    /// What was found.
    pub found: Option<Shared<Enrichment>>,
}

impl State {
    /// Looks for gene sets in a side of the last answer.
    pub fn look_for_pathways(&mut self, side: Side) {
        let prediction = self.prediction.clone();
        self.pathways.side = side;
        self.forget_pathways();
        let (Some(prediction), Some(_)) = (prediction, &self.pathways.collection) else { return };
        let Some(delta) = side.of(&prediction) else { return };
        let query = &prediction.query;
        // A gene that the file lacks was read as 0: nothing is known of it.
        let values = delta.iter().zip(&prediction.control_mean);
        let asked = GeneValues {
            name: format!("{} to {}", side.label(), query.label()),
            genes: prediction.genes.clone(),
            values: values.map(|(delta, control)| if control.is_finite() { *delta } else { f32::NAN }).collect(),
        };
        self.enqueue(Job::new(Request::Enrich { asked: Box::new(asked), config: EnrichmentConfig::default() }));
    }

    pub(super) fn accept_collection(&mut self, files: Option<FileSet>, collection: Collection) {
        self.pathways.collection = files.map(|files| (files, collection));
        self.look_for_pathways(self.pathways.side);
    }

    /// Another answer falls into other sets; one that lacks the side that was looked at is looked at as predicted.
    pub(super) fn look_at_new_answer(&mut self) {
        let side = self.pathways.side;
        let has_side = self.prediction.as_ref().is_some_and(|prediction| side.of(prediction).is_some());
        self.look_for_pathways(if has_side { side } else { Side::Predicted });
    }

    fn forget_pathways(&mut self) {
        self.pathways.found = None;
        self.queue.retain(|job| !matches!(job.request, Request::Enrich { .. }));
    }
}
