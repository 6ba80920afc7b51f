//! All genes of an answer: filtered, sorted, a page at a time.

use leptos::prelude::*;
use spec::prediction::Prediction;

use crate::app::Shared;
use crate::format::{count, signed, significant};

const PAGE: usize = 50;

/// Columns of the table, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Gene,
    Control,
    Predicted,
    HalfWidth,
    TrainingMean,
    Measured,
    StandardError,
}

impl Column {
    const ALL: [Column; 7] = [
        Column::Gene,
        Column::Control,
        Column::Predicted,
        Column::HalfWidth,
        Column::TrainingMean,
        Column::Measured,
        Column::StandardError,
    ];

    fn title(self) -> (&'static str, &'static str) {
        match self {
            Column::Gene => ("Gene", ""),
            Column::Control => ("Control mean", "log1p units"),
            Column::Predicted => ("Predicted change", "log1p units"),
            Column::HalfWidth => ("± interval", "half width, log1p units"),
            Column::TrainingMean => ("Training mean", "log1p units"),
            Column::Measured => ("Measured change", "log1p units"),
            Column::StandardError => ("Standard error", "log1p units"),
        }
    }

    fn value(self, prediction: &Prediction, gene: usize) -> Option<f64> {
        let measured = prediction.measured.as_ref();
        let values = match self {
            Column::Gene => None,
            Column::Control => Some(&prediction.control_mean),
            Column::Predicted => Some(&prediction.delta),
            Column::HalfWidth => prediction.uncertainty.intervals().map(|intervals| &intervals.half_width),
            Column::TrainingMean => prediction.training_mean.as_ref(),
            Column::Measured => measured.map(|measured| &measured.delta),
            Column::StandardError => measured.map(|measured| &measured.standard_error),
        };
        values.and_then(|values| values.get(gene)).map(|value| f64::from(*value))
    }

    fn text(self, prediction: &Prediction, gene: usize) -> String {
        match (self, self.value(prediction, gene)) {
            (Column::Gene, _) => prediction.genes[gene].clone(),
            (_, None) => "–".into(),
            (Column::HalfWidth, Some(value)) if !value.is_finite() => "–".into(),
            (Column::Control | Column::HalfWidth | Column::StandardError, Some(value)) => significant(value),
            (_, Some(value)) => signed(value),
        }
    }
}

/// How the rows are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Order {
    column: Column,
    direction: Direction,
}

/// Which value comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    /// The largest whatever its sign; for changes only.
    Size,
    /// The largest.
    Descending,
    /// The smallest.
    Ascending,
}

impl Order {
    /// The order after a click on the head of `column`.
    fn clicked(self, column: Column) -> Self {
        let is_change = matches!(column, Column::Predicted | Column::TrainingMean | Column::Measured);
        let direction = match (self.column == column).then_some(self.direction) {
            None if is_change => Direction::Size,
            None if column == Column::Gene => Direction::Ascending,
            None | Some(Direction::Size) => Direction::Descending,
            Some(Direction::Descending) => Direction::Ascending,
            Some(Direction::Ascending) if is_change => Direction::Size,
            Some(Direction::Ascending) => Direction::Descending,
        };
        Self { column, direction }
    }
}

/// Indices of the genes that contain `filter`, in order; what is missing comes last.
fn rows(prediction: &Prediction, filter: &str, order: Order) -> Vec<usize> {
    let wanted = filter.trim().to_uppercase();
    let mut rows: Vec<usize> =
        (0..prediction.genes.len()).filter(|i| prediction.genes[*i].to_uppercase().contains(&wanted)).collect();
    if order.column == Column::Gene {
        rows.sort_by(|a, b| prediction.genes[*a].cmp(&prediction.genes[*b]));
        if order.direction == Direction::Descending {
            rows.reverse();
        }
        return rows;
    }
    let key = |i: usize| match order.column.value(prediction, i).filter(|value| value.is_finite()) {
        None => f64::INFINITY,
        Some(value) => match order.direction {
            Direction::Size => -value.abs(),
            Direction::Descending => -value,
            Direction::Ascending => value,
        },
    };
    rows.sort_by(|a, b| key(*a).total_cmp(&key(*b)));
    rows
}

/// The table with its filter and pages.
#[component]
pub fn GeneTable(prediction: Shared<Prediction>) -> impl IntoView {
    let filter = RwSignal::new(String::new());
    let order = RwSignal::new(Order { column: Column::Predicted, direction: Direction::Size });
    let page = RwSignal::new(0_usize);
    let found = {
        let prediction = prediction.clone();
        Memo::new(move |_| rows(&prediction, &filter.get(), order.get()))
    };
    let typed = move |event| {
        filter.set(event_target_value(&event));
        page.set(0);
    };
    let body = {
        let prediction = prediction.clone();
        move || {
            let rows = found.get();
            let shown = rows.iter().skip(page.get() * PAGE).take(PAGE);
            shown.map(|gene| view! { <GeneRow prediction=prediction.clone() gene=*gene /> }).collect_view()
        }
    };
    let heads = Column::ALL.map(|column| view! { <Head column order page /> });
    view! {
        <div class="panel genes">
            <div class="row between">
                <h3>"All genes"</h3>
                <input
                    type="search"
                    placeholder="Filter by symbol"
                    aria-label="Filter genes by symbol"
                    data-testid="gene-filter"
                    prop:value=move || filter.get()
                    on:input=typed
                />
                <Pages page n_rows=Memo::new(move |_| found.get().len()) />
            </div>
            <div class="scroll" tabindex="0" role="region" aria-label="Genes">
                <table data-testid="gene-table">
                    <thead><tr>{heads.collect_view()}</tr></thead>
                    <tbody>{body}</tbody>
                </table>
            </div>
        </div>
    }
}

#[component]
fn Head(column: Column, order: RwSignal<Order>, page: RwSignal<usize>) -> impl IntoView {
    let (title, unit) = column.title();
    let direction = move || Some(order.get()).filter(|order| order.column == column).map(|order| order.direction);
    let sorted = move || match direction() {
        Some(Direction::Size) => "other",
        Some(Direction::Descending) => "descending",
        Some(Direction::Ascending) => "ascending",
        None => "none",
    };
    let arrow = move || match direction() {
        Some(Direction::Size) => " |↓|",
        Some(Direction::Descending) => " ↓",
        Some(Direction::Ascending) => " ↑",
        None => "",
    };
    let hint = move || match direction() {
        Some(Direction::Size) => "Largest change first, whatever its sign",
        Some(Direction::Descending) => "Largest first",
        Some(Direction::Ascending) => "Smallest first",
        None => "Sort by this column",
    };
    let sort = move |_| {
        order.update(|order| *order = order.clicked(column));
        page.set(0);
    };
    view! {
        <th scope="col" aria-sort=sorted>
            <button type="button" title=hint on:click=sort>{title}{arrow}<small>{unit}</small></button>
        </th>
    }
}

#[component]
fn GeneRow(prediction: Shared<Prediction>, gene: usize) -> impl IntoView {
    let cells = Column::ALL[1..].iter().map(|column| view! { <td>{column.text(&prediction, gene)}</td> });
    let cells = cells.collect_view();
    view! { <tr data-testid="gene-row"><th scope="row">{Column::Gene.text(&prediction, gene)}</th>{cells}</tr> }
}

#[component]
fn Pages(page: RwSignal<usize>, n_rows: Memo<usize>) -> impl IntoView {
    let text = move || {
        let (n, from) = (n_rows.get(), page.get() * PAGE);
        match n {
            0 => "no gene".to_string(),
            n => format!("{}–{} of {}", from + 1, (from + PAGE).min(n), count(n as u64)),
        }
    };
    let is_last = move || (page.get() + 1) * PAGE >= n_rows.get();
    view! {
        <div class="pages">
            <span aria-live="polite">{text}</span>
            <button type="button" class="icon" aria-label="Previous genes" disabled=move || page.get() == 0 on:click=move |_| page.update(|p| *p = p.saturating_sub(1))>
                "‹"
            </button>
            <button type="button" class="icon" aria-label="Next genes" disabled=is_last on:click=move |_| page.update(|p| *p += 1)>
                "›"
            </button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use spec::model::Mode;
    use spec::prediction::{Prediction, Query, Support, Uncertainty};

    use super::{Column, Direction, Order, rows};

    #[test]
    fn rows_are_filtered_and_sorted() {
        let prediction = Prediction {
            query: Query::of("A", Mode::Knockout),
            support: Support::Seen,
            nearest: None,
            genes: ["B1", "A1", "B2"].map(String::from).into(),
            control_mean: vec![1.0, 2.0, 3.0],
            delta: vec![-0.5, 0.1, 0.3],
            uncertainty: Uncertainty::Unknown { reason: String::new() },
            training_mean: None,
            parts: Vec::new(),
            additive: None,
            measured: None,
            agreement: vec![],
            warnings: Vec::new(),
            n_control_cells: 1,
            n_control_rows: 1,
            elapsed_secs: 0.0,
        };
        let by = |column, direction| Order { column, direction };
        assert_eq!(rows(&prediction, "", by(Column::Predicted, Direction::Descending)), [2, 1, 0]);
        assert_eq!(rows(&prediction, "", by(Column::Predicted, Direction::Size)), [0, 2, 1]);
        assert_eq!(rows(&prediction, "b", by(Column::Predicted, Direction::Ascending)), [0, 2]);
        assert_eq!(rows(&prediction, "", by(Column::Gene, Direction::Ascending)), [1, 0, 2]);
        assert_eq!(rows(&prediction, "", by(Column::Measured, Direction::Size)).len(), 3);
    }
}
