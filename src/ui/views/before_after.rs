//! What the bounds do: cells, and their medians, before and after.

use leptos::prelude::*;
use spec::dataset::{CellQuality, CellUnit};
use spec::prepare::CellFilter;

use crate::app::Shared;
use crate::format::{count, significant};

/// One column of the table: what it is of, and how its number is written.
struct Column {
    name: String,
    of: fn(&CellQuality) -> &Vec<f32>,
    write: fn(f64) -> String,
}

/// Before and after the bounds that are being drawn.
#[component]
pub fn BeforeAfter(quality: Shared<CellQuality>, unit: CellUnit, draft: RwSignal<CellFilter>) -> impl IntoView {
    let whole = |value: f64| count(value.round().max(0.0) as u64);
    let one = unit.singular();
    let columns = [
        Column { name: format!("median counts per {one}"), of: |quality| &quality.total_counts, write: whole },
        Column { name: format!("median genes per {one}"), of: |quality| &quality.n_genes_by_counts, write: whole },
        Column { name: "median mitochondrial, %".into(), of: |quality| &quality.pct_counts_mt, write: significant },
    ];
    let n_read = quality.total_counts.len();
    let kept = {
        let quality = quality.clone();
        Memo::new(move |_| {
            let filter = draft.get();
            (0..n_read).filter(|&cell| filter.keeps(&quality, cell)).collect::<Vec<usize>>()
        })
    };
    let heads = columns.iter().map(|column| view! { <th scope="col">{column.name.clone()}</th> }).collect_view();
    let before =
        columns.iter().map(|column| view! { <td>{written(median((column.of)(&quality).clone()), column.write)}</td> });
    let before = before.collect_view();
    let after = columns.map(|Column { of, write, .. }| {
        let quality = quality.clone();
        let median = move || {
            let values = of(&quality);
            kept.with(|kept| written(median(kept.iter().map(|&cell| values[cell]).collect()), write))
        };
        view! { <td>{median}</td> }
    });
    view! {
        <table class="before-after" data-testid="before-after">
            <thead><tr><td></td><th scope="col">{unit.plural()}</th>{heads}</tr></thead>
            <tbody>
                <tr><th scope="row">"before"</th><td>{count(n_read as u64)}</td>{before}</tr>
                <tr>
                    <th scope="row">"after"</th>
                    <td data-testid="n-after">{move || count(kept.with(Vec::len) as u64)}</td>
                    {after.collect_view()}
                </tr>
            </tbody>
        </table>
    }
}

fn written(value: Option<f64>, write: fn(f64) -> String) -> String {
    value.map_or_else(|| "–".into(), write)
}

/// The middle of the values that are numbers, or the mean of the middle two; none where there is none.
pub fn median(mut values: Vec<f32>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    let middle = values.len() / 2;
    let is_even = values.len().is_multiple_of(2);
    if values.is_empty() {
        return None;
    }
    let (below, upper, _) = values.select_nth_unstable_by(middle, f32::total_cmp);
    let upper = f64::from(*upper);
    let lower = below.iter().copied().reduce(f32::max).map_or(upper, f64::from);
    Some(if is_even { (lower + upper) / 2.0 } else { upper })
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        let check = |values: &[f32], expected: Option<f64>| assert_eq!(median(values.to_vec()), expected, "{values:?}");
        check(&[], None);
        check(&[f32::NAN], None);
        check(&[3.0], Some(3.0));
        check(&[4.0, 1.0], Some(2.5));
        check(&[9.0, 1.0, 2.0], Some(2.0));
        check(&[9.0, f32::NAN, 1.0, 2.0, 4.0], Some(3.0));
    }
}
