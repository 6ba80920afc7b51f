//! A table of what losing genes does to cells: csv or tsv with columns `gene` and `effect`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// Genes with their effects, in the order of the file; lines without a number are left out.
pub fn read(path: &Path) -> Result<Vec<(String, f64)>> {
    let shown = path.display();
    let bytes = crate::file::read(path)?;
    let text = std::str::from_utf8(&bytes).with_context(|| format!("{shown} is no text"))?;
    let mut lines = text.lines();
    let head = lines.next().with_context(|| format!("{shown} is empty"))?;
    let separator = if head.contains('\t') { '\t' } else { ',' };
    let cell = |cell: &str| cell.trim().trim_matches('"').to_owned();
    let names: Vec<String> = head.split(separator).map(|name| cell(name).to_lowercase()).collect();
    let column = |wanted: &str| names.iter().position(|name| name == wanted);
    let (Some(gene), Some(effect)) = (column("gene"), column("effect")) else {
        bail!("{shown} has the columns {}; two of them must be called gene and effect", names.join(", "));
    };
    let of_line = |line: &str| {
        let cells: Vec<&str> = line.split(separator).collect();
        Some((symbol(&cell(cells.get(gene)?)), cell(cells.get(effect)?).parse::<f64>().ok()?))
    };
    let found: Vec<(String, f64)> = lines.filter_map(of_line).filter(|(_, effect)| effect.is_finite()).collect();
    ensure!(!found.is_empty(), "{shown} has no line with a gene and a number");
    Ok(found)
}

/// DepMap writes `SYMBOL (Entrez id)`.
fn symbol(name: &str) -> String {
    name.split(" (").next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_columns_say_what_is_where() {
        let path = std::env::temp_dir().join(format!("waddington_effects_{}.csv", std::process::id()));
        let check = |text: &str, expected: Result<&[(&str, f64)], &str>| {
            std::fs::write(&path, text).expect("a file");
            match (read(&path), expected) {
                (Ok(found), Ok(expected)) => {
                    let found: Vec<(&str, f64)> = found.iter().map(|(gene, effect)| (gene.as_str(), *effect)).collect();
                    assert_eq!(found, expected);
                }
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error} does not say {part}"),
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        };
        check("Effect,Gene\n-1.5,MYC (4609)\n,TP53\n0.2,\"ACTB\"\n", Ok(&[("MYC", -1.5), ("ACTB", 0.2)]));
        check("gene\teffect\nMYC\t-1\n", Ok(&[("MYC", -1.0)]));
        check("symbol,effect\nMYC,-1\n", Err("must be called gene and effect"));
        check("gene,effect\nMYC,none\n", Err("no line with a gene"));
        check("", Err("is empty"));
        std::fs::remove_file(&path).expect("it is there");
    }
}
