//! Local regression against `skmisc.loess`, on curves with few points, many ties, and wide and narrow spans.

use cells::prepare::variable::loess::{Loess, LoessError};

use super::golden::{golden, near, numbers};

#[test]
fn curves_are_those_of_skmisc() {
    for curve in golden("loess").as_array().unwrap() {
        let (x, y, span) = (numbers(&curve["x"]), numbers(&curve["y"]), curve["span"].as_f64().unwrap());
        let fit = Loess::fit(&x, &y, span).unwrap();
        let found: Vec<f64> = x.iter().map(|x| fit.at(*x)).collect();
        // Goldens have nine digits.
        near(&format!("{} points, span {span}", x.len()), &found, &numbers(&curve["fitted"]), 1e-8);
    }
}

#[test]
fn a_parabola_is_its_own_fit() {
    let x: Vec<f64> = (0..40).map(|at| f64::from(at) * 0.25 - 3.0).collect();
    let y: Vec<f64> = x.iter().map(|x| 2.0 - x + 0.5 * x * x).collect();
    let fit = Loess::fit(&x, &y, 0.3).unwrap();
    assert_eq!(fit.n_singular, 0);
    near("parabola", &x.iter().map(|x| fit.at(*x)).collect::<Vec<_>>(), &y, 1e-12);
}

#[test]
fn points_without_a_curve_are_refused_or_said() {
    let rising: Vec<f64> = (0..10).map(f64::from).collect();
    assert_eq!(Loess::fit(&rising, &rising, 0.3), Err(LoessError::TooFew { n_near: 3, n_points: 10 }));
    assert_eq!(Loess::fit(&[], &[], 0.3), Err(LoessError::TooFew { n_near: 0, n_points: 0 }));
    assert!(matches!(Loess::fit(&[1.0; 20], &rising.repeat(2), 0.3), Err(LoessError::ZeroWidth { n_near: 6, .. })));
    assert_eq!(Loess::fit(&[f64::NAN; 20], &rising.repeat(2), 0.3), Err(LoessError::NotFinite));
    // Two places carry no parabola: the shortest solution is taken, and it is said.
    let two: Vec<f64> = (0..20).map(|at| f64::from(at % 2)).collect();
    let fit = Loess::fit(&two, &two, 0.9).unwrap();
    assert!(fit.n_singular > 0 && fit.at(0.5).is_finite(), "{fit:?}");
}
