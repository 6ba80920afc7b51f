//! Archives around a matrix: zip, tar and tar.gz, folders and prefixes, what lies beside, and damage.

use std::io::{Cursor, Write};

use cells::source::NamedSource;
use spec::dataset::FileFormat;

use super::build::{self, dense, gene_names, open, plain_h5ad, read, to_dense};
use super::tables::{PLAIN, table};
use super::tenx::{barcodes, features, gzip, mtx};

type Entries<'a> = Vec<(String, Vec<u8>)>;

pub fn tar(entries: &Entries<'_>) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zip(entries: &Entries<'_>, is_stored: bool) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let method = if is_stored { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    writer.add_directory("folder/", options).unwrap();
    for (path, bytes) in entries {
        writer.start_file(path.as_str(), options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// The three files of a 10x matrix under a prefix, with what else such archives hold.
pub fn trio(prefix: &str, is_gzipped: bool) -> Entries<'static> {
    let texts = [("matrix.mtx", mtx(true)), ("barcodes.tsv", barcodes()), ("features.tsv", features())];
    let mut entries: Entries<'static> = vec![("web_summary.html".into(), b"<html>".to_vec())];
    for (name, text) in texts {
        entries.push(match is_gzipped {
            true => (format!("{prefix}{name}.gz"), gzip(&text)),
            false => (format!("{prefix}{name}"), text.into_bytes()),
        });
    }
    entries.push((format!("__MACOSX/{prefix}._matrix.mtx"), b"\0\x05\x16\x07".to_vec()));
    entries
}

fn all_archives(entries: &Entries<'_>) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a.tar", tar(entries)),
        ("a.tar.gz", gzipped(&tar(entries))),
        ("stored.zip", zip(entries, true)),
        ("deflated.zip", zip(entries, false)),
    ]
}

#[test]
fn a_10x_matrix_reads_from_any_archive_and_folder() {
    let long = format!("{}/", "a_long_folder_name".repeat(9));
    for prefix in ["", "filtered_feature_bc_matrix/", "GSE1/GSM2_", "./sample/hg19/", &long] {
        for is_gzipped in [false, true] {
            for (name, bytes) in all_archives(&trio(prefix, is_gzipped)) {
                let data = read(name, bytes).unwrap_or_else(|error| panic!("{name} {prefix}: {error}"));
                assert_eq!(to_dense(&data.counts), dense(), "{name} {prefix} {is_gzipped}");
                assert_eq!(data.genes.symbols, gene_names());
                assert!(data.warnings[0].contains("matrix.mtx"), "{:?}", data.warnings);
            }
        }
    }
}

#[test]
fn other_matrices_read_from_archives_too() {
    let contents = [
        ("sub/a.h5ad", plain_h5ad(), FileFormat::H5ad),
        ("sub/a.csv", table(PLAIN).into_bytes(), FileFormat::Table),
        ("a.csv.gz", gzip(&table(PLAIN)), FileFormat::Table),
        ("a.loom", super::loom::loom(build::Dtype::U16, Some([2, 3])), FileFormat::Loom),
    ];
    for (path, bytes, format) in contents {
        for (name, archive) in all_archives(&vec![(path.to_owned(), bytes.clone())]) {
            let opened = open(name, archive).unwrap_or_else(|error| panic!("{path} in {name}: {error}"));
            assert_eq!(opened.opened().format, format);
            let data = build::read_opened(&opened, &opened.opened().suggested.clone()).unwrap();
            assert_eq!(to_dense(&data.counts), dense(), "{path} in {name}");
        }
    }
    // A gzipped h5ad is unpacked into memory, which is then missing for reading.
    let opened = open("a.h5ad.gz", gzipped(&plain_h5ad())).unwrap();
    assert_eq!(opened.opened().bytes_available, build::PLENTY - plain_h5ad().len() as u64);
    for bytes in [gzipped(&plain_h5ad()), zip(&vec![("a.h5ad".into(), plain_h5ad())], false)] {
        let message = cells::read::open(vec![NamedSource::from_bytes("a", bytes)], 3000).unwrap_err().to_string();
        assert!(message.contains("needs") && message.contains("unpack it first"), "{message}");
    }
}

#[test]
fn of_several_matrices_the_filtered_one_is_read() {
    let mut entries = trio("raw_feature_bc_matrix/", false);
    entries.extend(trio("filtered_feature_bc_matrix/", false).into_iter().skip(1));
    for (name, bytes) in all_archives(&entries) {
        let data = read(name, bytes).unwrap();
        assert!(data.warnings[0].contains("filtered_feature_bc_matrix/matrix.mtx"), "{:?}", data.warnings);
    }
    let mut entries = trio("GSM1_", false);
    entries.extend(trio("GSM2_", true).into_iter().skip(1));
    let message = open("GSE.tar", tar(&entries)).unwrap_err().to_string();
    for part in ["holds 2 matrices", "GSM1_matrix.mtx, GSM2_matrix.mtx.gz", "one matrix at a time"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn archives_that_cannot_be_read_say_why() {
    let message = |name: &str, bytes: Vec<u8>| open(name, bytes).unwrap_err().to_string();
    let only = |path: &str| vec![(path.to_owned(), b"text".to_vec())];
    assert!(message("a.zip", zip(&only("notes.md"), false)).contains("an archive without a matrix; it holds notes.md"));
    assert!(message("a.zip", zip(&only("x.zarr/.zgroup"), false)).contains(".zgroup is no JSON"));
    let partial: Entries<'_> = trio("", true).into_iter().filter(|(path, _)| !path.contains("barcodes")).collect();
    assert!(message("a.tar", tar(&partial)).contains("lacks barcodes.tsv"));
    // A size that is not borne out.
    let mut lying = tar(&trio("", false));
    lying[512 * 2 + 124..512 * 2 + 135].copy_from_slice(b"77777777777");
    message("a.tar", lying);
    for (name, whole) in all_archives(&trio("GSM1_", true)) {
        for length in (0..whole.len()).step_by((whole.len() / 100).max(1)) {
            let result = read(name, whole[..length].to_vec());
            // A tar without its last blocks of zeros is whole.
            assert!(result.is_err() || (name == "a.tar" && length + 2048 > whole.len()) || length + 64 > whole.len());
        }
    }
}
