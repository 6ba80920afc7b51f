//! Genes that are chosen before reading: in every format the same as if all had been read and the rest dropped, and
//! library sizes, quality and what the values are taken for stay those of all genes.

use std::path::{Path, PathBuf};

use cells::counts::Counts;
use cells::data::CellData;
use cells::prepare::{calculate_qc_metrics, log1p, normalize_total, to_linear};
use cells::read::{GeneJoin, OpenedFile, ReadError, group_samples, open_samples};
use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, write_h5ad};
use spec::dataset::{GeneSelection, PrepareOptions};

use super::build::{self, CELLS, Dtype, GENES, PLENTY, dense, gene_names, h5ad, read_opened, sparse, sparse_group};
use super::loom::loom;
use super::tables::{Dress, PLAIN, table};
use super::tenx::{barcodes, features, gzip, mtx, tenx_h5};

fn selection(names: &[&str]) -> Option<GeneSelection> {
    Some(GeneSelection::new(names.iter().map(|name| (*name).to_owned()).collect()).expect("they are names"))
}

/// Reads every matrix whole, and then some of its genes of all cells and of some.
fn check(name: &str, opened: &OpenedFile) {
    for info in &opened.opened().matrices {
        for max_cells in [None, Some(info.n_cells / 2 + 1)] {
            let name = format!("{name}, {}, {max_cells:?} cells", info.name);
            let all =
                PrepareOptions { matrix: Some(info.name.clone()), max_cells, seed: 1, ..PrepareOptions::default() };
            let whole = read_opened(opened, &all).unwrap_or_else(|error| panic!("{name}: {error}"));
            let symbols = &whole.genes.symbols;
            let chosen: Vec<usize> = (0..symbols.len()).filter(|gene| gene % 3 != 2).collect();
            let mut names: Vec<&str> = chosen.iter().rev().map(|gene| symbols[*gene].as_str()).collect();
            names.push("no gene of this name");
            let some = PrepareOptions { genes: selection(&names), ..all };
            let read = read_opened(opened, &some).unwrap_or_else(|error| panic!("{name}: {error}"));
            same(&name, &whole, &read);
        }
    }
}

/// Whether some genes were read as if all had been.
fn same(name: &str, whole: &CellData, read: &CellData) {
    // Of genes of one name the first is meant.
    let column_of = |gene: &String| whole.genes.symbols.iter().position(|symbol| symbol == gene);
    let columns: Vec<Option<u32>> =
        read.genes.symbols.iter().map(|gene| column_of(gene).map(|column| column as u32)).collect();
    assert!(!columns.is_empty() && columns.is_sorted(), "{name}: the order of the file is kept");
    assert!(read.counts == whole.counts.select_columns(&columns), "{name}: values differ");
    assert_eq!(read.barcodes, whole.barcodes, "{name}");
    let warned = read.warnings.iter().any(|warning| warning.contains("not in the file: no gene of this name"));
    assert!(warned, "{name}: {:?}", read.warnings);
    let quality = calculate_qc_metrics(&whole.counts, &whole.genes);
    assert_eq!(read.quality(), quality, "{name}");

    let (mut whole, mut read) = (whole.clone(), read.clone());
    let (of_whole, of_read) = (to_linear(&mut whole, &[], None, None), to_linear(&mut read, &[], None, None));
    let (Ok(of_whole), Ok(of_read)) = (of_whole, of_read) else { return };
    let may_scale = of_whole.may_scale;
    assert_eq!((of_read.reading, of_read.may_scale), (of_whole.reading, of_whole.may_scale), "{name}");
    let quality = (whole.quality(), read.quality());
    let pairs = quality.0.total_counts.iter().zip(&quality.1.total_counts);
    pairs.chain(quality.0.pct_counts_mt.iter().zip(&quality.1.pct_counts_mt)).for_each(|(a, b)| {
        // What was logged comes back in f32 in one and in f64 in the other.
        assert!((a - b).abs() <= 1e-4 * a.abs().max(1e-3), "{name}: {a} and {b}");
    });
    for data in [&mut whole, &mut read] {
        if may_scale {
            normalize_total(&mut data.counts, Some(1e4), data.library_sizes.as_deref())
                .expect("they are of these cells");
        }
        log1p(&mut data.counts);
    }
    let expected = whole.counts.select_columns(&columns);
    assert_eq!(read.counts.n_nonzero(), expected.n_nonzero(), "{name}");
    for (a, b) in read.counts.values().zip(expected.values()) {
        assert!((a - b).abs() <= 1e-4 * b.abs().max(1.0), "{name}: {a} in place of {b}");
    }
}

fn opened(files: Vec<(&str, Vec<u8>)>) -> OpenedFile {
    let files = files.into_iter().map(|(name, bytes)| NamedSource::from_bytes(name, bytes)).collect();
    cells::read::open(files, PLENTY).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn genes_chosen_before_reading_are_read_as_if_all_were() {
    let encoded = |encoding: &'static str, by_rows: bool| {
        h5ad(|file| {
            let group = sparse_group(file.create_group("X"), &sparse(by_rows), encoding, Dtype::F32);
            file.add_group(group.finish());
        })
    };
    let flat = h5ad(|file| {
        file.create_dataset("X").with_f32_data(&dense()).with_shape(&[CELLS as u64, GENES as u64]).with_chunks(&[3, 2]);
    });
    let files = [
        ("csr.h5ad", encoded("csr_matrix", true)),
        ("csc.h5ad", encoded("csc_matrix", false)),
        ("dense.h5ad", flat),
        ("a.loom", loom(Dtype::I32, None)),
        ("b.loom", loom(Dtype::F32, Some([2, 3]))),
        ("v2.h5", tenx_h5(false)),
        ("v3.h5", tenx_h5(true)),
        ("cells.csv", table(PLAIN).into_bytes()),
        ("genes.csv", table(Dress { by_genes: true, ..PLAIN }).into_bytes()),
    ];
    for (name, bytes) in files {
        check(name, &opened(vec![(name, bytes)]));
    }
    for by_cells in [true, false] {
        let trio = vec![
            ("matrix.mtx.gz", gzip(&mtx(by_cells))),
            ("barcodes.tsv", barcodes().into_bytes()),
            ("features.tsv", features().into_bytes()),
        ];
        check("a trio", &opened(trio));
    }
}

#[test]
fn genes_of_public_and_golden_files_can_be_chosen() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/formats");
    let shared = shared.is_dir().then_some(shared);
    if shared.is_none() {
        crate::say_skipped("../shared/data is absent, genes are chosen in the files of tests/golden alone");
    }
    let mut n_checked = 0;
    for path in shared.iter().chain([&golden]).flat_map(|folder| files_below(folder)) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = std::fs::read(&path).expect("it can be read");
        // Parts of a trio are no matrices alone, and some files are there to be refused.
        let Ok(opened) = cells::read::open(vec![NamedSource::from_bytes(&*name, bytes)], PLENTY) else { continue };
        check(&name, &opened);
        n_checked += 1;
    }
    assert!(n_checked >= 14, "{n_checked} files");
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it can be listed").map(|entry| entry.expect("it is there").path());
    let below = entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] });
    below.filter(|path| !path.extension().is_some_and(|ending| ending == "py" || ending == "pt")).collect()
}

/// Counts of three cells, one of them with a mitochondrial gene, and what is made of them.
fn written(values: impl Fn(f32) -> f32, genes: &[&str], barcode: &str) -> Vec<u8> {
    let n_genes = genes.len();
    let of = |at: usize| if at.is_multiple_of(4) { 0.0 } else { (1 + at * 7 % 13) as f32 };
    let counts = Counts::from_dense(&(0..60 * n_genes).map(of).collect::<Vec<_>>(), n_genes).expect("it is whole");
    let sums = counts.row_sums();
    let mut made = Vec::new();
    for (row, sum) in counts.rows().zip(&sums) {
        let mut dense = vec![0.0; n_genes];
        row.for_each(|(gene, value)| dense[gene as usize] = values(value * 5e3 / *sum as f32));
        made.extend(dense);
    }
    let counts = Counts::from_dense(&made, n_genes).expect("it is whole");
    let cells = (0..60).map(|cell| format!("{barcode}{cell}")).collect();
    let genes = genes.iter().map(|gene| (*gene).to_owned()).collect();
    write_h5ad(&H5ad::new(Matrix::Csr(counts), cells, genes)).expect("its parts fit")
}

const NAMES: [&str; 7] = ["STAT1", "MT-CO1", "GAPDH", "JAK2", "MT-ND1", "ACTB", "CD74"];

#[test]
fn what_was_logged_before_is_told_from_all_genes() {
    for (name, values) in [
        ("scaled", (|value| value) as fn(f32) -> f32),
        ("ln", f32::ln_1p),
        ("log2", |value| value.ln_1p() / std::f32::consts::LN_2),
    ] {
        let opened = opened(vec![("logged.h5ad", written(values, &NAMES, "c"))]);
        check(name, &opened);
        let options = PrepareOptions { genes: selection(&["GAPDH"]), ..PrepareOptions::default() };
        let mut data = read_opened(&opened, &options).unwrap();
        let linear = to_linear(&mut data, &[], None, None).unwrap();
        assert!(linear.may_scale, "{name}: one gene of seven is read, and the sums are known");
        let sizes = data.library_sizes.as_ref().unwrap();
        assert!(sizes.iter().all(|size| (size - 5e3).abs() < 1.0), "{name}: {sizes:?}");
        assert!(data.quality().pct_counts_mt.iter().any(|percent| *percent > 10.0), "{name}");
    }
}

#[test]
fn genes_of_a_study_can_be_chosen() {
    let files = || {
        let one = written(|value| value.round(), &NAMES, "a");
        let other = written(|value| value.round(), &["CD74", "RPL3", "MT-ND1", "STAT1"], "b");
        let third = written(f32::round, &["JAK2", "CD74", "STAT1", "MT-ND1"], "c");
        [("one.h5ad", one), ("other.h5ad", other), ("third.h5ad", third)]
            .map(|(name, bytes)| NamedSource::from_bytes(name, bytes))
            .into()
    };
    for join in [GeneJoin::Union, GeneJoin::Intersection] {
        let study = open_samples(group_samples(files(), PLENTY).unwrap(), join, PLENTY).unwrap();
        check(&format!("{join:?}"), &study);
    }
}

#[test]
fn genes_are_matched_by_id_and_those_that_are_absent_are_named() {
    let opened = build::open("10x.h5", tenx_h5(true)).unwrap();
    let with = |names: &[&str]| PrepareOptions { genes: selection(names), ..PrepareOptions::default() };
    let data = read_opened(&opened, &with(&["GAPDH", "ENSG00000115415.12", "STAT1", "X1", "X2"])).unwrap();
    assert_eq!(data.genes.symbols, ["STAT1", "GAPDH"]);
    assert_eq!(data.genes.ids.unwrap(), ["ENSG00000115415", "ENSG00000111640"]);
    assert!(data.warnings.iter().any(|warning| warning == "2 of the 5 genes asked for are not in the file: X1, X2"));
    assert!(data.warnings.iter().any(|warning| warning.contains("2 of 5 genes are kept")), "{:?}", data.warnings);
    let error = opened.begin(&with(&["stat1"])).unwrap_err().to_string();
    assert!(error.contains("genes: no gene in common") && error.contains(&gene_names()[0]), "{error}");

    assert!(GeneSelection::new(Vec::new()).unwrap_err().contains("names no gene"));
    assert!(GeneSelection::new(vec!["A".into(), " ".into()]).unwrap_err().contains("empty name at position 1"));
    let options: PrepareOptions = toml::from_str("genes = [\"A\", \" B \"]").unwrap();
    assert_eq!(options.genes.unwrap().names(), ["A", "B"]);
    assert!(toml::from_str::<PrepareOptions>("genes = []").is_err());
    assert_eq!(serde_json::to_value(with(&["A"])).unwrap()["genes"], serde_json::json!(["A"]));
}

/// 12,000 cells by 2000 genes, of which the first hundred hold half of the values.
fn uneven(is_csc: bool) -> Vec<u8> {
    let (n_cells, n_genes) = (12_000usize, 2000usize);
    let is_there = |cell: usize, gene: usize| gene < 100 || (gene + cell).is_multiple_of(19);
    let (n_lines, n_across) = if is_csc { (n_genes, n_cells) } else { (n_cells, n_genes) };
    let (mut indptr, mut indices) = (vec![0i64], Vec::new());
    for line in 0..n_lines {
        let there = |across: &usize| if is_csc { is_there(*across, line) } else { is_there(line, *across) };
        indices.extend((0..n_across).filter(there).map(|across| across as i32));
        indptr.push(indices.len() as i64);
    }
    let names = |n: usize| (0..n).map(|at| format!("n{at}")).collect::<Vec<_>>();
    let mut file = hdf5_pure::FileBuilder::new();
    let mut group = file.create_group("X");
    build::encode_group(&mut group, if is_csc { "csc_matrix" } else { "csr_matrix" });
    group.set_attr("shape", hdf5_pure::AttrValue::I64Array(vec![n_cells as i64, n_genes as i64]));
    group.create_dataset("indptr").with_i64_data(&indptr);
    group.create_dataset("indices").with_i32_data(&indices);
    group.create_dataset("data").with_u8_data(&vec![3; indices.len()]);
    file.add_group(group.finish());
    for (name, index) in [("obs", names(n_cells)), ("var", names(n_genes))] {
        let frame = build::frame(file.create_group(name), &index);
        file.add_group(frame.finish());
    }
    file.finish().expect("it is a valid file")
}

/// What is refused whole fits by fewer cells, or by fewer genes; and a plan for genes that hold much asks for much.
#[test]
fn over_budget_it_says_how_many_cells_and_how_many_genes_fit() {
    for is_csc in [false, true] {
        let bytes = uneven(is_csc);
        let file = || vec![NamedSource::from_bytes("a.h5ad", bytes.clone())];
        let needed = cells::read::open(file(), 0).unwrap().opened().bytes_needed;
        let opened = cells::read::open(file(), needed - 3_500_000).unwrap();
        let error = opened.begin(&PrepareOptions::default()).unwrap_err().to_string();
        let number = |before: &str| -> usize {
            let rest = error.split(before).nth(1).unwrap_or_else(|| panic!("{before:?} is not in: {error}"));
            rest.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{error}"))
        };
        let (n_cells, n_genes) = (number("read at most "), number("or at most about "));
        assert!((2000..12_000).contains(&n_cells) && (100..1900).contains(&n_genes), "{error}");
        let fewer = PrepareOptions { max_cells: Some(n_cells), ..PrepareOptions::default() };
        assert_eq!(read_opened(&opened, &fewer).unwrap().counts.n_cells(), n_cells);
        let genes = |range: std::ops::Range<usize>| {
            let names: Vec<String> = range.map(|gene| format!("n{gene}")).collect();
            PrepareOptions { genes: Some(GeneSelection::new(names).unwrap()), ..PrepareOptions::default() }
        };
        let data = read_opened(&opened, &genes(2000 - n_genes..2000)).unwrap();
        assert_eq!((data.counts.n_genes(), data.counts.n_cells()), (n_genes, 12_000));
        let fixed = opened.opened().bytes_fixed;
        let tight = cells::read::open(file(), fixed + 3_700_000).unwrap();
        assert!(read_opened(&tight, &genes(1000..1100)).is_ok(), "genes that hold little");
        let error = tight.begin(&genes(0..100)).unwrap_err();
        assert!(matches!(error, ReadError::OverBudget { .. }), "genes that hold half of the values: {error}");
    }
}
