//! Sets of genes that tell about a cell's quality, recognised by how their symbols begin.
//!
//! Human: `MT-`, `RPS`/`RPL`, `HB` not followed by `P`; mouse: `mt-`, `Rps`/`Rpl`, `Hb` not followed by `p`. These are
//! the prefixes in use, with their known flaw: `RPS6KA1` is a kinase and `HBEGF` no haemoglobin, and both are counted.

use spec::prepare::Species;

use crate::genes::{GeneNames, is_ensembl};

/// A set of genes that quality is judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeneSet {
    /// Genes of the mitochondrial genome.
    Mitochondrial,
    /// Proteins of the ribosome.
    Ribosomal,
    /// Haemoglobins.
    Haemoglobin,
}

impl GeneSet {
    /// All of them.
    pub const ALL: [GeneSet; 3] = [GeneSet::Mitochondrial, GeneSet::Ribosomal, GeneSet::Haemoglobin];

    /// The name of its column, as scanpy's tutorials have it.
    pub fn name(self) -> &'static str {
        match self {
            GeneSet::Mitochondrial => "mt",
            GeneSet::Ribosomal => "ribo",
            GeneSet::Haemoglobin => "hb",
        }
    }

    /// Whether a symbol is one of the set; of either species where none is named.
    pub fn contains(self, symbol: &str, species: Option<Species>) -> bool {
        match species {
            Some(Species::Human) => self.contains_human(symbol),
            Some(Species::Mouse) => self.contains_mouse(symbol),
            None => self.contains_human(symbol) || self.contains_mouse(symbol),
        }
    }

    fn contains_human(self, symbol: &str) -> bool {
        match self {
            GeneSet::Mitochondrial => symbol.starts_with("MT-"),
            GeneSet::Ribosomal => symbol.starts_with("RPS") || symbol.starts_with("RPL"),
            GeneSet::Haemoglobin => is_followed(symbol, "HB", 'P'),
        }
    }

    fn contains_mouse(self, symbol: &str) -> bool {
        match self {
            GeneSet::Mitochondrial => symbol.starts_with("mt-"),
            GeneSet::Ribosomal => symbol.starts_with("Rps") || symbol.starts_with("Rpl"),
            GeneSet::Haemoglobin => is_followed(symbol, "Hb", 'p'),
        }
    }
}

/// Whether a symbol begins with `prefix` and goes on with something else than `not`.
fn is_followed(symbol: &str, prefix: &str, not: char) -> bool {
    symbol.strip_prefix(prefix).and_then(|rest| rest.chars().next()).is_some_and(|next| next != not)
}

/// Whose genes these are: by Ensembl ids where most are such, else by the capitals of the symbols. None where neither
/// tells.
pub fn species_of(genes: &GeneNames) -> Option<Species> {
    let (mut human, mut mouse) = (0usize, 0usize);
    for name in genes.ids.iter().flatten().chain(&genes.symbols) {
        match species_of_name(name) {
            Some(Species::Human) => human += 1,
            Some(Species::Mouse) => mouse += 1,
            None => {}
        }
    }
    // Spike-ins and clone names blur the picture of either species; nine tenths leave no doubt.
    match human + mouse {
        0 => None,
        told if human * 10 >= told * 9 => Some(Species::Human),
        told if mouse * 10 >= told * 9 => Some(Species::Mouse),
        _ => None,
    }
}

fn species_of_name(name: &str) -> Option<Species> {
    if is_ensembl(name) {
        return match name.as_bytes() {
            [b'E', b'N', b'S', b'G', ..] => Some(Species::Human),
            [b'E', b'N', b'S', b'M', b'U', b'S', b'G', ..] => Some(Species::Mouse),
            _ => None,
        };
    }
    let name = name.strip_prefix("mt-").unwrap_or(name);
    let mut letters = name.bytes().filter(u8::is_ascii_alphabetic);
    let first = letters.next()?;
    let (mut n_capitals, mut n_small) = (0, 0);
    letters.for_each(|letter| if letter.is_ascii_uppercase() { n_capitals += 1 } else { n_small += 1 });
    match (first.is_ascii_uppercase(), n_capitals, n_small) {
        (true, 2.., 0) => Some(Species::Human),
        (true, 0, 2..) => Some(Species::Mouse),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(symbol: &str, sets: [bool; 3], species: Option<Species>) {
        assert_eq!(GeneSet::ALL.map(|set| set.contains(symbol, species)), sets, "{symbol} {species:?}");
    }

    #[test]
    fn sets_are_told_by_prefix_and_species() {
        let human = Some(Species::Human);
        let mouse = Some(Species::Mouse);
        check("MT-CO1", [true, false, false], human);
        check("MTOR", [false; 3], human);
        check("mt-Co1", [false; 3], human);
        check("mt-Co1", [true, false, false], mouse);
        check("RPS3", [false, true, false], human);
        check("Rpl13a", [false, true, false], mouse);
        check("RPL13A", [false; 3], mouse);
        check("HBA1", [false, false, true], human);
        check("HBP1", [false; 3], human);
        check("HB", [false; 3], human);
        check("Hbb-bs", [false, false, true], mouse);
        check("Hbp1", [false; 3], mouse);
        check("Hbb-bs", [false, false, true], None);
        check("MT-CO1", [true, false, false], None);
        check("", [false; 3], None);
    }

    #[test]
    fn species_is_told_from_names() {
        let of = |symbols: &[&str], ids: Option<&[&str]>| {
            let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            species_of(&GeneNames { symbols: own(symbols), ids: ids.map(own) })
        };
        assert_eq!(of(&["STAT1", "MT-CO1", "IFNGR1", "CD74"], None), Some(Species::Human));
        assert_eq!(of(&["Stat1", "mt-Co1", "Ifngr1", "Cd74"], None), Some(Species::Mouse));
        assert_eq!(of(&["STAT1", "Stat1"], None), None);
        assert_eq!(of(&["1", "2"], None), None);
        assert_eq!(of(&[], None), None);
        assert_eq!(of(&["ENSMUSG00000026104.15"], None), Some(Species::Mouse));
        assert_eq!(of(&["a", "b"], Some(&["ENSG00000115415", "ENSG00000141510"])), Some(Species::Human));
    }
}
