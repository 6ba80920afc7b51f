//! Local quadratic regression of one variable, as Cleveland and Grosse's dloess computes it (`skmisc.loess`, degree 2).
//!
//! The fit is not made at each point. The axis is cut into cells of few points (a k-d tree of one dimension); at each
//! border a weighted parabola through the nearest `span` of the points gives a value and a slope, and within a cell the
//! cubic with these values and slopes is the fit. Values agree with the original because the borders do.

/// Share of the neighbourhood that a cell may hold.
const CELL: f64 = 0.2;

/// By how much of its length the axis goes on beyond the outermost points.
const MARGIN: f64 = 0.005;

/// Terms of a parabola.
const TERMS: usize = 3;

/// Why there is no fit.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LoessError {
    /// A parabola through too few points.
    #[error("{n_near} of {n_points} points are in a neighbourhood; a local fit needs at least 4. Make span larger")]
    TooFew {
        /// Points in a neighbourhood.
        n_near: usize,
        /// Points in all.
        n_points: usize,
    },
    /// All points of a neighbourhood lie in one place.
    #[error("at {at} the {n_near} nearest points lie in one place; make span larger")]
    ZeroWidth {
        /// Where.
        at: f64,
        /// Points in a neighbourhood.
        n_near: usize,
    },
    /// A coordinate that is no number.
    #[error("a coordinate is not finite")]
    NotFinite,
}

/// A smooth curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Loess {
    /// Borders of the cells, ascending.
    borders: Vec<Border>,
    /// Borders at which the points do not determine a parabola. The shortest solution was taken there, which skmisc
    /// computes as well, and then refuses.
    pub n_singular: usize,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Border {
    at: f64,
    value: f64,
    slope: f64,
}

impl Loess {
    /// Fits `y` over `x` with the given share of the points, 0 to 1, in each neighbourhood.
    ///
    /// # Errors
    /// See [`LoessError`].
    ///
    /// # Panics
    /// Where `y` has fewer values than `x`.
    pub fn fit(x: &[f64], y: &[f64], span: f64) -> Result<Loess, LoessError> {
        let mut points: Vec<(f64, f64)> = x.iter().zip(y).map(|(x, y)| (*x, *y)).collect();
        assert_eq!(points.len(), x.len(), "a value for each point");
        if points.iter().any(|(x, y)| !(x.is_finite() && y.is_finite())) {
            return Err(LoessError::NotFinite);
        }
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let n_points = points.len();
        let n_near = ((n_points as f64 * span + 1e-5).floor() as usize).min(n_points);
        if n_near <= TERMS {
            return Err(LoessError::TooFew { n_near, n_points });
        }
        let most_in_cell = (n_points as f64 * (span * CELL)).floor() as usize;
        let mut n_singular = 0;
        let mut borders = Vec::new();
        for at in cell_borders(&points, most_in_cell) {
            let (value, slope, is_singular) = parabola(&points, at, n_near)?;
            n_singular += usize::from(is_singular);
            borders.push(Border { at, value, slope });
        }
        Ok(Loess { borders, n_singular })
    }

    /// The curve at `x`; beyond the points, the cubic of the last cell.
    pub fn at(&self, x: f64) -> f64 {
        // A point on a border belongs to the cell below it.
        let above = self.borders.partition_point(|border| border.at < x).clamp(1, self.borders.len() - 1);
        let (low, high) = (self.borders[above - 1], self.borders[above]);
        let width = high.at - low.at;
        let t = (x - low.at) / width;
        let s = 1.0 - t;
        s * s * (1.0 + 2.0 * t) * low.value
            + t * t * (3.0 - 2.0 * t) * high.value
            + (t * s * s * low.slope - t * t * s * high.slope) * width
    }
}

/// Where the axis is cut, ascending: a cell of more than `most_in_cell` points is cut at its middle point, or at the
/// nearest place where points differ.
fn cell_borders(points: &[(f64, f64)], most_in_cell: usize) -> Vec<f64> {
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let margin = MARGIN * (last - first).max(1e-10 * first.abs().max(last.abs()) + 1e-30);
    let most_borders = points.len().max(200);
    let mut borders = vec![first - margin, last + margin];
    // Cells yet to be looked at, in the order of their making: points `start..=end` between two borders.
    let mut cells = std::collections::VecDeque::from([(0, points.len() - 1, borders[0], borders[1])]);
    let mut n_cells = 1;
    while let Some((start, end, low, high)) = cells.pop_front() {
        let is_full = n_cells + 2 > most_borders || borders.len() + 1 > most_borders;
        if end + 1 - start <= most_in_cell || is_full {
            continue;
        }
        let cut = cut_of(points, start, end);
        let at = points[cut].0;
        if at == low || at == high {
            continue;
        }
        if !borders.contains(&at) {
            borders.push(at);
        }
        n_cells += 2;
        cells.push_back((start, cut, low, at));
        // A cell without points is never cut.
        if cut < end {
            cells.push_back((cut + 1, end, at, high));
        }
    }
    borders.sort_unstable_by(f64::total_cmp);
    borders
}

/// The last point of the lower half of `start..=end`: the middle one, or the nearest after which points differ, looked
/// for 1 up, 1 down, 2 up … Where the search leaves the cell, the middle one.
fn cut_of(points: &[(f64, f64)], start: usize, end: usize) -> usize {
    // Rounded down counting from 1, as the original counts.
    let middle = (start + end + 2) / 2 - 1;
    for away in 0..=end - start {
        for at in [Some(middle + away), middle.checked_sub(away)] {
            let Some(at) = at.filter(|at| (start..end).contains(at)) else { return middle };
            if points[at].0 != points[at + 1].0 {
                return at;
            }
        }
    }
    middle
}

/// Value and slope at `at` of the parabola through the `n_near` nearest points, weighted by the cube of what is left of
/// one minus the cube of their distance; and whether they do not determine it.
fn parabola(points: &[(f64, f64)], at: f64, n_near: usize) -> Result<(f64, f64, bool), LoessError> {
    let mut squares: Vec<f64> = points.iter().map(|(x, _)| (x - at) * (x - at)).collect();
    let (_, &mut radius, _) = squares.select_nth_unstable_by(n_near - 1, f64::total_cmp);
    if radius <= 0.0 {
        return Err(LoessError::ZeroWidth { at, n_near });
    }
    // Rows of weight * (1, d, d²) and weight * y. Points on the radius weigh nothing.
    let mut rows: Vec<([f64; TERMS], f64)> = Vec::with_capacity(n_near);
    for (x, y) in points {
        let distance = x - at;
        if distance * distance < radius {
            let share = (distance * distance / radius).sqrt();
            let weight = (1.0 - share.powi(3)).powi(3).sqrt();
            rows.push(([weight, weight * distance, weight * distance * distance], weight * y));
        }
    }
    if rows.is_empty() {
        return Err(LoessError::ZeroWidth { at, n_near });
    }
    let (solution, is_singular) = least_squares(rows);
    Ok((solution[0], solution[1], is_singular))
}

/// The least-squares solution of the rows, the shortest where they do not determine one (columns are brought to unit
/// length first), and whether that was so.
fn least_squares(mut rows: Vec<([f64; TERMS], f64)>) -> ([f64; TERMS], bool) {
    let mut lengths = [0.0; TERMS];
    for (term, length) in lengths.iter_mut().enumerate() {
        let sum: f64 = rows.iter().map(|(row, _)| row[term] * row[term]).sum();
        *length = if sum > 0.0 { sum.sqrt() } else { 1.0 };
    }
    for (row, _) in &mut rows {
        row.iter_mut().zip(lengths).for_each(|(value, length)| *value /= length);
    }
    let mut v = [[0.0; TERMS]; TERMS];
    (0..TERMS).for_each(|term| v[term][term] = 1.0);
    // One-sided Jacobi: columns are turned into each other until all are perpendicular; `v` keeps the turns.
    for _ in 0..60 {
        let mut is_done = true;
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            let (mut pp, mut qq, mut pq) = (0.0, 0.0, 0.0);
            for (row, _) in &rows {
                pp += row[p] * row[p];
                qq += row[q] * row[q];
                pq += row[p] * row[q];
            }
            if pq.abs() <= 1e-14 * (pp * qq).sqrt() {
                continue;
            }
            is_done = false;
            let ratio = (qq - pp) / (2.0 * pq);
            let tangent = ratio.signum() / (ratio.abs() + ratio.hypot(1.0));
            let cosine = 1.0 / tangent.hypot(1.0);
            let turn = |row: &mut [f64; TERMS]| {
                (row[p], row[q]) = (cosine * (row[p] - tangent * row[q]), cosine * (tangent * row[p] + row[q]));
            };
            rows.iter_mut().for_each(|(row, _)| turn(row));
            v.iter_mut().for_each(turn);
        }
        if is_done {
            break;
        }
    }
    let squares: [f64; TERMS] = std::array::from_fn(|term| rows.iter().map(|(row, _)| row[term] * row[term]).sum());
    let largest = squares.iter().copied().fold(0.0, f64::max).sqrt();
    let least = largest * (100.0 * f64::EPSILON);
    let mut solution = [0.0; TERMS];
    let mut is_singular = false;
    for (term, square) in squares.into_iter().enumerate() {
        if square.sqrt() <= least {
            is_singular = true;
            continue;
        }
        let along: f64 = rows.iter().map(|(row, y)| row[term] * y).sum::<f64>() / square;
        (0..TERMS).for_each(|to| solution[to] += v[to][term] * along);
    }
    solution.iter_mut().zip(lengths).for_each(|(value, length)| *value /= length);
    (solution, is_singular)
}
