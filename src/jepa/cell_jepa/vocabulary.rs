//! The genes that a model has tokens for, from a file: scGPT's vocabulary, a JSON table of names and numbers.

use std::collections::BTreeMap;

use crate::error::Error;

/// The genes of scGPT's vocabulary in the order of their numbers, without what is no gene (`<pad>`, `<cls>`, `<eoc>`).
///
/// # Errors
/// Where the bytes are no such table, or two genes share a number.
pub fn from_scgpt(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let bad = |problem: String| Error::Vocabulary { problem };
    let table: BTreeMap<String, u64> =
        serde_json::from_slice(bytes).map_err(|error| bad(format!("no JSON table of names and numbers: {error}")))?;
    let mut by_number: BTreeMap<u64, String> = BTreeMap::new();
    for (name, number) in table {
        if name.starts_with('<') && name.ends_with('>') {
            continue;
        }
        if let Some(other) = by_number.insert(number, name.clone()) {
            return Err(bad(format!("{name} and {other} share the number {number}")));
        }
    }
    if by_number.is_empty() {
        return Err(bad("it names no gene".into()));
    }
    Ok(by_number.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn genes_come_by_number_without_special_tokens() {
        let json = br#"{"<pad>": 3, "TP53": 2, "<cls>": 4, "A1BG": 0, "ZZZ3": 7}"#;
        assert_eq!(from_scgpt(json).expect("a vocabulary"), ["A1BG", "TP53", "ZZZ3"]);
        for bad in [&b"[]"[..], b"{}", br#"{"A": 1, "B": 1}"#, br#"{"A": "x"}"#] {
            assert!(from_scgpt(bad).is_err());
        }
    }
}
