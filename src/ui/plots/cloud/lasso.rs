//! Which dots lie within a closed line that a person drew.

use super::Points;
use super::camera::Camera;

/// Nearer than this, the pointer adds no corner (pixels).
const LEAST_STEP: f64 = 3.0;

/// A line under way, in pixels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lasso {
    /// Its corners.
    pub corners: Vec<(f64, f64)>,
}

impl Lasso {
    /// One that begins here.
    pub fn from(pixel: (f64, f64)) -> Self {
        Self { corners: vec![pixel] }
    }

    /// Goes on to a pixel; says whether that is a new corner.
    pub fn reach(&mut self, pixel: (f64, f64)) -> bool {
        let is_far = |last: &(f64, f64)| (last.0 - pixel.0).hypot(last.1 - pixel.1) >= LEAST_STEP;
        let is_new = self.corners.last().is_none_or(is_far);
        if is_new {
            self.corners.push(pixel);
        }
        is_new
    }

    /// The dots within the line, closed from its end to its beginning, of those that `is_shown`.
    pub fn within(&self, points: &Points, camera: &Camera, is_shown: impl Fn(usize) -> bool) -> Vec<u32> {
        let rows = Rows::new(&self.corners);
        let mut found = Vec::new();
        for (at, (&x, &y)) in points.x.iter().zip(&points.y).enumerate() {
            let (x, y) = camera.place(x, y);
            if rows.contain(x, y) && is_shown(at) {
                found.push(at as u32);
            }
        }
        found
    }
}

/// Where the line crosses each row of pixels, so that a dot costs a few comparisons, not one for each corner.
struct Rows {
    first: i64,
    crossings: Vec<Vec<f64>>,
}

impl Rows {
    fn new(corners: &[(f64, f64)]) -> Self {
        let heights = || corners.iter().map(|corner| corner.1).filter(|y| y.is_finite());
        let (low, high) = (heights().fold(f64::INFINITY, f64::min), heights().fold(f64::NEG_INFINITY, f64::max));
        if corners.len() < 3 || low > high {
            return Self { first: 0, crossings: Vec::new() };
        }
        let first = low.floor() as i64;
        // A line leaves the window by a pointer that is held; a window is not this high.
        let n_rows = (high.ceil() as i64 - first + 1).clamp(0, 100_000) as usize;
        let mut crossings = vec![Vec::new(); n_rows];
        for (at, &(x, y)) in corners.iter().enumerate() {
            let (next_x, next_y) = corners[(at + 1) % corners.len()];
            let (from, to) = if y < next_y { ((x, y), (next_x, next_y)) } else { ((next_x, next_y), (x, y)) };
            for (row, crossings) in crossings.iter_mut().enumerate() {
                let middle = (first + row as i64) as f64 + 0.5;
                if from.1 <= middle && middle < to.1 {
                    crossings.push(from.0 + (middle - from.1) / (to.1 - from.1) * (to.0 - from.0));
                }
            }
        }
        crossings.iter_mut().for_each(|row| row.sort_by(f64::total_cmp));
        Self { first, crossings }
    }

    fn contain(&self, x: f64, y: f64) -> bool {
        let row = usize::try_from(y.floor() as i64 - self.first).ok().filter(|_| y.is_finite());
        let Some(crossings) = row.and_then(|row| self.crossings.get(row)) else { return false };
        crossings.partition_point(|&crossing| crossing <= x) % 2 == 1
    }
}

#[cfg(test)]
mod tests {
    use super::{Lasso, Points};
    use crate::plots::cloud::camera::{Camera, Extent};

    #[test]
    fn dots_within_the_line_are_found() {
        // A grid of 11 by 11 dots and one without a place.
        let mut points = Points {
            x: (0..121).map(|at| (at % 11) as f32).collect(),
            y: (0..121).map(|at| (at / 11) as f32).collect(),
        };
        points.x.push(f32::NAN);
        points.y.push(f32::NAN);
        let extent = Extent::of(&points);
        let camera = Camera::new(&extent, extent.whole(), 528.0, 528.0);
        let line =
            |corners: &[(f32, f32)]| Lasso { corners: corners.iter().map(|&(x, y)| camera.place(x, y)).collect() };
        let square = line(&[(1.5, 1.5), (4.5, 1.5), (4.5, 3.5), (1.5, 3.5)]);
        let found = square.within(&points, &camera, |_| true);
        assert_eq!(found, [24, 25, 26, 35, 36, 37]);
        assert_eq!(square.within(&points, &camera, |at| at > 30), [35, 36, 37]);
        // An arrow whose notch is not within.
        let arrow = line(&[(-0.5, -0.5), (10.5, 5.0), (-0.5, 10.5), (5.0, 5.2)]).within(&points, &camera, |_| true);
        assert!(arrow.contains(&(5 * 11 + 9)) && !arrow.contains(&(5 * 11 + 2)), "{arrow:?}");
        // Around nothing, and lines that close nothing.
        assert!(line(&[(20.0, 20.0), (30.0, 20.0), (30.0, 30.0)]).within(&points, &camera, |_| true).is_empty());
        assert!(line(&[(0.0, 0.0), (9.0, 9.0)]).within(&points, &camera, |_| true).is_empty());
        assert!(Lasso::default().within(&points, &camera, |_| true).is_empty());
    }

    #[test]
    fn corners_are_apart() {
        let mut lasso = Lasso::from((0.0, 0.0));
        assert!(!lasso.reach((1.0, 1.0)) && lasso.reach((3.0, 1.0)));
        assert_eq!(lasso.corners.len(), 2);
    }
}
