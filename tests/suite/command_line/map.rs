//! `waddington map`: the map of the screen from the command line, and the scores of docs/maps.md.

use std::path::{Path, PathBuf};

use cells::source::NamedSource;
use cli::{Arguments, Parser};
use spec::dataset::PrepareOptions;

use super::Folder;

#[test]
fn cells_are_mapped_compared_scored_and_saved() {
    let folder = Folder::new("map");
    let said =
        folder.succeed("map cells.h5ad --out mapped.h5ad --markers markers.csv --labels condition --neighbours 6");
    for part in ["expression: ", "modularity", "against condition", "AvgBIO", "tuned by the labels"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let file = NamedSource::from_bytes("mapped.h5ad", folder.read("mapped.h5ad"));
    let opened = cells::read::open(vec![file], 1 << 30).expect("it was saved");
    let beside = opened.beside(&PrepareOptions::default()).expect("obsm");
    assert!(beside.obsm.iter().any(|embedding| (embedding.name.as_str(), embedding.n_dims) == ("X_umap", 2)));
    assert!(opened.opened().columns.iter().any(|column| column.name == "leiden"));
    let markers = String::from_utf8(folder.read("markers.csv")).expect("text");
    assert!(markers.starts_with("group,names,scores,logfoldchanges"), "{markers}");

    let refused = |command: &str, part: &str| {
        let said = folder.run(command).expect_err("refused");
        assert!(said.contains(part), "{said} does not say {part}");
    };
    refused("map cells.h5ad --out mapped.h5ad", "--force");
    refused("map cells.h5ad --out mapped.csv", "h5ad");
    refused("map cells.h5ad --labels nothing", "no column of labels");
    refused("map cells.h5ad --resolution=-1", "resolution is -1");
}

/// What docs/maps.md shows: AvgBIO of principal components and of latent states of models in the folder that
/// `SCORED_MODELS` names, untrained (`<set>0.safetensors`) and trained (`<set>.safetensors`).
#[test]
#[ignore = "prints the scores of public cells; needs ../shared/data and models of one's own"]
fn scores_of_public_cells() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let models = std::env::var_os("SCORED_MODELS").map(PathBuf::from);
    for (set, file, labels) in [
        ("pbmc", "cells/pbmc68k_reduced.h5ad", "bulk_labels"),
        ("kang", "cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad", "cell_type"),
    ] {
        for model in [None, Some(format!("{set}0.safetensors")), Some(format!("{set}.safetensors"))] {
            let file = data.join(file).display().to_string();
            let mut words = vec!["waddington".to_owned(), "map".into(), file, "--labels".into(), labels.into()];
            if let Some((name, models)) = model.as_ref().zip(models.as_ref()) {
                words.extend(["--model".into(), models.join(name).display().to_string()]);
            }
            let mut out = Vec::new();
            match cli::run(&Arguments::parse_from(words), &mut out) {
                Ok(()) => println!("{set} {model:?}\n{}", String::from_utf8_lossy(&out)),
                Err(error) => println!("{set} {model:?}: {error:#}"),
            }
        }
    }
}
