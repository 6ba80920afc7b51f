//! An h5ad of any bytes; seeds: tests/golden/*.h5ad.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![NamedSource::from_bytes("a.h5ad", bytes.to_vec())]);
});
