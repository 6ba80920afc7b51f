//! BloscLZ, blosc's own LZ77: a byte below 32 is a run of literals; any other begins a match, its upper three bits the
//! length less two, its lower five the upper bits of the distance.

use crate::read::codec::Decoded;

/// A distance of 13 bits reaches this far; beyond it 16 bits more follow.
const NEAR: usize = 8191;

/// A stream, of `limit` bytes at most when decoded.
pub(crate) fn decode(bytes: &[u8], limit: usize) -> Decoded {
    let wrong = || "is damaged within its blosclz data".to_owned();
    let mut input = bytes.iter().copied();
    let mut whole: Vec<u8> = Vec::new();
    // The first byte carries the format in its upper bits.
    let Some(first) = input.next() else { return Err(wrong()) };
    let mut control = usize::from(first & 31);
    loop {
        if control < 32 {
            for _ in 0..=control {
                whole.push(input.next().ok_or_else(wrong)?);
            }
        } else {
            let mut length = (control >> 5) + 2;
            if control >> 5 == 7 {
                loop {
                    let more = input.next().ok_or_else(wrong)?;
                    length += usize::from(more);
                    if more != 255 {
                        break;
                    }
                }
            }
            let (high, low) = ((control & 31) << 8, usize::from(input.next().ok_or_else(wrong)?));
            let mut distance = high + low + 1;
            if low == 255 && high == 31 << 8 {
                let (high, low) = input.next().zip(input.next()).ok_or_else(wrong)?;
                distance = (usize::from(high) << 8) + usize::from(low) + NEAR + 1;
            }
            let start = whole.len().checked_sub(distance).ok_or_else(wrong)?;
            if whole.len() + length > limit {
                return Err(wrong());
            }
            // A match may reach into what it writes.
            for at in start..start + length {
                whole.push(whole[at]);
            }
        }
        if whole.len() > limit {
            return Err(wrong());
        }
        match input.next() {
            Some(next) => control = usize::from(next),
            None => return Ok(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn literals_and_matches() {
        // Two literals, then a match of 4 at distance 2; three bits of 2 mean a length of 4.
        assert_eq!(decode(&[1, b'a', b'b', 2 << 5, 1], 6).unwrap(), b"ababab");
        assert!(decode(&[1, b'a', b'b', 2 << 5, 1], 5).is_err());
        assert!(decode(&[1, b'a', b'b', 2 << 5, 2], 6).is_err(), "a match before the beginning");
        assert!(decode(&[3, b'a'], 6).is_err());
    }
}
