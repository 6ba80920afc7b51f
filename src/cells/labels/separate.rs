//! Where a label is cut into parts: `A+B`, `A|B`, `A;B`, `A&B`, `A,B`.
//!
//! Not cut: the strand of a guide (`A_+_123.23-P1P2`), its promoters (`-P1,P2`), and a `+` that belongs to a word
//! (`CD4+`, `CD14+ Monocytes`).

/// Marks between parts; the first that is there cuts.
const SEPARATORS: [char; 5] = ['|', ';', '&', ',', '+'];

/// The mark that cuts a label, and its parts without blanks around them; none where nothing does.
pub(crate) fn parts(text: &str) -> Option<(char, Vec<&str>)> {
    SEPARATORS.into_iter().find_map(|separator| {
        let mut parts = Vec::new();
        let mut start = 0;
        for (at, mark) in text.char_indices() {
            if mark == separator && cuts(text, at, separator) {
                parts.push(text[start..at].trim());
                start = at + mark.len_utf8();
            }
        }
        parts.push(text[start..].trim());
        let is_whole = parts.len() < 2 || parts.iter().any(|part| part.is_empty());
        (!is_whole).then_some((separator, parts))
    })
}

fn cuts(text: &str, at: usize, separator: char) -> bool {
    let before = text[..at].chars().next_back();
    let mut after = text[at..].chars().skip(1);
    let (next, second) = (after.next(), after.next());
    let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    match separator {
        '+' => {
            let is_strand = before == Some('_') && next == Some('_');
            let is_blank = |c: Option<char>| c.is_some_and(char::is_whitespace);
            !is_strand && is_blank(before) == is_blank(next)
        }
        // `P1,P2` of a guide; `2,4-` of a compound.
        ',' => {
            let is_of_guide = next == Some('P') && is_digit(second) && text[..at].contains("-P");
            let is_of_compound = is_digit(before) && is_digit(next);
            !is_of_guide && !is_of_compound
        }
        _ => true,
    }
}
