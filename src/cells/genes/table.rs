//! A table of genes: current symbols, former names and aliases, Ensembl ids; and the names of a file said in its terms.
//!
//! Read from tab-separated text, plain or gzipped, with a column `symbol`, and `ensembl` (or `ensembl_gene_id`) and
//! `aliases` (or `alias_symbol`, `prev_symbol`) where there are such: NCBI's and HGNC's tables both are. Several names
//! in a field are parted by commas or bars.
//!
//! NCBI calls the mitochondrial genes `ND1` and `COX1`, count matrices (and every rule of quality) `MT-ND1` and `MT-CO1`:
//! these fifteen take the latter names here, or `MT-CO2` would become the pseudogene that has it as an alias.

use std::collections::{HashMap, HashSet};

use spec::genes::{N_NAMED, NamingReport};

use crate::genes::{GeneNames, is_ensembl, without_version};
use crate::read::ReadError;
use crate::read::text::Lines;
use crate::source::NamedSource;

/// What genes of the mitochondrial genome are called after `MT-` (and, without hyphen, `MT`, in NCBI's aliases).
const MITOCHONDRIAL: [&str; 15] =
    ["ATP6", "ATP8", "CO1", "CO2", "CO3", "CYB", "ND1", "ND2", "ND3", "ND4", "ND4L", "ND5", "ND6", "RNR1", "RNR2"];

/// Bytes of names that are kept; human tables have 3 MB. A gzip stream can hold any number.
const MAX_NAME_BYTES: usize = 64 << 20;

/// Current symbols, and what else genes are or were called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneTable {
    /// Distinct current symbols, ascending.
    symbols: Vec<String>,
    /// Other names with the gene they mean, ascending; a name occurs once for each gene that it may mean.
    aliases: Vec<(String, u32)>,
    /// Ensembl ids without version with their gene, ascending.
    ids: Vec<(String, u32)>,
}

/// What a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// It is a current symbol.
    Current,
    /// It is the Ensembl id of this symbol.
    Id(&'a str),
    /// It is a former name or alias of this symbol, and of no other.
    Renamed(&'a str),
    /// It may mean any of these symbols.
    Ambiguous(Vec<&'a str>),
    /// The table does not have it.
    Missing,
}

/// The genes of a file in current symbols, and everything that is not plain about them. Columns are in file order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Translation {
    /// Current symbol of each gene. Its own name where it has none, may mean several, or where another column has the
    /// symbol with more right (see `duplicates`).
    pub symbols: Vec<String>,
    /// Genes whose name is a current symbol.
    pub n_current: usize,
    /// Genes known by their Ensembl id.
    pub n_by_id: usize,
    /// Genes known by a former name or alias: column, name in the file, current symbol.
    pub renamed: Vec<(u32, String, String)>,
    /// Names that may mean several genes: column, name in the file, the symbols it may mean.
    pub ambiguous: Vec<(u32, String, Vec<String>)>,
    /// Names that the table does not have: column and name.
    pub missing: Vec<(u32, String)>,
    /// Symbols that several columns mean, with these columns.
    pub duplicates: Vec<(String, Vec<u32>)>,
}

impl GeneTable {
    /// Reads a table.
    ///
    /// # Errors
    /// Where it cannot be read, has no column `symbol`, or names without end.
    pub fn read(file: &NamedSource) -> Result<GeneTable, ReadError> {
        let mut lines = Lines::open(file)?;
        let header = text(lines.next_line()?.unwrap_or_default());
        let columns_named = |names: &[&str]| -> Vec<usize> {
            header
                .split('\t')
                .enumerate()
                .filter(|(_, name)| names.contains(&unquoted(name)))
                .map(|(at, _)| at)
                .collect()
        };
        let symbol_columns = columns_named(&["symbol"]);
        let id_columns = columns_named(&["ensembl", "ensembl_gene_id"]);
        let alias_columns = columns_named(&["aliases", "alias_symbol", "prev_symbol"]);
        let Some(&symbol_column) = symbol_columns.first() else {
            return Err(lines.wrong("its first line names no column 'symbol'; give a tab-separated table of genes"));
        };
        let mut rows = Vec::new();
        let mut n_bytes = 0;
        while let Some(line) = lines.next_line()? {
            let line = text(line);
            let fields: Vec<&str> = line.split('\t').collect();
            let named = |columns: &[usize]| -> Vec<String> {
                let fields = columns.iter().filter_map(|column| fields.get(*column));
                fields.flat_map(|field| names_in(field)).map(str::to_owned).collect()
            };
            let symbol = fields.get(symbol_column).map_or("", |field| unquoted(field));
            if symbol.is_empty() {
                continue;
            }
            let row = Row::new(symbol, named(&alias_columns), named(&id_columns));
            n_bytes += row.n_bytes();
            if n_bytes > MAX_NAME_BYTES {
                return Err(lines.wrong("it holds more names than any table of genes; give one of a single species"));
            }
            rows.push(row);
        }
        Ok(Self::from_rows(rows))
    }

    fn from_rows(rows: Vec<Row>) -> Self {
        let mut symbols: Vec<String> = rows.iter().map(|row| row.symbol.clone()).collect();
        symbols.sort_unstable();
        symbols.dedup();
        let (mut aliases, mut ids) = (Vec::new(), Vec::new());
        for row in rows {
            let gene = symbols.binary_search(&row.symbol).unwrap_or_default() as u32;
            ids.extend(row.ids.into_iter().map(|id| (without_version(&id).to_owned(), gene)));
            aliases.extend(row.aliases.into_iter().filter(|alias| *alias != row.symbol).map(|alias| (alias, gene)));
        }
        for names in [&mut aliases, &mut ids] {
            names.sort_unstable();
            names.dedup();
        }
        Self { symbols, aliases, ids }
    }

    /// The Ensembl id of each name, the lowest where its gene has several (the others are of alternative assemblies); an
    /// empty text where there is none or the name may mean several genes.
    pub fn ids_of(&self, names: &[String]) -> Vec<String> {
        let mut id_of: HashMap<&str, &str> = HashMap::new();
        for (id, gene) in &self.ids {
            id_of.entry(&self.symbols[*gene as usize]).or_insert(id);
        }
        let id = |name: &String| match self.meaning(name) {
            Meaning::Current => id_of.get(name.as_str()).copied(),
            Meaning::Renamed(symbol) | Meaning::Id(symbol) => id_of.get(symbol).copied(),
            Meaning::Ambiguous(_) | Meaning::Missing => None,
        };
        names.iter().map(|name| id(name).unwrap_or_default().to_owned()).collect()
    }

    /// Distinct current symbols.
    pub fn n_symbols(&self) -> usize {
        self.symbols.len()
    }

    /// Whether a name is a current symbol.
    pub fn has(&self, symbol: &str) -> bool {
        self.symbols.binary_search_by(|one| one.as_str().cmp(symbol)).is_ok()
    }

    /// What a name means: a symbol before an id before an alias. Case counts. An id may have a version.
    pub fn meaning(&self, name: &str) -> Meaning<'_> {
        if self.has(name) {
            return Meaning::Current;
        }
        let (names, is_id) = if is_ensembl(name) { (&self.ids, true) } else { (&self.aliases, false) };
        let name = without_version(name);
        let start = names.partition_point(|(other, _)| other.as_str() < name);
        let genes = names[start..].iter().take_while(|(other, _)| other == name);
        let found: Vec<&str> = genes.map(|(_, gene)| self.symbols[*gene as usize].as_str()).collect();
        match found[..] {
            [] => Meaning::Missing,
            [symbol] if is_id => Meaning::Id(symbol),
            [symbol] => Meaning::Renamed(symbol),
            _ => Meaning::Ambiguous(found),
        }
    }

    /// The genes of a file in current symbols. Where a name is neither a symbol nor an id, the file's own id of the gene
    /// is asked before the name is taken for an alias.
    pub fn translate(&self, genes: &GeneNames) -> Translation {
        let mut translation = Translation::default();
        let mut wanted: Vec<(Option<String>, Right)> = Vec::with_capacity(genes.len());
        for (column, name) in (0u32..).zip(&genes.symbols) {
            let id = genes.ids.as_ref().and_then(|ids| ids.get(column as usize)).map_or("", String::as_str);
            let by_name = self.meaning(name);
            let (symbol, right) = match (by_name, self.meaning_of_id(id)) {
                (Meaning::Current, _) => {
                    translation.n_current += 1;
                    (Some(name.as_str()), Right::Name)
                }
                (Meaning::Id(symbol), _) | (_, Some(symbol)) => {
                    translation.n_by_id += 1;
                    (Some(symbol), Right::Id)
                }
                (Meaning::Renamed(symbol), None) => {
                    translation.renamed.push((column, name.clone(), symbol.to_owned()));
                    (Some(symbol), Right::Alias)
                }
                (Meaning::Ambiguous(symbols), None) => {
                    let symbols = symbols.into_iter().map(str::to_owned).collect();
                    translation.ambiguous.push((column, name.clone(), symbols));
                    (None, Right::Alias)
                }
                (Meaning::Missing, None) => {
                    translation.missing.push((column, name.clone()));
                    (None, Right::Alias)
                }
            };
            wanted.push((symbol.map(str::to_owned), right));
        }
        translation.settle(genes, wanted);
        translation
    }

    fn meaning_of_id(&self, id: &str) -> Option<&str> {
        match is_ensembl(id).then(|| self.meaning(id)) {
            Some(Meaning::Id(symbol)) => Some(symbol),
            _ => None,
        }
    }
}

/// How a column came to its symbol; the first has most right to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    Name,
    Id,
    Alias,
}

impl Translation {
    /// The same in short, for a person to read; `genes` are the names that were translated.
    pub fn report(&self, genes: &GeneNames) -> NamingReport {
        let own_name = |column: &u32| genes.symbols[*column as usize].clone();
        let duplicate =
            |(symbol, columns): &(String, Vec<u32>)| (symbol.clone(), columns.iter().map(own_name).collect());
        NamingReport {
            n_genes: genes.len(),
            n_current: self.n_current,
            n_by_id: self.n_by_id,
            n_renamed: self.renamed.len(),
            renamed: first(&self.renamed, |(_, name, symbol)| (name.clone(), symbol.clone())),
            n_ambiguous: self.ambiguous.len(),
            ambiguous: first(&self.ambiguous, |(_, name, symbols)| (name.clone(), symbols.clone())),
            n_missing: self.missing.len(),
            missing: first(&self.missing, |(_, name)| name.clone()),
            n_duplicates: self.duplicates.len(),
            duplicates: first(&self.duplicates, duplicate),
        }
    }

    /// Gives each symbol to the column with most right to it, to the first of equals; the others keep their own names.
    fn settle(&mut self, genes: &GeneNames, wanted: Vec<(Option<String>, Right)>) {
        let mut columns_of: HashMap<&str, Vec<u32>> = HashMap::new();
        for (column, (symbol, _)) in (0u32..).zip(&wanted) {
            if let Some(symbol) = symbol {
                columns_of.entry(symbol).or_default().push(column);
            }
        }
        let mut keeps_own: HashSet<u32> = HashSet::new();
        for (symbol, columns) in columns_of.into_iter().filter(|(_, columns)| columns.len() > 1) {
            let owner = columns.iter().copied().min_by_key(|column| (wanted[*column as usize].1, *column));
            keeps_own.extend(columns.iter().filter(|column| Some(**column) != owner));
            self.duplicates.push((symbol.to_owned(), columns));
        }
        self.duplicates.sort_unstable();
        let mut own_names = genes.symbols.iter();
        for (column, (symbol, _)) in (0u32..).zip(wanted) {
            let own = own_names.next().cloned().unwrap_or_default();
            self.symbols.push(symbol.filter(|_| !keeps_own.contains(&column)).unwrap_or(own));
        }
    }
}

/// The first entries of a list, as many as a person is shown.
fn first<T, Said>(list: &[T], say: impl Fn(&T) -> Said) -> Vec<Said> {
    list.iter().take(N_NAMED).map(say).collect()
}

/// One line of a table.
struct Row {
    symbol: String,
    aliases: Vec<String>,
    ids: Vec<String>,
}

impl Row {
    fn new(symbol: &str, mut aliases: Vec<String>, ids: Vec<String>) -> Self {
        let is_named = |name: &&&str| aliases.iter().any(|alias| alias.strip_prefix("MT") == Some(**name));
        let mitochondrial = MITOCHONDRIAL.iter().find(is_named).filter(|_| !symbol.starts_with("MT"));
        let symbol = match mitochondrial {
            Some(name) => {
                aliases.push(symbol.to_owned());
                format!("MT-{name}")
            }
            None => symbol.to_owned(),
        };
        Self { symbol, aliases, ids }
    }

    fn n_bytes(&self) -> usize {
        let names = self.aliases.iter().chain(&self.ids);
        self.symbol.len() + names.map(|name| name.len() + size_of::<(String, u32)>()).sum::<usize>()
    }
}

fn text(line: &[u8]) -> String {
    String::from_utf8_lossy(line).into_owned()
}

fn unquoted(field: &str) -> &str {
    field.trim().trim_matches('"')
}

/// The names of a field.
fn names_in(field: &str) -> impl Iterator<Item = &str> {
    unquoted(field).split([',', '|']).map(str::trim).filter(|name| !name.is_empty())
}
