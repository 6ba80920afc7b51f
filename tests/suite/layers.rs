//! The direction of imports and the other rules of the house that manifests and sources show (ARCHITECTURE.md).

use std::fs;
use std::path::{Path, PathBuf};

/// Each crate with the crates of the house that it may name.
const MAY_USE: [(&str, &[&str]); 9] = [
    ("spec", &[]),
    ("cells", &["spec"]),
    ("atlas", &[]),
    ("jepa", &["spec", "cells"]),
    ("engine", &["spec", "cells", "atlas", "jepa"]),
    ("worker", &["spec", "engine"]),
    ("cli", &["spec", "engine"]),
    ("ui", &["spec"]),
    ("xtask", &[]),
];

/// Each crate with the words that have no place in its sources, and why.
const MAY_NOT_SAY: [(&str, &[&str], &str); 5] = [
    ("spec", &["burn::", "wgpu", "js_sys", "web_sys", "std::fs", "std::path"], "it is plain data"),
    ("cells", &["burn::", "wgpu", "js_sys", "web_sys", "std::fs", "std::path"], "readers take bytes"),
    ("atlas", &["burn::", "wgpu", "js_sys", "web_sys", "std::fs", "std::path"], "it works on rows of numbers"),
    ("jepa", &["web_sys", "std::fs", "std::path"], "it knows no DOM and no files"),
    ("ui", &["burn::", "wgpu::", "std::fs", "std::path"], "it knows spec alone"),
];

/// Each crate with the beginnings of the names of packages that it may not depend on.
const MAY_NOT_DEPEND: [(&str, &[&str]); 5] = [
    ("spec", &["burn", "cubecl", "wgpu", "js-sys", "web-sys", "wasm-bindgen"]),
    ("cells", &["burn", "cubecl", "wgpu", "js-sys", "web-sys", "wasm-bindgen"]),
    ("atlas", &["burn", "cubecl", "wgpu", "js-sys", "web-sys", "wasm-bindgen"]),
    ("engine", &["burn", "cubecl", "wgpu", "js-sys", "web-sys", "wasm-bindgen"]),
    ("ui", &["burn", "cubecl", "wgpu"]),
];

/// Where targets may be told apart: in `jepa`, and in the leaves that exist for one of them.
const MAY_TELL_TARGETS: [&str; 6] =
    ["src/jepa/platform", "src/jepa/device.rs", "src/worker/", "src/ui/", "src/cli/", "src/xtask/"];

const JUNK_DRAWERS: [&str; 6] = ["common", "helper", "helpers", "misc", "util", "utils"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust sources under a folder, with their paths relative to the repository.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root().join(folder), folder, &mut found);
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

fn collect(folder: &Path, name: &str, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{name}: {error}")) {
        let entry = entry.expect("a folder's entries can be read");
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        if path.is_dir() {
            collect(&path, &name, found);
        } else if path.extension().is_some_and(|suffix| suffix == "rs") {
            found.push((name, fs::read_to_string(&path).expect("sources are text")));
        }
    }
}

/// The lines of a source that are code.
fn code(source: &str) -> impl Iterator<Item = &str> {
    source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"))
}

fn says(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

#[test]
fn manifests_follow_the_direction_of_imports() {
    for (name, allowed) in MAY_USE {
        let manifest = fs::read_to_string(root().join(format!("src/{name}/Cargo.toml"))).expect("the crate is there");
        let manifest: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let dependencies = manifest["dependencies"].as_table().expect("dependencies are a table");
        let forbidden = MAY_NOT_DEPEND.iter().filter(|(other, _)| *other == name).flat_map(|(_, packages)| *packages);
        for package in forbidden {
            let found = dependencies.keys().find(|dependency| dependency.starts_with(package));
            assert!(found.is_none(), "{name} depends on {found:?}, which has no place in it");
        }
        for (other, _) in MAY_USE.iter().filter(|(other, _)| dependencies.contains_key(*other)) {
            assert!(allowed.contains(other), "{name} depends on {other}; it may use {allowed:?}");
        }
    }
}

#[test]
fn sources_keep_to_their_layer() {
    for (name, forbidden, why) in MAY_NOT_SAY {
        for (file, source) in sources(&format!("src/{name}")) {
            for line in code(&source) {
                if let Some(word) = forbidden.iter().find(|word| says(line, word)) {
                    panic!("{file} says {word} in `{line}`, but {why}");
                }
            }
        }
    }
}

#[test]
fn targets_are_told_apart_in_leaves_alone() {
    for (file, source) in sources("src") {
        let may = MAY_TELL_TARGETS.iter().any(|place| file.starts_with(place));
        for line in code(&source).filter(|_| !may) {
            for word in ["target_arch", "target_family", "target_os", "cfg(windows)", "cfg(unix)"] {
                assert!(!line.contains(word), "{file} tells targets apart: `{line}`");
            }
        }
    }
}

#[test]
fn the_engine_does_not_print() {
    for name in ["spec", "cells", "atlas", "jepa", "engine"] {
        for (file, source) in sources(&format!("src/{name}")) {
            // What follows are the file's own tests.
            let code = code(&source).take_while(|line| !line.starts_with("#[cfg(test)]"));
            for line in code {
                for word in ["println!", "eprintln!", "print!", "eprint!", "dbg!"] {
                    assert!(!says(line, word), "{file} prints: `{line}`");
                }
            }
        }
    }
}

#[test]
fn every_file_says_what_it_is_and_none_is_a_junk_drawer() {
    for (file, source) in sources("src").into_iter().chain(sources("tests/suite")) {
        let opening = source.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(
            (1..=10).contains(&opening),
            "{file} opens with {opening} lines of //!; 1 to 10 say what it is and why"
        );
        for part in file.trim_end_matches(".rs").split('/') {
            assert!(!JUNK_DRAWERS.contains(&part), "{file}: name it by what it holds");
        }
    }
}
