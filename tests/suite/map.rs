//! The map of a population against scanpy, scikit-learn, scipy, leidenalg and umap-learn:
//! `tests/golden/scanpy_map.json`, made by `tests/golden/scanpy_map.py`. What is deterministic has their numbers;
//! clusters and layouts have their quality. The checks of the specification's generator are in `scanpy_parity`.

mod clusters;
mod enrichment;
mod layout;
mod markers;
mod nearest;
mod scores;

use std::path::Path;
use std::sync::LazyLock;

use atlas::graph::Graph;
use atlas::neighbours::links::connectivities;
use atlas::neighbours::{NeighbourConfig, neighbours};
use atlas::rows::Rows;
use serde_json::Value;

static GOLDEN: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../golden/scanpy_map.json")).unwrap());

fn golden(key: &str) -> &'static Value {
    let part = &GOLDEN[key];
    assert!(!part.is_null(), "the golden file has no {key}");
    part
}

/// Numbers without a sign or a fraction.
fn labels(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|label| label.as_u64().unwrap() as u32).collect()
}

/// The principal components of PBMC 68k, 700 cells by 50, as its file has them; none, and said so, where it is absent.
fn pbmc() -> Option<Rows> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if !data.is_dir() {
        crate::say_skipped("../shared/data is absent, PBMC 68k is not mapped");
        return None;
    }
    let file = hdf5_pure::File::open(data.join("cells/pbmc68k_reduced.h5ad")).unwrap();
    let components: Vec<f32> = file.dataset("obsm/X_pca").unwrap().read().unwrap();
    Some(Rows::new(components, 50).unwrap())
}

/// Its graph of 15 neighbours.
fn pbmc_links(rows: &Rows) -> Graph {
    connectivities(&neighbours(rows, &NeighbourConfig::default()).unwrap())
}
