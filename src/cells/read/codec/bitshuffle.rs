//! Bit shuffle: all lowest bits of the elements' first bytes, then the next, and so on; alone, or with lz4 or zstd by
//! block, as the HDF5 filter 32008 writes it. Eight elements at a time; fewer are left as they are.

use crate::read::codec::{Decoded, big_u32, lz4, too_long, zstd};

/// Bytes of a block where none are named.
const DEFAULT_BLOCK_BYTES: usize = 8192;
/// Elements of a block, at least, where none are named.
const MIN_BLOCK_ELEMENTS: usize = 128;

/// How blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inner {
    None,
    Lz4,
    Zstd,
}

/// Puts the bits of each element together again; `bytes` are a multiple of eight elements.
pub(crate) fn unshuffle_bits(bytes: &[u8], element: usize, whole: &mut [u8]) {
    let row = bytes.len() / (8 * element.max(1));
    if row == 0 {
        return;
    }
    for (plane, bits) in bytes.chunks_exact(row).enumerate() {
        let (byte, bit) = (plane / 8, plane % 8);
        for (group, packed) in bits.iter().enumerate() {
            for lane in 0..8 {
                whole[(group * 8 + lane) * element + byte] |= (packed >> lane & 1) << bit;
            }
        }
    }
}

/// Elements of a block where the filter names none: 8,192 bytes of them.
fn default_block(element: usize) -> usize {
    (DEFAULT_BLOCK_BYTES / element / 8 * 8).max(MIN_BLOCK_ELEMENTS)
}

/// Reverses the filter: `element` bytes an element, `block` elements a block (0: the default).
pub(crate) fn decode(bytes: &[u8], element: usize, block: usize, inner: Inner, limit: usize) -> Decoded {
    if element == 0 {
        return Err("is bit-shuffled in elements of 0 bytes".into());
    }
    if inner == Inner::None {
        if bytes.len() > limit {
            return Err(too_long("bitshuffle", limit));
        }
        let block = if block == 0 { default_block(element) } else { block.next_multiple_of(8) };
        return blocks(bytes.len(), element, block, |range, _| Ok(bytes[range].to_vec()));
    }
    let cut = || "is cut off within its bit-shuffled blocks".to_owned();
    let size = big_u32(bytes, 0).zip(big_u32(bytes, 4)).ok_or_else(cut)?;
    let size = usize::try_from(u64::from(size.0) << 32 | u64::from(size.1)).unwrap_or(usize::MAX);
    if size > limit {
        return Err(too_long("bitshuffle", limit));
    }
    let block = big_u32(bytes, 8).ok_or_else(cut)? as usize / element;
    if block == 0 || !block.is_multiple_of(8) {
        return Err(format!("is bit-shuffled in blocks of {block} elements; a multiple of 8 is expected"));
    }
    let mut at = 12usize;
    blocks(size, element, block, |range, is_leftover| {
        let n = range.len();
        if is_leftover {
            return bytes.get(at..at.saturating_add(n)).map(<[u8]>::to_vec).ok_or_else(cut);
        }
        let length = big_u32(bytes, at).ok_or_else(cut)? as usize;
        let start = at + 4;
        at = start.saturating_add(length);
        let packed = bytes.get(start..at).ok_or_else(cut)?;
        let plain = if inner == Inner::Lz4 { lz4::block(packed, n) } else { zstd(packed, n) }?;
        if plain.len() == n { Ok(plain) } else { Err(cut()) }
    })
}

/// Goes through the blocks of `size` bytes; `read` gives each, and at last the elements that make no group of eight.
fn blocks(
    size: usize,
    element: usize,
    block: usize,
    mut read: impl FnMut(std::ops::Range<usize>, bool) -> Decoded,
) -> Decoded {
    let grouped = size / element / 8 * 8 * element;
    let step = block.saturating_mul(element);
    let mut whole: Vec<u8> = Vec::new();
    while whole.len() < grouped {
        let start = whole.len();
        let end = start.saturating_add(step).min(grouped);
        let plain = read(start..end, false)?;
        whole.resize(end, 0);
        unshuffle_bits(&plain, element, &mut whole[start..]);
    }
    whole.extend_from_slice(&read(grouped..size, true)?);
    Ok(whole)
}

#[cfg(test)]
mod tests {
    use super::{Inner, decode, unshuffle_bits};

    #[test]
    fn bits_of_elements_come_together() {
        // Eight elements of one byte: plane `bit` holds that bit of each.
        let elements = [0x01u8, 0x80, 0xff, 0x10, 0x00, 0x55, 0xaa, 0x03];
        let planes: Vec<u8> = (0..8)
            .map(|bit| elements.iter().enumerate().fold(0, |packed, (at, value)| packed | (value >> bit & 1) << at))
            .collect();
        let mut whole = [0; 8];
        unshuffle_bits(&planes, 1, &mut whole);
        assert_eq!(whole, elements);
        // Nine elements: the last stays as it is.
        let nine = [planes.as_slice(), &[7]].concat();
        assert_eq!(decode(&nine, 1, 0, Inner::None, 9).unwrap(), [&elements[..], &[7]].concat());
        assert!(decode(&nine, 1, 0, Inner::None, 8).is_err());
        assert!(decode(&[0xff; 40], 4, 0, Inner::Lz4, 1000).unwrap_err().contains("more than the 1000 bytes"));
    }
}
