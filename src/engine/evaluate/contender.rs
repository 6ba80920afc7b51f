//! The model: asked for what was held out, trained before where it is to be trained in every fold.
//!
//! It is asked thrice: as it should be, with the vector of another perturbation, and with no perturbation at all; where it
//! corrects an anchor, the anchor is asked by itself. For a combination its answers to the parts are added. What it was not asked, or failed at, is not a number in its row.

use jepa::bank::Bank;
use jepa::device::Device;
use jepa::eval::baselines::controls::exchanged;
use jepa::eval::baselines::means::Weighting;
use jepa::query::{Predictor, Response};
use jepa::train::Trainer;
use jepa::train::assemble::{Assembled, assemble};
use spec::checkpoint::CheckpointHeader;
use spec::evaluation::{EvaluationConfig, MethodKind};
use spec::model::Mode;
use spec::train::TrainConfig;

use super::baselines::training_mean;
use super::folds::Fold;
use super::null::{Pair, pairs};
use super::screen::Screen;
use super::{Answers, Watch};
use crate::failure::EngineError;
use crate::population::spread;

/// Examples that a prediction is averaged over, as many as GEARS takes (spec §3.4).
pub(crate) const N_EXAMPLES: usize = 300;

/// Ends the name of the row of the anchor without the network.
pub const ANCHOR_ALONE: &str = "its anchor alone";

/// What is evaluated.
#[derive(Clone, Copy)]
pub enum Contender<'a> {
    /// A checkpoint, on what it held out.
    Checkpoint {
        /// What it is called.
        name: &'a str,
        /// The model.
        predictor: &'a Predictor,
        /// Control cells that its answers are averaged over at most. Default: 300 times the cells of an example.
        n_control_cells: Option<usize>,
    },
    /// A configuration, trained in every fold.
    Trained {
        /// What it is called.
        name: &'a str,
        /// How it is trained; what is held out and the seed are set in every fold.
        config: &'a TrainConfig,
        /// Seeds, one or more.
        seeds: &'a [u64],
        /// Where it is computed.
        device: &'a Device,
    },
}

/// What the model said.
pub(super) struct Told {
    pub seeds: Vec<u64>,
    pub of_seeds: Vec<Answers>,
    exchanged: Answers,
    silent: Answers,
    anchor: Answers,
    /// Predicted change of single cells, by pair; none where it could not be asked. Of the first seed.
    pub of_pairs: Vec<Option<Vec<f32>>>,
}

impl Told {
    pub fn answers(&self) -> Vec<Answers> {
        let copy = |answers: &Answers| Answers { note: answers.note.clone(), deltas: answers.deltas.clone() };
        let has_anchor = self.anchor.deltas.iter().any(Option::is_some);
        let controls = [&self.exchanged, &self.silent].into_iter().chain(has_anchor.then_some(&self.anchor));
        self.of_seeds.iter().chain(controls).map(copy).collect()
    }
}

impl<'a> Contender<'a> {
    /// What it is called.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Checkpoint { name, .. } | Self::Trained { name, .. } => name,
        }
    }

    /// What a checkpoint says of itself.
    pub(super) fn header(&self) -> Option<&'a CheckpointHeader> {
        match self {
            Self::Checkpoint { predictor, .. } => Some(predictor.header()),
            Self::Trained { .. } => None,
        }
    }

    /// Asks it in every fold.
    pub(super) async fn told<W: Watch>(
        &self,
        screen: &Screen<'_>,
        folds: &[Fold],
        config: &EvaluationConfig,
        watch: &mut W,
        problems: &mut Vec<String>,
    ) -> Result<Told, EngineError> {
        let bank = screen.bank.ok_or_else(|| {
            EngineError::Evaluation("the model is asked by the vectors of perturbations: give the bank of them".into())
        })?;
        let pairs = pairs(screen, folds, config);
        let mut told = self.empty(screen, pairs.len());
        match self {
            Self::Checkpoint { predictor, n_control_cells, .. } => {
                let asking = Asking::new(screen, bank, predictor, *n_control_cells);
                asking.fold(&folds[0], &pairs, 0, config.seed, &mut told, watch).await?;
            }
            Self::Trained { config: training, seeds, device, .. } => {
                let n_runs = folds.len() * seeds.len();
                for (number, (fold, (at, &seed))) in
                    folds.iter().flat_map(|fold| seeds.iter().enumerate().map(move |seed| (fold, seed))).enumerate()
                {
                    let run = Run { screen, bank, fold, seed, device, number, n_runs };
                    let trainer = match Box::pin(run.train(training, watch)).await? {
                        Ok(trainer) => trainer,
                        Err(reason) => {
                            problems.push(format!("{}, seed {seed}, held out {}: {reason}", self.name(), fold.name));
                            told.of_seeds[at].failed(screen, fold);
                            continue;
                        }
                    };
                    let Some(predictor) = trainer.predictor() else {
                        problems.push(format!("{}: a model of cells alone predicts no perturbation", self.name()));
                        told.of_seeds[at].failed(screen, fold);
                        continue;
                    };
                    let asking = Asking::new(screen, bank, &predictor, None);
                    Box::pin(asking.fold(fold, &pairs, at, config.seed, &mut told, watch)).await?;
                }
            }
        }
        Ok(told)
    }

    fn empty(&self, screen: &Screen<'_>, n_pairs: usize) -> Told {
        let (name, n) = (self.name(), screen.targets.len());
        let (seeds, about) = match self {
            Self::Checkpoint { .. } => (Vec::new(), "The loaded checkpoint."),
            Self::Trained { seeds, .. } => (seeds.to_vec(), "Trained in every fold on what is not held out."),
        };
        let of_seeds = match seeds.len() {
            0 | 1 => vec![Answers::new(name, MethodKind::Model, about, n)],
            _ => seeds
                .iter()
                .map(|seed| Answers::new(&format!("{name}, seed {seed}"), MethodKind::Seed, about, n))
                .collect(),
        };
        let control = |what: &str, about: &str| Answers::new(&format!("{name}, {what}"), MethodKind::Control, about, n);
        Told {
            of_seeds,
            exchanged: control(
                "vectors exchanged",
                "The model, told of another perturbation than the one it is scored on.",
            ),
            silent: control("no action", "The model, told of no perturbation."),
            anchor: control(ANCHOR_ALONE, "The closed form that the model corrects, without the network."),
            of_pairs: vec![None; n_pairs],
            seeds,
        }
    }
}

impl Answers {
    /// A training that failed says nothing of what was held out.
    fn failed(&mut self, screen: &Screen<'_>, fold: &Fold) {
        for &at in &fold.test {
            self.deltas[at] = Some(vec![f32::NAN; screen.control.mean.len()]);
        }
    }
}

/// One training.
struct Run<'a> {
    screen: &'a Screen<'a>,
    bank: &'a Bank,
    fold: &'a Fold,
    seed: u64,
    device: &'a Device,
    number: usize,
    n_runs: usize,
}

impl Run<'_> {
    /// The trained model, or why its training came to nothing.
    async fn train<W: Watch>(
        &self,
        config: &TrainConfig,
        watch: &mut W,
    ) -> Result<Result<Box<Trainer>, String>, EngineError> {
        let screen = self.screen;
        let is_held_out = |at: &usize| !self.fold.train.contains(at);
        let names = (0..screen.targets.len()).filter(is_held_out).map(|at| screen.targets[at].name.clone());
        let few = screen.left_out.iter().map(|left| left.target.clone());
        let config = TrainConfig { seed: self.seed, held_out: names.chain(few).collect(), ..config.clone() };
        let material = screen.subject.material.clone();
        // What cannot be trained in this fold says nothing of the others.
        let trainer =
            assemble(&config, material, self.bank, None).and_then(|Assembled { config, header, cells, .. }| {
                Trainer::new(config, header, cells, self.device.clone())
            });
        let mut trainer = match trainer {
            Ok(trainer) => Box::new(trainer),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let work = format!(
            "Training {} of {} (held out: {}, seed {})",
            self.number + 1,
            self.n_runs,
            self.fold.name,
            self.seed
        );
        let fitting = format!("Fitting the anchor of {} of {}", self.number + 1, self.n_runs);
        while !trainer.is_done() {
            match trainer.prepare() {
                Ok(Some((n_done, n_parts))) => {
                    watch.reached(&fitting, "parts", n_done, n_parts).await?;
                    continue;
                }
                Ok(None) => {}
                Err(error) => return Ok(Err(error.to_string())),
            }
            if let Err(error) = trainer.step().await {
                return Ok(Err(error.to_string()));
            }
            watch.reached(&work, "steps", trainer.steps_done(), trainer.n_steps()).await?;
        }
        Ok(Ok(trainer))
    }
}

/// A model being asked.
struct Asking<'a> {
    screen: &'a Screen<'a>,
    bank: &'a Bank,
    predictor: &'a Predictor,
    rows: Vec<usize>,
    mode: Mode,
}

impl<'a> Asking<'a> {
    fn new(screen: &'a Screen<'a>, bank: &'a Bank, predictor: &'a Predictor, n_rows: Option<usize>) -> Self {
        let header = predictor.header();
        let n_rows = n_rows.unwrap_or_else(|| N_EXAMPLES.saturating_mul(header.cells_per_example)).max(1);
        let mode = header.modes.first().copied().unwrap_or(Mode::Unknown);
        Self { screen, bank, predictor, rows: spread(&screen.control_rows, n_rows), mode }
    }

    /// Asks for everything that a fold tests. The controls and single cells are asked of the first seed.
    async fn fold<W: Watch>(
        &self,
        fold: &Fold,
        pairs: &[Pair],
        at_seed: usize,
        seed: u64,
        told: &mut Told,
        watch: &mut W,
    ) -> Result<(), EngineError> {
        let screen = self.screen;
        let mean = training_mean(screen, fold, Weighting::Perturbations);
        let with_vectors: Vec<usize> =
            (0..screen.targets.len()).filter(|&at| screen.targets[at].vector.is_some()).collect();
        let other = exchanged(with_vectors.len(), seed);
        let mut silent: Option<Vec<f32>> = None;
        for (done, &at) in fold.test.iter().enumerate() {
            let answer = self.target(at).await?;
            let own = &mut told.of_seeds[at_seed];
            own.note.n_fallback += usize::from(answer.is_none());
            own.deltas[at] = Some(answer.unwrap_or_else(|| mean.clone()));
            if at_seed == 0 {
                let place = with_vectors.iter().position(|&with| with == at);
                let stranger = place.zip(other.as_ref()).map(|(place, other)| with_vectors[other[place]]);
                let answer = match stranger {
                    Some(stranger) => self.target(stranger).await?,
                    None => None,
                };
                told.exchanged.note.n_fallback += usize::from(answer.is_none());
                told.exchanged.deltas[at] = Some(answer.unwrap_or_else(|| mean.clone()));
                if silent.is_none() {
                    silent = Some(self.without_action().await?);
                }
                told.silent.deltas[at].clone_from(&silent);
                told.anchor.deltas[at] = self.anchor_alone(at).map(|answer| answer.unwrap_or_else(|| mean.clone()));
                self.pairs_of(at, pairs, told).await?;
            }
            watch.reached("Asking the model", "perturbations", done + 1, fold.test.len()).await?;
        }
        Ok(())
    }

    /// The mean change that a perturbation is predicted to make; none where a part of it has no vector.
    async fn target(&self, at: usize) -> Result<Option<Vec<f32>>, EngineError> {
        let mut sum: Option<Vec<f32>> = None;
        for part in &self.screen.targets[at].parts {
            let Some(vector) = self.bank.vector(part) else { return Ok(None) };
            let change = self.mean_change(part, &vector, self.mode).await?;
            match &mut sum {
                Some(sum) => sum.iter_mut().zip(change).for_each(|(sum, value)| *sum += value),
                None => sum = Some(change),
            }
        }
        Ok(sum)
    }

    /// The same of the anchor without the network; none where the model has none.
    fn anchor_alone(&self, at: usize) -> Option<Option<Vec<f32>>> {
        let control = &self.screen.control.mean;
        let vectors = self.screen.targets[at].parts.iter().map(|part| Some((part, self.bank.vector(part)?)));
        let Some(parts) = vectors.collect::<Option<Vec<_>>>() else {
            return self.predictor.header().anchor.as_ref().map(|_| None);
        };
        let mut sum = vec![0.0; control.len()];
        for (part, vector) in parts {
            let change = self.predictor.anchor_alone(control, part, &vector)?;
            sum.iter_mut().zip(change).for_each(|(sum, value)| *sum += value);
        }
        Some(Some(sum))
    }

    async fn without_action(&self) -> Result<Vec<f32>, EngineError> {
        self.mean_change("", &vec![0.0; self.bank.width()], Mode::Control).await
    }

    async fn mean_change(&self, target: &str, vector: &[f32], mode: Mode) -> Result<Vec<f32>, EngineError> {
        let material = self.screen.subject.material;
        let weights = material.cells_per_row.as_deref();
        let running = self.predictor.predict(&material.expression, &self.rows, weights, vector, mode)?;
        Ok(finished(running.of_gene(target)).await?.finish())
    }

    /// Single cells of a perturbation, changed from the control cells that they are paired with.
    async fn pairs_of(&self, at: usize, pairs: &[Pair], told: &mut Told) -> Result<(), EngineError> {
        let of: Vec<usize> = (0..pairs.len()).filter(|&pair| pairs[pair].target == at).collect();
        let [part] = &self.screen.targets[at].parts[..] else { return Ok(()) };
        let Some(vector) = self.bank.vector(part).filter(|_| !of.is_empty()) else { return Ok(()) };
        let rows: Vec<usize> = of.iter().map(|&pair| pairs[pair].control).collect();
        let expression = &self.screen.subject.material.expression;
        let running = self.predictor.predict_each(expression, &rows, &vector, self.mode)?;
        let changes = finished(running.of_gene(part)).await?.finish_each();
        for (&pair, change) in of.iter().zip(changes.chunks_exact(expression.n_genes().max(1))) {
            told.of_pairs[pair] = Some(change.to_vec());
        }
        Ok(())
    }
}

async fn finished(mut running: Response<'_>) -> Result<Response<'_>, EngineError> {
    while running.advance().await?.is_some() {}
    Ok(running)
}
