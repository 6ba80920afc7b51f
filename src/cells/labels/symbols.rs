//! What is a gene: those of the file first, else what symbols look like, and the families whose symbols end in a number
//! of their own (`NKX2-1`).

use std::collections::{HashMap, HashSet};

use crate::genes::{GeneNames, is_ensembl, without_version};

/// Beginnings of symbols that end in a hyphen and a number, in upper case. All protein-coding human symbols of that form
/// have one of them.
const NUMBERED_FAMILIES: [&str; 28] = [
    "NKX", "KRTAP", "ERV", "MIR", "SNORD", "SNORA", "IGHV", "IGHD", "IGHJ", "IGKV", "IGKJ", "IGLV", "IGLJ", "TRAV",
    "TRAJ", "TRBV", "TRBJ", "TRBD", "TRGV", "TRGJ", "TRDV", "TRDJ", "RNU", "RNVU", "VTRNA", "H1-", "H3-", "H4-",
];
/// Families whose symbols end in a hyphen and a letter.
const LETTERED_FAMILIES: [&str; 3] = ["HLA", "H2", "SNAR"];
/// Symbols with an underscore.
const WITH_UNDERSCORE: [&str; 3] = ["C4B_2", "GTF2H2C_2", "APOBEC3A_B"];
/// Words in capitals that are no genes.
const NO_SYMBOLS: [&str; 14] = [
    "KO",
    "KD",
    "OE",
    "CRISPRI",
    "CRISPRA",
    "TRUE",
    "FALSE",
    "YES",
    "NO",
    "LOW",
    "HIGH",
    "TREATED",
    "STIM",
    "STIMULATED",
];
/// Longest symbol.
const MAX_LENGTH: usize = 24;

/// The genes that a file names.
#[derive(Debug, Default)]
pub(crate) struct Symbols<'a> {
    known: HashSet<&'a str>,
    of_id: HashMap<&'a str, &'a str>,
    /// Whether they are written `Stat1`, as those of mouse and rat.
    is_title: bool,
}

impl<'a> Symbols<'a> {
    pub(crate) fn new(genes: &'a GeneNames) -> Symbols<'a> {
        let ids = genes.ids.iter().flatten().zip(&genes.symbols);
        let n_title = genes.symbols.iter().filter(|symbol| is_title(symbol)).count();
        Symbols {
            known: genes.symbols.iter().map(String::as_str).collect(),
            of_id: ids.map(|(id, symbol)| (without_version(id), symbol.as_str())).collect(),
            is_title: 2 * n_title > genes.symbols.len(),
        }
    }

    /// The file's gene by this symbol or Ensembl id.
    pub(crate) fn find(&self, name: &str) -> Option<&'a str> {
        self.known.get(name).copied().or_else(|| self.of_id.get(without_version(name)).copied())
    }

    /// Whether it is a gene of the file, or is written as one.
    pub(crate) fn is_like(&self, name: &str) -> bool {
        self.find(name).is_some() || is_symbol(name) || is_ensembl(name) || (self.is_title && is_title(name))
    }

    /// Whether the number or letter behind its last hyphen or underscore belongs to the symbol: it is a gene of the
    /// file, or of a family that is numbered so.
    pub(crate) fn is_whole(&self, name: &str) -> bool {
        if self.find(name).is_some() || WITH_UNDERSCORE.contains(&name) {
            return true;
        }
        let Some((base, last)) = name.rsplit_once('-') else { return false };
        if self.find(base).is_some() {
            return false;
        }
        let upper = name.to_uppercase();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            // `NKX2-1-4` is guide 4 of `NKX2-1`.
            return !base.contains('-') && NUMBERED_FAMILIES.iter().any(|family| upper.starts_with(family));
        }
        last.len() == 1 && LETTERED_FAMILIES.contains(&base.to_uppercase().as_str())
    }
}

/// Whether it is written as a human symbol: `STAT1`, `HLA-A`, `C1orf112`, `RP11-799D4.4`.
fn is_symbol(name: &str) -> bool {
    let plain = open_reading_frame(name);
    let is_letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let is_form = (2..=MAX_LENGTH).contains(&name.len())
        && plain.starts_with(|c: char| c.is_ascii_uppercase())
        && plain.chars().all(is_letter)
        && !plain.ends_with(['-', '.'])
        && !NO_SYMBOLS.contains(&name);
    is_form || WITH_UNDERSCORE.contains(&name)
}

/// `C1orf112` as `C1ORF112`, in each part of a read-through (`ZHX1-C8orf76`); any other name as it is.
fn open_reading_frame(name: &str) -> String {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    let part = |part: &str| match part.split_once("orf") {
        Some((chromosome, rest)) if chromosome.strip_prefix('C').is_some_and(is_chromosome) && is_number(rest) => {
            format!("{chromosome}ORF{rest}")
        }
        _ => part.to_owned(),
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

fn is_chromosome(text: &str) -> bool {
    matches!(text, "X" | "Y") || (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether it is written as a symbol of mouse or rat: `Stat1`, `Nkx2-1`, `mt-Nd1`.
fn is_title(name: &str) -> bool {
    let name = name.strip_prefix("mt-").unwrap_or(name);
    let mut chars = name.chars();
    (2..=MAX_LENGTH).contains(&name.len())
        && chars.next().is_some_and(|c| c.is_ascii_uppercase())
        && chars.clone().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'))
        && chars.any(|c| c.is_ascii_lowercase())
        && open_reading_frame(name) == name
}
