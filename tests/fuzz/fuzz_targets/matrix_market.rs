//! A matrix.mtx of any bytes beside names of three genes and two cells.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![
        NamedSource::from_bytes("matrix.mtx", bytes.to_vec()),
        NamedSource::from_bytes("barcodes.tsv", b"a\nb\n".to_vec()),
        NamedSource::from_bytes("genes.tsv", b"E1\tA\nE2\tB\nE3\tC\n".to_vec()),
    ]);
});
