//! Two samples, split at the first zero byte.
#![no_main]

use cells::read::GeneJoin;
use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let files = vec![NamedSource::from_bytes("a.csv", first.to_vec()), NamedSource::from_bytes("b.csv", second.to_vec())];
    let Ok(samples) = cells::read::group_samples(files, fuzz::BUDGET) else { return };
    let join = if bytes.len() % 2 == 0 { GeneJoin::Union } else { GeneJoin::Intersection };
    if let Ok(opened) = cells::read::open_samples(samples, join, fuzz::BUDGET) {
        fuzz::read_opened(&opened);
    }
});
