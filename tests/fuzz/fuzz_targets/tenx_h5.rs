//! A 10x h5 of any bytes; seeds: public 10x files.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    fuzz::read_everything(vec![NamedSource::from_bytes("a.h5", bytes.to_vec())]);
});
