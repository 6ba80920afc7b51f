//! What a matrix is taken for: the golden counts in every dress, and public files where they are.

use cells::counts::Counts;
use cells::prepare::{Scaled, log1p, normalize_total, read_values};
use spec::prepare::ScaleConfig;
use spec::reading::{Evidence, ReadingConfig, Undo, ValueReading, ValueScale};

use super::golden::{counts, logged};

const E: f64 = std::f64::consts::E;

fn read(counts: &Counts) -> ValueReading {
    read_values(counts, &ReadingConfig::default())
}

/// `counts`, changed value by value.
fn changed(counts: &Counts, change: impl Fn(f64) -> f64) -> Counts {
    let mut dense = vec![0.0; counts.n_cells() * counts.n_genes()];
    for (cell, row) in dense.chunks_exact_mut(counts.n_genes()).enumerate() {
        counts.row(cell).for_each(|(gene, value)| row[gene as usize] = change(f64::from(value)) as f32);
    }
    Counts::from_dense(&dense, counts.n_genes()).unwrap()
}

fn normalized() -> Counts {
    let mut counts = counts();
    normalize_total(&mut counts, Some(1e4), None).unwrap();
    counts
}

fn check(what: &str, counts: &Counts, scale: ValueScale, target_sum: Option<f64>) {
    let found = read(counts);
    assert_eq!(found.scale, scale, "{what}: {found:?}");
    match (found.target_sum, target_sum) {
        (None, None) => {}
        (Some(found), Some(target)) => assert!((found - target).abs() < 1e-3 * target, "{what}: {found}"),
        _ => panic!("{what}: {found:?}"),
    }
    assert!(!found.evidence.is_empty() && found.evidence.iter().all(|one| !one.sentence().is_empty()));
}

#[test]
fn every_dress_is_recognised() {
    let to_base = |base: f64| changed(&normalized(), move |value| value.ln_1p() / base.ln());
    check("counts", &counts(), ValueScale::Counts, None);
    check("normalised", &normalized(), ValueScale::Normalized, Some(1e4));
    check("log1p", &logged(), ValueScale::Logged { base: E }, Some(1e4));
    check("log2", &to_base(2.0), ValueScale::Logged { base: 2.0 }, Some(1e4));
    check("log10", &to_base(10.0), ValueScale::Logged { base: 10.0 }, Some(1e4));
    let mut unscaled = counts();
    log1p(&mut unscaled);
    check("log1p of counts", &unscaled, ValueScale::Logged { base: E }, None);
    // Genes dropped after scaling: no equal sums, but steps.
    let some: Vec<Option<u32>> = (0..40).map(Some).collect();
    check("log1p of some genes", &logged().select_columns(&some), ValueScale::Logged { base: E }, None);
    check("some genes normalised", &normalized().select_columns(&some), ValueScale::Normalized, None);
    // Fractions that were scaled and logged: no steps, but equal sums.
    let mut blurred = changed(&counts(), |value| value * (1.0 + (value * 7.3).sin() * 0.4));
    check("corrected counts", &blurred, ValueScale::Unknown, None);
    normalize_total(&mut blurred, Some(5e3), None).unwrap();
    check("corrected counts normalised", &blurred, ValueScale::Normalized, Some(5e3));
    log1p(&mut blurred);
    check("corrected counts logged", &blurred, ValueScale::Logged { base: E }, Some(5e3));
    let genes: Vec<u32> = (0..160).collect();
    let dense = Scaled::fit(&logged(), &genes, ScaleConfig::default()).unwrap().dense(&logged());
    check("scaled", &Counts::from_dense(&dense, 160).unwrap(), ValueScale::Scaled, None);
    check("nothing", &Counts::from_dense(&[0.0; 12], 4).unwrap(), ValueScale::Empty, None);
    check("NaN", &changed(&counts(), |value| if value == 3.0 { f64::NAN } else { value }), ValueScale::Unknown, None);
    check("one cell", &counts().select_rows(&[3]), ValueScale::Counts, None);
    check("no cells", &counts().select_rows(&[]), ValueScale::Empty, None);
}

#[test]
fn evidence_says_what_was_seen() {
    let n_values = counts().n_nonzero() as u64;
    let found = read(&counts());
    assert_eq!(found.evidence[0], Evidence::WholeNumbers { n_values, n_whole: n_values });
    assert!(found.evidence[0].sentence().ends_with("values looked at are whole numbers"));
    let found = read(&logged());
    let undo = Undo::Log1p { base: E };
    // The cell with five ones has one value throughout and tells nothing of steps.
    assert_eq!(found.evidence[0], Evidence::Multiples { undo, n_cells: 89, n_in_steps: 89 });
    assert_eq!(found.evidence[0].sentence(), "exp(x) - 1 is in steps of one unit per cell in all 89 cells looked at");
    assert!(found.evidence[1].sentence().starts_with("exp(x) - 1 sums to 10000.0 in all 90 cells"));
    assert!(found.scale.advice().contains("logged already"));
    let few = read_values(&logged(), &ReadingConfig { max_cells: 10 });
    assert_eq!((few.n_cells_looked_at, few.n_cells, few.scale), (10, 90, ValueScale::Logged { base: E }));
    assert_eq!(ReadingConfig::default().max_cells, 1000);
}
