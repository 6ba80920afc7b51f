//! Fields of a line of a text table: separators, quotes, numbers with either decimal sign.

use std::borrow::Cow;

/// A field, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    bytes: &'a [u8],
    is_quoted: bool,
    /// Whether its quotes close, and nothing follows them.
    pub(crate) is_whole: bool,
}

impl<'a> Field<'a> {
    /// What it says, without blanks around it.
    pub(crate) fn text(self) -> Cow<'a, str> {
        let text = String::from_utf8_lossy(self.bytes.trim_ascii());
        if self.is_quoted && text.contains("\"\"") { Cow::Owned(text.replace("\"\"", "\"")) } else { text }
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(self) -> bool {
        self.bytes.trim_ascii().is_empty()
    }

    /// Whether it says zero in the plainest way; others may be zero too.
    pub(crate) fn is_plain_zero(self) -> bool {
        self.bytes == b"0" || (!self.bytes.is_empty() && self.bytes.iter().all(|byte| matches!(byte, b'0' | b'.')))
    }

    /// The number; NaN where the table marks it as missing, none where it is no number.
    pub(crate) fn number(self, has_decimal_commas: bool) -> Option<f64> {
        let bytes = self.bytes.trim_ascii();
        if !bytes.is_empty() && bytes.len() <= 9 && bytes.iter().all(u8::is_ascii_digit) {
            return Some(f64::from(bytes.iter().fold(0u32, |number, byte| number * 10 + u32::from(byte - b'0'))));
        }
        if matches!(bytes, b"NA" | b"NaN" | b"nan" | b"N/A" | b"null") {
            return Some(f64::NAN);
        }
        // Words that Rust reads as numbers (inf, infinity) are no values of a table of counts.
        if !bytes.first().is_some_and(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b',')) {
            return None;
        }
        let text = std::str::from_utf8(bytes).ok()?;
        if has_decimal_commas && text.contains(',') {
            return if text.contains('.') { None } else { text.replacen(',', ".", 1).parse().ok() };
        }
        text.parse().ok()
    }
}

/// The fields of a line.
pub(crate) struct Fields<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(line: &'a [u8], separator: u8) -> Self {
        Self { rest: Some(line), separator }
    }

    fn quoted(&mut self, rest: &'a [u8]) -> Field<'a> {
        let mut at = 1;
        while let Some(quote) = rest[at..].iter().position(|byte| *byte == b'"').map(|quote| at + quote) {
            match rest.get(quote + 1) {
                Some(b'"') => at = quote + 2,
                next => {
                    let follows = next.is_some_and(|byte| *byte != self.separator);
                    let tail = &rest[quote + 1..];
                    let end = tail.iter().position(|byte| *byte == self.separator);
                    self.rest = end.map(|end| &tail[end + 1..]);
                    return Field { bytes: &rest[1..quote], is_quoted: true, is_whole: !follows };
                }
            }
        }
        self.rest = None;
        Field { bytes: &rest[1..], is_quoted: true, is_whole: false }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let rest = self.rest?;
        if rest.first() == Some(&b'"') {
            return Some(self.quoted(rest));
        }
        let end = rest.iter().position(|byte| *byte == self.separator);
        self.rest = end.map(|end| &rest[end + 1..]);
        Some(Field { bytes: &rest[..end.unwrap_or(rest.len())], is_quoted: false, is_whole: true })
    }
}
