//! `docs/formats.md`: what is read of every public file and every golden one, against what anndata and scanpy read
//! (`tests/golden/formats.json`, by `formats.py`). The table is measured here; with `UPDATE_DOCS` set it is written.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use cells::source::NamedSource;
use serde_json::Value;
use spec::dataset::{MatrixEncoding, PrepareOptions};

use super::build::{PLENTY, read_opened, to_dense};

const HEAD: &str = "# Formats

What the readers make of the files they are tested on. *Equal* means: every value, as float32, is to the bit what anndata
or scanpy read from the same file (`tests/golden/formats.py`); a dash means that those do not read it. The files of
`generated/` and `real/` are public ones that lie beside the repository, those of `golden/` lie in `tests/golden`. A test
(`tests/suite/readers/formats.rs`) measures this table and compares it with what is written here.

| file | format | matrix | lies as | opens | equal |
|---|---|---|---|---|---|
";

/// The files of one line of the table: one, or those of a folder.
fn files(path: &Path) -> Vec<NamedSource> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        paths = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
    }
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        NamedSource::from_bytes(name, std::fs::read(&path).unwrap())
    };
    paths.into_iter().map(named).collect()
}

/// Names in the table, with their places: the folders of Matrix Market are one each.
fn places(root: &Path, prefix: &str) -> Vec<(String, PathBuf)> {
    let mut places = Vec::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = format!("{prefix}{}", path.file_name().unwrap().to_string_lossy());
        let is_trio = path.join("matrix.mtx").is_file() || path.join("matrix.mtx.gz").is_file();
        let ends = [".h5ad", ".h5", ".loom", ".zip", ".csv", ".tsv", ".gz"];
        if path.is_dir() && !is_trio {
            places.extend(self::places(&path, &format!("{name}/")));
        } else if is_trio || ends.iter().any(|end| name.ends_with(end)) {
            places.push((name, path));
        }
    }
    places
}

fn lines(name: &str, path: &Path, golden: &Value) -> String {
    let opened = match cells::read::open(files(path), PLENTY) {
        Ok(opened) => opened,
        Err(error) => {
            // The reason, without the names and the advice.
            let text = error.to_string();
            let reason = text.split("; ").next().unwrap_or_default();
            return format!("| {name} | | | | no: {reason} | |\n");
        }
    };
    let mut lines = String::new();
    for info in &opened.opened().matrices {
        let options = PrepareOptions { matrix: Some(info.name.clone()), ..PrepareOptions::default() };
        let data = read_opened(&opened, &options).unwrap_or_else(|error| panic!("{name} {}: {error}", info.name));
        let mut crc = flate2::Crc::new();
        to_dense(&data.counts).iter().for_each(|value| crc.update(&value.to_le_bytes()));
        let equal = match golden.get(name).and_then(|matrices| matrices.get(&info.name)) {
            None => "–",
            Some(theirs) => {
                let shape = [data.counts.n_cells() as u64, data.counts.n_genes() as u64];
                let is_equal = theirs["crc32"].as_u64() == Some(u64::from(crc.sum()))
                    && theirs["shape"] == serde_json::json!(shape);
                if is_equal { "yes" } else { "no" }
            }
        };
        let encoding = match info.encoding {
            MatrixEncoding::Csr => "CSR",
            MatrixEncoding::Csc => "CSC",
            MatrixEncoding::Dense => "dense",
            MatrixEncoding::Coordinate => "triplets",
        };
        let (format, matrix, dtype) = (opened.opened().format.label(), &info.name, &info.dtype);
        writeln!(lines, "| {name} | {format} | {matrix} | {encoding} {dtype} | yes | {equal} |").unwrap();
    }
    lines
}

#[test]
fn the_table_of_formats_is_what_is_measured() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden: Value = serde_json::from_str(include_str!("../../golden/formats.json")).unwrap();
    let mut table = String::new();
    let data = here.join("../../shared/data/formats");
    let is_whole = data.is_dir();
    if is_whole {
        places(&data, "").iter().for_each(|(name, path)| table += &lines(name, path, &golden));
    } else {
        crate::say_skipped("../shared/data is absent, of docs/formats.md the lines of tests/golden alone are compared");
    }
    let of_golden = here.join("golden");
    places(&of_golden, "golden/").iter().for_each(|(name, path)| table += &lines(name, path, &golden));
    assert!(!table.contains("| no |\n"), "a matrix differs from what others read:\n{table}");
    let docs = of_golden.join("../../docs/formats.md");
    if is_whole && std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&docs, format!("{HEAD}{table}")).unwrap();
    }
    let written = std::fs::read_to_string(&docs).unwrap_or_default();
    let expected = if is_whole { format!("{HEAD}{table}") } else { table.clone() };
    let is_same = if is_whole { written == expected } else { written.ends_with(&expected) };
    assert!(is_same, "docs/formats.md is not what was measured (UPDATE_DOCS=1 writes it); measured:\n{table}");
}
