//! No file, however damaged, makes a reader panic or run away: every outcome is cells or an error.

use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use spec::dataset::PrepareOptions;

use super::archives;
use super::build::{self, CELLS, Dtype, GENES, dense, h5ad, sparse, sparse_group};
use super::tables::{Dress, PLAIN, table};

/// Reads every matrix of some files, with the suggested labels and without.
fn read_everything(files: Vec<NamedSource>) {
    let Ok(opened) = cells::read::open(files, 1 << 28) else { return };
    for info in &opened.opened().matrices {
        let mut options = opened.opened().suggested.clone();
        options.matrix = Some(info.name.clone());
        for max_cells in [None, Some(2)] {
            options.max_cells = max_cells;
            if let Ok(data) = build::read_opened(&opened, &options) {
                assert_eq!(data.counts.n_genes(), data.genes.len());
                assert_eq!(data.counts.n_cells(), data.barcodes.len());
                // Damaged values may be anything but must not upset what comes after.
                let _ = cells::check::require_counts(&data, &opened.opened().matrices);
                cells::prepare::calculate_qc_metrics(&data.counts, &data.genes);
            }
        }
    }
    let _ = opened.beside(&PrepareOptions { max_cells: Some(2), ..PrepareOptions::default() });
    let plain = PrepareOptions::default();
    if let Ok(mut reading) = opened.begin(&plain) {
        let _ = reading.advance();
    }
}

fn written() -> Vec<u8> {
    let counts = cells::counts::Counts::from_dense(&dense(), GENES).expect("the matrix is whole");
    let mut file = H5ad::new(Matrix::Csr(counts), build::cell_names(), build::gene_names());
    file.obs.columns = vec![
        ("condition".into(), Values::categorical(&["control", "A", "A", "B", "B", "control", "A"])),
        ("n_cells".into(), Values::F64(vec![40.0; CELLS])),
    ];
    file.uns.push(("waddington/unit".into(), "metacell".into()));
    write_h5ad(&file).expect("the parts fit")
}

fn chunked() -> Vec<u8> {
    h5ad(|file| {
        let dataset = file.create_dataset("X");
        dataset.with_f32_data(&dense()).with_shape(&[CELLS as u64, GENES as u64]).with_chunks(&[3, 2]);
        dataset.with_shuffle().with_deflate(6);
        let mut layers = file.create_group("layers");
        let columns = sparse_group(layers.create_group("counts"), &sparse(false), "csc_matrix", Dtype::U16);
        layers.add_group(columns.finish());
        file.add_group(layers.finish());
    })
}

/// Files of other tools' layouts, cut at every hundredth; `tests/corpus.rs` does it to those of `tests/golden`.
#[test]
fn files_cut_at_every_hundredth_are_cells_or_an_error() {
    let trio = archives::trio("GSM1_", true);
    let seeds = [
        ("a.h5", super::tenx::tenx_h5(false)),
        ("a.h5", super::tenx::tenx_h5(true)),
        ("a.loom", super::loom::loom(Dtype::I32, None)),
        ("a.loom", super::loom::loom(Dtype::U16, Some([2, 3]))),
        ("a.h5ad", chunked()),
        ("a.tar", archives::tar(&trio)),
        ("a.tgz", archives::gzipped(&archives::tar(&trio))),
        ("a.zip", archives::zip(&trio, false)),
        ("a.csv", table(Dress { separator: ';', end: "\r\n", ..PLAIN }).into_bytes()),
    ];
    for (name, whole) in seeds {
        for hundredth in 0..=100 {
            let cut = whole[..whole.len() * hundredth / 100].to_vec();
            read_everything(vec![NamedSource::from_bytes(name, cut)]);
        }
    }
}

/// Few cases where `PROPTEST_CASES` asks for no other number.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Some bytes changed, and perhaps the end lost.
fn damaged(mut bytes: Vec<u8>, changes: &[(prop::sample::Index, u8)], cut: Option<prop::sample::Index>) -> Vec<u8> {
    for (at, byte) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    if let Some(length) = cut {
        bytes.truncate(length.index(bytes.len()));
    }
    bytes
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2000), signed in any::<bool>()) {
        let signature: &[u8] = if signed { b"\x89HDF\r\n\x1a\n" } else { b"" };
        read_everything(vec![NamedSource::from_bytes("any.h5ad", [signature, &bytes].concat())]);
    }

    #[test]
    fn changed_h5ad(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
        which in any::<bool>(),
    ) {
        let bytes = if which { written() } else { chunked() };
        read_everything(vec![NamedSource::from_bytes("changed.h5ad", damaged(bytes, &changes, cut.then_some(length)))]);
    }

    #[test]
    fn changed_filters(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        which in 0..super::filters::FILES.len(),
    ) {
        let whole = super::filters::FILES[which].2.to_vec();
        read_everything(vec![NamedSource::from_bytes("changed.h5ad", damaged(whole, &changes, cut))]);
    }

    #[test]
    fn changed_zarr(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of((any::<prop::sample::Index>(), any::<prop::sample::Index>())),
        which in 0..super::zarr_stores::STORES.len(),
    ) {
        let mut files = super::zarr_stores::folder(super::zarr_stores::STORES[which].2);
        for (file, at, byte) in changes {
            let file = file.index(files.len());
            let bytes = &mut files[file].1;
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some((file, length)) = cut {
            let file = file.index(files.len());
            let length = length.index(files[file].1.len());
            files[file].1.truncate(length);
        }
        read_everything(files.into_iter().map(|(path, bytes)| NamedSource::from_bytes(path, bytes)).collect());
    }

    #[test]
    fn changed_matrix_market(
        lines in prop::collection::vec("[0-9]{1,12} [0-9]{1,3}( -?[0-9a-z.]{1,5})?", 0..20),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let header = format!("%%MatrixMarket matrix coordinate real general\n3 4 {}\n", lines.len());
        let mut matrix = (header + &lines.join("\n")).into_bytes();
        for (at, byte) in changes {
            let at = at.index(matrix.len());
            matrix[at] = byte;
        }
        read_everything(vec![
            NamedSource::from_bytes("matrix.mtx", matrix),
            NamedSource::from_bytes("barcodes.tsv", b"a\nb\nc\nd\n".to_vec()),
            NamedSource::from_bytes("genes.tsv", b"x\ty\nx\ty\nx\ty\n".to_vec()),
        ]);
    }

    #[test]
    fn changed_loom(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        chunked in any::<bool>(),
    ) {
        let whole = super::loom::loom(Dtype::I32, chunked.then_some([2, 3]));
        read_everything(vec![NamedSource::from_bytes("changed.loom", damaged(whole, &changes, cut))]);
    }

    #[test]
    fn changed_table(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(b"0,;\t\"\n\r.-x# \xff".to_vec())), 0..8),
        cut in prop::option::of(any::<prop::sample::Index>()),
        by_genes in any::<bool>(),
        separator in prop::sample::select(vec![',', ';', '\t', ' ']),
        labelled in any::<bool>(),
    ) {
        let whole = table(Dress { by_genes, separator, is_quoted: labelled, ..PLAIN }).into_bytes();
        let mut files = vec![NamedSource::from_bytes("changed.csv", damaged(whole, &changes, cut))];
        if labelled {
            files.push(NamedSource::from_bytes("labels.csv", b"cell,condition\ncell0,A\ncell1,B\n".to_vec()));
        }
        read_everything(files);
    }

    #[test]
    fn any_text(text in "[a-cA-C0-9,;\t\"\n .-]{0,300}", name in prop::sample::select(vec!["a.csv", "genes.tsv", "a.txt"])) {
        read_everything(vec![NamedSource::from_bytes(name, text.into_bytes())]);
    }

    #[test]
    fn changed_archive(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        kind in 0..4,
        gzipped in any::<bool>(),
    ) {
        let entries = archives::trio("GSM1_", gzipped);
        let whole = match kind {
            0 => archives::tar(&entries),
            1 => archives::gzipped(&archives::tar(&entries)),
            2 => archives::zip(&entries, true),
            _ => archives::zip(&entries, false),
        };
        read_everything(vec![NamedSource::from_bytes("changed.zip", damaged(whole, &changes, cut))]);
    }
}

/// Public files of other tools, each cut at every hundredth.
#[test]
fn public_files_that_are_cut_are_refused_or_read() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/formats");
    if !folder.exists() {
        return crate::say_skipped("../shared/data is absent, its files are not cut");
    }
    let (mut folders, mut n_cut) = (vec![folder], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            let name = entry.file_name().to_string_lossy().into_owned();
            // Larger ones differ in size alone, and take minutes.
            if bytes.len() > 400_000 || name.ends_with(".md") {
                continue;
            }
            for hundredth in 0..100 {
                let cut = bytes[..bytes.len() * hundredth / 100].to_vec();
                let _ = cells::read::open(vec![NamedSource::from_bytes(&*name, cut)], 1 << 28).map(|opened| {
                    build::read_opened(&opened, &opened.opened().suggested).map(|data| data.counts.n_cells())
                });
                n_cut += 1;
            }
        }
    }
    assert!(n_cut > 1000, "{n_cut} cuts");
}
