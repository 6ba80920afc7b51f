//! Pathways and signatures, sets of genes with a name, from a `.gmt`: a set per line, tab-separated: name, description or address, genes.
//!
//! What MSigDB, Enrichr and g:Profiler give away has this layout. Plain or gzipped.

use std::collections::HashSet;

use crate::read::ReadError;
use crate::read::text::Lines;
use crate::source::NamedSource;

/// Bytes of names that are kept; all of MSigDB has 40 MB. A gzip stream can hold any number.
const MAX_NAME_BYTES: usize = 128 << 20;

/// Genes that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pathway {
    /// Its name.
    pub name: String,
    /// Symbols, each once, in file order.
    pub genes: Vec<String>,
}

/// Reads the sets of a file. Sets without genes are left out; of two sets of one name the first is taken.
///
/// # Errors
/// Where it cannot be read, a line has no tab, names have no end, or there is no set in it.
pub fn read(file: &NamedSource) -> Result<Vec<Pathway>, ReadError> {
    let mut lines = Lines::open(file)?;
    let mut sets = Vec::new();
    let (mut names, mut n_bytes) = (HashSet::new(), 0);
    while let Some(line) = lines.next_line()? {
        let line = String::from_utf8_lossy(line).into_owned();
        if line.trim().is_empty() {
            continue;
        }
        n_bytes += line.len();
        if n_bytes > MAX_NAME_BYTES {
            return Err(lines.wrong("it holds more names than any collection of gene sets; give a smaller one"));
        }
        let mut fields = line.trim_end_matches(['\r', '\n']).split('\t').map(str::trim);
        let (Some(name), Some(_description)) = (fields.next().filter(|name| !name.is_empty()), fields.next()) else {
            return Err(lines.wrong("this line is no gene set: a name, a description and genes, parted by tabs (.gmt)"));
        };
        let mut seen = HashSet::new();
        let genes: Vec<String> =
            fields.filter(|gene| !gene.is_empty() && seen.insert(*gene)).map(str::to_owned).collect();
        if !genes.is_empty() && names.insert(name.to_owned()) {
            sets.push(Pathway { name: name.to_owned(), genes });
        }
    }
    if sets.is_empty() { Err(lines.wrong("it holds no gene set; give a .gmt with a set per line")) } else { Ok(sets) }
}
