//! Which dropped files make one sample: one that is a matrix of its own, or three of Matrix Market that share a prefix.

use std::collections::BTreeMap;

use crate::read::archive;
use crate::read::error::ReadError;
use crate::read::sniff::{Role, role};
use crate::read::zarr;
use crate::source::NamedSource;

/// The files of one sample, and its name.
#[derive(Debug)]
pub struct Sample {
    /// What its cells are labelled with.
    pub name: String,
    /// Its files, as [`open`](crate::read::open) takes them.
    pub files: Vec<NamedSource>,
}

impl Sample {
    /// Whether it is nothing but a text table, which may hold labels as well as counts.
    pub(crate) fn is_table(&self) -> bool {
        let endings = [".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz"];
        let is_table = |file: &NamedSource| endings.iter().any(|ending| file.name.to_lowercase().ends_with(ending));
        self.files.len() == 1 && self.files.iter().all(is_table)
    }
}

/// Sorts files into samples, named by what their names do not share; in order of name.
///
/// `bytes_available` bounds what is unpacked to look inside.
///
/// # Errors
/// Where a file cannot be read at all. What is in no sample's files is found when the sample is opened.
pub fn group_samples(files: Vec<NamedSource>, bytes_available: u64) -> Result<Vec<Sample>, ReadError> {
    let mut groups: BTreeMap<String, Vec<NamedSource>> = BTreeMap::new();
    let stores: Vec<String> = store_folders(&files);
    let mut tables = Vec::new();
    for file in files {
        if let Some(store) = stores.iter().find(|store| file.name.starts_with(store.as_str())) {
            groups.entry(store.clone()).or_default().push(file);
            continue;
        }
        match role(&file, bytes_available)? {
            Role::Matrix | Role::Barcodes | Role::Features => {
                groups.entry(archive::group(&file.name)).or_default().push(file);
            }
            Role::Archive(kind) => {
                let name = file.name.clone();
                match archive::trios(file, kind)? {
                    Ok(members) => {
                        for member in members {
                            groups.entry(format!("{name}/{}", archive::group(&member.name))).or_default().push(member);
                        }
                    }
                    Err(whole) => groups.entry(name).or_default().push(whole),
                }
            }
            Role::Table(_) => tables.push(file),
            _ => groups.entry(file.name.clone()).or_default().push(file),
        }
    }
    // A table beside matrices labels the one whose name it begins with, if there is one; else it is a matrix itself.
    for table in tables {
        let stem = stem(&table.name);
        let owner = groups.keys().filter(|key| stem.starts_with(&self::stem(key))).max_by_key(|key| key.len()).cloned();
        groups.entry(owner.unwrap_or_else(|| table.name.clone())).or_default().push(table);
    }
    let names = distinct(groups.keys().map(|key| stem(key)).collect());
    Ok(names.into_iter().zip(groups.into_values()).map(|(name, files)| Sample { name, files }).collect())
}

/// The folders that are zarr stores: those with metadata that lie in no other.
fn store_folders(files: &[NamedSource]) -> Vec<String> {
    let metas = files.iter().filter(|file| zarr::is_meta(&file.name));
    let mut folders: Vec<String> =
        metas.filter_map(|file| Some(format!("{}/", file.name.rsplit_once('/')?.0))).collect();
    folders.sort();
    folders.dedup_by(|later, earlier| later.starts_with(earlier.as_str()));
    folders
}

/// A name without folders that say nothing and without its ending.
fn stem(key: &str) -> String {
    let path = key.trim_end_matches(['/', '_', '-', '.']);
    let base = path.rsplit('/').next().unwrap_or(path);
    let mut name = base;
    for ending in [".gz", ".zip", ".tar", ".tgz", ".h5ad", ".h5", ".hdf5", ".loom", ".zarr", ".csv", ".tsv", ".txt"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    // An ending may stand before another: a.zarr.zip.
    let name = name.strip_suffix(".zarr").unwrap_or(name);
    let name = name.trim_end_matches("filtered_feature_bc").trim_end_matches(['_', '-', '.']);
    if name.is_empty() { "sample".into() } else { name.to_owned() }
}

/// Names that occur twice get a number.
fn distinct(mut names: Vec<String>) -> Vec<String> {
    for at in 1..names.len() {
        let (before, rest) = names.split_at_mut(at);
        let base = rest[0].clone();
        let mut n = 1;
        while before.contains(&rest[0]) {
            n += 1;
            rest[0] = format!("{base}_{n}");
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{distinct, stem};

    #[test]
    fn samples_are_named_by_their_files() {
        for (key, name) in [
            ("a.h5ad", "a"),
            ("GSM1_", "GSM1"),
            ("GSE1_RAW.tar/GSM2_tumour_", "GSM2_tumour"),
            ("patient1/outs.d/", "outs.d"),
            ("store.zarr.zip", "store"),
            ("x/store.zarr/", "store"),
            ("", "sample"),
            ("s1_filtered_feature_bc_", "s1"),
        ] {
            assert_eq!(stem(key), name, "{key}");
        }
        let names = ["a", "a", "b", "a"].map(String::from).to_vec();
        assert_eq!(distinct(names), ["a", "a_2", "b", "a_3"]);
    }
}
