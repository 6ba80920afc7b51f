//! A loom file of any bytes; seeds: public loom files.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![NamedSource::from_bytes("a.loom", bytes.to_vec())]);
});
