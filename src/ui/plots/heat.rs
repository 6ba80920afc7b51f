//! Several answers beside each other: a row an answer, a column a gene, a colour the change.
//!
//! Blue falls, orange rises; both ends are told apart with any colour vision, and by their lightness from no change.

use leptos::prelude::*;

use crate::format::{signed, tick};

/// Colours of the largest fall, of no change, and of the largest rise.
const ENDS: [[f64; 3]; 3] = [[0.0, 82.0, 155.0], [247.0, 247.0, 244.0], [196.0, 84.0, 0.0]];
/// What was not measured.
const NOTHING: &str = "#9a9a9a";

const LEFT: f64 = 158.0;
/// Room for the last gene's name.
const RIGHT: f64 = 30.0;
const TOP: f64 = 64.0;
const COLUMN: f64 = 17.0;
const ROW: f64 = 20.0;
const LEGEND: f64 = 46.0;
/// Letters of a row's name that have room.
const N_LETTERS: usize = 27;

/// A row.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatRow {
    /// What was asked, or measured.
    pub name: String,
    /// Change per gene (log1p units), by column of the table; not finite where nothing is known.
    pub values: Vec<f32>,
}

/// A table of changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    /// Symbols of the columns.
    pub genes: Vec<String>,
    /// Rows.
    pub rows: Vec<HeatRow>,
}

impl Heat {
    /// The `n` genes with the largest change in any of `rows` (values of all `genes`); clustered by nothing, in the order of
    /// their mean change.
    pub fn of(genes: &[String], rows: Vec<HeatRow>, n: usize) -> Self {
        let finite = |row: &HeatRow, gene: usize| row.values.get(gene).copied().filter(|value| value.is_finite());
        let largest =
            |gene: usize| rows.iter().filter_map(|row| finite(row, gene)).fold(0.0_f32, |a, v| a.max(v.abs()));
        let mean = |gene: usize| rows.iter().filter_map(|row| finite(row, gene)).sum::<f32>();
        let mut order: Vec<usize> = (0..genes.len()).filter(|&gene| largest(gene) > 0.0).collect();
        order.sort_by(|&a, &b| largest(b).total_cmp(&largest(a)));
        order.truncate(n);
        order.sort_by(|&a, &b| mean(a).total_cmp(&mean(b)));
        let chosen =
            |row: &HeatRow| order.iter().map(|&gene| row.values.get(gene).copied().unwrap_or(f32::NAN)).collect();
        Self {
            genes: order.iter().map(|&gene| genes[gene].clone()).collect(),
            rows: rows.iter().map(|row| HeatRow { name: row.name.clone(), values: chosen(row) }).collect(),
        }
    }

    /// The largest change, whatever its sign; above 0.
    pub fn reach(&self) -> f64 {
        let values = self.rows.iter().flat_map(|row| &row.values).filter(|value| value.is_finite());
        values.fold(1e-6, |reach, value| reach.max(f64::from(value.abs())))
    }
}

/// The colour of a change.
pub fn colour(value: f64, reach: f64) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    let share = (value / reach).clamp(-1.0, 1.0);
    let end = if share < 0.0 { ENDS[0] } else { ENDS[2] };
    let [r, g, b] = std::array::from_fn(|at| (ENDS[1][at] + share.abs() * (end[at] - ENDS[1][at])).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}

/// The drawing.
#[component]
pub fn HeatMap(heat: Heat) -> impl IntoView {
    let reach = heat.reach();
    let (n_columns, n_rows) = (heat.genes.len() as f64, heat.rows.len() as f64);
    let (width, height) = ((LEFT + COLUMN * n_columns + RIGHT).max(430.0), TOP + ROW * n_rows + LEGEND);
    let x = |column: usize| LEFT + COLUMN * column as f64;
    let names: Vec<_> = heat
        .genes
        .iter()
        .enumerate()
        .map(|(column, gene)| {
            let place = format!("translate({} {}) rotate(-60)", x(column) + COLUMN * 0.65, TOP - 6.0);
            view! { <text class="tick" x="0" y="0" transform=place>{gene.clone()}</text> }
        })
        .collect();
    let rows: Vec<_> = heat
        .rows
        .iter()
        .enumerate()
        .map(|(at, row)| {
            let y = TOP + ROW * at as f64;
            let cells: Vec<_> = row
                .values
                .iter()
                .zip(&heat.genes)
                .enumerate()
                .map(|(column, (value, gene))| {
                    let value = f64::from(*value);
                    let title = format!("{}, {gene}: {}", row.name, signed(value));
                    view! {
                        <rect class="cell" x=x(column) y=y width=COLUMN height=ROW fill=colour(value, reach)><title>{title}</title></rect>
                    }
                })
                .collect();
            view! {
                <g>
                    <text class="gene" x=LEFT - 6.0 y=y + ROW / 2.0 + 4.0 text-anchor="end">{shortened(&row.name)}<title>{row.name.clone()}</title></text>
                    {cells}
                </g>
            }
        })
        .collect();
    let spoken =
        format!("Predicted change of {} genes in {} answers, in log1p units", heat.genes.len(), heat.rows.len());
    view! {
        <svg class="drawn heat" viewBox=format!("0 0 {width} {height}") role="img" aria-label=spoken data-testid="heat-map">
            {names}
            {rows}
            {legend(reach, height - LEGEND + 16.0)}
        </svg>
    }
}

/// What the colours mean.
fn legend(reach: f64, y: f64) -> impl IntoView {
    const N_STEPS: usize = 21;
    const STEP: f64 = 8.0;
    let steps: Vec<_> = (0..N_STEPS)
        .map(|step| {
            let value = reach * (2.0 * step as f64 / (N_STEPS - 1) as f64 - 1.0);
            view! { <rect x=LEFT + STEP * step as f64 y=y width=STEP + 0.5 height="9" fill=colour(value, reach) /> }
        })
        .collect();
    let marks: Vec<_> = [-reach, 0.0, reach]
        .into_iter()
        .zip([0.0, 0.5, 1.0])
        .map(|(value, share)| {
            let at = LEFT + STEP * N_STEPS as f64 * share;
            view! { <text class="tick" x=at y=y + 22.0 text-anchor="middle">{tick((value * 100.0).round() / 100.0)}</text> }
        })
        .collect();
    view! {
        {steps}
        {marks}
        <text class="tick" x=LEFT - 22.0 y=y + 9.0 text-anchor="end">"change (log1p units)"</text>
    }
}

fn shortened(name: &str) -> String {
    match name.chars().count() > N_LETTERS {
        true => name.chars().take(N_LETTERS - 1).chain(['…']).collect(),
        false => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Heat, HeatRow, NOTHING, colour};

    #[test]
    fn the_genes_with_the_largest_changes_are_shown_from_fall_to_rise() {
        let genes = ["A", "B", "C", "D"].map(String::from);
        let row = |name: &str, values: [f32; 4]| HeatRow { name: name.into(), values: values.into() };
        let rows = vec![row("one", [0.1, -0.9, 0.0, f32::NAN]), row("two", [0.5, 0.1, 0.0, f32::NAN])];
        let heat = Heat::of(&genes, rows, 2);
        assert_eq!(heat.genes, ["B", "A"]);
        assert_eq!(heat.rows[1].values, [0.1, 0.5]);
        assert!((heat.reach() - 0.9).abs() < 1e-6);
        assert!(Heat::of(&genes, Vec::new(), 2).genes.is_empty());
    }

    #[test]
    fn colours_diverge_from_no_change() {
        assert_eq!([colour(0.0, 2.0), colour(-2.0, 2.0), colour(9.0, 2.0)], ["#f7f7f4", "#00529b", "#c45400"]);
        assert_eq!(colour(f64::NAN, 1.0), NOTHING);
    }
}
