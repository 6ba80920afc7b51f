//! GEARS' measures beside GEARS' own code.

use jepa::eval::gears::{
    Band, FoldClass, N_TOP, Profile, Spread, first_of, in_band, not_dropped_out, within_deviation,
};
use jepa::eval::pairs::mean;
use serde_json::Value;
use spec::metrics::Undefined;

use super::golden::{Screen, TOLERANCE, check, number, rows};

/// One perturbation of the screen: its profile, the profiles of its top genes, its spread, and what GEARS says.
struct Target {
    profile: Profile,
    top: Profile,
    kept: Profile,
    ranking: Vec<usize>,
    kept_genes: Vec<usize>,
    spread: Spread,
    said: Value,
}

fn targets() -> Vec<Target> {
    let screen = Screen::read();
    let (control, measured, predicted) = (screen.control_mean(), screen.measured_means(), screen.predicted_means());
    let rankings = screen.rankings();
    (0..measured.len())
        .map(|t| {
            let profile = Profile::new(&predicted[t], &measured[t], &control);
            let ranking = rankings[t].clone();
            let kept_genes = first_of(&ranking, &not_dropped_out(&profile.measured, &profile.control), N_TOP);
            Target {
                top: profile.of(&ranking[..N_TOP]),
                kept: profile.of(&kept_genes),
                spread: Spread::of(&rows(&screen.measured[t])).expect("there are cells"),
                said: screen.said["gears"]["targets"][t].clone(),
                profile,
                ranking,
                kept_genes,
            }
        })
        .collect()
}

#[test]
fn errors_and_correlations_are_those_of_gears() {
    let mut mse = Vec::new();
    for target in targets() {
        let said = |name: &str| number(&target.said[name]);
        mse.push(target.profile.mse().expect("there are genes"));
        check("mse", target.profile.mse(), said("mse"));
        check("mse_de", target.top.mse(), said("mse_de"));
        check("pearson", target.profile.pearson(), said("pearson"));
        check("pearson_de", target.top.pearson(), said("pearson_de"));
        check("pearson_delta", target.profile.pearson_delta(), said("pearson_delta"));
        check("pearson_delta_de", target.top.pearson_delta(), said("pearson_delta_de"));
        check("mse, kept", target.kept.mse(), said("mse_top20_de_non_dropout"));
        check("pearson, kept", target.kept.pearson(), said("pearson_top20_de_non_dropout"));
        check("delta, kept", target.kept.pearson_delta(), said("pearson_delta_top20_de_non_dropout"));
    }
    check("mean over perturbations", Ok(mean(&mse)), number(&Screen::read().said["gears"]["mean"]["mse"]));
}

#[test]
fn directions_are_those_of_gears() {
    for target in targets() {
        let said = |name: &str| number(&target.said[name]);
        let all = target.profile.directions(target.profile.measured.len()).expect("genes");
        check("all", Ok(all.same), said("frac_correct_direction_all"));
        for n in [20, 50, 100, 200] {
            // Of 40 genes GEARS still divides by what it asked for.
            let first = target.profile.of(&target.ranking[..n.min(40)]).directions(n).expect("genes");
            check("first", Ok(first.same), said(&format!("frac_correct_direction_{n}")));
        }
        let kept = target.kept.directions(target.kept_genes.len()).expect("genes");
        check("kept, same", Ok(kept.same), said("frac_correct_direction_top20_non_dropout"));
        check("kept, opposite", Ok(kept.opposite), said("frac_opposite_direction_top20_non_dropout"));
        check("kept, still", Ok(kept.one_still), said("frac_0/1_direction_top20_non_dropout"));
    }
}

#[test]
fn ranges_and_fold_changes_are_those_of_gears() {
    let mut n_gaps = 0;
    for target in targets() {
        let said = |name: &str| number(&target.said[name]);
        for (genes, suffix) in [(&target.kept_genes, "_non_dropout"), (&target.ranking[..N_TOP].to_vec(), "")] {
            let bands = [
                (Band::All, "frac_in_range"),
                (Band::From45To55, "frac_in_range_45_55"),
                (Band::From40To60, "frac_in_range_40_60"),
                (Band::From25To75, "frac_in_range_25_75"),
            ];
            for (band, name) in bands {
                let found = in_band(&target.profile.predicted, &target.spread, genes, band);
                check(name, found, said(&format!("{name}{suffix}")));
            }
            let found = within_deviation(&target.profile.predicted, &target.spread, genes);
            check("sigma", found, said(&format!("frac_sigma_below_1{suffix}")));
        }
        let classes = [
            (FoldClass::All, "all"),
            (FoldClass::Above(3.0), "upreg_3"),
            (FoldClass::Above(10.0), "upreg_10"),
            (FoldClass::Below(0.333), "downreg_0.33"),
            (FoldClass::Below(0.1), "downreg_0.1"),
        ];
        for (class, name) in classes {
            // Where no gene is of the class GEARS has no entry, and here it is named.
            let expected = said(&format!("fold_change_gap_{name}"));
            n_gaps += usize::from(expected.is_finite());
            check(name, target.profile.fold_gap(class), expected);
        }
    }
    assert!(n_gaps > 12, "more classes than `all` are there: {n_gaps}");
}

#[test]
fn genes_that_drop_out_are_left_to_none_of_the_twenty() {
    let kept = not_dropped_out(&[0.0, 0.0, 1.0], &[1.0, 0.0, 0.0]);
    assert_eq!(kept, [false, true, true]);
    assert_eq!(first_of(&[0, 2, 1, 9], &kept, 20), [2, 1]);
}

#[test]
fn what_has_no_number_is_named() {
    let of = |predicted: &[f32], measured: &[f32]| Profile::new(predicted, measured, &[1.0, 1.0, 1.0]);
    let still = of(&[1.0, 1.0, 1.0], &[2.0, 1.0, 0.5]);
    assert_eq!(still.pearson_delta(), Err(Undefined::Constant));
    assert_eq!(still.mse_ratio(), Ok(1.0));
    let lost = of(&[f32::NAN, 1.0, 1.0], &[2.0, 1.0, 0.5]);
    assert_eq!(lost.mse(), Err(Undefined::NotFinite));
    assert_eq!(lost.fold_gap(FoldClass::All), Err(Undefined::NotFinite));
    assert_eq!(lost.directions(3), Err(Undefined::NotFinite));
    assert_eq!(of(&[1.0], &[2.0, 1.0]).mse(), Err(Undefined::Length));
    assert_eq!(still.of(&[]).mse(), Err(Undefined::TooFewGenes));
    assert_eq!(still.of(&[7]).mse(), Err(Undefined::TooFewGenes));
    assert_eq!(Spread::of(&[]), None);
    let perfect = of(&[2.0, 1.0, 0.5], &[2.0, 1.0, 0.5]);
    assert_eq!(perfect.mse(), Ok(0.0));
    assert!((perfect.pearson_delta().expect("varies") - 1.0).abs() < TOLERANCE);
}
