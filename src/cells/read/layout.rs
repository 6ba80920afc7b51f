//! How a text table lies, from its first lines: separator, decimal sign, header, names of rows, columns of text.

use crate::genes::is_ensembl;
use crate::read::error::ReadError;
use crate::read::fields::Fields;
use crate::read::text::Lines;

/// Lines that are looked at.
const SAMPLE_LINES: usize = 12;
/// What stands above row names; compared in lower case with `_`, `-`, blanks and dots dropped.
const INDEX_WORDS: [&str; 14] =
    ["index", "id", "name", "names", "rowname", "rownames", "x", "unnamed:0", "v1", "key", "no", "nr", "row", "#"];
const CELL_WORDS: [&str; 9] =
    ["cell", "cells", "cellid", "cellname", "cellnames", "barcode", "barcodes", "cellbarcode", "obsnames"];
const GENE_WORDS: [&str; 14] = [
    "gene",
    "genes",
    "geneid",
    "geneids",
    "genename",
    "genenames",
    "genesymbol",
    "symbol",
    "symbols",
    "hgncsymbol",
    "ensembl",
    "ensemblid",
    "feature",
    "varnames",
];
/// Numbers about cells or genes that lie beside counts in tables.
const NO_VALUES: [&str; 14] = [
    "ncounts",
    "ngenes",
    "ngene",
    "numi",
    "totalcounts",
    "ngenesbycounts",
    "pctcountsmt",
    "percentmt",
    "percentmito",
    "ncountrna",
    "nfeaturerna",
    "numisallgenes",
    "librarysize",
    "genelength",
];

/// How a table lies.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) separator: u8,
    pub(crate) has_decimal_commas: bool,
    pub(crate) has_header: bool,
    /// Fields of a row.
    pub(crate) n_fields: usize,
    /// Whether the first field names the row.
    pub(crate) has_row_names: bool,
    /// Of each field whether it is a value of the matrix.
    pub(crate) is_value: Vec<bool>,
    /// Names of the fields, the one above the row names included; empty without a header.
    pub(crate) header: Vec<String>,
    /// Whether values have decimals.
    pub(crate) has_fractions: bool,
}

impl Layout {
    /// Looks at the first lines; says what is wrong where they are no table.
    pub(crate) fn of(lines: &mut Lines<'_>) -> Result<Result<Layout, String>, ReadError> {
        let mut sample: Vec<Vec<u8>> = Vec::new();
        while sample.len() < SAMPLE_LINES
            && let Some(line) = next_row(lines, sample.is_empty())?
        {
            if line.contains(&0) {
                return Ok(Err("it holds zero bytes and is no UTF-8 text; save it as UTF-8".into()));
            }
            sample.push(line.to_vec());
        }
        Ok(of_sample(&sample))
    }

    /// The values of the matrix in a row.
    pub(crate) fn n_values(&self) -> usize {
        self.is_value.iter().filter(|is_value| **is_value).count()
    }

    /// Names of the fields that are values, where there is a header.
    pub(crate) fn value_names(&self) -> Vec<String> {
        let named = self.header.iter().zip(&self.is_value);
        named.filter(|(_, is_value)| **is_value).map(|(name, _)| name.clone()).collect()
    }

    /// Fields of text beside the row names.
    pub(crate) fn annotations(&self) -> Vec<usize> {
        (usize::from(self.has_row_names)..self.n_fields).filter(|field| !self.is_value[*field]).collect()
    }

    /// Whether rows are genes (true) or cells (false), and why; none where nothing tells.
    pub(crate) fn rows_are_genes(&self, rows: &[String], columns: &[String]) -> (bool, String) {
        if let Some(corner) = self.header.first().filter(|_| self.has_row_names).map(|corner| folded(corner)) {
            if GENE_WORDS.contains(&corner.as_str()) {
                return (true, format!("its first column is called {}", self.header[0]));
            }
            if CELL_WORDS.contains(&corner.as_str()) {
                return (false, format!("its first column is called {}", self.header[0]));
            }
        }
        let (of_rows, of_columns) = (share_of_genes(rows), share_of_genes(columns));
        if (of_rows - of_columns).abs() >= 0.2 {
            let reason = |names: &[String]| names.first().map_or_else(String::new, |name| format!("names like {name}"));
            return if of_rows > of_columns {
                (true, format!("its rows have {}", reason(rows)))
            } else {
                (false, format!("its columns have {}", reason(columns)))
            };
        }
        let like_genome = |n: usize| (10_000..=70_000).contains(&n);
        if like_genome(rows.len()) != like_genome(columns.len()) {
            return (like_genome(rows.len()), "of its shape".into());
        }
        (false, "nothing in its names says otherwise; turn the table round if that is wrong".into())
    }
}

/// The next line that is no comment and not empty.
pub(crate) fn next_row<'l>(lines: &'l mut Lines<'_>, may_be_comment: bool) -> Result<Option<&'l [u8]>, ReadError> {
    loop {
        let Some(text) = lines.next_line()? else { return Ok(None) };
        let is_comment = may_be_comment && text.starts_with(b"#") && !text.contains(&b'\t') && !text.contains(&b',');
        if !text.iter().all(|byte| *byte == b' ') && !is_comment {
            return Ok(Some(lines.line()));
        }
    }
}

fn of_sample(sample: &[Vec<u8>]) -> Result<Layout, String> {
    let Some(first) = sample.first() else { return Err("it is empty".into()) };
    let Some(separator) = separator(sample) else {
        return Err("its lines hold one field each; a table of counts has several".into());
    };
    let fields = |line: &[u8]| Fields::of(line, separator).map(|field| field.text().into_owned()).collect();
    let mut header: Vec<String> = fields(first);
    let has_decimal_commas = separator != b',' && has_decimal_commas(sample, separator);
    let number = |text: &String| {
        Fields::of(text.as_bytes(), 0).next().and_then(|field| field.number(has_decimal_commas)).is_some()
    };
    let counts = |text: &String| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_run = header.len() > 3
        && header[1..].windows(2).all(|pair| {
            counts(&pair[0]) && counts(&pair[1]) && pair[0].parse::<u64>().map(|n| n + 1).ok() == pair[1].parse().ok()
        });
    let has_header = is_run || header[1..].iter().any(|name| !number(name) && !name.is_empty());
    let rows: Vec<Vec<String>> = sample[usize::from(has_header)..].iter().map(|line| fields(line)).collect();
    let Some(row) = rows.first() else { return Err("it holds a header and no row".into()) };
    let n_fields = row.len();
    if has_header && header.len() + 1 == n_fields {
        header.insert(0, String::new());
    }
    let column = |at: usize| rows.iter().filter_map(move |row| row.get(at)).filter(|text| !text.is_empty());
    let named = header.first().is_some_and(|corner| !corner.is_empty() && !is_index_word(corner));
    let has_row_names = !(column(0).all(number) && (named || !has_header));
    if !has_row_names && !has_header {
        return Err("it holds numbers without names; a header with the names of the genes is needed".into());
    }
    let is_value = (0..n_fields).map(|at| {
        let (mut n, mut n_text) = (0, 0);
        column(at).for_each(|text| {
            n += 1;
            n_text += usize::from(!number(text));
        });
        let is_other = header.get(at).is_some_and(|name| NO_VALUES.contains(&folded(name).as_str()));
        (at > 0 || !has_row_names) && n_text * 2 <= n && !is_other
    });
    let is_value: Vec<bool> = is_value.collect();
    if has_header && header.len() != n_fields {
        return Err(format!("its header has {} fields and its first row {n_fields}", header.len()));
    }
    let fraction = |text: &String| number(text) && text.contains(['.', ',', 'e', 'E']);
    let has_fractions = (0..n_fields).filter(|at| is_value[*at]).any(|at| column(at).any(fraction));
    let header = if has_header { header } else { Vec::new() };
    Ok(Layout { separator, has_decimal_commas, has_header, n_fields, has_row_names, is_value, header, has_fractions })
}

/// The separator that gives the sampled lines equally many fields, the most of them.
fn separator(sample: &[Vec<u8>]) -> Option<u8> {
    let score = |separator: u8| {
        let counts: Vec<usize> = sample.iter().map(|line| Fields::of(line, separator).count()).collect();
        let row = *counts.get(1).unwrap_or(&counts[0]);
        let is_even = counts[1..].iter().all(|n| *n == row) && (counts[0] == row || counts[0] + 1 == row);
        (is_even && row > 1, *counts.iter().max().unwrap_or(&0))
    };
    let candidates = [b'\t', b';', b',', b' '].map(|separator| (score(separator), separator));
    // Blanks stand inside names and texts: they separate only where nothing else does.
    let others = candidates[..3].iter().rev().max_by_key(|(score, _)| *score).filter(|((_, n), _)| *n > 1);
    others.or(candidates.last()).filter(|((_, n), _)| *n > 1).map(|(_, separator)| *separator)
}

fn has_decimal_commas(sample: &[Vec<u8>], separator: u8) -> bool {
    let fields = sample.iter().flat_map(|line| Fields::of(line, separator));
    let mut texts = fields.map(|field| field.text());
    texts.any(|text| {
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        text.split_once(',').is_some_and(|(whole, part)| digits(whole.trim_start_matches('-')) && digits(part))
    })
}

fn is_index_word(text: &str) -> bool {
    let text = folded(text);
    [&INDEX_WORDS[..], &CELL_WORDS, &GENE_WORDS].iter().any(|words| words.contains(&text.as_str()))
}

pub(crate) fn folded(text: &str) -> String {
    text.to_lowercase().replace(['_', '-', ' ', '.'], "")
}

/// The share of some names, at most two hundred of them, that look like genes.
pub(crate) fn share_of_genes(names: &[String]) -> f64 {
    let step = names.len().div_ceil(200).max(1);
    let sample: Vec<&String> = names.iter().step_by(step).collect();
    let n = sample.iter().filter(|name| looks_like_gene(name)).count();
    n as f64 / sample.len().max(1) as f64
}

fn looks_like_gene(name: &str) -> bool {
    if is_ensembl(name) {
        return true;
    }
    let letters = name.bytes().filter(u8::is_ascii_alphabetic).count();
    let is_sequence = name.bytes().take_while(|byte| matches!(byte, b'A' | b'C' | b'G' | b'T' | b'N')).count() >= 8;
    let is_word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase()) || name.starts_with("mt-");
    let lower = name.to_lowercase();
    let is_numbered = ["cell", "sample", "barcode", "spot", "well"].iter().any(|word| lower.starts_with(word))
        && lower.ends_with(|c: char| c.is_ascii_digit());
    is_word && begins && letters >= 2 && !is_sequence && !is_numbered && name.len() <= 20
}
