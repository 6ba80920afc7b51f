//! Scores against scikit-learn, and AvgBIO against the formula of scib on scanpy's clusters.

use atlas::leiden::{ClusterConfig, clusters};
use atlas::rows::Rows;
use atlas::scores::AvgBio;
use atlas::scores::agreement::{adjusted_rand, normalized_mutual_information};
use atlas::scores::layout::trustworthiness;
use atlas::scores::silhouette::{SilhouetteConfig, silhouette};

use super::{golden, labels, pbmc, pbmc_links};
use crate::prepare::golden::{close, numbers};

#[test]
fn agreement_of_labels_is_scikit_learns() {
    for case in golden("agreement").as_array().unwrap() {
        let (one, other) = (labels(&case["one"]), labels(&case["other"]));
        let found = [normalized_mutual_information(&one, &other).unwrap(), adjusted_rand(&one, &other).unwrap()];
        close("NMI, ARI", &found, &[case["nmi"].as_f64().unwrap(), case["ari"].as_f64().unwrap()], 1e-12);
    }
}

#[test]
fn silhouettes_are_scikit_learns() {
    let case = golden("silhouette");
    let values = numbers(&case["rows"]).into_iter().map(|value| value as f32).collect();
    let rows = Rows::new(values, case["n_columns"].as_u64().unwrap() as usize).unwrap();
    let found = silhouette(&rows, &labels(&case["labels"]), &SilhouetteConfig::default()).unwrap();
    // Ours are distances between f32.
    close("silhouette", &found.values, &numbers(&case["values"]), 1e-6);
}

/// `tests/golden/scib.py` says how they were made: one population apart, one that overlaps, one without any types.
#[test]
fn scores_of_labels_are_scib_metrics() {
    let made: serde_json::Value = serde_json::from_str(include_str!("../../golden/scib.json")).unwrap();
    for case in made["cases"].as_array().unwrap() {
        let values = numbers(&case["points"]).into_iter().map(|value| value as f32).collect();
        let rows = Rows::new(values, case["n_columns"].as_u64().unwrap() as usize).unwrap();
        let (known, clusters) = (labels(&case["labels"]), labels(&case["clusters"]));
        let number = |name: &str| case[name].as_f64().unwrap();
        let asw = silhouette(&rows, &known, &SilhouetteConfig::default()).unwrap();
        let found = AvgBio::new(&[clusters], &known, asw.mean).unwrap();
        // Counts of labels: the same but for the order of sums in f64.
        close("NMI, ARI", &[found.nmi, found.ari], &[number("nmi"), number("ari")], 1e-9);
        // Theirs sums distances in f32, of 90 points: seven digits.
        let theirs = [number("silhouette"), number("silhouette_rescaled")];
        close("silhouette", &[asw.mean, asw.scaled()], &theirs, 1e-6);
        assert!((found.asw - asw.scaled()).abs() < 1e-12, "{found:?}");
    }
}

#[test]
fn scores_of_public_cells_are_scikit_learns() {
    let Some(rows) = pbmc() else { return };
    let of_cells = golden("pbmc");
    let known = labels(&of_cells["labels"]);
    let asw = silhouette(&rows, &known, &SilhouetteConfig::default()).unwrap();
    // Theirs sums in f32, as the components are.
    close("silhouette", &[asw.mean], &[of_cells["silhouette"].as_f64().unwrap()], 1e-5);
    let two: Vec<f32> = (0..rows.n_rows()).flat_map(|cell| rows.row(cell)[..2].to_vec()).collect();
    let found = trustworthiness(&rows, &Rows::new(two, 2).unwrap(), 15).unwrap();
    close("trustworthiness", &[found], &[of_cells["trustworthiness_of_two_components"].as_f64().unwrap()], 1e-6);

    let links = pbmc_links(&rows);
    let at = |resolution: f64| {
        let config = ClusterConfig { resolution, ..ClusterConfig::default() };
        clusters(&links, &config).unwrap().labels
    };
    // scib 1.2 chooses from 0.2, 0.4 .. 2.0.
    let choices: Vec<Vec<u32>> = (1..=10).map(|step| at(f64::from(step) * 0.2)).collect();
    let found = AvgBio::new(&choices, &known, asw.mean).unwrap();
    let theirs = |part: &str| of_cells["scib"][part].as_f64().unwrap();
    let (nmi, ari, scaled) = (theirs("nmi"), theirs("ari"), theirs("asw"));
    close("ASW", &[found.asw], &[scaled], 1e-5);
    // Leiden differs from itself by its seed; the best of ten is to be as good as scanpy's.
    assert!((found.nmi - nmi).abs() < 0.03, "NMI {} {nmi}", found.nmi);
    assert!((found.mean - (nmi + ari + scaled) / 3.0).abs() < 0.05, "{found:?}");
}
