//! A zip, tar or tar.gz of any bytes; seeds: tests/golden/zarr_*.zip.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![NamedSource::from_bytes("a.zip", bytes.to_vec())]);
});
