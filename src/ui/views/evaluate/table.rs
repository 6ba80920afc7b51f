//! Methods by measures, with intervals: sorted by any measure, measures chosen by their meaning.

use leptos::prelude::*;
use spec::evaluation::{CellTests, Evaluation, MethodKind, MethodNote, OverBaseline};
use spec::metrics::{Better, Cell, Metric, MetricTable};

use crate::app::Shared;
use crate::format::significant;

/// Measures shown at first.
const FIRST: [Metric; 6] = [
    Metric::GearsPearsonDelta,
    Metric::GearsMse,
    Metric::GearsMseTop20Ratio,
    Metric::SystemaPearson,
    Metric::DiscriminationL1,
    Metric::GearsDirectionTop20,
];

/// By which measure rows are ordered, and whether the best is first.
type Order = Option<(Metric, bool)>;

/// Of tests of cells, those shown at first.
const FIRST_OF_CELLS: [Metric; 6] = [
    Metric::OverlapAtN,
    Metric::PrecisionAtN,
    Metric::SpearmanLfc,
    Metric::DirectionMatch,
    Metric::RocAuc,
    Metric::PearsonEDistance,
];

/// A table with what its rows are and which is best.
#[derive(Debug)]
struct Grid {
    table: MetricTable,
    methods: Vec<MethodNote>,
    best: Vec<Option<usize>>,
}

/// The measures of means.
#[component]
pub fn MethodTable(report: Shared<Evaluation>) -> impl IntoView {
    let (table, methods, best) = (report.table.clone(), report.methods.clone(), report.best.clone());
    let grid = Shared::new(Grid { table, methods, best });
    view! { <GridTable report=grid title="Methods by measures" testid="evaluate-table" first=&FIRST /> }
}

/// The measures of tests of cells, how the cells were made, and the score over the baseline; none where not asked for.
#[component]
pub fn CellTestsTable(report: Shared<Evaluation>) -> impl IntoView {
    report.cell_tests.as_ref().map(|tests| {
        let CellTests { table, methods, best, rule, over_baseline, .. } = tests.clone();
        let grid = Shared::new(Grid { table, methods, best });
        let rule = rule.into_iter().map(|sentence| view! { <p class="quiet">{sentence}</p> }).collect_view();
        view! {
            <GridTable report=grid title="Tests of cells" testid="evaluate-cell-table" first=&FIRST_OF_CELLS />
            <div class="panel">
                <details data-testid="evaluate-cell-rule" open=true>
                    <summary>"How predicted cells were made"</summary>
                    {rule}
                </details>
                <OverBaselines of=over_baseline />
            </div>
        }
    })
}

#[component]
fn OverBaselines(of: Vec<OverBaseline>) -> impl IntoView {
    let heads: Vec<_> = of.first().map_or(&[][..], |of| &of.of_measures).to_vec();
    let heads = heads.into_iter().map(|(metric, _)| view! { <th scope="col">{metric.card().label}</th> });
    let heads = heads.collect_view();
    let rows = of.into_iter().map(|of| {
        let range = of.interval.map(|range| format!("{} to {}", number(range.low), number(range.high)));
        let each = of.of_measures.into_iter().map(|(_, score)| view! { <td>{number(score)}</td> }).collect_view();
        view! { <tr><th scope="row" class="name">{of.method}</th><td>{number(of.score)}<small>{range}</small></td>{each}</tr> }
    });
    let rows = rows.collect_view();
    view! {
        <details>
            <summary>"Score over cell-eval’s baseline: 0 is no better, 1 is perfect"</summary>
            <div class="scroll methods" tabindex="0" role="region" aria-label="Score over cell-eval’s baseline">
                <table data-testid="evaluate-over-baseline">
                    <thead><tr><th scope="col" class="name">"Method"</th><th scope="col">"Score"</th>{heads}</tr></thead>
                    <tbody>{rows}</tbody>
                </table>
            </div>
        </details>
    }
}

/// A table with its chooser.
#[component]
fn GridTable(
    report: Shared<Grid>,
    title: &'static str,
    testid: &'static str,
    first: &'static [Metric],
) -> impl IntoView {
    let first: Vec<Metric> = first.iter().copied().filter(|metric| report.table.metrics.contains(metric)).collect();
    let shown = RwSignal::new(if first.is_empty() { report.table.metrics.clone() } else { first });
    let order = RwSignal::new(None as Order);
    let heads = move || shown.get().into_iter().map(|metric| view! { <Head metric order /> }).collect_view();
    let body = {
        let report = report.clone();
        move || {
            let metrics = shown.get();
            let rows = rows(&report, order.get());
            rows.into_iter()
                .map(|row| view! { <MethodRow report=report.clone() row metrics=metrics.clone() /> })
                .collect_view()
        }
    };
    view! {
        <div class="panel">
            <div class="row between">
                <h3>{title}</h3>
                <p class="quiet">
                    "Means over perturbations, 95 % intervals by drawing perturbations again. ★ marks the best of model and "
                    "baselines where the interval of its lead leaves out 0."
                </p>
            </div>
            <Chooser report=report.clone() shown testid />
            <div class="scroll methods" tabindex="0" role="region" aria-label=title>
                <table data-testid=testid>
                    <thead><tr><th scope="col" class="name">"Method"</th>{heads}</tr></thead>
                    <tbody>{body}</tbody>
                </table>
            </div>
        </div>
    }
}

/// Rows in order: as the report has them, or by a measure; without a value last.
fn rows(report: &Grid, order: Order) -> Vec<usize> {
    let mut rows: Vec<usize> = (0..report.table.rows.len()).collect();
    let Some((metric, best_first)) = order else { return rows };
    let Some(column) = report.table.metrics.iter().position(|one| *one == metric) else { return rows };
    let sign = if (metric.card().better == Better::Higher) == best_first { -1.0 } else { 1.0 };
    let key = |row: usize| report.table.rows[row].cells[column].mean.map_or(f64::INFINITY, |mean| sign * mean);
    rows.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
    rows
}

#[component]
fn Head(metric: Metric, order: RwSignal<Order>) -> impl IntoView {
    let card = metric.card();
    let sorted = move || match order.get() {
        Some((by, best_first)) if by == metric => match (card.better == Better::Higher) == best_first {
            true => "descending",
            false => "ascending",
        },
        _ => "none",
    };
    let arrow = move || match sorted() {
        "descending" => " ↓",
        "ascending" => " ↑",
        _ => "",
    };
    let sort = move |_| {
        order.update(|order| {
            *order = match *order {
                Some((by, true)) if by == metric => Some((metric, false)),
                Some((by, false)) if by == metric => None,
                _ => Some((metric, true)),
            }
        });
    };
    let way = if card.better == Better::Higher { "higher is better" } else { "lower is better" };
    let unit = if card.unit.label().is_empty() { way.to_owned() } else { format!("{}, {way}", card.unit.label()) };
    view! {
        <th scope="col" aria-sort=sorted>
            <button type="button" title=card.meaning on:click=sort>{card.label}{arrow}<small>{unit}</small></button>
        </th>
    }
}

#[component]
fn MethodRow(report: Shared<Grid>, row: usize, metrics: Vec<Metric>) -> impl IntoView {
    let note = &report.methods[row];
    let kind = match note.kind {
        MethodKind::Baseline => "",
        kind => kind.label(),
    };
    let class = match note.kind {
        MethodKind::Model => "model",
        MethodKind::Baseline => "",
        MethodKind::Seed | MethodKind::Control | MethodKind::Probe | MethodKind::Ceiling => "beside",
    };
    let cells = metrics.into_iter().map(|metric| {
        let column = report.table.metrics.iter().position(|one| *one == metric);
        let cell = column.map(|column| &report.table.rows[row].cells[column]);
        let is_best = column.is_some_and(|column| report.best[column] == Some(row));
        let title = cell.map(explanation).unwrap_or_default();
        let interval = cell
            .and_then(|cell| cell.interval)
            .map(|interval| format!("{} to {}", number(interval.low), number(interval.high)));
        let mean = cell.and_then(|cell| cell.mean).map_or_else(|| "–".to_owned(), number);
        view! {
            <td class:best=is_best title=title>
                {is_best.then_some("★ ")}{mean}<small>{interval}</small>
            </td>
        }
    });
    view! {
        <tr class=class data-testid="evaluate-row">
            <th scope="row" class="name" title=note.about.clone()>{note.name.clone()}<small>{kind}</small></th>
            {cells.collect_view()}
        </tr>
    }
}

/// A number of the table.
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}").replace('-', "−"),
        _ => significant(value),
    }
}

/// What stands behind a cell: the comparison, or what is missing.
fn explanation(cell: &Cell) -> String {
    let mut parts = Vec::new();
    if let Some(paired) = &cell.against {
        let range = paired.interval.map_or_else(String::new, |i| format!(" ({} to {})", number(i.low), number(i.high)));
        let p = paired.p_value.map_or_else(String::new, |p| format!(", p = {p:.3}"));
        parts.push(format!("Gain over {}: {}{range}{p}; positive is better", paired.baseline, number(paired.gain)));
    }
    for missing in &cell.undefined {
        parts.push(format!("{} of {} perturbations", missing.reason.label(), missing.n_targets));
    }
    parts.join(". ")
}

#[component]
fn Chooser(report: Shared<Grid>, shown: RwSignal<Vec<Metric>>, testid: &'static str) -> impl IntoView {
    let all = report.table.metrics.clone();
    let boxes = {
        let all = all.clone();
        all.clone().into_iter().map(move |metric| {
            let card = metric.card();
            let all = all.clone();
            let toggle = move |event| {
                let is_on = event_target_checked(&event);
                shown.update(|shown| {
                    let wanted = |one: &Metric| if *one == metric { is_on } else { shown.contains(one) };
                    *shown = all.iter().copied().filter(wanted).collect();
                });
            };
            view! {
                <label class="check">
                    <input type="checkbox" prop:checked=move || shown.with(|shown| shown.contains(&metric)) on:change=toggle />
                    <span><strong>{card.label}</strong>" "<span class="quiet">{card.meaning}</span></span>
                </label>
            }
        })
    };
    view! {
        <details class="measures" data-testid=testid.replace("table", "measures")>
            <summary>{format!("Choose among {} measures", all.len())}</summary>
            <div class="measure-list">{boxes.collect_view()}</div>
        </details>
    }
}
