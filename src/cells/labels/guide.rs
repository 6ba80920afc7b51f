//! Ids of guides: what is behind the name of the target, by the conventions in use.
//!
//! Only the form is looked at here; whether the rest is a gene, and so whether the form is what it seems,
//! [`reader`](crate::labels::reader) decides.

/// Beginnings of ids of guides. Behind a word of four letters or more there is a mark: `sgRNASE1` is a guide of RNASE1.
const PREFIXES: [&str; 8] = ["sgRNA-", "sgRNA_", "gRNA-", "gRNA_", "guide-", "guide_", "sg", "g"];
/// Marks between a target and the number of its guide, the longer first.
const NUMBER_MARKS: [&str; 17] = [
    "_sgRNA_", "_sgRNA", "_gRNA", "_guide_", "_guide", "-guide", "_sg_", "_sg", "-sg", "sg", "_g", "-g", "g", "_", "-",
    "#", ".",
];
/// Digits of the number of a guide, at most.
const MAX_DIGITS: usize = 5;
/// Bases of a spacer, at least.
const MIN_SPACER: usize = 17;
/// Words behind a target that say how it is perturbed.
const MODES: [&str; 9] =
    ["ko", "kd", "oe", "crispri", "crispra", "crisprko", "knockout", "knockdown", "overexpression"];
/// Words behind a gene that name a place of the genome near it.
const ELEMENTS: [&str; 9] = ["enh", "enhancer", "prom", "promoter", "tss", "re", "element", "cre", "dhs"];

/// How sure the form is to be that of a guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `TARGET_+_123.23-P1P2`: no symbol is written so.
    Strand,
    /// `sgTARGET`.
    Prefix,
    /// `TARGET_sg2`, `TARGETg2`: the number is marked.
    Marked,
    /// `TARGET_2`, `TARGET#2`: symbols have no such mark, but for three.
    Underscore,
    /// `TARGET-2`: some symbols are written so.
    Hyphen,
    /// `TARGET.2`: clones and versions are written so.
    Dot,
    /// `TARGET-A`, `TARGET_A`.
    Letter,
    /// `TARGET_ACGTACGTACGTACGTACGT`.
    Spacer,
}

/// What an id may be read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Guide<'a> {
    /// What stands before the mark.
    pub(crate) base: &'a str,
    /// Its form.
    pub(crate) form: Form,
}

/// What a label may be read as, if it is the id of a guide; none where it has no such form.
pub(crate) fn parse(text: &str) -> Option<Guide<'_>> {
    strand(text).or_else(|| spacer(text)).or_else(|| prefix(text)).or_else(|| numbered(text)).or_else(|| lettered(text))
}

/// `CCNE2_+_95907328.23-P1P2`.
fn strand(text: &str) -> Option<Guide<'_>> {
    let at = text.find("_+_").or_else(|| text.find("_-_"))?;
    let place = &text[at + 3..];
    (at > 0 && place.starts_with(|c: char| c.is_ascii_digit())).then(|| Guide { base: &text[..at], form: Form::Strand })
}

fn spacer(text: &str) -> Option<Guide<'_>> {
    let (base, last) = text.rsplit_once(['_', '-', ':'])?;
    (!base.is_empty() && is_spacer(last)).then_some(Guide { base, form: Form::Spacer })
}

/// Whether it is bases alone, as many as a guide has.
pub(crate) fn is_spacer(text: &str) -> bool {
    text.len() >= MIN_SPACER && text.bytes().all(|base| b"ACGTU".contains(&base))
}

/// `sgSTAT1`, and `sgSTAT1-1` without its number.
fn prefix(text: &str) -> Option<Guide<'_>> {
    let rest = PREFIXES.iter().find_map(|prefix| {
        let rest = text.strip_prefix(prefix)?;
        let rest = rest.strip_prefix(['-', '_', '.']).unwrap_or(rest);
        // `g` and a capital: `gSTAT1`; any other word that begins so is left alone.
        rest.starts_with(|c: char| c.is_ascii_uppercase()).then_some(rest)
    })?;
    Some(Guide { base: rest, form: Form::Prefix })
}

/// A target and the number of its guide.
pub(crate) fn numbered(text: &str) -> Option<Guide<'_>> {
    let rest = text.trim_end_matches(|c: char| c.is_ascii_digit());
    if !(1..=MAX_DIGITS).contains(&(text.len() - rest.len())) {
        return None;
    }
    NUMBER_MARKS.iter().find_map(|mark| {
        let base = rest.strip_suffix(mark).filter(|base| !base.is_empty())?;
        let form = match *mark {
            "_" | "#" => Form::Underscore,
            "-" => Form::Hyphen,
            "." => Form::Dot,
            _ => Form::Marked,
        };
        Some(Guide { base, form })
    })
}

fn lettered(text: &str) -> Option<Guide<'_>> {
    let (base, last) = text.rsplit_once(['-', '_'])?;
    let is_letter = last.len() == 1 && last.bytes().all(|letter| letter.is_ascii_uppercase());
    (is_letter && !base.is_empty()).then_some(Guide { base, form: Form::Letter })
}

/// A label without the word that says how its target is perturbed (`STAT1_KO`, `STAT1 knockdown`).
pub(crate) fn without_mode(text: &str) -> Option<&str> {
    ends_in(text, &MODES)
}

/// The gene near an element of the genome (`GATA1_enh`).
pub(crate) fn near_element(text: &str) -> Option<&str> {
    ends_in(text, &ELEMENTS)
}

fn ends_in<'a>(text: &'a str, words: &[&str]) -> Option<&'a str> {
    let (base, last) = text.rsplit_once(['_', '-', ' '])?;
    (!base.is_empty() && words.contains(&last.to_lowercase().as_str())).then_some(base)
}
