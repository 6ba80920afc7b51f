//! What part of a map is seen: from coordinates to pixels and back.

use super::Points;
use crate::plots::axis::range;

const MARGIN: f64 = 14.0;
/// How far a person may zoom in and out.
const ZOOMS: (f64, f64) = (0.2, 400.0);

/// What is seen of a map, independent of the size it is drawn at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    /// Coordinates in the middle.
    pub x: f64,
    /// The same, upwards.
    pub y: f64,
    /// 1: the whole map fits.
    pub zoom: f64,
}

/// Extent of all dots.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Lowest and highest.
    pub x: (f64, f64),
    /// The same, upwards.
    pub y: (f64, f64),
}

impl Extent {
    /// Of all dots that have a place.
    pub fn of(points: &Points) -> Self {
        Self { x: range(&points.x).unwrap_or((0.0, 1.0)), y: range(&points.y).unwrap_or((0.0, 1.0)) }
    }

    /// All of it.
    pub fn whole(&self) -> Seen {
        Seen { x: f64::midpoint(self.x.0, self.x.1), y: f64::midpoint(self.y.0, self.y.1), zoom: 1.0 }
    }
}

/// Maps coordinates to pixels, with one scale for both axes: distances mean something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera {
    /// Pixels a unit.
    pub scale: f64,
    left: f64,
    bottom: f64,
    /// Pixels.
    pub width: f64,
    /// Pixels.
    pub height: f64,
}

impl Camera {
    /// A picture of `width` by `height` pixels of what is seen.
    pub fn new(extent: &Extent, seen: Seen, width: f64, height: f64) -> Self {
        let span = |(low, high): (f64, f64)| (high - low).max(1e-9);
        let room = |size: f64| (size - 2.0 * MARGIN).max(1.0);
        let scale = (room(width) / span(extent.x)).min(room(height) / span(extent.y)) * seen.zoom;
        Self { scale, left: width / 2.0 - scale * seen.x, bottom: height / 2.0 + scale * seen.y, width, height }
    }

    /// The same picture at another size.
    pub fn scaled(&self, times: f64) -> Self {
        Self {
            scale: self.scale * times,
            left: self.left * times,
            bottom: self.bottom * times,
            width: (self.width * times).floor(),
            height: (self.height * times).floor(),
        }
    }

    /// Where coordinates lie.
    pub fn place(&self, x: f32, y: f32) -> (f64, f64) {
        (self.left + self.scale * f64::from(x), self.bottom - self.scale * f64::from(y))
    }

    /// What lies at a pixel.
    pub fn at(&self, pixel: (f64, f64)) -> (f64, f64) {
        ((pixel.0 - self.left) / self.scale, (self.bottom - pixel.1) / self.scale)
    }

    /// The dot nearest to a pixel, if one is within `reach` pixels.
    pub fn nearest(&self, points: &Points, to: (f64, f64), reach: f64) -> Option<usize> {
        let (x, y) = self.at(to);
        let (x, y, reach) = (x as f32, y as f32, reach / self.scale);
        let mut best = (reach * reach) as f32;
        let mut found = None;
        for (at, (px, py)) in points.x.iter().zip(&points.y).enumerate() {
            let square = (px - x) * (px - x) + (py - y) * (py - y);
            // NaN is no place, and is not smaller.
            if square <= best {
                (best, found) = (square, Some(at));
            }
        }
        found
    }
}

impl Seen {
    /// After a pan by so many pixels.
    pub fn panned(self, camera: &Camera, by: (f64, f64)) -> Self {
        Self { x: self.x - by.0 / camera.scale, y: self.y + by.1 / camera.scale, ..self }
    }

    /// After a zoom about a pixel, which keeps what lies there.
    pub fn zoomed(self, camera: &Camera, factor: f64, about: (f64, f64)) -> Self {
        let zoom = (self.zoom * factor).clamp(ZOOMS.0, ZOOMS.1);
        let shrink = self.zoom / zoom;
        let (x, y) = camera.at(about);
        Self { x: x + (self.x - x) * shrink, y: y + (self.y - y) * shrink, zoom }
    }
}

#[cfg(test)]
mod tests {
    use super::{Camera, Extent, Points};

    fn points() -> Points {
        Points { x: vec![-2.0, 0.0, 4.0, f32::NAN], y: vec![1.0, 0.0, -1.0, f32::NAN] }
    }

    #[test]
    fn dots_lie_inside_and_are_found() {
        let points = points();
        let extent = Extent::of(&points);
        let camera = Camera::new(&extent, extent.whole(), 400.0, 300.0);
        for at in 0..3 {
            let (x, y) = camera.place(points.x[at], points.y[at]);
            assert!((0.0..=400.0).contains(&x) && (0.0..=300.0).contains(&y));
            assert_eq!(camera.nearest(&points, (x + 2.0, y - 2.0), 12.0), Some(at));
        }
        assert_eq!(camera.nearest(&points, (399.0, 1.0), 12.0), None);
        let none = Points { x: vec![], y: vec![] };
        assert_eq!(Extent::of(&none).whole().zoom, 1.0);
    }

    #[test]
    fn what_lies_under_the_pointer_stays_there() {
        let points = points();
        let extent = Extent::of(&points);
        let camera = |seen| Camera::new(&extent, seen, 400.0, 300.0);
        let whole = extent.whole();
        let close = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9;
        for about in [(200.0, 150.0), (13.0, 290.0)] {
            let under = camera(whole).at(about);
            let seen = whole.zoomed(&camera(whole), 3.0, about);
            assert!(close(camera(seen).at(about), under), "{about:?}");
            let panned = seen.panned(&camera(seen), (40.0, -25.0));
            assert!(close(camera(panned).at((about.0 + 40.0, about.1 - 25.0)), under), "{about:?}");
        }
        assert_eq!(whole.zoomed(&camera(whole), 1e9, (0.0, 0.0)).zoom, 400.0);
    }
}
