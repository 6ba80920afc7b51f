//! The readers on public files, where `../shared/data` lies beside the repository. Sums and non-zeros were computed with
//! anndata 0.12 and scanpy 1.11 from the same files.

use std::path::{Path, PathBuf};

use cells::source::NamedSource;
use spec::dataset::PrepareOptions;

use super::build::{PLENTY, read_opened, to_dense};

fn data() -> Option<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    if data.is_dir() {
        return Some(data);
    }
    crate::say_skipped("../shared/data is absent, public files are not read");
    None
}

fn files(data: &Path, names: &[&str]) -> Vec<NamedSource> {
    let source = |name: &&str| {
        let bytes = std::fs::read(data.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        NamedSource::from_bytes(name.rsplit('/').next().unwrap_or(name), bytes)
    };
    names.iter().map(source).collect()
}

/// File, matrix, cells, genes, non-zeros, sum.
const MATRICES: [(&str, &str, usize, usize, usize, f64); 18] = [
    ("perturbseq/papalexi2021_thp1_eccite_299genes_counts.h5ad", "X", 20_729, 299, 1_390_126, 4_299_765.0),
    ("perturbseq/papalexi2021_thp1_eccite_585genes_7k_counts.h5ad", "X", 7_108, 585, 841_433, 2_841_774.0),
    ("perturbseq/schraivogel2020_k562_crispri_tapseq_72genes_counts.h5ad", "X", 21_977, 72, 998_313, 21_410_434.0),
    ("perturbseq/perturbench_devel_norman19_mcfaline23_500hvg_lognorm.h5ad", "X", 5_961, 500, 211_790, 406_134.543_524),
    ("cells/celltypist_sample_559cells_32786genes_counts.h5ad", "X", 559, 32_786, 1_027_859, 3_619_954.0),
    ("cells/muscat_example_kang_1556cells_1267genes_celltypes_counts.h5ad", "X", 1_556, 1_267, 585_251, 2_338_396.0),
    ("cells/pbmc68k_reduced.h5ad", "X", 700, 765, 535_433, -243.681_058),
    ("cells/pbmc68k_reduced.h5ad", "raw/X", 700, 765, 174_400, 319_044.238_241),
    ("formats/real/anndata_0.5.0.h5ad", "X", 700, 765, 535_433, -243.681_058),
    ("formats/real/anndata_0.5.0.h5ad", "raw/X", 700, 765, 174_400, 319_044.238_241),
    ("formats/real/anndata_0.7.0.h5ad", "X", 30, 20, 228, 285.0),
    ("formats/real/anndata_0.7.0.h5ad", "raw/X", 30, 40, 480, 627.0),
    ("formats/real/pbmc_10k_protein_dense_lzf.h5ad", "X", 200, 16_727, 317_760, 909_531.0),
    ("formats/real/10x_v2.h5", "hg19_chr21", 12, 343, 12, 12.0),
    ("formats/real/10x_v3.h5", "matrix", 1_107, 507, 23_866, 41_549.0),
    ("formats/real/10x_without_feature_type.h5", "matrix", 3_005, 1_000, 967_056, 5_190_223.0),
    ("formats/generated/h5ad_lognorm_X_counts_layer_raw.h5ad", "X", 200, 300, 35_523, 118_534.199_604),
    ("formats/real/loompy_test.loom", "matrix", 200, 20, 0, 0.0),
];

#[test]
fn public_files_read_as_anndata_reads_them() {
    let Some(data) = data() else { return };
    for (name, matrix, n_cells, n_genes, n_nonzero, sum) in MATRICES {
        let opened = cells::read::open(files(&data, &[name]), PLENTY).unwrap_or_else(|error| panic!("{name}: {error}"));
        let options = PrepareOptions { matrix: Some(matrix.into()), ..opened.opened().suggested.clone() };
        let read = read_opened(&opened, &options).unwrap_or_else(|error| panic!("{name}: {error}"));
        let counts = &read.counts;
        assert_eq!((counts.n_cells(), counts.n_genes()), (n_cells, n_genes), "{name} {matrix}");
        assert_eq!(counts.n_nonzero(), n_nonzero, "{name} {matrix}");
        // f64 values are stored as f32: seven digits.
        assert!((counts.sum() - sum).abs() <= 1e-7 * sum.abs().max(1.0), "{name} {matrix}: {}", counts.sum());
    }
}

#[test]
fn the_same_counts_in_every_dress() {
    let Some(data) = data() else { return };
    let expected = expected_counts(&data);
    let h5ad = ["csc_f32_gzip", "csr_f32_gzip", "csr_f32_lzf", "csr_f32_none", "csr_i32_gzip", "dense_f32_gzip"];
    let third_party = ["csr_f32_blosc_lz4", "csr_f32_lz4", "csr_f32_zstd"];
    let more = ["dense_f32_lzf", "dense_f32_none", "ensembl_varnames", "lognorm_X_counts_layer_raw"];
    let mut dresses: Vec<Vec<String>> = h5ad
        .iter()
        .chain(&third_party)
        .chain(&more)
        .map(|name| vec![format!("formats/generated/h5ad_{name}.h5ad")])
        .collect();
    dresses.push(vec!["formats/generated/10x_v2.h5".into()]);
    dresses.push(vec!["formats/generated/10x_v3.h5".into()]);
    dresses.push(vec!["formats/generated/counts.loom".into()]);
    dresses.push(vec!["formats/generated/zarr_v2_csr.zarr.zip".into()]);
    for table in ["cells_by_genes.csv", "cells_by_genes.csv.gz", "genes_by_cells.tsv", "genes_by_cells.tsv.gz"] {
        dresses.push(vec![format!("formats/generated/{table}")]);
        dresses.push(vec![format!("formats/generated/{table}"), "formats/generated/cell_metadata.csv".into()]);
    }
    let folder =
        |folder: &str, names: [&str; 3]| names.map(|name| format!("formats/generated/{folder}/{name}")).to_vec();
    dresses.push(folder("10x_mtx_v2", ["matrix.mtx", "barcodes.tsv", "genes.tsv"]));
    dresses.push(folder("10x_mtx_v3", ["matrix.mtx.gz", "barcodes.tsv.gz", "features.tsv.gz"]));
    for dress in dresses {
        let names: Vec<&str> = dress.iter().map(String::as_str).collect();
        let opened =
            cells::read::open(files(&data, &names), PLENTY).unwrap_or_else(|error| panic!("{names:?}: {error}"));
        let read = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
        assert!(to_dense(&read.counts) == expected, "{names:?} differs");
        cells::check::require_counts(&read, &opened.opened().matrices).unwrap();
        let found = read.genes.align(&["ISG15".into(), "ENSG00000187608.10".into()], &[]).unwrap();
        let at_least =
            if ["ensembl", "loom", "genes_by", "by_genes"].iter().any(|one| names[0].contains(one)) { 1 } else { 2 };
        assert!(found.n_found >= at_least, "{names:?}: {found:?}");
    }
}

fn expected_counts(data: &Path) -> Vec<f32> {
    let mut archive = npyz::npz::NpzArchive::open(data.join("formats/generated/EXPECTED_counts.npz")).unwrap();
    let counts = archive.by_name("X").unwrap().expect("the archive holds X");
    assert_eq!(counts.shape(), [200, 300]);
    counts.into_vec::<i32>().unwrap().into_iter().map(|count| count as f32).collect()
}

#[test]
fn labels_of_the_screens_are_recognised() {
    let Some(data) = data() else { return };
    let name = "perturbseq/papalexi2021_thp1_eccite_299genes_counts.h5ad";
    let opened = cells::read::open(files(&data, &[name]), PLENTY).unwrap();
    let read = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
    let labels = read.perturbations.unwrap();
    assert_eq!((labels.names.len(), labels.names[0].as_str(), labels.sizes()[0]), (26, "control", 2386));
    assert_eq!(read.library_sizes.unwrap()[0], 17_207.0);
    let lognorm = "perturbseq/perturbench_devel_norman19_mcfaline23_500hvg_lognorm.h5ad";
    let opened = cells::read::open(files(&data, &[lognorm]), PLENTY).unwrap();
    let read = read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
    let error = cells::check::require_counts(&read, &opened.opened().matrices).unwrap_err();
    assert!(error.to_string().contains("log-normalised"), "{error}");
}

#[test]
fn public_files_that_are_not_read_say_why() {
    let Some(data) = data() else { return };
    for (name, why) in [
        ("formats/real/anndata_0.11.4_without_X.h5ad", "has no X"),
        ("formats/generated/cell_metadata.csv", "no column of numbers"),
        ("formats/generated/10x_mtx_v3/matrix.mtx.gz", "lacks barcodes.tsv"),
    ] {
        let error = cells::read::open(files(&data, &[name]), PLENTY).expect_err(name).to_string();
        assert!(error.contains(why), "{name}: {error}");
    }
}
