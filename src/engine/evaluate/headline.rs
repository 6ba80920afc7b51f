//! One sentence on top: whether the model beats the simple methods here, and by how much.

use spec::evaluation::{Evaluation, MethodKind};
use spec::metrics::{Better, Cell, Paired};

use super::trust::lead;

pub(super) fn headline(evaluation: &Evaluation) -> String {
    let table = &evaluation.table;
    let column = lead(table);
    let card = table.metrics[column].card();
    let n = table.targets.len();
    let on = format!("On {n} {} that it did not learn from", if n == 1 { "perturbation" } else { "perturbations" });
    let best = best_baseline(evaluation, column);
    let Some(model) = evaluation.rows_of(MethodKind::Model).next() else {
        return match best {
            Some((name, cell)) => format!(
                "No model was judged. Of {} simple methods the best on {n} held-out perturbations is {name}: {} {}.",
                evaluation.rows_of(MethodKind::Baseline).count(),
                card.label,
                value(cell)
            ),
            None => "No model was judged, and no simple method has a score here.".into(),
        };
    };
    let name = &table.rows[model].method;
    let cell = &table.rows[model].cells[column];
    let Some(Paired { baseline, gain, interval, p_value, .. }) = &cell.against else {
        return format!("{on}, {name} has no score by {}, so it cannot be set beside the simple methods.", card.label);
    };
    let theirs = best.map_or_else(String::new, |(_, cell)| value(cell));
    let is_sure = |low: f64, high: f64| low > 0.0 || high < 0.0;
    let sure = interval.is_some_and(|interval| is_sure(interval.low, interval.high));
    let verdict = match (*gain > 0.0, sure) {
        (true, true) => format!("{name} beats the best simple method ({baseline})"),
        (true, false) => format!("{name} is not surely better than the best simple method ({baseline})"),
        (false, true) => format!("{name} does worse than the best simple method ({baseline})"),
        (false, false) => format!("{name} does not beat the best simple method ({baseline})"),
    };
    let range = interval.map_or_else(String::new, |i| format!(", 95 % interval {:+.3} to {:+.3}", i.low, i.high));
    let p = p_value.map_or_else(String::new, |p| format!(", p = {p:.2}"));
    format!("{on}, {verdict}: {} {} against {theirs}, a gain of {gain:+.3}{range}{p}.", card.label, value(cell))
}

fn best_baseline(evaluation: &Evaluation, column: usize) -> Option<(&str, &Cell)> {
    let table = &evaluation.table;
    let sign = if table.metrics[column].card().better == Better::Higher { 1.0 } else { -1.0 };
    let all = evaluation.rows_of(MethodKind::Baseline).map(|row| &table.rows[row]);
    let scored = all.filter_map(|row| Some((row.cells[column].mean? * sign, row)));
    let best = scored.reduce(|best, other| if other.0 > best.0 { other } else { best })?;
    Some((best.1.method.as_str(), &best.1.cells[column]))
}

fn value(cell: &Cell) -> String {
    cell.mean.map_or_else(|| "–".into(), |mean| format!("{mean:.3}"))
}
