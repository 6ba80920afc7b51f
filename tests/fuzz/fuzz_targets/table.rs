//! A text table of any bytes.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![NamedSource::from_bytes("a.csv", bytes.to_vec())]);
});
