//! Blosc frames (version 1 and the same part of 2): a header, where each block begins, and blocks of shuffled streams.

use crate::read::codec::bitshuffle::unshuffle_bits;
use crate::read::codec::shuffle::unshuffle;
use crate::read::codec::{Decoded, blosclz, little_u32, lz4, too_long, zlib, zstd};

const HEADER_BYTES: usize = 16;
/// Blocks are split into one stream for each byte of an element up to this width,
const MAX_SPLITS: usize = 16;
/// if each stream has at least this many bytes.
const MIN_STREAM_BYTES: usize = 128;

/// Bits of the header's third byte.
const SHUFFLED: u8 = 1;
const COPIED: u8 = 2;
const BIT_SHUFFLED: u8 = 4;
const UNSPLIT: u8 = 16;

struct Frame<'a> {
    bytes: &'a [u8],
    flags: u8,
    element: usize,
    size: usize,
    block: usize,
}

/// A frame, of `limit` bytes at most when decoded.
pub(crate) fn decode(bytes: &[u8], limit: usize) -> Decoded {
    let frame = Frame::open(bytes, limit)?;
    if frame.flags & COPIED != 0 {
        let copied = bytes.get(HEADER_BYTES..HEADER_BYTES.saturating_add(frame.size));
        return copied.map(<[u8]>::to_vec).ok_or_else(cut);
    }
    let mut whole = Vec::new();
    let mut number = 0;
    while whole.len() < frame.size {
        let n = frame.block.min(frame.size - whole.len());
        let start = little_u32(bytes, HEADER_BYTES + 4 * number).ok_or_else(cut)? as usize;
        let plain = frame.block(start, n)?;
        whole.extend_from_slice(&frame.unshuffled(plain));
        number += 1;
    }
    Ok(whole)
}

impl<'a> Frame<'a> {
    fn open(bytes: &'a [u8], limit: usize) -> Result<Self, String> {
        let (Some(size), Some(block)) = (little_u32(bytes, 4), little_u32(bytes, 8)) else { return Err(cut()) };
        let (flags, element, size, block) = (bytes[2], usize::from(bytes[3]), size as usize, block as usize);
        // Blosc2 writes chunks that others cannot read with both shuffles set.
        if bytes[0] > 4 || flags & (SHUFFLED | BIT_SHUFFLED) == SHUFFLED | BIT_SHUFFLED {
            return Err(format!(
                "holds a blosc frame of a kind that is not read (version {}, flags {flags})",
                bytes[0]
            ));
        }
        if size > limit {
            return Err(too_long("blosc", limit));
        }
        if element == 0 || (block == 0 && size > 0) {
            return Err("holds a blosc frame of empty blocks or elements".into());
        }
        Ok(Frame { bytes, flags, element, size, block })
    }

    /// The `n` bytes of a block, shuffled as they are.
    fn block(&self, start: usize, n: usize) -> Decoded {
        let is_split = self.flags & UNSPLIT == 0
            && n == self.block
            && self.element <= MAX_SPLITS
            && n / self.element >= MIN_STREAM_BYTES;
        let n_streams = if is_split { self.element } else { 1 };
        let n_each = n / n_streams;
        let (mut plain, mut at) = (Vec::new(), start);
        for _ in 0..n_streams {
            let length = little_u32(self.bytes, at).ok_or_else(cut)? as usize;
            let from = at + 4;
            at = from.saturating_add(length);
            let stream = self.bytes.get(from..at).ok_or_else(cut)?;
            if length == n_each {
                plain.extend_from_slice(stream);
                continue;
            }
            let stream = self.stream(stream, n_each)?;
            if stream.len() != n_each {
                return Err(cut());
            }
            plain.extend_from_slice(&stream);
        }
        if plain.len() == n { Ok(plain) } else { Err(cut()) }
    }

    fn stream(&self, bytes: &[u8], limit: usize) -> Decoded {
        match self.flags >> 5 {
            0 => blosclz::decode(bytes, limit),
            1 => lz4::block(bytes, limit),
            2 => snappy(bytes, limit),
            3 => zlib(bytes, limit),
            4 => zstd(bytes, limit),
            other => Err(format!("holds a blosc frame of codec {other}, which is not read")),
        }
    }

    fn unshuffled(&self, plain: Vec<u8>) -> Vec<u8> {
        if self.flags & SHUFFLED != 0 && self.element > 1 {
            return unshuffle(&plain, self.element);
        }
        let n = plain.len() / self.element;
        // Blosc shuffles bits of whole groups of eight elements alone.
        if self.flags & BIT_SHUFFLED != 0 && n > 0 && n.is_multiple_of(8) {
            let mut whole = vec![0; plain.len()];
            let end = n * self.element;
            unshuffle_bits(&plain[..end], self.element, &mut whole);
            whole[end..].copy_from_slice(&plain[end..]);
            return whole;
        }
        plain
    }
}

fn snappy(bytes: &[u8], limit: usize) -> Decoded {
    let damaged = |error: snap::Error| format!("is damaged within its snappy data: {error}");
    if snap::raw::decompress_len(bytes).map_err(damaged)? > limit {
        return Err(too_long("snappy", limit));
    }
    snap::raw::Decoder::new().decompress_vec(bytes).map_err(damaged)
}

fn cut() -> String {
    "is cut off or damaged within its blosc data".into()
}
