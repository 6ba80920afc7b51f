//! Evaluations 3 (retrieval), 4 (uncertainty), 5 (batches), 6 (pathways) and 8 (essential genes): those that ask or look
//! into a checkpoint.

use atlas::rows::Rows;
use atlas::scores::silhouette::{SilhouetteConfig, silhouette};
use jepa::eval::biojepa::pathways::{neighbours_as_published, neighbours_corrected};
use jepa::eval::biojepa::probe::{CLASS_STEPS, NUMBER_STEPS, Probe, accuracy, essential, majority};
use jepa::eval::biojepa::retrieval::{rank_as_published, rank_corrected, summary};
use jepa::eval::biojepa::uncertainty;
use jepa::eval::cell_eval::made::chosen;
use jepa::eval::pairs::{self, Score};
use jepa::query::Predictor;
use jepa::query::inside::Evenly;
use spec::evaluation::{Form, ReferenceConfig, ReferenceEvaluation, ReferenceRow};
use spec::metrics::Undefined;
use spec::model::Mode;

use super::{Beside, Judged, NEEDS_PATHWAYS, Watch, evaluation, labels, missing, row};
use crate::evaluate::contender::Contender;
use crate::evaluate::null::{Pair, pairs as pairs_of};
use crate::failure::EngineError;
use crate::population::spread;

/// The reference's seed of what is fitted and what is looked at, and the share that is fitted.
const SPLIT: (u64, f64) = (42, 0.8);
/// Sizes of pathways and the fewest genes of one, for 6; the neighbours asked.
const PATHWAYS: (usize, usize, usize) = (15, 300, 5);
const N_NEIGHBOURS: usize = 5;
/// Most genes whose places are compared, each with each.
const MOST_POINTS: usize = 2000;
/// Most latent numbers that predicted deviations are compared with.
const MOST_VALUES: usize = 200_000;
/// Fewest genes with a measured effect.
const FEWEST_EFFECTS: usize = 25;

const ABOUT: [(u8, &str, &str); 5] = [
    (
        3,
        "Retrieval",
        "The reference read its bank by the wrong kind of vector, most candidates were perturbations of training, and chance \
         was not given; here the bank is read rightly, and corrected ranks are among perturbations that training did not see, \
         with the perturbed gene's own transcript left out, which falls in every knockout and would tell which it is.",
    ),
    (
        4,
        "Uncertainty",
        "Both sides are scaled to 0 to 1 by their smallest and largest value before calibration is measured, so that its error \
         has no unit and one outlier sets it; corrected sets errors of latent states beside the deviations predicted for them.",
    ),
    (
        5,
        "Batches",
        "The control cell's state is asked for the perturbation of the cell it was paired with, of which it knows nothing; \
         corrected reads the perturbed cells, and all accuracies stand beside the most frequent answer.",
    ),
    (
        6,
        "Pathways",
        "Neighbours were fitted and scored on the same points, so that each gene is its own nearest; corrected leaves it out.",
    ),
    (
        8,
        "Essential genes",
        "Published without a baseline: how strongly a gene is expressed says much of it already and stands beside.",
    ),
];

fn none(number: u8, what: &str) -> ReferenceEvaluation {
    let (title, flaw) = about(number);
    missing(number, title, flaw, what)
}

fn of(number: u8, rows: Vec<ReferenceRow>) -> ReferenceEvaluation {
    let (title, flaw) = about(number);
    evaluation(number, title, flaw, rows)
}

fn about(number: u8) -> (&'static str, &'static str) {
    ABOUT.iter().find(|(of, ..)| *of == number).map_or(("", ""), |(_, title, flaw)| (*title, *flaw))
}

impl Judged<'_> {
    /// Those of a checkpoint; of a training in folds, that there is none.
    pub(super) async fn inside<W: Watch>(
        &self,
        asked: &ReferenceConfig,
        watch: &mut W,
    ) -> Result<Vec<ReferenceEvaluation>, EngineError> {
        let Contender::Checkpoint { predictor, .. } = self.contender else {
            let text = "It looks into one model, and here one was trained in every fold: evaluate a checkpoint.";
            return Ok([3, 4, 5, 6, 8].map(|number| none(number, text)).into());
        };
        let header = predictor.header();
        let mode = header.modes.first().copied().unwrap_or(Mode::Unknown);
        let work = "The reference's evaluations";
        let mut all = vec![self.retrieval(predictor, mode, asked.n_bank, watch).await?];
        watch.reached(work, "evaluations", 3, 8).await?;
        let pairs = pairs_of(self.screen, self.folds, self.config);
        all.push(self.uncertainty(predictor, mode, &pairs, watch).await?);
        watch.reached(work, "evaluations", 4, 8).await?;
        all.push(self.batches(predictor, &pairs, watch).await?);
        watch.reached(work, "evaluations", 5, 8).await?;
        let genes = predictor.gene_embeddings().await?;
        let d_model = header.model.d_model.max(1);
        let genes: Vec<&[f32]> = genes.chunks_exact(d_model).collect();
        all.push(self.pathways(predictor, mode, asked, &genes).await?);
        watch.reached(work, "evaluations", 6, 8).await?;
        all.push(self.essential(asked, &genes));
        Ok(all)
    }

    async fn retrieval<W: Watch>(
        &self,
        predictor: &Predictor,
        mode: Mode,
        n_bank: usize,
        watch: &mut W,
    ) -> Result<ReferenceEvaluation, EngineError> {
        let Some(bank) = self.screen.bank else { return Ok(none(3, "Vectors of perturbations are missing: --bank.")) };
        let header = predictor.header();
        let tested: Vec<usize> = self.folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
        let tested: Vec<usize> =
            tested.into_iter().filter(|&at| bank.contains(&self.screen.targets[at].name)).collect();
        let names: Vec<&str> = tested.iter().map(|&at| self.screen.targets[at].name.as_str()).collect();
        let is_first = |symbol: &&String| names.contains(&symbol.as_str()) || header.seen.contains(*symbol);
        let (first, rest): (Vec<&String>, Vec<&String>) = bank.symbols().iter().partition(is_first);
        let places: Vec<usize> = (0..rest.len()).collect();
        let more = spread(&places, n_bank.saturating_sub(first.len()));
        let candidates: Vec<&String> = first.into_iter().chain(more.into_iter().map(|at| rest[at])).collect();
        if names.len() < 2 {
            return Ok(none(3, "Fewer than two tested perturbations have a vector."));
        }
        let sweep = predictor.sweep(&self.screen.control.mean, mode)?;
        let mut predicted: Vec<Vec<f64>> = Vec::with_capacity(candidates.len());
        for chunk in candidates.chunks(sweep.capacity()) {
            let asked: Vec<(&str, Vec<f32>)> =
                chunk.iter().map(|symbol| (symbol.as_str(), bank.vector(symbol).unwrap_or_default())).collect();
            let changes = sweep.ask(&asked).await?;
            predicted.extend(changes.chunks_exact(header.genes.len().max(1)).map(|change| self.here(change)));
            watch.reached("Asking about the bank", "perturbations", predicted.len(), candidates.len()).await?;
        }
        let unseen: Vec<usize> = (0..candidates.len()).filter(|&at| !header.seen.contains(candidates[at])).collect();
        let (mut published, mut corrected) = (Vec::new(), Vec::new());
        for (&at, name) in tested.iter().zip(&names) {
            let Some(own) = candidates.iter().position(|candidate| candidate == name) else { continue };
            let measured = self.here(&self.screen.targets[at].response.delta);
            published.extend(rank_as_published(&measured, &predicted, own).ok());
            corrected.extend(rank_corrected(&measured, &predicted, (own, self.own_gene(at)), &unseen).ok());
        }
        let mut rows = Vec::new();
        for (form, ranks, n) in
            [(Form::AsPublished, published, candidates.len()), (Form::Corrected, corrected, unseen.len())]
        {
            let found = summary(&ranks, n);
            let score = |of: fn(&jepa::eval::biojepa::retrieval::Retrieval) -> f64| found.map(|found| of(&found));
            let reciprocal = row(&format!("Mean reciprocal rank among {n}"), form, score(|f| f.mean_reciprocal_rank));
            rows.push(reciprocal.beside("chance", score(|f| f.chance_reciprocal_rank)));
            let median = row(&format!("Median rank among {n}"), form, score(|f| f.median_rank));
            rows.push(median.beside("chance", score(|f| f.chance_median_rank)));
        }
        Ok(of(3, rows))
    }

    /// Where the perturbed gene is among the genes that the file has.
    fn own_gene(&self, at: usize) -> Option<usize> {
        let missing = self.screen.subject.missing;
        let gene = self.screen.targets[at].own_gene.filter(|gene| !missing.contains(gene))?;
        Some(gene - missing.iter().filter(|other| **other < gene).count())
    }

    /// The genes that the file has.
    fn here(&self, change: &[f32]) -> Vec<f64> {
        let missing = self.screen.subject.missing;
        let kept = change.iter().enumerate().filter(|(gene, _)| !missing.contains(gene));
        kept.map(|(_, &value)| f64::from(value)).collect()
    }

    async fn uncertainty<W: Watch>(
        &self,
        predictor: &Predictor,
        mode: Mode,
        pairs: &[Pair],
        watch: &mut W,
    ) -> Result<ReferenceEvaluation, EngineError> {
        let cells = &self.screen.subject.material.expression;
        let (mut unsure, mut wrong) = (Vec::new(), Vec::new());
        let (mut errors, mut deviations) = (Vec::new(), Vec::new());
        let header = predictor.header();
        let mut kept = Evenly::of(pairs.len(), header.genes.len() * header.model.d_model, MOST_VALUES);
        let tested: Vec<&usize> = self.folds.iter().flat_map(|fold| &fold.test).collect();
        for (n_done, at) in tested.iter().enumerate() {
            watch.reached("Comparing latent states", "perturbations", n_done, tested.len()).await?;
            let [part] = &self.screen.targets[**at].parts[..] else { continue };
            let Some(vector) = self.screen.bank.and_then(|bank| bank.vector(part)) else { continue };
            // Those that the model was asked about.
            let of: Vec<usize> = (0..pairs.len())
                .filter(|&pair| pairs[pair].target == **at && self.told.of_pairs[pair].is_some())
                .collect();
            let rows: Vec<(usize, usize)> = of.iter().map(|&pair| (pairs[pair].control, pairs[pair].case)).collect();
            let found = predictor.latent_errors(cells, &rows, (part, &vector), mode, &mut kept).await?;
            unsure.extend(found.log_variance);
            errors.extend(found.errors);
            deviations.extend(found.deviations);
            for &pair in &of {
                let Pair { case, control, .. } = pairs[pair];
                let (case, control) = (self.screen.dense(case), self.screen.dense(control));
                let change: Vec<f64> = case.iter().zip(&control).map(|(a, b)| f64::from(*a) - f64::from(*b)).collect();
                let said: Vec<f64> = self.told.of_pairs[pair].iter().flatten().map(|&value| f64::from(value)).collect();
                wrong.push(pairs::mean_square(&said, &change).unwrap_or(f64::NAN));
            }
        }
        if unsure.is_empty() {
            return Ok(none(
                4,
                "Single cells of the tested perturbations are missing: rows stand for several cells each.",
            ));
        }
        let published = uncertainty::as_published(&unsure, &wrong);
        let corrected = uncertainty::corrected(&errors, &deviations);
        let score = |of: fn(&uncertainty::Corrected) -> f64| corrected.map(|found| of(&found));
        Ok(of(
            4,
            vec![
                row("Pearson of log variance and squared error", Form::AsPublished, published.pearson)
                    .beside("chance", Ok(0.0)),
                row("Spearman", Form::AsPublished, published.spearman).beside("chance", Ok(0.0)),
                row("Calibration error, both scaled to 0 to 1", Form::AsPublished, published.calibration_error),
                row("Share of rises between tenths", Form::AsPublished, published.monotone).beside("chance", Ok(0.5)),
                row("Latent errors within one predicted deviation", Form::Corrected, score(|f| f.within_one))
                    .beside("a right variance", Ok(0.683)),
                row("Within two", Form::Corrected, score(|f| f.within_two)).beside("a right variance", Ok(0.954)),
                row("Squared latent error over predicted variance", Form::Corrected, score(|f| f.mean_square))
                    .beside("a right variance", Ok(1.0)),
                row("Spearman of deviation and latent error", Form::Corrected, corrected.and_then(|f| f.order))
                    .beside("chance", Ok(0.0)),
            ],
        ))
    }

    async fn batches<W: Watch>(
        &self,
        predictor: &Predictor,
        pairs: &[Pair],
        watch: &mut W,
    ) -> Result<ReferenceEvaluation, EngineError> {
        if pairs.is_empty() {
            return Ok(none(5, "Single cells are missing: rows stand for several cells each."));
        }
        let material = self.screen.subject.material;
        let mut states = Vec::new();
        for of in [|pair: &Pair| pair.control, |pair: &Pair| pair.case] {
            let rows: Vec<usize> = pairs.iter().map(of).collect();
            let mut embedding = predictor.embed(&material.expression, &rows)?;
            let n_before = states.len() * pairs.len();
            while let Some(n_done) = embedding.advance().await? {
                watch.reached("Reading cells", "cells", n_before + n_done, 2 * pairs.len()).await?;
            }
            states.push(embedding.finish());
        }
        let d_model = predictor.header().model.d_model.max(1);
        let [controls, cases] = [&states[0], &states[1]].map(|s| s.chunks_exact(d_model).collect::<Vec<&[f32]>>());
        let targets: Vec<u32> = pairs.iter().map(|pair| pair.target as u32).collect();
        let mut rows = Vec::new();
        let mut probes = Vec::new();
        if let Some(batches) = &material.batches {
            let of = |cell: fn(&Pair) -> usize| -> Vec<u32> { pairs.iter().map(|pair| batches[cell(pair)]).collect() };
            let (control, case) = (of(|pair| pair.control), of(|pair| pair.case));
            probes.push(("Batch from the control cell's state", Form::AsPublished, &controls, control));
            probes.push(("Batch from the perturbed cell's state", Form::Corrected, &cases, case));
        }
        let measure = "Perturbation from the control cell's state";
        probes.push((measure, Form::AsPublished, &controls, targets.clone()));
        probes.push(("Perturbation from the perturbed cell's state", Form::Corrected, &cases, targets));
        for (n_done, (measure, form, states, classes)) in probes.iter().enumerate() {
            watch.reached("Fitting linear maps to cells", "maps", n_done, probes.len()).await?;
            let (found, most) = probed(states, classes);
            rows.push(row(measure, *form, found).beside("the most frequent", most));
        }
        let mut found = of(5, rows);
        if material.batches.is_none() {
            found.missing =
                Some("Batches are missing, so only perturbations are probed: name their column (--batches).".into());
        }
        Ok(found)
    }

    async fn pathways(
        &self,
        predictor: &Predictor,
        mode: Mode,
        asked: &ReferenceConfig,
        embeddings: &[&[f32]],
    ) -> Result<ReferenceEvaluation, EngineError> {
        if asked.pathways.is_empty() {
            return Ok(none(6, NEEDS_PATHWAYS));
        }
        let header = predictor.header();
        let mut rows = Vec::new();
        let all: Vec<usize> = (0..header.genes.len().min(embeddings.len())).collect();
        let some = spread(&all, MOST_POINTS);
        let genes: Vec<String> = some.iter().map(|&gene| header.genes[gene].clone()).collect();
        let points: Vec<&[f32]> = some.iter().map(|&gene| embeddings[gene]).collect();
        add_neighbours("gene embeddings", &genes, &points, asked, &mut rows);
        if let Some(bank) = self.screen.bank {
            // Genes of the model first: where a bank has all human genes, these are what it was made to tell apart.
            let known = header.genes.iter().chain(&header.seen).chain(&header.held_out);
            let known: std::collections::BTreeSet<&String> = known.filter(|symbol| bank.contains(symbol)).collect();
            let known: Vec<&String> = known.into_iter().collect();
            let places: Vec<usize> = (0..known.len()).collect();
            let genes: Vec<String> = spread(&places, MOST_POINTS).into_iter().map(|at| known[at].clone()).collect();
            let vectors: Vec<Vec<f32>> = genes.iter().map(|symbol| bank.vector(symbol).unwrap_or_default()).collect();
            let actions = predictor.action_vectors(&vectors, mode).await?;
            let width = actions.len() / genes.len().max(1);
            let points: Vec<&[f32]> = actions.chunks_exact(width.max(1)).collect();
            add_neighbours("action vectors", &genes, &points, asked, &mut rows);
        }
        Ok(of(6, rows))
    }

    fn essential(&self, asked: &ReferenceConfig, embeddings: &[&[f32]]) -> ReferenceEvaluation {
        if asked.gene_effects.is_empty() {
            return none(
                8,
                "A table of gene effects is missing: --gene-effect FILE (csv with columns gene and effect).",
            );
        }
        let symbols = &self.screen.subject.material.genes;
        let missing = self.screen.subject.missing;
        let place = |symbol: &String| symbols.iter().position(|gene| gene == symbol).filter(|at| !missing.contains(at));
        let with = |(symbol, effect): &(String, f64)| Some((place(symbol)?, *effect)).filter(|of| of.1.is_finite());
        let of_genes: Vec<(usize, f64)> =
            asked.gene_effects.iter().filter_map(with).filter(|(gene, _)| *gene < embeddings.len()).collect();
        if of_genes.len() < FEWEST_EFFECTS {
            let n = of_genes.len();
            return none(8, &format!("{n} genes have both an embedding and an effect; {FEWEST_EFFECTS} are needed."));
        }
        let (fitted, looked) = parts(of_genes.len());
        let effects = |of: &[usize]| -> Vec<f64> { of.iter().map(|&at| of_genes[at].1).collect() };
        let states = |of: &[usize]| -> Vec<&[f32]> { of.iter().map(|&at| embeddings[of_genes[at].0]).collect() };
        let expressed = |of: &[usize]| -> Vec<f64> {
            of.iter().map(|&at| f64::from(self.screen.control.mean[of_genes[at].0])).collect()
        };
        let probe = Probe::of_number(&states(&fitted), &effects(&fitted), NUMBER_STEPS);
        let predicted =
            probe.map(|probe| states(&looked).iter().map(|state| probe.outputs(state)[0]).collect::<Vec<f64>>());
        // Which way expression goes is told by the genes that are fitted.
        let way = pairs::pearson(&expressed(&fitted), &effects(&fitted)).unwrap_or(-1.0).signum();
        let simple: Vec<f64> = expressed(&looked).iter().map(|value| way * value).collect();
        let simple = essential(&simple, &effects(&looked));
        let found = predicted.map(|predicted| essential(&predicted, &effects(&looked)));
        let score = |of: fn(&jepa::eval::biojepa::probe::Essential) -> Score| found.and_then(|found| of(&found));
        let beside = "mean expression alone";
        of(
            8,
            vec![
                row("Pearson of predicted and measured effect", Form::AsPublished, score(|f| f.pearson))
                    .beside(beside, simple.pearson),
                row("Spearman", Form::AsPublished, score(|f| f.spearman)).beside(beside, simple.spearman),
                row("Area under the ROC curve, effect below -0.5", Form::AsPublished, score(|f| f.roc_auc))
                    .beside(beside, simple.roc_auc),
            ],
        )
    }
}

/// Silhouette and neighbours of the genes that are in a pathway.
fn add_neighbours(
    what: &str,
    genes: &[String],
    points: &[&[f32]],
    asked: &ReferenceConfig,
    rows: &mut Vec<ReferenceRow>,
) {
    let (smallest, largest, fewest) = PATHWAYS;
    let of = labels(genes, &asked.pathways, (smallest, largest), fewest);
    let kept: Vec<usize> = (0..points.len().min(of.len())).filter(|&at| of[at].is_some()).collect();
    let of: Vec<u32> = kept.iter().filter_map(|&at| of[at]).collect();
    let width = points.first().map_or(0, |point| point.len());
    let values: Vec<f32> = kept.iter().flat_map(|&at| points[at].iter().copied()).collect();
    let table = Rows::new(values, width).map_err(|_| Undefined::NotFinite);
    let config = SilhouetteConfig::default();
    let apart = table.and_then(|table| silhouette(&table, &of, &config).map_err(|_| Undefined::OneClass));
    let wide: Vec<Vec<f64>> = kept.iter().map(|&at| pairs::widen(points[at])).collect();
    let largest = |of: &[u32]| -> Score {
        let count = |label: &u32| of.iter().filter(|other| *other == label).count();
        of.iter().map(count).max().map(|most| most as f64 / of.len() as f64).ok_or(Undefined::TooFewGenes)
    };
    let n = kept.len();
    let share = |form: Form, found: Score| {
        row(&format!("{N_NEIGHBOURS} nearest of {n} {what} say the pathway"), form, found)
            .beside("the largest pathway", largest(&of))
    };
    rows.push(row(&format!("Silhouette of pathways, {n} {what}"), Form::AsPublished, apart.map(|apart| apart.mean)));
    rows.push(share(Form::AsPublished, neighbours_as_published(&wide, &of, N_NEIGHBOURS)));
    rows.push(share(Form::Corrected, neighbours_corrected(&wide, &of, N_NEIGHBOURS)));
}

/// What is fitted and what is looked at.
fn parts(n: usize) -> (Vec<usize>, Vec<usize>) {
    let all: Vec<usize> = (0..n).collect();
    let mut order = chosen(&all, n, SPLIT.0);
    let looked = order.split_off((n as f64 * SPLIT.1) as usize);
    (order, looked)
}

/// Accuracy of a linear map from states to classes on what it was not fitted to, and of the most frequent answer.
fn probed(states: &[&[f32]], classes: &[u32]) -> (Score, Score) {
    let mut known = classes.to_vec();
    known.sort_unstable();
    known.dedup();
    let numbered: Vec<usize> = classes.iter().map(|class| known.partition_point(|other| other < class)).collect();
    let (fitted, looked) = parts(states.len());
    let of =
        |places: &[usize]| -> (Vec<&[f32]>, Vec<usize>) { places.iter().map(|&at| (states[at], numbered[at])).unzip() };
    let ((states, classes), (other_states, other_classes)) = (of(&fitted), of(&looked));
    let probe = Probe::of_classes(&states, &classes, known.len(), CLASS_STEPS);
    (probe.and_then(|probe| accuracy(&probe, &other_states, &other_classes)), majority(&classes, &other_classes))
}
