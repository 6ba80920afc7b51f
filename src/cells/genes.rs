//! Names of genes, how the genes of a file meet those that are wanted, how names of other times and kinds become current
//! symbols ([`table`]), and which genes belong together ([`pathways`]).

pub mod pathways;
pub mod table;

use std::collections::HashMap;

/// Names of the genes of a matrix, in column order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GeneNames {
    /// Symbols, or whatever name the file has.
    pub symbols: Vec<String>,
    /// Stable ids (Ensembl), where the file has them; as many as symbols.
    pub ids: Option<Vec<String>>,
}

/// Where each wanted gene is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alignment {
    /// For each wanted gene its column in the matrix; none where the matrix lacks it.
    pub column_of: Vec<Option<u32>>,
    /// Wanted genes that were found.
    pub n_found: usize,
    /// Wanted genes that were not, in order.
    pub missing: Vec<String>,
}

/// No wanted gene was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "no gene in common: wanted are {}; the file has {}. Use a file whose genes are named by symbol or by Ensembl id of the same species",
    wanted.join(", "),
    found.join(", ")
)]
pub struct NoGeneInCommon {
    /// Five of the wanted genes.
    pub wanted: Vec<String>,
    /// Five of the file's genes.
    pub found: Vec<String>,
}

impl GeneNames {
    /// Genes.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// Finds each wanted gene: by exact symbol, else by stable id, with or without the version suffix (`.12`), else by the
    /// id that `wanted_ids` gives it (one per wanted gene, or none at all; an empty text where it is not known). Where
    /// two columns share a name, the first is taken. Case counts: `Stat1` is a gene of the mouse, `STAT1` of man.
    ///
    /// # Errors
    /// Where not one is found; shows five examples of each side.
    pub fn align(&self, wanted: &[String], wanted_ids: &[String]) -> Result<Alignment, NoGeneInCommon> {
        let by_symbol = first_columns(self.symbols.iter().map(String::as_str));
        let ids = self.ids.as_deref().unwrap_or(&[]);
        let by_id = first_columns(ids.iter().chain(&self.symbols).map(|id| without_version(id)));
        let column_of_id = |id: &str| {
            let column = by_id.get(without_version(id)).copied()?;
            Some(if (column as usize) < ids.len() { column } else { column - ids.len() as u32 })
        };
        let column_of: Vec<Option<u32>> = wanted
            .iter()
            .enumerate()
            .map(|(gene, name)| {
                let symbol = || by_symbol.get(name.as_str()).copied();
                let id = || wanted_ids.get(gene).filter(|id| !id.is_empty()).and_then(|id| column_of_id(id));
                symbol().or_else(|| column_of_id(name)).or_else(id)
            })
            .collect();
        let n_found = column_of.iter().flatten().count();
        if n_found == 0 && !wanted.is_empty() {
            return Err(NoGeneInCommon {
                wanted: wanted.iter().take(5).cloned().collect(),
                found: self.symbols.iter().take(5).cloned().collect(),
            });
        }
        let missing = wanted
            .iter()
            .zip(&column_of)
            .filter(|(_, column)| column.is_none())
            .map(|(name, _)| name.clone())
            .collect();
        Ok(Alignment { column_of, n_found, missing })
    }
}

/// An Ensembl id without its version: `ENSG00000141510.18` is `ENSG00000141510`; any other name is returned as it is.
pub fn without_version(name: &str) -> &str {
    match name.split_once('.') {
        Some((id, version))
            if is_ensembl(id) && !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            id
        }
        _ => name,
    }
}

/// Whether a name looks like an Ensembl id (`ENSG00000141510`, `ENSMUSG…`), with or without version.
pub fn is_ensembl(name: &str) -> bool {
    let id = name.split('.').next().unwrap_or(name);
    let letters = id.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.len() >= 4
        && letters.starts_with("ENS")
        && letters.ends_with('G')
        && letters.bytes().all(|byte| byte.is_ascii_uppercase())
        && id.len() - letters.len() == 11
}

fn first_columns<'a>(names: impl Iterator<Item = &'a str>) -> HashMap<&'a str, u32> {
    let mut columns = HashMap::new();
    for (column, name) in names.enumerate() {
        columns.entry(name).or_insert(column as u32);
    }
    columns
}
