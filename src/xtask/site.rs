//! Builds the site: the engine's module into `pkg/wasm`, then the screen and all files around it into `web/dist`.
//!
//! Both modules are built in cargo's `release` profile. `wasm-opt` is left out on purpose: it takes minutes on a module
//! this size and saves little of what travels compressed.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::command;
use crate::tools::Tools;
use crate::workspace;

const TARGET: &str = "wasm32-unknown-unknown";
/// Files that are served compressed; the others are compressed already, or tiny.
const COMPRESSIBLE: [&str; 7] = ["css", "h5ad", "html", "js", "json", "svg", "wasm"];
const MIN_COMPRESSED_BYTES: u64 = 1024;

/// Builds everything; returns the folder to serve.
///
/// # Errors
/// Where a build fails.
pub fn build(tools: &Tools) -> Result<PathBuf> {
    build_package(tools)?;
    // trunk is kept offline, so that it uses the tools at hand: what it builds must be there.
    command::run("cargo", ["fetch", "--locked", "--quiet", "--target", TARGET])?;
    println!("Building the screen.");
    let mut trunk = command::program(tools.trunk.join("trunk"), ["build", "--release", "--offline"]);
    trunk.current_dir(workspace::root().join("web"));
    trunk.env("PATH", command::path_with(&[tools.wasm_bindgen.clone(), tools.trunk.clone()])?);
    // trunk takes any value of this variable but `true` and `false` for a mistake.
    trunk.env_remove("NO_COLOR");
    command::finish(trunk)?;
    let site = workspace::root().join("web").join("dist");
    compress_folder(&site)?;
    Ok(site)
}

/// Builds the engine's module into the npm package; returns the folder of the package.
///
/// # Errors
/// Where a build fails.
pub fn build_package(tools: &Tools) -> Result<PathBuf> {
    println!("Building the engine for the browser (the first time some 15 minutes on two cores, later seconds).");
    command::run("cargo", ["build", "--locked", "--release", "--target", TARGET, "--package", "worker"])?;
    let package = workspace::root().join("pkg");
    let module = workspace::target().join(TARGET).join("release").join("worker.wasm");
    let built = package.join("wasm").join("engine_bg.wasm");
    if !is_newer(&built, &module) {
        let arguments = ["--target", "web", "--out-name", "engine", "--remove-name-section"];
        let mut bind = command::program(tools.wasm_bindgen.join("wasm-bindgen"), arguments);
        bind.args(["--remove-producers-section", "--out-dir"]).arg(package.join("wasm")).arg(&module);
        command::finish(bind)?;
    }
    compress(&built)?;
    Ok(package)
}

/// Puts a compressed twin, `<name>.gz`, beside every file that gains by it.
fn compress_folder(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("listing {}", folder.display()))? {
        let path = entry?.path();
        let suffix = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            compress_folder(&path)?;
        } else if COMPRESSIBLE.contains(&suffix.as_str()) && path.metadata()?.len() >= MIN_COMPRESSED_BYTES {
            compress(&path)?;
        }
    }
    Ok(())
}

fn compress(path: &Path) -> Result<()> {
    let twin = PathBuf::from(format!("{}.gz", path.display()));
    if is_newer(&twin, path) {
        return Ok(());
    }
    let written = || -> std::io::Result<()> {
        let bytes = fs::read(path)?;
        let mut encoder = GzEncoder::new(BufWriter::new(fs::File::create(&twin)?), Compression::best());
        encoder.write_all(&bytes)?;
        encoder.finish()?.flush()
    };
    written().with_context(|| format!("compressing {}", path.display()))
}

/// Whether a file is there and was written after another.
fn is_newer(made: &Path, from: &Path) -> bool {
    let modified = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    matches!((modified(made), modified(from)), (Some(made), Some(from)) if made >= from)
}
