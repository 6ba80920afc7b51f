//! An evaluation in the session: of the loaded model on what it held out, where the cells have that; else of the simple
//! methods alone.

use cells::data::UNLABELLED;
use jepa::train::assemble::Material;
use spec::evaluation::{EvaluationConfig, Folds};
use spec::message::Event;

use super::{Contender, Subject, can_judge, evaluate, usual_folds};
use crate::checkpoint::Checkpoint;
use crate::failure::EngineError;
use crate::population::Population;
use crate::task::Task;

/// Evaluates what is loaded.
pub(crate) async fn asked(
    task: &mut Task,
    population: &Population,
    checkpoint: Option<&Checkpoint>,
    config: EvaluationConfig,
) -> Result<Event, EngineError> {
    let mut config = config;
    let wants_model = config.folds == Folds::HeldOut;
    let model = checkpoint.filter(|model| wants_model && model.predictor.has_decoder() && model.bank.is_some());
    let aligned = match model {
        // Cells that were prepared for another model have no place in this one.
        Some(model) if population.alignment.is_some() => Some((model, of_model(population, model, &config)?)),
        _ => None,
    };
    let missing = population.missing_genes();
    let judged = aligned.as_ref().filter(|(model, material)| {
        let header = model.header();
        can_judge(&Subject { name: "", material, missing: &missing }, &header.seen, &header.held_out)
    });
    let bank = checkpoint.and_then(|checkpoint| checkpoint.bank.as_ref());
    let mut report = if let Some((model, material)) = judged {
        let subject = Subject { name: &population.file, material, missing: &missing };
        let contender = Contender::Checkpoint { name: "model", predictor: &model.predictor, n_control_cells: None };
        evaluate(&subject, bank, Some(&contender), &config, task).await?
    } else {
        let material = population.material(config.batch_column.as_deref())?;
        if wants_model {
            config.folds = usual_folds(n_perturbations(&material), false);
        }
        let subject = Subject { name: &population.file, material: &material, missing: &[] };
        evaluate(&subject, bank, None, &config, task).await?
    };
    if judged.is_none() && wants_model && checkpoint.is_some() {
        report.problems.insert(
            0,
            "The loaded model cannot be judged on these cells: none of the perturbations that it held out is among them, or \
             they were prepared for another model. What follows is of the simple methods alone."
                .into(),
        );
    }
    Ok(Event::Evaluated { report: Box::new(report) })
}

/// The cells with the model's genes, in its order.
fn of_model(population: &Population, model: &Checkpoint, config: &EvaluationConfig) -> Result<Material, EngineError> {
    let header = model.header();
    let own = population.material(config.batch_column.as_deref())?;
    let expression = population.aligned()?.select_rows(population.kept_rows());
    Ok(Material { expression, genes: header.genes.clone(), gene_ids: header.gene_ids.clone(), ..own })
}

fn n_perturbations(material: &Material) -> usize {
    let Some(labels) = &material.labels else { return 0 };
    let is_one = |(code, name): &(usize, &String)| labels.control != Some(*code) && *name != UNLABELLED;
    labels.names.iter().enumerate().filter(is_one).count()
}
