//! A zarr store whose X has any metadata and any chunk: the bytes before and after the first zero byte.
#![no_main]

use cells::source::NamedSource;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let (meta, chunk) = bytes.split_at(bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len()));
    let index = r#"{"zarr_format":2,"shape":[2],"chunks":[2],"dtype":"|S1","fill_value":"","order":"C","filters":null,"compressor":null}"#;
    for name in [".zarray", "zarr.json"] {
        fuzz::read_everything(vec![
            NamedSource::from_bytes("a.zarr/.zgroup", br#"{"zarr_format":2}"#.to_vec()),
            NamedSource::from_bytes("a.zarr/obs/.zgroup", br#"{"zarr_format":2}"#.to_vec()),
            NamedSource::from_bytes("a.zarr/var/.zgroup", br#"{"zarr_format":2}"#.to_vec()),
            NamedSource::from_bytes("a.zarr/obs/_index/.zarray", index.as_bytes().to_vec()),
            NamedSource::from_bytes("a.zarr/obs/_index/0", b"ab".to_vec()),
            NamedSource::from_bytes(format!("a.zarr/X/{name}"), meta.to_vec()),
            NamedSource::from_bytes("a.zarr/X/0.0", chunk.get(1..).unwrap_or_default().to_vec()),
            NamedSource::from_bytes("a.zarr/X/c/0/0", chunk.get(1..).unwrap_or_default().to_vec()),
        ]);
    }
});
