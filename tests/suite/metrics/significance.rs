//! Intervals and paired tests beside scipy, ceilings and conformal intervals beside what they promise.

use jepa::eval::pairs::{pearson, widen};
use jepa::eval::significance::conformal::{Intervals, fewest};
use jepa::eval::significance::paired::{sign_flips, signed_rank};
use jepa::eval::significance::{bootstrap, ceiling, draws, halves, of_the_whole, resampled};
use rand::Rng;
use spec::metrics::Undefined;

use super::golden::{Screen, check, check_within, number, numbers, rows};

#[test]
fn paired_tests_are_those_of_scipy() {
    let said = &Screen::read().said["significance"];
    let of = |name: &str| numbers(&said[name]);
    check("exact ranks", signed_rank(&of("few")), number(&said["wilcoxon_few"]));
    check("ranks, normal", signed_rank(&of("many")), number(&said["wilcoxon_many"]));
    check("ranks, ties and zeros", signed_rank(&of("ties")), number(&said["wilcoxon_ties"]));
    check("exact flips", sign_flips(&of("few"), 0), number(&said["flips_few"]));
    // 20 000 draws of a p near 0.43 have a deviation of 0.0035, the golden's million one of 0.0005.
    let many = of("many");
    check_within("drawn flips", sign_flips(&many, 5), number(&said["flips_many"]), 0.015);
    assert_eq!(sign_flips(&many, 5), sign_flips(&many, 5), "the same seed draws the same");
}

#[test]
fn a_difference_that_is_always_the_same_way_is_as_sure_as_it_can_be() {
    assert_eq!(sign_flips(&[1.0, 2.0, 0.5, 1.5], 0), Ok(2.0 / 16.0));
    assert_eq!(signed_rank(&[1.0, 2.0, 0.5, 1.5]), Ok(2.0 / 16.0));
    assert_eq!(sign_flips(&[1.0, -1.0], 0), Ok(1.0));
    assert_eq!(sign_flips(&[0.0; 20], 0), Ok(1.0));
    assert_eq!(sign_flips(&[1.0], 0), Err(Undefined::TooFewTargets));
    assert_eq!(sign_flips(&[1.0, f64::NAN], 0), Err(Undefined::NotFinite));
    assert_eq!(signed_rank(&[0.0, 0.0]), Err(Undefined::TooFewTargets));
    assert_eq!(signed_rank(&[f64::INFINITY]), Err(Undefined::NotFinite));
    let sure = sign_flips(&[1.0; 100], 1).expect("a hundred differences");
    assert!(sure > 0.0 && sure < 1e-4, "{sure}");
}

#[test]
fn intervals_of_means_are_those_of_scipy() {
    let said = &Screen::read().said["significance"];
    let many = numbers(&said["many"]);
    let found = bootstrap(&many, 0.95, 20_000, 1).expect("sixty values");
    let expected = numbers(&said["bootstrap_many"]);
    // Two generators, 20 000 draws each: an end has an error near 0.003 (deviation of the mean 0.13).
    check_within("low", Ok(found.low), expected[0], 0.015);
    check_within("high", Ok(found.high), expected[1], 0.015);
    assert_eq!(bootstrap(&many, 0.95, 100, 3), bootstrap(&many, 0.95, 100, 3));
    let same = bootstrap(&[2.0; 5], 0.95, 100, 3).expect("five values");
    assert_eq!((same.low, same.high), (2.0, 2.0));
    assert_eq!(bootstrap(&[2.0], 0.95, 100, 3), Err(Undefined::TooFewTargets));
    assert_eq!(bootstrap(&[2.0, f64::NAN], 0.95, 100, 3), Err(Undefined::NotFinite));
}

#[test]
fn halves_share_no_cell_and_a_ceiling_is_below_one() {
    let (one, other) = halves(9, &mut draws(4)).expect("nine cells");
    assert_eq!((one.len(), other.len()), (4, 4));
    assert!(one.iter().all(|cell| !other.contains(cell)));
    assert_eq!(halves(1, &mut draws(4)), Err(Undefined::TooFewCells));
    let (one, other) = resampled(9, &mut draws(4)).expect("nine cells");
    assert!(one.len() == 9 && other.len() == 9 && one != other);

    let screen = Screen::read();
    let control = screen.control_mean();
    let measure = |a: &[f32], b: &[f32]| {
        let change = |side: &[f32]| -> Vec<f64> { side.iter().zip(&control).map(|(v, c)| f64::from(v - c)).collect() };
        pearson(&change(a), &change(b))
    };
    let cells = rows(&screen.measured[0]);
    let found = ceiling(&cells, 20, 2, measure).expect("sixteen cells");
    assert!((0.5..1.0).contains(&found), "{found}");
    assert!(of_the_whole(found) > found && of_the_whole(1.0) == 1.0);
    // Cells that are all alike agree wholly.
    let alike = vec![cells[0]; 6];
    check("alike", ceiling(&alike, 3, 2, |a, b| pearson(&widen(a), &widen(b))), 1.0);
    assert_eq!(ceiling(&cells[..1], 3, 2, measure), Err(Undefined::TooFewCells));
}

#[test]
fn half_widths_are_quantiles_of_the_errors() {
    let said = &Screen::read().said["significance"];
    let residuals: Vec<Vec<f32>> = said["residuals"]
        .as_array()
        .expect("rows")
        .iter()
        .map(|r| numbers(r).iter().map(|&v| v as f32).collect())
        .collect();
    let none = vec![vec![0.0f32; 4]; residuals.len()];
    let found = Intervals::calibrate(&rows(&none), &rows(&residuals), 0.9).expect("nineteen perturbations");
    for (width, expected) in found.half_widths.iter().zip(numbers(&said["half_widths"])) {
        // Residuals were written in f64 and read as f32.
        check_within("half width", Ok(*width), expected, 1e-6);
    }
    assert_eq!(found.around(&[1.0; 4])[0].0, 1.0 - found.half_widths[0]);
    assert_eq!((fewest(0.9), fewest(0.95), fewest(0.8)), (9, 19, 4));
    let few = &residuals[..8];
    let refused = Intervals::calibrate(&rows(&none[..8]), &rows(few), 0.9);
    assert_eq!(refused, Err(Undefined::TooFewTargets), "eight cannot promise nine tenths");
    assert_eq!(Intervals::calibrate(&rows(&none), &rows(few), 0.9), Err(Undefined::Length));
    assert_eq!(Intervals::calibrate(&[], &[], 0.9), Err(Undefined::TooFewTargets));
}

#[test]
fn intervals_cover_what_they_promise() {
    // Errors of any distribution, the same in calibration and after: here skewed, and wider for one gene.
    let mut draws = draws(9);
    let mut truth = |n: usize| -> Vec<Vec<f32>> {
        (0..n)
            .map(|_| {
                (0..20).map(|gene| -(draws.random::<f32>() + 1e-6).ln() * if gene == 0 { 9.0 } else { 1.0 }).collect()
            })
            .collect()
    };
    let (calibration, after) = (truth(59), truth(400));
    let zeros = |n: usize| vec![vec![1.0f32; 20]; n];
    let intervals = Intervals::calibrate(&rows(&zeros(59)), &rows(&calibration), 0.9).expect("enough");
    let found = intervals.coverage(&rows(&zeros(400)), &rows(&after)).expect("values");
    // Coverage of one gene varies with its 59 calibration errors by 0.039; the mean of 20 by 0.009.
    assert!((found.overall - 0.9).abs() < 0.03, "{}", found.overall);
    assert!(found.by_gene.iter().all(|&share| share > 0.75), "{:?}", found.by_gene);
    assert!(intervals.half_widths[0] > 5.0 * intervals.half_widths[1], "each gene has its own width");
    // A gene that was never measured has no interval, a value that was not measured is not counted.
    let mut holes = calibration.clone();
    holes.iter_mut().for_each(|row| row[3] = f32::NAN);
    let intervals = Intervals::calibrate(&rows(&zeros(59)), &rows(&holes), 0.9).expect("enough");
    assert!(intervals.half_widths[3].is_nan());
    let found = intervals.coverage(&rows(&zeros(400)), &rows(&after)).expect("values");
    assert!(found.by_gene[3].is_nan() && found.overall.is_finite());
    // A prediction that is no number is outside.
    let mut lost = zeros(400);
    lost.iter_mut().for_each(|row| row[1] = f32::NAN);
    assert_eq!(intervals.coverage(&rows(&lost), &rows(&after)).expect("values").by_gene[1], 0.0);
}
