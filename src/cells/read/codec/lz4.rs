//! LZ4 blocks; and the two ways they are framed: by HDF5's filter 32004, and by numcodecs with the length before.

use crate::read::codec::{Decoded, big_u32, little_u32, too_long};

/// No block of lz4 becomes longer than this many times its length.
const MAX_RATIO: usize = 255;

/// One block, of `limit` bytes at most when decoded.
pub(crate) fn block(bytes: &[u8], limit: usize) -> Decoded {
    let mut whole = vec![0; limit.min(bytes.len().saturating_mul(MAX_RATIO))];
    let length = lz4_flex::block::decompress_into(bytes, &mut whole)
        .map_err(|error| format!("is damaged within its lz4 data: {error}"))?;
    whole.truncate(length);
    Ok(whole)
}

/// Length in all, length of a block, then blocks with their lengths, as the HDF5 filter writes them.
pub(crate) fn hdf5(bytes: &[u8], limit: usize) -> Decoded {
    let cut = || "is cut off within its lz4 blocks".to_owned();
    let (high, low) = big_u32(bytes, 0).zip(big_u32(bytes, 4)).ok_or_else(cut)?;
    let size = usize::try_from(u64::from(high) << 32 | u64::from(low)).unwrap_or(usize::MAX);
    if size > limit {
        return Err(too_long("lz4", limit));
    }
    let step = big_u32(bytes, 8).ok_or_else(cut)? as usize;
    if step == 0 && size > 0 {
        return Err("is compressed in lz4 blocks of 0 bytes".into());
    }
    let (mut whole, mut at) = (Vec::new(), 12usize);
    while whole.len() < size {
        let n = step.min(size - whole.len());
        let length = big_u32(bytes, at).ok_or_else(cut)? as usize;
        let start = at + 4;
        at = start.saturating_add(length);
        let packed = bytes.get(start..at).ok_or_else(cut)?;
        // What did not become shorter is kept as it is.
        if length == n {
            whole.extend_from_slice(packed);
            continue;
        }
        let plain = block(packed, n)?;
        if plain.len() != n {
            return Err(cut());
        }
        whole.extend_from_slice(&plain);
    }
    Ok(whole)
}

/// One block after its length in four bytes, as numcodecs writes it.
pub(crate) fn numcodecs(bytes: &[u8], limit: usize) -> Decoded {
    let size = little_u32(bytes, 0).ok_or("is too short for lz4")? as usize;
    if size > limit {
        return Err(too_long("lz4", limit));
    }
    let plain = block(&bytes[4..], size)?;
    if plain.len() == size { Ok(plain) } else { Err("is cut off within its lz4 data".into()) }
}

#[cfg(test)]
mod tests {
    use super::{block, hdf5, numcodecs};

    #[test]
    fn no_claim_is_believed_beyond_the_limit() {
        // A literal of four bytes.
        let four = [0x40, b'a', b'b', b'c', b'd'];
        assert_eq!(block(&four, 4).unwrap(), b"abcd");
        assert!(block(&four, 3).is_err());
        let framed = [&[0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 5][..], &four].concat();
        assert_eq!(hdf5(&framed, 4).unwrap(), b"abcd");
        assert!(hdf5(&framed, 3).unwrap_err().contains("more than the 3 bytes"));
        assert!(hdf5(&[0xff; 40], usize::MAX >> 1).unwrap_err().contains("more than"));
        assert_eq!(numcodecs(&[&[4, 0, 0, 0][..], &four].concat(), 9).unwrap(), b"abcd");
        assert!(numcodecs(&[&[5, 0, 0, 0][..], &four].concat(), 9).is_err());
    }
}
