//! Clusters against leidenalg: their quality on the same graph, and what always holds.

use atlas::graph::Graph;
use atlas::leiden::{Algorithm, ClusterConfig, Work, clusters, modularity};
use atlas::scores::agreement::adjusted_rand;
use proptest::prelude::*;

use super::{golden, labels, pbmc, pbmc_links};
use crate::prepare::golden::{close, numbers};

#[test]
fn clusters_of_public_cells_are_as_good_as_leidenalgs() {
    let Some(rows) = pbmc() else { return };
    let links = pbmc_links(&rows);
    for case in golden("pbmc")["leiden"].as_array().unwrap() {
        let resolution = case["resolution"].as_f64().unwrap();
        let (theirs, quality) = (labels(&case["labels"]), numbers(&case["modularity"]));
        let found = modularity(&links, &theirs, resolution).unwrap();
        close("modularity of scanpy's clusters", &[found], &quality[..1], 1e-6);
        let agreeing = numbers(&case["ari_between_seeds"]).into_iter().fold(1.0, f64::min);
        for seed in 0..5 {
            let config = ClusterConfig { resolution, seed, ..ClusterConfig::default() };
            let found = clusters(&links, &config).unwrap();
            let ari = adjusted_rand(&found.labels, &theirs).unwrap();
            println!(
                "{resolution} {seed}: {} clusters, {} of {}, ARI {ari}",
                found.n_clusters, found.modularity, quality[0]
            );
            assert!(found.modularity > quality[0] - 0.01, "{resolution} {seed}: {} {quality:?}", found.modularity);
            // As near to scanpy's as scanpy's of another seed, about.
            assert!(ari > agreeing - 0.1, "{resolution} {seed}: ARI {ari}, {agreeing} between seeds");
            let louvain = ClusterConfig { algorithm: Algorithm::Louvain, ..config };
            let older = clusters(&links, &louvain).unwrap();
            assert!(older.modularity > quality[0] - 0.01, "{resolution} {seed}: Louvain {}", older.modularity);
        }
    }
}

#[test]
fn clustering_pauses_and_can_be_dropped() {
    // A long ring takes more than one portion.
    let n = 12_000;
    let edges: Vec<(u32, u32, f32)> = (0..n).map(|at| (at, (at + 1) % n, 1.0)).collect();
    let ring = Graph::from_edges(n as usize, &edges).unwrap();
    let config = ClusterConfig { n_rounds: Some(2), ..ClusterConfig::default() };
    let mut work = Work::new(&ring, &config).unwrap();
    assert_eq!((work.advance(), work.advance()), (Some(0), Some(0)));
    // Before the first round has ended every cell is its own cluster.
    assert_eq!(work.finish().n_clusters, n as usize);
    let found = clusters(&ring, &config).unwrap();
    assert!(found.modularity > 0.97 && found.n_clusters < 400, "{} {}", found.modularity, found.n_clusters);
}

fn graph() -> impl Strategy<Value = Graph> {
    (2_u32..40).prop_flat_map(|n| {
        prop::collection::vec((0..n, 0..n, 0.01_f32..1.0), 0..120).prop_map(move |mut edges| {
            edges.retain(|&(a, b, _)| a < b);
            edges.sort_by_key(|&(a, b, _)| (a, b));
            edges.dedup_by_key(|&mut (a, b, _)| (a, b));
            Graph::from_edges(n as usize, &edges).unwrap()
        })
    })
}

proptest! {
    #[test]
    fn every_cluster_of_leiden_is_connected(
        graph in graph(), resolution in 0.0_f64..3.0, seed in 0_u64..5, rounds in prop::option::of(0_usize..3),
    ) {
        let config = ClusterConfig { resolution, seed, n_rounds: rounds, ..ClusterConfig::default() };
        let found = clusters(&graph, &config).unwrap();
        let (_, n_parts) = graph.parts(|a, b| found.labels[a as usize] == found.labels[b as usize]);
        prop_assert_eq!(n_parts, found.n_clusters, "as many connected parts as clusters");
        let size = |label: usize| found.labels.iter().filter(|&&other| other as usize == label).count();
        let sizes: Vec<usize> = (0..found.n_clusters).map(size).collect();
        prop_assert!(sizes.is_sorted_by(|a, b| a >= b) && sizes.iter().all(|&size| size > 0), "{:?}", sizes);
        prop_assert_eq!(&found, &clusters(&graph, &config).unwrap(), "the same seed, the same clusters");
        let alone: Vec<u32> = (0..graph.n_cells() as u32).collect();
        prop_assert!(found.modularity >= modularity(&graph, &alone, resolution).unwrap() - 1e-9);
        // No two linked clusters would be better as one.
        for (a, b) in (0..found.n_clusters as u32).flat_map(|a| (0..a).map(move |b| (a, b))) {
            let joined: Vec<u32> = found.labels.iter().map(|&label| if label == a { b } else { label }).collect();
            let quality = modularity(&graph, &joined, resolution).unwrap();
            prop_assert!(rounds.is_some() || quality <= found.modularity + 1e-6, "{} {}", quality, found.modularity);
        }
    }
}

/// What a person reads off a map: how well clusters meet the cell types of the file. By the mean of five seeds, because
/// a seed alone moves scanpy's own number by more than the tolerance.
#[test]
fn clusters_meet_known_labels_as_scanpys_do() {
    let Some(rows) = pbmc() else { return };
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let file = hdf5_pure::File::open(data.join("cells/pbmc68k_reduced.h5ad")).unwrap();
    let codes: Vec<i8> = file.dataset("obs/bulk_labels/codes").unwrap().read().unwrap();
    let types: Vec<u32> = codes.into_iter().map(|code| u32::try_from(code).unwrap()).collect();
    let links = pbmc_links(&rows);
    for case in golden("pbmc")["leiden"].as_array().unwrap() {
        let resolution = case["resolution"].as_f64().unwrap();
        let theirs = adjusted_rand(&labels(&case["labels"]), &types).unwrap();
        let of_seed = |seed: u64| {
            let found = clusters(&links, &ClusterConfig { resolution, seed, ..ClusterConfig::default() }).unwrap();
            adjusted_rand(&found.labels, &types).unwrap()
        };
        let ours = (0..5).map(of_seed).sum::<f64>() / 5.0;
        println!("{resolution}: ARI with the cell types {ours}, scanpy's {theirs}");
        assert!((ours - theirs).abs() < 0.02, "{resolution}: {ours}, scanpy's {theirs}");
    }
}
