//! Embeddings of cells, and AvgBIO of them.

use atlas::scores::AvgBio;
use engine::conservation::{Sweep, components, conserved};
use jepa::cell_jepa::embed::Embedder;

use super::*;

/// Forty cells of two kinds, each with genes of its own and some of both.
pub(super) fn two_kinds() -> (Counts, Vec<u32>) {
    let mut dense = Vec::new();
    let labels: Vec<u32> = (0..40).map(|cell| cell % 2).collect();
    for (cell, label) in labels.iter().enumerate() {
        for gene in 0..N_GENES {
            let own = (gene % 3) as u32 == *label;
            let noise = 3.5 + 2.0 * super::noise(cell * N_GENES + gene, 4);
            let value = if own {
                2.0 + noise / 7.0
            } else if gene % 3 == 2 {
                noise / 5.0
            } else {
                0.0
            };
            dense.push(value);
        }
    }
    (Counts::from_dense(&dense, N_GENES).expect("rows are whole"), labels)
}

fn embedder(config: &CellJepaConfig) -> Embedder {
    let header = super::running::header(&super::running::config(config.clone()));
    Embedder::of(&model(config), &header, &cpu()).expect("a Cell-JEPA's header")
}

fn embedded(config: &CellJepaConfig, cells: &Counts, rows: &[usize]) -> Vec<f32> {
    let embedder = embedder(config);
    let mut under_way = embedder.embed(cells, rows).expect("the cells have the model's genes");
    while block_on(under_way.advance()).expect("readable").is_some() {}
    under_way.finish()
}

#[test]
fn embeddings_have_length_one_and_do_not_depend_on_company() {
    let (cells, _) = two_kinds();
    let all: Vec<usize> = (0..40).collect();
    let together = embedded(&config(), &cells, &all);
    assert_eq!(together.len(), 40 * 16);
    for row in together.chunks_exact(16) {
        assert!((row.iter().map(|value| value * value).sum::<f32>() - 1.0).abs() < 1e-5);
    }
    assert!(largest_difference(&embedded(&config(), &cells, &[7]), &together[7 * 16..8 * 16]) < 1e-5);
    let longer = embedded(&CellJepaConfig { embed_normalised: false, ..config() }, &cells, &[7]);
    assert!(longer.iter().map(|value| value * value).sum::<f32>() > 1.5);
    assert!(embedder(&config()).embed(&cells, &[40]).is_err());
    let narrow = Counts::from_dense(&[1.0], 1).expect("rows are whole");
    assert!(embedder(&config()).embed(&narrow, &[0]).is_err());
}

#[test]
fn labels_against_themselves_score_one() {
    let labels: Vec<u32> = (0..30).map(|cell| cell % 3).collect();
    let found = AvgBio::new(std::slice::from_ref(&labels), &labels, 1.0).expect("thirty cells");
    assert_eq!((found.nmi, found.ari, found.mean), (1.0, 1.0, 1.0));
}

#[test]
fn kinds_that_lie_apart_score_high_by_every_clustering() {
    let (cells, labels) = two_kinds();
    let (values, n_dims) = components(&cells, 5).expect("forty cells");
    for found in conserved(values, n_dims, &labels).expect("two labels") {
        let best_is_two = found.sweep == Sweep::LeidenOne || found.n_clusters == 2;
        assert!(best_is_two && found.score.mean > 0.6 && found.score.asw > 0.7, "{found:?}");
        assert_eq!(found.sweep.is_optimistic(), found.sweep != Sweep::LeidenOne);
    }
    // Without anything in common there is nothing to find.
    let shuffled: Vec<u32> = (0..40).map(|cell| (cell / 2) % 2).collect();
    let (values, n_dims) = components(&cells, 5).expect("forty cells");
    assert!(
        conserved(values.clone(), n_dims, &shuffled).expect("two labels").iter().all(|found| found.score.ari < 0.2)
    );
    assert!(conserved(values, n_dims, &[0; 40]).is_err(), "one label says nothing");
}
