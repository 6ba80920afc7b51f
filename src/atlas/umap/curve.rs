//! How attraction falls with distance: `1 / (1 + a d^2b)`, fitted to a plateau up to `min_dist` and an exponential
//! decay beyond it.

const N_POINTS: usize = 300;
const N_STEPS: usize = 200;

/// The two parameters of the curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve {
    /// How narrow it is.
    pub a: f64,
    /// How steep it is.
    pub b: f64,
}

impl Curve {
    /// By least squares over 300 points up to three times `spread`, as `umap.umap_.find_ab_params`. None where
    /// `min_dist` is negative or above `spread`, or no curve is found.
    pub fn fit(min_dist: f64, spread: f64) -> Option<Self> {
        if !(spread > 0.0 && spread.is_finite() && (0.0..=spread).contains(&min_dist)) {
            return None;
        }
        let point = |at: usize| {
            let x = 3.0 * spread * at as f64 / (N_POINTS - 1) as f64;
            (x, if x < min_dist { 1.0 } else { (-(x - min_dist) / spread).exp() })
        };
        let points: Vec<(f64, f64)> = (0..N_POINTS).map(point).collect();
        // Levenberg and Marquardt, from where scipy begins.
        let (mut curve, mut damping) = (Self { a: 1.0, b: 1.0 }, 1e-3);
        for _ in 0..N_STEPS {
            let next = curve.stepped(&points, damping);
            let (before, after) = (curve.squares(&points), next.squares(&points));
            if after < before && next.a > 0.0 {
                let change = ((next.a - curve.a) / curve.a).abs() + ((next.b - curve.b) / curve.b).abs();
                (curve, damping) = (next, damping * 0.1);
                if change < 1e-13 {
                    break;
                }
            } else {
                damping *= 10.0;
                // Nothing is better than what there is.
                if damping > 1e12 {
                    break;
                }
            }
        }
        (curve.a.is_finite() && curve.b.is_finite() && curve.b > 0.0).then_some(curve)
    }

    fn at(&self, x: f64) -> f64 {
        1.0 / (1.0 + self.a * x.powf(2.0 * self.b))
    }

    fn squares(&self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|&(x, y)| (self.at(x) - y).powi(2)).sum()
    }

    fn stepped(&self, points: &[(f64, f64)], damping: f64) -> Self {
        let (mut aa, mut ab, mut bb, mut ar, mut br) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(x, y) in points.iter().filter(|&&(x, _)| x > 0.0) {
            let (value, power) = (self.at(x), x.powf(2.0 * self.b));
            let by_a = -power * value * value;
            let by_b = -2.0 * self.a * x.ln() * power * value * value;
            aa += by_a * by_a;
            ab += by_a * by_b;
            bb += by_b * by_b;
            ar += by_a * (y - value);
            br += by_b * (y - value);
        }
        (aa, bb) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let determinant = aa * bb - ab * ab;
        Self { a: self.a + (ar * bb - br * ab) / determinant, b: self.b + (br * aa - ar * ab) / determinant }
    }

    /// What a link multiplies a difference of places by: negative, since it draws them together.
    pub(super) fn attraction(&self, square: f32) -> f32 {
        if square <= 0.0 {
            return 0.0;
        }
        let (a, b) = (self.a as f32, self.b as f32);
        let power = square.powf(b);
        -2.0 * a * b * power / square / (a * power + 1.0)
    }

    /// What repulsion multiplies a difference of places by.
    pub(super) fn repulsion(&self, square: f32) -> f32 {
        let (a, b) = (self.a as f32, self.b as f32);
        2.0 * b / ((0.001 + square) * (a * square.powf(b) + 1.0))
    }
}
