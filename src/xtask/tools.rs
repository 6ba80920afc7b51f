//! What must be on the machine to build for the browser; set up where it is missing.
//!
//! Tools go into a folder of their own, one per version, so that they neither replace nor depend on what a person has
//! installed: `~/.cache/waddington/tools`, or the folder that `WADDINGTON_TOOLS` names.

use std::env;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::workspace;

const TARGET: &str = "wasm32-unknown-unknown";
/// The last version that builds with the Rust of this repository; 0.22 asks for a newer one.
const TRUNK_VERSION: &str = "0.21.14";

/// What the browser tests are written for.
const OLDEST_NODE: u32 = 20;

/// Where the tools are.
#[derive(Debug)]
pub struct Tools {
    /// Folder of `wasm-bindgen`, in the version of the library.
    pub wasm_bindgen: PathBuf,
    /// Folder of `trunk`.
    pub trunk: PathBuf,
}

/// Makes sure of all tools.
///
/// # Errors
/// Names what is missing and what to install.
pub fn set_up() -> Result<Tools> {
    add_target()?;
    let version = workspace::locked_version("wasm-bindgen")?;
    // Without `--locked`: the lock file it ships does not resolve.
    let wasm_bindgen = install("wasm-bindgen", "wasm-bindgen-cli", &version, &[], "3 minutes")?;
    // Unoptimised: it only starts other programs and copies files, and is built in half the time.
    let flags = ["--locked", "--no-default-features", "--debug"];
    let trunk = install("trunk", "trunk", TRUNK_VERSION, &flags, "5 minutes")?;
    Ok(Tools { wasm_bindgen, trunk })
}

/// Makes sure of Node, npm and the packages that a folder's lock file names.
///
/// # Errors
/// Names what is missing and what to install.
pub fn npm_packages(folder: &str) -> Result<()> {
    for name in ["node", "npm"] {
        if command::find(name).is_none() {
            bail!(
                "{name} is missing: install Node.js {OLDEST_NODE} or newer (https://nodejs.org, or your package manager)"
            );
        }
    }
    let version = command::output("node", ["--version"]).unwrap_or_default();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NODE) {
        bail!("this Node.js is too old ({version}): install Node.js {OLDEST_NODE} or newer (https://nodejs.org)");
    }
    let place = workspace::root().join(folder);
    let modified = |name: &str| place.join(name).metadata().and_then(|file| file.modified()).ok();
    // npm writes this file when it is done.
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_some() && installed >= modified("package-lock.json") {
        return Ok(());
    }
    println!("Installing the npm packages of {folder} (seconds).");
    let mut npm = command::program("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    npm.current_dir(&place);
    command::finish(npm)
}

/// Makes sure of a part of the Rust toolchain that `cargo <command>` runs.
///
/// # Errors
/// Says what to install where it cannot be added.
pub fn component(name: &str, command: &str) -> Result<()> {
    if command::output("cargo", [command, "--version"]).is_some() {
        return Ok(());
    }
    if command::find("rustup").is_none() {
        bail!(
            "this Rust has no {name}: install Rust with rustup (https://rustup.rs), or add {name} from your packages"
        );
    }
    println!("Adding {name} to the Rust toolchain (seconds).");
    command::run("rustup", ["component", "add", name])
}

fn add_target() -> Result<()> {
    let libraries = command::output("rustc", ["--print", "target-libdir", "--target", TARGET]);
    let libraries = libraries.context("rustc is missing: install Rust with rustup (https://rustup.rs)")?;
    if PathBuf::from(libraries).is_dir() {
        return Ok(());
    }
    if command::find("rustup").is_none() {
        bail!("this Rust cannot build for {TARGET}: install Rust with rustup (https://rustup.rs), or add that target");
    }
    println!("Adding the Rust target {TARGET} (seconds).");
    command::run("rustup", ["target", "add", TARGET])
}

/// Makes sure of one program made by `cargo install`; returns the folder it lies in.
fn install(program: &str, package: &str, version: &str, flags: &[&str], duration: &str) -> Result<PathBuf> {
    let place = folder()?.join(format!("{program}-{version}"));
    let programs = place.join("bin");
    if programs.join(format!("{program}{}", env::consts::EXE_SUFFIX)).is_file() {
        return Ok(programs);
    }
    println!("Installing {package} {version} (about {duration} on two cores; once per machine).");
    let started = Instant::now();
    let mut cargo = command::program("cargo", ["install", package, "--version", version, "--quiet", "--root"]);
    cargo.arg(&place).args(flags);
    // The flags of this repository are not those of a tool.
    cargo.current_dir(env::temp_dir()).env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
    command::finish(cargo).with_context(|| {
        format!("installing {package} {version}: it needs a C compiler and linker (on Debian: apt-get install build-essential)")
    })?;
    println!("Installed {package} in {:.0} s.", started.elapsed().as_secs_f64());
    Ok(programs)
}

fn folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("WADDINGTON_TOOLS") {
        return Ok(workspace::root().join(folder));
    }
    let caches = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cache")));
    let caches = caches.context("there is no home folder: name a folder for the tools in WADDINGTON_TOOLS")?;
    Ok(caches.join("waddington").join("tools"))
}
