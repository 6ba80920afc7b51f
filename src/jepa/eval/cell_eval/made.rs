//! Cells for methods that predict a mean: control cells, each gene scaled so that its mean becomes the predicted one.
//!
//! Copies of a mean would make every gene significant. Scaled control cells keep the controls' zeros, and with them ties
//! and the spread of cells; a gene that is silent in the controls stays silent, whatever was predicted, and the share of
//! cells that express a gene does not change. So a method is judged by its means alone, in the noise of real cells.

use rand::Rng;

use crate::eval::significance::draws;

/// Factors per gene that bring a mean to a predicted one (log1p units); negative predictions count as 0, and a gene without
/// expression has no factor but 1. A prediction that is not finite makes a factor that is not.
pub fn factors(mean: &[f32], predicted: &[f32]) -> Vec<f32> {
    let factor = |(&mean, &predicted): (&f32, &f32)| match (mean > 0.0, predicted.is_nan()) {
        (_, true) => f32::NAN,
        (true, false) => predicted.max(0.0) / mean,
        (false, false) => 1.0,
    };
    mean.iter().zip(predicted).map(factor).collect()
}

/// The cells with each gene scaled.
pub fn scaled(cells: &[&[f32]], factors: &[f32]) -> Vec<Vec<f32>> {
    cells.iter().map(|cell| cell.iter().zip(factors).map(|(value, factor)| value * factor).collect()).collect()
}

/// The first `n` of a seeded shuffle; all of them in another order where there are fewer.
pub fn chosen(of: &[usize], n: usize, seed: u64) -> Vec<usize> {
    let mut draws = draws(seed);
    let mut order = of.to_vec();
    let n = n.min(order.len());
    for place in 0..n {
        let other = draws.random_range(place..order.len());
        order.swap(place, other);
    }
    order.truncate(n);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_become_what_was_predicted_and_zeros_stay() {
        let cells: [&[f32]; 4] = [&[0.0, 2.0, 0.0], &[1.0, 2.0, 0.0], &[3.0, 0.0, 0.0], &[0.0, 4.0, 0.0]];
        let factors = factors(&[1.0, 2.0, 0.0], &[0.5, -1.0, 3.0]);
        assert_eq!(factors, [0.5, 0.0, 1.0]);
        let made = scaled(&cells, &factors);
        assert_eq!(made[2], [1.5, 0.0, 0.0]);
        assert!((made.iter().map(|cell| cell[0]).sum::<f32>() / 4.0 - 0.5).abs() < 1e-6);
        assert!(made.iter().zip(cells).all(|(made, cell)| cell.iter().zip(made).all(|(c, m)| *c > 0.0 || *m == 0.0)));
        assert!(super::factors(&[1.0], &[f32::NAN])[0].is_nan());
    }

    #[test]
    fn draws_repeat_and_take_each_once() {
        let of: Vec<usize> = (10..30).collect();
        let drawn = chosen(&of, 5, 3);
        assert_eq!(drawn, chosen(&of, 5, 3));
        assert_ne!(drawn, chosen(&of, 5, 4));
        let mut all = chosen(&of, 99, 0);
        all.sort_unstable();
        assert_eq!(all, of);
    }
}
