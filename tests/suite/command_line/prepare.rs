//! `waddington prepare`: what the screen does, done from the command line, and done again from its recipe.

use cells::counts::Counts;
use cells::prepare::{log1p, normalize_total};
use cells::write::h5ad::UnsArray;
use spec::dataset::PrepareOptions;
use spec::recipe::Recipe;

use super::{Folder, read_h5ad};

/// The recipe inside an h5ad that was saved.
fn recipe_of(h5ad: Vec<u8>) -> Recipe {
    let file = cells::source::NamedSource::from_bytes("saved.h5ad", h5ad);
    let opened = cells::read::open(vec![file], 1 << 30).expect("it was saved");
    let beside = opened.beside(&PrepareOptions::default()).expect("uns");
    assert!(beside.obsm.iter().any(|map| map.name == "X_pca"));
    assert!(beside.uns_arrays.iter().all(|(_, array)| !matches!(array, UnsArray::Numbers { .. })), "no predictions");
    let (_, run) = beside.uns.into_iter().find(|(key, _)| key == "waddington/run").expect("how it came about");
    let run: serde_json::Value = serde_json::from_str(&run).expect("json");
    serde_json::from_value(run["recipe"].clone()).expect("a recipe")
}

fn counts_of(h5ad: Vec<u8>) -> Counts {
    read_h5ad(h5ad).counts
}

#[test]
fn cells_are_prepared_and_prepared_again_by_recipe() {
    let folder = Folder::new("prepare");
    folder.succeed("prepare cells.h5ad first.h5ad --min-counts 5");
    assert!(folder.run("prepare cells.h5ad first.h5ad").expect_err("there already").contains("--force"));
    let first = recipe_of(folder.read("first.h5ad"));
    assert_eq!((first.options.filter.min_counts, first.options.target_sum), (Some(5.0), Some(1e4)));
    assert_eq!(first.options.perturbation_column.as_deref(), Some("condition"), "as the file suggests");

    let mut expected = counts_of(folder.read("cells.h5ad"));
    normalize_total(&mut expected, Some(1e4), None).expect("counts");
    log1p(&mut expected);
    let found = counts_of(folder.read("first.h5ad"));
    assert_eq!(found.n_cells() as u64, first.shape[0]);
    if found.n_cells() == expected.n_cells() {
        assert_eq!(found, expected);
    }

    folder.write("recipe.json", &serde_json::to_vec(&first).expect("json"));
    folder.succeed("prepare cells.h5ad second.h5ad --recipe recipe.json");
    assert_eq!(recipe_of(folder.read("second.h5ad")), first);
    assert_eq!(counts_of(folder.read("second.h5ad")), found);

    let refused = |recipe: &Recipe, part: &str| {
        folder.write("other.json", &serde_json::to_vec(recipe).expect("json"));
        let said = folder.run("prepare cells.h5ad third.h5ad --recipe other.json").expect_err("refused");
        assert!(said.contains(part), "{said} does not say {part}");
        assert!(!folder.has("third.h5ad"));
    };
    refused(&Recipe { shape: [1, 2, 3], ..first.clone() }, "1 cells, 2 genes, 3 values");
    refused(&Recipe { gene_table: Some("hgnc.tsv".into()), ..first.clone() }, "--gene-table");
    refused(&Recipe { format: 9, ..first.clone() }, "layout 9");
    let matrix = Some("layers/none".to_owned());
    refused(&Recipe { options: PrepareOptions { matrix, ..first.options.clone() }, ..first }, "no matrix layers/none");
    folder.write("other.json", b"{}");
    let said = folder.run("prepare cells.h5ad third.h5ad --recipe other.json").expect_err("refused");
    assert!(said.contains("no recipe"), "{said}");
}

#[test]
fn genes_are_named_by_a_table() {
    let folder = Folder::new("prepare_names");
    let symbols = read_h5ad(folder.read("cells.h5ad")).genes.symbols;
    folder.write("genes.tsv", format!("symbol\taliases\nNEWNAME\t{}\n", symbols[0]).as_bytes());
    folder.succeed("prepare cells.h5ad named.h5ad --gene-table genes.tsv");
    let named = read_h5ad(folder.read("named.h5ad")).genes.symbols;
    assert_eq!(named[0], "NEWNAME");
    assert_eq!(named[1..], symbols[1..]);
    assert_eq!(recipe_of(folder.read("named.h5ad")).gene_table.as_deref(), Some("genes.tsv"));
}
