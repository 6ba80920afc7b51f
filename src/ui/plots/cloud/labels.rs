//! Names on a map: one at the middle of each label's cells, the larger first, none over another.

use leptos::prelude::*;

use super::camera::Camera;
use super::{Coloured, Linked, Palette, Points};
use crate::app::Shared;

/// Labels that are named at most.
const MAX_NAMED: usize = 60;
/// Cells of a label that its middle is taken of, about.
const SAMPLE: usize = 1_500;
/// Room that a name takes: pixels a letter, and in height.
const LETTER: f64 = 7.0;
const HEIGHT: f64 = 17.0;

/// A name and the middle of its cells.
#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    /// The level it names.
    pub level: u16,
    /// The name.
    pub text: String,
    /// Medians of the coordinates.
    pub x: f32,
    /// The same, upwards.
    pub y: f32,
}

/// The names of the labels, those of most cells first; none where colours are values, or labels are too many.
pub fn names(points: &Points, coloured: &Coloured) -> Vec<Name> {
    let Palette::Labels(labels) = &coloured.palette else { return Vec::new() };
    // Labels with an order are a foreground and its background, not places.
    if labels.len() > MAX_NAMED || labels.len() < 2 || coloured.paint.is_ordered {
        return Vec::new();
    }
    let mut sizes = vec![0_usize; labels.len()];
    let levels = &coloured.paint.level_of_cell;
    levels.iter().for_each(|&level| {
        if let Some(size) = sizes.get_mut(level as usize) {
            *size += 1;
        }
    });
    let mut cells: Vec<(Vec<f32>, Vec<f32>)> = vec![Default::default(); labels.len()];
    let mut seen = vec![0_usize; labels.len()];
    for ((&level, &x), &y) in levels.iter().zip(&points.x).zip(&points.y) {
        let level = level as usize;
        if level >= labels.len() || !x.is_finite() || !y.is_finite() {
            continue;
        }
        if seen[level].is_multiple_of(sizes[level].div_ceil(SAMPLE).max(1)) {
            cells[level].0.push(x);
            cells[level].1.push(y);
        }
        seen[level] += 1;
    }
    let median = |values: &mut Vec<f32>| {
        values.sort_unstable_by(f32::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let name = |(level, (xs, ys)): (usize, &mut (Vec<f32>, Vec<f32>))| {
        Some(Name { level: level as u16, text: labels[level].1.clone(), x: median(xs)?, y: median(ys)? })
    };
    let mut names: Vec<Name> = cells.iter_mut().enumerate().filter_map(name).collect();
    names.sort_by_key(|name| std::cmp::Reverse(sizes[name.level as usize]));
    names
}

/// Where names are written (their middle, in pixels); those that would lie over an earlier one are left out.
pub fn placed<'a>(names: &'a [Name], camera: &Camera) -> Vec<(&'a Name, f64, f64)> {
    let mut placed: Vec<(&Name, f64, f64)> = Vec::new();
    let width = |name: &Name| LETTER * name.text.chars().count() as f64 + 6.0;
    for name in names {
        let (x, y) = camera.place(name.x, name.y);
        let is_inside = (0.0..=camera.width).contains(&x) && (0.0..=camera.height).contains(&y);
        let is_free = placed.iter().all(|&(other, other_x, other_y)| {
            (x - other_x).abs() > (width(name) + width(other)) / 2.0 || (y - other_y).abs() > HEIGHT
        });
        if is_inside && is_free {
            placed.push((name, x, y));
        }
    }
    placed
}

/// The names on the map.
#[component]
pub fn Names(
    points: Signal<Shared<Points>>,
    coloured: Signal<Shared<Coloured>>,
    linked: Linked,
    camera: Memo<Camera>,
) -> impl IntoView {
    let known = Memo::new(move |_| match linked.names_labels.get() {
        true => points.with(|points| coloured.with(|coloured| names(points, coloured))),
        false => Vec::new(),
    });
    move || {
        let camera = camera.get();
        known.with(|names| {
            let shown: Vec<Name> = linked
                .hidden
                .with(|hidden| names.iter().filter(|name| !hidden.contains(&name.level)).cloned().collect());
            let written = placed(&shown, &camera).into_iter().map(|(name, x, y)| {
                view! { <span style=format!("left:{x:.0}px;top:{y:.0}px")>{name.text.clone()}</span> }
            });
            view! { <div class="names" aria-hidden="true">{written.collect_view()}</div> }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{names, placed};
    use crate::plots::cloud::camera::{Camera, Extent};
    use crate::plots::cloud::{Coloured, Paint, Palette, Points};

    #[test]
    fn labels_are_named_at_their_middle_and_none_over_another() {
        let points = Points { x: vec![0.0, 0.0, 0.1, 10.0, 10.0, 0.05], y: vec![0.0, 0.0, 0.0, 10.0, 10.0, 0.0] };
        let label = |name: &str| (String::new(), name.to_string());
        let coloured = Coloured {
            title: String::new(),
            paint: Paint { level_of_cell: vec![0, 0, 0, 1, 1, 2], n_levels: 3, is_ordered: false },
            palette: Palette::Labels(vec![label("many"), label("far"), label("beside")]),
        };
        let found = names(&points, &coloured);
        let texts: Vec<&str> = found.iter().map(|name| name.text.as_str()).collect();
        assert_eq!((texts, found[1].x), (vec!["many", "far", "beside"], 10.0));
        let extent = Extent::of(&points);
        let camera = Camera::new(&extent, extent.whole(), 300.0, 300.0);
        let written: Vec<&str> = placed(&found, &camera).iter().map(|(name, ..)| name.text.as_str()).collect();
        assert_eq!(written, ["many", "far"], "the third lies over the first");
        let ramp = Coloured { palette: Palette::Density, ..coloured };
        assert!(names(&points, &ramp).is_empty());
    }
}
