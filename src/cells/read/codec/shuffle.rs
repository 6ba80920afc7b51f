//! Byte shuffle: all first bytes of the elements, then all second bytes, and so on. What is left over stays in place.

/// Puts the bytes of each element together again.
pub(crate) fn unshuffle(bytes: &[u8], element: usize) -> Vec<u8> {
    let n = bytes.len() / element.max(1);
    if element < 2 || n < 2 {
        return bytes.to_vec();
    }
    let mut whole = vec![0; bytes.len()];
    for (byte, plane) in bytes[..n * element].chunks_exact(n).enumerate() {
        for (slot, value) in whole[byte..].iter_mut().step_by(element).zip(plane) {
            *slot = *value;
        }
    }
    whole[n * element..].copy_from_slice(&bytes[n * element..]);
    whole
}

#[cfg(test)]
mod tests {
    use super::unshuffle;

    #[test]
    fn bytes_of_elements_come_together() {
        // Three elements of two bytes, and one byte left over.
        assert_eq!(unshuffle(&[1, 2, 3, 11, 12, 13, 9], 2), [1, 11, 2, 12, 3, 13, 9]);
        assert_eq!(unshuffle(&[1, 2, 3], 1), [1, 2, 3]);
        assert_eq!(unshuffle(&[1, 2, 3], 0), [1, 2, 3]);
        assert_eq!(unshuffle(&[], 4), [0u8; 0]);
    }
}
