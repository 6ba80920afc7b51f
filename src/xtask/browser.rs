//! The browser that the tests drive: one that is there, or Debian's Chromium where it can be installed.

use std::env;
use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::command;

const PROGRAMS: [&str; 6] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
];

const PLACES: [&str; 7] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
    r"C:\Program Files\Microsoft\Edge\Application\msedge.exe",
];

/// The browser's program.
///
/// # Errors
/// Says what to install where none is found.
pub fn find_or_install() -> Result<PathBuf> {
    if let Some(named) = env::var_os("CHROME").map(PathBuf::from) {
        if !named.is_file() {
            bail!("CHROME names {}, which is no file: let it name a Chromium, Chrome or Edge", named.display());
        }
        return Ok(named);
    }
    if let Some(found) = find() {
        return Ok(found);
    }
    if command::find("apt-get").is_some() && is_root() {
        println!("Installing Debian's Chromium with apt-get (about a minute).");
        // A stale list of packages is the usual reason for a failure; an update that fails need not be one.
        let _ = command::run("apt-get", ["update", "-qq"]);
        command::run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", "chromium"])?;
        if let Some(found) = find() {
            return Ok(found);
        }
    }
    bail!(
        "no browser for the tests: install Chromium (on Debian: sudo apt-get install chromium), Chrome or Edge, \
         or name its program in CHROME"
    )
}

fn find() -> Option<PathBuf> {
    let installed = PROGRAMS.iter().find_map(|name| command::find(name));
    installed.or_else(|| PLACES.iter().map(PathBuf::from).find(|place| place.is_file()))
}

fn is_root() -> bool {
    command::output("id", ["-u"]).as_deref() == Some("0")
}
