//! Compressed bytes back to what they were: zstd, blosc, lz4, szip, zlib and gzip frames, byte and bit shuffles.
//!
//! HDF5 chunks behind third-party filters and zarr chunks are made of the same few parts. Each decoder is told how long
//! its result may be, and asks for no more memory than that, whatever a header claims; reasons are given as text, for
//! the caller to name the object. Deliberately absent: encoders, dictionaries, blosc2.

pub(crate) mod bitshuffle;
pub(crate) mod blosc;
mod blosclz;
pub(crate) mod lz4;
pub(crate) mod shuffle;
pub(crate) mod szip;

use std::io::Read;

/// Windows of zstd up to this are allowed whatever the result's length: encoders that stream ask for them.
const ZSTD_WINDOW_BYTES: u64 = 8 << 20;

/// What a decoder gives, or what is wrong with the bytes.
pub(crate) type Decoded = Result<Vec<u8>, String>;

/// One or more zstd frames.
pub(crate) fn zstd(bytes: &[u8], limit: usize) -> Decoded {
    let mut rest = bytes;
    let mut whole = Vec::new();
    let window = ZSTD_WINDOW_BYTES.max(limit as u64);
    while !rest.is_empty() {
        let decoder = ruzstd::decoding::StreamingDecoder::new_with_max_window_size(&mut rest, window);
        let decoder = decoder.map_err(|error| format!("is no zstd frame: {error}"))?;
        read_to(decoder, "zstd", limit, &mut whole)?;
    }
    Ok(whole)
}

/// A zlib stream.
pub(crate) fn zlib(bytes: &[u8], limit: usize) -> Decoded {
    let mut whole = Vec::new();
    read_to(flate2::bufread::ZlibDecoder::new(bytes), "zlib", limit, &mut whole)?;
    Ok(whole)
}

/// A gzip stream.
pub(crate) fn gzip(bytes: &[u8], limit: usize) -> Decoded {
    let mut whole = Vec::new();
    read_to(flate2::bufread::MultiGzDecoder::new(bytes), "gzip", limit, &mut whole)?;
    Ok(whole)
}

/// Reads on to the end of a frame; `whole` grows as the frame fills it, to `limit` bytes at most.
fn read_to(decoder: impl Read, kind: &str, limit: usize, whole: &mut Vec<u8>) -> Result<(), String> {
    let left = (limit - whole.len()) as u64;
    decoder
        .take(left.saturating_add(1))
        .read_to_end(whole)
        .map_err(|error| format!("is damaged within its {kind} data: {error}"))?;
    if whole.len() > limit { Err(too_long(kind, limit)) } else { Ok(()) }
}

fn too_long(kind: &str, limit: usize) -> String {
    format!("holds a {kind} frame of more than the {limit} bytes that belong there")
}

/// Four bytes as a number, the least significant first.
fn little_u32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// Four bytes as a number, the most significant first.
fn big_u32(bytes: &[u8], at: usize) -> Option<u32> {
    little_u32(bytes, at).map(u32::swap_bytes)
}
