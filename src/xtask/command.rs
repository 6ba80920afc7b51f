//! Running other programs: in the repository's folder, with their output passed through, and a plain word on failure.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// A program with its arguments, to run in the repository's folder.
pub fn program(name: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    // `npm` is a script on Windows, which only its full name starts.
    let found = find(&name.as_ref().to_string_lossy());
    let mut command = Command::new(found.as_deref().unwrap_or(Path::new(&name)));
    command.args(arguments).current_dir(workspace::root());
    // Set for this program by `cargo run`; in programs it starts they would mean something else.
    for variable in ["CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH", "CARGO_PKG_NAME", "CARGO_PKG_VERSION"] {
        command.env_remove(variable);
    }
    command
}

/// Runs a program.
///
/// # Errors
/// Where it cannot be started or does not succeed.
pub fn run(name: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<()> {
    finish(program(name, arguments))
}

/// Runs a prepared program to its end.
///
/// # Errors
/// Where it cannot be started or does not succeed.
pub fn finish(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    let status = command.status().with_context(|| format!("starting `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed; its own message is above");
    }
    Ok(())
}

/// What a program prints, without the last line break; nothing where it fails.
pub fn output(name: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Option<String> {
    let output = program(name, arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// The full path of a program on `PATH`, or of one given by its path.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let suffixes: &[&str] = if cfg!(windows) { &[".exe", ".cmd", ".bat"] } else { &[""] };
    let folders: Vec<PathBuf> = match Path::new(name).components().count() {
        1 => env::split_paths(&path).collect(),
        _ => vec![PathBuf::new()],
    };
    let candidates = folders.iter().flat_map(|folder| suffixes.iter().map(move |s| folder.join(format!("{name}{s}"))));
    candidates.chain(folders.iter().map(|folder| folder.join(name))).find(|file| file.is_file())
}

/// `PATH` with folders put before it.
pub fn path_with(folders: &[PathBuf]) -> Result<OsString> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::join_paths(folders.iter().cloned().chain(env::split_paths(&path))).context("a folder of PATH has a separator")
}

fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(name.to_string_lossy()).chain(arguments).collect::<Vec<_>>().join(" ")
}
