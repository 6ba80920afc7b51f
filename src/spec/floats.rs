//! Long columns of numbers cross the worker boundary as bytes, not as a JavaScript array of boxed numbers.
//!
//! Used with `#[serde(with = "…")]`: little-endian, four bytes a value. In the browser such a field is a `Uint8Array`,
//! whose buffer the link transfers instead of copying.

/// `Vec<f32>` as little-endian bytes.
pub mod f32s {
    use serde::de::{Deserializer, SeqAccess, Visitor};
    use serde::ser::Serializer;

    /// Writes the values as bytes.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_bytes(&bytes)
    }

    /// Reads the values from bytes, or from a sequence of bytes.
    ///
    /// # Errors
    /// Where the input is no sequence of bytes, or its length is no multiple of four.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(super::Bytes)?;
        if bytes.len() % 4 != 0 {
            return Err(serde::de::Error::invalid_length(bytes.len(), &"a multiple of four bytes"));
        }
        Ok(bytes.as_chunks::<4>().0.iter().map(|four| f32::from_le_bytes(*four)).collect())
    }

    impl<'de> Visitor<'de> for super::Bytes {
        type Value = Vec<u8>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
            Ok(bytes.to_vec())
        }

        fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
            Ok(bytes)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<u8>, A::Error> {
            let mut bytes = Vec::with_capacity(sequence.size_hint().unwrap_or(0).min(1 << 20));
            while let Some(byte) = sequence.next_element()? {
                bytes.push(byte);
            }
            Ok(bytes)
        }
    }
}

/// `Vec<u32>` as little-endian bytes.
pub mod u32s {
    use serde::de::Deserializer;
    use serde::ser::Serializer;

    /// Writes the values as bytes.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<S: Serializer>(values: &[u32], serializer: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        serializer.serialize_bytes(&bytes)
    }

    /// Reads the values from bytes, or from a sequence of bytes.
    ///
    /// # Errors
    /// Where the input is no sequence of bytes, or its length is no multiple of four.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u32>, D::Error> {
        let bytes = deserializer.deserialize_byte_buf(super::Bytes)?;
        if bytes.len() % 4 != 0 {
            return Err(serde::de::Error::invalid_length(bytes.len(), &"a multiple of four bytes"));
        }
        Ok(bytes.as_chunks::<4>().0.iter().map(|four| u32::from_le_bytes(*four)).collect())
    }
}

/// `Vec<u8>` as bytes.
pub mod u8s {
    use serde::de::Deserializer;
    use serde::ser::Serializer;

    /// Writes the bytes.
    ///
    /// # Errors
    /// As the serializer's.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    /// Reads bytes, or a sequence of bytes.
    ///
    /// # Errors
    /// Where the input is no sequence of bytes.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        deserializer.deserialize_byte_buf(super::Bytes)
    }
}

struct Bytes;
