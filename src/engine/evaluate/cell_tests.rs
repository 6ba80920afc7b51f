//! Measures of tests of cells, of cells made of what methods predict (`jepa::eval::cell_eval::made`).
//!
//! The controls are parted: one half is the reference that measured and made cells are tested against, of the other half
//! cells are made. Perturbation by perturbation, so that no more than the cells of one are laid out at once. All methods
//! are made of the same control cells, so that what tells them apart is what they predict.

use jepa::eval::cell_eval::made::{chosen, factors, scaled};
use jepa::eval::cell_eval::{baseline_profile, over_baseline, over_baseline_interval};
use jepa::eval::significance::mean_profile;
use jepa::eval::table::{Evidence, Half, Method, Target, Tested, ceiling_of_tests, table};
use jepa::platform::now_secs;
use spec::evaluation::{CellTests, CellTestsConfig, EvaluationConfig, MethodKind, MethodNote, OverBaseline};
use spec::metrics::{Metric, MetricTable, Undefined};

use super::evidence::{best, ceiling_note, control, join_seeds, profile, table_config};
use super::folds::Fold;
use super::screen::Screen;
use super::{Answers, Watch};
use crate::failure::EngineError;

/// The measured mean itself as the prediction: what the rule by which cells are made loses.
const RULE: &str = "measured mean, by the rule";
/// The baseline that cell-eval's score is over.
const REFERENCE: &str = "mean of groups";
/// What that score is the mean of: the profile of the Virtual Cell Challenge.
const SCORED: [Metric; 3] = [Metric::CellEvalMae, Metric::DiscriminationL1, Metric::OverlapAtN];

/// What is tested, and against what.
struct Bench<'a> {
    screen: &'a Screen<'a>,
    asked: CellTestsConfig,
    config: &'a EvaluationConfig,
    /// Columns that the file has.
    genes: Vec<usize>,
    /// Mean control cell on these.
    control: Vec<f32>,
    reference: Vec<Vec<f32>>,
    /// Control cells that others are made of.
    pool: Vec<usize>,
}

/// One perturbation, tested.
struct Row {
    measured: Tested,
    of_methods: Vec<Tested>,
    halves: Vec<(Half, Half)>,
}

/// The second table; none where it was not asked for, and why not where it cannot be made.
pub(super) async fn cell_tests<W: Watch>(
    screen: &Screen<'_>,
    folds: &[Fold],
    answers: &[Answers],
    (config, model): (&EvaluationConfig, Option<&str>),
    (watch, problems): (&mut W, &mut Vec<String>),
) -> Result<Option<CellTests>, EngineError> {
    let Some(asked) = config.cell_tests else { return Ok(None) };
    let started_secs = now_secs();
    let bench = match Bench::new(screen, asked, config) {
        Ok(bench) => bench,
        Err(problem) => {
            problems.push(problem);
            return Ok(None);
        }
    };
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
    tested.sort_unstable();
    let of_groups = mean_of_groups(screen, folds);
    let by_rule = measured_by_the_rule(screen, &tested);
    let answers: Vec<&Answers> = answers.iter().chain([&of_groups, &by_rule]).collect();
    let n_tests = tested.len() * (answers.len() + 1 + 2 * asked.n_halves);
    let mut rows = Vec::with_capacity(tested.len());
    let mut n_done = 0;
    for &at in &tested {
        rows.push(bench.row(at, &answers, watch, (&mut n_done, n_tests)).await?);
    }
    let failed = |error: jepa::eval::table::TableError| EngineError::Evaluation(error.to_string());
    let mut found = bench.scored(&tested, &answers, &rows, model).map_err(failed)?;
    found.elapsed_secs = now_secs() - started_secs;
    Ok(Some(found))
}

impl<'a> Bench<'a> {
    fn new(screen: &'a Screen<'a>, asked: CellTestsConfig, config: &'a EvaluationConfig) -> Result<Self, String> {
        if !screen.has_single_cells() {
            return Err("No tests of cells: rows stand for several cells each, and tests need single ones.".into());
        }
        let shuffled = chosen(&screen.control_rows, screen.control_rows.len(), config.seed);
        let (reference, pool) = shuffled.split_at(shuffled.len() / 2);
        if reference.len() < config.min_cells.max(2) {
            return Err(format!(
                "No tests of cells: half of the {} control cells is the reference and of the other half cells are made; each \
                 half must have {} cells.",
                shuffled.len(),
                config.min_cells.max(2)
            ));
        }
        let mean = control(screen);
        let genes: Vec<usize> = (0..mean.len()).filter(|&gene| mean[gene].is_finite()).collect();
        let mut bench = Self {
            screen,
            asked,
            config,
            control: at_genes(&mean, &genes),
            genes,
            reference: Vec::new(),
            pool: pool.to_vec(),
        };
        bench.reference = bench.cells(&reference[..reference.len().min(asked.n_reference)]);
        Ok(bench)
    }

    fn cells(&self, rows: &[usize]) -> Vec<Vec<f32>> {
        rows.iter().map(|&row| at_genes(&self.screen.dense(row), &self.genes)).collect()
    }

    fn test(&self, cells: &[Vec<f32>]) -> Tested {
        Tested::of(&as_rows(cells), &as_rows(&self.reference), self.asked.n_energy)
    }

    /// Tests the measured cells of a perturbation, those made for every method, and halves of the measured ones.
    async fn row<W: Watch>(
        &self,
        at: usize,
        answers: &[&Answers],
        watch: &mut W,
        (n_done, n_tests): (&mut usize, usize),
    ) -> Result<Row, EngineError> {
        let rows = &self.screen.targets[at].rows;
        let seed = self.config.seed.wrapping_add(1 + at as u64);
        let n = rows.len().min(self.asked.n_cells).min(self.pool.len());
        let measured = self.test(&self.cells(&chosen(rows, n, seed)));
        let drawn = self.cells(&chosen(&self.pool, n, seed));
        let mut of_methods = Vec::with_capacity(answers.len());
        for answer in answers {
            let predicted =
                profile(&self.control, answer.deltas[at].as_deref().map(|d| at_genes(d, &self.genes)).as_deref());
            of_methods.push(self.test(&scaled(&as_rows(&drawn), &factors(&self.control, &predicted))));
            *n_done += 1;
            watch.reached("Testing cells", "tests", *n_done, n_tests).await?;
        }
        let mut halves = Vec::new();
        for split in 0..self.asked.n_halves as u64 {
            if rows.len() >= 2 * self.config.min_cells {
                let both = chosen(rows, 2 * n.min(rows.len() / 2), seed ^ (split + 1) << 32);
                let (one, other) = both.split_at(both.len() / 2);
                let half = |rows: &[usize]| -> Half {
                    let cells = self.cells(rows);
                    let all: Vec<usize> = (0..cells.len()).collect();
                    (mean_profile(&as_rows(&cells), &all), self.test(&cells))
                };
                halves.push((half(one), half(other)));
            }
            *n_done += 2;
            watch.reached("Testing cells", "tests", *n_done, n_tests).await?;
        }
        *n_done += 1;
        watch.reached("Testing cells", "tests", *n_done, n_tests).await?;
        Ok(Row { measured, of_methods, halves })
    }

    fn scored(
        &self,
        tested: &[usize],
        answers: &[&Answers],
        rows: &[Row],
        model: Option<&str>,
    ) -> Result<CellTests, jepa::eval::table::TableError> {
        let config =
            jepa::eval::table::TableConfig { metrics: Metric::OF_CELL_TESTS.to_vec(), ..table_config(self.config) };
        let means: Vec<Vec<f32>> =
            tested.iter().map(|&at| at_genes(&self.screen.targets[at].mean, &self.genes)).collect();
        let target = |place: usize| {
            let target = &self.screen.targets[tested[place]];
            Target {
                name: &target.name,
                n_cells: target.response.n_cells,
                mean: &means[place],
                own_gene: target.own_gene.and_then(|gene| self.genes.binary_search(&gene).ok()),
                tested: Some(&rows[place].measured),
                ..Target::default()
            }
        };
        let targets = (0..tested.len()).map(target).collect();
        let evidence = Evidence { control: &self.control, control_cells: None, targets };
        let said = |answer: &&Answers| -> Vec<Vec<f32>> {
            let change = |at: usize| answer.deltas[at].as_deref().map(|change| at_genes(change, &self.genes));
            tested.iter().map(|&at| profile(&self.control, change(at).as_deref())).collect()
        };
        let said: Vec<Vec<Vec<f32>>> = answers.iter().map(said).collect();
        let methods = answers.iter().enumerate().map(|(place, answer)| Method {
            name: &answer.note.name,
            is_baseline: answer.note.kind == MethodKind::Baseline,
            means: as_rows(&said[place]),
            cells: None,
            tested: Some(rows.iter().map(|row| row.of_methods[place].clone()).collect()),
        });
        let mut table = table(&evidence, &methods.collect::<Vec<_>>(), &config)?;
        table.left_out.clone_from(&self.screen.left_out);
        let mut notes: Vec<MethodNote> = answers.iter().map(|answer| answer.note.clone()).collect();
        join_seeds(&mut table, &mut notes, model, &config);
        let halves: Vec<Vec<(Half, Half)>> = rows.iter().map(|row| row.halves.clone()).collect();
        // Where no perturbation has cells for two halves, there is no ceiling.
        if let Ok(row) = ceiling_of_tests(&evidence, &halves, &config) {
            table.rows.push(row);
            notes.push(ceiling_note(self.screen));
        }
        Ok(CellTests {
            rule: self.rule(tested),
            best: best(&table, &notes, self.config),
            over_baseline: over_baselines(&table, self.config),
            methods: notes,
            table,
            elapsed_secs: 0.0,
        })
    }

    /// How cells were made, in plain words.
    fn rule(&self, tested: &[usize]) -> Vec<String> {
        let n_most = self.asked.n_cells.min(self.pool.len());
        let n_capped = tested.iter().filter(|&&at| self.screen.targets[at].rows.len() > n_most).count();
        let capped = match n_capped {
            0 => String::new(),
            n => format!(" {n} of {} perturbations have more cells, of which as many were drawn.", tested.len()),
        };
        vec![
            format!(
                "No method here predicts cells, and of copies of a mean every gene would be significant. So cells are made: \
                 as many control cells as the perturbation has, {n_most} at most, are drawn (seed {}), and each gene's \
                 expression (log1p) is scaled by the predicted mean over the control mean. Zeros stay zeros, and a gene that \
                 is silent in the controls stays silent.{capped}",
                self.config.seed
            ),
            format!(
                "Made and measured cells are tested (Mann-Whitney, corrected by Benjamini and Hochberg, 0.05) against the \
                 same {} other control cells. What is odd in those is odd on both sides: the row of no change, control cells \
                 as they are, says what that alone is worth.",
                self.reference.len()
            ),
            format!("E-distances are of {} cells of each side at most.", self.asked.n_energy),
            format!(
                "The ceiling is the mean of {} splits of the measured cells into halves, of {n_most} cells at most; a half has \
                 fewer cells and finds fewer genes.",
                self.asked.n_halves
            ),
        ]
    }
}

/// cell-eval's baseline: the mean of the training perturbations' means, control counted among them.
fn mean_of_groups(screen: &Screen<'_>, folds: &[Fold]) -> Answers {
    let about =
        "cell-eval's baseline: the mean of the training perturbations' mean profiles, control counted among them.";
    let mut answers = Answers::new(REFERENCE, MethodKind::Baseline, about, screen.targets.len());
    let control = &screen.control.mean;
    for fold in folds {
        let delta = |at: &usize| screen.targets[*at].response.delta.iter().zip(control);
        let means: Vec<Vec<f32>> = fold.train.iter().map(|at| delta(at).map(|(d, c)| c + d).collect()).collect();
        let mean = baseline_profile(control, &as_rows(&means), true);
        let change: Vec<f32> = mean.iter().zip(control).map(|(mean, &c)| (mean - f64::from(c)) as f32).collect();
        fold.test.iter().for_each(|&at| answers.deltas[at] = Some(change.clone()));
    }
    answers
}

/// What no method can do better by the rule, as it is the truth: the ceiling of cells that are made.
fn measured_by_the_rule(screen: &Screen<'_>, tested: &[usize]) -> Answers {
    let about = "The measured mean as the prediction, cells made of it by the rule: what a method that is right about every \
                 mean would reach. Its means are the measured ones, so only measures of tests say something.";
    let mut answers = Answers::new(RULE, MethodKind::Ceiling, about, screen.targets.len());
    tested.iter().for_each(|&at| answers.deltas[at] = Some(screen.targets[at].response.delta.clone()));
    answers
}

/// The score of every method over the baseline's; none for the truth, whose means are right by themselves.
fn over_baselines(table: &MetricTable, config: &EvaluationConfig) -> Vec<OverBaseline> {
    let Some(baseline) = table.rows.iter().find(|row| row.method == REFERENCE) else { return Vec::new() };
    let columns: Vec<usize> =
        SCORED.iter().filter_map(|wanted| table.metrics.iter().position(|metric| metric == wanted)).collect();
    let of_row = |row: &spec::metrics::MethodRow| {
        let sides: Vec<_> = columns
            .iter()
            .map(|&column| {
                let (own, theirs) = (&row.cells[column], &baseline.cells[column]);
                (own.values.as_slice(), theirs.values.as_slice(), own.metric.card().better)
            })
            .collect();
        let of_measure = |&column: &usize| {
            let (own, theirs) = (&row.cells[column], &baseline.cells[column]);
            let better = own.metric.card().better;
            let mean = |mean: Option<f64>| mean.ok_or(Undefined::NotGiven);
            (own.metric, over_baseline(mean(own.mean), mean(theirs.mean), better))
        };
        let of_measures: Vec<(Metric, f64)> = columns.iter().map(of_measure).collect();
        let n = of_measures.len().max(1) as f64;
        OverBaseline {
            method: row.method.clone(),
            score: of_measures.iter().map(|(_, score)| score).sum::<f64>() / n,
            interval: over_baseline_interval(&sides, 0.95, config.n_draws, config.seed).ok(),
            of_measures,
        }
    };
    table.rows.iter().filter(|row| row.method != RULE).map(of_row).collect()
}

fn at_genes(row: &[f32], genes: &[usize]) -> Vec<f32> {
    genes.iter().map(|&gene| row[gene]).collect()
}

fn as_rows(rows: &[Vec<f32>]) -> Vec<&[f32]> {
    rows.iter().map(Vec::as_slice).collect()
}
