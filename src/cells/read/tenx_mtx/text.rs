//! The lines of the three files: sizes, names and types, and one entry of the matrix.

use crate::genes::GeneNames;
use crate::read::error::ReadError;
use crate::read::frame::Column;
use crate::read::text::Lines;
use crate::source::NamedSource;

/// The shortest entry, `1 1` and its line end.
const MIN_ENTRY_BYTES: u64 = 4;
const MAX_RATIO: u64 = 1032;

/// The first lines of a Matrix Market file.
pub(super) struct Header {
    pub(super) n_rows: usize,
    pub(super) n_columns: usize,
    pub(super) n_entries: u64,
    pub(super) field: String,
}

/// The features as they are named, and of each the place of its type among `types`.
pub(super) struct Features {
    pub(super) genes: GeneNames,
    pub(super) codes: Vec<Option<u32>>,
    pub(super) types: Vec<String>,
}

pub(super) fn read_header(lines: &mut Lines<'_>, matrix: &NamedSource) -> Result<Header, ReadError> {
    let banner = lines.next_line()?.map(|line| String::from_utf8_lossy(line).to_lowercase()).unwrap_or_default();
    let words: Vec<&str> = banner.split_whitespace().collect();
    let field = match words.as_slice() {
        ["%%matrixmarket", "matrix", "coordinate", field @ ("integer" | "real" | "pattern"), "general"] => {
            (*field).to_owned()
        }
        _ => {
            let what =
                "is not the banner of a general coordinate matrix (%%MatrixMarket matrix coordinate integer general)";
            return Err(lines.wrong(what));
        }
    };
    loop {
        let Some(line) = lines.next_line()? else {
            return Err(ReadError::Truncated { object: matrix.name.clone(), detail: " before its sizes".into() });
        };
        if line.first() == Some(&b'%') || line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let numbers: Option<Vec<u64>> = fields(line).map(parse_u64).collect();
        let Some([n_rows, n_columns, n_entries]) = numbers.as_deref() else {
            return Err(lines.wrong("must hold three numbers: rows, columns, entries"));
        };
        let most = u64::from(u32::MAX) - 1;
        if *n_rows > most || *n_columns > most {
            return Err(lines.wrong("claims more rows or columns than 4,294,967,294"));
        }
        if *n_entries > matrix.source.len().saturating_mul(MAX_RATIO) / MIN_ENTRY_BYTES {
            return Err(lines.wrong(&format!("claims {n_entries} entries, more than a file of its size can hold")));
        }
        return Ok(Header { n_rows: *n_rows as usize, n_columns: *n_columns as usize, n_entries: *n_entries, field });
    }
}

pub(super) fn read_barcodes(file: &NamedSource) -> Result<Vec<String>, ReadError> {
    let mut lines = Lines::open(file)?;
    let mut barcodes = Vec::new();
    while let Some(line) = lines.next_line()? {
        let line = String::from_utf8_lossy(line);
        barcodes.push(line.split('\t').next().unwrap_or_default().to_owned());
    }
    Ok(barcodes)
}

pub(super) fn read_features(file: &NamedSource) -> Result<Features, ReadError> {
    let mut lines = Lines::open(file)?;
    let (mut ids, mut symbols, mut types) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(line) = lines.next_line()? {
        let line = String::from_utf8_lossy(line);
        let mut cells = line.split('\t');
        let id = cells.next().unwrap_or_default().to_owned();
        symbols.push(cells.next().map_or_else(|| id.clone(), str::to_owned));
        types.push(cells.next().unwrap_or_default().to_owned());
        ids.push(id);
    }
    let genes = GeneNames { symbols, ids: Some(ids) };
    Ok(match Column::from_text(types) {
        Column::Labels { codes, names } => Features { genes, codes, types: names },
        Column::Numbers(_) => Features { genes, codes: Vec::new(), types: Vec::new() },
    })
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

pub(super) fn parse_entry(line: &[u8], has_values: bool) -> Option<(u64, u64, f32)> {
    let mut words = fields(line);
    let (row, column) = (parse_u64(words.next()?)?, parse_u64(words.next()?)?);
    let value = if has_values { parse_f32(words.next()?)? } else { 1.0 };
    Some((row, column, value))
}

fn parse_u64(word: &[u8]) -> Option<u64> {
    word.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

fn parse_f32(word: &[u8]) -> Option<f32> {
    std::str::from_utf8(word).ok()?.parse().ok()
}
