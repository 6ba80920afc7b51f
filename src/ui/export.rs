//! What a person takes away: an answer as csv.

use js_sys::Array;
use spec::backwards::Backwards;
use spec::enrichment::Enrichment;
use spec::evaluation::{Evaluation, MethodNote};
use spec::genes::VariableGenesTable;
use spec::metrics::{Interval, MetricTable};
use spec::prediction::{Prediction, Query, Uncertainty};
use wasm_bindgen::prelude::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

use crate::app::Shared;
use crate::format::plural;
use crate::views::picker::explanation;

const COLUMNS: &str = "gene,control_mean_log1p,predicted_change_log1p,interval_half_width_log1p,training_mean_change_log1p,\
                       measured_change_log1p,measured_standard_error_log1p";

/// The table of all genes; lines that start with `#` say what was asked and how far it can be trusted.
pub fn csv(prediction: &Prediction) -> String {
    let query = &prediction.query;
    let mut out = format!(
        "# Waddington response model: predicted response to {}\n# {}\n# mean change against {}, log1p units\n",
        one_line(&query.label()),
        explanation(prediction.support).replace('’', "'"),
        controls(prediction)
    );
    if let Some(measured) = &prediction.measured {
        let (n, n_control) = (measured.n_cells, measured.n_control_cells);
        out.push_str(&format!(
            "# measured in {n} perturbed and {n_control} control cells: {}\n",
            one_line(&measured.source)
        ));
    }
    for score in &prediction.agreement {
        let delta_pearson = score.delta_pearson.map(|r| r.to_string()).unwrap_or_else(|| "undefined".into());
        out.push_str(&format!("# agreement, {}: delta Pearson {delta_pearson}, mse {}\n", score.method, score.mse));
    }
    match &prediction.uncertainty {
        Uncertainty::Unknown { reason } => out.push_str(&format!("# {}\n", one_line(reason))),
        Uncertainty::Intervals(intervals) => out.push_str(&format!(
            "# intervals for {} of changes, from errors on {} held-out perturbations: {}; {} of theirs lay inside\n",
            intervals.promised,
            intervals.n_targets,
            one_line(&intervals.source),
            intervals.found.map_or_else(|| "an unknown share".into(), |found| format!("{found:.3}"))
        )),
    }
    for warning in &prediction.warnings {
        out.push_str(&format!("# {}\n", one_line(warning)));
    }
    if let Some(additive) = &prediction.additive {
        let (measured, source) = (additive.measured.join(", "), one_line(&additive.source));
        out.push_str(&format!("# additive: the measured changes of {measured} alone, added ({source})\n"));
        if !additive.assumed.is_empty() {
            let assumed = additive.assumed.join(", ");
            out.push_str(&format!("# additive: {assumed} not measured alone, counts as the mean of training\n"));
        }
    }
    out.push_str(COLUMNS);
    if prediction.additive.is_some() {
        out.push_str(",additive_change_log1p");
    }
    for part in &prediction.parts {
        out.push_str(&format!(",predicted_change_of_{}_alone_log1p", part.target.replace([',', '"'], "_")));
    }
    out.push('\n');
    let measured = prediction.measured.as_ref();
    let mut columns = vec![
        Some(&prediction.control_mean),
        Some(&prediction.delta),
        prediction.uncertainty.intervals().map(|intervals| &intervals.half_width),
        prediction.training_mean.as_ref(),
        measured.map(|measured| &measured.delta),
        measured.map(|measured| &measured.standard_error),
    ];
    columns.extend(prediction.additive.as_ref().map(|additive| Some(&additive.delta)));
    columns.extend(prediction.parts.iter().map(|part| Some(&part.delta)));
    for (i, gene) in prediction.genes.iter().enumerate() {
        out.push_str(&quoted(gene));
        for column in &columns {
            out.push(',');
            if let Some(value) = column.and_then(|column| column.get(i)).filter(|value| value.is_finite()) {
                out.push_str(&value.to_string());
            }
        }
        out.push('\n');
    }
    out
}

/// What a file about a question may be called: letters, digits and marks that every system takes.
pub fn stem(query: &Query) -> String {
    let is_safe = |c: char| c.is_alphanumeric() || matches!(c, '+' | '-' | '.');
    query.label().chars().map(|c| if is_safe(c) { c } else { '_' }).collect()
}

/// Several answers beside each other: a line a gene, a column a question.
pub fn compared_csv(answers: &[Shared<Prediction>]) -> String {
    let mut out = String::from("# mean change against control cells, log1p units\ngene");
    let mut columns: Vec<&[f32]> = Vec::new();
    for answer in answers {
        out.push_str(&format!(",{}", quoted(&format!("predicted, {}", answer.query.label()))));
        columns.push(&answer.delta);
        if let Some(measured) = &answer.measured {
            out.push_str(&format!(",{}", quoted(&format!("measured, {}", answer.query.label()))));
            columns.push(&measured.delta);
        }
    }
    out.push('\n');
    for (at, gene) in answers.first().map_or(&[][..], |answer| answer.genes.as_slice()).iter().enumerate() {
        out.push_str(&quoted(gene));
        for column in &columns {
            let value = column.get(at).filter(|value| value.is_finite());
            out.push_str(&value.map_or_else(|| ",".into(), |value| format!(",{value}")));
        }
        out.push('\n');
    }
    out
}

/// What was predicted from: `300 control cells`, or `60 control metacells (2,386 cells)`.
pub fn controls(prediction: &Prediction) -> String {
    let (n_rows, n_cells) = (prediction.n_control_rows as u64, prediction.n_control_cells as u64);
    match n_rows == n_cells {
        true => plural(n_cells, "control cell"),
        false => format!("{} ({})", plural(n_rows, "control metacell"), plural(n_cells, "cell")),
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_string(),
    }
}

/// How variable each gene is, in scanpy's columns.
pub fn genes_csv(table: &VariableGenesTable) -> String {
    let mut is_chosen = vec![false; table.symbols.len()];
    table.chosen.iter().for_each(|gene| is_chosen[*gene as usize] = true);
    let mut out = format!("gene,highly_variable,means,{}", table.spread_column());
    if !table.n_batches.is_empty() {
        out.push_str(",highly_variable_nbatches");
    }
    out.push('\n');
    let number = |values: &[f32], gene: usize| {
        values.get(gene).filter(|value| value.is_finite()).map_or_else(String::new, f32::to_string)
    };
    for (gene, symbol) in table.symbols.iter().enumerate() {
        let (mean, spread) = (number(&table.means, gene), number(&table.spread, gene));
        out.push_str(&format!("{},{},{mean},{spread}", quoted(symbol), is_chosen[gene]));
        if let Some(n) = table.n_batches.get(gene) {
            out.push_str(&format!(",{n}"));
        }
        out.push('\n');
    }
    out
}

/// Methods by measures: a line for each method and measure.
pub fn evaluation_csv(report: &Evaluation) -> String {
    let mut out = format!("# {}\n", one_line(&report.headline));
    out.push_str(
        "method,kind,measure,reference_name,mean,low_95,high_95,best,n_perturbations,gain,against,gain_low_95,gain_high_95,p\n",
    );
    push_table(&mut out, &report.table, &report.methods, &report.best);
    if let Some(tests) = &report.cell_tests {
        push_table(&mut out, &tests.table, &tests.methods, &tests.best);
    }
    out
}

/// Methods by measures, a line for each of both.
fn push_table(out: &mut String, table: &MetricTable, methods: &[MethodNote], best: &[Option<usize>]) {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    for (at, (row, note)) in table.rows.iter().zip(methods).enumerate() {
        for (column, cell) in row.cells.iter().enumerate() {
            let card = cell.metric.card();
            let interval =
                |of: Option<Interval>| format!("{},{}", number(of.map(|of| of.low)), number(of.map(|of| of.high)));
            let paired = cell.against.as_ref();
            out.push_str(&format!(
                "{},{},{},{},{},{},{},{},{},{},{},{}\n",
                quoted(&row.method),
                note.kind.label(),
                quoted(card.label),
                quoted(card.name),
                number(cell.mean),
                interval(cell.interval),
                best[column] == Some(at),
                cell.values.iter().flatten().count(),
                number(paired.map(|paired| paired.gain)),
                quoted(paired.map_or("", |paired| &paired.baseline)),
                interval(paired.and_then(|paired| paired.interval)),
                number(paired.and_then(|paired| paired.p_value)),
            ));
        }
    }
}

/// Every perturbation by every measure: a line for each with each method.
pub fn evaluation_targets_csv(report: &Evaluation) -> String {
    let mut out = String::from("perturbation,n_cells,method");
    for metric in &report.table.metrics {
        out.push(',');
        out.push_str(&quoted(metric.card().label));
    }
    out.push('\n');
    for (at, target) in report.table.targets.iter().enumerate() {
        let n_cells = report.profiles.get(at).map_or(0, |profile| profile.n_cells);
        for row in &report.table.rows {
            out.push_str(&format!("{},{n_cells},{}", quoted(target), quoted(&row.method)));
            for cell in &row.cells {
                let value = cell.values.get(at).copied().flatten();
                out.push_str(&value.map_or_else(|| ",".into(), |value| format!(",{value}")));
            }
            out.push('\n');
        }
    }
    out
}

/// The sets of genes that a response falls into; genes of a set are parted by blanks.
pub fn enrichment_csv(found: &Enrichment) -> String {
    let mut out = format!(
        "# {}\n# {} sets of {}; background: {} genes, {} of them changed\n",
        one_line(&found.name),
        found.sets.len(),
        one_line(&found.collection.name),
        found.n_genes,
        found.n_changed
    );
    out.push_str("set,n_genes,score,normalised_score,p_value,p_adjusted,leading_genes,n_changed,fold,fisher_p,fisher_p_adjusted,changed_genes\n");
    let number = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
    for set in &found.sets {
        let [score, normalised, p, adjusted] = [set.score, set.normalised, set.p_value, set.p_adjusted].map(number);
        let [fold, fisher, fisher_adjusted] = [set.fold, set.fisher_p, set.fisher_p_adjusted].map(number);
        let (leading, changed) = (set.leading.join(" "), set.changed.join(" "));
        out.push_str(&format!(
            "{},{},{score},{normalised},{p},{adjusted},{},{},{fold},{fisher},{fisher_adjusted},{}\n",
            quoted(&set.name),
            set.n_genes,
            quoted(&leading),
            set.changed.len(),
            quoted(&changed)
        ));
    }
    out
}

/// What was found by asking backwards: perturbations and pairs with their scores.
pub fn backwards_csv(found: &Backwards) -> String {
    let mut out = format!(
        "# looked for: {}, {} genes known, by {}\n# {} candidates; best match of shuffled signatures (95 %): {}\ndirection,perturbation,score\n",
        one_line(&found.signature.name),
        found.n_known,
        found.mode.label(),
        found.n_candidates,
        found.chance
    );
    for (direction, matches) in [("towards", &found.towards), ("away", &found.away)] {
        for one in matches {
            out.push_str(&format!("{direction},{},{}\n", quoted(&one.target), one.score));
        }
    }
    for pair in &found.pairs {
        out.push_str(&format!("towards,{},{}\n", quoted(&pair.targets.join(" + ")), pair.score));
    }
    let optimised =
        found.optimised.iter().flat_map(|of| &of.nearest).map(|one| ("nearest to the optimised vector", one));
    let measured = found.mechanism.iter().flat_map(|of| &of.nearest).map(|one| ("measured response like it", one));
    for (direction, one) in optimised.chain(measured) {
        out.push_str(&format!("{direction},{},{}\n", quoted(&one.target), one.score));
    }
    out
}

/// Candidates that were not measured, those worth measuring next first.
pub fn priorities_csv(found: &Backwards) -> String {
    let mut out = String::from("gene,distance_from_training,unlike_the_known,predicted_change_log1p\n");
    for one in &found.priorities {
        out.push_str(&format!("{},{},{},{}\n", quoted(&one.target), one.distance, one.distinct, one.strength));
    }
    out
}

/// Type of a text that is saved.
pub const CSV: &str = "text/csv;charset=utf-8";

/// Saves text or bytes as a file on the person's machine; the page is asked for nothing.
pub fn download(name: &str, kind: &str, content: impl Into<JsValue>) {
    let parts: Array = [content.into()].iter().collect::<Array>();
    let options = BlobPropertyBag::new();
    options.set_type(kind);
    let Ok(blob) = Blob::new_with_str_sequence_and_options(&parts, &options) else { return };
    save_blob(name, &blob);
}

/// Saves what the browser holds as a file.
pub fn save_blob(name: &str, blob: &Blob) {
    let Ok(url) = Url::create_object_url_with_blob(blob) else { return };
    let anchor = leptos::prelude::document().create_element("a").ok();
    if let Some(anchor) = anchor.and_then(|anchor| anchor.dyn_into::<HtmlAnchorElement>().ok()) {
        anchor.set_href(&url);
        anchor.set_download(name);
        anchor.click();
    }
    // The browser keeps what it is saving; a url that stays costs memory only.
    let _ = Url::revoke_object_url(&url);
}

#[cfg(test)]
mod tests {
    use spec::model::Mode;
    use spec::prediction::{Additive, CellChoice, Intervals, Part, Prediction, Query, Support, Uncertainty};

    use spec::genes::VariableGenesTable;

    use super::{compared_csv, csv, genes_csv, stem};
    use crate::app::Shared;

    #[test]
    fn every_gene_is_a_line() {
        let table = VariableGenesTable {
            symbols: vec!["A".into(), "B,1".into()],
            means: vec![0.5, 1.0],
            spread: vec![f32::NAN, 2.0],
            chosen: vec![1],
            ..VariableGenesTable::default()
        };
        let expected = "gene,highly_variable,means,dispersions_norm\nA,false,0.5,\n\"B,1\",true,1,2\n";
        assert_eq!(genes_csv(&table), expected);
    }

    #[test]
    fn every_gene_has_every_column() {
        let prediction = Prediction {
            query: Query::of("STAT1", Mode::Knockout),
            support: Support::NeverMeasured,
            nearest: None,
            genes: vec!["A".into(), "B,1".into()],
            control_mean: vec![1.0, 2.5],
            delta: vec![-0.25, f32::NAN],
            uncertainty: Uncertainty::Intervals(Intervals {
                promised: 0.8,
                found: None,
                n_targets: 8,
                source: "a screen".into(),
                half_width: vec![0.5, f32::NAN],
            }),
            training_mean: Some(vec![0.0, 0.5]),
            parts: Vec::new(),
            additive: None,
            measured: None,
            agreement: vec![],
            warnings: Vec::new(),
            n_control_cells: 3,
            n_control_rows: 3,
            elapsed_secs: 0.0,
        };
        let text = csv(&prediction);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(lines[1..], ["A,1,-0.25,0.5,0,,", "\"B,1\",2.5,,,0.5,,"]);
        assert_eq!(lines[0].split(',').count(), 7);
    }

    #[test]
    fn a_combination_brings_its_parts_and_the_sum_of_what_was_measured() {
        let part = |target: &str, delta: f32| Part {
            target: target.into(),
            support: Support::Seen,
            nearest: None,
            delta: vec![delta],
        };
        let grouping = spec::map::Grouping::Column { name: "donor/age".into() };
        let cells = CellChoice::Group { grouping, group: "old".into() };
        let prediction = Prediction {
            query: Query { with: vec!["JAK2".into()], cells, ..Query::of("STAT1", Mode::Knockout) },
            support: Support::NeverMeasured,
            nearest: None,
            genes: vec!["A".into()],
            control_mean: vec![1.0],
            delta: vec![-0.75],
            uncertainty: Uncertainty::Unknown { reason: "none".into() },
            training_mean: None,
            parts: vec![part("JAK2", -0.5), part("STAT1", -0.25)],
            additive: Some(Additive {
                delta: vec![-1.5],
                measured: vec!["STAT1".into()],
                assumed: vec!["JAK2".into()],
                source: "a screen".into(),
            }),
            measured: None,
            agreement: vec![],
            warnings: Vec::new(),
            n_control_cells: 3,
            n_control_rows: 3,
            elapsed_secs: 0.0,
        };
        let text = csv(&prediction);
        assert!(
            text.starts_with("# Waddington response model: predicted response to STAT1+JAK2 knockout in old"),
            "{text}"
        );
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines[0].ends_with(
            ",additive_change_log1p,predicted_change_of_JAK2_alone_log1p,predicted_change_of_STAT1_alone_log1p"
        ));
        assert_eq!(lines[1], "A,1,-0.75,,,,,-1.5,-0.5,-0.25");
        assert_eq!(stem(&prediction.query), "STAT1+JAK2_knockout_in_old__donor_age_");
        let both = compared_csv(&[Shared::new(prediction)]);
        assert_eq!(both.lines().last(), Some("A,-0.75"));
    }
}
