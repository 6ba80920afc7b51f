//! AnnData in zarr, version 2 and 3, as an archive and as a folder of files; stores from `tests/golden/zarr_stores.py`.

use std::io::{Cursor, Read};

use cells::source::NamedSource;
use spec::dataset::{ColumnKind, FileFormat, PrepareOptions};

use super::build::{self, open, read_all, read_opened, to_dense};

/// The stores, and how many matrices each has.
pub const STORES: [(&str, usize, &[u8]); 4] = [
    ("v2", 4, include_bytes!("../../golden/zarr_v2.zip")),
    ("v3", 4, include_bytes!("../../golden/zarr_v3.zip")),
    ("v2_codecs", 10, include_bytes!("../../golden/zarr_v2_codecs.zip")),
    ("v3_codecs", 10, include_bytes!("../../golden/zarr_v3_codecs.zip")),
];

/// The files of a store with their paths, as a folder is dropped.
pub fn folder(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut files = Vec::new();
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.push((entry.name().unwrap().to_string(), bytes));
    }
    files
}

fn sources(files: Vec<(String, Vec<u8>)>) -> Vec<NamedSource> {
    files.into_iter().map(|(path, bytes)| NamedSource::from_bytes(path, bytes)).collect()
}

#[test]
fn every_store_and_codec_reads_the_same() {
    for (name, n_matrices, bytes) in STORES {
        let dresses = [
            ("zip", vec![NamedSource::from_bytes("a.zarr.zip", bytes.to_vec())]),
            ("folder", sources(folder(bytes))),
            ("tar", vec![NamedSource::from_bytes("a.tar", super::archives::tar(&folder(bytes)))]),
            (
                "tar.gz",
                vec![NamedSource::from_bytes("a.tgz", super::archives::gzipped(&super::archives::tar(&folder(bytes))))],
            ),
        ];
        for (dress, files) in dresses {
            let opened =
                cells::read::open(files, build::PLENTY).unwrap_or_else(|error| panic!("{name} {dress}: {error}"));
            assert_eq!(opened.opened().format, FileFormat::Zarr);
            assert_eq!(opened.opened().matrices.len(), n_matrices, "{name} {dress}: {:?}", opened.opened().warnings);
            for info in &opened.opened().matrices {
                let options = PrepareOptions { matrix: Some(info.name.clone()), ..PrepareOptions::default() };
                let data =
                    read_opened(&opened, &options).unwrap_or_else(|error| panic!("{name} {}: {error}", info.name));
                assert_eq!(to_dense(&data.counts), build::dense(), "{name} {dress} {}", info.name);
                assert_eq!((data.barcodes, data.genes.symbols), (build::cell_names(), build::gene_names()));
            }
        }
    }
}

#[test]
fn columns_of_every_kind_read_from_zarr() {
    for (name, _, bytes) in STORES.into_iter().take(2) {
        let opened = open(name, bytes.to_vec()).unwrap();
        let kind = |wanted: &str| &opened.opened().columns.iter().find(|column| column.name == wanted).unwrap().kind;
        let labels = |values: &[(&str, usize)]| ColumnKind::Labels {
            n_distinct: values.len(),
            values: values.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect(),
        };
        assert_eq!(*kind("condition"), labels(&[("A", 2), ("B", 2), ("control", 2)]), "{name}");
        assert_eq!(*kind("age"), ColumnKind::Numbers { min: Some(1.0), max: Some(6.0) }, "{name}");
        assert_eq!(*kind("flag"), labels(&[("True", 4), ("False", 2)]), "{name}");
        assert_eq!(*kind("score"), ColumnKind::Numbers { min: Some(0.0), max: Some(3.0) }, "{name}");
        assert_eq!(*kind("note"), labels(&[("grün", 3), ("b", 2), ("c", 2)]), "{name}");
        let suggested = &opened.opened().suggested;
        assert_eq!(suggested.control_label.as_deref(), Some("control"));
    }
}

#[test]
fn metadata_may_be_consolidated_alone() {
    for (name, _, bytes) in STORES.into_iter().take(2) {
        let is_root = |path: &str| path.matches('/').count() == 1;
        let is_meta = |path: &str| [".zarray", ".zattrs", ".zgroup", "zarr.json"].iter().any(|end| path.ends_with(end));
        let files = folder(bytes).into_iter().filter(|(path, _)| is_root(path) || !is_meta(path)).collect();
        let data =
            read_all(sources(files), &PrepareOptions::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(to_dense(&data.counts), build::dense(), "{name}");
    }
}

#[test]
fn stores_that_cannot_be_read_say_why() {
    let message =
        |files: Vec<(String, Vec<u8>)>| read_all(sources(files), &PrepareOptions::default()).unwrap_err().to_string();
    let other = vec![("x.zarr/zarr.json".into(), b"{\"zarr_format\":3,\"node_type\":\"group\"}".to_vec())];
    assert!(message(other).contains("a zarr store without one AnnData"));
    let broken = vec![("x.zarr/zarr.json".into(), b"{".to_vec())];
    assert!(message(broken).contains("zarr.json is no JSON"));
    // A claim that no store of this size can bear.
    let with = |pointer: &str, value: serde_json::Value| -> Vec<(String, Vec<u8>)> {
        let files = folder(STORES[3].2).into_iter();
        let changed = files.map(|(path, bytes)| {
            if !path.ends_with(".zarr/X/zarr.json") {
                return (path, bytes);
            }
            let mut json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            *json.pointer_mut(pointer).unwrap() = value.clone();
            (path, json.to_string().into_bytes())
        });
        changed.collect()
    };
    let huge = message(with("/shape/0", 4_000_000_000u64.into()));
    assert!(huge.contains("X claims the shape [4000000000, 5]"), "{huge}");
    let chunk = message(with("/chunk_grid/configuration/chunk_shape/0", 4_000_000_000u64.into()));
    assert!(chunk.contains("X claims the shape [4000000000, 5]"), "{chunk}");
    let unknown = message(with("/codecs/1/name", "zfpy".into()));
    assert!(unknown.contains("compressed with \"zfpy\""), "{unknown}");
    let larger = message(with("/codecs/1/name", "blosc".into()));
    assert!(larger.starts_with("X ") && larger.contains("blosc"), "{larger}");
    let cut: Vec<_> = folder(STORES[2].2)
        .into_iter()
        .map(|(path, bytes)| if path.ends_with("X/0.0") { (path, bytes[..20].to_vec()) } else { (path, bytes) })
        .collect();
    let error = message(cut);
    assert!(error.starts_with("X ") && error.contains("cut off"), "{error}");
}
