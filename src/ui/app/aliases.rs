//! Former names and aliases of genes, to be found in the picker: a table that ships with the site.

/// Aliases, to be looked up by what they begin with.
#[derive(Debug, Default)]
pub struct Aliases {
    /// In capitals, as written, and the symbol; in order of the first.
    names: Vec<(String, String, String)>,
}

impl Aliases {
    /// Reads lines of a symbol, a tab, and its aliases parted by blanks.
    pub fn read(text: &str) -> Self {
        let of_line = |line: &str| {
            let (symbol, names) = line.split_once('\t')?;
            let symbol = symbol.to_string();
            Some(
                names
                    .split_whitespace()
                    .map(|name| (name.to_uppercase(), name.to_string(), symbol.clone()))
                    .collect::<Vec<_>>(),
            )
        };
        let mut names: Vec<_> = text.lines().filter_map(of_line).flatten().collect();
        names.sort();
        Self { names }
    }

    /// Aliases that begin with a text, letter case aside, each with its symbol; in order.
    pub fn beginning(&self, text: &str) -> impl Iterator<Item = (&str, &str)> {
        let wanted = text.trim().to_uppercase();
        let first = self.names.partition_point(|(name, ..)| *name < wanted);
        let is_meant = !wanted.is_empty();
        self.names[first..]
            .iter()
            .take_while(move |(name, ..)| is_meant && name.starts_with(&wanted))
            .map(|(_, name, symbol)| (name.as_str(), symbol.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Aliases;

    #[test]
    fn aliases_are_found_by_how_they_begin() {
        let aliases = Aliases::read("TNFRSF1A\tCD120a TNF-R\nTNFRSF1B\tCD120b\nnot a line\n");
        let found = |text: &str| aliases.beginning(text).collect::<Vec<_>>();
        assert_eq!(found("cd120"), [("CD120a", "TNFRSF1A"), ("CD120b", "TNFRSF1B")]);
        assert_eq!(found(" CD120A "), [("CD120a", "TNFRSF1A")]);
        assert!(
            found("").is_empty() && found("CD121").is_empty() && Aliases::default().beginning("A").next().is_none()
        );
    }
}
