//! `--genes` and `--join`, and what a training configuration says of both.

use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use engine::jepa::checkpoint;

use super::{CONFIG, Folder, GENES, open, read_h5ad};

/// Genes by name and by a file of names; the sums over all genes stand beside them and are taken for library sizes.
#[test]
fn chosen_genes_keep_their_library_sizes() {
    let folder = Folder::new("chosen");
    let cells = read_h5ad(folder.read("cells.h5ad"));
    folder.write("genes.txt", b"MYC\nSTAT1\n");
    folder.succeed("convert cells.h5ad some_genes.h5ad --genes STAT1,MYC");
    folder.succeed("convert cells.h5ad by_list.h5ad --genes genes.txt");
    assert_eq!(folder.read("some_genes.h5ad"), folder.read("by_list.h5ad"));
    let read = read_h5ad(folder.read("some_genes.h5ad"));
    assert_eq!(read.genes.symbols, ["STAT1", "MYC"]);
    assert_eq!(read.counts, cells.counts.select_columns(&[Some(0), Some(4)]));
    let opened = open(folder.read("some_genes.h5ad"));
    let suggested = opened.opened().suggested.clone();
    assert_eq!(suggested.library_size_column.as_deref(), Some("n_counts_all_genes"));
    let reading = opened.begin(&suggested);
    let mut reading = reading.expect("the column is there");
    while reading.advance().expect("its values can be read").is_some() {}
    let sizes = reading.finish().expect("all of it was read").library_sizes;
    assert_eq!(sizes.expect("from the column"), cells.counts.row_sums());
    assert!(folder.succeed("inspect cells.h5ad --genes MYC").contains("1 of 7 genes are kept"));
    let refused = folder.run("convert cells.h5ad x.h5ad --genes TP53,KRAS").expect_err("no such genes");
    assert!(refused.contains("no gene in common") && refused.contains("TP53"), "{refused}");
    assert!(folder.run("convert cells.h5ad x.h5ad --genes ,").expect_err("no names").contains("names no gene"));
}

#[test]
fn samples_are_joined_either_way() {
    let folder = Folder::new("joined");
    let other = read_h5ad(folder.read("cells.h5ad"));
    let counts = other.counts.select_columns(&[Some(4), Some(2)]);
    let genes = vec!["MYC".to_owned(), "IRF1".into()];
    let other = H5ad::new(Matrix::Csr(counts), other.barcodes, genes);
    folder.write("other.h5ad", &write_h5ad(&other).expect("a well-formed file"));
    for (join, n_genes) in [("union", 7), ("intersection", 2)] {
        folder.succeed(&format!("convert cells.h5ad other.h5ad {join}.h5ad --join {join}"));
        let joined = read_h5ad(folder.read(&format!("{join}.h5ad")));
        assert_eq!((joined.counts.n_cells(), joined.counts.n_genes()), (64, n_genes));
        let said = folder.succeed(&format!("inspect cells.h5ad other.h5ad --join {join}"));
        assert!(said.contains(&format!("genes      {n_genes} ")), "{said}");
    }
    let refused = folder.run("inspect cells.h5ad --join both").expect_err("no such join");
    assert!(refused.contains("union or intersection"), "{refused}");
}

/// A run is of the genes that its configuration names.
#[test]
fn a_run_takes_its_genes_and_its_join_from_its_configuration() {
    let folder = Folder::new("genes");
    let genes = "join = \"intersection\"\n[data]\ngenes = [\"STAT1\", \"JAK2\", \"MYC\", \"ACTB\"]\n\n[model]";
    folder.write("few.toml", CONFIG.replace("[model]\n", &format!("{genes}\n")).as_bytes());
    let cells = read_h5ad(folder.read("cells.h5ad"));
    let mut other = H5ad::new(
        Matrix::Csr(cells.counts.select_columns(&[0, 1, 2, 3, 4].map(Some))),
        cells.barcodes,
        GENES[..5].iter().map(|gene| (*gene).to_owned()).collect(),
    );
    let labels: Vec<&str> = (0..32).map(|cell| ["control", "control", "STAT1", "JAK2"][cell % 4]).collect();
    other.obs.columns.push(("condition".into(), Values::categorical(&labels)));
    folder.write("other.h5ad", &write_h5ad(&other).expect("a well-formed file"));
    let train = "train few.toml cells.h5ad other.h5ad --bank bank.safetensors --cpu --out few.safetensors";
    folder.succeed(train);
    let trained = checkpoint::read(&folder.read("few.safetensors")).expect("it was just trained");
    // ACTB is not in both samples.
    assert_eq!(trained.header.genes, ["STAT1", "JAK2", "MYC"]);
}
