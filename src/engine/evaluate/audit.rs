//! What a score could come from that is no biology: cells that both sides share, batches, and sizes of cells.
//!
//! Two probes predict a perturbation from nothing but where its cells lie among the controls: the mean control cell of
//! their batches, and the mean control cell of their sizes. What they score, any method may owe to the same.

use cells::split::leakage::{Parted, check};
use jepa::batch::log_total;
use jepa::eval::pairs::quantile;
use spec::evaluation::{Audit, Evaluation, EvaluationConfig, MethodKind};
use spec::split::{Finding, FindingKind, Part, SplitKind};

use super::Answers;
use super::folds::Fold;
use super::screen::Screen;
use super::trust::lead;

/// Groups of cells by size.
const N_SIZES: usize = 10;
/// Folds of which all cells are compared; of more, the first ones.
const MOST_FOLDS: usize = 5;
pub(super) const BATCH_PROBE: &str = "batch alone";
pub(super) const SIZE_PROBE: &str = "cell size alone";

/// The probes' answers, and what the parts share.
pub(super) fn audit(screen: &Screen<'_>, folds: &[Fold], config: &EvaluationConfig) -> (Vec<Answers>, Audit) {
    let material = screen.subject.material;
    let mut probes = Vec::new();
    if let Some(batches) = &material.batches {
        let about = "The mean control cell of the batches that the tested cells are from. Looks at the tested cells.";
        probes.push(probe(screen, folds, BATCH_PROBE, about, batches));
    }
    let about =
        "The mean control cell of the sizes (sum of log1p expression) of the tested cells. Looks at the tested cells.";
    probes.push(probe(screen, folds, SIZE_PROBE, about, &sizes(screen)));
    let findings = findings(screen, folds);
    let mut audit = Audit { findings, notes: Vec::new() };
    if material.batches.is_none() {
        let text = match &config.batch_column {
            Some(column) => format!("The batches of {column} were not given."),
            None => {
                "No column of batches was named, so nobody knows whether batches could explain the responses.".into()
            }
        };
        audit.notes.push(text);
    }
    (probes, audit)
}

/// Predicts by the mean control cell of each tested cell's group.
fn probe(screen: &Screen<'_>, folds: &[Fold], name: &str, about: &str, groups: &[u32]) -> Answers {
    let mut answers = Answers::new(name, MethodKind::Probe, about, screen.targets.len());
    let n_groups = groups.iter().copied().max().map_or(0, |most| most as usize + 1);
    let of_group = |group: usize| -> Vec<usize> {
        screen.control_rows.iter().copied().filter(|&row| groups[row] as usize == group).collect()
    };
    let means: Vec<Option<Vec<f32>>> =
        (0..n_groups).map(|group| screen.mean_of(&of_group(group)).map(|mean| mean.mean)).collect();
    for &at in folds.iter().flat_map(|fold| &fold.test) {
        let mut counts = vec![0usize; n_groups];
        screen.targets[at].rows.iter().for_each(|&row| counts[groups[row] as usize] += 1);
        let mut sum = vec![0.0f64; screen.control.mean.len()];
        let mut n = 0.0;
        // A batch without controls says nothing.
        for (mean, &count) in means.iter().zip(&counts).filter_map(|(mean, count)| Some((mean.as_ref()?, count))) {
            n += count as f64;
            sum.iter_mut().zip(mean).for_each(|(sum, &value)| *sum += count as f64 * f64::from(value));
        }
        answers.note.n_fallback += usize::from(n == 0.0);
        let change = |(sum, &control): (&f64, &f32)| if n > 0.0 { (sum / n - f64::from(control)) as f32 } else { 0.0 };
        answers.deltas[at] = Some(sum.iter().zip(&screen.control.mean).map(change).collect());
    }
    answers
}

/// The tenth that each row's size lies in, among the controls'.
fn sizes(screen: &Screen<'_>) -> Vec<u32> {
    let n_rows = screen.subject.material.expression.n_cells();
    let sizes: Vec<f64> = (0..n_rows).map(|row| f64::from(log_total(&screen.dense(row)))).collect();
    let mut of_controls: Vec<f64> = screen.control_rows.iter().map(|&row| sizes[row]).collect();
    of_controls.sort_by(f64::total_cmp);
    let bounds: Vec<f64> = (1..N_SIZES).map(|tenth| quantile(&of_controls, tenth as f64 / N_SIZES as f64)).collect();
    sizes.iter().map(|size| bounds.iter().filter(|bound| *size > **bound).count() as u32).collect()
}

/// What the parts share, each kind of finding where it is worst.
fn findings(screen: &Screen<'_>, folds: &[Fold]) -> Vec<Finding> {
    let material = screen.subject.material;
    let Some(labels) = &material.labels else { return Vec::new() };
    // Rows are told apart by their place: two rows are two cells.
    let barcodes: Vec<String> = (0..labels.codes.len()).map(|row| format!("cell {}", row + 1)).collect();
    let mut worst: Vec<Finding> = Vec::new();
    for (number, fold) in folds.iter().enumerate() {
        let part_of_label: Vec<Option<Part>> = labels
            .names
            .iter()
            .enumerate()
            .map(|(code, name)| {
                let at = screen.find(name);
                let is_in = |places: &[usize]| at.is_some_and(|at| places.contains(&at));
                if labels.control == Some(code) || is_in(&fold.train) {
                    Some(Part::Train)
                } else {
                    is_in(&fold.test).then_some(Part::Test)
                }
            })
            .collect();
        let parts: Vec<Option<Part>> = labels.codes.iter().map(|&code| part_of_label[code as usize]).collect();
        let parted = Parted {
            kind: &SplitKind::Custom,
            parts: &parts,
            barcodes: &barcodes,
            labels: Some(labels),
            guides: None,
            counts: (number < MOST_FOLDS && screen.has_single_cells()).then_some(&material.expression),
        };
        // All columns are of the same cells.
        let Ok(leakage) = check(&parted) else { continue };
        for finding in leakage.findings.into_iter().filter(|finding| finding.kind != FindingKind::SharedCells) {
            match worst.iter_mut().find(|known| known.kind == finding.kind) {
                Some(known) if known.count < finding.count => *known = finding,
                Some(_) => {}
                None => worst.push(finding),
            }
        }
    }
    worst.sort_by_key(|finding| finding.severity);
    worst
}

/// What the probes say, once they are scored.
pub(super) fn notes(evaluation: &Evaluation, screen: &Screen<'_>) -> Vec<String> {
    let mut notes = evaluation.audit.notes.clone();
    let table = &evaluation.table;
    let column = lead(table);
    let label = table.metrics[column].card().label;
    let mean = |row: usize| table.rows[row].cells[column].mean;
    let best = evaluation.rows_of(MethodKind::Baseline).filter_map(mean).reduce(f64::max);
    for row in evaluation.rows_of(MethodKind::Probe) {
        let Some(score) = mean(row) else { continue };
        let beside = best.map_or_else(String::new, |best| format!("; the best simple method has {best:.3}"));
        notes.push(format!("{}: {label} {score:.3}{beside}.", table.rows[row].method));
    }
    if screen.n_cells() > 0 && evaluation.folds.len() > MOST_FOLDS {
        notes.push(format!(
            "Equal profiles were looked for in the first {MOST_FOLDS} of {} folds.",
            evaluation.folds.len()
        ));
    }
    notes
}
