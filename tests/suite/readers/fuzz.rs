//! No file, however damaged, makes a reader panic or run away: every outcome is cells or an error.

use cells::source::NamedSource;
use cells::write::h5ad::{H5ad, Matrix, Values, write_h5ad};
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use spec::dataset::PrepareOptions;

use super::build::{self, CELLS, Dtype, GENES, dense, h5ad, sparse, sparse_group};

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

/// Few cases where `PROPTEST_CASES` asks for no other number.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
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
        let mut bytes = if which { written() } else { chunked() };
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        read_everything(vec![NamedSource::from_bytes("changed.h5ad", bytes)]);
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
}
