//! CRC-32C (Castagnoli), the checksum of zarr's shard indices.

const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The checksum of some bytes.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 })
    })
}

/// Takes off the checksum at the end, and compares it.
pub(crate) fn checked(bytes: &[u8]) -> Result<&[u8], String> {
    let Some((body, stored)) = bytes.split_last_chunk::<4>() else {
        return Err("is too short for its checksum".into());
    };
    if crc32c(body) == u32::from_le_bytes(*stored) {
        Ok(body)
    } else {
        Err("does not have its checksum; the store is damaged".into())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(super::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(
            super::checked(&[b"123456789".as_slice(), &0xe306_9283u32.to_le_bytes()].concat()),
            Ok(&b"123456789"[..])
        );
    }
}
