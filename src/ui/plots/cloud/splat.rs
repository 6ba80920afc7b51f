//! Paints dots into a picture on the CPU: a million in some milliseconds, without WebGL or WebGPU.
//!
//! Dots are sorted once into the order they are painted in ([`Dots`]); which of them are hidden or chosen is looked up while
//! painting ([`Scene`]), so that a click on the legend sorts nothing. A draft paints every n-th dot of that order, which is a
//! fair sample of each level.

use std::collections::BTreeSet;

use super::camera::Camera;
use super::{Paint, Points};

/// A dot that is not painted.
pub const UNPAINTED: u16 = u16::MAX;

/// Dots in the order of painting.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dots {
    places: Vec<[f32; 2]>,
    levels: Vec<u16>,
    cells: Vec<u32>,
    n_of_level: Vec<usize>,
}

/// Dots, and what of them a person wants to see.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The dots.
    pub dots: &'a Dots,
    /// Levels that are not painted.
    pub hidden: &'a BTreeSet<u16>,
    /// By cell; those that are not chosen lie below the others, in the colour that follows the levels of the paint.
    pub is_selected: Option<&'a [bool]>,
}

/// How dots look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Style {
    /// Pixels.
    pub radius: f64,
    /// 0 to 1.
    pub opacity: f64,
    /// Every n-th dot is painted.
    pub every: usize,
}

impl Dots {
    /// Sorts the dots by level where levels have an order, else mixed, so that no label covers the others.
    pub fn new(points: &Points, paint: &Paint) -> Self {
        let n = points.x.len().min(points.y.len());
        let n_levels = paint.n_levels();
        let level = |cell: usize| -> Option<usize> {
            let level = paint.level_of_cell.get(cell).copied().unwrap_or(UNPAINTED) as usize;
            let is_placed = points.x[cell].is_finite() && points.y[cell].is_finite();
            (is_placed && level < n_levels).then_some(level)
        };
        let mut n_of_level = vec![0; n_levels];
        (0..n).filter_map(level).for_each(|level| n_of_level[level] += 1);
        let n_painted = n_of_level.iter().sum();
        let mut starts = vec![0; n_levels];
        for at in 1..n_levels {
            starts[at] = starts[at - 1] + n_of_level[at - 1];
        }
        let mut dots = Self {
            places: vec![[0.0; 2]; n_painted],
            levels: vec![0; n_painted],
            cells: vec![0; n_painted],
            n_of_level,
        };
        let step = stride(n);
        let mut cell = 0;
        let mut mixed = 0;
        for _ in 0..n {
            if let Some(of_cell) = level(cell) {
                let start = if paint.is_ordered { &mut starts[of_cell] } else { &mut mixed };
                dots.places[*start] = [points.x[cell], points.y[cell]];
                dots.levels[*start] = of_cell as u16;
                dots.cells[*start] = cell as u32;
                *start += 1;
            }
            cell = (cell + step) % n;
        }
        dots
    }
}

impl Scene<'_> {
    /// Dots that are painted.
    pub fn n_shown(&self) -> usize {
        let levels = self.dots.n_of_level.iter().enumerate();
        levels.filter(|(level, _)| !self.hidden.contains(&(*level as u16))).map(|(_, n)| n).sum()
    }

    /// Each dot's place and the place of its colour in the table, in the order of painting.
    pub fn each(&self, every: usize, mut paint: impl FnMut([f32; 2], u16)) {
        let Dots { places, levels, cells, n_of_level } = self.dots;
        let shown: Vec<bool> = (0..n_of_level.len() as u16).map(|level| !self.hidden.contains(&level)).collect();
        let dots = || {
            places
                .iter()
                .zip(levels)
                .zip(cells)
                .step_by(every.max(1))
                .map(|((place, level), cell)| (place, level, cell))
        };
        let Some(is_selected) = self.is_selected else {
            dots().filter(|(_, level, _)| shown[**level as usize]).for_each(|(place, level, _)| paint(*place, *level));
            return;
        };
        let rest = n_of_level.len() as u16;
        for chosen in [false, true] {
            for (place, level, cell) in dots() {
                if shown[*level as usize] && is_selected.get(*cell as usize).copied().unwrap_or_default() == chosen {
                    paint(*place, if chosen { *level } else { rest });
                }
            }
        }
    }

    /// Paints over a picture of `width` pixels a row (red, green, blue, opacity: one byte each, in this order).
    pub fn paint(&self, picture: &mut [u32], width: usize, camera: &Camera, table: &[u32], style: Style) {
        let height = picture.len() / width.max(1);
        let stamp = Stamp::new(style.radius, style.opacity);
        let reach = stamp.reach as i64;
        let inner = |at: i64, size: usize| at >= reach && at + reach < size as i64;
        self.each(style.every, |[x, y], colour| {
            let (x, y) = camera.place(x, y);
            let (x, y) = (x.floor() as i64, y.floor() as i64);
            let Some(&colour) = table.get(colour as usize) else { return };
            if inner(x, width) && inner(y, height) {
                let at = y as usize * width + x as usize;
                for &(dx, dy, opacity) in &stamp.pixels {
                    let pixel = &mut picture[(at as i64 + dy * width as i64 + dx) as usize];
                    *pixel = blended(*pixel, colour, opacity);
                }
            } else {
                for &(dx, dy, opacity) in &stamp.pixels {
                    let (x, y) = (x + dx, y + dy);
                    if (0..width as i64).contains(&x) && (0..height as i64).contains(&y) {
                        let pixel = &mut picture[y as usize * width + x as usize];
                        *pixel = blended(*pixel, colour, opacity);
                    }
                }
            }
        });
    }

    /// Paints how many dots lie about each pixel, from none (untouched) to the most, by the logarithm.
    pub fn paint_density(&self, picture: &mut [u32], width: usize, camera: &Camera, table: &[u32], reach: usize) {
        let height = picture.len() / width.max(1);
        let mut counts = vec![0_u32; picture.len()];
        self.each(1, |[x, y], _| {
            let (x, y) = camera.place(x, y);
            if (0.0..width as f64).contains(&x) && (0.0..height as f64).contains(&y) {
                counts[y as usize * width + x as usize] += 1;
            }
        });
        let counts = spread(&spread(&counts, width, reach, true), width, reach, false);
        let most = counts.iter().copied().max().unwrap_or_default();
        let n_levels = table.len().saturating_sub(1);
        if most == 0 || n_levels == 0 {
            return;
        }
        let per_level = n_levels as f64 / f64::from(most).ln_1p();
        for (pixel, count) in picture.iter_mut().zip(counts).filter(|(_, count)| *count > 0) {
            *pixel = table[((f64::from(count).ln_1p() * per_level) as usize).min(n_levels - 1)];
        }
    }
}

/// Sums over a window of `2 * reach + 1` pixels along one axis.
fn spread(counts: &[u32], width: usize, reach: usize, along_rows: bool) -> Vec<u32> {
    let height = counts.len() / width.max(1);
    let (n_lines, length, line_step, step) =
        if along_rows { (height, width, width, 1) } else { (width, height, 1, width) };
    let mut sums = vec![0; counts.len()];
    for line in 0..n_lines {
        let at = |place: usize| line * line_step + place * step;
        let mut sum: u32 = (0..length.min(reach)).map(|place| counts[at(place)]).sum();
        for place in 0..length {
            if place + reach < length {
                sum += counts[at(place + reach)];
            }
            sums[at(place)] = sum;
            if place >= reach {
                sum -= counts[at(place - reach)];
            }
        }
    }
    sums
}

/// A step through all of `0..n` that jumps about: prime to n, near the golden section.
fn stride(n: usize) -> usize {
    let divisor = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let wanted = (n as f64 * 0.618_034) as usize;
    (wanted.max(1)..).find(|&step| divisor(step, n.max(1)) == 1).unwrap_or(1)
}

/// The pixels of a disc about the one it is on, with the opacity of each in 1/256.
struct Stamp {
    pixels: Vec<(i64, i64, u32)>,
    reach: usize,
}

impl Stamp {
    fn new(radius: f64, opacity: f64) -> Self {
        let reach = (radius - 0.5).ceil().max(0.0) as i64;
        let covered = |dx: i64, dy: i64| (radius + 0.5 - (dx as f64).hypot(dy as f64)).clamp(0.0, 1.0);
        let mut pixels = Vec::new();
        for (dy, dx) in (-reach..=reach).flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx))) {
            let opacity = (256.0 * opacity * covered(dx, dy)).round() as u32;
            if opacity > 0 {
                pixels.push((dx, dy, opacity.min(256)));
            }
        }
        Self { pixels, reach: reach as usize }
    }
}

/// A colour over another, opaque or transparent one.
fn blended(below: u32, above: u32, opacity: u32) -> u32 {
    const PAIRS: u32 = 0x00ff_00ff;
    let rest = 256 - opacity;
    let (even, odd) = (below & PAIRS, (below >> 8) & PAIRS);
    let (above_even, above_odd) = (above & PAIRS, (above >> 8) & PAIRS);
    let even = ((even * rest + above_even * opacity) >> 8) & PAIRS;
    let odd = (odd * rest + above_odd * opacity) & !PAIRS;
    even | odd
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Dots, Scene, Style, UNPAINTED, blended, spread, stride};
    use crate::plots::cloud::camera::{Camera, Extent};
    use crate::plots::cloud::{Paint, Points};

    const RED: u32 = 0xff00_00ff;
    const BLUE: u32 = 0xffff_0000;
    const FADED: u32 = 0xffcc_cccc;

    fn points() -> Points {
        Points { x: vec![0.0, 1.0, 2.0, f32::NAN, 3.0], y: vec![0.0, 1.0, 2.0, 1.0, 3.0] }
    }

    fn paint(is_ordered: bool) -> Paint {
        Paint { level_of_cell: vec![1, 0, 1, 1, UNPAINTED], n_levels: 2, is_ordered }
    }

    /// Places and colours in the order of painting.
    fn painted(dots: &Dots, hidden: &[u16], is_selected: Option<&[bool]>) -> Vec<([f32; 2], u16)> {
        let hidden: BTreeSet<u16> = hidden.iter().copied().collect();
        let scene = Scene { dots, hidden: &hidden, is_selected };
        let mut painted = Vec::new();
        scene.each(1, |place, colour| painted.push((place, colour)));
        assert_eq!(scene.n_shown(), painted.len());
        painted
    }

    #[test]
    fn dots_are_sorted_and_left_out() {
        let ordered = Dots::new(&points(), &paint(true));
        let all = painted(&ordered, &[], None);
        assert_eq!(all.iter().map(|(_, colour)| *colour).collect::<Vec<_>>(), [0, 1, 1]);
        assert_eq!(all[0].0, [1.0, 1.0]);
        assert_eq!(painted(&ordered, &[1], None), [([1.0, 1.0], 0)]);
        let mixed = Dots::new(&points(), &paint(false));
        let selected = painted(&mixed, &[], Some(&[false, false, true]));
        assert_eq!(selected.iter().map(|(_, colour)| *colour).collect::<Vec<_>>(), [2, 2, 1], "the others first");
        assert_eq!(painted(&mixed, &[0], Some(&[false, false, true])).len(), 2);
        let none = Points { x: vec![], y: vec![] };
        assert!(painted(&Dots::new(&none, &paint(true)), &[], None).is_empty());
    }

    #[test]
    fn dots_are_painted_where_they_lie() {
        let points = points();
        let extent = Extent::of(&points);
        let camera = Camera::new(&extent, extent.whole(), 100.0, 80.0);
        let (dots, hidden) = (Dots::new(&points, &paint(true)), BTreeSet::new());
        let dots = Scene { dots: &dots, hidden: &hidden, is_selected: None };
        let mut picture = vec![0_u32; 100 * 80];
        let style = Style { radius: 1.5, opacity: 1.0, every: 1 };
        dots.paint(&mut picture, 100, &camera, &[RED, BLUE, FADED], style);
        for (cell, colour) in [(0, BLUE), (1, RED), (2, BLUE)] {
            let (x, y) = camera.place(points.x[cell], points.y[cell]);
            assert_eq!(picture[y as usize * 100 + x as usize], colour, "cell {cell}");
        }
        let n_painted = picture.iter().filter(|pixel| **pixel != 0).count();
        assert!((15..=36).contains(&n_painted), "{n_painted}");
        // Half of a dot at the edge, none beyond.
        let seen = extent.whole().panned(&camera, (-1e6, 0.0));
        let mut away = vec![0_u32; 100 * 80];
        let camera = Camera::new(&extent, seen, 100.0, 80.0);
        dots.paint(&mut away, 100, &camera, &[RED, BLUE, FADED], style);
        assert!(away.iter().all(|pixel| *pixel == 0));
    }

    #[test]
    fn density_grows_with_dots() {
        let points = Points { x: vec![0.0; 90].into_iter().chain([1.0]).collect(), y: vec![0.0; 91] };
        let extent = Extent::of(&points);
        let camera = Camera::new(&extent, extent.whole(), 60.0, 20.0);
        let paint = Paint { level_of_cell: vec![0; 91], n_levels: 1, is_ordered: true };
        let mut picture = vec![0_u32; 60 * 20];
        let table: Vec<u32> = (1..=5).collect();
        let (dots, hidden) = (Dots::new(&points, &paint), BTreeSet::new());
        let scene = Scene { dots: &dots, hidden: &hidden, is_selected: None };
        scene.paint_density(&mut picture, 60, &camera, &table, 1);
        let at = |x: f32| {
            let (x, y) = camera.place(x, 0.0);
            picture[y as usize * 60 + x as usize]
        };
        assert!(at(0.0) == 4 && at(1.0) >= 1 && at(1.0) < 4 && at(0.5) == 0, "{} {} {}", at(0.0), at(1.0), at(0.5));
    }

    #[test]
    fn windows_are_summed_along_rows_and_columns() {
        let counts = [1, 0, 0, 2, 0, 0, 0, 0];
        assert_eq!(spread(&counts, 4, 1, true), [1, 1, 2, 2, 0, 0, 0, 0]);
        assert_eq!(spread(&counts, 4, 1, false), [1, 0, 0, 2, 1, 0, 0, 2]);
        assert_eq!(spread(&counts, 4, 9, false), [1, 0, 0, 2, 1, 0, 0, 2]);
    }

    #[test]
    fn colours_are_blended_and_steps_reach_all() {
        assert_eq!((blended(RED, BLUE, 256), blended(RED, BLUE, 0)), (BLUE, RED));
        let half = blended(RED, BLUE, 128);
        assert_eq!((half & 0xff, (half >> 16) & 0xff), (127, 127));
        assert!(half >> 24 >= 0xfe, "{half:x}");
        for n in [1, 2, 7, 100, 1_000] {
            let step = stride(n);
            let mut seen = vec![false; n];
            (0..n).for_each(|at| seen[(at * step) % n] = true);
            assert!(seen.iter().all(|seen| *seen), "{n} {step}");
        }
    }
}
