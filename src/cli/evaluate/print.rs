//! An evaluation in lines of text: the sentence on top, then a block for each measure, then how far to trust it.

use std::io::{Result, Write};

use spec::evaluation::{CellTests, Evaluation, MethodKind, MethodNote, ReferenceEvaluation};
use spec::metrics::{Better, Cell, MetricTable};

/// Prints it.
pub fn print(found: &Evaluation, out: &mut dyn Write) -> Result<()> {
    let data = &found.data;
    writeln!(out, "{}\n", found.headline)?;
    writeln!(
        out,
        "{}: {} perturbations held out in {} folds; {} cells, {} of them controls; {} genes compared",
        data.name,
        found.table.targets.len(),
        found.folds.len(),
        data.n_cells,
        data.n_control_cells,
        found.table.n_genes
    )?;
    if !data.seeds.is_empty() {
        let seeds: Vec<String> = data.seeds.iter().map(u64::to_string).collect();
        writeln!(out, "trained with seeds {}", seeds.join(", "))?;
    }
    writeln!(
        out,
        "Means over perturbations with 95 % intervals (perturbations drawn again); * the best, where the interval"
    )?;
    writeln!(
        out,
        "of its lead says so. Gains are against the baseline that is best by that measure; positive is better."
    )?;
    for column in 0..found.table.metrics.len() {
        measure((&found.table, &found.methods, &found.best), column, out)?;
    }
    if let Some(tests) = &found.cell_tests {
        cell_tests(tests, out)?;
    }
    reference(&found.reference, out)?;
    null(found, out)?;
    calibrations(found, out)?;
    support(found, out)?;
    targets(found, out)?;
    let notes = found.audit.findings.iter().map(|finding| &finding.message).chain(&found.audit.notes);
    writeln!(out, "\nAudit")?;
    for note in notes {
        writeln!(out, "  {note}")?;
    }
    for problem in &found.problems {
        writeln!(out, "note: {problem}")?;
    }
    Ok(())
}

/// A table with what its rows are and which is best.
type Rows<'a> = (&'a MetricTable, &'a [MethodNote], &'a [Option<usize>]);

fn measure((table, methods, best): Rows<'_>, column: usize, out: &mut dyn Write) -> Result<()> {
    let card = table.metrics[column].card();
    let way = if card.better == Better::Higher { "higher is better" } else { "lower is better" };
    let unit = if card.unit.label().is_empty() { String::new() } else { format!(", {}", card.unit.label()) };
    writeln!(out, "\n{} ({way}{unit})", card.label)?;
    for (row, note) in methods.iter().enumerate() {
        let cell = &table.rows[row].cells[column];
        let mark = if best[column] == Some(row) { "*" } else { " " };
        let kind = if note.kind == MethodKind::Baseline { String::new() } else { format!(" ({})", note.kind.label()) };
        let name = format!("{}{kind}", note.name);
        let line = format!("{mark} {name:<44} {:>9}  {:<20} {}", number(cell.mean), interval(cell), against(cell));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Measures of tests of cells, and the score over the baseline.
fn cell_tests(tests: &CellTests, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\n== Tests of cells ({:.1} s) ==", tests.elapsed_secs)?;
    for sentence in &tests.rule {
        writeln!(out, "{sentence}")?;
    }
    for column in 0..tests.table.metrics.len() {
        measure((&tests.table, &tests.methods, &tests.best), column, out)?;
    }
    let measures = tests.over_baseline.first().map_or(&[][..], |of| &of.of_measures);
    let labels: Vec<&str> = measures.iter().map(|(metric, _)| metric.card().label).collect();
    writeln!(out, "\nScore over cell-eval's baseline (0 is no better, 1 perfect; mean of {})", labels.join(", "))?;
    for of in &tests.over_baseline {
        let range = of
            .interval
            .map_or_else(String::new, |range| format!("[{}, {}]", number(Some(range.low)), number(Some(range.high))));
        let each: Vec<String> = of.of_measures.iter().map(|(_, score)| number(Some(*score))).collect();
        let line = format!("  {:<44} {:>9}  {range:<20} {}", of.method, number(Some(of.score)), each.join(" "));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// BioJEPA-AC's evaluations.
fn reference(found: &[ReferenceEvaluation], out: &mut dyn Write) -> Result<()> {
    if !found.is_empty() {
        writeln!(out, "\n== As the reference measures it (BioJEPA-AC's evaluations 1 to 8) ==")?;
    }
    for evaluation in found {
        writeln!(out, "\n{}. {}\n   {}", evaluation.number, evaluation.title, evaluation.flaw)?;
        if let Some(missing) = &evaluation.missing {
            writeln!(out, "   {missing}")?;
        }
        for row in &evaluation.rows {
            let beside =
                row.beside.as_ref().map_or_else(String::new, |(what, value)| format!("{what}: {}", number(*value)));
            let value = row.problem.clone().unwrap_or_else(|| number(row.value));
            writeln!(out, "   {:<58} {:<12} {value:>9}  {beside}", row.measure, row.form.label())?;
        }
    }
    Ok(())
}

/// A number with as many digits as say something.
fn number(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value != 0.0 && value.abs() < 0.1 => format!("{value:.5}"),
        Some(value) => format!("{value:.3}"),
    }
}

fn interval(cell: &Cell) -> String {
    let missing = cell.undefined.iter().map(|counted| format!("{} of {}", counted.reason.label(), counted.n_targets));
    let missing: Vec<String> = missing.collect();
    match (&cell.interval, missing.is_empty()) {
        (Some(interval), _) => format!("[{}, {}]", number(Some(interval.low)), number(Some(interval.high))),
        (None, false) => format!("[{}]", missing.join("; ")),
        (None, true) => String::new(),
    }
}

fn against(cell: &Cell) -> String {
    let Some(paired) = &cell.against else { return String::new() };
    let range = paired.interval.map_or_else(String::new, |interval| {
        format!(" [{}, {}]", number(Some(interval.low)), number(Some(interval.high)))
    });
    let p = paired.p_value.map_or_else(String::new, |p| format!(", p {p:.4}"));
    format!("gain {}{range}{p} against {}", number(Some(paired.gain)), paired.baseline)
}

fn null(found: &Evaluation, out: &mut dyn Write) -> Result<()> {
    let Some(null) = &found.null else { return Ok(()) };
    writeln!(
        out,
        "\nThe measure of single cells, {} pairs: what knows nothing scores as high, so it says nothing",
        null.n_pairs
    )?;
    writeln!(out, "  {:<50} {:>12} {:>8}", "", "top-20 r", "MSE")?;
    for row in &null.rows {
        let labels = if row.shuffled { " (labels shuffled: no effect at all)" } else { "" };
        let knows = if row.knows { "" } else { ", knows nothing" };
        let name = format!("{}{knows}{labels}", row.predictor);
        writeln!(out, "  {name:<66} {:>9.3} {:>8.3}", row.pearson20, row.mse)?;
    }
    Ok(())
}

fn calibrations(found: &Evaluation, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "\nConformal intervals, each perturbation looked at with widths from the others")?;
    for calibration in &found.calibrations {
        let level = |level: &spec::evaluation::Level| {
            format!(
                "{:.0} % promised {:.1} % found (±{:.3})",
                100.0 * level.promised,
                100.0 * level.found,
                level.half_width
            )
        };
        let levels: Vec<String> = calibration.levels.iter().map(level).collect();
        writeln!(out, "  {}: {}", calibration.method, levels.join("; "))?;
        if let (Some(first), Some(last)) = (calibration.by_width.first(), calibration.by_width.last()) {
            writeln!(
                out,
                "    half width against error at {:.0} %: rank correlation {}; narrowest tenth ±{:.3} error {:.3}, widest ±{:.3} error {:.3} \
                 (medians of {} and {})",
                100.0 * calibration.width_level.unwrap_or_default(),
                number(calibration.width_order),
                first.half_width,
                first.error,
                last.half_width,
                last.error,
                first.n_values,
                last.n_values
            )?;
        }
        if let Some(problem) = &calibration.problem {
            writeln!(out, "    {problem}")?;
        }
    }
    Ok(())
}

fn support(found: &Evaluation, out: &mut dyn Write) -> Result<()> {
    let outside: Vec<&str> =
        found.support.iter().filter(|support| support.is_outside).map(|support| support.target.as_str()).collect();
    if !outside.is_empty() {
        writeln!(out, "\nOutside of what was learnt from, by their vectors: {}", outside.join(", "))?;
    }
    Ok(())
}

/// The first measure of change per perturbation, by the methods that are drawn.
fn targets(found: &Evaluation, out: &mut dyn Write) -> Result<()> {
    let lead = spec::metrics::Metric::GearsPearsonDelta;
    let Some(column) = found.table.metrics.iter().position(|metric| *metric == lead) else { return Ok(()) };
    let drawn: Vec<usize> = found
        .methods
        .iter()
        .enumerate()
        .filter(|(_, note)| {
            let is_drawn = found.calibrations.iter().any(|calibration| calibration.method == note.name);
            is_drawn || matches!(note.kind, MethodKind::Model | MethodKind::Ceiling)
        })
        .map(|(row, _)| row)
        .collect();
    let titles: Vec<String> = drawn.iter().map(|&row| format!("{:>18}", found.methods[row].name)).collect();
    writeln!(out, "\n{:<20} {:>6} {}", lead.card().label, "cells", titles.join(" "))?;
    for (at, profile) in found.profiles.iter().enumerate() {
        let value = |&row: &usize| {
            let value = found.table.rows[row].cells[column].values.get(at).copied().flatten();
            format!("{:>18}", value.map_or_else(|| "–".into(), |value| format!("{value:.3}")))
        };
        let values: Vec<String> = drawn.iter().map(value).collect();
        writeln!(out, "{:<20} {:>6} {}", profile.target, profile.n_cells, values.join(" "))?;
    }
    Ok(())
}
