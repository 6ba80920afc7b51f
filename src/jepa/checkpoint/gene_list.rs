//! The gene list that goes beside a bare state dict: one symbol per line, in the order of the model's tokens.
//!
//! Tables of comma- or tab-separated values are read too: the column with a known heading, else the first.

use std::collections::HashSet;

use crate::error::Error;

/// Headings of the column that names the genes, in lower case, the best first.
const HEADINGS: [&str; 9] =
    ["gene_symbol", "symbol", "gene_name", "gene_names", "feature_name", "gene", "genes", "gene_id", "gene_ids"];

/// The `n_genes` genes that a text names. A first line beyond these is a heading.
///
/// # Errors
/// Where it is no text, names another number of genes, leaves one empty or names one twice.
pub fn read(bytes: &[u8], n_genes: usize) -> Result<Vec<String>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is no text (UTF-8)".into()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let separator = if lines.first().is_some_and(|line| line.contains('\t')) { '\t' } else { ',' };
    let field = |line: &str, column: usize| -> Option<String> {
        let field = line.split(separator).nth(column)?.trim().trim_matches('"');
        Some(field.to_owned())
    };
    let mut column = 0;
    if lines.len() == n_genes + 1 {
        let headings: Vec<String> =
            lines.remove(0).split(separator).map(|heading| heading.trim().trim_matches('"').to_lowercase()).collect();
        let known = HEADINGS.iter().find_map(|known| headings.iter().position(|heading| heading == known));
        column = known.unwrap_or(0);
    }
    if lines.len() != n_genes {
        return Err(bad(format!("it names {} genes; the model has {n_genes}, one per line in its order", lines.len())));
    }
    let genes: Vec<String> = lines.iter().map(|line| field(line, column).unwrap_or_default()).collect();
    if let Some(at) = genes.iter().position(String::is_empty) {
        return Err(bad(format!("gene {} of {n_genes} has no name", at + 1)));
    }
    let mut seen = HashSet::with_capacity(genes.len());
    if let Some(twice) = genes.iter().find(|gene| !seen.insert(gene.as_str())) {
        return Err(bad(format!("the gene {twice} comes twice")));
    }
    Ok(genes)
}

fn bad(problem: String) -> Error {
    Error::Checkpoint { problem: format!("the gene list: {problem}") }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn lists_and_tables() {
        let check = |text: &str| assert_eq!(read(text.as_bytes(), 2).expect(text), ["STAT1", "JAK2"], "{text:?}");
        check("STAT1\nJAK2");
        check("\u{feff}STAT1\r\nJAK2\r\n\n");
        check("gene\nSTAT1\nJAK2\n");
        check(",gene_symbol\n0,STAT1\n1,\"JAK2\"\n");
        check("symbol\tid\nSTAT1\tENSG00000115415\nJAK2\tENSG00000096968\n");
        check("STAT1\tENSG00000115415\nJAK2\tENSG00000096968\n");
    }

    #[test]
    fn what_is_no_list_is_named() {
        let check = |text: &[u8], part: &str| {
            let said = read(text, 2).expect_err("no list").to_string();
            assert!(said.contains(part), "{said}");
        };
        check(b"STAT1\n", "names 1 genes; the model has 2");
        check(b"a\nb\nc\nd\n", "names 4 genes");
        check(b"STAT1\nSTAT1\n", "STAT1 comes twice");
        check(b"STAT1\n,\n", "gene 2 of 2 has no name");
        check(b"\xff\xfe\x00", "no text");
        check(b"", "names 0 genes");
    }
}
