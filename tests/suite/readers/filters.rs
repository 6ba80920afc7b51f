//! HDF5 chunks behind third-party filters, as hdf5plugin writes them: every layer is the same matrix.

use cells::source::NamedSource;
use spec::dataset::{ColumnKind, PrepareOptions};

use super::build::{self, open, read_opened, to_dense};

const CELLS: usize = 83;
const GENES: usize = 16;

/// The files that `tests/golden/filters.py` makes, and how many layers each has.
pub const FILES: [(&str, usize, &[u8]); 10] = [
    ("zstd", 5, include_bytes!("../../golden/filters_zstd.h5ad")),
    ("lz4", 4, include_bytes!("../../golden/filters_lz4.h5ad")),
    ("bitshuffle", 6, include_bytes!("../../golden/filters_bitshuffle.h5ad")),
    ("szip", 6, include_bytes!("../../golden/filters_szip.h5ad")),
    ("blosc_blosclz", 4, include_bytes!("../../golden/filters_blosc_blosclz.h5ad")),
    ("blosc_lz4", 5, include_bytes!("../../golden/filters_blosc_lz4.h5ad")),
    ("blosc_lz4hc", 4, include_bytes!("../../golden/filters_blosc_lz4hc.h5ad")),
    ("blosc_snappy", 4, include_bytes!("../../golden/filters_blosc_snappy.h5ad")),
    ("blosc_zlib", 4, include_bytes!("../../golden/filters_blosc_zlib.h5ad")),
    ("blosc_zstd", 4, include_bytes!("../../golden/filters_blosc_zstd.h5ad")),
];

fn matrix() -> Vec<f32> {
    let value = |cell: usize, gene: usize| match (3 * cell + 5 * gene) % 7 {
        0..4 => 0.0,
        _ => (1 + (7 * cell + 3 * gene) % 11) as f32,
    };
    (0..CELLS).flat_map(|cell| (0..GENES).map(move |gene| value(cell, gene))).collect()
}

#[test]
fn every_third_party_filter_reads_the_same() {
    for (name, n_layers, bytes) in FILES {
        let opened = open(name, bytes.to_vec()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(opened.opened().matrices.len(), 1 + n_layers, "{name}: {:?}", opened.opened().warnings);
        for info in &opened.opened().matrices {
            let options = PrepareOptions { matrix: Some(info.name.clone()), ..PrepareOptions::default() };
            let data = read_opened(&opened, &options).unwrap_or_else(|error| panic!("{name} {}: {error}", info.name));
            assert!(to_dense(&data.counts) == matrix(), "{name} {} differs", info.name);
            assert_eq!((data.barcodes[82].as_str(), data.genes.symbols[15].as_str()), ("cell82", "gene15"));
        }
    }
}

/// From 256 chunks on they are found by an index of our own.
#[test]
fn arrays_of_many_chunks_read() {
    let (n_cells, n_genes) = (600usize, 3usize);
    let values: Vec<f32> = (0..n_cells * n_genes).map(|at| (at * 5 % 7) as f32).collect();
    for (chunks, n_filters) in [([2, 3], 0), ([2, 3], 1), ([2, 3], 2), ([1, 2], 2)] {
        let mut file = hdf5_pure::FileBuilder::new();
        let dataset = file.create_dataset("X");
        dataset.with_f32_data(&values).with_shape(&[n_cells as u64, n_genes as u64]).with_chunks(&chunks);
        if n_filters > 0 {
            dataset.with_deflate(1);
        }
        if n_filters > 1 {
            dataset.with_shuffle();
        }
        for (name, n) in [("obs", n_cells), ("var", n_genes)] {
            let names: Vec<String> = (0..n).map(|at| at.to_string()).collect();
            let frame = build::frame(file.create_group(name), &names);
            file.add_group(frame.finish());
        }
        let opened = open("many.h5ad", file.finish().unwrap()).unwrap();
        assert!(to_dense(&read_opened(&opened, &PrepareOptions::default()).unwrap().counts) == values);
        let some = PrepareOptions { max_cells: Some(9), seed: 4, ..PrepareOptions::default() };
        let data = read_opened(&opened, &some).unwrap();
        for (row, name) in to_dense(&data.counts).chunks_exact(n_genes).zip(&data.barcodes) {
            let cell: usize = name.parse().unwrap();
            assert_eq!(row, &values[cell * n_genes..][..n_genes], "cell {cell} in chunks of {chunks:?}");
        }
    }
}

#[test]
fn text_and_codes_behind_filters_read() {
    for (name, _, bytes) in FILES.into_iter().filter(|(name, ..)| ["zstd", "lz4", "blosc_lz4"].contains(name)) {
        let opened = open(name, bytes.to_vec()).unwrap();
        let values = vec![("control".to_owned(), 28), ("STAT1".to_owned(), 27)];
        assert_eq!(opened.opened().columns[0].kind, ColumnKind::Labels { n_distinct: 2, values }, "{name}");
        assert_eq!(opened.opened().first_genes, ["gene0", "gene1", "gene2", "gene3", "gene4"]);
    }
}

/// A frame whose header claims more than its chunk is refused, and no memory is asked for on its word.
#[test]
fn a_frame_that_claims_too_much_is_refused() {
    let mut n_refused = 0;
    for (name, _, bytes) in FILES {
        // Lengths in the headers of frames: eight bytes of lz4 and bitshuffle, four of blosc.
        let claims: &[&[u8]] = match name {
            "lz4" => &[&[0, 0, 0, 0, 0, 0, 0x0a, 0]],
            "bitshuffle" => &[&[0, 0, 0, 0, 0, 0, 0x14, 0xc0]],
            "blosc_snappy" => &[&[0x40, 0x0f, 0, 0, 0x40, 0x0f, 0, 0]],
            _ => continue,
        };
        for claim in claims {
            let at = bytes.windows(claim.len()).position(|window| window == *claim);
            let at = at.unwrap_or_else(|| panic!("{name} has no frame of {claim:?}"));
            let mut lying = bytes.to_vec();
            lying[at..at + claim.len()].fill(0x7f);
            let opened = cells::read::open(vec![NamedSource::from_bytes(name, lying)], build::PLENTY).unwrap();
            for info in &opened.opened().matrices {
                let options = PrepareOptions { matrix: Some(info.name.clone()), ..PrepareOptions::default() };
                if let Err(error) = read_opened(&opened, &options) {
                    assert!(error.to_string().contains("bytes that belong there"), "{name} {}: {error}", info.name);
                    n_refused += 1;
                }
            }
        }
    }
    assert!(n_refused >= 3, "{n_refused}");
}
