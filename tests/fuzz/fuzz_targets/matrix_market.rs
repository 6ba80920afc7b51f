//! A matrix.mtx of any bytes beside names of three genes and two cells.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![
        NamedSource::from_bytes("matrix.mtx", bytes.to_vec()),
        NamedSource::from_bytes("barcodes.tsv", b"a\nb\n".to_vec()),
        NamedSource::from_bytes("features.tsv", b"E1\tA\tGene Expression\nE2\tB\tPeaks\nE3\tMT-C\tGene Expression\n".to_vec()),
    ]);
});
