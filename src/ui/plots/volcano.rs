//! Change against how sure it is: one dot a gene. What "sure" is in, the caller says; it is no p value.

use leptos::prelude::*;

use crate::format::{signed, significant};
use crate::plots::axis::ticks;
use crate::plots::field::Field;

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 380.0;
const FIELD: Field = Field { left: 46.0, right: WIDTH - 12.0, top: 10.0, bottom: HEIGHT - 44.0 };
/// Genes that are named.
const N_NAMED: usize = 14;

/// One gene.
#[derive(Debug, Clone, PartialEq)]
pub struct Dot {
    /// Symbol.
    pub gene: String,
    /// Its change (log1p units).
    pub change: f64,
    /// What the change is held against (log1p units), above 0: the half width of an interval, or a standard error.
    pub spread: f64,
}

impl Dot {
    /// How many times what it is held against the change is.
    pub fn times(&self) -> f64 {
        self.change.abs() / self.spread
    }
}

/// What the vertical axis is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Its name.
    pub axis: &'static str,
    /// What a change is held against, in words.
    pub spread: &'static str,
    /// The line from which a change is told from none.
    pub line: f64,
}

/// Those that have a finite change and something above 0 to hold it against, and how many have not.
pub fn dots(genes: &[String], changes: &[f32], spreads: &[f32]) -> (Vec<Dot>, usize) {
    let all = genes.iter().zip(changes.iter().zip(spreads));
    let dots: Vec<Dot> = all
        .filter(|(_, (change, spread))| change.is_finite() && spread.is_finite() && **spread > 0.0)
        .map(|(gene, (change, spread))| Dot {
            gene: gene.clone(),
            change: f64::from(*change),
            spread: f64::from(*spread),
        })
        .collect();
    let n_left_out = genes.len() - dots.len();
    (dots, n_left_out)
}

/// The class of a dot: up, down, or not told from no change.
fn class(dot: &Dot, line: f64) -> &'static str {
    match dot.times() > line {
        false => "dot three",
        true if dot.change > 0.0 => "dot two",
        true => "dot one",
    }
}

/// The plot.
#[component]
pub fn Volcano(dots: Vec<Dot>, scale: Scale, spoken: String) -> impl IntoView {
    let reach = dots.iter().map(|dot| dot.change.abs()).fold(1e-3, f64::max) * 1.08;
    let highest = dots.iter().map(Dot::times).fold(scale.line, f64::max) * 1.06;
    let x = move |value: f64| FIELD.left + (value + reach) / (2.0 * reach) * (FIELD.right - FIELD.left);
    let y = move |value: f64| FIELD.bottom - value / highest * (FIELD.bottom - FIELD.top);
    let mut order: Vec<&Dot> = dots.iter().collect();
    // The surest are painted last.
    order.sort_by(|a, b| a.times().total_cmp(&b.times()));
    let circles: Vec<_> = order
        .iter()
        .map(|dot| {
            let title = format!(
                "{}: change {}, {} {}, {} times",
                dot.gene,
                signed(dot.change),
                scale.spread,
                significant(dot.spread),
                significant(dot.times())
            );
            view! {
                <circle class=class(dot, scale.line) cx=x(dot.change) cy=y(dot.times()) r="3.2"><title>{title}</title></circle>
            }
        })
        .collect();
    let places: Vec<(&str, f64, f64)> = order
        .iter()
        .rev()
        .take_while(|dot| dot.times() > scale.line)
        .map(|dot| (dot.gene.as_str(), x(dot.change), y(dot.times())))
        .collect();
    let names: Vec<_> = named(&places)
        .into_iter()
        .map(|(gene, at_x, at_y, is_left)| {
            let (anchor, shift) = if is_left { ("end", -5.0) } else { ("start", 5.0) };
            view! { <text class="tick" x=at_x + shift y=at_y + 3.5 text-anchor=anchor>{gene}</text> }
        })
        .collect();
    view! {
        <svg class="drawn volcano" viewBox=format!("0 0 {WIDTH} {HEIGHT}") role="img" aria-label=spoken data-testid="volcano">
            {FIELD.columns(ticks(-reach, reach, 6), x)}
            {FIELD.rows(ticks(0.0, highest, 5), y)}
            <line class="same" x1=FIELD.left x2=FIELD.right y1=y(scale.line) y2=y(scale.line) />
            {circles}
            {names}
            {FIELD.names("change against control cells (log1p units)", scale.axis)}
        </svg>
    }
}

/// Names that do not lie on each other, each on the outer side of its dot; the first come first.
fn named(places: &[(&str, f64, f64)]) -> Vec<(String, f64, f64, bool)> {
    let middle = f64::midpoint(FIELD.left, FIELD.right);
    let mut taken: Vec<(f64, f64, f64)> = Vec::new();
    let mut named = Vec::new();
    for &(gene, x, y) in places {
        if named.len() == N_NAMED {
            break;
        }
        let width = 5.0 + 6.6 * gene.chars().count() as f64;
        // Within the field, away from the middle where there is room.
        let is_left = (x < middle && x - width > FIELD.left) || x + width > FIELD.right;
        let (from, to) = if is_left { (x - width, x) } else { (x, x + width) };
        let is_free = taken.iter().all(|&(low, high, at)| (at - y).abs() > 10.0 || to < low || from > high);
        if is_free {
            taken.push((from, to, y));
            named.push((gene.to_string(), x, y, is_left));
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::{FIELD, class, dots, named};

    #[test]
    fn a_gene_without_an_interval_has_no_place() {
        let genes = ["A", "B", "C", "D", "E"].map(String::from);
        let (found, n_left_out) = dots(&genes, &[0.5, -0.5, f32::NAN, 0.1, 0.2], &[0.25, 0.25, 0.25, f32::NAN, 0.0]);
        let told: Vec<(&str, f64)> = found.iter().map(|dot| (dot.gene.as_str(), dot.times())).collect();
        assert_eq!((told, n_left_out), (vec![("A", 2.0), ("B", 2.0)], 3));
        assert_eq!(
            [class(&found[0], 1.0), class(&found[1], 1.0), class(&found[0], 2.0)],
            ["dot two", "dot one", "dot three"]
        );
    }

    #[test]
    fn names_stay_inside_and_apart() {
        let edge = FIELD.right - 4.0;
        let found = named(&[("STAT1", edge, 40.0), ("IRF1", edge - 2.0, 43.0), ("JAK2", FIELD.left + 3.0, 90.0)]);
        let told: Vec<(&str, bool)> = found.iter().map(|(gene, _, _, is_left)| (gene.as_str(), *is_left)).collect();
        assert_eq!(told, [("STAT1", true), ("JAK2", false)]);
    }
}
