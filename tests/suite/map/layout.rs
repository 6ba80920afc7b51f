//! UMAP against umap-learn: its curve by numbers, its layout by how many neighbourhoods are kept.

use atlas::rows::Rows;
use atlas::scores::layout::trustworthiness;
use atlas::umap::curve::Curve;
use atlas::umap::{Start, UmapConfig, umap};

use super::{golden, pbmc, pbmc_links};
use crate::prepare::golden::{near, numbers};

#[test]
fn the_curve_is_umap_learns() {
    for case in golden("curves").as_array().unwrap() {
        let curve = Curve::fit(case["min_dist"].as_f64().unwrap(), case["spread"].as_f64().unwrap()).unwrap();
        // scipy's solver stops when a step changes less than 1.5e-8.
        near(&case.to_string(), &[curve.a, curve.b], &numbers(&case["a_b"]), 1e-5);
    }
}

#[test]
fn layouts_of_public_cells_keep_as_many_neighbourhoods_as_umap_learns() {
    let Some(rows) = pbmc() else { return };
    let links = pbmc_links(&rows);
    let theirs = numbers(&golden("pbmc")["trustworthiness"]);
    let least = theirs.iter().copied().fold(1.0, f64::min);
    let two: Vec<f32> = (0..rows.n_rows()).flat_map(|cell| rows.row(cell)[..2].to_vec()).collect();
    for (seed, start) in [(0, Start::Spectral), (1, Start::Spectral), (2, Start::Given(two))] {
        let layout = umap(&links, &UmapConfig { seed, start, ..UmapConfig::default() }).unwrap();
        let found = trustworthiness(&rows, &Rows::new(layout, 2).unwrap(), 15).unwrap();
        println!("{seed}: trustworthiness {found}, umap-learn's {theirs:?}");
        assert!(found > least - 0.02, "{seed}: {found} {theirs:?}");
    }
}
